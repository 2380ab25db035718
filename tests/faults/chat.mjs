// Chat while the daemon is killed with -9 and lines are cut: two devices of one user on clients/js, which is a model that shows
// something, and ten people by script, who send twice what they are in doubt of, and some things twice on purpose.
//   node tests/faults/chat.mjs [--kills N] [--seed N]
// In the end: what was acknowledged is there, once, where it was said to be; seq has no gaps; everything shown is what is there;
// what is unread is the same on both devices, and what a count by hand gives.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { parseArgs } from 'node:util';
import { Line } from './line.mjs';
import { Scripted, readAll } from './scripted.mjs';
import { MemoryStorage, configOf, person, tokenOf, until } from '../e2e/lib/parley_chat.mjs';
import { Parleyd } from '../e2e/lib/parleyd.mjs';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '10' }, seed: { type: 'string' } } });
const kills = Number(values.kills);
const seed = values.seed ?? crypto.randomBytes(4).toString('hex');
const SCRIPTED = 10, ROOMS = 2, UNREAD_MAX = 100, ME = 'ann', LATE_MS = 180_000;

// Seeded: who does what next can be drawn again. Each draws from a row of their own, so that their order does not depend on time.
function drawer(name) {
    let drawn = 0;
    return (bound) => crypto.createHash('sha256').update(`${seed}/${name}/${drawn++}`).digest().readUInt32BE(0) % bound;
}

const faults = [];
const watchers = new Set();
const world = { acked: 0, changed() { for (const look of watchers) look(); } };
const observable = { watch: (look) => { watchers.add(look); return () => watchers.delete(look); } };
const reach = (look, what) => until(observable, look, what, LATE_MS);

const server = await Parleyd.start({ config: configOf({ client: { recovery_max_publication_limit: 3 } }) });
console.log(`seed ${seed}, ${kills} kills`);

// --- the two devices

class Device {
    constructor(name) {
        this.name = name;
        this.draw = drawer(name);
        this.storage = new MemoryStorage();
        this.written = []; // { room, text, id }
        this.starts = 0;
    }

    async start(rooms) {
        this.line = await Line.open(() => server.port);
        this.begin(rooms);
    }

    begin(rooms) {
        this.starts++;
        this.chat = person({ url: () => `http://127.0.0.1:${this.line.port}` }, ME, { storage: this.storage, windowMax: 100_000 });
        this.chat.watch(() => world.changed());
        this.chat.on('message.failed', ({ error }) => faults.push(`${this.name}: refused: ${error.message}`));
        this.chat.on('message.sent', () => world.acked++);
        this.chat.connect();
        for (const id of rooms) {
            const room = this.chat.room(id);
            room.watch(() => this.look(room));
            room.open({ at: 'end' }).catch(() => {}); // closed with the program
        }
    }

    // At every moment: no gap, nothing twice.
    look(room) {
        world.changed();
        const held = room.timeline.items.filter(({ seq }) => seq);
        if (held.some(({ seq }, i) => seq !== held[0].seq + i)) faults.push(`${this.name}: a gap in ${held.map(({ seq }) => seq)}`);
        const ids = room.timeline.items.map(({ client_id }) => client_id).filter(Boolean);
        if (new Set(ids).size !== ids.length) faults.push(`${this.name}: something is shown twice`);
    }

    async write(rooms) {
        while (!world.isStopping) {
            const room = this.chat.room(rooms[this.draw(ROOMS)]);
            const text = `${this.name} ${this.written.length}`;
            this.written.push({ room: room.id, text, id: room.send(text) });
            if (this.draw(8) === 0) room.markRead();
            const goal = world.acked + 1 + this.draw(20);
            await reach(() => world.isStopping || (world.acked >= goal && room.value.pending.length < 5), `${this.name} writes on`);
        }
    }

    // The program is killed, and started again.
    restart(rooms) {
        this.line.cut();
        this.chat.close();
        this.begin(rooms);
    }
}

const setup = new Scripted({ name: 'setup', url: () => server.websocket, token: tokenOf('setup'), world, draw: drawer('setup') });
const people = Array.from({ length: SCRIPTED }, (_, i) => `p${i}`);
for (const user of [ME, ...people]) { // known from their first connect on
    const once = new Scripted({ name: user, url: () => server.websocket, token: tokenOf(user), world, draw: drawer(user) });
    await once.insist('sync', {});
    once.close();
}
const rooms = [];
for (let i = 0; i < ROOMS; i++)
    rooms.push((await setup.insist('room.create', { kind: 'private', name: `room ${i}`, users: [ME, ...people] })).room.id);

const devices = [new Device('desk'), new Device('phone')];
for (const device of devices) await device.start(rooms);
await reach(() => devices.every(({ chat }) => rooms.every((id) => chat.room(id).timeline.isLive)), 'both devices are there');

const scripted = [];
for (const user of people) {
    const line = await Line.open(() => server.port);
    scripted.push(new Scripted({ name: user, url: () => `ws://127.0.0.1:${line.port}/connection/websocket`, token: tokenOf(user), world,
        draw: drawer(user), line }));
}

// --- what is done to them

