/* Who is at the other end of a line: a master? Which process? */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "storage/redis/line.h"
#include "storage/redis/reply.h"
#include "storage/redis/server.h"

static void reply_freep(struct redisReply **r) {
    redis_reply_free(*r);
}

static bool says(const struct redisReply *r, const char *code) {
    if (redis_reply_is_error(r, code))
        return true;
    /* Before Redis 7 a script's error has its cause inside. */
    char inside[24];
    (void) snprintf(inside, sizeof inside, ": -%s", code);
    return redis_reply_is_error(r, "ERR Error running script") && strstr(r->str, inside);
}

int redis_reply_judge(const struct redisReply *r) {
    if (r->type != REDIS_REPLY_ERROR)
        return 0;
    if (says(r, "READONLY "))
        return -EROFS;
    if (says(r, "LOADING ") || says(r, "MASTERDOWN "))
        return -EBUSY;
    if (redis_reply_is_error(r, "NOAUTH ") || redis_reply_is_error(r, "WRONGPASS "))
        return -EACCES;
    return 0;
}

static int unexpected(struct redis_line *l, const char *what, const struct redisReply *reply) {
    struct str text = redis_reply_text(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        return redis_why(l->why, -EACCES, "%s: %.*s", what,
                         text.len < REDIS_WHY_MAX ? (int) text.len : REDIS_WHY_MAX, text.data);
    return redis_why(l->why, -EPROTO, "%s: an unexpected answer", what);
}

SUSPENDS int redis_line_check_master(struct redis_line *l) {
    struct bytes role = str_bytes(STR("ROLE"));
    struct redisReply *reply CLEANUP(reply_freep) = NULL;
    int r = redis_line_ask(l, &role, 1, &reply);
    if (r < 0)
        return r;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
        reply->element[0]->type != REDIS_REPLY_STRING)
        return unexpected(l, "ROLE", reply);
    if (redis_reply_is_text(reply->element[0], "master"))
        return 0;
    return redis_why(l->why, -EROFS, "it is no master: its role is %.20s", reply->element[0]->str);
}

/* The value of a field, or nothing. */
static struct str info_field(const char *info, const char *name) {
    const char *at = strstr(info, name);
    if (!at)
        return (struct str){ 0 };
    at += strlen(name);
    return (struct str){ .data = at, .len = strcspn(at, "\r\n") };
}

/*
 * A process may be demoted, given the data of a replica that was behind, and be master again while
 * nobody looks. Since each promotion names the history of the data anew and keeps the former name,
 * such a one has a former name, and is told by both; a process that was master from its start has
 * none, nor has one whose name changed because its first replica came.
 */
int redis_identity_of(const struct redisReply *info, char ret[static REDIS_IDENTITY_MAX]) {
    if (info->type != REDIS_REPLY_STRING)
        return -EPROTO;
    struct str run_id = info_field(info->str, "\r\nrun_id:");
    struct str history = info_field(info->str, "\r\nmaster_replid:");
    struct str former = info_field(info->str, "\r\nmaster_replid2:");
    bool was_promoted = former.len > strspn(former.data ? former.data : "", "0");
    if (!was_promoted)
        history.len = 0;
    if (run_id.len == 0 || run_id.len + history.len + 2 > REDIS_IDENTITY_MAX)
        return -EPROTO;
    (void) snprintf(ret, REDIS_IDENTITY_MAX, "%.*s%s%.*s", (int) run_id.len, run_id.data,
                    was_promoted ? "/" : "", (int) history.len, history.data ? history.data : "");
    return 0;
}

SUSPENDS int redis_line_identify(struct redis_line *l, char ret[static REDIS_IDENTITY_MAX]) {
    struct bytes info = str_bytes(STR("INFO"));
    struct redisReply *reply CLEANUP(reply_freep) = NULL;
    int r = redis_line_ask(l, &info, 1, &reply);
    if (r < 0)
        return r;
    if (reply->type != REDIS_REPLY_STRING)
        return unexpected(l, "INFO", reply);
    r = redis_identity_of(reply, ret);
    return r < 0 ? redis_why(l->why, r, "INFO names no run_id") : 0;
}
