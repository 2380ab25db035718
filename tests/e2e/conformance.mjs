// RFC 6455 and RFC 7692, rule by rule, over a real socket: framing, pings, reserved bits and opcodes, fragmentation, UTF-8 with
// fail-fast, close codes, limits, compression.
//   node tests/e2e/conformance.mjs --port PORT [--path /] [--kind echo|daemon] [--limit BYTES] [--only TEXT]
// kind echo: the server sends every message back. kind daemon: it need not; only what every server must do is looked at.
import { parseArgs } from 'node:util';
import { BINARY, CLOSE, CONTINUATION, PING, PONG, Raw, TEXT, bytes, close, deflate, fragments, frame } from './lib/raw.mjs';

const { values: options } = parseArgs({ options: { port: { type: 'string' }, path: { type: 'string', default: '/' },
    kind: { type: 'string', default: 'echo' }, limit: { type: 'string', default: String(64 << 20) },
    only: { type: 'string', default: '' } } });
const server = { port: Number(options.port), path: options.path };
const limit = Number(options.limit);

const cases = []; // { section, name, kind, run(raw), headers }
const add = (section, name, run, more = {}) => cases.push({ section, name, run, kind: 'any', ...more });
const echo = (section, name, run, more = {}) => add(section, name, run, { kind: 'echo', ...more });

function same(found, wanted, what) {
    if (found !== wanted) throw new Error(`${what}: ${found}, not ${wanted}`);
}

async function expectMessage(raw, opcode, payload) {
    const message = await raw.message();
    if (!message) throw new Error('the connection ended instead of a message');
    if (message.opcode === CLOSE)
        throw new Error(`closed with ${message.payload.length ? message.payload.readUInt16BE(0) : 'no code'} instead of a message`);
    same(message.opcode, opcode, 'opcode');
    same(message.masked, false, 'masked');
    if (!message.payload.equals(bytes(payload)))
        throw new Error(`payload of ${message.payload.length} bytes differs from the ${bytes(payload).length} sent`);
}

async function expectClose(raw, ...codes) {
    const code = await raw.closeCode();
    if (!codes.includes(code)) throw new Error(`close code ${code}, not ${codes.join(' or ')}`);
    await raw.ended();
}

// The server is still there and in step: it answers a ping.
async function expectAlive(raw) {
    await raw.write(frame(PING, 'still there?'));
    await expectMessage(raw, PONG, 'still there?');
}

async function closeWell(raw) {
    await raw.write(close(1000));
    await expectClose(raw, 1000);
}

const fails = (section, name, data, code = 1002, chop = 0) =>
    add(section, name, async (raw) => { await raw.write(data, chop); await expectClose(raw, code); });

// 1: framing
for (const [opcode, kind] of [[TEXT, 'text'], [BINARY, 'binary']]) {
    for (const size of [0, 1, 125, 126, 127, 128, 65535, 65536, 65537]) {
        for (const chop of size > 60_000 ? [0, 997] : [0, 1]) {
            echo('5.2', `a ${kind} message of ${size} bytes${chop ? `, written ${chop} at a time` : ''}`, async (raw) => {
                const payload = opcode === TEXT ? '*'.repeat(size) : Buffer.alloc(size, 0xfe);
                await raw.write(frame(opcode, payload), chop);
                await expectMessage(raw, opcode, payload);
                await closeWell(raw);
            });
        }
    }
}
fails('5.1', 'an unmasked frame', frame(TEXT, 'x', { masked: false }));
fails('5.2', 'a 16-bit length for what fits 7 bits', frame(TEXT, 'x'.repeat(100), { form: 16 }));
fails('5.2', 'a 64-bit length for what fits 16 bits', frame(TEXT, 'x'.repeat(1000), { form: 64 }));
fails('5.2', 'a 64-bit length with its highest bit set', Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4]));
add('5.2', 'a length far above the limit is refused at its header', async (raw) => {
    await raw.write(frame(BINARY, '', { length: 2 ** 40 }));
    await expectClose(raw, 1009);
});

