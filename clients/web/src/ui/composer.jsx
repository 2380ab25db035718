import { useLayoutEffect, useState } from 'preact/hooks';
import { TEXT_MAX } from '../logic/message.js';
import { windowStore } from '../net/store.js';
import { SendIcon } from './icons.jsx';

const WARN_AT = TEXT_MAX - 200;

export function Composer({ room, inputRef }) {
    const draftKey = `draft.${room.name}`;
    const [text, setText] = useState(() => windowStore.get(draftKey) ?? '');

    useLayoutEffect(() => {
        const input = inputRef.current;
        input.style.height = 'auto';
        input.style.height = `${Math.min(input.scrollHeight, 180)}px`;
    }, [text]);

    const write = (value) => {
        setText(value);
        windowStore.set(draftKey, value);
    };
    const send = () => {
        const message = text.replace(/^\n+|\s+$/g, '');
        if (!message) return;
        room.send(message);
        write('');
    };
    const onKeyDown = (event) => {
        // While an input method composes, Enter takes its suggestion. Safari ends the composition before the key, and
        // then 229 is what tells.
        if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
        event.preventDefault();
        send();
    };
    return (
        <form
            class="composer"
            onSubmit={(event) => {
                event.preventDefault();
                send();
                inputRef.current.focus();
            }}>
            <div class="composer-box">
                <label class="vh" for="message">
                    Message to #{room.name}
                </label>
                <textarea
                    id="message"
                    ref={inputRef}
                    rows={1}
                    value={text}
                    maxlength={TEXT_MAX}
                    placeholder={`Message #${room.name}`}
                    dir="auto"
                    enterkeyhint="send"
                    autocomplete="off"
                    aria-describedby="composer-hint"
                    onInput={(event) => write(event.currentTarget.value)}
                    onKeyDown={onKeyDown}
                />
                {text.length > WARN_AT && (
                    <span class="left" role="status">
                        {TEXT_MAX - text.length} left
                    </span>
                )}
                <button class="send" aria-label="Send" disabled={!text.trim()}>
                    <SendIcon />
                </button>
            </div>
            <p id="composer-hint" class="hint">
                <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> starts a line
            </p>
        </form>
    );
}
