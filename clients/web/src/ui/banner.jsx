// Says what is wrong with the connection, once it has lasted long enough to be worth saying.
import { usePage } from './context.js';
import { useNow } from './hooks.js';
import { AlertIcon } from './icons.jsx';

const PATIENCE_MS = 5000;

export function Banner() {
    const { chat, value } = usePage();
    const { status, since, retryAt, error } = value.connection;
    const now = useNow(500, status !== 'online');
    const isOver = status === 'offline' && retryAt === null && error;
    const isDue = status !== 'online' && (isOver || now - since >= PATIENCE_MS);
    const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000));
    return (
        <div class="banner-place" role="status">
            {isDue && (
                <div class={`banner ${isOver ? 'is-closed' : ''}`}>
                    {isOver ? <AlertIcon /> : <span class="spinner" aria-hidden="true" />}
                    <p>
                        <strong>{isOver ? 'Disconnected.' : 'You are offline.'}</strong>{' '}
                        {isOver ? (
                            `The server ended the connection: ${error.message || error.word} (${error.code}).`
                        ) : (
                            <>
                                What you write is kept, and sent when the connection is back.
                                {seconds > 1 && <span aria-hidden="true"> Next try in {seconds} s.</span>}
                            </>
                        )}
                    </p>
                    <button type="button" class="button" onClick={() => chat.retryNow()}>
                        Try now
                    </button>
                </div>
            )}
            {value.isStorageFailing && (
                <div class="banner">
                    <AlertIcon />
                    <p>This browser keeps nothing: what is not sent yet is lost when the page is closed.</p>
                </div>
            )}
        </div>
    );
}
