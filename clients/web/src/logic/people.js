// Who is here.
//
// The server knows connections, not names: for visitors without a token its presence lists client ids only, and a
// client cannot set what is shown about it. So each page says who it is in a publication on the channel
// here:<room>, which keeps no history; the server stamps it with the sender's client id, so nobody can speak for
// another connection. Whoever arrives asks, and the others answer. `who` is a random id of a window: somebody who
// reconnects has a new client id and the same who.
//
// Presence decides who is here; hellos only name them. Time is an argument.
import { strangerName } from './identity.js';

export const JOIN_SETTLE_MS = 1000; // time for the hello that names the newcomer
export const NAMELESS_SETTLE_MS = 3000;
export const LEAVE_SETTLE_MS = 4000; // a reload, a short loss: not worth a line
export const RECONNECT_SETTLE_MS = 12_000; // after an outage everybody returns in their own time

export class People {
    #clients = new Map(); // client id -> {who, name, isHere, since}
    #shown = new Map(); // person -> {name, goneAt, grace}: those whose coming was told
    #hasStarted = false;

    #of(client) {
        let entry = this.#clients.get(client);
        if (!entry) this.#clients.set(client, (entry = { who: null, name: '', isHere: false, since: 0 }));
        return entry;
    }

    static #personOf = (client, entry) => entry.who ?? `c:${client}`;

    // The server's whole list. The first one is the room as we find it; later ones follow a reconnect.
    present(clients, now) {
        const here = new Set(clients);
        for (const [client, entry] of this.#clients) {
            if (!here.has(client) && entry.isHere)
                this.#gone(client, entry, now, this.#hasStarted ? RECONNECT_SETTLE_MS : 0);
        }
        for (const client of here) {
            const entry = this.#of(client);
            if (!entry.isHere) Object.assign(entry, { isHere: true, since: now });
            if (!this.#hasStarted) this.#shown.set(People.#personOf(client, entry), { name: entry.name });
        }
        this.#hasStarted = true;
    }

    joined(client, now) {
        const entry = this.#of(client);
        if (!entry.isHere) Object.assign(entry, { isHere: true, since: now });
    }

    left(client, now) {
        const entry = this.#clients.get(client);
        if (entry?.isHere) this.#gone(client, entry, now, LEAVE_SETTLE_MS);
    }

    #gone(client, entry, now, grace) {
        entry.isHere = false;
        const shown = this.#shown.get(People.#personOf(client, entry));
        if (shown) Object.assign(shown, { goneAt: now, grace });
    }

    // A client says who it is.
    hello(client, { who, name }) {
        const entry = this.#of(client);
        const before = People.#personOf(client, entry);
        Object.assign(entry, { who: who || null, name });
        const person = People.#personOf(client, entry);
        if (person !== before && this.#shown.has(before)) {
            // The stranger who was here all along has got a name.
            if (!this.#shown.has(person)) this.#shown.set(person, this.#shown.get(before));
            this.#shown.delete(before);
        }
        const shown = this.#shown.get(person);
        if (shown) shown.name = name;
    }

    // A message names its sender too, if nothing better is known.
    spoke(client, name) {
        const entry = this.#of(client);
        if (!entry.name && name) entry.name = name;
    }

    nameOf(client) {
        return this.#clients.get(client)?.name || strangerName(client);
    }

    #living() {
        const people = new Map();
        for (const [client, entry] of this.#clients) {
            if (!entry.isHere) continue;
            const key = People.#personOf(client, entry);
            const person = people.get(key) ?? { key, name: '', clients: [], since: Infinity };
            person.clients.push(client);
            person.since = Math.min(person.since, entry.since);
            person.name = entry.name || person.name;
            people.set(key, person);
        }
        for (const person of people.values()) {
            person.isStranger = !person.name;
            person.name ||= strangerName(person.clients[0]);
        }
        return people;
    }

    // [{key, name, isStranger, isMe}], me first, then by name. me: my `who`.
    list(me) {
        return [...this.#living().values()]
            .map((person) => ({
                key: person.key,
                name: person.name,
                isStranger: person.isStranger,
                isMe: person.key === me,
            }))
            .sort((a, b) => b.isMe - a.isMe || a.isStranger - b.isStranger || a.name.localeCompare(b.name));
    }

    // What is to be told by now: [{kind: 'joined' | 'left', names}].
    tell(now, me) {
        if (!this.#hasStarted) return [];
        const living = this.#living();
        const joined = [],
            left = [];
        for (const person of living.values()) {
            const shown = this.#shown.get(person.key);
            if (shown) {
                Object.assign(shown, { name: person.name, goneAt: undefined });
            } else if (now - person.since >= (person.isStranger ? NAMELESS_SETTLE_MS : JOIN_SETTLE_MS)) {
                this.#shown.set(person.key, { name: person.name });
                if (person.key !== me) joined.push(person.name);
            }
        }
        for (const [key, shown] of this.#shown) {
            if (living.has(key)) continue;
            shown.goneAt ??= now;
            if (now - shown.goneAt < (shown.grace ?? LEAVE_SETTLE_MS)) continue;
            this.#shown.delete(key);
            if (key !== me) left.push(shown.name || 'A visitor');
        }
        for (const [client, entry] of this.#clients) {
            // A name heard before the presence that goes with it is kept for a while.
            if (!entry.isHere && this.#clients.size > 500 && !living.has(People.#personOf(client, entry)))
                this.#clients.delete(client);
        }
        return [
            ...(joined.length ? [{ kind: 'joined', names: joined }] : []),
            ...(left.length ? [{ kind: 'left', names: left }] : []),
        ];
    }
}

// "Ada", "Ada and Bo", "Ada, Bo and 3 others".
export function sentenceOf(names) {
    if (names.length <= 1) return names[0] ?? '';
    if (names.length <= 3) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
    return `${names.slice(0, 2).join(', ')} and ${names.length - 2} others`;
}

export function helloOf(data) {
    if (!data || typeof data !== 'object' || data.type !== 'hello' || typeof data.name !== 'string') return null;
    return {
        who: typeof data.who === 'string' && data.who.length <= 64 ? data.who : null,
        name: data.name,
        asks: data.ask === true,
    };
}
