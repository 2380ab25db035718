#include "daemon/transport/asset_answer.h"

#include <errno.h>
#include <stdio.h>

#include "async/base.h"

enum { ETAG_MAX = 128 };

static const struct asset *find(const struct asset_table *t, struct str path) {
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct asset *a = &t->items[middle];
        size_t shorter = path.len < a->path.len ? path.len : a->path.len;
        int order = memcmp(path.data, a->path.data, shorter);
        if (order == 0)
            order = (path.len > a->path.len) - (path.len < a->path.len);
        if (order == 0)
            return a;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- which form ---- */

static struct str trim(struct str s) {
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* A weight of 0 (RFC 9110 §12.4.2: "0", "0.", "0.0" …) refuses. Other weights do not matter: of
 * what is accepted the smallest is sent. */
static bool is_refused(struct str parameters) {
    parameters = trim(parameters);
    if (parameters.len < 3 || (parameters.data[0] != 'q' && parameters.data[0] != 'Q') ||
        parameters.data[1] != '=')
        return false;
    for (size_t i = 2; i < parameters.len; i++)
        if (parameters.data[i] != '0' && parameters.data[i] != '.')
            return false;
    return true;
}

static bool accepts(const struct http_request *r, struct str coding) {
    struct http_list list = http_list_of(&r->head, STR("Accept-Encoding"));
    struct str item;
    bool takes_any = false;

    while (http_list_next(&list, &item) > 0) {
        const char *semicolon = memchr(item.data, ';', item.len);
        struct str name = item, parameters = { 0 };
        if (semicolon) {
            name.len = (size_t) (semicolon - item.data);
            parameters = (struct str){ semicolon + 1, item.len - name.len - 1 };
        }
        name = trim(name);
        if (http_equal_nocase(name, coding))
            return !is_refused(parameters); /* the name itself outranks the star */
        if (str_equal(name, STR("*")))
            takes_any = !is_refused(parameters);
    }
    return takes_any;
}

struct form {
    struct bytes body;
    struct str coding; /* empty: as it is */
    struct str mark;   /* told apart by in the ETag: they are different bytes */
};

static struct form choose_form(const struct asset *a, const struct http_request *r) {
    if (a->brotli.len > 0 && accepts(r, STR("br")))
        return (struct form){ a->brotli, STR("br"), STR("-br") };
    if (a->gzip.len > 0 && accepts(r, STR("gzip")))
        return (struct form){ a->gzip, STR("gzip"), STR("-gz") };
    return (struct form){ .body = a->raw };
}

/* `"4ZK2"` and `-br` make `"4ZK2-br"`. */
static struct str make_etag(const struct asset *a, struct str mark, char buf[ETAG_MAX]) {
    if (a->etag.len < 2)
        return (struct str){ 0 };
    int len = snprintf(buf, ETAG_MAX, "%.*s%.*s\"", (int) (a->etag.len - 1), a->etag.data,
                       (int) mark.len, mark.data ? mark.data : "");
    return len > 0 && len < ETAG_MAX ? (struct str){ buf, (size_t) len } : (struct str){ 0 };
}

/* If-None-Match compares weakly (RFC 9110 §13.1.2). */
static bool is_unchanged(const struct http_request *r, struct str etag) {
    struct http_list list = http_list_of(&r->head, STR("If-None-Match"));
    struct str item;
    while (http_list_next(&list, &item) > 0) {
        if (str_equal(item, STR("*")))
            return true;
        if (str_starts_with(item, STR("W/"))) {
            item.data += 2;
            item.len -= 2;
        }
        if (etag.len > 0 && str_equal(item, etag))
            return true;
    }
    return false;
}

/* ---- the answer ---- */

/* Everything comes from here; nobody may frame the page or send its forms elsewhere. */
static const char POLICY[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                             "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
                             "manifest-src 'self'; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'";

int assets_answer(const struct asset_table *t, const struct http_request *r, bool closes,
                  struct buffer *out) {
    const struct asset *a = t->n > 0 && r->path.len > 0 ? find(t, r->path) : NULL;
    char etag_text[ETAG_MAX];
    if (!a)
        return 0;

    struct form form = choose_form(a, r);
    struct str etag = make_etag(a, form.mark, etag_text);
    bool is_same = is_unchanged(r, etag);

    struct http_header headers[12];
    size_t n = 0;
    headers[n++] = (struct http_header){ STR("ETag"), etag };
    headers[n++] =
            (struct http_header){ STR("Cache-Control"),
                                  a->is_immutable ? STR("public, max-age=31536000, immutable")
                                                  : STR("no-cache") };
    headers[n++] = (struct http_header){ STR("Vary"), STR("Accept-Encoding") };
    headers[n++] = (struct http_header){ STR("Content-Security-Policy"), str_of(POLICY) };
    headers[n++] = (struct http_header){ STR("X-Content-Type-Options"), STR("nosniff") };
    headers[n++] = (struct http_header){ STR("Referrer-Policy"), STR("no-referrer") };
    headers[n++] = (struct http_header){ STR("Cross-Origin-Opener-Policy"), STR("same-origin") };
    if (!is_same) {
        headers[n++] = (struct http_header){ STR("Content-Type"), a->content_type };
        if (form.coding.len > 0)
            headers[n++] = (struct http_header){ STR("Content-Encoding"), form.coding };
    }

    int e = http_write_answer(out, &(struct http_answer){
                                           .status = is_same ? 304 : 200,
                                           .headers = headers,
                                           .header_count = n,
                                           .body = is_same ? (struct bytes){ 0 } : form.body,
                                           .closes = closes,
                                           .is_head = str_equal(r->method, STR("HEAD")),
                                   });
    return e < 0 ? e : 1;
}
