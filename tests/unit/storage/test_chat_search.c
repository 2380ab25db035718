#include "storage/chat/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/attachment.h"
#include "storage/chat/member.h"
#include "storage/chat/query.h"
#include "storage/chat/schema.h"
#include "storage/chat/search_walk.h"
#include "storage/sqlite/database.h"
#include "tests/unit/storage/chat_scene.h"

static struct chat_search_result find(struct chat_scene *s, const char *user,
                                      struct chat_search search) {
    struct chat_search_result found;
    struct chat_actor by = scene_actor(s, user);
    assert_int_equal(chat_search(&s->tx, &by, &search, &found), 0);
    return found;
}

static size_t hits(struct chat_scene *s, const char *user, const char *q) {
    return find(s, user, (struct chat_search){ .q = str_of(q) }).n;
}

static int refusal(struct chat_scene *s, const char *user, struct chat_search search) {
    struct chat_search_result found;
    struct chat_actor by = scene_actor(s, user);
    return chat_search(&s->tx, &by, &search, &found);
}

static char den[CHAT_ID_MAX + 1], hall[CHAT_ID_MAX + 1];

/* ann owns a private room and a public one; bob is in the private one, cat in none, dan is a guest.
 */
static int set_up(void **state) {
    int r = chat_scene_setup(state);
    if (r != 0)
        return r;
    struct chat_scene *s = *state;
    (void) scene_user(s, "ann", CHAT_OWNER);
    (void) scene_user(s, "bob", CHAT_MEMBER);
    (void) scene_user(s, "cat", CHAT_MEMBER);
    (void) scene_user(s, "dan", CHAT_GUEST);
    scene_room(s, "ann", CHAT_ROOM_PRIVATE, "den", den);
    scene_room(s, "ann", CHAT_ROOM_PUBLIC, "hall", hall);
    scene_join(s, den, "ann", "bob");
    return 0;
}

static void messages_are_found_by_their_words_newest_first(void **state) {
    struct chat_scene *s = *state;
    (void) scene_send(s, "ann", den, "The first needle", NULL);
    (void) scene_send(s, "bob", den, "nothing of it", NULL);
    (void) scene_send(s, "bob", den, "another NEEDLE, and a thread", NULL);
    struct chat_search_result found = find(s, "bob", (struct chat_search){ .q = STR("needle") });
    assert_int_equal(found.n, 2);
    assert_false(found.has_more);
    assert_int_equal(found.hits[0].message.seq, 3);
    assert_int_equal(found.hits[1].message.seq, 1);
    assert_int_equal(found.hits[0].parts_n, 3);
    assert_true(str_equal(found.hits[0].parts[1].text, STR("NEEDLE")));
    assert_true(found.hits[0].parts[1].is_hit);
    assert_int_equal(hits(s, "bob", "needle thread"), 1);
    assert_int_equal(hits(s, "bob", "need"), 2);
    assert_int_equal(hits(s, "bob", "need thread"), 0);
}

static void who_is_not_in_a_room_finds_nothing_of_it(void **state) {
    struct chat_scene *s = *state;
    (void) scene_send(s, "ann", den, "secret", NULL);
    assert_int_equal(hits(s, "bob", "secret"), 1);
    assert_int_equal(hits(s, "cat", "secret"), 0);
    assert_int_equal(
            refusal(s, "cat", (struct chat_search){ .q = STR("secret"), .room = str_of(den) }),
            CHAT_NOT_FOUND);
    scene_join(s, den, "ann", "cat");
    assert_int_equal(hits(s, "cat", "secret"), 1);

    struct chat_actor ann = scene_actor(s, "ann");
    struct chat_change change;
    assert_int_equal(chat_member_remove(&s->tx, &ann, str_of(den), STR("bob"), &change), 0);
    assert_int_equal(hits(s, "bob", "secret"), 0);
}

