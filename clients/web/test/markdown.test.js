import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { bundled } from './bundled.js';

let markdownOf, safeHref, summaryOf;
before(async () => {
    ({ markdownOf, safeHref, summaryOf } = await bundled('logic/markdown.js'));
});

const walk = (nodes, visit) => {
    for (const node of nodes) {
        visit(node);
        walk(node.children ?? [], visit);
    }
};
const nodesOf = (text) => {
    const found = [];
    walk(markdownOf(text), (node) => found.push(node));
    return found;
};
const wordsOf = (text) =>
    nodesOf(text)
        .map((node) => node.text ?? '')
        .join('');
const linksOf = (text) => nodesOf(text).filter(({ kind }) => kind === 'link');
const kindsOf = (text) => nodesOf(text).map(({ kind }) => kind);

test('what people write is marked up', () => {
    assert.deepEqual(markdownOf('hello'), [{ kind: 'paragraph', children: [{ kind: 'text', text: 'hello' }] }]);
    assert.deepEqual(
        kindsOf('**b** *i* ~~s~~ `c`').filter((kind) => kind !== 'text' && kind !== 'paragraph'),
        ['strong', 'em', 'del', 'codeText'],
    );
    assert.deepEqual(
        kindsOf('> said\n\nanswer').filter((kind) => kind !== 'text'),
        ['quote', 'paragraph', 'paragraph'],
    );
    assert.deepEqual(
        nodesOf('3. c\n4. d').find(({ kind }) => kind === 'list'),
        { ...nodesOf('3. c\n4. d').find(({ kind }) => kind === 'list'), start: 3 },
    );
    assert.deepEqual(markdownOf('```js\nlet a;\n<b>\n```'), [{ kind: 'code', text: 'let a;\n<b>', language: 'js' }]);
});

test('lines stay lines, and nothing becomes a heading, a picture or an indented block', () => {
    assert.equal(wordsOf('one\ntwo'), 'one\ntwo');
    assert.equal(wordsOf('Title\n====='), 'Title\n=====');
    assert.deepEqual(kindsOf('# loud').slice(0, 2), ['paragraph', 'strong']);
    assert.equal(kindsOf('![x](https://a.example/x.png)').includes('image'), false);
    assert.equal(kindsOf('    four spaces *x*').includes('code'), false);
});

test('links go to the web or to an address, and nowhere else', () => {
    assert.deepEqual(
        linksOf('see https://example.com/a?b=c#d. and [here](http://x.example) or www.y.example, me@z.example').map(
            ({ href }) => href,
        ),
        ['https://example.com/a?b=c#d', 'http://x.example/', 'http://www.y.example/', 'mailto:me@z.example'],
    );
    for (const href of [
        'javascript:alert(1)',
        'JaVaScRiPt:alert(1)',
        ' javascript:alert(1)',
        'java\nscript:alert(1)',
        'vbscript:x',
        'data:text/html,x',
        'file:///etc/passwd',
        'blob:https://x/1',
        '//x',
        '/x',
        '#x',
        'https://',
    ])
        assert.equal(safeHref(href), null, href);
});

test('a link whose words are another address says where it leads', () => {
    assert.equal(linksOf('[https://bank.example](https://evil.example/login)')[0].host, 'evil.example');
    assert.equal(linksOf('[bank.example](https://evil.example)')[0].host, 'evil.example');
    assert.equal(linksOf('[the bank](https://bank.example)')[0].host, '');
    assert.equal(linksOf('https://bank.example/x')[0].host, '');
});

test('mentions are found, also beside punctuation, and not in the middle of a word', () => {
    const logins = (text) =>
        nodesOf(text)
            .filter(({ kind }) => kind === 'mention')
            .map(({ login }) => login);
    assert.deepEqual(logins('@ada, (@bo.b) and @Cy.'), ['ada', 'bo.b', 'cy']);
    assert.deepEqual(logins('**@ada** `@bo`'), ['ada']);
    assert.deepEqual(logins('me@ada.example x@bo'), []);
    assert.equal(wordsOf('hi @ada!'), 'hi @ada!');
});

