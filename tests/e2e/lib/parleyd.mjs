// A parleyd of the test's own: on a port found free, which a restart keeps, in a data directory that goes with the test.
//
//   const server = await Parleyd.start({ config: { channel: { … } } });
//   server.url('/connection/websocket'); await server.kill('SIGKILL'); await server.restart(); await server.stop();
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { claimPort } from './ports.mjs';

export const BIN = process.env.PARLEY_BIN_DIR;
if (!BIN) throw new Error('PARLEY_BIN_DIR must name the folder of the built programs');

const START_MS = 30_000;

export class Parleyd {
    // config: what goes into the configuration file (JSON is YAML); file: one that is there already, instead. env, args:
    // added. dataDir: kept if given, else made and removed with the server.
    static async start(options = {}) {
        const server = new Parleyd(options);
        server.claim = await claimPort();
        server.port = server.claim.port;
        await server.#spawn();
        return server;
    }

    constructor({ config = {}, file = null, args = [], env = {}, dataDir = null, quiet = true, wrap = [] }) {
        this.config = config;
        this.file = file;
        this.args = args;
        this.env = env;
        this.wrap = wrap;
        this.quiet = quiet;
        this.port = 0;
        this.log = [];
        this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-'));
        this.dataDir = dataDir ?? path.join(this.folder, 'data');
    }

    get pid() { return this.process.pid; }
    url(where = '/', scheme = 'http') { return `${scheme}://127.0.0.1:${this.port}${where}`; }
    get websocket() { return this.url('/connection/websocket', 'ws'); }

    writeConfig(config = this.config) {
        this.config = config;
        this.file = path.join(this.folder, 'parleyd.yaml');
        fs.writeFileSync(this.file, JSON.stringify(config, null, 2));
        return this.file;
    }

    async #spawn() {
        if (!this.file || this.file.startsWith(this.folder)) this.writeConfig();
        const [program, ...before] = [...this.wrap, path.join(BIN, 'parleyd')];
        this.process = spawn(program, [...before, '-c', this.file, '--listen', `127.0.0.1:${this.port}`,
            '--data-dir', this.dataDir, ...this.args],
        { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...this.env } });
        this.exited = once(this.process, 'exit');

        let late;
        const lines = readline.createInterface({ input: this.process.stderr });
        const listening = new Promise((resolve, reject) => {
            late = setTimeout(() => reject(new Error(`parleyd is not up:\n${this.log.join('\n')}`)), START_MS);
            this.process.once('exit', (code, signal) =>
                reject(new Error(`parleyd ended at its start (${code ?? signal}):\n${this.log.join('\n')}`)));
            lines.on('line', (line) => {
                this.log.push(line);
                if (!this.quiet) console.error(line);
                const found = /\blistening\b.*\b127\.0\.0\.1:(\d+)/.exec(line);
                if (found) resolve(Number(found[1]));
            });
        });
        try {
            this.port = await listening;
        } finally {
            clearTimeout(late);
        }
    }

    // Resolves to [code, signal].
    async kill(signal = 'SIGKILL') {
        if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
        return this.exited;
    }

    async restart() {
        await this.kill('SIGKILL');
        await this.#spawn();
    }

    // Ends it politely; throws when it does not leave with 0 (a sanitizer's finding, say).
    async stop() {
        try {
            const [code, signal] = await this.kill('SIGTERM');
            if (code !== 0) throw new Error(`parleyd ended with ${code ?? signal}:\n${this.log.slice(-60).join('\n')}`);
        } finally {
            this.claim.release();
            fs.rmSync(this.folder, { recursive: true, force: true });
        }
    }

    get(where, headers = {}) {
        return new Promise((resolve, reject) => {
            http.get(this.url(where), { headers, agent: false }, (response) => {
                const parts = [];
                response.on('data', (part) => parts.push(part));
                response.on('end', () => resolve({ status: response.statusCode, headers: response.headers,
                    body: Buffer.concat(parts).toString() }));
                response.on('error', reject);
            }).on('error', reject);
        });
    }

    // The value of a metric, summed over its labels; NaN when there is none.
    async metric(name, labels = '') {
        const { body } = await this.get('/metrics');
        const values = body.split('\n')
            .filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(labels))
            .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
        return values.length ? values.reduce((a, b) => a + b) : NaN;
    }
}
