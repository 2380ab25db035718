export const systemClock = {
    now: () => Date.now(),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
};

// How long to wait before try number `tries` (from 0): longer each time, and not the same for all.
export function backoff(tries, { min, max, random = Math.random }) {
    const ceiling = Math.min(max, min * 2 ** Math.min(tries, 16));
    return Math.round(ceiling / 2 + random() * (ceiling / 2));
}
