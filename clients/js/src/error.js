// Codes below 100 are the SDK's: no answer came.
const NO_ANSWER = 100;
const TIMEOUT = 1;
const PASSING = new Set([100, 111, 429, 434, 435]);
const UNAUTHORIZED = new Set([101, 3500]);
const DEACTIVATED = 3507;

export class ChatError extends Error {
    constructor(code, word, { message = word, details = {}, temporary = false, status } = {}) {
        super(message);
        this.name = 'ChatError';
        this.code = code;
        this.word = word;
        this.details = details;
        this.temporary = temporary;
        if (status !== undefined) this.status = status;
    }

    static from(error) {
        if (error instanceof ChatError) return error;
        const code = Number.isInteger(error?.code) ? error.code : 0;
        const text = String(error?.message ?? error ?? '');
        if (code < NO_ANSWER)
            return new ChatError(code, code === TIMEOUT ? 'timeout' : 'offline', { message: text, temporary: true });
        const [word, ...rest] = text.split(';');
        return new ChatError(code, UNAUTHORIZED.has(code) ? 'unauthorized' : code === DEACTIVATED ? 'deactivated' : word.trim(), {
            message: text,
            details: detailsOf(rest),
            temporary: Boolean(error.temporary) || PASSING.has(code),
        });
    }

    static offline() {
        return new ChatError(0, 'offline', { message: 'not connected', temporary: true });
    }

    // No answer came: whether it was done is not known.
    get isUnanswered() {
        return this.code < NO_ANSWER;
    }
}

function detailsOf(parts) {
    const details = {};
    for (const part of parts) {
        const at = part.indexOf('=');
        if (at < 1) continue;
        const value = part.slice(at + 1);
        details[part.slice(0, at).trim()] = /^-?\d{1,15}$/.test(value) ? Number(value) : value;
    }
    return details;
}

const WORDS = {
    400: 'bad request',
    401: 'unauthorized',
    403: 'permission denied',
    404: 'not_found',
    409: 'conflict',
    410: 'gone',
    413: 'too_long',
    429: 'too many requests',
};

// Of an endpoint's answer: its status, body (parsed, or null) and Retry-After (in seconds, or null).
export function errorOfAnswer(status, body, retryAfter) {
    const { message, field } = body?.error ?? {};
    const details = {};
    if (field) details.field = field;
    if (Number(retryAfter) > 0) details.retry_ms = Number(retryAfter) * 1000;
    const word = WORDS[status] ?? `status ${status}`;
    return new ChatError(status, word, {
        message: message ?? word,
        details,
        temporary: status === 429 || status >= 500,
        status,
    });
}
