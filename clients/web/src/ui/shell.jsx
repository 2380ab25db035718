// The chat of somebody who is in: rooms at the left, the room in the middle, what belongs to it at the right.
import { useCallback, useEffect, useLayoutEffect, useMemo, useState } from 'preact/hooks';
import { hashOfRoom, routeOf } from '../logic/route.js';
import { browserStore } from '../net/store.js';
import { Banner } from './banner.jsx';
import { Page } from './context.js';
import { Dialog } from './dialog.jsx';
import { useAttention, useMedia, useObservable } from './hooks.js';
import { Lazy } from './lazy.jsx';
import { useNotices } from './notices.js';
import { hasDialog, openDialog } from './overlay.jsx';
import { RoomView } from './roomview.jsx';
import { Head } from './head.jsx';
import { Help } from './help.jsx';
import { Side } from './side.jsx';
import { Switcher } from './switcher.jsx';
import { isOnline, useLastSeen } from './presence.js';
import { neighbourOf, orderedRooms } from '../logic/rooms.js';

const OPEN_MAX = 4; // rooms that stay open behind the one on screen: going back is instant

const usualPanel = () => (browserStore.get('panel') ?? 'members') || null;

export function Shell({ chat, route, onSignOut }) {
    const value = useObservable(chat);
    const isWide = useMedia('(min-width: 860px)');
    const hasColumn = useMedia('(min-width: 1180px)');
    const isLooking = useAttention();
    const [isMenuOpen, setMenuOpen] = useState(false);
    const [panel, setPanel] = useState(() => (matchMedia('(min-width: 1180px)').matches ? usualPanel() : null));

    const people = useMemo(() => peopleOf(value.users), [value.users]);
    const groups = useMemo(() => orderedRooms(value.rooms), [value.rooms]);
    const roomId = route.view === 'room' ? route.room : null;
    const [here, setHere] = useState([]); // who has the room on screen open
    const peers = useMemo(() => groups.direct.map(({ peerId }) => peerId).filter(Boolean), [groups]);
    const seen = useLastSeen(chat, peers, !value.online && isLooking && value.connection.status === 'online');
    const isOn = useCallback(
        (user, now) => here.includes(user.id) || isOnline(user, value.online, seen, now),
        [here, value.online, seen],
    );

    const go = useCallback((room, seq) => {
        setMenuOpen(false);
        const hash = hashOfRoom(room, seq);
        if (location.hash === hash) window.dispatchEvent(new HashChangeEvent('hashchange'));
        else location.hash = hash;
    }, []);
    const showPanel = useCallback((which) => {
        setPanel((before) => {
            const after = before === which ? null : which;
            if (matchMedia('(min-width: 1180px)').matches && (after === 'members' || after === null))
                browserStore.set('panel', after ?? '');
            return after;
        });
    }, []);

    // At home: where somebody was last, or what is unread, or the first there is.
    useEffect(() => {
        if (route.view !== 'home' || !value.isLoaded || routeOf(location.hash).view !== 'home') return;
        const all = [...groups.rooms, ...groups.direct];
        const last = browserStore.get('room');
        const room = all.find((one) => one.id === last) ?? all.find((one) => one.unread) ?? all[0];
        if (room) location.replace(hashOfRoom(room.id));
    }, [route.view, value.isLoaded, groups]);

    // The last few rooms stay open.
    const [opened] = useState(() => []);
    useEffect(() => {
        if (!roomId) return;
        browserStore.set('room', roomId);
        const at = opened.indexOf(roomId);
        if (at >= 0) opened.splice(at, 1);
        opened.unshift(roomId);
        for (const id of opened.splice(OPEN_MAX)) chat.room(id).close();
        setMenuOpen(false);
        setPanel((before) => {
            if (!matchMedia('(min-width: 1180px)').matches) return null;
            return before === 'pins' ? usualPanel() : before;
        });
    }, [roomId]);
    useEffect(() => setMenuOpen(false), [route.view]);

    const openSwitcher = useCallback(() => {
        openDialog('Jump to', (close) => <Switcher chat={chat} go={go} close={close} />, { kind: 'switcher-dialog' });
    }, [chat]);
    const openHelp = useCallback(() => openDialog('Keyboard', () => <Help />, { kind: 'is-wide' }), []);

    // Before anything is painted: a key that follows at once is about the room that is seen.
    useLayoutEffect(() => {
        const key = (event) => {
            const isTyping = event.target.closest?.('input, textarea, select, [contenteditable]');
            if (
                (event.ctrlKey || event.metaKey) &&
                !event.altKey &&
                !event.shiftKey &&
                event.key.toLowerCase() === 'k'
            ) {
                event.preventDefault();
                if (!hasDialog()) openSwitcher();
            } else if (hasDialog()) {
                /* theirs */
            } else if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
                event.preventDefault();
                const next = neighbourOf(groups, roomId, event.key === 'ArrowDown' ? 1 : -1, event.shiftKey);
                if (next) go(next);
            } else if ((event.key === '?' && !isTyping) || (event.key === '/' && (event.ctrlKey || event.metaKey))) {
                event.preventDefault();
                openHelp();
            }
        };
        window.addEventListener('keydown', key);
        return () => window.removeEventListener('keydown', key);
    }, [groups, roomId]);

    useNotices({ chat, value, people, roomId, isLooking, go, title: titleOf(route, value) });

    const page = useMemo(
        () => ({
            chat,
            value,
            people,
            go,
            panel,
            showPanel,
            setPanel,
            isWide,
            hasColumn,
            isLooking,
            isOn,
            setHere,
            onSignOut,
            openSwitcher,
            openHelp,
            onMenu: () => setMenuOpen(true),
            closeMenu: () => setMenuOpen(false),
        }),
        [chat, value, people, go, panel, showPanel, isWide, hasColumn, isLooking, isOn, onSignOut],
    );
    const side = <Side route={route} groups={groups} />;
    return (
        <Page.Provider value={page}>
            <div class="frame">
                <nav aria-label="Skip">
                    <button
                        type="button"
                        class="skip"
                        onClick={() => document.querySelector('.composer textarea, main h1')?.focus()}>
                        Skip to the conversation
                    </button>
                </nav>
                {isWide && (
                    <aside class="side" aria-label="Rooms">
                        {side}
                    </aside>
                )}
                {!isWide && isMenuOpen && (
                    <Dialog title="Rooms" kind="drawer" onClose={() => setMenuOpen(false)}>
                        {side}
                    </Dialog>
                )}
                {roomId && <RoomView key={roomId} room={chat.room(roomId)} seq={route.seq} route={route} />}
                {route.view === 'admin' && (
                    <Lazy
                        name="admin"
                        load={() => import('./admin.jsx').then((module) => module.AdminPage)}
                        part={route.part}
                    />
                )}
                {route.view === 'home' && <Home isLoaded={value.isLoaded} hasRooms={value.rooms.length > 0} />}
            </div>
        </Page.Provider>
    );
}

function titleOf(route, value) {
    if (route.view === 'admin') return 'Administration';
    const room = value.rooms.find((one) => one.id === route.room);
    if (!room) return value.team?.name || 'Parley';
    return room.kind === 'direct' || room.kind === 'group' ? room.title : `#${room.title}`;
}

function peopleOf(users) {
    const byLogin = new Map();
    for (const user of users.values()) if (user.login) byLogin.set(user.login.toLowerCase(), user);
    return { byId: users, byLogin };
}

function Home({ isLoaded, hasRooms }) {
    return (
        <main class="main">
            <Head title="Parley" />
            <Banner />
            {isLoaded && !hasRooms ? (
                <Lazy name="welcome" load={() => import('./roomdialogs.jsx').then((module) => module.Welcome)} />
            ) : (
                <div class="messages-place" aria-busy="true" />
            )}
        </main>
    );
}
