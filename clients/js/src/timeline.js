// One room as it is shown: a window on its messages that follows the room's changes, each exactly once and in order of `ver`.
//
//   subscribe, then room.open; publications meanwhile are kept, and those newer than the page applied
//   ver is one more than the last: apply. Not more: known. Else something is missing: keep it, ask room.sync, go on
//   reset, another epoch: open anew, at the same place
//
// `need` says what has to be asked before publications can be applied: 'open', 'sync' or null.
import { backoff } from './clock.js';
import { ChatError } from './error.js';
import { Window } from './window.js';

const BUFFER_MAX = 2000; // publications kept while something is asked; what is over is asked for afterwards
const SYNC_PAGES = 20; // beyond, opening anew is cheaper
const SYNC_LIMIT = 100;
const OVERDUE_MS = 1000; // a change is known to be there, and has not arrived
const RETRY = { min: 500, max: 15_000 };

export class Timeline {
    // deps: { call(method, request), subscribe(on), clock, pageSize, windowMax, itemOf(message, old), isMember(), readSeq(), now() }.
    // on: { changed(), room(wire, ver, askedAt), member(event), pass(data), heard(event), seen(messages), settled(ver), live(isLive),
    //       join(user, client), leave(user, client) }.
    constructor(deps, on) {
        this.deps = deps;
        this.on = on;
        this.window = new Window(deps.itemOf, deps.windowMax);
        this.generation = 0;
        this.#forget();
        this.status = 'idle';
    }

