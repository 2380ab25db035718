/* What chat_store measures of reading. */
#include <stdio.h>

#include "async/loop.h"
#include "storage/chat/message.h"
#include "storage/chat/read.h"
#include "storage/chat/search.h"
#include "storage/chat/sync.h"
#include "storage/chat/user.h"
#include "storage/clock.h"
#include "tests/bench/chat_bench.h"

enum {
    COMMON = 0, /* ranks in the vocabulary */
    MIDDLING = 1000,
    RARE = 30000,
    NEAR = 20, /* each is one of so many around that rank */
    QUERY_MAX = 128,
};

struct reading {
    struct chat_work work;
    struct bench *b;
    unsigned number; /* of the user */
    char user[USER_ID_MAX], q[QUERY_MAX];
    const char *room;
    bool is_in_room;
    uint64_t n; /* what was got */
};

typedef int read_fn(struct chat_work *work, struct chat_tx *tx);
typedef void query_fn(struct bench *b, char q[QUERY_MAX]);

/* ---- all but searching ---- */

static int run_open(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_room room;
    struct chat_messages page;
    struct chat_span span = { .limit = 50, .around_unread = true };
    int r = chat_actor_load(tx, str_of(rd->user), &by);
    if (r == 0)
        r = chat_room_open(tx, &by, str_of(rd->room), &span, &room, &page);
    rd->n += r == 0 ? page.n : 0;
    return r;
}

static int run_sync(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_sync sync;
    int r = chat_actor_load(tx, str_of(rd->user), &by);
    if (r == 0)
        r = chat_sync(tx, &by, &sync);
    rd->n += r == 0 ? sync.rooms.n : 0;
    return r;
}

static int run_unread(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    for (unsigned i = 0; i < ROOMS_OF_USER; i++) {
        struct chat_unread unread;
        int r = chat_read_state(tx, str_of(bench_room_of(rd->b, rd->number, i)), str_of(rd->user),
                                &unread);
        if (r != 0)
            return r;
        rd->n += unread.unread;
    }
    return 0;
}

static int run_room_sync(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_room room;
    struct chat_room_sync sync;
    int r = chat_actor_load(tx, str_of(rd->user), &by);
    if (r == 0)
        r = chat_room_check(tx, &by, str_of(rd->room), CHAT_ACT_FOLLOW, &room);
    if (r == 0)
        r = chat_room_sync(tx, &by, str_of(rd->room), room.ver > 45 ? room.ver - 45 : 0, 100,
                           &sync);
    rd->n += r == 0 ? sync.messages.n : 0;
    return r;
}

static void choose_asker(struct reading *rd) {
    rd->number = (unsigned) chat_text_below(&rd->b->text, USERS);
    (void) snprintf(rd->user, sizeof rd->user, "user%u", rd->number);
    rd->room = bench_room_of(rd->b, rd->number,
                             (unsigned) chat_text_below(&rd->b->text, ROOMS_OF_USER));
}

static int read_once(struct reading *rd, read_fn *run) {
    rd->work = CHAT_WORK(run);
    uint64_t began_ns = clock_ticks_ns();
    int r = chat_store_read(rd->b->store, &rd->work);
    chat_work_finish(&rd->work);
    bench_note(rd->b, clock_ticks_ns() - began_ns);
    return r;
}

static int measure(struct bench *b, const char *what, read_fn *run, int times) {
    struct reading rd = { .b = b };
    int r = 0;
    bench_clock();
    for (int i = 0; r == 0 && i < times; i++) {
        choose_asker(&rd);
        r = read_once(&rd, run);
    }
    bench_report(b, what, 0);
    return r;
}

int bench_reads(struct bench *b) {
    int r = measure(b, "open a room, 50 messages", run_open, 2000);
    if (r == 0)
        r = measure(b, "`room.sync` of 45 changes", run_room_sync, 2000);
    if (r == 0)
        r = measure(b, "unread of 100 rooms", run_unread, 300);
    return r != 0 ? r : measure(b, "`sync`: 100 rooms, 1,000 users", run_sync, 200);
}

/* ---- queries ---- */

static unsigned near(struct bench *b, unsigned rank) {
    return rank + (unsigned) chat_text_below(&b->text, NEAR);
}

static void ask_word(unsigned rank, char q[QUERY_MAX]) {
    char word[CHAT_WORD_MAX];
    (void) chat_text_word(rank, word);
    (void) snprintf(q, QUERY_MAX, "\"%s\"", word); /* so that it is no beginning */
}

static void ask_rare(struct bench *b, char q[QUERY_MAX]) {
    ask_word(near(b, RARE), q);
}

static void ask_middling(struct bench *b, char q[QUERY_MAX]) {
    ask_word(near(b, MIDDLING), q);
}

static void ask_common(struct bench *b, char q[QUERY_MAX]) {
    ask_word(COMMON, q);
}

static void ask_two(unsigned first, unsigned second, char q[QUERY_MAX]) {
    char a[CHAT_WORD_MAX], z[CHAT_WORD_MAX];
    (void) chat_text_word(first, a);
    (void) chat_text_word(second, z);
    (void) snprintf(q, QUERY_MAX, "%s \"%s\"", a, z);
}

static void ask_two_common(struct bench *b, char q[QUERY_MAX]) {
    ask_two(near(b, COMMON), near(b, COMMON + NEAR), q);
}

