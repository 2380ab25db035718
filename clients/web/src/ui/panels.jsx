// At the right of a room: who is in it, what is pinned, what can be found.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { explain } from '../logic/errors.js';
import { summaryOf } from '../logic/markdown.js';
import { plural } from '../logic/text.js';
import { agoOf, fullTimeOf, isoOf, shortDateOf, whenOf } from '../logic/time.js';
import { Avatar, nameOfUser } from './avatar.jsx';
import { attempt, usePage } from './context.js';
import { dialogs } from './dialogs.js';
import { Check, Choice } from './field.jsx';
import { useNow } from './hooks.js';
import { CloseIcon, MoreIcon, PinIcon, UserPlusIcon } from './icons.jsx';
import { MenuButton } from './menu.jsx';
import { isOnline, useLastSeen } from './presence.js';

const PAGE = 200;

function Panel({ title, children, tools }) {
    const { hasColumn, setPanel } = usePage();
    return (
        <div class="panel-inside">
            <header class="panel-head">
                <h2>{title}</h2>
                {tools}
                {hasColumn && (
                    <button
                        type="button"
                        class="icon-button"
                        aria-label={`Close: ${title}`}
                        title="Close"
                        onClick={() => setPanel(null)}>
                        <CloseIcon />
                    </button>
                )}
            </header>
            {children}
        </div>
    );
}

const ROLES = { owner: 'owner', mod: 'moderator', guest: 'guest' };

export function Members({ room, state, isMod }) {
    const page = usePage();
    const { chat, people, value, isLooking } = page;
    const { info, online, membersVer } = state;
    const [members, setMembers] = useState(null);
    const [more, setMore] = useState(false);
    const [error, setError] = useState(null);
    const now = useNow(30_000);

    const load = async (after) => {
        try {
            const found = await chat.member.list({ room: room.id, after, limit: PAGE });
            setMembers((before) => (after && before ? [...before, ...found.members] : found.members));
            setMore(Boolean(found.more));
            setError(null);
        } catch (failure) {
            setError(failure);
        }
    };
    useEffect(() => {
        load();
    }, [room, membersVer]);

    const ids = (members ?? []).map(({ user }) => (typeof user === 'object' ? user.id : user));
    const seen = useLastSeen(chat, ids, !value.online && isLooking && value.connection.status === 'online');
    const lastSeen = (user) => Math.max(chat.lastSeen(user.id), seen[user.id] ?? 0);
    const lines = useMemo(() => {
        const here = new Set(online);
        return (members ?? [])
            .map((member) => {
                const id = typeof member.user === 'object' ? member.user.id : member.user;
                const user =
                    people.byId.get(id) ?? (typeof member.user === 'object' ? member.user : { id, name: 'Somebody' });
                return {
                    ...member,
                    user,
                    isHere: here.has(id),
                    isOn: here.has(id) || id === value.me?.id || isOnline(user, value.online, seen, now),
                };
            })
            .sort((a, b) => b.isOn - a.isOn || nameOfUser(a.user).localeCompare(nameOfUser(b.user)));
    }, [members, people, online, value.online, seen, now]);
    const on = lines.filter((line) => line.isOn);
    const off = lines.filter((line) => !line.isOn);
    const draw = ({ user, role, muted_until, isOn, isHere }) => (
        <li key={user.id} class="member">
            <button type="button" class="member-main" onClick={() => dialogs.profile(page, user, info)}>
                <Avatar user={user} isOnline={isOn} />
                <span class="member-words">
                    <span class="member-name">
                        <bdi>{nameOfUser(user)}</bdi>
                        {user.status?.emoji && <span title={user.status.text}> {user.status.emoji}</span>}
                    </span>
                    <span class="member-note">
                        {user.id === value.me?.id
                            ? 'you'
                            : muted_until > now
                              ? `muted until ${shortDateOf(muted_until)}`
                              : isHere
                                ? 'has this room open'
                                : lastSeen(user) && !isOn
                                  ? `seen ${agoOf(lastSeen(user), now)}`
                                  : (user.status?.text ?? (user.login ? `@${user.login}` : ''))}
                    </span>
                </span>
                {ROLES[role] && <span class="tag">{ROLES[role]}</span>}
            </button>
            {user.id !== value.me?.id && (
                <MenuButton
                    class="icon-button small"
                    label={`With ${nameOfUser(user)}`}
                    icon={MoreIcon}
                    items={() => memberMenu(page, info, user, role, muted_until, isMod)}
                />
            )}
        </li>
    );
    return (
        <Panel
            title={`Members${info.members_n ? ` · ${info.members_n}` : ''}`}
            tools={
                info.role && (
                    <button
                        type="button"
                        class="icon-button"
                        aria-label="Add people"
                        title="Add people"
                        onClick={() => dialogs.addMembers(page, info)}>
                        <UserPlusIcon />
                    </button>
                )
            }>
            {error && (
                <p class="quiet panel-note" role="alert">
                    {explain(error)}{' '}
                    <button type="button" class="link" onClick={() => load()}>
                        Try again
                    </button>
                </p>
            )}
            {!members && !error && <p class="quiet panel-note">Looking around…</p>}
            {on.length > 0 && (
                <>
                    <h3 class="panel-title">Online · {on.length}</h3>
                    <ul class="members">{on.map(draw)}</ul>
                </>
            )}
            {off.length > 0 && (
                <>
                    <h3 class="panel-title">Away · {off.length}</h3>
                    <ul class="members">{off.map(draw)}</ul>
                </>
            )}
            {more && (
                <button
                    type="button"
                    class="button wide"
                    onClick={() => {
                        const last = members.at(-1)?.user;
                        load(typeof last === 'object' ? last.id : last);
                    }}>
                    More
                </button>
            )}
        </Panel>
    );
}

