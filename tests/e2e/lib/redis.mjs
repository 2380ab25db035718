// Redis servers of the test's own: real processes on ports found free, of the loopback, in folders that go with the test.
//
//   const redis = await Redis.start();
//   redis.address; await redis.ask('DBSIZE'); await redis.kill(); await redis.restart(); redis.pause(); await redis.stop();
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { claimPort } from './ports.mjs';

// Debian's redis-tools has the whole of Redis in it, under this name, without a service that starts by itself.
const PROGRAM = 'redis-check-rdb', CALLED = 'redis-server';

// Its own way to mend a log that ends within a script leaves half of it there, which the start after the next carries out.
const LOG_IS_MENDED = ['--aof-load-truncated', 'no'];

const START_MS = 20_000;
const PAUSE_MS = 10;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One RESP2 value at the start of `text` (binary), or null where it is not all there: { value, rest }.
function parse(text) {
    const end = text.indexOf('\r\n');
    if (end < 0) return null;
    const [kind, line, rest] = [text[0], text.slice(1, end), text.slice(end + 2)];
    if (kind === '+') return { value: line, rest };
    if (kind === '-') return { value: new Error(line), rest };
    if (kind === ':') return { value: Number(line), rest };
    const n = Number(line);
    if (n < 0) return { value: null, rest };
    if (kind === '$') return rest.length < n + 2 ? null : { value: rest.slice(0, n), rest: rest.slice(n + 2) };
    const items = [];
    let left = rest;
    for (let i = 0; i < n; i++) {
        const item = parse(left);
        if (!item) return null;
        items.push(item.value);
        left = item.rest;
    }
    return { value: items, rest: left };
}

export class Redis {
    // args: of redis-server, as ['--appendonly', 'yes']; sentinel: what a Sentinel's configuration says, which makes it one.
    // hosts: addresses it listens on; the first is the one that `address` names.
    static async start({ args = [], sentinel = null, hosts = ['127.0.0.1'] } = {}) {
        const redis = new Redis(args, sentinel, hosts);
        redis.claim = await claimPort(hosts);
        redis.port = redis.claim.port;
        await redis.#spawn();
        return redis;
    }

    constructor(args, sentinel, hosts) {
        Object.assign(this, { args, sentinel, hosts, host: hosts[0], log: [] });
        this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-redis-'));
    }

    get pid() { return this.process.pid; }
    get address() { return `redis://${this.host}:${this.port}`; }

    // What was killed while it wrote its log does not start before that is mended.
    #mend() {
        const log = path.join(this.folder, 'appendonlydir', 'appendonly.aof.manifest');
        if (!fs.existsSync(log)) return;
        const { status, stdout } = spawnSync('redis-check-aof', ['--fix', log], { input: 'y\n', encoding: 'utf8' });
        if (status !== 0) throw new Error(`the log cannot be mended:\n${stdout}`);
    }

    async #spawn() {
        this.#mend();
        const common = ['--port', String(this.port), '--bind', ...this.hosts, '--dir', this.folder];
        const config = path.join(this.folder, 'sentinel.conf');
        if (this.sentinel && !fs.existsSync(config)) fs.writeFileSync(config, this.sentinel);
        this.process = spawn(PROGRAM, this.sentinel
            ? [config, '--sentinel', ...common]
            : [...common, '--save', '', ...LOG_IS_MENDED, ...this.args], { argv0: CALLED, stdio: ['ignore', 'pipe', 'inherit'] });
        this.exited = once(this.process, 'exit');
        this.process.stdout.setEncoding('utf8').on('data', (text) => {
            this.log.push(...text.trimEnd().split('\n'));
            this.log.splice(0, this.log.length - 200);
        });
        for (const late = Date.now() + START_MS; ;) {
            if (this.process.exitCode !== null) throw new Error(`redis-server ended at its start:\n${this.log.join('\n')}`);
            try {
                if (await this.ask('PING') === 'PONG' && await this.#isOurs()) return;
            } catch { /* not yet */ }
            if (Date.now() > late) throw new Error(`redis-server is not up:\n${this.log.join('\n')}`);
            await pause(PAUSE_MS);
        }
    }

    // Not another one that has the port.
    async #isOurs() { return (await this.ask('INFO', 'server')).includes(`process_id:${this.pid}\r\n`); }

    // One command over a connection of its own. Rejects with what Redis says is wrong.
    async ask(...words) {
        const socket = net.connect(this.port, this.host).setEncoding('latin1');
        const parts = words.map((word) => Buffer.from(String(word)));
        socket.write(Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...parts.flatMap((part) =>
            [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])]));
        try {
            let text = '';
            for await (const more of socket) {
                text += more;
                const got = parse(text);
                if (!got) continue;
                if (got.value instanceof Error) throw got.value;
                return got.value;
            }
            throw new Error('Redis closed the connection');
        } finally {
            socket.destroy();
        }
    }

    // Until `wanted` holds of what Redis answers.
    async until(words, wanted, late_ms = 30_000) {
        for (const late = Date.now() + late_ms; ;) {
            const found = await this.ask(...words).catch((error) => error);
            if (wanted(found)) return found;
            if (Date.now() > late) throw new Error(`${words.join(' ')}: ${JSON.stringify(found)} for too long`);
            await pause(PAUSE_MS);
        }
    }

    pause() { this.process.kill('SIGSTOP'); }
    resume() { this.process.kill('SIGCONT'); }

    async kill(signal = 'SIGKILL') {
        if (this.process.exitCode === null && this.process.signalCode === null) {
            this.process.kill(signal);
            if (signal !== 'SIGKILL') this.process.kill('SIGCONT');
        }
        await this.exited;
    }

    // On the same port and in the same folder: what was written to the disk is there again.
    async restart(signal = 'SIGKILL') {
        await this.kill(signal);
        await this.#spawn();
    }

    // Comes back as it was killed.
    start() { return this.#spawn(); }

    async stop() {
        await this.kill();
        this.claim.release();
        fs.rmSync(this.folder, { recursive: true, force: true });
    }
}

