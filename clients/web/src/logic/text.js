// What is written, as parts to make nodes of: text, or a link. Nothing is ever parsed as HTML.
const LINK = /\bhttps?:\/\/[^\s<>"'`]+/gi;

export function partsOf(text) {
    const parts = [];
    let end = 0;
    for (const { 0: found, index } of text.matchAll(LINK)) {
        const href = trimLink(found);
        if (!isWebLink(href)) continue;
        if (index > end) parts.push({ text: text.slice(end, index) });
        parts.push({ text: href, href });
        end = index + href.length;
    }
    if (end < text.length) parts.push({ text: text.slice(end) });
    return parts;
}

// Punctuation that ends the sentence rather than the link; a closing bracket stays if it was opened inside.
function trimLink(link) {
    for (;;) {
        const last = link.at(-1);
        if (
            /[.,;:!?*_~]/.test(last) ||
            (last === ')' && count(link, '(') < count(link, ')')) ||
            (last === ']' && count(link, '[') < count(link, ']'))
        )
            link = link.slice(0, -1);
        else return link;
    }
}

const count = (text, character) => text.split(character).length - 1;

function isWebLink(link) {
    try {
        return /^https?:$/.test(new URL(link).protocol);
    } catch {
        return false;
    }
}

// One to three emoji and nothing else: shown large.
export const isEmojiOnly = (text) =>
    /^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\u200d\ufe0f\p{Extended_Pictographic}]*\s*){1,3}$/u.test(text);
