import { browserStore } from '../net/store.js';

// 'system', 'light' or 'dark'.
export const themeNow = () => browserStore.get('theme') ?? 'system';

export function setTheme(theme) {
    browserStore.set('theme', theme);
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    window.dispatchEvent(new Event('themechange'));
}

export const restoreTheme = () => setTheme(themeNow());
