import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { cleanName, randomId } from '../logic/identity.js';
import { HOME, channelOf, hashOf, routeOf, websocketUrl } from '../logic/route.js';
import { Connection } from '../net/connection.js';
import { browserStore, windowStore } from '../net/store.js';
import { ChatView } from './chat.jsx';
import { FeedView } from './feed.jsx';
import { useMedia } from './hooks.js';
import { NameDialog } from './name.jsx';
import { Side } from './side.jsx';
import { Dialog } from './dialog.jsx';
import { isNameInUse, tellOtherWindows } from './windows.js';

const RECENT_MAX = 8;

export function App() {
    const [route, setRoute] = useState(() => (location.hash ? routeOf(location.hash) : HOME));
    const [name, setName] = useState(() => cleanName(windowStore.get('name')));
    const [isAsking, setAsking] = useState(false);
    const [isReady, setReady] = useState(false);
    const [isMenuOpen, setMenuOpen] = useState(false);
    const [recent, setRecent] = useState(() => browserStore.get('recent') ?? []);
    const isWide = useMedia('(min-width: 860px)');

    const who = useMemo(() => {
        const kept = windowStore.get('who') ?? randomId();
        windowStore.set('who', kept);
        return kept;
    }, []);
    const connection = useMemo(() => new Connection(websocketUrl(document.baseURI)), []);

    useEffect(() => {
        const follow = () => setRoute(routeOf(location.hash));
        window.addEventListener('hashchange', follow);
        return () => window.removeEventListener('hashchange', follow);
    }, []);

    useEffect(() => {
        // The address always names the channel, so that it can be shared as it is.
        if (location.hash !== hashOf(route)) history.replaceState(null, '', hashOf(route));
        const channel = channelOf(route);
        setRecent((before) => {
            const after = [channel, ...before.filter((one) => one !== channel)].slice(0, RECENT_MAX);
            browserStore.set('recent', after);
            return after;
        });
        setMenuOpen(false);
    }, [route.view, route.name]);

    // A visitor who comes back is let in under the remembered name; a second window of the same browser is asked,
    // because it is most likely there to talk with the first.
    useEffect(() => {
        const remembered = cleanName(browserStore.get('name'));
        (async () => {
            if (!name) {
                if (remembered && !(await isNameInUse())) {
                    setName(remembered);
                    windowStore.set('name', remembered);
                } else if (route.view === 'chat') setAsking(true);
            }
            setReady(true);
            connection.open();
        })();
    }, []);
    useEffect(() => {
        if (isReady && !name && route.view === 'chat') setAsking(true);
    }, [isReady, route.view]);
    useEffect(() => (name ? tellOtherWindows() : undefined), [Boolean(name)]);

    const choose = useCallback((chosen) => {
        windowStore.set('name', chosen);
        browserStore.set('name', chosen);
        setName(chosen);
        setAsking(false);
    }, []);

    const side = <Side route={route} recent={recent} name={name} onRename={() => setAsking(true)} />;
    const frame = { connection, isWide, onMenu: () => setMenuOpen(true) };
    return (
        <div class="frame">
            <a
                class="skip"
                href={hashOf(route)}
                onClick={(event) => {
                    event.preventDefault();
                    document.querySelector('.composer textarea, main h1')?.focus();
                }}>
                Skip to the conversation
            </a>
            {isWide && (
                <aside class="side" aria-label="Channels">
                    {side}
                </aside>
            )}
            {!isWide && isMenuOpen && (
                <Dialog title="Channels" kind="drawer" onClose={() => setMenuOpen(false)}>
                    {side}
                </Dialog>
            )}
            {isReady && route.view === 'feed' && <FeedView key={route.name} name={route.name} {...frame} />}
            {isReady &&
                route.view === 'chat' &&
                (name ? (
                    <ChatView key={route.name} name={route.name} who={who} visitor={name} {...frame} />
                ) : (
                    <main class="main" aria-hidden="true" />
                ))}
            {isAsking && (
                <NameDialog
                    name={name || cleanName(browserStore.get('name'))}
                    canClose={Boolean(name)}
                    room={route}
                    onClose={() => setAsking(false)}
                    onChoose={choose}
                />
            )}
        </div>
    );
}
