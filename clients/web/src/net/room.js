// A chat room as a window sees it: a channel with its history, recovered over reconnects; who is here; and what
// this window has sent.
import { cleanName, randomId } from '../logic/identity.js';
import { messageOf } from '../logic/message.js';
import * as outbox from '../logic/outbox.js';
import { People, helloOf } from '../logic/people.js';
import * as lines from '../logic/timeline.js';
import { explainRefusal } from './connection.js';
import { Observable } from './observable.js';
import { browserStore, windowStore } from './store.js';

const PAGE = 100;
const REFILL_PAGES = 5; // fetched at most to close a gap
const PRESENCE_MS = 60_000; // presence is asked for anew, in case a join or leave was lost
const TOLD_MS = 500;
const CROWD = 200; // above it, nobody answers hellos: n people greeting each newcomer is n² messages
const MINE_MAX = 300;
const CLOCK_SLACK_MS = 2 * 60_000;

export class Room extends Observable {
    // identity: {who, name}.
    constructor(connection, name, identity) {
        super({
            status: 'joining',
            refusal: null,
            timeline: lines.emptyTimeline(),
            outbox: [],
            people: [],
            knowsPeople: false,
            isLoadingEarlier: false,
            unreadKey: null,
            unread: 0,
            heard: [],
        });
        this.connection = connection;
        this.name = name;
        this.channel = `chat:${name}`;
        this.identity = identity;
        this.people = new People();
        this.mine = new Set(windowStore.get(`mine.${name}`) ?? []);
        this.position = null; // the last {epoch, offset} up to which nothing is missing
        this.epoch = null;
        this.round = 0; // grows with each subscribe; what belongs to an older one is ignored
        this.isSynced = this.isSending = this.isWatched = false;
        this.value.outbox = (windowStore.get(`outbox.${name}`) ?? []).map((entry) =>
            entry.state === 'failed' ? entry : { ...entry, state: 'queued' },
        );
    }

