import { useState } from 'preact/hooks';
import { channelOf, hashOf, nameOf, routeOf } from '../logic/route.js';
import { Flag, Mark } from './flag.jsx';
import { MoonIcon, PlusIcon, PulseIcon, SunIcon, SystemIcon } from './icons.jsx';
import { setTheme, themeNow } from './theme.js';

const ALWAYS = ['chat:lobby', 'feed:demo'];
const THEMES = {
    system: ['Light or dark as the system says', SystemIcon],
    light: ['Light', SunIcon],
    dark: ['Dark', MoonIcon],
};

export function Side({ route, recent, name, onRename }) {
    const channels = [...new Set([...ALWAYS, ...recent])]
        .map((channel) => routeOf(channel))
        .sort((a, b) => ALWAYS.includes(channelOf(b)) - ALWAYS.includes(channelOf(a)) || a.name.localeCompare(b.name));
    return (
        <div class="side-inside">
            <p class="brand">
                <Mark />
                Parley
            </p>
            <nav aria-label="Channels">
                <Group title="Rooms" view="chat" channels={channels} route={route} adds="Open or start a room" />
                <Group title="Feeds" view="feed" channels={channels} route={route} adds="Open a feed" />
            </nav>
            <div class="side-foot">
                {name && (
                    <button type="button" class="me" onClick={onRename} title="Change your name">
                        <Flag name={name} />
                        <span class="me-name">
                            <span class="vh">You are </span>
                            {name}
                        </span>
                        <span class="me-hint">Change</span>
                    </button>
                )}
                <ThemeChoice />
            </div>
        </div>
    );
}

function Group({ title, view, channels, route, adds }) {
    const [isAdding, setAdding] = useState(false);
    const [text, setText] = useState('');
    const add = (event) => {
        event.preventDefault();
        const name = nameOf(text);
        if (name) location.hash = hashOf({ view, name });
        setAdding(false);
        setText('');
    };
    return (
        <section class="group">
            <div class="group-head">
                <h2>{title}</h2>
                <button
                    type="button"
                    class="icon-button small"
                    aria-label={adds}
                    title={adds}
                    aria-expanded={isAdding}
                    onClick={() => setAdding(!isAdding)}>
                    <PlusIcon />
                </button>
            </div>
            {isAdding && (
                <form onSubmit={add}>
                    <label class="vh" for={`add-${view}`}>
                        {adds}
                    </label>
                    <input
                        id={`add-${view}`}
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
                {channels
                    .filter((one) => one.view === view)
                    .map((one) => (
                        <li key={one.name}>
                            <a
                                class="channel"
                                href={hashOf(one)}
                                aria-current={one.view === route.view && one.name === route.name ? 'page' : undefined}>
                                {view === 'chat' ? (
                                    <span class="hash" aria-hidden="true">
                                        #
                                    </span>
                                ) : (
                                    <PulseIcon />
                                )}
                                <span class="channel-name">{one.name}</span>
                            </a>
                        </li>
                    ))}
            </ul>
        </section>
    );
}

function ThemeChoice() {
    const [theme, choose] = useState(themeNow);
    return (
        <fieldset class="themes">
            <legend class="vh">Colours</legend>
            {Object.entries(THEMES).map(([key, [label, Icon]]) => (
                <label key={key} title={label}>
                    <input
                        type="radio"
                        name="theme"
                        class="vh"
                        value={key}
                        checked={theme === key}
                        aria-label={label}
                        onChange={() => {
                            setTheme(key);
                            choose(key);
                        }}
                    />
                    <Icon />
                </label>
            ))}
        </fieldset>
    );
}
