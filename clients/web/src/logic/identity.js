// People's names, as they are shown.
export const NAME_MAX = 64;

// Fit to show in a line: no line breaks, no characters that are invisible or turn the direction of what follows.
export function cleanName(text) {
    if (typeof text !== 'string') return '';
    const visible = text
        .normalize('NFC')
        .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu, (c) => (c === '\u200d' ? c : c < ' ' ? ' ' : '')); // U+200D joins emoji
    const name = [...visible.replace(/\s+/g, ' ').trim()].slice(0, NAME_MAX).join('').trim();
    return /[^\u200d\s]/.test(name) ? name : '';
}

export const nameOfUser = (user) => user?.name || user?.login || 'Somebody';

// Who a message is shown to be of. user: its author, undefined until they are known. Bots say in `meta` for whom they
// speak; anybody can write one there, so of others it is not believed.
export const nameOfAuthor = (message, user) => (user?.bot && cleanName(message.meta?.name)) || nameOfUser(user);

// One of `n` for an id, the same in every window.
export function hueOf(id, n) {
    let hash = 2166136261;
    for (const character of String(id)) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
    return (hash >>> 8) % n;
}

// One or two letters that stand for a name.
export function initialsOf(name) {
    const words = cleanName(name)
        .split(/[\s._-]+/)
        .filter(Boolean);
    const first = (word) => characterOf(word ?? '');
    const letters = words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0]);
    return letters.toUpperCase() || '?';
}

// The first character as people count them: a family of emoji is one. Firefox before 125 cannot tell.
function characterOf(word) {
    if (!Intl.Segmenter) return [...word][0] ?? '';
    return [...new Intl.Segmenter().segment(word)][0]?.segment ?? '';
}
