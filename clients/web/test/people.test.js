import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
    JOIN_SETTLE_MS,
    LEAVE_SETTLE_MS,
    NAMELESS_SETTLE_MS,
    People,
    RECONNECT_SETTLE_MS,
    helloOf,
    sentenceOf,
} from '../src/logic/people.js';

const ME = 'me-who';
function room(...others) {
    const people = new People();
    people.hello('c-me', { who: ME, name: 'Me' });
    for (const [client, who, name] of others) people.hello(client, { who, name });
    people.present(['c-me', ...others.map(([client]) => client)], 0);
    return people;
}
const names = (people) => people.list(ME).map((person) => person.name);

test('those who are there when we come are not announced', () => {
    const people = room(['c1', 'ada', 'Ada']);
    assert.deepEqual(people.tell(60_000, ME), []);
    assert.deepEqual(names(people), ['Me', 'Ada']);
});

test('a newcomer is announced once, by name', () => {
    const people = room();
    people.joined('c1', 1000);
    people.hello('c1', { who: 'ada', name: 'Ada' });
    assert.deepEqual(people.tell(1000 + JOIN_SETTLE_MS, ME), [{ kind: 'joined', names: ['Ada'] }]);
    assert.deepEqual(people.tell(60_000, ME), []);
});

test('a newcomer who never says a name is a visitor', () => {
    const people = room();
    people.joined('abcd-ef', 1000);
    assert.deepEqual(people.tell(1000 + JOIN_SETTLE_MS, ME), []);
    assert.deepEqual(people.tell(1000 + NAMELESS_SETTLE_MS, ME), [{ kind: 'joined', names: ['Visitor abcd'] }]);
    people.hello('abcd-ef', { who: 'x', name: 'Late' });
    assert.deepEqual(people.tell(60_000, ME), [], 'a name learned later is no second arrival');
    assert.deepEqual(names(people), ['Me', 'Late']);
});

test('a stranger who was there before us gets a name quietly', () => {
    const people = new People();
    people.present(['c-me', 'c1'], 0);
    people.hello('c1', { who: 'ada', name: 'Ada' });
    assert.deepEqual(people.tell(60_000, ME), []);
});

test('a reload is neither a leave nor a join', () => {
    const people = room(['c1', 'ada', 'Ada']);
    people.left('c1', 1000);
    assert.deepEqual(names(people), ['Me']);
    people.joined('c2', 1800);
    people.hello('c2', { who: 'ada', name: 'Ada' });
    for (let now = 1000; now < 30_000; now += 500) assert.deepEqual(people.tell(now, ME), []);
    assert.deepEqual(names(people), ['Me', 'Ada']);
});

test('somebody who leaves is told of after a moment', () => {
    const people = room(['c1', 'ada', 'Ada']);
    people.left('c1', 1000);
    assert.deepEqual(people.tell(1000 + LEAVE_SETTLE_MS - 1, ME), []);
    assert.deepEqual(people.tell(1000 + LEAVE_SETTLE_MS, ME), [{ kind: 'left', names: ['Ada'] }]);
});

test('two windows of one person are one person', () => {
    const people = room(['c1', 'ada', 'Ada'], ['c2', 'ada', 'Ada']);
    assert.deepEqual(names(people), ['Me', 'Ada']);
    people.left('c1', 1000);
    assert.deepEqual(people.tell(60_000, ME), []);
    assert.deepEqual(names(people), ['Me', 'Ada']);
});

test('two people of one name are two', () => {
    assert.deepEqual(names(room(['c1', 'ada', 'Ada'], ['c2', 'other', 'Ada'])), ['Me', 'Ada', 'Ada']);
});

test('after a restart of the server everybody comes back in their own time, unannounced', () => {
    const people = room(['c1', 'ada', 'Ada'], ['c2', 'bo', 'Bo']);
    people.hello('d-me', { who: ME, name: 'Me' });
    people.present(['d-me', 'd1'], 10_000);
    people.hello('d1', { who: 'ada', name: 'Ada' });
    assert.deepEqual(people.tell(11_000, ME), []);
    people.joined('d2', 15_000);
    people.hello('d2', { who: 'bo', name: 'Bo' });
    assert.deepEqual(people.tell(18_000, ME), []);
    assert.deepEqual(people.tell(10_000 + RECONNECT_SETTLE_MS + 1, ME), []);
    assert.deepEqual(names(people), ['Me', 'Ada', 'Bo']);
});

test('whoever does not come back after an outage has left', () => {
    const people = room(['c1', 'ada', 'Ada']);
    people.hello('d-me', { who: ME, name: 'Me' });
    people.present(['d-me'], 10_000);
    assert.deepEqual(people.tell(10_000 + LEAVE_SETTLE_MS, ME), []);
    assert.deepEqual(people.tell(10_000 + RECONNECT_SETTLE_MS, ME), [{ kind: 'left', names: ['Ada'] }]);
});

test('a new name is no arrival', () => {
    const people = room(['c1', 'ada', 'Ada']);
    people.hello('c1', { who: 'ada', name: 'Countess' });
    assert.deepEqual(people.tell(60_000, ME), []);
    assert.deepEqual(names(people), ['Me', 'Countess']);
});

test('a message names its sender, a hello knows better', () => {
    const people = room();
    people.joined('c1', 0);
    people.spoke('c1', 'Ada');
    assert.deepEqual(names(people), ['Me', 'Ada']);
    people.hello('c1', { who: 'ada', name: 'Ada L.' });
    people.spoke('c1', 'Ada');
    assert.deepEqual(names(people), ['Me', 'Ada L.']);
});

test('a hello is taken only in its shape', () => {
    assert.deepEqual(helloOf({ type: 'hello', name: 'Ada', who: 'w', ask: true }), {
        who: 'w',
        name: 'Ada',
        asks: true,
    });
    for (const wrong of [null, 'hello', 7, [], {}, { type: 'hello' }, { type: 'hello', name: 5 }])
        assert.equal(helloOf(wrong), null);
    assert.equal(helloOf({ type: 'hello', name: 'A', who: { a: 1 } }).who, null);
});

test('names make a sentence', () => {
    assert.equal(sentenceOf(['Ada']), 'Ada');
    assert.equal(sentenceOf(['Ada', 'Bo']), 'Ada and Bo');
    assert.equal(sentenceOf(['Ada', 'Bo', 'Cy']), 'Ada, Bo and Cy');
    assert.equal(sentenceOf(['Ada', 'Bo', 'Cy', 'Di', 'Ed']), 'Ada, Bo and 3 others');
});
