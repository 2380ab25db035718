// Types of parley-chat. Objects of the protocol keep its names (`read_seq`); what the library adds is in camelCase. Times are Unix
// milliseconds. Values given out are immutable: what has changed is a new object, what has not is the same one.

import type {
    Attachment, Limits, Message, Methods, Nothing, NotifyLevel, RoomWire, SearchHit, SearchQuery, Status, User,
} from './protocol.js';

export * from './protocol.js';

export interface SearchPage {
    /** May be none though there is a next page: see `isPartial`. */
    readonly hits: readonly SearchHit[];
    /** The server stopped for the time it took, not because the page was full: `next()` looks further. */
    readonly isPartial: boolean;
    /** The next page; absent on the last. */
    next?(): Promise<SearchPage>;
}

/** The methods of one family by their last word: `chat.member.add({ room, user })`. */
export type MethodGroup<Family extends string> = {
    readonly [M in keyof Methods as M extends `${Family}.${infer Word}` ? Word : never]: Nothing extends Methods[M][0]
        ? (request?: Methods[M][0]) => Promise<Methods[M][1]>
        : (request: Methods[M][0]) => Promise<Methods[M][1]>;
};

// -------------------------------------------------------------------------------------------------------------------- errors

/** Whatever the server refused, or the network did not carry. */
export class ChatError extends Error {
    constructor(code: number, word: string, options?: { message?: string; details?: Record<string, string | number>; temporary?: boolean; status?: number });
    /** The protocol's (`404`), an HTTP status, or below 100: no answer came. */
    readonly code: number;
    /** `not_found`, `slow_mode`, `permission denied`…; `timeout` and `offline` when no answer came. */
    readonly word: string;
    /** What is for machines: `{ retry_ms: 4200 }`, `{ field: 'text', max: 16384 }`. */
    readonly details: Readonly<Record<string, string | number>>;
    /** The same may work later. */
    readonly temporary: boolean;
    /** Of the endpoints: the HTTP status. */
    readonly status?: number;
    /** From whatever the Centrifuge SDK rejects with. */
    static from(error: unknown): ChatError;
}

// ---------------------------------------------------------------------------------------------------------------- observables

/** A value that is watched: listeners are told at most once a turn, after it has changed. */
export class Observable<T> {
    constructor(value: T);
    /** Immutable; another object after each change. */
    readonly value: T;
    /** Returns what ends it. */
    watch(listener: () => void): () => void;
}

// --------------------------------------------------------------------------------------------------------------------- model

/**
 * `connecting`: an attempt is under way, or the model is being brought up to date; `online`: what is shown is what is; `offline`:
 * not connected, and `retryAt` says when the next attempt is due (null: none; `error` says why, or disconnect() was called).
 */
export interface Connection {
    readonly status: 'connecting' | 'online' | 'offline';
    /** Since when it is online, or since when it is not. */
    readonly since: number;
    readonly retryAt: number | null;
    /** Why the last attempt failed; with `retryAt` null it is final: `unauthorized` (sign in again), `session_ended`, `deactivated`… */
    readonly error: ChatError | null;
}

/** A room in the list: what the server said, with what is known here already. */
export interface RoomInfo extends RoomWire {
    /** Its name, or the names of the others in it. */
    readonly title: string;
    /** Of direct rooms: the other one. */
    readonly peerId: string | null;
    /** Counts as the server tells them, less what was read here just now. 100 means "99+". */
    readonly unread: number;
    readonly mentions: number;
    readonly read_seq: number;
    readonly last_at: number;
    /** The newest message, where it is known here: rooms that are or were open, and those that mention me. */
    readonly lastMessage: Message | null;
    /** Mine: something is being written, something could not be sent. */
    readonly hasDraft: boolean;
    readonly failed: number;
}

export interface ChatState {
    readonly connection: Connection;
    /** The first sync has been answered: the rest is known. */
    readonly isLoaded: boolean;
    readonly me: User | null;
    readonly team: { readonly name: string } | null;
    readonly limits: Limits;
    readonly users: ReadonlyMap<string, User>;
    /** Ids of who is connected, of those that I may know; null: not known, they are too many (`user.get` has `last_seen`). */
    readonly online: ReadonlySet<string> | null;
    /** Mine; the one with the newest message first. */
    readonly rooms: readonly RoomInfo[];
    /** Of all rooms that are not set to `none`: for the title of a window. */
    readonly unread: number;
    readonly mentions: number;
    /** The storage refused something (full, or switched off): what is written here lives as long as the page. */
    readonly isStorageFailing: boolean;
}

