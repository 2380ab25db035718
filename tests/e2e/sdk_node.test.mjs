// centrifuge-js from npm, unmodified, in Node.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Centrifuge, UnauthorizedError } from 'centrifuge';
import WebSocket from 'ws';
import { cases, runCase } from './lib/sdk_cases.mjs';
import { startHost } from './lib/sdk_host.mjs';

describe('centrifuge-js in Node', () => {
    let started;
    before(async () => { started = await startHost(); });
    after(() => started.server.stop());

    for (const name of Object.keys(cases)) {
        test(name, async () => {
            const failure = await runCase(name, { Centrifuge: Object.assign(Centrifuge, { UnauthorizedError }),
                options: { websocket: WebSocket }, host: started.host });
            assert.equal(failure, null);
        });
    }
});
