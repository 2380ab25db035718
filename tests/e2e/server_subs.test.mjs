// Subscriptions that the server makes, refreshes and expiries, as applications see them through centrifuge-js from npm.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Centrifuge as CentrifugeProtobuf } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { nodes, startServer } from './lib/server.mjs';
import { client, connected, disconnectAll, next } from './lib/sdk_clients.mjs';
import { token as sign } from './lib/sdk_host.mjs';

const SECRET = 'another secret';
const token = (claims) => sign(claims, SECRET);
const now = () => Math.floor(Date.now() / 1000);
const everything = Object.fromEntries(['subscribe', 'publish', 'presence', 'history'].map((what) =>
    [`allow_${what}_for_client`, true]));
const KEPT = { history_size: 100, history_ttl: '300s', force_recovery: true };

const KEY = 'a key of the tests';

const config = {
    http_api: { key: KEY },
    sse: { enabled: true },
    http_stream: { enabled: true },
    client: {
        allowed_origins: ['*'],
        token: { hmac_secret_key: SECRET },
        subscribe_to_user_personal_channel: { enabled: true, personal_channel_namespace: 'own' },
        expired_close_delay: '1s',
        expired_sub_close_delay: '1s',
        user_connection_limit: 3,
    },
    channel: {
        namespaces: [
            { name: 'own', ...KEPT, allow_publish_for_client: true },
            { name: 'news', ...KEPT, ...everything, allow_subscribe_for_client: false },
            { name: 'open', ...KEPT, ...everything, presence: true, join_leave: true, force_push_join_leave: true },
            { name: 'secret' },
        ],
    },
};

// What the SDK can go by.
const stream = (transport, server) => [[{ transport, endpoint: server.url(`/connection/${transport}`) }],
    { emulationEndpoint: server.url('/emulation'), eventsource: EventSource }];
const ways = {
    websocket: (server) => [server.websocket, {}],
    protobuf: (server) => [server.websocket, { Class: CentrifugeProtobuf }],
    sse: (server) => stream('sse', server),
    http_stream: (server) => stream('http_stream', server),
};

describe('subscriptions made by the server', () => {
    let server;
    before(async () => { server = await startServer({ config }); });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('come with the connection: from its token, and the personal channel', async () => {
        const made = client(server.websocket, { token: token({ sub: 'ada', subs: { 'news:a': { data: { x: 1 } } } }) });
        const subscribed = [];
        made.on('subscribed', (context) => subscribed.push([context.channel, context.data]));
        const up = next(made, 'connected');
        made.connect();
        await up;
        assert.deepEqual(subscribed.sort(), [['news:a', { x: 1 }], ['own:#ada', undefined]]);

        const heard = next(made, 'publication');
        await made.publish('news:a', { hello: 'world' });
        const { channel, data, offset } = await heard;
        assert.deepEqual({ channel, data, offset }, { channel: 'news:a', data: { hello: 'world' }, offset: 1 });
    });

    test('give back what was published while the client was away', async () => {
        const listener = await connected(server.websocket, { token: token({ sub: 'bob', channels: ['news:b'] }) });
        const speaker = await connected(server.websocket, { token: token({ sub: 'eve' }) });
        const heard = [];
        listener.on('publication', ({ channel, data }) => heard.push([channel, data]));
        const first = next(listener, 'publication');
        await speaker.publish('news:b', 1);
        await first;

        listener.disconnect();
        await speaker.publish('news:b', 2);
        await speaker.publish('news:b', 3);
        const back = next(listener, 'subscribed');
        listener.connect();
        const context = await back;
        await listener.ready(5000);
        await speaker.publish('news:b', 4);
        while (heard.length < 4) await next(listener, 'publication');
        assert.deepEqual(heard.map(([, data]) => data), [1, 2, 3, 4]);
        assert.ok(context.wasRecovering);
    });

    test('survive the end of the daemon', async () => {
        const listener = await connected(server.websocket, { token: token({ sub: 'bob', channels: ['news:c'] }) });
        const heard = [];
        listener.on('publication', ({ channel, data }) => channel === 'news:c' && heard.push(data));
        await listener.publish('news:c', 'before');
        while (heard.length < 1) await next(listener, 'publication');
        const back = next(listener, 'connected');
        await server.restart();
        await back;
        await listener.publish('news:c', 'after');
        while (heard.length < 2) await next(listener, 'publication');
        assert.deepEqual(heard, ['before', 'after']);
    });

    test('announce who comes, after the connection is there', async () => {
        const made = client(server.websocket, { token: token({ sub: 'ada', channels: ['open:j'] }) });
        const order = [];
        made.on('connected', () => order.push('connected'));
        made.on('subscribed', ({ channel }) => channel === 'open:j' && order.push('subscribed'));
        const join = next(made, 'join');
        made.connect();
        const { channel, info } = await join;
        assert.equal(channel, 'open:j');
        assert.equal(info.user, 'ada');
        assert.deepEqual(order.sort(), ['connected', 'subscribed']);
    });

    test('cannot be had by the client as well', async () => {
        const made = await connected(server.websocket, { token: token({ sub: 'ada', channels: ['open:x'] }) });
        const subscription = made.newSubscription('open:x');
        const down = next(subscription, 'unsubscribed');
        subscription.subscribe();
        assert.equal((await down).code, 105);
    });

    test('of a namespace that is not there keep the client out', async () => {
        const made = client(server.websocket, { token: token({ sub: 'ada', channels: ['what:x'] }) });
        const down = next(made, 'disconnected');
        made.connect();
        assert.equal((await down).code, 102);
    });
});

