// clients/js against a real daemon: what its own tests assume of a server is what the daemon does.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { Auth, Chat, MemoryStorage, configOf, person, texts, tokenOf, until } from './lib/parley_chat.mjs';
import { Parleyd } from './lib/parleyd.mjs';

let server, chats = [], n = 0;
before(async () => {
    // Little recovery: what is longer than a moment goes through room.sync.
    server = await Parleyd.start({ config: configOf({ client: { recovery_max_publication_limit: 10 } }) });
});
after(() => server.stop());
afterEach(() => { for (const chat of chats.splice(0)) chat.close(); });

function add(user, options) {
    const chat = person(server, user, options);
    chats.push(chat);
    chat.connect();
    return chat;
}

// People with names of their own to each test, online, in one room that they have open at its end.
async function together(names, kind = 'private') {
    const test_n = ++n;
    const people = names.map((name) => add(`${name}${test_n}`));
    await Promise.all(people.map((chat) => chat.ready()));
    const [first, ...others] = people;
    const made = await first.createRoom({ kind, ...(kind === 'group' || kind === 'direct' ? {} : { name: `Room ${test_n}` }),
        users: others.map((chat) => chat.me.id) });
    await until(others, () => others.every((chat) => chat.rooms.some(({ id }) => id === made.id)));
    const rooms = people.map((chat) => chat.room(made.id));
    await Promise.all(rooms.map((room) => room.open({ at: 'end' })));
    return { people, rooms, id: made.id };
}

const shows = (room, expected) => until(room, () => JSON.stringify(texts(room)) === JSON.stringify(expected), `${expected} and not ${texts(room)}`);

