// What was sent, acknowledged and seen while a daemon is being hurt, and whether that adds up.
//
// Publishers pipeline and share channels. Each message names its publisher and number, so that the final history can be held
// against the ledger: acknowledged means there, exactly once; unanswered means there at most once; a publisher's messages
// stand in the order it sent them. Subscribers follow over every cut and must see a channel's whole stream, or be told.
import { Wire } from '../e2e/lib/wire.mjs';

const PAUSE_MS = 5; // between two tries to reach a daemon that is down
const END_MS = 30_000, END_TRIES = 4;
const UNRECOVERABLE = 112;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Ledger {
    constructor({ url, channels, publishers, subscribersEach, window, padding = 0, page = 100 }) {
        Object.assign(this, { url, channels, window, padding: 'x'.repeat(padding), page });
        this.stopping = false;
        this.acked = 0;
        this.refused = 0;
        this.errorCodes = new Map();
        this.listeners = new Set();
        this.publishers = Array.from({ length: publishers }, (_, index) => ({ index, next: 0, sent: [] }));
        this.subscribers = channels.flatMap((channel) =>
            Array.from({ length: subscribersEach }, () => ({ channel, streams: [], epochs: [], told: 0, recovered: 0 })));
        this.faults = [];
    }

    start() {
        this.running = [...this.publishers.map((p) => this.#publish(p)), ...this.subscribers.map((s) => this.#follow(s))];
    }

    // Publishers finish what is under way, subscribers catch up with the streams' ends.
    async stop() {
        this.stopping = true;
        this.#changed();
        await Promise.all(this.running.slice(0, this.publishers.length));
        for (let tries = 1; ; tries++) { // a stream that begins anew meanwhile has another end
            const ends = new Map();
            for (const channel of this.channels) {
                const history = await this.history(channel);
                ends.set(channel, { offset: history.at(-1)?.offset ?? 0, epoch: history.epoch });
            }
            try {
                await this.until(() => this.subscribers.every(({ channel, position }) =>
                    position?.epoch === ends.get(channel).epoch && position.offset >= ends.get(channel).offset), END_MS);
                break;
            } catch (error) {
                if (tries === END_TRIES) throw error;
            }
        }
        this.over = true;
        for (const s of this.subscribers) s.wire?.close();
        await Promise.all(this.running);
    }

    // Resolves when the condition holds; looked at after each acknowledgement and each publication seen.
    async until(condition, late_ms = 120_000) {
        if (condition()) return;
        await new Promise((resolve, reject) => {
            const late = setTimeout(() => {
                this.listeners.delete(look);
                reject(new Error('the ledger made no such progress in time'));
            }, late_ms);
            const look = () => {
                if (!condition()) return;
                clearTimeout(late);
                this.listeners.delete(look);
                resolve();
            };
            this.listeners.add(look);
        });
    }

    #changed() { for (const look of this.listeners) look(); }

    async #open(on) {
        for (;;) {
            try {
                const wire = await Wire.open(this.url(), on);
                await wire.connect({});
                return wire;
            } catch {
                if (this.over) return null;
                await pause(PAUSE_MS);
            }
        }
    }

    async #publish(p) {
        while (!this.stopping) {
            const wire = await this.#open({});
            const under = new Set();
            while (!this.stopping && !wire.isClosed) {
                const channel = this.channels[p.next % this.channels.length];
                const message = { n: p.next++, channel, state: 'unknown' };
                p.sent.push(message);
                const settled = wire.call('publish', { channel, data: { p: p.index, n: message.n, x: this.padding } })
                    .then(() => { message.state = 'acked'; this.acked++; },
                        async (error) => {
                            if (!error.code) return; // the connection went: unknown
                            message.state = 'refused';
                            this.refused++;
                            this.errorCodes.set(error.code, (this.errorCodes.get(error.code) ?? 0) + 1);
                            if (!error.temporary) this.faults.push(`a publish was refused for good: ${error.code} ${error.message}`);
                            await pause(PAUSE_MS); // who is told "not now" does not try at once
                        })
                    .finally(() => { under.delete(settled); this.#changed(); });
                under.add(settled);
                if (under.size >= this.window) await Promise.race(under);
            }
            await Promise.all(under);
            wire.close();
        }
    }

    async #follow(s) {
        while (!this.over) {
            const wire = await this.#open({ push: (push) => this.#see(s, push, wire) });
            if (!wire) return;
            s.wire = wire;
            s.early = []; // publications that come before the subscribe reply has been looked at
            try {
                const asked = s.position;
                const result = await wire.call('subscribe', { channel: s.channel,
                    ...(asked && { recover: true, offset: asked.offset, epoch: asked.epoch }) });
                if (asked && !result.recovered) {
                    s.told++;
                    s.streams.push([]);
                    s.epochs.push(result.epoch);
                } else if (!asked) {
                    s.streams.push([]);
                    s.epochs.push(result.epoch);
                } else {
                    s.recovered++;
                }
                const at = asked && result.recovered ? asked.offset : (result.offset ?? 0);
                s.position = { offset: at, epoch: result.epoch };
                for (const publication of result.publications ?? []) this.#note(s, publication);
                for (const publication of s.early) this.#note(s, publication);
                s.early = null;
                this.#changed(); // it may be where it is to be without any
            } catch {
                wire.close();
            }
            await wire.closed;
        }
    }

    #see(s, push, wire) {
        if (push.unsubscribe) return wire.close(); // insufficient state: come back and recover
        if (!push.pub || push.channel !== s.channel) return;
        if (s.early) s.early.push(push.pub);
        else if (wire === s.wire) this.#note(s, push.pub);
    }

    #note(s, publication) {
        if (publication.offset !== s.position.offset + 1)
            this.faults.push(`${s.channel}: a subscriber at ${s.position.offset} was given ${publication.offset}`);
        s.position.offset = publication.offset;
        s.streams.at(-1).push([publication.offset, publication.data.p, publication.data.n]);
        this.#changed();
    }

    // Until the answer is not "not now".
    async #insist(wire, ...what) {
        for (;;) {
            try {
                return await wire.call(...what);
            } catch (error) {
                if (!error.temporary) throw error;
                await pause(PAUSE_MS);
            }
        }
    }

    // With the epoch it is of.
    async history(channel) {
        const wire = await this.#open({});
        let all = [];
        for (let since; ;) {
            let page;
            try {
                page = await this.#insist(wire, 'history', { channel, limit: this.page, ...(since && { since }) });
            } catch (error) {
                if (error.code !== UNRECOVERABLE) throw error;
                all = []; // it began anew between two pages
                since = null;
                continue;
            }
            all.push(...page.publications);
            all.epoch = page.epoch;
            if (!page.publications.length) break;
            since = { offset: all.at(-1).offset, epoch: page.epoch };
        }
        wire.close();
        return all;
    }

    // Every way in which the histories contradict the ledger; empty when all is well. refusedMayReturn: an error did not say
    // that it is not there: the disk failed and the daemon was killed, or the answer of another server was lost. mayLose: the
    // keeper itself may lose what it acknowledged, but then each of the channel's subscribers was told.
    async audit({ refusedMayReturn = false, mayLose = false } = {}) {
        const faults = [...this.faults];
        for (const channel of this.channels) {
            const history = await this.history(channel);
            const seen = new Map();
            const last = new Map();
            history.forEach(({ offset, data }, i) => {
                if (offset !== history[0].offset + i) faults.push(`${channel}: offset ${offset} at place ${i}`);
                const key = `${data.p}/${data.n}`;
                if (seen.has(key)) faults.push(`${channel}: ${key} is there twice`);
                seen.set(key, offset);
                if (last.has(data.p) && last.get(data.p) > data.n)
                    faults.push(`${channel}: publisher ${data.p}: ${data.n} after ${last.get(data.p)}`);
                last.set(data.p, data.n);
            });
            if (history.length && history[0].offset !== 1) faults.push(`${channel}: begins at ${history[0].offset}`);
            let lost = 0;
            for (const p of this.publishers)
                for (const message of p.sent) {
                    if (message.channel !== channel) continue;
                    const there = seen.has(`${p.index}/${message.n}`);
                    if (message.state === 'acked' && !there) {
                        lost++;
                        if (!mayLose) faults.push(`${channel}: ${p.index}/${message.n} was acknowledged and is gone`);
                    }
                    if (message.state === 'refused' && there && !refusedMayReturn) faults.push(`${channel}: ${p.index}/${message.n} was refused and is there`);
                }
            this.lost = (this.lost ?? 0) + lost;
            for (const s of this.subscribers.filter((one) => one.channel === channel)) {
                if (lost && !s.told) faults.push(`${channel}: ${lost} are gone, and a subscriber was not told`);
                s.streams.forEach((stream, i) => {
                    if (mayLose && s.epochs[i] !== history.epoch) return; // what it saw may be of what was lost
                    for (const [offset, p, n] of stream) {
                        const { data } = history[offset - 1] ?? { data: {} };
                        if (data.p !== p || data.n !== n)
                            faults.push(`${channel}: a subscriber saw ${p}/${n} at ${offset}, where ${data.p}/${data.n} is kept`);
                    }
                });
            }
        }
        return faults;
    }
}
