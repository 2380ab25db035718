// The chat through a real daemon: people connect by centrifuge-js from npm, talk, come back, and the daemon is killed meanwhile.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Centrifuge as CentrifugeProtobuf } from 'centrifuge/build/protobuf';
import { Person, chatConfig, refusal } from './lib/chat.mjs';
import { owner } from './lib/chat_person.mjs';
import { Parleyd } from './lib/parleyd.mjs';
import { disconnectAll, next } from './lib/sdk_clients.mjs';

const created = (seq) => ({ type, message }) => type === 'message.created' && message.seq === seq;

describe('a chat', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config: chatConfig() }); });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('two people talk', async () => {
        const ann = await Person.connect(server, 'ann', { name: 'Ann' });
        const bob = await Person.connect(server, 'bob', { name: 'Bob' });
        const mine = await ann.call('sync');
        assert.deepEqual([mine.me.id, mine.me.name, mine.me.role], ['ann', 'Ann', 'member']);
        assert.ok(mine.users.some(({ id, name }) => id === 'bob' && name === 'Bob'));
        assert.ok(mine.epoch);

        const { room } = await ann.call('room.create', { kind: 'public', name: 'Tea', slug: 'tea', users: ['bob'] });
        assert.deepEqual([room.kind, room.name, room.role, room.members_n], ['public', 'Tea', 'owner', 2]);
        const added = await bob.hears(({ type }) => type === 'room.added');
        assert.deepEqual([added.room.id, added.room.role], [room.id, 'member']);

        const opened = await bob.call('room.open', { room: room.id });
        assert.deepEqual([opened.messages, opened.has_before, opened.has_after], [[], false, false]);
        const heard = await bob.follow(room.id);
        assert.ok(heard.recoverable && heard.positioned);

        const sent = await ann.call('message.send', { room: room.id, client_id: 'c1', text: 'Hello @bob' });
        assert.deepEqual([sent.seq, sent.duplicate], [1, undefined]);
        const { ver, message } = await heard.hears(created(1));
        assert.deepEqual([ver, message.ver], [sent.ver, sent.ver]);
        assert.deepEqual([message.user, message.text, message.client_id, message.at, message.room],
            ['ann', 'Hello @bob', 'c1', sent.at, room.id]);
        assert.ok(ver === opened.room.ver + 1);

        const again = await ann.call('message.send', { room: room.id, client_id: 'c1', text: 'Hello @bob' });
        assert.deepEqual(again, { ...sent, duplicate: true });

        await bob.client.publish(`room:${room.id}`, { text: 'by a publish' });
        assert.equal((await heard.hears(created(2))).message.user, 'bob');
        const history = await ann.call('message.history', { room: room.id });
        assert.deepEqual(history.messages.map(({ text }) => text), ['Hello @bob', 'by a publish']);
        assert.deepEqual(await bob.call('message.get', { room: room.id, seq: 2 }), { message: history.messages[1] });
    });

    test('and in Protobuf', async () => {
        const bytes = (data) => new TextEncoder().encode(JSON.stringify(data));
        const read = (data) => JSON.parse(new TextDecoder().decode(data));
        const ann = await Person.connect(server, 'ann9');
        const bob = await Person.connect(server, 'bob9', { Class: CentrifugeProtobuf });
        const { room } = read((await bob.client.rpc('room.create', bytes({ kind: 'public', name: 'P', users: ['ann9'] }))).data);
        const subscription = bob.client.newSubscription(`room:${room.id}`);
        const subscribed = next(subscription, 'subscribed');
        subscription.subscribe();
        await subscribed;
        const heard = next(subscription, 'publication');
        await ann.call('message.send', { room: room.id, client_id: 'p', text: 'ü' });
        const { data, offset } = await heard;
        assert.deepEqual([read(data).message.text, offset], ['ü', 1]);
        assert.deepEqual(await refusal(bob.client.rpc('room.open', bytes({ room: 7 }))),
            { code: 107, message: 'bad request;field=room' });
        assert.deepEqual(await refusal(bob.client.rpc('room.open', new Uint8Array([0xff, 0xfe]))),
            { code: 107, message: 'bad request' });
    });

    test('who has a room not open is told on a channel of their own', async () => {
        const ann = await Person.connect(server, 'ann2');
        const bob = await Person.connect(server, 'bob2');
        const { room } = await ann.call('room.create', { kind: 'direct', users: ['bob2'] });
        const added = await bob.hears(({ type, room: { id } = {} }) => type === 'room.added' && id === room.id);
        assert.equal(added.room.peer.id, 'ann2');

        await ann.call('message.send', { room: room.id, client_id: 'd1', text: 'are you there?' });
        const called = await bob.hears(({ type }) => type === 'mentioned');
        assert.equal(called.message.text, 'are you there?');
        const state = await bob.hears(({ type, room: id, unread }) =>
            type === 'unread.changed' && id === room.id && unread === 1);
        assert.deepEqual([state.last_seq, state.read_seq], [1, 0]);

        // Another device of the same person hears of what was read on this one.
        const phone = await Person.connect(server, 'bob2');
        assert.deepEqual(await bob.call('read.mark', { room: room.id, seq: 1 }),
            { read_seq: 1, unread: 0, mentions: 0 });
        await phone.hears(({ type, read_seq, unread }) => type === 'unread.changed' && read_seq === 1 && unread === 0);
        // It only grows.
        assert.equal((await bob.call('read.mark', { room: room.id, seq: 0 })).read_seq, 1);
        // A direct room that is there is given.
        assert.equal((await bob.call('room.create', { kind: 'direct', users: ['ann2'] })).room.id, room.id);
    });

    test('what changes is told in order, and nothing is missing', async () => {
        const ann = await Person.connect(server, 'ann3');
        const bob = await Person.connect(server, 'bob3');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Plans', users: ['bob3'] });
        const heard = await bob.follow(room.id);
        const { ver } = (await bob.call('room.open', { room: room.id })).room;
        const id = room.id;
        await ann.call('message.send', { room: id, client_id: 'e1', text: 'one' });
        await ann.call('message.edit', { room: id, seq: 1, text: 'One' });
        await bob.call('reaction.add', { room: id, seq: 1, emoji: '👍' });
        await ann.call('pin.add', { room: id, seq: 1 });
        await ann.call('pin.remove', { room: id, seq: 1 });
        await bob.call('reaction.remove', { room: id, seq: 1, emoji: '👍' });
        await ann.call('room.update', { room: id, topic: 'secret plans' });
        await ann.call('message.delete', { room: id, seq: 1, reason: 'no' });
        await heard.hears(({ type }) => type === 'message.deleted');
        const kept = heard.events.filter((event) => event.ver);
        assert.deepEqual(kept.map(({ type }) => type), ['message.created', 'message.updated', 'reaction.added', 'pin.added',
            'pin.removed', 'reaction.removed', 'room.updated', 'message.deleted']);
        assert.deepEqual(kept.map((event) => event.ver), kept.map((event, i) => ver + 1 + i));
        assert.deepEqual(kept[2].reactions, [{ emoji: '👍', n: 1, users: ['bob3'] }]);
        assert.equal(kept[6].room.topic, 'secret plans');
        assert.deepEqual([kept[7].message.deleted, kept[7].message.text, kept[7].message.reason], [true, undefined, 'no']);

        // Who was away asks for the rest, and gets how things stand.
        const rest = await bob.call('room.sync', { room: id, since: ver });
        assert.equal(rest.ver, ver + 8);
        assert.deepEqual(rest.messages, [kept[7].message]);
        assert.equal(rest.room.topic, 'secret plans');
    });

    test('writing is told while it lasts, and no more often than is looked at', async () => {
        const ann = await Person.connect(server, 'ann4');
        const bob = await Person.connect(server, 'bob4');
        const { room } = await ann.call('room.create', { kind: 'group', users: ['bob4'] });
        const heard = await bob.follow(room.id);
        for (let i = 0; i < 5; i++) await ann.call('typing.start', { room: room.id });
        await ann.call('typing.stop', { room: room.id });
        await heard.hears(({ type }) => type === 'typing.stopped');
        assert.deepEqual(heard.events.map(({ type, user, offset }) => [type, user, offset]),
            [['typing.started', 'ann4', undefined], ['typing.stopped', 'ann4', undefined]]);
    });

    test('a room is its members\', and others cannot tell that it is there', async () => {
        const ann = await Person.connect(server, 'ann5');
        const eve = await Person.connect(server, 'eve5');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Hidden' });
        const methods = [['room.open', {}], ['room.sync', { since: 0 }], ['message.history', {}], ['message.get', { seq: 1 }],
            ['message.send', { text: 'x', client_id: 'x' }], ['message.edit', { seq: 1, text: 'x' }],
            ['message.delete', { seq: 1 }], ['reaction.add', { seq: 1, emoji: 'x' }], ['pin.add', { seq: 1 }], ['pin.list', {}],
            ['read.mark', { seq: 1 }], ['typing.start', {}], ['notify.set', { level: 'all' }], ['member.list', {}],
            ['member.add', { user: 'eve5' }], ['room.join', {}], ['room.leave', {}], ['room.update', { name: 'x' }],
            ['room.archive', {}], ['moderation.kick', { user: 'ann5' }], ['moderation.bans', {}]];
        for (const [method, data] of methods) {
            const hidden = await refusal(eve.call(method, { ...data, room: room.id }));
            const absent = await refusal(eve.call(method, { ...data, room: 'nosuchroom12' }));
            assert.deepEqual(hidden, { code: 404, message: 'not_found' }, method);
            assert.deepEqual(absent, hidden, method);
        }
        const errors = [];
        for (const id of [room.id, 'nosuchroom12']) {
            const subscription = eve.client.newSubscription(`room:${id}`);
            const ended = next(subscription, 'unsubscribed');
            subscription.subscribe();
            errors.push(await ended);
        }
        assert.deepEqual(errors.map(({ code, reason }) => [code, reason]),
            [[103, 'permission denied'], [103, 'permission denied']]);
        assert.ok(!(await eve.call('sync')).rooms.some(({ id }) => id === room.id));
        assert.ok(!(await eve.call('room.list')).rooms.some(({ id }) => id === room.id));
    });

    test('who is put out hears no more of it', async () => {
        const ann = await Person.connect(server, 'ann6');
        const bob = await Person.connect(server, 'bob6');
        const phone = await Person.connect(server, 'bob6');
        for (const [method, reason, comesBack] of [['moderation.kick', 'kicked', true], ['member.remove', 'removed', true],
            ['moderation.ban', 'banned', false]]) {
            const { room } = await ann.call('room.create', { kind: 'public', name: `Out ${method}`, users: ['bob6'] });
            const [one, two] = [await bob.follow(room.id), await phone.follow(room.id)];
            const ended = [next(one.subscription, 'unsubscribed'), next(two.subscription, 'unsubscribed')];
            await ann.call(method, { room: room.id, user: 'bob6' });
            for (const { code } of await Promise.all(ended)) assert.equal(code, 2000);
            const gone = await bob.hears(({ type, room: id }) => type === 'room.removed' && id === room.id);
            assert.equal(gone.reason, reason);
            await ann.call('message.send', { room: room.id, client_id: `f${method}`, text: 'they are gone' });
            assert.equal(await refusal(bob.call('room.join', { room: room.id })) === null, comesBack);
            assert.ok(![...one.events, ...two.events].some(({ type }) => type === 'message.created'));
        }
    });

    test('bad calls are refused with the reason', async () => {
        const ann = await Person.connect(server, 'ann7');
        const { room } = await ann.call('room.create', { kind: 'public', name: 'Errors' });
        const cases = [
            ['message.send', { room: room.id, client_id: 'g', text: 'x'.repeat(16385) }, 413, 'too_long;field=text;max=16384'],
            ['message.send', { client_id: 'g', text: 'x' }, 107, 'bad request;field=room'],
            ['message.send', { room: room.id, client_id: 'g', text: 7 }, 107, 'bad request;field=text'],
            ['message.send', { room: room.id, client_id: 'g', text: '' }, 107, 'bad request;field=text'],
            ['message.edit', { room: room.id, seq: 99, text: 'x' }, 404, 'not_found'],
            ['room.create', { kind: 'secret' }, 107, 'bad request;field=kind'],
            ['room.open', { room: room.id, before: 1, after: 2 }, 107, 'bad request;field=before'],
            ['member.update', { room: room.id, user: 'ann7', role: 'god' }, 107, 'bad request;field=role'],
            ['moderation.mute', { room: room.id, user: 'ann7', until: 0 }, 107, 'bad request;field=until'],
            ['room.sync', { room: room.id }, 107, 'bad request;field=since'],
            ['admin.stats', {}, 103, 'permission denied'],
        ];
        for (const [method, data, code, message] of cases)
            assert.deepEqual(await refusal(ann.call(method, data)), { code, message }, `${method} ${JSON.stringify(data).slice(0, 80)}`);
        // A method that there is not is none of the chat's.
        assert.equal((await refusal(ann.call('message.shout', {}))).code, 108);
    });

    test('whatever rooms somebody is put into, sync answers', async () => {
        const ann = await Person.connect(server, 'ann10');
        const bob = await Person.connect(server, 'bob10');
        const topic = '\u{1f375}'.repeat(250);
        for (let i = 1; i <= 600; i++)
            await ann.call('room.create', { kind: 'private', name: `Tea ${i}`, topic, users: ['bob10'] });
        const { rooms, more_rooms } = await bob.call('sync');
        assert.equal(rooms.length, 600);
        assert.equal(more_rooms, undefined);
        assert.equal(rooms[0].topic, topic);
        assert.equal(rooms.at(-1).topic, '');
        assert.equal((await bob.call('room.open', { room: rooms.at(-1).id })).room.topic, topic);
    });

    test('long pages are cut to what a client is sent at once', async () => {
        const ann = await Person.connect(server, 'ann8');
        const { room } = await ann.call('room.create', { kind: 'public', name: 'Long' });
        const text = 'ü'.repeat(8000);
        for (let i = 1; i <= 40; i++) await ann.call('message.send', { room: room.id, client_id: `h${i}`, text });
        const seqs = [];
        let page = await ann.call('room.open', { room: room.id });
        assert.ok(page.has_before && !page.has_after);
        for (;;) {
            seqs.unshift(...page.messages.map(({ seq }) => seq));
            if (!page.has_before) break;
            page = await ann.call('message.history', { room: room.id, before: seqs[0] });
            assert.ok(page.has_after);
        }
        assert.deepEqual(seqs, Array.from({ length: 40 }, (_, i) => i + 1));
        const since = [];
        for (let ver = 0, more = true; more;) {
            const part = await ann.call('room.sync', { room: room.id, since: ver });
            since.push(...part.messages.map(({ seq }) => seq));
            ({ ver, more } = part);
        }
        assert.deepEqual(since, seqs);
    });
});

