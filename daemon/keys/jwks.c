#include "daemon/keys/jwks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/event.h"
#include "async/http_client.h"
#include "async/list.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/worker.h"
#include "protocol/jwk.h"
#include "protocol/url_label.h"
#include "storage/table.h"

enum { MISSING_KEPT = 16, LABEL_MAX = 200 };

/* A key that a set is known not to have. */
struct missing {
    uint64_t hash; /* of id and algorithm */
    int64_t until_ms;
};

/* One set. Lives until the worker ends, or the room is needed for another. */
struct jwks_source {
    struct link link; /* jwks.sources; last used last */
    struct jwks *jwks;
    struct jwk_set set;
    bool has_set;       /* of some fetch that went well */
    int64_t fetched_ms; /* when that one began */
    int64_t next_ms;    /* not to be asked before */
    unsigned failures;  /* since */
    bool is_fetching;
    uint64_t begun; /* fetches, so far; one at a time, so this is the newest's number, too */
    uint64_t ended, succeeded; /* the newest of these */
    struct event landed;       /* pulsed when a fetch has ended */
    struct missing missing[MISSING_KEPT];
    size_t next_missing;
    size_t waiters;
    struct str ca_file, url; /* of text, each NUL-terminated */
    char text[];
};

struct jwks {
    struct worker *worker;
    struct list sources;
    size_t n_sources;
    struct http_limit limit;
    struct table_seed seed;
};

int jwks_open(struct worker *w, struct jwks **ret) {
    struct jwks *j = calloc(1, sizeof *j);
    if (!j)
        return -ENOMEM;
    j->worker = w;
    list_init(&j->sources);
    http_limit_init(&j->limit, JWKS_FETCHES_MAX, JWKS_SETS_MAX);
    loop_random(&j->seed, sizeof j->seed);
    *ret = j;
    return 0;
}

static void source_free(struct jwks_source *s) {
    list_remove(&s->link);
    s->jwks->n_sources--;
    jwk_set_finish(&s->set);
    free(s);
}

struct jwks *jwks_close(struct jwks *j) {
    if (!j)
        return NULL;
    for (struct link *k; (k = list_first(&j->sources)) != NULL;)
        source_free(CONTAINER_OF(k, struct jwks_source, link));
    free(j);
    return NULL;
}

/* ---- sources ---- */

static bool make_room(struct jwks *j) {
    LIST_FOREACH (&j->sources, k) {
        struct jwks_source *s = CONTAINER_OF(k, struct jwks_source, link);
        if (!s->is_fetching && s->waiters == 0) {
            source_free(s);
            return true;
        }
    }
    return false;
}

static int source_new(struct jwks *j, struct str ca_file, struct str url,
                      struct jwks_source **ret) {
    if (j->n_sources >= JWKS_SETS_MAX && !make_room(j))
        return -EAGAIN;
    struct jwks_source *s = calloc(1, sizeof *s + ca_file.len + url.len + 2);
    if (!s)
        return -ENOMEM;
    s->jwks = j;
    s->ca_file = (struct str){ s->text, ca_file.len };
    s->url = (struct str){ s->text + ca_file.len + 1, url.len };
    if (ca_file.len)
        memcpy(s->text, ca_file.data, ca_file.len);
    memcpy(s->text + ca_file.len + 1, url.data, url.len);
    event_init(&s->landed);
    list_append(&j->sources, &s->link);
    j->n_sources++;
    *ret = s;
    return 0;
}

static int source_of(struct jwks *j, struct str ca_file, struct str url, struct jwks_source **ret) {
    LIST_FOREACH (&j->sources, k) {
        struct jwks_source *s = CONTAINER_OF(k, struct jwks_source, link);
        if (str_equal(s->url, url) && str_equal(s->ca_file, ca_file)) {
            list_remove(&s->link);
            list_append(&j->sources, &s->link);
            *ret = s;
            return 0;
        }
    }
    return source_new(j, ca_file, url, ret);
}

static const struct config_jwks *limits(const struct jwks_source *s) {
    return &s->jwks->worker->config->client.jwks;
}

/* ---- fetching ---- */

static int ask(struct jwks_source *s, struct http_result *ret, char **ret_why) {
    struct worker *w = s->jwks->worker;
    const struct http_field fields[] = { { "Accept",
                                           "application/jwk-set+json, application/json" } };
    const struct http_call call = {
        .url = s->url.data,
        .fields = fields,
        .n_fields = ELEMENTS_OF(fields),
        .timeout_ms = w->config->client.jwks.timeout_ms,
        .response_max = JWK_SET_BYTES_MAX,
        .redirects_max = JWKS_REDIRECTS_MAX,
        .limit = &s->jwks->limit,
    };
    struct http_client *http;

    int r = outbound_client(&w->outbound, s->ca_file, false, &http, ret_why);
    return r < 0 ? r : http_client_call(http, &call, ret);
}

