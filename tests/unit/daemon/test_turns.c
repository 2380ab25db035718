/* A turn sends so much, and the next ones the rest: what is left keeps its order, its place in the
 * line and its connections, and others are heard in between. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/stream.h"
#include "async/task.h"
#include "daemon/outbox.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

/* ---- a crowd of outboxes, each with something to send ---- */

enum { CROWD = 3000, LINE_BYTES = 1000, PIPE_BYTES = 4096 };

struct crowd {
    struct outbox_set set;
    struct turn_hook flush;
    struct member {
        struct outbox outbox;
        struct stream *ours, *theirs;
        char got[PIPE_BYTES];
        size_t n_got;
    } members[CROWD];
    int times_broken;
    int result;
};

static void on_broken(struct outbox *o, int why) {
    struct crowd *c = CONTAINER_OF(o->set, struct crowd, set);
    (void) why;
    c->times_broken++;
}

static void on_flush(struct turn_hook *h) {
    struct crowd *c = CONTAINER_OF(h, struct crowd, flush);
    outbox_set_share(&c->set, OUTBOX_SHARE_LEFT);
    outbox_set_flush_left(&c->set);
    outbox_set_share(&c->set, OUTBOX_SHARE_ALL);
    outbox_set_flush(&c->set);
}

static int gather(struct crowd *c) {
    struct outbox_limits limits = { .max_bytes = LINE_BYTES, .write_timeout_ms = 1000 };
    int r = 0;
    c->flush.run = on_flush;
    outbox_set_init(&c->set, &limits, &c->flush, on_broken);
    for (size_t i = 0; r == 0 && i < CROWD; i++) {
        struct member *m = &c->members[i];
        r = stream_pair(PIPE_BYTES, &m->ours, &m->theirs);
        outbox_init(&m->outbox, &c->set, m->ours);
    }
    return r;
}

static void disperse(struct crowd *c) {
    for (size_t i = 0; i < CROWD; i++) {
        struct member *m = &c->members[i];
        m->ours = stream_close(m->ours);
        outbox_finish(&m->outbox);
        m->theirs = stream_close(m->theirs);
    }
    loop_forget_hook(&c->flush);
    outbox_set_finish(&c->set);
}

static void append(struct crowd *c, size_t i, const char *text) {
    outbox_append_copy(&c->members[i].outbox, bytes_of(text, strlen(text)), bytes_of(NULL, 0));
}

/* How many have been sent to when the turn is over. */
static uint64_t sends_of_turn(struct crowd *c) {
    uint64_t before = c->set.sends;
    if (task_yield() < 0)
        c->result = -ECANCELED;
    return c->set.sends - before;
}

/* Some may arrive late. */
static void read_all(struct crowd *c) {
    for (int times = 0; times < 20; times++) {
        for (size_t i = 0; i < CROWD; i++) {
            struct member *m = &c->members[i];
            ssize_t n = stream_try_read(m->theirs, m->got + m->n_got, sizeof m->got - 1 - m->n_got);
            m->n_got += n > 0 ? (size_t) n : 0;
        }
        if (task_sleep(10) < 0)
            c->result = -ECANCELED;
    }
}

static void run(struct crowd *c, task_fn *fn, uint64_t seed) {
    memset(c, 0, sizeof *c);
    struct loop_options o = { .is_simulated = true, .seed = seed };
    assert_int_equal(loop_run(&o, fn, c), 0);
    assert_int_equal(c->result, 0);
}

#define EXPECT(crowd, condition)                                                                   \
    do {                                                                                           \
        if (!(condition) && (crowd)->result == 0) {                                                \
            (void) fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                 \
            (crowd)->result = -EBADMSG;                                                            \
        }                                                                                          \
    } while (0)

