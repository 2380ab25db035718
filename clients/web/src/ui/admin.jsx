// For owners and admins: people, settings, the log, webhooks, figures.
import { useEffect, useState } from 'preact/hooks';
import { explain } from '../logic/errors.js';
import { plural, sizeOf } from '../logic/text.js';
import { agoOf, fullTimeOf, shortDateOf } from '../logic/time.js';
import { Avatar, nameOfUser } from './avatar.jsx';
import { Banner } from './banner.jsx';
import { attempt, usePage } from './context.js';
import { CopyButton } from './copy.jsx';
import { dialogs } from './dialogs.js';
import { Check, Choice, Field } from './field.jsx';
import { Head } from './head.jsx';
import { AlertIcon, CopyIcon, MoreIcon, TrashIcon, UserPlusIcon } from './icons.jsx';
import { MenuButton } from './menu.jsx';
import { confirm, openDialog } from './overlay.jsx';
import { Tabs } from './tabs.jsx';

const PAGE = 50;

export function AdminPage({ part }) {
    const page = usePage();
    const { value } = page;
    const isAdmin = value.me?.role === 'owner' || value.me?.role === 'admin';
    return (
        <main class="main">
            <Head title="Administration" detail={value.team?.name}>
                {isAdmin && (
                    <button type="button" class="button" onClick={() => dialogs.invite(page, null)}>
                        <UserPlusIcon />
                        <span class="button-text">Invite</span>
                    </button>
                )}
            </Head>
            <Banner />
            {value.me && !isAdmin ? (
                <div class="refused" role="alert">
                    <AlertIcon />
                    <h2>Not for everybody</h2>
                    <p>Only owners and admins may look after the team.</p>
                </div>
            ) : (
                <div class="admin">
                    {value.me && (
                        <Tabs
                            label="Administration"
                            shown={part}
                            onShow={(next) => {
                                location.hash = `#/admin/${next}`;
                            }}
                            parts={[
                                ['users', 'People', Users],
                                ['settings', 'Settings', TeamSettings],
                                ['audit', 'Log', Audit],
                                ['webhooks', 'Webhooks', Webhooks],
                                ['stats', 'Figures', Stats],
                            ]}
                        />
                    )}
                </div>
            )}
        </main>
    );
}

// {value, error, again}: what an RPC answers, asked at once and by again().
function useAnswer(ask, keys) {
    const [answer, setAnswer] = useState({ value: null, error: null });
    const again = () =>
        ask().then(
            (value) => setAnswer({ value, error: null }),
            (error) => setAnswer((before) => ({ ...before, error })),
        );
    useEffect(() => {
        again();
    }, keys);
    return { ...answer, again };
}

const Problem = ({ error, again }) =>
    error && (
        <p class="form-error" role="alert">
            <AlertIcon />
            {explain(error)}{' '}
            <button type="button" class="link" onClick={again}>
                Try again
            </button>
        </p>
    );

const ROLES = [
    ['owner', 'Owner'],
    ['admin', 'Admin'],
    ['member', 'Member'],
    ['guest', 'Guest'],
];

