// The chat on nodes that may take it over from each other: who keeps it when one is killed, stopped for a while, or has another
// database, and what becomes of what people ask meanwhile.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Person, chatConfig, refusal } from './lib/chat.mjs';
import { Person as Visitor, request, setupCode } from './lib/chat_person.mjs';
import { Cluster } from './lib/cluster.mjs';
import { disconnectAll } from './lib/sdk_clients.mjs';
import { until } from './lib/until.mjs';

const TTL_MS = 2000;
const ATTEMPTS = 3;
const AT_ONCE = 'the lease of the chat was taken before its time'; // of who has the very file that the holder had
const config = chatConfig({ lease_ttl: `${TTL_MS}ms`, address_attempts: ATTEMPTS },
    { node: { survey_timeout: '1s' }, shutdown: { spread: '0s' }, http_server: { trusted_proxies: ['127.0.0.1'] } });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const health = async (node) => JSON.parse((await node.get('/health')).body).chat;
const here = (nodes) => until(async () => {
    for (const node of nodes) if (await health(node) === 'here') return node;
    return null;
}, 'one of them keeps the chat');
const says = (node, what, ask = () => {}) => until(async () => {
    await ask();
    return node.log.find((line) => line.includes(what));
}, `${node.config.node.name} says ${what}`);

// Sends as long as it takes; what is acknowledged is in acked, by seq.
class Writer {
    constructor(person, room) {
        Object.assign(this, { person, room, acked: new Map(), n: 0, away: 0, isOver: false });
        this.done = this.#run();
        this.done.catch(() => {}); // stop() tells
    }

    async #run() {
        while (!this.isOver) {
            const text = `message ${this.n}`;
            const asked = { room: this.room, client_id: `c${this.n}`, text };
            try {
                const { seq } = await this.person.call('message.send', asked);
                this.acked.set(seq, text);
                this.n++;
            } catch (error) { // nobody keeps it now; or the node was silent: below 100 are the SDK's own
                if (error.code !== 435 && !(error.code < 100)) throw error;
                this.away += error.code === 435;
                await pause(50);
            }
        }
    }

    after(n) { return until(() => this.acked.size >= n, `${n} messages`); }
    async stop() { this.isOver = true; await this.done; }
}

async function all(person, room) {
    const found = [];
    for (let page = { has_after: true }; page.has_after;) {
        page = await person.call('message.history', { room, ...found.length ? { after: found.at(-1).seq } : { around: 1 } });
        found.push(...page.messages);
    }
    return found;
}

// What was acknowledged is there, as what it was said to be; every number is given once, and none is left out.
async function audit(person, writer) {
    const there = await all(person, writer.room);
    assert.deepEqual(there.map(({ seq }) => seq), there.map((_, i) => i + 1));
    const texts = there.map(({ text }) => text);
    assert.equal(new Set(texts).size, texts.length, 'nothing is there twice');
    for (const [seq, text] of writer.acked) assert.equal(texts[seq - 1], text);
}

