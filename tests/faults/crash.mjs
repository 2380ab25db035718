// Publishers and subscribers under load while the daemon is killed with -9 and started again, at random moments.
//   node tests/faults/crash.mjs [--kills N] [--seed N]
import crypto from 'node:crypto';
import { parseArgs } from 'node:util';
import { Parleyd } from '../e2e/lib/parleyd.mjs';
import { Ledger } from './ledger.mjs';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '50' }, seed: { type: 'string' } } });
const kills = Number(values.kills);
const seed = values.seed ?? crypto.randomBytes(4).toString('hex');

let drawn = 0;
function below(bound) { // seeded: the moments of the kills can be drawn again
    const digest = crypto.createHash('sha256').update(`${seed}/${drawn++}`).digest();
    return digest.readUInt32BE(0) % bound;
}

const config = {
    client: { insecure: true, allowed_origins: ['*'], recovery_max_publication_limit: 1_000_000 },
    channel: { without_namespace: { history_size: 10_000_000, history_ttl: '24h', force_recovery: true } },
};

const server = await Parleyd.start({ config });
const ledger = new Ledger({ url: () => server.websocket, channels: ['a', 'b', 'c', 'd'], publishers: 8, subscribersEach: 2,
    window: 16 });
console.log(`seed ${seed}, ${kills} kills`);
ledger.start();

let largest = 0;
for (let i = 0; i < kills; i++) {
    const goal = ledger.acked + 50 + below(400);
    await ledger.until(() => ledger.acked >= goal);
    if (i % 5 === 0) largest = Math.max(largest, await server.metric('parley_engine_group_largest'));
    await server.restart();
}
await ledger.stop();

const faults = await ledger.audit();
const sent = ledger.publishers.reduce((n, p) => n + p.sent.length, 0);
const told = ledger.subscribers.reduce((n, s) => n + s.told, 0);
const recovered = ledger.subscribers.reduce((n, s) => n + s.recovered, 0);
const seen = ledger.subscribers.reduce((n, s) => n + s.streams.reduce((m, stream) => m + stream.length, 0), 0);
console.log(`${sent} sent, ${ledger.acked} acknowledged, ${ledger.refused} refused; ${seen} seen by subscribers, `
    + `who recovered ${recovered} times and were told of a gap ${told} times; largest group ${largest}`);
if (!(largest > 1)) faults.push(`no commit of more than one publish was seen (largest: ${largest})`);
if (recovered === 0) faults.push('no subscriber recovered');
await server.stop();

for (const fault of faults.slice(0, 20)) console.error(fault);
console.log(faults.length ? `${faults.length} faults; again with --seed ${seed}` : 'nothing acknowledged was lost');
process.exit(faults.length ? 1 : 0);
