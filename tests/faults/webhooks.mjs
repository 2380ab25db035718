// Clients come and go while the daemon and the service that its webhooks tell are killed with -9 and started again, at random
// moments. What the service took must be: each beginning before its end, each ended, channels occupied and vacated by turns;
// nothing that a living daemon had time to store may be missing. More than once is allowed: ids tell.
//   node tests/faults/webhooks.mjs [--kills N] [--seed N]
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Parleyd } from '../e2e/lib/parleyd.mjs';
import { Wire } from '../e2e/lib/wire.mjs';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' }, seed: { type: 'string' } } });
const kills = Number(values.kills);
const seed = values.seed ?? crypto.randomBytes(4).toString('hex');
const SECRET = 'a secret of the tests';
const STORED_MS = 1000; // what was so long ago is stored
const CLIENTS = 30, CHANNELS = 12;

let drawn = 0;
function below(bound) { // seeded: the moments of the kills can be drawn again
    const digest = crypto.createHash('sha256').update(`${seed}/${drawn++}`).digest();
    return digest.readUInt32BE(0) % bound;
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- the service ----

class Receiver {
    constructor(file) {
        this.file = file;
        this.port = 0;
    }

    async start() {
        this.process = spawn(process.execPath, [fileURLToPath(new URL('receiver.mjs', import.meta.url)), String(this.port), this.file,
            SECRET], { stdio: ['ignore', 'pipe', 'inherit'] });
        const [line] = await once(readline.createInterface({ input: this.process.stdout }), 'line');
        this.port = Number(line);
    }

    async kill() {
        const exited = once(this.process, 'exit');
        this.process.kill('SIGKILL');
        await exited;
    }

    // A line that was being written when it was killed was not acknowledged.
    events() {
        const lines = fs.readFileSync(this.file, 'utf8').split('\n');
        return lines.flatMap((line) => {
            try { return [JSON.parse(line)]; } catch { return []; }
        });
    }
}

// ---- clients ----

const seen = new Map(); // client id -> when it was connected, as it saw it
let stopping = false;

async function visit(url) {
    const wire = await Wire.open(url);
    try {
        await stay(wire);
    } finally {
        wire.close();
    }
    await wire.closed;
}

async function stay(wire) {
    const { client } = await wire.connect();
    seen.set(client, Date.now());
    for (let n = below(4); n > 0 && !stopping; n--) {
        const channel = `room:${below(CHANNELS)}`;
        await wire.call('subscribe', { channel });
        await pause(below(300));
        if (below(2)) await wire.call('unsubscribe', { channel });
    }
    await pause(below(400));
}

async function comeAndGo(server) {
    while (!stopping) {
        try { await visit(server.websocket); } catch { await pause(20); }
    }
}

// ---- the story ----

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-webhooks-'));
const receiver = new Receiver(path.join(folder, 'events'));
await receiver.start();
const server = await Parleyd.start({ config: {
    workers: 2,
    client: { insecure: true, allowed_origins: ['*'] },
    channel: { namespaces: [{ name: 'room' }] },
    webhooks: {
        retry_min: '20ms', retry_max: '200ms', vacated_delay: '50ms',
        endpoints: [{ name: 'all', endpoint: `http://127.0.0.1:${receiver.port}/`, secret: SECRET, timeout: '300ms',
            batch_max: 20, concurrency: 4 }],
    },
} });
console.log(`seed ${seed}, ${kills} kills`);

const daemonKills = [];
const visitors = Array.from({ length: CLIENTS }, () => comeAndGo(server));
for (let i = 0; i < kills; i++) {
    await pause(200 + below(1500));
    const which = below(3);
    if (which !== 1) {
        daemonKills.push(Date.now());
        if (below(4) === 0) await server.kill('SIGTERM'); // what it stores on its way out is the next one's to deliver
        await server.restart();
    }
    if (which !== 0) {
        await receiver.kill();
        await pause(below(500));
        await receiver.start();
    }
}
await pause(STORED_MS);
stopping = true;
await Promise.all(visitors);
for (let i = 0; await server.metric('parley_engine_events') > 0 || await server.metric('parley_webhook_events_waiting') > 0
    || i < 5; i++) {
    if (i > 600) throw new Error('the queue does not become empty');
    await pause(100);
}
const failed = await server.metric('parley_webhook_requests_failed_total');
const dropped = await server.metric('parley_webhook_events_dropped_total');
await server.stop();
await receiver.kill();

// ---- the audit ----

const faults = [];
const taken = receiver.events();
const first = new Map(); // by id, in the order in which they were taken first
for (const event of taken) {
    faults.push(...event.faults);
    if (!first.has(event.id)) first.set(event.id, event);
}
const clients = new Map(), channels = new Map();
const add = (map, key, type) => map.set(key, [...map.get(key) ?? [], type]);
for (const event of first.values()) {
    if (event.client) add(clients, event.client, event.type);
    else add(channels, event.channel, event.type);
}

for (const [client, types] of clients)
    if (types.join() !== 'connect,disconnect') faults.push(`client ${client}: ${types}`);
for (const [channel, types] of channels)
    types.forEach((type, i) => {
        const expected = i % 2 ? 'channel_vacated' : 'channel_occupied';
        if (type !== expected) faults.push(`${channel}: event ${i} of ${types.length} is ${type}`);
    });
for (const [channel, types] of channels)
    if (types.length % 2) faults.push(`${channel} was never vacated`);
for (const [client, since] of seen)
    if (!clients.has(client) && !daemonKills.some((at) => at >= since - 50 && at < since + STORED_MS))
        faults.push(`client ${client} was connected, and nobody heard of it`);
if (channels.size !== CHANNELS) faults.push(`${channels.size} channels were heard of`);
if (dropped > 0) faults.push(`${dropped} events were dropped`);

console.log(`${seen.size} clients, ${first.size} events taken, ${taken.length - first.size} of them again; `
    + `${daemonKills.length} kills of the daemon; ${failed} requests failed since the last`);
if (taken.length === first.size) faults.push('nothing was delivered twice: no kill came at a bad time');
for (const fault of faults.slice(0, 20)) console.error(fault);
fs.rmSync(folder, { recursive: true, force: true });
console.log(faults.length ? `${faults.length} faults; again with --seed ${seed}` : 'all was heard of, in order');
process.exit(faults.length ? 1 : 0);
