import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryStorage, OUTBOX_MAX } from '../src/index.js';
import { World, annInRoom, texts } from './support/world.js';

const states = (room) => room.value.pending.map(({ text, state }) => [text, state]);
const stored = (server) => server.rooms.get('r').messages.map(({ text }) => text);
const sends = (server) => server.calls.filter(([, method]) => method === 'message.send').map(([, , { text }]) => text);

describe('sending', () => {
    test('shown at once, under a key that stays', async () => {
        const { world, server, ann, room } = await annInRoom({ messages: 1, open: { at: 'end' } });
        const sent = [];
        ann.on('message.sent', (event) => sent.push(event));
        const id = room.send({ text: 'hello', reply_to: 1, meta: { a: 1 } });
        let item = room.timeline.items.at(-1);
        assert.deepEqual([item.key, item.text, item.state, item.isMine, item.user], [id, 'hello', 'sending', true, 'ann']);
        assert.deepEqual(item.reply_to, { seq: 1, user: 'bob', text: 'm1' });
        assert.equal(item.isKept, true);
        await world.pass(100);
        item = room.timeline.items.at(-1);
        assert.deepEqual([item.key, item.seq, item.state, item.isMine], [id, 2, undefined, true]);
        assert.deepEqual(server.rooms.get('r').messages[1].meta, { a: 1 });
        assert.deepEqual(sent, [{ room: 'r', client_id: id, seq: 2 }]);
    });

    test('the event before the answer', async () => {
        let thinking = 0;
        const { world, server, room } = await annInRoom({ open: { at: 'end' }, thinking: () => thinking });
        thinking = 50;
        room.send('one');
        await world.pass(30); // the event is here
        assert.deepEqual(texts(room), ['one']);
        assert.deepEqual(states(room), []);
        await world.pass(100);
        assert.deepEqual(texts(room), ['one']);
        assert.deepEqual(sends(server), ['one']);
    });

    test('the answer before the event', async () => {
        const { world, ann, room } = await annInRoom({ open: { at: 'end' } });
        const late = [];
        ann.line.mangle = (channel, event) => (late.push([channel, event]), []);
        room.send('one');
        await world.pass(30);
        assert.deepEqual(states(room), [['one', 'sent']]);
        assert.deepEqual(texts(room), ['one']);
        ann.line.subs.get('room:r').on.publication(late.find(([channel]) => channel === 'room:r')[1]);
        assert.deepEqual(states(room), []);
        assert.deepEqual(texts(room), ['one']);
        assert.equal(room.timeline.items[0].seq, 1);
    });

    test('the event never comes: it is asked for', async () => {
        const { world, ann, room } = await annInRoom({ open: { at: 'end' } });
        ann.line.mangle = () => [];
        room.send('one');
        await world.pass(3000);
        assert.deepEqual(states(room), []);
        assert.equal(room.timeline.items[0].seq, 1);
    });

    test('in order, one at a time, also when one has to be tried again', async () => {
        const { world, server, room } = await annInRoom({ open: { at: 'end' } });
        server.refuse('message.send', 434, 'storage', { temporary: true, times: 2 });
        for (const text of ['one', 'two', 'three']) room.send(text);
        await world.pass(10_000);
        assert.deepEqual(stored(server), ['one', 'two', 'three']);
        assert.deepEqual(sends(server), ['one', 'one', 'one', 'two', 'three']);
    });

    test('slow mode says when', async () => {
        const { world, server, room } = await annInRoom({ open: { at: 'end' } });
        server.refuse('message.send', 429, 'slow_mode;retry_ms=4200');
        room.send('one');
        await world.pass(50);
        const [item] = room.value.pending;
        assert.equal(item.state, 'queued');
        assert.equal(item.error.word, 'slow_mode');
        assert.ok(item.retryAt > world.clock.now() + 4000);
        await world.pass(4000);
        assert.deepEqual(stored(server), []);
        await world.pass(1000);
        assert.deepEqual(stored(server), ['one']);
    });

    test('rooms do not wait for each other', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        server.addRoom('s', ['ann']);
        server.refuse('message.send', 429, 'slow_mode;retry_ms=60000');
        room.send('waits');
        ann.room('s').send('goes');
        await world.pass(100);
        assert.deepEqual(server.rooms.get('s').messages.map(({ text }) => text), ['goes']);
        assert.deepEqual(ann.room('s').value.pending, []);
    });

    test('a room that is not open', async () => {
        const { world, server, room } = await annInRoom();
        room.close();
        room.send('one');
        await world.pass(100);
        assert.deepEqual(stored(server), ['one']);
        assert.deepEqual(room.value.pending, []);
    });
});

