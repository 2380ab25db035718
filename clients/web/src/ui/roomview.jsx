// A room on screen.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { explain } from '../logic/errors.js';
import { summaryOf } from '../logic/markdown.js';
import { hashOfRoom } from '../logic/route.js';
import { plural, typingLine } from '../logic/text.js';
import { Avatar, nameOfUser } from './avatar.jsx';
import { Banner } from './banner.jsx';
import { Composer } from './composer.jsx';
import { attempt, usePage } from './context.js';
import { Dialog } from './dialog.jsx';
import { dialogs } from './dialogs.js';
import { Head } from './head.jsx';
import { useObservable } from './hooks.js';
import {
    BellIcon,
    BellOffIcon,
    CopyIcon,
    EditIcon,
    EyeOffIcon,
    GearIcon,
    HistoryIcon,
    LeaveIcon,
    LinkIcon,
    LockIcon,
    MoreIcon,
    PeopleIcon,
    PinIcon,
    ReplyIcon,
    SearchIcon,
    ShieldIcon,
    TrashIcon,
    UserPlusIcon,
} from './icons.jsx';
import { Lazy } from './lazy.jsx';
import { MenuButton } from './menu.jsx';
import { confirm, hasDialog, toast } from './overlay.jsx';
import { Foot, Gone } from './roomfoot.jsx';
import { Timeline } from './timeline.jsx';
import { copyText } from './copy.jsx';

const HEARD_MAX = 6;

