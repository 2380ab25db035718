// The endpoints, over a real HTTP server.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Auth, Chat, ChatError } from '../src/index.js';

let server, url, seen, answer;

before(async () => {
    server = http.createServer(async (request, response) => {
        const parts = [];
        try {
            for await (const part of request) parts.push(part);
        } catch {
            return; // aborted
        }
        seen = { method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts) };
        const { status = 200, headers = {}, body = {} } = answer;
        response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
    server.closeAllConnections?.();
    server.close();
});

describe('signing in', () => {
    test('asks each endpoint as it wants to be asked', async () => {
        const auth = new Auth({ url: `${url}/` });
        answer = { body: { user: { id: 'u1', name: 'Ann' }, token: 'plt_x', sessions: [{ id: 's' }] } };
        const credentials = { login: 'ann', password: 'secret12' };
        for (const [call, method, path, body] of [
            [() => auth.state(), 'GET', '/auth/state'],
            [() => auth.setup({ code: 'c', name: 'Ann', ...credentials }), 'POST', '/auth/setup', { code: 'c', name: 'Ann', ...credentials }],
            [() => auth.login({ ...credentials, token: true }), 'POST', '/auth/login', { ...credentials, token: true }],
            [() => auth.register({ name: 'Ann', ...credentials }), 'POST', '/auth/register', { name: 'Ann', ...credentials }],
            [() => auth.invite('a/b'), 'GET', '/auth/invite?code=a%2Fb'],
            [() => auth.accept({ code: 'c', guest: true, name: 'Guest' }), 'POST', '/auth/accept', { code: 'c', guest: true, name: 'Guest' }],
            [() => auth.logout(), 'POST', '/auth/logout', {}],
            [() => auth.changePassword('old', 'new'), 'POST', '/auth/password', { old: 'old', new: 'new' }],
            [() => auth.sessions(), 'GET', '/auth/sessions'],
            [() => auth.revoke({ others: true }), 'POST', '/auth/revoke', { others: true }],
        ]) {
            await call();
            assert.deepEqual([seen.method, seen.url], [method, path]);
            if (body) {
                assert.equal(seen.headers['content-type'], 'application/json');
                assert.deepEqual(JSON.parse(seen.body), body);
            }
        }
        assert.equal((await auth.login(credentials)).token, 'plt_x');
        assert.deepEqual(await auth.sessions(), [{ id: 's' }]);
    });

    test('refusals say which field, and when to come back', async () => {
        const auth = new Auth({ url });
        answer = { status: 409, body: { error: { code: 409, message: 'this login is taken', field: 'login' } } };
        await assert.rejects(auth.register({}), (error) => {
            assert.ok(error instanceof ChatError);
            assert.deepEqual([error.code, error.word, error.message, error.details, error.temporary], [409, 'conflict', 'this login is taken', { field: 'login' }, false]);
            return true;
        });
        answer = { status: 429, headers: { 'Retry-After': '30' }, body: { error: { code: 429, message: 'too many attempts' } } };
        await assert.rejects(auth.login({}), { code: 429, temporary: true, details: { retry_ms: 30_000 } });
        answer = { status: 502, body: '<html>bad gateway</html>' };
        await assert.rejects(auth.login({}), { code: 502, word: 'status 502', temporary: true });
        await assert.rejects(new Auth({ url: 'http://127.0.0.1:1' }).state(), { code: 0, word: 'offline', temporary: true });
    });

    test('a token goes along', async () => {
        answer = {};
        const chat = new Chat({ url, token: 'plt_a', storage: null });
        await chat.auth.state();
        assert.equal(seen.headers.authorization, 'Bearer plt_a');
        chat.setToken('plt_b');
        await chat.auth.state();
        assert.equal(seen.headers.authorization, 'Bearer plt_b');
        chat.setToken(null);
        await chat.auth.state();
        assert.equal(seen.headers.authorization, undefined);
    });
});

describe('uploading', () => {
    const bytes = new Uint8Array(300_000).map((_, i) => i * 7);

    test('the bytes, their name and type, and how far they are', async () => {
        const attachment = { id: 'f1', name: 'a b.png', type: 'image/png', size: bytes.length };
        answer = { status: 201, body: { attachment } };
        const chat = new Chat({ url, token: 'plt_a', storage: null });
        const steps = [];
        const result = await chat.upload(new Blob([bytes], { type: 'image/png' }), { name: 'a b.png', onProgress: (...step) => steps.push(step) });
        assert.deepEqual(result, attachment);
        assert.deepEqual([seen.method, seen.url, seen.headers['content-type'], seen.headers.authorization], ['POST', '/files?name=a%20b.png', 'image/png', 'Bearer plt_a']);
        assert.deepEqual(new Uint8Array(seen.body), bytes);
        assert.deepEqual(steps.at(-1), [bytes.length, bytes.length]);
        assert.ok(steps.length > 1);
        assert.equal(chat.fileUrl(attachment), `${url}/files/f1/a%20b.png`);

        await chat.upload(bytes);
        assert.deepEqual([seen.url, seen.headers['content-type'], seen.body.length], ['/files?name=file', 'application/octet-stream', bytes.length]);
    });

    test('is refused, or given up', async () => {
        const chat = new Chat({ url, storage: null });
        answer = { status: 413, body: { error: { code: 413, message: 'too_long' } } };
        await assert.rejects(chat.upload(bytes), { code: 413, word: 'too_long' });
        chat.limits = { upload_bytes: 1000 };
        seen = null;
        await assert.rejects(chat.upload(bytes), { code: 413, details: { field: 'file', max: 1000 } });
        assert.equal(seen, null, 'nothing was sent');
        chat.limits = {};
        const abort = new AbortController();
        const onProgress = () => abort.abort();
        await assert.rejects(chat.upload(bytes, { signal: abort.signal, onProgress }), { name: 'AbortError' });
        await assert.rejects(chat.upload(bytes, { signal: AbortSignal.abort() }), { name: 'AbortError' });
    });

    test('in a browser by XMLHttpRequest, where progress is wanted', async () => {
        const requests = [];
        globalThis.XMLHttpRequest = class {
            constructor() {
                requests.push(this);
                this.upload = {};
                this.headers = {};
            }
            open(...target) {
                this.target = target;
            }
            setRequestHeader(name, value) {
                this.headers[name] = value;
            }
            getResponseHeader() {
                return null;
            }
            send(body) {
                this.body = body;
            }
            abort() {
                this.onabort();
                this.onloadend();
            }
        };
        try {
            const chat = new Chat({ url, token: 'plt_a', storage: null });
            const steps = [];
            const one = chat.upload(new Blob(['abc'], { type: 'text/plain' }), { name: 'a.txt', onProgress: (...step) => steps.push(step) });
            await new Promise(setImmediate);
            const [request] = requests;
            assert.deepEqual(request.target, ['POST', `${url}/files?name=a.txt`]);
            assert.deepEqual(request.headers, { 'Content-Type': 'text/plain', Authorization: 'Bearer plt_a' });
            request.upload.onprogress({ loaded: 2, total: 3, lengthComputable: true });
            Object.assign(request, { status: 201, responseText: '{"attachment":{"id":"f2"}}' });
            request.onload();
            request.onloadend();
            assert.deepEqual(await one, { id: 'f2' });
            assert.deepEqual(steps, [[2, 3]]);

            const abort = new AbortController();
            const two = chat.upload(new Blob(['abc']), { signal: abort.signal, onProgress() {} });
            await new Promise(setImmediate);
            abort.abort();
            await assert.rejects(two, { name: 'AbortError' });

            const three = chat.upload(new Blob(['abc']), { onProgress() {} });
            await new Promise(setImmediate);
            requests[2].onerror();
            await assert.rejects(three, { word: 'offline', temporary: true });
        } finally {
            delete globalThis.XMLHttpRequest;
        }
    });
});

test('errors of the SDK', () => {
    const of = (code, message, more) => {
        const { word, details, temporary } = ChatError.from({ code, message, ...more });
        return [word, details, temporary];
    };
    assert.deepEqual(of(429, 'slow_mode;retry_ms=4200'), ['slow_mode', { retry_ms: 4200 }, true]);
    assert.deepEqual(of(413, 'too_long;field=text;max=16384'), ['too_long', { field: 'text', max: 16384 }, false]);
    assert.deepEqual(of(103, 'permission denied'), ['permission denied', {}, false]);
    assert.deepEqual(of(100, 'internal server error', { temporary: true }), ['internal server error', {}, true]);
    assert.deepEqual(of(1, 'timeout'), ['timeout', {}, true]);
    assert.deepEqual(of(11, 'connection closed'), ['offline', {}, true]);
    assert.deepEqual(of(430, 'muted;until=;x'), ['muted', { until: '' }, false]);
    assert.equal(ChatError.from(new ChatError(404, 'not_found')).code, 404);
    assert.equal(ChatError.from(undefined).temporary, true);
});
