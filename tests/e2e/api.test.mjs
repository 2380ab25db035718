// The server API as backends use it: through cent.js, and in the very forms that the libraries for Python, PHP and Go
// send; what it refuses and how; what holds when the daemon is killed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { BIN, Parleyd } from './lib/parleyd.mjs';
import { token } from './lib/sdk_host.mjs';
import { Wire } from './lib/wire.mjs';

const { CentClient, CentException } = createRequire(import.meta.url)('cent.js');

const SECRET = 'a secret of the tests, long enough';
const KEY = 'the key & of the API';
const SLOW_KEY = 'a key with a limit';

const everything = Object.fromEntries(['subscribe', 'publish', 'presence', 'history'].flatMap((what) =>
    [[`allow_${what}_for_client`, true], [`allow_${what}_for_anonymous`, true]]));

const config = {
    workers: 3,
    http_api: { key: KEY, keys: [{ name: 'slow', key: SLOW_KEY, rate: 1, burst: 5 }], max_request_body_size: '256KiB', max_commands: 500 },
    client: {
        allowed_origins: ['*'],
        allow_anonymous_connect_without_token: true,
        token: { hmac_secret_key: SECRET },
    },
    channel: {
        max_length: 60,
        namespaces: [
            { name: 'kept', ...everything, history_size: 100, history_ttl: '300s', force_recovery: true, presence: true },
            { name: 'live', ...everything },
            { name: 'strict', ...everything, publication_data_format: 'json_object' },
            { name: 'raw', ...everything, publication_data_format: 'binary', history_size: 10, history_ttl: '300s' },
            { name: 'delta', ...everything, history_size: 10, history_ttl: '300s', allowed_delta_types: ['fossil'] },
            { name: 'closed', history_size: 10, history_ttl: '300s' },
            { name: 'map', allow_subscribe_for_client: true, subscription_type: 'map', map: { mode: 'persistent' } },
            { name: 'brief', allow_subscribe_for_client: true, subscription_type: 'map', map: { mode: 'ephemeral', key_ttl: '60s' } },
        ],
    },
};

// The same with channels that are polled from a backend.
const polling = (port) => ({
    ...config,
    shared_poll: { hmac_secret_key: SECRET },
    channel: {
        ...config.channel,
        proxy: { shared_poll_refresh: { endpoint: `http://127.0.0.1:${port}/poll` } },
        namespaces: [...config.channel.namespaces,
            { name: 'polled', allow_subscribe_for_client: true, subscription_type: 'shared_poll',
                shared_poll: { mode: 'versioned', publish_enabled: true, refresh_interval: '60s' } },
            { name: 'unpublished', subscription_type: 'shared_poll', shared_poll: { mode: 'versioned' } }],
    },
});

// One request, exactly as told. headers replace the usual ones.
function request(server, where, { method = 'POST', body, headers = { 'X-API-Key': KEY } } = {}) {
    return new Promise((resolve, reject) => {
        const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
        const sent = http.request(server.url(where), { method, headers, agent: false }, (response) => {
            const parts = [];
            response.on('data', (part) => parts.push(part));
            response.on('end', () => {
                const got = Buffer.concat(parts).toString();
                let json = null;
                try { json = JSON.parse(got); } catch { /* some are not */ }
                resolve({ status: response.statusCode, headers: response.headers, body: got, json });
            });
            response.on('error', reject);
        });
        sent.on('error', reject);
        sent.end(text);
    });
}

