// Takes the picture in README.md anew, from a running daemon:
//   PARLEY_BIN_DIR=$PWD/build/release/bin node tests/e2e/readme_picture.mjs
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Visits, say, sees } from './lib/page.mjs';

const target = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/images/chat.png');

const visits = await Visits.start();
try {
    const tess = await visits.visitor('Tess', 'lobby', { width: 1100, height: 700 });
    const ravi = await visits.visitor('Ravi', 'lobby', { width: 360, height: 640, phone: true, dark: true });
    const noor = await visits.visitor('Noor', 'lobby');
    await tess.getByText('Ravi and Noor joined').waitFor();
    for (const [from, text] of [
        [noor, 'The gateway lost power for ten minutes.'],
        [noor, 'Did the sensors’ messages get through?'],
        [tess, 'All of them. What was acknowledged is on disk.'],
        [ravi, 'My phone was in a tunnel. It caught up by itself, nothing twice.'],
        [tess, 'Good. The load is on feed:demo if you want to watch it come back.'],
        [noor, 'Watching. Thanks, both!'],
    ]) {
        await say(from, text);
        for (const page of [tess, ravi, noor]) await sees(page, text);
    }
    const shots = [await tess.screenshot(), await ravi.screenshot()].map(
        (shot) => `data:image/png;base64,${shot.toString('base64')}`,
    );

    const page = await (await visits.browser.newContext({ viewport: { width: 1240, height: 800 } })).newPage();
    await page.setContent(`<style>
        body { margin: 0; width: 1240px; height: 800px; position: relative; background: #dfe6f3; }
        img { position: absolute; box-shadow: 0 2px 6px rgb(19 27 44 / 18%), 0 18px 50px rgb(19 27 44 / 26%); }
        .wide { left: 40px; top: 40px; border-radius: 14px; }
        .phone { right: 36px; bottom: 30px; border-radius: 26px; outline: 7px solid #05070c; outline-offset: -1px; width: 306px; }
    </style><img class="wide" src="${shots[0]}"><img class="phone" src="${shots[1]}">`);
    await page.screenshot({ path: target });
} finally {
    await visits.stop();
}
