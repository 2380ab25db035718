import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { isEmojiOnly, partsOf } from '../logic/text.js';
import { sentenceOf } from '../logic/people.js';
import { rowsOf } from '../logic/timeline.js';
import { Flag } from './flag.jsx';
import { AlertIcon, CheckIcon, ClockIcon, DownIcon } from './icons.jsx';
import { useObservable } from './hooks.js';

const NEAR_END_PX = 100;
const TIME = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const dayOf = (at) => new Date(at).toDateString();

function dayName(at) {
    const day = dayOf(at);
    if (day === dayOf(Date.now())) return 'Today';
    if (day === dayOf(Date.now() - 86_400_000)) return 'Yesterday';
    return DAY.format(at);
}

export function Messages({ room, isAtEnd, onAtEnd, isShut }) {
    const { timeline, outbox, unreadKey, unread, status, isLoadingEarlier } = useObservable(room);
    const box = useRef();
    const seen = useRef({ first: null, last: null, height: 0, isOpen: false, isAtEnd: true });

    const rows = useMemo(() => {
        const mine = outbox.map((entry) => ({
            ...entry,
            kind: 'message',
            key: entry.id,
            isMine: true,
            isPending: true,
        }));
        return rowsOf([...timeline.items, ...mine], unreadKey, dayOf);
    }, [timeline, outbox, unreadKey]);
    const first = timeline.items.find((item) => item.kind === 'message')?.key ?? null;
    const last = rows.at(-1)?.key ?? null;
    const lastIsMine = outbox.length > 0;

    const toEnd = (behavior = 'instant') => box.current?.scrollTo({ top: box.current.scrollHeight, behavior });

    useLayoutEffect(() => {
        const { current: element } = box;
        const before = seen.current;
        if (!before.isOpen && status === 'open') {
            // Opens at the first unread message, with a little of what came before, or at the end.
            const line = unreadKey && element.querySelector('.row-unread');
            toEnd();
            if (line) element.scrollTop = Math.min(element.scrollTop, line.offsetTop - element.clientHeight * 0.25);
            before.isOpen = true;
        } else if (before.first && first !== before.first && last === before.last) {
            element.scrollTop += element.scrollHeight - before.height; // earlier messages came above
        } else if (before.isAtEnd || (last !== before.last && lastIsMine)) {
            toEnd();
        }
        Object.assign(before, { first, last, height: element.scrollHeight });
    }, [rows, status]);

    const look = () => {
        const { scrollHeight, scrollTop, clientHeight } = box.current;
        const isNear = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
        seen.current.isAtEnd = isNear;
        onAtEnd(isNear);
        if (scrollTop < 60 && scrollHeight > clientHeight) room.loadEarlier();
    };

    // A keyboard on a phone, a banner, a longer draft: whoever read the end goes on reading the end.
    useEffect(() => {
        const watch = new ResizeObserver(() => seen.current.isAtEnd && toEnd());
        watch.observe(box.current);
        return () => watch.disconnect();
    }, []);

    return (
        <div class="messages-place">
            {/* Focusable, so that the keyboard can scroll it. */}
            <div
                class="messages"
                ref={box}
                onScroll={look}
                tabindex={0}
                role="region"
                aria-label={`Messages in #${room.name}`}
                aria-busy={status === 'joining'}>
                {status === 'joining' && !isShut && !rows.length && <Skeleton />}
                {status === 'open' && !rows.some((row) => row.kind === 'message') && <Empty name={room.name} />}
                {timeline.hasEarlier && (
                    <p class="earlier">
                        <button
                            type="button"
                            class="button"
                            disabled={isLoadingEarlier}
                            onClick={() => room.loadEarlier()}>
                            {isLoadingEarlier ? 'Loading…' : 'Earlier messages'}
                        </button>
                    </p>
                )}
                <ol class="rows">
                    {rows.map((row) => (
                        <Row key={row.key} row={row} room={room} />
                    ))}
                </ol>
            </div>
            {!isAtEnd && (
                <button type="button" class="jump" onClick={() => toEnd('smooth')}>
                    <DownIcon />
                    {unread ? `${unread} new` : 'Newest'}
                </button>
            )}
        </div>
    );
}