static void a_public_room_is_searched_by_whoever_names_it_but_guests(void **state) {
    struct chat_scene *s = *state;
    (void) scene_send(s, "ann", hall, "welcome", NULL);
    assert_int_equal(hits(s, "cat", "welcome"), 0);
    struct chat_search named = { .q = STR("welcome"), .room = str_of(hall) };
    assert_int_equal(find(s, "cat", named).n, 1);
    assert_int_equal(refusal(s, "dan", named), CHAT_NOT_FOUND);
}

static void tags_of_the_index_are_no_words(void **state) {
    struct chat_scene *s = *state;
    (void) scene_send(s, "ann", den, "plain", NULL);
    assert_int_equal(hits(s, "bob", "r1"), 0);
    assert_int_equal(hits(s, "bob", "u1"), 0);
    assert_int_equal(hits(s, "bob", "plain OR tag:r2"), 0);
    assert_int_equal(hits(s, "cat", "plain\" OR tag:\"r1"), 0);
    assert_int_equal(hits(s, "cat", "\") OR (tag : r1"), 0);
}

static void what_was_edited_is_found_as_it_is_now(void **state) {
    struct chat_scene *s = *state;
    uint64_t seq = scene_send(s, "ann", den, "teh typo", NULL);
    scene_edit(s, "ann", den, seq, "the correction");
    assert_int_equal(hits(s, "bob", "typo"), 0);
    assert_int_equal(hits(s, "bob", "correction"), 1);
}

static void what_was_deleted_is_in_the_index_no_longer(void **state) {
    struct chat_scene *s = *state;
    uint64_t seq = scene_send(s, "ann", den, "unspeakable", NULL);
    assert_int_equal(hits(s, "bob", "unspeakable"), 1);
    scene_delete(s, "ann", den, seq);
    assert_int_equal(hits(s, "bob", "unspeakable"), 0);
    /* Nor for who reads the index itself. */
    int64_t n = -1;
    assert_int_equal(
            FETCH(&s->tx, &n, "SELECT count(*) FROM message_fts(?1)", TEXT(STR("unspeakable"))), 1);
    assert_int_equal(n, 0);
}

static void an_author_a_time_and_what_it_has_narrow_it(void **state) {
    struct chat_scene *s = *state;
    (void) scene_send(s, "ann", den, "word from ann", NULL);
    s->tx.now_ms += 1000;
    (void) scene_send(s, "bob", den, "word from bob https://example.org/x", NULL);
    s->tx.now_ms += 1000;
    (void) scene_send(s, "ann", den, "word again", NULL);
    struct str q = STR("word");
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .from = STR("bob") }).n, 1);
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .from = STR("nobody") }).n, 0);
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .before_ms = 1001000 }).n, 1);
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .before_ms = 1001001 }).n, 2);
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .after_ms = 1001000 }).n, 1);
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .after_ms = 999999 }).n, 3);
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .after_ms = 9000000 }).n, 0);
    assert_int_equal(find(s, "ann", (struct chat_search){ .q = q, .has = CHAT_HAS_LINK }).n, 1);
    assert_int_equal(find(s, "ann", (struct chat_search){ .has = CHAT_HAS_LINK }).n, 1);
    assert_int_equal(find(s, "ann", (struct chat_search){ .from = STR("ann") }).n, 2);
}

static void pages_follow_each_other_without_a_gap(void **state) {
    struct chat_scene *s = *state;
    char cursor[CHAT_SEARCH_CURSOR_MAX];
    struct chat_search search = { .q = STR("same"), .limit = 3 };
    for (int i = 0; i < 8; i++)
        (void) scene_send(s, "ann", den, "same", NULL);
    uint64_t expected = 8;
    for (;;) {
        struct chat_search_result found = find(s, "bob", search);
        for (size_t i = 0; i < found.n; i++)
            assert_int_equal(found.hits[i].message.seq, expected--);
        assert_int_equal(found.has_more, expected > 0);
        if (!found.has_more)
            break;
        search.cursor = chat_search_cursor(found.below, cursor);
    }
    assert_int_equal(expected, 0);
}