/* 0: the new set is there. label: what was wrong. */
static int fetch(struct jwks_source *s, char label[static LABEL_MAX]) {
    struct http_result answer = { 0 };
    struct jwk_set set;
    char *opening_why = NULL;
    const char *why = "";

    int r = ask(s, &answer, &opening_why);
    if (r == 0 && answer.status != 200) {
        (void) snprintf(label, LABEL_MAX, "status %d", answer.status);
        r = -EPROTO;
    } else if (r < 0) {
        (void) snprintf(label, LABEL_MAX, "%s", opening_why ? opening_why : answer.why);
    }
    free(opening_why);
    if (r == 0) {
        r = jwk_set_decode(bytes_of(answer.body, answer.body_len), &set, &why);
        if (r == 0 && set.n == 0) { /* what is there is better */
            jwk_set_finish(&set);
            why = "there is no key in it that we can use";
            r = -EBADMSG;
        }
        if (r < 0)
            (void) snprintf(label, LABEL_MAX, "%s", why);
    }
    http_result_finish(&answer);
    if (r < 0)
        return r;
    jwk_set_finish(&s->set);
    s->set = set;
    return 0;
}

/* A task of the worker's: whoever waits may go, what is fetched is for the others, too. */
static int fetch_task(void *arg) {
    struct jwks_source *s = arg;
    struct worker *w = s->jwks->worker;
    int64_t begun_ms = loop_now();
    char label[LABEL_MAX] = "";

    int r = fetch(s, label);
    int64_t pause_ms = limits(s)->pause_ms;
    if (r == 0) {
        s->has_set = true;
        s->fetched_ms = begun_ms;
        s->failures = 0;
        memset(s->missing, 0, sizeof s->missing);
    } else {
        metrics_count(&w->metrics, COUNT_JWKS_FAILED);
        pause_ms = s->failures > 5 ? JWKS_RETRY_MAX_MS : JWKS_RETRY_MIN_MS << s->failures;
        s->failures++;
        char url[URL_LABEL_MAX];
        if (r != -ECANCELED)
            LOG_WARNING(w->daemon->log, "a set of keys cannot be had",
                        LOG_STR("url", url_label(s->url, url)), LOG_TEXT("why", label),
                        LOG_RESULT(r));
    }
    s->next_ms = loop_now() + pause_ms;
    s->is_fetching = false;
    s->ended = s->begun;
    if (r == 0)
        s->succeeded = s->begun;
    event_set(&s->landed);
    event_clear(&s->landed);
    return 0;
}

static int start_fetch(struct jwks_source *s) {
    struct worker *w = s->jwks->worker;
    int r = group_spawn(&w->tasks, "key set", fetch_task, s);
    if (r < 0)
        return r;
    s->is_fetching = true;
    s->begun++;
    metrics_count(&w->metrics, COUNT_JWKS_FETCHES);
    return 0;
}

static int wait_for_fetch(struct jwks_source *s) {
    s->waiters++;
    int r = event_wait(&s->landed);
    s->waiters--;
    return r;
}

/* ---- what is not there ---- */

static uint64_t hash_of(struct jwks *j, struct str id, enum token_algorithm algorithm) {
    return table_hash(&j->seed, str_bytes(id)) ^ (uint64_t) algorithm;
}

static bool is_known_missing(const struct jwks_source *s, uint64_t hash) {
    for (size_t i = 0; i < MISSING_KEPT; i++)
        if (s->missing[i].hash == hash && s->missing[i].until_ms > loop_now())
            return true;
    return false;
}

static void remember_missing(struct jwks_source *s, uint64_t hash) {
    s->missing[s->next_missing++ % MISSING_KEPT] =
            (struct missing){ .hash = hash, .until_ms = loop_now() + limits(s)->pause_ms };
}

static struct token_key *look(struct jwks_source *s, struct str id,
                              enum token_algorithm algorithm) {
    if (!s->has_set || loop_now() - s->fetched_ms >= limits(s)->max_age_ms)
        return NULL;
    return jwk_set_find(&s->set, id, algorithm);
}

static bool may_fetch(const struct jwks_source *s) {
    return !s->is_fetching && loop_now() >= s->next_ms;
}

static int failed(int error, const char **ret_why) {
    *ret_why = error == -ENOMEM   ? "out of memory"
               : error == -EAGAIN ? "the set of keys cannot be had at the moment"
                                  : "the wait for a set of keys was cut short";
    return error;
}

int jwks_find(struct jwks *j, struct str ca_file, struct str url, struct str key_id,
              enum token_algorithm algorithm, struct token_key **ret_key, const char **ret_why) {
    uint64_t hash = hash_of(j, key_id, algorithm);
    struct jwks_source *s;

    int r = source_of(j, ca_file, url, &s);
    if (r < 0)
        return failed(r, ret_why);
    uint64_t begun_before = s->begun;
    for (;;) {
        struct token_key *key = look(s, key_id, algorithm);
        if (key) {
            if (loop_now() - s->fetched_ms >= limits(s)->refresh_ms && may_fetch(s))
                (void) start_fetch(s); /* without memory: another time */
            *ret_key = token_key_ref(key);
            return 0;
        }
        /* A set that was asked for after the token came has the last word. */
        if (s->succeeded > begun_before)
            remember_missing(s, hash);
        if (is_known_missing(s, hash)) {
            *ret_why = "there is no such key in the issuer's set";
            return -EKEYREJECTED;
        }
        if (s->ended > begun_before)
            return failed(-EAGAIN, ret_why);
        if (!s->is_fetching) {
            r = may_fetch(s) ? start_fetch(s) : -EAGAIN;
            if (r < 0)
                return failed(r, ret_why);
        }
        r = wait_for_fetch(s);
        if (r < 0)
            return failed(r, ret_why);
    }
}
