/* The scripts, and whose data it is that a server has. */
#include <errno.h>
#include <hiredis/hiredis.h>

#include "storage/redis/redis_impl.h"

#define SCRIPT_BYTES(name)                                                                         \
    extern const uint8_t redis_script_##name[] __attribute__((visibility("hidden")));              \
    extern const uint8_t redis_script_##name##_end[] __attribute__((visibility("hidden")));

SCRIPT_BYTES(greet)
SCRIPT_BYTES(publish)
SCRIPT_BYTES(once)
SCRIPT_BYTES(read)
SCRIPT_BYTES(presence_set)
SCRIPT_BYTES(presence_remove)
SCRIPT_BYTES(presence_read)
SCRIPT_BYTES(denial_put)
SCRIPT_BYTES(map)
SCRIPT_BYTES(map_read)
SCRIPT_BYTES(map_due)
SCRIPT_BYTES(beat)
SCRIPT_BYTES(lease)
SCRIPT_BYTES(occupy)
SCRIPT_BYTES(occupants)

#define SCRIPT(name)                                                                               \
    { redis_script_##name, redis_script_##name##_end }

static const struct {
    const uint8_t *from, *to;
} scripts[SCRIPTS] = {
    [SCRIPT_GREET] = SCRIPT(greet),
    [SCRIPT_PUBLISH] = SCRIPT(publish),
    [SCRIPT_ONCE] = SCRIPT(once),
    [SCRIPT_READ] = SCRIPT(read),
    [SCRIPT_PRESENCE_SET] = SCRIPT(presence_set),
    [SCRIPT_PRESENCE_REMOVE] = SCRIPT(presence_remove),
    [SCRIPT_PRESENCE_READ] = SCRIPT(presence_read),
    [SCRIPT_DENIAL_PUT] = SCRIPT(denial_put),
    [SCRIPT_MAP] = SCRIPT(map),
    [SCRIPT_MAP_READ] = SCRIPT(map_read),
    [SCRIPT_MAP_DUE] = SCRIPT(map_due),
    [SCRIPT_BEAT] = SCRIPT(beat),
    [SCRIPT_LEASE] = SCRIPT(lease),
    [SCRIPT_OCCUPY] = SCRIPT(occupy),
    [SCRIPT_OCCUPANTS] = SCRIPT(occupants),
};

static struct bytes script_text(enum script script) {
    return bytes_of(scripts[script].from, (size_t) (scripts[script].to - scripts[script].from));
}

/* Unlike any other, of whatever node. */
void epoch_make(struct redis_engine *re, char ret[static EPOCH_SIZE]) {
    epoch_format(ret, re->engine.epoch_base, re->epochs++);
}

/* ---- whose data it is ---- */

static void load_args(struct args *a, enum script script) {
    args_str(a, STR("SCRIPT"));
    args_str(a, STR("LOAD"));
    args_add(a, script_text(script));
}

static int take_sha(struct shard *s, enum script script, const struct redisReply *reply) {
    if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_SIZE - 1)
        return reply->type == REDIS_REPLY_ERROR ? redis_reply_error(reply) : -EPROTO;
    memcpy(s->shas[script], reply->str, SHA_SIZE);
    return 0;
}

static void generation_args(struct args *a, struct shard *s, char candidate[static EPOCH_SIZE]) {
    struct redis_engine *re = s->engine;
    epoch_make(re, candidate);
    args_str(a, STR("EVAL"));
    args_add(a, script_text(SCRIPT_GREET));
    args_number(a, 2);
    args_name(a, re->prefix, "run", (struct str){ 0 });
    args_name(a, re->prefix, "generation", (struct str){ 0 });
    args_str(a, str_of(s->identity));
    args_str(a, str_of(candidate));
    args_number(a, re->keeps_epochs);
}

