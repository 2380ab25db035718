// Two browser windows and a chat room.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import {
    Visits,
    bubbles,
    composer,
    eventually,
    inRoom,
    nameField,
    picture,
    say,
    sees,
    sent,
    texts,
} from './lib/page.mjs';

describe('a chat room in the browser', () => {
    let visits;
    before(async () => {
        visits = await Visits.start();
    });
    afterEach(() => visits.leave());
    after(() => visits?.stop());

    test('two windows meet, see each other, and talk', async () => {
        const ada = await visits.visitor('Ada', 'meet');
        await ada.getByText('Nothing said in #meet yet').waitFor();
        await picture(ada, 'chat-empty-light-wide');

        const bo = await visits.visitor('Bo', 'meet', { dark: true });
        for (const [page, other] of [
            [ada, 'Bo'],
            [bo, 'Ada'],
        ]) {
            await page.getByRole('complementary', { name: 'Who is here' }).getByText(other).waitFor();
            await page.getByText('2 people here').waitFor();
        }
        await ada.getByText('Bo joined').waitFor();
        assert.equal(await bo.getByText(/joined$/).count(), 0, 'who was there before is not announced');

        await say(ada, 'Is anybody there?');
        await sent(ada, 'Is anybody there?');
        await sees(bo, 'Is anybody there?');
        await say(bo, 'Yes, in the other window.');
        await sees(ada, 'Yes, in the other window.');
        assert.deepEqual(await texts(ada), await texts(bo));
        assert.equal(await bo.locator('.is-mine').count(), 1);
        await picture(ada, 'chat-light-wide');
        await picture(bo, 'chat-dark-wide');

        await bo.close();
        await ada.getByText('Bo left').waitFor();
        await ada.getByText('1 person here').waitFor();
    });

    test('on a phone, light and dark', async () => {
        const phone = { width: 390, height: 844, phone: true };
        const ada = await visits.visitor('Ada', 'phones', phone);
        const bo = await visits.visitor('Bo', 'phones', { ...phone, dark: true });
        await say(ada, 'On the train, bad reception.');
        await sees(bo, 'On the train');
        await say(bo, 'Never mind, nothing gets lost.');
        await sees(ada, 'Never mind');
        await picture(ada, 'chat-light-phone');
        await picture(bo, 'chat-dark-phone');
        await bo.getByRole('button', { name: /Who is here/ }).click();
        await bo.getByRole('dialog', { name: 'Who is here' }).getByText('Ada').waitFor();
        await picture(bo, 'people-dark-phone');
        await bo.keyboard.press('Escape');
        await ada.getByRole('button', { name: 'Channels and settings' }).click();
        await ada.getByRole('dialog').getByRole('link', { name: 'demo' }).waitFor();
        await picture(ada, 'menu-light-phone');
    });

    test('who comes later finds what was said, and may load what was said before', async () => {
        const client = await visits.sdk();
        for (let i = 1; i <= 150; i++)
            await client.publish('chat:later', { id: `m${i}`, name: 'Ada', text: `message ${i}.`, at: Date.now() });
        const bo = await visits.visitor('Bo', 'later');
        await sees(bo, 'message 150.');
        assert.equal(await bubbles(bo).count(), 100);
        const end = await bo
            .locator('.messages')
            .evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
        assert.ok(end < 5, `opens at the end, not ${end} px before it`);
        await bo.getByRole('button', { name: 'Earlier messages' }).click();
        await eventually(
            () => texts(bo),
            (all) => all.length === 150,
            'all of them',
        );
        assert.deepEqual(
            await texts(bo),
            Array.from({ length: 150 }, (_, i) => `message ${i + 1}.`),
        );
    });

    test('anything may be published, nothing of it is taken for markup', async () => {
        const client = await visits.sdk();
        const bo = await visits.visitor('Bo', 'odd');
        const evil = '<img src=x onerror="document.title=1"><script>alert(1)</script>';
        for (const data of [
            'just text',
            42,
            { a: [1, 2] },
            { text: evil, name: '<b>x</b>' },
            { text: 'see https://example.com/x. javascript:alert(1)' },
        ]) {
            await client.publish('chat:odd', data);
        }
        await sees(bo, 'javascript:alert(1)');
        assert.deepEqual(await texts(bo), [
            'just text',
            '42',
            '{"a":[1,2]}',
            evil,
            'see https://example.com/x. javascript:alert(1)',
        ]);
        assert.equal(await bo.locator('.bubble img, .bubble script, .bubble b').count(), 0);
        assert.deepEqual(await bo.locator('.bubble a').evaluateAll((all) => all.map((a) => [a.href, a.rel])), [
            ['https://example.com/x', 'noopener noreferrer'],
        ]);
    });

    test('a second window of one browser is asked for a name, a returning visitor is not', async () => {
        const context = await visits.browserOf();
        const first = await visits.window(context, '#chat:names');
        await nameField(first).fill('Ada');
        await picture(first, 'welcome-light-wide');
        await first.getByRole('button', { name: 'Join' }).click();
        await inRoom(first);
        const second = await visits.window(context, '#chat:names');
        assert.equal(await nameField(second).inputValue(), 'Ada');
        await nameField(second).fill('Ben');
        await second.keyboard.press('Enter');
        await first.getByText('Ben joined').waitFor();
        await second.close();
        await first.reload();
        await inRoom(first);
        assert.equal(await first.getByRole('button', { name: /You are Ada|You are Ben/ }).count(), 1);
    });

    test('a reload is not announced, a new name is seen by everybody', async () => {
        const ada = await visits.visitor('Ada', 'rename'),
            bo = await visits.visitor('Bo', 'rename');
        await ada.getByText('Bo joined').waitFor();
        await bo.reload();
        await inRoom(bo);
        await bo.getByRole('button', { name: /You are Bo/ }).click();
        await nameField(bo).fill('Robert');
        await bo.keyboard.press('Enter');
        await ada.getByRole('complementary', { name: 'Who is here' }).getByText('Robert').waitFor();
        await say(bo, 'It is me');
        await sees(ada, 'It is me');
        assert.equal(await ada.getByText(/ left$/).count(), 0);
        assert.equal(await ada.getByText(/joined$/).count(), 1);
    });

    test('the newest is one step away for whoever reads further up', async () => {
        const client = await visits.sdk();
        for (let i = 1; i <= 60; i++)
            await client.publish('chat:scroll', { id: `s${i}`, name: 'Ada', text: `line ${i}.`, at: Date.now() });
        const bo = await visits.visitor('Bo', 'scroll');
        await sees(bo, 'line 60.');
        await bo.locator('.messages').evaluate((box) => {
            box.scrollTop = box.scrollHeight / 2;
        });
        await bo.getByRole('button', { name: 'Newest' }).waitFor();
        const before = await bo.locator('.messages').evaluate((box) => box.scrollTop);
        await client.publish('chat:scroll', { id: 's61', name: 'Ada', text: 'line 61.', at: Date.now() });
        await bo.getByRole('button', { name: '1 new' }).waitFor();
        assert.equal(
            await bo.locator('.messages').evaluate((box) => box.scrollTop),
            before,
            'the reader was not moved',
        );
        assert.match(await bo.title(), /^\(1\)/);
        await picture(bo, 'unread-light-wide');
        await bo.getByRole('button', { name: '1 new' }).click();
        await bo.getByRole('button', { name: '1 new' }).waitFor({ state: 'detached' });
        await eventually(
            () => bo.title(),
            (title) => title === '#scroll · Parley',
            'read',
        );
        assert.equal(await bo.locator('.row-unread').count(), 1);
    });

    test('a room is its address', async () => {
        const ada = await visits.visitor('Ada', 'one');
        await ada.getByRole('button', { name: 'Copy the link to this room' }).click();
        assert.equal(await ada.evaluate(() => navigator.clipboard.readText()), visits.server.url('/#chat:one'));
        await ada.getByRole('button', { name: 'Open or start a room' }).click();
        await ada.keyboard.type('Team Room!');
        await ada.keyboard.press('Enter');
        await ada.getByRole('heading', { level: 1, name: 'team-room' }).waitFor();
        assert.equal(new URL(ada.url()).hash, '#chat:team-room');
        await inRoom(ada);
        await ada.goBack();
        await ada.getByRole('heading', { level: 1, name: 'one' }).waitFor();
    });
});

