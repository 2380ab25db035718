// The messages of a room.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { rowsOf } from '../logic/rows.js';
import { badge, listOf } from '../logic/text.js';
import { dayName, dayOf } from '../logic/time.js';
import { explain } from '../logic/errors.js';
import { useAnchor } from './anchor.js';
import { nameOfUser } from './avatar.jsx';
import { usePage } from './context.js';
import { dialogs } from './dialogs.js';
import { useRest, useSame } from './hooks.js';
import { AlertIcon, DownIcon, UserPlusIcon } from './icons.jsx';
import { MessageRow } from './message.jsx';

const LOAD_PX = 900; // how near to an end more is fetched
const FLASH_MS = 1800;
const REST_MS = 120; // without scrolling, and it is over

// actions: what may be done with a message (see roomview); jump: {seq, n}, where somebody wants to go.
export function Timeline({ room, state, actions, jump, line, onLine, onAtEnd }) {
    const { chat, people, value, isLooking } = usePage();
    const { timeline, info } = state;
    const me = value.me?.id;
    const box = useRef();
    const list = useRef();
    const anchor = useAnchor(box, list);
    const seen = useRef({ generation: -1, jump: null, pending: 0, first: null });
    const [isAtEnd, setAtEnd] = useState(true);
    const [active, setActive] = useState(null); // the row with the pointer or the focus
    const [roving, setRoving] = useState(null); // the row that had the focus last: the one in the tab order
    const [flash, setFlash] = useState(null);

    const items = useSame(timeline.items);
    const rows = useMemo(() => rowsOf(items, line, dayOf), [items, line]);
    const isOpen = timeline.status === 'open';
    // Whoever is not known yet is asked for.
    useEffect(() => {
        for (const item of items)
            for (const id of [
                item.user,
                item.reply_to?.user,
                item.deleted_by,
                ...(item.reactions ?? []).flatMap(({ users }) => users),
            ])
                if (id && !people.byId.has(id)) chat.user(id);
    }, [items, people]);

    const look = () => {
        const { current: element } = box;
        if (!element || !isOpen) return;
        anchor.scrolled();
        if (anchor.isAtEnd !== isAtEnd) setAtEnd(anchor.isAtEnd);
        room.follow(anchor.isAtEnd);
        const { scrollTop, scrollHeight, clientHeight } = element;
        if (timeline.hasBefore && !timeline.isLoadingBefore && scrollTop < LOAD_PX) room.loadBefore().catch(() => {});
        if (timeline.hasAfter && !timeline.isLoadingAfter && scrollHeight - scrollTop - clientHeight < LOAD_PX)
            room.loadAfter().catch(() => {});
        markSeen();
    };
    const markSeen = () => {
        if (!isLooking || !isOpen || !info?.role || !anchor.box) return;
        const seq = anchor.lastSeen();
        if (seq > (info.read_seq ?? 0)) room.markRead(seq);
    };
    const latest = useRef({});
    latest.current = { look, markSeen };

    useLayoutEffect(() => {
        anchor.attach(box.current, list.current);
        anchor.hasEnd = isOpen && !timeline.hasAfter;
        const before = seen.current;
        if (!isOpen) return;
        const isNew = before.generation !== timeline.generation;
        const wanted = jump && jump.n !== before.jump ? jump : null;
        if (wanted) {
            const item = timeline.items.find((one) => one.seq === wanted.seq);
            const node = item && anchor.nodeOf(item.key);
            if (node) {
                before.jump = wanted.n;
                before.generation = timeline.generation;
                anchor.show(node, 0.35);
                setFlash(item.key);
            }
        }
        if (isNew && before.generation !== timeline.generation) {
            before.generation = timeline.generation;
            const unread = list.current.querySelector('.row-unread');
            if (anchor.hasEnd) anchor.toEnd();
            if (unread && timeline.anchor === timeline.firstUnread) {
                // A little of what was read before it; no further than to the end.
                box.current.scrollTop = unread.offsetTop - box.current.clientHeight * 0.2;
            } else if (typeof timeline.anchor === 'number' && timeline.anchor !== timeline.firstUnread) {
                const item = timeline.items.find((one) => one.seq === timeline.anchor);
                if (item) anchor.show(anchor.nodeOf(item.key), 0.35);
            }
            anchor.capture();
        } else if (state.pending.length > before.pending) {
            anchor.toEnd(); // what I say I see
        } else anchor.restore();
        before.pending = state.pending.length;
        latest.current.look();
    }, [
        rows,
        timeline.generation,
        timeline.status,
        timeline.hasBefore,
        timeline.hasAfter,
        timeline.isLoadingBefore,
        timeline.isLoadingAfter,
        jump,
        state.pending.length,
    ]);

    useEffect(() => latest.current.markSeen(), [isLooking, isOpen, info?.read_seq]);
    useEffect(() => onAtEnd(isAtEnd && !timeline.hasAfter), [isAtEnd, timeline.hasAfter]);
    useEffect(() => {
        if (!flash) return undefined;
        const timer = setTimeout(() => setFlash(null), FLASH_MS);
        return () => clearTimeout(timer);
    }, [flash]);

    const toEnd = async () => {
        if (timeline.hasAfter) await room.open({ at: 'end' }).catch(() => {});
        anchor.toEnd();
        latest.current.look();
    };

    // Arrow keys walk the messages; one of them is in the tab order.
    const keys = rows.filter((row) => row.kind === 'message').map((row) => row.key);
    const stop = keys.includes(roving) ? roving : keys.at(-1);
    const onKeyDown = (event) => {
        const row = event.target.closest('[data-key]');
        if (event.target !== row) {
            if (event.key === 'Escape' && row) {
                row.focus();
                event.stopPropagation();
            }
            return;
        }
        const at = keys.indexOf(row.dataset.key);
        const item = rows.find((one) => one.key === row.dataset.key)?.item;
        const focus = (i) => anchor.nodeOf(keys[Math.max(0, Math.min(keys.length - 1, i))])?.focus();
        if (event.key === 'ArrowUp') focus(at - 1);
        else if (event.key === 'ArrowDown') at === keys.length - 1 ? actions.toComposer() : focus(at + 1);
        else if (event.key === 'Home') focus(0);
        else if (event.key === 'End') focus(keys.length - 1);
        else if (event.ctrlKey || event.metaKey || event.altKey || !item) return;
        else if (event.key === 'r' || event.key === 'R') actions.reply(item);
        else if ((event.key === 'e' || event.key === 'E') && item.isMine) actions.edit(item);
        else if (event.key === '+') row.querySelector('[data-react]')?.click();
        else if (event.key === 'Delete' && actions.mayDelete(item)) actions.remove(item);
        else return;
        event.preventDefault();
        event.stopPropagation();
    };
    // Under a finger nothing may come up before it is lifted: the tools would take the tap for theirs.
    const isTouched = useRef(false);
    const rest = useRest(REST_MS);
    const follow = (event) => {
        const key = event.target.closest?.('[data-key]')?.dataset.key ?? null;
        const isOver = event.type === 'pointerover';
        if (event.type === 'pointerdown') isTouched.current = event.pointerType === 'touch';
        else if (event.type === 'click') isTouched.current = false;
        const isTaken = event.type === 'click' || (!isTouched.current && event.pointerType !== 'touch');
        // Each row that passes below the pointer would be drawn twice, and measured anew.
        if (isTaken && isOver) rest.run(() => setActive(key));
        else if (isTaken) {
            rest.drop();
            setActive(key);
        }
        if (event.type === 'focusin' && event.target.dataset.key) setRoving(key);
    };

    const onScroll = () => {
        rest.moved();
        latest.current.look();
    };

    const unread = info?.unread ?? 0;
    return (
        <div class="messages-place">
            <div class="messages" ref={box} onScroll={onScroll} aria-busy={!isOpen}>
                {timeline.status === 'loading' && !rows.length && <Skeleton />}
                {timeline.status === 'failed' && (
                    <div class="refused" role="alert">
                        <AlertIcon />
                        <h2>The messages could not be fetched</h2>
                        <p>{timeline.error ? explain(timeline.error) : ''}</p>
                        <button type="button" class="button" onClick={() => room.open().catch(() => {})}>
                            Try again
                        </button>
                    </div>
                )}
                {isOpen && !timeline.hasBefore && <Beginning info={info} />}
                {timeline.hasBefore && (
                    <p class="loading-line">{timeline.isLoadingBefore ? 'Fetching earlier messages…' : ''}</p>
                )}
                <ol
                    class="rows"
                    ref={list}
                    aria-label="Messages"
                    onKeyDown={onKeyDown}
                    onPointerDown={follow}
                    onClick={follow}
                    onPointerOver={follow}
                    onPointerLeave={(event) => event.pointerType !== 'touch' && rest.run(() => setActive(null))}
                    onFocusIn={follow}>
                    {rows.map((row) =>
                        row.kind === 'message' ? (
                            <MessageRow
                                key={row.key}
                                item={row.item}
                                isFirst={row.isFirst}
                                isActive={row.key === active}
                                isStop={row.key === stop}
                                isFlashed={row.key === flash}
                                isEdited={actions.editing === row.item.seq && row.item.seq !== undefined}
                                people={people}
                                me={me}
                                info={info}
                                actions={actions}
                            />
                        ) : (
                            <Line key={row.key} row={row} />
                        ),
                    )}
                </ol>
                {info?.receipts && !timeline.hasAfter && <Receipts state={state} me={me} people={people} />}
                {timeline.hasAfter && (
                    <p class="loading-line">{timeline.isLoadingAfter ? 'Fetching later messages…' : ''}</p>
                )}
            </div>
            {isOpen && (!isAtEnd || timeline.hasAfter) && (
                <button type="button" class={`jump ${unread ? 'has-new' : ''}`} onClick={toEnd}>
                    <DownIcon />
                    {unread ? `${badge(unread)} new` : 'Newest'}
                </button>
            )}
        </div>
    );
}

