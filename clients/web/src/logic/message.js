// What a publication of a chat channel says. Ours are {id, name, text, at}; anybody may publish anything else, and
// it is shown as well as it can be.
import { cleanName } from './identity.js';

export const TEXT_MAX = 4000;
const SHOWN_MAX = 20_000;

export function messageOf(data) {
    if (typeof data === 'string') return { id: null, name: '', text: data.slice(0, SHOWN_MAX), at: null };
    const ours = data && typeof data === 'object' && typeof data.text === 'string';
    return {
        id: ours && typeof data.id === 'string' && data.id.length <= 64 ? data.id : null,
        name: ours ? cleanName(data.name) : '',
        text: (ours ? data.text : (JSON.stringify(data) ?? '')).slice(0, SHOWN_MAX),
        at: ours ? timeOf(data.at) : null,
        isRaw: !ours,
    };
}

const EARLIEST = Date.UTC(2000, 0),
    LATEST = Date.UTC(2200, 0);
export const timeOf = (at) => (Number.isFinite(at) && at > EARLIEST && at < LATEST ? at : null);
