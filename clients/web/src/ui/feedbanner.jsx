// Says what is wrong with the connection, once it has lasted long enough to be worth saying.
import { useNow, useObservable } from './hooks.js';
import { AlertIcon } from './icons.jsx';

const PATIENCE_MS = { opening: 2500, lost: 800, closed: 0 };

export function FeedBanner({ connection, keeps }) {
    const { phase, since, code, reason, isAnswering } = useObservable(connection);
    const now = useNow(500, phase !== 'open');
    const isDue = phase !== 'open' && now - since >= PATIENCE_MS[phase];
    const seconds = Math.max(1, Math.round((now - since) / 1000));
    const host = new URL(connection.url).host;
    return (
        <div class="banner-place" role="status">
            {isDue && (
                <div class={`banner is-${phase}`}>
                    {phase === 'closed' ? <AlertIcon /> : <span class="spinner" aria-hidden="true" />}
                    <p>
                        {phase === 'opening' && !isAnswering && <>Can’t reach {host} yet. Still trying.</>}
                        {phase === 'opening' && isAnswering && (
                            <>
                                {host} is there, but takes no connection from {location.origin}. Is that among its{' '}
                                <code>client.allowed_origins</code>?
                            </>
                        )}
                        {phase === 'lost' && (
                            <>
                                <strong>{code === 3001 ? 'The server is restarting.' : 'Connection lost.'}</strong>{' '}
                                Reconnecting<span aria-hidden="true"> for {seconds} s</span>. {keeps}
                            </>
                        )}
                        {phase === 'closed' && (
                            <>
                                <strong>Disconnected.</strong> {explain(code, reason)}
                            </>
                        )}
                    </p>
                    <button type="button" class="button" onClick={() => connection.tryNow()}>
                        Try now
                    </button>
                </div>
            )}
        </div>
    );
}

function explain(code, reason) {
    switch (code) {
        case 101:
        case 3500:
        case 3501:
            return 'This server lets nobody in without a token, and this page has none. Visitors are let in by the demo configuration.';
        case 3504:
            return 'This server has as many connections as it allows.';
        case 3503:
            return 'The server ended this connection.';
        default:
            return `The server ended this connection: ${reason} (${code}).`;
    }
}
