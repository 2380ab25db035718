// The application behind the daemon's proxies: a real HTTP server, on a port of its own, that can be told to behave or
// to misbehave.
import { once } from 'node:events';
import http from 'node:http';

const FILLER = Buffer.alloc(64 * 1024, 'x');

// Ways not to answer. Each takes the response and the socket below it.
export const misbehaviours = {
    'is silent': () => {},
    'answers after it was given up': (response) => setTimeout(() => response.end('{"result":{}}'), 700),
    'dies in the middle of the answer': (response) => {
        response.writeHead(200, { 'Content-Length': 1000 });
        response.write('{"result":{"data":');
        setTimeout(() => response.socket?.destroy(), 10);
    },
    'resets the connection': (response) => response.socket.resetAndDestroy(),
    'answers what is no HTTP': (response) => response.socket.end('220 mail.example.com ESMTP\r\n'),
    'answers what is no JSON': (response) => response.end('<html><body>It works!</body></html>'),
    'answers JSON of another kind': (response) => response.end('{"result":{"expire_at":"tomorrow","data":[1,'),
    'answers with an error': (response) => response.writeHead(500).end('{"result":{"user":"eve","data":1}}'),
    'redirects': (response) => response.writeHead(302, { Location: '/elsewhere' }).end(),
    'never stops': (response) => {
        response.writeHead(200);
        const more = () => { while (!response.destroyed && response.write(FILLER)); };
        response.on('drain', more);
        more();
    },
    'drips': (response) => {
        response.writeHead(200, { 'Content-Length': 100000 });
        const timer = setInterval(() => response.write(' '), 5);
        response.on('close', () => clearInterval(timer));
    },
};

export class Backend {
    // What is asked, newest last: { path, headers, body }.
    requests = [];
    inFlight = 0;
    mostInFlight = 0;
    #answers = new Map();

    static async start(port = 0) {
        const backend = new Backend();
        backend.server = http.createServer((request, response) => backend.#serve(request, response));
        backend.server.keepAliveTimeout = 60_000;
        backend.server.listen(port, '127.0.0.1');
        await once(backend.server, 'listening');
        backend.port = backend.server.address().port;
        return backend;
    }

    url(where) { return `http://127.0.0.1:${this.port}${where}`; }

    // how: (body, request) => what to answer (an object is JSON with 200; { status, text } is that), or a misbehaviour:
    // a function of (response) marked by misbehave().
    answer(where, how) { this.#answers.set(where, how); return this; }

    asked(where) { return this.requests.filter((request) => request.path === where); }

    async stop() {
        this.server.closeAllConnections();
        this.server.close();
        await once(this.server, 'close');
    }

    async #serve(request, response) {
        response.on('error', () => {});
        this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
        response.on('close', () => this.inFlight--);
        const parts = [];
        try {
            for await (const part of request) parts.push(part);
        } catch {
            return;
        }
        const asked = { path: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(parts).toString()) };
        this.requests.push(asked);
        const how = this.#answers.get(request.url);
        if (!how) return void response.writeHead(404).end();
        if (how.misbehaves) return void how(response);
        const answer = await how(asked.body, asked);
        if (answer.status) response.writeHead(answer.status).end(answer.text ?? '');
        else response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
    }
}

export function misbehave(name) {
    const how = (response) => misbehaviours[name](response);
    how.misbehaves = true;
    return how;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