// The kinds that are published in lists of payloads.
const PAYLOADS = [
    '<script>alert(1)</script>',
    '<ScRiPt src=//x.example></sCrIpT>',
    '<img src=x onerror=alert(1)>',
    '<svg onload=alert(1)>',
    '<svg><animate onbegin=alert(1) attributeName=x dur=1s>',
    '<iframe srcdoc="<script>alert(1)</script>">',
    '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
    '<a href="javascript:alert(1)">x</a>',
    '<body onpageshow=alert(1)>',
    '<details open ontoggle=alert(1)>',
    '<object data="data:text/html,<script>alert(1)</script>">',
    '"><script>alert(1)</script>',
    "';alert(String.fromCharCode(88))//",
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    '&#60;img src=x onerror=alert(1)&#62;',
    '[x](javascript:alert(1))',
    '[x](JAVASCRIPT:alert(1))',
    '[x](java&#115;cript:alert(1))',
    '[x](javascript&colon;alert(1))',
    '[x](<javascript:alert(1)>)',
    '[x](\u0001javascript:alert(1))',
    '[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
    '[x](vbscript:msgbox(1))',
    '![x](x"onerror="alert(1))',
    '![x](javascript:alert(1))',
    '<javascript:alert(1)>',
    '[a]: javascript:alert(1)\n\n[a]',
    '**<img src=x onerror=alert(1)>**',
    '> <script>alert(1)</script>',
    '- <img src=x onerror=alert(1)>',
    '[![x](https://x.example/a.png)](javascript:alert(1))',
    '[**[x](javascript:alert(1))**](javascript:alert(2))',
    '`<img src=x onerror=alert(1)>`',
    '{{constructor.constructor("alert(1)")()}}',
    'https://x.example/"onmouseover="alert(1)',
    '<https://x.example/"onmouseover="alert(1)>',
];

test('payloads are text: no kind of node but ours, no link but to the web', () => {
    const OURS = new Set([
        'paragraph',
        'quote',
        'list',
        'item',
        'code',
        'rule',
        'text',
        'strong',
        'em',
        'del',
        'codeText',
        'break',
        'link',
        'mention',
    ]);
    for (const payload of PAYLOADS) {
        walk(markdownOf(payload), (node) => {
            assert.ok(OURS.has(node.kind), `${node.kind} in ${payload}`);
            if (node.kind === 'link') assert.match(node.href, /^(?:https?|mailto):/, payload);
        });
        const tags = payload.match(/<[^>]+>/g) ?? [];
        for (const tag of tags)
            if (!/^<(?:https|javascript)/.test(tag) && !payload.startsWith('['))
                assert.ok(wordsOf(payload).includes(tag), `${tag} is shown in ${payload}`);
    }
});

test('nothing that can be typed makes it slow or deep', () => {
    for (const unit of [
        '*',
        '*a ',
        '_a',
        '[',
        '[a](',
        '`',
        '>',
        '> ',
        '~~a',
        'www.a.a ',
        '@a ',
        'a@b.c ',
        '- ',
        'a\n',
        '\\',
        'http://a ',
        '*[`_',
        '- \n',
        '1. ',
    ]) {
        const text = unit.repeat(Math.floor(16_384 / unit.length));
        let depth = 0;
        const measure = (nodes, at) => {
            depth = Math.max(depth, at);
            for (const node of nodes) if (node.children) measure(node.children, at + 1);
        };
        measure(markdownOf(text), 0);
        assert.ok(depth < 30, `${JSON.stringify(unit)}: ${depth}`);
    }
});

test('a summary is one line', () => {
    assert.equal(summaryOf('one\n\n**two**   `three`'), 'one two three');
    assert.equal(summaryOf('x'.repeat(200), 10), `${'x'.repeat(9)}…`);
});
