// A room's messages as rows to draw: day lines, the line before the first unread message, and messages that know
// whether they begin a run of the same person's. Plain values: the same messages give the same rows.
const GROUP_MS = 5 * 60_000;

// messages: ascending by seq; pending: what this browser has sent and not seen yet, oldest first; unreadAfter: the
// line stands before the first message of somebody else with a greater seq, 0 or null for none.
export function rowsOf(messages, pending, { unreadAfter, me, dayOf }) {
    const rows = [];
    let day = null;
    let previous = null;
    let isLineDue = unreadAfter !== null && unreadAfter !== undefined;
    const add = (message, key, isPending) => {
        const itsDay = dayOf(message.at);
        if (itsDay !== day) {
            rows.push({ kind: 'day', key: `day-${itsDay}`, at: message.at });
            day = itsDay;
            previous = null;
        }
        if (isLineDue && !isPending && message.seq > unreadAfter) {
            isLineDue = false;
            if (message.user !== me) {
                rows.push({ kind: 'unread', key: 'unread' });
                previous = null;
            }
        }
        rows.push({ kind: 'message', key, message, isPending, isFirst: !continues(previous, message) });
        previous = message;
    };
    for (const message of messages) add(message, message.client_id && message.user === me ? message.client_id : `m${message.seq}`, false);
    for (const message of pending) add(message, message.client_id, true);
    return rows;
}

function continues(previous, message) {
    return Boolean(
        previous &&
            previous.user === message.user &&
            !message.reply_to &&
            !previous.deleted === !message.deleted &&
            (previous.meta?.hook_name ?? '') === (message.meta?.hook_name ?? '') &&
            Math.abs(message.at - previous.at) < GROUP_MS,
    );
}

// The part of `n` rows that is in the document. end: where it ends, or null to follow the newest. A document with ten
// thousand messages in it is slow; one with three hundred is not.
export const DRAWN_MAX = 300;
export const PAGE = 40;

export function windowOf(n, end) {
    const to = end === null ? n : Math.min(end, n);
    return { from: Math.max(0, to - DRAWN_MAX), to };
}

// Moves the window by a page; null when that is as far as the rows go.
export const earlierEnd = (n, end) => {
    const { from, to } = windowOf(n, end);
    return from === 0 ? null : to - Math.min(PAGE, from);
};
export const laterEnd = (n, end) => (end === null || end + PAGE >= n ? null : end + PAGE);
