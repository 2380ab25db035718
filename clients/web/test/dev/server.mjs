// The page on a server in memory, to look at while working on it: no daemon, no database, everybody who signs in is there.
//
//   node test/dev/server.mjs [--port 8123]     then open the printed address and sign in as ada, bo, cy… with any password
//
// Not part of the page, and no test: those run on the real daemon (tests/e2e).
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FakeServer, Refusal } from '../../../js/test/support/server.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const { WebSocketServer } = createRequire(path.join(here, '../../../../tests/e2e/package.json'))('ws');
const option = (name, otherwise) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? otherwise : process.argv[at + 1];
};
const dist = path.resolve(option('dist', path.join(here, '../../dist')));

const clock = { now: () => Date.now() };
const server = new FakeServer(clock);
const files = new Map();
let made = 0;

const NAMES = {
    ada: 'Ada Lovelace',
    bo: 'Bo Chen',
    cy: 'Cyrus Vance',
    di: 'Diana Prince',
    ed: 'Édouard Müller',
    fay: 'Fay',
    gus: 'Gus Petersen',
};
for (const [id, name] of Object.entries(NAMES))
    server.addUser(id, {
        name,
        role: id === 'ada' ? 'owner' : id === 'gus' ? 'guest' : 'member',
        last_seen: Date.now() - (id < 'e' ? 0 : 9e6),
    });
server.users.get('bo').status = { emoji: '🌴', text: 'On holiday until Monday' };
server.addUser('ci', { name: 'Builds', bot: true });
const all = Object.keys(NAMES);
server.addRoom('general', all, { name: 'general', topic: 'Everything that concerns all of us' });
server.addRoom('design', ['ada', 'bo', 'cy', 'di'], { name: 'design' });
server.addRoom('support', ['ada', 'bo', 'ed', 'ci'], { name: 'support', topic: 'What customers ask' });
server.addRoom('board', ['ada', 'di'], { name: 'board', kind: 'private' });
server.addRoom('lunch', ['bo'], { name: 'lunch', topic: 'Who eats where' });
server.addRoom('dm1', ['ada', 'bo'], { name: '', kind: 'direct' });
server.addRoom('dm2', ['ada', 'ed'], { name: '', kind: 'direct' });
server.addRoom('many', all, { name: 'many' });
for (const room of server.rooms.values()) if (room.members.has('ada')) room.members.get('ada').role = 'owner';

