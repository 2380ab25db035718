// What lies over the page: dialogs, one above the other, and short words at its edge. Anything may open them.
import { useEffect } from 'preact/hooks';
import { Observable } from '../net/observable.js';
import { Dialog } from './dialog.jsx';
import { useObservable } from './hooks.js';
import { AlertIcon, CheckIcon, CloseIcon } from './icons.jsx';

const TOAST_MS = { good: 4000, bad: 9000 };
const TOASTS_MAX = 4;

const overlay = new Observable({ dialogs: [], toasts: [] });
let made = 0;

// render(close) draws the inside.
export function openDialog(title, render, options = {}) {
    const key = ++made;
    const close = () => overlay.set({ dialogs: overlay.value.dialogs.filter((one) => one.key !== key) });
    overlay.set({ dialogs: [...overlay.value.dialogs, { key, title, render, options, close }] });
    return close;
}

export const hasDialog = () => overlay.value.dialogs.length > 0;
export const closeDialogs = () => overlay.set({ dialogs: [] });

// kind 'good' | 'bad'; action: {label, run}.
export function toast(text, kind = 'good', action = null) {
    const key = ++made;
    overlay.set({
        toasts: [...overlay.value.toasts.filter((one) => one.text !== text), { key, text, kind, action }].slice(
            -TOASTS_MAX,
        ),
    });
}

const dismiss = (key) => overlay.set({ toasts: overlay.value.toasts.filter((one) => one.key !== key) });

// Asks before what cannot be undone; the harmless answer has the focus.
export function confirm({ title, text, children, action, onConfirm }) {
    openDialog(title, (close) => (
        <div class="sheet">
            <h2>{title}</h2>
            {text && <p class="quiet">{text}</p>}
            {children}
            <div class="buttons">
                <button type="button" class="button" ref={(button) => button?.focus()} onClick={close}>
                    Cancel
                </button>
                <button
                    type="button"
                    class="button danger"
                    onClick={() => {
                        close();
                        onConfirm();
                    }}>
                    {action}
                </button>
            </div>
        </div>
    ));
}

export function Overlay() {
    const { dialogs, toasts } = useObservable(overlay);
    const words = <Toasts toasts={toasts} />;
    const uppermost = dialogs.length - 1;
    return (
        <>
            {dialogs.map(({ key, title, render, options, close }, i) => (
                <Dialog key={key} title={title} onClose={close} above={i === uppermost && words} {...options}>
                    {render(close)}
                </Dialog>
            ))}
            {!dialogs.length && words}
        </>
    );
}

function Toasts({ toasts }) {
    return (
        <div class="toasts">
            {toasts.map((one) => (
                <Toast key={one.key} {...one} id={one.key} />
            ))}
        </div>
    );
}

function Toast({ id, text, kind, action }) {
    useEffect(() => {
        const timer = setTimeout(() => dismiss(id), TOAST_MS[kind]);
        return () => clearTimeout(timer);
    }, []);
    return (
        <div class={`toast is-${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>
            {kind === 'bad' ? <AlertIcon /> : <CheckIcon />}
            <p>{text}</p>
            {action && (
                <button
                    type="button"
                    class="link"
                    onClick={() => {
                        dismiss(id);
                        action.run();
                    }}>
                    {action.label}
                </button>
            )}
            <button type="button" class="icon-button small" aria-label="Dismiss" onClick={() => dismiss(id)}>
                <CloseIcon />
            </button>
        </div>
    );
}
