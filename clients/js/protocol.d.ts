// What is spoken: docs/chat-protocol.md as types. Its names are kept.

// ---------------------------------------------------------------------------------------------------- objects of the protocol

export type UserRole = 'owner' | 'admin' | 'member' | 'guest';
export type RoomRole = 'owner' | 'mod' | 'member' | 'guest';
export type RoomKind = 'public' | 'private' | 'direct' | 'group';
export type NotifyLevel = 'all' | 'mentions' | 'none';

export interface Status {
    emoji?: string;
    text?: string;
    until?: number;
}

export interface User {
    readonly id: string;
    readonly login?: string;
    readonly name: string;
    readonly role?: UserRole;
    readonly avatar?: string;
    readonly status?: Status;
    readonly last_seen?: number;
    readonly bot?: boolean;
    readonly deactivated?: boolean;
}

/** A room as the server tells it. */
export interface RoomWire {
    readonly id: string;
    readonly kind: RoomKind;
    readonly name?: string;
    readonly slug?: string;
    readonly topic?: string;
    readonly ver: number;
    readonly last_seq: number;
    readonly last_at?: number;
    readonly members_n?: number;
    readonly archived?: boolean;
    readonly slow_s?: number;
    readonly retain_d?: number;
    readonly receipts?: boolean;
    readonly peer?: User | string;
    readonly users?: readonly (User | string)[];
    /** Members only, from here on. */
    readonly role?: RoomRole;
    readonly read_seq?: number;
    readonly unread?: number;
    readonly mentions?: number;
    readonly unread_mark?: boolean;
    readonly notify?: NotifyLevel;
    readonly muted_until?: number;
}

export interface Attachment {
    readonly id: string;
    readonly name: string;
    readonly type: string;
    readonly size: number;
    readonly width?: number;
    readonly height?: number;
}

export interface Reaction {
    readonly emoji: string;
    readonly n: number;
    /** The first 20, in the order of reacting. */
    readonly users: readonly string[];
}

export interface Quote {
    readonly seq: number;
    readonly user: string;
    readonly text: string;
}

export interface Message {
    readonly room: string;
    readonly seq: number;
    readonly ver: number;
    readonly user: string;
    readonly at: number;
    readonly text?: string;
    readonly client_id?: string;
    readonly reply_to?: Quote;
    readonly attachments?: readonly Attachment[];
    readonly mentions?: readonly string[];
    /** `@all`, by somebody who may. */
    readonly mentions_all?: boolean;
    readonly reactions?: readonly Reaction[];
    readonly edited_at?: number;
    readonly pinned?: boolean;
    readonly meta?: unknown;
    /** A stub is left of a deleted one. */
    readonly deleted?: boolean;
    readonly deleted_by?: string;
    readonly reason?: string;
}

export interface Member {
    readonly user: User | string;
    readonly role: RoomRole;
    readonly muted_until?: number;
}

export interface Limits {
    readonly text_bytes?: number;
    readonly upload_bytes?: number;
    readonly [name: string]: number | undefined;
}

export interface Invite {
    readonly code: string;
    readonly url?: string;
    readonly room?: string;
    readonly guests?: boolean;
    readonly by?: string | { readonly id: string; readonly name: string };
    readonly uses?: number;
    readonly uses_left?: number;
    readonly created_at?: number;
    readonly expires_at?: number;
}

export interface Webhook {
    readonly id: string;
    readonly kind: 'in' | 'out';
    readonly room: string;
    readonly name: string;
    readonly url?: string;
    readonly secret?: string;
}

export interface SearchHit {
    readonly message: Message;
    /** The text around what was found, in pieces; true: found. */
    readonly snippet: readonly (readonly [text: string, isHit: boolean])[];
}

export interface SearchQuery {
    q: string;
    room?: string;
    from?: string;
    before?: number;
    after?: number;
    has?: 'file' | 'link';
    limit?: number;
}

export interface AuditEntry {
    readonly id: number;
    readonly at: number;
    readonly user: string;
    readonly action: string;
    readonly room?: string;
    readonly target?: string;
    readonly detail?: unknown;
}

// ------------------------------------------------------------------------------------------------------------------- methods

type InRoom = { room: string };
type AtSeq = { room: string; seq: number };
type Ver = { ver: number };
export type Nothing = Record<string, never>;

