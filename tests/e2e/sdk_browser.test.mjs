// centrifuge-js from npm, unmodified, in headless Chromium: the same cases as in Node. The page is of another origin than the
// daemon's, as an application's is.
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { launchBrowser } from './lib/browser.mjs';
import { cases } from './lib/sdk_cases.mjs';
import { startHost } from './lib/sdk_host.mjs';
import { ways } from './lib/sdk_ways.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const PAGE = `
    import { Centrifuge, UnauthorizedError } from 'centrifuge';
    import * as binary from 'centrifuge/build/protobuf';
    import { runCase } from './lib/sdk_cases.mjs';
    import { speakJson, ways } from './lib/sdk_ways.mjs';
    const builds = {
        json: Object.assign(Centrifuge, { UnauthorizedError }),
        binary: Object.assign(speakJson(binary.Centrifuge), { UnauthorizedError: binary.UnauthorizedError }),
    };
    window.run = (title, name) => runCase(name, { Centrifuge: ways[title].isBinary ? builds.binary : builds.json,
        way: ways[title], options: {}, host: (...request) => window.askHost(...request) });`;

let browser, bundle;
before(async () => {
    bundle = await build({ stdin: { contents: PAGE, resolveDir: here }, bundle: true, write: false, format: 'iife',
        target: 'chrome110' });
    browser = await launchBrowser();
});
after(() => browser?.close());

for (const [title, way] of Object.entries(ways)) {
    describe(`centrifuge-js in Chromium: ${title}`, () => {
        let started, page;
        before(async () => {
            started = await startHost();
            page = await browser.newPage();
            await page.goto(started.server.url('/health').replace('127.0.0.1', 'localhost'));
            await page.exposeFunction('askHost', started.host);
            await page.addScriptTag({ content: bundle.outputFiles[0].text });
        });
        after(async () => {
            await page?.close();
            await started?.server.stop();
        });

        for (const name of Object.keys(cases)) {
            if (way.without.includes(name)) continue;
            test(name, async () => {
                assert.equal(await page.evaluate(([where, which]) => window.run(where, which), [title, name]), null);
            });
        }
    });
}
