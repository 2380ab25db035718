// A team begins and grows at the page: the owner's link, invitations, guests, rooms, who looks after them.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { picture } from './lib/page.mjs';
import { PASSWORD, Team, inRoom, row, say, sees, sent, signIn } from './lib/team.mjs';

describe('a new server', () => {
    let team;
    before(async () => {
        team = await Team.start();
    });
    afterEach(() => team.leave());
    after(() => team?.stop());

    test('is made a team by the link in its log, and everybody else comes by invitation', async () => {
        const context = await team.browserOf();
        const page = await team.window(context, '');
        await page.getByRole('heading', { name: 'Nobody is here yet' }).waitFor();
        await picture(page, 'nobody-light-wide');
        await page.goto(team.server.url(`/#/setup/${await team.setupCode()}`));
        await page.reload();
        await page.getByRole('heading', { name: 'Welcome to Parley' }).waitFor();
        await picture(page, 'setup-light-wide');
        // What is wrong is said beside the field, before the server is asked.
        await page.getByRole('button', { name: 'Create the team' }).click();
        await page.getByText('Your name, as the others will see it.').waitFor();
        await page.getByLabel('Your name').fill('Ada Lovelace');
        await page.getByLabel('Login').fill('ADA');
        await page.getByLabel('Password', { exact: true }).fill('short');
        await page.keyboard.press('Enter');
        await page.locator('.field-error', { hasText: 'At least 8 characters' }).waitFor();
        await picture(page, 'setup-wrong-light-wide');
        await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
        await page.keyboard.press('Enter');

        await page.getByRole('button', { name: 'Add', exact: true }).waitFor();
        await page.getByRole('button', { name: 'Add', exact: true }).click();
        await page.getByRole('menuitem', { name: 'Create a room' }).click();
        await page.getByLabel('Name').fill('Harbour');
        await picture(page, 'create-light-wide');
        await page.getByRole('button', { name: 'Create', exact: true }).click();
        await inRoom(page, '#Harbour');
        await say(page, 'First!');
        await sent(page, 'First!');

        await page.getByRole('button', { name: 'Room menu' }).click();
        await page.getByRole('menuitem', { name: 'Invite by a link' }).click();
        await page.getByLabel('Guests too').check();
        await page.getByRole('button', { name: 'Make a link' }).click();
        const url = await page.getByRole('textbox', { name: 'The link' }).inputValue();
        await picture(page, 'invite-light-wide');
        await page.keyboard.press('Escape');

        const bo = await team.window(await team.browserOf({ dark: true }), `#${url.split('#')[1]}`);
        await bo.getByRole('heading', { name: /^Join/ }).waitFor();
        await bo.getByText('Ada Lovelace invites you to #Harbour.').waitFor();
        await picture(bo, 'accept-dark-wide');
        await bo.getByLabel('Your name').fill('Bo Chen');
        await bo.getByLabel('Login').fill('ada');
        await bo.getByLabel('Password', { exact: true }).fill(PASSWORD);
        await bo.keyboard.press('Enter');
        await bo.getByText('That login is taken.').waitFor();
        await bo.getByLabel('Login').fill('bo');
        await bo.keyboard.press('Enter');
        await inRoom(bo, '#Harbour');
        await sees(bo, 'First!');
        await say(bo, 'Second.');
        await sees(page, 'Second.');

        const gus = await team.window(
            await team.browserOf({ width: 390, height: 844, phone: true }),
            `#${url.split('#')[1]}`,
        );
        await gus.getByRole('button', { name: 'As a guest' }).click();
        await picture(gus, 'guest-light-phone');
        await gus.getByLabel('Your name').fill('Gus');
        await gus.getByRole('button', { name: 'Join as a guest' }).click();
        await inRoom(gus, '#Harbour');
        await say(gus, 'Only looking in.');
        await row(page, 'Only looking in.').getByText('guest').waitFor();
        await gus.getByRole('button', { name: /^Rooms/ }).click();
        assert.equal(await gus.getByRole('button', { name: 'Browse rooms' }).count(), 0, 'guests see their room only');
        await picture(gus, 'guest-menu-light-phone');

        const late = await team.window(await team.browserOf(), '#/invite/nosuchcode');
        await late.getByRole('heading', { name: 'This invitation is over' }).waitFor();
        await picture(late, 'invitation-over-light-wide');
    });
});

