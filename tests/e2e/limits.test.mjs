// Every limit of the daemon, reached from the wire: its documented code, and its counter in /metrics.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Parleyd } from './lib/parleyd.mjs';
import { PING, Raw as AnyRaw, TEXT, bytes, frame } from './lib/raw.mjs';
import { token } from './lib/sdk_host.mjs';
import { Wire as AnyWire } from './lib/wire.mjs';

// Every connection of a test ends with it: they count for the connection limit.
const open = new Set();
class Raw extends AnyRaw {
    constructor(...args) { super(...args); open.add(this); }
}
class Wire extends AnyWire {
    constructor(...args) { super(...args); open.add(this); }
    destroy() { this.close(); }
}

const SECRET = 'a secret of the tests';
const path = '/connection/websocket';
const everything = Object.fromEntries(['subscribe', 'publish', 'presence', 'history'].flatMap((what) =>
    [[`allow_${what}_for_client`, true], [`allow_${what}_for_anonymous`, true]]));

const config = {
    client: {
        allowed_origins: ['https://good.example', 'https://*.parts.example'],
        allow_anonymous_connect_without_token: true,
        token: { hmac_secret_key: SECRET },
        channel_limit: 5,
        queue_max_size: '64KiB',
        stale_close_delay: '2s',
        ping_interval: '3s',
        pong_timeout: '2s',
        command_rate: 50,
        command_burst: 100,
        connection_limit: 40,
        expired_close_delay: '300ms',
        expired_sub_close_delay: '300ms',
        history_max_publication_limit: 7,
        recovery_max_publication_limit: 7,
    },
    http_server: { handshake_timeout: '1s', max_line_size: 1024, max_head_size: 2048, max_headers: 20 },
    websocket: { message_size_limit: '16KiB', write_timeout: '500ms' },
    channel: {
        max_length: 40,
        namespaces: [
            { name: 'open', ...everything, history_size: 100, history_ttl: '300s', force_recovery: true },
            { name: 'live', ...everything },
            { name: 'strict', ...everything, publication_data_format: 'json_object' },
            { name: 'named', ...everything, channel_regex: '^[a-z]+$' },
        ],
    },
};

