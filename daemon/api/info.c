/* info: the nodes, and what they have to do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "async/loop.h"
#include "daemon/api/impl.h"
#include "daemon/node/desk.h"
#include "daemon/session/hub.h"
#include "daemon/survey.h"
#include "protocol/json.h"

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

static int put_this(struct api_call *c) {
    const struct daemon *d = c->worker->daemon;
    struct totals all = { 0 };

    int r = count_all(c->worker, &all);
    if (r < 0)
        return api_failed(c, r);
    int64_t uptime_ms = loop_now() - d->started_ms;
    buffer_append_str(c->out, STR("{\"uid\":"));
    json_append_string(c->out, str_of(d->node_id));
    buffer_append_str(c->out, STR(",\"name\":"));
    json_append_string(c->out, str_of(d->node_name));
    buffer_printf(c->out,
                  ",\"version\":\"%s\",\"num_clients\":%llu,\"num_users\":%llu,\"num_subs\":%llu,"
                  "\"num_channels\":%llu,\"uptime\":%lld",
                  PARLEY_VERSION, (unsigned long long) all.clients, (unsigned long long) all.users,
                  (unsigned long long) all.subscriptions, (unsigned long long) all.channels,
                  (long long) (uptime_ms / 1000));
    put_process(c->out, uptime_ms);
    buffer_append_byte(c->out, '}');
    return 0;
}

/* Of its answer, {"nodes":[{...}]}, what is in the list. */
static bool find_node(struct bytes answer, struct bytes *ret) {
    struct json_string key;
    struct json j;
    bool has = false;

    json_init(&j, answer);
    json_enter_object(&j);
    while (json_member(&j, &key)) {
        if (!json_is(key, STR("nodes"))) {
            json_skip(&j);
            continue;
        }
        json_enter_array(&j);
        while (json_element(&j))
            has = json_peek(&j) == JSON_IS_OBJECT && json_value(&j, ret);
    }
    return has && json_result(&j) == 0;
}

/* One that says nothing is listed all the same: that it does not answer is worth knowing. */
static void put_other(struct api_call *c, const struct node_answer *a) {
    struct bytes node;
    if (a->result == NODE_GONE)
        return;
    buffer_append_byte(c->out, ',');
    if (a->result == NODE_DONE && find_node(a->body, &node)) {
        buffer_append_bytes(c->out, node);
        return;
    }
    buffer_append_str(c->out, STR("{\"uid\":"));
    json_append_string(c->out, a->id);
    buffer_append_str(c->out, STR(",\"name\":"));
    json_append_string(c->out, a->name);
    buffer_append_str(c->out, STR(",\"version\":"));
    json_append_string(c->out, a->version);
    buffer_append_str(c->out, STR(",\"unanswered\":true}"));
}

int api_info(struct api_call *c) {
    CLEANUP(node_answers_finish) struct node_answers others = { 0 };

    int r = api_ask_nodes(c, &others);
    if (r)
        return r;
    buffer_append_str(c->out, STR("{\"nodes\":["));
    if ((r = put_this(c)))
        return r;
    for (size_t i = 0; i < others.n; i++)
        put_other(c, &others.items[i]);
    buffer_append_str(c->out, STR("]}"));
    return 0;
}