// 2: pings
for (const [name, payload] of [['without payload', ''], ['with text', 'Hello'], ['with binary', [0, 0xff, 0xfe, 0xfd, 0]],
    ['of 125 bytes', Buffer.alloc(125, 0xfe)]]) {
    for (const chop of [0, 1]) {
        add('5.5.2', `a ping ${name}${chop ? ', octet by octet' : ''}`, async (raw) => {
            await raw.write(frame(PING, payload), chop);
            await expectMessage(raw, PONG, payload);
            await closeWell(raw);
        });
    }
}
fails('5.5', 'a ping of 126 bytes', frame(PING, Buffer.alloc(126, 0xfe)));
add('5.5.3', 'an unasked pong is ignored', async (raw) => {
    await raw.write(Buffer.concat([frame(PONG), frame(PONG, 'unasked')]));
    await expectAlive(raw);
});
for (const chop of [0, 1]) {
    add('5.5.2', `ten pings are answered in order${chop ? ', octet by octet' : ''}`, async (raw) => {
        const all = Array.from({ length: 10 }, (_, i) => `payload ${i}`);
        await raw.write(Buffer.concat(all.map((payload) => frame(PING, payload))), chop);
        for (const payload of all) await expectMessage(raw, PONG, payload);
    });
}

// 3: reserved bits
for (let rsv = 1; rsv < 8; rsv++) {
    for (const [opcode, name] of [[TEXT, 'text'], [BINARY, 'binary'], [PING, 'ping'], [CLOSE, 'close']])
        fails('5.2', `RSV ${rsv} on a ${name} frame`, frame(opcode, opcode === CLOSE ? [3, 232] : 'x', { rsv }));
    echo('5.2', `RSV ${rsv} behind a good message`, async (raw) => {
        await raw.write(Buffer.concat([frame(TEXT, 'good'), frame(TEXT, 'bad', { rsv }), frame(PING)]), rsv % 2);
        await expectMessage(raw, TEXT, 'good');
        await expectClose(raw, 1002);
    });
}

// 4: opcodes
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    fails('5.2', `opcode ${opcode}`, frame(opcode));
    fails('5.2', `opcode ${opcode} with payload`, frame(opcode, 'reserved'));
    echo('5.2', `opcode ${opcode} behind a good message`, async (raw) => {
        await raw.write(Buffer.concat([frame(TEXT, 'good'), frame(opcode, 'bad'), frame(PING)]));
        await expectMessage(raw, TEXT, 'good');
        await expectClose(raw, 1002);
    });
}

// 5: fragmentation
fails('5.5', 'a fragmented ping', Buffer.concat([frame(PING, 'a', { fin: false }), frame(CONTINUATION, 'b')]));
fails('5.5', 'a fragmented pong', Buffer.concat([frame(PONG, 'a', { fin: false }), frame(CONTINUATION, 'b')]));
fails('5.5', 'a fragmented close', Buffer.concat([frame(CLOSE, [3, 232], { fin: false }), frame(CONTINUATION, 'b')]));
for (const chop of [0, 1]) {
    const how = chop ? ', octet by octet' : '';
    echo('5.4', `a text in two fragments${how}`, async (raw) => {
        await raw.write(fragments(TEXT, 'fragment1fragment2', 9), chop);
        await expectMessage(raw, TEXT, 'fragment1fragment2');
        await closeWell(raw);
    });
    echo('5.4', `pings between fragments are answered at once${how}`, async (raw) => {
        await raw.write(Buffer.concat([frame(TEXT, 'frag', { fin: false }), frame(PING, 'between'),
            frame(CONTINUATION, 'men', { fin: false }), frame(PING, 'again'), frame(CONTINUATION, 't')]), chop);
        await expectMessage(raw, PONG, 'between');
        await expectMessage(raw, PONG, 'again');
        await expectMessage(raw, TEXT, 'fragment');
        await closeWell(raw);
    });
    for (const fin of [true, false]) {
        fails('5.4', `a continuation of nothing (fin ${fin})${how}`,
            Buffer.concat([frame(CONTINUATION, 'of nothing', { fin }), frame(TEXT, 'Hello')]), 1002, chop);
        echo('5.4', `a continuation behind a whole message (fin ${fin})${how}`, async (raw) => {
            await raw.write(Buffer.concat([frame(TEXT, 'whole'), frame(CONTINUATION, 'x', { fin })]), chop);
            await expectMessage(raw, TEXT, 'whole');
            await expectClose(raw, 1002);
        });
    }
    fails('5.4', `a text inside a text${how}`,
        Buffer.concat([frame(TEXT, 'one', { fin: false }), frame(TEXT, 'two')]), 1002, chop);
    fails('5.4', `a binary inside a text${how}`,
        Buffer.concat([frame(TEXT, 'one', { fin: false }), frame(BINARY, 'two')]), 1002, chop);
}
echo('5.4', 'empty fragments', async (raw) => {
    await raw.write(Buffer.concat([frame(TEXT, '', { fin: false }), frame(CONTINUATION, '', { fin: false }),
        frame(CONTINUATION, 'middle', { fin: false }), frame(CONTINUATION, '')]));
    await expectMessage(raw, TEXT, 'middle');
    await raw.write(Buffer.concat([frame(TEXT, '', { fin: false }), frame(CONTINUATION, '')]));
    await expectMessage(raw, TEXT, '');
});
for (const n of [1, 2, 3, 125, 126, 4096]) {
    echo('5.4', `a message in fragments of ${n}, a ping behind each`, async (raw) => {
        const payload = 'κ'.repeat(n * 10);
        const parts = [];
        for (let at = 0, body = bytes(payload); at < body.length; at += n)
            parts.push(frame(at ? CONTINUATION : TEXT, body.subarray(at, at + n), { fin: at + n >= body.length }),
                frame(PING, String(at)));
        await raw.write(Buffer.concat(parts));
        for (let seen = false; ;) {
            const message = await raw.message();
            if (message.opcode === TEXT) {
                same(message.payload.toString(), payload, 'the message');
                seen = true;
            } else if (Number(message.payload) + n >= n * 20) {
                same(seen, true, 'the message came before the last pong');
                break;
            }
        }
    });
}
echo('5.4', 'a close inside a message', async (raw) => {
    await raw.write(Buffer.concat([frame(TEXT, 'never ended', { fin: false }), close(1000)]));
    await expectClose(raw, 1000);
});

