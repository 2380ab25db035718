/* Who a session is changes while its commands and errands work with what it was. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "async/task.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/session/impl.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

static const char config[] =
        "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s}\n"
        "channel:\n"
        "  without_namespace: {presence: true, allow_subscribe_for_anonymous: true,\n"
        "    allow_subscribe_for_client: true, allow_presence_for_client: true,\n"
        "    allow_presence_for_anonymous: true}\n";

/* Work that keeps spans of the identity over a wait. */
struct work {
    struct session_errand errand;
    int64_t waits_ms;
    char before[32], after[32]; /* what the span said */
    int n_ended;
};

static void note(struct bytes span, char *to, size_t cap) {
    (void) snprintf(to, cap, "%.*s", (int) span.len, (const char *) span.data);
}

static void works(struct session *s, struct session_errand *e) {
    struct work *work = CONTAINER_OF(e, struct work, errand);
    struct bytes info = session_conn_info(s);
    note(info, work->before, sizeof work->before);
    (void) task_sleep(work->waits_ms);
    note(info, work->after, sizeof work->after);
    work->n_ended++;
}

static void on_drop(struct session_errand *e) {
    CONTAINER_OF(e, struct work, errand)->n_ended += 100;
}

static int begin_work(struct session *s, struct work *work, int64_t ms) {
    *work = (struct work){ .errand = { .run = works, .drop = on_drop }, .waits_ms = ms };
    int r = session_post(s, &work->errand);
    return r < 0 ? r : task_sleep(ms / 2);
}

static int refresh(struct session *s, const char *info) {
    return session_refresh_server(s, false, 0, true, bytes_of(info, strlen(info)));
}

static bool keeps_old_ones(const struct session *s) {
    return s->more && s->more->retired;
}

static bool is_known_as(const struct session *s, const char *info) {
    struct bytes known = session_conn_info(s);
    return known.len == strlen(info) && (known.len == 0 || !memcmp(known.data, info, known.len));
}

#define SHOWS(peer, info)                                                                          \
    PLAYS(peer, "> {'id':5,'presence':{'channel':'a'}}\n"                                          \
                "< {'id':5,'presence':{'presence':{'CLIENT':{*" info "*")

static int nobody_becomes_somebody(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    struct work work;
    (void) arg;
    STORY_EXPECT(w, p && peer_connect(p, NULL));
    struct session *s = hub_find_client(&w->daemon->threads[0].worker, str_of(peer_client_id(p)));
    const struct identity *nobody = s->identity;
    STORY_EXPECT(w, is_known_as(s, "") && session_user(s).len == 0);

    /* While work is under way what it was is kept; the one for all who are nobody is, anyway. */
    STORY_EXPECT(w, begin_work(s, &work, 1000) == 0);
    STORY_EXPECT(w, refresh(s, "{\"i\":1}") == 0 && keeps_old_ones(s));
    STORY_EXPECT(w, refresh(s, "{\"i\":22}") == 0 && keeps_old_ones(s));
    STORY_EXPECT(w, is_known_as(s, "{\"i\":22}") && s->identity != nobody);
    STORY_EXPECT(w, task_sleep(1000) == 0 && work.n_ended == 1 && !keeps_old_ones(s));
    STORY_EXPECT(w, strcmp(work.before, "") == 0 && strcmp(work.after, "") == 0);

    /* Again, from somebody. */
    STORY_EXPECT(w, begin_work(s, &work, 1000) == 0);
    STORY_EXPECT(w, refresh(s, "{\"i\":333}") == 0 && refresh(s, "{\"i\":4444}") == 0);
    STORY_EXPECT(w, keeps_old_ones(s) && is_known_as(s, "{\"i\":4444}"));
    STORY_EXPECT(w, task_sleep(1000) == 0 && work.n_ended == 1 && !keeps_old_ones(s));
    STORY_EXPECT(w, strcmp(work.before, "{\"i\":22}") == 0);
    STORY_EXPECT(w, strcmp(work.after, "{\"i\":22}") == 0);

    /* Nothing is kept where nothing is at work. */
    STORY_EXPECT(w, refresh(s, "{\"i\":5}") == 0 && !keeps_old_ones(s));
    while (strncmp(peer_hear(p, 100), "{\"push\":{\"refresh\"", 17) == 0)
        ;
    PLAYS(p, "> {'id':2,'subscribe':{'channel':'a'}}\n < {'id':2,'subscribe':{}}");
    SHOWS(p, "'conn_info':{'i':5}");

    /* Another nobody is still nobody. */
    struct peer *other = peer_open(w, NULL);
    STORY_EXPECT(w, other && peer_connect(other, NULL));
    struct session *o =
            hub_find_client(&w->daemon->threads[0].worker, str_of(peer_client_id(other)));
    STORY_EXPECT(w, o->identity == nobody && is_known_as(o, ""));
    return 0;
}

static void who_was_nobody_becomes_somebody_while_work_is_under_way(void **state) {
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = config, .workers = 1 },
                          nobody_becomes_somebody, NULL));
}

/* It goes while work is under way, which what it was outlives. */
static int leaves_at_work(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    struct work work;
    (void) arg;
    STORY_EXPECT(w, p && peer_connect(p, NULL));
    struct session *s = hub_find_client(&w->daemon->threads[0].worker, str_of(peer_client_id(p)));
    STORY_EXPECT(w, refresh(s, "{\"i\":1}") == 0);
    STORY_EXPECT(w, begin_work(s, &work, 1000) == 0);
    STORY_EXPECT(w, refresh(s, "{\"i\":22}") == 0 && keeps_old_ones(s));
    session_disconnect(s, DISCONNECT_CONNECTION_CLOSED);
    STORY_EXPECT(w, task_sleep(1000) == 0 && work.n_ended == 1);
    STORY_EXPECT(w, strcmp(work.after, "{\"i\":1}") == 0);
    STORY_EXPECT(w, task_sleep(10000) == 0);
    STORY_EXPECT(w, w->daemon->threads[0].worker.hub.n_taken == 0);
    return 0;
}

static void who_ends_while_work_is_under_way_leaves_nothing_behind(void **state) {
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = config, .workers = 1 }, leaves_at_work,
                          NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_nobody_becomes_somebody_while_work_is_under_way),
        cmocka_unit_test(who_ends_while_work_is_under_way_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
