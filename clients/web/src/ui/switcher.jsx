// Ctrl K: to any room or person by a few letters of the name.
import { useState } from 'preact/hooks';
import { bestOf } from '../logic/match.js';
import { isUnread } from '../logic/rooms.js';
import { Avatar, nameOfUser } from './avatar.jsx';
import { attempt } from './context.js';
import { LockIcon, PeopleIcon } from './icons.jsx';
import { Finder } from './pick.jsx';

const SHOWN_MAX = 12;

export function Switcher({ chat, go, close }) {
    const [query, setQuery] = useState('');
    const { rooms, users, me } = chat.value;
    const known = new Set(rooms.filter((room) => room.kind === 'direct').map((room) => room.peerId));
    const choices = [
        ...[...rooms].sort((a, b) => isUnread(b) - isUnread(a)).map((room) => ({ key: `r${room.id}`, room })),
        ...[...users.values()]
            .filter((user) => user.id !== me?.id && !known.has(user.id) && !user.deactivated)
            .map((user) => ({ key: `u${user.id}`, user })),
    ];
    const items = bestOf(
        query ? choices : choices.filter((one) => one.room),
        query.replace(/^[#@]/, ''),
        ({ room, user }) => (room ? [room.title, room.slug ?? ''] : [user.name, user.login ?? '']),
        SHOWN_MAX,
    );
    const take = async ({ room, user }) => {
        close();
        if (room) go(room.id);
        else {
            const made = await attempt(chat.direct(user.id));
            if (made) go(made.id);
        }
    };
    const sign = (room) =>
        room.kind === 'direct' ? (
            <Avatar user={users.get(room.peerId) ?? { id: room.peerId, name: room.title }} size="is-small" />
        ) : room.kind === 'group' ? (
            <PeopleIcon class="room-sign" />
        ) : room.kind === 'private' ? (
            <LockIcon class="room-sign" />
        ) : (
            <span class="hash" aria-hidden="true">
                #
            </span>
        );
    return (
        <Finder
            label="Jump to a room or person"
            items={items}
            query={query}
            onQuery={setQuery}
            onTake={take}
            none="Nothing is called that."
            draw={({ room, user }) => (
                <>
                    {room ? sign(room) : <Avatar user={user} size="is-small" />}
                    <bdi class={room && isUnread(room) ? 'is-unread' : ''}>{room ? room.title : nameOfUser(user)}</bdi>
                    {user?.login && <span class="quiet">@{user.login}</span>}
                    {room && isUnread(room) && <span class="finder-note">new</span>}
                </>
            )}
        />
    );
}
