// Signing in to the chat: the owner's link, passwords, invites, guests, logins that end, and all who must not get in. With one
// worker and with four: a login that is revoked on one ends connections on the others.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { after, before, describe, test } from 'node:test';
import { SignJWT } from 'jose';
import { CONFIG, Person, invited, owner, post, request, rpc, setupCode } from './lib/chat_person.mjs';
import { Parleyd } from './lib/parleyd.mjs';
import { Stream } from './lib/stream.mjs';
import { Wire } from './lib/wire.mjs';

const SECRET = 'a secret of thirty-two characters';
const BOB = { login: 'bob', name: 'Bob', password: 'battery staple' };

const jwt = (claims) => new SignJWT({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })
    .setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));

const start = (workers, chat = {}, more = {}) => Parleyd.start({ ...more, config: { ...CONFIG, workers, ...more.config,
    chat: { ...CONFIG.chat, login_attempts: 1000, address_attempts: 1000, ...chat } } });

// How a connection ends; rejects when it does not.
const ended = (wire) => Promise.race([wire.closed,
    new Promise((resolve, reject) => { setTimeout(() => reject(new Error('it goes on')), 20_000).unref(); })]);

async function refusal(promise) {
    try {
        await promise;
    } catch (error) {
        return error.closeCode ?? error.code ?? error.message;
    }
    throw new Error('it was let in');
}

