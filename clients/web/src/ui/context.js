// What most of the page needs, handed down: {chat, value (the chat's), people, go, panel, setPanel, …}.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { explain } from '../logic/errors.js';
import { toast } from './overlay.jsx';

export const Page = createContext(null);
export const usePage = () => useContext(Page);

// Says what went wrong, and gives what came of it otherwise.
export async function attempt(promise, done = '') {
    try {
        const result = await promise;
        if (done) toast(done);
        return result ?? true;
    } catch (error) {
        toast(explain(error), 'bad');
        return null;
    }
}
