import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { World, annInRoom, seqs, texts } from './support/world.js';

const asked = (server, method) => server.calls.filter(([, name]) => name === method).length;
const item = (room, seq) => room.timeline.items.find((one) => one.seq === seq);

// An event of the room that is not sent by the server of these tests at this place.
const give = (ann, event) => ann.line.subs.get('room:r').on.publication(event);

describe('opening', () => {
    test('at the first unread message, which is known afterwards', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 25 });
        server.mark('r', 'ann', 12);
        room.close();
        await world.pass(2000);
        room.open();
        await world.pass(100);
        const { timeline } = room.value;
        assert.equal(timeline.firstUnread, 13);
        assert.equal(timeline.unreadAtOpen, 13);
        assert.equal(timeline.anchor, 13);
        assert.ok(timeline.hasBefore && timeline.hasAfter);
        assert.ok(item(room, 13));
        assert.equal(ann.rooms[0].unread, 13);
    });

    test('at the end, and at a message', async () => {
        const { world, room } = await annInRoom({ messages: 25, open: { at: 'end' } });
        assert.deepEqual(seqs(room), [16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
        assert.equal(room.timeline.generation, 1);
        room.open({ at: 5 });
        await world.pass(100);
        assert.ok(item(room, 5));
        assert.equal(room.timeline.anchor, 5);
        assert.equal(room.timeline.generation, 2);
    });

    test('at a message that is there already asks nothing', async () => {
        const { server, room } = await annInRoom({ messages: 25, open: { at: 'end' } });
        const before = asked(server, 'room.open');
        await room.open({ at: 20 });
        assert.equal(room.timeline.anchor, 20);
        assert.equal(asked(server, 'room.open'), before);
    });

    test('subscribes first: what is published before the page arrives is not missed', async () => {
        const world = new World();
        for (const user of ['ann', 'bob']) world.server.addUser(user);
        world.server.addRoom('r', ['ann', 'bob']);
        world.server.send('r', 'bob', { text: 'one' });
        const ann = await world.online('ann', { thinking: () => 50 });
        await world.pass(100);
        const room = ann.room('r');
        room.open();
        await world.pass(45); // subscribed, the page read and not sent yet
        assert.equal(room.timeline.status, 'loading');
        world.server.send('r', 'bob', { text: 'two' });
        world.server.edit('r', 1, 'one, better');
        await world.pass(12);
        assert.equal(room.timeline.status, 'loading');
        await world.pass(100);
        assert.deepEqual(texts(room), ['one, better', 'two']);
        assert.equal(asked(world.server, 'room.sync'), 0);
    });

    test('a room that is not there says so, and can be tried again', async () => {
        const { world, server, ann } = await annInRoom();
        const room = ann.room('nowhere');
        const opened = assert.rejects(room.open(), { code: 404, word: 'not_found' });
        await world.pass(100);
        await opened;
        assert.equal(room.timeline.status, 'failed');
        server.addRoom('nowhere', ['bob']);
        server.send('nowhere', 'bob', { text: 'here' });
        room.open();
        await world.pass(100);
        assert.deepEqual(texts(room), ['here']);
    });

    test("a public room of others is only looked at, until it is joined", async () => {
        const { world, server, ann } = await annInRoom();
        server.addRoom('pub', ['bob']);
        server.send('pub', 'bob', { text: 'hello' });
        const room = ann.room('pub');
        room.open();
        await world.pass(100);
        assert.deepEqual(texts(room), ['hello']);
        assert.equal(room.timeline.isLive, false);
        assert.ok(!ann.rooms.some(({ id }) => id === 'pub'));
        room.join();
        await world.pass(200);
        assert.ok(room.timeline.isLive);
        assert.ok(ann.rooms.some(({ id }) => id === 'pub'));
        server.send('pub', 'bob', { text: 'again' });
        await world.pass(20);
        assert.deepEqual(texts(room), ['hello', 'again']);
    });

    test('while there is no connection it waits for one', async () => {
        const { world, server, ann } = await annInRoom();
        server.addRoom('s', ['ann', 'bob']);
        server.send('s', 'bob', { text: 'hi' });
        ann.line.cut(false);
        const room = ann.room('s');
        room.open();
        await world.pass(5000);
        assert.equal(room.timeline.status, 'loading');
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.deepEqual(texts(room), ['hi']);
    });

    test('a temporary refusal is tried again', async () => {
        const { world, server, room } = await annInRoom({ messages: 1 });
        room.close();
        server.refuse('room.open', 434, 'storage', { temporary: true, times: 2 });
        room.open();
        await world.pass(5000);
        assert.deepEqual(texts(room), ['m1']);
    });
});

