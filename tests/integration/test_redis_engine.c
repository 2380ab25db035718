/* What nodes that share a Redis have in common. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/denial.h"
#include "tests/integration/redis_nodes.h"

/* ---- publishing ---- */

static int crossing_story(struct world *a, struct world *b) {
    struct position first, second;
    CHECK(a, engine_attach(a->engine, &a->listener.sink, STR("x")) == 0);
    CHECK(a, engine_attach(b->engine, &b->listener.sink, STR("x")) == 0);
    CHECK(a, world_publish(a, "x", "a1", keep_ten, &first) == 0);
    CHECK(a, world_publish(b, "x", "b2", keep_ten, &second) == 0);
    CHECK(a, world_publish(a, "x", "bare", keep_none, NULL) == 0);
    CHECK(a, world_publish(b, "other", "unheard", keep_ten, NULL) == 0);
    struct client_info info = { .user = STR("ada"), .client = STR("c") };
    struct publication_parts parts = { .kind = PUBLICATION_JOIN,
                                       .channel = STR("x"),
                                       .info = &info };
    struct publication *join = publication_new(&parts);
    CHECK(a, engine_broadcast(b->engine, join) == 0);
    publication_unref(join);
    CHECK(a, world_await(a, 4) && world_await(b, 4));
    engine_detach(a->engine, &a->listener.sink, STR("x"));
    engine_detach(b->engine, &b->listener.sink, STR("x"));
    CHECK(a, hears(a, "1=a1 2=b2 0=bare 0=") && hears(b, "1=a1 2=b2 0=bare 0="));
    const struct publication *heard = a->listener.heard[3];
    CHECK(a, heard->kind == PUBLICATION_JOIN && str_equal(heard->info.user, STR("ada")));
    CHECK(a, strcmp(first.epoch, second.epoch) == 0);
    CHECK(a, strcmp(b->listener.heard[0]->position.epoch, first.epoch) == 0);

    struct page page;
    char text[256];
    CHECK(a, world_history(b, "x", keep_ten, &page) == 0);
    page_text(&page, text);
    uint64_t top = page.top.offset;
    page_finish(&page);
    CHECK(a, strcmp(text, "1=a1 2=b2") == 0 && top == 2);
    return 0;
}

static void publications_and_joins_reach_the_other_node_in_order(void **state) {
    (void) state;
    run_both(crossing_story);
}

static int whole_story(struct world *a, struct world *b) {
    struct client_info info = { .user = STR("ada"),
                                .client = STR("c1"),
                                .conn_info = str_bytes(STR("{\"n\":1}")),
                                .chan_info = str_bytes(STR("[]")) };
    struct tag tags[] = { { STR("k"), STR("v") }, { STR("empty"), STR("") } };
    char big[70000];
    memset(big, 'b', sizeof big);
    big[7] = '\0';
    big[8] = '\r';
    struct publication_parts parts = { .channel = STR("x"),
                                       .data = bytes_of(big, sizeof big),
                                       .info = &info,
                                       .tags = tags,
                                       .n_tags = 2,
                                       .is_json_line = true,
                                       .wants_delta = true };
    CHECK(a, engine_attach(b->engine, &b->listener.sink, STR("x")) == 0);
    struct attempt attempt = { 0 };
    CHECK(a, world_publish_with(a, &attempt,
                                (struct publish_request){ .publication = publication_new(&parts),
                                                          .keep = keep_ten }) == 0);
    CHECK(a, world_await(b, 1));
    engine_detach(b->engine, &b->listener.sink, STR("x"));
    struct page page;
    CHECK(a, world_history(b, "x", keep_ten, &page) == 0);
    bool is_same = page.n == 1;
    const struct publication *all[] = { b->listener.heard[0], is_same ? page.items[0] : NULL };
    for (size_t i = 0; is_same && i < ELEMENTS_OF(all); i++) {
        const struct publication *p = all[i];
        is_same = p->has_info && str_equal(p->info.user, info.user) &&
                  str_equal(p->info.client, info.client) &&
                  bytes_equal(p->info.conn_info, info.conn_info) &&
                  bytes_equal(p->info.chan_info, info.chan_info) && p->n_tags == 2 &&
                  str_equal(p->tags[0].value, tags[0].value) && p->is_json_line && p->wants_delta &&
                  bytes_equal(p->data, parts.data) && p->position.offset == 1 && p->time_ms > 0 &&
                  p->time_ms <= loop_wall_ms() && p->time_ms > loop_wall_ms() - PATIENCE_MS;
    }
    page_finish(&page);
    CHECK(a, is_same);
    return 0;
}

