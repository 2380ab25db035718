// The page as a visitor meets it: windows on a daemon, and an eye on what must never happen in them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { launchBrowser } from './browser.mjs';
import { Parleyd } from './parleyd.mjs';

const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const artifacts = process.env.PARLEY_ARTIFACTS_DIR ?? path.join(top, 'artifacts');

// A refused connection is what an outage looks like; a daemon under a sanitizer may be slow to answer.
const EXPECTED =
    /WebSocket connection to .* failed|Failed to load resource: (?:the server responded with a status of 4\d\d|net::ERR_(?:CONNECTION|INTERNET|EMPTY|ABORTED))/;
export const PATIENCE_MS = Number(process.env.PARLEY_PATIENCE_MS ?? 40_000);

export class Visits {
    static async start(options = { file: path.join(top, 'systemd/demo.yaml') }) {
        const visits = new Visits();
        visits.server = await Parleyd.start(options);
        visits.browser = await launchBrowser();
        fs.mkdirSync(artifacts, { recursive: true });
        return visits;
    }

    troubles = [];
    #contexts = [];
    #clients = [];

    async stop() {
        await this.browser?.close();
        await this.server?.stop();
    }

    // Closes the windows of a test but those that stay for the next ones, and says what went wrong inside them.
    async leave({ stay = [] } = {}) {
        for (const client of this.#clients.splice(0)) client.disconnect();
        const kept = new Set(stay.map((page) => page.context()));
        for (const context of this.#contexts.splice(0))
            if (kept.has(context)) this.#contexts.push(context);
            else await context.close();
        assert.deepEqual(this.troubles.splice(0), []);
    }

    // A browser of its own, so that visitors share nothing.
    async browserOf({ width = 1280, height = 800, dark = false, phone = false } = {}) {
        const context = await this.browser.newContext({
            viewport: { width, height },
            colorScheme: dark ? 'dark' : 'light',
            isMobile: phone,
            hasTouch: phone,
            locale: 'en-GB',
            permissions: ['clipboard-read', 'clipboard-write'],
        });
        context.setDefaultTimeout(PATIENCE_MS);
        context.setDefaultNavigationTimeout(PATIENCE_MS);
        this.#contexts.push(context);
        return context;
    }

    async window(context, hash = '') {
        const page = await context.newPage();
        const origin = new URL(this.server.url()).origin;
        page.on('pageerror', (error) => this.troubles.push(String(error.stack)));
        page.on('console', (message) => {
            if (['error', 'warning'].includes(message.type()) && !EXPECTED.test(message.text()))
                this.troubles.push(message.text());
        });
        page.on('request', (request) => {
            if (!/^(?:data|blob):/.test(request.url()) && new URL(request.url()).origin !== origin)
                this.troubles.push(`asked elsewhere: ${request.url()}`);
        });
        await page.goto(this.server.url(`/${hash}`));
        return page;
    }

    // An application beside the page, on the published SDK; gone with the test's windows.
    async sdk() {
        const client = new Centrifuge(this.server.websocket, {
            websocket: WebSocket,
            timeout: PATIENCE_MS,
            maxReconnectDelay: 500,
        });
        this.#clients.push(client);
        client.connect();
        await client.ready(PATIENCE_MS);
        return client;
    }
}

// Waits until what `look` finds satisfies `check`.
export async function eventually(look, check, what) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
        const found = await look();
        if (check(found)) return found;
        if (Date.now() > end) assert.fail(`${what}: ${JSON.stringify(found)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

export const picture = (page, name) =>
    page.screenshot({ path: path.join(artifacts, `${name}.png`), animations: 'disabled' });
