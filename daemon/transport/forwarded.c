#include "daemon/transport/forwarded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "async/list.h"
#include "daemon/config/config.h"
#include "protocol/http.h"

/* One header; the texts are terminated, as an HTTP client wants them. */
struct kept {
    struct kept *next;
    bool is_emulated;
    size_t name_len;
    char text[]; /* name, NUL, value, NUL */
};

struct forwarded {
    struct kept *first, **last;
};

static const char *value_of(const struct kept *k) {
    return k->text + k->name_len + 1;
}

struct forwarded *forwarded_free(struct forwarded *f) {
    if (!f)
        return NULL;
    while (f->first) {
        struct kept *k = f->first;
        f->first = k->next;
        free(k);
    }
    free(f);
    return NULL;
}

/* ---- which ---- */

static bool is_name(struct str name, const char *lower, size_t len) {
    return name.len == len && strncasecmp(name.data, lower, len) == 0;
}

/* What says how the request itself is carried is between each two of those who carry it. */
static bool is_of_connection(struct str name) {
    static const char *const names[] = { "host",       "content-length",  "content-type",
                                         "connection", "keep-alive",      "transfer-encoding",
                                         "te",         "trailer",         "upgrade",
                                         "expect",     "proxy-connection" };
    for (size_t i = 0; i < ELEMENTS_OF(names); i++)
        if (is_name(name, names[i], strlen(names[i])))
            return true;
    return false;
}

static bool lists(const struct str *names, size_t n, struct str name) {
    for (size_t i = 0; i < n; i++)
        if (is_name(name, names[i].data, names[i].len))
            return true;
    return false;
}

static bool proxy_wants(const struct config_proxy *p, struct str name, bool is_emulated) {
    if (p->endpoint.len == 0)
        return false;
    return is_emulated ? lists(p->emulated_headers, p->n_emulated_headers, name)
                       : lists(p->http_headers, p->n_http_headers, name);
}

enum { STANDARD_PROXIES = 8 };

/* The proxies that have a place of their own, and then those of the list. NULL: that was all. */
static const struct config_proxy *proxy_at(const struct config *c, size_t i) {
    const struct config_proxy *standard[STANDARD_PROXIES] = {
        &c->client.connect_proxy,
        &c->client.refresh_proxy,
        &c->rpc_proxy,
        &c->channel_proxies.subscribe,
        &c->channel_proxies.publish,
        &c->channel_proxies.sub_refresh,
        &c->channel_proxies.map_publish,
        &c->channel_proxies.map_remove,
    };
    if (i < STANDARD_PROXIES)
        return standard[i];
    i -= STANDARD_PROXIES;
    return i < c->n_proxies ? &c->proxies[i] : NULL;
}

static bool is_wanted(const struct config *c, struct str name, bool is_emulated) {
    const struct config_proxy *p;
    for (size_t i = 0; (p = proxy_at(c, i)) != NULL; i++)
        if (proxy_wants(p, name, is_emulated))
            return !is_of_connection(name);
    return false;
}

bool forwarded_wants_emulated(const struct config *c) {
    const struct config_proxy *p;
    for (size_t i = 0; (p = proxy_at(c, i)) != NULL; i++)
        if (p->endpoint.len && p->n_emulated_headers)
            return true;
    return false;
}

/* ---- keeping ---- */

static int keep(struct forwarded **f, struct str name, struct str value, bool is_emulated) {
    struct kept *k = malloc(sizeof *k + name.len + value.len + 2);
    if (!k)
        return -ENOMEM;
    if (!*f) {
        *f = malloc(sizeof **f);
        if (!*f) {
            free(k);
            return -ENOMEM;
        }
        (*f)->first = NULL;
        (*f)->last = &(*f)->first;
    }
    k->next = NULL;
    k->is_emulated = is_emulated;
    k->name_len = name.len;
    memcpy(k->text, name.data, name.len);
    k->text[name.len] = '\0';
    if (value.len)
        memcpy(k->text + name.len + 1, value.data, value.len);
    k->text[name.len + 1 + value.len] = '\0';
    *(*f)->last = k;
    (*f)->last = &k->next;
    return 0;
}

struct str forwarded_of_request(const struct forwarded *f, struct str name) {
    for (const struct kept *k = f ? f->first : NULL; k; k = k->next)
        if (!k->is_emulated && is_name(name, k->text, k->name_len))
            return str_of(value_of(k));
    return (struct str){ 0 };
}

int forwarded_keep_request(struct forwarded **f, const struct config *c,
                           const struct http_head *head) {
    for (size_t i = 0; i < http_head_size(head); i++) {
        struct http_header h = http_head_at(head, i);
        bool names_user = http_equal_nocase(h.name, c->client.user_id_http_header);
        int r = names_user || is_wanted(c, h.name, false) ? keep(f, h.name, h.value, false) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_field_value(struct str value) {
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char) value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    return true;
}

/* The name is one that the configuration lists. */
int forwarded_keep_emulated(struct forwarded **f, const struct config *c, struct str name,
                            struct str value) {
    return is_wanted(c, name, true) && is_field_value(value) ? keep(f, name, value, true) : 0;
}

/* ---- handing on ---- */

struct fields {
    struct http_field *items;
    size_t n;
};

static bool has_field(const struct fields *fields, const char *name) {
    for (size_t i = 0; i < fields->n; i++)
        if (strcasecmp(fields->items[i].name, name) == 0)
            return true;
    return false;
}

static void add_field(struct fields *fields, const char *name, const char *value) {
    if (fields->n < HTTP_FIELDS_MAX)
        fields->items[fields->n++] = (struct http_field){ name, value };
}

static void add_kept(struct fields *fields, const struct forwarded *f,
                     const struct config_proxy *to, bool is_emulated) {
    size_t before = fields->n;

    for (const struct kept *k = f ? f->first : NULL; k; k = k->next) {
        struct fields real = { fields->items, before };
        if (k->is_emulated == is_emulated &&
            proxy_wants(to, (struct str){ k->text, k->name_len }, is_emulated) &&
            !(is_emulated && has_field(&real, k->text)))
            add_field(fields, k->text, value_of(k));
    }
}

int forwarded_fields(const struct forwarded *f, const struct config_proxy *to, struct arena *a,
                     struct http_field **ret, size_t *ret_n) {
    struct fields fields = { .items = arena_alloc(a, HTTP_FIELDS_MAX * sizeof *fields.items) };

    if (!fields.items)
        return -ENOMEM;
    add_field(&fields, "Content-Type", "application/json");
    add_kept(&fields, f, to, false);
    add_kept(&fields, f, to, true);
    for (size_t i = 0; i < to->n_static_headers; i++)
        if (!has_field(&fields, to->static_headers[i].name.data))
            add_field(&fields, to->static_headers[i].name.data, to->static_headers[i].value.data);
    *ret = fields.items;
    *ret_n = fields.n;
    return 0;
}