describe('a team', () => {
    let team, ada, bo, cy;
    before(async () => {
        team = await Team.start();
        ada = await team.own();
        bo = await team.invite('bo', 'Bo Chen');
        cy = await team.invite('cy', 'Cyrus Vance');
    });
    afterEach(() => team.leave());
    after(() => team?.stop());

    test('signs in, with the same words for what is wrong, and out again', async () => {
        const page = await team.window(await team.browserOf(), '');
        await page.getByRole('heading', { name: /^Sign in/ }).waitFor();
        await page.getByLabel('Login').fill('bo');
        await page.getByLabel('Password', { exact: true }).fill('not it at all');
        await page.keyboard.press('Enter');
        await page.getByText('That login and password do not belong together.').waitFor();
        await picture(page, 'signin-wrong-light-wide');
        await signIn(page, 'bo');
        await page.getByRole('button', { name: /Settings of Bo Chen/ }).waitFor();
        await page.reload();
        await page.getByRole('button', { name: /Settings of Bo Chen/ }).waitFor();
        await page.getByRole('button', { name: 'More', exact: true }).click();
        await page.getByRole('menuitem', { name: 'Sign out' }).click();
        await page.getByText('You are signed out.').waitFor();
        // Somebody else at the same window finds nothing of who was there before.
        await signIn(page, 'cy');
        await page.getByRole('button', { name: /Settings of Cyrus Vance/ }).waitFor();
        assert.equal(await page.getByRole('button', { name: /Settings of Bo Chen/ }).count(), 0);
        await page.getByRole('button', { name: 'More', exact: true }).click();
        await page.getByRole('menuitem', { name: 'Sign out' }).click();
        await page.getByText('You are signed out.').waitFor();
        await page.reload();
        await page.getByRole('heading', { name: /^Sign in/ }).waitFor();
    });

    test('finds rooms, looks into them, joins and leaves', async () => {
        const id = await team.room('garden', [ada], { topic: 'What grows' });
        await ada.say(id, 'Tomatoes!');
        const page = await team.at(bo, '');
        await page.getByRole('button', { name: 'Browse rooms' }).first().click();
        await page.getByRole('option', { name: /garden/ }).waitFor();
        await picture(page, 'browse-light-wide');
        await page.getByRole('option', { name: /garden/ }).click();
        await sees(page, 'Tomatoes!');
        await page.getByText('You are looking at #garden.').waitFor();
        await picture(page, 'looking-light-wide');
        await page.getByRole('button', { name: 'Join' }).click();
        await say(page, 'And beans.');
        await sent(page, 'And beans.');
        await page.getByRole('link', { name: /garden/ }).waitFor();
        await page.getByRole('button', { name: 'Room menu' }).click();
        await page.getByRole('menuitem', { name: 'Leave' }).click();
        await page.getByRole('button', { name: 'Leave' }).click();
        await page.getByRole('link', { name: /garden/ }).waitFor({ state: 'detached' });
    });

    test('writes to one person, who is told', async () => {
        const b = await team.at(bo, '');
        const a = await team.at(ada, '');
        await a.getByRole('button', { name: 'Message somebody' }).first().click();
        await a.getByRole('combobox').fill('bo');
        await a.keyboard.press('Enter');
        await picture(a, 'direct-light-wide');
        await a.getByRole('button', { name: 'Open' }).click();
        await inRoom(a, 'Bo Chen');
        await say(a, 'Just between us');
        await b
            .locator('.toast', { hasText: 'Ada Lovelace: Just between us' })
            .getByRole('button', { name: 'Show' })
            .click();
        await sees(b, 'Just between us');
        await picture(b, 'direct-room-light-wide');
    });

    test('is looked after: topic, slow mode, mute, removal, ban', async () => {
        const id = await team.room('rules', [ada, bo, cy]);
        const a = await team.at(ada, `#/room/${id}`);
        const b = await team.at(bo, `#/room/${id}`);
        await inRoom(b, '#rules');
        await a.getByRole('button', { name: 'Room menu' }).click();
        await a.getByRole('menuitem', { name: 'Room settings' }).click();
        await a.getByLabel('Topic').fill('Be kind');
        await a.getByLabel('Slow mode').selectOption('60');
        await picture(a, 'room-settings-light-wide');
        await a.getByRole('button', { name: 'Save' }).click();
        await b.getByText('Be kind').first().waitFor();
        await b.getByText('Slow mode: one message every 60 s.').waitFor();
        await say(b, 'one');
        await sent(b, 'one');
        await say(b, 'two');
        await row(b, 'two')
            .getByText(/Slow mode: it is sent in/)
            .waitFor();
        await row(b, 'two').getByRole('button', { name: 'Discard' }).click();

        await a.getByRole('button', { name: 'With Bo Chen' }).click();
        await a.getByRole('menuitem', { name: 'Mute…' }).click();
        await a.getByLabel('Reason').fill('too loud');
        await picture(a, 'mute-light-wide');
        await a.getByRole('button', { name: 'Mute', exact: true }).click();
        await b.getByText(/^You are muted here until/).waitFor();
        await a.getByText(/^muted until/).waitFor();

        await a.getByRole('button', { name: 'With Bo Chen' }).click();
        await a.getByRole('menuitem', { name: 'Ban…' }).click();
        await a.getByRole('button', { name: 'Ban', exact: true }).click();
        await b.getByText('You were banned from this room.').waitFor();
        await picture(b, 'banned-light-wide');
        await a.getByRole('button', { name: 'Room menu' }).click();
        await a.getByRole('menuitem', { name: 'Banned people' }).click();
        await a.getByRole('button', { name: 'Let back' }).click();
        await a.getByText('Nobody is.').waitFor();
    });

    test('has settings of one’s own', async () => {
        const page = await team.at(cy, '', { dark: true });
        await page.getByRole('button', { name: /Settings of Cyrus Vance/ }).click();
        const dialog = page.getByRole('dialog', { name: 'Settings' });
        await dialog.getByLabel('Name').fill('Cy');
        await dialog.getByRole('button', { name: 'Save the name' }).click();
        await page.getByRole('button', { name: /Settings of Cy(?!rus)/ }).waitFor();
        await dialog.getByLabel('Status', { exact: true }).fill('In the garden');
        await dialog.getByRole('button', { name: 'Set the status' }).click();
        await page.getByText('In the garden').first().waitFor();
        await picture(page, 'settings-dark-wide');
        await dialog.getByRole('tab', { name: 'Password and logins' }).click();
        await dialog.getByText('here', { exact: true }).waitFor();
        await picture(page, 'logins-dark-wide');
        await dialog.getByLabel('Password now').fill('wrong one');
        await dialog.getByLabel('New password').fill('another good one');
        await dialog.getByRole('button', { name: 'Change the password' }).click();
        await dialog.getByText('That is not your password.').waitFor();
        await dialog.getByLabel('Password now').fill(PASSWORD);
        await dialog.getByRole('button', { name: 'Change the password' }).click();
        await page.getByText('The password is changed').waitFor();
        await page.keyboard.press('Escape');
        const again = await team.window(await team.browserOf(), '');
        await signIn(again, 'cy', 'another good one');
        // A login that is ended elsewhere ends here, and says so.
        await again.getByRole('button', { name: /Settings of Cy/ }).click();
        await again.getByRole('tab', { name: 'Password and logins' }).click();
        await again.getByRole('button', { name: 'End', exact: true }).first().click();
        await page.getByText('You were signed out. Sign in again.').waitFor();
    });

    test('is administered', async () => {
        const page = await team.at(ada, '#/admin');
        const bos = page.getByRole('row', { name: /Bo Chen/ });
        await bos.waitFor();
        await picture(page, 'admin-users-light-wide');
        await bos.getByRole('button').click();
        await page.getByRole('menuitem', { name: 'Make admin' }).click();
        await bos.getByText('admin', { exact: true }).waitFor();
        await page.getByRole('tab', { name: 'Settings' }).click();
        await page.getByLabel('Name of the team').fill('The Harbour');
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('Saved.').waitFor();
        await picture(page, 'admin-settings-light-wide');
        await page.getByRole('tab', { name: 'Log' }).click();
        await page.getByRole('row').nth(1).waitFor();
        await picture(page, 'admin-log-light-wide');
        await page.getByRole('tab', { name: 'Figures' }).click();
        await page.getByText('Messages', { exact: true }).waitFor();
        await picture(page, 'admin-figures-light-wide');
        const other = await team.window(await team.browserOf(), '');
        await other.getByRole('heading', { name: 'Sign in to The Harbour' }).waitFor();
        const cys = await team.at(await team.invite('dee', 'Dee'), '#/admin');
        await cys.getByText('Only owners and admins may look after the team.').waitFor();
    });

    test('is told by a program, by a webhook', async () => {
        const id = await team.room('builds', [ada]);
        const page = await team.at(ada, '#/admin/webhooks');
        await page.getByLabel('Room', { exact: true }).selectOption({ label: '#builds' });
        await page.getByLabel('Name', { exact: true }).fill('Builds');
        await page.getByRole('button', { name: 'Create the webhook' }).click();
        const url = await page.getByRole('textbox', { name: 'Secret' }).inputValue();
        await picture(page, 'admin-webhooks-light-wide');
        const answer = await fetch(url, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ text: 'Build 1 passed' }),
        });
        assert.ok(answer.ok, String(answer.status));
        await page.goto(team.server.url(`/#/room/${id}`));
        await row(page, 'Build 1 passed').getByText('bot').waitFor();
    });
});
