// One message and what can be done with it.
import { fullTimeOf, isoOf, spanOf, timeOf } from '../logic/time.js';
import { explain } from '../logic/errors.js';
import { nameOfAuthor } from '../logic/identity.js';
import { summaryOf } from '../logic/markdown.js';
import { listOf } from '../logic/text.js';
import { Attachments } from './attachments.jsx';
import { Avatar, nameOfUser } from './avatar.jsx';
import { EmojiButton } from './emoji.jsx';
import { useNow } from './hooks.js';
import { AlertIcon, ClockIcon, EditIcon, MoreIcon, PinIcon, ReplyIcon, SmileIcon } from './icons.jsx';
import { Markdown } from './markdown.jsx';
import { MenuButton } from './menu.jsx';
import { pure } from './pure.js';

const SOON_MS = 2000;

export const MessageRow = pure(
    ({ item, isFirst, isActive, isStop, isFlashed, isEdited, people, me, info, actions }) => {
        const known = people.byId.get(item.user);
        const user = known ?? { id: item.user };
        const name = nameOfAuthor(item, known);
        const isPending = item.state !== undefined;
        const time = (
            <time dateTime={isoOf(item.at)} title={fullTimeOf(item.at)}>
                {timeOf(item.at)}
            </time>
        );
        const state = [
            isFirst && 'is-first',
            isPending && `is-${item.state}`,
            isFlashed && 'is-flashed',
            isEdited && 'is-edited',
            isActive && 'is-active',
            item.mentions?.includes(me) && 'mentions-me',
        ]
            .filter(Boolean)
            .join(' ');
        return (
            <li
                class={`row ${state}`}
                data-key={item.key}
                data-seq={item.seq}
                tabindex={isStop ? 0 : -1}
                aria-label={`${name}, ${timeOf(item.at)}: ${item.deleted ? 'deleted' : summaryOf(item.text || 'a file', 200)}`}>
                <div class="row-side">{isFirst ? <Avatar user={user} /> : <span class="row-time">{time}</span>}</div>
                <div class="message">
                    {isFirst && (
                        <p class="message-head">
                            <button
                                type="button"
                                class={`message-name ${known ? '' : 'is-unknown'}`}
                                tabindex={isActive ? 0 : -1}
                                onClick={() => actions.profile(user)}>
                                <bdi>{name}</bdi>
                            </button>
                            {user.bot && <span class="tag">bot</span>}
                            {user.role === 'guest' && <span class="tag">guest</span>}
                            {user.status?.emoji && <span title={user.status.text}>{user.status.emoji}</span>}
                            {time}
                        </p>
                    )}
                    {item.reply_to && (
                        <Quote
                            quote={item.reply_to}
                            people={people}
                            onJump={() => actions.jump(item.reply_to.seq)}
                            isActive={isActive}
                        />
                    )}
                    {item.deleted ? (
                        <p class="deleted">{deletedText(item, people)}</p>
                    ) : (
                        <>
                            {item.text && (
                                <Markdown
                                    text={item.text}
                                    people={people}
                                    me={me}
                                    onPerson={actions.profile}
                                    tab={isActive ? 0 : -1}
                                />
                            )}
                            {item.attachments?.length > 0 && (
                                <Attachments files={item.attachments} url={actions.fileUrl} tab={isActive ? 0 : -1} />
                            )}
                            {(item.edited_at || item.isEditPending) && (
                                <button
                                    type="button"
                                    class="edited"
                                    tabindex={isActive ? 0 : -1}
                                    title={item.edited_at ? fullTimeOf(item.edited_at) : undefined}
                                    onClick={() => actions.revisions(item)}>
                                    {item.isEditPending ? 'saving the edit…' : 'edited'}
                                </button>
                            )}
                            {item.reactions?.length > 0 && (
                                <Reactions
                                    item={item}
                                    people={people}
                                    me={me}
                                    actions={actions}
                                    tab={isActive ? 0 : -1}
                                />
                            )}
                        </>
                    )}
                    <State item={item} actions={actions} />
                </div>
                {item.pinned && !item.deleted && (
                    <span class="pinned" title="Pinned">
                        <PinIcon />
                        <span class="vh">Pinned</span>
                    </span>
                )}
                {isActive && !item.deleted && !isPending && actions.mayWrite && (
                    <Tools item={item} info={info} actions={actions} />
                )}
            </li>
        );
    },
);