describe('server API', () => {
    let server, cent, backend;
    const open = new Set();

    before(async () => {
        // What shared poll asks: it knows nothing yet.
        backend = http.createServer((_request, response) => {
            response.setHeader('Content-Type', 'application/json');
            response.end('{"result":{"items":[]}}');
        });
        await once(backend.listen(0, '127.0.0.1'), 'listening');
        server = await Parleyd.start({ config: polling(backend.address().port) });
        cent = new CentClient({ url: server.url('/api'), apiKey: KEY });
    });
    afterEach(() => { for (const one of open) one.close(); open.clear(); });
    after(async () => {
        backend.closeAllConnections();
        backend.close();
        await server.stop();
    });

    const api = (method, body = {}) => request(server, `/api/${method}`, { body });
    async function result(method, body) {
        const answer = await api(method, body);
        assert.equal(answer.status, 200, answer.body);
        assert.equal(answer.json.error, undefined, answer.body);
        return answer.json.result;
    }
    async function error(method, body) {
        const answer = await api(method, body);
        assert.equal(answer.status, 200, answer.body);
        assert.ok(answer.json.error, answer.body);
        return answer.json.error;
    }
    // A client whose pushes are kept; heard(n) waits for as many.
    async function client({ user = '', claims = {}, name = 'tests' } = {}) {
        const pushes = [], waiting = [];
        const wire = await Wire.open(server.websocket, {
            push: (push) => {
                pushes.push(push);
                for (const wait of waiting) wait();
            },
        });
        open.add(wire);
        const request = user || Object.keys(claims).length ? { token: token({ sub: user, ...claims }, SECRET), name } : { name };
        const { client: id } = await wire.connect(request);
        return Object.assign(wire, {
            id, pushes,
            heard: async (n) => {
                while (pushes.length < n) await new Promise((resolve) => waiting.push(resolve));
                return pushes.slice(0, n);
            },
        });
    }

    describe('through cent.js', () => {
        test('publish, history, history_remove', async () => {
            const first = await cent.publish({ channel: 'kept:cent', data: { n: 1 } });
            assert.equal(first.offset, 1);
            const second = await cent.publish({ channel: 'kept:cent', data: { n: 2 }, tags: { a: 'b' } });
            assert.deepEqual(second, { offset: 2, epoch: first.epoch });
            assert.deepEqual(await cent.publish({ channel: 'live:cent', data: {} }), {});
            assert.deepEqual(await cent.publish({ channel: 'kept:cent', data: {}, skip_history: true }), {});

            const history = await cent.getHistory({ channel: 'kept:cent', limit: -1 });
            assert.deepEqual(history.publications.map(({ data, offset, tags }) => ({ data, offset, tags })),
                [{ data: { n: 1 }, offset: 1, tags: undefined }, { data: { n: 2 }, offset: 2, tags: { a: 'b' } }]);
            assert.equal(history.offset, 2);
            assert.equal(history.epoch, first.epoch);
            assert.deepEqual((await cent.getHistory({ channel: 'kept:cent' })).publications, []);
            const newest = await cent.getHistory({ channel: 'kept:cent', limit: 1, reverse: true });
            assert.deepEqual(newest.publications.map((p) => p.offset), [2]);
            const since = await cent.getHistory({ channel: 'kept:cent', limit: 10,
                since: { offset: 1, epoch: first.epoch } });
            assert.deepEqual(since.publications.map((p) => p.offset), [2]);

            assert.deepEqual(await cent.removeHistory({ channel: 'kept:cent' }), {});
            const empty = await cent.getHistory({ channel: 'kept:cent', limit: -1 });
            assert.deepEqual(empty, { publications: [], offset: 2, epoch: first.epoch });
        });

        test('broadcast answers for each channel', async () => {
            const { responses } = await cent.broadcast({ channels: ['kept:b1', 'nowhere:x', 'live:b2', 'kept:b1'], data: {} });
            assert.equal(responses[0].result.offset, 1);
            assert.equal(responses[1].error.code, 102);
            assert.deepEqual(responses[2], { result: {} });
            assert.equal(responses[3].result.offset, 2);
        });

        test('presence, presence_stats, channels, info', async () => {
            const one = await client({ user: 'p1', claims: { info: { name: 'One' } } });
            const two = await client({ user: 'p1' });
            for (const c of [one, two]) await c.call('subscribe', { channel: 'kept:presence' });
            await one.call('subscribe', { channel: 'live:presence' });

            const { presence } = await cent.getPresence({ channel: 'kept:presence' });
            assert.deepEqual(presence[one.id], { client: one.id, user: 'p1', conn_info: { name: 'One' } });
            assert.deepEqual(presence[two.id], { client: two.id, user: 'p1' });
            assert.deepEqual(await cent.getPresenceStats({ channel: 'kept:presence' }), { num_clients: 2, num_users: 1 });

            const { channels } = await cent.getChannels({ pattern: '*:presence' });
            assert.deepEqual(channels, { 'kept:presence': { num_clients: 2 }, 'live:presence': { num_clients: 1 } });
            assert.deepEqual((await cent.getChannels({ pattern: '{live,nix}:pres*' })).channels,
                { 'live:presence': { num_clients: 1 } });
            assert.ok('kept:presence' in (await cent.getChannels()).channels);

            const { nodes: [node] } = await cent.getInfo();
            assert.equal(node.num_clients, 2);
            assert.equal(node.num_users, 1);
            assert.equal(node.num_subs, 3);
            assert.equal(node.num_channels, 2);
            assert.ok(node.uid && node.name && node.version && node.process.rss > 0);
        });

        test('subscribe and unsubscribe reach every connection of the user and nobody else', async () => {
            const mine = [await client({ user: 's1' }), await client({ user: 's1' }), await client({ user: 's1' })];
            const other = await client({ user: 's2' });
            assert.deepEqual(await cent.subscribe({ user: 's1', channel: 'closed:s' }), {});
            for (const c of mine) {
                const [push] = await c.heard(1);
                assert.equal(push.channel, 'closed:s');
                assert.ok(push.subscribe);
            }
            assert.deepEqual((await cent.getChannels({ pattern: 'closed:s' })).channels, { 'closed:s': { num_clients: 3 } });
            assert.deepEqual(await cent.subscribe({ user: 's1', channel: 'closed:s' }), {}, 'again is fine');

            await cent.publish({ channel: 'closed:s', data: { hello: 1 } });
            for (const c of mine) assert.deepEqual((await c.heard(2))[1].pub.data, { hello: 1 });

            await cent.unsubscribe({ user: 's1', channel: 'closed:s', client: mine[0].id });
            assert.deepEqual((await mine[0].heard(3))[2].unsubscribe, { code: 2000, reason: 'server unsubscribe' });
            assert.deepEqual((await cent.getChannels({ pattern: 'closed:s' })).channels, { 'closed:s': { num_clients: 2 } });
            await cent.unsubscribe({ user: 's1', channel: '' });
            for (const c of mine.slice(1)) assert.ok((await c.heard(3))[2].unsubscribe);
            assert.deepEqual((await cent.getChannels({ pattern: 'closed:s' })).channels, {});
            assert.deepEqual(other.pushes, []);
        });

        test('disconnect closes whom it means, with the code it is told', async () => {
            const [one, two, three] = [await client({ user: 'd1' }), await client({ user: 'd1' }), await client({ user: 'd1' })];
            const nobody = await client();
            await cent.disconnect({ user: 'd1', client: one.id });
            assert.deepEqual(await one.closed, { code: 3503, reason: 'force disconnect' });
            await cent.disconnect({ user: 'd1', whitelist: [three.id], disconnect: { code: 4100, reason: 'elsewhere' } });
            assert.deepEqual(await two.closed, { code: 4100, reason: 'elsewhere' });
            assert.equal(three.isClosed, false);
            assert.equal(nobody.isClosed, false);
            await cent.disconnect({ user: '' });
            assert.equal((await nobody.closed).code, 3503);
            assert.equal(three.isClosed, false, 'no user is not every user');
            assert.deepEqual(await cent.disconnect({ user: 'who is not there' }), {});
        });

        test('refresh moves the expiry, or ends the connection', async () => {
            const now = Math.floor(Date.now() / 1000);
            const one = await client({ user: 'r1', claims: { exp: now + 1000 } });
            await cent.refresh({ user: 'r1', expire_at: now + 5000 });
            const [push] = await one.heard(1);
            assert.equal(push.refresh.expires, true);
            assert.ok(push.refresh.ttl > 4000);
            await cent.refresh({ user: 'r1', expired: true });
            assert.equal((await one.closed).code, 3005);
        });

        test('a pipeline is answered line by line', async () => {
            const results = await cent.pipeline([
                { method: 'publish', params: { channel: 'kept:pipe', data: { n: 1 } } },
                { method: 'publish', params: { channel: 'kept:pipe', data: { n: 2 } } },
                { method: 'history', params: { channel: 'kept:pipe', limit: 10 } },
                { method: 'info', params: {} },
            ]);
            assert.equal(results.length, 4);
            assert.deepEqual(results.slice(0, 2).map((r) => r.offset), [1, 2]);
            assert.deepEqual(results[2].publications.map((p) => p.data.n), [1, 2]);
            assert.equal(results[3].nodes.length, 1);
        });

        test('an error is an exception', async () => {
            await assert.rejects(cent.publish({ channel: 'nowhere:x', data: {} }), CentException);
        });
    });

    describe('as other libraries send it', () => {
        test('lines with Authorization: apikey, as the older Go library', async () => {
            const body = `${JSON.stringify({ method: 'publish', params: { channel: 'kept:go', data: { a: 1 } } })}\n`
                + `${JSON.stringify({ method: 'broadcast', params: { channels: ['live:go'], data: { a: 1 } } })}\n`
                + `${JSON.stringify({ method: 'presence_stats', params: { channel: 'kept:go' } })}\n`
                + `${JSON.stringify({ method: 'nix', params: {} })}\n`;
            const answer = await request(server, '/api', { body,
                headers: { Authorization: `apikey ${KEY}`, 'Content-Type': 'application/json' } });
            assert.equal(answer.status, 200);
            const lines = answer.body.split('\n').map((line) => JSON.parse(line));
            assert.equal(lines.length, 4);
            assert.equal(lines[0].result.offset, 1);
            assert.deepEqual(lines[1].result, { responses: [{ result: {} }] });
            assert.deepEqual(lines[2].result, { num_clients: 0, num_users: 0 });
            assert.equal(lines[3].error.code, 104);
        });

        test('a batch, as the Python and the newer Go library', async () => {
            const answer = await api('batch', { parallel: false, commands: [
                { publish: { channel: 'kept:py', data: { a: 1 } } },
                { broadcast: { channels: ['kept:py'], data: 1 } },
                { presence: { channel: 'kept:py' } },
                { history: { channel: 'kept:py', limit: 10 } },
                { channels: { pattern: 'nix' } },
                { info: {} },
                { publish: { channel: 'nix:1', data: 1 } },
                { publish: { data: 1 } },
                { publish: null },
                {},
                { batch: { commands: [] } },
                7,
                { disconnect: { user: 'nobody at all' } },
            ] });
            assert.equal(answer.status, 200);
            assert.deepEqual(Object.keys(answer.json), ['replies']);
            const { replies } = answer.json;
            assert.equal(replies[0].publish.offset, 1);
            assert.equal(replies[1].broadcast.responses[0].result.offset, 2);
            assert.deepEqual(replies[2], { presence: { presence: {} } });
            assert.equal(replies[3].history.publications.length, 2, 'those before it are done');
            assert.deepEqual(replies[4], { channels: { channels: {} } });
            assert.equal(replies[5].info.nodes.length, 1);
            assert.equal(replies[6].error.code, 102);
            assert.deepEqual(replies[7].error, { code: 107, message: 'bad request: channel is missing' });
            assert.equal(replies[8].error.code, 107);
            assert.equal(replies[9].error.code, 104);
            assert.equal(replies[10].error.code, 104);
            assert.equal(replies[11].error.code, 107);
            assert.deepEqual(replies[12], { disconnect: {} });
            assert.equal(replies.length, 13);
        });

        test('a parallel batch answers in order, too', async () => {
            const commands = Array.from({ length: 200 }, (_, i) => i % 3 === 0 ? { presence_stats: { channel: 'kept:par' } }
                : i % 3 === 1 ? { publish: { channel: `kept:par${i}`, data: i } } : { history: { channel: `kept:par${i}` } });
            const { json } = await api('batch', { parallel: true, commands });
            json.replies.forEach((reply, i) =>
                assert.deepEqual(Object.keys(reply), [['presence_stats', 'publish', 'history'][i % 3]]));
        });

        test('a body of empty parameters as PHP sends it', async () => {
            assert.equal((await request(server, '/api/info', { body: '{}' })).json.result.nodes.length, 1);
            const answer = await request(server, '/api/publish', {
                body: '{"channel":"kept:php","data":{"a":"b"},"skip_history":false}',
                headers: { 'Content-Type': 'application/json', 'X-API-Key': KEY, 'User-Agent': 'curl/7.39.0' } });
            assert.equal(answer.json.result.offset, 1);
        });

        test('the key in the query', async () => {
            const answer = await request(server, `/api/info?api_key=${encodeURIComponent(KEY)}`, { headers: {}, body: '{}' });
            assert.equal(answer.status, 200);
        });
    });

    describe('who may', () => {
        for (const [what, headers, query] of [
            ['no key', {}, ''],
            ['a wrong key', { 'X-API-Key': 'wrong' }, ''],
            ['the beginning of the key', { 'X-API-Key': KEY.slice(0, -1) }, ''],
            ['the key twice', { 'X-API-Key': KEY + KEY }, ''],
            ['another scheme', { Authorization: `Bearer ${KEY}` }, ''],
            ['an empty key', { 'X-API-Key': '' }, '?api_key='],
            ['a wrong key in the query', {}, '?api_key=x'],
        ])
            test(`${what} is 401`, async () => {
                const answer = await request(server, `/api/info${query}`, { headers, body: '{}' });
                assert.equal(answer.status, 401);
            });

        test('the scheme is read without case', async () => {
            const answer = await request(server, '/api/info', { headers: { Authorization: `APIKEY ${KEY}` }, body: '{}' });
            assert.equal(answer.status, 200);
        });

        test('a key of its own has its own limit', async () => {
            const headers = { 'X-API-Key': SLOW_KEY };
            const codes = [];
            for (let i = 0; i < 8; i++)
                codes.push((await request(server, '/api/info', { headers, body: '{}' })).json.error?.code ?? 0);
            assert.deepEqual(codes.slice(0, 5), [0, 0, 0, 0, 0]);
            assert.ok(codes.slice(5).includes(111), String(codes));
            const answer = await request(server, '/api/batch', { headers: { ...headers, 'X-Centrifugo-Error-Mode': 'transport' },
                body: { commands: Array.from({ length: 10 }, () => ({ info: {} })) } });
            assert.ok(answer.json.replies.some((reply) => reply.error?.code === 111), 'each command counts');
            assert.equal((await api('info')).status, 200, 'others are not limited by it');
        });
    });

    describe('what is refused', () => {
        for (const [what, where, body, status] of [
            ['half a body', '/api/publish', '{"channel":"live:x","data":', 400],
            ['something behind the body', '/api/publish', '{"channel":"live:x","data":1} x', 400],
            ['two bodies', '/api/publish', '{"channel":"live:x","data":1}\n{}', 400],
            ['a text that is not UTF-8', '/api/publish', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400],
            ['no lines', '/api', '', 400],
            ['bad JSON in the last line', '/api', '{"method":"publish","params":{"channel":"kept:no","data":1}}\n{', 400],
            ['a method that is not there', '/api/nix', '{}', 404],
            ['a method of push notifications', '/api/send_push_notification', '{}', 404],
            ['a body over the limit', '/api/publish', JSON.stringify({ data: 'x'.repeat(300_000) }), 413],
        ])
            test(`${what}: ${status}`, async () => {
                assert.equal((await request(server, where, { body })).status, status);
            });

        test('more commands than are allowed: 106, and none is done', async () => {
            const command = { channel: 'kept:crowd', data: 1 };
            const batch = await api('batch', { commands: Array.from({ length: 501 }, () => ({ publish: command })) });
            assert.equal(batch.json.error.code, 106);
            const lines = await request(server, '/api', {
                body: Array.from({ length: 501 }, () => JSON.stringify({ method: 'publish', params: command })).join('\n') });
            assert.equal(lines.json.error.code, 106);
            assert.equal((await result('history', { channel: 'kept:crowd' })).offset, 0);
            const just = await api('batch', { commands: Array.from({ length: 500 }, () => ({ publish: command })) });
            assert.equal(just.json.replies.length, 500);
            assert.ok(await server.metric('parley_api_commands_limit_total') >= 2);
        });

        test('nothing of a bad body is done', async () => {
            await request(server, '/api', { body: '{"method":"publish","params":{"channel":"kept:no","data":1}}\n{' });
            await request(server, '/api/batch', { body: '{"commands":[{"publish":{"channel":"kept:no","data":1}},{]}' });
            assert.equal((await result('history', { channel: 'kept:no' })).offset, 0);
        });

        test('other methods of HTTP', async () => {
            for (const method of ['GET', 'PUT', 'DELETE']) {
                const answer = await request(server, '/api/info', { method });
                assert.equal(answer.status, 405);
                assert.equal(answer.headers.allow, 'POST');
            }
        });

        for (const [method, body, code, message] of [
            ['publish', {}, 107, /channel is missing/],
            ['publish', { channel: 'live:x' }, 107, /data is missing/],
            ['publish', { channel: 5, data: 1 }, 107, /channel must be a string/],
            ['publish', { channel: 'x'.repeat(61), data: 1 }, 107, /channel/],
            ['publish', { channel: 'nix:x', data: 1 }, 102, /unknown channel/],
            ['publish', { channel: 'strict:x', data: [1] }, 107, /publication_data_format/],
            ['publish', { channel: 'live:x', b64data: 'a' }, 107, /b64data/],
            ['publish', { channel: 'live:x', data: 1, version: -1 }, 107, /version/],
            ['publish', { channel: 'map:x', data: 1 }, 107, /map_publish/],
            ['map_publish', { channel: 'live:x', key: 'k', data: 1 }, 107, /no map/],
            ['map_publish', { channel: 'map:x', data: 1 }, 107, /key is missing/],
            ['map_publish', { channel: 'map:x', key: 'k', data: 1, key_mode: 'no' }, 107, /key_mode must be one of/],
            ['broadcast', { channels: [], data: 1 }, 107, /channels must not be empty/],
            ['presence', { channel: 'live:x' }, 108, /presence is off/],
            ['presence_stats', { channel: 'live:x' }, 108, /presence is off/],
            ['history', { channel: 'live:x' }, 108, /history is off/],
            ['history', { channel: 'kept:x', limit: 1.5 }, 107, /limit/],
            ['history', { channel: 'kept:x', limit: 1, since: { offset: 1, epoch: 'old' } }, 112, /since.epoch/],
            ['history', { channel: 'kept:x', limit: 1, reverse: true, since: { offset: 0 } }, 107, /since.offset/],
            ['history_remove', { channel: 'live:x' }, 108, /history is off/],
            ['channels', { pattern: '[' }, 107, /pattern/],
            ['subscribe', { user: 'u' }, 107, /channel is missing/],
            ['subscribe', { user: 'u', channel: 'nix:x' }, 102, /unknown channel/],
            ['subscribe', { user: 'u', channel: 'live:x', label_filter: { cmp: 'nix' } }, 107, /label_filter/],
            ['disconnect', { disconnect: { code: 1000 } }, 107, /disconnect.code/],
            ['rpc', { method: 'nix' }, 104, /not found/],
            ['rpc', {}, 107, /method is missing/],
            ['connections', { expression: 'x' }, 107, /expression/],
            ['invalidate_user_tokens', {}, 107, /user or channel/],
            ['block_user', { user: '' }, 107, /user/],
        ])
            test(`${method} ${JSON.stringify(body).slice(0, 60)}: ${code}`, async () => {
                const refused = await error(method, body);
                assert.equal(refused.code, code);
                assert.match(refused.message, message);
            });

        test('errors are statuses where that is asked for', async () => {
            const headers = { 'X-API-Key': KEY, 'X-Centrifugo-Error-Mode': 'transport' };
            for (const [method, body, status, code] of [
                ['publish', { channel: 'nix:x', data: 1 }, 404, 102],
                ['rpc', { method: 'nix' }, 404, 104],
                ['publish', {}, 400, 107],
                ['presence', { channel: 'live:x' }, 400, 108],
                ['history', { channel: 'kept:x', since: { offset: 1, epoch: 'old' } }, 416, 112],
            ]) {
                const answer = await request(server, `/api/${method}`, { body, headers });
                assert.equal(answer.status, status);
                assert.equal(answer.json.code, code);
                assert.ok(answer.json.message);
                assert.equal(answer.json.error, undefined);
            }
            const fine = await request(server, '/api/info', { body: '{}', headers });
            assert.equal(fine.status, 200);
            assert.ok(fine.json.result);
        });
    });

    describe('publishing', () => {
        test('bytes of any kind, by base 64', async () => {
            const bytes = Buffer.from([0, 1, 2, 255]);
            assert.equal((await result('publish', { channel: 'raw:b', b64data: bytes.toString('base64') })).offset, 1);
            await result('publish', { channel: 'raw:b', data: 1, b64data: Buffer.from('{"by":64}').toString('base64') });
            const { publications } = await result('history', { channel: 'raw:b', limit: 10 });
            assert.equal(publications[0].data, null);
            assert.deepEqual(Buffer.from(publications[0].b64data, 'base64'), bytes);
            assert.deepEqual(publications[1].data, { by: 64 }, 'it wins over data');
        });

        test('a payload arrives byte for byte', async () => {
            const reader = await client();
            await reader.call('subscribe', { channel: 'live:bytes' });
            let seen;
            reader.socket.on('message', (text) => { seen = String(text); });
            await request(server, '/api/publish', { body: '{"channel":"live:bytes","data":{"a" : [1,  2.50, "\\u00e9"]}}' });
            await reader.heard(1);
            assert.ok(seen.includes('{"a" : [1,  2.50, "\\u00e9"]}'), seen);
            assert.equal(reader.pushes[0].pub.info, undefined, 'the API is nobody');
        });

        test('an idempotency key is published once', async () => {
            const once = { channel: 'kept:idem', data: { n: 1 }, idempotency_key: 'k1' };
            const first = await result('publish', once);
            assert.deepEqual(await result('publish', { ...once, data: { n: 2 } }), first);
            const other = await result('publish', { ...once, idempotency_key: 'k2' });
            assert.equal(other.offset, first.offset + 1);
            const elsewhere = await result('publish', { ...once, channel: 'kept:idem2' });
            assert.equal(elsewhere.offset, 1);
            assert.equal((await result('history', { channel: 'kept:idem', limit: -1 })).publications.length, 2);
        });

        test('at the same time as well', async () => {
            const all = await Promise.all(Array.from({ length: 40 }, (_, i) =>
                result('publish', { channel: 'kept:race', data: i, idempotency_key: `k${i % 4}` })));
            assert.equal(new Set(all.map((r) => r.offset)).size, 4);
            assert.equal((await result('history', { channel: 'kept:race', limit: -1 })).publications.length, 4);
        });

        test('an older version is not published', async () => {
            const channel = 'kept:versions';
            assert.equal((await result('publish', { channel, data: 1, version: 5, version_epoch: 'a' })).offset, 1);
            assert.equal((await result('publish', { channel, data: 2, version: 5, version_epoch: 'a' })).offset, 1);
            assert.equal((await result('publish', { channel, data: 3, version: 4 })).offset, 1);
            assert.equal((await result('publish', { channel, data: 4, version: 6, version_epoch: 'a' })).offset, 2);
            assert.equal((await result('publish', { channel, data: 5, version: 1, version_epoch: 'b' })).offset, 3);
            assert.deepEqual((await result('history', { channel, limit: -1 })).publications.map((p) => p.data), [1, 4, 5]);
        });

        test('skip_history reaches subscribers and nothing else', async () => {
            const reader = await client();
            await reader.call('subscribe', { channel: 'kept:skip' });
            await result('publish', { channel: 'kept:skip', data: { live: 1 }, skip_history: true });
            await result('publish', { channel: 'kept:skip', data: { kept: 1 }, tags: { t: 'v' } });
            const [one, two] = await reader.heard(2);
            assert.deepEqual(one.pub.data, { live: 1 });
            assert.equal(one.pub.offset, undefined);
            assert.equal(two.pub.offset, 1);
            assert.deepEqual(two.pub.tags, { t: 'v' });
            assert.equal((await result('history', { channel: 'kept:skip', limit: -1 })).publications.length, 1);
        });

        test('as a difference, where both sides want it', async () => {
            const [wants, plain] = [await client(), await client()];
            await wants.call('subscribe', { channel: 'delta:d', delta: 'fossil' });
            await plain.call('subscribe', { channel: 'delta:d' });
            const text = (n) => ({ text: 'the same again and again '.repeat(20), n });
            for (const [n, delta] of [[1, true], [2, true], [3, false]])
                await result('publish', { channel: 'delta:d', data: text(n), delta });
            const pubs = (await wants.heard(3)).map((push) => push.pub);
            assert.deepEqual(pubs.map((pub) => Boolean(pub.delta)), [false, true, false]);
            assert.deepEqual(JSON.parse(pubs[0].data), text(1), 'payloads are strings for who takes differences');
            assert.ok(pubs[1].data.length < 100);
            assert.deepEqual((await plain.heard(3)).map((push) => push.pub.data), [1, 2, 3].map(text));
        });

        test('of many requests at once each gets its own answer', async () => {
            const all = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
                const body = Array.from({ length: 40 }, (_unused, k) =>
                    JSON.stringify({ method: 'publish', params: { channel: `kept:many${i}`, data: { i, k } } })).join('\n');
                const answer = await request(server, '/api', { body });
                return answer.body.split('\n').map((line) => JSON.parse(line).result.offset);
            }));
            for (const offsets of all) assert.deepEqual(offsets, Array.from({ length: 40 }, (_, k) => k + 1));
        });

        test('a broadcast to many channels', async () => {
            const channels = Array.from({ length: 9000 }, (_, i) => `kept:wide${i}`);
            const { responses } = await result('broadcast', { channels, data: { x: 1 } });
            assert.equal(responses.length, channels.length);
            assert.ok(responses.every((r) => r.result?.offset === 1));
        });
    });

    describe('connections', () => {
        test('are listed page by page', async () => {
            const all = [];
            for (let i = 0; i < 7; i++) all.push((await client({ user: `c${i % 2}` })).id);
            const seen = [];
            let cursor = '';
            do {
                const page = await result('connections', { limit: 3, cursor });
                assert.ok(Object.keys(page.connections).length <= 3);
                seen.push(...Object.keys(page.connections));
                cursor = page.cursor;
            } while (cursor);
            assert.deepEqual(seen, [...all].sort());
            const ofOne = await result('connections', { user: 'c1' });
            assert.deepEqual(Object.keys(ofOne.connections).sort(), all.filter((_, i) => i % 2).sort());
        });

        test('say what they are', async () => {
            const iat = Math.floor(Date.now() / 1000) - 5;
            const one = await client({ user: 'i1', name: 'inspector',
                claims: { jti: 'token-1', iat, meta: { labels: { plan: 'gold' }, more: 1 } } });
            await one.call('subscribe', { channel: 'kept:inspect' });
            await result('subscribe', { user: 'i1', channel: 'closed:inspect' });
            const { connections } = await result('connections', { client: one.id });
            const about = connections[one.id];
            assert.equal(about.user, 'i1');
            assert.equal(about.app_name, 'inspector');
            assert.equal(about.transport, 'websocket');
            assert.equal(about.protocol, 'json');
            assert.ok(Math.abs(Date.now() - about.connected_at_ms) < 60_000);
            assert.deepEqual(about.state.channels, { 'kept:inspect': { source: 0 }, 'closed:inspect': { source: 1 } });
            assert.deepEqual(about.state.connection_token, { uid: 'token-1', issued_at: iat });
            assert.deepEqual(about.state.meta, { labels: { plan: 'gold' }, more: 1 });
            assert.deepEqual(about.labels, { plan: 'gold' });
        });

        test('are found, and closed, by their labels', async () => {
            const labelled = (plan) => ({ claims: { meta: { labels: { plan } } } });
            const gold = await client({ user: 'l1', ...labelled('gold') });
            const lead = await client({ user: 'l2', ...labelled('lead') });
            const none = await client({ user: 'l1' });
            const label_filter = { key: 'plan', cmp: 'eq', val: 'gold' };
            const { connections } = await result('connections', { label_filter });
            assert.deepEqual(Object.keys(connections), [gold.id]);
            await result('disconnect', { all_users: true, label_filter });
            assert.equal((await gold.closed).code, 3503);
            await result('disconnect', { user: 'l2', label_filter });
            assert.equal(lead.isClosed, false);
            assert.equal(none.isClosed, false);
            await result('disconnect', { all_users: true, label_filter: { op: 'not', nodes: [label_filter] } });
            assert.equal((await lead.closed).code, 3503);
            assert.equal((await none.closed).code, 3503);
        });
    });

    describe('who is kept out', () => {
        const enters = (claims) => Wire.open(server.websocket).then((wire) => {
            open.add(wire);
            return wire.connect({ token: token(claims, SECRET) });
        });

        test('a blocked user', async () => {
            const here = await client({ user: 'b1' });
            await result('block_user', { user: 'b1' });
            assert.equal((await here.closed).code, 3507);
            await assert.rejects(enters({ sub: 'b1' }));
            await enters({ sub: 'b2' });
            await result('unblock_user', { user: 'b1' });
            await enters({ sub: 'b1' });
        });

        test('a revoked token', async () => {
            const here = await client({ user: 't1', claims: { jti: 'revoked' } });
            await result('revoke_token', { uid: 'revoked' });
            assert.ok((await here.closed).code >= 3000);
            await assert.rejects(enters({ sub: 't1', jti: 'revoked' }));
            await enters({ sub: 't1', jti: 'another' });
        });

        test('all tokens of a user that are older than a time', async () => {
            const now = Math.floor(Date.now() / 1000);
            await result('invalidate_user_tokens', { user: 'v1', issued_before: now - 10 });
            await assert.rejects(enters({ sub: 'v1', iat: now - 20 }));
            await enters({ sub: 'v1', iat: now - 5 });
            await enters({ sub: 'v2', iat: now - 20 });
        });
    });

    describe('maps', () => {
        for (const ns of ['map', 'brief'])
            test(`of the namespace ${ns} are written and read`, async () => {
                const channel = `${ns}:m`;
                const first = await result('map_publish', { channel, key: 'a', data: { n: 1 } });
                assert.equal(first.suppressed, undefined);
                await result('map_publish', { channel, key: 'b', data: { n: 2 }, tags: { t: 'v' } });
                assert.deepEqual(await result('map_publish', { channel, key: 'a', data: { n: 3 }, key_mode: 'if_new' })
                    .then(({ suppressed, suppress_reason }) => ({ suppressed, suppress_reason })),
                { suppressed: true, suppress_reason: 'key_exists' });
                assert.equal((await result('map_publish', { channel, key: 'c', data: 1, key_mode: 'if_exists' }))
                    .suppress_reason, 'key_not_found');
                await result('map_publish', { channel, key: 'a', data: { n: 4 }, key_mode: 'if_exists' });
                assert.deepEqual(await result('map_stats', { channel }), { num_keys: 2 });

                const entries = ({ entries: list }) => list.map(({ key, data }) => [key, data]);
                const all = await result('map_read_state', { channel, limit: -1 });
                assert.deepEqual(entries(all).sort(), [['a', { n: 4 }], ['b', { n: 2 }]]);
                assert.equal(all.cursor, undefined);
                assert.deepEqual(entries(await result('map_read_state', { channel, key: 'b' })), [['b', { n: 2 }]]);
                const page = await result('map_read_state', { channel, limit: 1 });
                assert.ok(page.cursor);
                const rest = await result('map_read_state', { channel, limit: 1, cursor: page.cursor });
                assert.deepEqual([...entries(page), ...entries(rest)].sort(), entries(all).sort());
                assert.deepEqual((await result('map_read_state', { channel })).entries, []);

                assert.equal((await result('map_remove', { channel, key: 'b' })).suppressed, undefined);
                assert.equal((await result('map_remove', { channel, key: 'b' })).suppress_reason, 'key_not_found');
                assert.deepEqual(await result('map_clear', { channel }), {});
                assert.deepEqual(await result('map_stats', { channel }), { num_keys: 0 });
            });

        test('that are persistent have a stream', async () => {
            const channel = 'map:stream';
            const { offset, epoch } = await result('map_publish', { channel, key: 'a', data: 1 });
            assert.equal(offset, 1);
            await result('map_publish', { channel, key: 'a', data: 2 });
            await result('map_remove', { channel, key: 'a' });
            const { entries } = await result('map_read_stream', { channel, limit: -1, since_offset: 1, since_epoch: epoch });
            assert.deepEqual(entries.map(({ key, offset: at, removed }) => ({ key, at, removed })),
                [{ key: 'a', at: 2, removed: undefined }, { key: 'a', at: 3, removed: true }]);
            assert.equal((await error('map_read_stream', { channel, limit: 1, since_offset: 1, since_epoch: 'x' })).code, 112);
            assert.equal((await error('map_read_stream', { channel: 'brief:stream', limit: 1 })).code, 108);
        });

        test('tell their subscribers what is written, removed and cleared', async () => {
            for (const [ns, check] of [
                ['map', (last) => assert.equal(last.unsubscribe.code, 2500, 'it has to be read again')],
                ['brief', (last) => assert.deepEqual([last.pub.key, last.pub.removed], ['b', true])],
            ]) {
                const channel = `${ns}:followed`;
                const one = await client({ user: 'm1' });
                await one.call('subscribe', { channel, type: 1, phase: 2, limit: 100 });
                await result('map_publish', { channel, key: 'a', data: { n: 1 } });
                await result('map_publish', { channel, key: 'b', data: { state: 1 }, stream_data: { event: 1 } });
                await result('map_remove', { channel, key: 'a' });
                await result('map_clear', { channel });
                const [first, second, third, last] = await one.heard(4);
                assert.deepEqual([first.pub.key, first.pub.data], ['a', { n: 1 }]);
                assert.deepEqual([second.pub.key, second.pub.data], ['b', { event: 1 }]);
                assert.deepEqual([third.pub.key, third.pub.removed], ['a', true]);
                check(last);
            }
        });

        test('take a version of a key once', async () => {
            const channel = 'map:versions';
            await result('map_publish', { channel, key: 'a', data: 1, version: 7 });
            assert.equal((await result('map_publish', { channel, key: 'a', data: 2, version: 7 })).suppress_reason, 'version');
            assert.equal((await result('map_publish', { channel, key: 'b', data: 2, version: 1 })).suppressed, undefined);
            const again = { channel, key: 'c', data: 1, idempotency_key: 'i' };
            await result('map_publish', again);
            assert.equal((await result('map_publish', again)).suppress_reason, 'idempotency');
        });
    });

    describe('shared poll', () => {
        // Who tracks a key proves that it may: a signature of the application.
        const signed = (user, channel, keys) => {
            const iat = Math.floor(Date.now() / 1000), exp = iat + 600;
            const all = crypto.createHash('sha256').update(keys.join('\0')).digest('hex');
            return `${iat}:${exp}:${crypto.createHmac('sha256', SECRET).update([iat, exp, user, channel, all].join('\0')).digest('hex')}`;
        };

        test('a value is there before the next poll; one that is not newer is dropped', async () => {
            const one = await client({ user: 'poll1' });
            await one.call('subscribe', { channel: 'polled:a', type: 4 });
            await one.call('sub_refresh', { channel: 'polled:a', type: 1,
                track: [{ signature: signed('poll1', 'polled:a', ['k']), items: [{ key: 'k' }] }] });
            const publish = (version, n) => result('shared_poll_publish', { channel: 'polled:a', key: 'k', data: { n }, version });
            assert.deepEqual(await publish(5, 1), {});
            assert.deepEqual(await publish(5, 2), {});
            assert.deepEqual(await publish(4, 3), {});
            await result('shared_poll_publish', { channel: 'polled:a', key: 'untracked', data: {}, version: 9 });
            await publish(6, 4);
            const heard = await one.heard(2);
            assert.deepEqual(heard.map(({ pub }) => [pub.key, pub.data, pub.version]), [['k', { n: 1 }, 5], ['k', { n: 4 }, 6]]);
        });

        for (const [body, code, message] of [
            [{ channel: 'live:x', key: 'k', data: 1, version: 1 }, 107, /not polled/],
            [{ channel: 'polled:x', key: 'k', version: 1 }, 107, /data is missing/],
            [{ channel: 'polled:x', key: 'k', data: 1 }, 107, /version is missing/],
            [{ channel: 'polled:x', key: 'k', data: 1, version: 0 }, 107, /version must be at least 1/],
            [{ channel: 'unpublished:x', key: 'k', data: 1, version: 1 }, 108, /publish_enabled/],
        ])
            test(`${JSON.stringify(body)}: ${code}`, async () => {
                const refused = await error('shared_poll_publish', body);
                assert.equal(refused.code, code);
                assert.match(refused.message, message);
            });

        test('nothing is published into it otherwise', async () => {
            assert.equal((await error('publish', { channel: 'polled:x', data: 1 })).code, 107);
        });
    });

    test('rpc knows no procedure of the server itself', async () => {
        assert.deepEqual(await error('rpc', { method: 'anything', params: { a: 1 } }),
            { code: 104, message: 'not found: there is no such procedure' });
    });

    test('the description is served to anyone, and names every method', async () => {
        const answer = await request(server, '/api/openapi.json', { method: 'GET', headers: {} });
        assert.equal(answer.status, 200);
        assert.match(answer.json.openapi, /^3\.0\./);
        for (const method of ['publish', 'batch', 'map_publish', 'connections', 'block_user'])
            assert.ok(answer.json.paths[`/api/${method}`]?.post, method);
        assert.equal((await request(server, '/api/openapi.json', { headers: {}, body: '{}' })).status, 405);
    });

    test('the program parley calls it', async () => {
        const parley = (...args) => new Promise((resolve) => {
            execFile(path.join(BIN, 'parley'), ['--url', server.websocket, 'api', ...args], { env: { ...process.env, PARLEY_API_KEY: KEY } },
                (failed, out, err) => resolve({ code: failed?.code ?? 0, out, err }));
        });
        const published = await parley('publish', '{"channel":"kept:cli","data":{"x":1}}');
        assert.equal(published.code, 0, published.err);
        assert.equal(JSON.parse(published.out).result.offset, 1);
        assert.equal(JSON.parse((await parley('info')).out).result.nodes.length, 1);
        assert.deepEqual(await parley('publish', '{"data":1}'), { code: 65, out: '', err: 'parley: error 107: bad request: channel is missing\n' });
        assert.equal((await parley('nix')).code, 69);
        assert.equal((await parley('--api-key', 'wrong', 'info')).code, 77);
    });

    test('what was asked is counted', async () => {
        assert.ok(await server.metric('parley_api_commands_total', 'method="publish"') > 0);
        assert.ok(await server.metric('parley_api_command_errors_total') > 0);
        assert.ok(await server.metric('parley_api_unauthorized_total') > 0);
        assert.ok(await server.metric('parley_http_body_limit_total') > 0);
    });
});

