// The page by keyboard, by screen reader, on small windows, and under its own content security policy.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Visits, bubbles, composer, inRoom, nameField, picture, say, sees, sent, texts } from './lib/page.mjs';

const focused = (page) =>
    page.evaluate(() => {
        const { activeElement: element } = document;
        return element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
    });

// What a checker would complain of: controls without a name, ids used twice, pictures that speak, levels left out.
const complaints = (page) =>
    page.evaluate(() => {
        const found = [];
        const nameOf = (element) =>
            element.getAttribute('aria-label') ??
            (element.labels?.length ? element.labels[0].textContent : null) ??
            (element.textContent || element.getAttribute('title'));
        for (const element of document.querySelectorAll(
            'button, a, input, textarea, [role=button], [tabindex="0"], dialog, nav, aside, article',
        )) {
            if (!nameOf(element)?.trim()) found.push(`no name: ${element.outerHTML.slice(0, 120)}`);
        }
        const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
        for (const id of ids)
            if (ids.indexOf(id) !== ids.lastIndexOf(id) && !document.querySelector('dialog[open]'))
                found.push(`id twice: ${id}`);
        for (const svg of document.querySelectorAll('svg'))
            if (!svg.closest('[aria-hidden=true], [role=img]')) found.push('an svg that is not hidden');
        if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
        if (document.querySelectorAll('main').length !== 1) found.push('not one main');
        if (!document.documentElement.lang) found.push('no language');
        for (const element of document.querySelectorAll('[aria-describedby]')) {
            if (!document.getElementById(element.getAttribute('aria-describedby')))
                found.push('describes itself by nothing');
        }
        if (document.querySelector('[style*="javascript"], [onclick], script:not([src]), style'))
            found.push('something inline');
        return found;
    });

// Text against what is behind it, WCAG 2.2 §1.4.3: [selector, ratio] of those below 4.5.
const faint = (page) =>
    page.evaluate(() => {
        const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const over = (layers) => {
            canvas.clearRect(0, 0, 1, 1);
            for (const layer of layers) {
                canvas.fillStyle = layer;
                canvas.fillRect(0, 0, 1, 1);
            }
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        const luminance = (rgb) =>
            rgb
                .map((c) => c / 255)
                .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const found = [];
        for (const element of document.querySelectorAll('body *')) {
            const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
            if (
                !isText ||
                !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) ||
                element.closest('.vh, .skip, svg, :disabled, [aria-hidden=true]')
            )
                continue;
            const behind = [];
            for (let each = element; each; each = each.parentElement)
                behind.unshift(getComputedStyle(each).backgroundColor);
            const back = luminance(over(behind)),
                front = luminance(over([...behind, getComputedStyle(element).color]));
            const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
            if (ratio < 4.5)
                found.push([
                    element.className || element.tagName,
                    element.textContent.slice(0, 30),
                    Math.round(ratio * 100) / 100,
                ]);
        }
        return found;
    });

