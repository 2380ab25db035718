// The rooms, and who one is.
import { isUnread } from '../logic/rooms.js';
import { hashOfRoom } from '../logic/route.js';
import { badge } from '../logic/text.js';
import { Avatar, nameOfUser } from './avatar.jsx';
import { usePage } from './context.js';
import { dialogs } from './dialogs.js';
import { useNow } from './hooks.js';
import {
    AlertIcon,
    BellOffIcon,
    ChevronIcon,
    EditIcon,
    GearIcon,
    HelpIcon,
    LeaveIcon,
    LockIcon,
    PeopleIcon,
    PlusIcon,
    PulseIcon,
    SearchIcon,
    ShieldIcon,
    UserPlusIcon,
} from './icons.jsx';
import { Mark } from './mark.jsx';
import { MenuButton } from './menu.jsx';
import { ThemeChoice } from './theme.jsx';

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

export function Side({ route, groups }) {
    const page = usePage();
    const { value, openSwitcher } = page;
    const { me } = value;
    const canMake = me && me.role !== 'guest';
    const isAdmin = me?.role === 'owner' || me?.role === 'admin';
    const now = useNow(30_000);
    const current = route.view === 'room' ? route.room : null;
    return (
        <div class="side-inside">
            <div class="brand">
                <Mark />
                <span class="brand-name">{value.team?.name || 'Parley'}</span>
                {canMake && (
                    <MenuButton
                        label="Add"
                        icon={PlusIcon}
                        items={() => [
                            { label: 'Create a room', icon: PlusIcon, run: () => dialogs.createRoom(page) },
                            { label: 'Browse rooms', icon: SearchIcon, run: () => dialogs.browse(page) },
                            { label: 'Message somebody', icon: PeopleIcon, run: () => dialogs.newDirect(page) },
                            null,
                            { label: 'Invite people', icon: UserPlusIcon, run: () => dialogs.invite(page, null) },
                        ]}
                    />
                )}
            </div>
            <button type="button" class="jump-field" onClick={openSwitcher}>
                <SearchIcon />
                <span>Jump to…</span>
                <kbd aria-hidden="true">{isMac ? '⌘ K' : 'Ctrl K'}</kbd>
            </button>
            <nav aria-label="Rooms">
                <Group title="Rooms" action={canMake && { label: 'Browse rooms', run: () => dialogs.browse(page) }}>
                    {groups.rooms.map((room) => (
                        <RoomLink key={room.id} room={room} isCurrent={room.id === current} />
                    ))}
                    {value.isLoaded && !groups.rooms.length && <li class="side-note">You are in no room yet.</li>}
                    {!value.isLoaded && <SideSkeleton />}
                </Group>
                <Group
                    title="People"
                    action={canMake && { label: 'Message somebody', run: () => dialogs.newDirect(page) }}>
                    {groups.direct.map((room) => (
                        <RoomLink key={room.id} room={room} isCurrent={room.id === current} now={now} />
                    ))}
                    {value.isLoaded && !groups.direct.length && <li class="side-note">Nobody written to yet.</li>}
                </Group>
                {groups.archived.length > 0 && (
                    <details class="group archived" open={groups.archived.some((room) => room.id === current)}>
                        <summary>
                            <ChevronIcon />
                            Archived
                        </summary>
                        <ul>
                            {groups.archived.map((room) => (
                                <RoomLink key={room.id} room={room} isCurrent={room.id === current} />
                            ))}
                        </ul>
                    </details>
                )}
            </nav>
            <div class="side-foot">
                {isAdmin && (
                    <a class="channel" href="#/admin" aria-current={route.view === 'admin' ? 'page' : undefined}>
                        <ShieldIcon />
                        <span class="channel-name">Administration</span>
                    </a>
                )}
                <div class="me-line">
                    <button type="button" class="me" onClick={() => dialogs.settings(page)} title="Settings">
                        <Avatar user={me} isOnline={value.connection.status === 'online'} />
                        <span class="me-name">
                            <span class="vh">Settings of </span>
                            <bdi>{me ? nameOfUser(me) : '…'}</bdi>
                            <span class="me-status">
                                {me?.status?.text || me?.status?.emoji
                                    ? `${me.status.emoji ?? ''} ${me.status.text ?? ''}`
                                    : CONNECTION[value.connection.status]}
                            </span>
                        </span>
                    </button>
                    <MenuButton
                        label="More"
                        icon={GearIcon}
                        items={() => [
                            { label: 'Settings', icon: GearIcon, run: () => dialogs.settings(page) },
                            { label: 'Keyboard', icon: HelpIcon, hint: '?', run: page.openHelp },
                            { label: 'Live feeds', icon: PulseIcon, run: () => (location.hash = '#feed:demo') },
                            null,
                            { label: 'Sign out', icon: LeaveIcon, run: page.onSignOut },
                        ]}
                    />
                </div>
                <ThemeChoice />
            </div>
        </div>
    );
}

const CONNECTION = { online: 'Online', connecting: 'Connecting…', offline: 'Offline' };

function Group({ title, action, children }) {
    return (
        <section class="group">
            <div class="group-head">
                <h2>{title}</h2>
                {action && (
                    <button
                        type="button"
                        class="icon-button small"
                        aria-label={action.label}
                        title={action.label}
                        onClick={action.run}>
                        <PlusIcon />
                    </button>
                )}
            </div>
            <ul>{children}</ul>
        </section>
    );
}

export function RoomSign({ room, now }) {
    const { people, isOn } = usePage();
    if (room.kind === 'direct') {
        const peer = people.byId.get(room.peerId) ?? { id: room.peerId, name: room.title };
        return <Avatar user={peer} size="is-small" isOnline={isOn(peer, now ?? Date.now())} />;
    }
    if (room.kind === 'group') return <PeopleIcon class="room-sign" />;
    if (room.kind === 'private') return <LockIcon class="room-sign" />;
    return (
        <span class="hash" aria-hidden="true">
            #
        </span>
    );
}

function RoomLink({ room, isCurrent, now }) {
    const { people } = usePage();
    const hasNew = isUnread(room) && !isCurrent;
    const isLoud = room.mentions > 0 || (room.kind === 'direct' && room.unread > 0 && room.notify !== 'none');
    const count = room.mentions || room.unread;
    const peer = room.kind === 'direct' ? people.byId.get(room.peerId) : null;
    return (
        <li>
            <a
                class={`channel ${hasNew || isLoud ? 'is-unread' : ''} ${room.notify === 'none' ? 'is-muted' : ''}`}
                href={hashOfRoom(room.id)}
                aria-current={isCurrent ? 'page' : undefined}>
                <RoomSign room={room} now={now} />
                <span class="channel-name">
                    <bdi>{room.title}</bdi>
                    {peer?.status?.emoji && <span class="channel-emoji"> {peer.status.emoji}</span>}
                </span>
                {room.failed > 0 && <AlertIcon class="is-bad" />}
                {room.hasDraft && !isCurrent && <EditIcon class="room-note" />}
                {room.notify === 'none' && <BellOffIcon class="room-note" />}
                {isLoud ? (
                    <span class="badge">
                        {badge(count)}
                        <span class="vh">{room.mentions ? ' mentions' : ' new messages'}</span>
                    </span>
                ) : (
                    hasNew && (
                        <span class="channel-count">
                            {room.unread ? badge(room.unread) : '•'}
                            <span class="vh"> new</span>
                        </span>
                    )
                )}
            </a>
        </li>
    );
}

const SideSkeleton = () =>
    ['a', 'b', 'c', 'd'].map((each) => <li key={each} class={`bone side-bone bone-${each}`} aria-hidden="true" />);