describe('server API, killed and started again', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config }); });
    after(() => server.stop());

    const publish = (params) => request(server, '/api/publish', { body: params }).then((answer) => answer.json.result);

    test('what was answered is there, and a retry of it is not published again', async () => {
        const { offset, epoch } = await publish({ channel: 'kept:k', data: { n: 1 }, idempotency_key: 'one', version: 3 });
        assert.equal(offset, 1);
        await server.restart();
        assert.deepEqual(await publish({ channel: 'kept:k', data: { n: 1 }, idempotency_key: 'one', version: 3 }), { offset, epoch });
        assert.deepEqual(await publish({ channel: 'kept:k', data: { n: 2 }, version: 3 }), { offset, epoch }, 'nor an old version');
        assert.equal((await publish({ channel: 'kept:k', data: { n: 3 }, version: 4 })).offset, 2);
    });

    test('publishes under way when it is killed are there once or not at all, however often they are tried again', async () => {
        const total = 300;
        const answered = new Map();
        let killed = false;
        const one = async (i) => {
            for (;;) {
                try {
                    const got = await publish({ channel: 'kept:storm', data: i, idempotency_key: `s${i}` });
                    if (got?.offset) return answered.set(i, got.offset);
                } catch { /* it is down */ }
                await new Promise((resolve) => setTimeout(resolve, 20));
            }
        };
        const all = Promise.all(Array.from({ length: total }, (_, i) =>
            new Promise((resolve) => setTimeout(resolve, i)).then(() => {
                if (i === total / 2 && !killed) {
                    killed = true;
                    void server.restart();
                }
                return one(i);
            })));
        await all;
        assert.equal(answered.size, total);
        assert.equal(new Set(answered.values()).size, total, 'each has an offset of its own');
        const history = await request(server, '/api/history', { body: { channel: 'kept:storm' } });
        assert.equal(history.json.result.offset, total, 'none was published twice');
    });

    test('who was blocked stays out', async () => {
        await request(server, '/api/block_user', { body: { user: 'gone' } });
        await server.restart();
        const wire = await Wire.open(server.websocket);
        await assert.rejects(wire.connect({ token: token({ sub: 'gone' }, SECRET) }));
        wire.close();
    });

    test('a map is what it was', async () => {
        const call = (method, body) => request(server, `/api/${method}`, { body }).then((answer) => answer.json.result);
        await call('map_publish', { channel: 'map:k', key: 'a', data: { n: 1 } });
        await server.restart();
        assert.deepEqual((await call('map_read_state', { channel: 'map:k', key: 'a' })).entries[0].data, { n: 1 });
    });
});

