// What an @ or a : in the composer may become.
import { useEffect, useState } from 'preact/hooks';
import { findEmoji } from '../logic/emoji.js';
import { bestOf } from '../logic/match.js';
import { Avatar } from './avatar.jsx';

const SHOWN_MAX = 7;
const ID = 'completions';

export function useCompletions(completion, room, people, me) {
    const [at, setAt] = useState(0);
    const [dismissed, setDismissed] = useState(null);
    const [emoji, setEmoji] = useState(null);
    const key = completion && `${completion.kind}${completion.from}`;
    const isWanted = Boolean(completion) && key !== dismissed;
    useEffect(() => setAt(0), [completion?.query, key]);
    useEffect(() => {
        if (!completion) setDismissed(null);
    }, [key]);
    useEffect(() => {
        if (isWanted && completion.kind === 'emoji' && !emoji)
            import('./picker.jsx').then(
                (module) => setEmoji(module.groups),
                () => {},
            );
    }, [isWanted, completion?.kind]);

    let items = [];
    if (isWanted && completion.kind === 'user') {
        const all = [...people.byId.values()].filter((user) => user.login && !user.deactivated && user.id !== me);
        items = bestOf(all, completion.query, (user) => [user.name, user.login], SHOWN_MAX).map((user) => ({
            key: user.id,
            user,
            insert: `@${user.login}`,
        }));
        const { info } = room.value;
        if (info?.kind !== 'direct' && completion.query && 'all'.startsWith(completion.query.toLowerCase()))
            items.push({ key: 'all', label: '@all', hint: 'everybody in the room', insert: '@all' });
    } else if (isWanted && completion.kind === 'emoji' && emoji) {
        items = findEmoji(emoji, completion.query, SHOWN_MAX).map((one) => ({
            key: one.emoji,
            label: one.emoji,
            hint: `:${one.name}:`,
            insert: one.emoji,
        }));
    }
    const isOpen = items.length > 0;
    const active = Math.min(at, items.length - 1);

    // True: the key was ours.
    const onKeyDown = (event, take) => {
        if (!isOpen) return false;
        if (event.key === 'ArrowDown' || event.key === 'ArrowUp')
            setAt((active + (event.key === 'ArrowDown' ? 1 : items.length - 1)) % items.length);
        else if ((event.key === 'Enter' && !event.shiftKey) || event.key === 'Tab') take(items[active].insert);
        else if (event.key === 'Escape') setDismissed(key);
        else return false;
        event.preventDefault();
        event.stopPropagation();
        return true;
    };
    return { items, isOpen, active, onKeyDown, id: ID, activeId: isOpen ? `${ID}-${active}` : undefined };
}

export function Completions({ items, isOpen, active, onTake }) {
    if (!isOpen) return null;
    return (
        <ul class="completions" id={ID} role="listbox" aria-label="Suggestions">
            {items.map((item, i) => (
                <li
                    key={item.key}
                    id={`${ID}-${i}`}
                    role="option"
                    aria-selected={i === active}
                    class={i === active ? 'is-active' : ''}
                    onMouseDown={(event) => {
                        event.preventDefault();
                        onTake(item.insert);
                    }}>
                    {item.user ? (
                        <>
                            <Avatar user={item.user} size="is-small" />
                            <bdi>{item.user.name}</bdi> <span class="quiet">@{item.user.login}</span>
                        </>
                    ) : (
                        <>
                            <span class="completion-label">{item.label}</span> <span class="quiet">{item.hint}</span>
                        </>
                    )}
                </li>
            ))}
        </ul>
    );
}