for (const workers of [1, 4]) {
    describe(`with ${workers} worker${workers > 1 ? 's' : ''}`, () => {
        describe('the owner', () => {
            let server;
            before(async () => { server = await start(workers); });
            after(() => server.stop());

            test('comes by the link in the log, once', async () => {
                const ada = new Person(server);
                assert.equal((await ada.get('state')).body.setup, true);
                const code = await setupCode(server);

                const good = { code, login: 'ada', name: 'Ada', password: 'correct horse' };
                for (const [bad, status, field] of [[{ ...good, code: code.slice(1) }, 404, 'code'], [{ ...good, code: '' }, 404, 'code'],
                    [{ ...good, login: 'a' }, 400, 'login'], [{ ...good, login: '-ada' }, 400, 'login'],
                    [{ ...good, login: 'äda' }, 400, 'login'], [{ ...good, password: 'short' }, 400, 'password'],
                    [{ ...good, password: 'x'.repeat(1025) }, 400, 'password'], [{ ...good, name: '' }, 400, 'name'],
                    [{ ...good, name: 'x'.repeat(65) }, 400, 'name'], [{ ...good, login: 7 }, 400, 'login']]) {
                    const answer = await ada.post('setup', bad);
                    assert.equal(answer.status, status, answer.text);
                    assert.equal(answer.body.error.field, field);
                    assert.equal(answer.body.error.code, status);
                }
                const answer = await ada.post('setup', good);
                assert.equal(answer.status, 200, answer.text);
                assert.equal(answer.body.user.role, 'owner');
                assert.match(answer.headers['set-cookie'][0], /^parley_login=plt_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
                assert.equal((await new Person(server).post('setup', { ...good, login: 'eve' })).status, 410);

                const state = (await ada.get('state')).body;
                assert.equal(state.setup, false);
                assert.equal(state.enabled, true);
                assert.equal(state.registration, 'invite');
                assert.equal(state.user.login, 'ada');
                assert.ok(state.limits.text_bytes > 0);
                assert.ok(!server.log.join('\n').includes('correct horse'));
            });

            test('is the only one after a restart, too, and a link is good for one start', async () => {
                await server.restart();
                assert.equal((await new Person(server).get('state')).body.setup, false);
                assert.equal((await new Person(server).post('setup', { code: await setupCode(server), login: 'eve', name: 'Eve',
                    password: 'correct horse' })).status, 410);
            });
        });

        test('a link of an earlier start lets nobody in', async () => {
            const server = await start(workers);
            const old = await setupCode(server);
            await server.restart();
            const fresh = await setupCode(server, 1);
            assert.notEqual(fresh, old);
            const eve = { login: 'eve', name: 'Eve', password: 'correct horse' };
            assert.equal((await new Person(server).post('setup', { code: old, ...eve })).status, 404);
            assert.equal((await new Person(server).post('setup', { code: fresh, ...eve })).status, 200);
            await server.stop();
        });

        describe('who has an account', () => {
            let server, ada;
            before(async () => {
                server = await start(workers, {}, { config: { client: { token: { hmac_secret_key: SECRET } },
                    sse: { enabled: true }, http_stream: { enabled: true } } });
                ada = await owner(server);
            });
            after(() => server.stop());

            test('connects by the cookie, and by a token', async () => {
                const page = await ada.connect();
                assert.ok(page.hello.subs[`user:#${ada.user.id}`], 'its own channel');
                const program = new Person(server);
                const answer = await program.post('login', { login: 'ADA', password: 'correct horse', token: true });
                assert.equal(answer.headers['set-cookie'], undefined);
                const wire = await program.connect();
                assert.equal((await rpc(wire, 'sync')).me.id, ada.user.id);
                assert.equal((await rpc(page, 'sync')).me.login, 'ada');
                page.close();
                wire.close();
            });

            test('learns from a wrong password as little as from an unknown login', async () => {
                const wrong = await new Person(server).post('login', { login: 'ada', password: 'wrong horse' });
                const unknown = await new Person(server).post('login', { login: 'nobody', password: 'wrong horse' });
                assert.equal(wrong.status, 401);
                assert.equal(wrong.text, unknown.text);
                assert.equal(unknown.status, 401);
                assert.equal((await new Person(server).post('login', { login: 'ada' })).body.error.field, 'password');
                assert.equal((await new Person(server).post('login', { password: 'x' })).body.error.field, 'login');
            });

            test('is let in by nothing that only looks like a login', async () => {
                const url = server.websocket;
                const token = ada.cookie.slice('parley_login='.length);
                for (const bad of [`${token}x`, 'plt_', 'plt_AAAA', token.slice(0, -1), `plt_${'A'.repeat(4000)}`]) {
                    const wire = await Wire.open(url);
                    assert.equal(await refusal(wire.connect({ token: bad })), 3500);
                }
                const wire = await Wire.open(url, {}, { headers: { Cookie: 'parley_login=plt_wrong', Origin: ada.origin } });
                assert.equal(await refusal(wire.connect()), 3500);
            });

            test('is not connected by a page of another site', async () => {
                const Cookie = ada.cookie;
                for (const Origin of ['http://evil.example', 'null', `${ada.origin}.evil.example`, ada.origin.replace(/\d$/, ''),
                    ada.origin.replace('http:', 'https:'), 'http://localhost:' + server.port])
                    await assert.rejects(Wire.open(server.websocket, {}, { headers: { Cookie, Origin } }), /403/, Origin);
                for (const path of ['/connection/http_stream', '/connection/sse']) {
                    const stream = await Stream.open(server.port, { method: 'POST', path, body: '{"id":1,"connect":{}}',
                        headers: { Host: new URL(ada.origin).host, Cookie, Origin: 'http://evil.example' } });
                    assert.equal(stream.status, 403);
                    stream.socket.destroy();
                }
                /* Without an Origin a browser says in another way that it is not the page's own request. */
                const wire = await Wire.open(server.websocket, {}, { headers: { Cookie, 'Sec-Fetch-Site': 'same-site' } });
                assert.equal(await refusal(wire.connect()), 3501);
            });

            test('comes by streams as well', async () => {
                for (const [method, path, body] of [['POST', '/connection/http_stream', '{"id":1,"connect":{}}'],
                    ['GET', `/connection/sse?cf_connect=${encodeURIComponent('{"id":1,"connect":{}}')}`, null]]) {
                    const stream = await Stream.open(server.port, { method, path, body, headers: {
                        Host: new URL(ada.origin).host, Cookie: ada.cookie, ...body && { Origin: ada.origin },
                        'Sec-Fetch-Site': 'same-origin' } });
                    assert.equal(stream.status, 200);
                    await stream.until(() => { stream.chunksText = stream.input.toString() + stream.text; return /"connect":\{.*user:#/.test(stream.chunksText) || undefined; });
                    assert.match(stream.chunksText, new RegExp(`user:#${ada.user.id}`));
                    stream.socket.destroy();
                }
            });

            test('changes the password, and all other logins end', async () => {
                const bob = await invited(server, ada, BOB);
                const other = new Person(server);
                await other.post('login', { login: 'bob', password: BOB.password, token: true });
                const [mine, others] = [await bob.connect(), await other.connect()];

                assert.equal((await bob.post('password', { old: 'wrong', new: 'another staple' })).status, 401);
                assert.equal((await bob.post('password', { old: BOB.password, new: 'short' })).body.error.field, 'new');
                assert.equal((await new Person(server).post('password', { old: BOB.password, new: 'another staple' })).status, 401);
                assert.equal((await bob.post('password', { old: BOB.password, new: 'another staple' })).status, 200);
                assert.equal((await ended(others)).code, 3500);
                assert.equal((await rpc(mine, 'sync')).me.login, 'bob');
                assert.equal((await other.get('sessions')).status, 401);
                assert.equal((await new Person(server).post('login', { login: 'bob', password: BOB.password })).status, 401);
                assert.equal((await new Person(server).post('login', { login: 'bob', password: 'another staple' })).status, 200);
                mine.close();
            });

            test('signs out, and the connections of that login end', async () => {
                const one = new Person(server), two = new Person(server);
                await one.post('login', { login: 'ada', password: 'correct horse' });
                await two.post('login', { login: 'ada', password: 'correct horse' });
                const pushes = [];
                const [first, second, third] = [await one.connect({ push: (push) => pushes.push(push) }), await one.connect(), await two.connect()];
                const old = one.cookie;
                const answer = await one.post('logout');
                assert.equal(answer.status, 200);
                assert.match(answer.headers['set-cookie'][0], /^parley_login=; .*Max-Age=0$/);
                assert.equal((await ended(first)).code, 3500);
                assert.equal((await ended(second)).code, 3500);
                assert.ok(pushes.some(({ channel, pub }) => channel === `user:#${ada.user.id}` && pub.data.type === 'session.ended'));
                assert.equal((await rpc(third, 'sync')).me.login, 'ada');
                one.cookie = old;
                assert.equal((await one.get('sessions')).status, 401);
                assert.equal((await one.get('state')).body.user, undefined);
                assert.equal(one.cookie, null, 'a cookie that is good no more goes');
                assert.equal((await one.post('logout')).status, 200);
                third.close();
            });

            test('sees where else they are signed in, and ends it there', async () => {
                const phone = new Person(server), laptop = new Person(server);
                await phone.post('login', { login: 'ada', password: 'correct horse' }, { 'User-Agent': 'Phone/1.0' });
                await laptop.post('login', { login: 'ada', password: 'correct horse', token: true });
                const { sessions } = (await laptop.get('sessions')).body;
                assert.equal(sessions.filter(({ current }) => current).length, 1);
                const phones = sessions.find(({ agent }) => agent === 'Phone/1.0');
                assert.equal(phones.address, '127.0.0.1');
                assert.ok(!JSON.stringify(sessions).includes('plt_'));

                const wire = await phone.connect();
                const eve = await invited(server, ada, { login: `eve${workers}`, name: 'Eve', password: 'battery staple' });
                assert.equal((await eve.post('revoke', { id: phones.id })).status, 404, 'somebody else’s');
                assert.equal((await new Person(server).post('revoke', { id: phones.id })).status, 401);
                assert.equal((await laptop.post('revoke', {})).status, 400);
                assert.equal((await laptop.post('revoke', { id: phones.id, others: true })).status, 400);
                assert.equal((await laptop.post('revoke', { id: phones.id })).status, 200);
                assert.equal((await ended(wire)).code, 3500);
                assert.equal((await laptop.post('revoke', { id: phones.id })).status, 404);
                assert.equal((await phone.get('sessions')).status, 401);

                await phone.post('login', { login: 'ada', password: 'correct horse' });
                const again = await phone.connect();
                assert.equal((await laptop.post('revoke', { others: true })).status, 200);
                assert.equal((await ended(again)).code, 3500);
                assert.deepEqual((await laptop.get('sessions')).body.sessions.map(({ current }) => current), [true]);
                await ada.post('login', { login: 'ada', password: 'correct horse' });
            });

            test('is put out when deactivated, and comes back when not', async () => {
                const carl = await invited(server, ada, { login: 'carl', name: 'Carl', password: 'battery staple' });
                const [wire, admin] = [await carl.connect(), await ada.connect()];
                assert.equal(await refusal(rpc(wire, 'admin.user', { user: ada.user.id, deactivated: true })), 103);
                await rpc(admin, 'admin.user', { user: carl.user.id, deactivated: true });
                assert.ok([3507, 3500].includes((await ended(wire)).code));
                assert.equal((await carl.get('sessions')).status, 401);
                assert.equal((await new Person(server).post('login', { login: 'carl', password: 'battery staple' })).status, 401);
                await rpc(admin, 'admin.user', { user: carl.user.id, deactivated: false });
                assert.equal((await carl.post('login', { login: 'carl', password: 'battery staple' })).status, 200);

                const back = await carl.connect();
                await rpc(admin, 'admin.user', { user: carl.user.id, password: 'given by the admin' });
                assert.equal((await ended(back)).code, 3500);
                assert.equal((await carl.post('login', { login: 'carl', password: 'battery staple' })).status, 401);
                assert.equal((await carl.post('login', { login: 'carl', password: 'given by the admin' })).status, 200);
                assert.equal(await refusal(rpc(admin, 'admin.user', { user: carl.user.id, password: 'short' })), 107);
                const { users } = await rpc(admin, 'admin.users', { q: 'carl' });
                assert.equal(users.find(({ login }) => login === 'carl').logins_n, 1);
                admin.close();
            });

            test('or a token of the embedding application', async () => {
                const wire = await Wire.open(server.websocket);
                await wire.connect({ token: await jwt({ sub: 'app-7', info: { name: 'Dora' } }) });
                const { me } = await rpc(wire, 'sync');
                assert.deepEqual([me.id, me.name, me.role], ['app-7', 'Dora', 'member']);
                const program = new Person(server);
                program.token = await jwt({ sub: 'app-7' });
                assert.equal((await program.get('state')).body.user.id, 'app-7');
                assert.equal((await program.post('password', { old: '', new: 'battery staple' })).status, 403);

                const admin = await ada.connect();
                await rpc(admin, 'admin.user', { user: 'app-7', deactivated: true });
                assert.equal((await ended(wire)).code, 3507);
                const again = await Wire.open(server.websocket);
                assert.equal(await refusal(again.connect({ token: await jwt({ sub: 'app-7' }) })), 3507);
                admin.close();
            });
        });

        describe('invites', () => {
            let server, ada, admin;
            before(async () => {
                server = await start(workers);
                ada = await owner(server);
                admin = await ada.connect();
            });
            after(async () => { admin.close(); await server.stop(); });

            test('let others in, so many as they are good for', async () => {
                const invite = await rpc(admin, 'invite.create', { uses: 1 });
                assert.match(invite.url, new RegExp(`^http://127\\.0\\.0\\.1:${server.port}/#/invite/${invite.code}$`));
                const card = await request(server, `/auth/invite?code=${invite.code}`);
                assert.equal(card.status, 200);
                assert.equal(card.body.by.name, 'Ada');
                assert.equal(card.body.guests, false);

                const bob = new Person(server);
                assert.equal((await bob.post('accept', { code: invite.code, ...BOB, login: 'ada' })).status, 409);
                assert.equal((await bob.post('accept', { code: invite.code, ...BOB, password: 'short' })).body.error.field, 'password');
                assert.equal((await bob.post('accept', { code: invite.code, guest: true, name: 'Guest' })).status, 403);
                const answer = await bob.post('accept', { code: invite.code, ...BOB });
                assert.equal(answer.status, 200, answer.text);
                assert.equal(answer.body.user.role, 'member');
                assert.equal((await rpc(await bob.connect(), 'sync')).me.login, 'bob');
                assert.equal((await new Person(server).post('accept', { code: invite.code, ...BOB, login: 'bob2' })).status, 410);
                assert.equal((await request(server, `/auth/invite?code=${invite.code}`)).status, 410);
            });

            test('of two who come at once by the last use of one, one gets in', async () => {
                const { code } = await rpc(admin, 'invite.create', { uses: 1 });
                const answers = await Promise.all(['x1', 'x2', 'x3'].map((login) =>
                    new Person(server).post('accept', { code, login, name: login, password: 'battery staple' })));
                assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 410, 410]);
            });

            test('end: revoked, or over', async () => {
                const { code } = await rpc(admin, 'invite.create', {});
                assert.ok((await rpc(admin, 'invite.list', {})).invites.some((invite) => invite.code === code));
                await rpc(admin, 'invite.revoke', { code });
                assert.equal((await new Person(server).post('accept', { code, ...BOB, login: 'late' })).status, 410);
                assert.ok(!(await rpc(admin, 'invite.list', {})).invites.some((invite) => invite.code === code));
                assert.equal(await refusal(rpc(admin, 'invite.create', { expires_at: Date.now() - 1 })), 107);
                assert.equal(await refusal(rpc(admin, 'invite.revoke', { code: 'none' })), 404);
                const brief = await rpc(admin, 'invite.create', { expires_at: Date.now() + 300 });
                for (;;) {
                    const { status } = await request(server, `/auth/invite?code=${brief.code}`);
                    if (status === 410) break;
                    assert.equal(status, 200);
                }
                for (const where of ['/auth/invite', '/auth/invite?code=', '/auth/invite?code=none', '/auth/invite?code=%00'])
                    assert.equal((await request(server, where)).status, 404, where);
            });

            test('lead into a room: new members, guests, and who is there already', async () => {
                const { room } = await rpc(admin, 'room.create', { kind: 'private', name: 'Plans' });
                await rpc(admin, 'admin.settings', { guests: true });
                const { code } = await rpc(admin, 'invite.create', { room: room.id, guests: true });
                const card = (await request(server, `/auth/invite?code=${code}`)).body;
                assert.equal(card.room.name, 'Plans');
                assert.equal(card.guests, true);

                const cleo = await invited(server, ada, { login: 'cleo', name: 'Cleo', password: 'battery staple' }, { room: room.id });
                assert.ok((await rpc(await cleo.connect(), 'sync')).rooms.some(({ id }) => id === room.id));

                const guest = new Person(server);
                assert.equal((await guest.post('accept', { code, guest: true, name: '' })).body.error.field, 'name');
                const answer = await guest.post('accept', { code, guest: true, name: 'Gustav' });
                assert.equal(answer.status, 200, answer.text);
                assert.deepEqual([answer.body.user.role, answer.body.room], ['guest', room.id]);
                const wire = await guest.connect();
                assert.deepEqual((await rpc(wire, 'sync')).rooms.map(({ id }) => id), [room.id]);
                assert.equal(await refusal(rpc(wire, 'invite.create', { room: room.id })), 103);
                assert.equal(await refusal(rpc(wire, 'admin.users', {})), 103);
                assert.equal(await refusal(rpc(wire, 'room.create', { kind: 'public', name: 'Mine' })), 103);
                assert.equal((await guest.post('password', { old: '', new: 'battery staple' })).status, 403);

                const dan = await invited(server, ada, { login: 'dan', name: 'Dan', password: 'battery staple' });
                const rooms = [];
                const dans = await dan.connect({ push: ({ pub }) => pub?.data.type === 'room.added' && rooms.push(pub.data.room.id) });
                assert.equal((await new Person(server).post('accept', { code })).status, 401);
                assert.equal((await dan.post('accept', { code })).body.room, room.id);
                assert.equal((await dan.post('accept', { code })).status, 200, 'again');
                assert.ok((await rpc(dans, 'sync')).rooms.some(({ id }) => id === room.id));
                await new Promise((resolve) => { const look = setInterval(() => rooms.includes(room.id) && resolve(clearInterval(look)), 10); });

                assert.equal(await refusal(rpc(dans, 'invite.list', { room: 'nowhere' })), 404);
                await rpc(admin, 'admin.settings', { guests: false });
                assert.equal((await new Person(server).post('accept', { code, guest: true, name: 'Late' })).status, 403);
                assert.equal(await refusal(rpc(admin, 'invite.create', { room: room.id, guests: true })), 103);
            });

            test('or registration is open, if an admin says so', async () => {
                const eve = { login: 'eve', name: 'Eve', password: 'battery staple' };
                assert.equal((await new Person(server).post('register', eve)).status, 403);
                await rpc(admin, 'admin.settings', { registration: 'open' });
                assert.equal((await new Person(server).post('register', { ...eve, login: 'ADA' })).status, 409);
                assert.equal((await new Person(server).post('register', { ...eve, login: '' })).body.error.field, 'login');
                assert.equal((await new Person(server).post('register', eve)).status, 200);
                await rpc(admin, 'admin.settings', { registration: 'closed' });
                assert.equal((await new Person(server).post('register', { ...eve, login: 'eve2' })).status, 403);
                assert.equal((await new Person(server).get('state')).body.registration, 'closed');
            });
        });
    });
}

describe('what is refused', () => {
    let server, ada;
    before(async () => {
        server = await start(2, { login_attempts: 3, address_attempts: 8, login_window: '1h' });
        ada = await owner(server);
    });
    after(() => server.stop());

    test('other sites’ pages, other types, other methods, other paths', async () => {
        const body = { login: 'ada', password: 'correct horse' };
        for (const headers of [{ Origin: 'http://evil.example' }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'cross-site' },
            { 'Sec-Fetch-Site': 'same-site' }]) {
            const answer = await post(server, '/auth/login', body, headers);
            assert.equal(answer.status, 403);
            assert.equal(answer.headers['access-control-allow-origin'], undefined);
            assert.equal((await request(server, '/auth/state', { headers: { ...headers, Cookie: ada.cookie } })).status, 403);
        }
        for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])
            assert.equal((await post(server, '/auth/login', body, { 'Content-Type': type })).status, 415);
        assert.equal((await post(server, '/auth/sessions', {})).status, 405);
        assert.equal((await post(server, '/auth/sessions', {})).headers.allow, 'GET, HEAD');
        assert.equal((await request(server, '/auth/login')).status, 405);
        assert.equal((await request(server, '/auth/login', { method: 'DELETE' })).status, 405);
        for (const where of ['/auth', '/auth/', '/auth/nothing', '/auth/login/x'])
            assert.equal((await request(server, where)).status, 404, where);
        for (const bad of ['[]', '"x"', '{', '{"login":"ada"', '{"login":"ada"} x', 'null', '{"login":{}}'])
            assert.equal((await post(server, '/auth/login', bad)).status, 400, bad);
        assert.equal((await post(server, '/auth/login', JSON.stringify({ login: 'x'.repeat(20000) }))).status, 413);
        assert.equal((await request(server, '/auth/state')).headers['cache-control'], 'no-store');
    });

    test('too many guesses, of a login and from an address', async () => {
        const guess = (login) => post(server, '/auth/login', { login, password: 'wrong horse' });
        const before = await server.metric('parley_auth_throttled_total');
        for (let i = 0; i < 3; i++) assert.equal((await guess('ada')).status, 401);
        const late = await guess('Ada');
        assert.equal(late.status, 429);
        assert.ok(Number(late.headers['retry-after']) > 0);
        assert.equal((await post(server, '/auth/login', { login: 'ada', password: 'correct horse' })).status, 429, 'the right one, too');
        assert.equal((await guess('bob')).status, 401);
        for (let i = 0; i < 20; i++) await guess(`name${i}`);
        assert.equal((await guess('yet.another')).status, 429);
        assert.equal((await post(server, '/auth/accept', { code: 'guess' })).status, 429);
        assert.ok(await server.metric('parley_auth_throttled_total') > before);
        assert.ok(await server.metric('parley_auth_failures_total') >= 4);
        assert.ok(await server.metric('parley_auth_logins_total') >= 1);
        assert.equal((await ada.get('sessions')).status, 200, 'who is signed in stays so');
        assert.ok(!server.log.join('\n').includes('horse'));
    });
});