describe('server API, configured otherwise', () => {
    test('insecure: no key is asked for; errors may be statuses; the path is another', async () => {
        const server = await Parleyd.start({ config: {
            http_api: { insecure: true, error_mode: 'transport', handler_prefix: '/elsewhere' }, channel: { namespaces: [{ name: 'aa' }] } } });
        try {
            const answer = await request(server, '/elsewhere/publish', { headers: {}, body: { channel: 'aa:x', data: 1 } });
            assert.equal(answer.status, 200);
            const wrong = await request(server, '/elsewhere/publish', { headers: {}, body: { channel: 'bb:x', data: 1 } });
            assert.equal(wrong.status, 404);
            assert.deepEqual(wrong.json, { code: 102, message: 'unknown channel' });
            assert.notEqual((await request(server, '/api/publish', { headers: {}, body: {} })).status, 200);
        } finally {
            await server.stop();
        }
    });

    test('with an internal listener the API is there, and on the others only if told so', async () => {
        const free = net.createServer();
        await once(free.listen(0, '127.0.0.1'), 'listening');
        const { port } = free.address();
        free.close();
        await once(free, 'close');
        const inside = { url: (where) => `http://127.0.0.1:${port}${where}` };
        for (const external of [false, true]) {
            const server = await Parleyd.start({ config: { http_server: { internal_address: '127.0.0.1', internal_port: port }, http_api: { key: KEY, external } } });
            try {
                // It says so when each of its listeners is open.
                while (!server.log.some((line) => line.includes(`:${port}`))) await new Promise((resolve) => setTimeout(resolve, 10));
                assert.equal((await request(inside, '/api/info', { body: '{}' })).status, 200);
                assert.equal((await request(server, '/api/info', { body: '{}' })).status === 200, external);
            } finally {
                await server.stop();
            }
        }
    });

    test('without a key nobody gets in; disabled there is nothing', async () => {
        const locked = await Parleyd.start({ config: {} });
        const off = await Parleyd.start({ config: { http_api: { key: KEY, disabled: true } } });
        try {
            assert.equal((await request(locked, '/api/info', { headers: { 'X-API-Key': '' }, body: '{}' })).status, 401);
            assert.notEqual((await request(off, '/api/info', { body: '{}' })).status, 200);
        } finally {
            await locked.stop();
            await off.stop();
        }
    });
});
