// Names people give themselves.
export const NAME_MAX = 32;

// Fit to show in a line: no line breaks, no characters that are invisible or turn the direction of what follows.
export function cleanName(text) {
    if (typeof text !== 'string') return '';
    const visible = text
        .normalize('NFC')
        .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu, (c) => (c === '\u200d' ? c : c < ' ' ? ' ' : '')); // U+200D joins emoji
    const name = [...visible.replace(/\s+/g, ' ').trim()].slice(0, NAME_MAX).join('').trim();
    return /[^\u200d\s]/.test(name) ? name : '';
}

// For one who has not said a name: `parley sub`, an SDK.
export const strangerName = (client) => `Visitor ${String(client).slice(0, 4)}`;

// crypto.randomUUID is only there on https and localhost.
export function randomId() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

// One of `n` for a name, the same in every window.
export function hueOf(name, n) {
    let hash = 2166136261;
    for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
    return (hash >>> 8) % n;
}
