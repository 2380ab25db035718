const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const CTRL = isMac ? '⌘' : 'Ctrl';
const ALT = isMac ? '⌥' : 'Alt';

const KEYS = [
    [[CTRL, 'K'], 'Jump to a room or person'],
    [[ALT, '↑ ↓'], 'Previous, next room'],
    [[ALT, 'Shift', '↑ ↓'], 'Previous, next unread room'],
    [['Enter'], 'Send'],
    [['Shift', 'Enter'], 'Start a line'],
    [['↑'], 'In an empty composer: edit what you said last'],
    [['Esc'], 'Mark the room as read; leave an edit or a reply'],
    [['@', ':'], 'Mention somebody; find an emoji'],
    [['↑ ↓'], 'In the messages: walk them'],
    [['R', 'E', '+'], 'On a message: reply, edit, react'],
    [['Del'], 'On a message: delete it'],
    [[CTRL, 'B'], 'Bold; Ctrl I italic, Ctrl E code'],
    [['?'], 'This list'],
];

export function Help() {
    return (
        <div class="sheet">
            <h2>Keyboard</h2>
            <dl class="keys">
                {KEYS.map(([keys, what]) => (
                    <div key={what}>
                        <dt>
                            {keys.map((key) => (
                                <kbd key={key}>{key}</kbd>
                            ))}
                        </dt>
                        <dd>{what}</dd>
                    </div>
                ))}
            </dl>
            <h2>Markdown</h2>
            <p class="quiet">
                <code>**bold**</code> <code>*italic*</code> <code>~~struck~~</code> <code>`code`</code>{' '}
                <code>&gt; quote</code> <code>- list</code>, and <code>```</code> around a block of code.
            </p>
        </div>
    );
}
