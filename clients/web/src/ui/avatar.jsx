// People are told apart by their picture, or by colour and letters: the same in every window, whatever they call
// themselves.
import { useState } from 'preact/hooks';
import { hueOf, initialsOf } from '../logic/identity.js';

const HUES = 12;

export function Avatar({ user, size = '', isOnline }) {
    const name = user?.name || user?.login || '?';
    return (
        <span
            class={`avatar ${size} hue-${hueOf(user?.id ?? name, HUES)} ${user?.deactivated ? 'is-gone' : ''}`}
            aria-hidden="true">
            {initialsOf(name)}
            {user?.avatar && <Face key={user.avatar} id={user.avatar} />}
            {isOnline !== undefined && <span class={`presence ${isOnline ? 'is-online' : ''}`} />}
        </span>
    );
}

// Over the letters, which are there until it has come, and if it does not.
function Face({ id }) {
    const [hasFailed, setFailed] = useState(false);
    if (hasFailed) return null;
    return (
        <img
            class="face"
            src={`/files/${encodeURIComponent(id)}/avatar`}
            alt=""
            loading="lazy"
            decoding="async"
            draggable={false}
            onError={() => setFailed(true)}
        />
    );
}

export { nameOfUser } from '../logic/identity.js';
