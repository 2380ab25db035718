// centrifuge-js from npm, unmodified, in Node: over each transport, in each encoding.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Centrifuge, UnauthorizedError } from 'centrifuge';
import * as binary from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { cases, runCase } from './lib/sdk_cases.mjs';
import { startHost } from './lib/sdk_host.mjs';
import { speakJson, ways } from './lib/sdk_ways.mjs';

const builds = {
    json: Object.assign(Centrifuge, { UnauthorizedError }),
    binary: Object.assign(speakJson(binary.Centrifuge), { UnauthorizedError: binary.UnauthorizedError }),
};

for (const [title, way] of Object.entries(ways)) {
    describe(`centrifuge-js in Node: ${title}`, () => {
        let started;
        before(async () => { started = await startHost(); });
        after(() => started.server.stop());

        for (const name of Object.keys(cases)) {
            if (way.without.includes(name)) continue;
            test(name, async () => {
                const failure = await runCase(name, { Centrifuge: way.isBinary ? builds.binary : builds.json, way,
                    options: { websocket: WebSocket, eventsource: EventSource }, host: started.host });
                assert.equal(failure, null);
            });
        }
    });
}
