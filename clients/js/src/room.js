// One room: what the server says of it, its timeline, and what is written here.
import { ChatError } from './error.js';
import { Observable } from './observable.js';
import { Presence } from './presence.js';
import { Reading } from './reading.js';
import { UNREAD_MAX, infoOf, merged } from './room_info.js';
import { Timeline } from './timeline.js';
import { OthersTyping, OwnTyping } from './typing.js';

const NOBODY = new Map();
const LEFT = 'left';

export class Room extends Observable {
    // model: what a room needs of the chat; see `#model` in chat.js.
    constructor(model, id) {
        super(null);
        this.id = id;
        this.model = model;
        this.wire = null; // what the server last said
        this.gone = null;
        this.lastMessage = null;
        this.membersVer = 0;
        this.ownVer = 0; // of what was last told of my own part: unread and so on
        this.toldAt = 0; // when, in the model's count of such events
        this.receipts = NOBODY;
        this.draft = null;
        const { clock, isOnline } = model;
        const call = (method, request) => model.call(method, { room: id, ...request });
        this.deps = { call, clock, isOnline, now: model.eventsN };

        this.reading = new Reading(this.deps, {
            changed: () => this.infoChanged(),
            answered: (state, askedAt) => {
                // An event that knows of it is newer.
                const isOld = this.toldAt > askedAt && this.wire?.read_seq === state.read_seq;
                if (!isOld) this.#setOwn(state);
            },
        });
        this.ownTyping = new OwnTyping(this.deps);
        this.othersTyping = new OthersTyping(clock, () => this._changed());
        this.presence = new Presence(clock, () => this._changed());
        this.stream = new Timeline(
            {
                ...this.deps,
                subscribe: (on) => model.subscribe(`room:${id}`, on),
                pageSize: model.pageSize,
                windowMax: model.windowMax,
                itemOf: (message, old) => this.#itemOf(message, old),
                isMember: () => this.isMember,
                readSeq: () => this.readSeq,
            },
            {
                changed: () => {
                    if (this.reading.target) this.infoChanged();
                    this._changed();
                },
                room: (wire, ver, askedAt) => this.merge(wire, { ver, askedAt }),
                member: (event) => this.#memberChanged(event),
                pass: (event) => this.#passing(event),
                heard: (event) => this.#heard(event),
                seen: (messages) => this.#seen(messages),
                settled: (ver) => model.outbox.settleTo(id, ver),
                live: (isLive) => {
                    if (isLive) this.presence.start(() => this.stream.sub.presence());
                    else {
                        this.presence.stop();
                        this.othersTyping.clear();
                    }
                },
                join: (user, client) => this.presence.joined(user, client),
                leave: (user, client) => this.presence.left(user, client),
            },
        );
        this._changed();
    }

    // --- what is shown

    get info() {
        if (this.isInfoStale) {
            this.isInfoStale = false;
            this.lastInfo = infoOf(this, this.lastInfo);
        }
        return this.lastInfo ?? null;
    }

    get timeline() {
        return this.value.timeline;
    }

    get isMember() {
        return Boolean(this.wire?.role) && !this.gone;
    }

    get readSeq() {
        return Math.max(this.wire?.read_seq ?? 0, this.reading.target);
    }

    _next(old) {
        const { stream, presence, othersTyping } = this;
        return {
            info: this.info,
            timeline: this.#timelineValue(stream, old?.timeline),
            typing: othersTyping.users,
            online: presence.users,
            receipts: this.receipts,
            draft: this.draft,
            pending: this.model.outbox.of(this.id),
            membersVer: this.membersVer,
            gone: this.gone,
        };
    }