describe('changes in place', () => {
    test('messages, edits, deletions, reactions, pins', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 2, open: { at: 'end' } });
        const untouched = item(room, 1);
        server.send('r', 'bob', { text: 'three', reply_to: 1 });
        await world.pass(20);
        assert.deepEqual(texts(room), ['m1', 'm2', 'three']);
        assert.deepEqual(item(room, 3).reply_to, { seq: 1, user: 'bob', text: 'm1' });
        server.edit('r', 2, 'two');
        await world.pass(20);
        assert.equal(item(room, 2).text, 'two');
        assert.ok(item(room, 2).edited_at);
        server.react('r', 'bob', 2, '👍', true);
        await world.pass(20);
        assert.deepEqual(item(room, 2).reactions, [{ emoji: '👍', n: 1, users: ['bob'] }]);
        server.react('r', 'bob', 2, '👍', false);
        await world.pass(20);
        assert.deepEqual(item(room, 2).reactions, []);
        server.pin('r', 'bob', 2, true);
        await world.pass(20);
        assert.ok(item(room, 2).pinned);
        assert.equal(room.timeline.pins, 1);
        server.pin('r', 'bob', 2, false);
        await world.pass(20);
        assert.ok(!item(room, 2).pinned);
        assert.equal(room.timeline.pins, 0);
        const { key } = item(room, 3);
        server.delete('r', 3, 'bob');
        await world.pass(20);
        assert.deepEqual(texts(room), ['m1', 'two', '†']);
        assert.equal(item(room, 3).text, undefined);
        assert.equal(item(room, 3).key, key);
        assert.equal(item(room, 1), untouched, 'what has not changed is the same object');
        assert.equal(asked(server, 'room.sync'), 0);
        assert.equal(room.timeline.ver, server.rooms.get('r').ver);
        assert.equal(ann.rooms[0].lastMessage.deleted, true);
    });

    test('the room and its members', async () => {
        const { world, server, ann, room } = await annInRoom();
        server.addUser('cy');
        server.update('r', { topic: 'Plans', name: 'Planning' });
        await world.pass(20);
        assert.equal(ann.rooms[0].topic, 'Plans');
        assert.equal(ann.rooms[0].title, 'Planning');
        assert.equal(ann.rooms[0].role, 'member', 'what is mine stays');
        server.update('r', { topic: undefined });
        await world.pass(20);
        assert.equal(ann.rooms[0].topic, undefined);
        const { membersVer } = room.value;
        server.join('r', 'cy');
        await world.pass(20);
        assert.ok(room.value.membersVer > membersVer);
        assert.equal(ann.rooms[0].members_n, 3);
        assert.equal(ann.users.get('cy').name, 'CY');
        server.remove('r', 'cy', 'kicked');
        await world.pass(20);
        assert.equal(ann.rooms[0].members_n, 2);
    });

    test('a kind of event that is not known counts all the same', async () => {
        const { ann, room } = await annInRoom();
        give(ann, { type: 'poll.closed', ver: 1 });
        assert.equal(room.timeline.ver, 1);
    });

    test('twice and out of order', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 1, open: { at: 'end' } });
        const message = (seq, ver, text) => ({ type: 'message.created', ver, message: { room: 'r', seq, ver, user: 'bob', at: 1, text } });
        give(ann, message(2, 2, 'two'));
        give(ann, message(2, 2, 'two'));
        assert.deepEqual(texts(room), ['m1', 'two']);
        give(ann, { type: 'message.updated', ver: 1, message: { room: 'r', seq: 1, ver: 1, user: 'bob', at: 1, text: 'of old' } });
        assert.deepEqual(texts(room), ['m1', 'two'], 'what is older changes nothing');
        assert.equal(room.timeline.ver, 2);
        assert.equal(asked(server, 'room.sync'), 0);
        await world.pass(0);
    });
});

