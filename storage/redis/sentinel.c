#include "storage/redis/sentinel.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/task.h"
#include "storage/redis/reply.h"
#include "storage/redis/server.h"

enum { RETRY_MS = 1000 };

static void line_closep(struct redis_line **l) {
    *l = redis_line_close(*l);
}

static void reply_freep(struct redisReply **r) {
    redis_reply_free(*r);
}

/* ---- what they answer ---- */

static struct str text_of(const struct redisReply *r) {
    if (r->type != REDIS_REPLY_STRING)
        return (struct str){ 0 };
    return (struct str){ .data = r->str, .len = r->len };
}

/* "host:port"; no other bytes than an address has. */
static bool address_of(struct str host, struct str port, struct address *ret) {
    char text[ADDRESS_TEXT_MAX];
    if (host.len == 0 || port.len == 0 || host.len + port.len + 4 > sizeof text ||
        memchr(host.data, '\0', host.len) || memchr(port.data, '\0', port.len))
        return false;
    bool is_v6 = memchr(host.data, ':', host.len) != NULL;
    (void) snprintf(text, sizeof text, is_v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", (int) host.len,
                    host.data, (int) port.len, port.data);
    return !str_starts_with(str_of(text), STR("unix:")) && address_parse(text, ret) == 0;
}

static SUSPENDS int ask_master(struct redis_sentinels *s, struct redis_line *l,
                               struct address *ret) {
    struct bytes words[] = { str_bytes(STR("SENTINEL")), str_bytes(STR("get-master-addr-by-name")),
                             str_bytes(s->master_name) };
    struct redisReply *reply CLEANUP(reply_freep) = NULL;
    int r = redis_line_ask(l, words, ELEMENTS_OF(words), &reply);
    if (r < 0)
        return r;
    if (reply->type == REDIS_REPLY_NIL)
        return redis_why(l->why, -ENOENT, "it knows no master named %.*s",
                         (int) (s->master_name.len < 64 ? s->master_name.len : 64),
                         s->master_name.data);
    if (reply->type == REDIS_REPLY_ERROR)
        return redis_why(l->why, -EACCES, "%.*s",
                         reply->len < REDIS_WHY_MAX ? (int) reply->len : REDIS_WHY_MAX, reply->str);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !address_of(text_of(reply->element[0]), text_of(reply->element[1]), ret))
        return redis_why(l->why, -EPROTO, "what it names as master is no address");
    return 0;
}

static void learn(struct redis_sentinels *s, const struct address *a) {
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->addresses[i].text, a->text) == 0)
            return;
    if (s->n < REDIS_SENTINELS_MAX)
        s->addresses[s->n++] = *a;
}

/* One of a list of flat maps. */
static void learn_from(struct redis_sentinels *s, const struct redisReply *map) {
    struct str host = { 0 }, port = { 0 };
    struct address a;
    if (map->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i + 1 < map->elements; i += 2) {
        if (redis_reply_is_text(map->element[i], "ip"))
            host = text_of(map->element[i + 1]);
        else if (redis_reply_is_text(map->element[i], "port"))
            port = text_of(map->element[i + 1]);
    }
    if (address_of(host, port, &a))
        learn(s, &a);
}

static SUSPENDS int ask_others(struct redis_sentinels *s, struct redis_line *l) {
    struct bytes words[] = { str_bytes(STR("SENTINEL")), str_bytes(STR("sentinels")),
                             str_bytes(s->master_name) };
    struct redisReply *reply CLEANUP(reply_freep) = NULL;
    int r = redis_line_ask(l, words, ELEMENTS_OF(words), &reply);
    if (r < 0)
        return r;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        learn_from(s, reply->element[i]);
    return 0;
}

/* ---- who is master ---- */

/* A line to a Sentinel, the master it names, and the others it knows. */
static SUSPENDS int visit(struct redis_sentinels *s, const struct address *a, struct redis_why *why,
                          struct address *ret_master, struct redis_line **ret) {
    DEADLINE(visiting, s->connect_timeout_ms);
    struct redis_line *l CLEANUP(line_closep) = NULL;
    int r = redis_line_open(&s->options, a, why, &l);
    if (r == 0)
        r = ask_master(s, l, ret_master);
    if (r == 0)
        r = ask_others(s, l);
    if (r == -ETIMEDOUT && deadline_passed(&visiting))
        return redis_why(why, -EAGAIN, "it does not answer");
    if (r < 0)
        return r;
    *ret = TAKE(l);
    return 0;
}

