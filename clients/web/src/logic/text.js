// One to three emoji and nothing else: shown large.
export const isEmojiOnly = (text) =>
    /^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\u200d\ufe0f\p{Extended_Pictographic}]*\s*){1,3}$/u.test(text);

export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

// 100 and more is not counted.
export const badge = (n) => (n >= 100 ? '99+' : String(n));

export function sizeOf(bytes) {
    if (bytes < 1000) return `${bytes} B`;
    const units = ['kB', 'MB', 'GB', 'TB'];
    let value = bytes;
    let unit = -1;
    while (value >= 999.5 && unit < units.length - 1) {
        value /= 1000;
        unit++;
    }
    return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

// "Ada", "Ada and Bo", "Ada, Bo and 3 more".
export function listOf(names, max = 3) {
    if (names.length <= 1) return names[0] ?? '';
    if (names.length <= max) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
    const shown = names.slice(0, max - 1);
    return `${shown.join(', ')} and ${names.length - shown.length} more`;
}

export function typingLine(names) {
    if (!names.length) return '';
    if (names.length > 3) return 'Several people are writing…';
    return `${listOf(names)} ${names.length === 1 ? 'is' : 'are'} writing…`;
}
