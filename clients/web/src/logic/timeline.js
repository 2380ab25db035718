// The room's messages in the order of its stream, and between them what happened: who came and went, where
// something may be missing. Plain values: every function returns a new timeline, and the old one when nothing
// changed.
//
// An *era* is the life of one epoch. Offsets compare only within one; a later era comes after.
export const KEPT_MAX = 600;

export const emptyTimeline = () => ({ items: [], ids: new Set(), era: 0, epoch: null, hasEarlier: false });

// The stream is (now) of this epoch.
export function atEpoch(timeline, epoch) {
    if (timeline.epoch === epoch) return timeline;
    return { ...timeline, epoch, era: timeline.epoch === null ? timeline.era : timeline.era + 1 };
}

// messages: [{id, name, text, at, client, offset}], in any order; those already there are left out. offset: absent
// where the channel keeps nothing.
export function withMessages(timeline, messages) {
    const items = [...timeline.items];
    const ids = new Set(timeline.ids);
    let changed = false;
    for (const message of messages) {
        const item = {
            ...message,
            kind: 'message',
            era: timeline.era,
            key:
                message.id ?? (message.offset ? `${timeline.era}.${message.offset}` : `n${items.length}.${message.at}`),
        };
        // A message sent again because its answer was lost may stand in the stream twice; it is one message.
        if (ids.has(item.key)) continue;
        const at = placeOf(items, item);
        if (at < 0) continue;
        items.splice(at, 0, item);
        ids.add(item.key);
        changed = true;
    }
    return changed ? { ...timeline, items, ids } : timeline;
}

// Where an item goes: before the first message that comes later. -1: that very offset is there.
function placeOf(items, item) {
    if (!item.offset) return items.length;
    let at = items.length;
    for (let i = items.length - 1; i >= 0; i--) {
        const other = items[i];
        if (other.kind !== 'message' || !other.offset) continue;
        const order = other.era - item.era || other.offset - item.offset;
        if (order === 0) return -1;
        if (order < 0) break;
        at = i;
    }
    return at;
}

// Something that happened now: {kind: 'joined' | 'left', names: […]}. One line tells of several people.
export function withNotice(timeline, notice) {
    const last = timeline.items.at(-1);
    if (last?.kind === notice.kind && notice.at - last.at < 60_000) {
        const names = [...last.names.filter((name) => !notice.names.includes(name)), ...notice.names];
        return { ...timeline, items: [...timeline.items.slice(0, -1), { ...last, names, at: notice.at }] };
    }
    const key = `e${timeline.items.length}.${notice.at}.${notice.kind}`;
    return { ...timeline, items: [...timeline.items, { ...notice, key }] };
}

// Says that something may be missing between what is there and what comes.
export function withGap(timeline, at, reason) {
    if (!timeline.items.some((item) => item.kind === 'message') || timeline.items.at(-1).kind === 'gap')
        return timeline;
    return {
        ...timeline,
        items: [...timeline.items, { kind: 'gap', key: `g${timeline.items.length}.${at}`, at, reason }],
    };
}

// Forgets the oldest; they can be loaded again.
export function trimmed(timeline, max = KEPT_MAX) {
    if (timeline.items.length <= max) return timeline;
    const items = timeline.items.slice(-max);
    return {
        ...timeline,
        items,
        hasEarlier: true,
        ids: new Set(items.filter((item) => item.kind === 'message').map((item) => item.key)),
    };
}

// The first message of the stream's present era that is here.
export function oldestOffset(timeline) {
    return (
        timeline.items.find((item) => item.kind === 'message' && item.era === timeline.era && item.offset)?.offset ??
        null
    );
}

// Does a page of history, fetched because recovery failed, meet what was known before? position: the last that was
// certain, {epoch, offset}; page: {epoch, offset (top), publications: […] ascending}.
export function meets(position, page) {
    if (!position || position.epoch !== page.epoch || page.offset < position.offset) return false;
    if (page.offset === position.offset) return true;
    const first = page.publications[0]?.offset;
    return first !== undefined && first <= position.offset + 1 && page.publications.at(-1).offset === page.offset;
}

const GROUP_MS = 5 * 60_000;

// The timeline as rows to draw: day lines, the line before the first unread message, and messages that know whether
// they begin or end a run of the same person's.
export function rowsOf(items, unreadKey, dayOf) {
    const rows = [];
    let day = null,
        previous = null;
    for (const item of items) {
        const itsDay = item.at ? dayOf(item.at) : day;
        if (item.kind === 'message' && itsDay !== day) {
            if (itsDay) rows.push({ kind: 'day', key: `d${item.key}`, day: itsDay, at: item.at });
            day = itsDay;
            previous = null;
        }
        if (unreadKey && item.key === unreadKey) {
            rows.push({ kind: 'unread', key: 'unread' });
            previous = null;
        }
        const row = { ...item };
        if (item.kind === 'message') {
            row.isFirst = !(
                previous &&
                previous.name === item.name &&
                previous.isMine === item.isMine &&
                (item.name || previous.client === item.client) &&
                Math.abs((item.at ?? 0) - (previous.at ?? 0)) < GROUP_MS
            );
            row.isLast = true;
            if (!row.isFirst) previous.isLast = false;
        }
        rows.push(row);
        previous = item.kind === 'message' ? row : null;
    }
    return rows;
}
