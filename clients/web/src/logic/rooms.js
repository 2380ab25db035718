// The order of rooms in the list: those with a name by name, people by who wrote last.
export function orderedRooms(rooms) {
    const named = rooms.filter((room) => room.kind === 'public' || room.kind === 'private');
    const direct = rooms.filter((room) => room.kind === 'direct' || room.kind === 'group');
    return {
        rooms: named
            .filter((room) => !room.archived)
            .sort((a, b) => a.title.localeCompare(b.title, undefined, { sensitivity: 'base', numeric: true })),
        direct: direct.filter((room) => !room.archived).sort((a, b) => b.last_at - a.last_at),
        archived: rooms.filter((room) => room.archived),
    };
}

export const isUnread = (room) => room.notify !== 'none' && (room.unread > 0 || Boolean(room.unread_mark));

// The id of the room above or below; `onlyUnread`: of the next that has something new.
export function neighbourOf({ rooms, direct }, id, step, onlyUnread) {
    const all = [...rooms, ...direct];
    const at = all.findIndex((room) => room.id === id);
    if (!all.length) return null;
    if (at < 0) return all[step > 0 ? 0 : all.length - 1].id;
    for (let i = 1; i <= all.length; i++) {
        const room = all[(at + step * i + all.length * i) % all.length];
        if (room.id !== id && (!onlyUnread || isUnread(room) || room.mentions > 0)) return room.id;
    }
    return null;
}
