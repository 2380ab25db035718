// Two daemons on one Redis: whatever is asked of one of them is true of both, and what happens to Redis is survived and told.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './lib/cluster.mjs';
import { claimPort } from './lib/ports.mjs';
import { Redis } from './lib/redis.mjs';
import { token } from './lib/sdk_host.mjs';
import { Wire } from './lib/wire.mjs';

const everything = Object.fromEntries(['subscribe', 'publish', 'presence', 'history'].flatMap((what) =>
    [[`allow_${what}_for_client`, true], [`allow_${what}_for_anonymous`, true]]));

const visible = { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true };

const config = {
    http_api: { insecure: true },
    client: {
        allowed_origins: ['*'],
        allow_anonymous_connect_without_token: true,
        token: { hmac_secret_key: 'a secret of the tests' },
        channel_position_check_delay: '1s',
    },
    channel: {
        namespaces: [
            { name: 'kept', ...everything, history_size: 1000, history_ttl: '300s', force_recovery: true, presence: true,
                join_leave: true, force_push_join_leave: true },
            { name: 'live', ...everything },
            { name: 'map', ...visible, subscription_type: 'map', map: { mode: 'recoverable' } },
            { name: 'brief', ...visible, subscription_type: 'map', map: { mode: 'ephemeral' } },
        ],
    },
};

const SOON_MS = 15_000, PAUSE_MS = 10;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, condition, late_ms = SOON_MS) {
    for (const late = Date.now() + late_ms; !await condition(); await pause(PAUSE_MS))
        if (Date.now() > late) throw new Error(`in vain: ${what}`);
}

// One request of the server API, of that node; resolves to its result.
async function ask(node, method, params = {}) {
    const request = http.request(node.url(`/api/${method}`), { method: 'POST', agent: false });
    request.end(JSON.stringify(params));
    const [response] = await once(request, 'response');
    let text = '';
    for await (const part of response) text += part;
    const { result, error } = JSON.parse(text);
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
}

// A connection that remembers what it is sent.
class Peer {
    static async of(node, request = {}) {
        const peer = new Peer();
        peer.pushes = [];
        peer.waiting = new Set();
        peer.wire = await Wire.open(node.websocket, { push: (push) => {
            peer.pushes.push(push);
            for (const look of peer.waiting) look();
        } });
        peer.connect = await peer.wire.connect(request);
        return peer;
    }

    static user(node, name, claims = {}) { return Peer.of(node, { token: token({ sub: name, ...claims }) }); }

    subscribe(channel, more = {}) { return this.wire.call('subscribe', { channel, ...more }); }
    call(...what) { return this.wire.call(...what); }
    close() { this.wire.close(); }

    // The first push for which `wanted` holds, come already or to come.
    async push(wanted, what = 'a push') {
        await new Promise((resolve, reject) => {
            const late = setTimeout(() => reject(new Error(`in vain: ${what}`)), SOON_MS);
            const look = () => {
                if (!this.pushes.some(wanted)) return;
                clearTimeout(late);
                this.waiting.delete(look);
                resolve();
            };
            this.waiting.add(look);
            look();
        });
        return this.pushes.find(wanted);
    }
}

let serial = 0;
const fresh = (namespace) => `${namespace}:${serial++}`;