describe('a team', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config: chatConfig() }); });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('meets in a room that is there from the beginning, where a first message waits', async () => {
        const early = await Person.connect(server, 'early'); // before there is a team
        assert.deepEqual((await early.call('sync')).rooms, []);
        const ada = await owner(server, { token: true });
        const signedIn = new Person(server, ada.user.id, { token: ada.token });
        await signedIn.up();
        const { me, rooms: [lobby] } = await signedIn.call('sync');
        assert.deepEqual([me.role, lobby.kind, lobby.role], ['owner', 'public', 'owner']);
        const { messages: [first], has_before } = await signedIn.call('room.open', { room: lobby.id });
        assert.equal(has_before, false);
        assert.match(first.text, /^Welcome!/);
        const { users: [bot] } = await signedIn.call('user.get', { ids: [first.user] });
        assert.ok(bot.bot);

        const seen = await signedIn.follow(lobby.id);
        const bob = await Person.connect(server, 'bob', { name: 'Bob' });
        assert.deepEqual((await bob.call('sync')).rooms.map(({ id, role }) => [id, role]), [[lobby.id, 'member']]);
        assert.equal((await seen.hears(({ type }) => type === 'member.added')).user.name, 'Bob');
    });
});

describe('limits of a chat', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config: chatConfig({ send_rate: 1, send_burst: 3 }) }); });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('who sends too much is told when it goes on', async () => {
        const ann = await Person.connect(server, 'ann');
        const phone = await Person.connect(server, 'ann');
        const { room } = await ann.call('room.create', { kind: 'public', name: 'Fast' });
        const send = (who, id) => who.call('message.send', { room: room.id, client_id: id, text: id });
        await send(ann, 'a');
        await send(phone, 'b'); // of a user, wherever they are
        await send(ann, 'c');
        const { code, message } = await refusal(send(phone, 'd'));
        assert.equal(code, 111);
        assert.match(message, /^too many requests;retry_ms=\d+$/);
        assert.equal(await server.metric('parley_chat_send_rate_limit_total'), 1);
    });
});

