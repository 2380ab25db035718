// parley chat in a real terminal against a real daemon: as somebody who lives at the shell would use it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Crew } from './lib/crew.mjs';
import { BIN } from './lib/parleyd.mjs';
import { Terminal } from './lib/terminal.mjs';

const PARLEY = path.join(BIN, 'parley');

describe('parley chat', () => {
    let team, home;

    const environment = (name) => ({ PARLEY_URL: team.server.websocket, XDG_CONFIG_HOME: path.join(home, name), TZ: 'UTC', EDITOR: '' });
    const run = (name, args, input = '') =>
        spawnSync(PARLEY, ['chat', ...args], { input, encoding: 'utf8', env: { ...process.env, ...environment(name) } });

    async function open(name, options = {}) {
        const terminal = await Terminal.start([PARLEY, 'chat'], { ...options, env: { ...environment(name), ...options.env } });
        await terminal.until((screen) => /^ [A-Za-z]/.test(screen) && /^>/m.test(screen), 'no room is shown');
        return terminal;
    }

    before(async () => {
        home = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-home-'));
        team = await Crew.start({ people: ['anna', 'ben', 'cleo'], rooms: { kitchen: ['anna', 'ben', 'cleo'], garden: ['anna', 'ben'] } });
        for (const name of ['anna', 'ben']) {
            const done = run(name, ['login'], `${name}\n${team.password(name)}\n`);
            assert.equal(done.status, 0, done.stderr);
        }
    });
    after(async () => {
        await Terminal.stopAll();
        fs.rmSync(home, { recursive: true, force: true });
        await team?.stop();
    });

    test('the token is kept where only its owner reads it, and a wrong password is no token', () => {
        const file = path.join(home, 'anna', 'parley', 'logins');
        assert.equal(fs.statSync(file).mode & 0o777, 0o600);
        const wrong = run('nobody', ['login'], 'anna\nwrong wrong\n');
        assert.equal(wrong.status, 77, wrong.stderr);
        assert.ok(!fs.existsSync(path.join(home, 'nobody', 'parley', 'logins')));
        assert.equal(run('nobody', ['rooms']).status, 77);
    });

    test('whoever breaks off at the password sees again what they type', async () => {
        const nobody = await Terminal.start([PARLEY, 'chat', 'login'], { env: environment('nobody') });
        await nobody.shows('Login:');
        nobody.type('anna');
        nobody.key('Enter');
        await nobody.shows('Password:');
        nobody.type('half of a secret');
        nobody.key('C-c');
        await nobody.shows('ended with 130');
        nobody.type('seen again');
        const screen = await nobody.shows('seen again');
        assert.ok(!screen.includes('secret'), screen);
        await nobody.stop();
    });

    test('a pipe says something, and reads', () => {
        const sent = run('anna', ['send', 'kitchen'], 'hi from a pipe\nsecond line\n');
        assert.equal(sent.status, 0, sent.stderr);
        const words = run('anna', ['send', 'kitchen', 'said', 'by', 'arguments']);
        assert.equal(words.status, 0, words.stderr);

        const read = run('ben', ['read', 'kitchen']);
        assert.match(read.stdout, /: hi from a pipe\n {2}second line\n/);
        assert.match(read.stdout, /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*: said by arguments\n/);
        assert.match(run('ben', ['rooms']).stdout, /\tpublic\t\d+\tkitchen\n/);

        assert.equal(run('anna', ['send', 'kitchen'], '').status, 65);
        assert.equal(run('anna', ['send', 'nowhere'], 'x').status, 68);
        assert.equal(run('anna', ['send', 'kitchen'], Buffer.from([0xff, 0xfe])).status, 65);
        assert.equal(run('anna', ['send', 'kitchen'], 'x'.repeat(16 * 1024 + 1)).status, 65);
        assert.equal(run('anna', ['dance']).status, 64);
    });

    test('what others wrote is not obeyed by a terminal, nor does it look like a line of somebody else', () => {
        assert.equal(run('anna', ['send', 'garden'], 'a\u009b2J\rb\n2026-01-01 10:00:00 Ben: I quit').status, 0);
        const { stdout } = run('ben', ['read', 'garden']);
        assert.match(stdout, /: a\ufffd2J\ufffdb\n {2}2026-01-01 10:00:00 Ben: I quit\n/);
    });

    test('two people talk: text, wide characters, edits, reactions, a deletion', async () => {
        const anna = await open('anna'), ben = await open('ben');
        for (const t of [anna, ben]) {
            t.type('/join kitchen');
            t.key('Enter');
            await t.shows('said by arguments');
        }
        anna.type('hello ben, 你好 👋');
        anna.key('Enter');
        await ben.shows('hello ben, 你好');
        await anna.hides('sending');

        ben.type('hi @an');
        ben.key('Tab');
        await ben.shows('hi @anna');
        ben.type('!');
        ben.key('Enter');
        await anna.shows('hi @anna !');

        anna.type('/edit s/hello/good day/');
        anna.key('Enter');
        await ben.shows('good day ben');
        await ben.shows('(edited)');

        ben.type('/react 🎉');
        ben.key('Enter');
        await anna.shows('🎉 1');

        anna.type('/reply that was quick');
        anna.key('Enter');
        await ben.shows('that was quick');
        await ben.shows('> Ben: hi @anna !');

        anna.type('/delete');
        anna.key('Enter');
        await ben.hides('that was quick');
        await ben.shows('deleted');
        await anna.stop();
        await ben.stop();
    });

    test('what is pasted is a text: its lines are not sent, nor obeyed, one by one', async () => {
        const ben = await open('ben');
        ben.type('/join garden');
        ben.key('Enter');
        await ben.shows('I quit');
        ben.paste('first of a paste\n/quit\n\x1b[Alast of it');
        await ben.shows('first of a paste↵/quit↵');
        await ben.shows('last of it');
        ben.key('Enter');
        await ben.hides('sending');
        assert.match(run('anna', ['read', 'garden']).stdout, /: first of a paste\n {2}\/quit\n.*last of it\n/);
        await ben.stop();
    });

    test('what is unread stands in the status bar, Alt-A goes there, a line shows where the new begins', async () => {
        const ben = await open('ben');
        ben.type('/join kitchen');
        ben.key('Enter');
        await ben.until((screen) => screen.split('\n')[0].includes('kitchen'), 'kitchen is not shown');
        for (const text of ['seeds are here', '@ben water them']) assert.equal(run('anna', ['send', 'garden', text]).status, 0);
        await ben.shows('garden(2!)');

        ben.key('M-a');
        await ben.until((screen) => screen.split('\n')[0].includes('garden'), 'garden is not shown');
        const screen = await ben.shows('@ben water them');
        assert.match(screen, / new [^]*seeds are here/);
        await ben.hides('garden(2!)');

        const anna = await open('anna');
        await anna.shows('kitchen');
        anna.key('M-1');
        await anna.until((s) => s.split('\n')[0].includes('garden'), 'the first room is not shown');
        anna.type('typing');
        await ben.shows('types');
        await ben.stop();
        await anna.stop();
    });

    test('history is read page by page, and what is looked at stays there', async () => {
        await team.say('cleo', 'kitchen', Array.from({ length: 250 }, (_, i) => `line ${i + 1} of many`));
        const ben = await open('ben');
        ben.type('/join kitchen');
        ben.key('Enter');
        await ben.shows('line 250 of many');
        for (let i = 0; i < 40 && !ben.screen().includes('line 90 of many'); i++) {
            ben.key('PPage');
            await new Promise((resolve) => setTimeout(resolve, 30));
        }
        const looked = await ben.shows('line 90 of many');
        await team.say('cleo', 'kitchen', ['one more']);
        await ben.until((screen) => screen.includes('more below'), 'nothing says that there is more');
        assert.equal(looked.split('\n')[5], ben.screen().split('\n')[5]);
        ben.key('End');
        await ben.shows('one more');
        await ben.stop();
    });

    test('what others say is never obeyed by the terminal', async () => {
        const ben = await open('ben');
        ben.type('/join kitchen');
        ben.key('Enter');
        await ben.shows('one more');
        await team.say('cleo', 'kitchen', ['gone \u009b31m \u202e end']);
        const screen = await ben.shows('gone');
        assert.match(screen, /one more/);
        assert.match(screen, /gone \ufffd31m \ufffd end/);
        await ben.stop();
    });

    test('while the server is away the line is kept, and what was said is sent once', async () => {
        const ben = await open('ben');
        ben.type('/join garden');
        ben.key('Enter');
        await ben.shows('@ben water them');
        await team.server.kill();
        await ben.shows('offline');
        ben.type('said meanwhile');
        ben.key('Enter');
        await ben.shows('sending');
        await team.server.restart();
        await ben.hides('sending');
        await ben.hides('offline');
        const read = run('anna', ['read', 'garden']);
        assert.equal(read.stdout.split('said meanwhile').length, 2, read.stdout);
        await ben.stop();
    });

    test('search, members, help and sizes; Ctrl-D ends it', async () => {
        const ben = await open('ben', { columns: 40, rows: 12 });
        ben.type('/search water');
        ben.key('Enter');
        await ben.shows('Found');
        await ben.shows('water them');
        ben.key('Escape');
        await ben.hides('Found');
        ben.type('/search');
        ben.key('Enter');
        await ben.shows('there is nothing further');
        ben.type('/join garden');
        ben.key('Enter');
        ben.type('/who');
        ben.key('Enter');
        await ben.shows('@anna');
        ben.key('Escape'); // what came right behind it would be a key with Alt
        await ben.hides('Members of');
        ben.type('/nonsense');
        ben.key('Enter');
        await ben.shows('there is no /nonsense');
        ben.resize(120, 40);
        await ben.shows('#garden');
        ben.key('F9'); // does nothing
        ben.type('/help');
        ben.key('Enter');
        await ben.shows('/search');
        ben.key('Escape');
        await ben.hides('/search');
        ben.type('half a line');
        ben.key('C-d'); // at its end: nothing to delete
        await ben.shows('half a line');
        ben.key('C-c');
        await ben.hides('half a line');
        ben.key('C-d');
        await ben.shows('ended with 0');
        await ben.stop();
    });
});
