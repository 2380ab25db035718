// Webhooks of the chat: messages that come in by a secret, and what goes out of a room, in order, until it is taken.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, chatConfig, refusal } from './lib/chat.mjs';
import { request } from './lib/chat_person.mjs';
import { Parleyd } from './lib/parleyd.mjs';
import { disconnectAll } from './lib/sdk_clients.mjs';

// Whom hooks post to. answer: (n) => status, of the n-th request.
class Taker {
    constructor(answer = () => 200) { this.answer = answer; this.posts = []; this.waiting = []; }

    static async start(answer) {
        const taker = new Taker(answer);
        taker.server = http.createServer(async (asked, response) => {
            const parts = [];
            for await (const part of asked) parts.push(part);
            const status = taker.answer(taker.posts.length, asked.url);
            taker.posts.push({ url: asked.url, headers: asked.headers, raw: Buffer.concat(parts), body: JSON.parse(Buffer.concat(parts)), status });
            response.writeHead(status).end();
            for (const look of taker.waiting.splice(0)) look();
        });
        taker.server.listen(0, '127.0.0.1');
        await once(taker.server, 'listening');
        taker.url = `http://127.0.0.1:${taker.server.address().port}/hook`;
        return taker;
    }

    get taken() { return this.posts.filter(({ status }) => status === 200).map(({ body }) => body); }

    async until(is, what = String(is)) {
        for (const late = Date.now() + 30_000; Date.now() < late;) {
            if (is(this)) return;
            await new Promise((resolve) => { this.waiting.push(resolve); setTimeout(resolve, 1000).unref(); });
        }
        throw new Error(`${what}: ${JSON.stringify(this.posts.map(({ body, status }) => [status, body.type, body.message.text]))}`);
    }

    stop() { this.server.closeAllConnections(); this.server.close(); }
}

const start = (chat = {}) => Parleyd.start({ config: chatConfig({ webhook_private: true, ...chat }) });

