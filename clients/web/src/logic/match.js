// How well a name fits what is being typed: 0 is not at all. The beginning counts most, then the beginning of a
// word, then letters in order.
const fold = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

export function scoreOf(query, name) {
    const q = fold(query.trim());
    const n = fold(name);
    if (!q) return 1;
    if (n === q) return 100;
    if (n.startsWith(q)) return 80;
    const at = n.indexOf(q);
    if (at > 0) return /[\s._-]/.test(n[at - 1]) ? 60 : 40;
    let i = 0;
    for (const c of n) if (c === q[i]) i++;
    return i === q.length && q.length > 1 ? 10 : 0;
}

// The best of `items` first; those that fit equally well keep their order. namesOf(item): what it goes by.
export function bestOf(items, query, namesOf, max) {
    return items
        .map((item, order) => ({ item, order, score: Math.max(...namesOf(item).map((name) => scoreOf(query, name))) }))
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score || a.order - b.order)
        .slice(0, max)
        .map(({ item }) => item);
}
