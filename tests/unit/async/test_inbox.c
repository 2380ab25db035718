#include "async/inbox.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/debug.h"
#include "async/event.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/loop_impl.h"
#include "async/task.h"

enum { SENDERS = 3, POSTS_EACH = 2000 };

struct numbered {
    struct post post;
    struct mail *mail;
    int sender, number;
};

struct mail {
    struct inbox *inbox;
    struct event all_came;
    int next[SENDERS];
    int came, expected;
    bool was_disordered;
};

static void on_numbered(struct post *p) {
    struct numbered *n = CONTAINER_OF(p, struct numbered, post);
    struct mail *m = n->mail;
    if (n->number != m->next[n->sender]++)
        m->was_disordered = true;
    free(n);
    if (++m->came == m->expected)
        event_set(&m->all_came);
}

static int post_one(struct mail *m, int sender, int number) {
    struct numbered *n = malloc(sizeof *n);
    if (!n)
        return -ENOMEM;
    *n = (struct numbered){
        .post.run = on_numbered, .mail = m, .sender = sender, .number = number
    };
    inbox_post(m->inbox, &n->post);
    return 0;
}

struct sender {
    pthread_t thread;
    struct mail *mail;
    int number;
};

static void *send_all(void *arg) {
    struct sender *s = arg;
    for (int i = 0; i < POSTS_EACH; i++)
        if (post_one(s->mail, s->number, i) < 0)
            abort();
    return NULL;
}

static int three_threads_post(void *arg) {
    struct mail *m = arg;
    m->expected = SENDERS * POSTS_EACH;
    m->inbox = inbox_open(loop_current());
    if (!m->inbox)
        return -ENOMEM;
    struct sender senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .mail = m, .number = i };
        if (pthread_create(&senders[i].thread, NULL, send_all, &senders[i]) != 0)
            abort();
    }
    int r = event_wait(&m->all_came);
    for (int i = 0; i < SENDERS; i++)
        (void) pthread_join(senders[i].thread, NULL);
    m->inbox = inbox_close(m->inbox);
    return r;
}

static void posts_of_other_threads_come_each_in_its_senders_order(void **state) {
    (void) state;
    struct mail m = { 0 };
    assert_int_equal(loop_run(NULL, three_threads_post, &m), 0);
    assert_int_equal(m.came, SENDERS * POSTS_EACH);
    assert_false(m.was_disordered);
}

/* ---- from the loop's own thread ---- */

struct noted {
    struct post post;
    struct notes *all;
    char name;
    struct noted *then; /* posted from within */
};

struct notes {
    struct inbox *inbox;
    char text[32];
    size_t len;
    struct turn_hook hook;
};

static void on_noted(struct post *p) {
    struct noted *n = CONTAINER_OF(p, struct noted, post);
    n->all->text[n->all->len++] = n->name;
    if (n->then)
        inbox_post(n->all->inbox, &n->then->post);
}

static void on_turn_end(struct turn_hook *h) {
    struct notes *all = CONTAINER_OF(h, struct notes, hook);
    all->text[all->len++] = '|';
}

static int posts_to_itself(void *arg) {
    struct notes *all = arg;
    all->hook.run = on_turn_end;
    all->inbox = inbox_open(loop_current());
    if (!all->inbox)
        return -ENOMEM;
    struct noted c = { { .run = on_noted }, all, 'c', NULL };
    struct noted a = { { .run = on_noted }, all, 'a', &c },
                 b = { { .run = on_noted }, all, 'b', NULL };
    inbox_post(all->inbox, &a.post);
    inbox_post(all->inbox, &b.post);
    loop_at_turn_end(&all->hook);
    all->text[all->len++] = '-';
    int r = task_yield();
    all->text[all->len++] = '+';
    struct noted d = { { .run = on_noted }, all, 'd', NULL };
    inbox_post(all->inbox, &d.post);
    all->inbox = inbox_close(all->inbox); /* runs it first */
    return r;
}

static void own_posts_run_in_the_same_turn_before_its_hooks(void **state) {
    (void) state;
    struct notes all = { 0 };
    assert_int_equal(loop_run(NULL, posts_to_itself, &all), 0);
    assert_string_equal(all.text, "-abc|+d");
}

/* ---- quietly, from another loop ---- */

enum { TURNS = 50, POSTS_A_TURN = 40 };

struct quiet {
    struct mail *mail;
    pthread_t thread;
    int sender, result;
    unsigned due; /* wake-ups at the end of a turn, at most */
    uint64_t woken;
};

