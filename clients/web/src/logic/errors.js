// What a refusal means to whoever reads it. error: a ChatError of parley-chat: {code, word, details, temporary}.
import { sizeOf } from './text.js';
import { shortDateOf, spanOf } from './time.js';

const FIELDS = {
    login: 'login',
    name: 'name',
    password: 'password',
    text: 'message',
    topic: 'topic',
    slug: 'address',
    url: 'URL',
    avatar: 'picture',
};

export function explain(error) {
    const { code, word, details = {} } = error;
    const wait = details.retry_ms ? ` Try again in ${spanOf(details.retry_ms)}.` : '';
    if (word === 'offline' || word === 'timeout') return 'The server did not answer. Try again in a moment.';
    switch (code) {
        case 100:
            return 'The server had a problem of its own. Try again in a moment.';
        case 101:
        case 401:
            return 'You are not signed in any more.';
        case 103:
        case 403:
            return 'You are not allowed to do that here.';
        case 107:
        case 400:
            return details.field
                ? `The ${FIELDS[details.field] ?? details.field} is not valid.`
                : 'The server did not understand that.';
        case 108:
            return 'That is not available on this server.';
        case 111:
            return `That was too much at once.${wait}`;
        case 404:
            return 'It is not there, or not for you to see.';
        case 409:
            return details.field
                ? `That ${FIELDS[details.field] ?? details.field} is taken already.`
                : 'Somebody was faster. Look again, then try again.';
        case 410:
            return 'It was deleted.';
        case 413:
            return details.max ? `That is too long: ${sizeOf(Number(details.max))} is the most.` : 'That is too large.';
        case 423:
            return 'This room is archived.';
        case 429:
            return word === 'slow_mode' ? `This room is in slow mode.${wait}` : `Too many attempts.${wait}`;
        case 430:
            return details.until
                ? `You are muted here until ${shortDateOf(Number(details.until))}.`
                : 'You are muted here.';
        case 431:
            return 'You are banned from this room.';
        case 433:
            return 'It is too old to be edited.';
        case 434:
            return 'The server’s disk is full or failing. Nothing was changed.';
        case 435:
            return 'The server is changing over. Try again in a moment.';
        default:
            return error.message || 'That did not work.';
    }
}
