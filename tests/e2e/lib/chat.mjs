// People of the chat, as an application's tokens bring them: centrifuge-js from npm, and the methods as functions.
import { client, next } from './sdk_clients.mjs';
import { token as sign } from './sdk_host.mjs';

export const SECRET = 'the secret of the chat tests';

export const chatConfig = (chat = {}, more = {}) => ({
    chat: { enabled: true, send_rate: 0, write_rate: 0, read_rate: 0, ...chat },
    client: { token: { hmac_secret_key: SECRET } },
    ...more,
});

export const token = (user, name = user) => sign({ sub: user, info: { name } }, SECRET);

export class Person {
    static async connect(server, id, options = {}) {
        const person = new Person(server, id, options);
        await person.up();
        return person;
    }

    constructor(server, id, { name = id, ...options } = {}) {
        this.id = id;
        this.own = [];
        this.client = client(server.websocket, { token: token(id, name), ...options });
        this.client.on('publication', ({ channel, data }) => {
            if (channel === `user:#${id}`) this.own.push(data);
            this.#look();
        });
    }

    async up() {
        const up = next(this.client, 'connected');
        this.client.connect();
        await up;
    }

    #waiting = [];
    #look() { for (const look of this.#waiting.splice(0)) look(); }

    // What comes of the person's own channel that is so; each is given once.
    async hears(is, what = String(is)) {
        const late = Date.now() + 20_000;
        for (;;) {
            const i = this.own.findIndex(is);
            if (i >= 0) return this.own.splice(i, 1)[0];
            if (Date.now() > late) throw new Error(`${this.id} did not hear ${what}; but ${JSON.stringify(this.own)}`);
            await new Promise((resolve) => {
                const timer = setTimeout(resolve, 1000);
                this.#waiting.push(() => { clearTimeout(timer); resolve(); });
            });
        }
    }

    // The result; rejects with { code, message }.
    async call(method, data = {}) { return (await this.client.rpc(method, data)).data; }

    // Follows a room: its events, in order.
    async follow(room, options = {}) {
        const events = [], waiting = [];
        const subscription = this.client.newSubscription(`room:${room}`, options);
        subscription.on('publication', ({ data, offset }) => {
            events.push({ ...data, offset });
            for (const look of waiting.splice(0)) look();
        });
        const subscribed = next(subscription, 'subscribed');
        subscription.subscribe();
        const { positioned, recoverable } = await subscribed;
        const hears = async (is, what = String(is)) => {
            const late = Date.now() + 20_000;
            for (;;) {
                const found = events.find(is);
                if (found) return found;
                if (Date.now() > late) throw new Error(`${this.id} did not hear ${what}; but ${JSON.stringify(events)}`);
                await new Promise((resolve) => {
                    const timer = setTimeout(resolve, 1000);
                    waiting.push(() => { clearTimeout(timer); resolve(); });
                });
            }
        };
        return { subscription, events, hears, positioned, recoverable };
    }
}

// The code of the error that a call ends with, and its message; null: it did not fail.
export async function refusal(promise) {
    try {
        await promise;
        return null;
    } catch ({ code, message }) {
        return { code, message };
    }
}