describe('a chat room when the server dies', () => {
    let visits;
    before(async () => {
        visits = await Visits.start();
    });
    afterEach(() => visits.leave());
    after(() => visits?.stop());

    test('nothing is lost: written before, while and after it is gone', async () => {
        const ada = await visits.visitor('Ada', 'outage'),
            bo = await visits.visitor('Bo', 'outage', { dark: true });
        await say(ada, 'before');
        await sees(bo, 'before');
        await visits.server.kill('SIGKILL');
        for (const page of [ada, bo]) await page.getByText('Connection lost.').waitFor();
        await say(ada, 'written by Ada while it is gone');
        await say(bo, 'written by Bo while it is gone');
        await ada.locator('[title="Waiting to be sent"]').waitFor();
        await picture(ada, 'reconnecting-light-wide');
        await picture(bo, 'reconnecting-dark-wide');

        await visits.server.restart();
        await bo
            .getByRole('button', { name: 'Try now' })
            .click({ timeout: 1000 })
            .catch(() => {}); // it may have come back by itself
        for (const page of [ada, bo]) {
            await sees(page, 'written by Ada while it is gone');
            await sees(page, 'written by Bo while it is gone');
            await page.getByText('Connection lost.').waitFor({ state: 'detached' });
        }
        await say(bo, 'after');
        await sees(ada, 'after');
        await eventually(
            () => texts(ada),
            (all) => all.length === 4,
            'each once',
        );
        assert.deepEqual(await texts(ada), await texts(bo));
        assert.equal((await ada.locator('.row-gap').count()) + (await bo.locator('.row-gap').count()), 0);
        await ada.getByText('2 people here').waitFor();
        assert.equal(await ada.getByText(/ left$/).count(), 0, 'nobody left');

        const late = await visits.visitor('Cy', 'outage');
        await sees(late, 'after');
        assert.deepEqual(await texts(late), await texts(ada), 'and the history has each once');
    });

    test('what was being written survives a reload of the page', async () => {
        const ada = await visits.visitor('Ada', 'draft');
        await visits.server.kill('SIGKILL');
        await say(ada, 'not sent yet');
        await ada.locator('[title="Waiting to be sent"]').waitFor();
        await composer(ada).fill('half a sentence');
        await visits.server.restart();
        await ada.reload();
        await inRoom(ada);
        await sent(ada, 'not sent yet');
        assert.equal(await composer(ada).inputValue(), 'half a sentence');
        assert.deepEqual(await texts(ada), ['not sent yet']);
    });

    test('a database that is gone is not hidden: the page says that messages may be missing', async () => {
        const ada = await visits.visitor('Ada', 'wiped');
        await say(ada, 'of the old days');
        await sent(ada, 'of the old days');
        await visits.server.kill('SIGKILL');
        fs.rmSync(visits.server.dataDir, { recursive: true });
        await visits.server.restart();
        const gap = ada.locator('.row-gap');
        await gap.waitFor();
        assert.match(await gap.innerText(), /may be missing/);
        await say(ada, 'of the new ones');
        await sent(ada, 'of the new ones');
        assert.deepEqual(await texts(ada), ['of the old days', 'of the new ones']);
        await picture(ada, 'gap-light-wide');
    });
});

