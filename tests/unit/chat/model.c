#include "tests/unit/chat/model.h"

#include <stdio.h>
#include <string.h>

static struct model_message *change(struct model_room *room, uint64_t seq) {
    room->messages[seq].ver = ++room->ver;
    return &room->messages[seq];
}

/* In its texts people are "@u3" and everybody is "@all", and nothing else has an "@". */
static void mention(struct model_room *room, struct model_message *m, bool may_all) {
    m->mentions = 0;
    for (int user = 0; user < USERS; user++) {
        char name[16];
        (void) snprintf(name, sizeof name, "@u%d", user);
        if (user != m->author && room->members[user].is_in && strstr(m->text, name))
            m->mentions |= 1u << user;
    }
    m->mentions_all = may_all && strstr(m->text, "@all");
}

uint64_t model_send(struct model_room *room, int author, const char *text, bool may_all,
                    int64_t at) {
    struct model_message *m = change(room, ++room->last_seq);
    *m = (struct model_message){ .ver = m->ver, .author = author, .at = at };
    (void) snprintf(m->text, sizeof m->text, "%s", text);
    mention(room, m, may_all);
    return room->last_seq;
}

void model_edit(struct model_room *room, uint64_t seq, const char *text, bool may_all) {
    struct model_message *m = change(room, seq);
    m->is_edited = true;
    (void) snprintf(m->text, sizeof m->text, "%s", text);
    mention(room, m, may_all);
}

void model_delete(struct model_room *room, uint64_t seq, int by) {
    struct model_message *m = change(room, seq);
    *m = (struct model_message){
        .ver = m->ver, .author = m->author, .at = m->at, .is_deleted = true, .deleted_by = by
    };
}

bool model_react(struct model_room *room, uint64_t seq, int emoji, int user, bool adds) {
    struct model_message *m = &room->messages[seq];
    int at = 0;
    while (at < m->reactions_n &&
           (m->reactions[at].emoji != emoji || m->reactions[at].user != user))
        at++;
    if ((at < m->reactions_n) == adds)
        return false;
    change(room, seq);
    if (adds)
        m->reactions[m->reactions_n++] = (struct model_reaction){ emoji, user };
    for (; !adds && at + 1 < m->reactions_n; at++)
        m->reactions[at] = m->reactions[at + 1];
    m->reactions_n -= !adds;
    return true;
}

bool model_pin(struct model_room *room, uint64_t seq, bool is_pinned) {
    struct model_message *m = &room->messages[seq];
    if (m->is_pinned == is_pinned)
        return false;
    m->is_pinned = is_pinned;
    change(room, seq);
    return true;
}

void model_enter(struct model_room *room, int user) {
    room->members[user] =
            (struct model_member){ .is_in = true, .read_seq = room->last_seq, .ver = ++room->ver };
}

void model_go(struct model_room *room, int user) {
    room->members[user].is_in = false;
    room->members[user].ver = ++room->ver;
}

int model_retain(struct model_room *room, int64_t before_ms) {
    int n = 0;
    for (uint64_t seq = room->floor_seq + 1; seq <= room->last_seq; seq++) {
        struct model_message *m = &room->messages[seq];
        if (m->at > before_ms)
            break;
        m->is_gone = true;
        room->floor_seq = seq;
        if (m->ver > room->floor_ver)
            room->floor_ver = m->ver;
        n++;
    }
    return n;
}

void model_count(const struct model_room *room, int user, unsigned *ret_unread,
                 unsigned *ret_mentions) {
    unsigned unread = 0, mentions = 0;
    for (uint64_t seq = room->members[user].read_seq + 1; seq <= room->last_seq; seq++) {
        const struct model_message *m = &room->messages[seq];
        if (m->author == user || m->is_deleted || m->is_gone)
            continue;
        unread++;
        mentions += m->mentions_all || (m->mentions & 1u << user);
    }
    *ret_unread = unread < 100 ? unread : 100;
    *ret_mentions = mentions < 100 ? mentions : 100;
}

void model_message_text(const struct model_room *room, uint64_t seq, char *ret) {
    const struct model_message *m = &room->messages[seq];
    int n = snprintf(ret, 512, "%d v%d u%d %s%s%s", (int) seq, (int) m->ver, m->author, m->text,
                     m->is_edited ? " edited" : "", m->is_pinned ? " pinned" : "");
    if (m->is_deleted)
        n += snprintf(ret + n, 512 - (size_t) n, "deleted by u%d", m->deleted_by);
    for (int user = 0; user < USERS; user++)
        if (m->mentions & 1u << user)
            n += snprintf(ret + n, 512 - (size_t) n, " to u%d", user);
    if (m->mentions_all)
        n += snprintf(ret + n, 512 - (size_t) n, " to all");
    bool is_shown[EMOJI] = { false };
    for (int i = 0; i < m->reactions_n; i++) {
        int emoji = m->reactions[i].emoji;
        if (is_shown[emoji])
            continue;
        is_shown[emoji] = true;
        n += snprintf(ret + n, 512 - (size_t) n, " e%d:", emoji);
        for (int k = i; k < m->reactions_n; k++)
            if (m->reactions[k].emoji == emoji)
                n += snprintf(ret + n, 512 - (size_t) n, "u%d,", m->reactions[k].user);
    }
}
