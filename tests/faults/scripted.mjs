// Somebody who chats by a script: asks until there is an answer, and remembers what was promised.
import { Wire } from '../e2e/lib/wire.mjs';

const PAUSE_MS = 10; // between two tries to reach a daemon that is down
const PAGE = 100;
const OWN_MAX = 8; // of the newest of their own they change one

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Scripted {
    // world: { acked, isStopping, changed() }.
    constructor({ name, url, token, world, draw, line = null }) {
        Object.assign(this, { name, url, token, world, draw, line });
        this.sent = []; // { room, client_id, seq, text, isDeleted, reactions: Set }
        this.repeated = this.duplicates = 0;
        this.faults = [];
    }

    async #open() {
        while (!this.wire || this.wire.isClosed) {
            try {
                const wire = await Wire.open(this.url());
                await wire.connect({ token: this.token });
                this.wire = wire;
            } catch {
                await pause(PAUSE_MS);
            }
        }
        return this.wire;
    }

    // Until there is an answer that is not "later".
    async insist(method, data) {
        for (;;) {
            const wire = await this.#open();
            try {
                return (await wire.call('rpc', { method, data })).data;
            } catch (error) {
                if (error.code && !error.temporary && ![100, 111, 434].includes(error.code))
                    throw Object.assign(new Error(`${this.name}: ${method}: ${error.code} ${error.message}`), { code: error.code });
                this.repeated++;
                await pause(PAUSE_MS);
            }
        }
    }

    // A change that may have been made before its answer was lost: `code` then says so.
    async #change(method, data, code) {
        try {
            return await this.insist(method, data);
        } catch (error) {
            if (error.code !== code) throw error;
            return null;
        }
    }

    async write(rooms) {
        while (!this.world.isStopping) {
            const what = this.draw(10);
            const own = this.sent.slice(-OWN_MAX).filter(({ isDeleted }) => !isDeleted);
            const one = own[this.draw(Math.max(1, own.length))];
            if (what < 6 || !one) await this.#send(rooms[this.draw(rooms.length)]);
            else if (what === 6) await this.#edit(one);
            else if (what === 7) await this.#react(one);
            else if (what === 8) await this.insist('read.mark', { room: one.room, seq: one.seq });
            else await this.#delete(one);
            this.world.acked++;
            this.world.changed();
            await pause(this.draw(30));
        }
    }

    async #send(room) {
        const n = this.sent.length;
        const text = `${this.name} ${n}${this.draw(5) ? '' : ' @ann'}`;
        const message = { room, client_id: `${this.name}-${n}`, text };
        // Some are sent twice at once, some a second time after they were acknowledged.
        const isTwin = this.draw(6) === 0;
        const [first, twin] = await Promise.all([this.insist('message.send', message), isTwin ? this.insist('message.send', message) : null]);
        const again = this.draw(8) === 0 ? await this.insist('message.send', message) : null;
        for (const other of [twin, again]) {
            if (!other) continue;
            if (other.seq !== first.seq || other.ver !== first.ver || other.at !== first.at)
                this.faults.push(`${message.client_id}: answered ${JSON.stringify(first)} and ${JSON.stringify(other)}`);
        }
        this.duplicates += [first, twin, again].filter((answer) => answer?.duplicate).length;
        this.sent.push({ ...message, seq: first.seq, at: first.at, reactions: new Set() });
    }

    async #edit(one) {
        const text = `${one.text.split('!')[0]}! ${this.draw(1000)}`;
        await this.insist('message.edit', { room: one.room, seq: one.seq, text });
        one.text = text;
    }

    async #react(one) {
        const emoji = ['👍', '🎉'][this.draw(2)];
        const isOn = !one.reactions.has(emoji);
        await this.insist(isOn ? 'reaction.add' : 'reaction.remove', { room: one.room, seq: one.seq, emoji });
        if (isOn) one.reactions.add(emoji);
        else one.reactions.delete(emoji);
    }

    async #delete(one) {
        await this.#change('message.delete', { room: one.room, seq: one.seq }, 410);
        one.isDeleted = true;
    }

    // What contradicts the promises, in a room of which this is everything.
    audit(room, all) {
        const faults = [...this.faults];
        let last = 0;
        for (const one of this.sent.filter((sent) => sent.room === room)) {
            const there = all[one.seq - 1];
            if (!there || there.user !== this.name || there.at !== one.at) faults.push(`${one.client_id}: acknowledged at ${one.seq}, where ${JSON.stringify(there)} is`);
            else if (Boolean(there.deleted) !== Boolean(one.isDeleted)) faults.push(`${one.client_id}: ${one.isDeleted ? 'was deleted, and is there' : 'is deleted'}`);
            else if (!one.isDeleted) {
                if (there.client_id !== one.client_id) faults.push(`${one.client_id}: is ${there.client_id}`);
                if (there.text !== one.text) faults.push(`${one.client_id}: '${there.text}' where '${one.text}' was acknowledged`);
                const mine = (there.reactions ?? []).filter(({ users }) => users.includes(this.name)).map(({ emoji }) => emoji);
                if (JSON.stringify(mine.sort()) !== JSON.stringify([...one.reactions].sort())) faults.push(`${one.client_id}: reactions ${mine} where ${[...one.reactions]} were acknowledged`);
            }
            if (one.seq <= last) faults.push(`${one.client_id}: stands before what was sent earlier`);
            last = one.seq;
        }
        return faults;
    }

    close() {
        this.wire?.close();
    }
}

// Everything of a room, oldest first.
export async function readAll(who, room) {
    const all = [];
    for (let page = { has_after: true }; page.has_after;) {
        page = await who.insist('message.history', { room, ...(all.length ? { after: all.at(-1).seq } : { around: 1 }), limit: PAGE });
        all.push(...page.messages);
    }
    return all;
}
