// Files on their way into a message.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { explain } from '../logic/errors.js';
import { sizeOf } from '../logic/text.js';
import { isImage } from './attachments.jsx';
import { CloseIcon, FileIcon } from './icons.jsx';
import { toast } from './overlay.jsx';

const FILES_MAX = 10;
let made = 0;

// {entries: [{key, file, url, part, attachment, error, isFailed}], done: [attachment], isBusy, add(files), remove(key),
// again(key), clear()}. before: attachments of a draft that were sent up then.
export function useUploads(chat, limits, before) {
    const [entries, setEntries] = useState(() =>
        (before ?? []).map((attachment) => ({ key: ++made, attachment, part: 1 })),
    );
    const aborts = useRef(new Map());
    const isGone = useRef(false);
    useEffect(
        () => () => {
            isGone.current = true;
            for (const abort of aborts.current.values()) abort.abort();
        },
        [],
    );
    const change = (key, what) =>
        !isGone.current && setEntries((all) => all.map((one) => (one.key === key ? { ...one, ...what } : one)));

    const start = async (key, file) => {
        const abort = new AbortController();
        aborts.current.set(key, abort);
        change(key, { part: 0, error: null, isFailed: false });
        try {
            const attachment = await chat.upload(file, {
                signal: abort.signal,
                name: file.name || 'picture.png',
                onProgress: (sent, total) => change(key, { part: sent / (total || file.size || 1) }),
            });
            change(key, { attachment, part: 1 });
        } catch (error) {
            if (!abort.signal.aborted) change(key, { isFailed: true, error: explain(error) });
        }
        aborts.current.delete(key);
    };
    const add = (files) => {
        const max = limits.upload_bytes ?? 25 * 1024 * 1024;
        const fitting = files.filter((file) => {
            if (file.size > max) toast(`${file.name} is too large: ${sizeOf(max)} is the most.`, 'bad');
            else if (!file.size) toast(`${file.name} is empty.`, 'bad');
            return file.size > 0 && file.size <= max;
        });
        const room = Math.max(0, FILES_MAX - entries.length);
        if (fitting.length > room) toast(`${FILES_MAX} files at once are the most.`, 'bad');
        const added = fitting
            .slice(0, room)
            .map((file) => ({ key: ++made, file, part: 0, url: isImage(file) ? URL.createObjectURL(file) : null }));
        setEntries((all) => [...all, ...added]);
        for (const { key, file } of added) start(key, file);
    };
    const forget = (entry) => {
        aborts.current.get(entry.key)?.abort();
        if (entry.url) URL.revokeObjectURL(entry.url);
    };
    const done = useMemo(() => entries.filter((one) => one.attachment).map((one) => one.attachment), [entries]);
    return {
        entries,
        done,
        isBusy: entries.some((one) => !one.attachment && !one.isFailed),
        add,
        again: (key) => start(key, entries.find((one) => one.key === key).file),
        remove: (key) => {
            forget(entries.find((one) => one.key === key));
            setEntries((all) => all.filter((one) => one.key !== key));
        },
        clear: () => {
            entries.forEach(forget);
            setEntries([]);
        },
    };
}

export function UploadChips({ uploads }) {
    if (!uploads.entries.length) return null;
    return (
        <ul class="uploads" aria-label="Files to send">
            {uploads.entries.map(({ key, file, url, part, attachment, error, isFailed }) => {
                const name = file?.name ?? attachment?.name;
                return (
                    <li key={key} class={`upload ${isFailed ? 'is-bad' : ''}`}>
                        {url ? <img src={url} alt="" /> : <FileIcon />}
                        <span class="file-words">
                            <bdi class="file-name">{name}</bdi>
                            <span class="quiet" role={isFailed ? 'alert' : undefined}>
                                {isFailed
                                    ? error
                                    : attachment
                                      ? sizeOf(attachment.size)
                                      : `${Math.floor(part * 100)} %`}
                            </span>
                            {!attachment && !isFailed && (
                                <progress max={1} value={part} aria-label={`Sending ${name}`} />
                            )}
                            {isFailed && (
                                <button type="button" class="link" onClick={() => uploads.again(key)}>
                                    Try again
                                </button>
                            )}
                        </span>
                        <button
                            type="button"
                            class="icon-button small"
                            aria-label={`Remove ${name}`}
                            onClick={() => uploads.remove(key)}>
                            <CloseIcon />
                        </button>
                    </li>
                );
            })}
        </ul>
    );
}
