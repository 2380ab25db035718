// What is known of a room, as values.
export const UNREAD_MAX = 100; // "99+"

const OWN = ['role', 'read_seq', 'unread', 'mentions', 'unread_mark', 'notify', 'muted_until'];
const SEEN_BY_ME = ['peer', 'users']; // left out where a room is told to everybody in it

// old, and what the server says at `ver`. What is absent there is empty; but what is the member's own is taken only with `hasOwn`.
export function merged(old, wire, { ver, hasOwn }) {
    const next = { ...(ver >= old.ver ? wire : old) };
    for (const field of SEEN_BY_ME) next[field] = wire[field] ?? old[field];
    for (const field of OWN) next[field] = (hasOwn ? wire : old)[field];
    for (const field of [...SEEN_BY_ME, ...OWN]) if (next[field] === undefined) delete next[field];
    return {
        ...next,
        id: old.id,
        ver: Math.max(old.ver, ver),
        last_seq: Math.max(old.last_seq ?? 0, wire.last_seq ?? 0),
        last_at: Math.max(old.last_at ?? 0, wire.last_at ?? 0),
    };
}

const idOf = (user) => user?.id ?? user ?? null;

// room: the model's; old: the last value, which stays when nothing in it has changed.
export function infoOf(room, old) {
    const { wire } = room;
    if (!wire) return null;
    const info = {
        ...wire,
        title: titleOf(wire, room.model),
        peerId: wire.kind === 'direct' ? idOf(wire.peer) : null,
        ...counts(room),
        lastMessage: room.lastMessage?.seq === wire.last_seq ? room.lastMessage : null,
        hasDraft: Boolean(room.draft),
        failed: room.model.outbox.failedIn(room.id),
    };
    return old && isSame(old, info) ? old : info;
}

// The server's, less what was read here and it has not heard of yet.
function counts(room) {
    const { wire, reading } = room;
    const { read_seq = 0, unread = 0, mentions = 0, last_seq = 0 } = wire;
    if (!(reading.target > read_seq)) return { read_seq, unread, mentions };
    const read = { read_seq: reading.target };
    if (reading.target >= last_seq) return { ...read, unread: 0, mentions: 0 };
    const left = room.unreadAfter(reading.target) ?? { unread: last_seq - reading.target, mentions };
    return { ...read, unread: Math.min(unread, left.unread), mentions: Math.min(mentions, left.mentions) };
}

function titleOf(wire, model) {
    if (wire.name) return wire.name;
    const me = model.me()?.id;
    const others = wire.kind === 'direct' ? [wire.peer] : (wire.users ?? []);
    const names = others
        .filter((user) => user && idOf(user) !== me)
        .map((user) => model.users().get(idOf(user))?.name ?? user.name ?? idOf(user));
    return names.join(', ') || wire.slug || wire.id;
}

function isSame(a, b) {
    const keys = Object.keys(b);
    return keys.length === Object.keys(a).length && keys.every((key) => Object.is(a[key], b[key]));
}

export const byNewest = (a, b) => b.last_at - a.last_at || (a.title < b.title ? -1 : a.title > b.title ? 1 : a.id < b.id ? -1 : 1);
