// The list of emoji, as the build makes it: [[group, ['😀|grinning|smile happy', …]], …].
export function emojiOf(groups) {
    return groups.map(([title, lines]) => ({
        title,
        emoji: lines.map((line) => {
            const [emoji, names, tags] = line.split('|');
            return { emoji, name: names.split(' ')[0], words: `${names} ${tags}` };
        }),
    }));
}

// Those with a word that begins as what is typed; names before other words.
export function findEmoji(groups, query, max) {
    const q = query.toLowerCase().replaceAll(' ', '_');
    const found = [];
    for (const { emoji } of groups)
        for (const one of emoji) {
            const at = ` ${one.words.toLowerCase()}`.indexOf(` ${q}`);
            const rank = one.name.startsWith(q) ? 0 : at >= 0 ? 1 : one.words.toLowerCase().includes(q) ? 2 : -1;
            if (rank >= 0) found.push({ one, rank });
        }
    return found
        .sort((a, b) => a.rank - b.rank)
        .slice(0, max)
        .map(({ one }) => one);
}
