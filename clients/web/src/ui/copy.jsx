import { useEffect, useRef, useState } from 'preact/hooks';
import { CheckIcon, CopyIcon } from './icons.jsx';

// navigator.clipboard is only there on https and localhost.
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement('textarea');
        area.value = text;
        area.className = 'vh';
        (document.querySelector('dialog[open]') ?? document.body).append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        return done;
    }
}

export function CopyButton({ text, children, label, icon: Icon, class: name = 'button' }) {
    const [state, setState] = useState('');
    const timer = useRef();
    useEffect(() => () => clearTimeout(timer.current), []);
    const onClick = async (event) => {
        const button = event.currentTarget;
        const done = await copyText(text);
        button.focus();
        setState(done ? 'Copied' : 'Could not copy');
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setState(''), 2000);
    };
    return (
        <button
            type="button"
            class={name}
            onClick={onClick}
            aria-label={state ? `${state}: ${label}` : label}
            title={label}>
            {state === 'Copied' ? <CheckIcon /> : <Icon />}
            <span class="button-text" aria-live="polite">
                {state || children}
            </span>
        </button>
    );
}

export function Command({ text }) {
    return (
        <div class="command">
            <pre tabindex="0">
                <code>{text}</code>
            </pre>
            <CopyButton text={text} label={`Copy the command: ${text}`} icon={CopyIcon} class="icon-button" />
        </div>
    );
}
