// The server's side of the SDK cases: a daemon configured for them, and what only the host can do.
import crypto from 'node:crypto';
import { Cluster } from './cluster.mjs';
import { Parleyd } from './parleyd.mjs';

const SECRET = 'a secret of the tests';

const everything = Object.fromEntries(['subscribe', 'publish', 'presence', 'history'].flatMap((what) =>
    [[`allow_${what}_for_client`, true], [`allow_${what}_for_anonymous`, true]]));

export const config = {
    client: {
        allowed_origins: ['*'],
        allow_anonymous_connect_without_token: true,
        channel_limit: 20,
        token: { hmac_secret_key: SECRET },
    },
    http_stream: { enabled: true },
    sse: { enabled: true },
    channel: {
        namespaces: [
            { name: 'open', ...everything, presence: true, join_leave: true, history_size: 1000, history_ttl: '300s',
                allow_recovery: true, force_recovery: true, allow_user_limited_channels: true },
            { name: 'short', ...everything, history_size: 5, history_ttl: '300s', force_recovery: true },
            { name: 'plain', ...everything },
            { name: 'closed' },
        ],
    },
};

const base64url = (value) => Buffer.from(value).toString('base64url');

export function token(claims, secret = SECRET) {
    const text = `${base64url(JSON.stringify({ alg: 'HS256', typ: 'JWT' }))}.${base64url(JSON.stringify(claims))}`;
    return `${text}.${crypto.createHmac('sha256', secret).update(text).digest('base64url')}`;
}

// nodes: of several daemons on Redis, whose clients come to each by turns; 0: one daemon by itself.
export async function startHost({ nodes = 0, ...options } = {}) {
    const server = nodes ? await Cluster.start({ config, nodes, ...options }) : await Parleyd.start({ config, ...options });
    const abilities = {
        url: () => server.websocket,
        other: () => (server.peek?.() ?? server).websocket,
        token,
        restart: () => server.restart(),
        stop: () => server.kill('SIGTERM'),
        start: () => server.restart(),
    };
    return { server, host: async (name, ...args) => { const value = await abilities[name](...args);
        return typeof value === 'string' ? value : null; } };
}