/** `queued`: waits for its turn or the connection; `sending`; `failed`: refused, see `error`; `sent`: kept, its event is due. */
export type SendState = 'queued' | 'sending' | 'failed' | 'sent';

/** A line of a timeline. Those of mine that are not yet part of the room have a `state` and no `seq`. */
export interface TimelineItem extends Omit<Message, 'seq' | 'ver'> {
    /** Stays the same from the moment of sending on: for lists that are rendered by key. */
    readonly key: string;
    readonly isMine: boolean;
    readonly seq?: number;
    readonly ver?: number;
    readonly state?: SendState;
    readonly error?: ChatError;
    /** Of a pending one: will be tried again at this time. */
    readonly retryAt?: number;
    /** A pending one that was edited after an attempt: the text it will have. */
    readonly isEditPending?: boolean;
    /** Kept in the storage: survives a restart. */
    readonly isKept?: boolean;
}

/** `idle`: not open; `loading`: no page yet; `open`; `failed`: see `error`, open() tries again. */
export interface Timeline {
    readonly status: 'idle' | 'loading' | 'open' | 'failed';
    readonly error: ChatError | null;
    /** Gap-free and ascending by seq; then, when the end is shown, mine that are pending. */
    readonly items: readonly TimelineItem[];
    readonly hasBefore: boolean;
    /** There is more after the last: what arrives is not appended. */
    readonly hasAfter: boolean;
    readonly isLoadingBefore: boolean;
    readonly isLoadingAfter: boolean;
    /** The first message that was unread when it was opened: where the divider goes. */
    readonly firstUnread: number | null;
    /** How many were unread then. */
    readonly unreadAtOpen: number;
    /** What open() was asked to show. */
    readonly anchor: 'end' | number;
    /** Everything up to here is in. */
    readonly ver: number;
    /** Changes arrive by themselves: subscribed and up to date. Public rooms of others are only looked at. */
    readonly isLive: boolean;
    /** How often the window was replaced: by open(), or because the server could not say what had changed. */
    readonly generation: number;
    readonly pins: number;
}

export interface Draft {
    readonly text: string;
    readonly reply_to?: number;
    readonly attachments?: readonly Attachment[];
    /** Being edited: the message's seq. */
    readonly edits?: number;
}

export interface RoomState {
    /** Null: not of mine, and never looked at. */
    readonly info: RoomInfo | null;
    readonly timeline: Timeline;
    /** Who types, but me; in the order of beginning. */
    readonly typing: readonly string[];
    /** Who has it open (native presence), while it is open here. */
    readonly online: readonly string[];
    /** Who has read how far, where the room has receipts; heard of while it is open. */
    readonly receipts: ReadonlyMap<string, number>;
    readonly draft: Draft | null;
    /** Mine in this room that are not in it yet, oldest first. */
    readonly pending: readonly TimelineItem[];
    /** Grows when members came, went or changed: time to ask for `member.list` again. */
    readonly membersVer: number;
    /** Why it is mine no longer: `left`, `kicked`, `banned`, `removed`, `not_found`. */
    readonly gone: string | null;
}

export interface Outgoing {
    text: string;
    reply_to?: number;
    /** Uploaded before, by upload(). */
    attachments?: readonly Attachment[];
    meta?: unknown;
}

export class Room extends Observable<RoomState> {
    private constructor();
    readonly id: string;
    readonly info: RoomInfo | null;
    readonly timeline: Timeline;

    /**
     * Subscribes and shows a page: at the first unread message (the default), at the end, or around a message. Open already, it
     * jumps; where the message is in the window nothing is loaded. Resolves when it can be shown.
     */
    open(options?: { at?: 'unread' | 'end' | number }): Promise<void>;
    /** Unsubscribes and forgets the window. What is pending is sent all the same. */
    close(): void;
    /** One more page; nothing when there is none or one is on its way. */
    loadBefore(): Promise<void>;
    loadAfter(): Promise<void>;
    /** The view shows the end (true): arrivals push out the oldest. Or it does not: they do not move what is looked at. */
    follow(isAtEnd: boolean): void;
    /** The item, if it is in the window. */
    find(seq: number): TimelineItem | null;