// 6: UTF-8
const valid = ['Hello-µ@ßöäüàá-UTF-8!!', 'κόσμε', '\u0000', '\u0080', '\u07ff', '\u0800', '\uffff', '\ufffe', '\u{10000}', '\u{10ffff}',
    '\ud7ff', '\ue000', '\ufffd', '\u{1f600}\u{1f468}\u200d\u{1f469}', '上海', '\u{1ffff}', '\u{fffff}'];
for (const text of valid) {
    const name = JSON.stringify(text).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    echo('8.1', `the text ${name}`, async (raw) => {
        await raw.write(frame(TEXT, text));
        await expectMessage(raw, TEXT, text);
        await raw.write(fragments(TEXT, text, 1));
        await expectMessage(raw, TEXT, text);
        await raw.write(frame(TEXT, text), 1);
        await expectMessage(raw, TEXT, text);
        await closeWell(raw);
    });
}
const invalid = { 'a lone continuation byte': [0x80], 'two of them': [0x80, 0xbf], 'a lone start of two': [0xc3], 'a start of two and a space': [0xc3, 0x20],
    'a cut three-byte sequence': [0xe2, 0x82], 'a cut four-byte sequence': [0xf0, 0x9f, 0x98], 'an overlong slash in two': [0xc0, 0xaf],
    'an overlong slash in three': [0xe0, 0x80, 0xaf], 'an overlong slash in four': [0xf0, 0x80, 0x80, 0xaf], 'an overlong NUL': [0xc0, 0x80],
    'the highest overlong in two': [0xc1, 0xbf], 'the highest overlong in three': [0xe0, 0x9f, 0xbf],
    'the highest overlong in four': [0xf0, 0x8f, 0xbf, 0xbf], 'a five-byte sequence': [0xf8, 0x88, 0x80, 0x80, 0x80],
    'a six-byte sequence': [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80], 'past U+10FFFF': [0xf4, 0x90, 0x80, 0x80], '0xfe': [0xfe], '0xff': [0xff],
    'a high surrogate': [0xed, 0xa0, 0x80], 'a low surrogate': [0xed, 0xbf, 0xbf], 'a pair of surrogates': [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80] };
