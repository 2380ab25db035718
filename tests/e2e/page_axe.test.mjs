// Every page and state by axe-core, light and dark, wide and on a phone, each with its picture. A check takes two of the four
// looks, which have each colour and each width once; PARLEY_LOOKS=all takes all of them.
import { after, afterEach, before, describe, test } from 'node:test';
import { isSound } from './lib/axe.mjs';
import { Visits, eventually, picture } from './lib/page.mjs';
import { PASSWORD, harbour, composer, row, sees } from './lib/team.mjs';

describe('axe-core', () => {
    let team, ada, bo, room;
    before(async () => {
        ({ team, ada, bo, room } = await harbour());
    });
    afterEach(() => team.leave());
    after(() => team?.stop());

    for (const [how, options] of Object.entries({
        'light-wide': { isQuick: true },
        'dark-wide': { dark: true },
        'light-phone': { width: 390, height: 844, phone: true },
        'dark-phone': { width: 390, height: 844, phone: true, dark: true, isQuick: true },
    })) {
        if (!options.isQuick && process.env.PARLEY_LOOKS !== 'all') continue;
        test(`axe-core finds nothing: ${how}`, async () => {
            const isPhone = options.phone;
            const page = await team.window(await team.browserOf(options), '');
            await page.getByLabel('Login').waitFor();
            await isSound(page, 'sign in');
            await picture(page, `signin-${how}`);
            await page.getByLabel('Login').fill('ada');
            await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
            await page.keyboard.press('Enter');
            await page.getByRole('heading', { level: 1, name: /^Sign in/ }).waitFor({ state: 'detached' });
            await page.goto(team.server.url(`/#/room/${room}`));
            await sees(page, 'Good morning');
            await isSound(page, 'a room');
            await picture(page, `harbour-${how}`);
            if (!isPhone) await row(page, 'Good morning').hover();
            else await row(page, 'Good morning').tap();
            await row(page, 'Good morning').getByRole('toolbar').waitFor();
            await isSound(page, 'a message with its tools');
            await row(page, 'Good morning').getByRole('button', { name: 'More actions' }).click();
            await page.getByRole('menu').waitFor();
            await isSound(page, 'a menu');
            await picture(page, `menu-${how}`);
            await page.keyboard.press('Escape');
            await row(page, 'Good morning').getByRole('button', { name: 'React', exact: true }).click();
            await page.locator('.picker .emoji').first().waitFor();
            await isSound(page, 'the picker');
            await picture(page, `picker-${how}`);
            await page.keyboard.press('Escape');
            await composer(page).fill('@b');
            await composer(page).press('End');
            await page.getByRole('listbox', { name: 'Suggestions' }).waitFor();
            await isSound(page, 'completions');
            await composer(page).fill('');
            for (const [button, title] of [
                [/^Search$/, 'Search'],
                [/^Pinned messages/, 'Pinned messages'],
                [/^Members/, 'Members'],
            ]) {
                const panel = page.getByRole(isPhone ? 'dialog' : 'complementary', { name: title });
                if (!(await panel.count())) await page.getByRole('button', { name: button }).click();
                await panel.waitFor();
                if (title === 'Search') {
                    await panel.getByLabel('Search the messages').fill('morning');
                    await panel.locator('.hit').first().waitFor();
                }
                if (title === 'Members') await panel.getByText('Bo Chen').waitFor();
                await isSound(page, title);
                await picture(page, `${title.toLowerCase().replace(' ', '-')}-${how}`);
                if (isPhone) await panel.getByRole('button', { name: 'Close' }).click();
            }
            await page.keyboard.press('Control+k');
            await page.getByRole('combobox').waitFor();
            await isSound(page, 'the switcher');
            await picture(page, `switcher-${how}`);
            await page.keyboard.press('Escape');
            await page.keyboard.press('Control+/');
            await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
            await isSound(page, 'the keys');
            await page.keyboard.press('Escape');

            const side = async () => {
                if (isPhone && !(await page.getByRole('dialog', { name: 'Rooms', exact: true }).count()))
                    await page.getByRole('button', { name: /^Rooms/ }).click();
            };
            await side();
            await isSound(page, 'the rooms');
            await picture(page, `rooms-${how}`);
            for (const [item, title, ready] of [
                ['Create a room', 'Create a room', 'Topic'],
                ['Browse rooms', 'Browse rooms', 'Find a room'],
                ['Invite people', 'Invite people', 'Good for'],
            ]) {
                await side();
                await page.getByRole('button', { name: 'Add', exact: true }).click();
                await page.getByRole('menuitem', { name: item }).click();
                await page.getByRole('dialog', { name: title }).getByLabel(ready).first().waitFor();
                await isSound(page, title);
                await picture(page, `${title.toLowerCase().replaceAll(' ', '-')}-${how}`);
                await page.keyboard.press('Escape');
                await page.getByRole('dialog', { name: title }).waitFor({ state: 'detached' });
            }
            await side();
            await page.getByRole('button', { name: /Settings of/ }).click();
            for (const tab of ['Profile', 'Appearance', 'Notifications', 'Password and logins']) {
                await page.getByRole('tab', { name: tab }).click();
                await isSound(page, `settings: ${tab}`);
                await picture(page, `settings-${tab.split(' ')[0].toLowerCase()}-${how}`);
            }
            await page.keyboard.press('Escape');
            for (const part of ['users', 'settings', 'audit', 'webhooks', 'stats']) {
                await page.goto(team.server.url(`/#/admin/${part}`));
                await page.getByRole('tab', { selected: true }).waitFor();
                await eventually(
                    () => page.locator('.lazy-spinner').count(),
                    (n) => n === 0,
                    'loaded',
                );
                await isSound(page, `admin: ${part}`);
                await picture(page, `admin-${part}-${how}`);
            }
            await page.goto(team.server.url(`/#/room/${room}`));
            await sees(page, 'Good morning');
            await page.getByRole('button', { name: 'Bo Chen', exact: true }).first().click();
            await page.getByRole('dialog', { name: 'Profile' }).getByRole('button', { name: 'Message' }).waitFor();
            await isSound(page, 'a profile');
            await picture(page, `profile-${how}`);
            await page.keyboard.press('Escape');
            await page.getByRole('button', { name: 'Room menu' }).click();
            await page.getByRole('menuitem', { name: 'Leave' }).click();
            await page.getByRole('dialog', { name: /^Leave/ }).getByRole('button', { name: 'Cancel' }).waitFor();
            await isSound(page, 'a question');
            await picture(page, `question-${how}`);
            await page.keyboard.press('Escape');
            await page.goto(team.server.url('/#/room/nosuch'));
            await page.getByRole('heading', { name: 'There is no such room' }).waitFor();
            await isSound(page, 'no such room');
            await picture(page, `no-room-${how}`);
        });
    }
});