function Line({ row }) {
    return row.kind === 'day' ? (
        <li class="row-line">
            <span>{dayName(row.at)}</span>
        </li>
    ) : (
        <li class="row-line row-unread">
            <span>New</span>
        </li>
    );
}

// Who has read to the end, where the room tells.
function Receipts({ state, me, people }) {
    const last = state.timeline.items.findLast((item) => item.seq !== undefined);
    const readers = [...state.receipts]
        .filter(([id, seq]) => id !== me && id !== last?.user && seq >= (last?.seq ?? Infinity))
        .map(([id]) => nameOfUser(people.byId.get(id)));
    return readers.length ? <p class="receipts">Read by {listOf(readers, 5)}</p> : null;
}

function Beginning({ info }) {
    const page = usePage();
    if (!info) return null;
    const { me, users, isLoaded } = page.value;
    const isAlone =
        isLoaded && me?.role !== 'guest' && ![...users.values()].some((user) => !user.bot && user.id !== me?.id);
    const isPeople = info.kind === 'direct' || info.kind === 'group';
    return (
        <div class="beginning">
            <h2>{isPeople ? info.title : `#${info.title}`}</h2>
            <p class="quiet">
                {info.topic ||
                    (isPeople
                        ? 'What you write here is between you.'
                        : info.retain_d
                          ? `Messages here are kept for ${info.retain_d} days.`
                          : 'This is where it begins. Say something.')}
            </p>
            {isAlone && (
                <button type="button" class="button primary" onClick={() => dialogs.invite(page, null)}>
                    <UserPlusIcon />
                    Invite people
                </button>
            )}
        </div>
    );
}

const Skeleton = () => (
    <div class="skeleton" aria-hidden="true">
        {['a', 'b', 'c', 'd', 'e', 'f'].map((each) => (
            <div key={each} class="skeleton-row">
                <span class="bone bone-round" />
                <span class={`bone bone-${each}`} />
            </div>
        ))}
    </div>
);
