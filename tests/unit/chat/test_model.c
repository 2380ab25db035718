/*
 * Random histories of sends, edits, deletions, reactions, pins, comings and goings, marks,
 * retention and power cuts, compared with a plain model: counts of unread messages and mentions,
 * density of numbers, what each act changes, and that room.sync from any age ends in the state as
 * it is.
 *
 * PARLEY_SEEDS=first-last runs others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/moderation.h"
#include "storage/chat/pin.h"
#include "storage/chat/reaction.h"
#include "storage/chat/read.h"
#include "storage/chat/retention.h"
#include "storage/chat/sync.h"
#include "tests/support/sim_vfs.h"
#include "tests/unit/chat/model.h"
#include "tests/unit/chat/scene.h"

enum { STEPS = 700, SEEDS = 12, LINE = 512, FOLLOWERS = 3, GROUP_ROOM = 2, DAY_MS = 86400000 };

/* A client of a room that knows only what syncs told it. */
struct follower {
    uint64_t ver;
    char lines[MESSAGES + 1][LINE];
    bool is_in[USERS];
};

struct test {
    uint64_t random;
    struct scene *s;
    struct sim_disk *disk;
    struct chat_actor users[USERS]; /* 0: the team's owner; the last one: a guest */
    char ids[USERS][16];
    char rooms[ROOMS][CHAT_ID_MAX + 1];
    struct model model;
    struct follower followers[ROOMS][FOLLOWERS];
};

static uint64_t below(struct test *t, uint64_t bound) {
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return (t->random >> 11) % bound;
}

static struct str room_id(const struct test *t, int room) {
    return str_of(t->rooms[room]);
}

static void message_text(const struct chat_message *m, char *ret) {
    int n = snprintf(ret, LINE, "%d v%d %.*s %.*s%s%s", (int) m->seq, (int) m->ver,
                     (int) m->user.len, m->user.data, (int) m->text.len,
                     m->text.len ? m->text.data : "", m->edited_at ? " edited" : "",
                     m->pinned_at ? " pinned" : "");
    if (m->deleted_at)
        n += snprintf(ret + n, LINE - (size_t) n, "deleted by %.*s", (int) m->deleted_by.len,
                      m->deleted_by.data);
    for (size_t i = 0; i < m->mentions_n; i++)
        n += snprintf(ret + n, LINE - (size_t) n, " to %.*s", (int) m->mentions[i].len,
                      m->mentions[i].data);
    if (m->mentions_all)
        n += snprintf(ret + n, LINE - (size_t) n, " to all");
    for (size_t i = 0; i < m->reactions.n; i++) {
        const struct chat_reaction *x = &m->reactions.items[i];
        n += snprintf(ret + n, LINE - (size_t) n, " %.*s:", (int) x->emoji.len, x->emoji.data);
        assert_int_equal(x->n, x->users_n);
        for (size_t k = 0; k < x->users_n; k++)
            n += snprintf(ret + n, LINE - (size_t) n, "%.*s,", (int) x->users[k].len,
                          x->users[k].data);
    }
}

/* ---- acts ---- */

/* What an act is answered by the model: a member does it. */
static int refusal(const struct test *t, int room, int user) {
    return t->model.rooms[room].members[user].is_in ? 0 : CHAT_NOT_FOUND;
}

static bool is_guest(int user) {
    return user == USERS - 1;
}

/* In the group all are equal. */
static bool may_all(int room, int user) {
    return room == GROUP_ROOM || !is_guest(user);
}

static void make_text(struct test *t, char ret[static TEXT_MAX]) {
    int n = snprintf(ret, TEXT_MAX, "w%d", (int) below(t, 1000));
    while (below(t, 3) == 0 && n < TEXT_MAX - 16)
        n += below(t, 6) == 0 ? snprintf(ret + n, TEXT_MAX - (size_t) n, " @all")
                              : snprintf(ret + n, TEXT_MAX - (size_t) n, " @u%d%s",
                                         (int) below(t, USERS), below(t, 2) ? "." : "");
}

static void send_one(struct test *t, int room, int user) {
    char text[TEXT_MAX];
    int why = 0;
    struct model_room *m = &t->model.rooms[room];
    make_text(t, text);
    if (m->last_seq == MESSAGES)
        return;
    uint64_t seq = scene_send(t->s, &t->users[user], room_id(t, room), text, &why);
    assert_int_equal(why, refusal(t, room, user));
    if (why == 0)
        assert_int_equal(seq, model_send(m, user, text, may_all(room, user), t->s->tx.now_ms));
}

