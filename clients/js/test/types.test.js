import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as library from '../src/index.js';
import { familiesOf } from '../src/methods.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const compiler = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

test('what users write is typed, what they must not write is refused', async () => {
    try {
        await promisify(execFile)(process.execPath, [compiler, '--project', path.join(here, 'types')]);
    } catch (error) {
        assert.fail(error.stdout);
    }
});

const declarations = ['index', 'protocol'].map((name) => readFileSync(path.join(here, `../${name}.d.ts`), 'utf8')).join('\n');

// The names that index.d.ts declares for a class or an interface.
async function declared(name) {
    const ts = (await import('typescript')).default;
    const source = ts.createSourceFile('index.d.ts', declarations, ts.ScriptTarget.ES2022);
    let found = null;
    ts.forEachChild(source, (node) => {
        if ((ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) && node.name.text === name)
            found = node.members.filter((member) => member.name).map((member) => member.name.text);
    });
    return found;
}

test('what is declared is there', async () => {
    for (const name of Object.keys(library)) assert.match(declarations, new RegExp(`export (class|const) ${name}\\b`));
    const chat = new library.Chat({ url: 'http://chat.test', storage: null });
    for (const [name, object] of [
        ['Chat', chat],
        ['Room', chat.room('r')],
        ['Auth', chat.auth],
        ['ChatError', new library.ChatError(404, 'not_found', { status: 404 })],
        ['MemoryStorage', new library.MemoryStorage()],
    ])
        for (const member of await declared(name)) assert.ok(member in object || member in object.constructor, `${name}.${member}`);
    for (const [name, value] of [
        ['ChatState', chat.value],
        ['RoomState', chat.room('r').value],
        ['Timeline', chat.room('r').timeline],
        ['Connection', chat.connection],
    ])
        assert.deepEqual(Object.keys(value).sort(), (await declared(name)).sort(), name);
});

test('each method of the protocol is typed, and each family is whole', async () => {
    const methods = new Set(await declared('Methods'));
    const asked = new Set();
    const families = familiesOf((method) => asked.add(method));
    for (const family of Object.values(families)) for (const call of Object.values(family)) call();
    for (const method of asked) assert.ok(methods.has(method), method);
    for (const method of methods) if (/^(member|moderation|admin|invite|webhook|message|pin|room)\./.test(method)) assert.ok(asked.has(method), method);
});
