// A bare connection that speaks the Centrifuge protocol in JSON: for tests that must see every reply and push themselves, and send
// what no SDK would.
import { once } from 'node:events';
import WebSocket from 'ws';

export class Wire {
    // on: { push(push), closed(code, reason) }. Rejects when the connection cannot be opened.
    static async open(url, on = {}, options = {}) {
        const wire = new this(url, on, options);
        await once(wire.socket, 'open');
        return wire;
    }

    constructor(url, on, options) {
        this.on = on;
        this.waiting = new Map();
        this.lastId = 0;
        this.isClosed = false;
        this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
        this.closed = new Promise((resolve) => {
            this.socket.on('error', () => {});
            this.socket.on('close', (code, reason) => {
                this.isClosed = true;
                const lost = Object.assign(new Error(`closed: ${code} ${reason}`), { closeCode: code });
                for (const { reject } of this.waiting.values()) reject(lost);
                this.waiting.clear();
                on.closed?.(code, String(reason));
                resolve({ code, reason: String(reason) });
            });
        });
        this.socket.on('message', (data) => {
            for (const line of String(data).split('\n')) this.#take(JSON.parse(line));
        });
    }

    #take(reply) {
        if (reply.push) return this.on.push?.(reply.push);
        if (!reply.id) {
            this.on.ping?.();
            return this.pongs && this.raw('{}');
        }
        const wait = this.waiting.get(reply.id);
        if (!wait) throw new Error(`an answer to nothing: ${JSON.stringify(reply)}`);
        this.waiting.delete(reply.id);
        if (reply.error) wait.reject(Object.assign(new Error(reply.error.message), reply.error));
        else wait.resolve(reply);
    }

    raw(text) { this.socket.send(text); }

    // Sends one command; resolves to its result.
    call(name, request = {}) {
        if (this.isClosed) return Promise.reject(new Error('closed before'));
        const id = ++this.lastId;
        const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve: (r) => resolve(r[name]), reject }));
        this.raw(JSON.stringify({ id, [name]: request }));
        return answer;
    }

    async connect(request = {}) {
        const result = await this.call('connect', request);
        this.pongs = Boolean(result.pong);
        return result;
    }

    close() { this.socket.terminate(); }
}