static void a_publication_arrives_whole(void **state) {
    (void) state;
    run_both(whole_story);
}

/* A long message takes its time on the line for subscriptions, and the answer on the other one
 * would be here first. */
static int distributed_story(struct world *a, struct world *b) {
    enum { BIG = 4 << 20 };
    char *big = malloc(BIG);
    CHECK(a, big);
    memset(big, 'b', BIG);
    struct publication_parts parts = { .channel = STR("x"), .data = bytes_of(big, BIG) };
    bool was_heard = engine_attach(b->engine, &b->listener.sink, STR("x")) == 0;
    for (size_t i = 1; was_heard && i <= 5; i++) {
        struct position at;
        struct attempt attempt = { 0 };
        struct publish_request request = { .publication = publication_new(&parts),
                                           .keep = keep_ten };
        was_heard = world_publish_with(a, &attempt, request) == 0 &&
                    engine_position(b->engine, STR("x"), keep_ten, &at) == 0 && at.offset == i &&
                    b->listener.n == i;
    }
    engine_detach(b->engine, &b->listener.sink, STR("x"));
    free(big);
    CHECK(a, was_heard);
    return 0;
}

static void a_position_is_of_what_was_heard_here(void **state) {
    (void) state;
    run_both(distributed_story);
}

/* ---- once ---- */

static struct publish_request once(const char *data, struct keep keep) {
    return (struct publish_request){ .publication = a_publication(STR("x"), data),
                                     .keep = keep,
                                     .idempotency_key = STR("key") };
}

static int once_story(struct world *a, struct world *b) {
    struct attempt first = { 0 }, again = { 0 };
    CHECK(a, engine_attach(a->engine, &a->listener.sink, STR("x")) == 0);
    CHECK(a, world_publish_with(a, &first, once("1", keep_ten)) == 0);
    CHECK(a, world_publish(a, "x", "2", keep_ten, NULL) == 0);
    CHECK(a, world_publish_with(b, &again, once("1", keep_ten)) == 0);
    CHECK(a, !first.request.is_duplicate && again.request.is_duplicate);
    CHECK(a, again.request.position.offset == 1 &&
                     strcmp(again.request.position.epoch, first.request.position.epoch) == 0);

    struct publish_request bare = once("bare", keep_none);
    bare.idempotency_key = STR("bare");
    CHECK(a, world_publish_with(a, &first, bare) == 0 && !first.request.is_duplicate);
    bare.publication = a_publication(STR("x"), "bare");
    CHECK(a, world_publish_with(b, &again, bare) == 0 && again.request.is_duplicate);
    CHECK(a, again.request.position.offset == 0);
    world_settle(a);
    engine_detach(a->engine, &a->listener.sink, STR("x"));
    CHECK(a, hears(a, "1=1 2=2 0=bare"));
    struct engine_stats stats;
    engine_stats(b->engine, &stats);
    CHECK(a, stats.duplicates == 2 && stats.writable);
    return 0;
}

static void an_idempotency_key_counts_on_every_node(void **state) {
    (void) state;
    run_both(once_story);
}

static int once_expires_story(struct world *w) {
    struct attempt attempt = { 0 };
    struct publish_request request = once("1", keep_ten);
    request.idempotency_ttl_ms = 1;
    CHECK(w, world_publish_with(w, &attempt, request) == 0);
    CHECK(w, task_sleep(20) == 0);
    request.publication = a_publication(STR("x"), "1");
    CHECK(w, world_publish_with(w, &attempt, request) == 0);
    CHECK(w, !attempt.request.is_duplicate && attempt.request.position.offset == 2);
    return 0;
}

static void an_idempotency_key_is_forgotten_in_time(void **state) {
    (void) state;
    run_one(once_expires_story);
}

