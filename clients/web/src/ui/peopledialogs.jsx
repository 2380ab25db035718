// Dialogs about people: to write to them, to add and invite them, who they are.
import { useEffect, useState } from 'preact/hooks';
import { bestOf } from '../logic/match.js';
import { listOf, plural } from '../logic/text.js';
import { agoOf, shortDateOf } from '../logic/time.js';
import { Avatar, nameOfUser } from './avatar.jsx';
import { attempt, usePage } from './context.js';
import { CopyButton } from './copy.jsx';
import { dialogs } from './dialogs.js';
import { Check, Choice } from './field.jsx';
import { Form } from './form.jsx';
import { useObservable } from './hooks.js';
import { CloseIcon, LinkIcon, TrashIcon } from './icons.jsx';
import { Finder } from './pick.jsx';

function PickPeople({ title, lead, action, exclude = [], isMany = true, onSend, close }) {
    const { people, value } = usePage();
    const [query, setQuery] = useState('');
    const [chosen, setChosen] = useState([]);
    const without = new Set([value.me?.id, ...exclude, ...chosen.map((user) => user.id)]);
    const all = [...people.byId.values()]
        .filter((user) => !without.has(user.id) && !user.deactivated && !user.bot)
        .sort((a, b) => nameOfUser(a).localeCompare(nameOfUser(b)));
    const items = bestOf(all, query, (user) => [user.name, user.login ?? ''], 50).map((user) => ({
        key: user.id,
        user,
    }));
    return (
        <Form
            title={title}
            lead={lead}
            action={action(chosen)}
            canSend={chosen.length > 0}
            close={close}
            onSend={() => onSend(chosen)}>
            {chosen.length > 0 && (
                <ul class="chosen" aria-label="Chosen">
                    {chosen.map((user) => (
                        <li key={user.id}>
                            <Avatar user={user} size="is-small" />
                            <bdi>{nameOfUser(user)}</bdi>
                            <button
                                type="button"
                                class="icon-button small"
                                aria-label={`Not ${nameOfUser(user)}`}
                                onClick={() => setChosen(chosen.filter((one) => one !== user))}>
                                <CloseIcon />
                            </button>
                        </li>
                    ))}
                </ul>
            )}
            <Finder
                label="Find somebody"
                query={query}
                onQuery={setQuery}
                items={items}
                none="Nobody is called that."
                onTake={({ user }) => {
                    setQuery('');
                    setChosen(isMany ? [...chosen, user] : [user]);
                }}
                draw={({ user }) => (
                    <>
                        <Avatar user={user} size="is-small" />
                        <bdi>{nameOfUser(user)}</bdi>
                        {user.login && <span class="quiet">@{user.login}</span>}
                    </>
                )}
            />
        </Form>
    );
}

export function NewDirect({ close }) {
    const { chat, go } = usePage();
    return (
        <PickPeople
            title="Message somebody"
            lead="One person, or a few for a group."
            action={(chosen) => (chosen.length > 1 ? 'Start a group' : 'Open')}
            close={close}
            onSend={async (chosen) => {
                const room =
                    chosen.length === 1
                        ? await chat.direct(chosen[0].id)
                        : await chat.createRoom({ kind: 'group', users: chosen.map((user) => user.id) });
                go(room.id);
            }}
        />
    );
}

