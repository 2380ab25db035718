// The part of a room's messages that is held: ascending by seq and without gaps. No I/O, no time. Items are immutable: a change
// puts another object in the place.
export class Window {
    // itemOf(message, old): what is held for a message; old: what is held now, or null.
    constructor(itemOf, max) {
        this.itemOf = itemOf;
        this.max = max;
        this.clear();
    }

    clear() {
        this.items = [];
        this.hasBefore = this.hasAfter = false;
    }

    get first() {
        return this.items[0]?.seq ?? 0;
    }

    get last() {
        return this.items.at(-1)?.seq ?? 0;
    }

    // Where it is; where it would be, as -1 - place.
    #place(seq) {
        let low = 0;
        let high = this.items.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.items[middle].seq < seq) low = middle + 1;
            else high = middle;
        }
        return this.items[low]?.seq === seq ? low : -1 - low;
    }

    get(seq) {
        return this.items[this.#place(seq)] ?? null;
    }

    replaceAll(messages, hasBefore, hasAfter) {
        const old = new Map(this.items.map((item) => [item.seq, item]));
        this.items = sorted(messages).map((message) => this.itemOf(message, old.get(message.seq) ?? null));
        this.hasBefore = hasBefore;
        this.hasAfter = hasAfter;
    }

    // A message that is held becomes what is said, if that is newer. Whether it is held.
    update(message) {
        const place = this.#place(message.seq);
        if (place < 0) return false;
        const old = this.items[place];
        if (message.ver > old.ver) this.items[place] = this.itemOf(message, old);
        return true;
    }

    // A part of a message that is held changes, at `ver`.
    patch(seq, ver, change) {
        const place = this.#place(seq);
        if (place < 0 || ver <= this.items[place].ver) return;
        this.items[place] = { ...this.items[place], ...change(this.items[place]), ver };
    }

    // What is newer than all that is held, where the end is held. isFollowing: the oldest make room; else the newest do.
    append(messages, isFollowing) {
        if (this.hasAfter) return;
        const last = this.last;
        for (const message of sorted(messages))
            if (message.seq > last) this.items.push(this.itemOf(message, null));
        if (isFollowing) this.#dropFirst();
        else this.#dropLast();
    }

    // A page that ends before the first, asked for when `first` was the first.
    prepend(messages, first, hasBefore) {
        if (this.first !== first) return;
        const older = sorted(messages).filter((message) => message.seq < first);
        this.items = [...older.map((message) => this.itemOf(message, null)), ...this.items];
        this.hasBefore = hasBefore;
        this.#dropLast();
    }

    extend(messages, last, hasAfter) {
        if (this.last !== last) return;
        for (const message of sorted(messages))
            if (message.seq > last) this.items.push(this.itemOf(message, null));
        this.hasAfter = hasAfter;
        this.#dropFirst();
    }

    #dropFirst() {
        const over = this.items.length - this.max;
        if (over <= 0) return;
        this.items.splice(0, over);
        this.hasBefore = true;
    }

    #dropLast() {
        if (this.items.length <= this.max) return;
        this.items.length = this.max;
        this.hasAfter = true;
    }
}

const sorted = (messages) => [...messages].sort((a, b) => a.seq - b.seq);