describe('what is missed', () => {
    // The server's next events get lost on the way to Ann, until it is called.
    function losing(ann) {
        const { mangle } = ann.line;
        ann.line.mangle = () => [];
        return () => (ann.line.mangle = mangle);
    }

    test('a hole is filled by room.sync, and what waits behind it is applied once', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 1, open: { at: 'end' } });
        const found = losing(ann);
        server.send('r', 'bob', { text: 'lost' });
        server.edit('r', 1, 'changed');
        found();
        server.send('r', 'bob', { text: 'seen' });
        await world.pass(15);
        assert.deepEqual(texts(room), ['m1'], 'nothing is shown before what was missed');
        server.send('r', 'bob', { text: 'more' });
        await world.pass(40);
        assert.deepEqual(texts(room), ['changed', 'lost', 'seen', 'more']);
        assert.equal(asked(server, 'room.sync'), 1);
        assert.ok(room.timeline.isLive);
    });

    test('the last change got lost: the count of unread ones tells of it', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 1, open: { at: 'end' } });
        ann.line.mangle = (channel, event) => (channel === 'user' ? [event] : []);
        server.send('r', 'bob', { text: 'lost' });
        await world.pass(500);
        assert.deepEqual(texts(room), ['m1'], 'it may still come');
        await world.pass(1000);
        assert.deepEqual(texts(room), ['m1', 'lost']);
    });

    test('recovered publications need no room.sync', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 1, open: { at: 'end' } });
        ann.line.cut(false);
        server.send('r', 'bob', { text: 'meanwhile' });
        server.react('r', 'bob', 1, '+', true);
        assert.equal(room.timeline.isLive, false);
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.deepEqual(texts(room), ['m1', 'meanwhile']);
        assert.equal(item(room, 1).reactions.length, 1);
        assert.equal(asked(server, 'room.sync'), 0);
        assert.ok(room.timeline.isLive);
    });

    test('too much for recovery: room.sync, in pages', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 5, open: { at: 'end' }, windowMax: 400 });
        server.kept = 0;
        ann.line.cut(false);
        for (let i = 0; i < 150; i++) server.send('r', 'bob', { text: `n${i}` });
        server.react('r', 'bob', 7, '+', true); // 7 is told after those that follow it
        server.delete('r', 2, 'bob');
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.equal(asked(server, 'room.sync'), 2);
        assert.deepEqual(seqs(room), Array.from({ length: 155 }, (_, i) => i + 1));
        assert.ok(item(room, 2).deleted);
        assert.equal(item(room, 7).reactions.length, 1);
        assert.equal(room.timeline.generation, 1);
    });

    test('reset: the window is opened anew, at the end where that was followed', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 25, open: { at: 'end' } });
        server.kept = server.syncable = 0;
        ann.line.cut(false);
        server.send('r', 'bob', { text: 'new' });
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.equal(room.timeline.generation, 2);
        assert.equal(texts(room).at(-1), 'new');
        assert.equal(room.timeline.anchor, 'end');
    });

    test('reset: around what is looked at, where it was not', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 40, open: { at: 12 } });
        server.kept = server.syncable = 0;
        ann.line.cut(false);
        server.send('r', 'bob', { text: 'new' });
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.equal(room.timeline.generation, 2);
        assert.ok(item(room, 12));
        assert.ok(room.timeline.hasAfter);
    });

    test('reset: wherever one has scrolled to', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 60, open: { at: 'end' } });
        room.follow(false);
        for (let i = 0; i < 4; i++) {
            room.loadBefore();
            await world.pass(50);
        }
        const middle = seqs(room)[15];
        server.kept = server.syncable = 0;
        ann.line.cut(false);
        server.send('r', 'bob', { text: 'new' });
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.equal(room.timeline.anchor, middle);
        assert.ok(item(room, middle));
    });

    test('a server put back from a copy: everything is asked for again', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 5, open: { at: 'end' } });
        ann.line.cut(false);
        const there = server.rooms.get('r');
        Object.assign(there, { ver: 3, last_seq: 3, messages: there.messages.slice(0, 3), events: there.events.slice(0, 3) });
        server.epoch = 'e2';
        for (let i = 1; i <= 4; i++) server.send('r', 'bob', { text: `other ${i}` });
        ann.line.isReachable = true;
        await world.pass(3000);
        assert.deepEqual(texts(room), ['m1', 'm2', 'm3', 'other 1', 'other 2', 'other 3', 'other 4']);
        assert.equal(ann.rooms[0].last_seq, 7);
        server.send('r', 'bob', { text: 'next' });
        await world.pass(20);
        assert.equal(texts(room).at(-1), 'next');
    });

    test('the line breaks while a page of changes is on its way', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 1, open: { at: 'end' }, thinking: () => 30 });
        server.kept = 0;
        ann.line.cut();
        server.send('r', 'bob', { text: 'two' });
        while (!asked(server, 'room.sync')) await world.pass(5);
        ann.line.cut();
        server.send('r', 'bob', { text: 'three' });
        await world.pass(5000);
        assert.deepEqual(texts(room), ['m1', 'two', 'three']);
    });
});