describe('the lease of the chat', () => {
    let cluster, nodes, dir, n = 0;
    before(async () => {
        dir = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-chat-'));
        cluster = await Cluster.start({ chatDir: dir, nodes: 2, config });
        ({ nodes } = cluster);
    });
    after(async () => {
        await cluster.stop();
        fs.rmSync(dir, { recursive: true, force: true });
    });
    const writers = [];
    afterEach(async () => { // of a test that failed too: else its writers keep the process
        for (const writer of writers.splice(0)) writer.isOver = true;
        await disconnectAll();
    });

    const other = (node) => nodes.find((one) => one !== node);

    // Somebody on a node, in a room, who writes all the time.
    async function begin(node) {
        const name = `writer${n++}`;
        const person = await Person.connect(node, name, { timeout: 3000 });
        await until(async () => !(await refusal(person.call('sync'))), 'the node knows who keeps it');
        const { room } = await person.call('room.create', { kind: 'public', name });
        const heard = await person.follow(room.id);
        const writer = new Writer(person, room.id);
        writers.push(writer);
        return { person, room, heard, writer };
    }

    test('one of them has it, and the other passes on what it is asked over HTTP', async () => {
        const keeper = await here(nodes), asked = other(keeper);
        assert.equal(await health(asked), 'elsewhere');
        await until(async () => (await asked.get('/auth/state')).status === 200, 'it knows the address');
        const ada = new Visitor(asked);
        const made = await ada.post('setup', { code: await setupCode(keeper), login: 'ada', name: 'Ada', password: 'correct horse',
            token: true });
        assert.deepEqual([made.status, ada.user?.role], [200, 'owner'], made.text);

        const bytes = Buffer.alloc(300_000, 'a file ');
        const upload = (headers, send) => new Promise((resolve, reject) => {
            const call = http.request(asked.url('/files?name=a.txt'), { method: 'POST', agent: false,
                headers: { ...ada.headers, 'Content-Type': 'text/plain', ...headers } }, (response) => {
                let text = '';
                response.setEncoding('utf8').on('data', (part) => text += part).on('end', () =>
                    resolve({ status: response.statusCode, body: JSON.parse(text) }));
            });
            call.on('error', reject);
            send(call);
        });
        const whole = await upload({ 'Content-Length': bytes.length }, (call) => call.end(bytes));
        assert.equal(whole.status, 201, JSON.stringify(whole.body));
        const chunked = await upload({}, (call) => { // in pieces of no known number
            for (let at = 0; at < bytes.length; at += 70_000) call.write(bytes.subarray(at, at + 70_000));
            call.end();
        });
        assert.equal(chunked.status, 201, JSON.stringify(chunked.body));
        const { id, name } = chunked.body.attachment;
        const get = (headers = {}) => request(asked, `/files/${id}/${name}`, { headers: { ...ada.headers, ...headers } });
        const back = await get();
        assert.equal(back.text, bytes.toString());
        assert.equal(back.headers['cache-control'].includes('private'), true);
        assert.equal((await get({ Range: 'bytes=7-13' })).text, 'a file ');
        assert.equal((await get({ 'If-None-Match': back.headers.etag })).status, 304);
        const head = await request(asked, `/files/${id}/${name}`, { method: 'HEAD', headers: ada.headers });
        assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, String(bytes.length), '']);
        assert.equal((await request(asked, `/files/${id}/${name}`)).status, 401);
        assert.equal((await request(asked, '/hooks/nobody-knows', { method: 'POST', body: { text: 'x' } })).status, 404);
        assert.equal(await asked.metric('parley_chat_passed_total') > 5, true);
        // What says that it was passed on, and has not the keeper's secret, is not believed, nor passed on.
        const forged = { 'Parley-Passed': '00000000000000000000000000000000 192.0.2.1 https' };
        assert.equal((await request(asked, '/auth/state', { headers: forged })).status, 503);
        const pages = { Origin: keeper.url().slice(0, -1).replace('http:', 'https:'), ...forged };
        assert.equal((await request(keeper, '/auth/state', { headers: pages })).status, 403, 'it is no page over TLS');
    });

    test('attempts to sign in are counted by the address that the visitor has at the node that was asked', async () => {
        const keeper = await here(nodes), asked = other(keeper);
        await until(async () => (await asked.get('/auth/state')).status === 200, 'it knows the address');
        const attempt = async (node, headers) => (await request(node, '/auth/login', { method: 'POST', headers,
            body: { login: 'nobody', password: 'a wrong one' } })).status;
        const from = (address) => ({ 'X-Forwarded-For': address });
        for (let i = 0; i < ATTEMPTS; i++) assert.equal(await attempt(asked, from('198.51.100.1')), 401);
        assert.equal(await attempt(asked, from('198.51.100.1')), 429);
        assert.equal(await attempt(keeper, from('198.51.100.1')), 429, 'it is the same one there');
        assert.equal(await attempt(keeper, { ...from('198.51.100.1'),
            'Parley-Passed': '00000000000000000000000000000000 198.51.100.9 http' }), 429, 'whatever it says');
        assert.equal(await attempt(asked, from('198.51.100.2')), 401);
    });

    test('when it is killed the other one, which has the same file, goes on at once, and nothing acknowledged is lost', async () => {
        const keeper = await here(nodes), heir = other(keeper);
        const { person, heard, writer } = await begin(heir);
        await writer.after(20);
        assert.equal(heir.log.some((line) => line.includes(AT_ONCE)), false, 'while the keeper lives');
        await keeper.kill('SIGKILL');
        await says(heir, AT_ONCE);
        await here([heir]);
        const more = writer.acked.size + 20;
        await writer.after(more);
        await writer.stop();
        await audit(person, writer);
        const last = Math.max(...writer.acked.keys());
        await heard.hears(({ type, message }) => type === 'message.created' && message.seq === last);
        await keeper.restart();
        await until(async () => await health(keeper) === 'elsewhere', 'it is there again');
    });

    test('one that is stopped for a while writes nothing when another one has begun, and gives way', async () => {
        const keeper = await here(nodes), heir = other(keeper);
        const { person, writer } = await begin(heir);
        const late = await begin(keeper); // whose node is about to stop
        await Promise.all([writer.after(10), late.writer.after(10)]);
        keeper.process.kill('SIGSTOP');
        try {
            await says(heir, 'waits for the lock on chat.db');
            await until(async () => await health(heir) === 'waits for the lock on chat.db', '/health says so');
            assert.equal(await heir.metric('parley_chat_lease_waits'), 1);
            assert.deepEqual(await refusal(person.call('sync')), { code: 435, message: 'owner_away' });
        } finally {
            keeper.process.kill('SIGCONT');
        }
        await here([heir]);
        await says(keeper, 'this node does not keep the chat any more');
        assert.equal(await health(keeper), 'elsewhere');
        const more = [writer, late.writer].map((one) => one.acked.size + 10);
        await Promise.all([writer.after(more[0]), late.writer.after(more[1])]);
        await Promise.all([writer.stop(), late.writer.stop()]);
        await audit(person, writer);
        await audit(late.person, late.writer);
        assert.equal(writer.away > 0, true);
    });

    test('Redis that goes and comes back: the keeper lets go in time, and one of them takes it again', async () => {
        const { person, writer } = await begin(nodes[0]);
        await writer.after(10);
        const keeper = await here(nodes);
        await cluster.redis[0].kill();
        await says(keeper, 'Redis did not answer in the lease');
        await cluster.redis[0].start(); // with nothing in it
        await here(nodes);
        const more = writer.acked.size + 10;
        await writer.after(more);
        await writer.stop();
        await audit(person, writer);
    });

    test('a stop gives it back, and the other one has it at once', async () => {
        const keeper = await here(nodes), heir = other(keeper);
        const { person, writer } = await begin(heir);
        await writer.after(10);
        await keeper.kill('SIGTERM');
        const began = Date.now();
        await here([heir]);
        assert.equal(Date.now() - began < TTL_MS, true);
        await writer.after(writer.acked.size + 10);
        await writer.stop();
        await audit(person, writer);
        await keeper.restart();
    });

    test('another database, or an old copy, gets no lease until it is said that it is the chat', async () => {
        const person = await Person.connect(nodes[0], 'judge');
        await here(nodes);
        await until(async () => !(await refusal(person.call('sync'))), 'it is kept');
        const { room } = await person.call('room.create', { kind: 'public', name: 'Before' });
        await Promise.all(nodes.map((node) => node.kill('SIGTERM')));
        const copy = `${dir}-copy`;
        fs.cpSync(dir, copy, { recursive: true });
        const [first, second] = nodes;
        await first.restart();
        await here([first]);
        const again = await Person.connect(first, 'judge');
        await again.call('message.send', { room: room.id, client_id: '1', text: 'the copy has not this' });
        first.log.length = 0;
        await first.restart(); // killed
        await says(first, AT_ONCE);
        await here([first]);
        await first.kill('SIGKILL');

        second.config = { ...second.config, chat: { ...second.config.chat, data_dir: copy } };
        second.log.length = 0;
        await second.restart();
        const line = await says(second, 'to_keep_this_one_instead');
        assert.equal(second.log.some((line) => line.includes(AT_ONCE)), false);
        assert.equal(await health(second), 'another database');
        assert.equal(await second.metric('parley_chat_lease_is_refused'), 1);
        assert.equal((await second.get('/auth/state')).status, 503);

        const id = /database=(\w+)/.exec(line)[1];
        fs.writeFileSync(path.join(copy, 'chat.accept'), `${id}\n`);
        await here([second]);
        assert.equal(fs.existsSync(path.join(copy, 'chat.accept')), false);
        await first.restart(); // whose database is now the other one
        await second.kill('SIGTERM');
        await says(first, 'to_keep_this_one_instead');
        assert.equal(await health(first), 'another database');
        fs.rmSync(copy, { recursive: true, force: true });
    });
});