describe('a chat outlives', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config: chatConfig() }); });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('a line that breaks: what came meanwhile is recovered', async () => {
        const ann = await Person.connect(server, 'ann');
        const bob = await Person.connect(server, 'bob');
        const { room } = await ann.call('room.create', { kind: 'public', name: 'Lines', users: ['bob'] });
        const heard = await bob.follow(room.id);
        await ann.call('message.send', { room: room.id, client_id: 'a1', text: '1' });
        await heard.hears(created(1));
        const down = next(bob.client, 'disconnected');
        bob.client.disconnect();
        await down;
        for (let i = 2; i <= 9; i++) await ann.call('message.send', { room: room.id, client_id: `a${i}`, text: `${i}` });
        const back = next(heard.subscription, 'subscribed');
        await bob.up();
        assert.equal((await back).recovered, true);
        await heard.hears(created(9));
        assert.deepEqual(heard.events.map(({ message }) => message.seq), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });

    test('kill -9 at any moment: nothing that was acknowledged is lost, and its events come', async () => {
        const ann = await Person.connect(server, 'ann');
        const bob = await Person.connect(server, 'bob');
        const { room } = await ann.call('room.create', { kind: 'public', name: 'Killed', users: ['bob'] });
        const heard = await bob.follow(room.id);
        const { ver } = (await bob.call('room.open', { room: room.id })).room;
        const sent = new Map();
        let n = 0;
        for (let round = 0; round < 6; round++) {
            // Several at a time, so that some are between their commit and their event when it dies.
            let is_over = false;
            const senders = Array.from({ length: 8 }, async () => {
                while (!is_over) {
                    const id = `k${n++}`;
                    for (;;) {
                        try {
                            const { seq } = await ann.call('message.send', { room: room.id, client_id: id, text: id });
                            sent.set(id, seq);
                            break;
                        } catch {
                            await new Promise((resolve) => setTimeout(resolve, 20));
                        }
                    }
                }
            });
            await new Promise((resolve) => setTimeout(resolve, 60 + 37 * round));
            const backs = [next(ann.client, 'connected'), next(bob.client, 'connected')];
            await server.restart();
            await Promise.all(backs);
            is_over = true;
            await Promise.all(senders);
        }
        assert.ok(sent.size > 20, `${sent.size} were sent`);
        const last = Math.max(...sent.values());
        await heard.hears(created(last));
        // Each once, in order, none missing: the room's vers are dense.
        assert.deepEqual(heard.events.map((event) => event.ver), heard.events.map((event, i) => ver + 1 + i));
        const seqs = heard.events.map(({ message }) => message.seq);
        assert.deepEqual(seqs, seqs.map((seq, i) => i + 1));
        for (const [id, seq] of sent)
            assert.equal(heard.events.find(({ message }) => message.seq === seq).message.client_id, id);
    });
});
