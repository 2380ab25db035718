import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Room } from '../net/room.js';
import { Banner } from './banner.jsx';
import { Composer } from './composer.jsx';
import { CopyButton } from './copy.jsx';
import { Dialog } from './dialog.jsx';
import { Head } from './head.jsx';
import { useAttention, useMedia, useObservable } from './hooks.js';
import { AlertIcon, LinkIcon, PeopleIcon } from './icons.jsx';
import { Messages } from './messages.jsx';
import { People } from './people.jsx';

export function ChatView({ connection, name, who, visitor, isWide, onMenu }) {
    const room = useMemo(() => new Room(connection, name, { who, name: visitor }), [connection, name]);
    const { status, refusal, people, knowsPeople, unread, heard } = useObservable(room);
    const [isAtEnd, setAtEnd] = useState(true);
    const [showsPeople, setShowsPeople] = useState(false);
    const hasPeopleColumn = useMedia('(min-width: 1080px)');
    const isLooking = useAttention();
    const isShut = useObservable(connection).phase === 'closed' && status === 'joining';
    const input = useRef();

    useEffect(() => {
        room.open();
        return () => room.close();
    }, [room]);
    useEffect(() => {
        if (visitor !== room.identity.name) room.rename(visitor);
    }, [visitor]);
    useEffect(() => room.watched(isLooking && isAtEnd && status === 'open'), [isLooking, isAtEnd, status]);
    useEffect(() => {
        document.title = `${unread ? `(${unread}) ` : ''}#${name} · Parley`;
    }, [unread, name]);
    useEffect(() => {
        if (matchMedia('(hover: hover)').matches) input.current?.focus();
    }, [room]);
    useEffect(() => {
        // Typing anywhere writes a message.
        const type = (event) => {
            if (
                event.key.length !== 1 ||
                event.ctrlKey ||
                event.metaKey ||
                event.altKey ||
                event.key === ' ' ||
                event.target.closest('input, textarea, select, button, dialog, [contenteditable]')
            )
                return;
            input.current?.focus();
        };
        window.addEventListener('keydown', type);
        return () => window.removeEventListener('keydown', type);
    }, []);

    const count = people.length;
    return (
        <>
            <main class="main">
                <Head
                    {...{ connection, isWide, onMenu }}
                    title={
                        <>
                            <span class="hash" aria-hidden="true">
                                #
                            </span>
                            {name}
                        </>
                    }
                    detail={knowsPeople ? `${count} ${count === 1 ? 'person' : 'people'} here` : undefined}>
                    <CopyButton text={location.href} label="Copy the link to this room" icon={LinkIcon} class="button">
                        Share link
                    </CopyButton>
                    {!hasPeopleColumn && status !== 'refused' && !isShut && (
                        <button
                            type="button"
                            class="icon-button with-count"
                            aria-haspopup="dialog"
                            onClick={() => setShowsPeople(true)}
                            aria-label={`Who is here: ${count}`}>
                            <PeopleIcon />
                            <span aria-hidden="true">{count || ''}</span>
                        </button>
                    )}
                </Head>
                <Banner connection={connection} keeps="What you write is kept and sent then." />
                {status === 'refused' ? (
                    <div class="refused" role="alert">
                        <AlertIcon />
                        <h2>#{name} can’t be opened</h2>
                        <p>{refusal}</p>
                    </div>
                ) : (
                    <>
                        <Messages room={room} isAtEnd={isAtEnd} onAtEnd={setAtEnd} isShut={isShut} />
                        <Composer room={room} inputRef={input} />
                    </>
                )}
                {/* What others say is read out here, and nothing else: loading history must not be. */}
                <div class="vh" role="log" aria-live="polite" aria-relevant="additions" aria-label="New messages">
                    {heard.map(({ key, name: speaker, text }) => (
                        <p key={key}>
                            {speaker}: {text}
                        </p>
                    ))}
                </div>
            </main>
            {hasPeopleColumn && status !== 'refused' && !isShut && (
                <aside class="column" aria-label="Who is here">
                    <People people={people} isKnown={knowsPeople} />
                </aside>
            )}
            {!hasPeopleColumn && showsPeople && (
                <Dialog title="Who is here" kind="drawer is-right" onClose={() => setShowsPeople(false)}>
                    <People people={people} isKnown={knowsPeople} />
                </Dialog>
            )}
        </>
    );
}