function Users() {
    const { chat, value } = usePage();
    const [query, setQuery] = useState('');
    const [users, setUsers] = useState(null);
    const [more, setMore] = useState(false);
    const [error, setError] = useState(null);
    const load = async (after) => {
        try {
            const found = await chat.admin.users({
                ...(query.trim() && { q: query.trim() }),
                ...(after && { after }),
                limit: PAGE,
            });
            setUsers((before) => (after && before ? [...before, ...found.users] : found.users));
            setMore(Boolean(found.more));
            setError(null);
        } catch (failure) {
            setError(failure);
        }
    };
    useEffect(() => {
        const timer = setTimeout(load, query ? 200 : 0);
        return () => clearTimeout(timer);
    }, [query]);
    const change = async (user, what, done) => {
        if (await attempt(chat.admin.user({ user: user.id, ...what }), done)) load();
    };
    const isOwner = value.me.role === 'owner';
    const menuOf = (user) =>
        [
            ...ROLES.filter(
                ([role]) =>
                    role !== user.role && role !== 'guest' && user.role !== 'guest' && (isOwner || role !== 'owner'),
            ).map(([role, title]) => ({
                label: `Make ${title.toLowerCase()}`,
                run: () => change(user, { role }, `${nameOfUser(user)} is ${title.toLowerCase()} now.`),
            })),
            user.login && {
                label: 'Set a new password…',
                run: () => openDialog('New password', (close) => <NewPassword user={user} close={close} chat={chat} />),
            },
            null,
            user.deactivated
                ? {
                      label: 'Activate',
                      run: () => change(user, { deactivated: false }, `${nameOfUser(user)} may come in again.`),
                  }
                : {
                      label: 'Deactivate…',
                      isDanger: true,
                      run: () =>
                          confirm({
                              title: `Deactivate ${nameOfUser(user)}?`,
                              text: 'Signed out everywhere, and cannot sign in. What they said stays. It can be undone.',
                              action: 'Deactivate',
                              onConfirm: () =>
                                  change(user, { deactivated: true }, `${nameOfUser(user)} is deactivated.`),
                          }),
                  },
        ].filter((one) => one !== false && one !== undefined && one !== '');
    return (
        <>
            <Field label="Find" type="search" placeholder="Name or login" value={query} onValue={setQuery} />
            <Problem error={error} again={() => load()} />
            {users && !users.length && <p class="quiet">Nobody is called that.</p>}
            <div class="table-place" tabindex={0} role="group" aria-label="Table">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">Name</th>
                            <th scope="col">Role</th>
                            <th scope="col">Since</th>
                            <th scope="col">Last seen</th>
                            <th scope="col">
                                <span class="vh">Actions</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>
                        {users?.map((user) => (
                            <tr key={user.id} class={user.deactivated ? 'is-off' : ''}>
                                <th scope="row">
                                    <span class="with-name">
                                        <Avatar user={user} size="is-small" />
                                        <bdi>{nameOfUser(user)}</bdi>
                                        {user.login && <span class="quiet">@{user.login}</span>}
                                        {user.deactivated && <span class="tag">deactivated</span>}
                                        {user.bot && <span class="tag">bot</span>}
                                    </span>
                                </th>
                                <td>{user.role}</td>
                                <td>{user.created_at ? shortDateOf(user.created_at) : ''}</td>
                                <td>{value.online?.has(user.id) ? 'online' : user.last_seen ? agoOf(user.last_seen) : ''}</td>
                                <td>
                                    {user.id !== value.me.id && (
                                        <MenuButton
                                            class="icon-button small"
                                            label={`With ${nameOfUser(user)}`}
                                            icon={MoreIcon}
                                            items={() => menuOf(user)}
                                        />
                                    )}
                                </td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
            {more && (
                <button type="button" class="button" onClick={() => load(users.at(-1).id)}>
                    More
                </button>
            )}
        </>
    );
}

function NewPassword({ user, close, chat }) {
    const [password, setPassword] = useState('');
    const isFit = new TextEncoder().encode(password).length >= 8;
    return (
        <form
            class="sheet"
            onSubmit={async (event) => {
                event.preventDefault();
                if (
                    isFit &&
                    (await attempt(
                        chat.admin.user({ user: user.id, password }),
                        'The password is set; tell them another way.',
                    ))
                )
                    close();
            }}>
            <h2>A new password for {nameOfUser(user)}</h2>
            <p class="quiet">Their logins end. Tell it to them some other way, and let them change it.</p>
            <Field
                label="New password"
                autocomplete="off"
                spellcheck={false}
                value={password}
                onValue={setPassword}
                hint="At least 8 characters."
            />
            <div class="buttons">
                <button type="button" class="button" onClick={close}>
                    Cancel
                </button>
                <button class="button primary" disabled={!isFit}>
                    Set it
                </button>
            </div>
        </form>
    );
}

function TeamSettings() {
    const { chat } = usePage();
    const { value, error, again } = useAnswer(() => chat.admin.settings({}), []);
    const [change, setChange] = useState({});
    const settings = { ...value?.settings, ...change };
    const save = async (event) => {
        event.preventDefault();
        if (await attempt(chat.admin.settings(change), 'Saved.')) {
            setChange({});
            again();
        }
    };
    if (!value) return <Problem error={error} again={again} />;
    const set = (what) => (next) => setChange({ ...change, [what]: next });
    return (
        <form class="form is-narrow" onSubmit={save}>
            <Field label="Name of the team" maxlength={64} value={settings.name ?? ''} onValue={set('name')} />
            <Choice
                label="Who may make an account"
                value={settings.registration ?? 'invite'}
                onValue={set('registration')}
                options={[
                    ['invite', 'Who is invited'],
                    ['open', 'Anybody with the address'],
                    ['closed', 'Nobody'],
                ]}
            />
            <Check
                label="Guests"
                hint="Invitations may let people in who give only a name, and see one room."
                value={Boolean(settings.guests)}
                onValue={set('guests')}
            />
            <Choice
                label="Keep messages"
                hint="Where a room does not say otherwise. Older ones are deleted for good."
                value={settings.retain_d ?? 0}
                onValue={(days) => set('retain_d')(Number(days))}
                options={[
                    [0, 'for ever'],
                    [30, '30 days'],
                    [90, '90 days'],
                    [365, 'a year'],
                    [1095, '3 years'],
                ]}
            />
            <div class="buttons">
                <button class="button primary" disabled={!Object.keys(change).length}>
                    Save
                </button>
            </div>
        </form>
    );
}

function Audit() {
    const { chat, people, value } = usePage();
    const [entries, setEntries] = useState(null);
    const [more, setMore] = useState(false);
    const [error, setError] = useState(null);
    const load = async (before) => {
        try {
            const found = await chat.admin.audit({ ...(before && { before }), limit: PAGE });
            setEntries((all) => (before && all ? [...all, ...found.entries] : (found.entries ?? [])));
            setMore(Boolean(found.more));
            setError(null);
        } catch (failure) {
            setError(failure);
        }
    };
    useEffect(() => {
        load();
    }, []);
    const nameOf = (id) => (people.byId.get(id) ? nameOfUser(people.byId.get(id)) : id);
    const roomOf = (id) => value.rooms.find((room) => room.id === id)?.title ?? id;
    return (
        <>
            <Problem error={error} again={() => load()} />
            {entries && !entries.length && <p class="quiet">Nothing has been noted yet.</p>}
            <div class="table-place" tabindex={0} role="group" aria-label="Table">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">When</th>
                            <th scope="col">Who</th>
                            <th scope="col">What</th>
                            <th scope="col">To whom, where</th>
                            <th scope="col">Details</th>
                        </tr>
                    </thead>
                    <tbody>
                        {entries?.map((entry) => (
                            <tr key={entry.id}>
                                <td title={fullTimeOf(entry.at)}>{shortDateOf(entry.at)}</td>
                                <td>{nameOf(entry.user)}</td>
                                <td>
                                    <code>{entry.action}</code>
                                </td>
                                <td>
                                    {[entry.target && nameOf(entry.target), entry.room && `#${roomOf(entry.room)}`]
                                        .filter(Boolean)
                                        .join(', ')}
                                </td>
                                <td class="is-long">
                                    {entry.detail
                                        ? typeof entry.detail === 'string'
                                            ? entry.detail
                                            : JSON.stringify(entry.detail)
                                        : ''}
                                </td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
            {more && (
                <button type="button" class="button" onClick={() => load(entries.at(-1).id)}>
                    More
                </button>
            )}
        </>
    );
}

function Webhooks() {
    const { chat, value } = usePage();
    const { value: answer, error, again } = useAnswer(() => chat.webhook.list(), []);
    const rooms = value.rooms.filter((room) => room.kind === 'public' || room.kind === 'private');
    const [kind, setKind] = useState('in');
    const [room, setRoom] = useState('');
    const [name, setName] = useState('');
    const [url, setUrl] = useState('');
    const [made, setMade] = useState(null);
    const where = room || rooms[0]?.id || '';
    const make = async (event) => {
        event.preventDefault();
        const result = await attempt(
            chat.webhook.create({ kind, room: where, name: name.trim(), ...(kind === 'out' && { url: url.trim() }) }),
        );
        if (!result) return;
        setMade(result.webhook);
        setName('');
        setUrl('');
        again();
    };
    const address = (hook) => new URL(`hooks/${hook.secret}`, document.baseURI.split('#')[0]).href;
    return (
        <>
            <form class="form is-narrow" onSubmit={make}>
                <div class="side-by-side">
                    <Choice
                        label="Kind"
                        value={kind}
                        onValue={setKind}
                        options={[
                            ['in', 'In: a program writes here'],
                            ['out', 'Out: a program is told'],
                        ]}
                    />
                    <Choice
                        label="Room"
                        value={where}
                        onValue={setRoom}
                        options={rooms.map((one) => [one.id, `#${one.title}`])}
                    />
                </div>
                <Field label="Name" maxlength={64} placeholder="Builds" value={name} onValue={setName} />
                {kind === 'out' && (
                    <Field label="URL" type="url" placeholder="https://…" value={url} onValue={setUrl} />
                )}
                <div class="buttons">
                    <button class="button primary" disabled={!name.trim() || !where || (kind === 'out' && !url.trim())}>
                        Create the webhook
                    </button>
                </div>
            </form>
            {made?.secret && (
                <div class="made-link" role="status">
                    <p>
                        <strong>{made.name}</strong> is there.{' '}
                        {made.kind === 'in'
                            ? 'Post {"text": "…"} to this address; it is shown only now.'
                            : 'This secret signs what is posted; it is shown only now.'}
                    </p>
                    <input
                        type="text"
                        readonly
                        value={made.kind === 'in' ? address(made) : made.secret}
                        aria-label="Secret"
                        onFocus={(event) => event.currentTarget.select()}
                    />
                    <CopyButton text={made.kind === 'in' ? address(made) : made.secret} label="Copy it" icon={CopyIcon}>
                        Copy
                    </CopyButton>
                </div>
            )}
            <Problem error={error} again={again} />
            <h2>Webhooks there are</h2>
            {answer && !answer.webhooks?.length && <p class="quiet">None yet.</p>}
            <ul class="lines">
                {answer?.webhooks?.map((hook) => (
                    <li key={hook.id}>
                        <span class="line-words">
                            <span>
                                <bdi>{hook.name}</bdi> <span class="tag">{hook.kind}</span>
                            </span>
                            <span class="quiet">
                                {[`#${rooms.find((one) => one.id === hook.room)?.title ?? hook.room}`, hook.url]
                                    .filter(Boolean)
                                    .join(' · ')}
                            </span>
                        </span>
                        <button
                            type="button"
                            class="icon-button"
                            aria-label={`Remove ${hook.name}`}
                            title="Remove"
                            onClick={() =>
                                confirm({
                                    title: `Remove the webhook ${hook.name}?`,
                                    text: 'Its address and secret are no good any more.',
                                    action: 'Remove',
                                    onConfirm: () =>
                                        attempt(chat.webhook.remove({ id: hook.id }), 'Removed.').then(
                                            (done) => done && again(),
                                        ),
                                })
                            }>
                            <TrashIcon />
                        </button>
                    </li>
                ))}
            </ul>
        </>
    );
}

const NUMBER = new Intl.NumberFormat();
const FIGURES = [
    ['users', 'People', (n) => NUMBER.format(n)],
    ['online', 'Connected now', (n) => NUMBER.format(n)],
    ['rooms', 'Rooms', (n) => NUMBER.format(n)],
    ['messages', 'Messages', (n) => NUMBER.format(n)],
    ['bytes', 'Database', sizeOf],
    ['files_bytes', 'Files', sizeOf],
    ['version', 'Version', String],
];

function Stats() {
    const { chat } = usePage();
    const { value, error, again } = useAnswer(() => chat.admin.stats(), []);
    return (
        <>
            <Problem error={error} again={again} />
            <dl class="stats">
                {FIGURES.map(([key, title, show]) => (
                    <div key={key}>
                        <dt>{title}</dt>
                        <dd>{value?.[key] === undefined ? '–' : show(value[key])}</dd>
                    </div>
                ))}
            </dl>
            <p class="fine">
                {value?.users ? `${plural(value.users, 'person', 'people')} so far. ` : ''}More figures are in /metrics.
            </p>
        </>
    );
}