describe('parley-chat and parleyd', () => {
    test('two people talk, change what they said, and see each other do it', async () => {
        const { people: [ann, bob], rooms: [hers, his] } = await together(['ann', 'bob']);
        assert.equal(ann.me.name, ann.me.id);
        assert.equal(bob.rooms[0].title, hers.info.title);
        const sent = [];
        ann.on('message.sent', ({ seq }) => sent.push(seq));
        hers.send('one');
        hers.send('two');
        his.send({ text: 'three', reply_to: 1 });
        await until([hers, his], () => [hers, his].every((room) => room.timeline.items.length === 3 && !room.value.pending.length));
        const order = texts(hers);
        assert.deepEqual(texts(his), order);
        assert.ok(order.indexOf('one') < order.indexOf('two'));
        assert.equal(sent.length, 2);
        const one = his.timeline.items.find(({ text }) => text === 'one');

        await hers.edit(one.seq, 'ONE');
        await until(his, () => his.find(one.seq).text === 'ONE');
        assert.ok(his.find(one.seq).edited_at);
        await his.react(one.seq, '👍');
        await until(hers, () => hers.find(one.seq).reactions?.length);
        assert.deepEqual(hers.find(one.seq).reactions, [{ emoji: '👍', n: 1, users: [bob.me.id] }]);
        await until(his, () => his.find(one.seq).reactions?.length);
        await his.react(one.seq, '👍');
        await until(hers, () => !hers.find(one.seq).reactions?.length);
        await hers.pin(one.seq, true);
        await until(his, () => his.find(one.seq).pinned && his.timeline.pins === 1);
        await hers.delete(one.seq, 'by mistake');
        await until(his, () => his.find(one.seq).deleted);
        assert.deepEqual([his.find(one.seq).text, his.find(one.seq).deleted_by], [undefined, ann.me.id]);
        for (const room of [hers, his]) {
            assert.ok(room.timeline.isLive);
            assert.equal(room.timeline.generation, 1, 'nothing had to be opened anew');
        }
    });

    test('typing, and who is there', async () => {
        const { people: [ann, bob], rooms: [hers, his] } = await together(['ann', 'bob']);
        await until(hers, () => hers.value.online.length === 2);
        his.typed();
        await until(hers, () => hers.value.typing.includes(bob.me.id));
        his.send('there');
        await until(hers, () => !hers.value.typing.length && texts(hers).includes('there'));
        his.close();
        await until(hers, () => hers.value.online.length === 1);
        assert.deepEqual(hers.value.online, [ann.me.id]);
    });

    test('unread ones and mentions, the same on all devices', async () => {
        const { people: [ann, bob], rooms: [hers, his], id } = await together(['ann', 'bob']);
        const phone = add(ann.me.id);
        await phone.ready();
        const told = [];
        phone.on('mentioned', ({ message }) => told.push(message.text));
        const infoOf = (chat) => chat.rooms.find((room) => room.id === id);
        const both = (check) => until([ann, phone], () => check(infoOf(ann)) && check(infoOf(phone)));
        for (let i = 1; i <= 5; i++) his.send(i === 3 ? `@${ann.me.id} look` : `n${i}`);
        await both(({ unread, mentions }) => unread === 5 && mentions === 1);
        await until(phone, () => told.length === 1);
        await until(hers, () => hers.timeline.items.length === 5);

        hers.markRead(4);
        assert.equal(infoOf(ann).unread, 1, 'at once');
        await both(({ read_seq, unread, mentions }) => read_seq === 4 && unread === 1 && mentions === 0);
        hers.markRead();
        await both(({ unread }) => unread === 0);
        await hers.markUnread(2);
        await both(({ read_seq, unread, mentions }) => read_seq === 1 && unread === 4 && mentions === 1);
        await his.delete(5);
        await both(({ unread }) => unread === 3);
        assert.equal(bob.rooms.find((room) => room.id === id).unread, 0);

        const opened = phone.room(id);
        await opened.open();
        assert.equal(opened.timeline.firstUnread, 2);
    });

    test('paging through a long room, from the middle', async () => {
        const { people: [ann, bob], rooms: [hers], id } = await together(['ann', 'bob']);
        for (let i = 1; i <= 130; i++) await ann.call('message.send', { room: id, client_id: `p${n}-${i}`, text: `m${i}` });
        hers.close();
        const room = bob.room(id);
        room.close();
        await room.open({ at: 60 });
        assert.ok(room.find(60) && room.timeline.hasBefore && room.timeline.hasAfter);
        while (room.timeline.hasBefore) await room.loadBefore();
        while (room.timeline.hasAfter) await room.loadAfter();
        assert.deepEqual(texts(room), Array.from({ length: 130 }, (_, i) => `m${i + 1}`));
        await room.open({ at: 'end' });
        room.send('and mine');
        await until(room, () => room.timeline.items.at(-1).seq === 131);
    });

    test('away for longer than is recovered: what has changed is asked for', async () => {
        const { people: [ann, bob], rooms: [hers, his], id } = await together(['ann', 'bob']);
        for (let i = 1; i <= 5; i++) hers.send(`m${i}`);
        await until(his, () => his.timeline.items.length === 5);
        bob.disconnect();
        await hers.delete(2);
        await hers.edit(3, 'M3');
        await hers.react(1, '❤️');
        await ann.call('room.update', { room: id, topic: 'news' });
        for (let i = 6; i <= 160; i++) await ann.call('message.send', { room: id, client_id: `a${n}-${i}`, text: `m${i}` });
        bob.connect();
        await until(his, () => his.timeline.isLive && his.timeline.items.length === 160);
        assert.deepEqual(texts(his), ['m1', '†', 'M3', ...Array.from({ length: 157 }, (_, i) => `m${i + 4}`)]);
        assert.equal(his.find(1).reactions[0].emoji, '❤️');
        assert.equal(his.timeline.generation, 1);
        assert.equal(his.info.topic, 'news');
        await until([hers, his], () => hers.timeline.ver === his.timeline.ver);
    });

    test('put out: gone from the list, and from the screen', async () => {
        const { people: [ann, bob], rooms: [hers, his], id } = await together(['ann', 'bob']);
        hers.send('secret');
        await until(his, () => texts(his).includes('secret'));
        await ann.moderation.kick({ room: id, user: bob.me.id });
        await until([bob, his], () => his.value.gone && !bob.rooms.some((room) => room.id === id));
        assert.equal(his.value.gone, 'kicked');
        assert.deepEqual(texts(his), []);
        await until(hers, () => hers.info.members_n === 1);
        his.send('may I?');
        await until(his, () => his.value.pending[0]?.state === 'failed');
        assert.equal(his.value.pending[0].error.code, 404);
    });

    test('a room by its link: looked at, joined, left', async () => {
        const { people: [ann], rooms: [hers], id } = await together(['ann'], 'public');
        hers.send('hello');
        const bob = add(`bob${n}`);
        await bob.ready();
        await until(hers, () => hers.timeline.items[0]?.seq);
        const room = bob.room(id);
        await room.open({ at: 'end' });
        assert.deepEqual([texts(room), room.timeline.isLive], [['hello'], false]);
        await room.join();
        await until(room, () => room.timeline.isLive);
        hers.send('welcome');
        await shows(room, ['hello', 'welcome']);
        await until(hers, () => hers.info.members_n === 2);
        await room.leave();
        await until(bob, () => !bob.rooms.some((one) => one.id === id));
        await until(hers, () => hers.info.members_n === 1);
        assert.equal((await ann.member.list({ room: id })).members.length, 1);
    });

    test('direct rooms carry the name of the other', async () => {
        const { people: [ann, bob], rooms: [hers], id } = await together(['ann', 'bob'], 'direct');
        assert.equal(ann.rooms.find((room) => room.id === id).title, bob.me.name);
        assert.equal(bob.rooms.find((room) => room.id === id).peerId, ann.me.id);
        assert.equal((await bob.direct(ann.me.id)).id, id);
        await bob.setStatus({ emoji: '🌴', text: 'away' });
        await until(ann, () => ann.users.get(bob.me.id).status?.text === 'away');
        hers.send('hi');
        await until(bob, () => bob.rooms.find((room) => room.id === id).lastMessage?.text === 'hi');
    });

    test('what is refused says why', async () => {
        const { people: [ann, bob], rooms: [hers, his], id } = await together(['ann', 'bob']);
        await assert.rejects(hers.edit(99, 'x'), { code: 404, word: 'not_found', temporary: false });
        await assert.rejects(bob.call('room.update', { room: id, name: 'x' }), { code: 103, word: 'permission denied' });
        await assert.rejects(bob.call('nonsense'), { code: 108, word: 'not available' });
        hers.send('x'.repeat(20_000));
        await until(hers, () => hers.value.pending[0]?.state === 'failed');
        const { error } = hers.value.pending[0];
        assert.deepEqual([error.code, error.word, error.details], [413, 'too_long', { field: 'text', max: 16384 }]);
        await ann.moderation.mute({ room: id, user: bob.me.id, until: Date.now() + 60_000 });
        his.send('x');
        await until(his, () => his.value.pending[0]?.state === 'failed');
        assert.equal(his.value.pending[0].error.word, 'muted');
        await ann.call('room.archive', { room: id });
        hers.send('y');
        await until(hers, () => hers.value.pending[1]?.state === 'failed');
        assert.equal(hers.value.pending[1].error.word, 'archived');
        await until(his, () => his.info.archived);
    });

    test('a token that is none is final', async () => {
        const chat = add('x', { token: `${tokenOf('x')}x` });
        await assert.rejects(chat.ready(), ({ temporary }) => !temporary);
        assert.deepEqual([chat.connection.status, chat.connection.retryAt], ['offline', null]);
    });

    test('the daemon is killed while both write: each once, in order', async () => {
        const { people: [ann, bob], rooms } = await together(['ann', 'bob']);
        const written = rooms.map(() => []);
        const write = (count) => {
            for (let i = 0; i < count; i++)
                rooms.forEach((room, who) => {
                    written[who].push(`${who}: ${written[who].length}`);
                    room.send(written[who].at(-1));
                });
        };
        write(10);
        await until(rooms, () => rooms[0].timeline.items.filter(({ seq }) => seq).length >= 3);
        await server.kill('SIGKILL');
        write(5);
        await until([ann, bob], () => ann.connection.status === 'offline' && bob.connection.status === 'offline');
        assert.ok(ann.connection.retryAt > 0);
        await server.restart();
        write(5);
        ann.retryNow();
        await until(rooms, () => rooms.every((room) => !room.value.pending.length && room.timeline.items.length === 40));
        assert.deepEqual(texts(rooms[0]), texts(rooms[1]));
        rooms.forEach((_, who) => assert.deepEqual(texts(rooms[0]).filter((text) => text.startsWith(`${who}:`)), written[who]));
        rooms[0].timeline.items.forEach(({ seq }, i) => assert.equal(seq, i + 1));
    });

    test('the program ends before the daemon is back: what was written goes out with the next one', async () => {
        const { people: [ann], rooms: [, his], id } = await together(['ann', 'bob']);
        const storage = new MemoryStorage();
        const first = add(ann.me.id, { storage });
        await first.ready();
        first.disconnect();
        first.room(id).send('later');
        first.close();
        const second = add(ann.me.id, { storage });
        assert.deepEqual(second.room(id).value.pending.map(({ text }) => text), ['later']);
        await shows(his, ['later']);
        await until(second.room(id), () => !second.room(id).value.pending.length);
    });
});