describe('what is refused', () => {
    test('waits for the one who wrote it, and holds up nobody', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        const failed = [];
        ann.on('message.failed', (event) => failed.push(event));
        server.refuse('message.send', 430, 'muted;until=99');
        const id = room.send('no');
        room.send('yes');
        await world.pass(200);
        assert.deepEqual(states(room), [['no', 'failed']]);
        assert.deepEqual(room.value.pending[0].error.details, { until: 99 });
        assert.equal(failed[0].error.word, 'muted');
        assert.equal(ann.rooms[0].failed, 1);
        assert.deepEqual(texts(room), ['yes', 'no'], 'what is pending comes last');
        room.retry(id);
        await world.pass(100);
        assert.deepEqual(stored(server), ['yes', 'no']);
        assert.equal(ann.rooms[0].failed, 0);
    });

    test('is discarded', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        server.refuse('message.send', 413, 'too_long;field=text;max=16384');
        const id = room.send('no');
        await world.pass(100);
        room.discard(id);
        assert.deepEqual(texts(room), []);
        assert.deepEqual(ann.store.keys('ann/out/'), []);
    });

    test('is edited, and tried again with that', async () => {
        const { world, server, room } = await annInRoom({ open: { at: 'end' } });
        server.refuse('message.send', 413, 'too_long;field=text;max=3');
        const id = room.send('too long');
        await world.pass(100);
        await room.edit(id, 'ok');
        await world.pass(100);
        assert.deepEqual(stored(server), ['ok']);
        assert.deepEqual(server.calls.filter(([, method]) => method === 'message.edit'), []);
    });
});

describe('a broken line', () => {
    test('what was written meanwhile goes out in order', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        ann.line.cut(false);
        room.send('one');
        room.send('two');
        await world.pass(60_000);
        assert.deepEqual(states(room), [['one', 'queued'], ['two', 'queued']]);
        ann.line.isReachable = true;
        await world.pass(2000);
        assert.deepEqual(stored(server), ['one', 'two']);
        assert.deepEqual(texts(room), ['one', 'two']);
    });

    test('stored, and the answer lost: once', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        server.kept = 0;
        room.send('one');
        await world.pass(12); // it is there, nothing has come back
        assert.deepEqual(stored(server), ['one']);
        ann.line.cut();
        assert.deepEqual(states(room), [['one', 'sending']]);
        await world.pass(3000);
        assert.deepEqual(stored(server), ['one']);
        assert.deepEqual(texts(room), ['one']);
        assert.deepEqual(states(room), []);
    });

    test('on its way, and lost: once', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        room.send('one');
        await world.pass(5);
        ann.line.cut();
        assert.deepEqual(stored(server), []);
        await world.pass(3000);
        assert.deepEqual(stored(server), ['one']);
        assert.deepEqual(sends(server), ['one']);
    });

    test('edited before it went: as if it had been written so', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        ann.line.cut(false);
        const id = room.send('tow');
        await room.edit(id, 'two');
        assert.deepEqual(texts(room), ['two']);
        ann.line.isReachable = true;
        await world.pass(3000);
        assert.deepEqual(stored(server), ['two']);
        assert.equal(room.timeline.items[0].edited_at, undefined);
    });

    test('edited while it was on its way: the edit follows it', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        const id = room.send('tow');
        await world.pass(12);
        await room.edit(id, 'two');
        assert.deepEqual(texts(room), ['two']);
        assert.ok(room.value.pending[0].isEditPending);
        ann.line.cut(); // the first answer is lost
        await world.pass(3000);
        assert.deepEqual(stored(server), ['two']);
        assert.deepEqual(texts(room), ['two']);
        assert.deepEqual(states(room), []);
        assert.ok(room.timeline.items[0].edited_at);
        assert.deepEqual(ann.store.keys('ann/out/'), []);
    });

    test('edited when it is not known whether it has arrived: the edit follows it', async () => {
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' } });
        const id = room.send('tow');
        await world.pass(12);
        ann.line.cut(false);
        await world.pass(100);
        assert.deepEqual(states(room), [['tow', 'queued']]);
        await room.edit(id, 'two');
        ann.line.isReachable = true;
        await world.pass(3000);
        assert.deepEqual(stored(server), ['two']);
        assert.deepEqual(texts(room), ['two']);
        assert.deepEqual(states(room), []);
    });

    test('edited by its id after it has arrived', async () => {
        const { world, server, room } = await annInRoom({ open: { at: 'end' } });
        const id = room.send('tow');
        await world.pass(100);
        room.edit(id, 'two');
        await world.pass(100);
        assert.deepEqual(stored(server), ['two']);
    });
});

