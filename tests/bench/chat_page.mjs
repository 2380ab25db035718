// How quick the page is, in headless Chromium, with a room of many messages: a table in Markdown.
//
//   (cd tests/e2e && npm ci)
//   PARLEY_BIN_DIR=$PWD/build/release/bin node tests/bench/chat_page.mjs [MESSAGES]
//
// Painted means: the frame that shows it has been handed over. Nothing is asserted; on a machine that does something else
// as well only the smallest figures mean anything.
import os from 'node:os';
import { PASSWORD, Team, composer, inRoom, signIn } from '../e2e/lib/team.mjs';

const MESSAGES = Number(process.argv[2] ?? 10_000);
const AT_ONCE = 64; // while the room is filled
const ROUNDS = { load: 4, send: 40, switch: 20, keys: 150, searches: 10 };
const SCROLL_MS = Number(process.env.PARLEY_SCROLL_MS ?? 25_000);
const WORDS = 'the gateway lost power for ten minutes and every sensor kept what it had until it came back again'.split(' ');

const said = (i) => {
    const words = Array.from({ length: 4 + (i % 23) }, (_, k) => WORDS[(i * 7 + k * 5) % WORDS.length]).join(' ');
    if (i % 40 === 0) return `**${words}**\n\n- one\n- two\n\n\`\`\`\n${words}\n\`\`\``;
    return i % 9 === 0 ? `${words} https://example.com/${i}` : `${words} ${i}.`;
};

async function fill(people, room, n) {
    let next = 0;
    const work = async (k) => {
        while (next < n) {
            const i = next++;
            await people[(i >> 2) % people.length].say(room, said(i));
            if (i % 25 === 0) await people[k % people.length].call('reaction.add', { room, seq: Math.max(1, i - 80), emoji: '👍' });
        }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, n) }, (_, k) => work(k)));
}

// In the page: promises of what has been painted.
function instruments() {
    const painted = () =>
        new Promise((resolve) => {
            requestAnimationFrame(() => {
                const { port1, port2 } = new MessageChannel();
                port1.onmessage = () => resolve(performance.timeOrigin + performance.now());
                port2.postMessage(null);
            });
        });
    // When there is something that `find` finds, and it has been painted.
    const shown = (find) =>
        new Promise((resolve) => {
            if (find()) return painted().then(resolve);
            const watch = new MutationObserver(() => {
                if (!find()) return;
                watch.disconnect();
                painted().then(resolve);
            });
            watch.observe(document, { childList: true, subtree: true, characterData: true, attributes: true });
        });
    const rowWith = (text) => [...document.querySelectorAll('.row')].slice(-8).find((row) => row.textContent.includes(text));
    window.bench = { painted, shown, rowWith, firstRow: shown(() => document.querySelector('.row .prose')) };
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, q) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * q))];
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const table = [];
const line = (what, values, note = '') =>
    table.push([what, ms(quantile(values, 0.5)), ms(quantile(values, 0.95)), ms(Math.max(...values)), note]);

async function load(team, context, hash) {
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    let bytes = 0;
    let requests = 0;
    await cdp.send('Network.enable');
    cdp.on('Network.loadingFinished', ({ encodedDataLength }) => {
        bytes += encodedDataLength;
        requests++;
    });
    await page.addInitScript(instruments);
    await page.goto(team.server.url(`/${hash}`), { waitUntil: 'commit' });
    const took = await page.evaluate(async () => (await window.bench.firstRow) - performance.timeOrigin);
    return { page, took, bytes, requests };
}

async function loads(team, login, hash) {
    const cold = [];
    const warm = [];
    let size = null;
    const before = await team.browserOf();
    await signIn(await team.window(before, hash), login);
    const state = await before.storageState();
    for (let i = 0; i < ROUNDS.load; i++) {
        const context = await team.browser.newContext({ storageState: state, viewport: { width: 1440, height: 900 } });
        const first = await load(team, context, hash);
        cold.push(first.took);
        size = first;
        await first.page.close();
        const again = await load(team, context, hash);
        warm.push(again.took);
        await context.close();
    }
    line('First load, nothing cached: until a message is painted', cold, `${(size.bytes / 1000).toFixed(0)} kB, ${size.requests} requests`);
    line('The same, files cached', warm);
}

async function sends(mine, theirs) {
    const own = [];
    const others = [];
    for (let i = 0; i < ROUNDS.send; i++) {
        const text = `measured ${i}#`;
        await composer(mine).fill(text);
        const arrives = theirs.evaluate((what) => window.bench.shown(() => window.bench.rowWith(what)), text);
        const [at, shown] = await mine.evaluate(async (what) => {
            const is = window.bench.shown(() => window.bench.rowWith(what));
            const began = performance.timeOrigin + performance.now();
            document.activeElement.dispatchEvent(
                new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }),
            );
            return [began, await is];
        }, text);
        own.push(shown - at);
        others.push((await arrives) - at);
    }
    line('Enter until one’s own message is painted', own);
    line('Enter until it is painted at the other browser', others);
}

