// centrifuge-js from npm, unmodified, in Node: over each transport, in each encoding.
import { describeCases } from './lib/sdk_suite.mjs';
import { ways } from './lib/sdk_ways.mjs';

for (const title of Object.keys(ways)) describeCases('centrifuge-js in Node', { title });