export function RoomView({ room, seq }) {
    const page = usePage();
    const { chat, value, people, panel, showPanel, setPanel, hasColumn, isLooking, setHere } = page;
    const state = useObservable(room);
    const { info, timeline, gone } = state;
    // Where the unread line stands: a seq. It is what the window was opened with until something moves it.
    const [moved, setMoved] = useState({ generation: -1, seq: null });
    const line = moved.generation === timeline.generation ? moved.seq : timeline.firstUnread;
    const setLine = useCallback((seq) => setMoved({ generation: room.timeline.generation, seq }), [room]);
    const [isAtEnd, setAtEnd] = useState(true);
    const [jump, setJump] = useState(null);
    const [heard, setHeard] = useState([]);
    const composer = useRef(); // {focus, reply, edit, addFiles}
    const [editing, setEditing] = useState(null);
    const main = useRef();

    useEffect(() => {
        room.open(seq ? { at: seq } : undefined).catch(() => {}); // the timeline tells
        if (seq) setJump({ seq, n: Date.now() });
    }, [room]);

    const jumpTo = useCallback(
        async (target) => {
            setJump({ seq: target, n: Date.now() + Math.random() });
            if (room.find(target)) return;
            try {
                await room.open({ at: target });
                if (!room.find(target)) toast('That message is not there any more.', 'bad');
            } catch (error) {
                toast(explain(error), 'bad');
            }
        },
        [room],
    );
    // A link to a message of the room that is open already.
    const first = useRef(true);
    useEffect(() => {
        if (first.current) first.current = false;
        else if (seq) jumpTo(seq);
    }, [seq]);
    useEffect(() => {
        const again = () => seq && location.hash === hashOfRoom(room.id, seq) && jumpTo(seq);
        window.addEventListener('hashchange', again);
        return () => window.removeEventListener('hashchange', again);
    }, [seq]);

    const watching = isLooking && isAtEnd;
    const now = useRef({});
    now.current = { watching, line, readSeq: info?.read_seq ?? 0, me: value.me?.id, byId: people.byId };
    useEffect(
        () =>
            chat.on('message.created', ({ room: id, message }) => {
                const at = now.current;
                if (id !== room.id || message.user === at.me) return;
                if (!at.watching && (at.line === null || at.line <= at.readSeq)) setLine(message.seq);
                const user = at.byId.get(message.user);
                setHeard((before) =>
                    [
                        ...before,
                        { key: message.seq, text: `${nameOfUser(user)}: ${summaryOf(message.text || 'a file', 300)}` },
                    ].slice(-HEARD_MAX),
                );
            }),
        [room],
    );

    // One can write at once, as soon as it is known that one may. On a phone that would bring up its keyboard.
    const canWrite = Boolean(info?.role) && !info.archived;
    useEffect(() => {
        if (canWrite && matchMedia('(hover: hover)').matches && !hasDialog()) composer.current?.focus();
    }, [room, canWrite]);
    useEffect(() => setHere(state.online), [state.online]);

    const markRead = useCallback(() => {
        setLine(null);
        room.markRead();
    }, [room]);

    useLayoutEffect(() => {
        const key = (event) => {
            if (hasDialog() || event.defaultPrevented) return;
            if (event.key === 'Escape' && !event.target.closest?.('.popover, .menu, .panel')) {
                markRead();
                return;
            }
            // Typing anywhere writes a message.
            if (
                event.key.length !== 1 ||
                event.ctrlKey ||
                event.metaKey ||
                event.altKey ||
                event.key === ' ' ||
                event.key === '?'
            )
                return;
            if (
                event.target.closest?.(
                    'input, textarea, select, button, a, dialog, [contenteditable], [data-key], .popover, .menu',
                )
            )
                return;
            composer.current?.focus();
        };
        window.addEventListener('keydown', key);
        return () => window.removeEventListener('keydown', key);
    }, [markRead]);

    const me = value.me;
    const isMod = info?.role === 'owner' || info?.role === 'mod' || me?.role === 'owner' || me?.role === 'admin';
    const mayWrite = Boolean(info?.role) && !info.archived && !gone;

    const actions = useMemo(() => {
        const link = (item) => new URL(hashOfRoom(room.id, item.seq), location.href.split('#')[0]).href;
        const mayDelete = (item) => (item.isMine || isMod) && !item.deleted && item.seq !== undefined;
        const remove = (item) =>
            confirm({
                title: 'Delete this message?',
                text: item.isMine
                    ? 'Its text and files are gone for everybody; that it was there stays to be seen.'
                    : `It is ${nameOfUser(people.byId.get(item.user))}’s. Its text and files are gone for everybody.`,
                children: (
                    <blockquote class="confirm-quote" dir="auto">
                        {summaryOf(item.text || item.attachments?.[0]?.name || '', 200)}
                    </blockquote>
                ),
                action: 'Delete',
                onConfirm: () => attempt(room.delete(item.seq)),
            });
        return {
            mayWrite,
            mayDelete,
            editing,
            remove,
            jump: jumpTo,
            fileUrl: (file) => chat.fileUrl(file),
            toComposer: () => composer.current?.focus(),
            profile: (user) => dialogs.profile(page, user, info),
            reply: (item) => composer.current?.reply(item),
            edit: (item) => composer.current?.edit(item),
            react: (item, emoji, isOn) => attempt(room.react(item.seq, emoji, isOn)),
            revisions: (item) => item.seq && dialogs.revisions(page, item),
            retry: (item) => room.retry(item.client_id),
            discard: (item) => room.discard(item.client_id),
            menu: (item) =>
                [
                    { label: 'Reply', icon: ReplyIcon, hint: 'R', run: () => composer.current?.reply(item) },
                    item.isMine && {
                        label: 'Edit',
                        icon: EditIcon,
                        hint: 'E',
                        run: () => composer.current?.edit(item),
                    },
                    {
                        label: item.pinned ? 'Unpin' : 'Pin',
                        icon: PinIcon,
                        run: () => attempt(room.pin(item.seq, !item.pinned)),
                    },
                    {
                        label: 'Mark unread from here',
                        icon: EyeOffIcon,
                        run: () => attempt(room.markUnread(item.seq)).then((done) => done && setLine(item.seq)),
                    },
                    {
                        label: 'Copy text',
                        icon: CopyIcon,
                        run: () =>
                            copyText(item.text ?? '').then((done) =>
                                toast(done ? 'Copied.' : 'Could not copy.', done ? 'good' : 'bad'),
                            ),
                    },
                    {
                        label: 'Copy link',
                        icon: LinkIcon,
                        run: () =>
                            copyText(link(item)).then((done) =>
                                toast(done ? 'Copied.' : 'Could not copy.', done ? 'good' : 'bad'),
                            ),
                    },
                    item.edited_at && {
                        label: 'Show edits',
                        icon: HistoryIcon,
                        run: () => dialogs.revisions(page, item),
                    },
                    mayDelete(item) && null,
                    mayDelete(item) && {
                        label: 'Delete',
                        icon: TrashIcon,
                        isDanger: true,
                        hint: 'Del',
                        run: () => remove(item),
                    },
                ].filter((one) => one !== false && one !== undefined && one !== 0),
        };
    }, [room, chat, people, info?.role, me?.role, mayWrite, editing, isMod]);

    if (gone || (timeline.status === 'failed' && timeline.error?.code === 404))
        return <Gone why={gone ?? 'not_found'} title={info?.title} />;

    const isPeople = info?.kind === 'direct' || info?.kind === 'group';
    const peer = info?.kind === 'direct' ? people.byId.get(info.peerId) : null;
    const title = info && (
        <>
            {peer ? (
                <Avatar user={peer} size="is-small" />
            ) : info.kind === 'private' ? (
                <LockIcon class="room-sign" />
            ) : null}
            <bdi>{isPeople ? info.title : `#${info.title}`}</bdi>
        </>
    );
    const detail = peer ? (
        state.online.includes(peer.id) ? (
            'Here now'
        ) : (
            [peer.status?.emoji, peer.status?.text || (peer.deactivated ? 'Deactivated' : `@${peer.login ?? ''}`)]
                .filter(Boolean)
                .join(' ')
        )
    ) : info?.topic ? (
        <bdi title={info.topic}>{info.topic}</bdi>
    ) : info ? (
        plural(info.members_n ?? 0, 'member')
    ) : null;
    const typing = state.typing.map((id) => nameOfUser(people.byId.get(id)));
    const inside = panel && info && !(panel === 'members' && info.kind === 'direct') && (
        <Lazy
            name={panel}
            load={() =>
                import('./panels.jsx').then(
                    (module) => ({ members: module.Members, search: module.Search, pins: module.Pins })[panel],
                )
            }
            room={room}
            state={state}
            actions={actions}
            isMod={isMod}
        />
    );
    const names = { members: 'Members', search: 'Search', pins: 'Pinned messages' };
    return (
        <>
            <main
                class="main"
                ref={main}
                onDragOver={(event) => {
                    if (!mayWrite || ![...event.dataTransfer.types].includes('Files')) return;
                    event.preventDefault();
                    main.current.classList.add('is-dropping');
                }}
                onDragLeave={(event) => {
                    if (!main.current.contains(event.relatedTarget)) main.current.classList.remove('is-dropping');
                }}
                onDrop={(event) => {
                    main.current.classList.remove('is-dropping');
                    if (!event.dataTransfer.files.length) return;
                    event.preventDefault();
                    composer.current?.addFiles([...event.dataTransfer.files]);
                }}>
                <Head title={title} detail={detail}>
                    <button
                        type="button"
                        class="icon-button"
                        aria-label="Search"
                        title="Search"
                        aria-pressed={panel === 'search'}
                        onClick={() => showPanel('search')}>
                        <SearchIcon />
                    </button>
                    {timeline.pins > 0 && (
                        <button
                            type="button"
                            class="icon-button with-count"
                            aria-label={`Pinned messages: ${timeline.pins}`}
                            title="Pinned messages"
                            aria-pressed={panel === 'pins'}
                            onClick={() => showPanel('pins')}>
                            <PinIcon />
                            <span aria-hidden="true">{timeline.pins}</span>
                        </button>
                    )}
                    {info && info.kind !== 'direct' && (
                        <button
                            type="button"
                            class="icon-button with-count"
                            aria-label={`Members: ${info.members_n ?? 0}`}
                            title="Members"
                            aria-pressed={panel === 'members'}
                            onClick={() => showPanel('members')}>
                            <PeopleIcon />
                            <span aria-hidden="true">{info.members_n || ''}</span>
                        </button>
                    )}
                    {info?.role && (
                        <MenuButton
                            label="Room menu"
                            icon={MoreIcon}
                            items={() => roomMenu(page, room, info, isMod, timeline)}
                        />
                    )}
                </Head>
                <Banner />
                <Timeline room={room} state={state} actions={actions} jump={jump} line={line} onAtEnd={setAtEnd} />
                <div class="typing" role="status">
                    {typing.length > 0 && (
                        <>
                            <span class="dots" aria-hidden="true">
                                <i />
                                <i />
                                <i />
                            </span>
                            {typingLine(typing)}
                        </>
                    )}
                </div>
                <Foot room={room} state={state} info={info} isMod={isMod}>
                    <Composer
                        key={room.id}
                        room={room}
                        state={state}
                        api={composer}
                        onSent={() => setLine(null)}
                        onEditing={setEditing}
                    />
                </Foot>
                <p class="drop-here" aria-hidden="true">
                    Drop files to add them
                </p>
                {/* What others say is read out here, and nothing else: fetching history must not be. */}
                <div class="vh" role="log" aria-live="polite" aria-relevant="additions" aria-label="New messages">
                    {heard
                        .filter(({ key }) => !room.find(key)?.deleted)
                        .map(({ key, text }) => (
                            <p key={key}>{text}</p>
                        ))}
                </div>
            </main>
            {inside &&
                (hasColumn ? (
                    <aside class="column panel" key={panel} aria-label={names[panel]}>
                        {inside}
                    </aside>
                ) : (
                    <Dialog
                        key={panel}
                        title={names[panel]}
                        kind="drawer is-right panel"
                        onClose={() => setPanel(null)}>
                        {inside}
                    </Dialog>
                ))}
        </>
    );
}

