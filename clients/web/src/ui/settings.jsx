// One's own: name, status, colours, notifications, password and logins.
import { useEffect, useState } from 'preact/hooks';
import { cleanName } from '../logic/identity.js';
import { explain } from '../logic/errors.js';
import { agoOf, shortDateOf } from '../logic/time.js';
import { browserStore } from '../net/store.js';
import { attempt, usePage } from './context.js';
import { EmojiButton } from './emoji.jsx';
import { Check, Choice, Field, PasswordField } from './field.jsx';
import { useObservable } from './hooks.js';
import { SmileIcon } from './icons.jsx';
import { OwnFace } from './ownface.jsx';
import { confirm, toast } from './overlay.jsx';
import { Tabs } from './tabs.jsx';
import { ThemeChoice } from './theme.jsx';

export function Settings({ close }) {
    const { chat } = usePage();
    const { me } = useObservable(chat);
    const parts = [
        ['profile', 'Profile', Profile],
        ['look', 'Appearance', Look],
        ['notify', 'Notifications', Notify],
        ['security', 'Password and logins', Security],
    ].filter(([key]) => key !== 'security' || me?.login);
    return (
        <div class="sheet settings">
            <h2>Settings</h2>
            <Tabs label="Settings" parts={parts} close={close} />
        </div>
    );
}

function Profile() {
    const { chat } = usePage();
    const { me } = useObservable(chat);
    const [name, setName] = useState(me.name);
    const [emoji, setEmoji] = useState(me.status?.emoji ?? '');
    const [text, setText] = useState(me.status?.text ?? '');
    const [until, setUntil] = useState('0');
    const saveName = (event) => {
        event.preventDefault();
        const chosen = cleanName(name);
        if (chosen && chosen !== me.name) attempt(chat.updateMe({ name: chosen }), 'Your name is changed.');
    };
    const saveStatus = (event) => {
        event.preventDefault();
        const status =
            emoji || text.trim()
                ? { emoji, text: text.trim(), ...(Number(until) && { until: Date.now() + Number(until) * 3_600_000 }) }
                : null;
        attempt(chat.setStatus(status), status ? 'Your status is set.' : 'Your status is cleared.');
    };
    return (
        <>
            <form class="form" onSubmit={saveName}>
                <OwnFace chat={chat} me={me} name={cleanName(name) || me.name} />
                <Field
                    label="Name"
                    maxlength={64}
                    autocomplete="name"
                    value={name}
                    onValue={setName}
                    hint={me.login ? `Others mention you as @${me.login}.` : undefined}
                />
                <div class="buttons">
                    <button class="button primary" disabled={!cleanName(name) || cleanName(name) === me.name}>
                        Save the name
                    </button>
                </div>
            </form>
            <form class="form" onSubmit={saveStatus}>
                <div class="status-line">
                    <span class="status-emoji" aria-hidden="true">
                        {emoji || '·'}
                    </span>
                    <EmojiButton
                        class="icon-button"
                        label="An emoji for the status"
                        icon={SmileIcon}
                        onEmoji={setEmoji}
                    />
                    <Field
                        label="Status"
                        placeholder="On a train, in the garden…"
                        maxlength={80}
                        value={text}
                        onValue={setText}
                    />
                </div>
                <Choice
                    label="Clear it after"
                    value={until}
                    onValue={setUntil}
                    options={[
                        ['0', 'never'],
                        ['1', 'an hour'],
                        ['4', '4 hours'],
                        ['24', 'a day'],
                    ]}
                />
                <div class="buttons">
                    <button
                        type="button"
                        class="button"
                        onClick={() => {
                            setEmoji('');
                            setText('');
                            attempt(chat.setStatus(null), 'Your status is cleared.');
                        }}>
                        Clear
                    </button>
                    <button class="button primary">Set the status</button>
                </div>
            </form>
        </>
    );
}

function Look() {
    return (
        <div class="form">
            <p class="label">Colours</p>
            <ThemeChoice named />
            <p class="fine">Sizes follow the browser’s: Ctrl + and Ctrl − make everything larger and smaller.</p>
        </div>
    );
}

