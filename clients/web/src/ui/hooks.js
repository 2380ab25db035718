import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';

const HIDDEN_MS = 200;

// The value of an Observable; the component is drawn again when it changes, once a frame however often that is. No
// frames come while the window is hidden, and its title is to be right all the same.
export function useObservable(observable) {
    const [, redraw] = useReducer((n) => n + 1, 0);
    useEffect(() => {
        if (!observable) return undefined;
        let frame = 0;
        let timer = 0;
        const draw = () => {
            cancelAnimationFrame(frame);
            clearTimeout(timer);
            frame = timer = 0;
            redraw();
        };
        const stop = observable.watch(() => {
            if (frame || timer) return;
            timer = setTimeout(draw, HIDDEN_MS);
            if (!document.hidden) frame = requestAnimationFrame(draw);
        });
        redraw(); // what changed before we watched
        return () => {
            stop();
            cancelAnimationFrame(frame);
            clearTimeout(timer);
        };
    }, [observable]);
    return observable?.value;
}

// Now, again every `ms` while `isRunning`.
export function useNow(ms, isRunning = true) {
    const [now, setNow] = useState(() => Date.now());
    useEffect(() => {
        if (!isRunning) return undefined;
        setNow(Date.now());
        const timer = setInterval(() => setNow(Date.now()), ms);
        return () => clearInterval(timer);
    }, [ms, isRunning]);
    return now;
}

export function useMedia(query) {
    const [matches, setMatches] = useState(() => matchMedia(query).matches);
    useEffect(() => {
        const media = matchMedia(query);
        const update = () => setMatches(media.matches);
        update();
        media.addEventListener('change', update);
        return () => media.removeEventListener('change', update);
    }, [query]);
    return matches;
}

// Is somebody looking at this window?
export function useAttention() {
    const look = () => document.visibilityState === 'visible' && document.hasFocus();
    const [isLooking, setLooking] = useState(look);
    useEffect(() => {
        const update = () => setLooking(look());
        window.addEventListener('focus', update);
        window.addEventListener('blur', update);
        document.addEventListener('visibilitychange', update);
        return () => {
            window.removeEventListener('focus', update);
            window.removeEventListener('blur', update);
            document.removeEventListener('visibilitychange', update);
        };
    }, []);
    return isLooking;
}

// What is to happen only while something rests: `moved()` says that it has just moved, `run(what)` does it at once, or
// when that was `ms` ago; of those that wait the last one.
export function useRest(ms) {
    const rest = useMemo(() => {
        let timer = 0;
        let waiting = null;
        const settle = () => {
            timer = 0;
            waiting?.();
            waiting = null;
        };
        return {
            moved() {
                clearTimeout(timer);
                timer = setTimeout(settle, ms);
            },
            run(what) {
                if (timer) waiting = what;
                else what();
            },
            drop() {
                waiting = null;
            },
        };
    }, []);
    useEffect(() => rest.drop, []);
    return rest;
}

// The array as it was, for as long as it has the same members.
export function useSame(list) {
    const kept = useRef(list);
    if (kept.current.length !== list.length || list.some((one, i) => one !== kept.current[i])) kept.current = list;
    return kept.current;
}
