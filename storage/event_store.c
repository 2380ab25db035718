#include "storage/event_store.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol/buffer.h"
#include "storage/clock.h"
#include "storage/engine_impl.h"

/* An event, or the end of what stands: then it is in the table, by queue and subject. */
struct kept_event {
    struct link link;
    struct table_entry entry;
    struct kept_event *next, *its_end; /* on the way in */
    uint64_t id;
    int64_t time_ms;
    enum event_effect effect;
    struct bytes payload;
    uint32_t queue_len;
    size_t name_len;
    char name[]; /* the queue and, behind it, the subject; then the payload */
};

static struct str queue_of(const struct kept_event *k) {
    return (struct str){ .data = k->name, .len = k->queue_len };
}

static struct str subject_of(const struct kept_event *k) {
    return (struct str){ .data = k->name + k->queue_len, .len = k->name_len - k->queue_len };
}

/* The queue's name ends in a byte that no name has. */
static struct bytes standing_name(const struct table_entry *e) {
    const struct kept_event *k = CONTAINER_OF(e, struct kept_event, entry);
    return bytes_of(k->name, k->name_len);
}

void event_store_init(struct event_store *s, const struct table_seed *seed, size_t max) {
    pthread_mutex_init(&s->mutex, NULL);
    list_init(&s->events);
    table_init(&s->standing, seed, standing_name);
    s->max = max ? max : EVENTS_MAX;
}

static void drop_event(struct event_store *s, struct kept_event *k) {
    list_remove(&k->link);
    s->n--;
    free(k);
}

static void drop_standing(struct event_store *s, struct kept_event *k) {
    table_remove(&s->standing, &k->entry);
    free(k);
}

void event_store_finish(struct event_store *s) {
    LIST_FOREACH_SAFE (&s->events, link, after)
        drop_event(s, CONTAINER_OF(link, struct kept_event, link));
    TABLE_FOREACH (&s->standing, e)
        drop_standing(s, CONTAINER_OF(e, struct kept_event, entry));
    table_finish(&s->standing);
    pthread_mutex_destroy(&s->mutex);
}

static struct kept_event *kept_event_new(const struct event_item *item, struct bytes payload) {
    struct str queue = item->queue, subject = item->subject;
    struct kept_event *k = malloc(sizeof *k + queue.len + 1 + subject.len + payload.len);
    if (!k)
        return NULL;
    *k = (struct kept_event){ .queue_len = (uint32_t) queue.len + 1,
                              .name_len = queue.len + 1 + subject.len,
                              .effect = item->effect,
                              .time_ms = item->time_ms };
    memcpy(k->name, queue.data, queue.len);
    k->name[queue.len] = 0;
    if (subject.len > 0)
        memcpy(k->name + k->queue_len, subject.data, subject.len);
    if (payload.len > 0)
        memcpy(k->name + k->name_len, payload.data, payload.len);
    k->payload = bytes_of(k->name + k->name_len, payload.len);
    return k;
}

static void enqueue(struct event_store *s, struct kept_event *k) {
    k->id = ++s->last_id;
    list_append(&s->events, &k->link);
    s->n++;
}

static int stand(struct event_store *s, struct kept_event *end) {
    struct table_entry *old = table_find(&s->standing, standing_name(&end->entry));
    if (old)
        drop_standing(s, CONTAINER_OF(old, struct kept_event, entry));
    return table_add(&s->standing, &end->entry);
}

/* Whether the event is one to be heard of. */
static bool end(struct event_store *s, const struct kept_event *k) {
    struct table_entry *e = table_find(&s->standing, standing_name(&k->entry));
    if (e)
        drop_standing(s, CONTAINER_OF(e, struct kept_event, entry));
    return e != NULL;
}

/* Takes the event, or frees it. -ENOMEM: of the end. */
static int append(struct event_store *s, struct kept_event *k, size_t *dropped) {
    struct kept_event *its_end = TAKE(k->its_end);
    bool is_taken = k->effect == EVENT_ENDS ? end(s, k) : s->n < s->max;
    int r = 0;
    if (!is_taken && k->effect != EVENT_ENDS) {
        s->rejected++;
        (*dropped)++;
    }
    if (is_taken && its_end) {
        r = stand(s, its_end); /* can fail for the first one that ever stood only */
        its_end = r == 0 ? NULL : its_end;
    }
    free(its_end);
    if (is_taken && r == 0 && k->effect != EVENT_STANDS)
        enqueue(s, k);
    else
        free(k);
    return r;
}

static void free_all(struct kept_event *k) {
    while (k) {
        struct kept_event *next = k->next;
        free(k->its_end);
        free(k);
        k = next;
    }
}