for (const [name, sequence] of Object.entries(invalid)) {
    fails('8.1', `${name} in a text`, frame(TEXT, sequence), 1007);
    fails('8.1', `${name} behind good text`, frame(TEXT, Buffer.concat([bytes('κόσμε'), bytes(sequence)])), 1007);
    fails('8.1', `${name}, one byte a fragment`, fragments(TEXT, sequence, 1), 1007);
    echo('8.1', `${name} in a binary is nobody’s business`, async (raw) => {
        await raw.write(frame(BINARY, sequence));
        await expectMessage(raw, BINARY, sequence);
    });
}
// Fail-fast: the message is not over when its first bad byte is there.
const bad = Buffer.concat([bytes('κόσμε'), Buffer.from([0xf4, 0x90])]);
fails('8.1', 'bad UTF-8 is seen in a fragment, before the message is whole', frame(TEXT, bad, { fin: false }), 1007);
fails('8.1', 'bad UTF-8 is seen inside a frame, before the frame is whole',
    frame(TEXT, bad, { length: 1000 }), 1007);
fails('8.1', 'bad UTF-8 is seen octet by octet', frame(TEXT, bad, { length: 1000 }), 1007, 1);
fails('8.1', 'a surrogate is seen at its second byte', frame(TEXT, [0xed, 0xa0], { length: 1000 }), 1007);

// 7: closing
add('5.5.1', 'a close is answered', closeWell);
add('5.5.1', 'a close without a code', async (raw) => { await raw.write(frame(CLOSE)); await expectClose(raw, 1005, 1000); });
add('5.5.1', 'a close with a reason of 123 bytes', async (raw) => {
    await raw.write(close(1000, '*'.repeat(123)));
    await expectClose(raw, 1000);
});
add('5.5.1', 'what comes behind a close is ignored', async (raw) => {
    await raw.write(Buffer.concat([close(1000), frame(TEXT, 'late'), frame(PING), close(1001)]));
    await expectClose(raw, 1000);
});
fails('5.5.1', 'a close of one byte', frame(CLOSE, [3]));
fails('5.5.1', 'a close of 126 bytes', close(1000, '*'.repeat(124)));
fails('5.5.1', 'a close whose reason is not UTF-8', close(1000, Buffer.from([0xce, 0xba, 0xe1, 0xed, 0xa0, 0x80])), 1007);
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
    add('7.4', `close code ${code} is accepted`, async (raw) => { await raw.write(close(code)); await expectClose(raw, code); });
for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
    fails('7.4', `close code ${code} is refused`, close(code));
add('5.5.1', 'a close octet by octet', async (raw) => { await raw.write(close(3000, 'bye'), 1); await expectClose(raw, 3000); });

// 9: sizes and limits
for (const [opcode, kind] of [[TEXT, 'text'], [BINARY, 'binary']]) {
    for (const size of [1 << 18, 1 << 20, 4 << 20, 16 << 20]) {
        if (size > limit) continue;
        echo('10.4', `a ${kind} message of ${size} bytes`, async (raw) => {
            const payload = Buffer.alloc(size, '*');
            await raw.write(frame(opcode, payload));
            await expectMessage(raw, opcode, payload);
        });
    }
    for (const n of [64, 4096, 65536]) {
        if ((1 << 20) > limit) continue;
        echo('10.4', `a ${kind} message of 1 MiB in fragments of ${n}`, async (raw) => {
            const payload = Buffer.alloc(1 << 20, '*');
            await raw.write(fragments(opcode, payload, n));
            await expectMessage(raw, opcode, payload);
        });
    }
}
for (const chop of [64, 1024]) {
    echo('10.4', `64 KiB written ${chop} bytes at a time`, async (raw) => {
        const payload = Buffer.alloc(65536, 'ä');
        await raw.write(frame(BINARY, payload), chop);
        await expectMessage(raw, BINARY, payload);
    });
}
for (const size of [0, 16, 256, 4096]) {
    echo('10.4', `1,000 messages of ${size} bytes, without waiting`, async (raw) => {
        const payload = '*'.repeat(size);
        raw.write(Buffer.concat(Array.from({ length: 1000 }, () => frame(TEXT, payload))));
        for (let i = 0; i < 1000; i++) await expectMessage(raw, TEXT, payload);
    });
}
if (limit < (64 << 20)) {
    fails('10.4', 'a message over the limit, by its header', frame(BINARY, Buffer.alloc(0), { length: limit + 1 }), 1009);
    fails('10.4', 'a message over the limit, summed over its fragments',
        Buffer.concat([frame(BINARY, Buffer.alloc(limit), { fin: false }), frame(CONTINUATION, 'x')]), 1009);
}

