// Every transport from the wire: framing, CORS, statuses, limits, pings, goodbyes, and the two halves of emulation.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Parleyd } from './lib/parleyd.mjs';
import { CLOSE, PING, PONG, Raw as AnyRaw, TEXT, frame } from './lib/raw.mjs';
import { token } from './lib/sdk_host.mjs';
import { Stream as AnyStream, request as ask } from './lib/stream.mjs';

const open = new Set();
class Stream extends AnyStream {
    constructor(...args) { super(...args); open.add(this); }
}
class Raw extends AnyRaw {
    constructor(...args) { super(...args); open.add(this); }
}

const everything = Object.fromEntries(['subscribe', 'publish', 'presence', 'history'].flatMap((what) =>
    [[`allow_${what}_for_client`, true], [`allow_${what}_for_anonymous`, true]]));

const config = {
    workers: 3,
    client: {
        allowed_origins: ['https://good.example'],
        allow_anonymous_connect_without_token: true,
        token: { hmac_secret_key: 'a secret of the tests' },
        ping_interval: '1s',
        pong_timeout: '500ms',
        queue_max_size: '64KiB',
        stale_close_delay: '2s',
    },
    websocket: { write_timeout: '500ms' },
    http_stream: { enabled: true, max_request_body_size: 2048 },
    sse: { enabled: true, max_request_body_size: 2048 },
    emulation: { max_request_body_size: '64KiB' },
    uni_sse: { enabled: true },
    uni_http_stream: { enabled: true, max_request_body_size: 2048 },
    uni_websocket: { enabled: true, message_size_limit: 1024 },
    init: { enabled: true },
    channel: {
        namespaces: [
            { name: 'open', ...everything, history_size: 100, history_ttl: '300s', presence: true, force_recovery: true },
            { name: 'live', ...everything },
        ],
    },
};

const GOOD = { Origin: 'https://good.example' };
const encoded = (value) => encodeURIComponent(JSON.stringify(value));
const connect = { id: 1, connect: {} };

