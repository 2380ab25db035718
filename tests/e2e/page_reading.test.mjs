// Where one is in a room: what is unread, what was missed, what is written while offline, and that nothing jumps.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { eventually, picture } from './lib/page.mjs';
import { png } from './lib/png.mjs';
import {
    Team,
    choose,
    composer,
    fromEnd,
    inRoom,
    row,
    rows,
    say,
    scroller,
    sees,
    sent,
    signIn,
    texts,
    topOf,
} from './lib/team.mjs';

describe('reading', () => {
    let team, ada, bo;
    before(async () => {
        team = await Team.start();
        ada = await team.own();
        bo = await team.invite('bo', 'Bo Chen');
    });
    afterEach(() => team.leave());
    after(() => team?.stop());

    test('a room opens at the first unread message, and says how many there are', async () => {
        const id = await team.room('unread', [ada, bo]);
        for (let i = 1; i <= 100; i++) await ada.say(id, `said ${i}.`);
        await bo.call('read.mark', { room: id, seq: 40 });
        const other = await team.room('elsewhere', [ada, bo]);
        const page = await team.at(bo, `#/room/${other}`);
        await inRoom(page, '#elsewhere');
        const link = page.getByRole('link', { name: /unread/ });
        assert.match(await link.innerText(), /60/);
        assert.match(await page.title(), /^•/);
        await link.click();
        await page.locator('.row-unread').waitFor();
        await sees(page, 'said 41.');
        const top = await topOf(page, 'said 41.');
        assert.ok(top > 0 && top < 350, `the first unread is in sight, in the upper half: ${top}`);
        const next = await row(page, 'said 41.').evaluate((one) => one.previousElementSibling.className);
        assert.match(next, /row-unread/);
        await page.getByRole('button', { name: /\d+ new/ }).waitFor();
        await picture(page, 'unread-light-wide');
        await page.getByRole('button', { name: /\d+ new/ }).click();
        await eventually(
            () => fromEnd(page),
            (px) => px < 5,
            'at the end',
        );
        await eventually(
            () => bo.call('sync').then(({ rooms }) => rooms.find((one) => one.id === id).unread ?? 0),
            (n) => n === 0,
            'read',
        );
        await eventually(
            () => page.title(),
            (title) => title.startsWith('#unread'),
            'nothing unread',
        );
    });

    test('what is read on one device is read on the other, and what nobody looks at is not', async () => {
        const id = await team.room('devices', [ada, bo]);
        const quiet = await team.room('quiet', [ada, bo]);
        const desk = await team.at(bo, `#/room/${quiet}`);
        const phone = await team.at(bo, `#/room/${quiet}`, { width: 390, height: 844, phone: true });
        for (const page of [desk, phone]) await inRoom(page, '#quiet');
        await ada.say(id, 'one');
        await ada.say(id, 'two @bo');
        await eventually(
            () => desk.title(),
            (title) => title.startsWith('(1)'),
            'a mention',
        );
        await desk.getByRole('link', { name: /devices.*1 mentions/s }).waitFor();
        await phone.getByRole('button', { name: /^Rooms, 1 mentions/ }).click();
        await phone.getByRole('link', { name: /devices/ }).click();
        await sees(phone, 'two');
        await eventually(
            () => desk.title(),
            (title) => !/^[(•]/.test(title),
            'read on the phone',
        );
        assert.equal(await desk.locator('.channel.is-unread').count(), 0);
        // A mark set on one is seen on the other.
        await choose(phone, 'two', 'Mark unread from here');
        await desk.locator('.channel.is-unread', { hasText: 'devices' }).waitFor();
    });

    test('whoever reads further up is not moved, and told of what is new', async () => {
        const id = await team.room('up', [ada, bo]);
        for (let i = 1; i <= 60; i++) await ada.say(id, `line ${i}.`);
        await bo.call('read.mark', { room: id, seq: 60 });
        const page = await team.at(bo, `#/room/${id}`);
        await sees(page, 'line 60.');
        await eventually(
            () => fromEnd(page),
            (px) => px < 5,
            'opens at the end',
        );
        await scroller(page).evaluate((box) => {
            box.scrollTop = box.scrollHeight / 2;
        });
        await page.getByRole('button', { name: 'Newest' }).waitFor();
        const before = await scroller(page).evaluate((box) => box.scrollTop);
        await ada.say(id, 'line 61.');
        await page.getByRole('button', { name: '1 new' }).waitFor();
        assert.equal(await scroller(page).evaluate((box) => box.scrollTop), before);
        // Within a hundred pixels of the end it follows.
        await page.getByRole('button', { name: '1 new' }).click();
        await scroller(page).evaluate((box) => {
            box.scrollTop -= 80;
        });
        await ada.say(id, 'line 62.');
        await sees(page, 'line 62.');
        await eventually(
            () => fromEnd(page),
            (px) => px < 5,
            'it follows',
        );
    });

    test('history that is fetched, and pictures that come late, move nothing that is read', async () => {
        const id = await team.room('anchors', [ada, bo]);
        const upload = async (name, bytes) => {
            const answer = await fetch(team.server.url(`/files?name=${name}`), {
                method: 'POST',
                headers: { Authorization: `Bearer ${ada.token}`, 'Content-Type': 'image/png' },
                body: bytes,
            });
            return (await answer.json()).attachment.id;
        };
        for (let i = 1; i <= 140; i++)
            await ada.say(
                id,
                `row ${i}.`,
                i % 12 === 0 ? { attachments: [await upload(`p${i}.png`, png(300, 200))] } : {},
            );
        await bo.call('read.mark', { room: id, seq: 140 });
        const context = await team.browserOf();
        const late = [];
        // The server says how large a picture is; here nobody does, and it arrives when the test says so.
        await context.route('**/files/**', (route) => late.push(route));
        const page = await team.window(context, `#/room/${id}`);
        await signIn(page, 'bo');
        await sees(page, 'row 140.');
        await page.evaluate(() => {
            const strip = () =>
                document.querySelectorAll('.picture img').forEach((image) => image.removeAttribute('height'));
            new MutationObserver(strip).observe(document.querySelector('.rows'), { childList: true, subtree: true });
            strip();
        });
        await page.evaluate(() => {
            const box = document.querySelector('.messages');
            box.scrollTop = box.scrollHeight * 0.5;
        });
        await eventually(
            () => rows(page).count(),
            (n) => n > 40,
            'more is fetched',
        );
        await scroller(page).evaluate((box) => {
            box.scrollTop = 1000;
        });
        assert.ok((await fromEnd(page)) > 200, 'not at the end, which is followed');
        // What is read from, the first message that begins inside of the window, stays where it is.
        const text = await page.evaluate(() => {
            const top = document.querySelector('.messages').getBoundingClientRect().top;
            return [...document.querySelectorAll('.row')]
                .find((one) => one.getBoundingClientRect().top >= top)
                .querySelector('.prose').textContent;
        });
        const before = await topOf(page, text);
        await eventually(
            () => late.length,
            (n) => n > 0,
            'pictures are asked for',
        );
        const asked = late.map((route) => new URL(route.request().url()).pathname);
        for (const route of late.splice(0)) await route.continue();
        await eventually(
            () =>
                page.evaluate(
                    (paths) =>
                        [...document.querySelectorAll('.picture img')].filter(
                            (one) => paths.includes(new URL(one.src).pathname) && one.complete && one.naturalWidth,
                        ).length,
                    asked,
                ),
            (n) => n === asked.length,
            'they are there',
        );
        // As it is painted: what has been moved is put back before that.
        await eventually(
            () => topOf(page, text),
            (top) => Math.abs(top - before) < 2,
            `${text} is still at ${before}`,
        );
        const n = await rows(page).count();
        const where = await topOf(page, text);
        const moved = await page.evaluate(() => {
            const box = document.querySelector('.messages');
            const from = box.scrollTop;
            box.scrollTop = 300;
            return from - box.scrollTop;
        });
        await eventually(
            () => rows(page).count(),
            (count) => count > n || n >= 140,
            'history above',
        );
        await eventually(
            () => topOf(page, text),
            (top) => Math.abs(top - where - moved) < 2,
            'and history above does not move it either',
        );
        for (const route of late.splice(0)) await route.continue();
    });

    test('what was missed is caught up with, deletions too, when one comes back', async () => {
        const id = await team.room('gap', [ada, bo]);
        const first = await ada.say(id, 'before the tunnel');
        const stays = await ada.say(id, 'will change');
        const context = await team.browserOf();
        let isCut = false;
        const sockets = [];
        await context.routeWebSocket(/\/connection\/websocket$/, (socket) => {
            if (isCut) {
                socket.close();
                return;
            }
            socket.connectToServer();
            sockets.push(socket);
        });
        const page = await team.window(context, `#/room/${id}`);
        await signIn(page, 'bo');
        await sees(page, 'before the tunnel');
        isCut = true;
        for (const socket of sockets.splice(0)) await socket.close();
        await page.getByText('You are offline.').waitFor();
        for (let i = 1; i <= 45; i++) await ada.say(id, `missed ${i}.`);
        await ada.call('message.delete', { room: id, seq: first.seq });
        await ada.call('message.edit', { room: id, seq: stays.seq, text: 'has changed' });
        await ada.call('reaction.add', { room: id, seq: stays.seq, emoji: '👍' });
        assert.equal(await page.getByText('missed 1.').count(), 0);
        isCut = false;
        await page
            .getByRole('button', { name: 'Try now' })
            .click({ timeout: 1500 })
            .catch(() => {}); // it may be back by itself
        await eventually(
            () => texts(page),
            (all) => all.length === 47,
            'all of it',
        );
        assert.deepEqual(await texts(page), [
            'This message was deleted.',
            'has changed',
            ...Array.from({ length: 45 }, (_, i) => `missed ${i + 1}.`),
        ]);
        await row(page, 'has changed').getByRole('button', { name: /👍 1/ }).waitFor();
        await page.getByText('You are offline.').waitFor({ state: 'detached' });
    });

    test('a long history is walked with three hundred messages in the document', async () => {
        const id = await team.room('many', [ada, bo]);
        const N = 700; // as many as show that the window moves; what is further up costs the same
        for (let i = 1; i <= N; i += 40)
            await Promise.all(
                Array.from({ length: Math.min(40, N - i + 1) }, (_, k) => ada.say(id, `entry ${i + k}.`)),
            );
        await bo.call('read.mark', { room: id, seq: N });
        const page = await team.at(bo, `#/room/${id}`);
        await eventually(
            () => rows(page).count(),
            (n) => n >= 40,
            'the newest',
        );
        const seqs = () => rows(page).evaluateAll((all) => all.map((one) => Number(one.dataset.seq)));
        await eventually(
            async () => {
                await scroller(page).evaluate((box) => {
                    box.scrollTop = 0;
                });
                const all = await seqs();
                assert.ok(all.length <= 300, `${all.length} in the document`);
                assert.deepEqual(
                    all,
                    Array.from(all, (_, i) => all[0] + i),
                    'in order, without a gap',
                );
                return all[0];
            },
            (least) => least === 1,
            'the beginning',
        );
        await page.getByRole('button', { name: 'Newest' }).click();
        await eventually(
            () => seqs(),
            (all) => all.at(-1) === N,
            'the end',
        );
        await eventually(
            () => fromEnd(page),
            (px) => px < 5,
            'and at it',
        );
    });
});

describe('writing while the server is away', () => {
    let team, ada, bo;
    before(async () => {
        team = await Team.start();
        ada = await team.own();
        bo = await team.invite('bo', 'Bo Chen');
    });
    afterEach(() => team.leave());
    after(() => team?.stop());

    test('nothing is lost: written before, while and after it is gone, over a reload, each once', async () => {
        const id = await team.room('outage', [ada, bo]);
        const a = await team.at(ada, `#/room/${id}`);
        const b = await team.at(bo, `#/room/${id}`, { dark: true });
        await say(a, 'before');
        await sees(b, 'before');
        await team.server.kill('SIGKILL');
        for (const page of [a, b]) await page.getByText('You are offline.').waitFor();
        await say(a, 'written by Ada while it is gone');
        await say(b, 'written by Bo while it is gone');
        await a.locator('[title="Waiting to be sent"]').waitFor();
        await composer(a).fill('half a sentence');
        await picture(a, 'offline-light-wide');
        await picture(b, 'offline-dark-wide');
        await team.server.restart();
        await a.reload(); // the message survives the page
        for (const page of [a, b]) {
            await sent(page, 'written by Ada while it is gone');
            await sent(page, 'written by Bo while it is gone');
        }
        assert.equal(await composer(a).inputValue(), 'half a sentence');
        await say(b, 'after');
        await sees(a, 'after');
        assert.deepEqual((await texts(a)).sort(), [
            'after',
            'before',
            'written by Ada while it is gone',
            'written by Bo while it is gone',
        ]);
        assert.deepEqual(await texts(a), await texts(b));
        await b.getByText('You are offline.').waitFor({ state: 'detached' });
    });

    test('what is refused can be tried again, or thrown away', async () => {
        const id = await team.room('refused', [ada, bo]);
        const page = await team.at(bo, `#/room/${id}`);
        await inRoom(page, '#refused');
        await ada.call('moderation.mute', { room: id, user: bo.id, until: Date.now() + 3_600_000 });
        await say(page, 'may I?');
        await row(page, 'may I?')
            .getByText(/Not sent\. You are muted here/)
            .waitFor();
        await picture(page, 'failed-light-wide');
        await ada.call('moderation.unmute', { room: id, user: bo.id });
        await row(page, 'may I?').getByRole('button', { name: 'Try again' }).click();
        await sent(page, 'may I?');
        await ada.call('moderation.mute', { room: id, user: bo.id, until: Date.now() + 3_600_000 });
        await say(page, 'never mind');
        await row(page, 'never mind').getByRole('button', { name: 'Discard' }).click();
        await row(page, 'never mind').waitFor({ state: 'detached' });
    });
});
