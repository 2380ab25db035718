// Subscribers who do not simply get everything as it is, through the published SDK: with delta, with a filter by tags, and of
// caches; over JSON and Protobuf.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as CentrifugeProtobuf } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';
import { startServer } from './lib/server.mjs';
import { speakJson, ways } from './lib/sdk_ways.mjs';

const KEY = 'the key of the API';
const PATIENCE_MS = 20_000;
const kept = { history_size: 1000, history_ttl: '300s', force_recovery: true, allow_subscribe_for_client: true,
    allow_subscribe_for_anonymous: true };

const config = {
    workers: 2,
    http_api: { key: KEY, max_request_body_size: '1MiB' },
    http_stream: { enabled: true },
    client: { allowed_origins: ['*'], allow_anonymous_connect_without_token: true, queue_max_size: 8 << 20 },
    channel: {
        namespaces: [
            { name: 'delta', ...kept, allowed_delta_types: ['fossil'], delta_publish: true },
            { name: 'asked', ...kept, allowed_delta_types: ['fossil'] },
            { name: 'tags', ...kept, allow_tags_filter: true },
            { name: 'cache', ...kept, force_recovery_mode: 'cache', auto_cache_recover: true },
        ],
    },
};

let server;
before(async () => { server = await startServer({ config }); });
after(() => server?.stop());

async function api(method, params) {
    const response = await fetch(server.url(`/api/${method}`), {
        method: 'POST',
        headers: { 'X-API-Key': KEY, 'Content-Type': 'application/json' },
        body: JSON.stringify(params),
    });
    const answer = await response.json();
    assert.ok(answer.result ?? answer.replies, JSON.stringify(answer));
    return answer.result;
}

// What a subscription has been given, in order, and the wish to have heard of so many.
class Heard {
    list = [];
    #wake = () => {};

