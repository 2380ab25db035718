// What people attach to messages and search for, through a real daemon: uploads in pieces, who may have them, ranges, what goes when,
// and what is left when the daemon is killed in the middle.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, chatConfig, refusal, token } from './lib/chat.mjs';
import { Parleyd } from './lib/parleyd.mjs';
import { disconnectAll } from './lib/sdk_clients.mjs';

const PNG = Buffer.from('89504e470d0a1a0a0000000d494844520000028000000' + '1e00802000000', 'hex');
const KIB = 1024;

// Any request, its answer's body as bytes. who: an id, or null.
function ask(server, method, where, who, { body, headers = {} } = {}) {
    return new Promise((resolve, reject) => {
        const asked = http.request(server.url(where), { method, agent: false, headers: {
            ...who && { Authorization: `Bearer ${token(who)}` },
            ...body && { 'Content-Length': body.length }, ...headers } }, (response) => {
            const parts = [];
            response.on('data', (part) => parts.push(part));
            response.on('error', reject);
            response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, bytes: Buffer.concat(parts),
                get json() { return JSON.parse(this.bytes.toString()); } }));
        });
        asked.on('error', reject);
        asked.end(body);
    });
}

const upload = (server, who, name, body, type = 'text/plain', headers = {}) =>
    ask(server, 'POST', `/files?name=${encodeURIComponent(name)}`, who, { body, headers: { 'Content-Type': type, ...headers } });

const attach = async (server, who, name, body, type) => {
    const answer = await upload(server, who, name, body, type);
    assert.equal(answer.status, 201, answer.bytes.toString());
    return answer.json.attachment;
};

const get = (server, who, { id, name }, headers = {}, method = 'GET') =>
    ask(server, method, `/files/${id}/${encodeURIComponent(name)}`, who, { headers });

const dir = (server) => path.join(server.dataDir, 'files');
const kept = (server) => fs.readdirSync(dir(server)).filter((name) => name !== 'tmp')
    .flatMap((name) => fs.readdirSync(path.join(dir(server), name)).map((rest) => name + rest));
const temporary = (server) => fs.readdirSync(path.join(dir(server), 'tmp'));

async function until(is, what) {
    for (const late = Date.now() + 30_000; Date.now() < late; await new Promise((resolve) => setTimeout(resolve, 20)))
        if (await is()) return;
    throw new Error(`it did not come to that: ${what}`);
}

const people = async (server, ...ids) => Promise.all(ids.map((id) => Person.connect(server, id)));