static int take_generation(struct shard *s, const struct redisReply *reply) {
    if (reply->type != REDIS_REPLY_STRING || reply->len == 0 || reply->len >= EPOCH_SIZE)
        return reply->type == REDIS_REPLY_ERROR ? redis_reply_error(reply) : -EPROTO;
    memcpy(s->generation, reply->str, reply->len + 1);
    return 0;
}

/* Streams are told of it by their epochs. */
void script_tell_generation(struct shard *s) {
    bool is_first = !s->generation_told[0];
    if (strcmp(s->generation_told, s->generation) == 0)
        return;
    memcpy(s->generation_told, s->generation, sizeof s->generation);
    if (!is_first)
        node_missed(s->engine);
}

/* ---- a new line ---- */

int script_greet(void *arg, struct redis_server *server, struct str identity) {
    struct shard *s = arg;
    if (identity.len >= REDIS_IDENTITY_MAX)
        return -EPROTO;
    memcpy(s->identity, identity.data, identity.len);
    s->identity[identity.len] = '\0';

    struct redisReply *reply;
    int r = 0;
    for (enum script i = SCRIPT_PUBLISH; r == 0 && i < SCRIPTS; i++) {
        struct args a;
        r = args_begin(&a, s->engine, 0);
        if (r == 0)
            load_args(&a, i);
        if (r == 0)
            r = redis_server_ask(server, a.v, a.n, &reply);
        if (r == 0) {
            r = take_sha(s, i, reply);
            redis_reply_free(reply);
        }
    }
    if (r < 0)
        return r;

    struct args a;
    char candidate[EPOCH_SIZE];
    r = args_begin(&a, s->engine, args_size(s->engine, 2, 0));
    if (r < 0)
        return r;
    generation_args(&a, s, candidate);
    r = redis_server_ask(server, a.v, a.n, &reply);
    if (r < 0)
        return r;
    r = take_generation(s, reply);
    redis_reply_free(reply);
    return r;
}

/* ---- the same on a line that is there ---- */

static void renewed(struct redis_command *c, int error, const struct redisReply *reply) {
    struct shard *s = CONTAINER_OF(c, struct shard, renewals[0]);
    if (error == 0)
        (void) take_generation(s, reply); /* what still cannot be done will say so itself */
    s->is_renewing = false;
    script_tell_generation(s);
    shard_resume(s);
}

/* Who it is may have changed since it was greeted: a generation is never asked for in an old name.
 */
static void identified(struct redis_command *c, int error, const struct redisReply *reply) {
    struct shard *s = CONTAINER_OF(c, struct shard, identification);
    struct args a;
    char candidate[EPOCH_SIZE];
    s->renewals[0] = (struct redis_command){ .done = renewed };
    bool is_known = error == 0 && redis_identity_of(reply, s->identity) == 0;
    if (is_known && args_begin(&a, s->engine, args_size(s->engine, 2, 0)) == 0) {
        generation_args(&a, s, candidate);
    } else {
        a = (struct args){ .engine = s->engine };
        args_str(&a, STR("PING"));
    }
    redis_server_send(s->server, &s->renewals[0], a.v, a.n);
}

static void loaded(struct redis_command *c, int error, const struct redisReply *reply) {
    (void) c;
    (void) error;
    (void) reply;
}

/* Redis knew a script, or a generation, no more: SCRIPT FLUSH, FLUSHALL, a data set put back. */
void script_renew(struct shard *s) {
    if (s->is_renewing)
        return;
    s->is_renewing = true;
    for (enum script i = SCRIPT_PUBLISH; i < SCRIPTS; i++) {
        struct args a = { .engine = s->engine };
        load_args(&a, i);
        s->renewals[i] = (struct redis_command){ .done = loaded };
        redis_server_send(s->server, &s->renewals[i], a.v, a.n);
    }
    struct bytes info = str_bytes(STR("INFO"));
    s->identification = (struct redis_command){ .done = identified };
    redis_server_send(s->server, &s->identification, &info, 1);
}