function Row({ row, room }) {
    switch (row.kind) {
        case 'day':
            return (
                <li class="row row-line">
                    <span>{dayName(row.at)}</span>
                </li>
            );
        case 'unread':
            return (
                <li class="row row-line row-unread">
                    <span>New</span>
                </li>
            );
        case 'joined':
            return (
                <li class="row row-note">
                    <bdi>{sentenceOf(row.names)}</bdi> joined
                </li>
            );
        case 'left':
            return (
                <li class="row row-note">
                    <bdi>{sentenceOf(row.names)}</bdi> left
                </li>
            );
        case 'gap':
            return (
                <li class="row row-gap">
                    <AlertIcon />
                    <span>
                        {row.reason === 'reset'
                            ? 'The server started a new history while you were away. Messages from before may be missing here.'
                            : 'You were away for longer than the server remembers. Messages may be missing here.'}
                    </span>
                </li>
            );
        default:
            return <Message row={row} room={room} />;
    }
}

function Message({ row, room }) {
    const { name, text, at, isMine, isFirst, isLast, isPending, state, error, isRaw } = row;
    const shape = `${isMine ? 'is-mine' : ''} ${isFirst ? 'is-first' : ''} ${isLast ? 'is-last' : ''} ${isPending ? `is-${state}` : ''}`;
    const speaker = name || 'Unsigned';
    const isWaiting = isPending && state !== 'sent';
    const time = at && (
        <time dateTime={new Date(at).toISOString()} title={FULL.format(at)}>
            {TIME.format(at)}
        </time>
    );
    return (
        <li class={`row row-message ${shape}`}>
            {!isMine && <span class="row-flag">{isFirst && <Flag name={speaker} isStranger={!name} />}</span>}
            <article class="message" aria-label={`${isMine ? 'You' : speaker}${at ? `, ${TIME.format(at)}` : ''}`}>
                {!isMine && isFirst && (
                    <p class="message-head">
                        <bdi class="message-name">{speaker}</bdi>
                        {time}
                    </p>
                )}
                <div class={`bubble ${isRaw ? 'is-raw' : ''} ${isEmojiOnly(text) ? 'is-emoji' : ''}`} dir="auto">
                    {partsOf(text).map((part, i) =>
                        part.href ? (
                            <a key={i} href={part.href} target="_blank" rel="noopener noreferrer">
                                {part.text}
                            </a>
                        ) : (
                            part.text
                        ),
                    )}
                </div>
                {state === 'failed' ? (
                    <p class="message-foot is-bad" role="alert">
                        <AlertIcon />
                        Not sent. {error}{' '}
                        <button type="button" class="link" onClick={() => room.retry(row.id)}>
                            Try again
                        </button>{' '}
                        <button type="button" class="link" onClick={() => room.drop(row.id)}>
                            Discard
                        </button>
                    </p>
                ) : (
                    isMine &&
                    (isLast || isWaiting) && (
                        <p class="message-foot">
                            {time}
                            {isWaiting ? (
                                <span class="state" title="Waiting to be sent">
                                    <ClockIcon />
                                    <span class="vh">Waiting to be sent</span>
                                </span>
                            ) : (
                                <span class="state" title="Kept by the server">
                                    <CheckIcon />
                                    <span class="vh">Sent</span>
                                </span>
                            )}
                        </p>
                    )
                )}
            </article>
        </li>
    );
}

function Empty({ name }) {
    return (
        <div class="empty">
            <h2>Nothing said in #{name} yet</h2>
            <p class="quiet">
                Write the first message, or share the link with somebody. Two windows with the same address meet here.
            </p>
        </div>
    );
}

const Skeleton = () => (
    <div class="skeleton" aria-hidden="true">
        {['a', 'b', 'c', 'd', 'e'].map((each) => (
            <span key={each} class={`bone bone-${each}`} />
        ))}
    </div>
);
