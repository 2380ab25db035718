// Does a page of history, fetched because recovery failed, meet what was known before? position: the last that was
// certain, {epoch, offset}; page: {epoch, offset (top), publications: […] ascending}.
export function meets(position, page) {
    if (!position || position.epoch !== page.epoch || page.offset < position.offset) return false;
    if (page.offset === position.offset) return true;
    const first = page.publications[0]?.offset;
    return first !== undefined && first <= position.offset + 1 && page.publications.at(-1).offset === page.offset;
}