static int version(struct world *w, uint64_t version, const char *epoch, bool is_stale,
                   uint64_t offset) {
    struct attempt attempt = { 0 };
    struct publish_request request = { .publication = a_publication(STR("x"), "v"),
                                       .keep = keep_ten,
                                       .version = version,
                                       .version_epoch = str_of(epoch) };
    CHECK(w, world_publish_with(w, &attempt, request) == 0);
    CHECK(w, attempt.request.is_stale == is_stale);
    CHECK(w, attempt.request.position.offset == offset);
    return 0;
}

static int version_story(struct world *a, struct world *b) {
    CHECK(a, version(a, 9, "", false, 1) == 0);
    CHECK(b, version(b, 9, "", true, 1) == 0);
    CHECK(b, version(b, 10, "", false, 2) == 0);
    CHECK(a, version(a, UINT64_MAX - 1, "", false, 3) == 0);
    CHECK(a, version(a, UINT64_MAX - 1, "", true, 3) == 0);
    CHECK(a, version(b, UINT64_MAX, "e", false, 4) == 0);
    CHECK(a, version(a, 1, "e", true, 4) == 0);
    CHECK(a, version(a, 1, "f", false, 5) == 0);
    CHECK(a, world_publish(a, "x", "plain", keep_ten, NULL) == 0);
    CHECK(a, version(b, 1, "f", true, 6) == 0);
    return 0;
}

static void only_newer_versions_are_published(void **state) {
    (void) state;
    run_both(version_story);
}

/* ---- reading ---- */

static int cut_story(struct world *w) {
    struct keep three = { .history_size = 3, .history_ttl_ms = 60000 };
    struct page page;
    char text[256];
    for (int i = 0; i < 300; i++)
        CHECK(w, world_publish(w, "x", "x", three, NULL) == 0);
    CHECK(w, world_history(w, "x", three, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "298=x 299=x 300=x") == 0);
    struct history_query q = { .channel = STR("x"), .keep = three, .limit = 2, .has_since = true };
    CHECK(w, engine_history(w->engine, &q, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "298=x 299=x") == 0);
    const char *length = tell(w, "XLEN parley.stream.x");
    CHECK(w, length[0] == ':' && atoi(length + 1) < 250); /* not only hidden */
    return 0;
}

static void no_more_than_the_size_is_read_or_kept_for_long(void **state) {
    (void) state;
    run_one(cut_story);
}

static int expiry_story(struct world *w) {
    struct keep shortly = { .history_size = 10, .history_ttl_ms = 1500, .meta_ttl_ms = 60000 };
    struct page page;
    char text[256];
    int64_t began_ms = loop_wall_ms();
    CHECK(w, world_publish(w, "x", "old", shortly, NULL) == 0);
    CHECK(w, task_sleep(800) == 0);
    CHECK(w, world_publish(w, "x", "young", shortly, NULL) == 0);
    CHECK(w, task_sleep(began_ms + 1501 - loop_wall_ms()) == 0);
    struct history_query q = { .channel = STR("x"), .keep = shortly, .limit = 1 };
    CHECK(w, engine_history(w->engine, &q, &page) == 0); /* the expired one does not count */
    page_text(&page, text);
    uint64_t top = page.top.offset;
    page_finish(&page);
    bool is_in_time = loop_wall_ms() < began_ms + 2200; /* else the young one may be gone as well */
    CHECK(w, top == 2 && (strcmp(text, "2=young") == 0 || !is_in_time));
    q.reverse = true;
    q.limit = 10;
    CHECK(w, task_sleep(1600) == 0);
    CHECK(w, engine_history(w->engine, &q, &page) == 0);
    size_t n = page.n;
    top = page.top.offset;
    page_finish(&page);
    CHECK(w, n == 0 && top == 2);
    CHECK(w, strcmp(tell(w, "EXISTS parley.stream.x"), ":0\r\n") == 0);
    return 0;
}

static void publications_live_for_their_time(void **state) {
    (void) state;
    run_one(expiry_story);
}

