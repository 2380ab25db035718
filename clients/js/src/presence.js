const AGAIN_MS = 60_000; // in case a join or a leave was lost

// Which users have a room open: by connections, of which one may have several.
export class Presence {
    #clients = new Map(); // client -> user

    constructor(clock, changed) {
        this.clock = clock;
        this.changed = changed;
        this.users = [];
    }

    // ask(): [{ user, client }].
    start(ask) {
        this.stop();
        this.ask = ask;
        this.#count();
    }

    stop() {
        this.clock.clearTimeout(this.timer);
        this.ask = null;
        this.#clients.clear();
        this.#update();
    }

    joined(user, client) {
        this.#clients.set(client, user);
        this.#update();
    }

    left(user, client) {
        this.#clients.delete(client);
        this.#update();
    }

    async #count() {
        const { ask } = this;
        try {
            const clients = await ask();
            if (ask !== this.ask) return;
            this.#clients = new Map(clients.map(({ user, client }) => [client, user]));
            this.#update();
        } catch (error) {
            if (ask !== this.ask || !error.temporary) return; // rooms that do not say
        }
        this.timer = this.clock.setTimeout(() => this.#count(), AGAIN_MS);
    }

    #update() {
        const users = [...new Set(this.#clients.values())].sort();
        if (users.length === this.users.length && users.every((user, i) => user === this.users[i])) return;
        this.users = users;
        this.changed();
    }
}
