import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { World, annInRoom } from './support/world.js';

const asked = (server, method) => server.calls.filter(([, name]) => name === method);

async function three() {
    const world = new World();
    const { server } = world;
    for (const user of ['ann', 'bob', 'cy']) server.addUser(user);
    server.addRoom('one', ['ann', 'bob']);
    server.addRoom('two', ['ann', 'bob']);
    server.addRoom('dm', ['ann', 'bob'], { kind: 'direct', name: undefined });
    return { world, server };
}

describe('people', () => {
    test('are known to be there or not, from the first moment on', async () => {
        const { world, server } = await three();
        server.online = ['ann', 'bob'];
        const ann = await world.online('ann');
        const on = () => ann.value.online && [...ann.value.online].sort();
        assert.deepEqual(on(), ['ann', 'bob']);
        assert.equal(ann.lastSeen('bob'), 0);
        const { users } = ann.value;
        server.tell('ann', { type: 'online.changed', on: ['cy'], off: ['bob'] });
        await world.pass(10);
        assert.deepEqual(on(), ['ann', 'cy']);
        assert.ok(ann.lastSeen('bob') > 0);
        assert.equal(ann.value.users, users, 'nobody is another');
        server.tell('ann', { type: 'online.changed', more: true });
        await world.pass(10);
        assert.equal(on(), null, 'too many');
        server.tell('ann', { type: 'online.changed', on: ['bob'] });
        await world.pass(10);
        assert.equal(on(), null, 'which were there is not known');
        server.tell('ann', { type: 'online.changed', all: ['ann'] });
        await world.pass(10);
        assert.deepEqual(on(), ['ann']);
    });
});

describe('rooms', () => {
    test('the newest first, with what is unread, and what mentions', async () => {
        const { world, server } = await three();
        server.send('one', 'bob', { text: 'a' });
        await world.pass(10);
        server.send('two', 'bob', { text: 'b @ann' });
        const ann = await world.online('ann');
        assert.deepEqual(ann.rooms.map(({ id, unread, mentions }) => [id, unread, mentions]), [['two', 1, 1], ['one', 1, 0], ['dm', 0, 0]]);
        assert.equal(ann.rooms[2].title, 'BOB');
        assert.equal(ann.rooms[2].peerId, 'bob');
        assert.deepEqual([ann.value.unread, ann.value.mentions], [2, 1]);
        const before = ann.rooms;
        await world.pass(10);
        server.send('one', 'bob', { text: 'c' });
        await world.pass(20);
        assert.deepEqual(ann.rooms.map(({ id, unread }) => [id, unread]), [['one', 2], ['two', 1], ['dm', 0]]);
        assert.equal(ann.rooms[1], before[0], 'what has not changed is the same object');
        ann.room('one').setNotify('mentions');
        await world.pass(50);
        assert.equal(ann.value.unread, 1);
    });

    test('come and go', async () => {
        const { world, server } = await three();
        const ann = await world.online('ann');
        const told = [];
        ann.on('room.added', ({ room }) => told.push(`+${room.id}`));
        ann.on('room.removed', ({ room, reason }) => told.push(`-${room} ${reason}`));
        server.addRoom('new', ['bob']);
        server.join('new', 'ann');
        server.remove('one', 'ann', 'kicked');
        await world.pass(50);
        assert.deepEqual(told, ['+new', '-one kicked']);
        assert.deepEqual(ann.rooms.map(({ id }) => id).sort(), ['dm', 'new', 'two']);
        ann.room('two').leave();
        await world.pass(50);
        assert.deepEqual(told.at(-1), '-two left');
        const made = ann.createRoom({ kind: 'private', name: 'Mine' });
        await world.pass(50);
        assert.equal((await made).info.title, 'Mine');
        assert.ok(ann.rooms.some(({ title }) => title === 'Mine'));
    });

    test('that went while nobody was there', async () => {
        const { world, server } = await three();
        const ann = await world.online('ann');
        ann.line.cut(false);
        server.remove('one', 'ann');
        server.send('two', 'bob', { text: 'x' });
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.deepEqual(ann.rooms.map(({ id, unread }) => [id, unread]), [['two', 1], ['dm', 0]]);
        assert.equal(ann.room('one').value.gone, 'removed');
    });

    test('mentions are told once, and not of oneself', async () => {
        const { world, server } = await three();
        const ann = await world.online('ann');
        const told = [];
        ann.on('mentioned', ({ message }) => told.push(message.text));
        server.send('one', 'bob', { text: 'hey @ann' });
        server.tell('ann', { type: 'mentioned', room: 'one', message: { room: 'one', seq: 9, ver: 9, user: 'ann', text: 'mine' } });
        await world.pass(50);
        assert.deepEqual(told, ['hey @ann']);
        assert.equal(ann.room('one').lastMessage.text, 'mine');
    });
});

