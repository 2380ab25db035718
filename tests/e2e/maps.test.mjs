// Maps and shared poll as applications use them: centrifuge-js from npm, in JSON and in Protobuf, the HTTP API, a backend. Of two
// nodes each client, and each call of the API, comes to another one than the one before.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as CentrifugeProtobuf } from 'centrifuge/build/protobuf';
import { connected, disconnectAll, next } from './lib/sdk_clients.mjs';
import { token as sign } from './lib/sdk_host.mjs';
import { nodes, startServer } from './lib/server.mjs';

const SECRET = 'another secret', POLL_SECRET = 'a secret of polls', KEY = 'a key of the tests';
const token = (user) => sign({ sub: user }, SECRET);
const open = { allow_publish_for_client: true, allow_remove_for_client: true, min_page_size: 1 };
const map = (name, options, more = {}) => ({ name, subscription_type: 'map', allow_subscribe_for_client: true,
    map: { ...open, ...options }, ...more });

// A backend that knows some values, and counts how often it is asked.
class Backend {
    values = new Map();
    requests = [];

    async start() {
        this.server = http.createServer((request, response) => {
            let body = '';
            request.on('data', (piece) => { body += piece; });
            request.on('end', () => {
                const asked = JSON.parse(body);
                this.requests.push(asked);
                const items = asked.items.filter(({ key }) => this.values.has(key))
                    .map(({ key }) => ({ key, ...this.values.get(key) }));
                response.setHeader('Content-Type', 'application/json');
                response.end(JSON.stringify({ result: { items } }));
            });
        });
        await new Promise((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
        return this.server.address().port;
    }

    stop() { this.server.close(); this.server.closeAllConnections(); }
}

const config = (port) => ({
    http_api: { key: KEY },
    client: { allowed_origins: ['*'], token: { hmac_secret_key: SECRET } },
    workers: 2,
    shared_poll: { hmac_secret_key: POLL_SECRET },
    proxies: [{ name: 'values', endpoint: `http://127.0.0.1:${port}/values` }],
    channel: {
        namespaces: [
            map('kept', { mode: 'persistent' }, { allow_tags_filter: true }),
            map('patched', { mode: 'persistent' }, { allowed_delta_types: ['fossil'], delta_publish: true }),
            map('brief', { mode: 'ephemeral', key_ttl: '2s' }),
            { name: 'room', allow_subscribe_for_client: true, map_clients_presence_channel_prefix: 'present:' },
            { name: 'present', subscription_type: 'map_clients', allow_subscribe_for_client: true,
                map: { mode: 'ephemeral', key_ttl: '60s' } },
            { name: 'poll', subscription_type: 'shared_poll', allow_subscribe_for_client: true,
                shared_poll: { proxy_name: 'values', mode: 'versioned', refresh_interval: '100ms', publish_enabled: true } },
        ],
    },
});

const ways = { json: { Class: Centrifuge, read: (data) => data },
    protobuf: { Class: CentrifugeProtobuf, read: (data) => JSON.parse(new TextDecoder().decode(data)) } };
async function collect(emitter, name, n) {
    const found = [];
    await new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`${found.length} of ${n} '${name}' events`)), 20_000);
        emitter.on(name, (context) => {
            found.push(context);
            if (found.length === n) { clearTimeout(late); resolve(); }
        });
    });
    return found;
}

const visitor = (server, { Class }, name) => connected(server.websocket, { Class, token: token(name) });

const keys = (entries) => entries.map((entry) => entry.key).sort();

function sign_keys(channel, user, list) {
    const now = Math.floor(Date.now() / 1000), until = now + 600;
    const hash = crypto.createHash('sha256').update(list.join('\0')).digest('hex');
    const mac = crypto.createHmac('sha256', POLL_SECRET).update([now, until, user, channel, hash].join('\0')).digest('hex');
    return `${now}:${until}:${mac}`;
}

