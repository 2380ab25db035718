/* channels and info: what all workers have together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "async/loop.h"
#include "daemon/api/glob.h"
#include "daemon/api/impl.h"
#include "daemon/survey.h"
#include "protocol/json.h"

/* ---- lists of names ---- */

/* Of one worker: names one after another, and where each ends. */
struct names {
    struct buffer text;
    struct buffer items; /* struct name */
};

struct name {
    uint32_t len, count;
};

static void names_add(struct names *n, struct str text, uint32_t count) {
    struct name item = { (uint32_t) text.len, count };
    buffer_append_str(&n->text, text);
    buffer_append(&n->items, &item, sizeof item);
}

static int names_error(const struct names *n) {
    int r = buffer_error(&n->text);
    return r < 0 ? r : buffer_error(&n->items);
}

/* Of all workers: a name that several have is in it once. */
struct merged {
    struct table_entry entry;
    struct str text;
    uint64_t count;
};

struct merger {
    struct names *parts;
    size_t n_parts;
    struct table table;
    struct merged *items;
    size_t n;
};

static struct bytes key_of_merged(const struct table_entry *e) {
    return str_bytes(CONTAINER_OF(e, struct merged, entry)->text);
}

static void merger_finish(struct merger *m) {
    for (size_t i = 0; i < m->n_parts; i++) {
        buffer_finish(&m->parts[i].text);
        buffer_finish(&m->parts[i].items);
    }
    free(m->parts);
    free(m->items);
    table_finish(&m->table);
}

static int merge_one(struct merger *m, struct str text, uint32_t count) {
    struct table_entry *e = table_find(&m->table, str_bytes(text));
    if (e) {
        CONTAINER_OF(e, struct merged, entry)->count += count;
        return 0;
    }
    struct merged *item = &m->items[m->n];
    *item = (struct merged){ .text = text, .count = count };
    int r = table_add(&m->table, &item->entry);
    m->n += r == 0;
    return r;
}

static int merge_part(struct merger *m, const struct names *part) {
    size_t n = part->items.len / sizeof(struct name), at = 0;
    for (size_t i = 0; i < n; i++) {
        struct name item;
        memcpy(&item, part->items.data + i * sizeof item, sizeof item);
        int r = merge_one(m, (struct str){ (const char *) part->text.data + at, item.len },
                          item.count);
        if (r == 0)
            r = api_breathe(i);
        if (r < 0)
            return r;
        at += item.len;
    }
    return 0;
}

/* Asks every worker for its names, and makes one list of them. */
static int gather(struct worker *w, survey_fn *ask, void *arg, struct merger *m) {
    struct table_seed seed;
    size_t n = 0;

    loop_random(&seed, sizeof seed);
    table_init(&m->table, &seed, key_of_merged);
    m->parts = calloc(w->daemon->surveys.n, sizeof *m->parts);
    if (!m->parts)
        return -ENOMEM;
    m->n_parts = w->daemon->surveys.n;
    int r = survey(
            w, &(struct survey){
                       .ask = ask, .arg = arg, .parts = m->parts, .part_bytes = sizeof *m->parts });
    for (size_t i = 0; i < m->n_parts; i++)
        n += m->parts[i].items.len / sizeof(struct name);
    if (r == 0 && !(m->items = calloc(n ? n : 1, sizeof *m->items)))
        r = -ENOMEM;
    for (size_t i = 0; i < m->n_parts && r == 0; i++)
        r = merge_part(m, &m->parts[i]);
    return r;
}

/* ---- channels ---- */

static int channels_here(struct worker *w, void *arg, void *part) {
    const struct pattern *pattern = arg;
    struct names *names = part;

    TABLE_FOREACH (&w->channels.table, e) {
        const struct channel *c = CONTAINER_OF(e, struct channel, entry);
        if (c->n > 0 && (!pattern || pattern_matches(pattern, channel_name(c))))
            names_add(names, channel_name(c), c->n);
    }
    return names_error(names);
}

static void pattern_freep(struct pattern **p) {
    *p = pattern_free(*p);
}

int api_channels(struct api_call *c) {
    CLEANUP(pattern_freep) struct pattern *pattern = NULL;
    CLEANUP(merger_finish) struct merger all = { 0 };
    char why[API_WHY_MAX / 2];

    if (c->params->pattern.len) {
        int r = glob_new(c->params->pattern, &pattern, why, sizeof why);
        if (r == -EINVAL)
            return api_error(c, ERROR_BAD_REQUEST, "pattern: %s", why);
        if (r < 0)
            return r;
    }
    int r = gather(c->worker, channels_here, pattern, &all);
    if (r < 0)
        return api_failed(c, r);

    buffer_append_str(c->out, STR("{\"channels\":{"));
    for (size_t i = 0; i < all.n; i++) {
        if (i)
            buffer_append_byte(c->out, ',');
        json_append_string(c->out, all.items[i].text);
        buffer_printf(c->out, ":{\"num_clients\":%llu}", (unsigned long long) all.items[i].count);
        if ((r = api_breathe(i)) < 0)
            return r;
    }
    buffer_append_str(c->out, STR("}}"));
    return 0;
}