static void what_cannot_be_asked_is_refused_by_name(void **state) {
    struct chat_scene *s = *state;
    char text[CHAT_SEARCH_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    assert_int_equal(refusal(s, "ann", (struct chat_search){ .q = STR(" ") }), CHAT_BAD_REQUEST);
    assert_string_equal(s->work.refusal.field, "q");
    assert_int_equal(refusal(s, "ann", (struct chat_search){ .q = str_of(text) }), CHAT_TOO_LONG);
    assert_int_equal(
            refusal(s, "ann", (struct chat_search){ .q = STR("x"), .cursor = STR("1 OR 1") }),
            CHAT_BAD_REQUEST);
    assert_string_equal(s->work.refusal.field, "cursor");
    assert_int_equal(hits(s, "ann", "!?"), 0);
}

static void somebody_in_a_thousand_rooms_searches_them_all(void **state) {
    struct chat_scene *s = *state;
    char room[CHAT_ID_MAX + 1];
    for (int i = 0; i < 1000; i++) {
        scene_room(s, "bob", CHAT_ROOM_PRIVATE, "one of many", room);
        if (i % 100 == 0)
            (void) scene_send(s, "bob", room, "everywhere", NULL);
    }
    assert_int_equal(hits(s, "bob", "everywhere"), 10);
    assert_int_equal(hits(s, "ann", "everywhere"), 0);
}

static void a_search_that_takes_too_long_says_where_to_go_on(void **state) {
    struct chat_scene *s = *state;
    char cursor[CHAT_SEARCH_CURSOR_MAX];
    struct chat_search search = { .q = STR("needle") };
    (void) scene_send(s, "ann", den, "the needle", NULL);
    for (int i = 0; i < 150; i++)
        (void) scene_send(s, "ann", den, "hay", NULL);
    s->limits.search_work_us = 0;
    struct chat_search_result found = find(s, "bob", search);
    assert_int_equal(found.n, 0);
    assert_true(found.has_more && found.is_partial);
    search.cursor = chat_search_cursor(found.below, cursor);
    found = find(s, "bob", search);
    assert_true(found.n == 0 && found.is_partial);
    search.cursor = chat_search_cursor(found.below, cursor);
    found = find(s, "bob", search);
    assert_int_equal(found.n, 1);
    assert_false(found.has_more || found.is_partial);
}

static void a_rare_word_that_begins_like_a_common_one_is_found(void **state) {
    struct chat_scene *s = *state;
    (void) scene_send(s, "ann", den, "a banana", NULL);
    for (int i = 0; i < 300; i++)
        (void) scene_send(s, "ann", den, "a bank", NULL);
    (void) scene_send(s, "ann", den, "more bananas", NULL);
    struct chat_search_result found = find(s, "bob", (struct chat_search){ .q = STR("banan") });
    assert_int_equal(found.n, 2);
    assert_int_equal(found.hits[0].message.seq, 302);
    assert_int_equal(found.hits[1].message.seq, 1);
    assert_false(found.has_more);
}

/* Walked in the order of the index, as far as is needed: no sorting, no looking at all of a table.
 */
static void the_index_is_walked_newest_first(void **state) {
    struct chat_scene *s = *state;
    struct rows rows;
    (void) scene_send(s, "ann", den, "word", NULL);
    assert_int_equal(hits(s, "bob", "word"), 1);
    int r = QUERY(&s->tx, &rows, "EXPLAIN QUERY PLAN " SEARCH_WALK_SQL, TEXT(STR("word")),
                  NUMBER(0), NUMBER(9));
    size_t n = 0;
    while (r == 0 && (r = rows_next(&rows)) > 0) {
        struct str step = row_text(&rows, 3);
        assert_true(str_starts_with(step, n == 0 ? STR("SCAN f VIRTUAL TABLE INDEX")
                                                 : STR("SEARCH m USING INTEGER PRIMARY KEY")));
        n++;
        r = 0;
    }
    rows_end(&rows);
    assert_int_equal(n, 2);
}

static void the_index_of_an_older_version_is_made_anew(void **state) {
    struct chat_scene *s = *state;
    sqlite3 *db = s->connection.db;
    (void) scene_send(s, "ann", den, "上海是 banana", NULL);
    assert_int_equal(database_run(db, "DROP TABLE message_fts;"
                                      "CREATE VIRTUAL TABLE message_fts USING fts5(body, tag,"
                                      " content = 'message_words', content_rowid = 'key',"
                                      " tokenize = 'parley'); DROP INDEX user_avatar;"
                                      " PRAGMA user_version = 1"),
                     0);
    assert_int_equal(hits(s, "bob", "ba"), 0);
    assert_int_equal(chat_schema_migrate(db, "scene"), 0);
    assert_int_equal(hits(s, "bob", "ba"), 1);
    assert_int_equal(hits(s, "bob", "海"), 1);
    assert_int_equal(database_run(db, "INSERT INTO message_fts(message_fts, rank)"
                                      " VALUES ('integrity-check', 1)"),
                     0);
}

/* ---- against a plain look at everything ---- */

enum { ROOMS = 4, USERS = 3, MESSAGES = 400, QUERIES = 1500 };

static const char *const WORDS[] = { "apple",  "Apply",  "ban",  "banana",
                                     "Éclair", "eclair", "上海", "海",
                                     "上海是", "是的",   "x",    "http://x.y/ban" };
enum { WORDS_N = 12, LINK = 11 };

struct said {
    unsigned room, user;
    uint64_t seq;
    int64_t at;
    unsigned words[6], words_n;
    bool is_gone;
};

struct model {
    struct chat_scene *scene;
    unsigned seed;
    char rooms[ROOMS][CHAT_ID_MAX + 1];
    bool is_in[USERS][ROOMS];
    struct said said[MESSAGES];
    size_t n;
};

static const char *const NAMES[USERS] = { "ann", "bob", "cat" };

static unsigned below(struct model *m, unsigned n) {
    m->seed = m->seed * 1103515245u + 12345u;
    return (m->seed >> 8) % n;
}

static void choose_words(struct model *m, struct said *said, char *text, size_t cap) {
    size_t at = 0;
    said->words_n = 1 + below(m, 6);
    text[0] = 0;
    for (unsigned i = 0; i < said->words_n; i++) {
        said->words[i] = below(m, WORDS_N);
        at += (size_t) snprintf(text + at, cap - at, "%s%s", i > 0 ? " " : "",
                                WORDS[said->words[i]]);
    }
}

/* As it is compared: lower case, without diacritics, in units of words. */
struct units {
    const char *items[32];
    size_t n;
};

static void units_of(const struct said *said, struct units *ret) {
    static const char *const LINK_UNITS[] = { "http", "x", "y", "ban" };
    static const char *const FOLDED[] = { "apple", "apply", "ban",    "banana", "eclair", "eclair",
                                          "上海",  "海",    "上海是", "是的",   "x" };
    ret->n = 0;
    for (unsigned i = 0; i < said->words_n; i++) {
        if (said->words[i] == LINK)
            for (size_t j = 0; j < 4; j++)
                ret->items[ret->n++] = LINK_UNITS[j];
        else
            ret->items[ret->n++] = FOLDED[said->words[i]];
    }
}

struct term {
    const char *text, *second; /* second: of a phrase, or NULL */
    bool is_beginning;
};

static bool is_plain(const char *unit) {
    return unit[0] > 0;
}

static bool has_term(const struct units *u, const struct term *t) {
    for (size_t i = 0; i < u->n; i++) {
        if (t->second) {
            if (i + 1 < u->n && strcmp(u->items[i], t->text) == 0 &&
                strcmp(u->items[i + 1], t->second) == 0)
                return true;
        } else if (!is_plain(t->text)) {
            if (strstr(u->items[i], t->text))
                return true;
        } else if (strncmp(u->items[i], t->text, strlen(t->text)) == 0 &&
                   ((t->is_beginning && strlen(t->text) > 1) ||
                    strlen(u->items[i]) == strlen(t->text))) {
            return true;
        }
    }
    return false;
}

/* Written as somebody types it; what it means in terms. */
static size_t choose_query(struct model *m, struct term *terms, char *q, size_t cap) {
    static const char *const PLAIN[] = { "apple", "ban", "eclair", "a", "b", "x", "banana", "y" };
    static const char *const PAIRED[] = { "上", "海", "上海", "上海是", "海是", "是", "的" };
    size_t n = 1 + below(m, 2), at = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_last = i + 1 == n;
        const char *space = i > 0 ? " " : "";
        switch (below(m, 4)) {
        case 0:
            terms[i] = (struct term){ .text = PAIRED[below(m, 7)] };
            at += (size_t) snprintf(q + at, cap - at, "%s%s", space, terms[i].text);
            break;
        case 1:
            terms[i] = (struct term){ .text = PLAIN[below(m, 3)], .second = PLAIN[below(m, 3)] };
            at += (size_t) snprintf(q + at, cap - at, "%s\"%s %s\"", space, terms[i].text,
                                    terms[i].second);
            break;
        case 2:
            terms[i] = (struct term){ .text = PLAIN[below(m, 8)], .is_beginning = true };
            at += (size_t) snprintf(q + at, cap - at, "%s%s*", space, terms[i].text);
            break;
        default:
            terms[i] = (struct term){ .text = PLAIN[below(m, 8)], .is_beginning = is_last };
            at += (size_t) snprintf(q + at, cap - at, "%s%s", space, terms[i].text);
            break;
        }
    }
    return n;
}

