// Whatever happens to a room and whatever is lost on the way: what is shown in the end is what the server has.
// PARLEY_SEEDS=N: more of them; PARLEY_SEED=N: that one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStorage } from '../src/index.js';
import { Random } from './support/random.js';
import { World } from './support/world.js';

const SEEDS = Number(process.env.PARLEY_SEEDS ?? 40);
const ONLY = process.env.PARLEY_SEED ? Number(process.env.PARLEY_SEED) : null;
const STEPS = 120;
const ROOMS = ['r', 's'];

class Trial {
    constructor(seed) {
        this.random = new Random(seed);
        this.world = new World();
        this.isHurting = true;
        this.isMangling = this.random.chance(50);
        this.written = []; // { chat, room, id, text }
    }

    // Of events on their way: lost, doubled, or later than the next one of the channel.
    mangle() {
        const late = new Map();
        return (channel, event) => {
            const { random } = this;
            const held = late.get(channel) ?? [];
            late.delete(channel);
            if (!this.isHurting || !this.isMangling) return [...held, event];
            if (random.chance(4)) return held;
            if (random.chance(4)) return [event, structuredClone(event), ...held];
            if (channel !== 'user' && random.chance(4)) {
                late.set(channel, [event]);
                return held;
            }
            return [event, ...held];
        };
    }

    async start() {
        const { world, random } = this;
        const { server } = world;
        for (const user of ['ann', 'bob', 'cy']) server.addUser(user);
        for (const id of ROOMS) {
            server.addRoom(id, ['ann', 'bob', 'cy']);
            for (let n = random.below(60); n > 0; n--) server.send(id, 'bob', { text: `old ${n}` });
        }
        server.kept = random.pick([0, 5, 50]);
        server.syncable = random.pick([10, 100, Infinity]);
        this.devices = ['ann', 'ann', 'cy'].map((user) => {
            const storage = new MemoryStorage();
            return { user, storage, chat: this.connect(user, storage) };
        });
        await world.pass(50);
    }

    connect(user, storage) {
        const chat = this.world.client(user, { storage, latency: () => 1 + this.random.below(40), thinking: () => this.random.pick([0, 0, 5, 60]), mangle: this.mangle() });
        chat.connect();
        return chat;
    }

    serverStep() {
        const { random, world } = this;
        const { server } = world;
        const room = server.rooms.get(random.pick(ROOMS));
        const message = random.pick(room.messages.slice(-20));
        const by = random.pick(['bob', 'cy']);
        const what = random.below(10);
        if (what < 5 || !message || message.deleted)
            for (let n = 1 + random.below(random.chance(10) ? 70 : 3); n > 0; n--) server.send(room.id, by, { text: random.chance(20) ? 'hey @ann' : `t${room.last_seq + 1}` });
        else if (what === 5) server.edit(room.id, message.seq, `edited at ${room.ver}`);
        else if (what === 6) server.delete(room.id, message.seq, by);
        else if (what === 7) server.react(room.id, by, message.seq, random.pick(['+', '-']), random.chance(70));
        else if (what === 8) server.pin(room.id, by, message.seq, random.chance(50));
        else server.update(room.id, { topic: `topic ${room.ver}` });
    }

    write(chat, room) {
        const text = `own ${this.written.length}`;
        this.written.push({ chat, room, text, id: chat.room(room).send(text) });
    }

    clientStep() {
        const { random } = this;
        const device = random.pick(this.devices);
        const { chat } = device;
        const room = chat.room(random.pick(ROOMS));
        const { last_seq } = this.world.server.rooms.get(room.id);
        const what = random.below(14);
        if (what < 3) room.open({ at: random.pick(['unread', 'end', 1 + random.below(Math.max(1, last_seq))]) }).catch(() => {});
        else if (what === 3) room.loadBefore().catch(() => {});
        else if (what === 4) room.loadAfter().catch(() => {});
        else if (what === 5) room.follow(random.chance(50));
        else if (what === 6) room.markRead();
        else if (what === 7 && random.chance(30)) room.close();
        else if (what === 8 && last_seq && random.chance(30)) room.markUnread(1 + random.below(last_seq)).catch(() => {});
        else if (what < 12) this.write(chat, room.id);
        else if (what === 12 && random.chance(20)) {
            // The program ends, and is started again.
            chat.line.cut();
            chat.close();
            device.chat = this.connect(device.user, device.storage);
            for (const one of this.written) if (one.chat === chat) one.chat = device.chat;
        } else if (what === 13) room.typed();
    }

    faultStep() {
        const { line } = this.random.pick(this.devices).chat;
        line.cut(this.random.chance(70));
    }

