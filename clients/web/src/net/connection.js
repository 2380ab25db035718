// The one connection of the page, and how it is doing.
import { Centrifuge } from 'centrifuge';
import { Observable } from './observable.js';

const ASK_AFTER_MS = 2000;

export class Connection extends Observable {
    // phase: 'opening' before the first success, 'open', 'lost' (being tried again), 'closed' (refused: not tried
    // again).
    constructor(url) {
        super({ phase: 'opening', since: Date.now(), client: null, code: 0, reason: '', isAnswering: false });
        this.url = url;
        this.centrifuge = new Centrifuge(url, { name: 'parley-web', minReconnectDelay: 300, maxReconnectDelay: 5000 });
        this.centrifuge.on('connected', ({ client }) =>
            this.set({ phase: 'open', since: Date.now(), client, code: 0, reason: '' }),
        );
        this.centrifuge.on('connecting', ({ code, reason }) => {
            const was = this.value.phase;
            if (was === 'open') this.set({ phase: 'lost', since: Date.now(), code, reason });
            else if (was === 'closed')
                this.set({ phase: this.value.client ? 'lost' : 'opening', since: Date.now(), code: 0, reason: '' });
        });
        this.centrifuge.on('disconnected', ({ code, reason }) => {
            if (!this.isTryingNow) this.set({ phase: 'closed', since: Date.now(), code, reason });
        });
        this.centrifuge.on('error', () => {
            /* each attempt's; `phase` tells */
        });
    }

    open() {
        this.centrifuge.connect();
        setTimeout(() => this.#askWhy(), ASK_AFTER_MS);
    }

    // A socket that fails does not say why. If the server answers otherwise, it is there and refuses this page.
    async #askWhy() {
        if (this.value.phase !== 'opening') return;
        try {
            const { ok } = await fetch(document.baseURI.split('#')[0], { method: 'HEAD', cache: 'no-store' });
            this.set({ isAnswering: ok });
        } catch {
            // It is not there.
        }
    }

    // Does not wait for the next attempt. Subscriptions keep their positions and recover.
    tryNow() {
        if (this.value.phase === 'open') return;
        this.isTryingNow = true;
        this.centrifuge.disconnect();
        this.isTryingNow = false;
        this.centrifuge.connect();
    }
}

// What a refusal means to whoever reads it. error: {code, message} of the SDK.
export function explainRefusal({ code, message }, channel) {
    const namespace = channel.split(':')[0];
    switch (code) {
        case 102:
            return `This server has no channels named “${namespace}:…”. Its configuration decides which there are.`;
        case 101:
        case 103:
            return `This server does not let visitors into ${channel}.`;
        case 106:
            return 'Too many channels are open on this connection.';
        default:
            return `The server refused ${channel}: ${message} (${code}).`;
    }
}