/* In some turns something urgent comes between. */
static int post_quietly(void *arg) {
    struct quiet *q = arg;
    for (int i = 0, k = 0; i < TURNS; i++) {
        for (int n = 0; n < POSTS_A_TURN; n++, k++) {
            struct numbered *p = malloc(sizeof *p);
            if (!p)
                return -ENOMEM;
            *p = (struct numbered){
                .post.run = on_numbered, .mail = q->mail, .sender = q->sender, .number = k
            };
            if (i % 3 == 0 && n == POSTS_A_TURN / 2)
                inbox_post(q->mail->inbox, &p->post);
            else
                inbox_post_quietly(q->mail->inbox, &p->post, NULL);
            if (loop_of_thread->wakes.n > q->due)
                q->due = loop_of_thread->wakes.n;
        }
        int r = i % 2 ? task_sleep(1) : task_yield(); /* the other loop sleeps now and then */
        if (r < 0)
            return r;
        if (loop_of_thread->wakes.n > 0)
            return -EBUSY;
    }
    return 0;
}

static void *run_quiet(void *arg) {
    struct quiet *q = arg;
    q->result = loop_run(NULL, post_quietly, q);
    return NULL;
}

static int hear_quiet(void *arg) {
    struct quiet *all = arg;
    struct mail *m = all->mail;
    m->expected = SENDERS * TURNS * POSTS_A_TURN;
    m->inbox = inbox_open(loop_current());
    if (!m->inbox)
        return -ENOMEM;
    for (int i = 0; i < SENDERS; i++)
        if (pthread_create(&all[i].thread, NULL, run_quiet, &all[i]) != 0)
            abort();
    int r = event_wait(&m->all_came);
    struct async_stats stats;
    async_stats(&stats);
    all->woken = stats.woken;
    for (int i = 0; i < SENDERS; i++)
        (void) pthread_join(all[i].thread, NULL);
    m->inbox = inbox_close(m->inbox);
    return r;
}

static void a_turns_quiet_posts_wake_another_loop_once(void **state) {
    (void) state;
    struct mail m = { 0 };
    struct quiet all[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        all[i] = (struct quiet){ .mail = &m, .sender = i };
    assert_int_equal(loop_run(NULL, hear_quiet, all), 0);
    assert_false(m.was_disordered);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(all[i].result, 0);
        assert_int_equal(all[i].due, 1);
    }
    assert_in_range(all[0].woken, 1, SENDERS * TURNS * 2); /* urgent ones wake, too */
}

struct leaver {
    struct inbox *inbox;
    struct leaver *other;
    pthread_barrier_t *both;
    struct post farewell;
    _Atomic bool has_heard;
    int result;
};

static void on_farewell(struct post *p) {
    atomic_store(&CONTAINER_OF(p, struct leaver, farewell)->other->has_heard, true);
}

/* Both have something to say that the other is not woken for yet, and neither's inbox can close
 * before that. */
static int leaves(void *arg) {
    struct leaver *l = arg;
    l->inbox = inbox_open(loop_current());
    if (!l->inbox)
        return -ENOMEM;
    (void) pthread_barrier_wait(l->both);
    l->farewell.run = on_farewell;
    inbox_post_quietly(l->other->inbox, &l->farewell, NULL);
    (void) pthread_barrier_wait(l->both);
    l->inbox = inbox_close(l->inbox);
    return 0;
}

static void *run_leaver(void *arg) {
    struct leaver *l = arg;
    l->result = loop_run(NULL, leaves, l);
    return NULL;
}

static void loops_that_end_together_do_not_wait_for_each_other(void **state) {
    (void) state;
    pthread_barrier_t both;
    pthread_t threads[2];
    struct leaver leavers[2];
    assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
    for (int i = 0; i < 2; i++)
        leavers[i] = (struct leaver){ .other = &leavers[1 - i], .both = &both };
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_leaver, &leavers[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(leavers[i].result, 0);
        assert_true(leavers[i].has_heard);
    }
    pthread_barrier_destroy(&both);
}

/* ---- simulated ---- */

static int posts_in_a_simulation(void *arg) {
    struct mail *m = arg;
    m->expected = 50;
    m->inbox = inbox_open(loop_current());
    if (!m->inbox)
        return -ENOMEM;
    int r = 0;
    for (int i = 0; i < m->expected && r == 0; i++) {
        r = post_one(m, 0, i);
        if (r == 0)
            r = task_yield();
    }
    if (r == 0)
        r = event_wait(&m->all_came);
    m->inbox = inbox_close(m->inbox);
    return r < 0 ? r : (int) (loop_now() % 100000);
}

