// Parts that are fetched when they are first wanted.
import { useEffect, useState } from 'preact/hooks';
import { toast } from './overlay.jsx';

const loaded = new Map(); // load function's text -> what it gave

export function useLazy(load, key = String(load)) {
    const [what, setWhat] = useState(() => loaded.get(key) ?? null);
    useEffect(() => {
        if (what) return undefined;
        let isWanted = true;
        load().then(
            (found) => {
                loaded.set(key, found);
                if (isWanted) setWhat(() => found);
            },
            () => toast('A part of the page could not be fetched. Reload it when the server is back.', 'bad'),
        );
        return () => {
            isWanted = false;
        };
    }, []);
    return what;
}

// <Lazy load={() => import(…).then((m) => m.Part)} …props />
export function Lazy({ load, name, ...props }) {
    const Part = useLazy(load, name);
    return Part ? <Part {...props} /> : <span class="spinner lazy-spinner" role="status" aria-label="Loading" />;
}