// Bytes over Protobuf, values over JSON.
const value = (data) => data instanceof Uint8Array ? JSON.parse(Buffer.from(data).toString()) : data;

for (const [name, way] of Object.entries(ways)) {
    describe(`what the server API does to a client on ${name}`, () => {
        let server;
        let made;
        const api = async (method, params) => {
            const answer = await fetch(server.url(`/api/${method}`), { method: 'POST', headers: { 'X-API-Key': KEY },
                body: JSON.stringify(params) });
            assert.equal(answer.status, 200);
            const { result, error } = await answer.json();
            assert.equal(error, undefined);
            return result;
        };
        before(async () => { server = await startServer({ config }); });
        after(() => server.stop());
        afterEach(disconnectAll);
        const come = async (claims = {}) => {
            const [endpoint, options] = way(server);
            made = await connected(endpoint, { ...options, token: token({ sub: 'ada', ...claims }) });
            return made.context.client;
        };

        test('its subscriptions come and go', async () => {
            await come();
            const up = next(made, 'subscribed');
            await api('subscribe', { user: 'ada', channel: 'news:1', data: { why: 'because' } });
            const context = await up;
            assert.deepEqual([context.channel, value(context.data)], ['news:1', { why: 'because' }]);
            const heard = next(made, 'publication');
            await api('publish', { channel: 'news:1', data: { n: 1 } });
            assert.deepEqual(value((await heard).data), { n: 1 });
            const down = next(made, 'unsubscribed');
            await api('unsubscribe', { user: 'ada', channel: 'news:1' });
            assert.equal((await down).channel, 'news:1');
        });

        test('what it missed since a position comes after the subscription', async () => {
            const client = await come();
            for (const n of [1, 2, 3]) await api('publish', { channel: 'news:2', data: { n } });
            const heard = [];
            const all = new Promise((resolve) => made.on('publication', ({ data }) => {
                if (heard.push(value(data).n) === 2) resolve();
            }));
            await api('subscribe', { user: 'ada', client, channel: 'news:2', recover_since: { offset: 1 } });
            await all;
            assert.deepEqual(heard, [2, 3]);
        });

        test('it is sent away with a code and words of the application', async () => {
            await come();
            const down = next(made, 'disconnected');
            await api('disconnect', { user: 'ada', disconnect: { code: 4567, reason: 'done for today' } });
            assert.deepEqual(await down, { code: 4567, reason: 'done for today' });
        });

        test('its time is over, or longer', async () => {
            await come({ exp: now() + 3600 });
            await api('refresh', { user: 'ada', expire_at: now() + 7200 });
            const down = next(made, 'connecting');
            await api('refresh', { user: 'ada', expired: true });
            assert.equal((await down).code, 3005);
        });
    });
}

