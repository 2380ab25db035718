// The same numbers for the same seed.
export class Random {
    constructor(seed) {
        this.state = seed >>> 0 || 1;
    }

    below(bound) {
        this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
        return Math.floor((this.state / 2 ** 32) * bound);
    }

    chance(percent) {
        return this.below(100) < percent;
    }

    pick(list) {
        return list[this.below(list.length)];
    }
}
