// A chat server in memory that keeps to docs/chat-protocol.md, as far as clients/js speaks it. Everything happens at once; what
// takes time, and what gets lost, is the transport's.
export class Refusal extends Error {
    constructor(code, message, temporary = false) {
        super(message);
        Object.assign(this, { code, temporary });
    }
}

const notFound = () => new Refusal(404, 'not_found');
const PAGE_MAX = 100;
const COUNT_MAX = 100;

export class FakeServer {
    constructor(clock) {
        this.clock = clock;
        this.epoch = 'e1';
        this.users = new Map();
        this.rooms = new Map();
        this.links = new Set(); // connected transports
        this.kept = 50; // events per room that can be recovered
        this.syncable = Infinity; // changes per room that room.sync knows of
        this.searchWork = Infinity; // messages that are looked at for one search
        this.refusals = []; // { method, error, times }: to be given instead of an answer
        this.calls = []; // [user, method, request]
    }

    addUser(id, more = {}) {
        this.users.set(id, { id, login: id, name: id.toUpperCase(), role: 'member', ...more });
        return id;
    }

    addRoom(id, users, more = {}) {
        const room = { id, kind: 'public', name: id, ver: 0, last_seq: 0, last_at: 0, messages: [], events: [], members: new Map(), byClient: new Map(), ...more };
        this.rooms.set(id, room);
        for (const user of users) room.members.set(user, { role: 'member', read_seq: 0, notify: 'all' });
        return room;
    }

    refuse(method, code, message, { times = 1, temporary = false } = {}) {
        this.refusals.push({ method, error: new Refusal(code, message, temporary), times });
    }

    // --- views

    countsOf(room, user) {
        const member = room.members.get(user);
        const left = room.messages.filter((m) => m.seq > member.read_seq && m.user !== user && !m.deleted);
        return {
            read_seq: member.read_seq,
            unread: Math.min(left.length, COUNT_MAX),
            mentions: Math.min(left.filter((m) => m.mentions?.includes(user)).length, COUNT_MAX),
            ...(member.unread_mark ? { unread_mark: true } : {}),
        };
    }

    viewOf(room, user) {
        const { id, kind, name, topic, ver, last_seq, last_at, members } = room;
        const member = members.get(user);
        const peer = kind === 'direct' ? [...members.keys()].find((one) => one !== user) : null;
        return {
            id,
            kind,
            ...(name ? { name } : {}),
            ...(topic ? { topic } : {}),
            ver,
            last_seq,
            last_at,
            members_n: members.size,
            ...(member && peer ? { peer: this.users.get(peer) } : {}),
            ...(member ? { role: member.role, notify: member.notify, ...this.countsOf(room, user) } : {}),
        };
    }

    static copy(message) {
        return structuredClone(message);
    }

    // --- changes