    check() {
        for (const { chat } of this.devices)
            for (const id of ROOMS) {
                const { items } = chat.room(id).timeline;
                const held = items.filter((item) => !item.state);
                held.forEach((item, i) => assert.equal(item.seq, held[0].seq + i, 'a gap'));
                assert.ok(held.length <= 30, 'too many are held');
                assert.equal(new Set(items.map(({ key }) => key)).size, items.length, 'a key twice');
            }
    }

    async run() {
        const { random, world } = this;
        await this.start();
        for (let step = 0; step < STEPS; step++) {
            const what = random.below(20);
            if (what < 8) this.serverStep();
            else if (what < 17) this.clientStep();
            else if (what === 17) this.faultStep();
            else for (const { chat } of this.devices) chat.line.isReachable ||= random.chance(60);
            if (random.chance(80)) await world.pass(random.below(random.chance(10) ? 3000 : 60));
            this.check();
            if (step % 30 === 29) await this.rest();
        }
        // And once more when nothing can be left of what was missed.
        for (const { chat } of this.devices) chat.line.cut(true);
        await world.pass(60_000);
        this.compare();
    }

    // Nothing is lost for a while. What is missing by now shows with the next change; nobody has to come back for that. Where
    // only lines have broken nothing is missing.
    async rest() {
        const { random, world } = this;
        this.isHurting = false;
        for (const { chat } of this.devices) chat.line.isReachable = true;
        await world.pass(20_000);
        // Everything at once, and nothing after it that would put right what got confused.
        for (let n = 6; n > 0; n--) {
            for (const { chat } of this.devices) if (random.chance(30)) chat.room(random.pick(ROOMS)).open({ at: random.pick(['unread', 'end', 1]) }).catch(() => {});
            this.clientStep();
            await world.pass(random.below(40));
            this.serverStep();
        }
        for (const { chat } of this.devices) chat.line.isReachable = true;
        await world.pass(60_000);
        if (this.isMangling) for (const id of ROOMS) world.server.send(id, 'bob', { text: 'and now' });
        await world.pass(60_000);
        this.compare();
        this.isHurting = true;
    }

    compare() {
        const { server } = this.world;
        for (const { user, chat } of this.devices) {
            assert.equal(chat.connection.status, 'online');
            for (const id of ROOMS) {
                const there = server.rooms.get(id);
                const room = chat.room(id);
                const { timeline, pending, info } = room.value;
                assert.deepEqual(pending, []);
                const { read_seq, unread, mentions } = server.countsOf(there, user);
                assert.deepEqual({ read_seq: info.read_seq, unread: info.unread, mentions: info.mentions }, { read_seq, unread, mentions });
                assert.equal(info.last_seq, there.last_seq);
                if (timeline.status === 'idle') continue;
                assert.equal(timeline.status, 'open');
                assert.equal(timeline.ver, there.ver);
                assert.ok(timeline.isLive);
                assert.equal(info.topic, there.topic);
                const held = timeline.items.map(({ key, isMine, ...message }) => message);
                const first = held[0]?.seq ?? 1;
                // reactions: [] and none, pinned: false and none are the same
                const bare = (messages) =>
                    messages.map(({ reactions, pinned, ...rest }) => ({ ...rest, ...(reactions?.length ? { reactions } : {}), ...(pinned ? { pinned } : {}) }));
                assert.deepEqual(bare(held), bare(there.messages.slice(first - 1, first - 1 + held.length)));
                if (!timeline.hasAfter) assert.equal(first + held.length - 1, there.last_seq);
                if (!timeline.hasBefore) assert.equal(first, 1);
            }
        }
        for (const id of ROOMS) {
            const { messages } = server.rooms.get(id);
            for (const [n, { user }] of this.devices.entries()) {
                const chat = this.devices[n].chat;
                const own = this.written.filter((one) => one.chat === chat && one.room === id).map((one) => one.id);
                const found = messages.filter((m) => own.includes(m.client_id) && m.user === user).map((m) => m.client_id);
                const gone = messages.filter((m) => m.deleted).length;
                if (!gone) assert.deepEqual(found, own, 'each once, in order');
                else assert.deepEqual(found, own.filter((one) => found.includes(one)));
            }
        }
    }
}

test('what is shown in the end is what the server has', async () => {
    const seeds = ONLY === null ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [ONLY];
    for (const seed of seeds) {
        try {
            await new Trial(seed).run();
        } catch (error) {
            error.message = `seed ${seed}: ${error.message}`;
            throw error;
        }
    }
});