describe('files', () => {
    let server;
    before(async () => {
        const config = chatConfig({ upload_max_size: '1MiB' });
        config.client.allowed_origins = ['https://app.example'];
        server = await Parleyd.start({ config });
    });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('go up, into a message, and down to who may see it', async () => {
        const [ann, bob] = await people(server, 'ann', 'bob', 'eve');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Plans', users: ['bob'] });
        const bytes = crypto.randomBytes(300 * KIB);
        const attachment = await attach(server, 'ann', 'Pläne 1.bin', bytes, 'application/x-plan');
        assert.deepEqual({ ...attachment, id: 0 }, { id: 0, name: 'Pläne 1.bin', type: 'application/x-plan', size: bytes.length });
        assert.deepEqual(kept(server), [crypto.createHash('sha256').update(bytes).digest('hex')]);
        assert.equal((await get(server, 'bob', attachment)).status, 404);
        assert.deepEqual((await get(server, 'ann', attachment)).bytes, bytes);

        const heard = await bob.follow(room.id);
        await ann.call('message.send', { room: room.id, client_id: 'a1', text: '', attachments: [attachment.id] });
        const { message } = await heard.hears(({ type }) => type === 'message.created');
        assert.deepEqual(message.attachments, [attachment]);

        const answer = await get(server, 'bob', attachment);
        assert.equal(answer.status, 200);
        assert.deepEqual(answer.bytes, bytes);
        assert.equal(answer.headers['content-type'], 'application/octet-stream');
        assert.equal(answer.headers['content-disposition'], "attachment; filename*=UTF-8''Pl%C3%A4ne%201.bin");
        assert.equal(answer.headers['x-content-type-options'], 'nosniff');
        assert.equal(answer.headers['content-security-policy'], "sandbox; default-src 'none'");
        assert.equal(answer.headers['cache-control'], 'private, max-age=31536000, immutable');
        assert.equal((await get(server, 'eve', attachment)).status, 404);
        assert.equal((await get(server, null, attachment)).status, 401);
        assert.deepEqual(await refusal(bob.call('message.send', { room: room.id, client_id: 'b1', text: 'mine',
            attachments: [attachment.id] })), { code: 107, message: 'bad request;field=attachments' });
    });

    test('that are pictures are shown, whatever they are called, and nothing else is', async () => {
        await people(server, 'ann');
        const picture = await attach(server, 'ann', 'picture.exe', PNG, 'application/x-msdownload');
        assert.deepEqual([picture.type, picture.width, picture.height], ['image/png', 640, 480]);
        const shown = await get(server, 'ann', picture);
        assert.equal(shown.headers['content-type'], 'image/png');
        assert.match(shown.headers['content-disposition'], /^inline;/);

        for (const [name, body, type] of [['page.png', '<script>alert(1)</script>', 'image/png'],
            ['page.html', '<script>alert(1)</script>', 'text/html'], ['x.svg', '<svg onload="alert(1)"/>', 'image/svg+xml']]) {
            const hostile = await attach(server, 'ann', name, Buffer.from(body), type);
            assert.notEqual(hostile.type, 'image/png');
            const answer = await get(server, 'ann', hostile);
            assert.equal(answer.headers['content-type'], 'application/octet-stream');
            assert.match(answer.headers['content-disposition'], /^attachment;/);
            assert.equal(answer.headers['x-content-type-options'], 'nosniff');
        }
    });

    test('are asked for in parts, and not again when they are known', async () => {
        await people(server, 'ann');
        const bytes = crypto.randomBytes(200 * KIB);
        const attachment = await attach(server, 'ann', 'parts', bytes);
        const whole = await get(server, 'ann', attachment);
        const etag = whole.headers.etag;
        assert.equal(whole.headers['accept-ranges'], 'bytes');
        assert.match(etag, /^"[0-9a-f]{64}"$/);
        for (const [range, from, to] of [['bytes=0-0', 0, 1], ['bytes=100000-', 100000, bytes.length],
            ['bytes=70000-140000', 70000, 140001], ['bytes=-10', bytes.length - 10, bytes.length],
            ['bytes=5-99999999', 5, bytes.length], ['bytes=-99999999', 0, bytes.length]]) {
            const part = await get(server, 'ann', attachment, { Range: range });
            assert.equal(part.status, 206, range);
            assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${bytes.length}`);
            assert.deepEqual(part.bytes, bytes.subarray(from, to));
        }
        for (const range of ['bytes=1-0', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,5-6', 'bytes=99999999999999999999-'])
            assert.equal((await get(server, 'ann', attachment, { Range: range })).bytes.length, bytes.length, range);
        const behind = await get(server, 'ann', attachment, { Range: `bytes=${bytes.length}-` });
        assert.deepEqual([behind.status, behind.headers['content-range']], [416, `bytes */${bytes.length}`]);

        assert.equal((await get(server, 'ann', attachment, { Range: 'bytes=0-0', 'If-Range': etag })).status, 206);
        assert.equal((await get(server, 'ann', attachment, { Range: 'bytes=0-0', 'If-Range': '"other"' })).status, 200);
        const known = await get(server, 'ann', attachment, { 'If-None-Match': `"other", ${etag}` });
        assert.deepEqual([known.status, known.bytes.length, known.headers.etag], [304, 0, etag]);
        const head = await get(server, 'ann', attachment, {}, 'HEAD');
        assert.deepEqual([head.status, head.bytes.length, head.headers['content-length']], [200, 0, String(bytes.length)]);
        const nothing = await attach(server, 'ann', 'nothing', Buffer.from(''));
        assert.equal(nothing.size, 0);
        assert.equal((await get(server, 'ann', nothing)).bytes.length, 0);
    });

    test('that may not be uploaded are refused before they come', async () => {
        await people(server, 'ann');
        const before = kept(server).length;
        assert.equal((await upload(server, null, 'x', Buffer.from('x'))).status, 401);
        assert.equal((await ask(server, 'POST', '/files', 'ann', { body: Buffer.from('x') })).status, 400);
        for (const name of ['', '.', '..', 'a/..', 'a\nb', 'x'.repeat(256)])
            assert.equal((await upload(server, 'ann', name, Buffer.from('x'))).status, 400, name);
        assert.equal((await ask(server, 'POST', '/files?name=%ff%fe', 'ann', { body: Buffer.from('x') })).status, 400);
        assert.equal((await ask(server, 'POST', '/files/x/y?name=x', 'ann', { body: Buffer.from('x') })).status, 404);
        // Of another site's page, with whatever it has.
        assert.equal((await upload(server, 'ann', 'x', Buffer.from('x'), 'text/plain', { Origin: 'https://evil.example' })).status, 403);

        const large = Buffer.alloc(1024 * KIB + 1);
        assert.equal((await upload(server, 'ann', 'large', large)).status, 413);
        assert.equal((await ask(server, 'POST', '/files?name=large', 'ann', { headers: { 'Content-Length': large.length, Expect: '100-continue' } })
            .catch((error) => error)).status, 413);
        assert.equal(kept(server).length, before);
        await until(() => temporary(server).length === 0, 'nothing temporary');
        // A path that somebody's browser sent is cut to its last part.
        assert.equal((await attach(server, 'ann', 'C:\\Users\\ann\\a.txt', Buffer.from('x'))).name, 'a.txt');
        assert.equal((await attach(server, 'ann', '../../etc/passwd', Buffer.from('x'))).name, 'passwd');
        // Of an embedding application's page by its token, but not by the cookie that a browser would send along.
        const from = { Origin: 'https://app.example' };
        const embedded = await upload(server, 'ann', 'x', Buffer.from('x'), 'text/plain', from);
        assert.deepEqual([embedded.status, embedded.headers['access-control-allow-origin']], [201, from.Origin]);
        assert.equal((await get(server, 'ann', embedded.json.attachment, from)).status, 200);
        assert.equal((await upload(server, null, 'x', Buffer.from('x'), 'text/plain', { ...from, Cookie: 'parley_login=plt_x' })).status, 403);
    });

    test('are nowhere else than asked for by their ids', async () => {
        await people(server, 'ann');
        for (const where of ['/files/', '/files/x', '/files/../chat.db', '/files/%2e%2e/chat.db', '/files/..%2fchat.db/x', '/files//x',
            `/files/${'x'.repeat(300)}/y`, '/files/tmp/x', `/files/${kept(server)[0]}/x`])
            assert.equal((await ask(server, 'GET', where, 'ann')).status, 404, where);
    });

    test('of chunks are as good, and an upload that lies about its length is none', async () => {
        await people(server, 'ann');
        const body = crypto.randomBytes(150 * KIB);
        const answer = await new Promise((resolve, reject) => {
            const asked = http.request(server.url('/files?name=chunks'), { method: 'POST', agent: false,
                headers: { Authorization: `Bearer ${token('ann')}`, 'Transfer-Encoding': 'chunked' } }, (response) => {
                response.resume();
                response.on('end', () => resolve(response.statusCode));
            });
            asked.on('error', reject);
            for (let at = 0; at < body.length; at += 7777) asked.write(body.subarray(at, at + 7777));
            asked.end();
        });
        assert.equal(answer, 201);
        assert.ok(kept(server).includes(crypto.createHash('sha256').update(body).digest('hex')));

        const before = kept(server).length;
        const short = http.request(server.url('/files?name=short'), { method: 'POST', agent: false,
            headers: { Authorization: `Bearer ${token('ann')}`, 'Content-Length': 100000 } });
        short.on('error', () => {});
        short.write(Buffer.alloc(90000));
        await until(() => temporary(server).length === 1, 'an upload under way');
        short.destroy();
        await until(() => temporary(server).length === 0, 'it is gone');
        assert.equal(kept(server).length, before);
    });

    test('two requests of one connection follow each other', async () => {
        await people(server, 'ann');
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        const sockets = new Set();
        const one = (method, where, body) => new Promise((resolve, reject) => {
            const asked = http.request(server.url(where), { method, agent, headers: { Authorization: `Bearer ${token('ann')}`,
                ...body && { 'Content-Length': body.length } } }, (response) => {
                const parts = [];
                response.on('data', (part) => parts.push(part));
                response.on('end', () => resolve([response.statusCode, Buffer.concat(parts)]));
            });
            asked.on('socket', (socket) => sockets.add(socket));
            asked.on('error', reject);
            asked.end(body);
        });
        for (const size of [0, 1, 100, 2000, 70000, 200000]) {
            const body = crypto.randomBytes(size);
            const [status, answer] = await one('POST', '/files?name=a', body);
            assert.equal(status, 201);
            const { id } = JSON.parse(answer).attachment;
            assert.deepEqual(await one('GET', `/files/${id}/a`), [200, body]);
        }
        assert.equal(sockets.size, 1);
        agent.destroy();
    });

    test('go with their message', async () => {
        const [ann] = await people(server, 'ann');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Gone' });
        const body = crypto.randomBytes(1000), hash = crypto.createHash('sha256').update(body).digest('hex');
        const attachment = await attach(server, 'ann', 'gone', body);
        const { seq } = await ann.call('message.send', { room: room.id, client_id: 'g1', text: 'x', attachments: [attachment.id] });
        assert.ok(kept(server).includes(hash));
        await ann.call('message.delete', { room: room.id, seq });
        assert.equal((await get(server, 'ann', attachment)).status, 404);
        await until(() => !kept(server).includes(hash), 'the file is gone');
        assert.ok(await server.metric('parley_chat_files_purged_total') >= 1);
    });
});

describe('a daemon that is killed', () => {
    afterEach(disconnectAll);

    test('in the middle of uploads keeps what it has answered, and nothing of the rest', async () => {
        const server = await Parleyd.start({ config: chatConfig() });
        try {
            await people(server, 'ann');
            const answered = [], hurry = new Set();
            for (let i = 0; i < 20; i++) {
                const body = crypto.randomBytes(400 * KIB);
                const one = upload(server, 'ann', `f${i}`, body).then((answer) => {
                    if (answer.status === 201) answered.push([answer.json.attachment, body]);
                }, () => {}).finally(() => hurry.delete(one));
                hurry.add(one);
            }
            await until(() => answered.length >= 5, 'some are done');
            await server.kill();
            await Promise.all(hurry);
            fs.writeFileSync(path.join(dir(server), 'tmp', 'left'), 'behind');
            const orphan = crypto.createHash('sha256').update('orphan').digest('hex');
            fs.mkdirSync(path.join(dir(server), orphan.slice(0, 2)), { recursive: true });
            fs.writeFileSync(path.join(dir(server), orphan.slice(0, 2), orphan.slice(2)), 'orphan');
            await server.restart();
            assert.deepEqual(temporary(server), []);
            for (const [attachment, body] of answered)
                assert.deepEqual((await get(server, 'ann', attachment)).bytes, body);
            for (const name of kept(server).filter((name) => name !== orphan))
                assert.equal(crypto.createHash('sha256').update(fs.readFileSync(
                    path.join(dir(server), name.slice(0, 2), name.slice(2)))).digest('hex'), name);
            await until(() => !kept(server).includes(orphan), 'what nobody has is gone');
        } finally {
            await server.stop();
        }
    });
});

describe('a search', () => {
    let server;
    before(async () => { server = await Parleyd.start({ config: chatConfig({ search_rate: 1, search_burst: 12 }) }); });
    after(() => server.stop());
    afterEach(disconnectAll);

    test('finds messages of one\'s rooms, and no others, so often', async () => {
        const [ann, bob] = await people(server, 'ann', 'bob');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Den' });
        const { room: hall } = await ann.call('room.create', { kind: 'public', name: 'Hall' });
        const say = (id, client_id, text) => ann.call('message.send', { room: id, client_id, text });
        await say(room.id, 's1', 'Das Wort ist Grüße');
        await say(hall.id, 's2', '明天在上海见面');
        await say(room.id, 's3', 'see https://example.org/gruesse and grüße');

        const { hits, cursor } = await ann.call('search', { q: 'GRUßE' });
        assert.equal(cursor, undefined);
        assert.deepEqual(hits.map(({ message }) => message.text), ['see https://example.org/gruesse and grüße', 'Das Wort ist Grüße']);
        assert.deepEqual(hits[1].snippet, [['Das Wort ist ', false], ['Grüße', true]]);
        assert.deepEqual((await ann.call('search', { q: '上海' })).hits[0].snippet,
            [['明天在', false], ['上海', true], ['见面', false]]);
        assert.deepEqual((await bob.call('search', { q: 'grüße' })).hits, []);
        assert.equal((await bob.call('search', { q: '海', room: hall.id })).hits.length, 1);
        assert.deepEqual(await refusal(bob.call('search', { q: 'grüße', room: room.id })), { code: 404, message: 'not_found' });
        assert.equal((await ann.call('search', { q: 'grüße', has: 'link' })).hits.length, 1);
        const first = await ann.call('search', { q: 'grüße', limit: 1 });
        assert.equal(first.hits[0].message.seq, 2);
        const second = await ann.call('search', { q: 'grüße', limit: 1, cursor: first.cursor });
        assert.deepEqual([second.hits[0].message.seq, second.cursor], [1, undefined]);
        assert.deepEqual(await refusal(ann.call('search', { q: ' ' })), { code: 107, message: 'bad request;field=q' });
        await ann.call('message.edit', { room: room.id, seq: 2, text: 'nothing' });
        await ann.call('message.delete', { room: room.id, seq: 1 });
        assert.deepEqual((await ann.call('search', { q: 'grüße' })).hits, []);

        const late = [];
        for (let i = 0; i < 12; i++) late.push(refusal(bob.call('search', { q: 'x' })));
        const refused = (await Promise.all(late)).filter(Boolean);
        assert.ok(refused.length > 0);
        assert.equal(refused[0].code, 111);
        assert.ok(await server.metric('parley_chat_search_rate_limit_total') > 0);
    });
});
