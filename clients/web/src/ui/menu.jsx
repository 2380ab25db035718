// A button with a menu: arrow keys walk it, letters find, Escape closes and gives the focus back.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

// items: [{label, icon, isDanger, run} or null for a line].
export function MenuButton({ label, icon: Icon, items, class: name = 'icon-button', children, onOpen }) {
    const [isOpen, setOpen] = useState(false);
    const button = useRef();
    const shut = (keepsFocus = true) => {
        setOpen(false);
        onOpen?.(false);
        if (keepsFocus) button.current?.focus();
    };
    return (
        <>
            <button
                type="button"
                ref={button}
                class={name}
                aria-haspopup="menu"
                aria-expanded={isOpen}
                aria-label={label}
                title={label}
                onClick={() => {
                    setOpen(!isOpen);
                    onOpen?.(!isOpen);
                }}
                onKeyDown={(event) => {
                    if (event.key !== 'ArrowDown' || isOpen) return;
                    event.preventDefault();
                    setOpen(true);
                    onOpen?.(true);
                }}>
                {Icon && <Icon />}
                {children}
            </button>
            {isOpen && <Menu label={label} items={items()} anchor={button} onClose={shut} />}
        </>
    );
}

export function Menu({ label, items, anchor, onClose }) {
    const list = useRef();
    usePlacement(list, anchor);
    useAway(list, anchor, () => onClose(false));
    useLayoutEffect(() => list.current.querySelector('[role=menuitem]')?.focus(), []);

    const onKeyDown = (event) => {
        const all = [...list.current.querySelectorAll('[role=menuitem]')];
        const at = all.indexOf(document.activeElement);
        const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
        if (event.key in steps) all.at(steps[event.key] % all.length)?.focus();
        else if (event.key === 'Escape' || event.key === 'Tab') onClose();
        else if (event.key.length === 1 && /\S/.test(event.key))
            [...all.slice(at + 1), ...all]
                .find((one) => one.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()))
                ?.focus();
        else return;
        event.preventDefault();
        event.stopPropagation();
    };
    return (
        <div class="menu" role="menu" aria-label={label} ref={list} onKeyDown={onKeyDown}>
            {items.map((item, i) =>
                item ? (
                    <button
                        key={item.label}
                        type="button"
                        role="menuitem"
                        tabindex={-1}
                        class={`menu-item ${item.isDanger ? 'is-danger' : ''}`}
                        onClick={() => {
                            onClose();
                            item.run();
                        }}>
                        {item.icon && <item.icon />}
                        <span>{item.label}</span>
                        {item.hint && <span class="menu-hint">{item.hint}</span>}
                    </button>
                ) : (
                    <hr key={i} />
                ),
            )}
        </div>
    );
}

const EDGE_PX = 8;

// Beside `anchor`, inside of the window; fixed, so that nothing cuts it off.
export function usePlacement(ref, anchor) {
    useLayoutEffect(() => {
        const place = () => {
            const from = anchor.current?.getBoundingClientRect();
            if (!from || !ref.current) return;
            const { offsetWidth: width, offsetHeight: height, style } = ref.current;
            const below = from.bottom + 4;
            const top = below + height <= innerHeight - EDGE_PX ? below : Math.max(EDGE_PX, from.top - height - 4);
            const left = Math.min(from.left, innerWidth - width - EDGE_PX);
            style.top = `${Math.min(top, Math.max(EDGE_PX, innerHeight - height - EDGE_PX))}px`;
            style.left = `${Math.max(EDGE_PX, left)}px`;
        };
        place();
        const watch = new ResizeObserver(place);
        watch.observe(ref.current);
        window.addEventListener('resize', place);
        return () => {
            watch.disconnect();
            window.removeEventListener('resize', place);
        };
    }, []);
}

// Pressing elsewhere, or leaving for another window, closes it.
export function useAway(ref, anchor, onAway) {
    useEffect(() => {
        const press = (event) => {
            if (!ref.current?.contains(event.target) && !anchor?.current?.contains(event.target)) onAway();
        };
        document.addEventListener('pointerdown', press, true);
        return () => document.removeEventListener('pointerdown', press, true);
    }, []);
}
