// Webhooks of channels where several daemons share Redis: occupied by the first subscriber of all nodes, vacated by the last, each once,
// whoever is killed meanwhile and whatever becomes of Redis.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Backend } from './lib/backend.mjs';
import { Cluster } from './lib/cluster.mjs';
import { Redis } from './lib/redis.mjs';
import { Wire } from './lib/wire.mjs';

const SOON_MS = 15_000, PAUSE_MS = 10;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, condition) {
    for (const late = Date.now() + SOON_MS; !await condition(); await pause(PAUSE_MS))
        if (Date.now() > late) throw new Error(`in vain: ${what}`);
}

async function client(node) {
    const wire = await Wire.open(node.websocket);
    await wire.connect();
    return wire;
}

async function subscriber(node, channel) {
    const wire = await client(node);
    await wire.call('subscribe', { channel });
    return wire;
}

let serial = 0;
const fresh = () => `room:${serial++}`;

describe('channels of two nodes', () => {
    let redis, backend, cluster, a, b;
    const told = [];
    const of = (channel) => told.filter((event) => event.channel === channel)
        .map(({ type }) => type.replace('channel_', ''));
    const saw = (channel, ...types) => until(`${channel}: ${types}, and not ${of(channel)}`,
        () => of(channel).length >= types.length).then(() => assert.deepEqual(of(channel), types));

    // What happened before it on that node has been told when it has: it comes and goes later, and the delay is the same.
    async function pass(node) {
        const channel = fresh();
        const wire = await subscriber(node, channel);
        await wire.call('unsubscribe', { channel });
        await saw(channel, 'occupied', 'vacated');
        wire.close();
    }

    before(async () => {
        backend = await Backend.start();
        backend.answer('/hook', ({ events }) => (told.push(...events), {}));
        redis = await Redis.start();
        cluster = await Cluster.start({ redis: [redis], config: {
            client: { insecure: true, allowed_origins: ['*'] },
            channel: { namespaces: [{ name: 'room' }, { name: 'silent' }] },
            engine: { redis: { node_ttl: '1s' } },
            webhooks: { vacated_delay: '50ms', retry_min: '10ms', endpoints: [{ name: 'main', endpoint: backend.url('/hook'),
                events: ['channel_occupied', 'channel_vacated'], namespaces: ['room'] }] },
        } });
        [a, b] = cluster.nodes;
    });
    after(async () => {
        await cluster?.stop();
        await redis?.stop();
        await backend?.stop();
    });

    test('the first of all occupies, the last of all vacates', async () => {
        const channel = fresh();
        const one = await subscriber(a, channel);
        await saw(channel, 'occupied');
        const two = await subscriber(b, channel), three = await subscriber(b, channel);
        one.close();
        await pass(a);
        two.close();
        await pass(b);
        assert.deepEqual(of(channel), ['occupied']);
        three.close();
        await saw(channel, 'occupied', 'vacated');
        const [first, last] = told.filter((event) => event.channel === channel);
        assert.ok(first.seq > 0 && last.seq > first.seq && first.id !== last.id && last.time >= first.time);
    });

    test('who goes over to the other node is not missed', async () => {
        const channel = fresh();
        let here = await subscriber(a, channel);
        for (let i = 1; i < 10; i++) {
            const there = await subscriber(cluster.nodes[i % 2], channel);
            here.close();
            here = there;
        }
        await pass(a);
        await pass(b);
        assert.deepEqual(of(channel), ['occupied']);
        here.close();
        await saw(channel, 'occupied', 'vacated');
    });

    test('other namespaces are not spoken of', async () => {
        const wire = await subscriber(a, 'silent:1');
        await pass(a);
        assert.deepEqual(of('silent:1'), []);
        wire.close();
    });

    test('what only a killed node had is vacated by the other, whichever of them tells', async () => {
        for (const [killed, left] of [[a, b], [b, a]]) {
            const [its, both] = [fresh(), fresh()];
            await subscriber(killed, its);
            await subscriber(killed, both);
            const stays = await subscriber(left, both);
            await saw(its, 'occupied');
            await saw(both, 'occupied');
            await killed.kill('SIGKILL');
            await saw(its, 'occupied', 'vacated');
            await killed.restart();
            await pass(killed);
            assert.deepEqual(of(both), ['occupied']);
            assert.deepEqual(of(its), ['occupied', 'vacated']);
            stays.close();
            await saw(both, 'occupied', 'vacated');
        }
    });

    test('who is stopped goes at once', async () => {
        const channel = fresh();
        await subscriber(b, channel);
        await saw(channel, 'occupied');
        await b.restart();
        await saw(channel, 'occupied', 'vacated');
    });

    test('what happens while Redis is away is told when it is back, and nothing twice', async () => {
        for (const isEmpty of [false, true]) {
            const [stays, goes, comes] = [fresh(), fresh(), fresh()];
            const wires = await Promise.all([subscriber(a, stays), subscriber(a, goes), subscriber(b, stays)]);
            await saw(stays, 'occupied');
            await saw(goes, 'occupied');
            const early = await client(b);
            if (!isEmpty) {
                const asked = await redis.ask('CLIENT', 'KILL', 'TYPE', 'normal');
                assert.ok(asked > 0);
                wires[1].close();
                await early.call('subscribe', { channel: comes });
            } else {
                await redis.kill();
                wires[1].close();
                await redis.start();
                await until('both are well again', async () =>
                    (await Promise.all([a, b].map((node) => node.get('/health').catch(() => null))))
                        .every((answer) => answer?.status === 200));
                await early.call('subscribe', { channel: comes });
            }
            await saw(comes, 'occupied');
            await saw(goes, 'occupied', 'vacated');
            await pass(a);
            await pass(b);
            assert.deepEqual(of(stays), ['occupied']);
            for (const wire of [wires[0], wires[2], early]) wire.close();
            await saw(stays, 'occupied', 'vacated');
            await saw(comes, 'occupied', 'vacated');
        }
    });

    test('each event has an id of its own', () => {
        assert.equal(new Set(told.map(({ id }) => id)).size, told.length);
    });

    test('nothing is left in Redis of channels that nobody is in', async () => {
        await until('no share is left', async () => (await redis.ask('HLEN', 'parley.occupied')) === 0);
        await until('no event waits', async () => (await redis.ask('ZCARD', 'parley.occupied_events')) === 0);
        assert.deepEqual((await redis.ask('KEYS', 'parley.occupied_by.*')), []);
    });
});