test('between nodes that have TLS it is passed on over TLS, to nobody whose certificate is not trusted', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-tls-'));
    const [cert, key, foreign] = ['cert.pem', 'key.pem', 'foreign.pem'].map((name) => path.join(folder, name));
    const make = (key, cert) => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
        '-days', '2', '-subj', '/CN=parley', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
    make(key, cert);
    make(path.join(folder, 'foreign.key'), foreign);
    const state = (node) => new Promise((resolve, reject) => https.get(node.url('/auth/state', 'https'), { agent: false,
        rejectUnauthorized: false }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
    }).on('error', reject));
    const cluster = await Cluster.start({ chatDir: path.join(folder, 'chat'), nodes: 2, config: { ...config,
        chat: { ...config.chat, pass_ca_file: cert },
        http_server: { tls: { enabled: true, cert_pem_file: cert, key_pem_file: key } } } });
    try {
        const [, asked] = cluster.nodes; // the first one was there first
        await until(async () => await state(asked) === 200, 'it is passed on');
        asked.config = { ...asked.config, chat: { ...asked.config.chat, pass_ca_file: foreign } };
        await asked.restart();
        await says(asked, 'a request for the node that keeps the chat failed', () => state(asked));
        assert.equal(await state(asked), 503);
    } finally {
        await cluster.stop();
        fs.rmSync(folder, { recursive: true, force: true });
    }
});