/* All memory first, so that nothing is done by half. */
static int make_all(const struct event_request *q, struct kept_event **ret) {
    struct kept_event *first = NULL, **last = &first;
    for (size_t i = 0; i < q->n; i++) {
        const struct event_item *item = &q->items[i];
        struct kept_event *k = *last = kept_event_new(item, item->payload);
        bool stands = item->effect == EVENT_BEGINS || item->effect == EVENT_STANDS;
        if (k && stands)
            k->its_end = kept_event_new(item, item->end);
        if (!k || (stands && !k->its_end)) {
            free_all(first);
            return -ENOMEM;
        }
        last = &k->next;
    }
    *ret = first;
    return 0;
}

void event_store_append(struct event_store *s, struct event_request *request) {
    struct kept_event *k = NULL;
    request->dropped = 0;
    int r = make_all(request, &k);
    pthread_mutex_lock(&s->mutex);
    if (r == 0)
        r = table_reserve(&s->standing);
    while (r == 0 && k) {
        struct kept_event *next = k->next;
        r = append(s, k, &request->dropped);
        k = next;
    }
    pthread_mutex_unlock(&s->mutex);
    free_all(k);
    engine_event_answer(request, r);
}

static bool is_of(const struct kept_event *k, struct str queue) {
    return k->queue_len == queue.len + 1 && memcmp(k->name, queue.data, queue.len) == 0;
}

int event_store_next(struct event_store *s, struct str queue, uint64_t after, uint32_t limit,
                     size_t max_bytes, struct events *ret) {
    struct events all = { 0 };
    struct buffer text = BUFFER_INIT;
    size_t bytes = 0;
    int r = 0;
    pthread_mutex_lock(&s->mutex);
    LIST_FOREACH (&s->events, link) {
        const struct kept_event *k = CONTAINER_OF(link, struct kept_event, link);
        if (k->id <= after || !is_of(k, queue))
            continue;
        bytes += k->payload.len;
        if (r < 0 || all.n == limit || (all.n > 0 && bytes > max_bytes))
            break;
        r = events_add(&all, &text, k->id, k->time_ms, subject_of(k), k->payload);
    }
    pthread_mutex_unlock(&s->mutex);
    events_settle(&all, &text);
    if (r < 0) {
        events_finish(&all);
        return r;
    }
    *ret = all;
    return 0;
}

static bool is_among(uint64_t id, const uint64_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

void event_store_done(struct event_store *s, const uint64_t *ids, size_t n) {
    size_t left = n;
    pthread_mutex_lock(&s->mutex);
    LIST_FOREACH_SAFE (&s->events, link, after) {
        struct kept_event *k = CONTAINER_OF(link, struct kept_event, link);
        if (left == 0)
            break;
        if (is_among(k->id, ids, n)) {
            drop_event(s, k);
            left--;
        }
    }
    pthread_mutex_unlock(&s->mutex);
}

int event_store_end_standing(struct event_store *s) {
    pthread_mutex_lock(&s->mutex);
    TABLE_FOREACH (&s->standing, e) {
        struct kept_event *k = CONTAINER_OF(e, struct kept_event, entry);
        table_remove(&s->standing, e);
        k->time_ms = clock_wall_ms();
        enqueue(s, k);
    }
    pthread_mutex_unlock(&s->mutex);
    return 0;
}

static bool is_kept(const struct kept_event *k, const struct str *queues, size_t n) {
    struct str queue = queue_of(k);
    queue.len--;
    for (size_t i = 0; i < n; i++) {
        if (str_equal(queue, queues[i]))
            return true;
    }
    return false;
}

uint64_t event_store_keep_queues(struct event_store *s, const struct str *queues, size_t n) {
    uint64_t dropped = 0;
    pthread_mutex_lock(&s->mutex);
    LIST_FOREACH_SAFE (&s->events, link, after) {
        struct kept_event *k = CONTAINER_OF(link, struct kept_event, link);
        if (!is_kept(k, queues, n)) {
            drop_event(s, k);
            dropped++;
        }
    }
    TABLE_FOREACH (&s->standing, e) {
        struct kept_event *k = CONTAINER_OF(e, struct kept_event, entry);
        if (!is_kept(k, queues, n))
            drop_standing(s, k);
    }
    pthread_mutex_unlock(&s->mutex);
    return dropped;
}

void event_store_stats(struct event_store *s, uint64_t *ret_n, uint64_t *ret_rejected) {
    pthread_mutex_lock(&s->mutex);
    *ret_n = s->n;
    *ret_rejected = s->rejected;
    pthread_mutex_unlock(&s->mutex);
}
