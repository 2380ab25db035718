import { usePage } from './context.js';
import { MenuIcon } from './icons.jsx';
import { badge } from '../logic/text.js';

export function Head({ title, detail, children }) {
    const { isWide, onMenu, value } = usePage();
    const waiting = value.mentions;
    return (
        <header class="head">
            {!isWide && (
                <button
                    type="button"
                    class="icon-button menu-button"
                    aria-label={`Rooms${waiting ? `, ${badge(waiting)} mentions` : ''}`}
                    onClick={onMenu}>
                    <MenuIcon />
                    {waiting > 0 ? (
                        <span class="badge" aria-hidden="true">
                            {badge(waiting)}
                        </span>
                    ) : (
                        value.unread > 0 && <span class="badge-dot" aria-hidden="true" />
                    )}
                </button>
            )}
            <div class="head-title">
                <h1 tabindex={-1}>{title}</h1>
                {detail && <p class="head-detail">{detail}</p>}
            </div>
            <div class="head-tools">{children}</div>
        </header>
    );
}