static int meta_story(struct world *w) {
    struct keep shortly = { .history_size = 5, .history_ttl_ms = 100, .meta_ttl_ms = 300 };
    struct position old, at, young;
    CHECK(w, world_publish(w, "x", "x", shortly, &old) == 0);
    while (strcmp(tell(w, "EXISTS parley.meta.x"), ":1\r\n") == 0)
        CHECK(w, task_sleep(10) == 0);
    CHECK(w, engine_position(w->engine, STR("x"), shortly, &at) == 0);
    CHECK(w, at.offset == 0 && strcmp(at.epoch, old.epoch) != 0);
    CHECK(w, world_publish(w, "x", "z", shortly, &young) == 0);
    CHECK(w, young.offset == 1 && strcmp(young.epoch, at.epoch) == 0);
    return 0;
}

static void a_stream_that_begins_anew_has_another_epoch(void **state) {
    (void) state;
    run_one(meta_story);
}

struct asking {
    struct world *world;
    struct page page;
};

static int asking_task(void *arg) {
    struct asking *x = arg;
    return world_history(x->world, "x", keep_ten, &x->page);
}

static int crowd_story(struct world *w) {
    enum { N = 200 };
    struct asking *all = calloc(N, sizeof *all);
    CHECK(w, world_publish_times(w, "x", 5, keep_ten) == 0);
    GROUP(g);
    for (int i = 0; i < N; i++) {
        all[i].world = w;
        CHECK(w, group_spawn(&g, "ask", asking_task, &all[i]) == 0);
    }
    CHECK(w, group_wait(&g) == 0);
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        n += all[i].page.n;
        page_finish(&all[i].page);
    }
    free(all);
    CHECK(w, n == 5 * N);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.reads <= 3); /* the first one's, and of those who came behind it */
    return 0;
}

static void a_crowd_that_asks_the_same_is_answered_together(void **state) {
    (void) state;
    run_one(crowd_story);
}

/* ---- presence ---- */

static int presence_story(struct world *a, struct world *b) {
    struct client_info ada = { .user = STR("ada"), .client = STR("1") };
    struct client_info ada2 = { .user = STR("ada"),
                                .client = STR("2"),
                                .conn_info = str_bytes(STR("{}")),
                                .chan_info = str_bytes(STR("[1]")) };
    struct client_info nobody = { .client = STR("3") };
    size_t clients, users;
    CHECK(a, engine_presence_set(a->engine, STR("x"), &ada, 50) == 0);
    CHECK(a, engine_presence_set(b->engine, STR("x"), &ada2, 60000) == 0);
    CHECK(a, engine_presence_set(b->engine, STR("x"), &nobody, 60000) == 0);
    CHECK(a, engine_presence_set(a->engine, STR("x"), &ada, 1000) == 0); /* renewed */
    CHECK(a, engine_presence_stats(b->engine, STR("x"), &clients, &users) == 0);
    CHECK(a, clients == 3 && users == 2);
    do {
        CHECK(a, task_sleep(20) == 0);
        CHECK(a, engine_presence_stats(a->engine, STR("x"), &clients, &users) == 0);
    } while (clients == 3);
    CHECK(a, clients == 2 && users == 2); /* the other ada is still there */

    struct presence all;
    CHECK(a, engine_presence_remove(a->engine, STR("x"), STR("3")) == 0);
    CHECK(a, engine_presence(a->engine, STR("x"), &all) == 0);
    bool is_right = all.n == 1 && str_equal(all.items[0].client, STR("2")) &&
                    str_equal(all.items[0].user, STR("ada")) &&
                    bytes_equal(all.items[0].conn_info, ada2.conn_info) &&
                    bytes_equal(all.items[0].chan_info, ada2.chan_info);
    presence_finish(&all);
    CHECK(a, is_right);

    ada2.user = STR("bob"); /* the same client, as somebody else */
    CHECK(a, engine_presence_set(a->engine, STR("x"), &ada2, 60000) == 0);
    CHECK(a, engine_presence_stats(b->engine, STR("x"), &clients, &users) == 0);
    CHECK(a, clients == 1 && users == 1);
    CHECK(a, engine_presence_remove(b->engine, STR("x"), STR("2")) == 0);
    CHECK(a, engine_presence_stats(a->engine, STR("x"), &clients, &users) == 0);
    CHECK(a, clients == 0 && users == 0);
    CHECK(a, strcmp(tell(a, "EXISTS parley.presence.x parley.presence_until.x "
                            "parley.presence_users.x"),
                    ":0\r\n") == 0);
    return 0;
}

