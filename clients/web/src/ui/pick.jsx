// A field that finds, with a list below: arrow keys choose, Enter takes.
import { useEffect, useId, useRef, useState } from 'preact/hooks';

// items: [{key, …}] for `query`; draw(item) the inside of a line; onTake(item).
export function Finder({ label, placeholder, items, query, onQuery, draw, onTake, none, children }) {
    const id = useId();
    const [at, setAt] = useState(0);
    const list = useRef();
    const input = useRef();
    useEffect(() => input.current.focus(), []);
    useEffect(() => setAt(0), [query]);
    const active = Math.min(at, items.length - 1);
    useEffect(() => list.current?.children[active]?.scrollIntoView({ block: 'nearest' }), [active]);
    return (
        <div class="finder">
            <input
                ref={input}
                type="text"
                class="finder-input"
                role="combobox"
                aria-expanded={items.length > 0}
                aria-controls={id}
                aria-autocomplete="list"
                aria-activedescendant={items.length ? `${id}-${active}` : undefined}
                aria-label={label}
                placeholder={placeholder ?? label}
                autocomplete="off"
                spellcheck={false}
                value={query}
                onInput={(event) => onQuery(event.currentTarget.value)}
                onKeyDown={(event) => {
                    if (event.isComposing) return;
                    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
                        event.preventDefault();
                        if (items.length)
                            setAt((active + (event.key === 'ArrowDown' ? 1 : items.length - 1)) % items.length);
                    } else if (event.key === 'Enter') {
                        event.preventDefault();
                        if (items[active]) onTake(items[active]);
                    }
                }}
            />
            {children}
            <ul class="finder-list" id={id} ref={list} role="listbox" aria-label={label}>
                {items.map((item, i) => (
                    <li
                        key={item.key}
                        id={`${id}-${i}`}
                        role="option"
                        aria-selected={i === active}
                        class={`finder-item ${i === active ? 'is-active' : ''}`}
                        onMouseMove={() => i !== active && setAt(i)}
                        onClick={() => onTake(item)}>
                        {draw(item)}
                    </li>
                ))}
            </ul>
            {!items.length && none && <p class="quiet finder-none">{none}</p>}
        </div>
    );
}
