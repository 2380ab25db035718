// Who is let in: tokens of every algorithm made by the npm package `jose`, key sets served by a real HTTP server that rotates,
// dies, dawdles and answers nonsense, and what the operator denies.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import * as jose from 'jose';
import { BIN, Parleyd } from './lib/parleyd.mjs';
import { client, disconnectAll, next } from './lib/sdk_clients.mjs';

const run = promisify(execFile);
const SECRET = 'a secret of thirty-two characters';
const now = () => Math.floor(Date.now() / 1000);
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
afterEach(disconnectAll);

// What becomes of a connection: { connected } or the context of the disconnect or of the first error.
function attempt(url, options) {
    const made = client(url, options);
    return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('nothing became of it')), 20_000);
        const settle = (what) => { clearTimeout(late); resolve({ ...what, made }); };
        made.once('connected', (context) => settle({ connected: context }));
        made.once('disconnected', (context) => settle({ code: context.code }));
        made.connect();
    });
}

async function assertIn(url, token) {
    const { connected, code, made } = await attempt(url, { token });
    assert.ok(connected, `refused with ${code}`);
    made.disconnect();
}

async function assertRefused(url, token, code = 3500) {
    assert.equal((await attempt(url, { token })).code, code);
}

// Somebody with a pair of keys, who signs.
class Signer {
    static async make(alg, kid, options = {}) {
        const signer = new Signer();
        Object.assign(signer, await jose.generateKeyPair(alg, { extractable: true, ...options }));
        Object.assign(signer, { alg, kid });
        signer.jwk = { ...await jose.exportJWK(signer.publicKey), kid, use: 'sig' };
        return signer;
    }

    sign(claims = { sub: 'ada' }, header = {}) {
        return new jose.SignJWT({ exp: now() + 600, ...claims })
            .setProtectedHeader({ alg: this.alg, ...this.kid && { kid: this.kid }, ...header }).sign(this.privateKey);
    }

    pem() { return jose.exportSPKI(this.publicKey); }
}

const bySecret = (alg, secret, claims = { sub: 'ada' }) => new jose.SignJWT({ exp: now() + 600, ...claims })
    .setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));

describe('keys of the configuration', () => {
    let server, rsa, ec;
    before(async () => {
        rsa = await Signer.make('RS256');
        ec = await Signer.make('ES256');
        server = await Parleyd.start({ config: { client: {
            token: { hmac_secret_key: SECRET, rsa_public_key: await rsa.pem(), ecdsa_public_key: await ec.pem(),
                hmac_previous_secret_key: 'the secret before this one, of old',
                hmac_previous_secret_key_valid_until: now() + 5 },
            subscription_token: { enabled: true, ecdsa_public_key: await ec.pem(), issuer: 'app' },
        } } });
    });
    after(() => server.stop());

    test('HS256, HS384, HS512', async () => {
        for (const alg of ['HS256', 'HS384', 'HS512']) {
            await assertIn(server.websocket, await bySecret(alg, SECRET));
            await assertRefused(server.websocket, await bySecret(alg, `${SECRET}.`));
        }
    });

    test('RS256, RS384, RS512', async () => {
        const pkcs8 = await jose.exportPKCS8(rsa.privateKey);
        for (const alg of ['RS256', 'RS384', 'RS512']) {
            const key = await jose.importPKCS8(pkcs8, alg);
            await assertIn(server.websocket, await new jose.SignJWT({ sub: 'ada' }).setProtectedHeader({ alg }).sign(key));
        }
        await assertRefused(server.websocket, await (await Signer.make('RS256')).sign());
        // Of the same key, but by a scheme that is none of ours.
        const pss = await jose.importPKCS8(pkcs8, 'PS256');
        await assertRefused(server.websocket, await new jose.SignJWT({}).setProtectedHeader({ alg: 'PS256' }).sign(pss));
    });

    test('ES256, ES384, ES512: each with the curve that is its own', async () => {
        await assertIn(server.websocket, await ec.sign());
        for (const alg of ['ES384', 'ES512']) {
            const signer = await Signer.make(alg);
            await assertRefused(server.websocket, await signer.sign());
            const own = await Parleyd.start({ config: { client: { token: { ecdsa_public_key: await signer.pem() } } } });
            try {
                await assertIn(own.websocket, await signer.sign());
                await assertRefused(own.websocket, await ec.sign());
            } finally {
                await own.stop();
            }
        }
    });

    test('a public key is no secret, and none is no algorithm', async () => {
        await assertRefused(server.websocket, await bySecret('HS256', await rsa.pem()));
        await assertRefused(server.websocket, new jose.UnsecuredJWT({ sub: 'root' }).encode());
        const [, claims] = (await rsa.sign()).split('.');
        const header = Buffer.from('{"alg":"none"}').toString('base64url');
        await assertRefused(server.websocket, `${header}.${claims}.${Buffer.from('x').toString('base64url')}`);
    });

    test('the secret before this one, for a while', async () => {
        const old = await bySecret('HS256', 'the secret before this one, of old');
        await assertIn(server.websocket, old);
        await sleep(6000);
        await assertRefused(server.websocket, old);
    });

    test('subscriptions have a block of their own', async () => {
        const made = client(server.websocket, { token: await bySecret('HS256', SECRET) });
        made.connect();
        await made.ready(10_000);
        const good = made.newSubscription('$room', { token: await ec.sign({ sub: 'ada', channel: '$room', iss: 'app' }) });
        good.subscribe();
        await good.ready(10_000);
        const bad = made.newSubscription('$other', {
            token: await bySecret('HS256', SECRET, { sub: 'ada', channel: '$other', iss: 'app' }) });
        const refused = next(bad, 'unsubscribed');
        bad.subscribe();
        assert.equal((await refused).code, 103);
    });

    test('expired tokens are asked for again', async () => {
        const made = client(server.websocket, {
            token: await rsa.sign({ sub: 'ada', exp: now() - 1 }), getToken: () => rsa.sign() });
        const up = next(made, 'connected');
        made.connect();
        await up;
        assert.equal((await attempt(server.websocket, { token: await rsa.sign({ exp: now() - 1 }) })).code, 1); // unauthorized: it has no other
    });
});

