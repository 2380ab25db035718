import { useEffect, useRef, useState } from 'preact/hooks';
import { NAME_MAX, cleanName } from '../logic/identity.js';
import { Dialog } from './dialog.jsx';
import { Flag, Mark } from './flag.jsx';

export function NameDialog({ name, canClose, room, onChoose, onClose }) {
    const [text, setText] = useState(name);
    const input = useRef();
    useEffect(() => {
        input.current.focus();
        input.current.select();
    }, []);
    const chosen = cleanName(text);
    return (
        <Dialog
            title={canClose ? 'Change your name' : 'Choose a name'}
            kind="welcome"
            canClose={canClose}
            onClose={onClose}>
            <form
                onSubmit={(event) => {
                    event.preventDefault();
                    if (chosen) onChoose(chosen);
                }}>
                {canClose ? (
                    <h2>Change your name</h2>
                ) : (
                    <>
                        <Mark />
                        <h2>Welcome to #{room.name}</h2>
                        <p class="quiet">What should the others call you?</p>
                    </>
                )}
                <label class="vh" for="name">
                    Your name
                </label>
                <div class="name-field">
                    <Flag name={chosen || '?'} isStranger={!chosen} />
                    <input
                        id="name"
                        ref={input}
                        value={text}
                        maxlength={NAME_MAX}
                        autocomplete="nickname"
                        spellcheck={false}
                        placeholder="Your name"
                        enterkeyhint="go"
                        onInput={(event) => setText(event.currentTarget.value)}
                    />
                </div>
                <button class="button primary wide" disabled={!chosen}>
                    {canClose ? 'Save' : 'Join'}
                </button>
                {!canClose && (
                    <p class="fine">Remembered in this browser only. Anybody with the link can read along.</p>
                )}
            </form>
        </Dialog>
    );
}
