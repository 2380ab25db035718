// centrifuge-js from npm, unmodified, in headless Chromium: the same cases as in Node.
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { launchBrowser } from './lib/browser.mjs';
import { cases } from './lib/sdk_cases.mjs';
import { startHost } from './lib/sdk_host.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const PAGE = `
    import { Centrifuge, UnauthorizedError } from 'centrifuge';
    import { runCase } from './lib/sdk_cases.mjs';
    window.run = (name) => runCase(name, { Centrifuge: Object.assign(Centrifuge, { UnauthorizedError }), options: {},
        host: (...request) => window.askHost(...request) });`;

describe('centrifuge-js in Chromium', () => {
    let started, browser, page;
    before(async () => {
        started = await startHost();
        const bundle = await build({ stdin: { contents: PAGE, resolveDir: here }, bundle: true, write: false,
            format: 'iife', target: 'chrome110' });
        browser = await launchBrowser();
        page = await browser.newPage();
        await page.goto(started.server.url('/health'));
        await page.exposeFunction('askHost', started.host);
        await page.addScriptTag({ content: bundle.outputFiles[0].text });
    });
    after(async () => {
        await browser?.close();
        await started?.server.stop();
    });

    for (const name of Object.keys(cases)) {
        test(name, async () => {
            assert.equal(await page.evaluate((which) => window.run(which), name), null);
        });
    }
});
