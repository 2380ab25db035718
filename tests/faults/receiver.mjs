// A webhook's endpoint, to be killed: writes down what it takes before it says so, and is as unreliable as one may be.
//   node receiver.mjs PORT FILE SECRET
// FILE gets a line of JSON for each event taken. Prints the port once it listens.
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';

const [port, file, secret] = process.argv.slice(2);
const out = fs.openSync(file, 'a');

function isSigned(request, body) {
    const found = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(request.headers['x-parley-signature'] ?? '');
    if (!found || Math.abs(Date.now() / 1000 - Number(found[1])) > 300) return false;
    const expected = crypto.createHmac('sha256', secret).update(`${found[1]}.`).update(body).digest('hex');
    return crypto.timingSafeEqual(Buffer.from(found[2]), Buffer.from(expected));
}

function take(request, body) {
    const { endpoint, events } = JSON.parse(body);
    const faults = isSigned(request, body) ? [] : ['a bad signature'];
    if (endpoint !== 'all') faults.push(`a strange endpoint: ${endpoint}`);
    if (!/^[1-9]\d*$/.test(request.headers['x-parley-attempt'])) faults.push('no number of the attempt');
    fs.writeSync(out, events.map((event) => `${JSON.stringify({ ...event, faults })}\n`).join(''));
    fs.fsyncSync(out);
}

http.createServer((request, response) => {
    const mood = Math.random();
    if (mood < 0.05) return request.socket.destroy();
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('error', () => {});
    request.on('end', () => {
        if (mood < 0.12) return response.writeHead(500).end('not now');
        if (mood < 0.15) return response.writeHead(503, { 'Retry-After': '0' }).end();
        if (mood < 0.18) return; // never answers
        take(request, Buffer.concat(parts));
        if (mood < 0.25) return request.socket.destroy(); // took it, and nobody hears of that
        response.writeHead(mood < 0.5 ? 204 : 200).end();
    });
}).listen(Number(port), '127.0.0.1', function listening() { console.log(this.address().port); });
