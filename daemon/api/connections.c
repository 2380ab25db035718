/* connections: who is connected, page by page in the order of client ids. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/api/who.h"
#include "daemon/node/desk.h"
#include "daemon/session/control.h"
#include "daemon/session/subscription.h"
#include "daemon/survey.h"
#include "protocol/json.h"

enum { LIMIT_DEFAULT = 100, CHANNELS_MAX = 1000 /* listed of one connection */ };

/* Of one worker: the first ones behind the cursor, and then what is said of them. */
struct found {
    struct session **items; /* a heap with the greatest client id at its top */
    size_t n, room;
    struct buffer text; /* of all: name and object of each, with a comma in front */
    struct piece {
        struct client_id client;
        uint32_t at, len;
    } * pieces;
};

/* As their texts compare. */
static int compare(const struct client_id *a, const struct client_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int compare_ids(const struct session *a, const struct session *b) {
    return compare(&a->client, &b->client);
}

static void swap(struct session **a, struct session **b) {
    struct session *t = *a;
    *a = *b;
    *b = t;
}

static void sink(struct found *f) {
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= f->n)
            return;
        if (child + 1 < f->n && compare_ids(f->items[child + 1], f->items[child]) > 0)
            child++;
        if (compare_ids(f->items[child], f->items[i]) <= 0)
            return;
        swap(&f->items[i], &f->items[child]);
        i = child;
    }
}

static void rise(struct found *f) {
    for (size_t i = f->n - 1; i > 0;) {
        size_t parent = (i - 1) / 2;
        if (compare_ids(f->items[i], f->items[parent]) <= 0)
            return;
        swap(&f->items[i], &f->items[parent]);
        i = parent;
    }
}

struct looking {
    const struct api_who *who;
    const struct client_id *cursor; /* NULL: from the beginning */
    size_t limit;                   /* one more than is wanted: it tells whether there is more */
};

struct looking_here {
    const struct looking *looking;
    struct found *found;
};

static int consider(struct session *s, void *arg) {
    const struct looking_here *h = arg;
    struct found *f = h->found;
    const struct client_id *cursor = h->looking->cursor;

    if (cursor && compare(&s->client, cursor) <= 0)
        return 0;
    if (f->n < h->looking->limit) {
        f->items[f->n++] = s;
        rise(f);
    } else if (compare_ids(s, f->items[0]) < 0) {
        f->items[0] = s;
        sink(f);
    }
    return 0;
}

static void put_member(struct buffer *out, const char *name, struct str value) {
    if (value.len == 0)
        return;
    buffer_printf(out, "\"%s\":", name);
    json_append_string(out, value);
    buffer_append_byte(out, ',');
}

static void put_state(struct buffer *out, struct session *s) {
    size_t listed = 0;
    buffer_append_str(out, STR("\"state\":{\"channels\":{"));
    for (size_t i = 0; i < s->n_subs && listed < CHANNELS_MAX; i++) {
        const struct subscription *sub = session_sub(s, (unsigned) i);
        if (!sub->is_listed) /* on its way */
            continue;
        if (listed++)
            buffer_append_byte(out, ',');
        json_append_string(out, channel_name(sub->channel));
        buffer_append_str(out,
                          sub->is_server_side ? STR(":{\"source\":1}") : STR(":{\"source\":0}"));
    }
    buffer_append_byte(out, '}');
    struct str id = session_token_id(s);
    int64_t issued_at_s = session_token_issued_at_s(s);
    if (id.len || issued_at_s) {
        buffer_append_str(out, STR(",\"connection_token\":{"));
        put_member(out, "uid", id);
        buffer_printf(out, "\"issued_at\":%lld}", (long long) issued_at_s);
    }
    struct bytes meta = session_meta(s);
    if (meta.len)
        api_put_payload(out, STR(",\"meta\":"), STR(",\"b64meta\":"), meta);
    buffer_append_byte(out, '}');
}

static void put_labels(struct buffer *out, const struct session *s) {
    struct arena a CLEANUP(arena_finish) = ARENA_INIT;
    struct tag *labels;
    size_t n;
    if (api_labels_of(s, &a, &labels, &n) < 0 || n == 0)
        return;
    buffer_append_str(out, STR(",\"labels\":{"));
    for (size_t i = 0; i < n; i++) {
        if (i)
            buffer_append_byte(out, ',');
        json_append_string(out, labels[i].key);
        buffer_append_byte(out, ':');
        json_append_string(out, labels[i].value);
    }
    buffer_append_byte(out, '}');
}

static void put_session(struct buffer *out, struct session *s) {
    const struct wire_traits *traits = wire_traits(session_format(s));
    struct client_text client;

    json_append_string(out, session_client(s, &client));
    buffer_append_str(out, STR(":{"));
    put_member(out, "app_name", session_library(s));
    put_member(out, "app_version", session_library_version(s));
    put_member(out, "transport", traits->transport);
    put_member(out, "protocol", str_of(traits->codec->name));
    buffer_append_str(out, STR("\"user\":"));
    json_append_string(out, session_user(s));
    buffer_append_byte(out, ',');
    buffer_printf(out, "\"connected_at_ms\":%lld,", (long long) session_connected_ms(s));
    put_state(out, s);
    put_labels(out, s);
    buffer_append_byte(out, '}');
}

static int look_here(struct worker *w, void *arg, void *part) {
    const struct looking *l = arg;
    struct found *f = part;

    f->items = calloc(l->limit, sizeof(struct session *));
    f->pieces = calloc(l->limit, sizeof *f->pieces);
    if (!f->items || !f->pieces)
        return -ENOMEM;
    int r = api_who_each(w, l->who, consider, &(struct looking_here){ l, f });
    for (size_t i = 0; i < f->n; i++) {
        struct piece *p = &f->pieces[i];
        p->client = f->items[i]->client;
        p->at = (uint32_t) f->text.len;
        put_session(&f->text, f->items[i]);
        p->len = (uint32_t) f->text.len - p->at;
    }
    return r < 0 ? r : buffer_error(&f->text);
}