const LEVELS = [
    ['all', 'Every message', BellIcon],
    ['mentions', 'Only mentions', BellIcon],
    ['none', 'Nothing', BellOffIcon],
];

function roomMenu(page, room, info, isMod, timeline) {
    const { chat, showPanel } = page;
    const isPeople = info.kind === 'direct' || info.kind === 'group';
    const leave = () =>
        confirm({
            title: `Leave ${isPeople ? 'this conversation' : `#${info.title}`}?`,
            text:
                info.kind === 'public'
                    ? 'You can come back at any time.'
                    : 'Somebody has to add you again if you want to come back.',
            action: 'Leave',
            onConfirm: () =>
                attempt(room.leave()).then((done) => {
                    if (done) location.hash = '#/';
                }),
        });
    return [
        ...LEVELS.map(([level, label, icon]) => ({
            label: `Notify: ${label.toLowerCase()}`,
            icon,
            hint: info.notify === level ? '✓' : '',
            run: () => attempt(room.setNotify(level)),
        })),
        null,
        {
            label: 'Pinned messages',
            icon: PinIcon,
            hint: timeline.pins ? String(timeline.pins) : '',
            run: () => showPanel('pins'),
        },
        info.kind !== 'direct' && {
            label: 'Add people',
            icon: UserPlusIcon,
            run: () => dialogs.addMembers(page, info),
        },
        isMod && !isPeople && { label: 'Invite by a link', icon: LinkIcon, run: () => dialogs.invite(page, info) },
        isMod && !isPeople && { label: 'Banned people', icon: ShieldIcon, run: () => dialogs.bans(page, info) },
        isMod &&
            info.kind !== 'direct' && {
                label: 'Room settings',
                icon: GearIcon,
                run: () => dialogs.roomSettings(page, info),
            },
        isMod &&
            !isPeople &&
            info.archived && {
                label: 'Bring back',
                icon: HistoryIcon,
                run: () => attempt(chat.roomMethods.unarchive({ room: info.id }), 'The room is open again.'),
            },
        info.kind !== 'direct' && null,
        info.kind !== 'direct' && { label: 'Leave', icon: LeaveIcon, isDanger: true, run: leave },
    ].filter((one) => one !== false && one !== undefined);
}