function Notify() {
    const { chat } = usePage();
    const { rooms } = useObservable(chat);
    const [permission, setPermission] = useState(() => ('Notification' in window ? Notification.permission : 'none'));
    const [isOn, setOn] = useState(() => browserStore.get('notify') !== false);
    const ask = async () => {
        const answer = await Notification.requestPermission();
        setPermission(answer);
        if (answer === 'denied')
            toast('The browser says no. It can be allowed in the settings of the browser for this address.', 'bad');
    };
    return (
        <div class="form">
            {permission === 'granted' ? (
                <Check
                    label="Notify on this computer"
                    hint="Of mentions and direct messages, while you look elsewhere."
                    value={isOn}
                    onValue={(value) => {
                        browserStore.set('notify', value);
                        setOn(value);
                    }}
                />
            ) : permission === 'none' ? (
                <p class="quiet">This browser has no notifications.</p>
            ) : (
                <div class="permission">
                    <p class="quiet">
                        {permission === 'denied'
                            ? 'The browser was told not to notify for this address. Its settings can change that.'
                            : 'The browser has not been asked yet.'}
                    </p>
                    {permission !== 'denied' && (
                        <button type="button" class="button primary" onClick={ask}>
                            Allow notifications
                        </button>
                    )}
                </div>
            )}
            <h3>By room</h3>
            <ul class="lines">
                {rooms.map((room) => (
                    <li key={room.id} class="level-line">
                        <Choice
                            label={room.kind === 'direct' || room.kind === 'group' ? room.title : `#${room.title}`}
                            value={room.notify ?? 'all'}
                            onValue={(level) => attempt(chat.room(room.id).setNotify(level))}
                            options={[
                                ['all', 'Every message'],
                                ['mentions', 'Only mentions'],
                                ['none', 'Nothing'],
                            ]}
                        />
                    </li>
                ))}
            </ul>
        </div>
    );
}

function Security() {
    const { chat } = usePage();
    const [old, setOld] = useState('');
    const [next, setNext] = useState('');
    const [error, setError] = useState('');
    const [sessions, setSessions] = useState(null);
    const load = () => chat.auth.sessions().then(setSessions, (failure) => toast(explain(failure), 'bad'));
    useEffect(() => {
        load();
    }, []);
    const change = async (event) => {
        event.preventDefault();
        setError('');
        if (new TextEncoder().encode(next).length < 8) return setError('At least 8 characters.');
        try {
            await chat.auth.changePassword(old, next);
            toast('The password is changed; all other logins are ended.');
            setOld('');
            setNext('');
            load();
        } catch (failure) {
            setError(failure.code === 401 || failure.code === 403 ? 'That is not your password.' : explain(failure));
        }
        return undefined;
    };
    return (
        <>
            <form class="form" onSubmit={change}>
                <input
                    class="vh"
                    type="text"
                    autocomplete="username"
                    value={chat.value.me.login}
                    readonly
                    tabindex={-1}
                    aria-hidden="true"
                />
                <PasswordField label="Password now" autocomplete="current-password" value={old} onValue={setOld} />
                <PasswordField
                    label="New password"
                    autocomplete="new-password"
                    hint="At least 8 characters."
                    value={next}
                    onValue={setNext}
                    error={error}
                />
                <div class="buttons">
                    <button class="button primary" disabled={!old || !next}>
                        Change the password
                    </button>
                </div>
            </form>
            <h3>Where you are signed in</h3>
            <ul class="lines">
                {sessions?.map((session) => (
                    <li key={session.id}>
                        <span class="line-words">
                            <span>
                                {agentOf(session.agent)} {session.current && <span class="tag">here</span>}
                            </span>
                            <span class="quiet">
                                {[
                                    session.address,
                                    session.last_seen_at
                                        ? `used ${agoOf(session.last_seen_at)}`
                                        : `since ${shortDateOf(session.created_at)}`,
                                ]
                                    .filter(Boolean)
                                    .join(' · ')}
                            </span>
                        </span>
                        {!session.current && (
                            <button
                                type="button"
                                class="button"
                                onClick={() =>
                                    attempt(chat.auth.revoke({ id: session.id }), 'That login is ended.').then(
                                        (done) => done && load(),
                                    )
                                }>
                                End
                            </button>
                        )}
                    </li>
                ))}
            </ul>
            {sessions?.length > 1 && (
                <button
                    type="button"
                    class="button"
                    onClick={() =>
                        confirm({
                            title: 'End all other logins?',
                            text: 'Everywhere else you will have to sign in again.',
                            action: 'End them',
                            onConfirm: () =>
                                attempt(chat.auth.revoke({ others: true }), 'All other logins are ended.').then(
                                    (done) => done && load(),
                                ),
                        })
                    }>
                    End all others
                </button>
            )}
        </>
    );
}

// "Firefox on Linux", as far as a browser says it.
function agentOf(agent = '') {
    const browser = /Edg\//.test(agent)
        ? 'Edge'
        : /Firefox\//.test(agent)
          ? 'Firefox'
          : /Chrom(?:e|ium)\//.test(agent)
            ? 'Chrome'
            : /Safari\//.test(agent)
              ? 'Safari'
              : agent.split('/')[0].slice(0, 30) || 'A program';
    const system = /Android/.test(agent)
        ? 'Android'
        : /iPhone|iPad/.test(agent)
          ? 'iOS'
          : /Windows/.test(agent)
            ? 'Windows'
            : /Mac OS/.test(agent)
              ? 'macOS'
              : /Linux/.test(agent)
                ? 'Linux'
                : '';
    return system ? `${browser} on ${system}` : browser;
}
