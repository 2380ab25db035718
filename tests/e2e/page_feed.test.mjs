// The live feed in the browser.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { BIN } from './lib/parleyd.mjs';
import { PATIENCE_MS, Visits, eventually, picture } from './lib/page.mjs';

const latest = (page) => page.locator('.figure.is-main dd').evaluate((dd) => dd.firstChild.textContent);
// Pixels of the chart in the colour of its first line.
const inked = (page) =>
    page.locator('.chart canvas').evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const probe = document.createElement('canvas').getContext('2d');
        probe.fillStyle = getComputedStyle(canvas).getPropertyValue('--series-0').trim();
        probe.fillRect(0, 0, 1, 1);
        const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
        let n = 0;
        for (let i = 0; i < data.length; i += 4)
            n += data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255;
        return n;
    });

describe('a live feed in the browser', () => {
    let visits;
    before(async () => {
        visits = await Visits.start();
    });
    afterEach(() => visits.leave());
    after(() => visits?.stop());

    test('an empty feed says how to feed it, and can feed itself', async () => {
        const page = await visits.window(await visits.browserOf(), '#feed:sample');
        const phone = await visits.window(
            await visits.browserOf({ width: 390, height: 844, phone: true, dark: true }),
            '#feed:sample',
        );
        await page.getByText('Nothing on feed:sample yet').waitFor();
        await phone.getByText('Nothing on feed:sample yet').waitFor();
        await picture(page, 'feed-empty-light-wide');
        await picture(phone, 'feed-empty-dark-phone');
        await page
            .getByRole('button', { name: /^Copy the command: parley pub/ })
            .first()
            .click();
        assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^parley pub .*feed:sample 21\.5$/);

        await page.getByRole('button', { name: 'Send sample data' }).click();
        for (const each of [page, phone]) {
            await eventually(
                () => each.locator('.newest tbody tr').count(),
                (n) => n >= 6,
                'samples arrive',
            );
            await eventually(
                () => inked(each),
                (n) => n > 100,
                'the line is drawn',
            );
        }
        assert.ok(Number.isFinite(Number(await latest(phone))));
        await picture(page, 'feed-light-wide');
        await picture(phone, 'feed-dark-phone');
        await page.getByRole('button', { name: 'Stop sample data' }).click();
        const count = await page.locator('.newest tbody tr').count();
        await page.reload();
        await eventually(
            () => page.locator('.newest tbody tr').count(),
            (n) => n >= count,
            'its history is there on entry',
        );
    });

    test('whatever is published is drawn if it can be, and listed in any case', async () => {
        const client = await visits.sdk();
        const page = await visits.window(await visits.browserOf({ dark: true }), '#feed:odd');
        await page.getByText('Nothing on feed:odd yet').waitFor();
        for (const data of [1, '2.5', 'no number', [], { a: { b: 1 } }, 7]) await client.publish('feed:odd', data);
        await eventually(
            () => latest(page),
            (text) => text === '7',
            'the latest',
        );
        await page.getByText('3 of 6 have no number to draw.').waitFor();
        await eventually(
            () => inked(page),
            (n) => n > 20,
            'the line is drawn',
        );
        await client.publish('feed:pair', { cpu: 3, mem: 70, at: Date.now() });
        await client.publish('feed:pair', { cpu: 5, mem: 71, at: Date.now() });
        await page.goto(visits.server.url('/#feed:pair'));
        await page.locator('.legend', { hasText: 'mem' }).waitFor();
        assert.deepEqual(await page.locator('.legend li').allInnerTexts(), ['cpu', 'mem']);
        await picture(page, 'feed-pair-dark-wide');
    });

    test('the copied command works: lines of standard input become points', async () => {
        const page = await visits.window(await visits.browserOf(), '#feed:shell');
        await page.getByText('Nothing on feed:shell yet').waitFor();
        const command = await page.locator('.command code').nth(1).innerText();
        const [, args] = /\| parley (.*)$/.exec(command);
        const parley = spawn(path.join(BIN, 'parley'), args.split(' '), { stdio: ['pipe', 'ignore', 'inherit'] });
        parley.stdin.end('5\n8\n6.5\n');
        const [code] = await once(parley, 'exit');
        assert.equal(code, 0);
        await eventually(
            () => latest(page),
            (text) => text === '6.5',
            'the last line',
        );
        assert.deepEqual(await page.locator('.newest tbody code').allInnerTexts(), ['6.5', '8', '5']);
    });

    test('the chart can be read by keyboard and by screen reader', async () => {
        const client = await visits.sdk();
        for (const value of [3, 9, 4]) await client.publish('feed:keys', { value, at: Date.now() });
        const page = await visits.window(await visits.browserOf(), '#feed:keys');
        const chart = page.getByRole('img', { name: /^Line chart of feed:keys: value now 4, between 3 and 9/ });
        await chart.focus();
        await page.keyboard.press('ArrowLeft');
        await page.locator('.readout', { hasText: 'value 4' }).waitFor();
        await page.keyboard.press('ArrowLeft');
        await page.locator('.readout', { hasText: 'value 9' }).waitFor();
        await page.keyboard.press('Escape');
        await page.locator('.readout').waitFor({ state: 'hidden' });
    });

    test('a restart of the server leaves no hole in the line', async () => {
        const client = await visits.sdk();
        await client.publish('feed:restart', 1);
        const page = await visits.window(await visits.browserOf(), '#feed:restart');
        await eventually(
            () => latest(page),
            (text) => text === '1',
            'before',
        );
        await visits.server.restart();
        await client.ready(PATIENCE_MS);
        for (const value of [2, 3]) await client.publish('feed:restart', value);
        await eventually(
            () => page.locator('.newest tbody code').allInnerTexts(),
            (all) => all.join() === '3,2,1',
            'all three',
        );
        assert.equal(await page.getByText('The line breaks').count(), 0);
    });
});