static void change_something(struct model *m) {
    char text[128];
    struct said *said = &m->said[below(m, (unsigned) m->n)];
    if (said->is_gone || !m->is_in[said->user][said->room])
        return;
    if (below(m, 2)) {
        choose_words(m, said, text, sizeof text);
        scene_edit(m->scene, NAMES[said->user], m->rooms[said->room], said->seq, text);
    } else {
        scene_delete(m->scene, NAMES[said->user], m->rooms[said->room], said->seq);
        said->is_gone = true;
    }
}

static void say_something(struct model *m) {
    char text[128];
    unsigned user = below(m, USERS), room = below(m, ROOMS);
    if (!m->is_in[user][room])
        return;
    m->scene->tx.now_ms += below(m, 3);
    struct said *said = &m->said[m->n++];
    *said = (struct said){ .room = room, .user = user, .at = m->scene->tx.now_ms };
    choose_words(m, said, text, sizeof text);
    said->seq = scene_send(m->scene, NAMES[user], m->rooms[room], text, NULL);
}

static bool is_wanted(const struct model *m, const struct said *said, unsigned asker, int room,
                      int from, const struct chat_search *s, const struct term *terms, size_t n) {
    struct units units;
    bool has_link = false;
    if (said->is_gone || !m->is_in[asker][said->room] ||
        (room >= 0 && said->room != (unsigned) room) ||
        (from >= 0 && said->user != (unsigned) from) ||
        (s->before_ms > 0 && said->at >= s->before_ms) ||
        (s->after_ms > 0 && said->at <= s->after_ms))
        return false;
    for (unsigned i = 0; i < said->words_n; i++)
        has_link = has_link || said->words[i] == LINK;
    if (s->has == CHAT_HAS_LINK && !has_link)
        return false;
    units_of(said, &units);
    for (size_t i = 0; i < n; i++)
        if (!has_term(&units, &terms[i]))
            return false;
    return true;
}