describe('users', () => {
    test('change, and those that are not known are asked for, together and once', async () => {
        const { world, server } = await three();
        server.addUser('x', { hidden: true });
        server.addUser('y', { hidden: true });
        const ann = await world.online('ann');
        for (const id of ['x', 'y', 'x', 'nobody']) assert.equal(ann.user(id), undefined);
        await world.pass(100);
        assert.equal(ann.user('x').name, 'X');
        assert.equal(ann.user('nobody'), undefined);
        await world.pass(100);
        assert.deepEqual(asked(server, 'user.get').map(([, , { ids }]) => ids), [['x', 'y', 'nobody']]);
        const before = ann.value.users;
        ann.setStatus({ emoji: '🌴', text: 'away' });
        await world.pass(50);
        assert.equal(ann.me.status.text, 'away');
        assert.notEqual(ann.value.users, before);
        assert.equal(before.get('ann').status, undefined, 'what was given out has not changed');
    });

    test('another user on the same page is another model', async () => {
        const { world, server } = await three();
        const chat = await world.online('ann');
        chat.disconnect();
        chat.line.user = 'cy';
        server.addRoom('his', ['cy']);
        chat.connect();
        await world.pass(100);
        assert.equal(chat.me.id, 'cy');
        assert.deepEqual(chat.rooms.map(({ id }) => id), ['his']);
    });
});

describe('reading', () => {
    test('counts here change at once, the server is told, other devices hear of it', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 8 });
        const other = await world.online('ann');
        room.markRead(5);
        assert.deepEqual([ann.rooms[0].read_seq, ann.rooms[0].unread], [5, 3]);
        room.markRead(3);
        assert.equal(ann.rooms[0].read_seq, 5, 'it only grows');
        await world.pass(100);
        assert.deepEqual([other.rooms[0].read_seq, other.rooms[0].unread], [5, 3]);
        room.markRead();
        await world.pass(2000);
        assert.deepEqual([other.rooms[0].read_seq, other.rooms[0].unread], [8, 0]);
        assert.equal(asked(server, 'read.mark').length, 2);
    });

    test('while scrolling it is said now and then, and the last is said', async () => {
        const { world, server, room } = await annInRoom({ messages: 20 });
        for (let seq = 1; seq <= 20; seq++) {
            room.markRead(seq);
            await world.pass(50);
        }
        await world.pass(2000);
        assert.equal(server.rooms.get('r').members.get('ann').read_seq, 20);
        assert.ok(asked(server, 'read.mark').length <= 4);
    });

    test('without a connection it is kept, and said afterwards', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 5 });
        ann.line.cut(false);
        room.markRead();
        assert.equal(ann.rooms[0].unread, 0);
        await world.pass(10_000);
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.equal(server.rooms.get('r').members.get('ann').read_seq, 5);
        assert.equal(ann.rooms[0].unread, 0);
    });

    test('the answer lost: it is said again', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 5 });
        room.markRead();
        await world.pass(5);
        ann.line.cut();
        await world.pass(3000);
        assert.equal(server.rooms.get('r').members.get('ann').read_seq, 5);
    });

    test('a count that is older than what was read here does not flash', async () => {
        let thinking = 0;
        const { world, server, ann, room } = await annInRoom({ messages: 5, thinking: () => thinking });
        thinking = 500;
        room.markRead(5);
        server.tell('ann', { type: 'unread.changed', room: 'r', ver: 5, last_seq: 5, last_at: 1, read_seq: 0, unread: 5, mentions: 0 });
        const seen = new Set();
        ann.watch(() => seen.add(ann.rooms[0].unread));
        await world.pass(3000);
        assert.deepEqual([...seen], [0]);
    });

    test('marked unread by hand stays so, until something newer is seen', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 5 });
        room.markRead();
        await world.pass(1000);
        room.markUnread(4);
        await world.pass(100);
        assert.deepEqual([ann.rooms[0].read_seq, ann.rooms[0].unread], [3, 2]);
        room.markRead();
        await world.pass(2000);
        assert.equal(ann.rooms[0].unread, 2, 'it is on the screen still');
        server.send('r', 'bob', { text: 'new' });
        await world.pass(50);
        room.markRead(6);
        await world.pass(2000);
        assert.equal(ann.rooms[0].unread, 0);
    });

    test('counts that arrive while the state is asked for are not lost', async () => {
        let thinking = 0;
        const { world, server, ann } = await annInRoom({ messages: 5, thinking: () => thinking });
        ann.line.cut();
        thinking = 100;
        while (asked(server, 'sync').length < 2) await world.pass(5);
        server.mark('r', 'ann', 3); // after the state was read, told before it arrives
        await world.pass(5000);
        assert.deepEqual([ann.rooms[0].read_seq, ann.rooms[0].unread], [3, 2]);
    });

    test('counts are not put back by a page that was read before them', async () => {
        let thinking = 0;
        const { world, server, ann, room } = await annInRoom({ messages: 25, open: { at: 'end' }, thinking: () => thinking });
        thinking = 50;
        room.open({ at: 1 });
        await world.pass(30);
        server.mark('r', 'ann', 10); // by another device
        server.delete('r', 20, 'bob');
        await world.pass(3000);
        assert.deepEqual([ann.rooms[0].read_seq, ann.rooms[0].unread], [10, 14]);
    });

    test('nor by the answer to marking something unread', async () => {
        let thinking = 0;
        const { world, server, ann, room } = await annInRoom({ messages: 5, thinking: () => thinking });
        room.markRead();
        await world.pass(2000);
        thinking = 50;
        room.markUnread(4);
        await world.pass(30);
        server.send('r', 'bob', { text: 'six' });
        await world.pass(3000);
        assert.deepEqual([ann.rooms[0].read_seq, ann.rooms[0].unread], [3, 3]);
    });

    test('receipts of others', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 2 });
        ann.line.subs.get('room:r').on.publication({ type: 'read.updated', user: 'bob', read_seq: 2 });
        ann.line.subs.get('room:r').on.publication({ type: 'read.updated', user: 'bob', read_seq: 1 });
        assert.deepEqual([...room.value.receipts], [['bob', 2]]);
        assert.equal(asked(server, 'room.sync').length, 0);
        await world.pass(0);
    });
});