export function memberMenu(page, info, user, role, mutedUntil, isMod) {
    const { chat, go } = page;
    const write = async () => {
        const made = await attempt(chat.direct(user.id));
        if (made) go(made.id);
    };
    const isPeople = info.kind === 'direct' || info.kind === 'group';
    const items = [
        { label: 'Profile', run: () => dialogs.profile(page, user, info) },
        { label: 'Message', run: write },
    ];
    if (!isMod || isPeople || role === 'owner') return items;
    const isMuted = mutedUntil > Date.now();
    return [
        ...items,
        null,
        role === 'mod'
            ? {
                  label: 'Make an ordinary member',
                  run: () => attempt(chat.member.update({ room: info.id, user: user.id, role: 'member' }), 'Done.'),
              }
            : role !== 'guest' && {
                  label: 'Make a moderator',
                  run: () =>
                      attempt(
                          chat.member.update({ room: info.id, user: user.id, role: 'mod' }),
                          `${nameOfUser(user)} is a moderator now.`,
                      ),
              },
        isMuted
            ? {
                  label: 'Let write again',
                  run: () =>
                      attempt(
                          chat.moderation.unmute({ room: info.id, user: user.id }),
                          `${nameOfUser(user)} may write again.`,
                      ),
              }
            : { label: 'Mute…', run: () => dialogs.moderate(page, info, user, 'mute') },
        { label: 'Remove from the room…', isDanger: true, run: () => dialogs.moderate(page, info, user, 'kick') },
        { label: 'Ban…', isDanger: true, run: () => dialogs.moderate(page, info, user, 'ban') },
    ].filter((one) => one !== false);
}

function Hit({ message, people, rooms, children, showsRoom, onTake }) {
    const room = rooms.find((one) => one.id === message.room);
    const user = people.byId.get(message.user);
    return (
        <li>
            <button type="button" class="hit" onClick={onTake}>
                <span class="hit-head">
                    <Avatar user={user} size="is-tiny" />
                    <bdi class="hit-name">{nameOfUser(user)}</bdi>
                    <time dateTime={isoOf(message.at)} title={fullTimeOf(message.at)}>
                        {whenOf(message.at)}
                    </time>
                </span>
                {showsRoom && room && (
                    <bdi class="hit-room">
                        {room.kind === 'direct' || room.kind === 'group' ? room.title : `#${room.title}`}
                    </bdi>
                )}
                <span class="hit-text" dir="auto">
                    {children}
                </span>
            </button>
        </li>
    );
}

export function Pins({ room, state, actions }) {
    const { chat, people, value } = usePage();
    const [messages, setMessages] = useState(null);
    const [error, setError] = useState(null);
    const { pins } = state.timeline;
    useEffect(() => {
        chat.pins.list({ room: room.id }).then(
            (found) => setMessages(found.messages),
            (failure) => setError(failure),
        );
    }, [room, pins]);
    return (
        <Panel title="Pinned messages">
            {error && (
                <p class="quiet panel-note" role="alert">
                    {explain(error)}
                </p>
            )}
            {messages && !messages.length && (
                <div class="panel-empty">
                    <PinIcon />
                    <p class="quiet">
                        Nothing is pinned. What everybody should find again can be: in a message’s menu.
                    </p>
                </div>
            )}
            <ul class="hits">
                {messages?.map((message) => (
                    <Hit
                        key={message.seq}
                        message={message}
                        people={people}
                        rooms={value.rooms}
                        onTake={() => actions.jump(message.seq)}>
                        {summaryOf(message.text || message.attachments?.[0]?.name || '', 260)}
                    </Hit>
                ))}
            </ul>
        </Panel>
    );
}

