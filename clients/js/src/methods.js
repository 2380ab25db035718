// Families of methods, by their last word: `chat.member.add(request)` calls `member.add`.
const FAMILIES = {
    member: ['member', ['list', 'add', 'remove', 'update']],
    moderation: ['moderation', ['kick', 'ban', 'unban', 'mute', 'unmute', 'bans']],
    admin: ['admin', ['users', 'user', 'settings', 'audit', 'stats']],
    invite: ['invite', ['create', 'list', 'revoke']],
    webhook: ['webhook', ['create', 'list', 'remove']],
    message: ['message', ['send', 'edit', 'delete', 'get', 'revisions', 'history']],
    pins: ['pin', ['add', 'remove', 'list']],
    roomMethods: ['room', ['list', 'create', 'update', 'archive', 'unarchive', 'open', 'sync', 'join', 'leave']],
};

export function familiesOf(call) {
    const families = {};
    for (const [property, [family, words]] of Object.entries(FAMILIES))
        families[property] = Object.fromEntries(words.map((word) => [word, (request) => call(`${family}.${word}`, request)]));
    return families;
}