static int sent_in_turns(void *arg) {
    struct crowd *c = arg;
    c->result = gather(c);
    for (size_t i = 0; i < CROWD; i++)
        append(c, i, "one ");
    EXPECT(c, sends_of_turn(c) == OUTBOX_SHARE_ALL);

    append(c, 0, "two");         /* it has had its turn */
    append(c, CROWD - 1, "two"); /* it waits, and takes both in one send */
    EXPECT(c, sends_of_turn(c) == OUTBOX_SHARE_LEFT + 1);
    EXPECT(c, outbox_is_empty(&c->members[0].outbox));
    EXPECT(c, outbox_is_empty(&c->members[OUTBOX_SHARE_ALL + OUTBOX_SHARE_LEFT - 1].outbox));
    EXPECT(c, !outbox_is_empty(&c->members[OUTBOX_SHARE_ALL + OUTBOX_SHARE_LEFT].outbox));

    while (c->set.waiting > 0 && c->result == 0)
        EXPECT(c, sends_of_turn(c) > 0);
    EXPECT(c, c->set.sends == CROWD + 1);
    EXPECT(c, c->set.put_off > 0);
    read_all(c);
    disperse(c);
    return 0;
}

static void a_crowd_is_sent_to_in_turns_and_who_waits_longest_comes_first(void **state) {
    struct crowd *c = *state;
    run(c, sent_in_turns, 0);
    for (size_t i = 0; i < CROWD; i++)
        assert_string_equal(c->members[i].got, i == 0 || i == CROWD - 1 ? "one two" : "one ");
    assert_int_equal(c->times_broken, 0);
}

static int sent_at_random(void *arg) {
    struct crowd *c = arg;
    char line[32];
    c->result = gather(c);
    for (int round = 0; round < 4; round++) {
        (void) snprintf(line, sizeof line, "%d ", round);
        for (size_t i = (size_t) round; i < CROWD; i += 5)
            append(c, i, line);
        (void) sends_of_turn(c);
        for (size_t i = 0; i < CROWD; i += 3)
            append(c, i, line);
    }
    while (c->set.waiting > 0 && c->result == 0)
        (void) sends_of_turn(c);
    read_all(c);
    disperse(c);
    return 0;
}

static void order_survives_turns_of_any_length(void **state) {
    struct crowd *c = *state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run(c, sent_at_random, seed);
        for (size_t i = 0; i < CROWD; i++) {
            char expected[64] = "", line[32];
            for (int round = 0; round < 4; round++) {
                (void) snprintf(line, sizeof line, "%d ", round);
                if (i >= (size_t) round && (i - (size_t) round) % 5 == 0)
                    strcat(expected, line);
                if (i % 3 == 0)
                    strcat(expected, line);
            }
            assert_string_equal(c->members[i].got, expected);
        }
    }
}

static int patient(void *arg) {
    struct crowd *c = arg;
    char much[LINE_BYTES * 2 / 3 + 1] = "";
    memset(much, 'x', sizeof much - 1);
    c->result = gather(c);
    for (size_t i = 0; i < CROWD; i++)
        append(c, i, much);
    (void) sends_of_turn(c);
    EXPECT(c, !outbox_is_empty(&c->members[CROWD - 1].outbox));
    append(c, CROWD - 1, much); /* more than may wait for a socket */
    while (c->set.waiting > 0 && c->result == 0)
        (void) sends_of_turn(c);
    read_all(c);
    disperse(c);
    return 0;
}

static void who_waits_for_its_turn_is_not_taken_for_slow(void **state) {
    struct crowd *c = *state;
    run(c, patient, 0);
    assert_int_equal(c->times_broken, 0);
    assert_int_equal(strlen(c->members[CROWD - 1].got), LINE_BYTES * 2 / 3 * 2);
}

static int left_alone(void *arg) {
    struct crowd *c = arg;
    c->result = gather(c);
    for (size_t i = 0; i < CROWD; i++)
        append(c, i, "one");
    (void) sends_of_turn(c);
    disperse(c); /* some have not had their turn */
    return 0;
}

static void an_end_may_come_before_ones_turn(void **state) {
    struct crowd *c = *state;
    run(c, left_alone, 0);
}

/* ---- a channel with a crowd ---- */

enum { SUBSCRIBERS = 4000 };

#define RIGHTS "allow_subscribe_for_client: true, allow_publish_for_client: true"

static const char config[] = "client: {ping_interval: 3600s}\n"
                             "websocket: {compression: true}\n"
                             "channel:\n"
                             "  namespaces:\n"
                             "    - {name: kept, " RIGHTS ", history_size: 10,\n"
                             "       history_ttl: 600s, force_recovery: true}\n"
                             "    - {name: some, " RIGHTS ", history_size: 10,\n"
                             "       history_ttl: 600s}\n"
                             "    - {name: live, " RIGHTS "}\n";