/* Where a page ends, to the next one that has something, or to the end. */
static void go_on(struct model *m, const char *asker, struct chat_search *s,
                  struct chat_search_result *found, size_t *next) {
    static char cursor[CHAT_SEARCH_CURSOR_MAX];
    while (*next == found->n && found->has_more) {
        int64_t below = found->below;
        s->cursor = chat_search_cursor(below, cursor);
        *found = find(m->scene, asker, *s);
        *next = 0;
        assert_true(!found->has_more || found->below < below);
    }
}

static size_t compare_once(struct model *m) {
    char q[128];
    struct term terms[2];
    unsigned asker = below(m, USERS);
    int room = below(m, 3) ? -1 : (int) below(m, ROOMS),
        from = below(m, 3) ? -1 : (int) below(m, USERS);
    size_t n = choose_query(m, terms, q, sizeof q), found_n = 0;
    if (room >= 0 && !m->is_in[asker][room])
        room = -1;
    struct chat_search s = { .q = str_of(q), .limit = 1 + below(m, 20) };
    m->scene->limits.search_work_us = below(m, 2) ? 3600000000 : 0; /* 0: only a few at a time */
    if (room >= 0)
        s.room = str_of(m->rooms[room]);
    if (from >= 0)
        s.from = str_of(NAMES[from]);
    if (below(m, 4) == 0)
        s.before_ms = 1000000 + below(m, MESSAGES);
    if (below(m, 4) == 0)
        s.after_ms = 1000000 + below(m, MESSAGES);
    if (below(m, 4) == 0)
        s.has = CHAT_HAS_LINK;

    struct chat_search_result found = find(m->scene, NAMES[asker], s);
    size_t next = 0;
    for (size_t i = m->n; i > 0; i--) {
        const struct said *said = &m->said[i - 1];
        if (!is_wanted(m, said, asker, room, from, &s, terms, n))
            continue;
        go_on(m, NAMES[asker], &s, &found, &next);
        if (next == found.n)
            fail_msg("%s: message %zu is not found", q, i - 1);
        const struct chat_message *hit = &found.hits[next++].message;
        if (hit->seq != said->seq || !str_equal(hit->room, str_of(m->rooms[said->room])))
            fail_msg("%s: message %zu is expected, and another found", q, i - 1);
        found_n++;
    }
    go_on(m, NAMES[asker], &s, &found, &next);
    if (next != found.n || found.has_more)
        fail_msg("%s: more is found than there is", q);
    return found_n;
}