describe('a webhook', () => {
    let server, taker;
    before(async () => { server = await start(); });
    after(() => server.stop());
    afterEach(() => { disconnectAll(); taker?.stop(); taker = null; });

    const room = async (ann, ...users) => (await ann.call('room.create', { kind: 'private', name: 'Builds', users })).room.id;

    test('in: sends as its bot what is posted to its secret', async () => {
        const ann = await Person.connect(server, 'ann'), id = await room(ann);
        const heard = await ann.follow(id);
        const { webhook } = await ann.call('webhook.create', { kind: 'in', room: id, name: 'Builder' });
        assert.deepEqual([webhook.kind, webhook.room, webhook.name], ['in', id, 'Builder']);
        assert.match(webhook.secret, /^[\w-]{43}$/);
        const added = await heard.hears(({ type }) => type === 'member.added');
        assert.deepEqual([added.user.id, added.user.name, added.user.bot], [webhook.user, 'Builder', true]);

        const post = (body, secret = webhook.secret) => request(server, `/hooks/${secret}`, { method: 'POST', body });
        const first = await post({ text: 'build 17 is green', name: 'CI', client_id: '17', more: { is: 'ignored' } });
        assert.equal(first.status, 200, first.text);
        assert.equal(first.body.seq, 1);
        const { message } = await heard.hears(({ type }) => type === 'message.created');
        assert.deepEqual([message.user, message.text, message.meta], [webhook.user, 'build 17 is green', { name: 'CI' }]);
        assert.deepEqual((await post({ text: 'again', client_id: '17' })).body, { ...first.body, duplicate: true });

        for (const [body, status] of [['no JSON', 400], ['[]', 400], ['{}', 400], [{ text: 5 }, 400], [{ text: '' }, 400],
            [{ text: 'x', name: 'x'.repeat(65) }, 400], [{ text: 'x', name: 'Ada\u202e' }, 400],
            [{ text: 'x'.repeat(16385) }, 413], [{ text: 'x'.repeat(300_000) }, 413]])
            assert.equal((await post(body)).status, status, JSON.stringify(body).slice(0, 60));
        assert.equal((await post({ text: 'x' }, 'x'.repeat(43))).status, 404);
        assert.equal((await post({ text: 'x' }, '')).status, 404);
        assert.equal((await request(server, `/hooks/${webhook.secret}`)).status, 405);

        assert.deepEqual((await ann.call('webhook.list')).webhooks.map(({ id: one, secret }) => [one, secret]),
            [[webhook.id, undefined]]);
        assert.deepEqual(await ann.call('webhook.remove', { id: webhook.id }), {});
        assert.equal((await post({ text: 'x' })).status, 404);
        await heard.hears(({ type, user }) => type === 'member.removed' && user === webhook.user);
        assert.deepEqual((await ann.call('webhook.list')).webhooks, []);
    });

    test('is made by those who own the room, and seen by them', async () => {
        const ann = await Person.connect(server, 'ann2'), bob = await Person.connect(server, 'bob2'), eve = await Person.connect(server, 'eve2');
        const id = await room(ann, 'bob2');
        const { webhook } = await ann.call('webhook.create', { kind: 'in', room: id, name: 'Builder' });
        assert.equal((await refusal(bob.call('webhook.create', { kind: 'in', room: id, name: 'x' }))).code, 103);
        assert.equal((await refusal(eve.call('webhook.create', { kind: 'in', room: id, name: 'x' }))).code, 404);
        assert.deepEqual((await bob.call('webhook.list')).webhooks, []);
        assert.equal((await refusal(bob.call('webhook.remove', { id: webhook.id }))).code, 103);
        assert.equal((await refusal(eve.call('webhook.remove', { id: webhook.id }))).code, 404);
        for (const [bad, field] of [[{ kind: 'both' }, 'kind'], [{ name: '' }, 'name'], [{ kind: 'out', url: 'ftp://x/' }, 'url'],
            [{ kind: 'out' }, 'url'], [{ kind: 'out', url: 'http://x y/' }, 'url']])
            assert.deepEqual(await refusal(ann.call('webhook.create', { kind: 'in', room: id, name: 'x', ...bad })),
                { code: 107, message: `bad request;field=${field}` });
    });

    test('out: tells all that becomes of messages, signed, in order', async () => {
        taker = await Taker.start();
        const ann = await Person.connect(server, 'ann3'), id = await room(ann), other = await room(ann);
        const { webhook } = await ann.call('webhook.create', { kind: 'out', room: id, name: 'Archive', url: taker.url });
        await ann.call('message.send', { room: id, client_id: '1', text: 'one' });
        await ann.call('message.send', { room: other, client_id: '2', text: 'elsewhere' });
        await ann.call('message.edit', { room: id, seq: 1, text: 'One' });
        await ann.call('message.delete', { room: id, seq: 1 });
        await ann.call('message.send', { room: id, client_id: '3', text: 'two' });
        await taker.until(({ taken }) => taken.length === 4);
        assert.deepEqual(taker.taken.map(({ type, room: where, message }) => [type, where, message.seq, message.text]),
            [['message.created', id, 1, 'one'], ['message.updated', id, 1, 'One'], ['message.deleted', id, 1, undefined],
                ['message.created', id, 2, 'two']]);
        const ids = taker.taken.map(({ id: one }) => Number(one));
        assert.deepEqual(ids, [...ids].sort((a, b) => a - b));
        for (const { headers, raw } of taker.posts) {
            assert.equal(headers['content-type'], 'application/json');
            assert.equal(headers['x-parley-signature'],
                `sha256=${crypto.createHmac('sha256', webhook.secret).update(raw).digest('hex')}`);
        }
        await ann.call('webhook.remove', { id: webhook.id });
        // Another one, by which we know that what comes after is not told to the one that is gone.
        await ann.call('webhook.create', { kind: 'out', room: id, name: 'Other', url: `${taker.url}/other` });
        await ann.call('message.send', { room: id, client_id: '4', text: 'after' });
        await taker.until(({ taken }) => taken.length === 5);
        await ann.call('message.send', { room: id, client_id: '5', text: 'last' });
        await taker.until(({ taken }) => taken.length === 6);
        assert.deepEqual(taker.posts.slice(4).map(({ url }) => url), ['/hook/other', '/hook/other']);
    });

    test('out: is tried again until it is taken, and nothing overtakes', async () => {
        taker = await Taker.start((n) => (n < 2 ? 500 : 200));
        const ann = await Person.connect(server, 'ann4'), id = await room(ann);
        await ann.call('webhook.create', { kind: 'out', room: id, name: 'Archive', url: taker.url });
        for (const text of ['one', 'two', 'three']) await ann.call('message.send', { room: id, client_id: text, text });
        await taker.until(({ taken }) => taken.length === 3);
        assert.deepEqual(taker.posts.map(({ body, status }) => [status, body.message.text]),
            [[500, 'one'], [500, 'one'], [200, 'one'], [200, 'two'], [200, 'three']]);
        assert.equal(taker.posts[0].body.id, taker.posts[2].body.id);
        assert.ok(await server.metric('parley_chat_webhooks_failed_total') >= 2);
    });
});