describe('a restart', () => {
    test('goes on where it was, each once', async () => {
        const storage = new MemoryStorage();
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' }, storage });
        room.send('stored');
        await world.pass(12);
        ann.line.cut(false);
        room.send('two');
        room.send('three');
        ann.close();
        assert.deepEqual(stored(server), ['stored']);

        const again = world.client('ann', { storage });
        assert.deepEqual(states(again.room('r')).map(([text]) => text), ['stored', 'two', 'three'], 'before there is a connection');
        again.connect();
        await world.pass(500);
        assert.deepEqual(stored(server), ['stored', 'two', 'three']);
        assert.deepEqual(again.store.keys('ann/out/'), []);
    });

    test('what had failed is still there, and says why', async () => {
        const storage = new MemoryStorage();
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' }, storage });
        server.refuse('message.send', 430, 'muted;until=99');
        room.send('no');
        await world.pass(100);
        ann.close();
        const again = await world.online('ann', { storage });
        const [item] = again.room('r').value.pending;
        assert.equal(item.state, 'failed');
        assert.deepEqual([item.error.code, item.error.word, item.error.details], [430, 'muted', { until: 99 }]);
        assert.deepEqual(stored(server), []);
    });

    test('an edit that was due is made', async () => {
        const storage = new MemoryStorage();
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' }, storage });
        const id = room.send('tow');
        await world.pass(12);
        await room.edit(id, 'two');
        ann.line.cut(false);
        ann.close();
        await world.online('ann', { storage });
        await world.pass(500);
        assert.deepEqual(stored(server), ['two']);
    });

    test('edited after it: whether it had been sent is not known', async () => {
        const storage = new MemoryStorage();
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' }, storage });
        const id = room.send('tow');
        await world.pass(12);
        ann.line.cut(false);
        ann.close();
        const again = world.client('ann', { storage });
        again.room('r').edit(id, 'two');
        again.connect();
        await world.pass(500);
        assert.deepEqual(stored(server), ['two']);
        assert.deepEqual(again.room('r').value.pending, []);
    });

    test('two windows that share a storage send each once', async () => {
        const storage = new MemoryStorage();
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' }, storage });
        ann.line.cut(false);
        room.send('from one');
        const other = world.client('ann', { storage });
        other.room('r').send('from the other');
        other.connect();
        ann.line.isReachable = true;
        await world.pass(5000);
        assert.deepEqual([...stored(server)].sort(), ['from one', 'from the other']);
        assert.deepEqual(room.value.pending, []);
        assert.deepEqual(other.room('r').value.pending, []);
    });

    test("what another user wrote is not sent as mine, and is theirs when they come back", async () => {
        const storage = new MemoryStorage();
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' }, storage });
        ann.line.cut(false);
        room.send("Ann's");
        room.setDraft({ text: "Ann's draft" });
        ann.close();
        const bob = await world.online('bob', { storage });
        await world.pass(500);
        assert.deepEqual(stored(server), []);
        assert.equal(bob.room('r').value.draft, null);
        bob.close();
        const back = await world.online('ann', { storage });
        await world.pass(500);
        assert.deepEqual(stored(server), ["Ann's"]);
        assert.equal(back.room('r').value.draft.text, "Ann's draft");
    });
});

describe('storage', () => {
    test('full: it is sent all the same, and said', async () => {
        const storage = new MemoryStorage();
        const { world, server, ann, room } = await annInRoom({ open: { at: 'end' }, storage });
        storage.setItem = () => {
            throw new DOMException('full', 'QuotaExceededError');
        };
        ann.line.cut(false);
        room.send('one');
        assert.equal(room.value.pending[0].isKept, false);
        assert.equal(ann.value.isStorageFailing, true);
        ann.line.isReachable = true;
        await world.pass(3000);
        assert.deepEqual(stored(server), ['one']);
    });

    test('something else in it is no harm', async () => {
        const storage = new MemoryStorage();
        storage.setItem('parley.chat.user', '"ann"');
        storage.setItem('parley.chat.ann/out/x', '{broken');
        storage.setItem('parley.chat.ann/out/y', '7');
        storage.setItem('parley.chat.ann/draft/r', 'null');
        const world = new World();
        world.server.addUser('ann');
        const ann = await world.online('ann', { storage });
        assert.equal(ann.connection.status, 'online');
    });

    test('there is an end to what waits', async () => {
        const world = new World();
        const chat = world.client('ann', { storage: null });
        for (let i = 0; i < OUTBOX_MAX; i++) chat.room('r').send(`${i}`);
        assert.throws(() => chat.room('r').send('one more'), { word: 'outbox_full' });
    });

    test('signing out forgets it', async () => {
        const { ann, room } = await annInRoom();
        ann.line.cut(false);
        room.send('secret');
        room.setDraft({ text: 'secret' });
        ann.forget();
        assert.deepEqual(room.value.pending, []);
        assert.equal(room.value.draft, null);
        assert.equal(ann.store.storage.length, 0);
    });

    test('drafts come back', async () => {
        const storage = new MemoryStorage();
        const { world, ann, room } = await annInRoom({ storage });
        room.setDraft({ text: 'half a', reply_to: 3 });
        assert.equal(ann.rooms[0].hasDraft, true);
        ann.close();
        const again = await world.online('ann', { storage });
        assert.deepEqual(again.room('r').value.draft, { text: 'half a', reply_to: 3 });
        again.room('r').setDraft({ text: '' });
        assert.equal(again.rooms[0].hasDraft, false);
        assert.deepEqual(again.store.keys('ann/draft/'), []);
    });
});
