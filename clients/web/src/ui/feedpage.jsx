// A feed, with a connection of its own: it needs no login, only a server that lets one in.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { hashOfFeed, nameOf, websocketUrl } from '../logic/route.js';
import { Connection } from '../net/connection.js';
import { browserStore } from '../net/store.js';
import { Dialog } from './dialog.jsx';
import { FeedView } from './feed.jsx';
import { useMedia } from './hooks.js';
import { PlusIcon, PulseIcon, ReplyIcon } from './icons.jsx';
import { Mark } from './mark.jsx';
import { ThemeChoice } from './theme.jsx';

const ALWAYS = 'demo';
const RECENT_MAX = 8;

export function FeedPage({ name }) {
    const connection = useMemo(() => new Connection(websocketUrl(document.baseURI)), []);
    const [isMenuOpen, setMenuOpen] = useState(false);
    const [recent, setRecent] = useState(() => browserStore.get('feeds') ?? []);
    const isWide = useMedia('(min-width: 860px)');
    useEffect(() => {
        connection.open();
        return () => connection.centrifuge.disconnect();
    }, []);
    useEffect(() => {
        if (location.hash !== hashOfFeed(name)) history.replaceState(null, '', hashOfFeed(name));
        setRecent((before) => {
            const after = [name, ...before.filter((one) => one !== name)].slice(0, RECENT_MAX);
            browserStore.set('feeds', after);
            return after;
        });
        setMenuOpen(false);
    }, [name]);
    const side = <FeedSide name={name} recent={recent} />;
    return (
        <div class="frame">
            <nav aria-label="Skip">
                <button type="button" class="skip" onClick={() => document.querySelector('main h1')?.focus()}>
                    Skip to the feed
                </button>
            </nav>
            {isWide && (
                <aside class="side" aria-label="Feeds">
                    {side}
                </aside>
            )}
            {!isWide && isMenuOpen && (
                <Dialog title="Feeds" kind="drawer" onClose={() => setMenuOpen(false)}>
                    {side}
                </Dialog>
            )}
            <FeedView key={name} name={name} connection={connection} isWide={isWide} onMenu={() => setMenuOpen(true)} />
        </div>
    );
}

function FeedSide({ name, recent }) {
    const [isAdding, setAdding] = useState(false);
    const [text, setText] = useState('');
    const add = (event) => {
        event.preventDefault();
        const chosen = nameOf(text);
        if (chosen) location.hash = hashOfFeed(chosen);
        setAdding(false);
        setText('');
    };
    return (
        <div class="side-inside">
            <p class="brand">
                <Mark />
                Parley
            </p>
            <nav aria-label="Feeds">
                <section class="group">
                    <div class="group-head">
                        <h2>Feeds</h2>
                        <button
                            type="button"
                            class="icon-button small"
                            aria-label="Open a feed"
                            title="Open a feed"
                            aria-expanded={isAdding}
                            onClick={() => setAdding(!isAdding)}>
                            <PlusIcon />
                        </button>
                    </div>
                    {isAdding && (
                        <form onSubmit={add}>
                            <label class="vh" for="add-feed">
                                Open a feed
                            </label>
                            <input
                                id="add-feed"
                                class="add"
                                ref={(input) => input?.focus()}
                                value={text}
                                placeholder="name, then Enter"
                                maxlength={64}
                                spellcheck={false}
                                autocapitalize="off"
                                onInput={(event) => setText(event.currentTarget.value)}
                                onKeyDown={(event) => {
                                    if (event.key === 'Escape') {
                                        event.stopPropagation();
                                        setAdding(false);
                                    }
                                }}
                            />
                        </form>
                    )}
                    <ul>
                        {[...new Set([ALWAYS, ...recent])].map((one) => (
                            <li key={one}>
                                <a
                                    class="channel"
                                    href={hashOfFeed(one)}
                                    aria-current={one === name ? 'page' : undefined}>
                                    <PulseIcon />
                                    <span class="channel-name">{one}</span>
                                </a>
                            </li>
                        ))}
                    </ul>
                </section>
            </nav>
            <div class="side-foot">
                <a class="channel" href="#/">
                    <ReplyIcon />
                    <span class="channel-name">To the chat</span>
                </a>
                <ThemeChoice />
            </div>
        </div>
    );
}
