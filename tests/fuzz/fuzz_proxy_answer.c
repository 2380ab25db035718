/*
 * Answers of backends: the input as the body of one. What is handed out must be readable, payloads
 * JSON on one line; and a refusal one that can be told to a client.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/backend/proxy_message.h"
#include "protocol/json.h"
#include "tests/fuzz/fuzz.h"

static unsigned sum;

static void touch(struct bytes b) {
    for (size_t i = 0; i < b.len; i++)
        sum += b.data[i];
}

static void check_line(struct bytes json) {
    if (json.len) {
        assert(json_is_valid(json, NULL));
        assert(!json_has_newline(json));
    }
}

static void check_result(const struct proxy_result *r) {
    touch(str_bytes(r->user));
    touch(str_bytes(r->epoch));
    touch(str_bytes(r->idempotency_key));
    touch(str_bytes(r->version_epoch));
    assert(r->expire_at_s >= 0);
    check_line(r->info);
    check_line(r->meta);
    if (r->data_is_binary)
        touch(r->data);
    else
        check_line(r->data);
    for (size_t i = 0; i < r->n_subs; i++) {
        touch(str_bytes(r->subs[i].channel));
        check_line(r->subs[i].info);
        check_line(r->subs[i].data);
        assert(r->subs[i].source == SERVER_SUB_PROXY);
    }
    for (size_t i = 0; i < r->n_tags; i++) {
        touch(str_bytes(r->tags[i].key));
        touch(str_bytes(r->tags[i].value));
    }
    for (size_t i = 0; i < r->n_items; i++) {
        assert(r->items[i].key.len);
        touch(str_bytes(r->items[i].key));
        touch(r->items[i].data);
    }
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct arena arena = ARENA_INIT;
    struct proxy_answer answer;
    char why[PROXY_WHY_MAX];

    memset(why, 'x', sizeof why);
    int r = proxy_answer_read(bytes_of(data, size), &arena, &answer, why);
    assert(r == 0 || r == -EBADMSG);
    if (r == 0) {
        check_result(&answer.result);
        touch(str_bytes(answer.refusal.text));
        assert(!answer.refusal.is_disconnect ||
               (answer.refusal.code >= 3000 && answer.refusal.code < 5000));
    } else {
        assert(memchr(why, '\0', sizeof why) && why[0]);
    }
    arena_finish(&arena);
    return 0;
}
