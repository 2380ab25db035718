// Two people at two browsers, on a real daemon: everything that is done with messages.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { eventually, picture } from './lib/page.mjs';
import { png } from './lib/png.mjs';
import { Team, choose, composer, inRoom, row, rows, say, scroller, sees, sent, signIn, texts } from './lib/team.mjs';

describe('two people in a room', () => {
    let team, ada, bo;
    let open = []; // two windows, which go from room to room with the tests
    before(async () => {
        team = await Team.start();
        ada = await team.own();
        bo = await team.invite('bo', 'Bo Chen');
    });
    afterEach(() => team.leave({ stay: open }));
    after(() => team?.stop());

    const both = async (name) => {
        const id = await team.room(name, [ada, bo]);
        if (!open.length) open = [await team.at(ada), await team.at(bo, '', { dark: true })];
        for (const page of open) {
            await page.evaluate((hash) => {
                location.hash = hash;
            }, `#/room/${id}`);
            await inRoom(page, `#${name}`);
        }
        return [id, ...open];
    };

    test('talk, and see each other write', async () => {
        const [, a, b] = await both('talk');
        await a.getByText('This is where it begins').waitFor();
        await picture(a, 'room-empty-light-wide');
        await composer(b).pressSequentially('Is any');
        await a.getByText('Bo Chen is writing…').waitFor();
        await composer(b).pressSequentially('body there?');
        await composer(b).press('Enter');
        await sees(a, 'Is anybody there?');
        await a.getByText('Bo Chen is writing…').waitFor({ state: 'detached' });
        await sent(b, 'Is anybody there?');
        await say(a, 'Yes, at the other browser.');
        await sees(b, 'Yes, at the other browser.');
        assert.deepEqual(await texts(a), await texts(b));
        await a
            .getByRole('log', { name: 'New messages' })
            .getByText('Bo Chen: Is anybody there?')
            .waitFor({ state: 'attached' });
        assert.equal(
            await a.getByRole('log').getByText('Yes, at the other').count(),
            0,
            'one’s own words are not read out',
        );
        await picture(a, 'room-light-wide');
        await picture(b, 'room-dark-wide');
    });

    test('edit, which the others see with its history', async () => {
        const [, a, b] = await both('edits');
        await say(a, 'Lunch at noon');
        await sent(a, 'Lunch at noon');
        await composer(a).press('ArrowUp');
        assert.equal(await composer(a).inputValue(), 'Lunch at noon');
        await composer(a).fill('Lunch at one');
        await picture(a, 'editing-light-wide');
        await composer(a).press('Enter');
        await row(b, 'Lunch at one').getByText('edited').waitFor();
        assert.deepEqual(await texts(b), ['Lunch at one']);
        await row(b, 'Lunch at one').getByText('edited').click();
        await b.getByRole('dialog', { name: 'Edits' }).getByText('Lunch at noon').waitFor();
        await b.keyboard.press('Escape');
        // What was being written comes back after an edit, and after one that is left.
        await composer(a).fill('half a');
        await choose(a, 'Lunch at one', /^Edit/);
        assert.equal(await composer(a).inputValue(), 'Lunch at one');
        await composer(a).press('Escape');
        assert.equal(await composer(a).inputValue(), 'half a');
    });

    test('delete, which leaves a stub, and only after a question', async () => {
        const [, a, b] = await both('deletes');
        await say(a, 'a mistake');
        await sees(b, 'a mistake');
        await choose(a, 'a mistake', /^Delete/);
        const question = a.getByRole('dialog', { name: 'Delete this message?' });
        await question.waitFor();
        await picture(a, 'delete-light-wide');
        await question.getByRole('button', { name: 'Cancel' }).click();
        assert.deepEqual(await texts(b), ['a mistake']);
        await choose(a, 'a mistake', /^Delete/);
        await question.getByRole('button', { name: 'Delete' }).click();
        for (const page of [a, b]) await page.getByText('This message was deleted.').waitFor();
        assert.equal(await rows(b).count(), 1);
        assert.equal(await b.getByText('a mistake').count(), 0);
    });

    test('react, and take it back', async () => {
        const [, a, b] = await both('reacts');
        await say(a, 'It works');
        await sees(b, 'It works');
        await row(b, 'It works').hover();
        await row(b, 'It works').getByRole('button', { name: 'React', exact: true }).click();
        await b.locator('.picker .emoji').first().waitFor();
        await picture(b, 'picker-dark-wide');
        await b.getByLabel('Find an emoji').fill('tada');
        await b.keyboard.press('Enter');
        await row(a, 'It works')
            .getByRole('button', { name: /🎉 1, by Bo Chen/ })
            .click();
        await row(b, 'It works').getByRole('button', { name: /🎉 2/ }).waitFor();
        await row(b, 'It works').getByRole('button', { name: /🎉 2/ }).click();
        await row(a, 'It works')
            .getByRole('button', { name: /🎉 1, by you/ })
            .waitFor();
    });

    test('reply to something said before, and jump to it', async () => {
        const [id, a, b] = await both('replies');
        await say(a, 'the question');
        for (let i = 1; i <= 40; i++) await ada.say(id, `in between ${i}`);
        await sees(b, 'in between 40');
        await scroller(b).evaluate((box) => {
            box.scrollTop = 0;
        });
        await row(b, 'the question').hover();
        await row(b, 'the question').getByRole('button', { name: 'Reply' }).click();
        await b.getByText('Replying to').waitFor();
        await say(b, 'the answer');
        await row(a, 'the answer')
            .getByRole('button', { name: /In reply to Ada/ })
            .click();
        await eventually(
            () => row(a, 'the question').evaluate((one) => one.classList.contains('is-flashed')),
            Boolean,
            'it is shown',
        );
        assert.ok(await row(a, 'the question').isVisible());
    });

    test('mention each other, with completion', async () => {
        const [, a, b] = await both('mentions');
        await composer(a).pressSequentially('hello @b');
        await a.getByRole('option', { name: /Bo Chen/ }).waitFor();
        await picture(a, 'completion-light-wide');
        await composer(a).press('Tab');
        assert.equal(await composer(a).inputValue(), 'hello @bo ');
        await composer(a).press('Enter');
        await b.locator('.row.mentions-me').waitFor();
        await b.getByRole('button', { name: '@Bo Chen' }).waitFor();
        await composer(a).pressSequentially('great :tada');
        await a.getByRole('option', { name: /🎉/ }).first().waitFor();
        await composer(a).press('Enter');
        await composer(a).press('Enter');
        await sees(b, 'great 🎉');
    });

    test('type on at once after a completion, and nothing is out of place', async () => {
        const [, a] = await both('fast');
        for (let i = 0; i < 5; i++) {
            await composer(a).pressSequentially('@bo');
            await a.getByRole('listbox', { name: 'Suggestions' }).waitFor();
            // In one go: no frame is drawn between the keys.
            await a.evaluate(() => {
                const field = document.activeElement;
                field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
                for (const letter of 'are you there') document.execCommand('insertText', false, letter);
            });
            await eventually(
                () => composer(a).inputValue(),
                (text) => text === '@bo are you there',
                'as it was typed',
            );
            await eventually(
                () => composer(a).evaluate((field) => field.selectionStart),
                (at) => at === '@bo are you there'.length,
                'the caret is at the end',
            );
            await composer(a).fill('');
        }
    });

    test('have what can be done with a message below it where fingers are, and a tap does not hit it', async () => {
        const id = await team.room('fingers', [ada, bo]);
        for (const text of ['first', 'second', 'third']) await ada.say(id, text);
        const page = await team.at(ada, `#/room/${id}`, { width: 390, height: 844, phone: true });
        await sees(page, 'third');
        for (const text of ['second', 'third', 'first', 'second']) {
            const box = await row(page, text).boundingBox();
            await page.touchscreen.tap(box.x + box.width * 0.8, box.y + Math.min(box.height / 2, 12));
            const tools = row(page, text).getByRole('toolbar');
            await tools.waitFor();
            const words = await row(page, text).locator('.prose').boundingBox();
            assert.ok((await tools.boundingBox()).y >= words.y + words.height - 1, 'below the text');
            assert.equal(await page.locator('.popover, .menu, dialog').count(), 0, 'nothing has opened');
        }
    });

    test('have it come to what the pointer is over when scrolling rests, not to all that passes', async () => {
        const [, a] = await both('passing');
        await say(a, 'the one below the pointer');
        await sent(a, 'the one below the pointer');
        await a.mouse.move(1, 1);
        await row(a, 'the one below the pointer').locator('.tools').waitFor({ state: 'detached' });
        const took = await row(a, 'the one below the pointer').evaluate(
            (one) =>
                new Promise((resolve) => {
                    const began = performance.now();
                    const watch = new MutationObserver(() => {
                        if (!one.querySelector('.tools')) return;
                        watch.disconnect();
                        resolve(performance.now() - began);
                    });
                    watch.observe(one, { childList: true, subtree: true });
                    one.closest('.messages').dispatchEvent(new Event('scroll'));
                    one.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }));
                }),
        );
        assert.ok(took >= 100, `${took} ms`);
    });

    test('pin, and find what is pinned', async () => {
        const [, a, b] = await both('pins');
        await say(a, 'the address of the office');
        await sees(b, 'the address of the office');
        await choose(a, 'the address of the office', 'Pin');
        await b.getByRole('button', { name: 'Pinned messages: 1' }).click();
        await b
            .getByRole('complementary', { name: 'Pinned messages' })
            .getByText('the address of the office')
            .waitFor();
        await picture(b, 'pins-dark-wide');
        await choose(a, 'the address of the office', 'Unpin');
        await b.getByText('Nothing is pinned').waitFor();
    });

    test('search, and jump to what was found', async () => {
        const [id, a] = await both('search');
        await ada.say(id, 'The lighthouse is at Ушаков, 上海的灯塔');
        for (let i = 1; i <= 120; i++) await ada.say(id, `and then ${i}`);
        await a.getByRole('button', { name: 'Search', exact: true }).click();
        const panel = a.getByRole('complementary', { name: 'Search' });
        await panel.getByLabel('Search the messages').fill('lighth');
        await panel.getByRole('button', { name: /The lighthouse/ }).waitFor();
        assert.equal(await panel.locator('mark').first().innerText(), 'lighthouse');
        await picture(a, 'search-light-wide');
        await panel.getByLabel('Search the messages').fill('上海');
        await panel.getByRole('button', { name: /The lighthouse/ }).click();
        await sees(a, 'The lighthouse');
        await eventually(
            () => row(a, 'The lighthouse').evaluate((one) => one.getBoundingClientRect().top > 0),
            Boolean,
            'in sight',
        );
        await a.getByRole('button', { name: 'Newest' }).click();
        await sees(a, 'and then 120');
        await panel.getByLabel('Search the messages').fill('nothing of the kind');
        await panel.getByText('Nothing was found.').waitFor();
    });

    test('a search that the server ends early looks further when it is told to', async () => {
        const id = await team.room('further', [ada, bo]);
        await ada.say(id, 'the only needle');
        let asked = 0;
        let isEarly = true; // as chat.search_work makes it, with a room that takes as long
        const context = await team.browserOf();
        await context.routeWebSocket(/connection/, (socket) => {
            const server = socket.connectToServer();
            socket.onMessage((text) => {
                const { id: n, rpc } = JSON.parse(text.split('\n')[0]);
                if (rpc?.method !== 'search') return server.send(text);
                asked++;
                if (isEarly)
                    return socket.send(
                        JSON.stringify({ id: n, rpc: { data: { hits: [], cursor: `c${asked}`, partial: true } } }),
                    );
                assert.match(rpc.data.cursor, /^c\d+$/);
                return server.send(JSON.stringify({ id: n, rpc: { ...rpc, data: { ...rpc.data, cursor: undefined } } }));
            });
        });
        const page = await team.window(context, `#/room/${id}`);
        await signIn(page, 'ada');
        await page.getByRole('button', { name: 'Search', exact: true }).click();
        const panel = page.getByRole('complementary', { name: 'Search' });
        await panel.getByLabel('Search the messages').fill('needle');
        await panel.getByText('Nothing was found so far.').waitFor();
        assert.equal(asked, 4, 'by itself it goes on a few times');
        isEarly = false;
        await panel.getByRole('button', { name: 'Look further' }).click();
        await panel.getByRole('button', { name: /the only needle/ }).waitFor();
        await panel.getByText('1 message', { exact: true }).waitFor();
        await panel.getByRole('button', { name: 'Look further' }).waitFor({ state: 'detached' });
        assert.equal(asked, 5);
    });

    test('send files and pasted pictures', async () => {
        const [, a, b] = await both('files');
        await a
            .locator('input[type=file]')
            .setInputFiles({ name: 'plan.txt', mimeType: 'text/plain', buffer: Buffer.from('the plan') });
        await a.locator('.upload').getByText('8 B').waitFor();
        await say(a, 'here it is');
        const link = row(b, 'here it is').getByRole('link', { name: /plan\.txt/ });
        await link.waitFor();
        const [download] = await Promise.all([b.waitForEvent('download'), link.click()]);
        assert.equal(download.suggestedFilename(), 'plan.txt');

        await composer(a).focus();
        await a.evaluate(
            (bytes) => {
                const data = new DataTransfer();
                data.items.add(new File([Uint8Array.from(bytes)], 'image.png', { type: 'image/png' }));
                document.activeElement.dispatchEvent(
                    new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
                );
            },
            [...png(2, 2)],
        );
        await a.locator('.upload img').waitFor();
        await eventually(
            () => a.locator('.upload progress').count(),
            (n) => n === 0,
            'it is up',
        );
        await picture(a, 'upload-light-wide');
        await a.getByRole('button', { name: 'Send' }).click();
        const image = b.locator('.row .picture img');
        await eventually(
            () => image.evaluate((one) => one.complete && one.naturalWidth),
            (width) => width === 2,
            'the picture is there',
        );
        await b.getByRole('button', { name: /^Open the picture/ }).click();
        await b.locator('.lightbox img').waitFor();
        await b.keyboard.press('Escape');
        // One that is taken out again is not sent.
        await a
            .locator('input[type=file]')
            .setInputFiles({ name: 'other.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
        await a.getByRole('button', { name: 'Remove other.txt' }).click();
        assert.equal(await a.locator('.upload').count(), 0);
    });

    test('write Markdown, of which nothing is taken for markup of a page', async () => {
        const [id, a, b] = await both('markdown');
        await say(a, '**bold** and `code`, ~~not this~~\n> a quote\n\n- one\n- two\n\nhttps://example.com/x.');
        await row(b, 'bold').locator('strong', { hasText: 'bold' }).waitFor();
        for (const part of ['code', 'del', 'blockquote', 'ul li'])
            assert.ok(await row(b, 'bold').locator(part).count(), part);
        assert.deepEqual(
            await row(b, 'bold')
                .locator('a')
                .evaluateAll((all) => all.map((one) => [one.href, one.rel, one.target])),
            [['https://example.com/x', 'noopener noreferrer nofollow', '_blank']],
        );
        await b.evaluate(() => {
            window.wasHit = false;
            window.alert = () => {
                window.wasHit = true;
            };
        });
        const payloads = [
            '<script>alert(1)</script>',
            '<img src=x onerror=alert(1)>',
            '<svg onload=alert(1)>',
            '<iframe srcdoc="<script>alert(1)</script>">',
            '<details open ontoggle=alert(1)>x</details>',
            '<a href="javascript:alert(1)">x</a>',
            '[x](javascript:alert(1))',
            '[x](java&#115;cript:alert(1))',
            '[x](data:text/html;base64,PHNjcmlwdD4=)',
            '![x](x"onerror="alert(1))',
            '&lt;script&gt;alert(1)&lt;/script&gt;',
            '**<img src=x onerror=alert(1)>**',
            '> <script>alert(1)</script>',
            '- <img src=x onerror=alert(1)>',
            '`<img src=x onerror=alert(1)>`',
            '[**[x](javascript:alert(1))**](javascript:alert(2))',
            '<https://x.example/"onmouseover="alert(1)>',
        ];
        for (const payload of payloads) await ada.say(id, payload);
        await ada.say(id, 'that was all of it');
        await sees(b, 'that was all of it');
        const found = await b.evaluate(() => ({
            wasHit: window.wasHit,
            elements: [...new Set([...document.querySelectorAll('.prose *')].map((one) => one.localName))].sort(),
            attributes: [
                ...new Set([...document.querySelectorAll('.prose *')].flatMap((one) => one.getAttributeNames())),
            ].sort(),
            links: [...document.querySelectorAll('.prose a')].map((one) => one.protocol),
            text: document.querySelector('.rows').textContent,
        }));
        assert.equal(found.wasHit, false);
        for (const element of found.elements)
            assert.ok(['a', 'blockquote', 'code', 'del', 'li', 'p', 'span', 'strong', 'ul'].includes(element), element);
        for (const name of found.attributes)
            assert.ok(['class', 'dir', 'href', 'rel', 'tabindex', 'target'].includes(name), name);
        for (const protocol of found.links) assert.ok(['https:', 'http:', 'mailto:'].includes(protocol), protocol);
        for (const text of [
            '<script>alert(1)</script>',
            '<img src=x onerror=alert(1)>',
            '<svg onload=alert(1)>',
            '[x](javascript:alert(1))',
            '&lt;script&gt;',
        ])
            assert.ok(found.text.includes(text), `${text} is shown`);
        await picture(b, 'payloads-dark-wide');
    });

    test('find a name that is markup as harmless as a text that is', async () => {
        const evil = await team.invite('evil', '<img src=x onerror=alert(1)>');
        const id = await team.room('names', [ada, evil], { topic: '<svg onload=alert(1)>' });
        await evil.say(id, 'hello');
        const page = await team.at(ada, `#/room/${id}`);
        await sees(page, 'hello');
        assert.equal(await page.locator('img[src=x], svg[onload]').count(), 0);
        await row(page, 'hello').getByText('<img src=x onerror=alert(1)>').waitFor();
        await page.getByText('<svg onload=alert(1)>').first().waitFor();
    });
});
