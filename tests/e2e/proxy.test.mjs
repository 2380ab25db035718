// Proxies: a real backend over HTTP decides about clients, which come through centrifuge-js from npm; and what happens
// when that backend is slow, dies, or answers nonsense.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as CentrifugeProtobuf } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { Backend, misbehave, misbehaviours, sleep } from './lib/backend.mjs';
import { Parleyd } from './lib/parleyd.mjs';
import { client, connected, disconnectAll, next } from './lib/sdk_clients.mjs';
import { token as sign } from './lib/sdk_host.mjs';

const SECRET = 'another secret';
const token = (claims) => sign(claims, SECRET);
const now = () => Math.floor(Date.now() / 1000);
const TIMEOUT = '400ms';

function configOf(backend, client = {}) {
    const to = (name, more = {}) => ({ endpoint: backend.url(`/${name}`), timeout: TIMEOUT, ...more });
    return {
        sse: { enabled: true },
        http_stream: { enabled: true },
        uni_sse: { enabled: true },
        uni_http_stream: { enabled: true },
        client: {
            allowed_origins: ['*'],
            token: { hmac_secret_key: SECRET },
            expired_close_delay: '3s',
            expired_sub_close_delay: '3s',
            proxy: {
                connect: { enabled: true, ...to('connect', {
                    http_headers: ['Cookie', 'X-Request-Id'], emulated_headers: ['Authorization'],
                    http: { static_headers: { 'X-Static': 'yes' } } }) },
                refresh: { enabled: true, ...to('refresh') },
            },
            ...client,
        },
        rpc: {
            proxy: to('rpc', { include_connection_meta: true }),
            without_namespace: { proxy_enabled: true },
            namespaces: [
                { name: 'binary', proxy_enabled: true, proxy_name: 'binary' },
                { name: 'narrow', proxy_enabled: true, proxy_name: 'narrow' },
                { name: 'gone', proxy_enabled: true, proxy_name: 'gone' },
            ],
        },
        proxies: [
            { name: 'binary', ...to('binary', { binary_encoding: true }) },
            { name: 'narrow', ...to('narrow', { concurrency: 3, timeout: '5s' }) },
            { name: 'gone', endpoint: 'http://127.0.0.1:9/', timeout: TIMEOUT },
            { name: 'codes', ...to('codes', { http: { status_to_code_transforms: [
                { status_code: 404, to_error: { code: 1404, message: 'no such channel', temporary: false } },
                { status_code: 403, to_disconnect: { code: 4503, reason: 'go away' } },
            ] } }) },
        ],
        channel: {
            proxy: { subscribe: to('subscribe'), publish: to('publish'), sub_refresh: to('sub_refresh') },
            namespaces: [
                { name: 'ask', subscribe_proxy_enabled: true, publish_proxy_enabled: true, sub_refresh_proxy_enabled: true,
                    history_size: 100, history_ttl: '300s', allow_history_for_client: true },
                { name: 'open', allow_subscribe_for_client: true, allow_publish_for_client: true },
                { name: 'codes', subscribe_proxy_enabled: true, subscribe_proxy_name: 'codes' },
            ],
        },
    };
}

const ada = (url, options) => connected(url, { token: token({ sub: 'ada', meta: { role: 'poet' } }), ...options });

const failure = async (promise) => {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    throw new Error('it did not fail');
};

let backend, server;

async function start(client) {
    backend = await Backend.start();
    server = await Parleyd.start({ config: configOf(backend, client) });
}

async function stop() {
    disconnectAll();
    await server?.stop();
    await backend?.stop();
}

