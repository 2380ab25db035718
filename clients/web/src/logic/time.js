// Times as people read them, in their own language and zone.
const TIME = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const SHORT = new Intl.DateTimeFormat(undefined, {
    day: 'numeric',
    month: 'short',
    hour: 'numeric',
    minute: '2-digit',
});

const DAY_MS = 86_400_000;

export const timeOf = (at) => TIME.format(at);
export const fullTimeOf = (at) => FULL.format(at);
export const shortDateOf = (at) => SHORT.format(at);
// Of today the time is enough.
export const whenOf = (at, now = Date.now()) => (dayOf(at) === dayOf(now) ? TIME : SHORT).format(at);
export const dayOf = (at) => new Date(at).toDateString();
export const isoOf = (at) => new Date(at).toISOString();

export function dayName(at, now = Date.now()) {
    const day = dayOf(at);
    if (day === dayOf(now)) return 'Today';
    if (day === dayOf(now - DAY_MS)) return 'Yesterday';
    return now - at < 300 * DAY_MS ? DAY.format(at) : DAY_OF_YEAR.format(at);
}

export function agoOf(at, now = Date.now()) {
    const minutes = Math.floor((now - at) / 60_000);
    if (minutes < 1) return 'just now';
    if (minutes < 60) return `${minutes} min ago`;
    const hours = Math.floor(minutes / 60);
    if (hours < 24) return `${hours} h ago`;
    const days = Math.floor(hours / 24);
    return days < 30 ? `${days} ${days === 1 ? 'day' : 'days'} ago` : SHORT.format(at);
}

export function spanOf(ms) {
    const seconds = Math.ceil(ms / 1000);
    if (seconds < 90) return `${seconds} s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 90) return `${minutes} min`;
    const hours = Math.round(minutes / 60);
    return hours < 36 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}
