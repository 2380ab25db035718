// The SDK's cases, in Node.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Centrifuge, UnauthorizedError } from 'centrifuge';
import * as binary from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { cases, runCase } from './sdk_cases.mjs';
import { startHost } from './sdk_host.mjs';
import { speakJson, ways } from './sdk_ways.mjs';

const builds = {
    json: Object.assign(Centrifuge, { UnauthorizedError }),
    binary: Object.assign(speakJson(binary.Centrifuge), { UnauthorizedError: binary.UnauthorizedError }),
};

// host: of startHost(); begin, if given: resolves to more of it, and end(more) is called at the end.
export function describeCases(place, { title, host = {}, begin = async () => ({}), end = async () => {} }) {
    const way = ways[title];
    describe(`${place}: ${title}`, () => {
        let started, more;
        before(async () => {
            more = await begin();
            started = await startHost({ ...host, ...more });
        });
        after(async () => {
            await started?.server.stop();
            if (more) await end(more);
        });

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