async function switches(page, rooms) {
    const visited = [];
    const fresh = [];
    const go = (id) =>
        page.evaluate(async (room) => {
            const link = document.querySelector(`a[href$="room/${room}"]`);
            const name = link.querySelector('.channel-name').textContent.trim();
            const is = window.bench.shown(
                () => document.querySelector('h1').textContent.includes(name) && document.querySelector('.row .prose')?.textContent.includes(name),
            );
            const began = performance.timeOrigin + performance.now();
            link.click();
            return (await is) - began;
        }, id);
    for (const id of rooms) fresh.push(await go(id));
    for (let i = 0; i < ROUNDS.switch; i++) visited.push(await go(rooms.at(-1 - (i % 2))));
    line('Another room, not opened before', fresh);
    line('Another room, open behind this one', visited);
}

async function keys(page) {
    await composer(page).fill('');
    const took = [];
    await page.evaluate(() => {
        window.took = [];
        document.activeElement.addEventListener(
            'keydown',
            (event) => window.bench.painted().then((at) => window.took.push(at - performance.timeOrigin - event.timeStamp)),
            true,
        );
    });
    const words = WORDS.join(' ').repeat(3);
    for (let i = 0; i < ROUNDS.keys; i++) await page.keyboard.type(words[i]);
    took.push(...(await page.evaluate(() => window.took)));
    await composer(page).fill('');
    line('A key until it is painted', took, `${took.length} keys`);
}

async function scroll(page) {
    const box = await page.locator('.messages').boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.evaluate(() => {
        window.frames_ms = [];
        let last = performance.now();
        const tick = (now) => {
            window.frames_ms.push(now - last);
            last = now;
            window.ticking = requestAnimationFrame(tick);
        };
        window.ticking = requestAnimationFrame(tick);
    });
    const end = Date.now() + SCROLL_MS;
    const top = () => page.evaluate(() => Number(document.querySelector('.row[data-seq]').dataset.seq));
    while (Date.now() < end && (await top()) > 1) await page.mouse.wheel(0, -600);
    const [frames, reached] = [await page.evaluate(() => (cancelAnimationFrame(window.ticking), window.frames_ms)), await top()];
    const over = (limit) => `${((100 * frames.filter((one) => one > limit).length) / frames.length).toFixed(1)} % over ${limit} ms`;
    line('Scrolling up: a frame', frames, `${frames.length} frames, ${[17.5, 33.4, 50.1].map(over).join(', ')}; ${MESSAGES - reached} messages back`);
}

async function search(page) {
    await page.getByRole('button', { name: /^Search$/ }).click();
    const field = page.getByLabel('Search the messages');
    await field.waitFor();
    const took = [];
    for (let i = 0; i < ROUNDS.searches; i++) {
        const word = WORDS[(i * 3 + 1) % WORDS.length];
        await field.fill('');
        await page.evaluate(() => window.bench.shown(() => !document.querySelector('.hit')));
        await field.pressSequentially(word.slice(0, -1), { delay: 60 });
        const is = page.evaluate(
            (what) => window.bench.shown(() => [...document.querySelectorAll('.hit mark')].some((mark) => mark.textContent.toLowerCase().startsWith(what))),
            word,
        );
        const began = await page.evaluate(() => performance.timeOrigin + performance.now());
        await page.keyboard.type(word.at(-1));
        took.push((await is) - began);
    }
    line('Search: the last letter until what it finds is painted', took, '250 ms of it are waited for another letter');
}

const team = await Team.start();
try {
    const ada = await team.own();
    const bo = await team.invite('bo', 'Bo Chen');
    const cy = await team.invite('cy', 'Cyrus Vance');
    const room = await team.room('harbour', [ada, bo, cy]);
    const began = Date.now();
    await fill([ada, bo, cy], room, MESSAGES);
    console.error(`${MESSAGES} messages in ${((Date.now() - began) / 1000).toFixed(1)} s`);
    const others = [];
    for (let i = 1; i <= 12; i++) {
        const name = `room-${String(i).padStart(2, '0')}`;
        others.push(await team.room(name, [ada, bo]));
        await Promise.all(Array.from({ length: 60 }, (_, k) => bo.say(others.at(-1), `${name} ${said(k)}`)));
    }
    for (const each of [room, ...others]) for (const one of [ada, bo]) await one.call('read.mark', { room: each, seq: 1_000_000 }).catch(() => {});

    const hash = `#/room/${room}`;
    await loads(team, 'ada', hash);
    const pages = [];
    for (const login of ['ada', 'bo']) {
        const context = await team.browserOf({ width: 1440, height: 900 });
        await context.addInitScript(instruments);
        const page = await team.window(context, hash);
        await page.getByLabel('Login').fill(login);
        await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
        await page.keyboard.press('Enter');
        await inRoom(page, '#harbour');
        await page.locator('.row .prose').first().waitFor();
        await composer(page).focus();
        pages.push(page);
    }
    const [mine, theirs] = pages;
    await sends(mine, theirs);
    await keys(mine);
    await switches(theirs, others);
    await search(mine);
    await mine.getByRole('button', { name: 'Close: Search' }).click();
    await scroll(mine);
} finally {
    await team.stop();
}
console.log(`${MESSAGES} messages in the room, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)} at the end\n`);
console.log('| | median | 95 % | most | |\n|---|---|---|---|---|');
for (const cells of table) console.log(`| ${cells.join(' | ')} |`);