static struct peer *join(struct world *w, const char *channel) {
    struct peer *p = peer_open(w, NULL);
    if (!p || !peer_connect(p, world_token(w, "{\"sub\":\"42\"}")))
        return NULL;
    peer_say(p, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", channel);
    return peer_expect(p, "{\"id\":2,\"subscribe\":*", __FILE__, __LINE__) ? p : NULL;
}

static int publish(struct world *w, struct peer *p, const char *channel, int data) {
    peer_say(p, "{\"id\":3,\"publish\":{\"channel\":\"%s\",\"data\":%d}}", channel, data);
    struct outbox_set *set = &w->daemon->threads[0].worker.outboxes;
    uint64_t before = set->sends;
    while (set->sends < before + 2) /* more than the answer */
        if (task_yield() < 0)
            return -ECANCELED;
    return 0;
}

static int some_come_and_go_meanwhile(struct world *w, void *arg) {
    static struct peer *all[SUBSCRIBERS];
    const char *channel = arg;
    char heard[2][128];
    const struct channels *channels = &w->daemon->threads[0].worker.channels;

    struct peer *publisher = peer_open(w, NULL), *newcomer = peer_open(w, NULL);
    STORY_EXPECT(w, publisher && peer_connect(publisher, world_token(w, "{\"sub\":\"7\"}")));
    STORY_EXPECT(w, newcomer && peer_connect(newcomer, world_token(w, "{\"sub\":\"8\"}")));
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        STORY_EXPECT(w, (all[i] = join(w, channel)) != NULL);
    for (int i = 0; i < 2; i++)
        (void) snprintf(heard[i], sizeof heard[i],
                        "{\"push\":{\"channel\":\"%s\",\"pub\":{\"data\":%d*", channel, i + 1);

    STORY_EXPECT(w, publish(w, publisher, channel, 1) == 0);
    STORY_EXPECT(w, !list_is_empty(&channels->left));
    /* The last to come are served first. One who has it goes, and one who has not; and one comes.
     */
    struct peer *early = all[SUBSCRIBERS - 2], *late = all[1];
    peer_say(early, "{\"id\":4,\"unsubscribe\":{\"channel\":\"%s\"}}", channel);
    peer_say(late, "{\"id\":4,\"unsubscribe\":{\"channel\":\"%s\"}}", channel);
    peer_say(newcomer, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", channel);
    HEARS(late, "{\"id\":4,\"unsubscribe\":{}}");
    HEARS(newcomer, "{\"id\":2,\"subscribe\":*");
    STORY_EXPECT(w, !list_is_empty(&channels->left));
    STORY_EXPECT(w, publish(w, publisher, channel, 2) == 0);

    HEARS(early, heard[0]);
    HEARS(early, "{\"id\":4,\"unsubscribe\":{}}");
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        if (all[i] != early && all[i] != late) {
            HEARS(all[i], heard[0]);
            HEARS(all[i], heard[1]);
        }
    }
    HEARS(newcomer, heard[1]);
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        STORY_EXPECT(w, strcmp(peer_hear(all[i], 1), "nothing") == 0);
    STORY_EXPECT(w, strcmp(peer_hear(newcomer, 1), "nothing") == 0);
    return 0;
}

static void each_subscriber_has_each_publication_once_whoever_comes_and_goes(void **state) {
    struct world_options o = { .config = config, .workers = 1 };
    (void) state;
    assert_null(world_run(&o, some_come_and_go_meanwhile, (char[]){ "kept:room" }));
    assert_null(world_run(&o, some_come_and_go_meanwhile, (char[]){ "live:room" }));
}

static int all_leave(struct world *w, void *arg) {
    static struct peer *all[SUBSCRIBERS];
    const struct channels *channels = &w->daemon->threads[0].worker.channels;
    (void) arg;
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        STORY_EXPECT(w, (all[i] = join(w, "kept:room")) != NULL);
    STORY_EXPECT(w, publish(w, all[0], "kept:room", 1) == 0);
    STORY_EXPECT(w, !list_is_empty(&channels->left));
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        all[i] = peer_close(all[i]);
    STORY_EXPECT(w, task_sleep(1000) == 0);
    STORY_EXPECT(w, table_size(&channels->table) == 0 && list_is_empty(&channels->left));
    return 0;
}

static void a_channel_may_be_left_by_all_before_their_turn(void **state) {
    (void) state;
    assert_null(
            world_run(&(struct world_options){ .config = config, .workers = 1 }, all_leave, NULL));
}

static int published_meanwhile(struct world *w, void *arg) {
    static struct peer *all[SUBSCRIBERS];
    const char *channel = arg;
    const struct worker *worker = &w->daemon->threads[0].worker;
    const struct outbox_set *set = &worker->outboxes;
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        STORY_EXPECT(w, (all[i] = join(w, channel)) != NULL);
    struct peer *publisher = peer_open(w, NULL);
    STORY_EXPECT(w, publisher && peer_connect(publisher, world_token(w, "{\"sub\":\"7\"}")));

    uint64_t before = set->sends;
    for (int i = 1; i <= 3; i++) {
        STORY_EXPECT(w, publish(w, publisher, channel, i) == 0);
        STORY_EXPECT(w, !list_is_empty(&worker->channels.left));
        STORY_EXPECT(w, set->waiting < SUBSCRIBERS); /* nobody has a line for it */
    }
    for (int i = 0; i < 3; i++)
        HEARS(publisher, "{\"id\":3,\"publish\":{}}");
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        for (int k = 1; k <= 3; k++)
            STORY_EXPECT(w, strstr(peer_hear(all[i], 1000), (char[]){ ':', (char) ('0' + k), 0 }));
    /* The first ones have had the first alone; everybody else had more in one. */
    STORY_EXPECT(w, set->sends - before < 2UL * SUBSCRIBERS);
    STORY_EXPECT(w, list_is_empty(&worker->channels.left));
    return 0;
}

static void what_is_published_while_a_crowd_is_sent_to_leaves_in_the_same_sends(void **state) {
    struct world_options o = { .config = config, .workers = 1 };
    (void) state;
    assert_null(world_run(&o, published_meanwhile, (char[]){ "kept:room" }));
    assert_null(world_run(&o, published_meanwhile, (char[]){ "live:room" }));
}

/* ---- anything at any time ---- */

enum {
    FOLLOWERS_MAX = 200,
    FOLLOWERS_FIRST = 100,
    STEPS = 120,
    BURST = 40,
    PADDING_MAX = 600,
    ROOM_BYTES = 512 * 1024
};

struct follower {
    struct peer *peer;
    int first_least, first_most; /* which publication may be the first that it hears */
    int last;                    /* that it has heard */
};

struct crossing {
    const char *channel;
    struct peer *publisher;
    int said, acknowledged;
    uint32_t random;
    struct follower followers[FOLLOWERS_MAX];
    size_t n;
};

static uint32_t random_below(struct crossing *x, uint32_t n) {
    x->random = x->random * 1664525u + 1013904223u;
    return (uint32_t) (((uint64_t) x->random * n) >> 32);
}

static int hear_answers(struct world *w, struct crossing *x, int64_t wait_ms) {
    const char *text;
    while (strcmp(text = peer_hear(x->publisher, wait_ms), "nothing") != 0) {
        STORY_EXPECT(w, text_matches(text, "{\"id\":3,\"publish\":{*}}"));
        x->acknowledged++;
    }
    return 0;
}

static void say_next(struct crossing *x) {
    char padding[PADDING_MAX + 1];
    size_t len = random_below(x, PADDING_MAX);
    memset(padding, 'x', len);
    padding[len] = 0;
    peer_say(x->publisher,
             "{\"id\":3,\"publish\":{\"channel\":\"%s\",\"data\":{\"n\":%d,\"x\":\"%s\"}}}",
             x->channel, ++x->said, padding);
}

static int someone_comes(struct world *w, struct crossing *x) {
    if (x->n == FOLLOWERS_MAX)
        return 0;
    struct follower *f = &x->followers[x->n];
    f->peer = peer_open(w, &(struct peer_options){ .worker = 0, .offers_deflate = x->n % 3 == 0 });
    STORY_EXPECT(w, f->peer && peer_connect(f->peer, world_token(w, "{\"sub\":\"42\"}")));
    f->last = 0;
    f->first_least = x->acknowledged + 1;
    peer_say(f->peer, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", x->channel);
    HEARS(f->peer, "{\"id\":2,\"subscribe\":*");
    f->first_most = x->said + 1;
    x->n++;
    return 0;
}

static void someone_goes(struct crossing *x) {
    struct follower *f = &x->followers[random_below(x, (uint32_t) x->n)];
    f->peer = peer_close(f->peer);
    *f = x->followers[--x->n];
}

/* Without a gap. */
static int hear_pending(struct world *w, struct follower *f, int64_t wait_ms) {
    const char *text, *at;
    while (strcmp(text = peer_hear(f->peer, wait_ms), "nothing") != 0) {
        STORY_EXPECT(w, (at = strstr(text, "\"n\":")) != NULL);
        int n = atoi(at + 4);
        STORY_EXPECT(w, f->last ? n == f->last + 1 : n >= f->first_least && n <= f->first_most);
        f->last = n;
    }
    return 0;
}

static int anything_happens(struct world *w, void *arg) {
    struct crossing *x = arg;
    x->publisher = peer_open(w, NULL);
    STORY_EXPECT(w, x->publisher && peer_connect(x->publisher, world_token(w, "{\"sub\":\"7\"}")));
    for (int i = 0; i < FOLLOWERS_FIRST; i++)
        STORY_EXPECT(w, someone_comes(w, x) == 0);
    for (int i = 0; i < STEPS; i++) {
        for (uint32_t n = random_below(x, 10) ? random_below(x, 4) : BURST; n > 0; n--)
            say_next(x);
        if (random_below(x, 2) == 0)
            STORY_EXPECT(w, someone_comes(w, x) == 0);
        if (random_below(x, 2) == 0)
            someone_goes(x);
        STORY_EXPECT(w, hear_answers(w, x, 0) == 0);
    }
    STORY_EXPECT(w, hear_answers(w, x, 1000) == 0 && x->acknowledged == x->said);
    for (size_t i = 0; i < x->n; i++) {
        struct follower *f = &x->followers[i];
        STORY_EXPECT(w, hear_pending(w, f, 100) == 0);
        STORY_EXPECT(w, f->last == x->said || (f->last == 0 && f->first_most > x->said));
    }
    STORY_EXPECT(w, list_is_empty(&w->daemon->threads[0].worker.channels.left));
    return 0;
}

static void whoever_comes_or_goes_while_a_run_is_under_way_has_each_publication_once(void **state) {
    static const char *const channels[] = { "kept:room", "live:room", "some:room" };
    struct crossing *x = calloc(1, sizeof *x);
    (void) state;
    assert_non_null(x);
    for (uint32_t seed = 1; seed <= 6; seed++) {
        struct world_options o = {
            .config = config, .workers = 1, .seed = seed, .pipe_bytes = ROOM_BYTES
        };
        *x = (struct crossing){ .channel = channels[seed % 3], .random = seed };
        const char *failure = world_run(&o, anything_happens, x);
        if (failure)
            fail_msg("%s: %s", x->channel, failure);
    }
    free(x);
}

static int make(void **state) {
    *state = calloc(1, sizeof(struct crowd));
    return *state ? 0 : -1;
}

static int unmake(void **state) {
    free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_is_sent_to_in_turns_and_who_waits_longest_comes_first),
        cmocka_unit_test(order_survives_turns_of_any_length),
        cmocka_unit_test(who_waits_for_its_turn_is_not_taken_for_slow),
        cmocka_unit_test(an_end_may_come_before_ones_turn),
        cmocka_unit_test(each_subscriber_has_each_publication_once_whoever_comes_and_goes),
        cmocka_unit_test(a_channel_may_be_left_by_all_before_their_turn),
        cmocka_unit_test(what_is_published_while_a_crowd_is_sent_to_leaves_in_the_same_sends),
        cmocka_unit_test(whoever_comes_or_goes_while_a_run_is_under_way_has_each_publication_once),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
