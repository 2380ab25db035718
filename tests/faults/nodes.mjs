// Two daemons on Redis under load while something of it is hurt, at random moments; each ends with the ledger's audit.
//   node tests/faults/nodes.mjs FAULT [--times N] [--seed N]
// FAULT:
//   node       kill -9 of a daemon, by turns
//   redis      kill -9 of Redis, which syncs each write and says so: nothing acknowledged may be missing, streams go on
//   restart    the same where nobody says so: streams begin anew, and everybody is told
//   lines      CLIENT KILL of all lines of one kind
//   sleep      DEBUG SLEEP for longer than a daemon waits for an answer
//   partition  a daemon is cut off from Redis by nftables, in a network namespace of the test's own
//   failover   Sentinel promotes a replica that is behind, in the middle of publishing
import { execFileSync, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import { parseArgs } from 'node:util';
import { Cluster } from '../e2e/lib/cluster.mjs';
import { Redis, Sentinels } from '../e2e/lib/redis.mjs';
import { Ledger } from './ledger.mjs';

const { values, positionals: [fault] } = parseArgs({ allowPositionals: true,
    options: { times: { type: 'string', default: '5' }, seed: { type: 'string' } } });
const times = Number(values.times);
const seed = values.seed ?? crypto.randomBytes(4).toString('hex');

let drawn = 0;
function below(bound) { // seeded: the moments can be drawn again
    const digest = crypto.createHash('sha256').update(`${seed}/${drawn++}`).digest();
    return digest.readUInt32BE(0) % bound;
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];
const IO_TIMEOUT_MS = 1000;
const HEALTH_MS = 20;
const OTHER = '127.0.0.2'; // Redis is known to the second daemon by it

const config = {
    client: { insecure: true, allowed_origins: ['*'], recovery_max_publication_limit: 1_000_000,
        channel_position_check_delay: '1s', queue_max_size: '256MiB' },
    channel: { without_namespace: { history_size: 10_000_000, history_ttl: '24h', force_recovery: true } },
    engine: { redis: { io_timeout: `${IO_TIMEOUT_MS}ms` } },
};

// ---- a network of the test's own ----

function enterNamespace() {
    if (process.env.PARLEY_TEST_NAMESPACE) return execFileSync('ip', ['link', 'set', 'lo', 'up']);
    // Root needs no user namespace for it, and in a container or chroot gets none.
    const namespace = process.getuid() === 0 ? ['--net'] : ['--map-root-user', '--net'];
    const { status, stderr, error } = spawnSync('unshare', [...namespace, 'true'], { encoding: 'utf8' });
    if (status !== 0) {
        console.error(`no network namespace: ${error ?? stderr}`);
        process.exit(77);
    }
    const done = spawnSync('unshare', [...namespace, process.execPath, ...process.argv.slice(1), '--seed', seed],
        { stdio: 'inherit', env: { ...process.env, PARLEY_TEST_NAMESPACE: '1' } });
    process.exit(done.status ?? 1);
}

// A daemon that was cut off pauses longer and longer between its tries: what comes before it is back hurts nothing.
async function untilWell(node) {
    while ((await node.get('/health').catch(() => null))?.status !== 200) await pause(HEALTH_MS);
}

const nft = (...words) => execFileSync('nft', words);

// Nothing arrives, and nobody says so; or the daemon is told so by a reset, as by a firewall.
function cut(port, isTold) {
    nft('add table ip parley');
    nft('add chain ip parley out { type filter hook output priority 0 ; }');
    nft(`add rule ip parley out ip daddr ${OTHER} tcp dport ${port} ${isTold ? 'reject with tcp reset' : 'drop'}`);
    if (!isTold) nft(`add rule ip parley out ip saddr ${OTHER} tcp sport ${port} drop`);
}

const heal = () => nft('delete table ip parley');

// ---- what is hurt ----

const kinds = ['normal', 'pubsub'];

// begin: what there is; hurt: once, until it is over.
const faults = {
    node: {
        begin: async () => ({ redis: [await Redis.start({ args: DURABLE })] }),
        hurt: ({ cluster }, i) => cluster.nodes[i % 2].restart(),
    },
    redis: {
        begin: async () => ({ redis: [await Redis.start({ args: DURABLE })] }),
        engine: { keeps_epochs: true },
        hurt: async ({ redis }) => {
            await redis[0].kill();
            await pause(below(500));
            await redis[0].start();
        },
    },
    restart: {
        begin: async () => ({ redis: [await Redis.start({ args: DURABLE })] }),
        tells: true,
        hurt: ({ redis }) => redis[0].restart(),
    },
    lines: {
        begin: async () => ({ redis: [await Redis.start()] }),
        hurt: ({ redis }, i) => redis[0].ask('CLIENT', 'KILL', 'TYPE', kinds[i % kinds.length]),
    },
    sleep: {
        begin: async () => ({ redis: [await Redis.start({ args: ['--enable-debug-command', 'local'] })] }),
        hurt: ({ redis }) => redis[0].ask('DEBUG', 'SLEEP', String((IO_TIMEOUT_MS + below(1000)) / 1000)),
    },
    partition: {
        begin: async () => {
            enterNamespace();
            const redis = await Redis.start({ hosts: ['127.0.0.1', OTHER] });
            return { redis: [redis], addresses: [null, [`redis://${OTHER}:${redis.port}`]] };
        },
        hurt: async ({ redis, cluster }, i) => {
            cut(redis[0].port, i % 2 === 0);
            await pause(IO_TIMEOUT_MS + below(2000));
            heal();
            await untilWell(cluster.nodes[1]);
        },
    },
    failover: {
        begin: async () => ({ redis: [await Sentinels.start({ replicas: 2 })] }),
        mayLose: true,
        tells: true,
        hurt: async ({ redis }) => {
            await redis[0].failOver();
            await redis[0].heal();
        },
    },
};

const of = faults[fault];
if (!of) {
    console.error(`what is to be hurt? ${Object.keys(faults).join(', ')}`);
    process.exit(64);
}
console.log(`${fault}, ${times} times, seed ${seed}`);

const place = await of.begin();
place.cluster = await Cluster.start({ ...place,
    config: { ...config, engine: { redis: { ...config.engine.redis, ...of.engine } } } });
const ledger = new Ledger({ url: () => place.cluster.websocket, channels: ['a', 'b', 'c', 'd'], publishers: 8,
    subscribersEach: 2, window: 16, page: 1000 });
ledger.start();

const sum = (all, f) => all.reduce((n, one) => n + f(one), 0);
const recovered = () => sum(ledger.subscribers, (s) => s.recovered);

// A line that is mended between two publications loses none, and nobody need recover: then it is hurt again.
const MORE_TIMES = 100;
const isToRecover = !of.tells && fault !== 'sleep';

const recovery_ms = [];
const problems = [];
try {
    for (let i = 0; i < times || (isToRecover && recovered() === 0 && i < times + MORE_TIMES); i++) {
        const goal = ledger.acked + 50 + below(400);
        await ledger.until(() => ledger.acked >= goal);
        await of.hurt(place, i);
        const from = Date.now(), again = ledger.acked + 50;
        await ledger.until(() => ledger.acked >= again);
        recovery_ms.push(Date.now() - from);
    }
    await ledger.stop();
    problems.push(...await ledger.audit({ refusedMayReturn: true, mayLose: of.mayLose }));
} catch (error) {
    problems.push(String(error.stack ?? error));
}

const told = sum(ledger.subscribers, (s) => s.told);
console.log(`${sum(ledger.publishers, (p) => p.sent.length)} sent, ${ledger.acked} acknowledged, ${ledger.refused} refused, `
    + `${ledger.lost ?? 0} lost by Redis; ${sum(ledger.subscribers, (s) => sum(s.streams, (stream) => stream.length))} seen by `
    + `subscribers, who recovered ${recovered()} times and were told of a gap ${told} times; publishing again after `
    + `${recovery_ms.join(', ')} ms`);
if (of.tells ? told === 0 : told > 0) problems.push(`subscribers were told of a gap ${told} times`);
if (isToRecover && recovered() === 0) problems.push('no subscriber recovered');

try {
    await place.cluster.stop();
} catch (error) {
    problems.push(String(error));
}
await Promise.all(place.redis.map((one) => one.stop()));
for (const problem of problems.slice(0, 20)) console.error(problem);
console.log(problems.length ? `${problems.length} faults; again with --seed ${seed}` : 'nothing was lost silently');
process.exit(problems.length ? 1 : 0);
