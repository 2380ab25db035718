// What is being written: where a completion begins, and what becomes of the text when it is taken.

// {kind: 'user' | 'emoji', query, from, to} for the word the caret stands behind, or null.
export function completionAt(text, caret) {
    const before = text.slice(0, caret);
    const user = /(?:^|[\s([{"'>*_~])@([\p{L}\p{N}_.-]{0,32})$/u.exec(before);
    if (user) return { kind: 'user', query: user[1], from: caret - user[1].length - 1, to: caret };
    const emoji = /(?:^|[\s([{"'>]):([a-z0-9_+-]{2,32})$/iu.exec(before);
    if (emoji) return { kind: 'emoji', query: emoji[1].toLowerCase(), from: caret - emoji[1].length - 1, to: caret };
    return null;
}

// [text, caret] with the completion replaced.
export function completed(text, { from, to }, by) {
    const rest = text.slice(to);
    const inserted = /^\s/.test(rest) ? by : `${by} `;
    const caret = from + inserted.length + (/^\s/.test(rest) ? 1 : 0);
    return [text.slice(0, from) + inserted + rest, caret];
}

// [text, start, end]: with `mark` on both sides of the selection, or without when it is there.
export function marked(text, start, end, mark) {
    const inside = text.slice(start, end);
    const n = mark.length;
    if (text.slice(start - n, start) === mark && text.slice(end, end + n) === mark)
        return [text.slice(0, start - n) + inside + text.slice(end + n), start - n, end - n];
    return [text.slice(0, start) + mark + inside + mark + text.slice(end), start + n, end + n];
}

// As it is sent: without blank lines at its start and white space at its end.
export const trimmed = (text) => text.replace(/^(?:[^\S\n]*\n)+|\s+$/g, '');

export const byteLength = (text) => new TextEncoder().encode(text).length;