describe('a chat room on a bad line', () => {
    let visits;
    before(async () => {
        visits = await Visits.start();
    });
    afterEach(() => visits.leave());
    after(() => visits?.stop());

    // A visitor whose line can be cut and joined while the server goes on.
    async function onALine(room) {
        const context = await visits.browserOf();
        const line = { isCut: false, sockets: [] };
        await context.routeWebSocket(/\/connection\/websocket$/, (socket) => {
            if (line.isCut) {
                socket.close();
                return;
            }
            socket.connectToServer();
            line.sockets.push(socket);
        });
        line.cut = async () => {
            line.isCut = true;
            for (const socket of line.sockets.splice(0)) await socket.close();
        };
        line.join = () => {
            line.isCut = false;
        };
        const page = await visits.window(context, `#chat:${room}`);
        await nameField(page).fill('Ada');
        await page.keyboard.press('Enter');
        await inRoom(page);
        return { page, line };
    }

    for (const [missed, how] of [
        [20, 'recovered by the server'],
        [350, 'more than the server recovers at once, so fetched from history'],
    ]) {
        test(`${missed} messages missed are all there afterwards: ${how}`, async () => {
            const room = `cut-${missed}`;
            const client = await visits.sdk();
            const { page, line } = await onALine(room);
            await client.publish(`chat:${room}`, { id: 'first', name: 'Bo', text: 'number 0.', at: Date.now() });
            await sees(page, 'number 0.');
            await line.cut();
            await page.getByText('Connection lost.').waitFor();
            await Promise.all(
                Array.from({ length: missed }, (_, i) =>
                    client.publish(`chat:${room}`, {
                        id: `n${i}`,
                        name: 'Bo',
                        text: `number ${i + 1}.`,
                        at: Date.now(),
                    }),
                ),
            );
            line.join();
            await sees(page, `number ${missed}.`);
            await eventually(
                () => bubbles(page).count(),
                (count) => count === missed + 1,
                'all of them',
            );
            assert.deepEqual(
                await texts(page),
                Array.from({ length: missed + 1 }, (_, i) => `number ${i}.`),
            );
            assert.equal(await page.locator('.row-gap').count(), 0);
        });
    }
});