    /** Returns at once, with the client_id; the timeline has it. */
    send(message: string | Outgoing): string;
    /** A failed one, once more: at the end of the queue. */
    retry(clientId: string): void;
    /** Forgets a pending one. If it was on its way it may arrive all the same, and then stands in the room. */
    discard(clientId: string): void;
    /** By seq, or a pending one by its client_id: that is changed before it goes, or edited as soon as it is there. */
    edit(which: number | string, text: string, options?: { if_ver?: number }): Promise<void>;
    delete(seq: number, reason?: string): Promise<void>;
    /** isOn: absent: the other of what it is for me. */
    react(seq: number, emoji: string, isOn?: boolean): Promise<void>;
    pin(seq: number, isOn?: boolean): Promise<void>;

    /**
     * Somebody has seen everything up to seq (absent: the last of the window). Only grows; sent after a moment, and until it has
     * arrived. Counts here change at once. Ignored after markUnread() until open() or a newer message.
     */
    markRead(seq?: number): void;
    markUnread(seq: number): Promise<void>;
    setNotify(level: NotifyLevel): Promise<void>;

    /** To be called with each key pressed: tells the others, at most every 3 s, and by itself that it is over. */
    typed(): void;
    typingStopped(): void;
    /** Kept in the storage. Null or an empty one removes it. */
    setDraft(draft: Draft | null): void;

    join(): Promise<void>;
    leave(): Promise<void>;
}

export interface ChatEvents {
    /** Something to notify of: a mention, or a message of a direct room; not mine. */
    mentioned: { room: string; message: Message };
    'room.added': { room: RoomInfo };
    'room.removed': { room: string; reason: string };
    /** Signed out by somebody; no attempts follow. */
    'session.ended': Record<string, never>;
    /** Mine; of `failed`: `error`. */
    'message.sent': { room: string; client_id: string; seq: number };
    'message.failed': { room: string; client_id: string; error: ChatError };
    /** Each new message of the rooms that are open, mine too: for sounds and screen readers. */
    'message.created': { room: string; message: Message };
}

export interface StorageLike {
    readonly length: number;
    key(index: number): string | null;
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
    removeItem(key: string): void;
}

/** What time is made of; for tests. */
export interface Clock {
    now(): number;
    setTimeout(run: () => void, ms: number): unknown;
    clearTimeout(timer: unknown): void;
}

/** What waits to be sent, of all rooms; beyond, send() throws a ChatError `outbox_full`. */
export const OUTBOX_MAX: number;

export interface ChatOptions {
    /** The server: `https://chat.example.org`. In a page: absent, where the page is from. */
    url?: string;
    /** A login's token (`plt_…`) or an application's JWT; a function is asked anew when the server wants another. Absent: the cookie. */
    token?: string | (() => string | Promise<string>);
    /** Absent: localStorage, where there is one; null: nothing outlives this object. */
    storage?: StorageLike | null;
    /** In front of each key; default `parley.chat.` */
    storagePrefix?: string;
    /** Node before 22 has none: `ws`. */
    websocket?: unknown;
    fetch?: typeof globalThis.fetch;
    /** Named to the server; default `parley-chat`. */
    name?: string;
    /** Messages of a page, at most 100; default 50. */
    pageSize?: number;
    /** Messages kept of an open room, at least three pages; default 400. */
    windowMax?: number;
    /** After how long without an answer a request is given up; default 10,000. */
    timeoutMs?: number;
    clock?: Clock;
    /** Instead of the network; for tests. */
    transport?: unknown;
}

export interface UploadOptions {
    /** Absent: the file's own. */
    name?: string;
    type?: string;
    signal?: AbortSignal;
    /** total: absent when it is not known. */
    onProgress?(sent: number, total?: number): void;
}

export class Chat extends Observable<ChatState> {
    constructor(options?: ChatOptions);

    readonly connection: Connection;
    readonly me: User | null;
    readonly users: ReadonlyMap<string, User>;
    readonly rooms: readonly RoomInfo[];
    readonly auth: Auth;