/* Any message that there is; 0: none. */
static uint64_t pick(struct test *t, int room) {
    const struct model_room *m = &t->model.rooms[room];
    if (m->last_seq == m->floor_seq)
        return 0;
    uint64_t n = m->last_seq - m->floor_seq, among = below(t, 2) ? n : n < 10 ? n : 10;
    return m->last_seq - below(t, among);
}

static void edit_one(struct test *t, int room, int user) {
    struct model_room *m = &t->model.rooms[room];
    struct chat_message got;
    struct chat_change change;
    char text[TEXT_MAX];
    uint64_t seq = pick(t, room);
    if (seq == 0)
        return;
    make_text(t, text);
    const struct model_message *was = &m->messages[seq];
    int expected = refusal(t, room, user);
    expected = expected              ? expected
               : was->author != user ? CHAT_DENIED
               : was->is_deleted     ? CHAT_GONE
                                     : 0;
    assert_int_equal(TRY(t->s, chat_message_edit(&t->s->tx, &t->users[user], room_id(t, room), seq,
                                                 str_of(text), 0, &got, &change)),
                     expected);
    if (expected != 0)
        return;
    bool is_new = strcmp(text, was->text) != 0;
    if (is_new)
        model_edit(m, seq, text, may_all(room, user));
    assert_int_equal(change.is_changed, is_new);
    assert_int_equal(got.ver, m->messages[seq].ver);
}

static void delete_one(struct test *t, int room, int user) {
    struct model_room *m = &t->model.rooms[room];
    struct chat_message got;
    struct chat_change change;
    uint64_t seq = pick(t, room);
    if (seq == 0)
        return;
    bool is_own = m->messages[seq].author == user, is_in = m->members[user].is_in;
    /* The team's owner and the room's keep order: the first in public rooms from outside, too; in
     * groups nobody does. */
    int expected = is_in && (is_own || (user <= 1 && room != GROUP_ROOM)) ? 0
                   : !is_in && m->is_public && user == 0 && !is_own       ? 0
                   : is_in                                                ? CHAT_DENIED
                                                                          : CHAT_NOT_FOUND;
    assert_int_equal(TRY(t->s, chat_message_delete(&t->s->tx, &t->users[user], room_id(t, room),
                                                   seq, STR(""), &got, &change)),
                     expected);
    if (expected != 0)
        return;
    assert_int_equal(change.is_changed, !m->messages[seq].is_deleted);
    if (change.is_changed)
        model_delete(m, seq, user);
}

static void react_one(struct test *t, int room, int user) {
    struct model_room *m = &t->model.rooms[room];
    struct chat_reactions reactions;
    struct chat_change change;
    char emoji[4];
    uint64_t seq = pick(t, room);
    int which = (int) below(t, EMOJI);
    bool adds = below(t, 3) > 0;
    if (seq == 0)
        return;
    (void) snprintf(emoji, sizeof emoji, "e%d", which);
    int expected = refusal(t, room, user);
    if (expected == 0 && m->messages[seq].is_deleted)
        expected = CHAT_GONE;
    int r = adds ? TRY(t->s, chat_reaction_add(&t->s->tx, &t->users[user], room_id(t, room), seq,
                                               str_of(emoji), &reactions, &change))
                 : TRY(t->s, chat_reaction_remove(&t->s->tx, &t->users[user], room_id(t, room), seq,
                                                  str_of(emoji), &reactions, &change));
    assert_int_equal(r, expected);
    if (r == 0)
        assert_int_equal(change.is_changed, model_react(m, seq, which, user, adds));
}

static void pin_one(struct test *t, int room, int user) {
    struct model_room *m = &t->model.rooms[room];
    struct chat_change change;
    uint64_t seq = pick(t, room);
    bool adds = below(t, 2);
    if (seq == 0)
        return;
    int expected = refusal(t, room, user);
    if (!m->members[user].is_in && m->is_public && user == 0)
        expected = 0;
    else if (expected == 0 && is_guest(user) && room != GROUP_ROOM)
        expected = CHAT_DENIED;
    if (expected == 0 && m->messages[seq].is_deleted)
        expected = CHAT_GONE;
    int r = adds ? TRY(t->s,
                       chat_pin_add(&t->s->tx, &t->users[user], room_id(t, room), seq, &change))
                 : TRY(t->s,
                       chat_pin_remove(&t->s->tx, &t->users[user], room_id(t, room), seq, &change));
    assert_int_equal(r, expected);
    if (r == 0)
        assert_int_equal(change.is_changed, model_pin(m, seq, adds));
}

