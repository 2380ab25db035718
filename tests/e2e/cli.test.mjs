// The program parley against the daemon, as somebody at a shell would use the two.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { BIN, Parleyd } from './lib/parleyd.mjs';

const SECRET = 'a secret of the tests';
const everything = Object.fromEntries(['subscribe', 'publish', 'presence', 'history'].flatMap((what) =>
    [[`allow_${what}_for_client`, true], [`allow_${what}_for_anonymous`, true]]));
const config = {
    client: { allow_anonymous_connect_without_token: true, token: { hmac_secret_key: SECRET },
        // While a subscriber waits to come back, publishers may be faster than the default of 300 allows.
        history_max_publication_limit: 5000, recovery_max_publication_limit: 5000 },
    channel: {
        namespaces: [
            { name: 'kept', ...everything, presence: true, join_leave: true, history_size: 5000, history_ttl: '300s',
                force_recovery: true },
            { name: 'live', ...everything },
            { name: 'users', allow_subscribe_for_client: true, allow_publish_for_client: true },
        ],
    },
};

// One run of parley. Lines of its output arrive in out while it runs.
class Parley {
    static running = new Set();

    constructor(server, args, { input = '', env = {} } = {}) {
        this.out = [];
        this.err = [];
        this.process = spawn(path.join(BIN, 'parley'), ['--url', server.websocket, ...args],
            { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
        this.stdin = this.process.stdin;
        this.stdin.on('error', () => {}); // it may leave before it has read all
        Parley.running.add(this.process);
        this.ended = once(this.process, 'close').finally(() => Parley.running.delete(this.process));
        for (const name of ['out', 'err'])
            readline.createInterface({ input: this.process[`std${name}`] }).on('line', (line) => this[name].push(line));
        if (input !== null) this.stdin.end(input); // null: the test writes
    }

    static async run(server, args, options) {
        const run = new Parley(server, args, options);
        [run.code, run.signal] = await run.ended;
        return run;
    }

    static async good(server, args, options) {
        const run = await Parley.run(server, args, options);
        assert.equal(run.code, 0, `parley ${args.join(' ')}: ${run.code ?? run.signal}\n${run.err.join('\n')}`);
        return run;
    }

    async says(words, where = 'err') {
        const late = Date.now() + 20_000;
        while (!this[where].some((line) => line.includes(words))) {
            assert.ok(Date.now() < late, `no '${words}' in:\n${this[where].join('\n')}`);
            assert.equal(this.process.exitCode, null, `it has ended:\n${this.err.join('\n')}`);
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
    }

    async stop() {
        this.process.kill();
        await this.ended;
    }
}

const parsed = (run) => run.out.map((line) => JSON.parse(line));

describe('parley and parleyd', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config }); });
    after(() => {
        for (const left of Parley.running) left.kill('SIGKILL'); // of a test that failed
        return server.stop();
    });

    test('info names the server', async () => {
        const [reply] = parsed(await Parley.good(server, ['info', '--json']));
        assert.match(reply.connect.client, /^[0-9a-f-]{36}$/);
        assert.ok(reply.connect.version);
    });

    test('what is published is kept, and printed as it was', async () => {
        const texts = ['{"a": 1}', 'plain text', '"a string"', '[1,2]', 'null-ish', 'ünïcödé 日本 😀'];
        for (const text of texts) await Parley.good(server, ['pub', 'kept:plain', text]);
        const history = parsed(await Parley.good(server, ['history', 'kept:plain', '--json']));
        assert.deepEqual(history.map((p) => p.pub.data),
            [{ a: 1 }, 'plain text', 'a string', [1, 2], 'null-ish', 'ünïcödé 日本 😀']);
        assert.deepEqual(history.map((p) => p.pub.offset), [1, 2, 3, 4, 5, 6]);

        const last = parsed(await Parley.good(server, ['history', 'kept:plain', '--json', '--reverse', '--limit', '2']));
        assert.deepEqual(last.map((p) => p.pub.offset), [6, 5]);
    });

    test('sub prints what comes, and what there was since a position', async () => {
        const sub = new Parley(server, ['sub', 'kept:sub', '--json', '--count', '3']);
        await sub.says('subscribed');
        await Parley.good(server, ['pub', 'kept:sub', '-'], { input: '1\n2\n3\n' });
        await sub.ended;
        assert.deepEqual(parsed(sub).map((p) => p.pub.data), [1, 2, 3]);

        const { err } = await Parley.good(server, ['history', 'kept:sub', '--limit', '0']);
        const epoch = /--since 3:(\S+)/.exec(err.join('\n'))[1];
        const since = await Parley.good(server, ['sub', 'kept:sub', '--json', '--since', `1:${epoch}`, '--count', '2']);
        assert.deepEqual(parsed(since).map((p) => p.pub.offset), [2, 3]);
    });

    test('all of it works in Protobuf', async () => {
        const sub = new Parley(server, ['sub', 'kept:packed', '--protobuf', '--json', '--count', '3']);
        await sub.says('subscribed');
        const [reply] = parsed(await Parley.good(server, ['presence', 'kept:packed', '--protobuf', '--json']));
        assert.equal(Object.keys(reply.presence.presence).length, 1);
        await Parley.good(server, ['pub', 'kept:packed', '-', '--protobuf'], { input: '{"a": 1}\ntext\n' });
        await Parley.good(server, ['pub', 'kept:packed', '3']);
        await sub.ended;
        assert.deepEqual(parsed(sub).map((p) => p.pub.data), [{ a: 1 }, 'text', 3]);
        const history = parsed(await Parley.good(server, ['history', 'kept:packed', '--protobuf', '--json']));
        assert.deepEqual(history.map((p) => [p.pub.offset, p.pub.data]), [[1, { a: 1 }], [2, 'text'], [3, 3]]);
        const [info] = parsed(await Parley.good(server, ['info', '--protobuf', '--json']));
        assert.match(info.connect.client, /^[0-9a-f-]{36}$/);
    });

    test('a position of another epoch is said to be lost', async () => {
        const sub = new Parley(server, ['sub', 'kept:sub', '--since', '1:another']);
        await sub.says('recovered: false');
        await sub.stop();
    });

    test('presence lists who is there', async () => {
        const sub = new Parley(server, ['sub', 'kept:room']);
        await sub.says('subscribed');
        const [reply] = parsed(await Parley.good(server, ['presence', 'kept:room', '--json']));
        assert.equal(Object.keys(reply.presence.presence).length, 1);
        const stats = await Parley.good(server, ['presence', 'kept:room', '--stats']);
        assert.match(stats.out[0], /^1 clients?, 1 users?$/);
        await sub.stop();
    });

    test('a made token says who one is, and what without it is not allowed', async () => {
        const refused = await Parley.run(server, ['pub', 'users:a', '1']);
        assert.equal(refused.code, 77);
        assert.match(refused.err.join('\n'), /permission denied \(103\)/);

        const { out: [token] } = await Parley.good(server, ['gentoken', '--secret', SECRET, '--user', 'alice']);
        await Parley.good(server, ['pub', 'users:a', '1'], { env: { PARLEY_TOKEN: token } });
        const wrong = await Parley.run(server, ['--token', `${token.slice(0, -4)}AAAA`, 'pub', 'users:a', '1']);
        assert.equal(wrong.code, 77);
        assert.match(wrong.err.join('\n'), /invalid token/);
    });

    test('errors have their exit codes', async () => {
        for (const [args, code, words] of [
            [['history', 'live:x'], 69, /not available \(108\)/],
            [['pub', 'nowhere:x', '1'], 69, /unknown channel \(102\)/],
            [['pub', `live:${'x'.repeat(300)}`, '1'], 65, /bad request \(107\)/],
        ]) {
            const run = await Parley.run(server, args);
            assert.match(run.err.join('\n'), words);
            assert.equal(run.code, code, args.join(' '));
        }
    });

    test('over kill -9 every line is published, in order, and a subscriber misses none', { timeout: 120_000 }, async () => {
        const N = 1500;
        const sub = new Parley(server, ['sub', 'kept:crash', '--json']);
        await sub.says('subscribed');
        const pub = new Parley(server, ['pub', 'kept:crash', '-', '--window', '32'], { input: null });

        for (let i = 0; i < N; i++) {
            if (i === 500 || i === 1000) {
                await sub.says(`"data":${i - 200}`, 'out');
                await server.restart();
            }
            pub.stdin.write(`${i}\n`);
        }
        pub.stdin.end();
        const [code] = await pub.ended;
        assert.equal(code, 0, pub.err.join('\n'));
        assert.match(pub.err.join('\n'), new RegExp(`${N} published`));
        await sub.says(`"data":${N - 1}`, 'out');
        await sub.stop();

        // What was not acknowledged when the daemon went was sent again: a run may come twice, nothing is left out.
        assert.ok(!sub.err.some((line) => line.includes('recovered: false')), sub.err.join('\n'));
        const seen = parsed(sub);
        seen.forEach((p, i) => assert.equal(p.pub.offset, i + 1));
        let next = 0;
        for (const { pub: { data } } of seen) {
            assert.ok(data <= next, `${next} is missing before ${data}`);
            if (data === next) next++;
        }
        assert.equal(next, N);

        const kept = parsed(await Parley.good(server, ['history', 'kept:crash', '--json', '--limit', '5000']));
        assert.deepEqual(kept.map((p) => p.pub.data), seen.slice(0, kept.length).map((p) => p.pub.data));
    });

    test('bench counts on both sides', async () => {
        const [report] = parsed(await Parley.good(server, ['bench', 'fanout', '--channel', 'live:bench', '--subscribers',
            '20', '--seconds', '1', '--rate', '100', '--json', '--server-pid', String(server.pid)]));
        assert.ok(report.acknowledged > 0);
        assert.equal(report.delivered, report.acknowledged * 20);
        assert.equal(report.refused, 0);
        assert.ok(report.server_cpu_s >= 0);
    });

    test('a server that goes is waited for, one that never was is not', async () => {
        const other = await Parleyd.start({ config });
        const sub = new Parley(other, ['sub', 'live:x']);
        await sub.says('subscribed');
        await other.stop();
        await sub.says('again in');
        await sub.stop();

        const none = await Parley.run(other, ['sub', 'live:x']);
        assert.equal(none.code, 69);
        assert.match(none.err.join('\n'), /refused/);
    });
});