// An issuer's endpoint, which can be told how to behave.
class Endpoint {
    static async start() {
        const endpoint = new Endpoint();
        endpoint.paths = [];
        endpoint.keys = [];
        endpoint.sockets = new Set();
        endpoint.behave = null;
        await endpoint.listen(0);
        return endpoint;
    }

    async listen(port) {
        this.server = http.createServer((request, response) => {
            this.paths.push(request.url);
            if (this.behave) return this.behave(request, response);
            response.setHeader('Content-Type', 'application/json');
            return response.end(JSON.stringify({ keys: this.keys.map((key) => key.jwk) }));
        });
        this.server.on('connection', (socket) => {
            this.sockets.add(socket);
            socket.on('close', () => this.sockets.delete(socket));
        });
        this.server.listen(port, '127.0.0.1');
        await once(this.server, 'listening');
        this.port = this.server.address().port;
    }

    url(where = '/keys') { return `http://127.0.0.1:${this.port}${where}`; }

    async die() {
        const closed = once(this.server, 'close');
        this.server.close();
        for (const socket of this.sockets) socket.destroy();
        await closed;
    }
}

describe('keys of an issuer', () => {
    let endpoint, server;
    before(async () => { endpoint = await Endpoint.start(); });
    after(() => endpoint.die());
    afterEach(async () => {
        endpoint.behave = null;
        await server?.stop();
        server = null;
    });

    async function start(...keys) {
        endpoint.keys = keys;
        endpoint.paths = [];
        // Each worker fetches for itself.
        server = await Parleyd.start({ env: { PARLEY_WORKERS: '1' }, config: { client: { token: { jwks_public_endpoint: endpoint.url() } } } });
    }

    test('every kind of key, in one set, fetched once', async () => {
        const keys = await Promise.all([
            Signer.make('RS256', 'r'), Signer.make('RS512', 'r5', { modulusLength: 4096 }), Signer.make('ES256', 'e2'),
            Signer.make('ES384', 'e3'), Signer.make('ES512', 'e5'), Signer.make('EdDSA', 'ed')]);
        await start(...keys, { jwk: { kty: 'oct', k: 'AAAA', kid: 'o' } }, { jwk: { kty: 'new', kid: 'n' } });
        for (const key of keys) {
            await assertIn(server.websocket, await key.sign());
            await assertRefused(server.websocket, await (await Signer.make(key.alg, key.kid)).sign());
        }
        assert.equal(endpoint.paths.length, 1);
        assert.ok(await server.metric('parley_token_checks_off_loop_total') >= 12);
        assert.equal(await server.metric('parley_jwks_fetches_total'), 1);
    });

    test('it rotates: clients that come with the new key are let in soon, and are never told that it is invalid', async () => {
        const [one, two] = [await Signer.make('ES256', 'one'), await Signer.make('ES256', 'two')];
        await start(one);
        await assertIn(server.websocket, await one.sign());
        endpoint.keys = [one, two];
        await assertIn(server.websocket, await two.sign()); // the SDK tries again on the temporary error
        await assertIn(server.websocket, await one.sign());
        assert.equal(endpoint.paths.length, 2);
        // A key that nobody has is refused for good, and does not make us ask for it all the time.
        await sleep(5000);
        const three = await Signer.make('ES256', 'three');
        for (let i = 0; i < 10; i++) await assertRefused(server.websocket, await three.sign());
        assert.equal(endpoint.paths.length, 3);
    });

    test('it dies: who has its keys lives on', async () => {
        const one = await Signer.make('EdDSA', 'one');
        await start(one);
        await assertIn(server.websocket, await one.sign());
        const { port } = endpoint;
        await endpoint.die();
        await sleep(5100);
        await assertIn(server.websocket, await one.sign());
        const two = await Signer.make('EdDSA', 'two');
        const waiting = attempt(server.websocket, { token: await two.sign() });
        await sleep(1500);
        await endpoint.listen(port);
        endpoint.keys = [one, two];
        assert.ok((await waiting).connected);
    });

    test('it is dead, dawdles, lies and babbles from the start: nobody is turned away for it', async () => {
        const one = await Signer.make('ES256', 'one');
        const answers = [
            (request, response) => response.writeHead(500).end(),
            (request) => request.socket.destroy(),
            (request, response) => response.end('<html>Please log in</html>'),
            (request, response) => response.end('{"keys":[]}'),
            (request, response) => response.writeHead(302, { location: '/keys' }).end(), // for ever
            (request, response) => { // more than anybody has
                response.write('{"keys":[');
                const more = () => { while (response.write('0,'.repeat(30_000)) && !response.destroyed); };
                response.on('drain', more);
                response.on('error', () => {});
                more();
            },
            (request, response) => { response.write('{"keys":'); }, // and then nothing
        ];
        await start(one);
        let answered = 0;
        endpoint.behave = (request, response) => answers[answered++ % answers.length](request, response);
        const token = await one.sign();
        const made = client(server.websocket, { token });
        const errors = [];
        made.on('error', (context) => errors.push(context.error.code));
        let ended = null;
        made.on('disconnected', (context) => { ended = context; });
        made.connect();
        // Meanwhile the daemon is there for everybody else.
        const slowest = { ms: 0 };
        const until = Date.now() + 12_000;
        while (Date.now() < until) {
            const from = Date.now();
            assert.equal((await server.get('/health')).status, 200);
            slowest.ms = Math.max(slowest.ms, Date.now() - from);
            await sleep(50);
        }
        assert.ok(slowest.ms < 3000, `${slowest.ms} ms`);
        assert.equal(ended, null);
        assert.ok(errors.includes(100) && !errors.includes(109), `${errors}`);
        assert.ok(answered >= 2 && answered < 12, `${answered} fetches in 12 s`);
        endpoint.behave = null;
        await made.ready(60_000);
    });

    test('each realm has its own', async () => {
        const one = await Signer.make('EdDSA', 'one');
        endpoint.keys = [one];
        endpoint.paths = [];
        server = await Parleyd.start({ config: { client: { token: {
            jwks_public_endpoint: endpoint.url('/realms/{{realm}}/certs'),
            issuer_regex: '^https://id\\.example/(?P<realm>[a-z]+)$', audience_regex: '^(web|app)$',
        } } } });
        await assertIn(server.websocket, await one.sign({ iss: 'https://id.example/blue', aud: ['x', 'web'] }));
        await assertIn(server.websocket, await one.sign({ iss: 'https://id.example/red', aud: 'app' }));
        await assertRefused(server.websocket, await one.sign({ iss: 'https://id.example/RED', aud: 'app' }));
        await assertRefused(server.websocket, await one.sign({ iss: 'https://id.example/red', aud: 'cli' }));
        assert.deepEqual(endpoint.paths, ['/realms/blue/certs', '/realms/red/certs']);
    });

    test('the command line asks it, too', async () => {
        const one = await Signer.make('ES384', 'one');
        await start(one);
        const parley = (...args) => run(path.join(BIN, 'parley'), args);
        const { stdout } = await parley('checktoken', '--config', server.file, '--json', await one.sign());
        assert.deepEqual([JSON.parse(stdout).valid, JSON.parse(stdout).kid], [true, 'one']);
        await assert.rejects(parley('checktoken', '--config', server.file, await (await Signer.make('ES384', 'one')).sign()),
            { code: 77 });
        const key = path.join(server.folder, 'key.pem');
        fs.writeFileSync(key, await jose.exportPKCS8(one.privateKey));
        const token = (await parley('gentoken', '--key-file', key, '--key-id', 'one', '--user', 'ada')).stdout.trim();
        await assertIn(server.websocket, token);
        const { payload, protectedHeader } = await jose.jwtVerify(token, one.publicKey);
        assert.deepEqual([payload.sub, protectedHeader.alg, protectedHeader.kid], ['ada', 'ES384', 'one']);
    });
});
