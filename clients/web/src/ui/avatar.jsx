// People are told apart by colour and letters: the same in every window, whatever they call themselves.
import { hueOf, initialsOf } from '../logic/identity.js';

const HUES = 12;

export function Avatar({ user, size = '', isOnline }) {
    const name = user?.name || user?.login || '?';
    return (
        <span
            class={`avatar ${size} hue-${hueOf(user?.id ?? name, HUES)} ${user?.deactivated ? 'is-gone' : ''}`}
            aria-hidden="true">
            {initialsOf(name)}
            {isOnline !== undefined && <span class={`presence ${isOnline ? 'is-online' : ''}`} />}
        </span>
    );
}

export const nameOfUser = (user) => user?.name || user?.login || 'Somebody';
