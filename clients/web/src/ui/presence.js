// Who is there. The server says so at once, unless they are too many: then what it writes down about once a minute is
// asked for as often, while somebody looks. Who has the room on screen open is known at once in any case, from the room.
import { useEffect, useState } from 'preact/hooks';

const ASK_MS = 60_000;
const ONLINE_MS = 150_000;
const IDS_MAX = 100;

// {id: when they were last seen} of these people.
export function useLastSeen(chat, ids, isWanted) {
    const [seen, setSeen] = useState({});
    const key = ids.slice(0, IDS_MAX).join(' ');
    useEffect(() => {
        if (!isWanted || !key) return undefined;
        let isOver = false;
        const ask = async () => {
            try {
                const { users } = await chat.call('user.get', { ids: key.split(' ') });
                if (!isOver) setSeen(Object.fromEntries(users.map((user) => [user.id, user.last_seen ?? 0])));
            } catch {
                // The next time.
            }
        };
        ask();
        const timer = setInterval(ask, ASK_MS);
        return () => {
            isOver = true;
            clearInterval(timer);
        };
    }, [chat, key, isWanted]);
    return seen;
}

// online: ids, or null where that is not known.
export const isOnline = (user, online, seen, now) =>
    Boolean(user?.bot) ||
    (online
        ? online.has(user?.id)
        : now - Math.max(user?.last_seen ?? 0, seen[user?.id] ?? 0) < ONLINE_MS);
