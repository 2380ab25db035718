/* What one answer of Redis would have no room for: it is refused, or cut short, and the line stays.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "storage/redis/stats.h"
#include "tests/integration/redis_nodes.h"

enum { ANSWER_BYTES = 2200, INFO_BYTES = 500 };

static uint64_t breaks(struct world *w) {
    struct redis_shard_stats stats[REDIS_SHARDS_MAX];
    (void) engine_redis_stats(w->engine, stats);
    return stats[0].server.breaks;
}

/* ---- presence ---- */

static int come(struct world *w, unsigned from, unsigned n) {
    static uint8_t text[INFO_BYTES];
    char client[16];
    for (unsigned i = from; i < from + n; i++) {
        (void) snprintf(client, sizeof client, "client-%u", i);
        struct client_info info = { .user = STR("ada"),
                                    .client = str_of(client),
                                    .conn_info = bytes_of(text, sizeof text) };
        int r = engine_presence_set(w->engine, STR("x"), &info, 60000);
        if (r < 0)
            return r;
    }
    return 0;
}

static int crowd_story(struct world *w) {
    struct presence all;
    size_t clients, users;
    CHECK(w, come(w, 0, 3) == 0);
    CHECK(w, engine_presence(w->engine, STR("x"), &all) == 0);
    size_t n = all.n;
    presence_finish(&all);
    CHECK(w, n == 3);
    CHECK(w, come(w, 3, 1) == 0); /* their infos are too long */
    CHECK(w, engine_presence(w->engine, STR("x"), &all) == -EMSGSIZE);
    CHECK(w, come(w, 4, 40) == 0); /* they are too many, however short */
    CHECK(w, engine_presence(w->engine, STR("x"), &all) == -EMSGSIZE);
    CHECK(w, engine_presence_stats(w->engine, STR("x"), &clients, &users) == 0);
    CHECK(w, clients == 44 && users == 1 && breaks(w) == 0);
    return 0;
}

static void a_crowd_that_fits_no_answer_is_refused_and_can_be_counted(void **state) {
    (void) state;
    world->redis_options.reply_max_bytes = ANSWER_BYTES;
    run_one(crowd_story);
}

/* ---- history ---- */

/* "1 2 3" */
static const char *offsets(struct world *w, struct history_query q, char text[static 64]) {
    struct page page;
    q.channel = STR("x");
    q.keep = keep_ten;
    text[0] = '\0';
    if (engine_history(w->engine, &q, &page) < 0)
        return "failed";
    for (size_t i = 0; i < page.n; i++)
        (void) snprintf(text + strlen(text), 64 - strlen(text), "%s%u", i ? " " : "",
                        (unsigned) page.items[i]->position.offset);
    page_finish(&page);
    return text;
}

#define READS(w, expected, ...)                                                                    \
    CHECK(w, strcmp(offsets((w), (struct history_query){ __VA_ARGS__ }, text), (expected)) == 0)

static int long_story(struct world *w) {
    char data[INFO_BYTES + 1], much[2 * ANSWER_BYTES + 1], text[64];
    memset(data, 'x', sizeof data - 1);
    memset(much, 'y', sizeof much - 1);
    data[sizeof data - 1] = much[sizeof much - 1] = '\0';
    for (int i = 0; i < 5; i++)
        CHECK(w, world_publish(w, "x", data, keep_ten, NULL) == 0);
    CHECK(w, world_publish(w, "x", much, keep_ten, NULL) == 0);
    READS(w, "1 2 3", .limit = 10);
    READS(w, "4 5", .limit = 10, .has_since = true, .since_offset = 3);
    READS(w, "6", .limit = 10, .has_since = true, .since_offset = 5);
    READS(w, "6", .limit = 10, .reverse = true);
    READS(w, "5 4 3", .limit = 10, .reverse = true, .has_since = true, .since_offset = 6);
    CHECK(w, breaks(w) == 0);
    return 0;
}

static void a_page_ends_where_an_answer_has_no_room_for_more(void **state) {
    (void) state;
    world->redis_options.reply_max_bytes = ANSWER_BYTES;
    run_one(long_story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_crowd_that_fits_no_answer_is_refused_and_can_be_counted),
        TEST(a_page_ends_where_an_answer_has_no_room_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
