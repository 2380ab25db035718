// The address says which channel is open: #chat:lobby, #feed:demo. So a link is a room, and two windows with the same
// address meet.
export const HOME = { view: 'chat', name: 'lobby' };

export const channelOf = (route) => `${route.view}:${route.name}`;
export const hashOf = (route) => `#${channelOf(route)}`;

export function routeOf(hash) {
    let text = hash.replace(/^#\/?/, '');
    try {
        text = decodeURIComponent(text);
    } catch {
        /* as it was typed */
    }
    const [, view, rest] = /^(?:(chat|feed)[:/])?(.*)$/s.exec(text);
    const name = nameOf(rest);
    return name ? { view: view ?? 'chat', name } : HOME;
}

// What somebody types as a room's name, as the part of a channel's name after the colon: ASCII, no separators of the
// server's ("Team Room!" is team-room). '' when nothing is left.
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