/* The first that answers. */
static SUSPENDS int visit_any(struct redis_sentinels *s, struct redis_why *why,
                              struct address *ret_master, struct redis_line **ret) {
    int r = -ENOTCONN;
    size_t first = s->newest, n = s->n;
    for (size_t i = 0; i < n; i++) {
        struct address a = s->addresses[(first + i) % n];
        why->text[0] = '\0';
        r = visit(s, &a, why, ret_master, ret);
        if (r == 0)
            s->newest = (first + i) % n;
        if (r == 0 || r == -ECANCELED || r == -ETIMEDOUT || r == -ENOMEM)
            return r;
        (void) snprintf(s->said, sizeof s->said, "%.120s", why->text);
        (void) snprintf(why->text, sizeof why->text, "Sentinel %.100s: %s", a.text, s->said);
    }
    return r == -ENOENT ? r : -ENOTCONN;
}

SUSPENDS int redis_sentinels_master(struct redis_sentinels *s, struct redis_why *why,
                                    struct address *ret) {
    struct redis_line *l CLEANUP(line_closep) = NULL;
    int r = visit_any(s, why, &s->master, &l);
    if (r == 0)
        *ret = s->master;
    return r;
}

/* ---- hearing of a switch ---- */

static void hear(struct redis_sentinels *s, const struct redisReply *r) {
    if (r->type != REDIS_REPLY_ARRAY || r->elements < 3 ||
        !redis_reply_is_text(r->element[0], "message"))
        return;
    struct str text = text_of(r->element[2]); /* "NAME OLD-HOST OLD-PORT HOST PORT" */
    if (str_starts_with(text, s->master_name) && text.len > s->master_name.len &&
        text.data[s->master_name.len] == ' ')
        s->switched(s->arg);
}

/* Silence, in which it may speak; then a ping, and its answer. */
static SUSPENDS int listen_to(struct redis_sentinels *s, struct redis_line *l) {
    struct bytes ping = str_bytes(STR("PING"));
    bool is_quiet = false;
    for (;;) {
        struct redisReply *reply CLEANUP(reply_freep) = NULL;
        int r;
        if (is_quiet) {
            DEADLINE(asking, s->io_timeout_ms);
            r = redis_line_ask(l, &ping, 1, &reply);
            is_quiet = false;
        } else {
            DEADLINE(silence, s->keepalive_ms);
            r = redis_line_read(l, &reply);
            is_quiet = r == -ETIMEDOUT && deadline_passed(&silence);
            if (is_quiet)
                continue;
        }
        if (r < 0)
            return r;
        hear(s, reply);
    }
}

/* What was said while nobody listened: asked when somebody does. */
static SUSPENDS int look_again(struct redis_sentinels *s) {
    struct redis_line *l CLEANUP(line_closep) = NULL;
    struct address master;
    int r = visit_any(s, &s->why, &master, &l);
    if (r == 0 && s->master.text[0] != '\0' && strcmp(s->master.text, master.text) != 0)
        s->switched(s->arg);
    return r;
}

static SUSPENDS int watch_once(struct redis_sentinels *s) {
    struct bytes words[] = { str_bytes(STR("SUBSCRIBE")), str_bytes(STR("+switch-master")) };
    struct redis_line *l CLEANUP(line_closep) = NULL;
    struct redisReply *reply CLEANUP(reply_freep) = NULL;
    struct address master;
    int r = visit_any(s, &s->why, &master, &l);
    if (r < 0)
        return r;
    {
        DEADLINE(asking, s->io_timeout_ms);
        r = redis_line_ask(l, words, ELEMENTS_OF(words), &reply);
    }
    if (r == 0)
        r = reply->type == REDIS_REPLY_ARRAY ? look_again(s) : -EACCES;
    return r < 0 ? r : listen_to(s, l);
}

SUSPENDS int redis_sentinels_watch(void *sentinels) {
    struct redis_sentinels *s = sentinels;
    for (;;) {
        int r = watch_once(s);
        if (r != -ECANCELED || !task_cancelled()) {
            s->newest = s->n > 0 ? (s->newest + 1) % s->n : 0;
            r = task_sleep(RETRY_MS / 2 + (int64_t) loop_random_below(RETRY_MS));
        }
        if (r < 0)
            return r;
    }
}