describe('transports', () => {
    let server;
    const request = (options) => ask(server.port, options);
    before(async () => { server = await Parleyd.start({ config }); });
    afterEach(() => { for (const one of open) one.destroy(); open.clear(); });
    after(() => server.stop());

    test('what a refused request brought is not taken for the next one\'s on the same connection', async () => {
        for (const path of ['/connection/uni_http_stream', '/connection/uni_sse']) {
            const stream = await Stream.open(server.port, { method: 'POST', path, body: '{"token":"x" ' });
            assert.equal(stream.status, 400);
            await stream.body();
            stream.socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`);
            await stream.head();
            assert.equal(stream.status, 200, path);
        }
    });

    // Both directions of a client that has no WebSocket.
    const kinds = {
        http_stream: { next: (s) => s.line(), begin: (commands) => Stream.open(server.port, { method: 'POST',
            path: '/connection/http_stream', body: commands.map((c) => JSON.stringify(c)).join('\n') }) },
        sse: { next: (s) => s.event(), begin: (commands) => Stream.open(server.port, {
            path: `/connection/sse?cf_connect=${encodeURIComponent(commands.map((c) => JSON.stringify(c)).join('\n'))}` }) },
        'sse by POST': { next: (s) => s.event(), begin: (commands) => Stream.open(server.port, { method: 'POST',
            path: '/connection/sse', body: commands.map((c) => JSON.stringify(c)).join('\n') }) },
    };

    // Where a pong that does not come must not be what ends a connection.
    async function withoutPings(story) {
        const usual = server;
        server = await Parleyd.start({ config: { ...config, client: { ...config.client, ping_interval: '0s', pong_timeout: '0s' } } });
        try {
            await story();
        } finally {
            for (const one of open) one.destroy();
            await server.stop();
            server = usual;
        }
    }

    async function began(kind, commands = [connect]) {
        const stream = await kinds[kind].begin(commands);
        assert.equal(stream.status, 200);
        const { connect: result } = await kinds[kind].next(stream);
        return { stream, result, next: () => kinds[kind].next(stream),
            post: (command) => request({ method: 'POST', path: '/emulation', body: JSON.stringify({ session: result.session,
                node: result.node, data: typeof command === 'string' ? command : JSON.stringify(command) }) }) };
    }

    // The next message that is no ping.
    async function said(one) {
        for (;;) {
            const message = await one.next();
            if (message === null || Object.keys(message).length) return message;
            await one.post('{}');
        }
    }

    for (const kind of Object.keys(kinds)) {
        test(`${kind}: connects, subscribes and publishes through /emulation`, async () => {
            const one = await began(kind, [connect, { id: 2, subscribe: { channel: 'open:a' } }]);
            assert.match(one.result.client, /^[0-9a-f-]{36}$/);
            assert.ok(one.result.session.length >= 32 && one.result.node.length >= 16 && one.result.pong);
            assert.equal((await said(one)).id, 2);
            assert.equal((await one.post({ id: 3, publish: { channel: 'open:a', data: { x: 1 } } })).status, 204);
            const two = [await said(one), await said(one)];
            assert.deepEqual(two.map((m) => (m.push ? m.push.pub.data : m.id)).sort(), [3, { x: 1 }].sort());
        });

        test(`${kind}: the last message says why, and then the body ends`, async () => {
            const one = await began(kind);
            await one.post({ id: 2, connect: {} });
            assert.deepEqual(await said(one), { push: { disconnect: { code: 3501, reason: 'bad request' } } });
            assert.equal(await said(one), null);
            assert.ok(one.stream.hasEnded);
            await one.stream.closed();
            assert.equal((await one.post({ id: 3, publish: { channel: 'open:a', data: 1 } })).status, 204, 'a session that is gone');
        });

        test(`${kind}: a client that does not answer pings is sent away`, async () => {
            const one = await began(kind);
            assert.deepEqual(await one.next(), {});
            assert.equal((await one.next()).push.disconnect.code, 3012);
        });

        test(`${kind}: pongs come by /emulation`, async () => {
            const one = await began(kind);
            for (let i = 0; i < 3; i++) {
                assert.deepEqual(await one.next(), {});
                assert.equal((await one.post('{}')).status, 204);
            }
        });

        test(`${kind}: the daemon notices that the client has gone`, async () => {
            const other = await began('http_stream', [connect, { id: 2, subscribe: { channel: 'open:gone' } }]);
            await said(other);
            const one = await began(kind, [connect, { id: 2, subscribe: { channel: 'open:gone' } }]);
            await said(one);
            const count = async () => {
                await other.post({ id: 9, presence_stats: { channel: 'open:gone' } });
                return (await said(other)).presence_stats.num_clients;
            };
            assert.equal(await count(), 2);
            one.stream.destroy();
            for (const late = Date.now() + 10_000; await count() !== 1;) assert.ok(Date.now() < late);
        });

        test(`${kind}: who does not read is sent away`, () => withoutPings(async () => {
            const one = await began(kind, [connect, { id: 2, subscribe: { channel: 'live:slow' } }]);
            await said(one);
            one.stream.socket.pause();
            const other = await began('http_stream');
            const before = await server.metric('parley_client_queue_limit_total') +
                await server.metric('parley_client_write_timeouts_total');
            const data = 'x'.repeat(3000);
            for (let i = 0; i < 400; i++) {
                const commands = Array.from({ length: 20 }, (_, k) => JSON.stringify({ id: 20 * i + k + 2,
                    publish: { channel: 'live:slow', data } }));
                await other.post(commands.join('\n'));
                if (await server.metric('parley_client_queue_limit_total') +
                    await server.metric('parley_client_write_timeouts_total') > before) return;
                while (other.stream.text.length) await other.next();
            }
            assert.fail('it is still there');
        }));
    }

    test('http_stream: Protobuf both ways', async () => {
        const binary = { 'Content-Type': 'application/octet-stream' };
        const command = Buffer.from([8, 1, 0x22, 0]); // id 1, connect {}
        const stream = await Stream.open(server.port, { method: 'POST', path: '/connection/http_stream', headers: binary,
            body: Buffer.concat([Buffer.from([command.length]), command]) });
        assert.equal(stream.headers['content-type'], 'application/octet-stream');
        const reply = await stream.varint();
        assert.deepEqual([...reply.subarray(0, 2)], [8, 1], 'id 1');
        assert.equal(reply[2], 0x2a, 'connect result');
        assert.equal((await stream.varint()).length, 0, 'a ping');
        const text = reply.toString('latin1');
        const session = /00[0-9a-f]{32}|0[12][0-9a-f]{32}/.exec(text)[0];
        const node = /\x52\x20([0-9a-f]{32})/.exec(text)[1];
        const field = (n, value) => Buffer.concat([Buffer.from([n * 8 + 2, value.length]), Buffer.from(value)]);
        const post = await request({ method: 'POST', path: '/emulation', headers: binary,
            body: Buffer.concat([field(1, node), field(2, session), field(3, Buffer.from([0]))]) });
        assert.equal(post.status, 204);
        assert.equal((await stream.varint()).length, 0, 'the pong was heard: another ping');
    });

    test('http_stream: no buffering, no keeping, chunks', async () => {
        const { stream } = await began('http_stream');
        const { headers } = stream;
        assert.equal(headers['transfer-encoding'], 'chunked');
        assert.equal(headers['x-accel-buffering'], 'no');
        assert.match(headers['cache-control'], /no-store/);
        assert.equal(headers['content-length'], undefined);
        assert.match(stream.chunks[0].toString(), /^\{.*\}\n$/s);
    });

    test('sse: the first bytes are a blank line, each message an event', async () => {
        const { stream } = await began('sse');
        assert.equal(stream.headers['content-type'], 'text/event-stream');
        assert.equal(stream.chunks[0].toString(), '\r\n');
        assert.match(stream.chunks[1].toString(), /^data: \{.*\}\n\n$/s);
    });

    test('a connect error is a reply, after which nothing is heard', async () => {
        const old = token({ sub: 'ada', exp: Math.floor(Date.now() / 1000) - 60 });
        const stream = await kinds.http_stream.begin([{ id: 1, connect: { token: old } }]);
        assert.equal((await stream.line()).error.code, 109);
        assert.equal((await stream.line()).push.disconnect.code, 3502, 'stale in the end');
    });

    test('commands reach their session from every worker', async () => {
        const one = await began('sse', [connect, { id: 2, subscribe: { channel: 'live:workers' } }]);
        await said(one);
        for (let i = 0; i < 30; i++) assert.equal((await one.post({ id: 3 + i, publish: { channel: 'live:workers', data: i } })).status, 204);
        const heard = [];
        while (heard.length < 30) {
            const message = await said(one);
            if (message.push) heard.push(message.push.pub.data);
        }
        assert.deepEqual(heard, Array.from({ length: 30 }, (_, i) => i));
    });

    // ---- refusals ----

    const refusals = [
        ['http_stream by GET', 405, { path: '/connection/http_stream' }],
        ['http_stream by PUT', 405, { method: 'PUT', path: '/connection/http_stream', body: 'x' }],
        ['http_stream over its limit', 413, { method: 'POST', path: '/connection/http_stream', body: 'x'.repeat(2049) }],
        ['http_stream in HTTP/1.0', 505, { method: 'POST', path: '/connection/http_stream', body: '{}', version: '1.0' }],
        ['sse without cf_connect', 400, { path: '/connection/sse' }],
        ['sse with an empty cf_connect', 400, { path: '/connection/sse?cf_connect=' }],
        ['sse with a bad escape', 400, { path: '/connection/sse?cf_connect=%7' }],
        ['sse with what is no UTF-8', 400, { path: '/connection/sse?cf_connect=%ff' }],
        ['sse by HEAD', 405, { method: 'HEAD', path: '/connection/sse?cf_connect=%7B%7D' }],
        ['sse by POST over its limit', 413, { method: 'POST', path: '/connection/sse', body: 'x'.repeat(2049) }],
        ['sse by POST without a body', 400, { method: 'POST', path: '/connection/sse', body: '' }],
        ['emulation by GET', 405, { path: '/emulation' }],
        ['emulation without a body', 400, { method: 'POST', path: '/emulation', body: '' }],
        ['emulation that is no JSON', 400, { method: 'POST', path: '/emulation', body: 'commands' }],
        ['emulation without a session', 400, { method: 'POST', path: '/emulation', body: '{"node":"x","data":"{}"}' }],
        ['emulation whose data is no string', 400, { method: 'POST', path: '/emulation', body: '{"session":"a","node":"b","data":{}}' }],
        ['emulation that is no Protobuf', 400, { method: 'POST', path: '/emulation', body: '\xff\xff\xff',
            headers: { 'Content-Type': 'application/octet-stream' } }],
        ['emulation for another node', 404, { method: 'POST', path: '/emulation', body: '{"session":"a","node":"b","data":"{}"}' }],
        ['emulation over its limit', 413, { method: 'POST', path: '/emulation', body: 'x'.repeat(65537) }],
        ['uni_sse with garbage', 400, { path: '/connection/uni_sse?cf_connect=garbage' }],
        ['uni_sse with a list', 400, { path: '/connection/uni_sse?cf_connect=%5B%5D' }],
        ['uni_http_stream by GET', 405, { path: '/connection/uni_http_stream' }],
        ['uni_http_stream with garbage', 400, { method: 'POST', path: '/connection/uni_http_stream', body: '{"token":1}' }],
        ['uni_http_stream over its limit', 413, { method: 'POST', path: '/connection/uni_http_stream', body: 'x'.repeat(2049) }],
        ['uni_websocket without an upgrade', 400, { path: '/connection/uni_websocket' }],
        ['init by POST', 405, { method: 'POST', path: '/connection/init', body: '' }],
        ['a path that is nobody’s', 404, { path: '/connection/other' }],
        ['a body where none is read', 413, { path: '/health', body: 'x' }],
    ];
    for (const [what, status, how] of refusals) {
        test(`${what}: ${status}`, async () => assert.equal((await request(how)).status, status));
    }

    // ---- bodies ----

    const emulate = (body) => ({ method: 'POST', path: '/emulation', body });
    const NOBODYS = '{"session":"a","node":"b","data":"{}"}';

    test('a body in chunks is read like one with a length', async () => {
        const chunks = [...NOBODYS].map((c) => `1\r\n${c}\r\n`).join('') + '0\r\n\r\n';
        const answer = await request({ ...emulate(chunks), headers: { 'Content-Length': null, 'Transfer-Encoding': 'chunked' } });
        assert.equal(answer.status, 404);
    });

    test('bad chunks are told, and a body in chunks has a limit', async () => {
        const headers = { 'Content-Length': null, 'Transfer-Encoding': 'chunked' };
        assert.equal((await request({ ...emulate('zz\r\n'), headers })).status, 400);
        assert.equal((await request({ ...emulate(`11170\r\n${'x'.repeat(70_000)}\r\n0\r\n\r\n`), headers })).status, 413);
    });

    test('who expects to be told to continue is told', async () => {
        const stream = await Stream.open(server.port, { method: 'POST', path: '/emulation',
            headers: { 'Content-Length': NOBODYS.length, Expect: '100-continue' } });
        assert.equal(stream.status, 100);
        stream.socket.write(NOBODYS);
        await stream.head();
        assert.equal(stream.status, 404);
    });

    test('who announces too much is not told to continue', async () => {
        const stream = await Stream.open(server.port, { method: 'POST', path: '/emulation',
            headers: { 'Content-Length': 100_000, Expect: '100-continue' } });
        assert.equal(stream.status, 413);
    });

    test('requests follow each other on one connection, sent together or apart', async () => {
        const one = `POST /emulation HTTP/1.1\r\nHost: x\r\nContent-Length: ${NOBODYS.length}\r\n\r\n${NOBODYS}`;
        const two = 'GET /connection/init HTTP/1.1\r\nHost: x\r\n\r\n';
        const three = `POST /emulation HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`;
        for (const pause of [0, 1]) {
            const stream = new Stream(server.port);
            const statuses = [];
            if (!pause) stream.socket.write(one + two + three + two);
            for (const text of [one, two, three, two]) {
                if (pause) stream.socket.write(text);
                await stream.head();
                statuses.push(stream.status);
                await stream.body();
            }
            assert.deepEqual(statuses, [404, 200, 400, 200]);
        }
    });

    // ---- CORS ----

    for (const path of ['/connection/http_stream', '/connection/sse', '/emulation', '/connection/uni_sse',
        '/connection/uni_http_stream', '/connection/init']) {
        test(`${path}: a preflight is answered, for pages of allowed origins only`, async () => {
            const headers = { ...GOOD, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type,x-a' };
            const good = await request({ method: 'OPTIONS', path, headers });
            assert.equal(good.status, 204);
            assert.equal(good.headers['access-control-allow-origin'], 'https://good.example');
            assert.equal(good.headers['access-control-allow-credentials'], 'true');
            assert.equal(good.headers['access-control-allow-headers'], 'content-type,x-a');
            assert.equal(good.headers['access-control-max-age'], '300');
            assert.equal(good.headers.vary, 'Origin');
            const bad = await request({ method: 'OPTIONS', path, headers: { ...headers, Origin: 'https://bad.example' } });
            assert.equal(bad.status, 204);
            assert.equal(bad.headers['access-control-allow-origin'], undefined);
            assert.equal(bad.headers['access-control-allow-credentials'], undefined);
        });
    }

    test('a page of another origin begins nothing in the name of who looks at it', async () => {
        const request = JSON.stringify({ id: 1, connect: {} });
        const bare = JSON.stringify({});
        const host = `http://127.0.0.1:${server.port}`;
        for (const [path, body] of [['/connection/http_stream', request], ['/connection/sse', request],
            ['/connection/uni_sse', bare], ['/connection/uni_http_stream', bare]]) {
            for (const [Origin, status] of [['https://bad.example', 403], ['null', 403], [`https://a.${host}`, 403],
                ['https://good.example', 200], [host, 200]]) {
                const stream = await Stream.open(server.port, { method: 'POST', path, body,
                    headers: { Origin, Host: `127.0.0.1:${server.port}` } });
                assert.equal(stream.status, status, `${path} from ${Origin}`);
                stream.destroy();
            }
        }
    });

    test('errors and streams carry the CORS headers, too', async () => {
        for (const how of [{ path: '/emulation' }, { path: '/connection/uni_sse' }, { ...emulate('garbage') }]) {
            const stream = await Stream.open(server.port, { ...how, headers: GOOD });
            assert.equal(stream.headers['access-control-allow-origin'], 'https://good.example');
            stream.destroy();
        }
    });

    // ---- one way ----

    const listening = {
        uni_sse: { next: (s) => s.event(), begin: (asked) => Stream.open(server.port, {
            path: `/connection/uni_sse${asked ? `?cf_connect=${encoded(asked)}` : ''}` }) },
        'uni_sse by POST': { next: (s) => s.event(), begin: (asked) => Stream.open(server.port, { method: 'POST',
            path: '/connection/uni_sse', body: asked ? JSON.stringify(asked) : '' }) },
        uni_http_stream: { next: (s) => s.line(), begin: (asked) => Stream.open(server.port, { method: 'POST',
            path: '/connection/uni_http_stream', body: asked ? JSON.stringify(asked) : '' }) },
    };

    for (const [kind, { begin, next }] of Object.entries(listening)) {
        test(`${kind}: is told who it is, gets what the server subscribed it to, and pings`, async () => {
            const channel = `live:${kind.replaceAll(' ', '')}`;
            const stream = await begin({ token: token({ sub: 'ada', channels: [channel] }) });
            const first = await next(stream);
            assert.deepEqual(Object.keys(first), ['connect']);
            assert.ok(channel in first.connect.subs && first.connect.session && first.connect.ping === 1 && !first.connect.pong);
            assert.equal(first.connect.node, undefined);
            const other = await began('http_stream');
            await other.post({ id: 2, publish: { channel, data: 'news' } });
            let message;
            do message = await next(stream); while (!message.pub);
            assert.deepEqual(message, { channel, pub: { data: 'news', info: { user: '', client: other.result.client } } });
            do message = await next(stream); while (Object.keys(message).length);
            await new Promise((resolve) => setTimeout(resolve, 1800)); // no pong was asked for
            assert.deepEqual(await next(stream), {});
        });

        test(`${kind}: without a request it is anonymous`, async () => {
            assert.ok((await next(await begin(null))).connect.client);
        });

        test(`${kind}: a connect error is a disconnect`, async () => {
            const stream = await begin({ token: token({ sub: 'ada', exp: 1 }) });
            assert.equal(stream.status, 200);
            assert.deepEqual(await next(stream), { disconnect: { code: 3005, reason: 'connection expired' } });
            assert.equal(await next(stream), null);
        });

        test(`${kind}: a forged token is told as such`, async () => {
            const stream = await begin({ token: `${token({ sub: 'ada' }).slice(0, -4)}AAAA` });
            assert.equal((await next(stream)).disconnect.code, 3500);
            assert.equal(await next(stream), null);
        });
    }

    const json = (message) => JSON.parse(message.payload.toString());

    test('uni_websocket: the connect request is the first message', async () => {
        const raw = await Raw.open({ port: server.port, path: '/connection/uni_websocket' });
        await raw.write(frame(TEXT, JSON.stringify({ token: token({ sub: 'ada', channels: ['live:uni'] }) })));
        const first = json(await raw.message());
        assert.ok('live:uni' in first.connect.subs);
        await raw.write(frame(TEXT, 'whatever else it says'));
        const other = await began('http_stream');
        await other.post({ id: 2, publish: { channel: 'live:uni', data: 1 } });
        assert.equal(json(await raw.message()).pub.data, 1);
    });

    test('uni_websocket: the connect request is in cf_connect', async () => {
        const raw = await Raw.open({ port: server.port, path: `/connection/uni_websocket?cf_connect=${encoded({})}` });
        assert.ok(json(await raw.message()).connect.client);
    });

    test('uni_websocket: pings in both ways, and who does not answer the frame is sent away', async () => {
        const raw = await Raw.open({ port: server.port, path: '/connection/uni_websocket?cf_connect=%7B%7D' });
        const { connect: result } = json(await raw.message());
        assert.deepEqual([result.ping, result.pong], [1, undefined]);
        const seen = [];
        for (let i = 0; i < 2; i++) {
            const message = await raw.message();
            seen.push(message.opcode === PING ? 'frame' : message.payload.toString());
            if (message.opcode === PING) await raw.write(frame(PONG, message.payload));
        }
        assert.deepEqual(seen.sort(), ['frame', '{}']);
        for (let i = 0; i < 2; i++) await raw.message();
        assert.equal(json(await raw.message()).disconnect.code, 3012);
        const last = await raw.message();
        assert.equal(last.opcode, CLOSE);
        assert.equal(last.payload.readUInt16BE(0), 3012);
    });

    test('uni_websocket: errors, garbage and what is too large', async () => {
        const path = '/connection/uni_websocket';
        let raw = await Raw.open({ port: server.port, path });
        await raw.write(frame(TEXT, JSON.stringify({ token: token({ sub: 'ada', exp: 1 }) })));
        assert.equal(json(await raw.message()).disconnect.code, 3005);
        assert.equal(await raw.closeCode(), 3005);
        raw = await Raw.open({ port: server.port, path });
        await raw.write(frame(TEXT, 'garbage'));
        assert.equal(json(await raw.message()).disconnect.code, 3501);
        raw = await Raw.open({ port: server.port, path });
        await raw.write(frame(TEXT, 'x'.repeat(1025)));
        assert.equal(await raw.closeCode(), 1009);
        raw = await Raw.open({ port: server.port, path });
        assert.equal(json(await raw.message()).disconnect.code, 3502, 'says nothing');
    });

    // ---- WebSocket ----

    test('websocket: Protobuf by subprotocol, by format and by cf_protocol', async () => {
        for (const [path, headers] of [['', { 'Sec-WebSocket-Protocol': 'centrifuge-protobuf' }], ['?format=protobuf', {}],
            ['?cf_protocol=protobuf', {}]]) {
            const raw = await Raw.open({ port: server.port, path: `/connection/websocket${path}` }, headers);
            assert.equal(raw.header('Sec-WebSocket-Protocol'), headers['Sec-WebSocket-Protocol']);
            await raw.write(frame(2, Buffer.from([4, 8, 1, 0x22, 0])));
            const { opcode, payload } = await raw.message();
            assert.deepEqual([opcode, payload[1], payload[2], payload[3]], [2, 8, 1, 0x2a]);
            assert.deepEqual([...(await raw.message()).payload], [0], 'a ping');
        }
    });

    test('websocket: JSON by subprotocol, without one, and with an empty header', async () => {
        for (const value of ['centrifuge-json', null, '']) {
            const raw = await Raw.open({ port: server.port, path: '/connection/websocket' }, { 'Sec-WebSocket-Protocol': value });
            assert.equal(raw.header('Sec-WebSocket-Protocol'), value || undefined);
            await raw.write(frame(TEXT, JSON.stringify(connect)));
            const { opcode, payload } = await raw.message();
            assert.equal(opcode, TEXT);
            assert.equal(JSON.parse(payload).id, 1);
        }
    });

    test('websocket: pings by frames where that is asked for', async () => {
        const raw = await Raw.open({ port: server.port, path: '/connection/websocket?cf_ws_frame_ping_pong=true' });
        await raw.write(frame(TEXT, JSON.stringify(connect)));
        const { connect: result } = json(await raw.message());
        assert.deepEqual([result.ping, result.pong], [undefined, undefined]);
        for (let i = 0; i < 2; i++) {
            const ping = await raw.message();
            assert.equal(ping.opcode, PING);
            await raw.write(frame(PONG, ping.payload));
        }
        assert.equal((await raw.message()).opcode, PING);
        assert.equal(await raw.closeCode(), 3012);
    });

    test('websocket: a pong of the protocol is not one where frames are', async () => {
        const raw = await Raw.open({ port: server.port, path: '/connection/websocket?cf_ws_frame_ping_pong=true' });
        await raw.write(frame(TEXT, JSON.stringify(connect)));
        await raw.message();
        await raw.write(frame(TEXT, '{}'));
        assert.equal(await raw.closeCode(), 3501);
    });
});

describe('transports as configured', () => {
    let server;
    afterEach(() => { for (const one of open) one.destroy(); open.clear(); });

    test('that are off are not there', async () => {
        server = await Parleyd.start({ config: {} });
        for (const path of ['http_stream', 'sse', 'uni_sse', 'uni_http_stream', 'uni_websocket', 'init']) {
            assert.equal((await ask(server.port, { path: `/connection/${path}` })).status, 404, path);
        }
        assert.equal((await ask(server.port, { path: '/emulation' })).status, 404);
        await server.stop();
    });

    test('are where handler_prefix says, and say 503 over the rate', async () => {
        server = await Parleyd.start({ config: { client: { insecure: true, connection_rate_limit: 3 },
            http_stream: { enabled: true, handler_prefix: '/a' }, sse: { enabled: true, handler_prefix: '/b/c' },
            websocket: { handler_prefix: '/ws' }, emulation: { handler_prefix: '/up' } } });
        assert.equal((await ask(server.port, { path: '/connection/sse?cf_connect=%7B%7D' })).status, 404);
        assert.equal((await ask(server.port, { method: 'POST', path: '/up', body: '{}' })).status, 400);
        const sse = () => Stream.open(server.port, { path: `/b/c?cf_connect=${encoded(connect)}` });
        const statuses = [];
        for (let i = 0; i < 3; i++) statuses.push((await sse()).status);
        assert.deepEqual(statuses, [200, 200, 200]);
        assert.equal((await sse()).status, 503);
        assert.equal((await Stream.open(server.port, { method: 'POST', path: '/a', body: '{}' })).status, 503);
        const raw = new Raw(server.port);
        assert.equal(await raw.handshake('/ws'), 503);
        assert.equal(await server.metric('parley_client_connections_rate_limit_total'), 3);
        await server.stop();
    });

    test('know users by the header of a proxy in front', async () => {
        server = await Parleyd.start({ config: { client: { user_id_http_header: 'X-User-Id' }, sse: { enabled: true },
            channel: { namespaces: [{ name: 'open', ...everything, presence: true }] } } });
        const commands = [connect, { id: 2, subscribe: { channel: 'open:a' } }, { id: 3, presence: { channel: 'open:a' } }];
        const path = `/connection/sse?cf_connect=${encodeURIComponent(commands.map((c) => JSON.stringify(c)).join('\n'))}`;
        const known = await Stream.open(server.port, { path, headers: { 'x-user-id': 'ada' } });
        await known.event();
        await known.event();
        assert.deepEqual(Object.values((await known.event()).presence.presence).map(({ user }) => user), ['ada']);
        const raw = await Raw.open({ port: server.port, path: '/connection/websocket' }, { 'X-User-Id': 'bob' });
        await raw.write(frame(TEXT, JSON.stringify(connect)));
        assert.ok(JSON.parse((await raw.message()).payload).connect.client);
        const unknown = await Stream.open(server.port, { path });
        assert.equal((await unknown.event()).push.disconnect.code, 3501);
        await server.stop();
    });

    test('map connect errors as the operator wants', async () => {
        server = await Parleyd.start({ config: {
            client: { token: { hmac_secret_key: 'a secret of the tests' }, allowed_origins: ['https://good.example'],
                connect_code_to_unidirectional_disconnect: { enabled: true,
                    transforms: [{ code: 109, to: { code: 4101, reason: 'come with another' } }] } },
            uni_http_stream: { enabled: true },
            uni_sse: { enabled: true, connect_code_to_http_response: { enabled: true,
                transforms: [{ code: 109, to: { status_code: 401, body: 'expired\n' } }, { code: 3500, to: { status_code: 403 } }] } },
        } });
        const old = { token: token({ sub: 'ada', exp: 1 }) };
        const stream = await Stream.open(server.port, { method: 'POST', path: '/connection/uni_http_stream', body: JSON.stringify(old) });
        assert.deepEqual(await stream.line(), { disconnect: { code: 4101, reason: 'come with another' } });
        const refused = await ask(server.port, { path: `/connection/uni_sse?cf_connect=${encoded(old)}`, headers: GOOD });
        assert.deepEqual([refused.status, refused.body, refused.headers['access-control-allow-origin']],
            [401, 'expired\n', 'https://good.example']);
        assert.equal((await ask(server.port, { path: `/connection/uni_sse?cf_connect=${encoded({ token: 'x.y.z' })}` })).status, 403);
        const other = await Stream.open(server.port, { path: '/connection/uni_sse' });
        assert.equal(other.status, 200);
        assert.equal((await other.event()).disconnect.code, 3501, 'what is not mapped');
        await server.stop();
    });
});
