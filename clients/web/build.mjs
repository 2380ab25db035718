// Builds the page: bundles, names by content, compresses, and writes what links it into parleyd.
//
//   node build.mjs --out DIR [--modules NODE_MODULES] [--watch]
//
// DIR gets the files as they are served, beside each its .gz and .br where that is smaller, and web_assets.S and
// web_assets.c, which embed them as the table of daemon/transport/assets.h.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const here = path.dirname(fileURLToPath(import.meta.url));
const option = (name, otherwise) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? otherwise : process.argv[at + 1];
};
const out = path.resolve(option('out', path.join(here, 'dist')));
const modules = path.resolve(option('modules', path.join(here, 'node_modules')));

// Beside the packages, which a build outside the source tree has in a folder of its own.
const { build, context } = await import(new URL(`file://${modules}/esbuild/lib/main.js`)).then((m) => m.default ?? m);

const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml',
};

// The emoji with their names, of a package that has more about them than a picker needs: made when the page is built.
const GROUPS = {
    'Smileys & Emotion': 'Faces',
    'People & Body': 'People',
    'Animals & Nature': 'Nature',
    'Food & Drink': 'Food',
    'Travel & Places': 'Places',
    Activities: 'Activities',
    Objects: 'Objects',
    Symbols: 'Symbols',
    Flags: 'Flags',
};
const emojiData = {
    name: 'emoji-data',
    setup({ onResolve, onLoad }) {
        onResolve({ filter: /^emoji-data$/ }, () => ({ path: 'emoji-data', namespace: 'made' }));
        onLoad({ filter: /^emoji-data$/, namespace: 'made' }, async () => {
            const { gemoji } = await import(new URL(`file://${modules}/gemoji/index.js`));
            const line = ({ emoji, names, tags }) => [emoji, names.join(' '), tags.join(' ')].join('|');
            const groups = Object.entries(GROUPS).map(([category, title]) => [
                title,
                gemoji.filter((one) => one.category === category).map(line),
            ]);
            return { contents: JSON.stringify(groups), loader: 'json' };
        });
    },
};

const options = {
    plugins: [emojiData],
    entryPoints: { app: path.join(here, 'src/main.jsx') },
    outdir: out,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    splitting: true,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome109', 'firefox115', 'safari16'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    nodePaths: [modules],
    alias: {
        'parley-chat': path.join(here, '../js/src/index.js'),
        // The one that a page would take decodes by innerHTML; entities are not decoded here at all.
        'decode-named-character-reference': path.join(here, 'src/logic/entities.js'),
    },
    absWorkingDir: here,
    loader: { '.svg': 'copy' },
    metafile: true,
    write: false,
    logLevel: 'warning',
};

function write(result) {
    fs.rmSync(out, { recursive: true, force: true });
    fs.mkdirSync(out, { recursive: true });

    const files = new Map(); // name -> contents
    for (const file of result.outputFiles) files.set(path.basename(file.path), Buffer.from(file.contents));

    const icon = fs.readFileSync(path.join(here, 'src/icon.svg'));
    const iconName = `icon-${hash(icon)}.svg`;
    files.set(iconName, icon);

    const named = (extension) => [...files.keys()].find((name) => name.startsWith('app-') && name.endsWith(extension));
    files.set(
        'index.html',
        Buffer.from(
            fs
                .readFileSync(path.join(here, 'src/index.html'), 'utf8')
                .replaceAll('{{js}}', named('.js'))
                .replaceAll('{{css}}', named('.css'))
                .replaceAll('{{icon}}', iconName)
                .replace('{{preloads}}', preloads(result.metafile).join('\n')),
        ),
    );

    const assets = [...files].map(([name, raw]) => variants(name, raw)).sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const asset of assets) {
        for (const [suffix, bytes] of Object.entries(asset.bytes)) {
            if (bytes)
                fs.writeFileSync(path.join(out, asset.name + { raw: '', gzip: '.gz', brotli: '.br' }[suffix]), bytes);
        }
    }
    fs.writeFileSync(path.join(out, 'web_assets.S'), assembly(assets));
    fs.writeFileSync(path.join(out, 'web_assets.c'), table(assets));
    for (const { path: at, bytes } of assets) {
        console.log(
            `${at.padEnd(24)} ${String(bytes.raw.length).padStart(7)} B${
                bytes.brotli ? `, gzip ${bytes.gzip.length}, br ${bytes.brotli.length}` : ''
            }`,
        );
    }
}

