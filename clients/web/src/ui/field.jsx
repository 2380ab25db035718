// Labelled fields of forms, with what is wrong about them said beside them.
import { useId, useState } from 'preact/hooks';

export function Field({ label, hint, error, value, onValue, type = 'text', isLong, ...rest }) {
    const id = useId();
    const Input = isLong ? 'textarea' : 'input';
    const note = error || hint;
    return (
        <div class={`field ${error ? 'is-bad' : ''}`}>
            <label for={id}>{label}</label>
            <Input
                id={id}
                type={isLong ? undefined : type}
                value={value}
                aria-invalid={error ? 'true' : undefined}
                aria-describedby={note ? `${id}-note` : undefined}
                onInput={(event) => onValue(event.currentTarget.value)}
                {...rest}
            />
            {note && (
                <p id={`${id}-note`} class={error ? 'field-error' : 'field-hint'} role={error ? 'alert' : undefined}>
                    {note}
                </p>
            )}
        </div>
    );
}

export function PasswordField(props) {
    const [isShown, setShown] = useState(false);
    return (
        <div class="password">
            <Field {...props} type={isShown ? 'text' : 'password'} autocapitalize="off" spellcheck={false} />
            <button type="button" class="link reveal" aria-pressed={isShown} onClick={() => setShown(!isShown)}>
                {isShown ? 'Hide' : 'Show'}
                <span class="vh"> password</span>
            </button>
        </div>
    );
}

export function Choice({ label, hint, value, options, onValue }) {
    const id = useId();
    return (
        <div class="field">
            <label for={id}>{label}</label>
            <select
                id={id}
                value={String(value)}
                aria-describedby={hint ? `${id}-note` : undefined}
                onChange={(event) => onValue(event.currentTarget.value)}>
                {options.map(([key, text]) => (
                    <option key={key} value={String(key)}>
                        {text}
                    </option>
                ))}
            </select>
            {hint && (
                <p id={`${id}-note`} class="field-hint">
                    {hint}
                </p>
            )}
        </div>
    );
}

export function Check({ label, hint, value, onValue, ...rest }) {
    const id = useId();
    return (
        <div class="check">
            <input
                id={id}
                type="checkbox"
                checked={value}
                onChange={(event) => onValue(event.currentTarget.checked)}
                {...rest}
            />
            <label for={id}>
                {label}
                {hint && <span class="field-hint">{hint}</span>}
            </label>
        </div>
    );
}
