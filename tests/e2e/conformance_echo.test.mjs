// The shipped streams, frames and compression, held to RFC 6455 and RFC 7692 by an echo server made of them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const suite = fileURLToPath(new URL('conformance.mjs', import.meta.url));

function lineOf(stream, pattern) {
    return new Promise((resolve, reject) => {
        let text = '';
        stream.setEncoding('utf8');
        stream.on('data', (part) => {
            text += part;
            const found = text.match(pattern);
            if (found) resolve(found[1]);
        });
        stream.on('end', () => reject(new Error(`ended after: ${text}`)));
    });
}

async function run(limit) {
    const server = spawn(join(process.env.PARLEY_BIN_DIR, 'echo_server'), ['--message-limit', String(limit)],
        { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
        const port = await lineOf(server.stderr, /listening 127\.0\.0\.1:(\d+)/);
        const client = spawn(process.execPath, [suite, '--port', port, '--limit', String(limit)]);
        let said = '';
        client.stdout.on('data', (part) => { said += part; });
        client.stderr.on('data', (part) => { said += part; });
        const code = await new Promise((resolve) => client.on('close', resolve));
        assert.equal(code, 0, said);
        assert.match(said, /^\d{3} passed, 0 failed/m, said);
        assert.equal(server.exitCode, null, 'the server still runs');
    } finally {
        server.kill();
    }
}

test('every rule holds, with the limit that public suites need', () => run(64 << 20));
test('every rule holds, and so does a small limit', () => run(1 << 20));