/* ---- info ---- */

/* Of one worker. What several may have in common is told apart by a hash of 64 bits. */
struct census {
    uint64_t clients, subscriptions;
    struct buffer users, channels; /* uint64_t, of each */
};

static void add_hash(struct buffer *to, const struct table_seed *seed, struct bytes name) {
    uint64_t hash = table_hash(seed, name);
    buffer_append(to, &hash, sizeof hash);
}

static int census_here(struct worker *w, void *arg, void *part) {
    const struct table_seed *seed = arg;
    struct census *c = part;

    c->clients = (uint64_t) metrics_gauge_of(&w->metrics, GAUGE_CLIENTS);
    c->subscriptions = w->channels.subscriptions;
    TABLE_FOREACH (&w->channels.table, e) {
        const struct channel *channel = CONTAINER_OF(e, struct channel, entry);
        if (channel->n > 0)
            add_hash(&c->channels, seed, str_bytes(channel_name(channel)));
    }
    HUB_FOREACH (w, walk) {
        if (walk.session->is_in_hub)
            add_hash(&c->users, seed, str_bytes(session_user(walk.session)));
    }
    int r = buffer_error(&c->users);
    return r < 0 ? r : buffer_error(&c->channels);
}

static int compare_hashes(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static size_t count_distinct(struct buffer *hashes) {
    size_t n = hashes->len / sizeof(uint64_t), distinct = 0;
    if (n > 1)
        qsort(hashes->data, n, sizeof(uint64_t), compare_hashes);
    for (size_t i = 0; i < n; i++)
        distinct +=
                i == 0 || memcmp(hashes->data + i * sizeof(uint64_t),
                                 hashes->data + (i - 1) * sizeof(uint64_t), sizeof(uint64_t)) != 0;
    return distinct;
}

struct totals {
    uint64_t clients, subscriptions, users, channels;
};

static int count_all(struct worker *w, struct totals *ret) {
    size_t n = w->daemon->surveys.n;
    struct table_seed seed;
    struct census *parts = calloc(n, sizeof *parts);
    if (!parts)
        return -ENOMEM;

    loop_random(&seed, sizeof seed);
    int r = survey(w, &(struct survey){ .ask = census_here,
                                        .arg = &seed,
                                        .parts = parts,
                                        .part_bytes = sizeof *parts });
    for (size_t i = 0; i < n; i++) {
        ret->clients += parts[i].clients;
        ret->subscriptions += parts[i].subscriptions;
        if (i > 0) {
            buffer_append_bytes(&parts[0].users, buffer_bytes(&parts[i].users));
            buffer_append_bytes(&parts[0].channels, buffer_bytes(&parts[i].channels));
        }
    }
    if (r == 0)
        r = buffer_error(&parts[0].users);
    if (r == 0)
        r = buffer_error(&parts[0].channels);
    ret->users = count_distinct(&parts[0].users);
    ret->channels = count_distinct(&parts[0].channels);
    for (size_t i = 0; i < n; i++) {
        buffer_finish(&parts[i].users);
        buffer_finish(&parts[i].channels);
    }
    free(parts);
    return r;
}

static void put_process(struct buffer *out, int64_t uptime_ms) {
    struct rusage usage;
    unsigned long long pages = 0, resident = 0;

    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return;
    FILE *f = fopen("/proc/self/statm", "re"); /* made by the kernel as it is read */
    if (f) {
        if (fscanf(f, "%llu %llu", &pages, &resident) != 2)
            resident = 0;
        (void) fclose(f);
    }
    int64_t busy_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
                      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    int64_t permille = uptime_ms > 0 ? busy_us / uptime_ms : 0; /* of one processor */
    buffer_printf(out, ",\"process\":{\"cpu\":%lld.%lld,\"rss\":%llu}", (long long) permille / 10,
                  (long long) permille % 10, resident * (unsigned long long) sysconf(_SC_PAGESIZE));
}

int api_info(struct api_call *c) {
    const struct daemon *d = c->worker->daemon;
    struct totals all = { 0 };
    char name[256] = "";

    int r = count_all(c->worker, &all);
    if (r < 0)
        return api_failed(c, r);
    int64_t uptime_ms = loop_now() - d->started_ms;
    (void) gethostname(name, sizeof name - 1);
    buffer_append_str(c->out, STR("{\"nodes\":[{\"uid\":"));
    json_append_string(c->out, str_of(d->node_id));
    buffer_append_str(c->out, STR(",\"name\":"));
    json_append_string(c->out, str_of(name));
    buffer_printf(c->out,
                  ",\"version\":\"%s\",\"num_clients\":%llu,\"num_users\":%llu,\"num_subs\":%llu,"
                  "\"num_channels\":%llu,\"uptime\":%lld",
                  PARLEY_VERSION, (unsigned long long) all.clients, (unsigned long long) all.users,
                  (unsigned long long) all.subscriptions, (unsigned long long) all.channels,
                  (long long) (uptime_ms / 1000));
    put_process(c->out, uptime_ms);
    buffer_append_str(c->out, STR("}]}"));
    return 0;
}
