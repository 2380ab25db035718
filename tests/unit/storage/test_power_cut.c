/*
 * The shipped engine over a disk that loses power: hundreds of seeds, each with several cuts,
 * failing syncs, checkpoints and restarts. Whatever was acknowledged is there afterwards: once, at
 * its offset, under the same epoch, without a gap before it.
 *
 * PARLEY_SEEDS=first-last runs others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/sqlite/database.h"
#include "tests/unit/storage/world.h"

enum {
    CHANNELS = 3,
    PUBLISHERS = 4,
    PIPELINED = 6,   /* by each, at a time */
    ROUNDS = 5,      /* power cuts, or restarts */
    ACKED_MAX = 4096 /* of a channel in all rounds */
};

static const struct keep keep_all = { .history_size = 1000000, .history_ttl_ms = 86400000 };

/* What a channel's publishers were told. */
struct ledger {
    char name[16];
    char epoch[EPOCH_SIZE];
    uint32_t data[ACKED_MAX]; /* by offset; 0: nobody was told */
    uint64_t acked;
};

struct test {
    struct world *w;
    struct ledger ledgers[CHANNELS];
    uint32_t next_data;
    uint64_t failures;
    bool is_over;
};

struct publisher {
    struct test *t;
    struct attempt attempts[PIPELINED];
    uint32_t data[PIPELINED];
    int channels[PIPELINED];
};

static void note(struct test *t, struct ledger *l, const struct attempt *a, uint32_t data) {
    const struct position *at = &a->request.position;
    if (at->offset == 0 || at->offset >= ACKED_MAX || l->data[at->offset] != 0)
        world_fail(t->w, __FILE__, __LINE__, "an offset is given once");
    else if (l->epoch[0] && strcmp(l->epoch, at->epoch) != 0)
        world_fail(t->w, __FILE__, __LINE__, "the epoch stays");
    else
        l->data[at->offset] = data;
    memcpy(l->epoch, at->epoch, EPOCH_SIZE);
    l->acked++;
}

static int publish_on(void *arg) {
    struct publisher *p = arg;
    struct test *t = p->t;
    char text[16];
    while (!t->is_over) {
        for (int i = 0; i < PIPELINED; i++) {
            p->data[i] = ++t->next_data;
            p->channels[i] = (int) loop_random_below(CHANNELS);
            (void) snprintf(text, sizeof text, "%u", p->data[i]);
            attempt_start(t->w, &p->attempts[i], t->ledgers[p->channels[i]].name, text, keep_all);
        }
        for (int i = 0; i < PIPELINED; i++) {
            int r = attempt_wait(&p->attempts[i]);
            if (r == 0)
                note(t, &t->ledgers[p->channels[i]], &p->attempts[i], p->data[i]);
            else
                t->failures++;
        }
        if (task_sleep((int64_t) loop_random_below(6)) < 0)
            break;
    }
    return 0;
}

/* A checkpoint needs forty megabytes to come by itself. */
static void checkpoint(struct world *w) {
    sqlite3 *db;
    if (database_open("disk/history.db", "parley-sim", DATABASE_READER, &db) < 0)
        return;
    (void) sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    database_close(db);
}

static int verify_page(struct test *t, struct ledger *l, const struct page *page) {
    struct world *w = t->w;
    if (l->acked > 0)
        CHECK(w, strcmp(page->top.epoch, l->epoch) == 0);
    CHECK(w, page->top.offset == page->n); /* dense, from one */
    for (uint64_t offset = page->n + 1; offset < ACKED_MAX; offset++)
        CHECK(w, l->data[offset] == 0);
    for (size_t i = 0; i < page->n; i++) {
        const struct publication *p = page->items[i];
        char text[16];
        CHECK(w, p->position.offset == i + 1 && p->data.len < sizeof text);
        memcpy(text, p->data.data, p->data.len);
        text[p->data.len] = 0;
        uint32_t data = (uint32_t) strtoul(text, NULL, 10);
        CHECK(w, l->data[i + 1] == 0 || l->data[i + 1] == data);
        l->data[i + 1] = data; /* now that it was seen it must stay */
    }
    return 0;
}

/* Publications are all different, so each may be there once. */
static int verify_once(struct test *t) {
    unsigned char *seen = calloc(t->next_data + 1, 1);
    bool is_twice = false;
    for (int c = 0; c < CHANNELS; c++) {
        for (size_t i = 0; i < ACKED_MAX; i++) {
            uint32_t data = t->ledgers[c].data[i];
            if (data > 0)
                is_twice = is_twice || seen[data]++ > 0;
        }
    }
    free(seen);
    CHECK(t->w, !is_twice);
    return 0;
}

static int verify(struct test *t) {
    for (int c = 0; c < CHANNELS; c++) {
        struct page page;
        CHECK(t->w, world_history(t->w, t->ledgers[c].name, keep_all, &page) == 0);
        int r = verify_page(t, &t->ledgers[c], &page);
        page_finish(&page);
        if (r < 0)
            return r;
    }
    return verify_once(t);
}

static int publish_and_cut(struct test *t, struct publisher *publishers) {
    struct world *w = t->w;
    GROUP(g);
    t->is_over = false;
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i].t = t;
        CHECK(w, group_spawn(&g, "publish", publish_on, &publishers[i]) == 0);
    }
    if (loop_random_below(3) == 0)
        sim_disk_fail(w->disk, SIM_SYNC, 1 + loop_random_below(20), 1 + loop_random_below(3), EIO);
    for (uint64_t left = loop_random_below(4); left > 0; left--) {
        (void) task_sleep((int64_t) loop_random_below(40));
        checkpoint(w);
    }
    (void) task_sleep((int64_t) loop_random_below(60));

    if (loop_random_below(5) > 0)
        sim_disk_cut(w->disk);
    t->is_over = true;
    CHECK(w, group_wait(&g) == 0);
    sim_disk_fail(w->disk, SIM_ANY, 0, 0, 0);
    return 0;
}

static int cut_story(struct world *w) {
    struct test *t = calloc(1, sizeof *t);
    struct publisher *publishers = calloc(PUBLISHERS, sizeof *publishers);
    t->w = w;
    for (int c = 0; c < CHANNELS; c++)
        (void) snprintf(t->ledgers[c].name, sizeof t->ledgers[c].name, "c%u", (unsigned) c % 10);
    int r = 0;
    for (int round = 0; r == 0 && round < ROUNDS; round++) {
        r = world_open(w);
        if (r == 0)
            r = verify(t);
        if (r == 0)
            r = publish_and_cut(t, publishers);
        world_close(w);
    }
    if (r == 0)
        r = world_open(w);
    if (r < 0 && w->why)
        world_fail(w, __FILE__, __LINE__, w->why);
    if (r == 0)
        r = verify(t);
    for (int c = 0; r == 0 && c < CHANNELS; c++) {
        if (t->ledgers[c].acked < 3)
            world_fail(w, __FILE__, __LINE__, "there was something to lose");
    }
    free(publishers);
    free(t);
    return r;
}

static void what_was_acknowledged_survives_power_cuts(void **state) {
    char failure[WORLD_FAILURE_MAX];
    world_run_cuts(cut_story, 300, failure);
    assert_string_equal(failure, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
