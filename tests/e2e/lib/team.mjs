// A team on a daemon with the chat: its people as programs, by the SDK, and at windows of the page.
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { PATIENCE_MS, Visits, eventually } from './page.mjs';

export const PASSWORD = 'correct horse battery';
const SETUP = /#\/setup\/([A-Za-z0-9_-]+)/;
// Tests talk faster than people.
const UNHURRIED = {
    send_rate: 0,
    write_rate: 0,
    read_rate: 0,
    search_rate: 0,
    login_attempts: 1000,
    address_attempts: 1000,
};

async function post(server, where, body) {
    const answer = await fetch(server.url(`/auth/${where}`), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`/auth/${where}: ${answer.status} ${await answer.text()}`);
    return answer.json();
}

export class Member {
    constructor(team, { user, token }, login) {
        Object.assign(this, { team, id: user.id, name: user.name, token, login });
    }

    async call(method, data = {}) {
        if (!this.client) {
            this.client = new Centrifuge(this.team.server.websocket, {
                websocket: WebSocket,
                token: this.token,
                timeout: PATIENCE_MS,
                maxReconnectDelay: 500,
            });
            this.client.connect();
        }
        await this.client.ready(PATIENCE_MS);
        return (await this.client.rpc(method, data)).data;
    }

    async say(room, text, more = {}) {
        return this.call('message.send', { room, text, client_id: `t${++this.team.made}`, ...more });
    }

    disconnect() {
        this.client?.disconnect();
        this.client = null;
    }
}

export class Team extends Visits {
    made = 0;
    members = [];

    // chat, config: into the daemon's configuration.
    static async start({ chat = {}, config = {} } = {}) {
        const visits = await Visits.start({ config: { chat: { enabled: true, ...UNHURRIED, ...chat }, ...config } });
        const team = Object.assign(new Team(), visits);
        team.members = [];
        return team;
    }

    async setupCode() {
        const line = await eventually(
            () => this.server.log.findLast((one) => SETUP.test(one)),
            Boolean,
            'the owner’s link in the log',
        );
        return SETUP.exec(line)[1];
    }

    // The owner, by the link in the log.
    async own(login = 'ada', name = 'Ada Lovelace') {
        const made = await post(this.server, 'setup', {
            code: await this.setupCode(),
            login,
            name,
            password: PASSWORD,
            token: true,
        });
        this.owner = new Member(this, made, login);
        this.members.push(this.owner);
        return this.owner;
    }

    // Somebody who has come by an invitation.
    async invite(login, name, more = {}) {
        const { code } = await this.owner.call('invite.create', more);
        const member = new Member(
            this,
            await post(this.server, 'accept', { code, login, name, password: PASSWORD, token: true }),
            login,
        );
        this.members.push(member);
        return member;
    }

    // A room of these people, the first of whom makes it.
    async room(name, [by, ...others], more = {}) {
        const { room } = await by.call('room.create', {
            kind: 'public',
            name,
            users: others.map(({ id }) => id),
            ...more,
        });
        return room.id;
    }

    // A window of somebody who has signed in by the page, at an address.
    async at(member, hash = '', options = {}) {
        const page = await this.window(await this.browserOf(options), hash);
        await signIn(page, member.login);
        return page;
    }

    async stop() {
        for (const member of this.members) member.disconnect();
        await super.stop();
    }
}

export async function signIn(page, login, password = PASSWORD) {
    await page.getByLabel('Login').fill(login);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: /^Sign in/ }).waitFor({ state: 'detached' });
}

export const composer = (page) => page.getByRole('textbox', { name: /^Message / });
export const rows = (page) => page.locator('.row');
export const row = (page, text) => rows(page).filter({ hasText: text }).first();
export const sees = (page, text) => row(page, text).waitFor();
export const texts = (page) => page.locator('.row .prose, .row .deleted').allInnerTexts();

export async function say(page, text) {
    await composer(page).fill(text);
    await composer(page).press('Enter');
}

// It stands in the room, and nothing waits.
export const sent = (page, text) =>
    page.locator('.row:not(.is-queued, .is-sending, .is-failed, .is-sent)', { hasText: text }).first().waitFor();

export const inRoom = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();

// What the menu of a message offers.
export async function choose(page, text, item) {
    await row(page, text).hover();
    await row(page, text).getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: item }).click();
}

export const scroller = (page) => page.locator('.messages');
export const fromEnd = (page) => scroller(page).evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
// Where a message is in the window: px below the upper edge of the messages.
export const topOf = (page, text) =>
    row(page, text).evaluate(
        (element) => element.getBoundingClientRect().top - element.closest('.messages').getBoundingClientRect().top,
    );

// A team whose room has something of everything: Markdown, a reply, a stub, a reaction, a pin, two directions of writing.
export async function harbour() {
    const team = await Team.start();
    const ada = await team.own();
    const bo = await team.invite('bo', 'Bo Chen');
    const room = await team.room('harbour', [ada, bo], { topic: 'Ships, and those on them' });
    await bo.say(room, 'Good morning. **Power** is back, see https://example.com/status');
    await ada.say(room, 'Thanks @bo!\n\n```\nuptime: 3 d\n```\n\n> quoted\n\n1. one\n2. two', { reply_to: 1 });
    await bo.say(room, 'to be deleted');
    await bo.call('message.delete', { room, seq: 3 });
    await bo.say(room, 'ذهب إلى الميناء');
    await ada.call('reaction.add', { room, seq: 1, emoji: '🎉' });
    await ada.call('pin.add', { room, seq: 1 });
    await team.room('design', [ada, bo]);
    const { room: direct } = await ada.call('room.create', { kind: 'direct', users: [bo.id] });
    await bo.say(direct.id, 'Hello there');
    return { team, ada, bo, room };
}