describe('an account of one\'s own', () => {
    const SETUP = /\/#\/setup\/([A-Za-z0-9_-]{22})/;
    const codeIn = ({ log }) => log.map((line) => SETUP.exec(line)?.[1]).filter(Boolean).at(-1); // of the newest start
    const signed = (token) => {
        const chat = new Chat({ url: server.url('/'), token, websocket: WebSocket, storage: null, timeoutMs: 3000 });
        chats.push(chat);
        chat.connect();
        return chat;
    };

    test('the owner, a guest by invite, logins that end', async () => {
        const auth = new Auth({ url: server.url('/') });
        const state = await auth.state();
        assert.deepEqual([state.enabled, state.setup, state.user], [true, true, undefined]);
        const password = 'correct horse';
        const { user, token } = await auth.setup({ code: codeIn(server), login: 'ada', name: 'Ada', password, token: true });
        assert.deepEqual([user.login, user.role], ['ada', 'owner']);
        await assert.rejects(auth.login({ login: 'ada', password: 'wrong horse' }), { code: 401, word: 'unauthorized', temporary: false });
        await assert.rejects(auth.login({ login: 'x', password: '' }), { code: 400 });

        const ada = signed(token);
        await ada.ready();
        assert.equal(ada.me.id, user.id);
        assert.equal((await ada.auth.state()).user.id, user.id);
        const room = await ada.createRoom({ kind: 'private', name: 'Guests' });
        const { code } = await ada.invite.create({ room: room.id, guests: true, uses: 1 });
        const seen = await auth.invite(code);
        assert.deepEqual([seen.by.name, seen.room.name, seen.guests], ['Ada', 'Guests', true]);
        const guest = await auth.accept({ code, guest: true, name: 'Gus', token: true });
        assert.equal(guest.room, room.id);
        await assert.rejects(auth.accept({ code, guest: true, name: 'Gus 2', token: true }), { code: 410 });

        const gus = signed(guest.token);
        await gus.ready();
        assert.deepEqual(gus.rooms.map(({ title }) => title), ['Guests']);
        const his = gus.room(room.id);
        await his.open();
        his.send('hello');
        await until(his, () => his.timeline.items[0]?.seq);

        // Another login of Ada's, ended by her.
        const second = await auth.login({ login: 'ada', password, token: true });
        const phone = signed(second.token);
        await phone.ready();
        const sessions = await ada.auth.sessions();
        assert.equal(sessions.length, 2);
        await ada.auth.revoke({ id: sessions.find(({ current }) => !current).id });
        await until(phone, () => phone.connection.status === 'offline' && phone.connection.retryAt === null);
        assert.ok(['session_ended', 'unauthorized'].includes(phone.connection.error.word), phone.connection.error.word);
        await assert.rejects(phone.auth.sessions(), { code: 401 });
        phone.connect();
        await assert.rejects(phone.ready(), { word: 'unauthorized' });
        assert.equal(ada.connection.status, 'online');
    });

    test('files and search', async () => {
        const { people: [ann, bob], rooms: [hers, his], id } = await together(['ann', 'bob']);
        const bytes = new Uint8Array(200_000).map((_, i) => i * 31);
        let sent = 0;
        const file = await ann.upload(new Blob([bytes], { type: 'application/pdf' }), { name: 'the plan.pdf', onProgress: (n) => (sent = n) });
        assert.deepEqual([file.name, file.size, sent], ['the plan.pdf', bytes.length, bytes.length]);
        hers.send({ text: 'the zebra plan', attachments: [file] });
        const item = await until(his, () => his.timeline.items[0]);
        assert.deepEqual(item.attachments.map(({ id }) => id), [file.id]);
        const got = await fetch(bob.fileUrl(item.attachments[0]), { headers: { Authorization: `Bearer ${tokenOf(bob.me.id)}` } });
        assert.deepEqual(new Uint8Array(await got.arrayBuffer()), bytes);

        for (let i = 0; i < 5; i++) his.send(`zebra ${i}`);
        await until(hers, () => hers.timeline.items.length === 6);
        const found = [];
        for (let page = await ann.search({ q: 'zebr', room: id, limit: 2 }); page; page = await page.next?.()) found.push(...page.hits);
        assert.deepEqual(found.map(({ message }) => message.seq), [6, 5, 4, 3, 2, 1]);
        assert.deepEqual(found.at(-1).snippet.find(([, isHit]) => isHit), ['zebra', true]);
        assert.deepEqual((await ann.search({ q: 'zebra', has: 'file' })).hits.map(({ message }) => message.seq), [1]);
    });
});
