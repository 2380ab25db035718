// A WebSocket client that can break every rule: it writes the bytes it is told to and reports the frames it gets.
import crypto from 'node:crypto';
import net from 'node:net';
import zlib from 'node:zlib';

export const TEXT = 1, BINARY = 2, CONTINUATION = 0, CLOSE = 8, PING = 9, PONG = 10;

const ANSWER_MS = 20_000;

export const bytes = (value) => (typeof value === 'string' ? Buffer.from(value) : Buffer.from(value));

// One frame as a client sends it. length: what the header claims, if that is to differ; form: 7, 16 or 64 forces a
// length's encoding.
export function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, length, form } = {}) {
    const body = bytes(payload);
    const claimed = length ?? body.length;
    const size = form ?? (claimed < 126 ? 7 : claimed < 65536 ? 16 : 64);
    const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
    const mask = masked ? 0x80 : 0;
    if (size === 7) head.push(mask | claimed);
    else if (size === 16) head.push(mask | 126, claimed >> 8, claimed & 255);
    else {
        const wide = Buffer.alloc(8);
        wide.writeBigUInt64BE(BigInt(claimed));
        head.push(mask | 127, ...wide);
    }
    if (!masked) return Buffer.concat([Buffer.from(head), body]);
    const key = crypto.randomBytes(4);
    const hidden = Buffer.alloc(body.length);
    for (let i = 0; i < body.length; i++) hidden[i] = body[i] ^ key[i & 3];
    return Buffer.concat([Buffer.from(head), key, hidden]);
}

export function close(code, reason = '') {
    const head = Buffer.alloc(2);
    head.writeUInt16BE(code);
    return frame(CLOSE, Buffer.concat([head, bytes(reason)]));
}

// A message in fragments of n bytes.
export function fragments(opcode, payload, n, first = {}) {
    const body = bytes(payload);
    const parts = [];
    for (let at = 0; at < body.length || at === 0; at += n) {
        const last = at + n >= body.length;
        parts.push(frame(at === 0 ? opcode : CONTINUATION, body.subarray(at, at + n),
            { fin: last, ...(at === 0 ? first : {}) }));
    }
    return Buffer.concat(parts);
}

// permessage-deflate without context take-over (RFC 7692 section 7.2.1).
export function deflate(payload, options = {}) {
    const out = zlib.deflateRawSync(bytes(payload), { finishFlush: zlib.constants.Z_SYNC_FLUSH, ...options });
    return out.subarray(0, out.length - 4);
}

export function inflate(payload) {
    return zlib.inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]),
        { finishFlush: zlib.constants.Z_SYNC_FLUSH });
}

export class Raw {
    // Resolves when the handshake is done. headers: added to it, or replacing its own (null removes one).
    static async open({ port, path = '/', host = '127.0.0.1' }, headers = {}) {
        const raw = new this(port, host);
        const status = await raw.handshake(path, headers);
        if (status !== 101) throw new Error(`the handshake was answered with ${status}`);
        return raw;
    }

    constructor(port, host = '127.0.0.1') {
        this.input = Buffer.alloc(0);
        this.hasEnded = false;
        this.socket = net.connect({ port, host, noDelay: true });
        this.socket.on('data', (part) => { this.input = Buffer.concat([this.input, part]); this.#wake(); });
        for (const end of ['end', 'close', 'error']) this.socket.on(end, () => { this.hasEnded = true; this.#wake(); });
    }

    #wake() { this.waker?.(); }

    // Until the condition gives a value other than undefined, or the connection ends (then undefined).
    async until(condition) {
        for (const late = Date.now() + ANSWER_MS; ;) {
            const value = condition();
            if (value !== undefined || this.hasEnded) return value;
            let timer;
            await new Promise((resolve, reject) => {
                this.waker = resolve;
                timer = setTimeout(() => reject(new Error('no answer')), late - Date.now());
            }).finally(() => clearTimeout(timer));
        }
    }

    async write(data, chop = 0) {
        if (!chop) return void this.socket.write(data);
        for (let at = 0; at < data.length && !this.hasEnded; at += chop) {
            await new Promise((resolve) => this.socket.write(data.subarray(at, at + chop), resolve));
            await new Promise((resolve) => setImmediate(resolve));
        }
    }

    // The answer's status; its head in this.head.
    async handshake(path, headers = {}) {
        const all = { Host: 'localhost', Upgrade: 'websocket', Connection: 'Upgrade',
            'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13', ...headers };
        const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
        return this.request([`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    }

    async request(text) {
        await this.write(bytes(text));
        const end = await this.until(() => {
            const at = this.input.indexOf('\r\n\r\n');
            return at < 0 ? undefined : at;
        });
        if (end === undefined) return 0;
        this.head = this.input.subarray(0, end).toString('latin1');
        this.input = this.input.subarray(end + 4);
        return Number(this.head.split(' ')[1]);
    }

    header(name) {
        const line = this.head.split('\r\n').find((one) => one.toLowerCase().startsWith(`${name.toLowerCase()}:`));
        return line?.slice(name.length + 1).trim();
    }

    // The next frame from the server; null when the connection has ended.
    async frame() {
        return await this.until(() => this.#parse()) ?? null;
    }

    #parse() {
        const input = this.input;
        if (input.length < 2) return undefined;
        let length = input[1] & 127, at = 2;
        if (length === 126) {
            if (input.length < 4) return undefined;
            length = input.readUInt16BE(2);
            at = 4;
        } else if (length === 127) {
            if (input.length < 10) return undefined;
            length = Number(input.readBigUInt64BE(2));
            at = 10;
        }
        if (input.length < at + length) return undefined;
        const payload = input.subarray(at, at + length);
        this.input = input.subarray(at + length);
        return { fin: (input[0] & 0x80) !== 0, rsv: (input[0] >> 4) & 7, opcode: input[0] & 15, masked: (input[1] & 0x80) !== 0,
            payload };
    }

    // The next message or control frame, fragments put together and inflated.
    async message() {
        const first = await this.frame();
        if (!first || first.opcode >= 8) return first;
        const parts = [first.payload];
        for (let next = first; !next.fin;) {
            next = await this.frame();
            if (!next) return null;
            if (next.opcode !== CONTINUATION) throw new Error(`opcode ${next.opcode} inside a message`);
            parts.push(next.payload);
        }
        const payload = Buffer.concat(parts);
        return { ...first, payload: first.rsv & 4 ? inflate(payload) : payload };
    }

    // Reads on until the connection ends; the close code, 1005 for none, 1006 without a close frame.
    async closeCode() {
        for (;;) {
            const next = await this.message();
            if (!next) return 1006;
            if (next.opcode === CLOSE) return next.payload.length ? next.payload.readUInt16BE(0) : 1005;
        }
    }

    async ended() { await this.until(() => undefined); }
    destroy() { this.socket.destroy(); }
}
