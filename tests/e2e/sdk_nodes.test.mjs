// The same cases where two daemons share Redis, and each client is on another one than the client before. What it sends over HTTP
// beside a stream goes to the node that does not have the stream.
import { Sentinels } from './lib/redis.mjs';
import { describeCases } from './lib/sdk_suite.mjs';
import { ways } from './lib/sdk_ways.mjs';

const nodes = 2;

for (const title of Object.keys(ways)) describeCases('two nodes on one Redis', { title, host: { nodes } });

describeCases('two nodes on three Redis', { title: 'WebSocket, JSON', host: { nodes, servers: 3 } });

describeCases('two nodes behind Sentinels', {
    title: 'WebSocket, JSON',
    host: { nodes },
    begin: async () => ({ redis: [await Sentinels.start()] }),
    end: ({ redis }) => redis[0].stop(),
});
