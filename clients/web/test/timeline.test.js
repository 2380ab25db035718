import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as lines from '../src/logic/timeline.js';

const message = (offset, more = {}) => ({
    id: `id${offset}`,
    name: 'Ada',
    text: `text ${offset}`,
    at: offset * 1000,
    client: 'c1',
    offset,
    ...more,
});
const order = (timeline) => timeline.items.map((item) => (item.kind === 'message' ? item.offset : item.kind));
const began = () => lines.atEpoch(lines.emptyTimeline(), 'e1');
const day = (at) => new Date(at).toISOString().slice(0, 10);

test('live messages and history meet in stream order, each once', () => {
    let timeline = lines.withMessages(began(), [message(5), message(6)]);
    timeline = lines.withMessages(timeline, [message(6), message(4), message(3), message(5)]);
    assert.deepEqual(order(timeline), [3, 4, 5, 6]);
});

test('nothing new leaves the very same timeline', () => {
    const timeline = lines.withMessages(began(), [message(1)]);
    assert.equal(lines.withMessages(timeline, [message(1)]), timeline);
    assert.equal(lines.atEpoch(timeline, 'e1'), timeline);
});

test('a message that was sent twice stands there once', () => {
    assert.deepEqual(order(lines.withMessages(began(), [message(1, { id: 'same' }), message(2, { id: 'same' })])), [1]);
});

test('messages without an id are told apart by their offset', () => {
    const timeline = lines.withMessages(began(), [
        message(1, { id: null }),
        message(2, { id: null }),
        message(2, { id: null }),
    ]);
    assert.deepEqual(order(timeline), [1, 2]);
});

test('a new epoch comes after the old one, whatever its offsets are', () => {
    let timeline = lines.withMessages(began(), [message(8), message(9)]);
    timeline = lines.withMessages(lines.atEpoch(timeline, 'e2'), [message(1, { id: 'n1' }), message(2, { id: 'n2' })]);
    assert.deepEqual(order(timeline), [8, 9, 1, 2]);
    assert.equal(lines.oldestOffset(timeline), 1);
});

test('a channel that keeps nothing shows messages as they come', () => {
    const timeline = lines.withMessages(began(), [
        message(0, { id: 'a', offset: null }),
        message(0, { id: 'b', offset: null }),
    ]);
    assert.deepEqual(
        timeline.items.map((item) => item.id),
        ['a', 'b'],
    );
});

test('people who come one after another share a line', () => {
    let timeline = lines.withNotice(began(), { kind: 'joined', names: ['Ada'], at: 1000 });
    timeline = lines.withNotice(timeline, { kind: 'joined', names: ['Bo'], at: 5000 });
    assert.equal(timeline.items.length, 1);
    assert.deepEqual(timeline.items[0].names, ['Ada', 'Bo']);
    assert.equal(lines.withNotice(timeline, { kind: 'left', names: ['Bo'], at: 6000 }).items.length, 2);
});

test('a gap stands between what was there and what comes, and only where something was', () => {
    assert.equal(lines.withGap(began(), 1).items.length, 0);
    const timeline = lines.withGap(lines.withMessages(began(), [message(1)]), 2, 'gap');
    assert.deepEqual(order(lines.withMessages(timeline, [message(9), message(8)])), [1, 'gap', 8, 9]);
});

test('a page meets what was known only without a hole and up to the top', () => {
    const known = { epoch: 'e1', offset: 10 };
    const page = (from, to, epoch = 'e1', top = to) => ({
        epoch,
        offset: top,
        publications: Array.from({ length: to - from + 1 }, (_, i) => ({ offset: from + i })),
    });
    assert.equal(lines.meets(known, page(11, 20)), true);
    assert.equal(lines.meets(known, page(5, 20)), true);
    assert.equal(lines.meets(known, page(12, 20)), false, 'number 11 is missing');
    assert.equal(lines.meets(known, page(11, 20, 'e2')), false, 'another epoch');
    assert.equal(lines.meets(known, page(11, 20, 'e1', 21)), false, 'the newest is missing');
    assert.equal(lines.meets(known, { epoch: 'e1', offset: 10, publications: [] }), true, 'nothing came');
    assert.equal(lines.meets(known, { epoch: 'e1', offset: 12, publications: [] }), false, 'what came is gone');
    assert.equal(lines.meets(known, { epoch: 'e1', offset: 3, publications: [] }), false, 'a stream begun anew');
    assert.equal(lines.meets(null, page(1, 2)), false);
});

test('the oldest are forgotten and can be asked for again', () => {
    const timeline = lines.trimmed(
        lines.withMessages(
            began(),
            Array.from({ length: 30 }, (_, i) => message(i + 1)),
        ),
        10,
    );
    assert.equal(timeline.items.length, 10);
    assert.equal(timeline.hasEarlier, true);
    assert.equal(lines.oldestOffset(timeline), 21);
    assert.equal(order(lines.withMessages(timeline, [message(20)]))[0], 20);
});

test('rows: a day line, the line before the first unread, and runs of one person', () => {
    const at = Date.UTC(2026, 0, 5, 12);
    const { items } = lines.withMessages(began(), [
        message(1, { at }),
        message(2, { at: at + 1000 }),
        message(3, { at: at + 2000, name: 'Bo' }),
        message(4, { at: at + 3000, name: 'Bo' }),
        message(5, { at: at + 86_400_000, name: 'Bo' }),
    ]);
    const rows = lines.rowsOf(items, 'id4', day);
    assert.deepEqual(
        rows.map((row) => row.offset ?? row.kind),
        ['day', 1, 2, 3, 'unread', 4, 'day', 5],
    );
    assert.deepEqual(
        rows.filter((row) => row.offset).map((row) => [row.isFirst, row.isLast]),
        [
            [true, false],
            [false, true],
            [true, true],
            [true, true],
            [true, true],
        ],
    );
});

test('rows: ten minutes of silence end a run', () => {
    const { items } = lines.withMessages(began(), [message(1, { at: 1e12 }), message(2, { at: 1e12 + 600_000 })]);
    assert.deepEqual(
        lines
            .rowsOf(items, null, day)
            .filter((row) => row.offset)
            .map((row) => row.isFirst),
        [true, true],
    );
});
