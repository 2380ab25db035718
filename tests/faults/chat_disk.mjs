// A disk that fills up under the chat: who sends is told "later", an upload is answered with 507, reading goes on; with room again
// everything goes on by itself, and what was acknowledged is there, once, over a kill -9 as well.
//   node tests/faults/chat_disk.mjs
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Parleyd } from '../e2e/lib/parleyd.mjs';
import { chatConfig, token } from '../e2e/lib/chat.mjs';
import { Wire } from '../e2e/lib/wire.mjs';
import { exitCode, expect, needRoot } from './expect.mjs';

const DISK = '24m', BALLAST_BYTES = 12 << 20, SENDERS = 8, REFUSED = 40, FILE_BYTES = 1 << 20, PAGE = 100, STORAGE = 434;

needRoot('a file system of a chosen size');

// A small file system with a ballast file: to make room is to remove it.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-chat-disk-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'parley-test', folder]);
fs.writeFileSync(path.join(folder, 'ballast'), Buffer.alloc(BALLAST_BYTES));

let server;
try {
    server = await Parleyd.start({ config: chatConfig(), dataDir: path.join(folder, 'data') });
    const connect = async () => {
        const wire = await Wire.open(server.websocket);
        await wire.connect({ token: token('ann') });
        return wire;
    };
    let wire = await connect();
    const call = async (method, data) => (await wire.call('rpc', { method, data })).data;
    const { room: { id: room } } = await call('room.create', { kind: 'private', name: 'den' });

    // What cannot be pressed together, so that the disk fills soon.
    const padding = () => crypto.randomBytes(3000).toString('base64');
    const acked = new Map(), refused = []; // client_id: seq; { client_id, text, error }
    let sent = 0;
    const send = async (message) => {
        try {
            acked.set(message.client_id, (await call('message.send', message)).seq);
            return true;
        } catch (error) {
            refused.push({ ...message, error });
            return false;
        }
    };
    const upload = async (name) => fetch(server.url(`/files?name=${name}`), {
        method: 'POST', body: crypto.randomBytes(FILE_BYTES), headers: { Authorization: `Bearer ${token('ann')}` } });

    const first = await upload('before.bin');
    expect(first.status === 201, `a file is taken while there is room: ${first.status}`);
    await Promise.all(Array.from({ length: SENDERS }, async () => {
        while (refused.length < REFUSED) await send({ room, client_id: `c${sent++}`, text: padding() });
    }));
    const codes = [...new Set(refused.map(({ error }) => `${error.code} ${error.temporary}`))];
    expect(codes.join() === `${STORAGE} true`, `who sends is told that storage fails, for now: ${codes}`);
    expect(acked.size > 50, `as long as there was room it was taken: ${acked.size}`);

    const late = await upload('late.bin');
    expect(late.status === 507, `an upload is answered with 507: ${late.status} ${await late.text()}`);
    const page = await call('message.history', { room, limit: 1 });
    expect(page.messages.length === 1, 'what is there is read');
    expect(server.log.some((line) => /storage|disk|space/i.test(line)), 'the log says so');
    expect(await server.metric('parley_chat_storage_errors_total') >= REFUSED, 'it is counted');
    const { pid } = server;

    fs.rmSync(path.join(folder, 'ballast'));
    const again = refused.splice(0);
    for (const { error, ...message } of again) // sent again, as a client does: the same one
        while (!await send(message)) refused.pop();
    expect(server.pid === pid, 'with room again it goes on by itself');
    const second = await upload('after.bin');
    expect(second.status === 201, `and takes files: ${second.status}`);
    const file = (await second.json()).attachment.id;

    await server.restart(); // with -9
    wire = await connect();
    const there = new Map();
    let after = 0, twice = 0;
    for (let more = true; more;) {
        const answer = await call('message.history', { room, after, limit: PAGE });
        for (const { client_id, seq } of answer.messages) {
            if (there.has(client_id) || seq !== after + 1) twice++;
            there.set(client_id, seq);
            after = seq;
        }
        more = answer.messages.length > 0;
    }
    const lost = [...acked].filter(([id, seq]) => there.get(id) !== seq);
    expect(lost.length === 0 && twice === 0,
        `all that was acknowledged is there, once: ${acked.size} acknowledged, ${lost.length} lost, ${twice} out of order`);
    const attached = await call('message.send', { room, text: 'with a file', attachments: [file] });
    expect(attached.seq === after + 1, 'and the file is one to send');
    expect(fs.readdirSync(path.join(folder, 'data', 'files', 'tmp')).length === 0, 'nothing half-written is left');
    wire.socket.terminate();
    await server.stop();
} catch (error) {
    expect(false, error.stack);
} finally {
    await server?.kill('SIGKILL'); // whatever went wrong: nothing may hold the disk
    execFileSync('umount', [folder]);
    fs.rmSync(folder, { recursive: true, force: true });
}
process.exit(exitCode());