/* By themselves into the public room, by somebody into the others. */
static void come_or_go(struct test *t, int room, int user) {
    struct model_room *m = &t->model.rooms[room];
    struct chat_member member;
    struct chat_change change;
    struct chat_room got;
    if (user == 1)
        return; /* who stays everywhere and adds others */
    int r;
    if (m->members[user].is_in) {
        r = TRY(t->s,
                chat_member_leave(&t->s->tx, &t->users[user], room_id(t, room), &member, &change));
        assert_int_equal(r, 0);
        assert_int_equal(member.role, CHAT_NO_MEMBER);
        model_go(m, user);
    } else if (m->is_public && !is_guest(user)) {
        r = TRY(t->s, chat_member_join(&t->s->tx, &t->users[user], room_id(t, room), &got, &member,
                                       &change));
        assert_int_equal(r, 0);
        model_enter(m, user);
    } else {
        assert_int_equal(TRY(t->s, chat_member_join(&t->s->tx, &t->users[user], room_id(t, room),
                                                    &got, &member, &change)),
                         CHAT_NOT_FOUND);
        r = TRY(t->s, chat_member_add(&t->s->tx, &t->users[1], room_id(t, room), t->users[user].id,
                                      &member, &change));
        assert_int_equal(r, 0);
        model_enter(m, user);
    }
    assert_true(change.is_changed);
    assert_int_equal(change.ver, m->ver);
}

static void mark_one(struct test *t, int room, int user) {
    struct model_room *m = &t->model.rooms[room];
    struct model_member *member = &m->members[user];
    struct chat_unread unread;
    uint64_t seq = below(t, m->last_seq + 2);
    bool marks_unread = below(t, 4) == 0;
    int expected = refusal(t, room, user);
    if (expected == 0 && marks_unread && (seq == 0 || seq > m->last_seq))
        expected = CHAT_BAD_REQUEST;
    int r = marks_unread ? TRY(t->s, chat_read_mark_unread(&t->s->tx, &t->users[user],
                                                           room_id(t, room), seq, &unread))
                         : TRY(t->s, chat_read_mark(&t->s->tx, &t->users[user], room_id(t, room),
                                                    seq, &unread, NULL));
    assert_int_equal(r, expected);
    if (r != 0)
        return;
    seq = seq > m->last_seq ? m->last_seq : seq;
    if (marks_unread)
        member->read_seq = seq - 1;
    else if (seq > member->read_seq)
        member->read_seq = seq;
    member->unread_mark = marks_unread;
    unsigned n, mentions;
    model_count(m, user, &n, &mentions);
    assert_int_equal(unread.read_seq, member->read_seq);
    assert_int_equal(unread.unread, n);
    assert_int_equal(unread.mentions, mentions);
}

static void retain(struct test *t) {
    size_t n = 0;
    int expected = 0;
    bool has_more = true;
    while (has_more) {
        size_t some = 0;
        assert_int_equal(TRY(t->s, chat_retention_run(&t->s->tx, 7, &some, &has_more)), 0);
        n += some;
    }
    expected += model_retain(&t->model.rooms[0], t->s->tx.now_ms - 2 * (int64_t) DAY_MS);
    expected += model_retain(&t->model.rooms[GROUP_ROOM], t->s->tx.now_ms - (int64_t) DAY_MS);
    assert_int_equal(n, expected);
}

/* ---- comparing ---- */

static void compare_counts(struct test *t, int room) {
    const struct model_room *m = &t->model.rooms[room];
    for (int user = 0; user < USERS; user++) {
        struct chat_room got;
        unsigned unread, mentions;
        if (!m->members[user].is_in)
            continue;
        assert_int_equal(TRY(t->s, chat_room_get(&t->s->tx, &t->users[user], room_id(t, room),
                                                 CHAT_ACT_READ, &got)),
                         0);
        model_count(m, user, &unread, &mentions);
        assert_int_equal(got.ver, m->ver);
        assert_int_equal(got.last_seq, m->last_seq);
        assert_int_equal(got.floor_seq, m->floor_seq);
        assert_int_equal(got.floor_ver, m->floor_ver);
        assert_int_equal(got.mine.read_seq, m->members[user].read_seq);
        assert_int_equal(got.mine.unread, unread);
        assert_int_equal(got.mine.mentions, mentions);
        assert_int_equal(got.mine.unread_mark, m->members[user].unread_mark);
        unsigned members = 0, pins = 0;
        for (int i = 0; i < USERS; i++)
            members += m->members[i].is_in;
        for (uint64_t seq = m->floor_seq + 1; seq <= m->last_seq; seq++)
            pins += m->messages[seq].is_pinned;
        assert_int_equal(got.members_n, members);
        assert_int_equal(got.pins_n, pins);
    }
}

