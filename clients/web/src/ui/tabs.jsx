// Parts of which one is shown; arrow keys go from one to the next.
import { useId, useState } from 'preact/hooks';

// parts: [[key, title, Component]]; other properties are handed to the component.
export function Tabs({ label, parts, shown, onShow, ...props }) {
    const id = useId();
    const [own, setOwn] = useState(parts[0][0]);
    const current = shown ?? own;
    const show = onShow ?? setOwn;
    const at = Math.max(
        0,
        parts.findIndex(([key]) => key === current),
    );
    const [key, , Part] = parts[at];
    const walk = (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = parts[(at + step + parts.length) % parts.length][0];
        show(next);
        event.currentTarget.querySelector(`[data-tab="${next}"]`)?.focus();
    };
    return (
        <>
            <div class="tabs" role="tablist" aria-label={label} onKeyDown={walk}>
                {parts.map(([each, title]) => (
                    <button
                        key={each}
                        type="button"
                        role="tab"
                        id={`${id}-${each}`}
                        data-tab={each}
                        aria-selected={each === key}
                        aria-controls={`${id}-panel`}
                        tabindex={each === key ? 0 : -1}
                        onClick={() => show(each)}>
                        {title}
                    </button>
                ))}
            </div>
            <div class="tab-panel" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${key}`} key={key}>
                <Part {...props} />
            </div>
        </>
    );
}
