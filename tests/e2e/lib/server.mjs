// What a suite runs against: one parleyd, or with PARLEY_NODES=N as many that share a Redis, by turns.
import { Cluster } from './cluster.mjs';
import { Parleyd } from './parleyd.mjs';

export const nodes = Number(process.env.PARLEY_NODES ?? 1);

export const startServer = (options) => nodes > 1 ? Cluster.start({ nodes, ...options }) : Parleyd.start(options);
