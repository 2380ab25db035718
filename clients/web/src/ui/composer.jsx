// Where one writes: the draft, completions, files, replies and edits.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { byteLength, completed, completionAt, marked, trimmed } from '../logic/compose.js';
import { explain } from '../logic/errors.js';
import { summaryOf } from '../logic/markdown.js';
import { nameOfUser } from './avatar.jsx';
import { Completions, useCompletions } from './completion.jsx';
import { usePage } from './context.js';
import { EmojiButton } from './emoji.jsx';
import { ClipIcon, CloseIcon, EditIcon, ReplyIcon, SendIcon, SmileIcon } from './icons.jsx';
import { toast } from './overlay.jsx';
import { UploadChips, useUploads } from './uploads.jsx';

const HEIGHT_MAX = 220;
const MARKS = { b: '**', i: '*', e: '`' };

// api: a ref that gets {focus, reply(item), edit(item), addFiles(files)}.
export function Composer({ room, state, api, onSent, onEditing }) {
    const { chat, value, people } = usePage();
    const { info, draft } = state;
    const input = useRef();
    const files = useRef();
    const [text, setText] = useState(draft?.text ?? '');
    const [reply, setReply] = useState(draft?.reply_to ?? null); // a seq
    const [edits, setEdits] = useState(draft?.edits ?? null); // a seq, or the client_id of a pending one
    const kept = useRef(null); // what was being written before an edit began
    const uploads = useUploads(chat, value.limits, draft?.attachments);
    const [caret, setCaret] = useState(0);
    const completion = completionAt(text, caret);
    const completions = useCompletions(completion, room, people, value.me?.id);
    const max = value.limits.text_bytes ?? 16_384;
    const left = text.length * 3 > max - 300 ? max - byteLength(text) : max;

    const keep = (change) => {
        const next = {
            text,
            reply_to: reply ?? undefined,
            edits: typeof edits === 'number' ? edits : undefined,
            attachments: uploads.done,
            ...change,
        };
        const isEmpty = !next.text.trim() && !next.reply_to && !next.edits && !next.attachments?.length;
        room.setDraft(isEmpty ? null : next);
    };
    // With a place for the caret the field is written at once: whoever types on does not wait for it to be drawn.
    const write = (next, from, to = from) => {
        setText(next);
        if (from !== undefined) {
            setCaret(to);
            const { current: element } = input;
            if (element.value !== next) element.value = next;
            element.focus();
            element.setSelectionRange(from, to);
        }
        keep({ text: next });
    };
    useEffect(() => keep({}), [uploads.done]);
    useEffect(() => onEditing(edits), [edits]);

    useLayoutEffect(() => {
        const { current: element } = input;
        element.style.height = 'auto';
        element.style.height = `${Math.min(element.scrollHeight, HEIGHT_MAX)}px`;
    }, [text]);

    const stopEdit = () => {
        const before = kept.current;
        kept.current = null;
        setEdits(null);
        setReply(before?.reply ?? null);
        write(before?.text ?? '', (before?.text ?? '').length);
        keep({ edits: undefined, text: before?.text ?? '', reply_to: before?.reply ?? undefined });
    };
    const startEdit = (item) => {
        if (edits === null) kept.current = { text, reply };
        setEdits(item.seq ?? item.client_id);
        setReply(null);
        write(item.text ?? '', (item.text ?? '').length);
        keep({ edits: item.seq, text: item.text ?? '', reply_to: undefined });
    };
    api.current = {
        focus: () => input.current?.focus(),
        addFiles: (added) => {
            uploads.add(added);
            input.current?.focus();
        },
        reply: (item) => {
            if (edits !== null) stopEdit();
            setReply(item.seq);
            keep({ reply_to: item.seq });
            input.current?.focus();
        },
        edit: startEdit,
    };

    const send = () => {
        const said = trimmed(text);
        if (left < 0) {
            toast('The message is too long.', 'bad');
            return;
        }
        if (edits !== null) {
            if (!said) return;
            const which = edits;
            room.edit(which, said).catch((error) => toast(`The edit was not saved. ${explain(error)}`, 'bad'));
            stopEdit();
            return;
        }
        if (uploads.isBusy) {
            toast('A file is still on its way.', 'bad');
            return;
        }
        if (!said && !uploads.done.length) return;
        try {
            room.send({
                text: said,
                reply_to: reply ?? undefined,
                attachments: uploads.done.length ? uploads.done : undefined,
            });
        } catch (error) {
            toast(
                error.word === 'outbox_full' ? 'Too many messages are waiting to be sent already.' : explain(error),
                'bad',
            );
            return;
        }
        room.typingStopped();
        setText('');
        setCaret(0);
        setReply(null);
        uploads.clear();
        room.setDraft(null);
        onSent();
    };

    const take = (insert) => {
        const [next, at] = completed(text, completion, insert);
        write(next, at);
    };
    const onKeyDown = (event) => {
        // While an input method composes, its keys are its own. Safari ends the composition before the key, and then
        // 229 is what tells.
        if (event.isComposing || event.keyCode === 229) return;
        if (completions.onKeyDown(event, take)) return;
        const { selectionStart: start, selectionEnd: end } = event.currentTarget;
        if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
            event.preventDefault();
            send();
        } else if (event.key === 'ArrowUp' && !text && !event.altKey && !event.shiftKey) {
            const last = state.timeline.items.findLast((item) => item.isMine && !item.deleted && item.text);
            if (last) {
                event.preventDefault();
                startEdit(last);
            }
        } else if (event.key === 'Escape' && (edits !== null || reply !== null)) {
            event.preventDefault();
            event.stopPropagation();
            if (edits !== null) stopEdit();
            else {
                setReply(null);
                keep({ reply_to: undefined });
            }
        } else if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && MARKS[event.key]) {
            event.preventDefault();
            const [next, from, to] = marked(text, start, end, MARKS[event.key]);
            write(next, from, to);
        }
    };
    const onPaste = (event) => {
        const pasted = [...(event.clipboardData?.files ?? [])];
        if (!pasted.length) return;
        event.preventDefault();
        uploads.add(pasted);
    };
    const quoted = reply === null ? null : room.find(reply);
    const isPeople = info?.kind === 'direct' || info?.kind === 'group';
    const label = `Message ${isPeople ? info.title : `#${info?.title ?? ''}`}`;
    const canSend = edits !== null ? trimmed(text) : (trimmed(text) || uploads.done.length > 0) && !uploads.isBusy;
    return (
        <form
            class="composer"
            onSubmit={(event) => {
                event.preventDefault();
                send();
                input.current.focus();
            }}>
            <Completions {...completions} onTake={take} />
            <div class="composer-box">
                {edits !== null && (
                    <Above icon={EditIcon} label="Stop editing" onClose={stopEdit}>
                        <strong>Editing</strong> your message
                    </Above>
                )}
                {reply !== null && (
                    <Above
                        icon={ReplyIcon}
                        label="Do not reply"
                        onClose={() => {
                            setReply(null);
                            keep({ reply_to: undefined });
                        }}>
                        Replying to <strong>{nameOfUser(people.byId.get(quoted?.user))}</strong>
                        {quoted?.text && <bdi class="quote-text"> {summaryOf(quoted.text, 90)}</bdi>}
                    </Above>
                )}
                <UploadChips uploads={uploads} />
                <div class="composer-line">
                    {edits === null && (
                        <>
                            <button
                                type="button"
                                class="icon-button"
                                aria-label="Add files"
                                title="Add files"
                                onClick={() => files.current.click()}>
                                <ClipIcon />
                            </button>
                            <input
                                ref={files}
                                type="file"
                                multiple
                                hidden
                                aria-label="Files"
                                onChange={(event) => {
                                    uploads.add([...event.currentTarget.files]);
                                    event.currentTarget.value = '';
                                    input.current.focus();
                                }}
                            />
                        </>
                    )}
                    <textarea
                        ref={input}
                        rows={1}
                        value={text}
                        aria-label={label}
                        placeholder={label}
                        dir="auto"
                        enterkeyhint="send"
                        autocomplete="off"
                        aria-autocomplete="list"
                        aria-controls={completions.isOpen ? completions.id : undefined}
                        aria-activedescendant={completions.isOpen ? completions.activeId : undefined}
                        onInput={(event) => {
                            write(event.currentTarget.value);
                            setCaret(event.currentTarget.selectionStart);
                            if (event.currentTarget.value) room.typed();
                            else room.typingStopped();
                        }}
                        onKeyDown={onKeyDown}
                        onKeyUp={(event) => setCaret(event.currentTarget.selectionStart)}
                        onClick={(event) => setCaret(event.currentTarget.selectionStart)}
                        onPaste={onPaste}
                    />
                    {left < 300 && (
                        <span class={`left ${left < 0 ? 'is-bad' : ''}`} role="status">
                            {left < 0 ? `${-left} too long` : `${left} left`}
                        </span>
                    )}
                    <EmojiButton
                        class="icon-button"
                        label="Insert an emoji"
                        icon={SmileIcon}
                        onEmoji={(emoji) => {
                            const at = input.current.selectionStart ?? text.length;
                            write(text.slice(0, at) + emoji + text.slice(at), at + emoji.length);
                        }}
                    />
                    <button
                        class="send"
                        aria-label={edits !== null ? 'Save the edit' : 'Send'}
                        title={edits !== null ? 'Save' : 'Send'}
                        disabled={!canSend}>
                        <SendIcon />
                    </button>
                </div>
            </div>
        </form>
    );
}

function Above({ icon: Icon, label, onClose, children }) {
    return (
        <div class="composer-above">
            <Icon />
            <p>{children}</p>
            <button type="button" class="icon-button small" aria-label={label} title={label} onClick={onClose}>
                <CloseIcon />
            </button>
        </div>
    );
}
