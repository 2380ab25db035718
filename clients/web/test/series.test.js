import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNumber, niceTicks, paddedRange, timeTicks } from '../src/logic/scale.js';
import * as series from '../src/logic/series.js';

const NOW = Date.UTC(2026, 0, 5, 12);
const began = () => series.feedAtEpoch(series.emptyFeed(), 'e1');
const offsets = (feed) => feed.points.map((point) => point.offset);

test('numbers are found wherever they are', () => {
    const values = (data) => series.readingOf(data).values;
    assert.deepEqual(values(42), { '': 42 });
    assert.deepEqual(values(' -1.5e3 '), { '': -1500 });
    assert.deepEqual(values({ cpu: 12.5, mem: '80', host: 'a', at: NOW, id: 7 }), { cpu: 12.5, mem: 80 });
    assert.deepEqual(values([1, 'x', 3]), { 0: 1, 2: 3 });
    for (const none of [null, true, '', 'x', '0x10', '1 2', 'Infinity', {}, [], { a: { b: 1 } }, { a: null }]) {
        assert.deepEqual(values(none), {}, JSON.stringify(none));
    }
    assert.equal(
        Object.keys(values(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, i])))).length,
        series.SERIES_MAX,
    );
});

test('a time inside the data is taken, in seconds, milliseconds or ISO 8601', () => {
    assert.equal(series.readingOf({ value: 1, at: NOW }).at, NOW);
    assert.equal(series.readingOf({ value: 1, ts: NOW / 1000 }).at, NOW);
    assert.equal(series.readingOf({ value: 1, time: '2026-01-05T12:00:00Z' }).at, NOW);
    for (const at of ['noon', 5, {}, null]) assert.equal(series.readingOf({ value: 1, at }).at, null);
});

test('history and live points meet in order, each once', () => {
    let feed = series.withPublications(began(), [{ offset: 5, data: 5 }], { at: NOW });
    feed = series.withPublications(feed, [
        { offset: 3, data: 3 },
        { offset: 4, data: 4 },
        { offset: 5, data: 5 },
    ]);
    assert.deepEqual(offsets(feed), [3, 4, 5]);
    assert.equal(series.withPublications(feed, [{ offset: 5, data: 5 }]), feed);
    feed = series.withPublications(series.feedAtEpoch(feed, 'e2'), [{ offset: 1, data: 1 }]);
    assert.deepEqual(offsets(feed), [3, 4, 5, 1]);
});

test('what could not be recovered breaks the line', () => {
    let feed = series.withPublications(began(), [{ offset: 1, data: 1 }]);
    feed = series.withPublications(
        feed,
        [
            { offset: 8, data: 8 },
            { offset: 9, data: 9 },
        ],
        { breaks: true },
    );
    assert.deepEqual(
        feed.points.map((point) => point.breaks),
        [false, true, false],
    );
});

test('points are bounded', () => {
    let feed = began();
    for (let i = 0; i < 3; i++) {
        feed = series.withPublications(
            feed,
            Array.from({ length: 4000 }, (_, n) => ({ offset: i * 4000 + n + 1, data: n })),
        );
    }
    assert.equal(feed.points.length, series.POINTS_MAX);
    assert.equal(feed.points.at(-1).offset, 12_000);
});

test('a time axis only where every point in sight has a time', () => {
    const timed = (n, from) =>
        Array.from({ length: n }, (_, i) => ({ offset: i + 1, data: i, at: from + i * 1000, values: { '': i } }));
    const untimed = timed(5, 0).map((point) => ({ ...point, at: null }));
    assert.equal(series.viewOf(timed(10, NOW - 10_000), 60_000, NOW).axis, 'time');
    assert.equal(series.viewOf(untimed, 60_000, NOW).axis, 'steps');
    assert.equal(series.viewOf([...untimed, ...timed(5, NOW - 5000)], 60_000, NOW).axis, 'steps');
    const later = series.viewOf([...untimed, ...timed(100, NOW - 100_000)], 60_000, NOW);
    assert.equal(later.axis, 'time', 'the untimed ones are out of sight');
    assert.equal(later.points.length, 60);
    assert.deepEqual(series.viewOf([], 60_000, NOW).points, []);
});

test('a feed that has only begun fills the chart', () => {
    const view = series.viewOf([{ offset: 1, values: { '': 1 }, at: NOW - 1000 }], 60_000, NOW);
    assert.equal(view.to - view.from, 8000);
});

test('rates and summaries', () => {
    assert.equal(series.rateOf([], NOW), 0);
    let arrivals = [];
    for (let i = 0; i < 2000; i++) arrivals = series.withArrival(arrivals, NOW - 20_000 + i * 10);
    assert.ok(arrivals.length < 40, 'bounded');
    assert.ok(Math.abs(series.rateOf(arrivals, NOW) - 100) < 6, `${series.rateOf(arrivals, NOW)}`);
    assert.equal(series.rateOf(arrivals, NOW + 60_000), 0);
    assert.equal(series.rateOf(series.withArrival([], NOW), NOW), 1);
    const points = [3, 1, undefined, 2].map((value) => ({ values: value === undefined ? {} : { a: value } }));
    assert.deepEqual(series.summaryOf(points, 'a'), { n: 3, mean: 2, min: 1, max: 3, first: 3, last: 2 });
    assert.equal(series.summaryOf(points, 'b'), null);
    assert.deepEqual(series.namesOf([{ values: { b: 1 } }, { values: { a: 1, b: 2 } }]), ['b', 'a']);
});

test('ticks are round and inside', () => {
    assert.deepEqual(niceTicks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
    assert.deepEqual(niceTicks(-1, 1, 4), [-1, -0.5, 0, 0.5, 1]);
    assert.deepEqual(niceTicks(5, 5, 4), [5]);
    for (const [min, max] of [
        [0.001, 0.0034],
        [1e9, 3e9],
        [-7, 12.3],
    ]) {
        const ticks = niceTicks(min, max, 5);
        assert.ok(
            ticks.length >= 2 && ticks.length <= 11 && ticks[0] >= min && ticks.at(-1) <= max * (1 + 1e-9),
            `${min} ${max}: ${ticks}`,
        );
    }
    const { ticks, step } = timeTicks(NOW - 60_000, NOW, 6);
    assert.equal(step, 10_000);
    assert.ok(ticks.every((tick) => tick % 10_000 === 0));
});

test('the range is never empty and keeps to the side of zero the values are on', () => {
    assert.deepEqual(paddedRange([]), [0, 1]);
    for (const values of [[5], [0], [-3, -3], [1, 2, 3]]) {
        const [low, high] = paddedRange(values);
        assert.ok(low < high, `${values}: ${low} ${high}`);
    }
    assert.equal(paddedRange([0.1, 10])[0], 0);
});

test('numbers are written with the digits they deserve', () => {
    assert.equal(formatNumber(21.456), '21.46');
    assert.equal(formatNumber(12345.678), '12\u202f345.7');
    assert.equal(formatNumber(0.00012345), '0.0001');
    assert.equal(formatNumber(null), '–');
    assert.equal(formatNumber(0.25, 0.25), '0.25');
    assert.equal(formatNumber(1e20), '1.000e20');
});