static void ask_common_and_rare(struct bench *b, char q[QUERY_MAX]) {
    ask_two(COMMON, near(b, RARE), q);
}

static void ask_two_middling(struct bench *b, char q[QUERY_MAX]) {
    ask_two(near(b, MIDDLING), near(b, MIDDLING + NEAR), q);
}

static void ask_beginning(struct bench *b, unsigned rank, int letters, char q[QUERY_MAX]) {
    char word[CHAT_WORD_MAX];
    (void) chat_text_word(near(b, rank), word);
    (void) snprintf(q, QUERY_MAX, "%.*s", letters, word);
}

static void ask_beginning_2(struct bench *b, char q[QUERY_MAX]) {
    ask_beginning(b, MIDDLING, 2, q);
}

static void ask_beginning_3(struct bench *b, char q[QUERY_MAX]) {
    ask_beginning(b, MIDDLING, 3, q);
}

static void ask_beginning_4(struct bench *b, char q[QUERY_MAX]) {
    ask_beginning(b, RARE, 4, q);
}

static void ask_common_and_beginning(struct bench *b, char q[QUERY_MAX]) {
    char a[CHAT_WORD_MAX], z[CHAT_WORD_MAX];
    (void) chat_text_word(near(b, COMMON), a);
    (void) chat_text_word(near(b, MIDDLING), z);
    (void) snprintf(q, QUERY_MAX, "%s %.3s", a, z);
}

static void ask_phrase(struct bench *b, char q[QUERY_MAX]) {
    char a[CHAT_WORD_MAX], z[CHAT_WORD_MAX];
    unsigned rank = near(b, MIDDLING);
    (void) chat_text_word(rank, a);
    (void) chat_text_word(chat_text_companion(rank), z);
    (void) snprintf(q, QUERY_MAX, "\"%s %s\"", a, z);
}

/* The most common words in an order that nobody says them in. */
static void ask_unsaid(struct bench *b, char q[QUERY_MAX]) {
    char a[CHAT_WORD_MAX], z[CHAT_WORD_MAX];
    (void) b;
    (void) chat_text_word(COMMON, a);
    (void) chat_text_word(COMMON + 1, z);
    (void) snprintf(q, QUERY_MAX, "\"%s %s %s %s %s %s\"", a, z, a, z, a, z);
}

static void ask_characters(struct bench *b, unsigned from, int n, char q[QUERY_MAX]) {
    size_t len = 0;
    for (int i = 0; i < n; i++)
        len += chat_text_character(near(b, from), q + len);
}

static void ask_character(struct bench *b, char q[QUERY_MAX]) {
    ask_characters(b, 0, 1, q);
}

static void ask_pair(struct bench *b, char q[QUERY_MAX]) {
    ask_characters(b, 0, 2, q);
}

static void ask_three(struct bench *b, char q[QUERY_MAX]) {
    ask_characters(b, 0, 3, q);
}

/* ---- searching ---- */

static int run_search(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_search_result found;
    struct chat_search what = { .q = str_of(rd->q) };
    if (rd->is_in_room)
        what.room = str_of(rd->room);
    int r = chat_actor_load(tx, str_of(rd->user), &by);
    if (r == 0)
        r = chat_search(tx, &by, &what, &found);
    rd->n += r == 0 ? found.n : 0;
    return r;
}

enum asker { ANYWHERE, IN_ONE_ROOM, NEWCOMER };

static int search(struct bench *b, const char *what, query_fn *ask, enum asker asker, int times) {
    static const char *const where[] = { "", ", in one room", ", by who is in 10 quiet rooms" };
    struct reading rd = { .b = b, .is_in_room = asker == IN_ONE_ROOM };
    char title[128];
    int r = 0;
    bench_clock();
    for (int i = 0; r == 0 && i < times; i++) {
        choose_asker(&rd);
        if (asker == NEWCOMER)
            (void) snprintf(rd.user, sizeof rd.user, "newcomer");
        ask(b, rd.q);
        r = read_once(&rd, run_search);
    }
    (void) snprintf(title, sizeof title, "%s%s: %.1f found", what, where[asker],
                    (double) rd.n / times);
    bench_report(b, title, 0);
    return r;
}

int bench_searches(struct bench *b) {
    static const struct {
        const char *what;
        query_fn *ask;
    } queries[] = {
        { "a rare word", ask_rare },
        { "a middling word", ask_middling },
        { "the most common word", ask_common },
        { "two middling words", ask_two_middling },
        { "two common words", ask_two_common },
        { "a common and a rare word", ask_common_and_rare },
        { "a beginning, 2 letters", ask_beginning_2 },
        { "a beginning, 3 letters", ask_beginning_3 },
        { "a beginning, 4 letters", ask_beginning_4 },
        { "a word and a beginning", ask_common_and_beginning },
        { "a phrase of two", ask_phrase },
        { "common words as nobody says them", ask_unsaid },
        { "one Chinese character", ask_character },
        { "two characters", ask_pair },
        { "three characters", ask_three },
    };
    for (enum asker asker = ANYWHERE; asker <= NEWCOMER; asker++)
        for (size_t i = 0; i < ELEMENTS_OF(queries); i++) {
            int r = search(b, queries[i].what, queries[i].ask, asker, 200);
            if (r != 0)
                return r;
        }
    return 0;
}
