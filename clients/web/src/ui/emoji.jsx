// A button that lets one choose an emoji; the list of all of them is fetched when it is first opened.
import { useRef, useState } from 'preact/hooks';
import { Lazy } from './lazy.jsx';
import { useAway, usePlacement } from './menu.jsx';

export function EmojiButton({ label, icon: Icon, class: name, onEmoji, isReact, tab }) {
    const [isOpen, setOpen] = useState(false);
    const button = useRef();
    const shut = (keepsFocus = true) => {
        setOpen(false);
        if (keepsFocus) button.current?.focus();
    };
    return (
        <>
            <button
                type="button"
                ref={button}
                class={name}
                tabindex={tab}
                aria-label={label}
                title={label}
                aria-haspopup="dialog"
                aria-expanded={isOpen}
                data-react={isReact ? '' : undefined}
                onClick={() => setOpen(!isOpen)}>
                <Icon />
            </button>
            {isOpen && (
                <Popover anchor={button} label={label} onClose={shut}>
                    <Lazy
                        name="picker"
                        load={() => import('./picker.jsx').then((module) => module.Picker)}
                        onEmoji={(emoji) => {
                            shut();
                            onEmoji(emoji);
                        }}
                    />
                </Popover>
            )}
        </>
    );
}

function Popover({ anchor, label, onClose, children }) {
    const ref = useRef();
    usePlacement(ref, anchor);
    useAway(ref, anchor, () => onClose(false));
    return (
        <div
            class="popover"
            role="dialog"
            aria-label={label}
            ref={ref}
            onKeyDown={(event) => {
                if (event.key === 'Escape') {
                    event.preventDefault();
                    onClose();
                }
                event.stopPropagation();
            }}
            onFocusOut={(event) => {
                if (event.relatedTarget && !ref.current?.contains(event.relatedTarget)) onClose(false);
            }}>
            {children}
        </div>
    );
}
