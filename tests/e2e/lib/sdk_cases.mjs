// What an application does with the unmodified centrifuge-js, and what it must see. Each case runs in Node and in a browser, so
// this file uses nothing of either: the SDK and what only the test's host can do come in through `env`:
//   env.Centrifuge, env.options   the SDK's class, and options every client needs
//   env.way                       the transport and encoding: one of sdk_ways.mjs
//   env.host(name, ...args)       asks the host: 'token' {claims}, 'restart', 'stop', 'start', 'url', 'other' (a URL of another
//                                 node than the one before, if there are several)

const SOON_MS = 15_000;

export class Failure extends Error {}

// Objects compare by their members, in whatever order.
function sorted(value) {
    if (Array.isArray(value)) return value.map(sorted);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

function equal(found, wanted, what) {
    const [a, b] = [JSON.stringify(sorted(found)), JSON.stringify(sorted(wanted))];
    if (a !== b) throw new Failure(`${what}: ${a}, not ${b}`);
}

function ok(value, what) {
    if (!value) throw new Failure(what);
}

// The next event of that name for which `wanted` holds.
function event(emitter, name, wanted = () => true) {
    return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Failure(`no '${name}' event`)), SOON_MS);
        const listener = (context) => {
            if (!wanted(context)) return;
            clearTimeout(late);
            emitter.removeListener(name, listener);
            resolve(context);
        };
        emitter.on(name, listener);
    });
}

async function fails(promise, code, what) {
    let found = 'success';
    try {
        await promise;
    } catch (error) {
        found = error.code;
    }
    equal(found, code, `${what}: error code`);
}

// A collector of everything a subscription delivers, to be waited on by count.
function collect(subscription) {
    const seen = [];
    subscription.on('publication', (publication) => seen.push(publication));
    return {
        seen,
        data: () => seen.map((publication) => publication.data),
        async count(n) {
            if (seen.length < n) await event(subscription, 'publication', () => seen.length >= n);
            return seen;
        },
    };
}

let serial = 0;
const fresh = (namespace) => `${namespace}:${Date.now().toString(36)}-${serial++}`;

// A client that is disconnected when the case ends.
// What it sends over HTTP beside a stream goes, where there are several nodes, to another one than the stream's.
async function client(env, options = {}) {
    const [url, other] = [await env.host('url'), await env.host('other')];
    const made = new env.Centrifuge(env.way.endpoint(url), { ...env.options, ...env.way.options(other), minReconnectDelay: 20,
        maxReconnectDelay: 200, ...options });
    made.on('error', () => {});
    env.clients.push(made);
    return made;
}

async function connected(env, options) {
    const made = await client(env, options);
    const up = event(made, 'connected');
    made.connect();
    made.context = await up;
    return made;
}

async function subscribed(made, channel, options) {
    const subscription = made.newSubscription(channel, options);
    subscription.on('error', () => {});
    const up = event(subscription, 'subscribed');
    subscription.subscribe();
    subscription.context = await up;
    return subscription;
}

async function refused(made, channel, options) {
    const subscription = made.newSubscription(channel, options);
    subscription.on('error', () => {});
    const down = event(subscription, 'unsubscribed');
    subscription.subscribe();
    return (await down).code;
}

const user = (env, name, more = {}) => env.host('token', { sub: name, ...more });
const now = () => Math.floor(Date.now() / 1000);