for (const [name, way] of Object.entries(ways)) describe(`maps and shared poll in ${name}`, () => {
    const backend = new Backend();
    let server;
    before(async () => { server = await startServer({ config: config(await backend.start()) }); });
    after(async () => { await server.stop(); backend.stop(); });
    afterEach(disconnectAll);

    async function api(method, params) {
        const response = await fetch(server.url(`/api/${method}`), { method: 'POST',
            headers: { 'X-API-Key': KEY, 'Content-Type': 'application/json' }, body: JSON.stringify(params) });
        const answer = await response.json();
        assert.ok(answer.result, `${method}: ${JSON.stringify(answer)}`);
        return answer.result;
    }

    async function follow(client, channel, options) {
        const subscription = client.newMapSubscription(channel, options);
        const state = next(subscription, 'sync');
        subscription.subscribe();
        subscription.entries = (await state).entries;
        return subscription;
    }

    test('what the API and other clients write is there, page by page, and then comes live', async () => {
        const [a, b] = [await visitor(server, way, '1'), await visitor(server, way, '2')];
        for (let i = 1; i <= 7; i++) await api('map_publish', { channel: 'kept:m', key: `k${i}`, data: { i } });
        const mine = await follow(a, 'kept:m', { pageSize: 2 }), other = await follow(b, 'kept:m');
        assert.deepEqual(keys(mine.entries), ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7']);
        assert.deepEqual(keys(other.entries), keys(mine.entries));

        const updates = collect(other, 'update', 3);
        await mine.publish('k1', name === 'json' ? { i: 11 } : new TextEncoder().encode('{"i":11}'));
        await mine.remove('k2');
        await api('map_remove', { channel: 'kept:m', key: 'k3' });
        const [changed, removed, removedToo] = await updates;
        assert.equal(changed.key, 'k1');
        assert.deepEqual(way.read(changed.data), { i: 11 });
        assert.equal(changed.info.user, '1');
        assert.deepEqual([removed.key, removed.removed, removedToo.key, removedToo.removed], ['k2', true, 'k3', true]);
        assert.deepEqual(await api('map_stats', { channel: 'kept:m' }), { num_keys: 5 });
    });

    test('a filter by tags holds for the state and for what comes', async () => {
        const a = await visitor(server, way, '1');
        for (const [key, team] of [['x', 'red'], ['y', 'blue']])
            await api('map_publish', { channel: 'kept:tags', key, data: key, tags: { team } });
        const subscription = await follow(a, 'kept:tags', { tagsFilter: { key: 'team', cmp: 'eq', val: 'red' } });
        assert.deepEqual(keys(subscription.entries), ['x']);
        const updates = collect(subscription, 'update', 1);
        await api('map_publish', { channel: 'kept:tags', key: 'y', data: 2, tags: { team: 'blue' } });
        await api('map_publish', { channel: 'kept:tags', key: 'z', data: 3, tags: { team: 'red' } });
        assert.deepEqual(keys(await updates), ['z']);
    });

    test('patches are per key', async () => {
        const a = await visitor(server, way, '1');
        const text = (i) => ({ i, text: 'the quick brown fox jumps over the lazy dog, again and again '.repeat(5) });
        await api('map_publish', { channel: 'patched:m', key: 'a', data: text(0) });
        const subscription = await follow(a, 'patched:m', { delta: 'fossil' });
        const updates = collect(subscription, 'update', 6);
        for (let i = 1; i <= 3; i++)
            for (const key of ['a', 'b']) await api('map_publish', { channel: 'patched:m', key, data: text(i) });
        const found = await updates;
        assert.deepEqual(found.map(({ key, data }) => [key, way.read(data).i]),
            [['a', 1], ['b', 1], ['a', 2], ['b', 2], ['a', 3], ['b', 3]]);
        const stats = subscription.deltaStats();
        assert.equal(stats.numDeltaPayloads, 5, 'all but the first of b');
    });

    test('keys go when their time is over', async () => {
        const a = await visitor(server, way, '1');
        const subscription = await follow(a, 'brief:m');
        const updates = collect(subscription, 'update', 2);
        await api('map_publish', { channel: 'brief:m', key: 'k', data: 1 });
        assert.deepEqual((await updates).map(({ key, removed }) => [key, Boolean(removed)]), [['k', false], ['k', true]]);
    });

    test('who is in a channel can be followed as a map', async () => {
        const [a, b] = [await visitor(server, way, '1'), await visitor(server, way, '2')];
        const present = a.newMapClientsSubscription('present:room:x');
        const synced = next(present, 'sync');
        present.subscribe();
        assert.deepEqual((await synced).entries, []);
        const updates = collect(present, 'update', 2);
        const room = b.newSubscription('room:x');
        const there = next(room, 'subscribed');
        room.subscribe();
        await there;
        room.unsubscribe();
        assert.deepEqual((await updates).map(({ key, removed }) => [key, Boolean(removed)]),
            [[b.context.client, false], [b.context.client, true]]);
    });

    test('values are polled once for all who track them', async () => {
        const channel = 'poll:x';
        const [a, b] = [await visitor(server, way, '1'), await visitor(server, way, '2')];
        backend.values.set('k', { data: { n: 1 }, version: 1 });
        const subscriptions = [];
        for (const [client, user] of [[a, '1'], [b, '2']]) {
            const subscription = client.newSharedPollSubscription(channel, {
                getSignature: async ({ keys: list }) => ({ keys: list, signature: sign_keys(channel, user, list) }) });
            subscription.on('error', () => {});
            const there = next(subscription, 'subscribed');
            subscription.subscribe();
            await there;
            const update = next(subscription, 'update');
            subscription.track(['k']);
            assert.deepEqual(way.read((await update).data), { n: 1 });
            subscriptions.push(subscription);
        }
        const updates = subscriptions.map((subscription) => next(subscription, 'update'));
        backend.values.set('k', { data: { n: 2 }, version: 2 });
        for (const update of updates) {
            const { key, data, version } = await update;
            assert.deepEqual([key, way.read(data), version], ['k', { n: 2 }, 2]);
        }
        const pushed = subscriptions.map((subscription) => next(subscription, 'update'));
        await api('shared_poll_publish', { channel, key: 'k', data: { n: 3 }, version: 3 });
        for (const update of pushed) assert.deepEqual(way.read((await update).data), { n: 3 });

        backend.requests.length = 0;
        await new Promise((resolve) => { setTimeout(resolve, 1000); });
        const count = backend.requests.length; // each node polls for its own
        assert.ok(count >= 5 * nodes && count <= 15 * nodes, `asked ${count} times in a second, every 100 ms`);
        assert.deepEqual(backend.requests.at(-1), { channel, items: [{ key: 'k', version: 3 }] });
    });

    // The last one: of several nodes those that were killed are waited for, for a while.
    test('a client that was away gets what it missed, even if the server was gone', async () => {
        const a = await visitor(server, way, '1');
        await api('map_publish', { channel: 'kept:back', key: 'k', data: 1 });
        const subscription = await follow(a, 'kept:back');
        a.disconnect();
        await api('map_publish', { channel: 'kept:back', key: 'k', data: 2 });
        await server.kill('SIGKILL');
        await server.restart();
        const update = next(subscription, 'update'), back = next(subscription, 'subscribed');
        a.connect();
        assert.equal((await back).recovered, true);
        assert.deepEqual(way.read((await update).data), 2);
    });
});
