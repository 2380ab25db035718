// Axes: round numbers to write beside a line.
export function niceTicks(min, max, about) {
    if (!(max > min)) return [min];
    const rough = (max - min) / Math.max(1, about);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
    const ticks = [];
    for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++)
        ticks.push(i * step === 0 ? 0 : i * step);
    return ticks;
}

const SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30]
    .map((n) => n * SECOND)
    .concat(
        [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
        [1, 2, 3, 6, 12].map((n) => n * HOUR),
        [1, 2, 7, 14, 30].map((n) => n * DAY),
    );

// offset: of local time from UTC in ms, so that hours and days fall on the clock's.
export function timeTicks(from, to, about, offset = 0) {
    const rough = (to - from) / Math.max(1, about);
    const step = STEPS.find((one) => one >= rough) ?? STEPS.at(-1);
    const ticks = [];
    for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) ticks.push(at);
    return { ticks, step };
}

// The range of the values with some air, never empty.
export function paddedRange(values) {
    let min = Infinity,
        max = -Infinity;
    for (const value of values) {
        if (value < min) min = value;
        if (value > max) max = value;
    }
    if (min > max) return [0, 1];
    const air = max > min ? (max - min) * 0.08 : Math.max(Math.abs(max) * 0.05, 0.5);
    const low = min - air,
        high = max + air;
    return [min >= 0 && low < 0 ? 0 : low, min < 0 && max <= 0 && high > 0 ? 0 : high];
}

// As many digits as the value deserves.
export function formatNumber(value, step) {
    if (value === null || value === undefined) return '–';
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e15 || size < 1e-6)) return value.toExponential(3).replace('e+', 'e');
    const digits = step
        ? Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (isRoundStep(step) ? 0 : 1))
        : size >= 1000
          ? 1
          : size >= 1
            ? 2
            : 4;
    return value.toLocaleString('en-GB', { maximumFractionDigits: Math.min(digits, 20) }).replaceAll(',', '\u202f');
}

const isRoundStep = (step) => !/^25/.test(step.toExponential().replace('.', ''));