// What the entry imports without being asked, and they in turn: fetched at once instead of one after the other.
function preloads({ outputs }) {
    const entry = Object.keys(outputs).find((file) => outputs[file].entryPoint?.endsWith('src/main.jsx'));
    const wanted = new Set();
    const add = (file) => {
        for (const { path: other, kind } of outputs[file].imports) {
            if (kind !== 'import-statement' || wanted.has(other)) continue;
            wanted.add(other);
            add(other);
        }
    };
    add(entry);
    return [...wanted].map((file) => `<link rel="modulepreload" href="./${path.basename(file)}">`);
}

function hash(bytes) {
    return createHash('sha256').update(bytes).digest('base64url').replace(/[-_]/g, '').slice(0, 8).toUpperCase();
}

function variants(name, raw) {
    const gzip = gzipSync(raw, { level: 9 });
    gzip[9] = 255; // RFC 1952 OS: unknown; the same bytes wherever this is built
    const brotli = brotliCompressSync(raw, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
    });
    const worthwhile = (bytes) => (bytes.length < raw.length * 0.9 ? bytes : null);
    return {
        name,
        path: name === 'index.html' ? '/' : `/${name}`,
        type: TYPES[path.extname(name)],
        etag: `"${createHash('sha256').update(raw).digest('base64url').slice(0, 16)}"`,
        isImmutable: name !== 'index.html',
        bytes: { raw, gzip: worthwhile(gzip), brotli: worthwhile(brotli) },
    };
}

const suffixes = { raw: '', gzip: '.gz', brotli: '.br' };

// Relative names, found by the include path, so that the object does not depend on where it was built. The digests
// make this file change, and the object with it, whenever the bytes do.
function assembly(assets) {
    const lines = ['/* Generated by clients/web/build.mjs. */', '    .section .rodata'];
    assets.forEach((asset, i) => {
        for (const [form, bytes] of Object.entries(asset.bytes)) {
            if (!bytes) continue;
            const label = `web_asset_${i}_${form}`;
            lines.push(
                `    .balign 16`,
                `    .globl ${label}`,
                `    .hidden ${label}`,
                `    .type ${label}, %object`,
                `${label}: /* ${hash(bytes)} */`,
                `    .incbin "${asset.name}${suffixes[form]}"`,
                `    .size ${label}, . - ${label}`,
            );
        }
    });
    return `${lines.join('\n')}\n    .section .note.GNU-stack,"",%progbits\n`;
}

function table(assets) {
    const lines = ['/* Generated by clients/web/build.mjs. */', '#include "daemon/transport/assets.h"', ''];
    const items = assets.map((asset, i) => {
        const spans = Object.entries(asset.bytes).map(([form, bytes]) => {
            if (!bytes) return '';
            const label = `web_asset_${i}_${form}`;
            lines.push(`extern const uint8_t ${label}[] __attribute__((visibility("hidden")));`);
            return `, .${form} = { ${label}, ${bytes.length} }`;
        });
        const str = (text) => `{ ${JSON.stringify(text)}, ${Buffer.byteLength(text)} }`;
        return (
            `    { .path = ${str(asset.path)}, .content_type = ${str(asset.type)}, .etag = ${str(asset.etag)}, ` +
            `.is_immutable = ${asset.isImmutable}${spans.join('')} },`
        );
    });
    lines.push(
        '',
        'static const struct asset items[] = {',
        ...items,
        '};',
        '',
        'struct asset_table web_assets(void) {',
        '    return (struct asset_table){ .items = items, .n = sizeof(items) / sizeof(items[0]) };',
        '}',
        '',
    );
    return lines.join('\n');
}

if (process.argv.includes('--watch')) {
    const watching = await context({
        ...options,
        plugins: [
            emojiData,
            {
                name: 'write',
                setup: ({ onEnd }) => onEnd((result) => (result.errors.length ? undefined : write(result))),
            },
        ],
    });
    await watching.watch();
} else {
    write(await build(options));
}
