// Below a room's messages, or in their place: where one writes, or why one cannot.
import { explain } from '../logic/errors.js';
import { Banner } from './banner.jsx';
import { attempt } from './context.js';
import { Head } from './head.jsx';
import { AlertIcon } from './icons.jsx';

export function Foot({ room, state, info, children }) {
    if (!info) return <div class="composer-place" />;
    const muted = info.muted_until && info.muted_until > Date.now();
    if (info.archived) return <p class="foot-note">This room is archived: it can be read, not written in.</p>;
    if (!info.role)
        return (
            <p class="foot-note">
                You are looking at #{info.title}.
                <button type="button" class="button primary" onClick={() => attempt(room.join())}>
                    Join
                </button>
            </p>
        );
    return (
        <div class="composer-place">
            {muted && <p class="foot-hint">{explain({ code: 430, details: { until: info.muted_until } })}</p>}
            {!muted && info.slow_s > 0 && info.role === 'member' && (
                <p class="foot-hint">Slow mode: one message every {info.slow_s} s.</p>
            )}
            {state.timeline.status === 'open' && !state.timeline.isLive && info.role && state.timeline.error && (
                <p class="foot-hint">{explain(state.timeline.error)}</p>
            )}
            {children}
        </div>
    );
}

const WHY = {
    left: 'You left this room.',
    kicked: 'You were removed from this room. You may be added again.',
    banned: 'You were banned from this room.',
    removed: 'You were removed from this room.',
    not_found: 'It is not there, or not for you to see.',
};

export function Gone({ why, title }) {
    return (
        <main class="main">
            <Head title={title ? `#${title}` : 'Room'} />
            <Banner />
            <div class="refused" role="alert">
                <AlertIcon />
                <h2>{title ? `#${title} is closed to you` : 'There is no such room'}</h2>
                <p>{WHY[why] ?? WHY.not_found}</p>
                <a class="button" href="#/">
                    To the other rooms
                </a>
            </div>
        </main>
    );
}