function deletedText(item, people) {
    const by = item.deleted_by && item.deleted_by !== item.user ? people.byId.get(item.deleted_by) : null;
    return `${by ? `Deleted by ${nameOfUser(by)}` : 'This message was deleted'}${item.reason ? `: ${item.reason}` : '.'}`;
}

export function Quote({ quote, people, onJump, isActive = true }) {
    const user = people.byId.get(quote.user);
    return (
        <button type="button" class="quote" tabindex={isActive ? 0 : -1} onClick={onJump}>
            <ReplyIcon />
            <span class="vh">In reply to </span>
            <bdi class="quote-name">{nameOfUser(user)}</bdi>
            <bdi class="quote-text">{summaryOf(quote.text || 'a deleted message, or a file')}</bdi>
        </button>
    );
}

function Reactions({ item, people, me, actions, tab }) {
    return (
        <ul class="reactions" aria-label="Reactions">
            {item.reactions.map(({ emoji, n, users }) => {
                const isMine = users.includes(me);
                const names = users.map((id) => (id === me ? 'you' : nameOfUser(people.byId.get(id))));
                const who = n > users.length ? `${listOf(names, 8)} and others` : listOf(names, 12);
                return (
                    <li key={emoji}>
                        <button
                            type="button"
                            class="reaction"
                            tabindex={tab}
                            aria-pressed={isMine}
                            disabled={!actions.mayWrite}
                            title={`${who}: ${emoji}`}
                            aria-label={`${emoji} ${n}, by ${who}`}
                            onClick={() => actions.react(item, emoji)}>
                            <span class="reaction-emoji">{emoji}</span> {n}
                        </button>
                    </li>
                );
            })}
            {actions.mayWrite && (
                <li>
                    <EmojiButton
                        class="reaction reaction-add"
                        tab={tab}
                        label="Add a reaction"
                        icon={SmileIcon}
                        onEmoji={(emoji) => actions.react(item, emoji, true)}
                    />
                </li>
            )}
        </ul>
    );
}

function State({ item, actions }) {
    if (item.state === 'failed')
        return (
            <p class="send-state is-bad" role="alert">
                <AlertIcon />
                <span>Not sent. {item.error ? explain(item.error) : ''}</span>
                <button type="button" class="link" onClick={() => actions.retry(item)}>
                    Try again
                </button>
                <button type="button" class="link" onClick={() => actions.discard(item)}>
                    Discard
                </button>
            </p>
        );
    if (item.state === 'queued' && item.retryAt > Date.now() + SOON_MS)
        return <Waiting item={item} actions={actions} />;
    if (item.state === 'queued' || item.state === 'sending')
        return (
            <p class="send-state" title="Waiting to be sent">
                <ClockIcon />
                <span class="vh">Waiting to be sent</span>
            </p>
        );
    return null;
}

// It is known when it will be tried: slow mode, a limit.
function Waiting({ item, actions }) {
    const now = useNow(1000);
    return (
        <p class="send-state">
            <ClockIcon />
            <span>
                {item.error?.word === 'slow_mode' ? 'Slow mode: it is sent' : 'It is tried again'} in{' '}
                {spanOf(Math.max(0, item.retryAt - now))}.
            </span>
            <button type="button" class="link" onClick={() => actions.discard(item)}>
                Discard
            </button>
        </p>
    );
}

function Tools({ item, actions }) {
    return (
        <div class="tools" role="toolbar" aria-label="With this message">
            <EmojiButton
                class="tool"
                label="React"
                icon={SmileIcon}
                isReact
                onEmoji={(emoji) => actions.react(item, emoji, true)}
            />
            <button type="button" class="tool" aria-label="Reply" title="Reply" onClick={() => actions.reply(item)}>
                <ReplyIcon />
            </button>
            {item.isMine && (
                <button type="button" class="tool" aria-label="Edit" title="Edit" onClick={() => actions.edit(item)}>
                    <EditIcon />
                </button>
            )}
            <MenuButton class="tool" label="More actions" icon={MoreIcon} items={() => actions.menu(item)} />
        </div>
    );
}
