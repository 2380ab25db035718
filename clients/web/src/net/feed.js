// A feed as a window sees it: the channel's history, what comes after it, and a generator of sample data.
import * as series from '../logic/series.js';
import { meets } from '../logic/position.js';
import { explainRefusal } from './connection.js';
import { Observable } from './observable.js';

const PAGE = 300;
const SAMPLE_MS = 500;

export class Feed extends Observable {
    constructor(connection, name) {
        super({
            status: 'joining',
            refusal: null,
            feed: series.emptyFeed(),
            arrivals: [],
            isGenerating: false,
            trouble: null,
            mayMiss: false,
        });
        this.connection = connection;
        this.channel = `feed:${name}`;
        this.round = 0;
        this.position = null;
        this.epoch = null;
    }

    open() {
        this.sub = this.connection.centrifuge.newSubscription(this.channel, { recoverable: true, positioned: true });
        this.sub.on('subscribed', (ctx) => this.#subscribed(ctx));
        this.sub.on('publication', ({ data, offset }) => this.#publication(data, offset));
        this.sub.on('subscribing', () => {
            this.round++;
        });
        this.sub.on('unsubscribed', ({ code, reason }) => {
            this.round++;
            if (code !== 0)
                this.set({ status: 'refused', refusal: explainRefusal({ code, message: reason }, this.channel) });
        });
        this.sub.on('error', () => {});
        this.sub.subscribe();
    }

    close() {
        this.round++;
        this.stopGenerating();
        clearTimeout(this.refilling);
        this.sub.unsubscribe();
        this.sub.removeAllListeners();
        this.connection.centrifuge.removeSubscription(this.sub);
    }

    #subscribed(ctx) {
        const round = ++this.round;
        this.epoch = ctx.streamPosition?.epoch ?? null;
        if (ctx.wasRecovering && ctx.recovered) {
            this.set({ status: 'open' });
            return;
        }
        const known = this.position,
            isReturn = this.value.status !== 'joining';
        this.position = null;
        this.#refill(round, known, isReturn);
    }

    async #refill(round, known, isReturn) {
        try {
            const { publications, epoch, offset } = await this.sub.history({ limit: PAGE, reverse: true });
            if (round !== this.round) return;
            publications.reverse();
            const breaks = isReturn && !meets(known, { epoch, offset, publications });
            const feed = series.withPublications(series.feedAtEpoch(this.value.feed, epoch), publications, { breaks });
            this.position ??= { epoch, offset };
            this.set({ feed, status: 'open', refusal: null, mayMiss: this.value.mayMiss || breaks });
        } catch (error) {
            if (round !== this.round) return;
            if (error.code === 108 || error.code === 103) this.set({ status: 'open', refusal: null });
            else this.refilling = setTimeout(() => round === this.round && this.#refill(round, known, isReturn), 2000);
        }
    }

    #publication(data, offset) {
        const now = Date.now();
        let { feed } = this.value;
        if (this.epoch) feed = series.feedAtEpoch(feed, this.epoch);
        feed = series.withPublications(feed, [{ data, offset }], { at: now });
        if (feed === this.value.feed) return;
        if (offset && this.epoch) this.position = { epoch: this.epoch, offset };
        this.set({ feed, arrivals: series.withArrival(this.value.arrivals, now) });
    }

    // A walk that drifts back to its middle, with a slow wave under it: looks like a temperature.
    startGenerating() {
        if (this.value.isGenerating) return;
        this.set({ isGenerating: true, trouble: null });
        let walk = 0;
        const publish = () => {
            const at = Date.now();
            walk += (Math.random() - 0.5) * 0.6 - walk * 0.04;
            const value = Math.round((21 + 2.4 * Math.sin(at / 17_000) + walk) * 100) / 100;
            this.sub.publish({ value, at }).then(
                () => this.value.trouble && this.set({ trouble: null }),
                (error) => {
                    if (error.code >= 100 && !error.temporary) this.stopGenerating();
                    if (error.code >= 100)
                        this.set({ trouble: `The server refused the sample: ${error.message} (${error.code}).` });
                },
            );
        };
        publish();
        this.generating = setInterval(() => this.connection.value.phase === 'open' && publish(), SAMPLE_MS);
    }

    stopGenerating() {
        clearInterval(this.generating);
        if (this.value.isGenerating) this.set({ isGenerating: false });
    }
}
