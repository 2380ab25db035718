// Dialogs about rooms.
import { useEffect, useState } from 'preact/hooks';
import { explain } from '../logic/errors.js';
import { nameOf } from '../logic/route.js';
import { plural } from '../logic/text.js';
import { fullTimeOf, shortDateOf } from '../logic/time.js';
import { Avatar, nameOfUser } from './avatar.jsx';
import { attempt, usePage } from './context.js';
import { dialogs } from './dialogs.js';
import { Check, Choice, Field } from './field.jsx';
import { Form } from './form.jsx';
import { useObservable } from './hooks.js';
import { confirm } from './overlay.jsx';
import { Finder } from './pick.jsx';

const DAY_MS = 86_400_000;

export function CreateRoom({ close }) {
    const { chat, go } = usePage();
    const [name, setName] = useState('');
    const [topic, setTopic] = useState('');
    const [isPrivate, setPrivate] = useState(false);
    return (
        <Form
            title="Create a room"
            lead="For a project, a team, or anything to talk about."
            action="Create"
            canSend={name.trim() !== ''}
            close={close}
            onSend={async () => {
                const slug = nameOf(name);
                const room = await chat.createRoom({
                    kind: isPrivate ? 'private' : 'public',
                    name: name.trim(),
                    ...(slug && !isPrivate && { slug }),
                    ...(topic.trim() && { topic: topic.trim() }),
                });
                go(room.id);
            }}>
            <Field
                label="Name"
                maxlength={64}
                autocomplete="off"
                placeholder="design, support, lunch…"
                value={name}
                onValue={setName}
            />
            <Field
                label="Topic"
                hint="What it is about; can be left empty."
                maxlength={250}
                autocomplete="off"
                value={topic}
                onValue={setTopic}
            />
            <Check
                label="Private"
                hint="Only who is added can find and read it."
                value={isPrivate}
                onValue={setPrivate}
            />
        </Form>
    );
}

export function BrowseRooms({ close }) {
    const { chat, go } = usePage();
    const value = useObservable(chat);
    const [query, setQuery] = useState('');
    const [rooms, setRooms] = useState(null);
    const [error, setError] = useState(null);
    useEffect(() => {
        let isWanted = true;
        chat.roomMethods.list({ q: query.trim() || undefined, limit: 50 }).then(
            (found) => isWanted && setRooms(found.rooms ?? []),
            (failure) => isWanted && setError(failure),
        );
        return () => {
            isWanted = false;
        };
    }, [query]);
    const mine = new Set(value.rooms.map((room) => room.id));
    return (
        <div class="sheet is-list">
            <h2>Browse rooms</h2>
            <Finder
                label="Find a room"
                query={query}
                onQuery={setQuery}
                items={(rooms ?? []).map((room) => ({ key: room.id, room }))}
                none={
                    error ? explain(error) : rooms ? 'There is no such room. You could create it.' : 'Looking around…'
                }
                onTake={({ room }) => {
                    close();
                    go(room.id);
                }}
                draw={({ room }) => (
                    <>
                        <span class="hash" aria-hidden="true">
                            #
                        </span>
                        <span class="finder-words">
                            <bdi>{room.name}</bdi>
                            <span class="quiet">
                                {plural(room.members_n ?? 0, 'member')}
                                {room.topic ? ` · ${room.topic}` : ''}
                            </span>
                        </span>
                        <span class="finder-note">{mine.has(room.id) ? 'joined' : 'look'}</span>
                    </>
                )}
            />
        </div>
    );
}