test('accounts are not made by the dozen, whatever the invite says', async () => {
    const server = await start(1, { address_attempts: 4, login_window: '1h' });
    const ada = await owner(server);
    const wire = await ada.connect();
    const { code } = await rpc(wire, 'invite.create', {});
    const come = (login) => new Person(server).post('accept', { code, login, name: login, password: 'battery staple' });
    const answers = [];
    for (const login of ['p1', 'p2', 'p3', 'p4']) answers.push((await come(login)).status);
    assert.deepEqual(answers, [200, 200, 200, 429]);
    assert.equal((await ada.post('login', { login: 'ada', password: 'correct horse' })).status, 429, 'of that address');
    wire.close();
    await server.stop();
});

describe('behind a reverse proxy', () => {
    let server;
    before(async () => {
        server = await start(1, { url: 'https://chat.example.com/' }, { config: { http_server: { trusted_proxies: ['127.0.0.0/8'] } } });
    });
    after(() => server.stop());

    test('links lead to where people are, cookies are Secure, and addresses are theirs', async () => {
        const code = await setupCode(server);
        assert.ok(server.log.some((line) => line.includes('https://chat.example.com/#/setup/')));
        const headers = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '203.0.113.9, 198.51.100.7', Origin: 'https://chat.example.com' };
        const answer = await post(server, '/auth/setup', { code, login: 'ada', name: 'Ada', password: 'correct horse' }, headers);
        assert.equal(answer.status, 200, answer.text);
        assert.match(answer.headers['set-cookie'][0], /; Secure$/);
        const Cookie = answer.headers['set-cookie'][0].split(';')[0];
        const { sessions } = (await request(server, '/auth/sessions', { headers: { ...headers, Cookie } })).body;
        assert.equal(sessions[0].address, '198.51.100.7');
        /* A page that came unencrypted is another site's. */
        assert.equal((await post(server, '/auth/logout', {}, { ...headers, Cookie, Origin: 'http://chat.example.com' })).status, 403);
    });

    test('a daemon that trusts nobody believes nobody', async () => {
        const plain = await start(1);
        const code = await setupCode(plain);
        const answer = await post(plain, '/auth/setup', { code, login: 'ada', name: 'Ada', password: 'correct horse' },
            { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '198.51.100.7' });
        assert.doesNotMatch(answer.headers['set-cookie'][0], /Secure/);
        const Cookie = answer.headers['set-cookie'][0].split(';')[0];
        assert.equal((await request(plain, '/auth/sessions', { headers: { Cookie } })).body.sessions[0].address, '127.0.0.1');
        await plain.stop();
    });
});