static void presence_is_everybodys(void **state) {
    (void) state;
    run_both(presence_story);
}

static int denial_story(struct world *a, struct world *b) {
    struct denial d = { .kind = DENIAL_USER_TOKENS, .key = STR("u 1"), .before_ms = -5 };
    struct denial past = { .kind = DENIAL_TOKEN, .key = STR("t"), .expire_at_ms = 1 };
    struct denials all;
    CHECK(a, engine_denial_put(a->engine, &d) == 0);
    CHECK(a, engine_denial_put(a->engine, &past) == 0);
    CHECK(a, engine_denials(b->engine, &all) == 0);
    bool is_right = all.n == 1 && all.items[0].kind == d.kind &&
                    str_equal(all.items[0].key, d.key) && all.items[0].before_ms == -5 &&
                    all.items[0].expire_at_ms == 0;
    denials_finish(&all);
    CHECK(a, is_right);
    CHECK(a, engine_denial_remove(b->engine, d.kind, d.key) == 0);
    CHECK(a, engine_denials(a->engine, &all) == 0);
    size_t n = all.n;
    denials_finish(&all);
    CHECK(a, n == 0);
    return 0;
}

static void denials_are_everybodys(void **state) {
    (void) state;
    run_both(denial_story);
}

static int denials_max_story(struct world *w) {
    struct denial d = { .kind = DENIAL_USER, .key = STR("a"), .expire_at_ms = 1 };
    w->options.denials_max = 1;
    CHECK(w, world_open(w) == 0);
    CHECK(w, engine_denial_put(w->engine, &d) == 0);
    d = (struct denial){ .kind = DENIAL_USER, .key = STR("b") };
    CHECK(w, engine_denial_put(w->engine, &d) == 0); /* the first has expired */
    CHECK(w, engine_denial_put(w->engine, &d) == 0);
    d.key = STR("c");
    CHECK(w, engine_denial_put(w->engine, &d) == -ENOSPC);
    struct engine_stats stats;
    engine_stats(w->engine, &stats);
    CHECK(w, stats.denials_refused == 1);
    return 0;
}

static void there_are_only_so_many_denials(void **state) {
    (void) state;
    run_closed(denials_max_story);
}

/* ---- nodes ---- */

static int signal_story(struct world *a, struct world *b) {
    struct listening one, two, more;
    listening_init(&one, a);
    listening_init(&two, b);
    listening_init(&more, b);
    CHECK(a, engine_is_shared(a->engine));
    CHECK(a, engine_listen(a->engine, &one.ear) == 0);
    CHECK(a, engine_listen(b->engine, &two.ear) == 0);
    CHECK(a, engine_listen(b->engine, &more.ear) == 0);
    /* Whoever has just come is not heard before it listens: its settling says that it does. */
    world_settle(a);
    world_settle(b);
    CHECK(a, engine_signal(a->engine, STR("two"), str_bytes(STR("to you"))) == 0);
    CHECK(a, engine_signal(a->engine, (struct str){ 0 }, str_bytes(STR("to all"))) == 0);
    CHECK(a, engine_signal(b->engine, STR("one"), str_bytes(STR("back"))) == 0);
    CHECK(a, engine_signal(b->engine, STR("nobody"), str_bytes(STR("lost"))) == 0);
    bool is_right = await_text(&two, "one:to you one:to all ") && await_text(&one, "two:back ") &&
                    await_text(&more, "one:to you one:to all ");
    engine_unlisten(a->engine, &one.ear);
    engine_unlisten(b->engine, &two.ear);
    engine_unlisten(b->engine, &more.ear);
    CHECK(a, is_right);
    return 0;
}

static void nodes_send_each_other_signals(void **state) {
    (void) state;
    run_both(signal_story);
}

static int await_nodes(struct world *w, size_t n) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS;;) {
        struct nodes nodes;
        CHECK(w, engine_nodes(w->engine, &nodes) == 0);
        bool is_right = nodes.n == n;
        if (is_right && n > 0)
            is_right = str_equal(nodes.items[0].id, STR("two")) &&
                       str_equal(nodes.items[0].name, STR("two")) && nodes.items[0].version.len &&
                       nodes.items[0].started_ms > 0;
        nodes_finish(&nodes);
        if (is_right)
            return 0;
        CHECK(w, loop_now() < until_ms && task_sleep(20) == 0);
    }
}

