// Time that passes when a test says so.
const settled = () => new Promise((resolve) => setImmediate(resolve));

export class VirtualClock {
    constructor(at = 1_000_000) {
        this.at = at;
        this.timers = new Map();
        this.n = 0;
    }

    now() {
        return this.at;
    }

    setTimeout(run, ms) {
        this.timers.set(++this.n, { at: this.at + Math.max(0, ms), n: this.n, run });
        return this.n;
    }

    clearTimeout(timer) {
        this.timers.delete(timer);
    }

    #next(until) {
        let next = null;
        for (const timer of this.timers.values())
            if (timer.at <= until && (!next || timer.at < next.at || (timer.at === next.at && timer.n < next.n))) next = timer;
        return next;
    }

    // Everything that is due within `ms` from now happens, one after another.
    async pass(ms = 0) {
        const until = this.at + ms;
        await settled();
        for (let next; (next = this.#next(until)); ) {
            this.timers.delete(next.n);
            this.at = Math.max(this.at, next.at);
            next.run();
            await settled();
        }
        this.at = until;
    }
}
