// The Centrifuge SDK as the model wants it. Attempts are made here, not by the SDK, so that it is known when the next one is due.
import { Centrifuge } from 'centrifuge';
import { backoff } from './clock.js';
import { ChatError } from './error.js';

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
const OF_ATTEMPTS = new Set(['transport', 'connect', 'connectToken', 'connectData', 'refreshToken']);
const WAKING = ['online', 'pageshow']; // of a browser: the network, or the page, is back

export class Transport {
    // on: { connecting(), connected(), offline({ retryAt, error }), publication(channel, data) }: what it tells.
    constructor({ url, token, websocket, fetch, name, timeoutMs, clock }, on) {
        this.clock = clock;
        this.on = on;
        this.tries = 0;
        this.isWanted = this.isStopping = false;
        this.sdk = new Centrifuge(`${url.replace(/^http/, 'ws').replace(/\/$/, '')}/connection/websocket`, {
            name,
            timeout: timeoutMs,
            ...(typeof token === 'function' ? { getToken: async () => token() } : token ? { token } : {}),
            ...(websocket ? { websocket } : {}),
            ...(fetch ? { fetch } : {}),
        });
        this.sdk.on('connecting', ({ code, reason }) => code !== 0 && this.#failed({ code, message: reason }));
        this.sdk.on('error', ({ type, error }) => {
            if (OF_ATTEMPTS.has(type) && this.sdk.state === 'connecting') this.#failed(error);
        });
        this.sdk.on('connected', () => {
            this.on.connected();
        });
        this.sdk.on('disconnected', ({ code, reason }) => {
            if (this.isStopping) return;
            this.isWanted = false;
            const error = code === 1 ? new ChatError(101, 'unauthorized') : ChatError.from({ code, message: reason });
            this.on.offline({ retryAt: null, error });
        });
        this.sdk.on('publication', ({ channel, data }) => this.on.publication(channel, data));
        this.wake = () => this.retryNow();
    }

    connect() {
        if (this.isWanted) return;
        this.isWanted = true;
        this.tries = 0;
        for (const type of WAKING) globalThis.addEventListener?.(type, this.wake);
        this.#attempt();
    }

    disconnect(error = null) {
        for (const type of WAKING) globalThis.removeEventListener?.(type, this.wake);
        this.isWanted = false;
        this.#stop();
        this.on.offline({ retryAt: null, error });
    }

    retryNow() {
        if (!this.isWanted || this.sdk.state !== 'disconnected') return;
        this.#attempt();
    }

    // It was worth connecting: the next break begins with short waits.
    proved() {
        this.tries = 0;
    }

    setToken(token) {
        this.sdk.setToken(token ?? '');
    }

    async rpc(method, data) {
        if (this.sdk.state !== 'connected') throw ChatError.offline();
        try {
            return (await this.sdk.rpc(method, data)).data ?? {};
        } catch (error) {
            throw ChatError.from(error);
        }
    }

    // on: { subscribed({ isRecovered }), interrupted(), refused(ChatError), publication(data), join(user, client), leave(…) }.
    subscribe(channel, on) {
        const sub = this.sdk.newSubscription(channel, { recoverable: true, positioned: true, joinLeave: true });
        sub.on('subscribed', ({ wasRecovering, recovered }) =>
            on.subscribed({ isRecovered: Boolean(wasRecovering && recovered) }),
        );
        sub.on('subscribing', () => on.interrupted());
        sub.on('unsubscribed', ({ code, reason }) => on.refused(ChatError.from({ code, message: reason })));
        sub.on('publication', ({ data }) => on.publication(data));
        sub.on('join', ({ info }) => on.join(info.user, info.client));
        sub.on('leave', ({ info }) => on.leave(info.user, info.client));
        sub.on('error', () => {}); // passing: it is tried again
        sub.subscribe();
        return {
            // [{ user, client }]
            presence: async () => {
                try {
                    const { clients } = await sub.presence();
                    return Object.values(clients).map(({ user, client }) => ({ user, client }));
                } catch (error) {
                    throw ChatError.from(error);
                }
            },
            end: () => {
                sub.removeAllListeners();
                this.sdk.removeSubscription(sub);
            },
        };
    }

    #attempt() {
        this.clock.clearTimeout(this.timer);
        this.on.connecting();
        this.sdk.connect();
    }

    #stop() {
        this.clock.clearTimeout(this.timer);
        this.isStopping = true;
        this.sdk.disconnect();
        this.isStopping = false;
    }

    #failed(error) {
        if (!this.isWanted || this.isStopping) return;
        this.#stop();
        const delay = backoff(this.tries++, { min: RETRY_MIN_MS, max: RETRY_MAX_MS });
        this.timer = this.clock.setTimeout(() => this.#attempt(), delay);
        this.on.offline({ retryAt: this.clock.now() + delay, error: ChatError.from(error) });
    }
}