    #forget() {
        this.window.clear();
        this.status = 'loading';
        this.error = null;
        this.ver = 0;
        this.heardVer = 0;
        this.overdue = 0; // a ver that is known to be there
        this.need = null;
        this.buffer = [];
        this.isBehind = false; // the buffer was full
        this.changes = []; // applied while pages are on their way
        this.loading = { before: false, after: false };
        this.firstUnread = null;
        this.unreadAtOpen = 0;
        this.anchor = 'end';
        this.pins = 0;
        this.isFollowing = true;
        this.isSubscribed = false;
        this.tries = 0;
    }

    get isOpen() {
        return this.status !== 'idle';
    }

    get isLive() {
        return this.isSubscribed && !this.need && this.status === 'open';
    }

    // Everything of the end of the room is in the window, as far as is known.
    covers(seq) {
        return this.status === 'open' && !this.window.hasAfter && (this.window.first <= seq || !this.window.hasBefore);
    }

    open(at) {
        const isNew = !this.isOpen;
        if (isNew) {
            this.#forget();
            this.round = Symbol();
        }
        this.at = at;
        if (!isNew && this.status === 'open' && !this.need && this.#jumpsWithin(at)) return Promise.resolve();
        this.#abandonPages();
        this.need = 'open';
        this.tries = 0;
        if (this.status === 'failed') this.status = 'loading';
        this.opened ??= deferred();
        const { promise } = this.opened;
        this.#attach();
        this.#run();
        this.on.changed();
        return promise;
    }

    // What is to be shown is here already.
    #jumpsWithin(at) {
        const { window } = this;
        if (at === 'end' && !window.hasAfter) this.anchor = 'end';
        else if (typeof at === 'number' && window.get(at)) this.anchor = at;
        else return false;
        this.isFollowing = at === 'end';
        this.on.changed();
        return true;
    }

    close() {
        if (!this.isOpen) return;
        this.#detach();
        this.#forget();
        this.status = 'idle';
        this.round = null;
        this.#settleOpen(new ChatError(0, 'closed'));
        this.on.changed();
    }

    // It is the user's no longer.
    lose(error) {
        if (!this.isOpen) return;
        this.#detach();
        const { at } = this;
        this.#forget();
        this.at = at;
        this.round = Symbol();
        this.#fail(error);
    }

    // Membership, or the identity of what is kept, has changed.
    reopen() {
        if (!this.isOpen) return;
        if (this.status === 'open') this.at = this.#place();
        this.#abandonPages();
        this.need = 'open';
        this.tries = 0;
        if (this.status === 'failed') this.status = 'loading';
        this.wake();
        this.on.changed();
    }

    // What it waited for may be there: a connection, or that the rooms are known.
    wake() {
        if (!this.isOpen || (this.status === 'failed' && !this.need)) return;
        this.#attach();
        this.#run();
    }

    follow(isAtEnd) {
        this.isFollowing = isAtEnd;
    }

    // --- what the subscription tells

    #attach() {
        if (this.sub || !this.deps.isMember()) return;
        this.sub = this.deps.subscribe({
            subscribed: ({ isRecovered }) => {
                this.isSubscribed = true;
                this.round = Symbol();
                this.#abandonPages();
                if (!this.need && !isRecovered) this.need = 'sync';
                this.#run();
                this.on.live(true);
                this.on.changed();
            },
            interrupted: () => this.#interrupted(),
            refused: (error) => {
                this.#detach();
                if (this.status !== 'open') this.#fail(error);
                else this.retrying = this.deps.clock.setTimeout(() => this.wake(), backoff(this.tries++, RETRY));
                this.on.changed();
            },
            publication: (data) => this.#publication(data),
            join: this.on.join,
            leave: this.on.leave,
        });
    }

    #detach() {
        this.deps.clock.clearTimeout(this.retrying);
        this.deps.clock.clearTimeout(this.waiting);
        this.waiting = null;
        const { sub } = this;
        this.sub = null;
        this.isSubscribed = false;
        sub?.end();
        this.on.live(false);
    }

    // What was asked may never be answered, what was kept follows by recovery or by room.sync.
    #interrupted() {
        if (!this.isSubscribed) return;
        this.isSubscribed = false;
        this.round = Symbol();
        this.buffer = [];
        this.#abandonPages();
        this.on.live(false);
        this.on.changed();
    }

    #publication(data) {
        if (!data || typeof data !== 'object') return;
        if (!data.ver) {
            this.on.pass(data);
            return;
        }
        if (data.ver > this.heardVer) {
            this.heardVer = data.ver;
            this.on.heard(data);
        }
        if (this.need) this.#keep(data);
        else if (data.ver > this.ver + 1) {
            this.#keep(data);
            this.need = 'sync';
            this.#run();
        } else if (data.ver === this.ver + 1) {
            this.#apply(data);
            this.on.settled(this.ver);
        }
        this.on.changed();
    }

    #keep(data) {
        if (this.buffer.length < BUFFER_MAX) this.buffer.push(data);
        else this.isBehind = true;
    }

    // There is a change `ver`, somebody said. If it does not arrive by itself, it is asked for.
    expect(ver) {
        if (!this.isOpen || !(ver > this.ver)) return;
        this.overdue = Math.max(this.overdue, ver);
        this.waiting ??= this.deps.clock.setTimeout(() => {
            this.waiting = null;
            if (this.overdue <= this.ver || !this.isSubscribed) return;
            if (!this.isLive) return this.expect(this.overdue);
            this.need = 'sync';
            this.#run();
            this.on.changed();
        }, OVERDUE_MS);
    }

    // --- changes

    #apply(event) {
        this.ver = event.ver;
        if (this.loading.before || this.loading.after) this.changes.push(event);
        this.#applyTo(event);
        switch (event.type) {
            case 'pin.added':
                this.pins++;
                break;
            case 'pin.removed':
                this.pins = Math.max(0, this.pins - 1);
                break;
            case 'room.updated':
                this.on.room(event.room, event.ver);
                break;
            case 'member.added':
            case 'member.updated':
            case 'member.removed':
                this.on.member(event);
        }
    }

    #applyTo(event) {
        const { window } = this;
        switch (event.type) {
            case 'message.created':
                if (!window.update(versioned(event))) window.append([versioned(event)], this.isFollowing);
                break;
            case 'message.updated':
            case 'message.deleted':
                window.update(versioned(event));
                break;
            case 'reaction.added':
            case 'reaction.removed':
                window.patch(event.seq, event.ver, () => ({ reactions: event.reactions ?? [] }));
                break;
            case 'pin.added':
            case 'pin.removed':
                window.patch(event.seq, event.ver, () => ({ pinned: event.type === 'pin.added' }));
        }
    }

    // --- what is asked

    async #run() {
        if (this.isRunning) return;
        this.isRunning = true;
        this.deps.clock.clearTimeout(this.retrying);
        while (this.need && this.#mayAsk()) {
            const { round } = this;
            try {
                await (this.need === 'open' ? this.#load(round) : this.#catchUp(round));
                this.tries = 0;
            } catch (failure) {
                const error = ChatError.from(failure);
                if (round !== this.round) continue;
                if (!error.temporary) {
                    this.isRunning = false;
                    this.#fail(error);
                    return;
                }
                this.isRunning = false;
                this.#askLater(error);
                return;
            }
        }
        this.isRunning = false;
    }

    // A member's room is asked for when nothing of it can be missed any more.
    #mayAsk() {
        return this.isOpen && (this.isSubscribed || (!this.sub && !this.deps.isMember() && this.deps.isOnline()));
    }

    #askLater(error) {
        const delay = error.details.retry_ms ?? backoff(this.tries++, RETRY);
        this.retrying = this.deps.clock.setTimeout(() => this.#run(), delay);
    }

    #fail(error) {
        this.need = null;
        this.status = 'failed';
        this.error = error;
        this.window.clear();
        this.#detach();
        this.#settleOpen(error);
        this.on.changed();
    }

    async #load(round) {
        const { at } = this;
        const askedAt = this.deps.now();
        const around = at === 'unread' ? { around: 'unread' } : typeof at === 'number' ? { around: at } : {};
        const page = await this.deps.call('room.open', { ...around, limit: this.deps.pageSize });
        if (round !== this.round || at !== this.at) return;
        this.window.replaceAll(page.messages ?? [], Boolean(page.has_before), Boolean(page.has_after));
        this.#abandonPages();
        this.ver = page.room.ver;
        this.heardVer = Math.max(this.ver, ...this.buffer.map((event) => event.ver));
        this.overdue = 0;
        this.pins = page.pins_n ?? 0;
        this.generation++;
        this.on.room(page.room, page.room.ver, askedAt);
        this.#findUnread(page.room, at);
        this.anchor = typeof at === 'number' ? at : at === 'unread' ? (this.firstUnread ?? 'end') : 'end';
        this.isFollowing = this.anchor === 'end';
        this.at = this.#place();
        this.status = 'open';
        this.error = null;
        this.on.seen(page.messages ?? []);
        this.#caughtUp();
        this.#settleOpen(null);
    }

    #findUnread(room, at) {
        if (this.status === 'open' && at !== 'unread') return; // the divider stays where it is
        const read = this.deps.readSeq();
        this.unreadAtOpen = room.unread ?? 0;
        if (!this.unreadAtOpen) this.firstUnread = null;
        else if (this.window.first > read + 1) this.firstUnread = read + 1;
        else this.firstUnread = this.window.items.find((item) => item.seq > read && !item.isMine && !item.deleted)?.seq ?? null;
    }

    // Where it would be opened anew: at the end, or around the middle of what is held.
    #place() {
        const { items } = this.window;
        return this.isFollowing || !items.length ? 'end' : items[items.length >> 1].seq;
    }

    async #catchUp(round) {
        const changed = new Map();
        let since = this.ver;
        let room = null;
        let members = false;
        for (let pages = 1; ; pages++) {
            const part = await this.deps.call('room.sync', { since, limit: SYNC_LIMIT });
            if (round !== this.round || this.need !== 'sync') return;
            const isStuck = part.more && !(part.ver > since);
            if (part.reset || part.ver < since || isStuck || (part.more && pages === SYNC_PAGES)) {
                this.at = this.#place();
                this.need = 'open';
                return;
            }
            for (const message of part.messages ?? []) changed.set(message.seq, message);
            room = part.room ?? room;
            members ||= Boolean(part.members?.length);
            since = part.ver;
            if (!part.more) break;
        }
        const messages = [...changed.values()];
        const pins = messages.filter((message) => this.window.get(message.seq)).map((message) => [message.seq, isPinned(this.window.get(message.seq))]);
        this.window.append(messages.filter((message) => !this.window.update(message)), this.isFollowing);
        for (const [seq, was] of pins) this.pins += isPinned(this.window.get(seq)) - was;
        if (this.loading.before || this.loading.after)
            for (const message of messages) this.changes.push({ type: 'message.created', ver: message.ver, message });
        this.ver = since;
        this.heardVer = Math.max(this.heardVer, since);
        if (room) this.on.room(room, since);
        if (members) this.on.member({ type: 'member.changed', ver: since });
        this.on.seen(messages);
        this.#caughtUp();
    }

    // Nothing is missing up to `ver`: goes on with what has arrived meanwhile.
    #caughtUp() {
        const kept = this.buffer.sort((a, b) => a.ver - b.ver);
        this.buffer = [];
        this.need = null;
        while (kept.length && kept[0].ver <= this.ver + 1) {
            const event = kept.shift();
            if (event.ver === this.ver + 1) this.#apply(event);
        }
        if (kept.length || this.isBehind) {
            this.buffer = kept;
            this.isBehind = false;
            this.need = 'sync';
        }
        this.on.settled(this.ver);
        this.on.changed();
    }

    #settleOpen(error) {
        const { opened } = this;
        this.opened = null;
        if (error) opened?.reject(error);
        else opened?.resolve();
    }

    // --- pages

    loadBefore() {
        return this.#page('before');
    }

    loadAfter() {
        return this.#page('after');
    }

    async #page(side) {
        const { window, round } = this;
        const isBefore = side === 'before';
        if (this.status !== 'open' || this.loading[side] || !(isBefore ? window.hasBefore : window.hasAfter)) return;
        const edge = isBefore ? window.first : window.last;
        const loading = this.loading;
        loading[side] = true;
        this.on.changed();
        try {
            const page = await this.deps.call('message.history', { [side]: edge, limit: this.deps.pageSize });
            if (round !== this.round || loading !== this.loading) return;
            const messages = page.messages ?? [];
            if (isBefore) window.prepend(messages, edge, Boolean(page.has_before));
            else window.extend(messages, edge, Boolean(page.has_after));
            // The page may be older than what has been applied since it was asked for.
            for (const event of this.changes) this.#applyTo(event);
            this.on.seen(messages);
        } finally {
            loading[side] = false;
            if (loading === this.loading && !loading.before && !loading.after) this.changes = [];
            this.on.changed();
        }
    }

    // What is on its way belongs to another window, or to another connection.
    #abandonPages() {
        this.loading = { before: false, after: false };
        this.changes = [];
    }
}

const versioned = ({ ver, message }) => (message.ver ? message : { ...message, ver });
const isPinned = (item) => (item?.pinned ? 1 : 0);

function deferred() {
    const it = {};
    it.promise = new Promise((resolve, reject) => Object.assign(it, { resolve, reject }));
    it.promise.catch(() => {}); // nobody has to wait for it
    return it;
}
