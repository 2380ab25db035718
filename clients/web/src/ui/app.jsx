// Which page it is: a feed, a way in, or the chat.
import { useCallback, useEffect, useState } from 'preact/hooks';
import { Chat } from 'parley-chat';
import { explain } from '../logic/errors.js';
import { hashOfRoom, routeOf } from '../logic/route.js';
import { InvitePage, NotePage, SetupPage, SignInPage } from './auth.jsx';
import { useObservable } from './hooks.js';
import { useLazy } from './lazy.jsx';
import { Overlay, closeDialogs, toast } from './overlay.jsx';
import { Shell } from './shell.jsx';

// A page of forty, three hundred in the document: more makes a browser slow, and nobody looks at them.
const CHAT = { name: 'parley-web', pageSize: 40, windowMax: 300 };

export function App() {
    const [route, setRoute] = useState(() => routeOf(location.hash));
    useEffect(() => {
        const follow = () => setRoute(routeOf(location.hash));
        window.addEventListener('hashchange', follow);
        return () => window.removeEventListener('hashchange', follow);
    }, []);
    return (
        <>
            {route.view === 'feed' ? <Feeds route={route} /> : <ChatApp route={route} />}
            <Overlay />
        </>
    );
}

function Feeds({ route }) {
    const FeedPage = useLazy(() => import('./feedpage.jsx').then((module) => module.FeedPage));
    return FeedPage ? <FeedPage name={route.name} /> : null;
}

function ChatApp({ route }) {
    const [chat, setChat] = useState(() => new Chat(CHAT)); // another one for whoever comes next
    const { connection } = useObservable(chat);
    const [state, setState] = useState(null); // of the server: who may come in, and who has
    const [error, setError] = useState(null);
    const [isIn, setIn] = useState(false);
    const [note, setNote] = useState('');

    const look = useCallback(async () => {
        setError(null);
        try {
            const found = await chat.auth.state();
            setState(found);
            if (found.enabled && found.user) setIn(true);
        } catch (failure) {
            setError(failure);
        }
    }, [chat]);
    useEffect(() => {
        look();
        return () => chat.close();
    }, [chat]);

    const isComing = route.view === 'setup' || route.view === 'invite';
    useEffect(() => {
        if (isIn && !isComing) chat.connect();
    }, [chat, isIn, isComing]);

    const leave = useCallback(
        (why) => {
            closeDialogs();
            setIn(false);
            setNote(why);
            setChat(new Chat(CHAT)); // its effects close the old one, and ask who is in
        },
        [chat],
    );
    useEffect(() => chat.on('session.ended', () => leave('You were signed out. Sign in again.')), [chat]);
    // Refused for good: not signed in any more, most likely; whoever is has to see what is wrong.
    useEffect(() => {
        if (!isIn || connection.status !== 'offline' || connection.retryAt !== null || !connection.error) return;
        chat.auth.state().then(
            ({ user }) => !user && leave('You were signed out. Sign in again.'),
            () => {},
        );
    }, [connection, isIn]);

    const come = useCallback(({ user, room }) => {
        setState((before) => ({ ...before, user, setup: false }));
        setNote('');
        // Where the address says, if it is a place; an invitation leads into its room.
        if (room) location.hash = hashOfRoom(typeof room === 'object' ? room.id : room);
        else if (/^#\/?(?:setup|invite)/.test(location.hash)) location.hash = '#/';
        setIn(true);
    }, []);
    const signOut = useCallback(async () => {
        try {
            await chat.auth.logout();
            chat.forget();
            leave('You are signed out.');
            location.hash = '#/';
        } catch (failure) {
            toast(explain(failure), 'bad');
        }
    }, [chat]);

    useEffect(() => {
        if (!isIn || isComing) document.title = state?.name ? `${state.name} · Parley` : 'Parley';
    }, [isIn, isComing, state]);

    if (error && error.code !== 404)
        return (
            <NotePage title="The server can’t be reached" lead={explain(error)}>
                <p class="auth-links">
                    <button type="button" class="button primary wide" onClick={look}>
                        Try again
                    </button>
                </p>
            </NotePage>
        );
    if (error || (state && !state.enabled))
        return (
            <NotePage title="There is no chat on this server" lead="Its configuration says so: chat.enabled.">
                <p class="auth-links">
                    <a class="button wide" href="#feed:demo">
                        Look at a feed of live data
                    </a>
                </p>
            </NotePage>
        );
    if (!state) return <Splash />;
    if (route.view === 'setup') return <SetupPage chat={chat} state={state} code={route.code} onIn={come} />;
    if (route.view === 'invite')
        return <InvitePage key={route.code} chat={chat} state={state} code={route.code} onIn={come} />;
    if (!isIn) return <SignInPage chat={chat} state={state} note={note} onIn={come} />;
    return <Shell chat={chat} route={route} onSignOut={signOut} />;
}

// For the moment before anything is known: nothing that would only flash.
const Splash = () => (
    <main class="splash" aria-busy="true">
        <h1 class="vh">Parley</h1>
    </main>
);