    #emit(room, event) {
        const full = { ...event, ver: room.ver };
        room.events.push(structuredClone(full));
        for (const link of this.links) link.published(`room:${room.id}`, structuredClone(full));
    }

    #live(room, event) {
        for (const link of this.links) link.published(`room:${room.id}`, structuredClone(event));
    }

    tell(user, event) {
        for (const link of this.links) if (link.user === user) link.toldUser(structuredClone(event));
    }

    #tellUnread(room, users = room.members.keys()) {
        for (const user of users)
            this.tell(user, { type: 'unread.changed', room: room.id, ver: room.ver, last_seq: room.last_seq, last_at: room.last_at, ...this.countsOf(room, user) });
    }

    send(roomId, user, { text, client_id, reply_to, meta }) {
        const room = this.rooms.get(roomId);
        const key = `${user} ${client_id}`;
        if (client_id && room.byClient.has(key)) return { ...room.byClient.get(key), duplicate: true };
        const message = {
            room: roomId,
            seq: ++room.last_seq,
            ver: ++room.ver,
            user,
            at: this.clock.now(),
            text,
            ...(client_id ? { client_id } : {}),
            ...(reply_to ? { reply_to: { seq: reply_to, user: room.messages[reply_to - 1].user, text: room.messages[reply_to - 1].text } } : {}),
            ...(meta !== undefined ? { meta } : {}),
            mentions: [...text.matchAll(/@(\w+)/g)].map(([, login]) => login).filter((login) => this.users.has(login)),
        };
        if (!message.mentions.length) delete message.mentions;
        room.messages.push(message);
        room.last_at = message.at;
        const result = { seq: message.seq, ver: message.ver, at: message.at };
        if (client_id) room.byClient.set(key, result);
        this.#emit(room, { type: 'message.created', message });
        this.#tellUnread(room);
        for (const one of message.mentions ?? []) if (one !== user) this.tell(one, { type: 'mentioned', room: roomId, message });
        return result;
    }

    #message(room, seq) {
        const message = room.messages[seq - 1];
        if (!message) throw notFound();
        if (message.deleted) throw new Refusal(410, 'deleted');
        return message;
    }

    edit(roomId, seq, text) {
        const room = this.rooms.get(roomId);
        const message = this.#message(room, seq);
        message.text = text;
        message.edited_at = this.clock.now();
        message.ver = ++room.ver;
        this.#emit(room, { type: 'message.updated', message });
        return { ver: room.ver, edited_at: message.edited_at };
    }

    delete(roomId, seq, by) {
        const room = this.rooms.get(roomId);
        const { user, at } = this.#message(room, seq);
        room.messages[seq - 1] = { room: roomId, seq, ver: ++room.ver, user, at, deleted: true, deleted_by: by };
        this.#emit(room, { type: 'message.deleted', message: room.messages[seq - 1] });
        this.#tellUnread(room);
        return { ver: room.ver };
    }

    react(roomId, user, seq, emoji, isOn) {
        const room = this.rooms.get(roomId);
        const message = this.#message(room, seq);
        const all = new Map((message.reactions ?? []).map(({ emoji: one, users }) => [one, new Set(users)]));
        const users = all.get(emoji) ?? new Set();
        if (users.has(user) === isOn) return { ver: room.ver, reactions: message.reactions ?? [] };
        if (isOn) users.add(user);
        else users.delete(user);
        all.set(emoji, users);
        const reactions = [...all].filter(([, set]) => set.size).map(([one, set]) => ({ emoji: one, n: set.size, users: [...set] }));
        if (reactions.length) message.reactions = reactions;
        else delete message.reactions;
        message.ver = ++room.ver;
        this.#emit(room, { type: isOn ? 'reaction.added' : 'reaction.removed', seq, emoji, user, reactions });
        return { ver: room.ver, reactions };
    }

    pin(roomId, user, seq, isOn) {
        const room = this.rooms.get(roomId);
        const message = this.#message(room, seq);
        if (Boolean(message.pinned) === isOn) return { ver: room.ver };
        if (isOn) message.pinned = true;
        else delete message.pinned;
        message.ver = ++room.ver;
        this.#emit(room, { type: isOn ? 'pin.added' : 'pin.removed', seq, user });
        return { ver: room.ver };
    }

    update(roomId, change) {
        const room = this.rooms.get(roomId);
        Object.assign(room, change);
        room.ver++;
        this.#emit(room, { type: 'room.updated', room: this.viewOf(room, null) });
        return { room: this.viewOf(room, null) };
    }

    join(roomId, user, role = 'member') {
        const room = this.rooms.get(roomId);
        room.members.set(user, { role, read_seq: room.last_seq, notify: 'all' });
        room.ver++;
        this.#emit(room, { type: 'member.added', user: this.users.get(user), role });
        this.tell(user, { type: 'room.added', room: this.viewOf(room, user) });
        return { room: this.viewOf(room, user) };
    }

    remove(roomId, user, reason = 'removed') {
        const room = this.rooms.get(roomId);
        room.members.delete(user);
        room.ver++;
        this.#emit(room, { type: 'member.removed', user, reason });
        for (const link of this.links) if (link.user === user) link.expel(`room:${roomId}`);
        this.tell(user, { type: 'room.removed', room: roomId, reason });
        return { ver: room.ver };
    }

    mark(roomId, user, seq) {
        const room = this.rooms.get(roomId);
        const member = room.members.get(user);
        if (seq > member.read_seq || member.unread_mark) {
            member.read_seq = Math.max(member.read_seq, Math.min(seq, room.last_seq));
            delete member.unread_mark;
            this.#tellUnread(room, [user]);
        }
        return this.countsOf(room, user);
    }

    markUnread(roomId, user, seq) {
        const room = this.rooms.get(roomId);
        const member = room.members.get(user);
        member.read_seq = seq - 1;
        member.unread_mark = true;
        this.#tellUnread(room, [user]);
        return this.countsOf(room, user);
    }

    typing(roomId, user, type) {
        this.#live(this.rooms.get(roomId), { type, user });
        return {};
    }

    page(room, { before, after, around, limit = 50 }) {
        const size = Math.min(limit, PAGE_MAX);
        const { messages } = room;
        let from;
        let to;
        if (before) {
            to = Math.min(before - 1, messages.length);
            from = Math.max(0, to - size);
        } else if (after !== undefined) {
            from = Math.min(after, messages.length);
            to = Math.min(messages.length, from + size);
        } else if (around) {
            from = Math.max(0, Math.min(around - 1 - (size >> 1), messages.length - size));
            to = Math.min(messages.length, from + size);
        } else {
            to = messages.length;
            from = Math.max(0, to - size);
        }
        return { messages: messages.slice(from, to), has_before: from > 0, has_after: to < messages.length };
    }

    changes(room, { since, limit = 100 }) {
        if (since > room.ver || room.ver - since > this.syncable) return { ver: room.ver, messages: [], reset: true };
        const changed = room.messages.filter((m) => m.ver > since).sort((a, b) => a.ver - b.ver);
        const events = room.events.filter((event) => event.ver > since);
        const part = changed.slice(0, limit);
        const more = part.length < changed.length;
        const members = events.filter(({ type }) => type.startsWith('member.')).map(({ user, role }) => ({ user, role }));
        return {
            ver: more ? part.at(-1).ver : room.ver,
            messages: part,
            ...(more ? { more } : {}),
            ...(members.length && !more ? { members } : {}),
            ...(events.some(({ type }) => type === 'room.updated') ? { room: this.viewOf(room, null) } : {}),
        };
    }

    // --- what is asked

    ask(user, method, request) {
        this.calls.push([user, method, request]);
        const refusal = this.refusals.find((one) => one.method === method && one.times > 0);
        if (refusal) {
            refusal.times--;
            throw refusal.error;
        }
        return structuredClone(this.#answer(user, method, request));
    }

    #answer(user, method, request) {
        if (method === 'sync')
            return {
                me: this.users.get(user),
                team: { name: 'Team' },
                users: [...this.users.values()].filter(({ hidden }) => !hidden),
                rooms: [...this.rooms.values()].filter((room) => room.members.has(user)).map((room) => this.viewOf(room, user)),
                epoch: this.epoch,
                ...(this.online ? { online: [...this.online] } : {}),
                limits: { text_bytes: 16384 },
            };
        if (method === 'user.get') return { users: request.ids.map((id) => this.users.get(id)).filter(Boolean) };
        if (method === 'presence.set') {
            const next = { ...this.users.get(user), status: request.status ?? undefined };
            this.users.set(user, next);
            for (const one of this.users.keys()) this.tell(one, { type: 'user.updated', user: next });
            return { user: next };
        }
        if (method === 'room.create') {
            const id = `new${this.rooms.size}`;
            this.addRoom(id, [user, ...(request.users ?? [])], { kind: request.kind, name: request.name });
            return { room: this.viewOf(this.rooms.get(id), user) };
        }
        if (method === 'search') {
            const all = [...this.rooms.values()].flatMap((room) => room.messages);
            const hits = [];
            let at = Number(request.cursor ?? 0);
            const end = Math.min(all.length, at + this.searchWork);
            for (; at < end && hits.length < 2; at++)
                if (all[at].text?.includes(request.q)) hits.push({ message: all[at], snippet: [[all[at].text, true]] });
            if (at === all.length) return { hits };
            return { hits, cursor: String(at), ...(hits.length < 2 && { partial: true }) };
        }

        const room = this.rooms.get(request.room);
        if (!room) throw notFound();
        const isOpen = room.kind === 'public' && ['room.open', 'message.history', 'room.join'].includes(method);
        if (!room.members.has(user) && !isOpen) throw notFound();
        switch (method) {
            case 'room.open': {
                const counts = room.members.has(user) ? this.countsOf(room, user) : null;
                const around = request.around === 'unread' ? (counts?.unread ? counts.read_seq + 1 : undefined) : request.around;
                return { room: this.viewOf(room, user), ...this.page(room, { ...request, around }), pins_n: room.messages.filter((m) => m.pinned).length };
            }
            case 'room.sync':
                return this.changes(room, request);
            case 'room.join':
                return this.join(room.id, user);
            case 'room.leave':
                this.remove(room.id, user, 'left');
                return {};
            case 'message.history':
                return this.page(room, request);
            case 'message.send':
                return this.send(room.id, user, request);
            case 'message.edit':
                return this.edit(room.id, request.seq, request.text);
            case 'message.delete':
                return this.delete(room.id, request.seq, user);
            case 'reaction.add':
            case 'reaction.remove':
                return this.react(room.id, user, request.seq, request.emoji, method === 'reaction.add');
            case 'pin.add':
            case 'pin.remove':
                return this.pin(room.id, user, request.seq, method === 'pin.add');
            case 'read.mark':
                return this.mark(room.id, user, request.seq);
            case 'read.mark_unread':
                return this.markUnread(room.id, user, request.seq);
            case 'typing.start':
                return this.typing(room.id, user, 'typing.started');
            case 'typing.stop':
                return this.typing(room.id, user, 'typing.stopped');
            case 'notify.set':
                room.members.get(user).notify = request.level;
                return {};
            case 'member.list':
                return { members: [...room.members].map(([id, { role }]) => ({ user: this.users.get(id), role })) };
        }
        throw new Refusal(104, 'method not found');
    }
}