static void a_simulated_inbox_is_late_by_its_seed_but_in_order(void **state) {
    (void) state;
    int results[4];
    for (uint64_t i = 0; i < 4; i++) {
        struct mail m = { 0 };
        const struct loop_options o = { .is_simulated = true, .seed = i < 2 ? 11 : i - 2 };
        results[i] = loop_run(&o, posts_in_a_simulation, &m);
        assert_true(results[i] >= 0);
        assert_int_equal(m.came, 50);
        assert_false(m.was_disordered);
    }
    assert_int_equal(results[0], results[1]);
    assert_int_equal(results[2], 0); /* seed 0: no adversity, and no time has passed */
    assert_true(results[0] > 0);
}

/* ---- an open inbox is no reason to stay, nor held work to go ---- */

/* ---- a crowd ---- */

enum { CROWD = 160, PIECE_US = 50 };

/* Of posts or tasks, each of some length. */
struct crowd {
    struct inbox *inbox;
    struct event is_over;
    int n, next;
    bool was_disordered;
    uint64_t polls_before, polls;
};

static uint64_t polls(void) {
    struct async_stats stats;
    async_stats(&stats);
    return stats.polls;
}

static void do_piece(struct crowd *c, int number) {
    int64_t until_us = loop_now_us() + PIECE_US;
    while (loop_now_us() < until_us)
        ;
    if (c->n == 0)
        c->polls_before = polls();
    c->was_disordered = c->was_disordered || number != c->n;
    if (++c->n == CROWD) {
        c->polls = polls() - c->polls_before;
        event_set(&c->is_over);
    }
}

struct piece {
    struct post post;
    struct crowd *crowd;
    int number;
};

static void on_piece(struct post *p) {
    struct piece *piece = CONTAINER_OF(p, struct piece, post);
    do_piece(piece->crowd, piece->number);
}

static int run_piece(void *arg) {
    struct crowd *c = arg;
    do_piece(c, c->next++);
    return 0;
}

static int posts_of_a_crowd(void *arg) {
    struct crowd *c = arg;
    struct piece *pieces = calloc(CROWD, sizeof *pieces);
    c->inbox = inbox_open(loop_current());
    for (int i = 0; i < CROWD; i++) {
        pieces[i] = (struct piece){ .post.run = on_piece, .crowd = c, .number = i };
        inbox_post(c->inbox, &pieces[i].post);
    }
    int r = event_wait(&c->is_over);
    inbox_close(c->inbox);
    free(pieces);
    return r;
}

static int tasks_of_a_crowd(void *arg) {
    struct crowd *c = arg;
    GROUP(g);
    int r = 0;
    for (int i = 0; r == 0 && i < CROWD; i++)
        r = group_spawn(&g, "piece", run_piece, c);
    return r < 0 ? r : group_wait(&g);
}

/* Eight pieces take 400 us, and more than a turn gives them. */
static void expect_polls_between(task_fn *story) {
    struct crowd c = { 0 };
    event_init(&c.is_over);
    assert_int_equal(loop_run(NULL, story, &c), 0);
    assert_int_equal(c.n, CROWD);
    assert_false(c.was_disordered);
    assert_true(c.polls >= CROWD / 8 - 2);
}

static void a_crowd_of_posts_does_not_keep_the_loop_from_its_descriptors(void **state) {
    (void) state;
    expect_polls_between(posts_of_a_crowd);
}

static void nor_does_a_crowd_of_tasks(void **state) {
    (void) state;
    expect_polls_between(tasks_of_a_crowd);
}

static int leaves_an_inbox(void *arg) {
    *(struct inbox **) arg = inbox_open(loop_current());
    return 0;
}

static void ignore(void *arg, const char *text) {
    ++*(int *) arg;
    (void) text;
}

static void an_inbox_alone_does_not_hold_the_loop(void **state) {
    (void) state;
    int warnings = 0;
    struct inbox *i;
    const struct loop_options o = { .on_warning = ignore, .on_warning_arg = &warnings };
    assert_int_equal(loop_run(&o, leaves_an_inbox, &i), 0);
    assert_int_equal(warnings, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_other_threads_come_each_in_its_senders_order),
        cmocka_unit_test(own_posts_run_in_the_same_turn_before_its_hooks),
        cmocka_unit_test(a_turns_quiet_posts_wake_another_loop_once),
        cmocka_unit_test(loops_that_end_together_do_not_wait_for_each_other),
        cmocka_unit_test(a_simulated_inbox_is_late_by_its_seed_but_in_order),
        cmocka_unit_test(a_crowd_of_posts_does_not_keep_the_loop_from_its_descriptors),
        cmocka_unit_test(nor_does_a_crowd_of_tasks),
        cmocka_unit_test(an_inbox_alone_does_not_hold_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
