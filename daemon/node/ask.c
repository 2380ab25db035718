/* What this node asks others, and tells them. */
#include <errno.h>
#include <stdlib.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/node/desk_impl.h"
#include "daemon/worker.h"

int node_send(struct node_desk *n, struct str to, const struct node_message *m, int64_t within_ms) {
    struct buffer out CLEANUP(buffer_finish) = BUFFER_INIT;
    DEADLINE(patience, within_ms);

    node_message_encode(m, &out);
    int r = buffer_error(&out);
    if (r == 0)
        r = engine_signal(n->daemon->engine, to, buffer_bytes(&out));
    node_count(r == 0 ? &n->counts.sent : &n->counts.unsent);
    return r == -ETIMEDOUT && deadline_passed(&patience) ? -ENOTCONN : r;
}

int node_order(struct worker *w, enum node_kind kind, struct str name, uint64_t number) {
    struct node_desk *n = w->daemon->nodes;
    if (!n)
        return 0;
    return node_send(n, (struct str){ 0 },
                     &(struct node_message){ .kind = kind, .name = name, .number = number },
                     w->config->node_survey_timeout_ms);
}

/* ---- an answer ---- */

static void on_changed(struct post *p) {
    struct asking *a = CONTAINER_OF(p, struct asking, post);
    (void) pthread_mutex_lock(&a->desk->lock);
    a->is_posted = false;
    (void) pthread_mutex_unlock(&a->desk->lock);
    event_set(&a->changed);
}

static struct asking *find(struct node_desk *n, uint64_t id) {
    LIST_FOREACH (&n->askings, k) {
        struct asking *a = CONTAINER_OF(k, struct asking, link);
        if (a->id == id)
            return a;
    }
    return NULL;
}

/* Locked. False: nobody waits for it. */
static bool put_answer(struct asking *a, struct str from, const struct node_message *m) {
    size_t i = 0;
    while (i < a->n && !str_equal(a->items[i].id, from))
        i++;
    if (i == a->n || a->has[i])
        return false;
    uint8_t *body = malloc(m->body.len ? m->body.len : 1);
    a->items[i].result = body ? m->result : NODE_FAILED;
    if (body && m->body.len)
        memcpy(body, m->body.data, m->body.len);
    a->bodies[i] = bytes_of(body, body ? m->body.len : 0);
    a->has[i] = true;
    a->left--;
    return true;
}

void node_take_answer(struct node_desk *n, struct str from, const struct node_message *m) {
    (void) pthread_mutex_lock(&n->lock);
    struct asking *a = find(n, m->id);
    bool is_wanted = a && put_answer(a, from, m);
    if (is_wanted && !a->is_posted) {
        a->is_posted = true;
        inbox_post(a->home, &a->post);
    }
    (void) pthread_mutex_unlock(&n->lock);
    if (!is_wanted)
        node_count(&n->counts.late);
}

/* ---- a question ---- */

void node_answers_finish(struct node_answers *a) {
    arena_finish(&a->memory);
    *a = (struct node_answers){ 0 };
}

static size_t left_of(struct node_desk *n, const struct asking *a) {
    (void) pthread_mutex_lock(&n->lock);
    size_t left = a->left;
    (void) pthread_mutex_unlock(&n->lock);
    return left;
}

static bool is_among(const struct node_answer *all, size_t n, struct str id) {
    for (size_t i = 0; i < n; i++)
        if (str_equal(all[i].id, id))
            return true;
    return false;
}

/* Those that have left will not answer. */
static void look_round(struct node_desk *n, struct asking *a) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct node_answer *now;
    size_t n_now;
    if (node_list(n, &arena, &now, &n_now) < 0)
        return;
    (void) pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < a->n; i++) {
        if (a->has[i] || is_among(now, n_now, a->items[i].id))
            continue;
        a->items[i].result = NODE_GONE;
        a->has[i] = true;
        a->left--;
    }
    (void) pthread_mutex_unlock(&n->lock);
}

static int wait_for_all(struct node_desk *n, struct asking *a, int64_t within_ms) {
    int64_t until_ms = loop_now() + within_ms;
    for (;;) {
        event_clear(&a->changed);
        int64_t rest_ms = until_ms - loop_now();
        if (left_of(n, a) == 0 || rest_ms <= 0)
            return 0;
        DEADLINE(step, rest_ms < NODE_LOOK_MS ? rest_ms : NODE_LOOK_MS);
        int r = event_wait(&a->changed);
        if (r == -ETIMEDOUT && deadline_passed(&step))
            look_round(n, a);
        else if (r < 0)
            return r;
    }
}

