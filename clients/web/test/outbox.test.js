import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as outbox from '../src/logic/outbox.js';

const two = () => outbox.queued(outbox.queued([], { id: 'a', text: '1' }), { id: 'b', text: '2' });
const states = (entries) => entries.map((entry) => entry.state);
const FULL_DISK = { code: 100, message: 'internal server error', temporary: true };

test('what was written first is sent first', () => {
    assert.equal(outbox.nextQueued(two()).id, 'a');
    assert.equal(outbox.nextQueued(outbox.sending(two(), 'a')).id, 'b');
});

test('acknowledged, then seen in the stream: gone', () => {
    const entries = outbox.acknowledged(outbox.sending(two(), 'a'), 'a');
    assert.deepEqual(states(entries), ['sent', 'queued']);
    assert.deepEqual(
        outbox.settled(entries, new Set(['a'])).map((entry) => entry.id),
        ['b'],
    );
});

test('seen in the stream before its acknowledgement: gone as well', () => {
    const entries = outbox.settled(outbox.sending(two(), 'a'), new Set(['a']));
    assert.deepEqual(
        outbox.acknowledged(entries, 'a').map((entry) => entry.id),
        ['b'],
    );
});

test('a broken connection leaves unknown what was on its way: it goes out again', () => {
    assert.deepEqual(states(outbox.interrupted(outbox.sending(two(), 'a'))), ['queued', 'queued']);
});

test('no answer is no refusal, however often', () => {
    let entries = two();
    for (let i = 0; i < 50; i++)
        entries = outbox.refused(outbox.sending(entries, 'a'), 'a', { code: 11, message: 'connection closed' });
    assert.equal(entries[0].state, 'queued');
});

test('a passing error is tried again, a bounded number of times', () => {
    let entries = two();
    for (let i = 1; i < outbox.TRIES_MAX; i++) {
        entries = outbox.refused(entries, 'a', FULL_DISK);
        assert.equal(entries[0].state, 'queued');
    }
    entries = outbox.refused(entries, 'a', FULL_DISK);
    assert.equal(entries[0].state, 'failed');
    assert.match(entries[0].error, /could not keep it/);
    assert.equal(outbox.again(entries, 'a')[0].tries, 0);
});

test('a refusal says so at once, and leaves the others alone', () => {
    const entries = outbox.refused(two(), 'a', { code: 103, message: 'permission denied' });
    assert.deepEqual(states(entries), ['failed', 'queued']);
    assert.deepEqual(
        outbox.dropped(entries, 'a').map((entry) => entry.id),
        ['b'],
    );
});
