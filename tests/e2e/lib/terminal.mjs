// A program in a terminal: tmux is the terminal, what it shows is read back as text.
//
//   const t = await Terminal.start(['parley', 'chat'], { columns: 100, rows: 30 });
//   await t.shows('general'); t.type('hello'); t.key('Enter'); await t.stop();
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const WAIT_MS = 30_000, LOOK_MS = 30;

export class Terminal {
    static all = new Set();

    static async start(command, { columns = 100, rows = 30, env = {} } = {}) {
        const terminal = new Terminal();
        terminal.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-terminal-'));
        terminal.socket = path.join(terminal.folder, crypto.randomBytes(4).toString('hex'));
        const variables = Object.entries({ LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', ...env }).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
        terminal.tmux('-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', String(rows), ...variables, 'sh', '-c',
            'trap : INT; "$@"; echo "ended with $?"; cat', 'sh', ...command);
        Terminal.all.add(terminal);
        return terminal;
    }

    tmux(...words) {
        return execFileSync('tmux', ['-S', this.socket, ...words], { encoding: 'utf8', env: { ...process.env, TMUX: '', LC_ALL: 'C.UTF-8' } });
    }

    type(text) { this.tmux('send-keys', '-l', text); }
    paste(text) {
        this.tmux('set-buffer', '--', text);
        this.tmux('paste-buffer', '-p', '-r'); // between marks, if the program wants them
    }
    key(...names) { this.tmux('send-keys', ...names); } // as tmux calls them: Enter, PPage, M-a, C-d
    screen() { return this.tmux('capture-pane', '-p'); }
    styled() { return this.tmux('capture-pane', '-p', '-e'); }
    resize(columns, rows) { this.tmux('resize-window', '-x', String(columns), '-y', String(rows)); }

    async until(is, what) {
        const late = Date.now() + WAIT_MS;
        for (;;) {
            const screen = this.screen();
            if (is(screen)) return screen;
            if (Date.now() > late) throw new Error(`${what}; the screen:\n${screen}`);
            await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
    }

    shows(words) { return this.until((screen) => screen.includes(words), `'${words}' is not shown`); }
    hides(words) { return this.until((screen) => !screen.includes(words), `'${words}' is still shown`); }

    line(number) { return this.screen().split('\n')[number]; }

    async stop() {
        Terminal.all.delete(this);
        try {
            this.tmux('kill-server');
        } catch { /* it has ended */ }
        fs.rmSync(this.folder, { recursive: true, force: true });
    }

    static async stopAll() {
        for (const terminal of Terminal.all) await terminal.stop();
    }
}