// 12, 13: permessage-deflate
const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_no_context_takeover; server_no_context_takeover' };
const json = JSON.stringify(Array.from({ length: 300 }, (_, i) => ({ id: i, name: `nämé ${i % 7}`, tags: ['a', 'b'] })));
const agreed = (raw) => same(/^permessage-deflate/.test(raw.header('Sec-WebSocket-Extensions') ?? ''), true, 'the extension is agreed on');
for (const [name, text] of [['an empty one', ''], ['a short one', 'Hello'], ['a repeating one', 'abc'.repeat(50_000)], ['JSON', json]]) {
    for (const chop of [0, 997]) {
        echo('RFC 7692 7', `a compressed message: ${name}${chop ? ', chopped' : ''}`, async (raw) => {
            agreed(raw);
            await raw.write(frame(TEXT, deflate(text), { rsv: 4 }), chop);
            await expectMessage(raw, TEXT, text);
            await raw.write(fragments(TEXT, deflate(text), 100, { rsv: 4 }), chop);
            await expectMessage(raw, TEXT, text);
            await raw.write(frame(TEXT, text));
            await expectMessage(raw, TEXT, text);
            await closeWell(raw);
        }, { headers: OFFER });
    }
}
for (const size of [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]) {
    for (const piece of [0, 256, 1024, 32768]) {
        if (piece && piece * 400 < size) continue;
        echo('RFC 7692 6.1', `50 compressed messages of ${size} bytes${piece ? `, in fragments of ${piece}` : ''}`, async (raw) => {
            const all = Array.from({ length: 50 }, (_, i) => Buffer.from(json.repeat(1 + Math.ceil(size / json.length)))
                .subarray(i * 8, i * 8 + size).map((b) => b & 0x7f));
            const sent = all.map((text) => (piece ? fragments(TEXT, deflate(text), piece, { rsv: 4 }) : frame(TEXT, deflate(text), { rsv: 4 })));
            raw.write(Buffer.concat(sent));
            for (const text of all) await expectMessage(raw, TEXT, text);
        }, { headers: OFFER });
    }
}
echo('RFC 7692 7', 'a hundred compressed messages, pings between fragments', async (raw) => {
    for (let i = 0; i < 100; i++) {
        const text = `${json.slice(0, i * 50)}${i}`;
        const parts = deflate(text);
        await raw.write(Buffer.concat([frame(TEXT, parts.subarray(0, 2), { rsv: 4, fin: false }), frame(PING, String(i)),
            frame(CONTINUATION, parts.subarray(2))]));
        await expectMessage(raw, PONG, String(i));
        await expectMessage(raw, TEXT, text);
    }
}, { headers: OFFER });
echo('RFC 7692 7.2.3.6', 'an uncompressed block, a final block, an empty fragment', async (raw) => {
    const stored = Buffer.from([0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]);
    await raw.write(frame(TEXT, stored, { rsv: 4 }));
    await expectMessage(raw, TEXT, 'Hello');
    await raw.write(frame(TEXT, Buffer.from([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]), { rsv: 4 })); // BFINAL, then a 0
    await expectMessage(raw, TEXT, 'Hello');
}, { headers: OFFER });
const deflated = (name, data, code) => add('RFC 7692 7', name, async (raw) => {
    agreed(raw);
    await raw.write(data);
    await expectClose(raw, code);
}, { headers: OFFER, kind: 'echo' });
deflated('RSV1 on a continuation', Buffer.concat([frame(TEXT, deflate('a'), { rsv: 4, fin: false }), frame(CONTINUATION, '', { rsv: 4 })]), 1002);
deflated('RSV1 on a ping', frame(PING, 'x', { rsv: 4 }), 1002);
deflated('RSV2 beside it', frame(TEXT, deflate('a'), { rsv: 6 }), 1002);
deflated('what is not deflate', frame(TEXT, Buffer.alloc(50, 0xff), { rsv: 4 }), 1007);
deflated('what inflates to bad UTF-8', frame(TEXT, deflate(Buffer.from([0xed, 0xa0, 0x80])), { rsv: 4 }), 1007);
deflated('a bomb', frame(BINARY, deflate(Buffer.alloc(700 << 20)), { rsv: 4 }), 1009);
const offers = [
    ['permessage-deflate', true], ['permessage-deflate; client_max_window_bits', true],
    ['permessage-deflate; client_max_window_bits=10', true], ['permessage-deflate; server_max_window_bits=9', true],
    ['permessage-deflate; server_max_window_bits=15; client_max_window_bits=15', true],
    ['permessage-deflate; server_no_context_takeover; server_max_window_bits=12', true],
    ['permessage-deflate; client_max_window_bits="10"', true],
    ['permessage-deflate; server_max_window_bits=7', false], ['permessage-deflate; server_max_window_bits=16', false],
    ['permessage-deflate; server_max_window_bits', false], ['permessage-deflate; client_max_window_bits=08', false],
    ['permessage-deflate; unknown', false], ['permessage-deflate; server_no_context_takeover=1', false],
    ['permessage-deflate; server_no_context_takeover; server_no_context_takeover', false],
    ['x-webkit-deflate-frame', false], ['permessage-bzip2', false],
    ['permessage-deflate; server_max_window_bits=7, permessage-deflate', true],
];
for (const [offer, isTaken] of offers) {
    echo('RFC 7692 7.1', `the offer "${offer}" is ${isTaken ? 'taken' : 'declined'}`, async (raw) => {
        const answer = raw.header('Sec-WebSocket-Extensions');
        same(answer !== undefined, isTaken, 'agreed');
        if (isTaken) {
            await raw.write(frame(TEXT, deflate(json, { windowBits: 9 }), { rsv: 4 }));
            await expectMessage(raw, TEXT, json);
        } else {
            await raw.write(frame(TEXT, json));
            await expectMessage(raw, TEXT, json);
        }
        await closeWell(raw);
    }, { headers: { 'Sec-WebSocket-Extensions': offer } });
}
fails('RFC 7692 6', 'RSV1 where nothing was agreed on', frame(TEXT, deflate('a'), { rsv: 4 }));

