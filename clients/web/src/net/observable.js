// A value that others look at and are told of when it changes; at most once a turn.
export class Observable {
    #listeners = new Set();
    #isDue = false;

    constructor(value) {
        this.value = value;
    }

    set(change) {
        this.value = { ...this.value, ...change };
        if (this.#isDue) return;
        this.#isDue = true;
        queueMicrotask(() => {
            this.#isDue = false;
            for (const listener of [...this.#listeners]) listener();
        });
    }

    watch(listener) {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }
}
