// The chat on several nodes that share Redis: one keeps it, the others ask that one. Whoever talks is on any of them.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, chatConfig, refusal } from './lib/chat.mjs';
import { owner } from './lib/chat_person.mjs';
import { Cluster } from './lib/cluster.mjs';
import { disconnectAll, next } from './lib/sdk_clients.mjs';
import { until } from './lib/until.mjs';

const created = (seq) => ({ type, message }) => type === 'message.created' && message.seq === seq;

// Asks until it is not that the owner is away.
async function patiently(ask) {
    for (const late = Date.now() + 20_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const refused = await refusal(ask());
        if (refused?.code !== 435 || Date.now() > late) return refused;
    }
}

describe('a chat on two nodes', () => {
    let cluster, keeper, other;
    before(async () => {
        cluster = await Cluster.start({ chatOwner: 0, config: { ...chatConfig({ lease_ttl: '2s' }), node: { survey_timeout: '2s' } } });
        [keeper, other] = cluster.nodes;
        const first = await Person.connect(other, 'first'); // when the other one has found the keeper
        assert.equal(await patiently(() => first.call('sync')), null);
        await until(async () => (await other.get('/auth/state')).status === 200, 'it knows the address of the keeper');
    });
    after(() => cluster.stop());
    afterEach(disconnectAll);

    test('people talk, wherever they are connected', async () => {
        const ann = await Person.connect(keeper, 'ann', { name: 'Ann' });
        const bob = await Person.connect(other, 'bob', { name: 'Bob' });
        const { room } = await bob.call('room.create', { kind: 'private', name: 'Both', users: ['ann'] });
        await ann.hears(({ type }) => type === 'room.added');
        const [here, there] = [await ann.follow(room.id), await bob.follow(room.id)];
        await bob.call('message.send', { room: room.id, client_id: '1', text: 'from there, @ann' });
        await ann.call('message.send', { room: room.id, client_id: '2', text: 'from here, @bob' });
        for (const heard of [here, there]) {
            await heard.hears(created(2));
            assert.deepEqual(heard.events.map(({ message }) => message.text), ['from there, @ann', 'from here, @bob']);
        }
        await bob.hears(({ type }) => type === 'mentioned');
        await bob.hears(({ type, unread }) => type === 'unread.changed' && unread === 1);
        await ann.call('typing.start', { room: room.id });
        await there.hears(({ type, user }) => type === 'typing.started' && user === 'ann');
        await bob.client.publish(`room:${room.id}`, { text: 'published there' });
        await here.hears(created(3));
        assert.deepEqual(await refusal(bob.call('message.edit', { room: room.id, seq: 2, text: 'x' })),
            { code: 103, message: 'permission denied' });
        assert.equal(await other.metric('parley_chat_calls_total') > 0, true);
    });

    test('who is not in a room cannot follow it from elsewhere, and who is put out leaves it there', async () => {
        const ann = await Person.connect(keeper, 'ann2');
        const bob = await Person.connect(other, 'bob2');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Hidden' });
        const denied = bob.client.newSubscription(`room:${room.id}`);
        const ended = next(denied, 'unsubscribed');
        denied.subscribe();
        assert.equal((await ended).code, 103);
        bob.client.removeSubscription(denied);

        await ann.call('member.add', { room: room.id, user: 'bob2' });
        const heard = await bob.follow(room.id);
        const out = next(heard.subscription, 'unsubscribed');
        await ann.call('moderation.kick', { room: room.id, user: 'bob2' });
        assert.equal((await out).code, 2000);
    });

    test('a login is good on the other node, until it ends', async () => {
        const ada = await owner(keeper, { token: true });
        const signedIn = new Person(other, ada.user.id, { token: ada.token });
        await signedIn.up();
        assert.equal((await signedIn.call('sync')).me.role, 'owner');
        assert.equal(JSON.parse((await other.get('/auth/state')).body).setup, false);
        assert.equal((await other.get('/files/x/y')).status, 401);
        const over = next(signedIn.client, 'disconnected');
        const answer = await ada.post('logout');
        assert.equal(answer.status, 200);
        assert.equal((await over).code, 3500);
    });

    test('while the keeper is away calls say so, and then it goes on', async () => {
        const bob = await Person.connect(other, 'bob3');
        const { room } = await bob.call('room.create', { kind: 'public', name: 'Away' });
        const heard = await bob.follow(room.id);
        await keeper.kill('SIGKILL');
        const away = await refusal(bob.call('message.send', { room: room.id, client_id: 'a', text: 'is anybody there?' }));
        assert.deepEqual(away, { code: 435, message: 'owner_away' });
        await keeper.restart();
        assert.equal(await patiently(() => bob.call('message.send', { room: room.id, client_id: 'a', text: 'hello again' })), null);
        await heard.hears(created(1));
    });
});