    open() {
        const { centrifuge } = this.connection;
        this.sub = centrifuge.newSubscription(this.channel, { recoverable: true, positioned: true, joinLeave: true });
        this.sub.on('subscribed', (ctx) => this.#subscribed(ctx));
        this.sub.on('publication', (ctx) => this.#publication(ctx));
        this.sub.on('join', ({ info }) => {
            this.people.joined(info.client, Date.now());
            this.#peopleChanged();
        });
        this.sub.on('leave', ({ info }) => {
            this.people.left(info.client, Date.now());
            this.#peopleChanged();
        });
        this.sub.on('subscribing', () => this.#interrupted());
        this.sub.on('unsubscribed', ({ code, reason }) => {
            this.#interrupted();
            if (code !== 0)
                this.set({ status: 'refused', refusal: explainRefusal({ code, message: reason }, this.channel) });
        });
        this.sub.on('error', () => {
            /* passing: the SDK tries again */
        });

        this.hellos = centrifuge.newSubscription(`here:${this.name}`);
        this.hellos.on('subscribed', () => this.#sayHello(true));
        this.hellos.on('publication', ({ data, info }) => this.#hello(data, info));
        this.hellos.on('unsubscribed', () => {
            /* a server without this channel: names come from messages alone */
        });
        this.hellos.on('error', () => {});

        this.hellos.subscribe();
        this.sub.subscribe();
        this.telling = setInterval(() => this.#tell(), TOLD_MS);
        this.counting = setInterval(() => this.#countPeople(), PRESENCE_MS);
    }

    close() {
        this.round++;
        this.isClosed = true;
        for (const timer of [this.telling, this.counting]) clearInterval(timer);
        for (const timer of [this.answering, this.retrying, this.refilling]) clearTimeout(timer);
        for (const sub of [this.sub, this.hellos]) {
            sub.unsubscribe();
            sub.removeAllListeners();
            this.connection.centrifuge.removeSubscription(sub);
        }
    }

    // --- the stream

    #interrupted() {
        this.round++;
        this.isSynced = false;
        this.#setOutbox(outbox.interrupted(this.value.outbox));
    }

    #subscribed(ctx) {
        const round = ++this.round;
        const known = this.position;
        this.epoch = ctx.streamPosition?.epoch ?? null;
        this.set({ status: this.hasHistory === undefined ? 'joining' : 'open', refusal: null });
        if (ctx.wasRecovering && ctx.recovered) {
            // What was missed follows this event, in this turn.
            queueMicrotask(() => this.#synced(round));
            return;
        }
        const isReturn = this.hasHistory !== undefined;
        this.position = null;
        this.#refill(round, known, isReturn);
    }

    // Takes the newest page of history, and if this is a return after an outage that the server could not recover,
    // as many more as it takes to meet what is here. When they do not meet, that is said.
    async #refill(round, known, isReturn) {
        const publications = [];
        let page = null;
        try {
            for (let n = 0; n < (isReturn ? REFILL_PAGES : 1); n++) {
                const oldest = publications[0]?.offset;
                const next = await this.sub.history({
                    limit: PAGE,
                    reverse: true,
                    ...(oldest ? { since: { offset: oldest, epoch: page.epoch } } : {}),
                });
                if (round !== this.round) return;
                publications.unshift(...next.publications.reverse());
                page = { epoch: next.epoch, offset: page?.offset ?? next.offset, publications };
                if (!next.publications.length || publications[0].offset <= 1 || lines.meets(known, page)) break;
            }
            this.hasHistory = true;
        } catch (error) {
            if (round !== this.round) return;
            if (error.code !== 108 && error.code !== 103) {
                this.refilling = setTimeout(() => round === this.round && this.#refill(round, known, isReturn), 2000);
                return;
            }
            this.hasHistory = false;
        }

        let { timeline } = this.value;
        const arrived = timeline.items.filter((item) => item.isLive && item.round === round);
        if (isReturn && !(page && lines.meets(known, page))) {
            // Whatever arrived since the return belongs after the gap.
            timeline = {
                ...timeline,
                items: timeline.items.filter((item) => !arrived.includes(item)),
                ids: new Set([...timeline.ids].filter((id) => !arrived.some((item) => item.key === id))),
            };
            timeline = lines.withGap(
                timeline,
                Date.now(),
                page && known && page.epoch !== known.epoch ? 'reset' : 'gap',
            );
        } else {
            timeline = { ...timeline };
        }
        if (page) {
            timeline = lines.atEpoch(timeline, page.epoch);
            const messages = publications.map((publication) => this.#messageOf(publication, isReturn));
            timeline = lines.withMessages(timeline, messages);
            if (!isReturn) timeline.hasEarlier = publications.length === PAGE && publications[0].offset > 1;
            const last = publications.at(-1)?.offset ?? page.offset;
            if (!this.position || this.position.epoch !== page.epoch || this.position.offset < last) {
                this.position = { epoch: page.epoch, offset: last };
            }
        }
        if (arrived.length) timeline = lines.withMessages(timeline, arrived);
        if (isReturn) timeline = lines.trimmed(timeline);
        if (!isReturn) this.#openAtUnread(timeline);
        this.set({ timeline, status: 'open' });
        this.#settle(timeline.ids);
        this.#synced(round);
    }

    #synced(round) {
        if (round !== this.round) return;
        this.isSynced = true;
        this.set({ status: 'open' });
        this.#countPeople();
        this.#send();
    }

    #publication(ctx) {
        const message = { ...this.#messageOf(ctx, true), isLive: true, round: this.round };
        let timeline = this.value.timeline;
        if (this.epoch) timeline = lines.atEpoch(timeline, this.epoch);
        timeline = lines.withMessages(timeline, [message]);
        if (ctx.offset && this.epoch && (this.isSynced || this.position))
            this.position = { epoch: this.epoch, offset: ctx.offset };
        if (timeline === this.value.timeline) return;
        const item = timeline.items.findLast((one) => one.kind === 'message' && one.offset === message.offset);
        if (!message.isMine) {
            const heard = [
                ...this.value.heard,
                { key: item.key, name: message.name || 'Someone', text: message.text },
            ].slice(-3);
            if (this.isWatched) {
                this.set({ heard });
                this.#read(item);
            } else {
                this.set({
                    heard,
                    unread: this.value.unread + 1,
                    unreadKey: this.value.unread ? this.value.unreadKey : item.key,
                });
            }
        } else if (this.isWatched) {
            this.#read(item);
        }
        this.set({ timeline: this.isWatched ? lines.trimmed(timeline) : timeline });
        if (message.id) this.#settle(new Set([message.id]));
        if (ctx.info) this.#peopleChanged();
    }

    #messageOf({ data, info, offset }, isFresh) {
        const message = messageOf(data);
        const now = Date.now();
        if (isFresh && (message.at === null || message.at > now + CLOCK_SLACK_MS)) message.at = now;
        const client = info?.client ?? null;
        if (client) this.people.spoke(client, message.name);
        const isMine = message.id !== null && this.mine.has(message.id);
        return {
            ...message,
            client,
            offset: offset || null,
            isMine,
            name: message.name || (client ? this.people.nameOf(client) : ''),
        };
    }

    async loadEarlier() {
        const { timeline, isLoadingEarlier } = this.value;
        const oldest = lines.oldestOffset(timeline);
        if (isLoadingEarlier || !timeline.hasEarlier || !oldest) return;
        this.set({ isLoadingEarlier: true });
        const { round } = this;
        try {
            const page = await this.sub.history({
                limit: PAGE,
                reverse: true,
                since: { offset: oldest, epoch: timeline.epoch },
            });
            if (round !== this.round) return;
            const messages = page.publications.map((publication) => this.#messageOf(publication, false));
            const more = lines.withMessages(this.value.timeline, messages);
            this.set({
                timeline: {
                    ...more,
                    hasEarlier: page.publications.length === PAGE && page.publications.at(-1).offset > 1,
                },
            });
        } catch {
            // The button stays.
        } finally {
            this.set({ isLoadingEarlier: false });
        }
    }

    // --- read and unread

    #lastReadKey() {
        return `read.${this.channel}`;
    }

    #openAtUnread(timeline) {
        const read = browserStore.get(this.#lastReadKey());
        const items = timeline.items.filter((item) => item.kind === 'message');
        if (!read || read.epoch !== timeline.epoch) return;
        const first = items.findIndex((item) => item.offset > read.offset && !item.isMine);
        if (first > 0)
            this.set({ unreadKey: items[first].key, unread: items.slice(first).filter((item) => !item.isMine).length });
    }

    #read(item) {
        if (item?.offset && this.epoch)
            browserStore.set(this.#lastReadKey(), { epoch: this.epoch, offset: item.offset });
    }

    // The window shows the newest messages and somebody looks at it.
    watched(isWatched) {
        if (isWatched === this.isWatched) return;
        this.isWatched = isWatched;
        if (isWatched) {
            this.#read(this.value.timeline.items.findLast((item) => item.kind === 'message' && item.offset));
            if (this.value.unread) this.set({ unread: 0 });
        } else if (!this.value.unread && this.value.unreadKey) {
            this.set({ unreadKey: null }); // it was seen; the next one begins a new line
        }
    }

    // --- sending

    send(text) {
        const entry = { id: randomId(), name: this.identity.name, text, at: Date.now() };
        this.mine.add(entry.id);
        windowStore.set(`mine.${this.name}`, [...this.mine].slice(-MINE_MAX));
        this.set({ unreadKey: null, unread: 0 });
        this.#setOutbox(outbox.queued(this.value.outbox, entry));
        this.#send();
    }

    retry(id) {
        this.#setOutbox(outbox.again(this.value.outbox, id));
        this.#send();
    }

    drop(id) {
        this.#setOutbox(outbox.dropped(this.value.outbox, id));
    }

    #setOutbox(entries) {
        if (entries === this.value.outbox) return;
        windowStore.set(
            `outbox.${this.name}`,
            entries.filter((entry) => entry.state !== 'sent'),
        );
        this.set({ outbox: entries });
    }

    #settle(ids) {
        this.#setOutbox(outbox.settled(this.value.outbox, ids));
    }

    // One after another, so that they stay in order even when one has to be sent again.
    async #send() {
        if (this.isSending || this.isClosed) return;
        this.isSending = true;
        clearTimeout(this.retrying);
        for (let entry; this.isSynced && !this.isClosed && (entry = outbox.nextQueued(this.value.outbox));) {
            const { id, name, text, at } = entry;
            this.#setOutbox(outbox.sending(this.value.outbox, id));
            try {
                await this.sub.publish({ id, name, text, at });
                this.#setOutbox(outbox.acknowledged(this.value.outbox, id));
            } catch (error) {
                this.#setOutbox(outbox.refused(this.value.outbox, id, error));
                const state = this.value.outbox.find((one) => one.id === id);
                if (state?.state === 'queued') {
                    this.retrying = setTimeout(() => this.#send(), outbox.retryDelay(state.tries));
                    break;
                }
            }
        }
        this.isSending = false;
    }

    // --- people

    rename(name) {
        this.identity = { ...this.identity, name: cleanName(name) };
        this.#sayHello(false);
    }

    #sayHello(asks) {
        clearTimeout(this.answering);
        this.answering = null;
        const { who, name } = this.identity;
        this.hellos.publish({ type: 'hello', who, name, ...(asks ? { ask: true } : {}) }).catch(() => {});
        const { client } = this.connection.value;
        if (client) this.people.hello(client, { who, name });
        this.#peopleChanged();
    }

    #hello(data, info) {
        const hello = helloOf(data);
        if (!hello || !info?.client) return;
        const name = cleanName(hello.name);
        if (!name) return;
        this.people.hello(info.client, { who: hello.who, name });
        this.#peopleChanged();
        if (!hello.asks || info.client === this.connection.value.client || this.answering) return;
        // One answer serves all who asked meanwhile, and not everybody answers at once.
        const crowd = this.value.people.length;
        if (crowd <= CROWD)
            this.answering = setTimeout(() => this.#sayHello(false), 40 + Math.random() * (40 + 20 * crowd));
    }

    async #countPeople() {
        if (!this.isSynced) return;
        const { round } = this;
        try {
            const { clients } = await this.sub.presence();
            if (round !== this.round) return;
            const { client } = this.connection.value;
            this.people.present(new Set([...Object.keys(clients), ...(client ? [client] : [])]), Date.now());
            if (client) this.people.hello(client, this.identity);
            this.set({ knowsPeople: true });
            this.#peopleChanged();
        } catch {
            // A server without presence, or a connection that broke: asked again with the next subscribe.
        }
    }

    #peopleChanged() {
        this.set({ people: this.people.list(this.identity.who) });
    }

    #tell() {
        for (const notice of this.people.tell(Date.now(), this.identity.who)) {
            this.set({ timeline: lines.withNotice(this.value.timeline, { ...notice, at: Date.now() }) });
        }
    }
}