describe('the page for everybody', () => {
    let visits;
    before(async () => {
        visits = await Visits.start();
    });
    afterEach(() => visits.leave());
    after(() => visits?.stop());

    test('everything works by keyboard alone', async () => {
        const page = await visits.window(await visits.browserOf(), '#chat:keyboard');
        await nameField(page).waitFor();
        assert.equal(await focused(page), 'Your name');
        await page.keyboard.press('Escape'); // there is no way round it
        await page.keyboard.type('Ada');
        await page.keyboard.press('Enter');
        await inRoom(page);
        assert.match(await focused(page), /^Message to/);
        await page.keyboard.type('one');
        await page.keyboard.press('Shift+Enter');
        await page.keyboard.type('two');
        await page.keyboard.press('Enter');
        await sent(page, 'one');
        assert.deepEqual(await texts(page), ['one\ntwo']);

        const order = [];
        await page.evaluate(() => document.querySelector('.skip').focus());
        while (await page.evaluate(() => document.activeElement !== document.body)) {
            const name = (await focused(page)).trim();
            order.push(name);
            assert.ok(order.length < 30, `no end: ${order.join(' | ')}`);
            const ring = await page.evaluate(() => {
                const shown = document.activeElement.closest('.themes label, .composer-box') ?? document.activeElement;
                const style = getComputedStyle(shown);
                return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
            });
            assert.ok(ring, `the focus shows on ${name}`);
            await page.keyboard.press('Tab');
        }
        for (const wanted of [/^Skip to/, /lobby/, /demo/, /Change/, /Copy the link/, /^Messages in/, /^Message to/]) {
            assert.ok(
                order.some((name) => wanted.test(name)),
                `${wanted} in ${order.join(' | ')}`,
            );
        }

        await page.getByRole('button', { name: /You are Ada/ }).focus();
        await page.keyboard.press('Enter');
        await page.getByRole('dialog', { name: 'Change your name' }).waitFor();
        await page.keyboard.press('Escape');
        await page.getByRole('dialog').waitFor({ state: 'detached' });
        assert.match(await focused(page), /Ada/, 'the focus is back where it was');
    });

    test('Enter that ends an input method’s composition does not send', async () => {
        const page = await visits.visitor('Ada', 'compose');
        await composer(page).focus();
        const session = await page.context().newCDPSession(page);
        await session.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
        await session.send('Input.dispatchKeyEvent', {
            type: 'rawKeyDown',
            windowsVirtualKeyCode: 229,
            key: 'Process',
            code: 'Enter',
        });
        await page.evaluate(() =>
            document.activeElement.dispatchEvent(
                new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }),
            ),
        );
        assert.equal(await bubbles(page).count(), 0);
        await session.send('Input.insertText', { text: '日本' });
        await composer(page).press('Enter');
        await sees(page, '日本');
        assert.deepEqual(await texts(page), ['日本']);
    });

    test('names, roles and contrast, light and dark', async () => {
        for (const dark of [false, true]) {
            const ada = await visits.visitor('Ada', 'roles', { dark }),
                bo = await visits.visitor('Bo', 'roles');
            await say(bo, 'for the screen reader');
            await sees(ada, 'for the screen reader');
            await say(ada, 'and back');
            await sent(ada, 'and back');
            await ada
                .getByRole('log', { name: 'New messages' })
                .getByText('Bo: for the screen reader')
                .waitFor({ state: 'attached' });
            assert.equal(
                await ada.getByRole('log').getByText('and back').count(),
                0,
                'one’s own words are not read out',
            );
            assert.deepEqual(await complaints(ada), []);
            assert.deepEqual(await faint(ada), []);
            await ada.goto(visits.server.url('/#feed:roles'));
            await ada.getByText('Nothing on feed:roles yet').waitFor();
            assert.deepEqual([...(await complaints(ada)), ...(await faint(ada))], []);
        }
    });

    test('history is not read out', async () => {
        const ada = await visits.visitor('Ada', 'quiet');
        await say(ada, 'said before');
        await sent(ada, 'said before');
        const bo = await visits.visitor('Bo', 'quiet');
        await sees(bo, 'said before');
        assert.equal(await bo.getByRole('log', { name: 'New messages' }).locator('p').count(), 0);
    });

    test('the theme follows the system until it is chosen, and the choice stays', async () => {
        const page = await visits.visitor('Ada', 'themes');
        const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await paper();
        await page.emulateMedia({ colorScheme: 'dark' });
        const dark = await paper();
        assert.notEqual(light, dark);
        await page.getByRole('radio', { name: 'Light', exact: true }).check({ force: true });
        assert.equal(await paper(), light);
        await page.reload();
        await inRoom(page);
        assert.equal(await paper(), light);
        await page.getByRole('radio', { name: 'Dark', exact: true }).check({ force: true });
        await page.emulateMedia({ colorScheme: 'light' });
        assert.equal(await paper(), dark);
    });

    for (const width of [320, 390, 768, 1024, 1920]) {
        test(`nothing is cut off at ${width} px`, async () => {
            const page = await visits.visitor('A name of thirty-two characters!', 'narrow', {
                width,
                height: 700,
                phone: width < 500,
            });
            await say(page, `${'unbroken'.repeat(60)} and https://example.com/${'path/'.repeat(40)}`);
            await sent(page, 'unbroken');
            for (const hash of ['#chat:narrow', '#feed:narrow']) {
                await page.goto(visits.server.url(`/${hash}`));
                await page.getByRole('heading', { level: 1 }).waitFor();
                const over = await page.evaluate(() =>
                    [...document.querySelectorAll('body *')]
                        .filter(
                            (element) =>
                                !element.closest('.vh, .skip, pre, svg, .button-text') &&
                                element.getBoundingClientRect().right > innerWidth + 1,
                        )
                        .map((element) => element.outerHTML.slice(0, 80)),
                );
                assert.deepEqual(over, []);
            }
        });
    }

    test('the files are compressed, cached by content and fenced in', async () => {
        const index = await visits.server.get('/', { 'Accept-Encoding': 'identity' });
        assert.equal(index.status, 200);
        assert.match(index.headers['content-type'], /^text\/html/);
        assert.match(index.headers['content-security-policy'] ?? '', /default-src 'none'/);
        assert.equal(index.headers['x-content-type-options'], 'nosniff');
        const [script] = /app-[A-Z0-9]+\.js/.exec(index.body);
        for (const encoding of ['br', 'gzip']) {
            const got = await visits.server.get(`/${script}`, { 'Accept-Encoding': encoding });
            assert.equal(got.headers['content-encoding'], encoding);
            assert.match(got.headers['cache-control'], /immutable/);
            assert.match(got.headers.vary ?? '', /accept-encoding/i);
        }
        const again = await visits.server.get('/', { 'If-None-Match': index.headers.etag });
        assert.equal(again.status, 304);
        assert.equal((await visits.server.get('/no-such-file.js')).status, 404);
    });
});