    constructor(subscription) {
        subscription.on('publication', (publication) => { this.list.push(publication); this.#wake(); });
    }

    get data() { return this.list.map((publication) => publication.data); }

    async have(n) {
        const end = Date.now() + PATIENCE_MS;
        while (this.list.length < n) {
            assert.ok(Date.now() < end, `${this.list.length} of ${n} came`);
            await Promise.race([new Promise((resolve) => { this.#wake = resolve; }),
                new Promise((resolve) => { setTimeout(resolve, 1000); })]);
        }
        return this.data;
    }
}

// Texts of one to four bytes a character, which change here and there.
function* texts(seed, n) {
    const letters = [...'abc "\\/ß é è ö д я ह 漢 字 漣 😀 😁 😂 🙂 \n\t\u0001'];
    let state = seed;
    const below = (bound) => {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        return (state >> 8) % bound;
    };
    const some = (count) => Array.from({ length: count }, () => letters[below(letters.length)]).join('');
    let text = [...some(300)];
    for (let i = 0; i < n; i++) {
        for (let changes = below(4); changes >= 0; changes--)
            text.splice(below(text.length + 1), below(6), ...some(below(6)));
        if (below(20) === 0) text = [...some(below(400))];
        yield { i, text: text.join('') };
    }
}

for (const [name, way] of Object.entries(ways).filter(([name]) => name !== 'SSE')) {
    const Client = way.isBinary ? speakJson(CentrifugeProtobuf) : Centrifuge;

    describe(`over ${name}`, () => {
        const clients = [];
        let count = 0;
        const channelOf = (namespace) => `${namespace}:${name.replace(/\W/g, '')}-${++count}`;

        async function client() {
            const c = new Client(way.endpoint(server.websocket), { ...way.options(server.websocket), websocket: WebSocket,
                timeout: PATIENCE_MS, maxReconnectDelay: 300 });
            clients.push(c);
            c.connect();
            await c.ready(PATIENCE_MS);
            return c;
        }

        async function subscribed(c, channel, options) {
            const subscription = c.newSubscription(channel, options);
            const heard = new Heard(subscription);
            const done = new Promise((resolve) => { subscription.once('subscribed', resolve); });
            subscription.subscribe();
            return { subscription, heard, context: await done };
        }

        afterEach(() => { for (const c of clients.splice(0)) c.disconnect(); });

        test('patches of random texts in many alphabets make what was published', async () => {
            const channel = channelOf('delta');
            const { subscription, heard } = await subscribed(await client(), channel, { delta: 'fossil' });
            const plain = await subscribed(await client(), channel);
            const all = [...texts(count, 1000)];
            for (let i = 0; i < all.length; i += 50) {
                await api('batch', { commands: all.slice(i, i + 50).map((data) => ({ publish: { channel, data } })) });
            }
            assert.deepEqual(await heard.have(all.length), all);
            assert.deepEqual(await plain.heard.have(all.length), all);
            const stats = subscription.deltaStats();
            assert.ok(stats.numDeltaPayloads > 600, `${stats.numDeltaPayloads} patches`);
            assert.ok(stats.compressionRatio > 0.4, `${stats.compressionRatio}`);
        });

        test('what was missed comes as patches, and they go on', async () => {
            const channel = channelOf('delta');
            const c = await client();
            const { subscription, heard } = await subscribed(c, channel, { delta: 'fossil' });
            const all = [...texts(count + 77, 60)];
            for (const data of all.slice(0, 20)) await api('publish', { channel, data });
            await heard.have(20);
            const back = new Promise((resolve) => { subscription.once('subscribed', resolve); });
            c.disconnect();
            for (const data of all.slice(20, 40)) await api('publish', { channel, data });
            c.connect();
            assert.equal((await back).recovered, true);
            for (const data of all.slice(40)) await api('publish', { channel, data });
            assert.deepEqual(await heard.have(all.length), all);
        });

        test('without the publisher asking for it nothing is a patch', async () => {
            const channel = channelOf('asked');
            const { subscription, heard } = await subscribed(await client(), channel, { delta: 'fossil' });
            const data = (n) => ({ n, text: 'the same text each time, and long enough to be worth a patch' });
            for (let n = 0; n < 6; n++) await api('publish', { channel, data: data(n), delta: n >= 3 });
            assert.deepEqual(await heard.have(6), [0, 1, 2, 3, 4, 5].map(data));
            assert.equal(subscription.deltaStats().numDeltaPayloads, 3);
        });

        test('a filter lets through what passes, live and in what was missed', async () => {
            const channel = channelOf('tags');
            const tagsFilter = { op: 'and', nodes: [
                { op: '', key: 'city', cmp: 'in', vals: ['Berlin', 'Rome'] },
                { op: 'not', nodes: [{ op: '', key: 'price', cmp: 'gt', val: '99.99' }] },
            ] };
            const c = await client();
            const { subscription, heard } = await subscribed(c, channel, { tagsFilter });
            const say = async (from, to) => {
                for (let n = from; n < to; n++) {
                    await api('publish', { channel, data: { n },
                        tags: { city: ['Berlin', 'Paris', 'Rome'][n % 3], price: n % 4 === 0 ? '100' : '99.990' } });
                }
            };
            const passing = (to) => Array.from({ length: to }, (_, n) => ({ n })).filter(({ n }) => n % 3 !== 1 && n % 4 !== 0);
            await say(0, 12);
            assert.deepEqual(await heard.have(passing(12).length), passing(12));

            const back = new Promise((resolve) => { subscription.once('subscribed', resolve); });
            c.disconnect();
            await say(12, 24);
            c.connect();
            assert.equal((await back).recovered, true);
            await say(24, 36);
            assert.deepEqual(await heard.have(passing(36).length), passing(36));
        });

        test('a filter that makes no sense is refused', async () => {
            const c = await client();
            for (const tagsFilter of [{ op: 'xor', nodes: [] }, { op: '', key: 'a', cmp: 'eq' }, { op: 'not', nodes: [] }]) {
                const subscription = c.newSubscription(channelOf('tags'), { tagsFilter });
                const refused = new Promise((resolve) => { subscription.once('unsubscribed', resolve); });
                subscription.subscribe();
                assert.equal((await refused).code, 107);
            }
        });

        test('a cache gives its newest to whoever comes', async () => {
            const channel = channelOf('cache');
            await api('publish', { channel, data: { n: 1 } });
            await api('publish', { channel, data: { n: 2 } });
            const { heard, context } = await subscribed(await client(), channel);
            assert.equal(context.recovered, true);
            assert.deepEqual(await heard.have(1), [{ n: 2 }]);
            await api('publish', { channel, data: { n: 3 } });
            assert.deepEqual(await heard.have(2), [{ n: 2 }, { n: 3 }]);
        });
    });
}
