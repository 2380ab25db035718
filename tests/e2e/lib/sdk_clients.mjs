// Clients of centrifuge-js as tests have them: they come back quickly, and none outlives its test.
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

export const clients = [];

export function client(url, { Class = Centrifuge, requestHeaders = null, ...options } = {}) {
    const Socket = requestHeaders ? class extends WebSocket {
        constructor(where, protocols) { super(where, protocols, { headers: requestHeaders }); }
    } : WebSocket;
    const made = new Class(url, { websocket: Socket, minReconnectDelay: 20, maxReconnectDelay: 200, ...options });
    made.on('error', () => {});
    clients.push(made);
    return made;
}

export const disconnectAll = () => { for (const made of clients.splice(0)) made.disconnect(); };

// (events.once() would reject when the SDK mentions an error, as it does when the daemon is away for a moment.)
export const next = (emitter, name) => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no '${name}' event`)), 20_000);
    emitter.once(name, (context) => { clearTimeout(late); resolve(context); });
});

export async function connected(url, options) {
    const made = client(url, options);
    const up = next(made, 'connected');
    made.connect();
    made.context = await up;
    return made;
}
