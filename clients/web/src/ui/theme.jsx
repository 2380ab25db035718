import { useState } from 'preact/hooks';
import { MoonIcon, SunIcon, SystemIcon } from './icons.jsx';
import { setTheme, themeNow } from './theme.js';

const THEMES = {
    system: ['Light or dark as the system says', SystemIcon],
    light: ['Light', SunIcon],
    dark: ['Dark', MoonIcon],
};

export function ThemeChoice({ named }) {
    const [theme, choose] = useState(themeNow);
    return (
        <fieldset class={`themes ${named ? 'is-named' : ''}`}>
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
                    {named && <span aria-hidden="true">{key === 'system' ? 'System' : label}</span>}
                </label>
            ))}
        </fieldset>
    );
}
