// A line to the daemon that can be cut: a port that passes bytes on to it, wherever it listens by then.
import { once } from 'node:events';
import net from 'node:net';

export class Line {
    static async open(port) {
        const line = new Line(port);
        line.server.listen(0, '127.0.0.1');
        await once(line.server, 'listening');
        line.port = line.server.address().port;
        return line;
    }

    constructor(port) {
        this.pairs = new Set();
        this.server = net.createServer((near) => {
            const far = net.connect(port(), '127.0.0.1');
            const pair = [near, far];
            this.pairs.add(pair);
            for (const [one, other] of [[near, far], [far, near]]) {
                one.setNoDelay(true);
                one.pipe(other);
                one.on('error', () => other.destroy());
                one.on('close', () => {
                    other.destroy();
                    this.pairs.delete(pair);
                });
            }
        });
    }

    // Bytes that are on their way are gone, in both directions.
    cut() {
        for (const [near, far] of this.pairs) {
            near.resetAndDestroy?.();
            far.resetAndDestroy?.();
        }
    }

    close() {
        this.cut();
        this.server.close();
    }
}
