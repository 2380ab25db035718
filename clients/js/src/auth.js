import { ChatError, errorOfAnswer } from './error.js';

export const tokenOf = async (token) => (typeof token === 'function' ? token() : token);

// JSON to and from an endpoint. What the network does not carry is a ChatError as well.
export async function askEndpoint({ fetch, token }, url, { method = 'GET', body, headers = {}, ...rest } = {}) {
    const bearer = await tokenOf(token);
    let answer;
    let parsed = null;
    try {
        answer = await fetch(url, {
            method,
            credentials: 'same-origin',
            headers: { ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}), ...headers },
            ...(body !== undefined ? { body } : {}),
            ...rest,
        });
        const text = await answer.text();
        if (text) parsed = parseOrNull(text);
    } catch (error) {
        if (error?.name === 'AbortError') throw error;
        throw new ChatError(0, 'offline', { message: String(error?.message ?? error), temporary: true });
    }
    if (!answer.ok) throw errorOfAnswer(answer.status, parsed, answer.headers.get('Retry-After'));
    return parsed ?? {};
}

export function parseOrNull(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}

export const pageOrigin = () => globalThis.location?.origin ?? '';

export class Auth {
    constructor({ url = pageOrigin(), token, fetch = (...args) => globalThis.fetch(...args) } = {}) {
        this.base = `${url.replace(/\/$/, '')}/auth`;
        this.access = { fetch, token };
    }

    #get(path) {
        return askEndpoint(this.access, `${this.base}/${path}`, { cache: 'no-store' });
    }

    #post(path, request = {}) {
        return askEndpoint(this.access, `${this.base}/${path}`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify(request),
        });
    }

    state() {
        return this.#get('state');
    }

    setup(request) {
        return this.#post('setup', request);
    }

    login(request) {
        return this.#post('login', request);
    }

    register(request) {
        return this.#post('register', request);
    }

    invite(code) {
        return this.#get(`invite?code=${encodeURIComponent(code)}`);
    }

    accept(request) {
        return this.#post('accept', request);
    }

    async logout() {
        await this.#post('logout');
    }

    async changePassword(old, next) {
        await this.#post('password', { old, new: next });
    }

    async sessions() {
        return (await this.#get('sessions')).sessions ?? [];
    }

    async revoke(which) {
        await this.#post('revoke', which);
    }
}