export function AddMembers({ room, close }) {
    const { chat } = usePage();
    const [members, setMembers] = useState([]);
    useEffect(() => {
        chat.member.list({ room: room.id, limit: 100 }).then(
            (found) => setMembers(found.members.map(({ user }) => (typeof user === 'object' ? user.id : user))),
            () => {},
        );
    }, [room.id]);
    return (
        <PickPeople
            title={`Add people to ${room.kind === 'group' ? room.title : `#${room.title}`}`}
            action={(chosen) => (chosen.length > 1 ? `Add ${chosen.length} people` : 'Add')}
            exclude={members}
            close={close}
            onSend={async (chosen) => {
                for (const user of chosen) await chat.member.add({ room: room.id, user: user.id });
            }}
        />
    );
}

const DAY_MS = 86_400_000;
const SPANS = [
    [1, 'a day'],
    [7, '7 days'],
    [30, '30 days'],
    [0, 'until withdrawn'],
];

export function InvitePeople({ room }) {
    const { chat, value } = usePage();
    const [guests, setGuests] = useState(false);
    const [uses, setUses] = useState('0');
    const [days, setDays] = useState('7');
    const [made, setMade] = useState(null);
    const [invites, setInvites] = useState(null);
    const isAdmin = value.me?.role === 'owner' || value.me?.role === 'admin';
    const load = () =>
        chat.invite.list(room ? { room: room.id } : {}).then(
            (found) => setInvites(found.invites ?? []),
            () => {},
        );
    useEffect(() => {
        load();
    }, []);
    const urlOf = (invite) => new URL(`#/invite/${encodeURIComponent(invite.code)}`, location.href.split('#')[0]).href;
    const make = async () => {
        const invite = await attempt(
            chat.invite.create({
                ...(room && { room: room.id }),
                ...(guests && { guests: true }),
                ...(Number(uses) && { uses: Number(uses) }),
                ...(Number(days) && { expires_at: Date.now() + Number(days) * DAY_MS }),
            }),
        );
        if (!invite) return;
        setMade(invite);
        load();
    };
    return (
        <div class="sheet">
            <h2>{room ? `Invite to #${room.title}` : `Invite to ${value.team?.name || 'the team'}`}</h2>
            <p class="quiet">Whoever has the link can make an account{room ? ' and comes into this room' : ''}.</p>
            {made ? (
                <div class="made-link">
                    <input
                        type="text"
                        readonly
                        value={urlOf(made)}
                        aria-label="The link"
                        onFocus={(event) => event.currentTarget.select()}
                    />
                    <CopyButton text={urlOf(made)} label="Copy the link" icon={LinkIcon} class="button primary">
                        Copy
                    </CopyButton>
                </div>
            ) : (
                <>
                    <div class="side-by-side">
                        <Choice label="Good for" value={days} onValue={setDays} options={SPANS} />
                        <Choice
                            label="How often"
                            value={uses}
                            onValue={setUses}
                            options={[
                                ['0', 'any number'],
                                ['1', 'once'],
                                ['10', '10 times'],
                            ]}
                        />
                    </div>
                    {room && (
                        <Check
                            label="Guests too"
                            hint="They give a name only, and see nothing but this room."
                            value={guests}
                            onValue={setGuests}
                        />
                    )}
                    <button type="button" class="button primary wide" onClick={make}>
                        Make a link
                    </button>
                </>
            )}
            {invites?.length > 0 && (isAdmin || room) && (
                <>
                    <h3>Links there are</h3>
                    <ul class="lines">
                        {invites.map((invite) => (
                            <li key={invite.code}>
                                <span class="line-words">
                                    <code>…{invite.code.slice(-6)}</code>
                                    <span class="quiet">
                                        {[
                                            invite.guests && 'guests',
                                            invite.uses ? `${plural(invite.uses, 'use')} left` : null,
                                            invite.expires_at ? `until ${shortDateOf(invite.expires_at)}` : 'no end',
                                        ]
                                            .filter(Boolean)
                                            .join(' · ')}
                                    </span>
                                </span>
                                <CopyButton
                                    text={urlOf(invite)}
                                    label="Copy this link"
                                    icon={LinkIcon}
                                    class="icon-button"
                                />
                                <button
                                    type="button"
                                    class="icon-button"
                                    aria-label="Withdraw this link"
                                    title="Withdraw"
                                    onClick={() =>
                                        attempt(
                                            chat.invite.revoke({ code: invite.code }),
                                            'The link is no good any more.',
                                        ).then((done) => done && load())
                                    }>
                                    <TrashIcon />
                                </button>
                            </li>
                        ))}
                    </ul>
                </>
            )}
        </div>
    );
}

export function Profile({ user: given, close }) {
    const page = usePage();
    const { chat, go } = page;
    const value = useObservable(chat);
    const user = value.users.get(given.id) ?? given;
    const isMe = user.id === value.me?.id;
    const isHere = isMe || (value.online?.has(user.id) ?? page.isOn(user, Date.now()));
    const common = value.rooms.filter(
        (room) =>
            room.kind === 'group' && room.users?.some((one) => (typeof one === 'object' ? one.id : one) === user.id),
    );
    return (
        <div class="sheet profile">
            <Avatar user={user} size="is-large" isOnline={user.bot ? undefined : isHere} />
            <h2>
                <bdi>{nameOfUser(user)}</bdi>
            </h2>
            <p class="quiet">
                {user.login && `@${user.login}`}
                {user.bot && <span class="tag">bot</span>}
                {['owner', 'admin', 'guest'].includes(user.role) && <span class="tag">{user.role}</span>}
                {user.deactivated && <span class="tag">deactivated</span>}
            </p>
            {(user.status?.text || user.status?.emoji) && (
                <p>
                    {user.status.emoji} {user.status.text}
                </p>
            )}
            {!isMe && !user.bot && (isHere || chat.lastSeen(user.id) > 0) && (
                <p class="fine">{isHere ? 'Online' : `Seen ${agoOf(chat.lastSeen(user.id))}`}</p>
            )}
            {common.length > 0 && <p class="fine">Also with you in {listOf(common.map((room) => room.title))}</p>}
            <div class="buttons is-centred">
                {isMe ? (
                    <button
                        type="button"
                        class="button primary"
                        onClick={() => {
                            close();
                            dialogs.settings(page);
                        }}>
                        Change
                    </button>
                ) : (
                    !user.deactivated &&
                    value.me?.role !== 'guest' && (
                        <button
                            type="button"
                            class="button primary"
                            onClick={async () => {
                                const room = await attempt(chat.direct(user.id));
                                if (!room) return;
                                close();
                                go(room.id);
                            }}>
                            Message
                        </button>
                    )
                )}
            </div>
        </div>
    );
}