struct all_found {
    struct found *parts;
    size_t n_parts;
};

static void all_found_finish(struct all_found *a) {
    for (size_t i = 0; i < a->n_parts; i++) {
        free(a->parts[i].items);
        free(a->parts[i].pieces);
        buffer_finish(&a->parts[i].text);
    }
    free(a->parts);
}

/* What another node answers: {"connections":{CLIENT:{...}},"cursor":...}. */
static int read_found(struct bytes answer, struct found *f, bool *ret_has_more) {
    struct json_string key;
    struct json j;

    json_init(&j, answer);
    json_enter_object(&j);
    while (json_member(&j, &key)) {
        if (json_is(key, STR("cursor")))
            *ret_has_more = json_skip(&j) || *ret_has_more;
        if (!json_is(key, STR("connections"))) {
            if (!json_is(key, STR("cursor")))
                json_skip(&j);
            continue;
        }
        json_enter_object(&j);
        while (json_member(&j, &key)) {
            struct piece *p;
            struct bytes value;
            if (f->n == f->room)
                return -EBADMSG; /* more than were asked for */
            p = &f->pieces[f->n];
            if (!client_id_parse(key.raw, &p->client) || !json_value(&j, &value))
                return -EBADMSG;
            p->at = (uint32_t) f->text.len;
            json_append_string(&f->text, key.raw);
            buffer_append_byte(&f->text, ':');
            buffer_append_bytes(&f->text, value);
            p->len = (uint32_t) f->text.len - p->at;
            f->n++;
        }
    }
    int r = json_result(&j);
    return r < 0 ? r : buffer_error(&f->text);
}

static int read_others(const struct node_answers *others, size_t limit, struct found *parts,
                       bool *ret_has_more) {
    int r = 0;
    for (size_t i = 0; i < others->n && r == 0; i++) {
        if (others->items[i].result != NODE_DONE)
            continue;
        parts[i].room = limit;
        parts[i].pieces = calloc(limit, sizeof *parts[i].pieces);
        r = parts[i].pieces ? read_found(others->items[i].body, &parts[i], ret_has_more) : -ENOMEM;
    }
    return r;
}

struct sorted {
    const struct piece *piece;
    const struct found *of;
};

static int compare_sorted(const void *a, const void *b) {
    const struct sorted *x = a, *y = b;
    return compare(&x->piece->client, &y->piece->client);
}

/* has_more: of other nodes, who have a page each. */
static int write_page(struct api_call *c, const struct all_found *all, size_t limit,
                      bool has_more) {
    size_t n = 0, at = 0;
    for (size_t i = 0; i < all->n_parts; i++)
        n += all->parts[i].n;
    struct sorted *sorted = arena_alloc(c->arena, (n ? n : 1) * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < all->n_parts; i++)
        for (size_t k = 0; k < all->parts[i].n; k++)
            sorted[at++] = (struct sorted){ &all->parts[i].pieces[k], &all->parts[i] };
    qsort(sorted, n, sizeof *sorted, compare_sorted);

    buffer_append_str(c->out, STR("{\"connections\":{"));
    for (size_t i = 0; i < n && i < limit; i++) {
        if (i)
            buffer_append_byte(c->out, ',');
        buffer_append(c->out, sorted[i].of->text.data + sorted[i].piece->at, sorted[i].piece->len);
    }
    buffer_append_byte(c->out, '}');
    if (n > limit || (has_more && n > 0)) {
        n = n < limit ? n : limit;
        buffer_append_str(c->out, STR(",\"cursor\":"));
        struct client_text text;
        json_append_string(c->out, client_id_text(&sorted[n - 1].piece->client, &text));
    }
    buffer_append_byte(c->out, '}');
    return 0;
}

int api_connections(struct api_call *c) {
    const struct api_params *q = c->params;
    size_t limit = q->limit ? (size_t) q->limit : LIMIT_DEFAULT;
    CLEANUP(api_who_finish) struct api_who who = { 0 };
    CLEANUP(all_found_finish) struct all_found all = { 0 };
    CLEANUP(node_answers_finish) struct node_answers others = { 0 };
    bool has_more = false;

    if (q->expression.len)
        return api_error(c, ERROR_BAD_REQUEST, "expression is not supported: see label_filter");
    struct client_id cursor;
    if (q->cursor.len && !client_id_parse(q->cursor, &cursor))
        return api_error(c, ERROR_BAD_REQUEST, "cursor is not one of an earlier page");
    int r = api_who_of(c, &who);
    if (r != 0)
        return r;
    who.everybody = who.user.len == 0 && who.client.len == 0; /* here empty means any */

    r = api_ask_nodes(c, &others);
    if (r == 0)
        r = api_check_nodes(c, &others);
    if (r)
        return r;
    size_t n_workers = c->worker->daemon->surveys.n;
    all.parts = calloc(n_workers + others.n, sizeof *all.parts);
    if (!all.parts)
        return -ENOMEM;
    all.n_parts = n_workers + others.n;
    struct looking l = { .who = &who,
                         .cursor = q->cursor.len ? &cursor : NULL,
                         .limit = limit + 1 };
    r = survey(c->worker, &(struct survey){ .ask = look_here,
                                            .arg = &l,
                                            .parts = all.parts,
                                            .part_bytes = sizeof *all.parts });
    if (r == 0)
        r = read_others(&others, limit, all.parts + n_workers, &has_more);
    return r < 0 ? api_failed(c, r) : write_page(c, &all, limit, has_more);
}
