// What this window has sent and not yet seen in the stream: [{id, name, text, at, state, tries, error}], oldest
// first.
//
//   queued   waits for its turn, or for the connection
//   sending  on its way; unknown when the connection breaks
//   sent     acknowledged: the server has kept it
//   failed   refused; the person decides
export const TRIES_MAX = 6;

export const queued = (outbox, message) => [...outbox, { ...message, state: 'queued', tries: 0, error: null }];

const changed = (outbox, id, change) => outbox.map((entry) => (entry.id === id ? { ...entry, ...change } : entry));

export const sending = (outbox, id) => changed(outbox, id, { state: 'sending' });
export const acknowledged = (outbox, id) => changed(outbox, id, { state: 'sent', error: null });
export const again = (outbox, id) => changed(outbox, id, { state: 'queued', tries: 0, error: null });
export const dropped = (outbox, id) => outbox.filter((entry) => entry.id !== id);

// They have come back in the stream.
export function settled(outbox, ids) {
    const left = outbox.filter((entry) => !ids.has(entry.id));
    return left.length === outbox.length ? outbox : left;
}

// The connection is gone: what was on its way may or may not have arrived. It goes out again after the next
// recovery, unless that brings it back.
export const interrupted = (outbox) =>
    outbox.map((entry) => (entry.state === 'sending' ? { ...entry, state: 'queued' } : entry));

// error: {code, message, temporary} of the SDK; below 100 they are its own: no answer came.
export function refused(outbox, id, error) {
    const entry = outbox.find((one) => one.id === id);
    if (!entry) return outbox;
    const isPassing = error.code < 100 || error.temporary || error.code === 100 || error.code === 111;
    const tries = entry.tries + (error.code < 100 ? 0 : 1);
    if (isPassing && tries < TRIES_MAX) return changed(outbox, id, { state: 'queued', tries });
    return changed(outbox, id, { state: 'failed', tries, error: explain(error) });
}

export const nextQueued = (outbox) => outbox.find((entry) => entry.state === 'queued') ?? null;
export const retryDelay = (tries) => Math.min(8000, 500 * 2 ** tries);

function explain({ code, message }) {
    switch (code) {
        case 103:
            return 'You may not write here.';
        case 100:
            return 'The server could not keep it.';
        case 107:
            return 'The server refused it; it may be too long.';
        case 111:
            return 'Too many messages at once.';
        default:
            return `The server refused it: ${message} (${code}).`;
    }
}