const say = (room, user, text, minutes, more = {}) => {
    const at = clock.now;
    clock.now = () => Date.now() - minutes * 60_000;
    const sent = server.send(room, user, { text, client_id: `seed${++made}`, ...more });
    clock.now = at;
    return sent.seq;
};
say('general', 'di', 'Morning all. The gateway lost power for ten minutes last night.', 1500);
say('general', 'cy', 'Did the sensors’ messages get through?', 1499);
say(
    'general',
    'ada',
    'All of them. What was acknowledged is on disk, and the rest was **sent again** by the devices.',
    1498,
);
const plan = say(
    'general',
    'di',
    'Good. I will write it up:\n\n1. what happened\n2. what we saw\n3. what we change\n\n> Power is not an edge case.\n\nDetails are in https://example.com/incidents/2026-11-27 and `parleyd.log`.',
    60,
);
say('general', 'bo', 'Reading it on the beach 🏖️', 58);
say('general', 'bo', 'The retry delay should be longer, I think:', 57);
say('general', 'bo', '```js\nexport const retryDelay = (tries) => Math.min(8000, 500 * 2 ** tries);\n```', 57);
say('general', 'ada', 'Agreed. @di could you add that? ~~Monday~~ Today would be good.', 40, { reply_to: plan });
say('general', 'di', '👍', 39);
server.react('general', 'bo', plan, '🎉', true);
server.react('general', 'ada', plan, '🎉', true);
server.react('general', 'cy', plan, '👀', true);
server.pin('general', 'ada', plan, true);
const gone = say('general', 'cy', 'oops', 30);
server.delete('general', gone, 'cy');
const edited = say('general', 'ed', 'مرحبا بالجميع، كيف الحال؟', 20);
server.edit('general', edited, 'مرحبا بالجميع، كيف حالكم؟');
for (let i = 0; i < 6; i++) server.mark('general', 'ada', server.rooms.get('general').last_seq);
say('general', 'di', 'It is up, please have a look. @ada', 6);
say('general', 'cy', 'Looks right to me.', 5);
say('design', 'bo', 'New icons are in.', 100);
say('support', 'ci', 'Build 1841 passed in 4 min 12 s', 90, { meta: { name: 'Builds' } });
say('dm1', 'bo', 'Can you cover for me on Friday?', 12);
say('dm2', 'ada', 'Salut!', 2000);
server.mark('dm2', 'ed', 1);
const many = server.rooms.get('many');
for (let i = 1; i <= 10_000; i++) {
    const text = `message ${i}${i % 17 === 0 ? '\nwith a second line' : ''}${i % 29 === 0 ? ` and **some** \`markdown\` for https://example.com/${i}` : ''}`;
    many.messages.push({
        room: 'many',
        seq: i,
        ver: i,
        user: all[i % 5],
        at: Date.now() - (20_000 - i) * 60_000,
        text,
    });
}
many.last_seq = many.ver = 10_000;
many.last_at = many.messages.at(-1).at;
server.mark('many', 'ada', 9_955);

const invites = new Map([['welcome', { code: 'welcome', room: 'general', guests: true }]]);
const sessions = new Map(); // cookie -> user
const state = {
    setup: process.argv.includes('--setup'),
    settings: { name: 'Harbour', registration: 'invite', guests: true, retain_d: 0 },
};
const hooks = [];

// What js's server does not speak.
function more(user, method, request) {
    const room = server.rooms.get(request.room);
    switch (method) {
        case 'member.list':
            return {
                members: [...room.members].map(([id, { role, muted_until }]) => ({
                    user: server.users.get(id),
                    role,
                    muted_until,
                })),
            };
        case 'member.add':
            server.join(room.id, request.user);
            return { ver: room.ver };
        case 'member.update':
            room.members.get(request.user).role = request.role;
            return { ver: room.ver };
        case 'moderation.kick':
        case 'moderation.ban':
            return server.remove(room.id, request.user, method === 'moderation.kick' ? 'kicked' : 'banned');
        case 'moderation.mute':
            room.members.get(request.user).muted_until = request.until;
            return { ver: room.ver };
        case 'moderation.bans':
            return { bans: [{ user: 'gus', by: 'ada', reason: 'spam' }] };
        case 'room.list':
            return {
                rooms: [...server.rooms.values()]
                    .filter((one) => one.kind === 'public' && one.name.includes(request.q ?? ''))
                    .map((one) => server.viewOf(one, user)),
            };
        case 'room.update':
        case 'room.archive':
        case 'room.unarchive': {
            const change = method === 'room.update' ? request : { archived: method === 'room.archive' };
            return server.update(room.id, change);
        }
        case 'room.create': {
            const id = `new${server.rooms.size}`;
            if (request.kind === 'direct')
                for (const one of server.rooms.values())
                    if (one.kind === 'direct' && one.members.has(user) && one.members.has(request.users[0]))
                        return { room: server.viewOf(one, user) };
            server.addRoom(id, [user, ...(request.users ?? [])], {
                kind: request.kind,
                name: request.name,
                topic: request.topic,
            });
            server.rooms.get(id).members.get(user).role = 'owner';
            for (const one of request.users ?? [])
                server.tell(one, { type: 'room.added', room: server.viewOf(server.rooms.get(id), one) });
            return { room: server.viewOf(server.rooms.get(id), user) };
        }
        case 'pin.list':
            return { messages: room.messages.filter((one) => one.pinned) };
        case 'notify.set':
            room.members.get(user).notify = request.level;
            return {};
        case 'message.revisions':
            return { revisions: [{ at: Date.now() - 1e6, user, text: 'as it was at first' }] };
        case 'search': {
            const words = request.q.toLowerCase();
            const hits = [...server.rooms.values()]
                .filter((one) => one.members.has(user) && (!request.room || one.id === request.room))
                .flatMap((one) => one.messages)
                .filter(
                    (one) => one.text?.toLowerCase().includes(words) && (!request.from || one.user === request.from),
                )
                .sort((a, b) => b.at - a.at)
                .slice(0, 30)
                .map((message) => {
                    const at = message.text.toLowerCase().indexOf(words);
                    return {
                        message,
                        snippet: [
                            [message.text.slice(0, at), false],
                            [message.text.slice(at, at + words.length), true],
                            [message.text.slice(at + words.length), false],
                        ],
                    };
                });
            return { hits };
        }
        case 'user.update': {
            const next = { ...server.users.get(user), ...request };
            server.users.set(user, next);
            for (const one of server.users.keys()) server.tell(one, { type: 'user.updated', user: next });
            return { user: next };
        }
        case 'invite.create': {
            const invite = { code: `inv${++made}abcdef`, ...request };
            invites.set(invite.code, invite);
            return invite;
        }
        case 'invite.list':
            return { invites: [...invites.values()] };
        case 'invite.revoke':
            invites.delete(request.code);
            return {};
        case 'admin.users':
            return {
                users: [...server.users.values()]
                    .filter((one) => one.name.toLowerCase().includes((request.q ?? '').toLowerCase()))
                    .map((one) => ({ ...one, created_at: Date.now() - 9e8, logins_n: 1 })),
            };
        case 'admin.user':
            server.users.set(request.user, { ...server.users.get(request.user), ...request });
            return { user: server.users.get(request.user) };
        case 'admin.settings':
            Object.assign(state.settings, request);
            return { settings: state.settings };
        case 'admin.audit':
            return {
                entries: [
                    {
                        id: 2,
                        at: Date.now() - 1e6,
                        user: 'ada',
                        action: 'member.mute',
                        room: 'general',
                        target: 'gus',
                        detail: { reason: 'shouting' },
                    },
                    { id: 1, at: Date.now() - 9e6, user: 'ada', action: 'room.create', room: 'general' },
                ],
            };
        case 'admin.stats':
            return {
                users: server.users.size,
                rooms: server.rooms.size,
                messages: 10_020,
                bytes: 3_400_000,
                files_bytes: 120_000,
                online: 3,
                version: '0.9.0',
            };
        case 'webhook.list':
            return { webhooks: hooks };
        case 'webhook.create':
            hooks.push({ id: `h${++made}`, ...request });
            return { webhook: { ...hooks.at(-1), secret: 'whs_0123456789abcdef' } };
        default:
            return null;
    }
}

function ask(user, method, request) {
    const found = more(user, method, request);
    if (found) return structuredClone(found);
    if (method === 'message.send' && request.attachments) {
        const result = server.ask(user, method, request);
        const message = server.rooms.get(request.room).messages[result.seq - 1];
        message.attachments = request.attachments.map((id) => files.get(id).attachment);
        for (const link of server.links)
            link.published(`room:${request.room}`, {
                type: 'message.updated',
                ver: ++server.rooms.get(request.room).ver,
                message: { ...message, ver: server.rooms.get(request.room).ver },
            });
        return result;
    }
    return server.ask(user, method, request);
}

// --- HTTP

const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
};
const cookieOf = (request) => /parley_login=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];

async function bodyOf(request) {
    const parts = [];
    for await (const part of request) parts.push(part);
    return Buffer.concat(parts);
}

const web = http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://x');
    const json = (status, value, headers = {}) =>
        response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(value));
    const user = sessions.get(cookieOf(request));
    const signIn = (id, extra = {}) => {
        const cookie = `c${++made}`;
        sessions.set(cookie, id);
        json(
            200,
            { user: server.users.get(id), ...extra },
            { 'Set-Cookie': `parley_login=${cookie}; HttpOnly; Path=/` },
        );
    };
    if (url.pathname.startsWith('/auth/')) {
        const body = request.method === 'POST' ? JSON.parse((await bodyOf(request)).toString() || '{}') : {};
        const what = url.pathname.slice(6);
        if (what === 'state')
            return json(200, {
                enabled: true,
                setup: state.setup,
                user: server.users.get(user),
                ...state.settings,
                limits: { text_bytes: 16384, upload_bytes: 26_214_400 },
            });
        if (what === 'login') {
            if (!server.users.has(body.login) || body.password === 'wrong')
                return json(401, { error: { code: 401, message: 'wrong' } });
            return signIn(body.login);
        }
        if (what === 'setup' || what === 'accept') {
            state.setup = false;
            const id = body.login ?? user ?? `guest${++made}`;
            if (!server.users.has(id))
                server.addUser(id, {
                    name: body.name,
                    role: body.guest ? 'guest' : what === 'setup' ? 'owner' : 'member',
                });
            if (what === 'accept' && !server.rooms.get('general').members.has(id)) server.join('general', id);
            return signIn(id, what === 'accept' ? { room: 'general' } : {});
        }
        if (what === 'invite') {
            const invite = invites.get(url.searchParams.get('code'));
            return invite
                ? json(200, {
                      team: state.settings.name,
                      by: server.users.get('ada'),
                      room: invite.room && server.viewOf(server.rooms.get(invite.room), null),
                      guests: invite.guests,
                  })
                : json(404, { error: { code: 404, message: 'not_found' } });
        }
        if (what === 'logout') {
            sessions.delete(cookieOf(request));
            return json(200, {});
        }
        if (what === 'sessions')
            return json(200, {
                sessions: [
                    {
                        id: 's1',
                        created_at: Date.now() - 1e7,
                        last_seen_at: Date.now(),
                        agent: request.headers['user-agent'],
                        address: '127.0.0.1',
                        current: true,
                    },
                    {
                        id: 's2',
                        created_at: Date.now() - 1e9,
                        last_seen_at: Date.now() - 1e8,
                        agent: 'parley/0.9',
                        address: '10.0.0.7',
                    },
                ],
            });
        return json(200, {});
    }
    if (url.pathname === '/files' && request.method === 'POST') {
        const bytes = await bodyOf(request);
        const id = `f${++made}`;
        const type = request.headers['content-type'];
        const isPng = bytes.subarray(1, 4).toString() === 'PNG';
        const attachment = {
            id,
            name: url.searchParams.get('name'),
            type,
            size: bytes.length,
            ...(isPng && { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }),
        };
        files.set(id, { attachment, bytes });
        return json(201, { attachment });
    }
    if (url.pathname.startsWith('/files/')) {
        const file = files.get(url.pathname.split('/')[2]);
        if (!file) return response.writeHead(404).end();
        return response.writeHead(200, { 'Content-Type': file.attachment.type }).end(file.bytes);
    }
    const name = path.join(dist, url.pathname === '/' ? 'index.html' : path.basename(url.pathname));
    if (!fs.existsSync(name)) return response.writeHead(404).end();
    return response
        .writeHead(200, {
            'Content-Type': TYPES[path.extname(name)] ?? 'application/octet-stream',
            'Content-Security-Policy':
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        })
        .end(fs.readFileSync(name));
});

// --- Centrifuge in JSON

new WebSocketServer({ server: web, path: '/connection/websocket' }).on('connection', (socket, request) => {
    const user = sessions.get(cookieOf(request));
    const client = `client${++made}`;
    const subs = new Set();
    const send = (value) => socket.readyState === 1 && socket.send(JSON.stringify(value));
    const push = (channel, data) => send({ push: { channel, pub: { data } } });
    const link = {
        user,
        client,
        subs,
        published: (channel, data) => subs.has(channel) && push(channel, data),
        toldUser: (event) => push(`user:#${user}`, event),
        expel: (channel) =>
            subs.delete(channel) && send({ push: { channel, unsubscribe: { code: 2500, reason: 'expelled' } } }),
    };
    const others = (channel) => [...server.links].filter((one) => one.subs.has(channel));
    const ping = setInterval(() => send({}), 10_000);
    socket.on('close', () => {
        clearInterval(ping);
        server.links.delete(link);
        for (const channel of subs)
            for (const one of others(channel)) one.say?.({ push: { channel, leave: { info: { user, client } } } });
    });
    link.say = send;
    socket.on('message', (data) => {
        for (const line of String(data).split('\n')) {
            const { id, connect, subscribe, unsubscribe, rpc, presence } = JSON.parse(line);
            if (!id) continue;
            try {
                if (connect) {
                    if (!user) {
                        socket.close(3500, 'invalid token');
                        return;
                    }
                    server.links.add(link);
                    send({
                        id,
                        connect: { client, version: 'dev', ping: 10, pong: true, subs: { [`user:#${user}`]: {} } },
                    });
                } else if (subscribe) {
                    const room = server.rooms.get(subscribe.channel.slice(5));
                    if (!room?.members.has(user)) throw new Refusal(103, 'permission denied');
                    subs.add(subscribe.channel);
                    send({ id, subscribe: { recoverable: true, positioned: true, epoch: 'x', offset: 0 } });
                    for (const one of others(subscribe.channel))
                        if (one !== link)
                            one.say({ push: { channel: subscribe.channel, join: { info: { user, client } } } });
                } else if (unsubscribe) {
                    subs.delete(unsubscribe.channel);
                    send({ id, unsubscribe: {} });
                } else if (presence) {
                    send({
                        id,
                        presence: {
                            presence: Object.fromEntries(
                                others(presence.channel).map((one) => [
                                    one.client,
                                    { user: one.user, client: one.client },
                                ]),
                            ),
                        },
                    });
                } else if (rpc) send({ id, rpc: { data: ask(user, rpc.method, rpc.data ?? {}) } });
            } catch (error) {
                if (!(error instanceof Refusal)) console.error(error);
                send({ id, error: { code: error.code ?? 100, message: error.message } });
            }
        }
    });
});

web.listen(Number(option('port', '8123')), '127.0.0.1', () => console.log(`http://127.0.0.1:${web.address().port}/`));