const draw = drawer('faults');
const writing = [...devices.map((device) => device.write(rooms)), ...scripted.map((one) => one.write(rooms))];
let cuts = 0;
for (let i = 0; i < kills; i++) {
    for (let n = draw(4); n > 0; n--) {
        const goal = world.acked + 5 + draw(40);
        await reach(() => world.acked >= goal, 'something is acknowledged');
        const all = [...devices, ...scripted];
        all[draw(2) ? draw(devices.length) : draw(all.length)].line.cut();
        cuts++;
    }
    const goal = world.acked + 20 + draw(120);
    await reach(() => world.acked >= goal, 'something is acknowledged');
    if (draw(3) === 0) devices[draw(2)].restart(rooms);
    await server.restart();
}
world.isStopping = true;
world.changed();
await Promise.all(writing);

// --- what is there

await reach(() => devices.every(({ chat }) => rooms.every((id) => !chat.room(id).value.pending.length)), 'everything has gone out');
const there = new Map();
for (const id of rooms) there.set(id, await readAll(setup, id));
const ends = new Map();
for (const id of rooms) ends.set(id, (await setup.insist('room.open', { room: id, limit: 1 })).room.ver);
await reach(() => devices.every(({ chat }) => rooms.every((id) => {
    const { isLive, ver } = chat.room(id).timeline;
    return isLive && ver >= ends.get(id);
})), 'both devices have everything');
for (const device of devices) for (const id of rooms) while (device.chat.room(id).timeline.hasBefore) await device.chat.room(id).loadBefore();

const bare = ({ key, isMine, ...message }) => {
    if (!message.reactions?.length) delete message.reactions;
    return message;
};
for (const id of rooms) {
    const all = there.get(id);
    all.forEach(({ seq }, i) => seq !== i + 1 && faults.push(`${id}: seq ${seq} at place ${i + 1}`));
    const byKey = new Map();
    for (const message of all) {
        if (message.deleted) continue;
        const key = `${message.user} ${message.client_id}`;
        if (byKey.has(key)) faults.push(`${id}: ${key} is there twice`);
        byKey.set(key, message);
    }
    for (const device of devices) {
        const own = device.written.filter(({ room }) => room === id);
        let last = 0;
        for (const { id: client_id, text } of own) {
            const message = byKey.get(`${ME} ${client_id}`);
            if (!message) faults.push(`${device.name}: '${text}' is gone`);
            else if (message.text !== text) faults.push(`${device.name}: '${text}' became '${message.text}'`);
            else if (message.seq < last) faults.push(`${device.name}: '${text}' stands before what was written earlier`);
            last = message?.seq ?? last;
        }
        const shown = device.chat.room(id).timeline.items.map(bare);
        try {
            assert.deepEqual(shown, all.map(bare));
        } catch (error) {
            faults.push(`${device.name}: shows something else in ${id}: ${error.message.slice(0, 600)}`);
        }
    }
    for (const one of scripted) faults.push(...one.audit(id, all));
}

// Counts: on both devices the same, and what a count by hand gives; of the scripted ones what the server tells them.
const countOf = (id, user, read_seq) => {
    const left = there.get(id).filter((m) => m.seq > read_seq && m.user !== user && !m.deleted);
    return { unread: Math.min(UNREAD_MAX, left.length), mentions: Math.min(UNREAD_MAX, left.filter((m) => m.mentions?.includes(user)).length) };
};
const stateOf = (device) => rooms.map((id) => {
    const { read_seq, unread, mentions } = device.chat.room(id).info;
    return { read_seq, unread, mentions };
});
await reach(() => JSON.stringify(stateOf(devices[0])) === JSON.stringify(stateOf(devices[1]))
    && rooms.every((id, i) => countOf(id, ME, stateOf(devices[0])[i].read_seq).unread === stateOf(devices[0])[i].unread), 'the counts agree')
    .catch(() => faults.push(`the counts differ: ${JSON.stringify(devices.map(stateOf))}`));
stateOf(devices[0]).forEach(({ read_seq, ...state }, i) => {
    const counted = countOf(rooms[i], ME, read_seq);
    if (JSON.stringify(state) !== JSON.stringify(counted)) faults.push(`${rooms[i]}: told ${JSON.stringify(state)}, counted ${JSON.stringify(counted)}`);
});
for (const one of scripted)
    for (const room of (await one.insist('sync', {})).rooms) {
        const counted = countOf(room.id, one.name, room.read_seq);
        if (room.unread !== counted.unread || room.mentions !== counted.mentions)
            faults.push(`${one.name}: told ${room.unread}/${room.mentions} of ${room.id}, counted ${counted.unread}/${counted.mentions}`);
    }

const total = [...there.values()].reduce((sum, all) => sum + all.length, 0);
const repeated = scripted.reduce((sum, one) => sum + one.repeated, 0);
const duplicates = scripted.reduce((sum, one) => sum + one.duplicates, 0);
console.log(`${total} messages, ${world.acked} acknowledgements, ${cuts} cuts, ${devices.map(({ name, starts }) => `${name} started ${starts} times`).join(', ')}; `
    + `${repeated} asked again, ${duplicates} answered as duplicates`);
if (repeated === 0) faults.push('nothing had to be asked again');
if (duplicates === 0) faults.push('nothing was sent twice');

for (const one of [setup, ...scripted]) one.close();
for (const { chat, line } of devices) {
    chat.close();
    line.close();
}
for (const { line } of scripted) line.close();
await server.stop();
for (const fault of [...new Set(faults)].slice(0, 20)) console.error(fault);
console.log(faults.length ? `${faults.length} faults; again with --seed ${seed}` : 'nothing was lost, nothing is there twice');
process.exit(faults.length ? 1 : 0);
