const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 22; // 113 bits

// Of pages without https as well, which have no randomUUID().
export function randomId() {
    const bytes = new Uint8Array(LENGTH);
    if (globalThis.crypto?.getRandomValues) globalThis.crypto.getRandomValues(bytes);
    else for (let i = 0; i < LENGTH; i++) bytes[i] = Math.random() * 256;
    return Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length]).join('');
}
