// A feed's publications as series of numbers. Anything may come: a number, a text that is one, an object or a list
// with some in it, or none at all.

export const POINTS_MAX = 6000;
export const SERIES_MAX = 6;
const SPAN_MIN_MS = 8000;

const NOT_A_MEASURE = /^(?:id|seq|offset|at|ts|t|time|timestamp|date)$/i;
const TIMES = ['at', 'ts', 'time', 'timestamp', 't'];

// {values: {name: number}, at: ms or null}. The only value of a lone number is called ''.
export function readingOf(data) {
    const lone = numberOf(data);
    if (lone !== null) return { values: { '': lone }, at: null };
    if (!data || typeof data !== 'object') return { values: {}, at: null };
    const values = {};
    for (const [name, value] of Object.entries(data)) {
        if (Object.keys(values).length === SERIES_MAX) break;
        if (!Array.isArray(data) && NOT_A_MEASURE.test(name)) continue;
        const number = numberOf(value);
        if (number !== null) values[name.slice(0, 40)] = number;
    }
    return { values, at: Array.isArray(data) ? null : momentOf(data) };
}

function numberOf(value) {
    if (typeof value === 'number') return Number.isFinite(value) ? value : null;
    if (
        typeof value !== 'string' ||
        value.length > 40 ||
        !/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value)
    )
        return null;
    const number = Number(value);
    return Number.isFinite(number) ? number : null;
}

function momentOf(data) {
    for (const name of TIMES) {
        const value = data[name];
        if (typeof value === 'number') {
            const at = timeOf(value) ?? timeOf(value * 1000);
            if (at) return at;
        } else if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) {
            const at = timeOf(Date.parse(value));
            if (at) return at;
        }
    }
    return null;
}

export const emptyFeed = () => ({ points: [], era: 0, epoch: null, heard: 0 });

export function feedAtEpoch(feed, epoch) {
    if (feed.epoch === epoch) return feed;
    return { ...feed, epoch, era: feed.epoch === null ? feed.era : feed.era + 1 };
}

// publications: [{offset, data}]. at: when they arrived, or null if that was before we came; a time inside the data
// wins. breaks: the line is interrupted before the first of them, something may be missing.
export function withPublications(feed, publications, { at = null, breaks = false } = {}) {
    let points = feed.points;
    let fresh = 0;
    for (const { offset, data } of publications) {
        const reading = readingOf(data);
        const point = {
            offset: offset ?? null,
            era: feed.era,
            data,
            values: reading.values,
            at: reading.at ?? at,
            breaks: breaks && fresh === 0,
        };
        let place = points.length;
        if (offset) {
            while (
                place > 0 &&
                (points[place - 1].era > feed.era ||
                    (points[place - 1].era === feed.era && points[place - 1].offset > offset))
            )
                place--;
            const before = points[place - 1];
            if (before && before.era === feed.era && before.offset === offset) continue;
        }
        if (points === feed.points) points = [...points];
        points.splice(place, 0, point);
        fresh++;
    }
    if (!fresh) return feed;
    if (points.length > POINTS_MAX) points = points.slice(-POINTS_MAX);
    return { ...feed, points, heard: feed.heard + fresh };
}

// The names of what the newest points measure, in the order they first came.
export function namesOf(points) {
    const names = new Set();
    for (const point of points) {
        for (const name of Object.keys(point.values)) {
            if (names.size < SERIES_MAX) names.add(name);
        }
    }
    return [...names];
}

// What the chart shows: the last `span` ms if every point in sight has a time, else one step a message, because a
// clock made up for history would be a lie. {axis: 'time' | 'steps', from, to, xs, points}
export function viewOf(points, span, now) {
    const last = points.slice(-POINTS_MAX);
    const timed = last.filter((point) => point.at !== null);
    if (span && timed.length) {
        const to = Math.max(now, timed.at(-1).at);
        const firstTimed = last.indexOf(timed[0]);
        const isWhole = last.slice(firstTimed).every((point) => point.at !== null);
        const reachesBack = timed[0].at <= to - span || firstTimed === 0;
        if (isWhole && reachesBack) {
            const shown = timed.filter((point) => point.at >= to - span);
            // A feed that has only begun fills the chart rather than its right edge.
            const from = Math.max(to - span, Math.min(shown[0]?.at ?? to, to - SPAN_MIN_MS));
            return { axis: 'time', from, to, points: shown, xs: shown.map((point) => point.at) };
        }
    }
    if (!span && timed.length === last.length && last.length > 1) {
        return {
            axis: 'time',
            from: last[0].at,
            to: Math.max(last.at(-1).at, last[0].at + 1000),
            points: last,
            xs: last.map((point) => point.at),
        };
    }
    const shown = span ? last.slice(-stepsFor(span)) : last;
    return { axis: 'steps', from: 0, to: Math.max(1, shown.length - 1), points: shown, xs: shown.map((_, i) => i) };
}

const stepsFor = (span) => Math.max(60, Math.round(span / 1000));

const BUCKET_MS = 500;

// Arrivals are counted in buckets, [[start, n], …], so that a fast feed costs no more than a slow one.
export function withArrival(arrivals, now, kept = 15_000) {
    const start = now - (now % BUCKET_MS);
    const recent = arrivals.filter(([at]) => at > now - kept);
    const last = recent.at(-1);
    return last?.[0] === start ? [...recent.slice(0, -1), [start, last[1] + 1]] : [...recent, [start, 1]];
}

// Publications a second over the last `over` ms; live ones only.
export function rateOf(arrivals, now, over = 10_000) {
    const recent = arrivals.filter(([at]) => at > now - over);
    const count = recent.reduce((sum, [, n]) => sum + n, 0);
    return count ? (count / Math.min(over, Math.max(1000, now - arrivals[0][0]))) * 1000 : 0;
}

export function summaryOf(points, name) {
    let n = 0,
        sum = 0,
        min = Infinity,
        max = -Infinity,
        first = null,
        last = null;
    for (const { values } of points) {
        const value = values[name];
        if (value === undefined) continue;
        n++;
        sum += value;
        if (value < min) min = value;
        if (value > max) max = value;
        first ??= value;
        last = value;
    }
    return n ? { n, mean: sum / n, min, max, first, last } : null;
}

const EARLIEST = Date.UTC(2000, 0);
const LATEST = Date.UTC(2200, 0);

function timeOf(at) {
    return Number.isFinite(at) && at > EARLIEST && at < LATEST ? at : null;
}
