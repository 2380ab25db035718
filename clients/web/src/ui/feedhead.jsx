import { useObservable } from './hooks.js';
import { MenuIcon } from './icons.jsx';

const PHASES = { opening: 'Connecting', open: 'Connected', lost: 'Reconnecting', closed: 'Disconnected' };

export function FeedHead({ connection, isWide, onMenu, title, detail, children }) {
    const { phase } = useObservable(connection);
    return (
        <header class="head">
            {!isWide && (
                <button type="button" class="icon-button" aria-label="Feeds and settings" onClick={onMenu}>
                    <MenuIcon />
                </button>
            )}
            <div class="head-title">
                <h1 tabindex={-1}>{title}</h1>
                <p class="head-detail">
                    <span class={`dot is-${phase}`} aria-hidden="true" />
                    {phase === 'open' ? (
                        <>
                            <span class="vh">{PHASES[phase]}. </span>
                            {detail ?? PHASES[phase]}
                        </>
                    ) : (
                        PHASES[phase]
                    )}
                </p>
            </div>
            <div class="head-tools">{children}</div>
        </header>
    );
}