describe('the window', () => {
    test('pages on both sides, bounded', async () => {
        const { world, room } = await annInRoom({ messages: 100, open: { at: 50 } });
        for (let i = 0; i < 3; i++) {
            room.loadBefore();
            await world.pass(50);
        }
        assert.equal(room.timeline.items.length, 30);
        assert.ok(room.timeline.hasBefore && room.timeline.hasAfter);
        assert.equal(seqs(room)[0], 15);
        for (let i = 0; i < 9; i++) {
            room.loadAfter();
            await world.pass(50);
        }
        assert.deepEqual([seqs(room)[0], seqs(room).at(-1)], [71, 100]);
        assert.equal(room.timeline.hasAfter, false);
        for (let i = 0; i < 12; i++) {
            room.loadBefore();
            await world.pass(50);
        }
        assert.deepEqual([seqs(room)[0], seqs(room).at(-1)], [1, 30]);
        assert.equal(room.timeline.hasBefore, false);
    });

    test('one page at a time', async () => {
        const { world, server, room } = await annInRoom({ messages: 100, open: { at: 50 } });
        room.loadBefore();
        room.loadBefore();
        assert.ok(room.timeline.isLoadingBefore);
        await world.pass(50);
        assert.equal(asked(server, 'message.history'), 1);
        assert.equal(room.timeline.isLoadingBefore, false);
    });

    test('what arrives pushes out the oldest where the end is followed, and is not shown where it is not', async () => {
        const { world, server, room } = await annInRoom({ messages: 30, open: { at: 'end' } });
        for (let i = 0; i < 2; i++) {
            room.loadBefore();
            await world.pass(50);
        }
        server.send('r', 'bob', { text: 'x' });
        await world.pass(20);
        assert.deepEqual([seqs(room)[0], seqs(room).at(-1)], [2, 31]);
        assert.ok(room.timeline.hasBefore);
        room.follow(false);
        server.send('r', 'bob', { text: 'y' });
        await world.pass(20);
        assert.deepEqual([seqs(room)[0], seqs(room).at(-1)], [2, 31], 'what is looked at does not move');
        assert.ok(room.timeline.hasAfter);
    });

    test('an edit that overtakes the page it belongs to', async () => {
        let thinking = 0;
        const { world, server, room } = await annInRoom({ messages: 30, open: { at: 'end' }, thinking: () => thinking });
        thinking = 50;
        room.loadBefore();
        await world.pass(30); // read, and not sent yet
        server.edit('r', 15, 'edited');
        server.react('r', 'bob', 16, '+', true);
        await world.pass(100);
        assert.equal(item(room, 15).text, 'edited');
        assert.equal(item(room, 16).reactions.length, 1);
    });

    test('a message that overtakes the last page', async () => {
        let thinking = 0;
        const { world, server, room } = await annInRoom({ messages: 30, open: { at: 15 }, thinking: () => thinking });
        room.loadAfter();
        await world.pass(50);
        assert.equal(seqs(room).at(-1), 29);
        thinking = 50;
        room.loadAfter();
        await world.pass(30);
        server.send('r', 'bob', { text: 'x' });
        await world.pass(100);
        assert.deepEqual(seqs(room).slice(-3), [29, 30, 31]);
        assert.equal(room.timeline.hasAfter, false);
    });

    test('a page of a window that is no more is dropped', async () => {
        let thinking = 0;
        const { world, room } = await annInRoom({ messages: 100, open: { at: 50 }, thinking: () => thinking });
        thinking = 60;
        room.loadBefore();
        await world.pass(15);
        thinking = 0;
        room.open({ at: 90 });
        await world.pass(200);
        const all = seqs(room);
        assert.ok(all.includes(90));
        all.forEach((seq, i) => assert.equal(seq, all[0] + i));
        assert.equal(room.timeline.isLoadingBefore, false);
    });
});

test('a page that comes late, to a window that looks the same', async () => {
    let thinking = 0;
    const { world, server, room } = await annInRoom({ messages: 30, open: { at: 'end' }, thinking: () => thinking });
    thinking = 300;
    room.loadBefore();
    await world.pass(15);
    thinking = 0;
    server.edit('r', 15, 'edited');
    await world.pass(15);
    for (const at of [1, 'end']) {
        room.open({ at });
        await world.pass(50);
    }
    const before = seqs(room);
    await world.pass(500);
    assert.deepEqual(seqs(room), before);
});

describe('being sent away', () => {
    test('from a room that is looked at', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 2 });
        const told = [];
        ann.on('room.removed', (event) => told.push(event));
        server.remove('r', 'ann', 'kicked');
        await world.pass(50);
        assert.deepEqual(told, [{ room: 'r', reason: 'kicked' }]);
        assert.equal(room.value.gone, 'kicked');
        assert.deepEqual(texts(room), [], 'what was said there is not shown any more');
        assert.equal(room.timeline.status, 'failed');
        assert.deepEqual(ann.rooms, []);
    });

    test('and let in again', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 2 });
        server.remove('r', 'ann', 'kicked');
        await world.pass(50);
        server.join('r', 'ann');
        await world.pass(50);
        assert.equal(room.value.gone, null);
        assert.equal(ann.rooms.length, 1);
        await world.pass(100);
        assert.deepEqual(texts(room), ['m1', 'm2']);
        assert.ok(room.timeline.isLive);
    });

    test('an unsubscription that was no removal is taken back', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 1 });
        ann.line.expel('room:r');
        server.send('r', 'bob', { text: 'two' });
        await world.pass(3000);
        assert.deepEqual(texts(room), ['m1', 'two']);
        assert.ok(room.timeline.isLive);
    });
});
