// The whole model: a connection, and what is known of rooms, users and oneself. `sync` says everything; from then on events on
// the user's own channel do, until the connection breaks.
import { Auth, pageOrigin } from './auth.js';
import { backoff, systemClock } from './clock.js';
import { Directory } from './directory.js';
import { ChatError } from './error.js';
import { familiesOf } from './methods.js';
import { Emitter, Observable } from './observable.js';
import { Outbox } from './outbox.js';
import { Room } from './room.js';
import { byNewest } from './room_info.js';
import { Store } from './storage.js';
import { Transport } from './transport.js';
import { upload } from './upload.js';

const RETRY = { min: 500, max: 15_000 };
const EVENTS_MAX = 1000; // kept while the state is asked for; beyond, it is asked for again
const PAGE_MAX = 100;
const LOOKS_MAX = 4; // of a search that finds nothing, for one page: the server lets five a second through

export class Chat extends Observable {
    #emitter = new Emitter();
    #rooms = new Map(); // id -> Room
    #areRoomsStale = true;
    #list = [];
    #waiting = new Set(); // of ready()
    #seen = new Map(); // id -> when somebody was seen to go
    #during = null; // events since the state was asked for

    constructor({
        url = pageOrigin(),
        token = null,
        storage,
        storagePrefix = 'parley.chat.',
        websocket = null,
        fetch = (...args) => globalThis.fetch(...args),
        name = 'parley-chat',
        pageSize = 50,
        windowMax = 400,
        timeoutMs = 10_000,
        clock = systemClock,
        transport = null,
    } = {}) {
        super(null);
        this.clock = clock;
        this.url = url.replace(/\/$/, '');
        this.access = { url: this.url, fetch, token };
        this.auth = new Auth({ url: this.url, token: () => tokenNow(this.access.token), fetch });
        this.store = new Store(storage, storagePrefix);
        this.connection = { status: 'offline', since: clock.now(), retryAt: null, error: null };
        this.isLoaded = false;
        this.me = this.team = this.epoch = null;
        this.limits = {};
        this.online = null; // ids of who is there; null: not known
        this.eventsN = 0; // that came on the user's channel

        const handlers = {
            connecting: () => this.#setConnection('connecting'),
            connected: () => this.#synchronise(),
            offline: ({ retryAt, error }) => this.#offline(retryAt, error),
            publication: (channel, data) => channel.startsWith('user:') && this.#event(data),
        };
        this.transport = transport
            ? transport(handlers)
            : new Transport({ url: this.url, token, websocket, fetch, name, timeoutMs, clock }, handlers);

        const call = (method, request) => this.call(method, request);
        const isOnline = () => this.connection.status === 'online';
        this.directory = new Directory({ call, clock }, () => this.#usersChanged());
        this.outbox = new Outbox(
            {
                store: this.store,
                call,
                clock,
                isOnline,
                isShown: (id, ver) => {
                    const stream = this.#rooms.get(id)?.stream;
                    return Boolean(stream?.sub) && ver > stream.ver;
                },
            },
            {
                changed: (id) => this.#rooms.get(id)?.infoChanged(),
                sent: ({ room, client_id, seq }) => this.#emitter.emit('message.sent', { room, client_id, seq }),
                failed: ({ room, client_id, error }) => this.#emitter.emit('message.failed', { room, client_id, error }),
                stored: (id, ver) => this.#rooms.get(id)?.stream.expect(ver),
            },
        );
        this.model = {
            call,
            clock,
            isOnline,
            pageSize: Math.min(pageSize, PAGE_MAX),
            windowMax: Math.max(windowMax, 3 * pageSize),
            outbox: this.outbox,
            subscribe: (channel, on) => this.transport.subscribe(channel, on),
            me: () => this.me,
            users: () => this.directory.map,
            eventsN: () => this.eventsN,
            putUsers: (users) => this.directory.put(users),
            emit: (type, event) => this.#emitter.emit(type, event),
            roomChanged: () => {
                this.#areRoomsStale = true;
                this._changed();
            },
            roomRemoved: (room, reason) => this.#roomRemoved(room, reason),
            drafts: {
                get: (id) => this.store.get(`${this.outbox.user}/draft/${id}`),
                set: (id, draft) => {
                    const key = `${this.outbox.user}/draft/${id}`;
                    if (draft) this.store.set(key, draft);
                    else this.store.remove(key);
                },
            },
        };
        Object.assign(this, familiesOf(call));
        this.#use(this.store.get('user'));
        this._changed();
    }

    // --- what is known

    get users() {
        return this.directory.users;
    }

    get rooms() {
        if (this.#areRoomsStale) {
            this.#areRoomsStale = false;
            const list = [...this.#rooms.values()].filter((room) => room.isMember).map((room) => room.info);
            list.sort(byNewest);
            if (list.length !== this.#list.length || list.some((info, i) => info !== this.#list[i])) this.#list = list;
        }
        return this.#list;
    }

    _next() {
        const { rooms } = this;
        const sum = (count) => rooms.reduce((n, room) => n + count(room), 0);
        return {
            connection: this.connection,
            isLoaded: this.isLoaded,
            me: this.me,
            team: this.team,
            limits: this.limits,
            users: this.users,
            online: this.online,
            rooms,
            unread: sum(({ notify, unread, mentions }) => (notify === 'none' ? 0 : notify === 'mentions' ? mentions : unread)),
            mentions: sum(({ notify, mentions }) => (notify === 'none' ? 0 : mentions)),
            isStorageFailing: this.store.isFailing,
        };
    }

    room(id) {
        let room = this.#rooms.get(id);
        if (!room) {
            room = new Room(this.model, id);
            this.#rooms.set(id, room);
            room.loadDraft();
        }
        return room;
    }

    user(id) {
        const user = this.directory.map.get(id);
        if (!user) this.directory.want(id);
        return user;
    }

    // 0: it is not known.
    lastSeen(id) {
        return Math.max(this.directory.map.get(id)?.last_seen ?? 0, this.#seen.get(id) ?? 0);
    }

    on(type, listener) {
        return this.#emitter.on(type, listener);
    }

    // --- the connection

    connect() {
        this.transport.connect();
    }

    disconnect() {
        this.transport.disconnect();
    }

    retryNow() {
        this.transport.retryNow();
    }

    setToken(token) {
        this.access.token = token;
        this.transport.setToken(token);
    }

    close() {
        this.transport.disconnect();
        this.outbox.stop();
        for (const room of this.#rooms.values()) room.stop();
    }

    ready() {
        if (this.connection.status === 'online') return Promise.resolve();
        return new Promise((resolve, reject) => this.#waiting.add({ resolve, reject }));
    }

    forget() {
        this.outbox.forget();
        for (const id of this.store.keys(`${this.outbox.user}/draft/`)) this.store.remove(`${this.outbox.user}/draft/${id}`);
        for (const room of this.#rooms.values()) room.loadDraft();
        this.store.remove('user');
    }

    #setConnection(status, { retryAt = null, error = null } = {}) {
        const was = this.connection;
        const isCrossing = (was.status === 'online') !== (status === 'online');
        this.connection = { status, since: isCrossing ? this.clock.now() : was.since, retryAt, error };
        this._changed();
    }

    #offline(retryAt, error) {
        this.round = null;
        this.clock.clearTimeout(this.retrying);
        this.#setConnection('offline', { retryAt, error });
        if (retryAt === null) {
            for (const { reject } of this.#waiting) reject(error ?? ChatError.offline());
            this.#waiting.clear();
        }
    }

    // No attempt will do better.
    #giveUp(error) {
        this.transport.disconnect(error);
    }

    async #synchronise(tries = 0) {
        const round = (this.round = Symbol());
        this.#during = [];
        try {
            const state = await this.transport.rpc('sync', {});
            if (round !== this.round) return;
            this.#apply(state);
        } catch (failure) {
            const error = ChatError.from(failure);
            if (round !== this.round) return;
            if (!error.temporary) this.#giveUp(error);
            else this.retrying = this.clock.setTimeout(() => this.#synchronise(tries + 1), error.details.retry_ms ?? backoff(tries, RETRY));
            return;
        }
        this.transport.proved();
        this.#setConnection('online');
        for (const room of this.#rooms.values()) {
            if (room.isMember) room.stream.expect(room.wire.ver);
            room.stream.wake();
            room.reading.resume();
        }
        this.outbox.pumpAll();
        for (const { resolve } of this.#waiting) resolve();
        this.#waiting.clear();
    }

    #apply({ me, team, users, rooms, epoch, limits, online }) {
        if (this.me && this.me.id !== me.id) this.#becomeAnother();
        this.me = me;
        this.team = team ?? null;
        this.limits = limits ?? {};
        this.#use(me.id);
        this.online = online ? new Set(online) : null;
        this.directory.put([me, ...(users ?? [])]);

        const isRestored = this.epoch !== null && epoch !== this.epoch;
        this.epoch = epoch;
        const mine = new Set(rooms.map(({ id }) => id));
        for (const room of this.#rooms.values()) {
            if (room.isMember && !mine.has(room.id)) this.#roomRemoved(room, 'removed');
            else if (isRestored) room.forgetWire();
        }
        for (const wire of rooms) this.room(wire.id).merge(wire, { isAll: true });
        // Another past: nothing that is shown can be relied on.
        if (isRestored) for (const room of this.#rooms.values()) room.stream.reopen();

        const during = this.#during;
        this.#during = null;
        for (const event of during) {
            const isOld = event.type === 'unread.changed' && event.ver < (this.#rooms.get(event.room)?.wire?.ver ?? 0);
            if (!isOld) this.#happened(event);
        }
        this.isLoaded = true;
        this.#areRoomsStale = true;
    }

    // Another user has signed in.
    #becomeAnother() {
        for (const room of this.#rooms.values()) room.stop();
        this.#rooms.clear();
        this.directory.clear();
        this.epoch = null;
        this.#areRoomsStale = true;
    }

    #use(user) {
        if (typeof user !== 'string' || user === this.outbox.user) return;
        this.outbox.use(user);
        this.store.set('user', user);
        for (const id of this.outbox.rooms()) this.room(id);
        for (const room of this.#rooms.values()) room.loadDraft();
    }

    // --- what the user's channel tells

    #event(event) {
        if (!event?.type) return;
        this.eventsN++;
        if (this.#during) {
            if (this.#during.length < EVENTS_MAX) this.#during.push(event);
            else this.#synchronise();
        }
        if (this.isLoaded) this.#happened(event);
        if (event.type === 'mentioned') this.#mentioned(event);
        if (event.type === 'session.ended') {
            this.#emitter.emit('session.ended', {});
            this.#giveUp(new ChatError(101, 'session_ended'));
        }
    }

    #happened(event) {
        switch (event.type) {
            case 'unread.changed':
                this.#rooms.get(event.room)?.unreadChanged(event);
                break;
            case 'room.added': {
                const room = this.room(event.room.id);
                const isNew = !room.isMember;
                room.merge(event.room);
                if (!isNew) break;
                room.stream.reopen();
                this.#emitter.emit('room.added', { room: room.info });
                break;
            }
            case 'room.updated':
                this.#rooms.get(event.room.id)?.merge(event.room);
                break;
            case 'room.removed':
                if (this.#rooms.has(event.room)) this.#roomRemoved(this.#rooms.get(event.room), event.reason ?? 'removed');
                break;
            case 'user.updated':
                this.directory.put([event.user]);
                break;
            case 'online.changed':
                this.#onlineChanged(event);
        }
    }

    // `all`: these are there; `more`: they are too many for it to be told; else who came and who went.
    #onlineChanged({ all, more, on = [], off = [] }) {
        if (more) this.online = null;
        else if (all) this.online = new Set(all);
        else if (this.online) {
            this.online = new Set([...this.online, ...on].filter((id) => !off.includes(id)));
            for (const id of off) this.#seen.set(id, this.clock.now());
        }
        this._changed();
    }

    #mentioned({ room, message }) {
        const there = this.#rooms.get(room);
        there?.note(message);
        if (message.user !== this.me?.id) this.#emitter.emit('mentioned', { room, message });
    }

    #roomRemoved(room, reason) {
        if (room.removed(reason)) this.#emitter.emit('room.removed', { room: room.id, reason });
    }

    #usersChanged() {
        if (this.me) this.me = this.directory.map.get(this.me.id) ?? this.me;
        for (const room of this.#rooms.values())
            if (room.wire?.kind === 'direct' || room.wire?.kind === 'group') room.infoChanged();
        this._changed();
    }

    // --- asking

    // Rejects with ChatError.
    async call(method, request = {}) {
        const askedAt = this.eventsN;
        const result = await this.transport.rpc(method, request);
        if (result.user?.id) this.directory.put([result.user]);
        if (result.users && method === 'user.get') this.directory.put(result.users);
        // Opened rooms merge by themselves, in order with what is shown.
        if (result.room?.id && method !== 'room.open' && method !== 'room.sync') this.room(result.room.id).merge(result.room, { askedAt });
        return result;
    }

    async createRoom(request) {
        const { room } = await this.call('room.create', request);
        return this.room(room.id);
    }

    direct(user) {
        return this.createRoom({ kind: 'direct', users: [user] });
    }

    async search(query) {
        const asked = typeof query === 'string' ? { q: query } : query;
        const ask = (cursor) => this.call('search', cursor ? { ...asked, cursor } : asked);
        const page = async (from) => {
            let found = await ask(from);
            // What has found nothing yet goes on by itself for a while. If it cannot, that is told to whoever asks for more.
            for (let i = 1; i < LOOKS_MAX && found.partial && found.cursor && !found.hits?.length; i++) {
                const further = await ask(found.cursor).catch(() => null);
                if (!further) break;
                found = further;
            }
            const { hits, partial, cursor } = found;
            return { hits: hits ?? [], isPartial: Boolean(partial), ...(cursor ? { next: () => page(cursor) } : {}) };
        };
        return page();
    }

    // One that is too large is refused before it has been sent in vain: not every connection lives to tell why.
    async upload(file, options) {
        const max = this.limits.upload_bytes;
        if (max && (file.size ?? file.byteLength) > max)
            throw new ChatError(413, 'too_long', { details: { field: 'file', max }, status: 413 });
        return upload(this.access, file, options);
    }

    fileUrl({ id, name }) {
        return `${this.url}/files/${encodeURIComponent(id)}/${encodeURIComponent(name)}`;
    }

    async setStatus(status) {
        await this.call('presence.set', { status });
    }

    async updateMe(change) {
        await this.call('user.update', change);
    }
}

const tokenNow = (token) => (typeof token === 'function' ? token() : token);