static void compare_line(const struct model_room *m, uint64_t seq, const char *line) {
    char expected[LINE] = "";
    if (seq > m->floor_seq && seq <= m->last_seq)
        model_message_text(m, seq, expected);
    assert_string_equal(line, expected);
}

/* All of a room, page by page, backwards; into lines by seq, which are zeroed. */
static uint64_t read_all(struct test *t, int room, char (*lines)[LINE]) {
    struct chat_span span = { .limit = 1 + below(t, 40) };
    struct chat_messages page;
    struct chat_room got;
    assert_int_equal(TRY(t->s, chat_room_open(&t->s->tx, &t->users[1], room_id(t, room), &span,
                                              &got, &page)),
                     0);
    for (;;) {
        for (size_t i = 0; i < page.n; i++)
            message_text(&page.items[i], lines[page.items[i].seq]);
        if (!page.has_before)
            return got.ver;
        assert_true(page.n > 0);
        span.before = page.items[0].seq;
        assert_int_equal(TRY(t->s, chat_message_history(&t->s->tx, &t->users[1], room_id(t, room),
                                                        &span, &page)),
                         0);
    }
}

static void open_anew(struct test *t, int room, struct follower *f) {
    struct chat_members members;
    *f = (struct follower){ 0 };
    f->ver = read_all(t, room, f->lines);
    assert_int_equal(TRY(t->s, chat_member_list(&t->s->tx, &t->users[1], room_id(t, room),
                                                (struct str){ 0 }, 0, &members)),
                     0);
    for (size_t i = 0; i < members.n; i++)
        f->is_in[members.items[i].user.id.data[1] - '0'] = true;
}

static void apply(struct follower *f, const struct chat_room_sync *sync, uint64_t since) {
    uint64_t before = since;
    for (size_t i = 0; i < sync->messages.n; i++) {
        const struct chat_message *m = &sync->messages.items[i];
        assert_true(m->ver > before && m->ver <= sync->ver);
        before = m->ver;
        message_text(m, f->lines[m->seq]);
    }
    before = since;
    for (size_t i = 0; i < sync->members.n; i++) {
        const struct chat_member *m = &sync->members.items[i];
        assert_true(m->ver > before && m->ver <= sync->ver);
        before = m->ver;
        f->is_in[m->user.id.data[1] - '0'] = m->role != CHAT_NO_MEMBER;
    }
}

/* What the follower knows becomes the state as it is, whatever it missed. */
static void catch_up(struct test *t, int room, struct follower *f) {
    const struct model_room *m = &t->model.rooms[room];
    struct chat_room_sync sync;
    do {
        uint64_t since = f->ver;
        assert_int_equal(TRY(t->s, chat_room_sync(&t->s->tx, &t->users[1], room_id(t, room), since,
                                                  1 + below(t, 8), &sync)),
                         0);
        assert_int_equal(sync.is_reset, since < m->floor_ver);
        if (sync.is_reset) {
            open_anew(t, room, f);
            break;
        }
        assert_true(sync.ver > since || !sync.has_more);
        apply(f, &sync, since);
        f->ver = sync.ver;
    } while (sync.has_more);

    assert_int_equal(f->ver, m->ver);
    for (uint64_t seq = 1; seq <= m->last_seq; seq++)
        if (seq > m->floor_seq) /* what is below went without a word: the room's floor tells */
            compare_line(m, seq, f->lines[seq]);
    for (int user = 0; user < USERS; user++)
        assert_int_equal(f->is_in[user], m->members[user].is_in);
}

/* ---- the run ---- */

/* What was committed is there, also when the power was cut. */
static void restart(struct test *t) {
    if (below(t, 2))
        sim_disk_cut(t->disk);
    scene_reopen(t->s, "chat.db", "parley-chat-model");
}