export const cases = {
    async 'connects without a token where that is allowed'(env) {
        const made = await connected(env);
        ok(/^[0-9a-f-]{36}$/.test(made.context.client), `a client id: ${made.context.client}`);
    },

    async 'connects with a token and is known by its user'(env) {
        const made = await connected(env, { token: await user(env, 'ada', { info: { color: 'red' } }) });
        const channel = fresh('open');
        await subscribed(made, channel);
        const { clients } = await made.presence(channel);
        equal(Object.values(clients).map((c) => [c.user, c.connInfo]), [['ada', { color: 'red' }]], 'presence');
    },

    async 'is sent away for good with a forged token'(env) {
        const made = await client(env, { token: (await user(env, 'eve')).slice(0, -4) + 'AAAA' });
        const down = event(made, 'disconnected');
        made.connect();
        equal((await down).code, 3500, 'disconnect code');
    },

    async 'is asked for another token when its own has expired'(env) {
        const old = await user(env, 'ada', { exp: now() - 60 });
        const young = await user(env, 'ada');
        let asked = 0;
        const made = await client(env, { token: old, getToken: async () => (asked++, young) });
        const up = event(made, 'connected');
        made.connect();
        await up;
        equal(asked, 1, 'times asked');
    },

    async 'stays out when the application has no token for it'(env) {
        const made = await client(env, { getToken: async () => {
            throw new env.Centrifuge.UnauthorizedError('no');
        } });
        const down = event(made, 'disconnected');
        made.connect();
        equal((await down).code, 1, 'disconnect code');
    },

    async 'renews a token before it runs out'(env) {
        const token = await user(env, 'ada', { exp: now() + 2 });
        let renewed;
        const asked = new Promise((resolve) => { renewed = resolve; });
        const made = await connected(env, { token, getToken: async () => {
            renewed();
            return user(env, 'ada', { exp: now() + 3600 });
        } });
        let left = false;
        made.on('connecting', () => { left = true; });
        await asked;
        await made.presenceStats(fresh('open')).catch(() => {});
        ok(!left, 'the connection outlives its first token');
    },

    async 'publishes, and every subscriber hears it once, in order'(env) {
        const channel = fresh('open');
        const [a, b] = [await connected(env), await connected(env, { token: await user(env, 'bob') })];
        const [one, two] = [await subscribed(a, channel), await subscribed(b, channel)];
        const [heard, too] = [collect(one), collect(two)];
        for (let i = 0; i < 20; i++) await two.publish({ i });
        await Promise.all([heard.count(20), too.count(20)]);
        const wanted = Array.from({ length: 20 }, (_, i) => ({ i }));
        equal(heard.data(), wanted, 'the other heard');
        equal(too.data(), wanted, 'the publisher heard');
        equal(heard.seen.map((p) => p.offset), wanted.map(({ i }) => i + 1), 'offsets');
        equal(heard.seen[0].info.user, 'bob', 'publisher');
    },

    async 'keeps the order of publishes it does not wait for'(env) {
        const channel = fresh('open');
        const made = await connected(env);
        const heard = collect(await subscribed(made, channel));
        await Promise.all(Array.from({ length: 50 }, (_, i) => made.publish(channel, i)));
        await heard.count(50);
        equal(heard.data(), Array.from({ length: 50 }, (_, i) => i), 'order');
    },

    async 'passes any JSON through unharmed'(env) {
        const channel = fresh('open');
        const made = await connected(env);
        const heard = collect(await subscribed(made, channel));
        const values = ['', 'line\nbreak \u2028 \u0000', '\u{1F600} 上海 Ünï', 0, -1.5e300, true, false, [], {}, [[[{ a: [null] }]]],
            { 'key "with\\ quotes': '</script>' }, 'x'.repeat(20_000)];
        for (const value of values) await made.publish(channel, value);
        await heard.count(values.length);
        equal(heard.data(), values, 'values');
    },

    async 'sends many commands in one frame'(env) {
        const channel = fresh('open');
        const made = await connected(env);
        const heard = collect(await subscribed(made, channel));
        made.startBatching();
        const all = [made.publish(channel, 1), made.publish(channel, 2), made.history(channel, { limit: 10 }),
            made.presenceStats(channel)];
        made.stopBatching();
        const [, , history, stats] = await Promise.all(all);
        equal(history.publications.map((p) => p.data), [1, 2], 'history read after both publishes');
        equal(stats.numClients, 1, 'clients');
        await heard.count(2);
    },

    async 'publishes where nothing is kept'(env) {
        const channel = fresh('plain');
        const made = await connected(env);
        const subscription = await subscribed(made, channel);
        const heard = collect(subscription);
        await subscription.publish('live');
        await heard.count(1);
        ok(!heard.seen[0].offset, 'no offset');
        await fails(made.history(channel, { limit: 1 }), 108, 'history');
        await fails(made.presence(channel), 108, 'presence');
    },

    async 'is told why it may not subscribe'(env) {
        const made = await connected(env);
        equal(await refused(made, 'nowhere:x'), 102, 'unknown namespace');
        equal(await refused(made, fresh('closed')), 103, 'no permission');
        equal(await refused(made, `$${fresh('open')}`), 103, 'private without token');
        equal(await refused(made, `open:${'x'.repeat(300)}`), 107, 'name too long');
        equal(await refused(made, 'open:ü'), 107, 'name not ASCII');
        equal(await refused(made, 'open:for#somebody,else'), 103, 'another user’s channel');
    },

    async 'is told why it may not publish, read or call'(env) {
        const made = await connected(env);
        await fails(made.publish(fresh('closed'), 1), 103, 'publish');
        await fails(made.publish('nowhere:x', 1), 102, 'publish to an unknown namespace');
        await fails(made.history(fresh('closed'), { limit: 1 }), 108, 'history');
        await fails(made.rpc('anything', {}), 108, 'rpc');
        await fails(made.rpc('nowhere:anything', {}), 104, 'rpc in an unknown namespace');
    },

    async 'is sent away for a message nobody handles'(env) {
        const made = await connected(env);
        const down = event(made, 'disconnected');
        await made.send({ to: 'nobody' });
        equal((await down).code, 3508, 'disconnect code');
    },

    async 'is sent away for a message that is too large'(env) {
        const made = await connected(env);
        const down = event(made, 'disconnected');
        made.publish(fresh('open'), 'x'.repeat(70_000)).catch(() => {});
        const { reason } = await down;
        ok(/message size limit/.test(reason), `reason: ${reason}`);
    },

    async 'subscribes to no more channels than allowed'(env) {
        const made = await connected(env);
        for (let i = 0; i < 20; i++) await subscribed(made, fresh('plain'));
        equal(await refused(made, fresh('plain')), 106, 'one more');
    },

    async 'enters a private channel with a subscription token'(env) {
        const channel = `$${fresh('open')}`;
        const made = await connected(env, { token: await user(env, 'ada') });
        const good = await user(env, 'ada', { channel });
        const subscription = await subscribed(made, channel, { token: good });
        const heard = collect(subscription);
        await subscription.publish('psst');
        await heard.count(1);
        const other = `$${fresh('open')}`;
        equal(await refused(made, other, { token: good.slice(0, -4) + 'AAAA' }), 103, 'forged token');
    },

    async 'gets another subscription token when the first has expired'(env) {
        const channel = `$${fresh('open')}`;
        const made = await connected(env, { token: await user(env, 'ada') });
        const old = await user(env, 'ada', { channel, exp: now() - 5 });
        let asked = 0;
        await subscribed(made, channel, { token: old, minResubscribeDelay: 10, maxResubscribeDelay: 50,
            getToken: async () => (asked++, user(env, 'ada', { channel })) });
        equal(asked, 1, 'times asked');
    },

    async 'enters a channel that names its user'(env) {
        const made = await connected(env, { token: await user(env, 'ada') });
        await subscribed(made, `${fresh('open')}#ada,bob`);
    },

    async 'sees who is there, who comes and who goes'(env) {
        const channel = fresh('open');
        const a = await connected(env, { token: await user(env, 'ada') });
        const one = await subscribed(a, channel, { joinLeave: true });
        const b = await client(env, { token: await user(env, 'bob') });

        const join = event(one, 'join', ({ info }) => info.user === 'bob');
        const up = event(b, 'connected');
        b.connect();
        await up;
        const two = await subscribed(b, channel);
        await join;
        const { clients } = await one.presence();
        equal(Object.values(clients).map((c) => c.user).sort(), ['ada', 'bob'], 'present');
        equal(await one.presenceStats(), { numClients: 2, numUsers: 2 }, 'stats');

        let leave = event(one, 'leave', ({ info }) => info.user === 'bob');
        two.unsubscribe();
        await leave;
        equal(Object.keys((await one.presence()).clients).length, 1, 'left after unsubscribe');

        const again = event(one, 'join', ({ info }) => info.user === 'bob');
        two.subscribe();
        await again;
        leave = event(one, 'leave', ({ info }) => info.user === 'bob');
        b.disconnect();
        await leave;
        equal(Object.keys((await one.presence()).clients).length, 1, 'left after disconnect');
    },

    async 'reads history both ways, in pages, and by position'(env) {
        const channel = fresh('open');
        const made = await connected(env);
        for (let i = 1; i <= 9; i++) await made.publish(channel, i);

        const top = await made.history(channel, { limit: 0 });
        equal([top.publications, top.offset], [[], 9], 'position only');
        ok(top.epoch.length > 0, 'epoch');
        const data = async (options) =>
            (await made.history(channel, options)).publications.map((p) => p.data);
        equal(await data({ limit: 3 }), [1, 2, 3], 'oldest first');
        equal(await data({ limit: -1 }), [1, 2, 3, 4, 5, 6, 7, 8, 9], 'all');
        equal(await data({ limit: 2, reverse: true }), [9, 8], 'newest first');
        equal(await data({ limit: 2, since: { offset: 5, epoch: top.epoch } }), [6, 7], 'since');
        equal(await data({ limit: 2, since: { offset: 5, epoch: top.epoch }, reverse: true }), [4, 3], 'before');
        await fails(made.history(channel, { limit: 1, since: { offset: 1, epoch: 'other' } }), 112, 'other epoch');
    },

    async 'recovers what it missed while it was away'(env) {
        const channel = fresh('open');
        const [a, b] = [await connected(env), await connected(env)];
        const subscription = await subscribed(a, channel);
        const heard = collect(subscription);
        await b.publish(channel, 1);
        await heard.count(1);

        a.disconnect();
        for (let i = 2; i <= 30; i++) await b.publish(channel, i);
        const back = event(subscription, 'subscribed');
        a.connect();
        const context = await back;
        equal([context.wasRecovering, context.recovered], [true, true], 'recovered');
        await heard.count(30);
        equal(heard.data(), Array.from({ length: 30 }, (_, i) => i + 1), 'nothing missing, nothing twice');
        await b.publish(channel, 31);
        await heard.count(31);
    },

    async 'is told when what it missed is gone'(env) {
        const channel = fresh('short');
        const [a, b] = [await connected(env), await connected(env)];
        const subscription = await subscribed(a, channel);
        const heard = collect(subscription);
        await b.publish(channel, 'seen');
        await heard.count(1);
        a.disconnect();
        for (let i = 0; i < 20; i++) await b.publish(channel, i);
        const back = event(subscription, 'subscribed');
        a.connect();
        const context = await back;
        equal([context.wasRecovering, context.recovered], [true, false], 'not recovered');
        equal(heard.seen.length, 1, 'no partial recovery');
    },

    async 'starts from a position it kept'(env) {
        const channel = fresh('open');
        const made = await connected(env);
        for (let i = 1; i <= 5; i++) await made.publish(channel, i);
        const { epoch } = await made.history(channel, { limit: 0 });
        const subscription = made.newSubscription(channel, { since: { offset: 2, epoch } });
        const heard = collect(subscription);
        subscription.subscribe();
        await heard.count(3);
        equal(heard.data(), [3, 4, 5], 'from there on');
    },

    async 'comes back after kill -9 of the daemon and has everything'(env) {
        const channel = fresh('open');
        const made = await connected(env);
        const subscription = await subscribed(made, channel);
        const heard = collect(subscription);
        for (let i = 1; i <= 10; i++) await made.publish(channel, i);
        await heard.count(10);

        const back = event(subscription, 'subscribed');
        await env.host('restart');
        const context = await back;
        equal([context.wasRecovering, context.recovered], [true, true], 'recovered');
        for (let i = 11; i <= 20; i++) await made.publish(channel, i);
        await heard.count(20);
        equal(heard.data(), Array.from({ length: 20 }, (_, i) => i + 1), 'nothing missing, nothing twice');
        equal((await made.history(channel, { limit: -1 })).publications.length, 20, 'kept');
    },

    async 'is told to come back when the daemon is stopped'(env) {
        const made = await connected(env);
        const away = event(made, 'connecting');
        await env.host('stop');
        equal((await away).code, 3001, 'code');
        const up = event(made, 'connected');
        await env.host('start');
        await up;
    },
};

// Runs one case; resolves to null, or to what went wrong.
export async function runCase(name, env) {
    const scope = { ...env, clients: [] };
    let late;
    const timeout = new Promise((_, reject) => {
        late = setTimeout(() => reject(new Failure('not done within 60 s')), 60_000);
    });
    try {
        await Promise.race([cases[name](scope), timeout]);
        return null;
    } catch (error) {
        return error.stack ?? String(error);
    } finally {
        clearTimeout(late);
        for (const made of scope.clients) made.disconnect();
    }
}
