// A value that others look at. It is built when somebody looks, so a burst of changes costs one building; listeners are told at
// most once a turn.
export class Observable {
    #value;
    #isStale = false;
    #listeners = new Set();
    #isDue = false;

    constructor(value) {
        this.#value = value;
    }

    get value() {
        if (this.#isStale) {
            this.#isStale = false;
            this.#value = this._next(this.#value);
        }
        return this.#value;
    }

    watch(listener) {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    // For those that extend it: the value that follows `old`; it was said to have changed.
    _next(old) {
        return old;
    }

    _changed() {
        this.#isStale = true;
        if (this.#isDue || !this.#listeners.size) return;
        this.#isDue = true;
        queueMicrotask(() => {
            this.#isDue = false;
            for (const listener of [...this.#listeners]) safely(listener);
        });
    }
}

// Things that happen, told at once.
export class Emitter {
    #listeners = new Map();

    on(type, listener) {
        const listeners = this.#listeners.get(type) ?? new Set();
        this.#listeners.set(type, listeners.add(listener));
        return () => listeners.delete(listener);
    }

    emit(type, event) {
        for (const listener of [...(this.#listeners.get(type) ?? [])]) safely(() => listener(event));
    }
}

// What a listener throws is its own affair: neither the others nor the model stop for it.
function safely(run) {
    try {
        run();
    } catch (error) {
        setTimeout(() => {
            throw error;
        });
    }
}
