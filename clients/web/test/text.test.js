import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLength, completed, completionAt, marked, trimmed } from '../src/logic/compose.js';
import { emojiOf, findEmoji } from '../src/logic/emoji.js';
import { explain } from '../src/logic/errors.js';
import { cleanName, hueOf, initialsOf, nameOfAuthor } from '../src/logic/identity.js';
import { bestOf, scoreOf } from '../src/logic/match.js';
import { hashOfFeed, hashOfRoom, nameOf, routeOf, websocketUrl } from '../src/logic/route.js';
import { badge, isEmojiOnly, listOf, plural, sizeOf, typingLine } from '../src/logic/text.js';
import { agoOf, dayName, spanOf } from '../src/logic/time.js';

test('a few emoji alone are large', () => {
    for (const text of ['👍', '👍🏽 🎉', '👨‍👩‍👧', '❤️']) assert.equal(isEmojiOnly(text), true, text);
    for (const text of ['ok 👍', '👍 👍 👍 👍', '1', '']) assert.equal(isEmojiOnly(text), false, text);
});

test('names are one visible line', () => {
    assert.equal(cleanName('  Ada \n Lovelace '), 'Ada Lovelace');
    assert.equal(cleanName('A\u202eda\u200b\u0007'), 'Ada');
    assert.equal(cleanName('👨‍👩‍👧'), '👨‍👩‍👧');
    assert.equal([...cleanName('é'.repeat(99))].length, 64);
    for (const none of [undefined, null, '', ' \n ', '\u200d', {}, 7]) assert.equal(cleanName(none), '');
});

test('a message is of its author, whatever it says itself; of a bot it says for whom', () => {
    const message = { user: 'u1', meta: { name: 'The Owner' } };
    assert.equal(nameOfAuthor(message, undefined), 'Somebody');
    assert.equal(nameOfAuthor(message, { id: 'u1', name: 'Ada' }), 'Ada');
    const bot = { id: 'u1', name: 'Builds', bot: true };
    assert.equal(nameOfAuthor(message, bot), 'The Owner');
    for (const name of [undefined, '', '\u202e', {}, 7]) assert.equal(nameOfAuthor({ meta: { name } }, bot), 'Builds');
    assert.equal(nameOfAuthor({}, bot), 'Builds');
});

test('initials stand for a name of any script', () => {
    assert.equal(initialsOf('Ada Lovelace'), 'AL');
    assert.equal(initialsOf('bo'), 'B');
    assert.equal(initialsOf('Édouard de la Tour'), 'ÉT');
    assert.equal(initialsOf('李 明'), '李明');
    assert.equal(initialsOf('👨‍👩‍👧 family'), '👨‍👩‍👧F');
    assert.equal(initialsOf(''), '?');
    assert.equal(hueOf('u1', 12), hueOf('u1', 12));
    assert.ok(new Set(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => hueOf(id, 12))).size > 2);
});

test('the address says what is shown', () => {
    assert.deepEqual(routeOf(''), { view: 'home' });
    assert.deepEqual(routeOf('#/room/r1'), { view: 'room', room: 'r1', seq: null });
    assert.deepEqual(routeOf('#/room/r1/41'), { view: 'room', room: 'r1', seq: 41 });
    assert.deepEqual(routeOf('#/room/r1/4x'), { view: 'room', room: 'r1', seq: null });
    assert.deepEqual(routeOf('#/setup/AB-12'), { view: 'setup', code: 'AB-12' });
    assert.deepEqual(routeOf('#/invite/x%20y'), { view: 'invite', code: 'x y' });
    assert.deepEqual(routeOf('#/admin'), { view: 'admin', part: 'users' });
    assert.deepEqual(routeOf('#/admin/audit'), { view: 'admin', part: 'audit' });
    assert.deepEqual(routeOf('#feed:cpu.load'), { view: 'feed', name: 'cpu.load' });
    assert.deepEqual(routeOf('#/feed/cpu'), { view: 'feed', name: 'cpu' });
    for (const hash of [
        '#',
        '#/',
        '#/room/',
        '#/room/<b>',
        '#/invite',
        '#%',
        '#chat:lobby',
        '#feed:',
        `#/room/${'x'.repeat(65)}`,
    ])
        assert.deepEqual(routeOf(hash), { view: 'home' }, hash);
    assert.deepEqual(routeOf(hashOfRoom('r', 7)), { view: 'room', room: 'r', seq: 7 });
    assert.deepEqual(routeOf(hashOfFeed('a')), { view: 'feed', name: 'a' });
});

test('what people type becomes a name of a channel', () => {
    assert.equal(nameOf(' Team Room! '), 'team-room');
    assert.equal(nameOf('Köln'), 'koln');
    assert.equal(nameOf('a:b#c'), 'a-b-c');
    assert.equal(nameOf('日本'), '');
    assert.equal(nameOf('x'.repeat(300)).length, 64);
});

test('the socket is beside the page', () => {
    assert.equal(websocketUrl('http://127.0.0.1:8000/#feed:x'), 'ws://127.0.0.1:8000/connection/websocket');
    assert.equal(websocketUrl('https://example.com/parley/?q=1'), 'wss://example.com/parley/connection/websocket');
});