describe('a backend that behaves', () => {
    before(() => start());
    after(stop);
    afterEach(disconnectAll);

    test('says who a client is, seeing its headers', async () => {
        backend.answer('/connect', () => ({ result: { user: 'bob', data: { welcome: 'Bob' }, info: { name: 'Bob' },
            subs: { 'open:bob': { data: 1 } } } }));
        const made = client(server.websocket, { name: 'tests', data: { from: 'here' },
            requestHeaders: { Cookie: 'session=1', 'X-Request-Id': 'r1', 'X-Secret': 's' } });
        const subscribed = next(made, 'subscribed');
        const up = next(made, 'connected');
        made.connect();
        assert.deepEqual((await up).data, { welcome: 'Bob' });
        assert.equal((await subscribed).channel, 'open:bob');

        const { headers, body } = backend.asked('/connect').at(-1);
        assert.equal(headers.cookie, 'session=1');
        assert.equal(headers['x-request-id'], 'r1');
        assert.equal(headers['x-static'], 'yes');
        assert.equal(headers['x-secret'], undefined);
        assert.match(headers['content-type'], /^application\/json/);
        const { client: id, ...rest } = body;
        assert.match(id, /^[0-9a-f-]{36}$/);
        assert.deepEqual(rest, { transport: 'websocket', protocol: 'json', encoding: 'json', name: 'tests', data: { from: 'here' } });

        const heard = next(made, 'publication');
        await made.publish('open:bob', 'x');
        assert.deepEqual((await heard).info, { user: 'bob', client: id, connInfo: { name: 'Bob' } });
    });

    for (const transport of ['sse', 'http_stream']) {
        test(`is asked through ${transport}, too`, async () => {
            backend.answer('/connect', () => ({ result: { user: 'bob', data: { hi: 1 } } }));
            backend.answer('/rpc', (body) => ({ result: { data: [body.user, body.transport] } }));
            const made = await connected([{ transport, endpoint: server.url(`/connection/${transport}`) }],
                { emulationEndpoint: server.url('/emulation'), eventsource: EventSource });
            assert.deepEqual(made.context.data, { hi: 1 });
            assert.equal(backend.asked('/connect').at(-1).body.transport, transport);
            assert.deepEqual((await made.rpc('x', {})).data, ['bob', transport]);
        });
    }

    for (const [transport, first] of [['uni_sse', 'data: '], ['uni_http_stream', '']]) {
        test(`is asked through ${transport}, too, and sees its headers`, async () => {
            backend.answer('/connect', () => ({ result: { user: 'bob', channels: ['open:uni'] } }));
            const stopping = new AbortController();
            const response = await fetch(server.url(`/connection/${transport}`), { method: 'POST', body: '{"name":"uni"}',
                headers: { Cookie: `of=${transport}` }, signal: stopping.signal });
            let text = '';
            for await (const part of response.body) {
                text += new TextDecoder().decode(part);
                if (text.includes('}\n')) break;
            }
            stopping.abort();
            const push = JSON.parse(text.slice(text.indexOf(`${first}{`) + first.length).split('\n')[0]);
            assert.deepEqual(push.connect.subs, { 'open:uni': {} });
            const { headers, body } = backend.asked('/connect').at(-1);
            assert.equal(headers.cookie, `of=${transport}`);
            assert.equal(body.transport, transport);
            assert.equal(body.name, 'uni');
        });
    }

    test('is shown headers that a browser could not set', async () => {
        backend.answer('/connect', (body, { headers }) => ({ result: { user: headers.authorization } }));
        await connected(server.websocket, { headers: { Authorization: 'me' } });
        assert.equal(backend.asked('/connect').at(-1).headers.authorization, 'me');
    });

    test('keeps clients out', async () => {
        backend.answer('/connect', () => ({ disconnect: { code: 4501, reason: 'never' } }));
        let made = client(server.websocket);
        let down = next(made, 'disconnected');
        made.connect();
        assert.deepEqual({ ...(await down) }, { code: 4501, reason: 'never' });

        backend.answer('/connect', () => ({ error: { code: 1000, message: 'no' } }));
        made = client(server.websocket);
        down = next(made, 'disconnected');
        made.connect();
        assert.equal((await down).code, 1000);

        backend.answer('/connect', () => ({}));
        made = client(server.websocket);
        down = next(made, 'disconnected');
        made.connect();
        assert.equal((await down).code, 3501);
    });

    for (const [name, Class] of [['JSON', Centrifuge], ['Protobuf', CentrifugeProtobuf]]) {
        test(`answers calls, over ${name}`, async () => {
            const made = await ada(server.websocket, { Class });
            const data = (value) => (Class === Centrifuge ? value : new TextEncoder().encode(JSON.stringify(value)));
            const value = (bytes) => (Class === Centrifuge ? bytes : JSON.parse(new TextDecoder().decode(bytes)));
            backend.answer('/rpc', (body) => ({ result: { data: { sum: body.data.a + body.data.b, who: body.user } } }));
            assert.deepEqual(value((await made.rpc('add', data({ a: 1, b: 2 }))).data), { sum: 3, who: 'ada' });
            const { body } = backend.asked('/rpc').at(-1);
            assert.deepEqual(body.meta, { role: 'poet' });
            assert.equal(body.protocol, Class === Centrifuge ? 'json' : 'protobuf');

            backend.answer('/binary', (asked) => ({ result: { b64data: asked.b64data } }));
            assert.deepEqual(value((await made.rpc('binary:echo', data({ deep: ['ö'] }))).data), { deep: ['ö'] });

            backend.answer('/rpc', () => ({ error: { code: 1234, message: 'mine', temporary: true } }));
            const error = await failure(made.rpc('add', data({})));
            assert.deepEqual({ code: error.code, message: error.message, temporary: error.temporary },
                { code: 1234, message: 'mine', temporary: true });
            assert.equal((await failure(made.rpc('what:x', data({})))).code, 104);
        });
    }

    test('carries bytes that are no JSON, over Protobuf', async () => {
        const made = await ada(server.websocket, { Class: CentrifugeProtobuf });
        backend.answer('/binary', (asked) => ({ result: { b64data: asked.b64data } }));
        const bytes = new Uint8Array([0, 255, 128, 10]);
        assert.deepEqual(new Uint8Array((await made.rpc('binary:echo', bytes)).data), bytes);
        assert.equal((await failure(made.rpc('add', bytes))).code, 107);
    });

    test('lets clients subscribe', async () => {
        const made = await ada(server.websocket);
        backend.answer('/subscribe', (body) => (body.data?.word === 'please'
            ? { result: { info: { seat: 1 }, data: { rules: 'none' }, override: { force_recovery: { value: true } } } }
            : { error: { code: 1403, message: 'say please' } }));
        const rude = made.newSubscription('ask:a');
        const down = next(rude, 'unsubscribed');
        rude.subscribe();
        assert.equal((await down).code, 1403);

        const polite = made.newSubscription('ask:b', { data: { word: 'please' } });
        const up = next(polite, 'subscribed');
        polite.subscribe();
        const context = await up;
        assert.deepEqual(context.data, { rules: 'none' });
        assert.ok(context.recoverable);
        assert.equal(backend.asked('/subscribe').at(-1).body.channel, 'ask:b');
    });

    test('says what is published', async () => {
        const made = await ada(server.websocket);
        backend.answer('/subscribe', () => ({ result: {} }));
        backend.answer('/publish', async ({ data }) => {
            if (data.slow) await sleep(150);
            return data.rude ? { error: { code: 1400, message: 'rude' } } : { result: { data: { checked: data.n }, tags: { k: 'v' } } };
        });
        const subscription = made.newSubscription('ask:talk');
        const heard = [];
        subscription.on('publication', ({ data, tags }) => heard.push([data.checked, tags]));
        const up = next(subscription, 'subscribed');
        subscription.subscribe();
        await up;
        const all = [subscription.publish({ n: 1, slow: true }), failure(subscription.publish({ rude: true })), subscription.publish({ n: 2 })];
        const [, error] = await Promise.all(all);
        assert.equal(error.code, 1400);
        while (heard.length < 2) await next(subscription, 'publication');
        assert.deepEqual(heard, [[1, { k: 'v' }], [2, { k: 'v' }]]);
    });

    test('says when a publication is one that was there before', async () => {
        const made = await ada(server.websocket);
        backend.answer('/subscribe', () => ({ result: {} }));
        backend.answer('/publish', ({ data }) => ({ result: { idempotency_key: data.key, skip_history: data.live ?? false } }));
        const subscription = made.newSubscription('ask:once');
        const heard = [];
        subscription.on('publication', ({ data, offset }) => heard.push([data.n, offset]));
        const up = next(subscription, 'subscribed');
        subscription.subscribe();
        await up;
        for (const data of [{ n: 1, key: 'a' }, { n: 2, key: 'a' }, { n: 3, live: true }, { n: 4, key: 'b' }]) await subscription.publish(data);
        while (heard.length < 3) await next(subscription, 'publication');
        assert.deepEqual(heard, [[1, 1], [3, undefined], [4, 2]]);
    });

    test('renews connections and subscriptions, until it does not', async () => {
        backend.answer('/connect', () => ({ result: { user: 'eve', expire_at: now() + 2 } }));
        let left = 1;
        backend.answer('/refresh', () => ({ result: left-- > 0 ? { expire_at: now() + 2 } : { expired: true } }));
        backend.answer('/subscribe', () => ({ result: { expire_at: now() + 1 } }));
        backend.answer('/sub_refresh', () => ({ result: { expired: true } }));
        const made = client(server.websocket, { minReconnectDelay: 60_000, maxReconnectDelay: 60_000 });
        const up = next(made, 'connected');
        made.connect();
        await up;
        const subscription = made.newSubscription('ask:short');
        const subscribed = next(subscription, 'subscribed');
        subscription.subscribe();
        await subscribed;
        const resubscribing = next(subscription, 'subscribing');
        assert.equal((await resubscribing).code, 2501);
        const down = await next(made, 'connecting');
        assert.equal(down.code, 3005);
        assert.equal(backend.asked('/refresh').length, 2);
        assert.equal(backend.asked('/refresh')[0].body.user, 'eve');
    });

    test('says by statuses what the configuration makes of them', async () => {
        const made = await ada(server.websocket);
        backend.answer('/codes', () => ({ status: 404 }));
        const subscription = made.newSubscription('codes:a');
        const refused = next(subscription, 'unsubscribed');
        subscription.subscribe();
        assert.deepEqual({ ...(await refused) }, { channel: 'codes:a', code: 1404, reason: 'no such channel' });

        backend.answer('/codes', () => ({ status: 403 }));
        const down = next(made, 'disconnected');
        made.newSubscription('codes:b').subscribe();
        assert.deepEqual({ ...(await down) }, { code: 4503, reason: 'go away' });
    });

    test('is asked by no more at a time than configured', async () => {
        backend.answer('/narrow', async () => { await sleep(30); return { result: { data: 1 } }; });
        const many = await Promise.all(Array.from({ length: 12 }, () => ada(server.websocket)));
        backend.mostInFlight = 0;
        await Promise.all(many.map((made) => made.rpc('narrow:x', {})));
        assert.equal(backend.asked('/narrow').length, 12);
        const limit = Math.max(3, await server.metric('parley_node_workers')); // each has one at least
        assert.ok(backend.mostInFlight > 1 && backend.mostInFlight <= limit, `${backend.mostInFlight} at a time`);
    });

    test('that is not there is an error that may pass', async () => {
        const made = await ada(server.websocket);
        const error = await failure(made.rpc('gone:x', {}));
        assert.equal(error.code, 100);
        assert.ok(error.temporary);
    });
});

