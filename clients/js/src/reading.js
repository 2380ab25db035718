// How far one room has been read here: said to the server until it has heard it, at most so often.
import { backoff } from './clock.js';
import { ChatError } from './error.js';

const SPACING_MS = 700;
const RETRY = { min: 1000, max: 30_000 };

export class Reading {
    // deps: { call(method, request), clock, isOnline(), now() }; on: { changed(), answered(state, askedAt) }.
    constructor(deps, on) {
        this.deps = deps;
        this.on = on;
        this.target = 0; // what the server has not confirmed
        this.heldTo = 0; // marked unread by hand: nothing up to here is read again by merely being seen
        this.nextAt = 0;
        this.tries = 0;
        this.isAsking = false;
    }

    mark(seq, readSeq) {
        if (seq <= this.heldTo || seq <= readSeq || seq <= this.target) return;
        this.heldTo = 0;
        this.target = seq;
        this.on.changed();
        this.#schedule();
    }

    release() {
        this.heldTo = 0;
    }

    // Everything from seq on is unread.
    async markUnread(seq, lastSeq) {
        this.deps.clock.clearTimeout(this.timer);
        this.target = 0;
        this.heldTo = Math.max(lastSeq, seq);
        this.generation = Symbol();
        this.on.changed();
        const askedAt = this.deps.now();
        this.on.answered(await this.deps.call('read.mark_unread', { seq }), askedAt);
    }

    // The server has it so far.
    confirmed(readSeq) {
        if (this.target && readSeq >= this.target) {
            this.target = 0;
            this.tries = 0;
        }
    }

    // Online again.
    resume() {
        if (!this.target) return;
        this.nextAt = 0;
        this.tries = 0;
        this.#schedule();
    }

    stop() {
        this.deps.clock.clearTimeout(this.timer);
    }

    #schedule() {
        if (this.isAsking || !this.deps.isOnline()) return;
        this.deps.clock.clearTimeout(this.timer);
        const wait = this.nextAt - this.deps.clock.now();
        if (wait <= 0) this.#ask();
        else this.timer = this.deps.clock.setTimeout(() => this.#ask(), wait);
    }

    async #ask() {
        const seq = this.target;
        if (!seq || this.isAsking || !this.deps.isOnline()) return;
        this.isAsking = true;
        this.nextAt = this.deps.clock.now() + SPACING_MS;
        const generation = (this.generation ??= Symbol());
        try {
            const askedAt = this.deps.now();
            const state = await this.deps.call('read.mark', { seq });
            if (generation === this.generation) {
                this.tries = 0;
                this.confirmed(Math.max(seq, state.read_seq ?? 0));
                this.on.answered(state, askedAt);
                this.on.changed();
            }
        } catch (failure) {
            const error = ChatError.from(failure);
            if (generation === this.generation && !error.temporary) {
                this.target = 0; // not a member any more
                this.on.changed();
            } else {
                this.nextAt = this.deps.clock.now() + (error.details.retry_ms ?? backoff(this.tries++, RETRY));
            }
        }
        this.isAsking = false;
        if (this.target) this.#schedule();
    }
}