test('a completion begins at the word the caret is behind', () => {
    assert.deepEqual(completionAt('hi @ad', 6), { kind: 'user', query: 'ad', from: 3, to: 6 });
    assert.deepEqual(completionAt('@', 1), { kind: 'user', query: '', from: 0, to: 1 });
    assert.deepEqual(completionAt('(@bo', 4), { kind: 'user', query: 'bo', from: 1, to: 4 });
    assert.deepEqual(completionAt('so :Smi', 7), { kind: 'emoji', query: 'smi', from: 3, to: 7 });
    for (const text of ['me@ad', 'hi @ad ', 'https://a', '12:30', ':a', 'x'])
        assert.equal(completionAt(text, text.length), null, text);
    assert.equal(completionAt('@ada and more', 8), null);
});

test('a completion that is taken leaves one space behind it', () => {
    assert.deepEqual(completed('hi @ad', { from: 3, to: 6 }, '@ada'), ['hi @ada ', 8]);
    assert.deepEqual(completed('hi @ad there', { from: 3, to: 6 }, '@ada'), ['hi @ada there', 8]);
});

test('marks are put around the selection, and taken away again', () => {
    assert.deepEqual(marked('a word', 2, 6, '**'), ['a **word**', 4, 8]);
    assert.deepEqual(marked('a **word**', 4, 8, '**'), ['a word', 2, 6]);
    assert.deepEqual(marked('', 0, 0, '`'), ['``', 1, 1]);
});

test('a message is sent without what surrounds it, but with its indents', () => {
    assert.equal(trimmed('\n \n  code\n'), '  code');
    assert.equal(trimmed(' \n '), '');
    assert.equal(byteLength('é€'), 5);
});

test('names are found by how they begin, then by their words, then by letters in order', () => {
    assert.ok(scoreOf('ada', 'Ada') > scoreOf('ad', 'Ada'));
    assert.ok(scoreOf('love', 'Ada Lovelace') > scoreOf('vel', 'Ada Lovelace'));
    assert.ok(scoreOf('eduard', 'Éduard') === 100);
    assert.equal(scoreOf('xyz', 'Ada'), 0);
    const found = bestOf(['design', 'general', 'generators', 'regen'], 'gen', (name) => [name], 3);
    assert.deepEqual(found, ['general', 'generators', 'regen']);
});

test('emoji are found by name', () => {
    const groups = emojiOf([
        ['Faces', ['😀|grinning|smile happy', '😄|smile|happy joy']],
        ['Objects', ['📎|paperclip|']],
    ]);
    assert.deepEqual(
        findEmoji(groups, 'smile', 5).map(({ emoji }) => emoji),
        ['😄', '😀'],
    );
    assert.deepEqual(findEmoji(groups, 'nothing', 5), []);
    assert.equal(findEmoji(groups, 'paper', 5)[0].name, 'paperclip');
});

test('counts and sizes are short', () => {
    assert.equal(badge(7), '7');
    assert.equal(badge(100), '99+');
    assert.equal(plural(1, 'member'), '1 member');
    assert.equal(plural(0, 'person', 'people'), '0 people');
    assert.deepEqual([0, 999, 1000, 1_234_567, 25 * 1024 * 1024].map(sizeOf), [
        '0 B',
        '999 B',
        '1.0 kB',
        '1.2 MB',
        '26 MB',
    ]);
    assert.equal(listOf(['Ada']), 'Ada');
    assert.equal(listOf(['Ada', 'Bo', 'Cy']), 'Ada, Bo and Cy');
    assert.equal(listOf(['Ada', 'Bo', 'Cy', 'Di']), 'Ada, Bo and 2 more');
    assert.equal(typingLine(['Ada']), 'Ada is writing…');
    assert.equal(typingLine(['Ada', 'Bo']), 'Ada and Bo are writing…');
    assert.equal(typingLine([]), '');
});

test('times are told from now', () => {
    const now = new Date(2026, 5, 15, 12, 0).getTime();
    assert.equal(dayName(now - 3_600_000, now), 'Today');
    assert.equal(dayName(now - 86_400_000, now), 'Yesterday');
    assert.match(dayName(now - 5 * 86_400_000, now), /10/);
    assert.equal(agoOf(now - 30_000, now), 'just now');
    assert.equal(agoOf(now - 120_000, now), '2 min ago');
    assert.equal(agoOf(now - 26 * 3_600_000, now), '1 day ago');
    assert.deepEqual([4200, 90_000, 3 * 3_600_000].map(spanOf), ['5 s', '2 min', '3 h']);
});

test('a refusal is said in words', () => {
    assert.match(explain({ code: 429, word: 'slow_mode', details: { retry_ms: 4200 } }), /slow mode.* 5 s/);
    assert.match(explain({ code: 409, word: 'conflict', details: { field: 'login' } }), /login is taken/);
    assert.match(explain({ code: 1, word: 'offline' }), /did not answer/);
    assert.equal(explain({ code: 999, message: 'odd' }), 'odd');
});
