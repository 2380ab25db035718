// Several daemons on the same Redis. What a single Parleyd offers to the tests, by turns or of all of them.
import { Parleyd } from './parleyd.mjs';
import { Redis } from './redis.mjs';

export class Cluster {
    // config: of every node. redis: servers that are there already (anything with an `address`), which stay the caller's; else
    // as many of the cluster's own as `servers` says. chatOwner: which node alone may keep the chat; chatDir: all may, in this directory. addresses: by which node i knows them, if not all know them by the same.
    static async start({ config = {}, nodes = 2, redis = null, servers = 1, addresses = null, chatOwner = null,
        chatDir = null, ...options } = {}) {
        const cluster = new Cluster();
        cluster.own = redis ? [] : await Promise.all(Array.from({ length: servers }, () => Redis.start()));
        cluster.redis = redis ?? cluster.own;
        cluster.turn = 0;
        const known = cluster.redis.map(({ address }) => address);
        const chat = (i) => (chatDir !== null ? { chat: { ...config.chat, data_dir: chatDir } }
            : chatOwner === null ? {} : { chat: { ...config.chat, owner: i === chatOwner } });
        const configOf = (i) => ({ ...config, ...chat(i), node: { ...config.node, name: `node-${i}` }, engine: { ...config.engine, type: 'redis',
            redis: { address: addresses?.[i] ?? known, ...config.engine?.redis } } });
        cluster.nodes = [];
        try {
            for (let i = 0; i < nodes; i++)
                cluster.nodes.push(await Parleyd.start({ ...options, config: configOf(i) }));
        } catch (error) {
            await Promise.allSettled(cluster.nodes.map((node) => node.stop()));
            await Promise.allSettled(cluster.own.map((one) => one.stop()));
            throw error;
        }
        return cluster;
    }

    // By turns: who asks twice is on two nodes.
    next() { return this.nodes[this.turn++ % this.nodes.length]; }
    peek() { return this.nodes[this.turn % this.nodes.length]; }
    get websocket() { return this.next().websocket; }
    url(...where) { return this.next().url(...where); }
    get(...what) { return this.next().get(...what); }

    async kill(signal) { await Promise.all(this.nodes.map((node) => node.kill(signal))); }
    async restart() { await Promise.all(this.nodes.map((node) => node.restart())); }

    async stop() {
        const ended = await Promise.allSettled(this.nodes.map((node) => node.stop()));
        await Promise.all(this.own.map((one) => one.stop()));
        const bad = ended.find(({ status }) => status === 'rejected');
        if (bad) throw bad.reason;
    }
}
