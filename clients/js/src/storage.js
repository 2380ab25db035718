export class MemoryStorage {
    #values = new Map();

    get length() {
        return this.#values.size;
    }

    key(index) {
        return [...this.#values.keys()][index] ?? null;
    }

    getItem(key) {
        return this.#values.get(key) ?? null;
    }

    setItem(key, value) {
        this.#values.set(key, String(value));
    }

    removeItem(key) {
        this.#values.delete(key);
    }
}

// JSON in a storage that may be switched off, full, or written to by other windows. One thing, one key, so that windows do not
// overwrite each other's.
export class Store {
    constructor(storage, prefix) {
        this.storage = storage === undefined ? pageStorage() : (storage ?? new MemoryStorage());
        this.prefix = prefix;
        this.isFailing = false;
    }

    get(key) {
        try {
            return JSON.parse(this.storage.getItem(this.prefix + key));
        } catch {
            return null;
        }
    }

    // Whether it is kept.
    set(key, value) {
        try {
            this.storage.setItem(this.prefix + key, JSON.stringify(value));
            this.isFailing = false;
            return true;
        } catch {
            this.isFailing = true;
            return false;
        }
    }

    remove(key) {
        try {
            this.storage.removeItem(this.prefix + key);
        } catch {
            this.isFailing = true;
        }
    }

    // The ends of the keys that begin so.
    keys(beginning) {
        const whole = this.prefix + beginning;
        const found = [];
        try {
            for (let i = 0; i < this.storage.length; i++) {
                const key = this.storage.key(i);
                if (key?.startsWith(whole)) found.push(key.slice(whole.length));
            }
        } catch {
            this.isFailing = true;
        }
        return found;
    }
}

function pageStorage() {
    try {
        // Node's needs a file to be named, and says so when it is touched.
        if (typeof globalThis.document === 'object' && globalThis.localStorage) return globalThis.localStorage;
    } catch {
        // Switched off.
    }
    return new MemoryStorage();
}
