// A bare HTTP client for streamed answers: it sends the request's bytes as they are, and takes the answer's body apart chunk by
// chunk, so that a test sees how it was framed.
import net from 'node:net';

const ANSWER_MS = 20_000;

export class Stream {
    // Resolves when the answer's head is there. body: a string or Buffer; its length is said unless headers say otherwise.
    static async open(port, { method = 'GET', path = '/', headers = {}, body = null, version = '1.1' } = {}) {
        const stream = new this(port);
        const length = body === null ? {} : { 'Content-Length': Buffer.byteLength(body) };
        const lines = Object.entries({ Host: 'localhost', ...length, ...headers }).filter(([, value]) => value !== null)
            .map(([name, value]) => `${name}: ${value}`);
        stream.socket.write([`${method} ${path} HTTP/${version}`, ...lines, '', ''].join('\r\n'));
        if (body !== null) stream.socket.write(body);
        await stream.head();
        return stream;
    }

    constructor(port) {
        this.input = Buffer.alloc(0);
        this.text = Buffer.alloc(0); // of the body, not yet taken as messages
        this.chunks = [];
        this.hasEnded = false; // the body, by its last chunk
        this.isClosed = false; // the connection
        this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
        this.socket.on('data', (part) => { this.input = Buffer.concat([this.input, part]); this.waker?.(); });
        for (const end of ['end', 'close', 'error']) this.socket.on(end, () => { this.isClosed = true; this.waker?.(); });
    }

    async until(condition) {
        for (const late = Date.now() + ANSWER_MS; ;) {
            const value = condition();
            if (value !== undefined || this.isClosed) return value;
            let timer;
            await new Promise((resolve, reject) => {
                this.waker = resolve;
                timer = setTimeout(() => reject(new Error(`no answer; so far: ${this.input}${this.text}`)), late - Date.now());
            }).finally(() => clearTimeout(timer));
        }
    }

    async head() {
        const end = await this.until(() => {
            const at = this.input.indexOf('\r\n\r\n');
            return at < 0 ? undefined : at;
        });
        if (end === undefined) { this.status = 0; this.headers = {}; return this; }
        const [first, ...lines] = this.input.subarray(0, end).toString('latin1').split('\r\n');
        this.input = this.input.subarray(end + 4);
        this.status = Number(first.split(' ')[1]);
        this.headers = Object.fromEntries(lines.map((line) => {
            const colon = line.indexOf(':');
            return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }));
        return this;
    }

    // The whole body of an answer that has a length.
    async body() {
        const length = Number(this.headers['content-length'] ?? 0);
        await this.until(() => (this.input.length >= length ? true : undefined));
        const found = this.input.subarray(0, length);
        this.input = this.input.subarray(length);
        return found.toString();
    }

    #dechunk() {
        for (;;) {
            const line = this.input.indexOf('\r\n');
            if (this.hasEnded || line < 0) return;
            const length = parseInt(this.input.subarray(0, line).toString('latin1'), 16);
            if (this.input.length < line + 2 + length + 2) return;
            const chunk = this.input.subarray(line + 2, line + 2 + length);
            if (this.input.subarray(line + 2 + length, line + 4 + length).toString() !== '\r\n') throw new Error('a chunk without its end');
            this.input = this.input.subarray(line + 4 + length);
            if (length === 0) { this.hasEnded = true; return; }
            this.chunks.push(chunk);
            this.text = Buffer.concat([this.text, chunk]);
        }
    }

    // The next piece of the body for which find(text) gives [value, bytes used]; null at its end.
    async #take(find) {
        return await this.until(() => {
            this.#dechunk();
            const found = find(this.text);
            if (!found) return this.hasEnded ? null : undefined;
            this.text = this.text.subarray(found[1]);
            return found[0];
        }) ?? null;
    }

    async line() {
        const text = await this.#take((all) => {
            const at = all.indexOf('\n');
            return at < 0 ? null : [all.subarray(0, at).toString(), at + 1];
        });
        return text === null ? null : JSON.parse(text);
    }

    async event() {
        const text = await this.#take((all) => {
            const blank = all.subarray(0, 2).toString() === '\r\n' ? 2 : 0;
            const at = all.indexOf('\n\n', blank);
            return at < 0 ? null : [all.subarray(blank, at).toString(), at + 2];
        });
        if (text === null) return null;
        if (!text.startsWith('data: ')) throw new Error(`not an event: ${text}`);
        return JSON.parse(text.slice(6));
    }

    // One length-prefixed message, undecoded.
    async varint() {
        return this.#take((all) => {
            let length = 0;
            for (let i = 0; i < all.length; i++) {
                length |= (all[i] & 127) << (7 * i);
                if (all[i] < 128) return all.length < i + 1 + length ? null : [all.subarray(i + 1, i + 1 + length), i + 1 + length];
            }
            return null;
        });
    }

    async closed() { await this.until(() => undefined); }
    destroy() { this.socket.destroy(); }
}

// One request on a connection of its own: { status, headers, body }.
export async function request(port, options) {
    const stream = await Stream.open(port, options);
    const body = stream.status === 204 || options.method === 'HEAD' ? '' : await stream.body();
    stream.destroy();
    return { status: stream.status, headers: stream.headers, body };
}
