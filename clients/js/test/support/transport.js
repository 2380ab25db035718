// A line to the fake server: what is sent arrives after a while, in order, or is lost with the line.
import { ChatError } from '../../src/error.js';

let clients = 0;

export class FakeTransport {
    // options: { latency(): ms, thinking(): ms from the moment of which an answer is to its sending, mangle(channel, event): events to deliver instead }.
    constructor(server, clock, user, on, options = {}) {
        Object.assign(this, { server, clock, user, on });
        this.latency = options.latency ?? (() => 10);
        this.thinking = options.thinking ?? (() => 0);
        this.mangle = options.mangle ?? ((channel, event) => [event]);
        this.retryMs = 1000;
        this.isReachable = true;
        this.isWanted = this.isUp = false;
        this.subs = new Map();
        this.downAt = 0; // when what is on its way down has arrived
        this.upAt = 0;
    }

    connect() {
        if (this.isWanted) return;
        this.isWanted = true;
        this.#attempt();
    }

    #attempt() {
        this.clock.clearTimeout(this.timer);
        this.on.connecting();
        this.timer = this.clock.setTimeout(() => (this.isReachable ? this.#up() : this.#failed()), this.latency());
    }

    #failed() {
        this.timer = this.clock.setTimeout(() => this.#attempt(), this.retryMs);
        this.on.offline({ retryAt: this.clock.now() + this.retryMs, error: ChatError.offline() });
    }

    #up() {
        this.line = { calls: new Set() };
        this.downAt = this.upAt = this.clock.now();
        this.isUp = true;
        this.client = `c${++clients}`;
        this.server.links.add(this);
        this.on.connected();
        for (const sub of this.subs.values()) this.#subscribe(sub);
    }

    // The line breaks: what is under way is lost; what the server has done, it has done.
    cut(isReachable = true) {
        this.isReachable = isReachable;
        if (!this.isUp) return;
        this.#down();
        this.#failed();
    }

    #down() {
        const { line } = this;
        this.isUp = false;
        this.line = null;
        this.server.links.delete(this);
        for (const sub of this.subs.values()) {
            sub.isOn = false;
            sub.on.interrupted();
        }
        for (const reject of line?.calls ?? []) reject(new ChatError(11, 'offline', { temporary: true }));
    }

    disconnect(error = null) {
        this.clock.clearTimeout(this.timer);
        this.isWanted = false;
        if (this.isUp) this.#down();
        this.on.offline({ retryAt: null, error });
    }

    retryNow() {
        if (this.isWanted && !this.isUp) this.#attempt();
    }

    proved() {}

    setToken() {}

    // In order, each direction for itself.
    #arrive(direction, run) {
        const { line } = this;
        this[direction] = Math.max(this[direction], this.clock.now() + this.latency());
        this.clock.setTimeout(() => line === this.line && run(), this[direction] - this.clock.now());
    }

    rpc(method, request) {
        if (!this.isUp) return Promise.reject(ChatError.offline());
        const { line } = this;
        return new Promise((resolve, reject) => {
            line.calls.add(reject);
            this.#arrive('upAt', () => {
                let answer;
                try {
                    const result = this.server.ask(this.user, method, request);
                    answer = () => resolve(result);
                } catch (error) {
                    if (!error.code) throw error;
                    answer = () => reject(ChatError.from(error));
                }
                const leave = () =>
                    this.#arrive('downAt', () => {
                        line.calls.delete(reject);
                        answer();
                    });
                const ms = this.thinking();
                if (ms) this.clock.setTimeout(() => line === this.line && leave(), ms);
                else leave();
            });
        });
    }

    subscribe(channel, on) {
        const sub = { channel, on, isOn: false, offset: null };
        this.subs.set(channel, sub);
        if (this.isUp) this.#subscribe(sub);
        return {
            presence: async () => [...this.server.links].filter((link) => link.subs.get(channel)?.isOn).map(({ user, client }) => ({ user, client })),
            end: () => this.subs.get(channel) === sub && this.subs.delete(channel),
        };
    }

    #subscribe(sub) {
        this.#arrive('upAt', () => {
            if (this.subs.get(sub.channel) !== sub) return;
            const room = this.server.rooms.get(sub.channel.slice(5));
            if (!room?.members.has(this.user)) {
                this.#arrive('downAt', () => this.subs.get(sub.channel) === sub && sub.on.refused(new ChatError(103, 'permission denied')));
                return;
            }
            const missed = sub.offset === null ? [] : room.events.filter((event) => event.ver > sub.offset);
            const isRecovered = sub.offset !== null && sub.epoch === this.server.epoch && missed.length <= this.server.kept;
            sub.isOn = true; // what is published from now on follows the answer
            sub.epoch = this.server.epoch;
            const offset = room.ver;
            this.#arrive('downAt', () => {
                if (this.subs.get(sub.channel) !== sub) return;
                if (!isRecovered) sub.offset = offset;
                sub.on.subscribed({ isRecovered });
                if (isRecovered) for (const event of missed) this.#give(sub, structuredClone(event));
            });
        });
    }

    #give(sub, event) {
        if (this.subs.get(sub.channel) !== sub) return;
        if (event.ver) sub.offset = Math.max(sub.offset ?? 0, event.ver);
        sub.on.publication(event);
    }

    published(channel, event) {
        const sub = this.subs.get(channel);
        if (!sub?.isOn) return;
        for (const one of this.mangle(channel, event)) this.#arrive('downAt', () => this.#give(sub, one));
    }

    toldUser(event) {
        for (const one of this.mangle('user', event)) this.#arrive('downAt', () => this.on.publication(`user:#${this.user}`, one));
    }

    expel(channel) {
        const sub = this.subs.get(channel);
        if (!sub) return;
        sub.isOn = false;
        this.#arrive('downAt', () => this.subs.get(channel) === sub && sub.on.refused(new ChatError(2000, 'unsubscribed')));
    }
}
