// A module of the page as the page gets it: bundled, with its packages from where the build has fetched them.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.PARLEY_WEB_MODULES ?? path.join(here, '../node_modules');

export async function bundled(entry) {
    const { build } = await import(pathToFileURL(path.join(modules, 'esbuild/lib/main.js'))).then(
        (m) => m.default ?? m,
    );
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-web-'));
    const outfile = path.join(folder, 'module.mjs');
    try {
        await build({
            entryPoints: [path.join(here, '../src', entry)],
            outfile,
            bundle: true,
            format: 'esm',
            nodePaths: [modules],
            alias: { 'decode-named-character-reference': path.join(here, '../src/logic/entities.js') },
            logLevel: 'error',
        });
        return await import(pathToFileURL(outfile));
    } finally {
        fs.rmSync(folder, { recursive: true });
    }
}
