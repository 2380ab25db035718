const TOLD_EVERY_MS = 3000;
const IDLE_MS = 5000; // no key for so long: it is over
const HEARD_FOR_MS = 6000;

// Who types here, told to the others.
export class OwnTyping {
    constructor({ call, clock, isOnline }) {
        Object.assign(this, { call, clock, isOnline });
        this.toldAt = null;
    }

    typed() {
        const now = this.clock.now();
        this.clock.clearTimeout(this.timer);
        this.timer = this.clock.setTimeout(() => this.stopped(), IDLE_MS);
        if (!this.isOnline() || (this.toldAt !== null && now - this.toldAt < TOLD_EVERY_MS)) return;
        this.toldAt = now;
        this.call('typing.start', {}).catch(() => {}); // it does not matter enough
    }

    stopped() {
        if (this.toldAt !== null && this.isOnline()) this.call('typing.stop', {}).catch(() => {});
        this.ended();
    }

    // By a message: that says it.
    ended() {
        this.clock.clearTimeout(this.timer);
        this.toldAt = null;
    }
}

// Who of the others types.
export class OthersTyping {
    #timers = new Map(); // user -> timer

    constructor(clock, changed) {
        this.clock = clock;
        this.changed = changed;
        this.users = [];
    }

    started(user) {
        this.clock.clearTimeout(this.#timers.get(user));
        this.#timers.set(user, this.clock.setTimeout(() => this.stopped(user), HEARD_FOR_MS));
        if (!this.users.includes(user)) this.#set([...this.users, user]);
    }

    stopped(user) {
        if (!this.#timers.has(user)) return;
        this.clock.clearTimeout(this.#timers.get(user));
        this.#timers.delete(user);
        this.#set(this.users.filter((one) => one !== user));
    }

    clear() {
        for (const user of [...this.users]) this.stopped(user);
    }

    #set(users) {
        this.users = users;
        this.changed();
    }
}
