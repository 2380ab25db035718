// What the address says: which room, which message of it, which page.
//
//   #/room/ID, #/room/ID/SEQ   a room, at a message
//   #/setup/CODE               the first owner's way in
//   #/invite/CODE              an invitation
//   #/admin, #/admin/PART      for owners and admins
//   #feed:NAME                 a feed, which needs no chat
export const HOME = { view: 'home' };
export const ADMIN_PARTS = ['users', 'settings', 'audit', 'webhooks', 'stats'];

export function routeOf(hash) {
    let text = hash.replace(/^#/, '');
    try {
        text = decodeURIComponent(text);
    } catch {
        /* as it was typed */
    }
    const feed = /^\/?feed[:/](.+)$/s.exec(text);
    if (feed) {
        const name = nameOf(feed[1]);
        return name ? { view: 'feed', name } : HOME;
    }
    const [, view, first, second] = /^\/([a-z]+)(?:\/([^/]+))?(?:\/([^/]+))?\/?$/.exec(text) ?? [];
    switch (view) {
        case 'room': {
            if (!isId(first)) return HOME;
            const seq = /^[1-9]\d{0,14}$/.test(second ?? '') ? Number(second) : null;
            return { view: 'room', room: first, seq };
        }
        case 'setup':
        case 'invite':
            return first ? { view, code: first } : HOME;
        case 'admin':
            return { view, part: ADMIN_PARTS.includes(first) ? first : ADMIN_PARTS[0] };
        default:
            return HOME;
    }
}

export const hashOfRoom = (room, seq) => `#/room/${room}${seq ? `/${seq}` : ''}`;
export const hashOfFeed = (name) => `#feed:${name}`;

const isId = (text) => /^[A-Za-z0-9_.-]{1,64}$/.test(text ?? '');

// What somebody types as a room's or feed's name, as a slug: ASCII, no separators of the server's ("Team Room!" is
// team-room). '' when nothing is left.
export function nameOf(text) {
    return text
        .normalize('NFKD')
        .toLowerCase()
        .replace(/[\u0300-\u036f]/g, '')
        .replace(/[^a-z0-9_.-]+/g, '-')
        .replace(/^[-.]+|[-.]+$/g, '')
        .slice(0, 64)
        .replace(/[-.]+$/, '');
}

// The socket is beside the page, whatever the page is under.
export function websocketUrl(base) {
    const url = new URL('connection/websocket', base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = url.hash = '';
    return url.href;
}