describe('the page where there is no chat', () => {
    let visits;
    afterEach(async () => {
        await visits.leave();
        await visits.stop();
    });

    test('it says so, and shows feeds', async () => {
        visits = await Visits.start({
            config: { client: { allow_anonymous_connect_without_token: true, allowed_origins: ['*'] } },
        });
        const page = await visits.window(await visits.browserOf(), '');
        await page.getByRole('heading', { name: 'There is no chat on this server' }).waitFor();
        await isSound(page, 'no chat');
        await picture(page, 'no-chat-light-wide');
        await page.getByRole('link', { name: 'Look at a feed of live data' }).click();
        await page.getByText('This server has no channels named').waitFor();
    });

    test('a server that wants tokens for its feeds: the page says so', async () => {
        visits = await Visits.start({
            config: { client: { allowed_origins: ['*'], token: { hmac_secret_key: 'a secret of the tests' } } },
        });
        const page = await visits.window(await visits.browserOf(), '#feed:demo');
        await page.getByText('This server lets nobody in without a token').waitFor();
        await isSound(page, 'refused');
        await picture(page, 'refused-light-wide');
    });

    test('a server that takes no connection from this address: the page says so', async () => {
        visits = await Visits.start({
            config: {
                client: { allowed_origins: ['https://example.com'], allow_anonymous_connect_without_token: true },
            },
        });
        const page = await visits.window(await visits.browserOf({ dark: true }), '#feed:demo');
        await page.getByText(/is there, but takes no connection from/).waitFor();
        await isSound(page, 'no connection');
        await picture(page, 'refused-origin-dark-wide');
    });
});
