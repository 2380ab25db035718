// Keeps what is read where it is, whatever comes above it: history, a picture that loads late, a line that folds.
//
// Browsers' own scroll anchoring is switched off: Safari has none, and none of them knows that somebody at the end
// wants to stay there.
import { useEffect, useMemo } from 'preact/hooks';

export const NEAR_END_PX = 100;

// Holds a scrolling `box` with rows in a `list`; those that may be held on to have data-key.
export class Anchor {
    isAtEnd = true; // and follows it
    hasEnd = true; // the last row is the newest
    #held = null; // {key, node, offset}: a row in sight, and where in the content it was
    #top = 0; // of the box, when that was noted
    #height = 0;

    attach(box, list) {
        this.box = box;
        this.list = list;
    }

    // Notes what is looked at.
    capture() {
        const { box } = this;
        const { scrollTop, scrollHeight, clientHeight } = box;
        this.isAtEnd = this.hasEnd && scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
        this.#top = scrollTop;
        this.#height = scrollHeight;
        const rows = this.list.children;
        // The first row that begins inside of the window; of the very first the head may go when history comes.
        let at = firstAt(rows, scrollTop);
        while (at < rows.length && (!rows[at].dataset.key || at === 0)) at++;
        if (at >= rows.length || rows[at].offsetTop > scrollTop + clientHeight) {
            at = Math.min(firstAt(rows, scrollTop), rows.length - 1);
            while (at > 0 && !rows[at].dataset.key) at--;
        }
        const node = rows[at];
        this.#held = node?.dataset.key ? { key: node.dataset.key, node, offset: node.offsetTop } : null;
    }

    // The content has changed: as far as what is looked at has moved in it, the box follows, from wherever somebody
    // may have scrolled it meanwhile. Before it is painted.
    restore() {
        const { box } = this;
        if (!box) return;
        const held = this.#held;
        if (this.isAtEnd && this.hasEnd && this.#isLeftNearEnd()) box.scrollTop = box.scrollHeight;
        else if (held) {
            if (!held.node.isConnected) held.node = this.nodeOf(held.key) ?? held.node;
            if (held.node.isConnected && held.node.offsetTop !== held.offset) {
                box.scrollTop += held.node.offsetTop - held.offset;
                held.offset = held.node.offsetTop;
            }
        }
        this.#top = box.scrollTop;
        this.#height = box.scrollHeight;
    }

    // The box has been scrolled, by somebody or by us. The content may have changed since it was last looked at, and
    // nobody have been told yet: that is put right first, or it would be taken for what somebody wanted.
    scrolled() {
        const { scrollHeight } = this.box;
        const isFollowing = this.isAtEnd && this.hasEnd;
        if (!isFollowing || (scrollHeight !== this.#height && this.#isLeftNearEnd())) this.restore();
        this.capture();
    }

    // Whoever has scrolled up from the end since it was noted, further than it is followed from, is let go. What has
    // come below in the meantime, or a window that has become smaller, does not count.
    #isLeftNearEnd() {
        const { scrollTop, clientHeight } = this.box;
        return scrollTop >= this.#top - 1 || this.#height - scrollTop - clientHeight < NEAR_END_PX;
    }

    nodeOf(key) {
        return this.list.querySelector(`[data-key="${CSS.escape(key)}"]`);
    }

    toEnd() {
        this.isAtEnd = true;
        this.box.scrollTop = this.box.scrollHeight;
    }

    // A row at `part` of the height of the window.
    show(node, part) {
        const { box } = this;
        this.isAtEnd = false;
        box.scrollTop = Math.max(
            0,
            node.offsetTop - Math.max(0, box.clientHeight - Math.min(node.offsetHeight, box.clientHeight)) * part,
        );
        this.capture();
    }

    // The greatest seq of a row that has been seen whole, or of which the end has.
    lastSeen() {
        const bottom = this.box.scrollTop + this.box.clientHeight + 8;
        const rows = this.list.children;
        let at = Math.min(firstAt(rows, bottom), rows.length) - 1;
        for (; at >= 0; at--) {
            const row = rows[at];
            if (row.dataset.seq && row.offsetTop + row.offsetHeight <= bottom) return Number(row.dataset.seq);
        }
        return 0;
    }
}

// The first of rows, which lie one below the other, that begins at or below `top`.
function firstAt(rows, top) {
    let low = 0;
    let high = rows.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (rows[middle].offsetTop >= top) high = middle;
        else low = middle + 1;
    }
    return low;
}

// The anchor of a box and a list, given as refs; restored whenever either changes its size.
export function useAnchor(box, list) {
    const anchor = useMemo(() => new Anchor(), []);
    useEffect(() => {
        const watch = new ResizeObserver(() => anchor.restore());
        watch.observe(box.current);
        watch.observe(list.current);
        return () => watch.disconnect();
    }, []);
    return anchor;
}