/** Every RPC of the protocol: what it is asked and what it answers. */
export interface Methods {
    sync: [Nothing, { me: User; team: { name: string }; users: User[]; rooms: RoomWire[]; epoch: string; limits?: Limits; online?: string[]; more?: boolean }];
    'user.get': [{ ids: string[] } | { q?: string; after?: string; limit?: number }, { users: User[]; more?: boolean }];
    'user.update': [{ name?: string; avatar?: string }, { user: User }];
    'presence.set': [{ status: Status | null }, { user: User }];
    'room.list': [{ q?: string; limit?: number; after?: string }, { rooms: RoomWire[]; more?: boolean }];
    'room.create': [{ kind: RoomKind; name?: string; slug?: string; topic?: string; users?: string[] }, { room: RoomWire }];
    'room.update': [InRoom & { name?: string; slug?: string; topic?: string; slow_s?: number; retain_d?: number; receipts?: boolean }, { room: RoomWire }];
    'room.archive': [InRoom, { room: RoomWire }];
    'room.unarchive': [InRoom, { room: RoomWire }];
    'room.open': [InRoom & { around?: number | 'unread'; limit?: number }, { room: RoomWire; messages: Message[]; has_before?: boolean; has_after?: boolean; pins_n?: number }];
    'room.sync': [InRoom & { since: number; limit?: number }, { ver: number; messages?: Message[]; members?: (Member | { user: string; role?: undefined })[]; room?: RoomWire; more?: boolean; reset?: boolean }];
    'room.join': [InRoom, { room: RoomWire }];
    'room.leave': [InRoom, Nothing];
    'member.list': [InRoom & { after?: string; limit?: number }, { members: Member[]; more?: boolean }];
    'member.add': [InRoom & { user: string }, Ver];
    'member.remove': [InRoom & { user: string }, Ver];
    'member.update': [InRoom & { user: string; role: RoomRole }, Ver];
    'invite.create': [{ room?: string; guests?: boolean; uses?: number; expires_at?: number }, Invite];
    'invite.list': [{ room?: string }, { invites: Invite[] }];
    'invite.revoke': [{ code: string }, Nothing];
    'message.send': [InRoom & { client_id: string; text: string; reply_to?: number; attachments?: string[]; meta?: unknown }, { seq: number; ver: number; at: number; duplicate?: boolean }];
    'message.edit': [AtSeq & { text: string; if_ver?: number }, { ver: number; edited_at: number }];
    'message.delete': [AtSeq & { reason?: string }, Ver];
    'message.get': [AtSeq, { message: Message }];
    'message.revisions': [AtSeq, { revisions: { at: number; user: string; text: string }[] }];
    'message.history': [InRoom & { before?: number; after?: number; around?: number; limit?: number }, { messages: Message[]; has_before?: boolean; has_after?: boolean }];
    'reaction.add': [AtSeq & { emoji: string }, { ver: number; reactions: Reaction[] }];
    'reaction.remove': [AtSeq & { emoji: string }, { ver: number; reactions: Reaction[] }];
    'pin.add': [AtSeq, Ver];
    'pin.remove': [AtSeq, Ver];
    'pin.list': [InRoom, { messages: Message[]; more?: boolean }];
    'read.mark': [AtSeq, { read_seq: number; unread: number; mentions: number }];
    'read.mark_unread': [AtSeq, { read_seq: number; unread: number; mentions: number }];
    'typing.start': [InRoom, Nothing];
    'typing.stop': [InRoom, Nothing];
    'notify.set': [InRoom & { level: NotifyLevel }, Nothing];
    search: [SearchQuery & { cursor?: string }, { hits: SearchHit[]; cursor?: string; partial?: boolean }];
    'moderation.kick': [InRoom & { user: string; reason?: string }, Ver];
    'moderation.ban': [InRoom & { user: string; until?: number; reason?: string }, Ver];
    'moderation.unban': [InRoom & { user: string; reason?: string }, Ver];
    'moderation.mute': [InRoom & { user: string; until: number; reason?: string }, Ver];
    'moderation.unmute': [InRoom & { user: string; reason?: string }, Ver];
    'moderation.bans': [InRoom, { bans: { user: User | string; by: string; until?: number; reason?: string }[] }];
    'admin.users': [{ q?: string; after?: string; limit?: number }, { users: (User & { created_at: number; logins_n: number })[]; more?: boolean }];
    'admin.user': [{ user: string; role?: UserRole; deactivated?: boolean; password?: string }, { user: User }];
    'admin.settings': [{ name?: string; registration?: 'invite' | 'open' | 'closed'; guests?: boolean; retain_d?: number }, { settings: Record<string, unknown> }];
    'admin.audit': [{ before?: number; limit?: number }, { entries: AuditEntry[]; more?: boolean }];
    'admin.stats': [Nothing, Record<string, unknown>];
    'webhook.create': [{ kind: 'in' | 'out'; room?: string; name: string; url?: string }, { webhook: Webhook }];
    'webhook.list': [Nothing, { webhooks: Webhook[] }];
    'webhook.remove': [{ id: string }, Nothing];
}
