#include "daemon/api/who.h"

#include <errno.h>

#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "protocol/codec.h"
#include "protocol/json.h"
#include "protocol/tags_filter.h"

enum { LABELS_MAX = 64 };

static int labels_filter(struct api_call *c, struct tags_filter **ret) {
    const struct filter_node *root;
    const char *why = NULL;

    int r = codec_json.decode_filter(c->params->label_filter, c->arena, &root, &why);
    if (r == 0)
        r = tags_filter_new(root, ret, &why);
    if (r == -ENOMEM)
        return r;
    return r < 0 ? api_error(c, ERROR_BAD_REQUEST, "label_filter: %s", why ? why : "is no filter")
                 : 0;
}

int api_who_of(struct api_call *c, struct api_who *ret) {
    const struct api_params *q = c->params;
    *ret = (struct api_who){ .user = q->user,
                             .client = q->client,
                             .session = q->session,
                             .everybody = q->all_users && q->user.len == 0 && q->client.len == 0 &&
                                          q->session.len == 0 };
    return q->label_filter.len ? labels_filter(c, &ret->labels) : 0;
}

void api_who_finish(struct api_who *who) {
    who->labels = tags_filter_free(who->labels);
}

static bool decode_labels(struct json *j, struct arena *a, struct tag *items, size_t *n) {
    struct json_string name;
    if (json_peek(j) != JSON_IS_OBJECT || !json_enter_object(j))
        return json_fail(j, "labels are no object");
    while (json_member(j, &name)) {
        if (*n == LABELS_MAX || json_peek(j) != JSON_IS_STRING)
            return json_fail(j, "labels are strings, and not too many");
        if (json_string_text(name, a, &items[*n].key) < 0)
            return json_no_memory(j);
        if (json_text(j, a, &items[*n].value))
            ++*n;
    }
    return json_result(j) == 0;
}

int api_labels_of(const struct session *s, struct arena *a, struct tag **ret, size_t *ret_n) {
    struct bytes meta = session_meta(s);
    struct json_string name;
    struct json j;
    size_t n = 0;

    struct tag *items = meta.len ? arena_alloc(a, LABELS_MAX * sizeof *items) : NULL;
    if (!items)
        return meta.len ? -ENOMEM : -EBADMSG;
    json_init(&j, meta);
    if (json_peek(&j) != JSON_IS_OBJECT)
        return -EBADMSG;
    bool has = false;
    json_enter_object(&j);
    while (json_member(&j, &name)) {
        if (json_is(name, STR("labels"))) {
            n = 0;
            has = decode_labels(&j, a, items, &n);
        } else {
            json_skip(&j);
        }
    }
    int r = json_result(&j);
    if (r < 0 || !has)
        return r < 0 ? r : -EBADMSG;
    *ret = items;
    *ret_n = n;
    return 0;
}

/* A connection without labels is as one whose labels are none. */
static bool passes(const struct session *s, const struct tags_filter *f) {
    struct arena a CLEANUP(arena_finish) = ARENA_INIT;
    struct tag *labels = NULL;
    size_t n = 0;

    if (!f)
        return true;
    int r = api_labels_of(s, &a, &labels, &n);
    return r != -ENOMEM && tags_filter_match(f, labels, n);
}

static int each_one(struct session *s, const struct api_who *who, bool is_narrowed,
                    int (*f)(struct session *, void *), void *arg) {
    if (is_narrowed && who->user.len && !str_equal(session_user(s), who->user))
        return 0;
    struct client_text client;
    if (who->client.len && !str_equal(session_client(s, &client), who->client))
        return 0;
    return passes(s, who->labels) ? f(s, arg) : 0;
}

int api_who_each(struct worker *w, const struct api_who *who, int (*f)(struct session *, void *),
                 void *arg) {
    if (who->session.len || who->client.len) {
        struct session *s = who->session.len ? hub_find_session(w, who->session)
                                             : hub_find_client(w, who->client);
        return s && s->is_in_hub ? each_one(s, who, true, f, arg) : 0;
    }
    if (who->everybody) {
        HUB_FOREACH (w, walk) {
            struct session *s = walk.session;
            int r = s->is_in_hub ? each_one(s, who, false, f, arg) : 0;
            if (r != 0)
                return r;
        }
        return 0;
    }
    HUB_FOREACH_USER (w, who->user, s) {
        int r = each_one(s, who, false, f, arg);
        if (r != 0)
            return r;
    }
    return 0;
}
