export { Auth } from './auth.js';
export { Chat } from './chat.js';
export { ChatError } from './error.js';
export { Observable } from './observable.js';
export { OUTBOX_MAX } from './outbox.js';
export { MemoryStorage } from './storage.js';
