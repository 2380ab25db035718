/* channels: what all workers, of all nodes, have together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/loop.h"
#include "daemon/api/glob.h"
#include "daemon/api/impl.h"
#include "daemon/node/desk.h"
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

/* Of an answer of another node: {"channels":{NAME:{"num_clients":N}}}. */
static int read_names(struct bytes answer, struct names *ret) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct json_string key;
    struct json j;

    json_init(&j, answer);
    json_enter_object(&j);
    while (json_member(&j, &key)) {
        if (!json_is(key, STR("channels"))) {
            json_skip(&j);
            continue;
        }
        json_enter_object(&j);
        while (json_member(&j, &key)) {
            uint32_t count = 0;
            struct str name = { 0 };
            struct json_string inner;
            if (json_string_text(key, &arena, &name) < 0)
                json_no_memory(&j);
            json_enter_object(&j);
            while (json_member(&j, &inner))
                if (json_is(inner, STR("num_clients")))
                    json_uint32(&j, &count);
                else
                    json_skip(&j);
            if (json_result(&j) == 0)
                names_add(ret, name, count);
        }
    }
    int r = json_result(&j);
    return r < 0 ? r : names_error(ret);
}

/* Asks every worker for its names, and makes one list of them and of the other nodes'. */
static int gather(struct worker *w, survey_fn *ask, void *arg, const struct node_answers *others,
                  struct merger *m) {
    struct table_seed seed;
    size_t n = 0;

    loop_random(&seed, sizeof seed);
    table_init(&m->table, &seed, key_of_merged);
    size_t n_workers = w->daemon->surveys.n;
    m->parts = calloc(n_workers + others->n, sizeof *m->parts);
    if (!m->parts)
        return -ENOMEM;
    m->n_parts = n_workers + others->n;
    int r = survey(
            w, &(struct survey){
                       .ask = ask, .arg = arg, .parts = m->parts, .part_bytes = sizeof *m->parts });
    for (size_t i = 0; i < others->n && r == 0; i++)
        if (others->items[i].result == NODE_DONE)
            r = read_names(others->items[i].body, &m->parts[n_workers + i]);
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
    CLEANUP(node_answers_finish) struct node_answers others = { 0 };
    char why[API_WHY_MAX / 2];

    if (c->params->pattern.len) {
        int r = glob_new(c->params->pattern, &pattern, why, sizeof why);
        if (r == -EINVAL)
            return api_error(c, ERROR_BAD_REQUEST, "pattern: %s", why);
        if (r < 0)
            return r;
    }
    int r = api_ask_nodes(c, &others);
    if (r == 0)
        r = api_check_nodes(c, &others);
    if (r)
        return r;
    r = gather(c->worker, channels_here, pattern, &others, &all);
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