describe('the page where it is not welcome', () => {
    let visits;
    afterEach(async () => {
        await visits.leave();
        await visits.stop();
    });

    test('a server that wants tokens: the page says so', async () => {
        visits = await Visits.start({
            config: { client: { allowed_origins: ['*'], token: { hmac_secret_key: 'a secret of the tests' } } },
        });
        const page = await visits.window(await visits.browserOf(), '#chat:lobby');
        await nameField(page).fill('Ada');
        await page.keyboard.press('Enter');
        await page.getByText('This server lets nobody in without a token').waitFor();
        assert.deepEqual([...(await complaints(page)), ...(await faint(page))], []);
        await picture(page, 'refused-light-wide');
    });

    test('a server that takes no connection from this address: the page says so', async () => {
        visits = await Visits.start({
            config: {
                client: { allowed_origins: ['https://example.com'], allow_anonymous_connect_without_token: true },
            },
        });
        const page = await visits.window(await visits.browserOf(), '#feed:demo');
        await page.getByText(/is there, but takes no connection from/).waitFor();
        assert.deepEqual(await faint(page), []);
        await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
        assert.deepEqual(await faint(page), []);
        await picture(page, 'refused-origin-dark-wide');
    });

    test('a server without feeds: the page says so, and the chat goes on', async () => {
        const open = Object.fromEntries(
            ['subscribe', 'publish', 'presence', 'history'].flatMap((what) => [
                [`allow_${what}_for_client`, true],
                [`allow_${what}_for_anonymous`, true],
            ]),
        );
        visits = await Visits.start({
            config: {
                client: { allowed_origins: ['*'], allow_anonymous_connect_without_token: true },
                channel: { namespaces: [{ name: 'chat', ...open, presence: true, join_leave: true }] },
            },
        });
        const page = await visits.window(await visits.browserOf({ dark: true }), '#feed:demo');
        await page.getByText('This server has no channels named').waitFor();
        await picture(page, 'refused-dark-wide');
        const ada = await visits.visitor('Ada', 'plain'),
            bo = await visits.visitor('Bo', 'plain');
        await say(ada, 'without history, without names');
        await sees(bo, 'without history');
        await bo.getByRole('complementary', { name: 'Who is here' }).getByText('Ada').waitFor();
    });
});
