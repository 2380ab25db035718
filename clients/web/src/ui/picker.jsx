// All emoji, by group and by name. Arrow keys walk the grid.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import data from 'emoji-data';
import { emojiOf, findEmoji } from '../logic/emoji.js';
import { browserStore } from '../net/store.js';

export const groups = emojiOf(data);

const OFTEN = ['👍', '❤️', '😂', '🎉', '👀', '🙏', '✅', '🚀'];
const RECENT_MAX = 16;
const COLUMNS = 8;
const FOUND_MAX = 64;

export function Picker({ onEmoji }) {
    const [query, setQuery] = useState('');
    const [group, setGroup] = useState(0);
    const grid = useRef();
    const input = useRef();
    const recent = useMemo(() => {
        const kept = browserStore.get('emoji') ?? [];
        return [...new Set([...kept, ...OFTEN])].slice(0, RECENT_MAX);
    }, []);
    useEffect(() => input.current.focus(), []);
    const shown = useMemo(() => (query ? findEmoji(groups, query, FOUND_MAX) : groups[group].emoji), [query, group]);
    const take = (emoji) => {
        browserStore.set('emoji', [emoji, ...recent.filter((one) => one !== emoji)].slice(0, RECENT_MAX));
        onEmoji(emoji);
    };
    const walk = (event) => {
        if (!grid.current) return; // taken, and gone
        const all = [...grid.current.querySelectorAll('button')];
        const at = all.indexOf(document.activeElement);
        const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
        if (!step) return;
        if (at < 0 && (event.key === 'ArrowLeft' || event.key === 'ArrowRight')) return;
        event.preventDefault();
        if (at < 0) all[0]?.focus();
        else if (at + step < 0) input.current.focus();
        else all[Math.min(all.length - 1, at + step)]?.focus();
    };
    const cell = ({ emoji, name }) => (
        <button
            key={emoji}
            type="button"
            class="emoji"
            tabindex={-1}
            title={name.replaceAll('_', ' ')}
            aria-label={name.replaceAll('_', ' ')}
            onClick={() => take(emoji)}>
            {emoji}
        </button>
    );
    return (
        <div class="picker" onKeyDown={walk}>
            <input
                ref={input}
                class="picker-search"
                type="search"
                placeholder="Find an emoji"
                aria-label="Find an emoji"
                value={query}
                onInput={(event) => setQuery(event.currentTarget.value)}
                onKeyDown={(event) => {
                    if (event.key === 'Enter' && shown[0] && query) {
                        event.preventDefault();
                        take(shown[0].emoji);
                    }
                }}
            />
            <div ref={grid} class="picker-body">
                {!query && (
                    <div class="picker-grid" role="group" aria-label="Often used">
                        {recent.map((emoji) => cell({ emoji, name: nameOf(emoji) }))}
                    </div>
                )}
                <div class="picker-grid" role="group" aria-label={query ? 'Found' : groups[group].title}>
                    {shown.map(cell)}
                </div>
                {!shown.length && <p class="quiet picker-none">No emoji is called that.</p>}
            </div>
            {!query && (
                <div class="picker-groups" role="group" aria-label="Kinds of emoji">
                    {groups.map(({ title, emoji }, i) => (
                        <button
                            key={title}
                            type="button"
                            aria-pressed={i === group}
                            title={title}
                            aria-label={title}
                            onClick={() => setGroup(i)}>
                            {emoji[0].emoji}
                        </button>
                    ))}
                </div>
            )}
        </div>
    );
}

function nameOf(emoji) {
    for (const { emoji: all } of groups) for (const one of all) if (one.emoji === emoji) return one.name;
    return emoji;
}