describe('typing', () => {
    test('is told at most every 3 s, and ends by itself', async () => {
        const { world, server, room } = await annInRoom();
        for (let i = 0; i < 20; i++) {
            room.typed();
            await world.pass(200);
        }
        assert.equal(asked(server, 'typing.start').length, 2);
        await world.pass(10_000);
        assert.equal(asked(server, 'typing.stop').length, 1);
    });

    test('ends with the message, without saying so', async () => {
        const { world, server, room } = await annInRoom();
        room.typed();
        room.send('done');
        await world.pass(10_000);
        assert.equal(asked(server, 'typing.stop').length, 0);
    });

    test('of others: until they stop, send, or are silent for 6 s', async () => {
        const { world, server, room } = await annInRoom();
        server.addUser('cy');
        const { timeline } = room.value;
        server.typing('r', 'bob', 'typing.started');
        server.typing('r', 'cy', 'typing.started');
        server.typing('r', 'ann', 'typing.started');
        await world.pass(50);
        assert.deepEqual(room.value.typing, ['bob', 'cy']);
        assert.equal(room.value.timeline, timeline, 'what is shown is the same');
        server.send('r', 'bob', { text: 'x' });
        await world.pass(50);
        assert.deepEqual(room.value.typing, ['cy']);
        await world.pass(5800);
        assert.deepEqual(room.value.typing, ['cy']);
        await world.pass(200);
        assert.deepEqual(room.value.typing, []);
        server.typing('r', 'bob', 'typing.started');
        server.typing('r', 'bob', 'typing.stopped');
        await world.pass(50);
        assert.deepEqual(room.value.typing, []);
    });

    test('who has the room open', async () => {
        const { world, ann, room } = await annInRoom();
        assert.deepEqual(room.value.online, ['ann']);
        const { on } = ann.line.subs.get('room:r');
        on.join('bob', 'b1');
        on.join('bob', 'b2');
        on.leave('bob', 'b1');
        assert.deepEqual(room.value.online, ['ann', 'bob']);
        on.leave('bob', 'b2');
        assert.deepEqual(room.value.online, ['ann']);
        ann.line.cut(false);
        assert.deepEqual(room.value.online, []);
        await world.pass(0);
    });
});