describe('a backend that misbehaves', () => {
    before(() => start());
    after(stop);
    beforeEach(() => {
        for (const where of ['connect', 'refresh', 'rpc', 'subscribe', 'publish', 'sub_refresh'])
            backend.answer(`/${where}`, () => ({ result: { user: 'eve', data: {} } }));
    });
    afterEach(disconnectAll);

    for (const name of Object.keys(misbehaviours)) {
        test(name, async () => {
            const made = await ada(server.websocket);
            const other = await ada(server.websocket);
            for (const where of ['connect', 'rpc', 'subscribe', 'publish']) backend.answer(`/${where}`, misbehave(name));

            const begun = Date.now();
            for (const ask of [() => made.rpc('x', {}), () => made.publish('ask:x', {})]) {
                const error = await failure(ask());
                assert.equal(error.code, 100);
                assert.ok(error.temporary);
            }
            const subscription = made.newSubscription('ask:y', { minResubscribeDelay: 60_000, maxResubscribeDelay: 60_000 });
            const error = next(subscription, 'error');
            subscription.subscribe();
            assert.equal((await error).error.code, 100);
            assert.ok(Date.now() - begun < 5000);
            assert.equal(made.state, 'connected');

            const waiting = client(server.websocket, { maxReconnectDelay: 50 });
            const refused = next(waiting, 'error');
            waiting.connect();
            assert.equal((await refused).error.code, 100);

            // Meanwhile others have nothing to suffer, and when it recovers so do they.
            await other.publish('open:x', {});
            for (const where of ['connect', 'rpc']) backend.answer(`/${where}`, () => ({ result: { user: 'eve', data: 5 } }));
            if (waiting.state !== 'connected') await next(waiting, 'connected');
            assert.equal((await made.rpc('x', {})).data, 5);
        });
    }

    test('while connections expire prolongs them', async () => {
        backend.answer('/connect', () => ({ result: { user: 'eve', expire_at: now() + 1 } }));
        backend.answer('/refresh', misbehave('dies in the middle of the answer'));
        const made = await connected(server.websocket);
        let down = false;
        made.on('connecting', () => { down = true; });
        await sleep(6000); // the grace of 3 s has long passed
        assert.ok(!down);
        assert.equal(backend.asked('/refresh').length, 1);
        assert.equal(await server.metric('parley_proxy_prolonged_total'), 1);
    });

    test('does not hold up the loop', async (t) => {
        const talkers = await Promise.all(Array.from({ length: 40 }, () => ada(server.websocket)));
        const subscription = talkers[0].newSubscription('open:beat');
        const up = next(subscription, 'subscribed');
        subscription.subscribe();
        await up;
        await sleep(61_000 * Number(Boolean(process.env.PARLEY_TRACE))); // what came before is forgotten

        const names = Object.keys(misbehaviours);
        const until = Date.now() + Number(process.env.PARLEY_TRACE_MS ?? 3000);
        let slowest = 0, calls = 0;
        const change = () => {
            backend.answer('/rpc', misbehave(names[calls % names.length]));
            backend.answer('/publish', misbehave(names[(calls + 3) % names.length]));
        };
        change();
        const rotate = setInterval(change, 20);
        const talk = async (made) => {
            while (Date.now() < until) {
                calls++;
                await failure(calls % 2 ? made.rpc('x', {}) : made.publish('ask:x', {}));
            }
        };
        const beat = async (made) => {
            while (Date.now() < until) {
                const begun = performance.now();
                await made.publish('open:beat', {});
                slowest = Math.max(slowest, performance.now() - begun);
                await sleep(5);
            }
        };
        try {
            await Promise.all([beat(talkers[0]), ...talkers.slice(1).map(talk)]);
        } finally {
            clearInterval(rotate);
        }
        await sleep(1100); // the daemon takes stock every second
        const stall = await server.metric('parley_loop_stall_seconds');
        t.diagnostic(`${calls} calls of a misbehaving backend; worst stall of a loop ${(stall * 1000).toFixed(2)} ms; ` +
            `slowest publish of another client ${slowest.toFixed(1)} ms`);
        assert.ok(calls > 50);
        assert.ok(slowest < 5000);
    });
});

describe('a backend that goes and comes back', () => {
    before(() => start());
    after(stop);

    test('is asked again', async () => {
        backend.answer('/rpc', () => ({ result: { data: 1 } }));
        const made = await ada(server.websocket);
        assert.equal((await made.rpc('x', {})).data, 1);
        const { port } = backend;
        await backend.stop();
        assert.equal((await failure(made.rpc('x', {}))).code, 100);
        backend = await Backend.start(port);
        backend.answer('/rpc', () => ({ result: { data: 2 } }));
        assert.equal((await made.rpc('x', {})).data, 2);
    });
});
