const BATCH_MS = 20;
const BATCH_MAX = 100;

// The users that are known, and how to learn of others.
export class Directory {
    #isShared = false; // the map was given out

    // deps: { call, clock }; changed(): somebody is new or another.
    constructor({ call, clock }, changed) {
        Object.assign(this, { call, clock, changed });
        this.clear();
    }

    clear() {
        this.map = new Map();
        this.wanted = new Set();
        this.asked = new Set(); // once, and then no more
    }

    // A map that will not change.
    get users() {
        this.#isShared = true;
        return this.map;
    }

    put(users) {
        let isNew = false;
        for (const user of users) {
            if (!user?.id || typeof user.name !== 'string') continue;
            if (this.#isShared) {
                this.map = new Map(this.map);
                this.#isShared = false;
            }
            this.map.set(user.id, user);
            isNew = true;
        }
        if (isNew) this.changed();
    }

    want(id) {
        if (!id || this.map.has(id) || this.asked.has(id)) return;
        this.wanted.add(id);
        this.timer ??= this.clock.setTimeout(() => this.#ask(), BATCH_MS);
    }

    async #ask() {
        this.timer = null;
        const ids = [...this.wanted].slice(0, BATCH_MAX);
        for (const id of ids) {
            this.wanted.delete(id);
            this.asked.add(id);
        }
        if (this.wanted.size) this.timer = this.clock.setTimeout(() => this.#ask(), BATCH_MS);
        try {
            const { users } = await this.call('user.get', { ids });
            this.put(users ?? []);
        } catch (error) {
            if (error.temporary) for (const id of ids) this.asked.delete(id); // who looks again asks again
        }
    }
}
