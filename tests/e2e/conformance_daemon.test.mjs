// The daemon, held to RFC 6455 and RFC 7692: what every server must do, and its compression.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { Parleyd } from './lib/parleyd.mjs';
import { Raw, TEXT, deflate, fragments, frame } from './lib/raw.mjs';

const suite = fileURLToPath(new URL('conformance.mjs', import.meta.url));
const path = '/connection/websocket';
const LIMIT = 65536;
const everything = Object.fromEntries(['subscribe', 'publish', 'history'].flatMap((what) =>
    [[`allow_${what}_for_client`, true], [`allow_${what}_for_anonymous`, true]]));
const config = {
    client: { allow_anonymous_connect_without_token: true },
    websocket: { message_size_limit: LIMIT, compression: true },
    channel: { without_namespace: { ...everything, history_size: 10, history_ttl: '60s' } },
};

describe('the daemon and the rules of WebSocket', { concurrency: false }, () => {
    let server;
    before(async () => { server = await Parleyd.start({ config }); });
    after(async () => { await server.stop(); });

    test('the conformance suite passes', async () => {
        const client = spawn(process.execPath,
            [suite, '--port', String(server.port), '--path', path, '--kind', 'daemon', '--limit', String(LIMIT)]);
        let said = '';
        client.stdout.on('data', (part) => { said += part; });
        client.stderr.on('data', (part) => { said += part; });
        const code = await new Promise((resolve) => client.on('close', resolve));
        assert.equal(code, 0, said);
        assert.match(said, /^\d{3} passed, 0 failed/m, said);
    });

    const text = JSON.stringify({ words: Array.from({ length: 400 }, (_, i) => `word ${i % 37} and ${i % 11}`) });
    // Replies and pushes come alone or several to a message, one a line.
    async function replies(raw, count, bits) {
        const all = [];
        let compressed = 0;
        while (all.length < count) {
            const next = await raw.frame();
            assert.ok(next, 'the connection goes on');
            assert.equal(next.opcode, TEXT);
            compressed += (next.rsv & 4) !== 0;
            // An inflater with the window that was agreed on: it fails on what reaches further back.
            const payload = next.rsv & 4 ? zlib.inflateRawSync(Buffer.concat([next.payload, Buffer.from([0, 0, 0xff, 0xff])]),
                { windowBits: bits, finishFlush: zlib.constants.Z_SYNC_FLUSH }) : next.payload;
            all.push(...String(payload).split('\n').filter((line) => line !== '{}').map((line) => JSON.parse(line)));
        }
        return { all, compressed };
    }

    for (const [offer, bits, isCompressed] of [['permessage-deflate', 15, true],
        ['permessage-deflate; server_max_window_bits=12', 12, true], ['permessage-deflate; server_max_window_bits=9', 9, false]]) {
        test(`compressed both ways: ${offer}`, async () => {
            const channel = `deflate-${bits}`;
            const raw = await Raw.open({ port: server.port, path }, { 'Sec-WebSocket-Extensions': offer });
            assert.match(raw.header('Sec-WebSocket-Extensions') ?? '', /^permessage-deflate/);
            const commands = [{ id: 1, connect: {} }, { id: 2, subscribe: { channel } },
                { id: 3, publish: { channel, data: JSON.parse(text) } }, { id: 4, history: { channel, limit: 10 } }];
            await raw.write(frame(TEXT, deflate(JSON.stringify(commands[0])), { rsv: 4 }));
            await raw.write(frame(TEXT, deflate(JSON.stringify(commands[1])), { rsv: 4 }));
            await raw.write(fragments(TEXT, deflate(JSON.stringify(commands[2])), 50, { rsv: 4 }));
            await raw.write(frame(TEXT, JSON.stringify(commands[3])));
            const { all, compressed } = await replies(raw, 5, bits);
            assert.deepEqual(all.find((one) => one.push).push.pub.data, JSON.parse(text));
            assert.deepEqual(all.find((one) => one.id === 4).history.publications[0].data, JSON.parse(text));
            assert.equal(compressed > 0, isCompressed, `${compressed} messages were compressed`);
            raw.destroy();
        });
    }
});
