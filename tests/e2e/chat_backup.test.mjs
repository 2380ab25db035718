// Copies of a server that runs, put back; and its chat as lines of JSON. By the tool, as an operator has it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Person, chatConfig, token } from './lib/chat.mjs';
import { request } from './lib/chat_person.mjs';
import { BIN, Parleyd } from './lib/parleyd.mjs';
import { disconnectAll } from './lib/sdk_clients.mjs';

const run = promisify(execFile);
const parley = (...args) => run(path.join(BIN, 'parley'), args, { maxBuffer: 1 << 28 });
const fails = async (code, ...args) => {
    const error = await parley(...args).then(() => null, (why) => why);
    assert.equal(error?.code, code, error?.stderr ?? 'it did not fail');
    return error.stderr;
};

let folder;
before(() => { folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-copies-')); });
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const config = chatConfig({}, { http_api: { key: 'key' } });
const upload = (server, who, body) => request(server, '/files?name=a', { method: 'POST', body,
    headers: { Authorization: `Bearer ${token(who)}`, 'Content-Type': 'text/plain' } });
const texts = async (person, room) => (await person.call('message.history', { room })).messages.map(({ text }) => text);

test('a copy made while people talk has all that was answered before, and is put back', async () => {
    const server = await Parleyd.start({ config });
    let other;
    try {
        const ann = await Person.connect(server, 'ann');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Den' });
        const file = crypto.randomBytes(5000).toString('hex');
        const { attachment } = (await upload(server, 'ann', file)).body;
        await ann.call('message.send', { room: room.id, client_id: 'f', text: 'with a file', attachments: [attachment.id] });
        let sent = 0, isTalking = true;
        const talk = (async () => {
            while (isTalking) { await ann.call('message.send', { room: room.id, client_id: `t${sent}`, text: `${sent}` }); sent++; }
        })();
        while (sent < 50) await new Promise((resolve) => { setImmediate(resolve); });
        const copies = path.join(folder, 'one'), least = sent;
        const { stdout } = await parley('backup', copies, '--data-dir', server.dataDir, '--json');
        const asked = await request(server, '/api/backup', { method: 'POST', body: {}, headers: { 'X-API-Key': 'key' } });
        isTalking = false;
        await talk;
        const report = JSON.parse(stdout);
        assert.ok(report.messages > least && report.messages <= sent + 1);
        assert.deepEqual([report.users, report.files], [1, 1]);
        assert.equal(asked.status, 200, asked.text);
        assert.ok(asked.body.result.messages >= report.messages);
        assert.match(asked.body.result.path, /\/data\/backup\/\d{8}T\d{6}Z$/);
        assert.equal((await request(server, '/api/backup', { method: 'POST', body: {} })).status, 401);

        assert.match(await fails(73, 'backup', copies, '--data-dir', server.dataDir), /File exists/);
        assert.match(await fails(75, 'restore', copies, '--data-dir', server.dataDir), /stop the daemon first/);
        const { epoch } = await ann.call('sync');

        const data = path.join(folder, 'restored');
        await parley('restore', copies, '--data-dir', data);
        assert.match(await fails(73, 'restore', copies, '--data-dir', data), /has data already/);
        other = await Parleyd.start({ config, dataDir: data });
        const again = await Person.connect(other, 'ann');
        assert.notEqual((await again.call('sync')).epoch, epoch); // clients are to know that something may be gone
        const opened = await again.call('room.open', { room: room.id, limit: 100 });
        assert.equal(opened.room.last_seq, report.messages);
        const got = await request(other, `/files/${attachment.id}/a`, { headers: { Authorization: `Bearer ${token('ann')}` } });
        assert.equal(got.text, file);
        assert.equal((await again.call('search', { q: 'file' })).hits.length, 1);
        assert.equal((await again.call('message.send', { room: room.id, client_id: 'new', text: 'goes on' })).seq, report.messages + 1);

        // What the daemon itself has copied is as good.
        const third = path.join(folder, 'third');
        await parley('restore', asked.body.result.path, '--data-dir', third);
    } finally {
        disconnectAll();
        await other?.stop();
        await server.stop();
    }
});

test('an export is imported elsewhere, and is exported there as the same lines', async () => {
    const server = await Parleyd.start({ config });
    let other;
    try {
        const ann = await Person.connect(server, 'ann'), bob = await Person.connect(server, 'bob');
        const { room } = await ann.call('room.create', { kind: 'private', name: 'Den', users: ['bob'] });
        await ann.call('message.send', { room: room.id, client_id: '1', text: 'one @bob 上海' });
        await bob.call('message.send', { room: room.id, client_id: '2', text: 'two', reply_to: 1 });
        await bob.call('reaction.add', { room: room.id, seq: 1, emoji: '👍' });
        await ann.call('message.edit', { room: room.id, seq: 1, text: 'One @bob 上海' });
        const { stdout } = await parley('chat-export', '--data-dir', server.dataDir);
        const lines = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
        assert.deepEqual(lines[0], { type: 'chat', format: 1 });
        assert.deepEqual(lines.filter(({ type }) => type === 'message').map(({ user, text, reply_to }) => [user, text, reply_to]),
            [['ann', 'One @bob 上海', undefined], ['bob', 'two', 1]]);

        const file = path.join(folder, 'export.jsonl'), data = path.join(folder, 'imported');
        fs.writeFileSync(file, stdout);
        await parley('chat-import', file, '--data-dir', data);
        assert.equal((await parley('chat-export', '--data-dir', data)).stdout, stdout);
        assert.match(await fails(73, 'chat-import', file, '--data-dir', data), /there is a chat already/);
        assert.match(await fails(75, 'chat-import', file, '--data-dir', server.dataDir), /stop the daemon first/);
        fs.writeFileSync(file, `${stdout}{"type":"user"}\n`);
        assert.match(await fails(65, 'chat-import', file, '--data-dir', path.join(folder, 'bad')), /line \d+: NOT NULL/);

        other = await Parleyd.start({ config, dataDir: data });
        const again = await Person.connect(other, 'bob');
        assert.deepEqual(await texts(again, room.id), ['One @bob 上海', 'two']);
        assert.equal((await again.call('search', { q: '上海' })).hits.length, 1);
        const mine = (await again.call('sync')).rooms.find(({ id }) => id === room.id);
        assert.deepEqual([mine.unread, mine.mentions], [1, 1]);
    } finally {
        disconnectAll();
        await other?.stop();
        await server.stop();
    }
});
