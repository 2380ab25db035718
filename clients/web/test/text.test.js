import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { cleanName, hueOf, randomId, strangerName } from '../src/logic/identity.js';
import { messageOf } from '../src/logic/message.js';
import { channelOf, hashOf, nameOf, routeOf, websocketUrl } from '../src/logic/route.js';
import { isEmojiOnly, partsOf } from '../src/logic/text.js';

globalThis.crypto ??= webcrypto; // not a global yet in Node.js 18

const links = (text) =>
    partsOf(text)
        .filter((part) => part.href)
        .map((part) => part.href);

test('links are found, and the sentence around them is not part of them', () => {
    assert.deepEqual(links('see https://example.com/a?b=c#d.'), ['https://example.com/a?b=c#d']);
    assert.deepEqual(links('(https://example.com/x_(y))'), ['https://example.com/x_(y)']);
    assert.deepEqual(links('HTTP://EXAMPLE.com, and http://b.example!'), ['HTTP://EXAMPLE.com', 'http://b.example']);
    assert.equal(
        partsOf('a https://b.example c')
            .map((part) => part.text)
            .join(''),
        'a https://b.example c',
    );
});

test('only links to the web are links', () => {
    for (const text of [
        'javascript:alert(1)',
        'data:text/html,x',
        'https://',
        'nothttps://a.example',
        '<a href="x">',
    ]) {
        assert.deepEqual(links(text), [], text);
        assert.equal(
            partsOf(text)
                .map((part) => part.text)
                .join(''),
            text,
        );
    }
});

test('a few emoji alone are large', () => {
    for (const text of ['👍', '👍🏽 🎉', '👨‍👩‍👧', '❤️']) assert.equal(isEmojiOnly(text), true, text);
    for (const text of ['ok 👍', '👍 👍 👍 👍', '1', '']) assert.equal(isEmojiOnly(text), false, text);
});

test('a publication of any shape becomes a message', () => {
    assert.deepEqual(messageOf({ id: 'x', name: ' Ada ', text: 'hi', at: 1.7e12 }), {
        id: 'x',
        name: 'Ada',
        text: 'hi',
        at: 1.7e12,
        isRaw: false,
    });
    assert.equal(messageOf('plain').text, 'plain');
    assert.equal(messageOf(42).text, '42');
    assert.equal(messageOf(null).text, 'null');
    assert.equal(messageOf({ a: [1] }).text, '{"a":[1]}');
    assert.equal(messageOf({ text: 5 }).text, '{"text":5}');
    const odd = messageOf({ text: 'x', id: 7, name: { first: 'A' }, at: 'yesterday' });
    assert.deepEqual([odd.id, odd.name, odd.at], [null, '', null]);
    assert.ok(messageOf({ text: 'y'.repeat(100_000) }).text.length <= 20_000);
});

test('names are one visible line', () => {
    assert.equal(cleanName('  Ada \n Lovelace '), 'Ada Lovelace');
    assert.equal(cleanName('A\u202eda\u200b\u0007'), 'Ada');
    assert.equal(cleanName('👨‍👩‍👧'), '👨‍👩‍👧');
    assert.equal([...cleanName('é'.repeat(99))].length, 32);
    for (const none of [undefined, null, '', ' \n ', '\u200d', {}, 7]) assert.equal(cleanName(none), '');
    assert.equal(strangerName('0123456789'), 'Visitor 0123');
});

test('ids are random, hues are not', () => {
    assert.match(randomId(), /^[0-9a-f]{32}$/);
    assert.notEqual(randomId(), randomId());
    assert.equal(hueOf('Ada', 8), hueOf('Ada', 8));
    assert.ok(new Set(['Ada', 'Bo', 'Cy', 'Di', 'Ed', 'Fay', 'Gus'].map((name) => hueOf(name, 8))).size > 2);
});

test('the address is the channel', () => {
    assert.deepEqual(routeOf('#chat:lobby'), { view: 'chat', name: 'lobby' });
    assert.deepEqual(routeOf('#feed:cpu.load'), { view: 'feed', name: 'cpu.load' });
    assert.deepEqual(routeOf('#/feed/cpu'), { view: 'feed', name: 'cpu' });
    assert.deepEqual(routeOf('#team'), { view: 'chat', name: 'team' });
    assert.deepEqual(routeOf('#chat%3Ateam'), { view: 'chat', name: 'team' });
    for (const hash of ['', '#', '#chat:', '#%', '#:::', '#chat:<>'])
        assert.deepEqual(routeOf(hash), { view: 'chat', name: 'lobby' }, hash);
    assert.equal(hashOf(routeOf('#feed:a')), '#feed:a');
    assert.equal(channelOf({ view: 'chat', name: 'x' }), 'chat:x');
});

test('what people type becomes a channel name', () => {
    assert.equal(nameOf(' Team Room! '), 'team-room');
    assert.equal(nameOf('Köln'), 'koln');
    assert.equal(nameOf('a:b#c'), 'a-b-c');
    assert.equal(nameOf('日本'), '');
    assert.equal(nameOf('x'.repeat(300)).length, 64);
});

test('the socket is beside the page', () => {
    assert.equal(websocketUrl('http://127.0.0.1:8000/#chat:x'), 'ws://127.0.0.1:8000/connection/websocket');
    assert.equal(websocketUrl('https://example.com/parley/?q=1'), 'wss://example.com/parley/connection/websocket');
});