/* From here on nothing of it is anybody else's. */
static void leave(struct node_desk *n, struct asking *a) {
    (void) pthread_mutex_lock(&n->lock);
    list_remove(&a->link);
    event_clear(&a->changed);
    bool is_posted = a->is_posted;
    (void) pthread_mutex_unlock(&n->lock);
    SHIELD(INT64_MAX / 2);
    int r = is_posted ? event_wait(&a->changed) : 0;
    (void) r;
}

static int collect(struct node_desk *n, struct asking *a, int otherwise, struct node_answers *ret) {
    int r = 0;
    for (size_t i = 0; i < a->n; i++) {
        struct node_answer *item = &a->items[i];
        uint8_t *body = a->bodies[i].len ? arena_alloc(&ret->memory, a->bodies[i].len) : NULL;
        if (a->bodies[i].len && !body)
            r = -ENOMEM;
        else if (body)
            memcpy(body, a->bodies[i].data, a->bodies[i].len);
        item->body = bytes_of(body, body ? a->bodies[i].len : 0);
        if (!a->has[i]) {
            item->result = otherwise;
            node_count(&n->counts.unanswered);
        }
    }
    return r;
}

static void asking_free_bodies(struct asking *a) {
    for (size_t i = 0; i < a->n; i++)
        free((void *) (uintptr_t) a->bodies[i].data);
}

static int ask(struct worker *w, struct str to, const struct node_question *q,
               struct node_answers *ret) {
    struct node_desk *n = w->daemon->nodes;
    int64_t within_ms = q->within_ms ? q->within_ms : w->config->node_survey_timeout_ms;
    struct asking *a = arena_alloc(&ret->memory, sizeof *a);
    bool *has = arena_alloc(&ret->memory, ret->n * sizeof *has);
    struct bytes *bodies = arena_alloc(&ret->memory, ret->n * sizeof *bodies);
    if (!a || !has || !bodies)
        return -ENOMEM;
    memset(has, 0, ret->n * sizeof *has);
    memset(bodies, 0, ret->n * sizeof *bodies);
    *a = (struct asking){ .desk = n,
                          .id = atomic_fetch_add(&n->last_id, 1) + 1,
                          .home = w->inbox,
                          .post.run = on_changed,
                          .items = ret->items,
                          .bodies = bodies,
                          .has = has,
                          .n = ret->n,
                          .left = ret->n };
    event_init(&a->changed);
    (void) pthread_mutex_lock(&n->lock);
    list_append(&n->askings, &a->link);
    (void) pthread_mutex_unlock(&n->lock);
    atomic_fetch_add_explicit(&n->counts.questions, ret->n, memory_order_relaxed);

    int64_t began_ms = loop_now();
    int r = node_send(n, to,
                      &(struct node_message){ .kind = q->kind,
                                              .id = a->id,
                                              .within_ms = (uint32_t) within_ms,
                                              .name = q->name,
                                              .body = q->body },
                      within_ms);
    bool is_unsent = r < 0 && r != -ECANCELED && r != -ETIMEDOUT && r != -ENOMEM;
    if (r == 0)
        r = wait_for_all(n, a, within_ms - (loop_now() - began_ms));
    leave(n, a);
    if (r == 0 || is_unsent)
        r = collect(n, a, is_unsent ? NODE_UNREACHED : NODE_UNANSWERED, ret);
    asking_free_bodies(a);
    return r;
}

/* Whom: all, or the one of that id. */
static int list_nodes(struct node_desk *n, struct str id, struct node_answers *ret) {
    int r = node_list(n, &ret->memory, &ret->items, &ret->n);
    if (r < 0 || id.len == 0)
        return r;
    size_t i = 0;
    while (i < ret->n && !str_equal(id, ret->items[i].id))
        i++;
    if (i == ret->n)
        return -ENOENT;
    ret->items += i;
    ret->n = 1;
    return 0;
}

static int ask_listed(struct worker *w, struct str to, const struct node_question *q,
                      struct node_answers *ret) {
    struct node_answers all = { 0 };
    int r = list_nodes(w->daemon->nodes, to, &all);
    if (r == 0 && all.n > 0)
        r = ask(w, to, q, &all);
    if (r < 0)
        node_answers_finish(&all);
    else
        *ret = all;
    return r;
}

int node_survey(struct worker *asker, const struct node_question *q, struct node_answers *ret) {
    *ret = (struct node_answers){ 0 };
    return asker->daemon->nodes ? ask_listed(asker, (struct str){ 0 }, q, ret) : 0;
}

int node_ask(struct worker *asker, struct str id, const struct node_question *q,
             struct node_answers *ret) {
    *ret = (struct node_answers){ 0 };
    return asker->daemon->nodes && id.len ? ask_listed(asker, id, q, ret) : -ENOENT;
}
