// Ports that stay a test's own while nobody listens on them: a server that was killed comes back on its port, and a test that
// runs beside it must not have been given it meanwhile, nor a connection that somebody makes.
import { once } from 'node:events';
import net from 'node:net';

// Below those that kernels choose by themselves (ip_local_port_range begins at 32768).
const FIRST = 20_000, LAST = 32_000;
const CLAIMED_ON = '127.0.0.3'; // whoever listens on a port there has the same port of 127.0.0.1
const TRIES = 100;

async function listen(host, port) {
    const server = net.createServer().listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return server.unref();
}

// { port, release() }: free on all of `hosts`, and claimed.
export async function claimPort(hosts = ['127.0.0.1']) {
    for (let tries = 0; tries < TRIES; tries++) {
        const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
        let claim = null;
        try {
            claim = await listen(CLAIMED_ON, port);
            for (const host of hosts) {
                const probe = await listen(host, port);
                probe.close();
                await once(probe, 'close');
            }
            return { port, release: () => claim.close() };
        } catch (error) {
            claim?.close();
            if (error.code !== 'EADDRINUSE') throw error;
        }
    }
    throw new Error('no port is free');
}
