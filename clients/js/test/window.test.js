import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Window } from '../src/window.js';

const message = (seq, ver = seq, text = `${seq}.${ver}`) => ({ seq, ver, text });
const windowOf = (from, to, max = 10) => {
    const window = new Window((one, old) => ({ ...one, key: old?.key ?? `k${one.seq}.${one.ver}` }), max);
    window.replaceAll(Array.from({ length: to - from + 1 }, (_, i) => message(from + i)), from > 1, false);
    return window;
};
const seqs = ({ items }) => items.map(({ seq }) => seq);

test('what is older than what is held changes nothing', () => {
    const window = windowOf(1, 3);
    assert.equal(window.update(message(2, 9)), true);
    assert.equal(window.update(message(2, 8)), true, 'held, though not taken');
    assert.deepEqual([window.get(2).text, window.get(2).key], ['2.9', 'k2.2']);
    window.patch(2, 8, () => ({ pinned: true }));
    assert.equal(window.get(2).pinned, undefined);
    window.patch(2, 10, () => ({ pinned: true }));
    assert.deepEqual([window.get(2).pinned, window.get(2).ver, window.get(2).text], [true, 10, '2.9']);
    assert.equal(window.update(message(7)), false);
});

test('a page joins only where it belongs', () => {
    const window = windowOf(5, 6);
    window.prepend([message(4), message(3), message(5)], 5, true);
    assert.deepEqual(seqs(window), [3, 4, 5, 6]);
    window.prepend([message(1), message(2)], 5, false);
    assert.deepEqual(seqs(window), [3, 4, 5, 6], 'asked for when another was the first');
    window.extend([message(7)], 6, true);
    window.extend([message(9)], 6, true);
    assert.deepEqual(seqs(window), [3, 4, 5, 6, 7]);
    window.append([message(8)], true);
    assert.deepEqual(seqs(window), [3, 4, 5, 6, 7], 'there is more between');
});

test('at most so many: the other end makes room', () => {
    const window = windowOf(11, 18);
    window.prepend([7, 8, 9, 10].map((seq) => message(seq)), 11, true);
    assert.deepEqual([seqs(window)[0], seqs(window).at(-1), window.hasAfter], [7, 16, true]);
    window.extend([17, 18, 19].map((seq) => message(seq)), 16, false);
    assert.deepEqual([seqs(window)[0], seqs(window).at(-1), window.hasBefore, window.hasAfter], [10, 19, true, false]);
    window.append([message(21), message(20)], true);
    assert.deepEqual([seqs(window)[0], seqs(window).at(-1)], [12, 21]);
    window.append([message(22)], false);
    assert.deepEqual([seqs(window)[0], seqs(window).at(-1), window.hasAfter], [12, 21, true]);
});
