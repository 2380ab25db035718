// What somebody wrote, as a tree to make nodes of. Nothing is ever parsed as HTML: tags, entities and images are the
// characters they are written with, and only links to the web and to an address become links.
//
// A block is {kind: 'paragraph' | 'quote' | 'list' | 'item' | 'code' | 'rule', children, …}; inside of paragraphs are
// {kind: 'text' | 'strong' | 'em' | 'del' | 'codeText' | 'break' | 'link' | 'mention', …}.
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmAutolinkLiteralFromMarkdown } from 'mdast-util-gfm-autolink-literal';
import { gfmStrikethroughFromMarkdown } from 'mdast-util-gfm-strikethrough';
import { gfmAutolinkLiteral } from 'micromark-extension-gfm-autolink-literal';
import { gfmStrikethrough } from 'micromark-extension-gfm-strikethrough';

// Nobody nests deeper to be understood.
const DEPTH_MAX = 8;
// The parser's time grows with the square of some inputs. Past this many marks a text is shown as it was written.
const MARKS_MAX = 600;

const PLAIN = {
    disable: {
        null: [
            'characterReference',
            'codeIndented',
            'definition',
            'htmlFlow',
            'htmlText',
            'labelStartImage',
            'setextUnderline',
        ],
    },
};
const extensions = [PLAIN, gfmStrikethrough({ singleTilde: false }), gfmAutolinkLiteral()];
const mdastExtensions = [gfmStrikethroughFromMarkdown(), gfmAutolinkLiteralFromMarkdown()];

const MARKS = /[*_`~[\]<>#|\\@]|www\.|https?:|[-+]\s/g;
const INTERESTING = /[*_`~[\]<>\\@]|https?:|www\.|^[ \t]*(?:[-+#]|\d+[.)])|^[ \t]{2,}|\n[ \t]*\n/im;

export function markdownOf(text) {
    if (!INTERESTING.test(text) || (text.match(MARKS)?.length ?? 0) > MARKS_MAX) return plain(text);
    try {
        return blocks(fromMarkdown(text, { extensions, mdastExtensions }).children, text, 0);
    } catch {
        return plain(text);
    }
}

const plain = (text) => [{ kind: 'paragraph', children: [{ kind: 'text', text }] }];
const sourceOf = (node, source) => source.slice(node.position.start.offset, node.position.end.offset);

function blocks(nodes, source, depth) {
    return nodes.map((node) => block(node, source, depth));
}

function block(node, source, depth) {
    if (depth > DEPTH_MAX) return plain(sourceOf(node, source))[0];
    switch (node.type) {
        case 'paragraph':
            return { kind: 'paragraph', children: inlines(node.children, source, depth) };
        case 'heading': // a message has no headings of the page
            return {
                kind: 'paragraph',
                children: [{ kind: 'strong', children: inlines(node.children, source, depth) }],
            };
        case 'blockquote':
            return { kind: 'quote', children: blocks(node.children, source, depth + 1) };
        case 'list':
            return {
                kind: 'list',
                start: node.ordered ? (node.start ?? 1) : null,
                children: blocks(node.children, source, depth + 1),
            };
        case 'listItem':
            return { kind: 'item', children: blocks(node.children, source, depth + 1) };
        case 'code':
            return { kind: 'code', text: node.value, language: node.lang ?? '' };
        case 'thematicBreak':
            return { kind: 'rule' };
        default:
            return plain(sourceOf(node, source))[0];
    }
}

function inlines(nodes, source, depth) {
    return nodes.flatMap((node) => inline(node, source, depth));
}

function inline(node, source, depth) {
    if (depth > DEPTH_MAX) return [{ kind: 'text', text: sourceOf(node, source) }];
    const children = () => inlines(node.children, source, depth + 1);
    switch (node.type) {
        case 'text':
            return mentions(node.value);
        case 'strong':
            return [{ kind: 'strong', children: children() }];
        case 'emphasis':
            return [{ kind: 'em', children: children() }];
        case 'delete':
            return [{ kind: 'del', children: children() }];
        case 'inlineCode':
            return [{ kind: 'codeText', text: node.value }];
        case 'break':
            return [{ kind: 'break' }];
        case 'link': {
            const href = safeHref(node.url);
            if (!href) return [{ kind: 'text', text: node.position ? sourceOf(node, source) : textOf(node) }];
            return [{ kind: 'link', href, host: disguisedHost(node, href), children: children() }];
        }
        default:
            return [{ kind: 'text', text: node.position ? sourceOf(node, source) : '' }];
    }
}

export function safeHref(text) {
    try {
        const url = new URL(text);
        return /^(?:https?|mailto):$/.test(url.protocol) && (url.protocol === 'mailto:' || url.hostname)
            ? url.href
            : null;
    } catch {
        return null;
    }
}

const textOf = (node) => node.value ?? (node.children ?? []).map(textOf).join('');

// A link whose words are another address says where it leads.
function disguisedHost(node, href) {
    const said = /^\s*(?:https?:\/\/)?([a-z0-9.-]+\.[a-z]{2,})(?:[/:?#\s]|$)/i.exec(textOf(node))?.[1]?.toLowerCase();
    const { host, protocol } = new URL(href);
    return said && protocol !== 'mailto:' && said !== host && `www.${said}` !== host && said !== `www.${host}`
        ? host
        : '';
}

// @login, which the server reads the same way.
const MENTION = /(^|[^\p{L}\p{N}@_.-])@([a-z0-9][a-z0-9_.-]{0,31})/giu;

function mentions(text) {
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(MENTION)) {
        const login = match[2].replace(/[.-]+$/, '');
        const at = match.index + match[1].length;
        if (at > end) parts.push({ kind: 'text', text: text.slice(end, at) });
        parts.push({ kind: 'mention', login: login.toLowerCase(), text: `@${login}` });
        end = at + 1 + login.length;
    }
    if (end < text.length) parts.push({ kind: 'text', text: text.slice(end) });
    return parts;
}

// The words alone, in one line: for quotes, notifications and what is read out.
export const summaryOf = (text, max = 140) => {
    const line = text
        .replace(/\*\*|~~|`+/g, '')
        .replace(/\s+/g, ' ')
        .trim();
    return line.length > max ? `${line.slice(0, max - 1)}…` : line;
};
