// A message's text as nodes.
import { markdownOf } from '../logic/markdown.js';
import { isEmojiOnly } from '../logic/text.js';

const KEPT_MAX = 600;
const parsed = new Map(); // text -> tree, the longest unused first

function treeOf(text) {
    const known = parsed.get(text);
    if (known) {
        parsed.delete(text);
        parsed.set(text, known);
        return known;
    }
    const tree = markdownOf(text);
    parsed.set(text, tree);
    if (parsed.size > KEPT_MAX) parsed.delete(parsed.keys().next().value);
    return tree;
}

// people: by login, for mentions; me: whose mentions stand out; tab: the tabindex of what can have the focus.
export function Markdown({ text, people, me, onPerson, tab }) {
    const context = { people, me, onPerson, tab };
    return <div class={`prose ${isEmojiOnly(text) ? 'is-emoji' : ''}`}>{blocks(treeOf(text), context)}</div>;
}

const blocks = (nodes, context) => nodes.map((node, i) => block(node, i, context));

function block(node, key, context) {
    switch (node.kind) {
        case 'quote':
            return (
                <blockquote key={key} dir="auto">
                    {blocks(node.children, context)}
                </blockquote>
            );
        case 'list':
            return node.start === null ? (
                <ul key={key}>{blocks(node.children, context)}</ul>
            ) : (
                <ol key={key} start={node.start}>
                    {blocks(node.children, context)}
                </ol>
            );
        case 'item':
            return (
                <li key={key} dir="auto">
                    {blocks(node.children, context)}
                </li>
            );
        case 'code':
            return (
                <pre key={key} tabindex={0} aria-label={node.language ? `Code, ${node.language}` : 'Code'} role="group">
                    <code>{node.text}</code>
                </pre>
            );
        case 'rule':
            return <hr key={key} />;
        default:
            return (
                <p key={key} dir="auto">
                    {inlines(node.children, context)}
                </p>
            );
    }
}

const inlines = (nodes, context) => nodes.map((node, i) => inline(node, i, context));

function inline(node, key, context) {
    switch (node.kind) {
        case 'strong':
            return <strong key={key}>{inlines(node.children, context)}</strong>;
        case 'em':
            return <em key={key}>{inlines(node.children, context)}</em>;
        case 'del':
            return <del key={key}>{inlines(node.children, context)}</del>;
        case 'codeText':
            return <code key={key}>{node.text}</code>;
        case 'break':
            return <br key={key} />;
        case 'link':
            return (
                <span key={key}>
                    <a href={node.href} tabindex={context.tab} target="_blank" rel="noopener noreferrer nofollow">
                        {inlines(node.children, context)}
                    </a>
                    {node.host && <span class="real-host"> ({node.host})</span>}
                </span>
            );
        case 'mention':
            return <Mention key={key} node={node} {...context} />;
        default:
            return node.text;
    }
}

function Mention({ node, people, me, onPerson, tab }) {
    if (node.login === 'all') return <span class="mention is-me">{node.text}</span>;
    const user = people.byLogin.get(node.login);
    if (!user) return node.text;
    return (
        <button
            type="button"
            tabindex={tab}
            class={`mention ${user.id === me ? 'is-me' : ''}`}
            title={node.text}
            onClick={() => onPerson(user)}>
            <bdi>@{user.name}</bdi>
        </button>
    );
}