describe('what has an end', () => {
    let server;
    before(async () => { server = await startServer({ config }); });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('a connection goes on while its application has new tokens', async () => {
        let asked = 0;
        const made = await connected(server.websocket, {
            token: token({ sub: 'ada', exp: now() + 1 }),
            getToken: async () => (asked++, token({ sub: 'ada', exp: now() + 2 })),
        });
        const id = made.context.client;
        let downs = 0;
        made.on('connecting', () => downs++);
        await new Promise((resolve) => setTimeout(resolve, 5000));
        assert.ok(asked >= 2, `asked ${asked} times`);
        assert.equal(downs, 0);
        const subscription = made.newSubscription('open:who');
        const up = next(subscription, 'subscribed');
        subscription.subscribe();
        await up;
        assert.ok((await made.presence('open:who')).clients[id], 'it is the same client still');
    });

    test('a token with other channels makes the client come again', async () => {
        let round = 0;
        const made = await connected(server.websocket, {
            token: token({ sub: 'ada', exp: now() + 1, channels: ['news:1'] }),
            getToken: async () => token({ sub: 'ada', exp: now() + 3600, channels: [`news:${++round + 1}`] }),
        });
        const again = await next(made, 'connecting');
        assert.equal(again.code, 3010);
        while (true) {
            const { channel } = await next(made, 'subscribed');
            if (channel.startsWith('news:')) { assert.notEqual(channel, 'news:1'); break; }
        }
    });

    test('a subscription goes on while its application has new tokens, too', async () => {
        const made = await connected(server.websocket, { token: token({ sub: 'ada' }) });
        let asked = 0;
        const subscription = made.newSubscription('secret:s', { getToken: async () => {
            asked++;
            return token({ sub: 'ada', channel: 'secret:s', exp: now() + (asked < 3 ? 1 : 3600) });
        } });
        const up = next(subscription, 'subscribed');
        subscription.subscribe();
        await up;
        let downs = 0;
        subscription.on('subscribing', () => downs++);
        await new Promise((resolve) => setTimeout(resolve, 4000));
        assert.equal(asked, 3);
        assert.equal(downs, 0);
    });

    test('a user has three connections, and not four', async () => {
        for (let i = 0; i < 3 * nodes; i++) await connected(server.websocket, { token: token({ sub: 'many' }) }); // on each node
        const fourth = client(server.websocket, { token: token({ sub: 'many' }) });
        const down = next(fourth, 'disconnected');
        fourth.connect();
        assert.equal((await down).code, 3504);
    });
});

describe('who needs no token', () => {
    const start = (more) => startServer({ config: { ...config, client: { ...config.client, ...more } } });

    afterEach(disconnectAll);

    test('user_id_http_header: a trusted proxy in front says who it is', async () => {
        const server = await start({ user_id_http_header: 'X-User-Id' });
        try {
            const made = client(server.websocket, { requestHeaders: { 'X-User-Id': 'ada' } });
            const up = next(made, 'subscribed');
            made.connect();
            assert.equal((await up).channel, 'own:#ada');

            const stranger = client(server.websocket, {});
            const down = next(stranger, 'disconnected');
            stranger.connect();
            assert.equal((await down).code, 3501);
        } finally {
            disconnectAll();
            await server.stop();
        }
    });

    test('insecure mode: anybody may do anything, and a token still says who somebody is', async () => {
        const server = await start({ insecure: true });
        try {
            const made = await connected(server.websocket, {});
            const subscription = made.newSubscription('secret:s');
            const up = next(subscription, 'subscribed');
            subscription.subscribe();
            await up;
            const heard = next(subscription, 'publication');
            await made.publish('secret:s', 1);
            assert.equal((await heard).data, 1);

            const ada = client(server.websocket, { token: token({ sub: 'ada', exp: now() + 3600 }) });
            const own = next(ada, 'subscribed');
            ada.connect();
            assert.equal((await own).channel, 'own:#ada');
            const forged = client(server.websocket, { token: `${token({ sub: 'eve' }).slice(0, -4)}AAAA` });
            const down = next(forged, 'disconnected');
            forged.connect();
            assert.equal((await down).code, 3500);
        } finally {
            disconnectAll();
            await server.stop();
        }
    });
});
