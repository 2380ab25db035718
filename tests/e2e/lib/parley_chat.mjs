// The library of clients/js, as it stands in the tree, with this folder's packages; and people who use it against a daemon.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import WebSocket from 'ws';
import { token as sign } from './sdk_host.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-chat-'));
await build({
    entryPoints: [path.join(here, '../../../clients/js/src/index.js')], outfile: path.join(folder, 'index.mjs'),
    bundle: true, format: 'esm', platform: 'node', logLevel: 'error', nodePaths: [path.join(here, '../node_modules')],
});
export const { Auth, Chat, ChatError, MemoryStorage } = await import(pathToFileURL(path.join(folder, 'index.mjs')));
fs.rmSync(folder, { recursive: true });

const SECRET = 'a secret of the chat';

// Without the limits on how often somebody may do something: tests are faster than people.
export const configOf = ({ chat = {}, client = {}, ...more } = {}) => ({
    chat: { enabled: true, send_rate: 0, write_rate: 0, read_rate: 0, ...chat },
    client: { token: { hmac_secret_key: SECRET }, ...client },
    ...more,
});

export const tokenOf = (user, name = user) => sign({ sub: user, info: { name } }, SECRET);

// Somebody whom an application's token brings; not connected yet.
export function person(server, user, options = {}) {
    return new Chat({ url: server.url('/'), token: tokenOf(user), websocket: WebSocket, storage: null, timeoutMs: 3000, ...options });
}

// Resolves with what `look()` finds, as soon as it finds something: looked at whenever one of the observables has changed.
export async function until(observables, look, what = String(look), late_ms = 30_000) {
    const found = look();
    if (found) return found;
    const ends = [];
    try {
        return await new Promise((resolve, reject) => {
            const late = setTimeout(() => reject(new Error(`it did not come to this: ${what}`)), late_ms);
            const check = () => {
                const now = look();
                if (now) resolve(now);
            };
            ends.push(() => clearTimeout(late), ...[observables].flat().map((one) => one.watch(check)));
        });
    } finally {
        for (const end of ends) end();
    }
}

export const texts = (room) => room.timeline.items.map((item) => (item.deleted ? '†' : item.text));
