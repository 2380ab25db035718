// Somebody of the chat, from outside: what they post to /auth/, with their cookie or token, and how they connect.
import http from 'node:http';
import { Wire } from './wire.mjs';

export const SETUP = /(https?:\/\/\S+)\/#\/setup\/([A-Za-z0-9_-]{22})/;
export const CONFIG = { chat: { enabled: true } };

// The codes of links in the daemon's log so far; of the one that is to come, after so many.
const codes = (server) => server.log.map((line) => SETUP.exec(line)?.[2]).filter(Boolean);
export async function setupCode(server, after = 0) {
    for (const late = Date.now() + 20_000; Date.now() < late; await new Promise((resolve) => setTimeout(resolve, 10)))
        if (codes(server).length > after) return codes(server).at(-1);
    throw new Error(`no link in the log:\n${server.log.join('\n')}`);
}

// Any request: { status, headers, body (parsed if it is JSON), text }.
export function request(server, where, { method = 'GET', headers = {}, body } = {}) {
    return new Promise((resolve, reject) => {
        const bytes = body === undefined ? null : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
        const asked = http.request(server.url(where), { method, agent: false,
            headers: { ...bytes && { 'Content-Type': 'application/json', 'Content-Length': bytes.length }, ...headers } }, (response) => {
            const parts = [];
            response.on('data', (part) => parts.push(part));
            response.on('error', reject);
            response.on('end', () => {
                const text = Buffer.concat(parts).toString();
                let parsed = null;
                try { parsed = JSON.parse(text); } catch { /* plain words */ }
                resolve({ status: response.statusCode, headers: response.headers, body: parsed, text });
            });
        });
        asked.on('error', reject);
        asked.end(bytes ?? undefined);
    });
}

export const post = (server, where, body = {}, headers = {}) => request(server, where, { method: 'POST', body, headers });

const isSet = (cookie) => cookie && !cookie.startsWith('parley_login=;');

export class Person {
    constructor(server) { this.server = server; this.cookie = null; this.token = null; }

    get headers() {
        return { ...this.cookie && { Cookie: this.cookie }, ...this.token && { Authorization: `Bearer ${this.token}` } };
    }

    // As a page of the daemon's own would ask.
    get origin() { return new URL(this.server.url()).origin; }

    #keep(answer) {
        const set = answer.headers['set-cookie']?.find((text) => text.startsWith('parley_login='));
        if (set) this.cookie = isSet(set) ? set.split(';')[0] : null;
        if (answer.body?.token) this.token = answer.body.token;
        if (answer.body?.user) this.user = answer.body.user;
        return answer;
    }

    async post(where, body = {}, headers = {}) {
        return this.#keep(await post(this.server, `/auth/${where}`, body, { Origin: this.origin, ...this.headers, ...headers }));
    }

    async get(where, headers = {}) {
        return this.#keep(await request(this.server, `/auth/${where}`, { headers: { ...this.headers, ...headers } }));
    }

    // A connection, connected: by the cookie as the page has it, or by the token.
    async connect(on = {}) {
        const wire = await Wire.open(this.server.websocket, on, this.cookie
            ? { headers: { Cookie: this.cookie, Origin: this.origin } } : {});
        wire.hello = await wire.connect(this.token ? { token: this.token } : {});
        return wire;
    }
}

export const rpc = async (wire, method, data = {}) => (await wire.call('rpc', { method, data })).data;

// The owner of a fresh daemon.
export async function owner(server, extra = {}) {
    const person = new Person(server);
    const answer = await person.post('setup', { code: await setupCode(server), login: 'ada', name: 'Ada', password: 'correct horse', ...extra });
    if (answer.status !== 200) throw new Error(`no owner: ${answer.status} ${answer.text}`);
    return person;
}

// Somebody who comes by an invite that the owner makes.
export async function invited(server, by, who, invite = {}) {
    const wire = await by.connect();
    const { code } = await rpc(wire, 'invite.create', invite);
    wire.close();
    const person = new Person(server);
    const answer = await person.post('accept', { code, ...who });
    if (answer.status !== 200) throw new Error(`not let in: ${answer.status} ${answer.text}`);
    return person;
}