test('over TLS cookies are Secure, and a page that came without it is another site’s', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-tls-'));
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(folder, name));
    await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
        '-subj', '/CN=localhost', '-days', '2', '-keyout', key, '-out', cert]);
    const server = await start(1, {}, { config: { http_server: { tls: { enabled: true, cert_pem_file: cert, key_pem_file: key } } } });
    const secure = server.url('/', 'https').slice(0, -1);
    const ask = (where, body, headers = {}) => new Promise((resolve, reject) => {
        const asked = https.request(`${secure}${where}`, { method: 'POST', agent: false, rejectUnauthorized: false,
            headers: { 'Content-Type': 'application/json', Origin: secure, ...headers } }, (response) => {
            response.resume();
            response.on('end', () => resolve({ status: response.statusCode, headers: response.headers }));
        });
        asked.on('error', reject);
        asked.end(JSON.stringify(body));
    });
    const code = await setupCode(server);
    assert.ok(server.log.some((line) => line.includes(`${secure}/#/setup/`)));
    const ada = { code, login: 'ada', name: 'Ada', password: 'correct horse' };
    assert.equal((await ask('/auth/setup', ada, { Origin: secure.replace('https:', 'http:') })).status, 403);
    const answer = await ask('/auth/setup', ada);
    assert.equal(answer.status, 200);
    assert.match(answer.headers['set-cookie'][0], /; Secure$/);
    const wire = await Wire.open(server.url('/connection/websocket', 'wss'), {}, { rejectUnauthorized: false,
        headers: { Cookie: answer.headers['set-cookie'][0].split(';')[0], Origin: secure } });
    await wire.connect();
    assert.equal((await rpc(wire, 'sync')).me.login, 'ada');
    wire.close();
    await server.stop();
    fs.rmSync(folder, { recursive: true });
});

test('where there is no chat, that is all that is said of it', async () => {
    const server = await Parleyd.start({ config: {} });
    assert.deepEqual((await request(server, '/auth/state')).body, { enabled: false });
    assert.equal((await post(server, '/auth/login', { login: 'a', password: 'b' })).status, 404);
    assert.ok(!server.log.some((line) => line.includes('/#/setup/')));
    await server.stop();
});
