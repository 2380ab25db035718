// Takes the picture in README.md anew, from a running daemon:
//   PARLEY_BIN_DIR=$PWD/build/release/bin node tests/e2e/readme_picture.mjs
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Team, inRoom, sees } from './lib/team.mjs';

const target = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/images/chat.png');

const team = await Team.start();
try {
    const tess = await team.own('tess', 'Tess Abara');
    const ravi = await team.invite('ravi', 'Ravi Menon');
    const noor = await team.invite('noor', 'Noor Haddad');
    await tess.call('admin.settings', { name: 'Harbour' });
    const gateway = await team.room('gateway', [tess, ravi, noor], {
        topic: 'What the sensors say, and whether they do',
    });
    await team.room('design', [tess, ravi]);
    const ops = await team.room('on-call', [noor, tess, ravi]);
    const { room: direct } = await ravi.call('room.create', { kind: 'direct', users: [tess.id] });
    const first = await noor.say(gateway, 'The gateway lost power for ten minutes.');
    await noor.say(gateway, 'Did the sensors’ messages get through?');
    const answer = await tess.say(
        gateway,
        'All of them. What was acknowledged is **on disk**:\n\n```\nacked 48210, lost 0, twice 0\n```',
        { reply_to: first.seq },
    );
    await ravi.say(gateway, 'My phone was in a tunnel. It caught up by itself, nothing twice.');
    await ravi.call('reaction.add', { room: gateway, seq: answer.seq, emoji: '🎉' });
    await noor.call('reaction.add', { room: gateway, seq: answer.seq, emoji: '🎉' });
    await noor.call('reaction.add', { room: gateway, seq: answer.seq, emoji: '👀' });
    await noor.say(gateway, 'Thanks, both! @tess could you write it up?');
    await noor.say(ops, 'Quiet again.');
    await ravi.say(direct.id, 'Lunch?');

    const wide = await team.at(tess, `#/room/${gateway}`, { width: 1240, height: 760 });
    const phone = await team.at(ravi, `#/room/${gateway}`, { width: 360, height: 640, phone: true, dark: true });
    for (const page of [wide, phone]) {
        await inRoom(page, '#gateway');
        await sees(page, 'Thanks, both!');
    }
    const shots = [await wide.screenshot(), await phone.screenshot()].map(
        (shot) => `data:image/png;base64,${shot.toString('base64')}`,
    );

    const page = await (await team.browser.newContext({ viewport: { width: 1320, height: 860 } })).newPage();
    await page.setContent(`<style>
        body { margin: 0; width: 1320px; height: 860px; position: relative; background: #dfe6f3; }
        img { position: absolute; box-shadow: 0 2px 6px rgb(19 27 44 / 18%), 0 18px 50px rgb(19 27 44 / 26%); }
        .wide { left: 40px; top: 40px; border-radius: 14px; width: 1140px; }
        .phone { right: 36px; bottom: 30px; border-radius: 26px; outline: 7px solid #05070c; outline-offset: -1px; width: 306px; }
    </style><img class="wide" src="${shots[0]}"><img class="phone" src="${shots[1]}">`);
    await page.screenshot({ path: target });
} finally {
    await team.stop();
}