    connect(): void;
    /** Until connect(). The model and the outbox stay. */
    disconnect(): void;
    /** Does not wait for `retryAt`. */
    retryNow(): void;
    /** Forgets everything but the storage. */
    close(): void;
    /** Another login: takes effect with the next connect(). */
    setToken(token: string | null): void;
    /** Forgets what the storage has of this user (drafts, outbox): for signing out. */
    forget(): void;
    /** Resolves when it is online; rejects when it cannot be (ChatError). */
    ready(): Promise<void>;

    /** Always the same object for an id. */
    room(id: string): Room;
    /** Undefined: not known; it is asked for, and `users` changes. */
    user(id: string): User | undefined;
    /** When somebody was last there, as far as is known; 0: it is not. Unix ms. */
    lastSeen(id: string): number;
    on<Type extends keyof ChatEvents>(type: Type, listener: (event: ChatEvents[Type]) => void): () => void;

    call<M extends keyof Methods>(method: M, ...request: Nothing extends Methods[M][0] ? [Methods[M][0]?] : [Methods[M][0]]): Promise<Methods[M][1]>;

    /** Creates it, or gives the direct room that is there; it is in `rooms` when it resolves. */
    createRoom(request: Methods['room.create'][0]): Promise<Room>;
    direct(user: string): Promise<Room>;
    search(query: string | SearchQuery): Promise<SearchPage>;
    upload(file: Blob | ArrayBuffer | Uint8Array, options?: UploadOptions): Promise<Attachment>;
    /** Where its bytes are. */
    fileUrl(attachment: Attachment): string;
    setStatus(status: Status | null): Promise<void>;
    updateMe(change: { name?: string; avatar?: string }): Promise<void>;

    readonly member: MethodGroup<'member'>;
    readonly moderation: MethodGroup<'moderation'>;
    readonly admin: MethodGroup<'admin'>;
    readonly invite: MethodGroup<'invite'>;
    readonly webhook: MethodGroup<'webhook'>;
    readonly message: MethodGroup<'message'>;
    readonly pins: MethodGroup<'pin'>;
    readonly roomMethods: MethodGroup<'room'>;
}

// ---------------------------------------------------------------------------------------------------------------- signing in

export interface AuthState {
    /** False: no chat, and nothing else is said. */
    readonly enabled: boolean;
    /** There is no owner yet. */
    readonly setup?: boolean;
    readonly user?: User;
    readonly registration?: 'invite' | 'open' | 'closed';
    readonly guests?: boolean;
    /** Of the team. */
    readonly name?: string;
    readonly limits?: Limits;
}

export interface SignedIn {
    readonly user: User;
    /** The one to begin with. */
    readonly room?: string;
    /** Where it was asked for: `token: true`. */
    readonly token?: string;
}

export interface LoginSession {
    readonly id: string;
    readonly created_at: number;
    readonly last_seen_at?: number;
    readonly expires_at?: number;
    readonly agent?: string;
    readonly address?: string;
    readonly current?: boolean;
}

type WithToken = { token?: true };

/** The /auth/ endpoints. Rejects with ChatError: `code` is the status, `details.field` the field, `details.retry_ms` when to come back. */
export class Auth {
    constructor(options?: { url?: string; token?: string | (() => string | Promise<string>); fetch?: typeof globalThis.fetch });
    state(): Promise<AuthState>;
    setup(request: { code: string; login: string; name: string; password: string } & WithToken): Promise<SignedIn>;
    login(request: { login: string; password: string } & WithToken): Promise<SignedIn>;
    register(request: { login: string; name: string; password: string } & WithToken): Promise<SignedIn>;
    invite(code: string): Promise<{ team: string; by: { id: string; name: string }; room?: { id: string; name: string }; expires_at?: number; guests?: boolean }>;
    accept(request: ({ code: string; login: string; name: string; password: string } | { code: string; guest: true; name: string } | { code: string }) & WithToken): Promise<SignedIn>;
    logout(): Promise<void>;
    changePassword(old: string, next: string): Promise<void>;
    sessions(): Promise<readonly LoginSession[]>;
    revoke(which: { id: string } | { others: true }): Promise<void>;
}

/** A storage that lives as long as it is held: what null gives, and for tests. */
export class MemoryStorage implements StorageLike {
    readonly length: number;
    key(index: number): string | null;
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
    removeItem(key: string): void;
}