const MASTER = 'parley';

// One master, replicas of it, and Sentinels that watch them; ready when each Sentinel knows all.
export class Sentinels {
    static async start({ replicas = 1, sentinels = 3, downAfter_ms = 1500, args = [] } = {}) {
        const all = new Sentinels();
        const replication = ['--repl-diskless-sync-delay', '0', ...args];
        all.servers = [await Redis.start({ args: replication })];
        for (let i = 0; i < replicas; i++)
            all.servers.push(await Redis.start({ args: [...replication, '--replicaof', '127.0.0.1', String(all.servers[0].port)] }));
        const config = [`sentinel monitor ${MASTER} 127.0.0.1 ${all.servers[0].port} ${Math.floor(sentinels / 2) + 1}`,
            `sentinel down-after-milliseconds ${MASTER} ${downAfter_ms}`, `sentinel failover-timeout ${MASTER} 5000`, ''].join('\n');
        await all.servers[0].until(['INFO', 'replication'], (info) =>
            String(info).match(/state=online/g)?.length === replicas);
        all.sentinels = [];
        for (let i = 0; i < sentinels; i++) all.sentinels.push(await Redis.start({ sentinel: config }));
        for (const sentinel of all.sentinels) {
            await sentinel.until(['SENTINEL', 'SENTINELS', MASTER], (others) => others.length === sentinels - 1);
            await sentinel.until(['SENTINEL', 'REPLICAS', MASTER], (found) => found.length === replicas);
        }
        return all;
    }

    get address() {
        const hosts = this.sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
        return `redis+sentinel://${hosts}?sentinel_master_name=${MASTER}`;
    }

    async master() {
        const [, port] = await this.sentinels[0].ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER);
        return this.servers.find((server) => server.port === Number(port));
    }

    // Resolves to the new master when all Sentinels name it.
    async failOver(hurt = (master) => master.kill()) {
        const old = await this.master();
        await hurt(old);
        for (const sentinel of this.sentinels)
            await sentinel.until(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER],
                (found) => Array.isArray(found) && Number(found[1]) !== old.port);
        const young = await this.master();
        await young.until(['ROLE'], (role) => role[0] === 'master');
        return young;
    }

    // Those that were killed are there again, and all follow one master, whoever it is by then.
    async heal(late_ms = 60_000) {
        for (const server of this.servers)
            if (server.process.exitCode !== null || server.process.signalCode !== null) await server.start();
        for (const late = Date.now() + late_ms; ; await pause(PAUSE_MS)) {
            const master = await this.master();
            const info = await master?.ask('INFO', 'replication').catch(String);
            if (info?.includes('role:master') && info.match(/state=online/g)?.length === this.servers.length - 1) return;
            if (Date.now() > late) throw new Error(`the servers do not find together:\n${info}`);
        }
    }

    async stop() {
        await Promise.all([...this.sentinels, ...this.servers].map((one) => one.stop()));
    }
}
