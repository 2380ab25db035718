// A disk that fills up, and a disk whose fsync fails, under load: publishers get temporary errors, the daemon stays up and says
// what is wrong, and goes on by itself when the disk does; nothing acknowledged is lost, not over a kill -9 either.
//   node tests/faults/disk.mjs full|fsync
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Parleyd } from '../e2e/lib/parleyd.mjs';
import { exitCode, expect, needRoot } from './expect.mjs';
import { Ledger } from './ledger.mjs';

const BALLAST_BYTES = 12 << 20, DISK = '24m';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-disk-'));

const faults = {
    // A small file system with a ballast file: to make room is to remove it.
    full: {
        prepare() {
            execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'parley-test', folder]);
            fs.writeFileSync(path.join(folder, 'ballast'), Buffer.alloc(BALLAST_BYTES));
            return {};
        },
        begin() {},
        end() { fs.rmSync(path.join(folder, 'ballast')); },
        clean() { execFileSync('umount', [folder]); },
        padding: 4000,
    },
    // A library in front of libc's: every fsync and fdatasync fails while a file of that name exists.
    fsync: {
        prepare() {
            return { LD_PRELOAD: process.env.PARLEY_FAILSYNC, PARLEY_FAILSYNC_FILE: path.join(folder, 'fail'),
                ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0` };
        },
        begin() { fs.writeFileSync(path.join(folder, 'fail'), ''); },
        end() { fs.rmSync(path.join(folder, 'fail')); },
        clean() {},
        padding: 100,
    },
};

const fault = faults[process.argv[2]];
if (!fault) throw new Error('usage: disk.mjs full|fsync');

if (process.argv[2] === 'full') needRoot('a file system of a chosen size');

const env = fault.prepare();
let server;
try {
    const config = {
        client: { insecure: true, allowed_origins: ['*'], recovery_max_publication_limit: 1_000_000 },
        channel: { without_namespace: { history_size: 10_000_000, history_ttl: '24h', force_recovery: true } },
    };
    server = await Parleyd.start({ config, env, dataDir: path.join(folder, 'data') });
    const ledger = new Ledger({ url: () => server.websocket, channels: ['a', 'b'], publishers: 4, subscribersEach: 1,
        window: 8, padding: fault.padding });
    ledger.start();

    await ledger.until(() => ledger.acked > 200);
    expect((await server.get('/health')).status === 200, 'healthy at first');
    const { pid } = server;

    fault.begin();
    await ledger.until(() => ledger.refused > 200);
    expect([...ledger.errorCodes.keys()].join() === '100', `publishers are told "internal server error", temporary: ${[...ledger.errorCodes]}`);
    const sick = await server.get('/health');
    expect(sick.status === 503 && /writ|disk|space|storage|commit/i.test(sick.body), `/health says what is wrong: ${sick.status} ${sick.body.trim()}`);
    expect(await server.metric('parley_engine_commit_errors_total') > 0, 'failed commits are counted');
    expect(server.log.some((line) => /disk|space|commit|storage/i.test(line)), 'the log says so');

    fault.end();
    const before = ledger.acked;
    await ledger.until(() => ledger.acked > before + 200);
    expect((await server.get('/health')).status === 200, 'healthy again');
    expect(server.pid === pid, 'the daemon has stayed up');

    await server.restart(); // with -9
    const after = ledger.acked;
    await ledger.until(() => ledger.acked > after + 50);
    await ledger.stop();
    const audit = await ledger.audit({ refusedMayReturn: true });
    for (const line of audit.slice(0, 20)) console.error(line);
    expect(audit.length === 0, `nothing acknowledged is lost: ${ledger.acked} acknowledged, ${ledger.refused} refused`);
    await server.stop();
} catch (error) {
    expect(false, error.stack);
} finally {
    await server?.kill('SIGKILL'); // whatever went wrong: nothing may hold the disk
    fault.clean();
    fs.rmSync(folder, { recursive: true, force: true });
}
process.exit(exitCode());
