// Two daemons on a Redis that is killed with -9 while keys of maps are written, at random moments: what the maps hold in the end is
// what was acknowledged, and those who follow them on either daemon hold the same.
//   node tests/faults/maps.mjs [--kills N] [--seed N] [--forgets | --failover]
// Redis syncs each write. With --forgets nobody says so to the daemons: then streams begin anew each time, and followers are told.
// With --failover Sentinels make a replica master each time, which may lack what was acknowledged; the followers hold what it has.
import crypto from 'node:crypto';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { Cluster } from '../e2e/lib/cluster.mjs';
import { Redis, Sentinels } from '../e2e/lib/redis.mjs';
import { client, disconnectAll } from '../e2e/lib/sdk_clients.mjs';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '3' }, seed: { type: 'string' },
    forgets: { type: 'boolean', default: false }, failover: { type: 'boolean', default: false } } });
const kills = Number(values.kills);
const seed = values.seed ?? crypto.randomBytes(4).toString('hex');

let drawn = 0;
function below(bound) {
    const digest = crypto.createHash('sha256').update(`${seed}/${drawn++}`).digest();
    return digest.readUInt32BE(0) % bound;
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const WRITERS = 6, KEYS_EACH = 5, FOLLOWERS_EACH = 2, SOON_MS = 30_000, PAUSE_MS = 20;
const MAPS = ['kept:m', 'brief:m'];
const map = (name, mode) => ({ name, subscription_type: 'map', allow_subscribe_for_client: true,
    map: { mode, min_page_size: 1, max_page_size: 7, default_page_size: 7 } });
const config = {
    http_api: { insecure: true },
    client: { insecure: true, allowed_origins: ['*'], channel_position_check_delay: '1s' },
    channel: { namespaces: [map('kept', 'recoverable'), map('brief', 'ephemeral')] },
    engine: { redis: { io_timeout: '1s', keeps_epochs: !values.forgets && !values.failover } },
};

async function ask(node, method, params) {
    const request = http.request(node.url(`/api/${method}`), { method: 'POST', agent: false });
    request.end(JSON.stringify(params));
    const response = await new Promise((resolve, reject) => { request.on('response', resolve).on('error', reject); });
    let text = '';
    for await (const part of response) text += part;
    const { result, error } = JSON.parse(text);
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
}

// Of each key: the values that it may have in the end: the last acknowledged one, and those after it of which nobody knows.
const possible = new Map();
let acked = 0, refused = 0, isOver = false;

async function write(cluster, writer) {
    for (let n = 1; !isOver; n++) {
        const channel = MAPS[below(MAPS.length)], key = `${writer}-${below(KEYS_EACH)}`, place = `${channel} ${key}`;
        const value = below(6) ? n : null; // null: the key goes
        const known = possible.get(place) ?? [null];
        possible.set(place, [...known, value]);
        try {
            if (value === null) await ask(cluster.next(), 'map_remove', { channel, key });
            else await ask(cluster.next(), 'map_publish', { channel, key, data: n });
            possible.set(place, [value]);
            acked++;
        } catch {
            refused++;
            await pause(50);
        }
    }
}

class Follower {
    state = new Map();
    told = 0;
    recovered = 0;

    constructor(url, channel) {
        this.channel = channel;
        const connection = client(url);
        const subscription = connection.newMapSubscription(channel, { pageSize: 7 });
        subscription.on('sync', ({ entries }) => {
            this.state = new Map(entries.map(({ key, data }) => [key, data]));
            this.told++;
        });
        subscription.on('update', ({ key, data, removed }) => {
            if (removed) this.state.delete(key);
            else this.state.set(key, data);
        });
        subscription.on('subscribed', ({ recovered }) => { this.recovered += Boolean(recovered); });
        subscription.on('error', () => {});
        subscription.subscribe();
        connection.connect();
    }
}

const text = (state) => [...state].sort().map(([key, value]) => `${key}=${value}`).join(' ');

async function holds(node, channel) {
    const state = new Map();
    for (let cursor = ''; ;) {
        const page = await ask(node, 'map_read_state', { channel, limit: 7, cursor });
        for (const { key, data } of page.entries) state.set(key, data);
        if (!page.cursor) return state;
        cursor = page.cursor;
    }
}

async function until(what, condition) {
    for (const late = Date.now() + SOON_MS; !await condition(); await pause(PAUSE_MS))
        if (Date.now() > late) throw new Error(`in vain: ${what}`);
}

console.log(`${kills} kills, seed ${seed}`);
const redis = values.failover ? await Sentinels.start()
    : await Redis.start({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
const cluster = await Cluster.start({ config, redis: [redis] });
const followers = cluster.nodes.flatMap((node) => MAPS.flatMap((channel) =>
    Array.from({ length: FOLLOWERS_EACH }, () => new Follower(node.websocket, channel))));
const writers = Array.from({ length: WRITERS }, (_, i) => write(cluster, i));

async function hurt() {
    if (values.failover) {
        await redis.failOver();
        await redis.heal();
    } else {
        await redis.kill();
        await pause(below(400));
        await redis.start();
    }
}

const problems = [];
try {
    for (let i = 0; i < kills; i++) {
        const goal = acked + 50 + below(300);
        await until('writes go on', () => acked >= goal);
        await hurt();
    }
    const goal = acked + 50;
    await until('writes go on after the last', () => acked >= goal);
    isOver = true;
    await Promise.all(writers);

    for (const channel of MAPS) {
        let state; // a node may be about to find Redis again
        await until(`${channel} is read`, async () => { state = await holds(cluster.next(), channel).catch(() => null); return state; });
        for (const [place, allowed] of possible) {
            const [where, key] = place.split(' ');
            const value = state.get(key) ?? null;
            if (where === channel && !values.failover && !allowed.includes(value))
                problems.push(`${place} holds ${value}, and may hold ${allowed}`);
        }
        for (const follower of followers.filter((one) => one.channel === channel))
            await until(`a follower of ${channel} holds ${text(state)}, not ${text(follower.state)}`,
                () => text(follower.state) === text(state)).catch((error) => problems.push(String(error.message)));
    }
} catch (error) {
    isOver = true;
    problems.push(String(error.stack ?? error));
}

const sum = (f) => followers.reduce((n, one) => n + f(one), 0);
console.log(`${acked} acknowledged, ${refused} refused; ${followers.length} followers read the state ${sum((f) => f.told)} times and `
    + `recovered ${sum((f) => f.recovered)} times`);
disconnectAll();
try {
    await cluster.stop();
} catch (error) {
    problems.push(String(error));
}
await redis.stop();
for (const problem of problems.slice(0, 20)) console.error(problem);
console.log(problems.length ? `${problems.length} faults; again with --seed ${seed}` : 'all hold the same');
process.exit(problems.length ? 1 : 0);
