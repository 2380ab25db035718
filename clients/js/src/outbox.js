// What was written here and is not in its room yet, of all rooms. Per room one at a time goes out, in the order of writing; the
// client_id makes the server take each once, however often it has to be sent. Each has a key of its own in the storage, so
// that windows that share it do not lose each other's.
import { backoff } from './clock.js';
import { ChatError } from './error.js';
import { randomId } from './ids.js';

export const OUTBOX_MAX = 1000;
const RETRY = { min: 500, max: 30_000 };
const NONE = Object.freeze([]);

export class Outbox {
    #entries = new Map(); // client_id -> entry
    #lists = new Map(); // room -> items, until something changes
    #busy = new Set(); // rooms that send
    #timers = new Map(); // room -> timer
    #n = 0;

    // deps: { store, call(method, request), clock, isOnline(), isShown(room): its timeline will see the event }.
    // on: { changed(room), sent(entry), failed(entry), stored(room, ver) }.
    constructor(deps, on) {
        this.deps = deps;
        this.on = on;
        this.user = '';
    }

    // Whose it is. What was written before that was known becomes theirs.
    use(user) {
        if (user === this.user) return;
        const orphans = this.user === '' ? [...this.#entries.values()] : [];
        const rooms = this.rooms();
        this.#entries.clear();
        for (const room of rooms) this.#touched(room);
        this.user = user;
        const entries = this.deps.store
            .keys(this.#key(''))
            .map((id) => this.deps.store.get(this.#key(id)))
            .filter((entry) => typeof entry?.client_id === 'string' && typeof entry.room === 'string')
            .sort((a, b) => a.at - b.at || a.n - b.n);
        for (const entry of entries) {
            // Whether it had been sent before the restart is not known.
            const isUncertain = entry.isUncertain || entry.state !== 'failed';
            this.#entries.set(entry.client_id, { ...entry, n: this.#n++, isUncertain, isKept: true, tries: 0, error: entry.error ? revived(entry.error) : null });
            this.#touched(entry.room);
        }
        for (const entry of orphans) {
            this.deps.store.remove(`/out/${entry.client_id}`);
            this.#entries.set(entry.client_id, { ...entry, n: this.#n++ });
            this.#keep(this.#entries.get(entry.client_id));
        }
    }

    #key(id) {
        return `${this.user}/out/${id}`;
    }

    rooms() {
        return new Set([...this.#entries.values()].map((entry) => entry.room));
    }

    get(id) {
        return this.#entries.get(id) ?? null;
    }

    // Of a room, oldest first: items as a timeline has them.
    of(room) {
        let list = this.#lists.get(room);
        if (!list) {
            list = this.#in(room).map((entry) => this.#itemOf(entry));
            if (!list.length) list = NONE;
            this.#lists.set(room, list);
        }
        return list;
    }

    failedIn(room) {
        return this.of(room).filter((item) => item.state === 'failed').length;
    }

    #in(room) {
        return [...this.#entries.values()].filter((entry) => entry.room === room).sort((a, b) => a.n - b.n);
    }

    #itemOf(entry) {
        return {
            key: entry.client_id,
            client_id: entry.client_id,
            room: entry.room,
            user: this.user,
            at: entry.at,
            text: entry.edit ?? entry.text,
            ...(entry.quote ? { reply_to: entry.quote } : {}),
            ...(entry.attachments?.length ? { attachments: entry.attachments } : {}),
            ...(entry.meta !== undefined ? { meta: entry.meta } : {}),
            isMine: true,
            state: entry.state,
            ...(entry.error ? { error: entry.error } : {}),
            ...(entry.retryAt ? { retryAt: entry.retryAt } : {}),
            ...(entry.edit !== undefined ? { isEditPending: true } : {}),
            isKept: entry.isKept,
        };
    }

    // message: { text, reply_to?: seq, quote?, attachments?, meta? }. Its client_id.
    add(room, message) {
        if (this.#entries.size >= OUTBOX_MAX) throw new ChatError(0, 'outbox_full', { details: { max: OUTBOX_MAX } });
        const entry = { ...message, client_id: randomId(), room, at: this.deps.clock.now(), n: this.#n++, state: 'queued', tries: 0, error: null, isUncertain: false };
        this.#entries.set(entry.client_id, entry);
        this.#keep(entry);
        this.#touched(room);
        this.pump(room);
        return entry.client_id;
    }

    retry(id) {
        const entry = this.#entries.get(id);
        if (entry?.state !== 'failed') return;
        this.#change(entry, { state: 'queued', error: null, tries: 0, retryAt: null, at: this.deps.clock.now(), n: this.#n++ });
        this.pump(entry.room);
    }

    discard(id) {
        const entry = this.#entries.get(id);
        if (!entry) return;
        this.#drop(entry);
        this.pump(entry.room); // the next ones may have waited for it
    }

    // Before it has gone out it is simply another text; if it may be there already, it is edited as soon as that is known.
    edit(id, text) {
        const entry = this.#entries.get(id);
        if (!entry) return false;
        if (entry.state === 'sending' || entry.state === 'sent' || entry.isUncertain) this.#change(entry, { edit: text });
        else this.#change(entry, { text });
        if (entry.state === 'failed') this.retry(id);
        else this.pump(entry.room);
        return true;
    }

    // --- what the room says

    // A message is in its room.
    settle(message) {
        const entry = message.client_id && message.user === this.user ? this.#entries.get(message.client_id) : null;
        if (!entry || entry.room !== message.room) return;
        if (entry.edit !== undefined) {
            if (entry.seq) return;
            this.#change(entry, { seq: message.seq, ver: message.ver, state: 'sent', error: null, retryAt: null });
            this.on.sent(entry);
            this.pump(entry.room);
            return;
        }
        const wasSent = entry.state === 'sent';
        this.#drop(entry);
        if (!wasSent) this.on.sent({ ...entry, seq: message.seq });
        this.pump(entry.room);
    }

    // The timeline of a room has everything up to `ver`, or is not shown any more (Infinity).
    settleTo(room, ver) {
        if (!this.#entries.size) return;
        for (const entry of this.#in(room))
            if (entry.state === 'sent' && entry.edit === undefined && entry.ver <= ver) this.#drop(entry);
    }

    // --- sending

    pumpAll() {
        for (const entry of this.#entries.values())
            if (entry.state === 'queued' && !entry.error) entry.retryAt = null; // it waited for the network
        for (const room of this.rooms()) this.pump(room);
    }

    async pump(room) {
        if (this.#busy.has(room)) return;
        this.#busy.add(room);
        this.deps.clock.clearTimeout(this.#timers.get(room));
        this.#timers.delete(room);
        while (this.deps.isOnline()) {
            const entry = this.#in(room).find(({ state, edit }) => state === 'queued' || (state === 'sent' && edit !== undefined));
            if (!entry) break;
            const wait = (entry.retryAt ?? 0) - this.deps.clock.now();
            if (wait > 0) {
                this.#timers.set(room, this.deps.clock.setTimeout(() => this.pump(room), wait));
                break;
            }
            await (entry.seq ? this.#sendEdit(entry) : this.#send(entry));
        }
        this.#busy.delete(room);
    }

    async #send(entry) {
        this.#change(entry, { state: 'sending' }, false);
        let result;
        try {
            result = await this.deps.call('message.send', requestOf(entry));
        } catch (failure) {
            const error = ChatError.from(failure);
            if (error.isUnanswered) entry.isUncertain = true;
            if (this.#entries.get(entry.client_id) !== entry || entry.state === 'sent') return;
            if (error.temporary) this.#later(entry, error, 'queued');
            else {
                this.#change(entry, { state: 'failed', error, retryAt: null });
                this.on.failed(entry);
            }
            return;
        }
        if (this.#entries.get(entry.client_id) !== entry) return; // its event came first, or it was discarded
        const { seq, ver, at } = result;
        if (entry.state !== 'sent') this.on.sent({ ...entry, seq });
        if (entry.edit === undefined && !this.deps.isShown(entry.room, ver)) this.#drop(entry);
        else {
            this.deps.store.remove(this.#key(entry.client_id));
            this.#change(entry, { state: 'sent', seq, ver, at, error: null, retryAt: null, tries: 0 }, entry.edit !== undefined);
        }
        this.on.stored(entry.room, ver);
    }

    async #sendEdit(entry) {
        const { edit } = entry;
        try {
            const { ver } = await this.deps.call('message.edit', { room: entry.room, seq: entry.seq, text: edit });
            if (this.#entries.get(entry.client_id) !== entry) return;
            if (entry.edit === edit) delete entry.edit;
            if (entry.edit !== undefined) return;
            if (this.deps.isShown(entry.room, ver)) this.#change(entry, { ver, text: edit }, false);
            else this.#drop(entry);
            this.deps.store.remove(this.#key(entry.client_id));
            this.on.stored(entry.room, ver);
        } catch (failure) {
            const error = ChatError.from(failure);
            if (this.#entries.get(entry.client_id) !== entry) return;
            if (error.temporary) this.#later(entry, error, 'sent');
            else {
                this.#drop(entry); // it stands there as it was sent
                this.on.failed({ ...entry, error });
            }
        }
    }

    // No answer is no refusal, however often; the rest of the room's waits behind it.
    #later(entry, error, state) {
        const isOffline = error.isUnanswered && !this.deps.isOnline();
        const delay = error.details.retry_ms ?? backoff(entry.tries, RETRY);
        this.#change(entry, {
            state,
            tries: isOffline ? entry.tries : entry.tries + 1,
            error: error.isUnanswered ? null : error,
            retryAt: isOffline ? null : this.deps.clock.now() + delay,
        }, false);
    }

    // --- keeping

    #change(entry, change, isToKeep = true) {
        Object.assign(entry, change);
        if (isToKeep) this.#keep(entry);
        this.#touched(entry.room);
    }

    #keep(entry) {
        const { client_id, room, text, reply_to, quote, attachments, meta, at, n, seq, ver, edit, isUncertain } = entry;
        const state = entry.state === 'sending' ? 'queued' : entry.state;
        const error = entry.error && entry.state === 'failed' ? plain(entry.error) : undefined;
        entry.isKept = this.deps.store.set(this.#key(client_id), { client_id, room, text, reply_to, quote, attachments, meta, at, n, seq, ver, edit, isUncertain, state, error });
    }

    #drop(entry) {
        this.#entries.delete(entry.client_id);
        this.deps.store.remove(this.#key(entry.client_id));
        this.#touched(entry.room);
    }

    #touched(room) {
        this.#lists.delete(room);
        this.on.changed(room);
    }

    stop() {
        for (const timer of this.#timers.values()) this.deps.clock.clearTimeout(timer);
        this.#timers.clear();
    }

    forget() {
        for (const entry of [...this.#entries.values()]) this.#drop(entry);
    }
}

const requestOf = ({ room, client_id, text, reply_to, attachments, meta }) => ({
    room,
    client_id,
    text,
    ...(reply_to ? { reply_to } : {}),
    ...(attachments?.length ? { attachments: attachments.map(({ id }) => id) } : {}),
    ...(meta !== undefined ? { meta } : {}),
});

const plain = ({ code, word, message, details, temporary }) => ({ code, word, message, details, temporary });
const revived = ({ code, word, ...rest }) => new ChatError(code, word, rest);
