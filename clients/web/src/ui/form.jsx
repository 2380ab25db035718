// A dialog's form: what it does may fail, which is said inside of it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { explain } from '../logic/errors.js';

export function Form({ title, lead, action, isDanger, canSend = true, onSend, close, children }) {
    const [isBusy, setBusy] = useState(false);
    const [error, setError] = useState(null);
    const form = useRef();
    useEffect(() => form.current.querySelector('input, textarea, select')?.focus(), []);
    const send = async (event) => {
        event.preventDefault();
        if (!canSend || isBusy) return;
        setBusy(true);
        setError(null);
        try {
            await onSend();
            close();
        } catch (failure) {
            setError(failure);
            setBusy(false);
        }
    };
    return (
        <form class="sheet" ref={form} onSubmit={send}>
            <h2>{title}</h2>
            {lead && <p class="quiet">{lead}</p>}
            {children}
            {error && (
                <p class="form-error" role="alert">
                    {explain(error)}
                </p>
            )}
            <div class="buttons">
                <button type="button" class="button" onClick={close}>
                    Cancel
                </button>
                <button
                    class={`button ${isDanger ? 'danger' : 'primary'}`}
                    disabled={!canSend || isBusy}
                    aria-busy={isBusy}>
                    {action}
                </button>
            </div>
        </form>
    );
}