test('webhooks that nobody answers keep no others waiting', async () => {
    const server = await start(), taker = await Taker.start((n, url) => url.endsWith('/good') ? 200 : 500);
    try {
        const ann = await Person.connect(server, 'ann');
        const hook = (room, url) => ann.call('webhook.create', { kind: 'out', room, name: 'W', url: taker.url + url });
        for (const bad of [40, 30]) { // more than are delivered at once
            const { room } = await ann.call('room.create', { kind: 'private', name: 'R' });
            for (let i = 0; i < bad; i++) await hook(room.id, '/bad');
            await ann.call('message.send', { room: room.id, client_id: room.id, text: 'x' });
            if (bad === 30) {
                await taker.until(({ posts }) => posts.length >= 70, 'all were tried');
                await hook(room.id, '/good');
                await ann.call('message.send', { room: room.id, client_id: 'last', text: 'for all' });
            }
        }
        await taker.until(({ taken }) => taken.length === 1, 'the good one');
    } finally {
        disconnectAll();
        taker.stop();
        await server.stop();
    }
});

test('a webhook delivers after a kill what it had not delivered before', async () => {
    const server = await start();
    let isOpen = false;
    const taker = await Taker.start(() => (isOpen ? 200 : 503));
    try {
        const ann = await Person.connect(server, 'ann');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Builds' });
        await ann.call('webhook.create', { kind: 'out', room: room.id, name: 'Archive', url: taker.url });
        for (let i = 0; i < 5; i++) await ann.call('message.send', { room: room.id, client_id: `${i}`, text: `${i}` });
        await taker.until(({ posts }) => posts.length > 0);
        isOpen = true;
        await server.restart();
        await taker.until(({ taken }) => taken.length >= 5);
        assert.deepEqual(taker.taken.map(({ message }) => message.text), ['0', '1', '2', '3', '4']);
    } finally {
        disconnectAll();
        await server.stop();
        taker.stop();
    }
});

test('a webhook asks nothing of private networks unless it may', async () => {
    const server = await start({ webhook_private: false });
    const taker = await Taker.start();
    try {
        const ann = await Person.connect(server, 'ann');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Builds' });
        const { port } = new URL(taker.url);
        for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0'])
            await ann.call('webhook.create', { kind: 'out', room: room.id, name: host, url: `http://${host}:${port}/hook` });
        await ann.call('message.send', { room: room.id, client_id: '1', text: 'one' });
        for (const late = Date.now() + 30_000; await server.metric('parley_chat_webhooks_private_total') < 6;) {
            assert.ok(Date.now() < late, 'all are refused');
            await new Promise((resolve) => { setTimeout(resolve, 50); });
        }
        assert.equal(taker.posts.length, 0);
    } finally {
        disconnectAll();
        await server.stop();
        taker.stop();
    }
});
