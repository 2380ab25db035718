// A server, and clients of it, on virtual time.
import { Chat, MemoryStorage } from '../../src/index.js';
import { VirtualClock } from './clock.js';
import { FakeServer } from './server.js';
import { FakeTransport } from './transport.js';

export class World {
    constructor() {
        this.clock = new VirtualClock();
        this.server = new FakeServer(this.clock);
        this.chats = [];
    }

    // A client that is not connected yet; `.line` is its transport.
    client(user, { storage = new MemoryStorage(), latency, thinking, mangle, ...options } = {}) {
        let line;
        const chat = new Chat({
            url: 'https://chat.test',
            storage,
            clock: this.clock,
            pageSize: 10,
            windowMax: 30,
            ...options,
            transport: (on) => (line = new FakeTransport(this.server, this.clock, user, on, { latency, thinking, mangle })),
        });
        chat.line = line;
        this.chats.push(chat);
        return chat;
    }

    async online(user, options) {
        const chat = this.client(user, options);
        chat.connect();
        await this.pass(100);
        return chat;
    }

    pass(ms) {
        return this.clock.pass(ms);
    }
}

// Two users, one room, and Ann in front of it.
export async function annInRoom({ messages = 0, open = {}, ...options } = {}) {
    const world = new World();
    const { server } = world;
    for (const user of ['ann', 'bob']) server.addUser(user);
    server.addRoom('r', ['ann', 'bob']);
    for (let i = 1; i <= messages; i++) server.send('r', 'bob', { text: `m${i}` });
    const ann = await world.online('ann', options);
    const room = ann.room('r');
    const opened = room.open(open);
    await world.pass(100);
    await opened;
    return { world, server, ann, room };
}

export const texts = (room) => room.value.timeline.items.map((item) => (item.deleted ? '†' : item.text));
export const seqs = (room) => room.value.timeline.items.map((item) => item.seq);