    // The same object for as long as nothing in it is another: somebody who writes is no change of what is shown.
    #timelineValue(stream, old) {
        const { window } = stream;
        const pending = window.hasAfter || stream.status !== 'open' ? [] : this.model.outbox.of(this.id);
        const all = [...window.items, ...pending];
        const next = {
            status: stream.status,
            error: stream.error,
            items: old && isSameList(old.items, all) ? old.items : all,
            hasBefore: window.hasBefore,
            hasAfter: window.hasAfter,
            isLoadingBefore: stream.loading.before,
            isLoadingAfter: stream.loading.after,
            firstUnread: stream.firstUnread,
            unreadAtOpen: stream.unreadAtOpen,
            anchor: stream.anchor,
            ver: stream.ver,
            isLive: stream.isLive,
            generation: stream.generation,
            pins: stream.pins,
        };
        return old && Object.keys(next).every((key) => Object.is(old[key], next[key])) ? old : next;
    }

    #itemOf(message, old) {
        const isMine = message.user === this.model.me()?.id;
        const key = old?.key ?? ((isMine && message.client_id) || String(message.seq));
        return { ...message, key, isMine };
    }

    infoChanged() {
        this.isInfoStale = true;
        this.model.roomChanged(this);
        this._changed();
    }

    // --- what the server says

    // askedAt: of an answer: the count of events when it was asked for. An event that came since is newer, unless the answer knows
    // of changes that it does not.
    merge(wire, { ver = wire?.ver ?? 0, askedAt = Infinity, isAll = false } = {}) {
        if (!wire) return;
        const isOlder = this.ownVer > ver || (this.toldAt > askedAt && this.ownVer === ver);
        const hasOwn = Boolean(wire.role) && (isAll || !isOlder || !this.isMember);
        this.model.putUsers([wire.peer, ...(wire.users ?? [])]);
        this.wire = merged(this.wire ?? { id: this.id, ver: 0, last_seq: 0 }, wire, { ver, hasOwn });
        if (hasOwn) {
            this.gone = null;
            this.ownVer = ver;
        }
        this.reading.confirmed(this.wire.read_seq ?? 0);
        this.infoChanged();
    }

    forgetWire() {
        this.wire = null;
        this.lastMessage = null;
        this.ownVer = 0;
        this.infoChanged();
    }

    unreadChanged(event) {
        if (!this.wire) return;
        const { last_seq = 0, last_at = 0 } = this.wire;
        this.wire = { ...this.wire, last_seq: Math.max(last_seq, event.last_seq ?? 0), last_at: Math.max(last_at, event.last_at ?? 0) };
        this.#setOwn(event);
        this.ownVer = event.ver ?? 0;
        this.toldAt = this.model.eventsN();
        this.stream.expect(event.ver);
    }

    #setOwn({ read_seq, unread, mentions, unread_mark }) {
        if (!this.wire) return;
        this.wire = { ...this.wire, read_seq: read_seq ?? 0, unread: unread ?? 0, mentions: mentions ?? 0, unread_mark };
        this.reading.confirmed(this.wire.read_seq);
        this.infoChanged();
    }

    removed(reason) {
        if (!this.wire?.role) return false;
        const { role, read_seq, unread, mentions, unread_mark, notify, ...rest } = this.wire;
        this.wire = rest;
        this.gone = reason;
        this.reading.stop();
        this.reading.target = 0;
        this.stream.lose(new ChatError(404, 'not_found', { message: reason, details: { reason } }));
        this.infoChanged();
        return true;
    }

    #memberChanged(event) {
        this.membersVer = event.ver;
        const user = event.user?.id ?? event.user;
        if (typeof event.user === 'object') this.model.putUsers([event.user]);
        const step = { 'member.added': 1, 'member.removed': -1 }[event.type] ?? 0;
        if (this.wire?.members_n !== undefined && step) this.wire = { ...this.wire, members_n: this.wire.members_n + step };
        if (user === this.model.me()?.id) {
            if (event.type === 'member.removed') this.model.roomRemoved(this, event.reason ?? 'removed');
            else if (this.wire?.role && event.role) this.wire = { ...this.wire, role: event.role, muted_until: event.muted_until };
        }
        this.infoChanged();
    }

    #passing({ type, user, read_seq }) {
        if (user === this.model.me()?.id && type !== 'read.updated') return;
        if (type === 'typing.started') this.othersTyping.started(user);
        else if (type === 'typing.stopped') this.othersTyping.stopped(user);
        else if (type === 'read.updated' && read_seq > (this.receipts.get(user) ?? 0)) {
            this.receipts = new Map(this.receipts).set(user, read_seq);
            this._changed();
        }
    }

    // Once for each change that arrives, in whatever order.
    #heard({ type, message, ver }) {
        if (!message) return;
        if (type !== 'message.created') {
            this.note(message);
            return;
        }
        this.othersTyping.stopped(message.user);
        this.note(message);
        this.model.outbox.settle({ ...message, ver, room: this.id });
        this.model.emit('message.created', { room: this.id, message });
    }

    #seen(messages) {
        for (const message of messages) this.model.outbox.settle({ ...message, room: this.id });
        if (messages.length) this.note(messages.reduce((a, b) => (a.seq > b.seq ? a : b)));
    }

    // Of the newest message there may be more to say.
    note(message) {
        const { lastMessage: known } = this;
        if (!known || message.seq > known.seq || (message.seq === known.seq && message.ver > known.ver)) this.lastMessage = message;
        if (this.wire && message.seq > (this.wire.last_seq ?? 0))
            this.wire = { ...this.wire, last_seq: message.seq, last_at: Math.max(this.wire.last_at ?? 0, message.at ?? 0) };
        this.infoChanged();
    }

    // --- looking

    async open({ at = 'unread' } = {}) {
        this.reading.release();
        await this.stream.open(at);
    }

    close() {
        this.ownTyping.stopped();
        this.stream.close();
        this.receipts = NOBODY;
        this.model.outbox.settleTo(this.id, Infinity);
    }

    loadBefore() {
        return this.stream.loadBefore();
    }

    loadAfter() {
        return this.stream.loadAfter();
    }

    follow(isAtEnd) {
        this.stream.follow(isAtEnd);
    }

    find(seq) {
        return this.stream.window.get(seq);
    }

    // How many of the window are unread after `seq`, when all after it are there; null: not known.
    unreadAfter(seq) {
        if (!this.stream.covers(seq + 1)) return null;
        const me = this.model.me()?.id;
        const items = this.stream.window.items.filter((item) => item.seq > seq && !item.isMine && !item.deleted);
        const mentions = items.filter((item) => this.wire.kind === 'direct' || item.mentions_all || item.mentions?.includes(me));
        return { unread: Math.min(items.length, UNREAD_MAX), mentions: Math.min(mentions.length, UNREAD_MAX) };
    }

    markRead(seq = this.stream.window.last) {
        if (this.isMember && seq > 0) this.reading.mark(seq, this.wire.read_seq ?? 0);
    }

    markUnread(seq) {
        return this.reading.markUnread(seq, this.wire?.last_seq ?? 0);
    }

    // --- writing

    send(message) {
        const { text = '', reply_to, attachments, meta } = typeof message === 'string' ? { text: message } : message;
        this.ownTyping.ended();
        const quoted = reply_to ? this.find(reply_to) : null;
        return this.model.outbox.add(this.id, {
            text,
            ...(reply_to ? { reply_to, quote: { seq: reply_to, user: quoted?.user ?? '', text: quoted?.text ?? '' } } : {}),
            ...(attachments?.length ? { attachments } : {}),
            ...(meta !== undefined ? { meta } : {}),
        });
    }

    retry(clientId) {
        this.model.outbox.retry(clientId);
    }

    discard(clientId) {
        this.model.outbox.discard(clientId);
    }

    async edit(which, text, options = {}) {
        if (typeof which === 'number') {
            await this.deps.call('message.edit', { seq: which, text, ...options });
            return;
        }
        if (this.model.outbox.edit(which, text)) return;
        // It has become an ordinary message meanwhile.
        const item = this.stream.window.items.find((one) => one.isMine && one.client_id === which);
        if (!item) throw new ChatError(404, 'not_found');
        await this.deps.call('message.edit', { seq: item.seq, text, ...options });
    }

    async delete(seq, reason) {
        await this.deps.call('message.delete', { seq, ...(reason ? { reason } : {}) });
    }

    async react(seq, emoji, isOn) {
        const me = this.model.me()?.id;
        const there = this.find(seq)?.reactions?.find((one) => one.emoji === emoji);
        isOn ??= !there?.users?.includes(me);
        await this.deps.call(isOn ? 'reaction.add' : 'reaction.remove', { seq, emoji });
    }

    async pin(seq, isOn) {
        isOn ??= !this.find(seq)?.pinned;
        await this.deps.call(isOn ? 'pin.add' : 'pin.remove', { seq });
    }

    async setNotify(level) {
        await this.deps.call('notify.set', { level });
        if (this.wire) this.wire = { ...this.wire, notify: level };
        this.infoChanged();
    }

    typed() {
        this.ownTyping.typed();
    }

    typingStopped() {
        this.ownTyping.stopped();
    }

    setDraft(draft) {
        const isEmpty = !draft || !(draft.text || draft.reply_to || draft.attachments?.length || draft.edits);
        this.draft = isEmpty ? null : draft;
        this.model.drafts.set(this.id, this.draft);
        this.infoChanged();
    }

    loadDraft() {
        this.draft = this.model.drafts.get(this.id);
        this.infoChanged();
    }

    async join() {
        await this.deps.call('room.join', {});
        this.stream.reopen();
    }

    async leave() {
        await this.deps.call('room.leave', {});
        this.model.roomRemoved(this, LEFT);
    }

    stop() {
        this.stream.close();
        this.reading.stop();
        this.ownTyping.ended();
        this.othersTyping.clear();
    }
}

const isSameList = (a, b) => a.length === b.length && a.every((one, i) => one === b[i]);