describe('limits', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config }); });
    afterEach(() => { for (const one of open) one.destroy(); open.clear(); });
    after(() => server.stop());

    const at = () => ({ port: server.port, path });

    // Whether a metric grows by at least one while something is done.
    async function counts(metric, labels, act) {
        const before = (await server.metric(metric, labels)) || 0;
        await act();
        const late = Date.now() + 10_000;
        for (;;) {
            const now = await server.metric(metric, labels);
            if (now > before) return;
            assert.ok(Date.now() < late, `${metric}{${labels}} stays at ${now}`);
        }
    }
    const disconnects = (code, act) => counts('parley_client_num_server_disconnects_total', `code="${code}"`, act);
    const errors = (code, act) => counts('parley_client_num_reply_errors_total', `code="${code}"`, act);

    async function rawConnected() {
        const raw = await Raw.open(at());
        await raw.write(frame(TEXT, JSON.stringify({ id: 1, connect: {} })));
        await raw.message();
        return raw;
    }

    // What a broken or excessive opening is answered with.
    const requests = [
        ['a request line over max_line_size', `GET /${'x'.repeat(2000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, 'parley_client_head_limit_total'],
        ['headers over max_head_size', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(4000)}\r\n\r\n`, 431, 'parley_client_head_limit_total'],
        ['more headers than max_headers', `GET / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(30)}\r\n`, 431, 'parley_client_head_limit_total'],
        ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'parley_client_handshake_errors_total'],
        ['a bare LF', 'GET / HTTP/1.1\nHost: x\n\n', 400, 'parley_client_handshake_errors_total'],
        ['a space before a colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400, 'parley_client_handshake_errors_total'],
        ['another version', 'GET / HTTP/3.0\r\nHost: x\r\n\r\n', 505, 'parley_client_handshake_errors_total'],
    ];
    for (const [name, text, status, metric] of requests) {
        test(`${name}: ${status}`, () => counts(metric, '', async () => {
            const raw = new Raw(server.port);
            assert.equal(await raw.request(text), status);
            await raw.ended();
        }));
    }
    for (const [name, text] of [['nothing', ''], ['half a head', 'GET / HTTP/1.1\r\nHost: x\r\n']]) {
        test(`handshake_timeout with ${name} sent`, () => counts('parley_client_handshake_timeouts_total', '', async () => {
            const raw = new Raw(server.port);
            if (text) await raw.write(bytes(text));
            await raw.until(() => undefined);
        }));
    }
    test('handshake_timeout is for the whole head, however it drips', () => counts('parley_client_handshake_timeouts_total', '', async () => {
        const raw = new Raw(server.port);
        const text = bytes(`GET / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(15)}`);
        let at_ = 0;
        const drip = setInterval(() => raw.socket.write(text.subarray(at_, ++at_)), 50);
        await raw.ended();
        clearInterval(drip);
        assert.ok(at_ < text.length, 'it was not waited for to the end');
    }));
    test('an unknown path is 404, another method 405', async () => {
        assert.equal(await new Raw(server.port).request('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n'), 404);
        assert.equal(await new Raw(server.port).request('DELETE /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'), 405);
    });

    for (const [origin, status] of [['https://good.example', 101], ['https://a.parts.example', 101], ['HTTPS://GOOD.example', 101],
        ['https://evil.example', 403], ['https://good.example.evil', 403], ['null', 403]]) {
        test(`origin ${origin}: ${status}`, async () => {
            const act = async () => {
                const raw = new Raw(server.port);
                assert.equal(await raw.handshake(path, { Origin: origin }), status);
                raw.destroy();
            };
            await (status === 403 ? counts('parley_client_origins_refused_total', '', act) : act());
        });
    }

    test('connection_limit: 503', () => counts('parley_client_connections_refused_total', '', async () => {
        const held = [];
        let refused = 0;
        for (let i = 0; i < 60 && !refused; i++) {
            const raw = new Raw(server.port);
            const status = await raw.handshake(path);
            if (status === 503) refused++;
            held.push(raw);
        }
        held.forEach((raw) => raw.destroy());
        assert.equal(refused, 1);
        // They are gone when a new one is let in.
        for (let open = 0; !open;) {
            const raw = new Raw(server.port);
            open = (await raw.handshake(path).catch(() => 0)) === 101;
            raw.destroy();
        }
    }));

    test('message_size_limit: close 1009', () => counts('parley_client_message_limit_total', '', async () => {
        const raw = await Raw.open(at());
        await raw.write(frame(TEXT, '{"id":1,"connect":{}}'.padEnd(17 * 1024)));
        assert.equal(await raw.closeCode(), 1009);
    }));

    // What no client may send.
    const deep = '['.repeat(70) + ']'.repeat(70);
    const bad = [
        ['what is not JSON', ['nonsense']], ['an empty message', ['']], ['an array', ['[]']],
        ['two values in a line', ['{"id":1,"connect":{}} {}']], ['a command without id', ['{"connect":{}}']],
        ['anything before connect', ['{"id":1,"subscribe":{"channel":"open:a"}}']],
        ['a second connect', ['{"id":1,"connect":{}}', '{"id":2,"connect":{}}']],
        ['an id without a command', ['{"id":1,"connect":{}}', '{"id":2}']],
        ['an unknown command', ['{"id":1,"connect":{}}', '{"id":2,"dance":{}}']],
        ['the legacy ping', ['{"id":1,"connect":{}}', '{"id":2,"ping":{}}']],
        ['a pong nobody asked for', ['{"id":1,"connect":{}}', '{}']],
        ['a subscribe without channel', ['{"id":1,"connect":{}}', '{"id":2,"subscribe":{}}']],
        ['an id that is no integer', ['{"id":1.5,"connect":{}}']], ['a negative id', ['{"id":-1,"connect":{}}']],
        ['an id over 32 bits', ['{"id":4294967296,"connect":{}}']],
        ['JSON deeper than 64 levels', ['{"id":1,"connect":{}}', `{"id":2,"publish":{"channel":"live:a","data":${deep}}}`]],
    ];
    for (const [name, messages] of bad) {
        test(`${name}: disconnect 3501`, () => disconnects(3501, async () => {
            const raw = await Raw.open(at());
            for (const message of messages) await raw.write(frame(TEXT, message));
            assert.equal(await raw.closeCode(), 3501);
        }));
    }
    test('send: disconnect 3508', () => disconnects(3508, async () => {
        const raw = await rawConnected();
        await raw.write(frame(TEXT, '{"send":{"data":1}}'));
        assert.equal(await raw.closeCode(), 3508);
    }));
    test('a token of somebody else’s making: disconnect 3500', () => disconnects(3500, async () => {
        const raw = await Raw.open(at());
        await raw.write(frame(TEXT, JSON.stringify({ id: 1, connect: { token: token({ sub: 'x' }, 'another secret') } })));
        assert.equal(await raw.closeCode(), 3500);
    }));
    test('stale_close_delay: disconnect 3502', () => disconnects(3502, async () => {
        const raw = await Raw.open(at());
        assert.equal(await raw.closeCode(), 3502);
    }));
    test('pong_timeout: disconnect 3012', () => disconnects(3012, async () => {
        const raw = await rawConnected();
        assert.equal(await raw.closeCode(), 3012);
    }));
    test('a token that expires and is not renewed: disconnect 3005', () => disconnects(3005, async () => {
        const wire = await Wire.open(server.websocket);
        const result = await wire.connect({ token: token({ sub: 'x', exp: Math.floor(Date.now() / 1000) + 2 }) });
        assert.equal(result.expires, true);
        assert.ok(result.ttl >= 1);
        assert.equal((await wire.closed).code, 3005);
    }));
    test('a subscription token that expires: unsubscribe push 2501', () => counts('parley_client_num_server_unsubscribes_total', 'code="2501"', async () => {
        let told;
        const push = new Promise((resolve) => { told = resolve; });
        const wire = await Wire.open(server.websocket, { push: (p) => p.unsubscribe && told(p) });
        await wire.connect({ token: token({ sub: 'x' }) });
        await wire.call('subscribe', { channel: '$open:private',
            token: token({ sub: 'x', channel: '$open:private', exp: Math.floor(Date.now() / 1000) + 2 }) });
        assert.equal((await push).unsubscribe.code, 2501);
        wire.close();
    }));

    test('command_rate: disconnect 3013', () => disconnects(3013, async () => {
        const wire = await Wire.open(server.websocket);
        await wire.connect();
        for (let i = 0; i < 300; i++) wire.call('presence_stats', { channel: 'live:x' }).catch(() => {});
        assert.equal((await wire.closed).code, 3013);
    }));

    const refusals = [
        ['channel_limit', 106, async (wire) => {
            for (let i = 0; i < 5; i++) await wire.call('subscribe', { channel: `live:${i}` });
            return wire.call('subscribe', { channel: 'live:6' });
        }, 'parley_client_channel_limit_total'],
        ['channel.max_length', 107, (wire) => wire.call('subscribe', { channel: `live:${'x'.repeat(40)}` }), 'parley_client_channel_length_total'],
        ['a name that channel_regex does not take', 107, (wire) => wire.call('subscribe', { channel: 'named:A1' })],
        ['a name that is not ASCII', 107, (wire) => wire.call('subscribe', { channel: 'live:ä' })],
        ['an unknown namespace', 102, (wire) => wire.call('subscribe', { channel: 'nowhere:a' })],
        ['a second subscription', 105, async (wire) => {
            await wire.call('subscribe', { channel: 'live:a' });
            return wire.call('subscribe', { channel: 'live:a' });
        }],
        ['a private channel', 103, (wire) => wire.call('subscribe', { channel: '$live:a' })],
        ['an unknown subscription type', 103, (wire) => wire.call('subscribe', { channel: 'live:a', type: 1 })],
        ['publication_data_format', 107, (wire) => wire.call('publish', { channel: 'strict:a', data: [1] })],
        ['a publication without data', 107, (wire) => wire.call('publish', { channel: 'live:a' })],
        ['history where none is kept', 108, (wire) => wire.call('history', { channel: 'live:a' })],
        ['presence where there is none', 108, (wire) => wire.call('presence', { channel: 'live:a' })],
        ['an rpc', 108, (wire) => wire.call('rpc', { method: 'x' })],
        ['an rpc in an unknown namespace', 104, (wire) => wire.call('rpc', { method: 'nowhere:x' })],
        ['a position of another epoch', 112, (wire) => wire.call('history', { channel: 'open:a', limit: 1, since: { offset: 1, epoch: 'x' } })],
        ['reverse from offset 0', 107, (wire) => wire.call('history', { channel: 'open:a', limit: 1, reverse: true, since: { offset: 0, epoch: '' } })],
        ['an expired token', 109, null],
    ];
    for (const [name, code, ask, metric] of refusals) {
        test(`${name}: error ${code}`, () => errors(code, async () => {
            const wire = await Wire.open(server.websocket);
            const asked = () => (ask
                ? wire.connect().then(() => ask(wire))
                : wire.connect({ token: token({ sub: 'x', exp: 1000 }) }));
            const act = () => assert.rejects(asked, (error) => error.code === code);
            await (metric ? counts(metric, '', act) : act());
            wire.close();
        }));
    }

    test('history_max_publication_limit and recovery_max_publication_limit', async () => {
        const wire = await Wire.open(server.websocket);
        await wire.connect();
        for (let i = 0; i < 12; i++) await wire.call('publish', { channel: 'open:many', data: i });
        const { publications, epoch } = await wire.call('history', { channel: 'open:many', limit: -1 });
        assert.equal(publications.length, 7);
        const far = await wire.call('subscribe', { channel: 'open:many', recover: true, offset: 1, epoch });
        assert.equal(far.recovered ?? false, false);
        await wire.call('unsubscribe', { channel: 'open:many' });
        const near = await wire.call('subscribe', { channel: 'open:many', recover: true, offset: 5, epoch });
        assert.equal(near.recovered, true);
        assert.equal(near.publications.length, 7);
        wire.close();
    });

    // A connection that does not read: its socket is left alone, while others fill its channel.
    async function flood(raw, channel, until) {
        raw.socket.pause();
        let wire; // each may publish so many times before it is over command_burst
        for (let i = 0; !await until(); i++) {
            if (i % 80 === 0) {
                wire?.close();
                wire = await Wire.open(server.websocket);
                await wire.connect();
            }
            await wire.call('publish', { channel, data: 'x'.repeat(15_000) });
            assert.ok(i < 5000, 'nothing happened to who does not read');
        }
        wire.close();
    }
    test('queue_max_size: a reader that is too slow is disconnected with 3008', () => counts('parley_client_queue_limit_total', '', async () => {
        const raw = await rawConnected();
        await raw.write(frame(TEXT, '{"id":2,"subscribe":{"channel":"live:flood"}}'));
        await raw.message();
        const before_ = await server.metric('parley_client_queue_limit_total');
        await flood(raw, 'live:flood', async () => await server.metric('parley_client_queue_limit_total') > before_);
        raw.socket.resume();
        assert.ok([3008, 1006].includes(await raw.closeCode()));
    }));
    test('queue_max_size counts pongs: a flood of pings that are not read', () => counts('parley_client_queue_limit_total', '', async () => {
        const raw = await rawConnected();
        raw.socket.pause();
        const pings = Buffer.concat(Array.from({ length: 500 }, () => frame(PING, 'x'.repeat(125))));
        const before_ = await server.metric('parley_client_queue_limit_total');
        for (let i = 0; i < 400; i++) {
            if (!raw.socket.write(pings)) await new Promise((resolve) => { raw.socket.once('drain', resolve); setTimeout(resolve, 200); });
            if (i % 20 === 0 && await server.metric('parley_client_queue_limit_total') > before_) break;
        }
        raw.destroy();
    }));
    test('write_timeout: who takes nothing is disconnected with 3009', () => counts('parley_client_write_timeouts_total', '', async () => {
        const raw = await rawConnected();
        await raw.write(frame(TEXT, '{"id":2,"subscribe":{"channel":"live:stall"}}'));
        await raw.message();
        // Until the kernel takes no more; what waits then is less than the queue's limit, and nothing follows.
        const before_ = await server.metric('parley_transport_backed_up_total');
        await flood(raw, 'live:stall', async () => await server.metric('parley_transport_backed_up_total') > before_);
        const late = Date.now() + 15_000;
        while (!(await server.metric('parley_client_write_timeouts_total') > 0)) assert.ok(Date.now() < late, 'it was left alone');
        raw.destroy();
    }));
});