static void step(struct test *t) {
    int room = (int) below(t, ROOMS), user = (int) below(t, USERS);
    t->s->tx.now_ms += (int64_t) below(t, 1500000);
    uint64_t ver = t->model.rooms[room].ver;
    switch (below(t, 24)) {
    case 0 ... 8:
        send_one(t, room, user);
        break;
    case 9 ... 10:
        edit_one(t, room, user);
        break;
    case 11:
        delete_one(t, room, user);
        break;
    case 12 ... 14:
        react_one(t, room, user);
        break;
    case 15:
        pin_one(t, room, user);
        break;
    case 16 ... 17:
        come_or_go(t, room, user);
        break;
    case 18 ... 20:
        mark_one(t, room, user);
        break;
    case 21 ... 22:
        catch_up(t, room, &t->followers[room][below(t, FOLLOWERS)]);
        break;
    default:
        if (below(t, 3) == 0)
            restart(t);
        else
            retain(t);
        break;
    }
    assert_true(t->model.rooms[room].ver - ver <= 1); /* dense: no act takes two */
    compare_counts(t, room);
    scene_forget(t->s);
}

static void furnish(struct test *t) {
    static const enum chat_room_kind kinds[ROOMS] = { CHAT_ROOM_PUBLIC, CHAT_ROOM_PRIVATE,
                                                      CHAT_ROOM_GROUP };
    for (int i = 0; i < USERS; i++) {
        (void) snprintf(t->ids[i], sizeof t->ids[i], "u%d", i);
        t->users[i] = scene_user(t->s, t->ids[i],
                                 i == 0        ? CHAT_OWNER
                                 : is_guest(i) ? CHAT_GUEST
                                               : CHAT_MEMBER);
    }
    for (int i = 0; i < ROOMS; i++) {
        struct chat_room room;
        bool is_new;
        struct str both[] = { t->users[0].id };
        struct chat_room_new new = {
            .kind = kinds[i], .name = STR("R"), .users = both, .users_n = i == GROUP_ROOM
        };
        assert_int_equal(TRY(t->s, chat_room_create(&t->s->tx, &t->users[1], &new, &room, &is_new)),
                         0);
        (void) snprintf(t->rooms[i], sizeof t->rooms[i], "%.*s", (int) room.id.len, room.id.data);
        struct model_room *m = &t->model.rooms[i];
        m->is_public = i == 0;
        m->ver = 1;
        model_enter(m, 1);
        if (i == GROUP_ROOM)
            model_enter(m, 0);
        assert_int_equal(room.ver, m->ver);
    }
    assert_int_equal(RUN(&t->s->tx,
                         "UPDATE room SET retain_d = CASE kind WHEN ?1 THEN 2 WHEN ?2"
                         " THEN 1 ELSE 0 END",
                         NUMBER(CHAT_ROOM_PUBLIC), NUMBER(CHAT_ROOM_GROUP)),
                     0);
    for (int i = 0; i < ROOMS; i++)
        for (int k = 0; k < FOLLOWERS; k++)
            t->followers[i][k].ver = 0;
}

static void run(uint64_t seed) {
    struct test *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    t->disk = sim_disk_new("parley-chat-model", seed);
    t->s = scene_new_on("chat.db", "parley-chat-model");
    furnish(t);
    for (int i = 0; i < STEPS; i++)
        step(t);
    for (int room = 0; room < ROOMS; room++) {
        static char lines[MESSAGES + 1][LINE];
        memset(lines, 0, sizeof lines);
        (void) read_all(t, room, lines);
        for (uint64_t seq = 1; seq <= t->model.rooms[room].last_seq; seq++)
            compare_line(&t->model.rooms[room], seq, lines[seq]);
        for (int k = 0; k < FOLLOWERS; k++)
            catch_up(t, room, &t->followers[room][k]);
    }
    /* The index has just the words of what there is. */
    assert_int_equal(RUN(&t->s->tx, "INSERT INTO message_fts(message_fts, rank) VALUES (?1, 1)",
                         TEXT(STR("integrity-check"))),
                     0);
    scene_free(t->s);
    sim_disk_free(t->disk);
    free(t);
}

static void whatever_happens_chat_is_as_the_model_says(void **state) {
    (void) state;
    uint64_t first = 1, last = SEEDS;
    const char *asked = getenv("PARLEY_SEEDS");
    if (asked) {
        char *end;
        first = last = strtoull(asked, &end, 10);
        if (*end == '-')
            last = strtoull(end + 1, NULL, 10);
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        print_message("seed %d\n", (int) seed);
        run(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_chat_is_as_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