export function RoomSettings({ room, close }) {
    const { chat } = usePage();
    const [name, setName] = useState(room.name ?? '');
    const [topic, setTopic] = useState(room.topic ?? '');
    const [slow, setSlow] = useState(String(room.slow_s ?? 0));
    const [retain, setRetain] = useState(String(room.retain_d ?? 0));
    const [receipts, setReceipts] = useState(Boolean(room.receipts));
    const isGroup = room.kind === 'group';
    const archive = () =>
        confirm({
            title: `Archive #${room.title}?`,
            text: 'It can still be read and found, but nobody writes in it any more. It can be brought back.',
            action: 'Archive',
            onConfirm: () =>
                attempt(chat.roomMethods.archive({ room: room.id }), 'The room is archived.').then(
                    (done) => done && close(),
                ),
        });
    const withOwn = (options, own) =>
        options.some(([value]) => String(value) === own) ? options : [...options, [own, own]];
    return (
        <Form
            title={`Settings of ${isGroup ? room.title : `#${room.title}`}`}
            action="Save"
            canSend={isGroup || name.trim() !== ''}
            close={close}
            onSend={() => {
                const change = { room: room.id };
                if (name.trim() !== (room.name ?? '')) change.name = name.trim();
                if (topic.trim() !== (room.topic ?? '')) change.topic = topic.trim();
                if (Number(slow) !== (room.slow_s ?? 0)) change.slow_s = Number(slow);
                if (Number(retain) !== (room.retain_d ?? 0)) change.retain_d = Number(retain);
                if (receipts !== Boolean(room.receipts)) change.receipts = receipts;
                return Object.keys(change).length > 1 ? chat.roomMethods.update(change) : null;
            }}>
            <Field label="Name" maxlength={64} autocomplete="off" value={name} onValue={setName} />
            <Field label="Topic" maxlength={250} autocomplete="off" value={topic} onValue={setTopic} />
            <div class="side-by-side">
                <Choice
                    label="Slow mode"
                    hint="Between two messages of one person."
                    value={slow}
                    onValue={setSlow}
                    options={withOwn(
                        [
                            [0, 'off'],
                            [10, '10 s'],
                            [30, '30 s'],
                            [60, '1 min'],
                            [300, '5 min'],
                        ],
                        slow,
                    )}
                />
                <Choice
                    label="Keep messages"
                    hint="Older ones are deleted for good."
                    value={retain}
                    onValue={setRetain}
                    options={withOwn(
                        [
                            [0, 'for ever'],
                            [7, '7 days'],
                            [30, '30 days'],
                            [90, '90 days'],
                            [365, 'a year'],
                        ],
                        retain,
                    )}
                />
            </div>
            <Check label="Show who has read how far" hint="In small rooms." value={receipts} onValue={setReceipts} />
            {!isGroup && !room.archived && (
                <p class="danger-line">
                    <button type="button" class="link is-bad" onClick={archive}>
                        Archive this room
                    </button>
                </p>
            )}
        </Form>
    );
}

const MODERATION = {
    mute: {
        title: 'Mute',
        lead: 'They can read on, and not write.',
        action: 'Mute',
        spans: [
            [10 * 60_000, '10 minutes'],
            [60 * 60_000, 'an hour'],
            [DAY_MS, 'a day'],
            [7 * DAY_MS, 'a week'],
        ],
    },
    kick: {
        title: 'Remove',
        lead: 'They can come back if the room is public, or if somebody adds them.',
        action: 'Remove',
    },
    ban: {
        title: 'Ban',
        lead: 'They are removed and cannot come back.',
        action: 'Ban',
        spans: [
            [0, 'for good'],
            [DAY_MS, 'a day'],
            [7 * DAY_MS, 'a week'],
            [30 * DAY_MS, '30 days'],
        ],
    },
};

export function Moderate({ room, user, what, close }) {
    const { chat } = usePage();
    const { title, lead, action, spans } = MODERATION[what];
    const [span, setSpan] = useState(String(spans?.[0][0] ?? 0));
    const [reason, setReason] = useState('');
    return (
        <Form
            title={`${title} ${nameOfUser(user)}?`}
            lead={lead}
            action={action}
            isDanger
            close={close}
            onSend={() =>
                chat.moderation[what]({
                    room: room.id,
                    user: user.id,
                    ...(reason.trim() && { reason: reason.trim() }),
                    ...(spans && Number(span) && { until: Date.now() + Number(span) }),
                })
            }>
            {spans && <Choice label="For" value={span} onValue={setSpan} options={spans} />}
            <Field
                label="Reason"
                hint="Kept in the log for the others who look after the room."
                maxlength={200}
                value={reason}
                onValue={setReason}
            />
        </Form>
    );
}

export function Bans({ room }) {
    const { chat, people } = usePage();
    const [bans, setBans] = useState(null);
    const [error, setError] = useState(null);
    const load = () =>
        chat.moderation.bans({ room: room.id }).then(
            (found) => setBans(found.bans ?? []),
            (failure) => setError(failure),
        );
    useEffect(() => {
        load();
    }, []);
    return (
        <div class="sheet">
            <h2>Banned from #{room.title}</h2>
            {error && <p role="alert">{explain(error)}</p>}
            {bans && !bans.length && <p class="quiet">Nobody is.</p>}
            <ul class="lines">
                {bans?.map((ban) => {
                    const id = typeof ban.user === 'object' ? ban.user.id : ban.user;
                    const user = people.byId.get(id) ?? (typeof ban.user === 'object' ? ban.user : { id, name: id });
                    return (
                        <li key={id}>
                            <Avatar user={user} size="is-small" />
                            <span class="line-words">
                                <bdi>{nameOfUser(user)}</bdi>
                                <span class="quiet">
                                    {[ban.until ? `until ${shortDateOf(ban.until)}` : 'for good', ban.reason]
                                        .filter(Boolean)
                                        .join(' · ')}
                                </span>
                            </span>
                            <button
                                type="button"
                                class="button"
                                onClick={() =>
                                    attempt(
                                        chat.moderation.unban({ room: room.id, user: id }),
                                        `${nameOfUser(user)} may come back.`,
                                    ).then((done) => done && load())
                                }>
                                Let back
                            </button>
                        </li>
                    );
                })}
            </ul>
        </div>
    );
}

export function Revisions({ item }) {
    const { chat, people } = usePage();
    const [revisions, setRevisions] = useState(null);
    const [error, setError] = useState(null);
    useEffect(() => {
        chat.message.revisions({ room: item.room, seq: item.seq }).then(
            (found) => setRevisions(found.revisions ?? []),
            (failure) => setError(failure),
        );
    }, []);
    return (
        <div class="sheet">
            <h2>Edits of this message</h2>
            {error && <p role="alert">{explain(error)}</p>}
            <ol class="revisions">
                {revisions?.map((revision, i) => (
                    <li key={i}>
                        <p class="quiet">
                            {nameOfUser(people.byId.get(revision.user))}, <time>{fullTimeOf(revision.at)}</time>
                        </p>
                        <p class="revision-text" dir="auto">
                            {revision.text}
                        </p>
                    </li>
                ))}
            </ol>
        </div>
    );
}

export function Welcome() {
    const page = usePage();
    const isGuest = page.value.me?.role === 'guest';
    return (
        <div class="refused">
            <h2>{isGuest ? 'You are in no room' : 'This is the beginning'}</h2>
            <p>
                {isGuest
                    ? 'Ask whoever invited you for another link.'
                    : 'Create the first room, then invite the others.'}
            </p>
            {!isGuest && (
                <div class="buttons is-centred">
                    <button type="button" class="button primary" onClick={() => dialogs.createRoom(page)}>
                        Create a room
                    </button>
                    <button type="button" class="button" onClick={() => dialogs.browse(page)}>
                        Browse rooms
                    </button>
                    <button type="button" class="button" onClick={() => dialogs.invite(page, null)}>
                        Invite people
                    </button>
                </div>
            )}
        </div>
    );
}
