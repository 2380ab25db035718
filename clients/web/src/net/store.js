// The browser's storage, which may be switched off or full; then things are remembered for as long as the page lives.
const spare = new Map();

function storeOver(kind) {
    const real = () => {
        try {
            return window[kind];
        } catch {
            return null;
        }
    };
    return {
        get(key) {
            try {
                return JSON.parse(real()?.getItem(`parley.${key}`) ?? spare.get(kind + key) ?? 'null');
            } catch {
                return null;
            }
        },
        set(key, value) {
            const text = JSON.stringify(value);
            spare.set(kind + key, text);
            try {
                real()?.setItem(`parley.${key}`, text);
            } catch {
                /* kept in `spare` */
            }
        },
    };
}

export const browserStore = storeOver('localStorage'); // this browser's