static int nodes_story(struct world *w) {
    struct world *b = world_beside(w, "two");
    w->redis_options.node_ttl_ms = b->redis_options.node_ttl_ms = 3000;
    CHECK(w, world_open(w) == 0 && world_open(b) == 0);
    CHECK(w, await_nodes(w, 1) == 0);
    world_close(b); /* says good-bye */
    const char *left = tell(w, "ZCARD parley.nodes");
    CHECK(w, strcmp(left, ":1\r\n") == 0);
    CHECK(w, await_nodes(w, 0) == 0);
    CHECK(w, tell(w, "ZADD parley.nodes 1 two")[0] == ':'); /* silent for long */
    CHECK(w, tell(w, "HSET parley.node_infos two x")[0] == ':');
    while (strcmp(tell(w, "ZCARD parley.nodes"), ":1\r\n") != 0)
        CHECK(w, task_sleep(20) == 0);
    CHECK(w, await_nodes(w, 0) == 0);
    world_free(b);
    return 0;
}

static void nodes_know_of_each_other(void **state) {
    (void) state;
    run_closed(nodes_story);
}

/* ---- others ---- */

static int foreign_story(struct world *w) {
    static const char *const lines[] = {
        "PUBLISH parley.c.x hello",
        "PUBLISH parley.c.x \"\"",
        "PUBLISH parley.c.x \"1:epoch:\"",
        "PUBLISH parley.c.x \"99999999999999999999999:e:x\"",
        "PUBLISH parley.c.x \"0::\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xff\"",
        "PUBLISH parley.signal \"\\x50abc\"",
    };
    struct engine_stats stats;
    CHECK(w, engine_attach(w->engine, &w->listener.sink, STR("x")) == 0);
    world_settle(w); /* signals are listened to by now */
    for (size_t i = 0; i < ELEMENTS_OF(lines); i++)
        CHECK(w, strcmp(tell(w, lines[i]), ":1\r\n") == 0);
    CHECK(w, tell(w, "PUBLISH parley.fence.one 18446744073709551615")[0] == ':');
    CHECK(w, world_publish(w, "x", "1", keep_ten, NULL) == 0);
    CHECK(w, tell(w, "XADD parley.stream.x 2-9999999999999 other thing")[0] == '$');
    CHECK(w, tell(w, "HSET parley.meta.x s 2")[0] == ':');
    struct page page;
    char text[256];
    CHECK(w, world_history(w, "x", keep_ten, &page) == 0);
    page_text(&page, text);
    page_finish(&page);
    CHECK(w, strcmp(text, "1=1") == 0);
    CHECK(w, tell(w, "SET parley.meta.y text")[0] == '+');
    CHECK(w, world_publish(w, "y", "1", keep_ten, NULL) == -EIO);
    engine_detach(w->engine, &w->listener.sink, STR("x"));
    engine_stats(w->engine, &stats);
    CHECK(w, stats.messages_refused == ELEMENTS_OF(lines) + 1);
    CHECK(w, hears(w, "1=1"));
    return 0;
}

static void what_is_not_ours_is_counted_and_dropped(void **state) {
    (void) state;
    run_one(foreign_story);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(publications_and_joins_reach_the_other_node_in_order),
        TEST(a_publication_arrives_whole),
        TEST(a_position_is_of_what_was_heard_here),
        TEST(an_idempotency_key_counts_on_every_node),
        TEST(an_idempotency_key_is_forgotten_in_time),
        TEST(only_newer_versions_are_published),
        TEST(no_more_than_the_size_is_read_or_kept_for_long),
        TEST(publications_live_for_their_time),
        TEST(a_stream_that_begins_anew_has_another_epoch),
        TEST(a_crowd_that_asks_the_same_is_answered_together),
        TEST(presence_is_everybodys),
        TEST(denials_are_everybodys),
        TEST(there_are_only_so_many_denials),
        TEST(nodes_send_each_other_signals),
        TEST(nodes_know_of_each_other),
        TEST(what_is_not_ours_is_counted_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
