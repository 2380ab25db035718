// The page for everybody: by keyboard, by screen reader, on small windows, light and dark, and under its own content
// security policy.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { eventually } from './lib/page.mjs';
import { png } from './lib/png.mjs';
import { PASSWORD, harbour, composer, inRoom, row, rows, say, sees, sent, texts } from './lib/team.mjs';

const focused = (page) =>
    page.evaluate(() => {
        const { activeElement: element } = document;
        return (element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent).trim();
    });

describe('the page for everybody', () => {
    let team, ada, bo, room;
    before(async () => {
        ({ team, ada, bo, room } = await harbour());
    });
    afterEach(() => team.leave());
    after(() => team?.stop());

    test('everything works by keyboard alone', async () => {
        const page = await team.window(await team.browserOf(), `#/room/${room}`);
        await page.getByLabel('Login').waitFor();
        await eventually(
            () => focused(page),
            (name) => name === 'Login',
            'the first field has the focus',
        );
        await page.keyboard.type('ada');
        await page.keyboard.press('Tab');
        await page.keyboard.type(PASSWORD);
        await page.keyboard.press('Enter');
        await inRoom(page, '#harbour');
        await eventually(
            () => focused(page),
            (name) => name === 'Message #harbour',
            'one can write at once',
        );
        await page.keyboard.type('one');
        await page.keyboard.press('Shift+Enter');
        await page.keyboard.type('two');
        await page.keyboard.press('Enter');
        await sent(page, 'two');
        assert.equal((await texts(page)).at(-1), 'one\ntwo');

        // Back into the messages, along them, and to what can be done with one.
        await page.keyboard.press('Shift+Tab');
        for (let i = 0; i < 6 && !(await page.evaluate(() => document.activeElement.matches('.row'))); i++)
            await page.keyboard.press('Shift+Tab');
        assert.ok(await page.evaluate(() => document.activeElement.matches('.row')), await focused(page));
        await page.keyboard.press('Home');
        await eventually(
            () => focused(page),
            (name) => /^Bo Chen.*Good morning/.test(name),
            'the first message',
        );
        await page.keyboard.press('ArrowDown');
        await eventually(
            () => focused(page),
            (name) => /^Ada Lovelace.*Thanks/.test(name),
            'the second',
        );
        await page.keyboard.press('ArrowUp');
        await page.keyboard.press('+');
        await eventually(
            () => focused(page),
            (name) => name === 'Find an emoji',
            'the picker',
        );
        await page.keyboard.type('rocket');
        await page.keyboard.press('Enter');
        await row(page, 'Good morning')
            .getByRole('button', { name: /🚀 1, by you/ })
            .waitFor();
        await row(page, 'Good morning').focus();
        await page.keyboard.press('r');
        await page.getByText('Replying to').waitFor();
        await page.keyboard.press('Escape');
        await page.getByText('Replying to').waitFor({ state: 'detached' });

        // From room to room.
        await page.keyboard.press('Alt+ArrowUp');
        await inRoom(page, '#General');
        await page.keyboard.press('Alt+ArrowUp');
        await inRoom(page, '#design');
        await page.keyboard.press('Control+k');
        await eventually(
            () => focused(page),
            (name) => /^Jump to/.test(name),
            'the switcher',
        );
        await page.keyboard.type('bo ch');
        await page.keyboard.press('Enter');
        await inRoom(page, 'Bo Chen');
        await page.keyboard.press('Control+/');
        await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'detached' });

        // A menu is walked by arrows, and gives the focus back.
        const menu = page.getByRole('button', { name: 'Room menu' });
        await menu.focus();
        await page.keyboard.press('Enter');
        await page.getByRole('menu').waitFor();
        const first = await focused(page);
        await page.keyboard.press('ArrowDown');
        assert.notEqual(await focused(page), first);
        await page.keyboard.press('Escape');
        await page.getByRole('menu').waitFor({ state: 'detached' });
        assert.equal(await focused(page), 'Room menu');

        // All of it is reached by Tab, and shows that it has the focus.
        await page.goto(team.server.url(`/#/room/${room}`));
        await sees(page, 'Good morning');
        const order = [];
        await page.evaluate(() => document.querySelector('.skip').focus());
        while (await page.evaluate(() => document.activeElement !== document.body)) {
            order.push(await focused(page));
            assert.ok(order.length < 60, `no end: ${order.join(' | ')}`);
            const ring = await page.evaluate(() => {
                const shown = document.activeElement.closest('.themes label, .composer-box') ?? document.activeElement;
                const style = getComputedStyle(shown);
                return (
                    style.outlineStyle !== 'none' ||
                    style.boxShadow !== 'none' ||
                    document.activeElement.matches('.row')
                );
            });
            assert.ok(ring, `the focus shows on ${order.at(-1)}`);
            await page.keyboard.press('Tab');
        }
        for (const wanted of [
            /^Skip to/,
            /Jump to/,
            /harbour/,
            /Settings of/,
            /^Search/,
            /^Members/,
            /Room menu/,
            /^(?:Ada Lovelace|Bo Chen), \d/,
            /^Message #/,
            /^Add files/,
        ])
            assert.ok(
                order.some((name) => wanted.test(name)),
                `${wanted} in ${order.join(' | ')}`,
            );
    });

    test('Escape marks the room as read', async () => {
        const id = await team.room('escape', [ada, bo]);
        for (let i = 1; i <= 60; i++) await bo.say(id, `said ${i}.`);
        const page = await team.at(ada, `#/room/${id}`);
        await page.getByRole('button', { name: /\d+ new/ }).waitFor();
        await page.locator('.row-unread').waitFor();
        await page.keyboard.press('Escape');
        await page.locator('.row-unread').waitFor({ state: 'detached' });
        await eventually(
            () => ada.call('sync').then(({ rooms }) => rooms.find((one) => one.id === id).unread ?? 0),
            (n) => n === 0,
            'read',
        );
    });

    test('keys of an input method are its own', async () => {
        const id = await team.room('keys', [ada, bo]);
        const page = await team.at(ada, `#/room/${id}`);
        await inRoom(page, '#keys');
        await composer(page).focus();
        const session = await page.context().newCDPSession(page);
        await session.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
        await session.send('Input.dispatchKeyEvent', {
            type: 'rawKeyDown',
            windowsVirtualKeyCode: 229,
            key: 'Process',
            code: 'Enter',
        });
        await page.evaluate(() =>
            document.activeElement.dispatchEvent(
                new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }),
            ),
        );
        assert.equal(await rows(page).count(), 0);
        await session.send('Input.insertText', { text: '日本' });
        await composer(page).press('Enter');
        await sees(page, '日本');
        assert.deepEqual(await texts(page), ['日本']);
    });

    test('history is not read out, what is said now is', async () => {
        const page = await team.at(ada, `#/room/${room}`);
        await sees(page, 'Good morning');
        const log = page.getByRole('log', { name: 'New messages' });
        assert.equal(await log.locator('p').count(), 0);
        await bo.say(room, 'for the screen reader');
        await log.getByText('Bo Chen: for the screen reader').waitFor({ state: 'attached' });
        assert.equal(await log.getAttribute('aria-relevant'), 'additions');
    });

    test('the theme follows the system until it is chosen, and the choice stays', async () => {
        const page = await team.at(ada, `#/room/${room}`);
        const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await paper();
        await page.emulateMedia({ colorScheme: 'dark' });
        const dark = await paper();
        assert.notEqual(light, dark);
        await page.getByRole('radio', { name: 'Light', exact: true }).check({ force: true });
        assert.equal(await paper(), light);
        await page.reload();
        await inRoom(page, '#harbour');
        assert.equal(await paper(), light);
        await page.getByRole('radio', { name: 'Dark', exact: true }).check({ force: true });
        await page.emulateMedia({ colorScheme: 'light' });
        assert.equal(await paper(), dark);
    });

    for (const width of [320, 390, 768, 1024, 1920]) {
        test(`nothing is cut off at ${width} px`, async () => {
            const id = await team.room(`narrow ${width}`, [ada, bo], {
                topic: 'A topic that is a good deal longer than a phone is wide, and goes on',
            });
            const picked = await fetch(team.server.url('/files?name=wide.png'), {
                method: 'POST',
                headers: { Authorization: `Bearer ${ada.token}`, 'Content-Type': 'image/png' },
                body: png(900, 300),
            });
            const { attachment } = await picked.json();
            await ada.say(
                id,
                `${'unbroken'.repeat(60)} and https://example.com/${'path/'.repeat(40)}\n\n\`\`\`\n${'code '.repeat(80)}\n\`\`\``,
                { attachments: [attachment.id] },
            );
            const page = await team.at(ada, `#/room/${id}`, { width, height: 700, phone: width < 500 });
            await sees(page, 'unbroken');
            for (const hash of [`#/room/${id}`, '#/admin/users', '#feed:narrow']) {
                await page.goto(team.server.url(`/${hash}`));
                await page.getByRole('heading', { level: 1 }).waitFor();
                const over = await page.evaluate(() =>
                    [...document.querySelectorAll('body *')]
                        .filter(
                            (element) =>
                                !element.closest('.vh, .skip, pre, svg, .button-text, .table-place, .tabs') &&
                                element.getBoundingClientRect().right > innerWidth + 1,
                        )
                        .map((element) => element.outerHTML.slice(0, 80)),
                );
                assert.deepEqual(over, [], hash);
            }
        });
    }

    test('the files are compressed, cached by content, small and fenced in', async () => {
        const index = await team.server.get('/', { 'Accept-Encoding': 'identity' });
        assert.equal(index.status, 200);
        assert.match(index.headers['content-type'], /^text\/html/);
        const policy = index.headers['content-security-policy'] ?? '';
        assert.match(policy, /default-src 'none'/);
        assert.doesNotMatch(policy, /unsafe|script-src[^;]*(?:blob|data|\*)/);
        assert.equal(index.headers['x-content-type-options'], 'nosniff');
        const [script] = /app-[A-Z0-9]+\.js/.exec(index.body);
        for (const encoding of ['br', 'gzip']) {
            const got = await team.server.get(`/${script}`, { 'Accept-Encoding': encoding });
            assert.equal(got.headers['content-encoding'], encoding);
            assert.match(got.headers['cache-control'], /immutable/);
            assert.match(got.headers.vary ?? '', /accept-encoding/i);
        }
        let first = 0;
        for (const [, name] of index.body.matchAll(/(?:src|href)="\.\/([\w-]+\.(?:js|css|svg))"/g))
            first += Number((await team.server.get(`/${name}`, { 'Accept-Encoding': 'br' })).headers['content-length']);
        assert.ok(first < 120_000, `${first} bytes before anything is seen`);
        const again = await team.server.get('/', { 'If-None-Match': index.headers.etag });
        assert.equal(again.status, 304);
        assert.equal((await team.server.get('/no-such-file.js')).status, 404);
    });
});