static void a_search_finds_what_a_look_at_everything_finds(void **state) {
    struct model *m = calloc(1, sizeof *m);
    m->scene = *state;
    m->seed = 20261128;
    for (unsigned r = 0; r < ROOMS; r++) {
        scene_room(m->scene, "ann", CHAT_ROOM_PRIVATE, "room", m->rooms[r]);
        m->is_in[0][r] = true;
        for (unsigned u = 1; u < USERS; u++)
            if (r == 0 || below(m, 2)) {
                scene_join(m->scene, m->rooms[r], "ann", NAMES[u]);
                m->is_in[u][r] = true;
            }
    }
    while (m->n < MESSAGES) {
        say_something(m);
        if (m->n > 0 && below(m, 4) == 0)
            change_something(m);
    }
    size_t found = 0;
    for (int i = 0; i < QUERIES; i++)
        found += compare_once(m);
    assert_true(found > QUERIES); /* it did compare something */
    free(m);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, chat_scene_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCENE(messages_are_found_by_their_words_newest_first),
        IN_SCENE(who_is_not_in_a_room_finds_nothing_of_it),
        IN_SCENE(a_public_room_is_searched_by_whoever_names_it_but_guests),
        IN_SCENE(tags_of_the_index_are_no_words),
        IN_SCENE(what_was_edited_is_found_as_it_is_now),
        IN_SCENE(what_was_deleted_is_in_the_index_no_longer),
        IN_SCENE(an_author_a_time_and_what_it_has_narrow_it),
        IN_SCENE(pages_follow_each_other_without_a_gap),
        IN_SCENE(what_cannot_be_asked_is_refused_by_name),
        IN_SCENE(somebody_in_a_thousand_rooms_searches_them_all),
        IN_SCENE(a_search_that_takes_too_long_says_where_to_go_on),
        IN_SCENE(a_rare_word_that_begins_like_a_common_one_is_found),
        IN_SCENE(the_index_is_walked_newest_first),
        IN_SCENE(the_index_of_an_older_version_is_made_anew),
        IN_SCENE(a_search_finds_what_a_look_at_everything_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