describe('two nodes', () => {
    let cluster, a, b;
    before(async () => {
        cluster = await Cluster.start({ config });
        [a, b] = cluster.nodes;
    });
    after(() => cluster?.stop());

    test('what is published on one is heard on the other, in order, with the same offsets', async () => {
        const channel = fresh('kept');
        const [one, two] = [await Peer.of(a), await Peer.of(b)];
        await one.subscribe(channel);
        const { epoch } = await two.subscribe(channel);
        for (let i = 1; i <= 20; i++) await (i % 2 ? one : two).call('publish', { channel, data: i });
        for (const peer of [one, two]) {
            await peer.push((push) => push.pub?.data === 20);
            const seen = peer.pushes.filter(({ pub }) => pub).map(({ pub }) => [pub.offset, pub.data]);
            assert.deepEqual(seen, Array.from({ length: 20 }, (_, i) => [i + 1, i + 1]));
        }
        assert.equal((await ask(a, 'history', { channel, limit: 0 })).epoch, epoch);
        one.close();
        two.close();
    });

    test('what is kept nowhere arrives as well', async () => {
        const channel = fresh('live');
        const [one, two] = [await Peer.of(a), await Peer.of(b)];
        await two.subscribe(channel);
        await one.call('publish', { channel, data: 'live' });
        const { pub } = await two.push(({ pub }) => pub);
        assert.equal(pub.offset, undefined);
        one.close();
        two.close();
    });

    test('who left one node recovers on the other', async () => {
        const channel = fresh('kept');
        const one = await Peer.of(a);
        const { epoch } = await one.subscribe(channel);
        one.close();
        for (let i = 1; i <= 5; i++) await ask(b, 'publish', { channel, data: i });
        const two = await Peer.of(b);
        const result = await two.subscribe(channel, { recover: true, offset: 2, epoch });
        assert.equal(result.recovered, true);
        assert.deepEqual(result.publications.map(({ data }) => data), [3, 4, 5]);
        two.close();
    });

    test('presence, joins and leaves are of both', async () => {
        const channel = fresh('kept');
        const one = await Peer.user(a, 'ada');
        await one.subscribe(channel);
        const two = await Peer.user(b, 'bob');
        await two.subscribe(channel);
        await one.push(({ join }) => join?.info.user === 'bob', 'the join of bob');
        for (const node of [a, b]) {
            const { presence } = await ask(node, 'presence', { channel });
            assert.deepEqual(Object.values(presence).map(({ user }) => user).sort(), ['ada', 'bob']);
            assert.deepEqual(await ask(node, 'presence_stats', { channel }), { num_clients: 2, num_users: 2 });
        }
        two.close();
        await one.push(({ leave }) => leave?.info.user === 'bob', 'the leave of bob');
        one.close();
    });

    test('channels and info are of both', async () => {
        const channel = fresh('kept');
        const peers = [await Peer.of(a), await Peer.of(b), await Peer.of(b)];
        for (const peer of peers) await peer.subscribe(channel);
        for (const node of [a, b]) {
            assert.equal((await ask(node, 'channels', { pattern: channel })).channels[channel].num_clients, 3);
            await until('info of both nodes', async () => (await ask(node, 'info')).nodes.length === 2);
            const { nodes } = await ask(node, 'info');
            assert.deepEqual(nodes.map(({ name }) => name).sort(), ['node-0', 'node-1']);
            assert.equal(nodes.reduce((n, { num_clients: more }) => n + more, 0), 3);
        }
        for (const peer of peers) peer.close();
    });

    test('a user is found, disconnected and kept out on either', async () => {
        const [one, two] = [await Peer.user(a, 'eve'), await Peer.user(b, 'eve')];
        for (const node of [a, b]) {
            const { connections } = await ask(node, 'connections', { user: 'eve' });
            assert.equal(Object.keys(connections).length, 2);
        }
        await ask(a, 'disconnect', { user: 'eve' });
        await Promise.all([one.wire.closed, two.wire.closed]);

        const three = await Peer.user(b, 'mallory');
        await ask(a, 'block_user', { user: 'mallory' });
        assert.equal((await three.wire.closed).code, 3507);
        await assert.rejects(Peer.user(b, 'mallory'));
    });

    test('a user is subscribed, refreshed and unsubscribed from the other node', async () => {
        const channel = fresh('kept');
        const peer = await Peer.user(b, 'ada');
        await ask(a, 'subscribe', { user: 'ada', channel });
        await peer.push((push) => push.subscribe && push.channel === channel, 'the subscription');
        await ask(a, 'refresh', { user: 'ada', expire_at: Math.floor(Date.now() / 1000) + 3600 });
        await ask(a, 'unsubscribe', { user: 'ada', channel });
        await peer.push((push) => push.unsubscribe && push.channel === channel, 'the end of it');
        peer.close();
    });

    test('an idempotency key is known to both', async () => {
        const channel = fresh('kept');
        const first = await ask(a, 'publish', { channel, data: 1, idempotency_key: 'once' });
        assert.deepEqual(await ask(b, 'publish', { channel, data: 2, idempotency_key: 'once' }), first);
        assert.equal((await ask(b, 'history', { channel, limit: -1 })).publications.length, 1);
    });

    test('a map that is cleared on one is so for those who follow it on the other', async () => {
        for (const namespace of ['map', 'brief']) {
            const channel = fresh(namespace);
            await ask(a, 'map_publish', { channel, key: 'k', data: 1 });
            const peer = await Peer.of(b);
            const { state } = await peer.subscribe(channel, { type: 1, phase: 2, limit: 100 });
            assert.deepEqual(state.map(({ key, data }) => [key, data]), [['k', 1]]);
            await ask(a, 'map_clear', { channel });
            await peer.push((push) => push.channel === channel
                && (namespace === 'map' ? push.unsubscribe?.code === 2500 : push.pub?.removed), 'to be told');
            assert.deepEqual(await ask(b, 'map_stats', { channel }), { num_keys: 0 });
            peer.close();
        }
    });

    test('a node that is gone is forgotten', async () => {
        await b.kill('SIGTERM');
        await until('one node', async () => (await ask(a, 'info')).nodes.length === 1);
        await b.restart();
        await until('two nodes', async () => (await ask(a, 'info')).nodes.length === 2);
    });
});

