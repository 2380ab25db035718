import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meets } from '../src/logic/position.js';
import { isUnread, neighbourOf, orderedRooms } from '../src/logic/rooms.js';
import { rowsOf } from '../src/logic/rows.js';

const MINUTE = 60_000;
const dayOf = (at) => Math.floor(at / 86_400_000);
const item = (seq, user, minutes, more = {}) => ({
    key: `k${seq}`,
    seq,
    user,
    at: minutes * MINUTE,
    text: `t${seq}`,
    ...more,
});
const drawn = (items, line = null) =>
    rowsOf(items, line, dayOf).map((row) =>
        row.kind === 'message' ? `${row.key}${row.isFirst ? '*' : ''}` : row.kind,
    );

test('messages of one person within five minutes are one run', () => {
    assert.deepEqual(drawn([item(1, 'a', 0), item(2, 'a', 4), item(3, 'a', 10), item(4, 'b', 11)]), [
        'day',
        'k1*',
        'k2',
        'k3*',
        'k4*',
    ]);
});

test('a reply, a stub and another name begin anew', () => {
    assert.deepEqual(
        drawn([
            item(1, 'a', 0),
            item(2, 'a', 1, { reply_to: { seq: 1 } }),
            item(3, 'a', 2, { deleted: true }),
            item(4, 'a', 3, { deleted: true }),
        ]),
        ['day', 'k1*', 'k2*', 'k3*', 'k4'],
    );
    assert.deepEqual(
        drawn([item(1, 'hook', 0, { meta: { name: 'A' } }), item(2, 'hook', 1, { meta: { name: 'B' } })]),
        ['day', 'k1*', 'k2*'],
    );
});

test('days are told apart, and end a run', () => {
    assert.deepEqual(drawn([item(1, 'a', 24 * 60 - 1), item(2, 'a', 24 * 60 + 1)]), ['day', 'k1*', 'day', 'k2*']);
});

test('the unread line stands once, before the first unread message that is there', () => {
    const items = [item(1, 'a', 0), item(2, 'a', 1), item(4, 'a', 2), item(5, 'a', 3)];
    assert.deepEqual(drawn(items, 2), ['day', 'k1*', 'unread', 'k2*', 'k4', 'k5']);
    assert.deepEqual(drawn(items, 3), ['day', 'k1*', 'k2', 'unread', 'k4*', 'k5']);
    assert.deepEqual(drawn(items, 9), ['day', 'k1*', 'k2', 'k4', 'k5']);
    assert.deepEqual(drawn([...items, { key: 'mine', user: 'a', at: 4 * MINUTE, state: 'queued' }], 9), [
        'day',
        'k1*',
        'k2',
        'k4',
        'k5',
        'mine',
    ]);
});

const room = (id, more = {}) => ({
    id,
    title: id,
    kind: 'public',
    unread: 0,
    mentions: 0,
    last_at: 0,
    notify: 'all',
    ...more,
});

test('rooms stand by name, people by who wrote last, archived ones apart', () => {
    const { rooms, direct, archived } = orderedRooms([
        room('zoo'),
        room('Art', { kind: 'private' }),
        room('old', { archived: true }),
        room('p1', { kind: 'direct', last_at: 1 }),
        room('p2', { kind: 'group', last_at: 2 }),
    ]);
    assert.deepEqual(
        [rooms, direct, archived].map((all) => all.map(({ id }) => id)),
        [['Art', 'zoo'], ['p2', 'p1'], ['old']],
    );
});

test('the next room is below, then at the top; or the next with something new', () => {
    const groups = orderedRooms([
        room('a'),
        room('b', { unread: 2 }),
        room('c', { unread: 5, notify: 'none' }),
        room('d', { kind: 'direct', unread_mark: true }),
    ]);
    assert.equal(neighbourOf(groups, 'a', 1), 'b');
    assert.equal(neighbourOf(groups, 'd', 1), 'a');
    assert.equal(neighbourOf(groups, 'a', -1), 'd');
    assert.equal(neighbourOf(groups, 'b', 1, true), 'd', 'not the one that is to be silent');
    assert.equal(neighbourOf(groups, 'elsewhere', 1), 'a');
    assert.equal(neighbourOf(orderedRooms([]), 'a', 1), null);
    assert.equal(isUnread(room('x', { unread: 1, notify: 'none' })), false);
});

test('a page of history meets what was known, or it does not', () => {
    const page = (first, top) => ({
        epoch: 'e',
        offset: top,
        publications: Array.from({ length: top - first + 1 }, (_, i) => ({ offset: first + i })),
    });
    assert.equal(meets({ epoch: 'e', offset: 5 }, page(6, 9)), true);
    assert.equal(meets({ epoch: 'e', offset: 5 }, page(7, 9)), false);
    assert.equal(meets({ epoch: 'e', offset: 9 }, { epoch: 'e', offset: 9, publications: [] }), true);
    assert.equal(meets({ epoch: 'x', offset: 5 }, page(6, 9)), false);
    assert.equal(meets(null, page(6, 9)), false);
});
