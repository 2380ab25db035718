// The server API under kill -9: whoever repeats a request under its idempotency key until it is answered has had it done once.
// Publishers of channels, and of a map whose state must be what its stream says.
//   node tests/faults/exactly_once.mjs [--kills N] [--seed N]
import crypto from 'node:crypto';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { Parleyd } from '../e2e/lib/parleyd.mjs';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '30' }, seed: { type: 'string' } } });
const kills = Number(values.kills);
const seed = values.seed ?? crypto.randomBytes(4).toString('hex');
const CHANNELS = ['a', 'b'], PUBLISHERS = 8, KEYS = 12, REPEATS_MAX = 2000;

let drawn = 0;
function below(bound) { // seeded: the moments of the kills can be drawn again
    const digest = crypto.createHash('sha256').update(`${seed}/${drawn++}`).digest();
    return digest.readUInt32BE(0) % bound;
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const server = await Parleyd.start({ config: {
    http_api: { insecure: true },
    channel: {
        without_namespace: { history_size: 1_000_000, history_ttl: '24h' },
        namespaces: [{ name: 'map', subscription_type: 'map', map: { mode: 'persistent', stream_size: 1_000_000 } }],
    },
} });
const agent = new http.Agent({ keepAlive: true });

function ask(method, params) {
    return new Promise((resolve, reject) => {
        const request = http.request(server.url(`/api/${method}`), { method: 'POST', agent }, (response) => {
            const parts = [];
            response.on('data', (part) => parts.push(part));
            response.on('error', reject);
            response.on('close', () => reject(new Error('cut short')));
            response.on('end', () => {
                const { result, error } = JSON.parse(Buffer.concat(parts).toString());
                if (error) reject(Object.assign(new Error(error.message), error));
                else resolve(result);
            });
        });
        request.on('error', reject);
        request.end(JSON.stringify(params));
    });
}

let repeated = 0, answered = 0;
const faults = [];

// Until it is answered. Error 100 is "not now".
async function insist(method, params) {
    for (let i = 0; i < REPEATS_MAX; i++) {
        try {
            const result = await ask(method, params);
            answered++;
            return result;
        } catch (error) {
            if (error.code > 100 && error.code < 1000) throw error;
            repeated++;
            await pause(5 + Math.min(i, 20));
        }
    }
    throw new Error(`${method} was never answered`);
}

let stopping = false;
const done = []; // by publisher: how many

async function publish(index) {
    for (done[index] = 0; !stopping; done[index]++) {
        const data = `${index}/${done[index]}`;
        const { offset } = await insist('publish', { channel: CHANNELS[index % CHANNELS.length], data, idempotency_key: data });
        if (!(offset > 0)) faults.push(`${data} was put nowhere`);
    }
}

const written = new Map(); // key -> what was done to it, in order; null: removed

async function write(index) {
    const key = `k${index}`;
    const all = [];
    written.set(key, all);
    for (let n = 0; !stopping; n++) {
        const isRemoval = n % 5 === 4;
        const params = { channel: 'map:m', key, idempotency_key: `${key}/${n}` };
        const result = await insist(isRemoval ? 'map_remove' : 'map_publish', isRemoval ? params : { ...params, data: n });
        if (result.suppressed && result.suppress_reason !== 'idempotency')
            faults.push(`${key}/${n} was suppressed: ${result.suppress_reason}`);
        all.push(isRemoval ? null : n);
    }
}

console.log(`seed ${seed}, ${kills} kills`);
const running = [...Array.from({ length: PUBLISHERS }, (_, i) => publish(i)),
    ...Array.from({ length: KEYS }, (_, i) => write(i))];
for (let i = 0; i < kills; i++) {
    const goal = answered + 30 + below(300);
    while (answered < goal) await pause(2);
    await server.restart();
}
stopping = true;
await Promise.all(running);

for (const channel of CHANNELS) {
    const { publications } = await insist('history', { channel, limit: -1 });
    const next = new Map();
    for (const { data } of publications) {
        const [index, n] = data.split('/').map(Number);
        if (n !== (next.get(index) ?? 0)) faults.push(`${channel}: ${data} where ${next.get(index) ?? 0} was due`);
        next.set(index, n + 1);
    }
    done.forEach((n, index) => {
        if (CHANNELS[index % CHANNELS.length] === channel && (next.get(index) ?? 0) !== n)
            faults.push(`${channel}: publisher ${index} did ${n} things, ${next.get(index)} are there`);
    });
}

const stream = await insist('map_read_stream', { channel: 'map:m', limit: -1 });
const state = await insist('map_read_state', { channel: 'map:m', limit: -1 });
for (const [key, all] of written) {
    const changes = stream.entries.filter((entry) => entry.key === key).map((entry) => (entry.removed ? null : entry.data));
    if (JSON.stringify(changes) !== JSON.stringify(all))
        faults.push(`${key}: ${all.length} changes were made, the stream has ${changes.length}, or others`);
    const value = state.entries.find((entry) => entry.key === key)?.data ?? null;
    if (value !== (all.at(-1) ?? null)) faults.push(`${key} is ${value} where ${all.at(-1)} was put`);
}
const duplicates = await server.metric('parley_engine_duplicates_total');
agent.destroy();
await server.stop();

console.log(`${answered} answered, ${repeated} asked again; ${stream.entries.length} changes of the map; `
    + `${duplicates} repeats seen by the last process`);
if (repeated === 0) faults.push('nothing had to be asked again');
for (const fault of faults.slice(0, 20)) console.error(fault);
console.log(faults.length ? `${faults.length} faults; again with --seed ${seed}` : 'everything was done once');
process.exit(faults.length ? 1 : 0);