describe('a Redis that goes away and comes back', () => {
    let redis, cluster, a, b;
    before(async () => {
        redis = await Redis.start({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
        cluster = await Cluster.start({ config, redis: [redis] });
        [a, b] = cluster.nodes;
    });
    after(async () => {
        await cluster?.stop();
        await redis?.stop();
    });

    const healthy = (node) => async () => (await node.get('/health')).status === 200;

    test('publishes fail for now, connections stay, health says why, and all is well again', async () => {
        const channel = fresh('kept');
        const [one, two] = [await Peer.of(a), await Peer.of(b)];
        await one.subscribe(channel);
        await redis.kill();
        await assert.rejects(one.call('publish', { channel, data: 'lost' }), ({ temporary }) => temporary === true);
        await until('ill health', async () => (await a.get('/health')).status === 503);
        assert.match((await a.get('/health')).body, /redis/i);
        assert.equal(one.wire.isClosed, false);

        await redis.start();
        await until('health', healthy(a));
        await until('health', healthy(b));
        await until('a publish', () => two.call('publish', { channel, data: 'back' }).then(() => true, () => false));
        one.close();
        two.close();
    });

    test('who was subscribed over a restart of Redis is told, and misses nothing silently', async () => {
        const channel = fresh('kept');
        const one = await Peer.of(a);
        const { epoch } = await one.subscribe(channel);
        await ask(b, 'publish', { channel, data: 1 });
        await one.push(({ pub }) => pub?.data === 1);
        await redis.restart();
        await until('health', healthy(b));
        const { code } = (await one.push((push) => push.unsubscribe && push.channel === channel, 'to be told')).unsubscribe;
        assert.equal(code, 2500);
        const again = await one.subscribe(channel, { recover: true, offset: 1, epoch });
        assert.equal(Boolean(again.recovered), false);
        one.close();
    });

    test('a cut line is made anew, and what went by meanwhile is recovered', async () => {
        const channel = fresh('kept');
        const one = await Peer.of(a);
        const { epoch } = await one.subscribe(channel);
        for (let i = 1; i <= 50; i++) {
            await ask(b, 'publish', { channel, data: i });
            if (i % 10 === 5) await redis.ask('CLIENT', 'KILL', 'TYPE', 'pubsub');
        }
        let position = 0;
        const seen = [];
        for (let from = 0; seen.length < 50;) {
            const push = await one.push((push) => one.pushes.indexOf(push) >= from && (push.pub || push.unsubscribe) && push.channel === channel);
            from = one.pushes.indexOf(push) + 1;
            if (push.unsubscribe) {
                const again = await one.subscribe(channel, { recover: true, offset: position, epoch });
                assert.equal(again.recovered, true);
                for (const { offset, data } of again.publications ?? []) {
                    position = offset;
                    seen.push(data);
                }
            } else {
                position = push.pub.offset;
                seen.push(push.pub.data);
            }
        }
        assert.deepEqual(seen, Array.from({ length: 50 }, (_, i) => i + 1));
        one.close();
    });

    test('who follows a map without a stream reads it again after a cut', async () => {
        const channel = fresh('brief');
        const one = await Peer.of(a);
        const follow = () => one.subscribe(channel, { type: 1, phase: 2, limit: 100 });
        await ask(b, 'map_publish', { channel, key: 'k', data: 1 });
        await follow();
        await redis.ask('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await ask(b, 'map_publish', { channel, key: 'k', data: 2 });
        const { code } = (await one.push((push) => push.unsubscribe && push.channel === channel, 'to be told')).unsubscribe;
        assert.equal(code, 2500);
        assert.deepEqual((await follow()).state.map(({ data }) => data), [2]);
        one.close();
    });
});

describe('a Redis that speaks TLS', () => {
    let redis, port, folder, files;
    before(async () => {
        folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-tls-'));
        const make = (name, host) => {
            const [cert, key] = ['pem', 'key'].map((end) => path.join(folder, `${name}.${end}`));
            execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                '-subj', `/CN=${name}`, '-addext', `subjectAltName=IP:${host}`, '-keyout', key, '-out', cert], { stdio: 'ignore' });
            return { cert, key };
        };
        files = { server: make('server', '127.0.0.1'), stranger: make('stranger', '127.0.0.1') };
        port = await claimPort();
        redis = await Redis.start({ args: ['--tls-port', String(port.port), '--tls-cert-file', files.server.cert,
            '--tls-key-file', files.server.key, '--tls-ca-cert-file', files.server.cert] });
    });
    after(async () => {
        await redis?.stop();
        port?.release();
        fs.rmSync(folder, { recursive: true, force: true });
    });
    const open = (tls) => Cluster.start({ redis: [{ address: `rediss://127.0.0.1:${port.port}` }],
        config: { ...config, engine: { redis: { tls, connect_timeout: '1s' } } } });

    test('is reached by nodes that know its authority and have a certificate of it', async () => {
        const { cert, key } = files.server;
        const cluster = await open({ server_ca_pem_file: cert, cert_pem_file: cert, key_pem_file: key });
        try {
            const channel = fresh('kept');
            const [one, two] = [await Peer.of(cluster.nodes[0]), await Peer.of(cluster.nodes[1])];
            await two.subscribe(channel);
            await one.call('publish', { channel, data: 'secret' });
            await two.push(({ pub }) => pub?.data === 'secret');
            const lines = await redis.ask('CLIENT', 'LIST');
            assert.equal(lines.match(/name=parley/g).length, 4);
            one.close();
            two.close();
        } finally {
            await cluster.stop();
        }
    });

    test('is left where it is not who it should be, and leaves who is not who they should be', async () => {
        const { cert, key } = files.server;
        await assert.rejects(open({ server_ca_pem_file: files.stranger.cert, cert_pem_file: cert, key_pem_file: key }),
            /its certificate is not believed/);
        await assert.rejects(open({ server_ca_pem_file: cert }), /redis cannot be used|no line for commands|cannot start/);
    });
});