describe('the connection', () => {
    test('says since when, and when it tries again', async () => {
        const { world } = await three();
        const ann = world.client('ann');
        assert.deepEqual(ann.connection, { status: 'offline', since: world.clock.now(), retryAt: null, error: null });
        const seen = [];
        ann.watch(() => seen.push(ann.connection.status));
        ann.connect();
        await world.pass(100);
        assert.deepEqual([...new Set(seen)], ['connecting', 'online']);
        await world.pass(1000);
        const at = world.clock.now();
        ann.line.cut(false);
        assert.equal(ann.connection.status, 'offline');
        assert.equal(ann.connection.since, at);
        assert.equal(ann.connection.retryAt, at + 1000);
        await world.pass(5000);
        assert.equal(ann.connection.since, at, 'since it broke, not since the last attempt');
        ann.line.isReachable = true;
        ann.retryNow();
        await world.pass(100);
        assert.equal(ann.connection.status, 'online');
    });

    test('is online when everything is known, not before', async () => {
        const { world, server } = await three();
        server.refuse('sync', 434, 'storage', { temporary: true, times: 3 });
        const ann = world.client('ann');
        ann.connect();
        const ready = ann.ready();
        await world.pass(100);
        assert.equal(ann.connection.status, 'connecting');
        await world.pass(10_000);
        await ready;
        assert.equal(ann.rooms.length, 3);
    });

    test('a chat that is switched off is final', async () => {
        const { world, server } = await three();
        server.refuse('sync', 108, 'not available', { times: 9 });
        const ann = world.client('ann');
        ann.connect();
        const ready = assert.rejects(ann.ready(), { code: 108 });
        await world.pass(10_000);
        await ready;
        assert.deepEqual([ann.connection.status, ann.connection.retryAt, ann.connection.error.word], ['offline', null, 'not available']);
        assert.equal(asked(server, 'sync').length, 1);
    });

    test('a login that was revoked is final', async () => {
        const { world, server } = await three();
        const ann = await world.online('ann');
        let isTold = false;
        ann.on('session.ended', () => (isTold = true));
        server.tell('ann', { type: 'session.ended' });
        await world.pass(10_000);
        assert.ok(isTold);
        assert.deepEqual([ann.connection.status, ann.connection.error.word], ['offline', 'session_ended']);
        await assert.rejects(ann.call('room.list'), { word: 'offline', temporary: true });
    });

    test('listeners are told once a turn', async () => {
        const { world, server } = await three();
        const ann = await world.online('ann');
        let told = 0;
        const end = ann.watch(() => told++);
        for (let i = 0; i < 100; i++) ann.line.on.publication('user:#ann', { type: 'unread.changed', room: 'one', ver: i, last_seq: i, read_seq: 0, unread: i, mentions: 0 });
        await null;
        assert.equal(told, 1);
        end();
        server.send('one', 'bob', { text: 'x' });
        await world.pass(50);
        assert.equal(told, 1);
    });
});

test('a listener that throws stops nobody', async () => {
    const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
    const thrown = [];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error.message));
    const fail = () => {
        throw new Error('mine');
    };
    let told = 0;
    room.watch(fail);
    room.watch(() => told++);
    ann.on('message.sent', fail);
    for (const text of ['one', 'two']) room.send(text);
    await world.pass(200);
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
    assert.deepEqual(server.rooms.get('r').messages.map(({ text }) => text), ['one', 'two']);
    assert.ok(told > 0);
    assert.ok(thrown.length > 2 && thrown.every((message) => message === 'mine'), 'and it is heard of');
});

describe('search', () => {
    test('goes on from page to page', async () => {
        const { world, ann } = await annInRoom({ messages: 5 });
        const found = [];
        const all = (async () => {
            let page = await ann.search('m');
            for (; page; page = await page.next?.()) found.push(page.hits.length);
        })();
        await world.pass(500);
        await all;
        assert.deepEqual(found, [2, 2, 1]);
    });

    // What is asked of `q` in a room of n messages, of which a search looks at 2.
    async function looked(n, q) {
        const { world, server, ann } = await annInRoom({ messages: n });
        server.searchWork = 2;
        const asking = ann.search(q);
        await world.pass(500);
        return { world, server, page: await asking };
    }

    test('goes on by itself while it has found nothing', async () => {
        const { server, page } = await looked(7, 'm6');
        assert.deepEqual(page.hits.map(({ message }) => message.text), ['m6']);
        assert.equal(page.isPartial, true, 'there is one left to look at');
        assert.equal(asked(server, 'search').length, 3);
    });

    test('so often; then whoever asked decides', async () => {
        const { world, server, page } = await looked(20, 'm20');
        assert.deepEqual([page.hits, page.isPartial, asked(server, 'search').length], [[], true, 4]);
        const further = async (from) => {
            const asking = from.next();
            await world.pass(500);
            return asking;
        };
        const last = await further(await further(page));
        assert.equal(asked(server, 'search').length, 10);
        assert.deepEqual([last.hits.length, last.isPartial, last.next], [1, false, undefined]);
    });

    test('that nothing is found is only said when everything was looked at', async () => {
        const { page } = await looked(5, 'nothing');
        assert.deepEqual(page, { hits: [], isPartial: false });
    });

    test('what hinders it from going on is told to whoever asks for more', async () => {
        const { world, server, ann } = await annInRoom({ messages: 20 });
        server.searchWork = 2;
        const asking = ann.search('m20');
        while (!asked(server, 'search').length) await world.pass(1);
        server.refuse('search', 111, 'too many requests', { temporary: true, times: 2 });
        await world.pass(500);
        const page = await asking;
        assert.deepEqual([page.hits, page.isPartial, asked(server, 'search').length], [[], true, 2]);
        const next = assert.rejects(page.next(), { code: 111 });
        await world.pass(500);
        await next;
    });
});
