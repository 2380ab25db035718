// A room's timeline as rows to draw: day lines, the line before the first unread message, and messages that know
// whether they begin a run of the same person's. Plain values: the same items give the same rows.
const GROUP_MS = 5 * 60_000;

// items: of the library's timeline; line: the seq of the message that the unread line stands before, or null.
export function rowsOf(items, line, dayOf) {
    const rows = [];
    let day = null;
    let previous = null;
    let isLineDue = line !== null;
    for (const item of items) {
        const itsDay = dayOf(item.at);
        if (itsDay !== day) {
            rows.push({ kind: 'day', key: `day-${itsDay}`, at: item.at });
            day = itsDay;
            previous = null;
        }
        if (isLineDue && item.seq >= line) {
            isLineDue = false;
            rows.push({ kind: 'unread', key: 'unread' });
            previous = null;
        }
        rows.push({ kind: 'message', key: item.key, item, isFirst: !continues(previous, item) });
        previous = item;
    }
    return rows;
}

function continues(previous, item) {
    return Boolean(
        previous &&
        previous.user === item.user &&
        !item.reply_to &&
        Boolean(previous.deleted) === Boolean(item.deleted) &&
        (previous.meta?.name ?? '') === (item.meta?.name ?? '') &&
        Math.abs(item.at - previous.at) < GROUP_MS,
    );
}