const SEARCH_DELAY_MS = 250;

export function Search({ room, state }) {
    const { chat, people, value, go, hasColumn, setPanel } = usePage();
    const { info } = state;
    const [q, setQ] = useState('');
    const [isHere, setHere] = useState(false);
    const [from, setFrom] = useState('');
    const [has, setHas] = useState('');
    const [hits, setHits] = useState(null);
    const [page, setPage] = useState(null);
    const [error, setError] = useState(null);
    const [isBusy, setBusy] = useState(false);
    const input = useRef();
    const asked = useRef(null); // the page that is shown, as soon as it is known; null: another is asked for
    const take = (found) => {
        asked.current = found;
        setPage(found);
    };
    useEffect(() => input.current.focus(), []);

    useEffect(() => {
        asked.current = null;
        const words = q.trim();
        if (!words && !has && !from) {
            setHits(null);
            setPage(null);
            setError(null);
            setBusy(false);
            return undefined;
        }
        let isWanted = true;
        setBusy(true);
        const timer = setTimeout(async () => {
            try {
                const found = await chat.search({
                    q: words,
                    ...(isHere && { room: room.id }),
                    ...(from && { from }),
                    ...(has && { has }),
                    limit: 30,
                });
                if (!isWanted) return;
                setHits(found.hits);
                take(found);
                setError(null);
            } catch (failure) {
                if (!isWanted) return;
                take(null);
                setError(failure);
            }
            if (isWanted) setBusy(false);
        }, SEARCH_DELAY_MS);
        return () => {
            isWanted = false;
            clearTimeout(timer);
        };
    }, [q, isHere, from, has, room.id]);

    // What was asked for otherwise meanwhile has its own answer.
    const more = async () => {
        setBusy(true);
        const next = await attempt(page.next());
        if (asked.current !== page) return;
        setBusy(false);
        if (!next || next === true) return;
        take(next);
        setHits((before) => [...before, ...next.hits]);
    };
    const users = [...people.byId.values()]
        .filter((user) => !user.deactivated)
        .sort((a, b) => nameOfUser(a).localeCompare(nameOfUser(b)));
    return (
        <Panel title="Search">
            <div class="search-form" role="search">
                <input
                    type="search"
                    class="search-input"
                    ref={input}
                    aria-label="Search the messages"
                    placeholder="Words, “a phrase”, begin*"
                    value={q}
                    onInput={(event) => setQ(event.currentTarget.value)}
                />
                <Check
                    label={`Only in ${info.kind === 'direct' || info.kind === 'group' ? 'this conversation' : `#${info.title}`}`}
                    value={isHere}
                    onValue={setHere}
                />
                <div class="search-filters">
                    <Choice
                        label="From"
                        value={from}
                        onValue={setFrom}
                        options={[['', 'Anybody'], ...users.map((user) => [user.id, nameOfUser(user)])]}
                    />
                    <Choice
                        label="With"
                        value={has}
                        onValue={setHas}
                        options={[
                            ['', 'Anything'],
                            ['file', 'A file'],
                            ['link', 'A link'],
                        ]}
                    />
                </div>
            </div>
            <p class="panel-note quiet" role="status">
                {error
                    ? explain(error)
                    : hits
                      ? hits.length
                          ? `${plural(hits.length, 'message')}${page?.next ? ' so far' : ''}`
                          : isBusy
                            ? 'Searching…'
                            : page?.next
                              ? 'Nothing was found so far.'
                              : 'Nothing was found.'
                      : 'In all rooms of yours, newest first.'}
            </p>
            <ul class="hits" aria-busy={isBusy}>
                {hits?.map(({ message, snippet }) => (
                    <Hit
                        key={`${message.room}.${message.seq}`}
                        message={message}
                        people={people}
                        rooms={value.rooms}
                        showsRoom
                        onTake={() => {
                            if (!hasColumn) setPanel(null);
                            go(message.room, message.seq);
                        }}>
                        {snippet?.length
                            ? snippet.map(([text, isHit], i) => (isHit ? <mark key={i}>{text}</mark> : text))
                            : summaryOf(message.text ?? message.attachments?.[0]?.name ?? '', 200)}
                    </Hit>
                ))}
            </ul>
            {page?.next && (
                <button type="button" class="button wide" disabled={isBusy} onClick={more}>
                    {page.isPartial ? 'Look further' : 'More'}
                </button>
            )}
        </Panel>
    );
}
