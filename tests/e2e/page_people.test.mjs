// People as the page shows them: their picture, whether they are there, how far they have read; and what tells somebody
// who looks elsewhere.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { isSound } from './lib/axe.mjs';
import { eventually, picture } from './lib/page.mjs';
import { png } from './lib/png.mjs';
import { Team, inRoom, row, say, sees, sent } from './lib/team.mjs';

const isShown = (image) => image.evaluate((one) => one.complete && one.naturalWidth > 0);
const icon = (page) => page.evaluate(() => document.querySelector('link[rel=icon]').href);

// As if another window had come before it.
const look = (page, isLooking) =>
    page.evaluate((is) => {
        document.hasFocus = () => is;
        window.dispatchEvent(new Event(is ? 'focus' : 'blur'));
    }, isLooking);

describe('people', () => {
    let team, ada, bo;
    before(async () => {
        team = await Team.start();
        ada = await team.own();
        bo = await team.invite('bo', 'Bo Chen');
    });
    afterEach(() => team.leave());
    after(() => team?.stop());

    test('have a picture, which everybody sees everywhere, or letters', async () => {
        const id = await team.room('faces', [ada, bo]);
        await bo.say(id, 'a word of mine');
        const a = await team.at(ada, `#/room/${id}`, { width: 1440 });
        const b = await team.at(bo, `#/room/${id}`);
        await sees(a, 'a word of mine');
        const avatar = row(a, 'a word of mine').locator('.avatar');
        assert.equal((await avatar.innerText()).trim(), 'BC');
        const box = await avatar.boundingBox();

        await b.getByRole('button', { name: /Settings of Bo Chen/ }).click();
        const settings = b.getByRole('dialog', { name: 'Settings' });
        const choose = (name, mimeType, buffer) =>
            settings.getByLabel('A picture of yourself').setInputFiles({ name, mimeType, buffer });
        await choose('notes.txt', 'text/plain', Buffer.from('no picture'));
        const refused = b.getByRole('dialog').getByRole('alert').filter({ hasText: 'could not be read as a picture' });
        await refused.getByRole('button', { name: 'Dismiss' }).click(); // it lies over the dialog and is no dead part of the page
        await refused.waitFor({ state: 'detached' });
        await choose('me.png', 'image/png', png(900, 400));
        await b.getByText('Your picture is changed.').waitFor();
        await settings.locator('.avatar img').waitFor();
        await isSound(b, 'settings with a picture');
        await picture(b, 'settings-picture-light-wide');
        for (const where of [avatar, a.locator('.member', { hasText: 'Bo Chen' }).locator('.avatar')]) {
            await where.locator('img').waitFor();
            await eventually(() => isShown(where.locator('img')), Boolean, 'the picture is there');
        }
        // Small, square, in place of the letters: nothing has moved.
        assert.deepEqual(
            await avatar.locator('img').evaluate((one) => [one.naturalWidth, one.naturalHeight, one.loading]),
            [256, 256, 'lazy'],
        );
        assert.deepEqual(await avatar.boundingBox(), box);
        await picture(a, 'room-faces-light-wide');

        await settings.getByRole('button', { name: 'Remove', exact: true }).click();
        await avatar.locator('img').waitFor({ state: 'detached' });
        assert.equal((await avatar.innerText()).trim(), 'BC');
        // One that cannot be shown leaves the letters.
        await a.route('**/files/**', (route) => route.fulfill({ status: 404, body: '' }));
        await choose('me.png', 'image/png', png(64, 64));
        await b.getByText('Your picture is changed.').last().waitFor();
        await eventually(() => avatar.locator('img').count(), (n) => n === 0, 'letters again');
    });

    test('are seen to come and to go within seconds, without asking', async () => {
        const id = await team.room('presence', [ada, bo]);
        bo.disconnect();
        const a = await team.at(ada, `#/room/${id}`, { width: 1440 });
        let asked = 0;
        a.on('websocket', (socket) =>
            socket.on('framesent', ({ payload }) => {
                if (String(payload).includes('user.get')) asked++;
            }),
        );
        await a.reload();
        const line = a.locator('.member', { hasText: 'Bo Chen' });
        await line.locator('.presence:not(.is-online)').waitFor();
        // In another room: the room that is open does not tell.
        const began = Date.now();
        const b = await team.at(bo, '#/admin');
        await line.locator('.presence.is-online').waitFor();
        const came = Date.now();
        await b.close();
        await line.locator('.presence:not(.is-online)').waitFor();
        const went = Date.now() - came;
        await line.getByText('seen just now').waitFor();
        assert.ok(went < 10_000 && came - began < 20_000, `came after ${came - began} ms, went after ${went} ms`);
        assert.equal(asked, 0);
    });

    test('show how far they have read where the room is set to', async () => {
        const id = await team.room('receipts', [ada, bo]);
        await ada.call('room.update', { room: id, receipts: true });
        const a = await team.at(ada, `#/room/${id}`);
        await say(a, 'has anybody seen this?');
        await sent(a, 'has anybody seen this?');
        assert.equal(await a.locator('.receipts').count(), 0);
        const b = await team.at(bo, `#/room/${id}`);
        await sees(b, 'has anybody seen this?');
        await a.getByText('Read by Bo Chen').waitFor();
        await picture(a, 'receipts-light-wide');
        await look(b, false);
        await say(a, 'not this, then');
        await sent(a, 'not this, then');
        await sees(b, 'not this, then');
        await a.getByText('Read by Bo Chen').waitFor({ state: 'detached' });
        await look(b, true);
        await a.getByText('Read by Bo Chen').waitFor();
    });

    test('are told by the title, the icon and the system when they look elsewhere', async () => {
        const id = await team.room('alerts', [ada, bo]);
        const context = await team.browserOf();
        await context.grantPermissions(['notifications'], { origin: new URL(team.server.url()).origin });
        // The browser's own, remembered.
        await context.addInitScript(() => {
            window.notices = [];
            window.Notification = class extends Notification {
                constructor(title, options) {
                    super(title, options);
                    window.notices.push({ title, body: options.body, notice: this });
                }
            };
        });
        const page = await team.window(context, `#/room/${id}`);
        await page.getByLabel('Login').fill('bo');
        await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
        await page.keyboard.press('Enter');
        await inRoom(page, '#alerts');
        assert.equal(await page.evaluate(() => Notification.permission), 'granted');
        const plain = await icon(page);
        assert.match(plain, /\.svg$/);

        await look(page, false);
        await ada.say(id, 'nothing special');
        await eventually(() => page.title(), (title) => title.startsWith('• #alerts'), 'something is unread');
        await eventually(() => icon(page), (href) => href.startsWith('data:image/png'), 'the icon has a dot');
        const dot = await icon(page);
        assert.equal(await page.evaluate(() => window.notices.length), 0, 'no notification of every message');
        await ada.say(id, 'come here @bo');
        await eventually(() => page.title(), (title) => title.startsWith('(1) #alerts'), 'a mention');
        await eventually(() => icon(page), (href) => href.startsWith('data:') && href !== dot, 'of another colour');
        const told = () => page.evaluate(() => window.notices.map(({ title, body }) => [title, body]));
        await eventually(told, (all) => all.length === 1, 'a notification');
        assert.deepEqual(await told(), [['Ada Lovelace in #alerts', 'come here @bo']]);

        // A click on it leads there; looking makes everything plain again.
        await page.evaluate(() => {
            location.hash = '#/';
        });
        await page.evaluate(() => window.notices[0].notice.onclick());
        await look(page, true);
        await sees(page, 'come here @bo');
        await eventually(() => page.title(), (title) => title.startsWith('#alerts'), 'read');
        await eventually(() => icon(page), (href) => href === plain, 'the icon as it was');
        // Whoever looks is told by the page, not by the system.
        const { room: direct } = await ada.call('room.create', { kind: 'direct', users: [bo.id] });
        await ada.say(direct.id, 'psst');
        await page.locator('.toast', { hasText: 'psst' }).waitFor();
        assert.equal((await told()).length, 1);
    });
});
