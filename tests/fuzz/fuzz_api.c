/* Bodies of the server API. The first byte says which form, or which method's parameters. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/api/body.h"
#include "protocol/codes.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

enum { COMMANDS_MAX = 8 };

static void check_text(struct str s) {
    assert(utf8_is_valid(str_bytes(s)));
}

static void check_raw(struct bytes raw) {
    assert(!raw.len || (json_is_valid(raw, NULL) && !json_has_newline(raw)));
}

static void check_params(const struct api_method *m, const struct api_params *p) {
    check_text(p->channel);
    check_text(p->user);
    check_text(p->idempotency_key);
    check_text(p->since.epoch);
    check_text(p->disconnect.reason);
    check_raw(p->data);
    check_raw(p->info);
    check_raw(p->stream_data);
    check_raw(p->label_filter);
    check_raw(p->params);
    for (size_t i = 0; i < p->channels.n; i++)
        check_text(p->channels.items[i]);
    for (size_t i = 0; i < p->tags.n; i++) {
        check_text(p->tags.items[i].key);
        check_text(p->tags.items[i].value);
    }
    /* What is needed is there. */
    for (size_t i = 0; i < m->params.n; i++) {
        const struct api_field *f = &m->params.fields[i];
        if (f->is_required && f->kind == API_TEXT && f->min > 0)
            assert(((const struct str *) (const void *) ((const char *) p + f->offset))->len > 0);
    }
}

static void decode(const struct api_method *m, struct bytes text, struct arena *a) {
    struct api_params *p = malloc(sizeof *p);
    char why[API_WHY_MAX];
    struct json j;

    assert(p);
    json_init(&j, text);
    int r = api_params_decode(m, &j, a, p, why);
    assert(r == 0 || r == ERROR_BAD_REQUEST || r == -EBADMSG);
    assert(r != ERROR_BAD_REQUEST || (why[0] && strnlen(why, API_WHY_MAX) < API_WHY_MAX));
    if (r == 0)
        check_params(m, p);
    free(p);
}

static void read_body(const struct api_method *m, struct bytes text) {
    struct arena a = ARENA_INIT;
    struct api_command c;
    struct api_body body;
    char why[API_WHY_MAX];
    size_t n = 0;

    int r = api_body_open(&body, m, text, COMMANDS_MAX, &a, why);
    assert(r == 0 || r == -EBADMSG || r == ERROR_BAD_REQUEST || r == ERROR_LIMIT_EXCEEDED);
    assert(r == 0 || why[0]);
    while (r == 0 && (r = api_body_next(&body, &c)) == 1) {
        n++;
        assert(c.method || (c.error && c.why));
        assert(!c.params.len || json_is_valid(c.params, NULL));
        if (c.method && c.params.len)
            decode(c.method, c.params, &a);
        r = 0;
    }
    assert(n <= COMMANDS_MAX);
    arena_finish(&a);
}

int fuzz_one(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct bytes text = bytes_of(data + 1, size - 1);
    unsigned which = data[0] % (API_METHODS_N + 2);
    if (which < API_METHODS_N) {
        struct arena a = ARENA_INIT;
        decode(&api_methods()[which], text, &a);
        arena_finish(&a);
        read_body(&api_methods()[which], text);
    } else {
        read_body(which == API_METHODS_N ? NULL : &api_methods()[API_BATCH], text);
    }
    return 0;
}
