/*
 * The n-th allocation fails while one node asks another, for every n: the asker has an answer, or
 * hears that there is none; nothing leaks, and the next question is answered as if nothing had
 * been.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "daemon/node/desk.h"
#include "daemon/worker_thread.h"
#include "tests/support/bus.h"
#include "tests/support/failing_memory.h"
#include "tests/support/world.h"

static const char config[] = "client: {allow_anonymous_connect_without_token: true, ping_interval: "
                             "3600s}\nchannel: {namespaces: [{name: open}]}\n"
                             "node: {survey_timeout: 500ms}\n";

static const struct {
    struct str method, params;
    const char *answer;
} questions[] = {
    { { "channels", 8 }, { "{}", 2 }, "{\"channels\":{*}}" },
    { { "connections", 11 }, { "{}", 2 }, "{\"connections\":{*}}" },
    { { "info", 4 }, { "{}", 2 }, "{\"nodes\":[{*}]}" },
    { { "subscribe", 9 }, { "{\"user\":\"u\",\"channel\":\"open:x\"}", 31 }, "{}" },
    { { "unsubscribe", 11 }, { "{\"user\":\"u\",\"channel\":\"open:x\"}", 31 }, "{}" },
    { { "block_user", 10 }, { "{\"user\":\"v\"}", 12 }, "{}" },
};

/* Is the answer of the one node there is as it is with memory? */
static bool is_answered(struct worker *asker, size_t i) {
    struct node_answers answers;
    char text[2048] = "";
    int r = node_survey(asker,
                        &(struct node_question){ .kind = NODE_ASK_API,
                                                 .name = questions[i].method,
                                                 .body = str_bytes(questions[i].params) },
                        &answers);
    if (r < 0)
        return false;
    bool is_good = answers.n == 1 && answers.items[0].result == NODE_DONE;
    if (is_good)
        (void) snprintf(text, sizeof text, "%.*s", (int) answers.items[0].body.len,
                        (const char *) answers.items[0].body.data);
    node_answers_finish(&answers);
    return is_good && text_matches(text, questions[i].answer);
}

static int ask(struct world *w, void *arg) {
    const uint64_t *n = arg;
    if (bus_open(&w->bus) < 0)
        return -ENOMEM;
    struct world_options o = { .config = config, .bus = w->bus, .workers = 2 };
    struct world *a = world_open_another(w, &o), *b = a ? world_open_another(w, &o) : NULL;
    STORY_EXPECT(w, b);
    struct peer *p = peer_open(b, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(b, "{\"sub\":\"u\"}")));
    struct worker *asker = &a->daemon->threads[1].worker;

    fails_in = *n;
    for (size_t i = 0; i < ELEMENTS_OF(questions); i++)
        STORY_EXPECT(w, is_answered(asker, i) || has_failed);
    int r = node_order(asker, NODE_ORDER_SINGLE, STR("nobody"), 1);
    STORY_EXPECT(w, r == 0 || has_failed);
    (void) task_sleep(100);
    fails_in = 0;

    for (size_t i = 0; i < ELEMENTS_OF(questions); i++)
        STORY_EXPECT(w, is_answered(asker, i));
    struct node_stats s;
    node_desk_stats(b->daemon, &s);
    STORY_EXPECT(w, s.serving == 0 && s.waiting == 0);
    return 0;
}

static void nodes_get_on_without_any_allocation(void **state) {
    uint64_t n = 0;
    (void) state;
    assert_null(world_run(NULL, ask, &n));
    do {
        n++;
        has_failed = false;
        if (world_run(NULL, ask, &n))
            fail_msg("without allocation %llu", (unsigned long long) n);
    } while (has_failed);
    print_message("%llu allocations\n", (unsigned long long) n - 1);
    assert_true(n > 100); /* it has come by here */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_get_on_without_any_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