// The opening handshake
for (const [name, headers, status] of [
    ['no Host', { Host: null }, 400], ['no Upgrade', { Upgrade: null }, 0], ['another Upgrade', { Upgrade: 'h2c' }, 0],
    ['no Connection', { Connection: null }, 0], ['no key', { 'Sec-WebSocket-Key': null }, 400],
    ['a key that is not base64', { 'Sec-WebSocket-Key': '????????????????????????' }, 400],
    ['a key of 15 bytes', { 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAA' }, 400],
    ['version 12', { 'Sec-WebSocket-Version': '12' }, 426], ['no version', { 'Sec-WebSocket-Version': null }, 426]]) {
    add('4.2', `a handshake with ${name} is refused`, async (raw) => {
        const found = await raw.handshake(server.path, headers);
        if (found === 101 || found < 400 || (status && found !== status)) throw new Error(`status ${found}, not ${status || '4xx'}`);
        if (status === 426) same(raw.header('Sec-WebSocket-Version'), '13', 'the version it speaks');
    }, { closed: true });
}
add('4.2', 'names and tokens are compared without case, and lists are lists', async (raw) => {
    same(await raw.handshake(server.path, { Upgrade: 'foo, WebSocket', Connection: 'keep-alive, uPGRADE' }), 101, 'status');
    same(raw.header('Sec-WebSocket-Accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'accept');
}, { closed: true });
add('4.2', 'frames right behind the handshake are not lost', async (raw) => {
    const head = ['GET ' + server.path + ' HTTP/1.1', 'Host: localhost', 'Upgrade: websocket', 'Connection: Upgrade',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', '', ''].join('\r\n');
    await raw.write(Buffer.concat([bytes(head), frame(PING, 'early')]));
    await raw.request('');
    await expectMessage(raw, PONG, 'early');
}, { closed: true });

let passed = 0;
const failed = [];
for (const one of cases) {
    if (one.kind === 'echo' && options.kind !== 'echo') continue;
    if (!`${one.section} ${one.name}`.includes(options.only)) continue;
    let raw;
    try {
        raw = one.closed ? new Raw(server.port) : await Raw.open(server, one.headers);
        await one.run(raw);
        passed++;
    } catch (error) {
        failed.push(`${one.section}: ${one.name}: ${error.message}`);
    } finally {
        raw?.destroy();
    }
}
for (const line of failed) console.log(`not ok ${line}`);
console.log(`${passed} passed, ${failed.length} failed`);
process.exit(failed.length ? 1 : 0);
