#include "daemon/config/redis.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/config/impl.h"
#include "protocol/http.h"
#include "protocol/url_label.h"

static const char FORM[] = "must be like redis://[[USER]:PASSWORD@]HOST:PORT[/DB], rediss://... or "
                           "redis+sentinel://HOST:PORT,HOST:PORT?sentinel_master_name=NAME";

/* ---- one address ---- */

static struct str behind(struct str s, size_t n) {
    return (struct str){ s.data + n, s.len - n };
}

/* Takes what stands before the first of such a byte, and the byte. False: there is none. */
static bool cut(struct str *rest, char at, struct str *ret) {
    const char *found = rest->len ? memchr(rest->data, at, rest->len) : NULL;
    if (!found)
        return false;
    *ret = (struct str){ rest->data, (size_t) (found - rest->data) };
    *rest = behind(*rest, ret->len + 1);
    return true;
}

static int decode(struct str text, struct arena *a, struct str *ret) {
    size_t len = 0;
    char *to = arena_alloc(a, text.len + 1);
    if (!to)
        return -ENOMEM;
    if (text.len && http_percent_decode(text, false, to, text.len, &len) < 0)
        return -EINVAL;
    to[len] = '\0';
    *ret = (struct str){ to, len };
    return 0;
}

static bool take_scheme(struct str *rest, struct config_redis_shard *s, bool *ret_is_sentinel) {
    static const struct {
        struct str name;
        bool is_tls, is_sentinel;
    } SCHEMES[] = {
        { { "redis://", 8 }, false, false },
        { { "rediss://", 9 }, true, false },
        { { "redis+sentinel://", 17 }, false, true },
        { { "rediss+sentinel://", 18 }, true, true },
    };
    for (size_t i = 0; i < ELEMENTS_OF(SCHEMES); i++) {
        if (!str_starts_with(*rest, SCHEMES[i].name))
            continue;
        *rest = behind(*rest, SCHEMES[i].name.len);
        s->is_tls |= SCHEMES[i].is_tls;
        s->is_sentinel_tls |= SCHEMES[i].is_tls && SCHEMES[i].is_sentinel;
        *ret_is_sentinel = SCHEMES[i].is_sentinel;
        return true;
    }
    *ret_is_sentinel = false;
    return !memmem(rest->data, rest->len, "://", 3);
}

static int take_user(struct str user, struct arena *a, struct redis_shard_options *o) {
    struct str name = { 0 };
    if (!cut(&user, ':', &name)) /* a name without a password opens nothing */
        return -EINVAL;
    int r = name.len ? decode(name, a, &o->username) : 0;
    return r < 0 ? r : decode(user, a, &o->password);
}

/* At most 65535, which is what the option has. */
static bool take_number(struct str text, unsigned *ret) {
    unsigned n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || n > 6553)
            return false;
        n = n * 10 + (unsigned) (text.data[i] - '0');
    }
    *ret = n;
    return n <= 65535;
}

static bool add_address(struct str text, struct redis_shard_options *o) {
    char copy[ADDRESS_TEXT_MAX];
    if (text.len == 0 || text.len >= sizeof copy || o->n_addresses == REDIS_ADDRESSES_MAX)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return address_parse(copy, &o->addresses[o->n_addresses++]) == 0;
}

/* "sentinel_master_name=NAME" is the one that means something. */
static int take_query(struct str query, struct arena *a, struct redis_shard_options *o) {
    struct str name = STR("sentinel_master_name=");
    if (query.len == 0)
        return 0;
    return str_starts_with(query, name) && !memchr(query.data, '&', query.len)
                   ? decode(behind(query, name.len), a, &o->master_name)
                   : -EINVAL;
}

int redis_address_read(struct str text, struct arena *a, struct config_redis_shard *ret,
                       const char **ret_why) {
    struct redis_shard_options *o = &ret->it;
    struct str rest = text, part, query = { 0 };
    struct str user = url_user_info(text);
    bool is_sentinel;
    int r = 0;

    *ret_why = FORM;
    if (!take_scheme(&rest, ret, &is_sentinel))
        return -EINVAL;
    if (user.data) {
        r = take_user(user, a, o);
        rest = behind(rest, (size_t) (user.data + user.len + 1 - rest.data));
    }
    if (r < 0)
        return r;
    if (str_starts_with(rest, STR("unix:")))
        return add_address(rest, o) ? 0 : -EINVAL;
    if (cut(&rest, '?', &part)) {
        query = rest;
        rest = part;
    }
    r = take_query(query, a, o);
    if (r < 0) {
        *ret_why = "knows sentinel_master_name behind the `?`, and nothing else";
        return r;
    }
    if (cut(&rest, '/', &part)) {
        if (!take_number(rest, &o->database)) {
            *ret_why = "must have a database's number, at most 65535, behind the `/`";
            return -EINVAL;
        }
        rest = part;
    }
    while (cut(&rest, ',', &part))
        if (!add_address(part, o))
            return -EINVAL;
    if (!add_address(rest, o))
        return -EINVAL;
    if (is_sentinel != (o->master_name.len > 0)) {
        *ret_why = is_sentinel ? "needs `?sentinel_master_name=NAME`"
                               : "has a sentinel_master_name, but no Sentinels: redis+sentinel://";
        return -EINVAL;
    }
    if (!is_sentinel && o->n_addresses > 1) {
        *ret_why = "names one Redis: several are a list of addresses";
        return -EINVAL;
    }
    return 0;
}

/* ---- all of them ---- */

/* A list from the environment is cut at commas, and so are those between Sentinels. */
static bool goes_on(struct str before, struct str item) {
    return !memmem(item.data, item.len, "://", 3) &&
           memmem(before.data, before.len, "+sentinel://", 12);
}

static int join(struct config_redis *c, struct arena *a) {
    size_t n = 0;
    struct str *items = arena_alloc(a, (c->n_address + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_address; i++) {
        struct str item = c->address[i], *last = n > 0 ? &items[n - 1] : NULL;
        if (!last || !goes_on(*last, item)) {
            items[n++] = item;
            continue;
        }
        char *both = arena_alloc(a, last->len + item.len + 2);
        if (!both)
            return -ENOMEM;
        int len = sprintf(both, "%s,%s", last->data, item.data); /* as long as was asked for */
        *last = (struct str){ both, (size_t) len };
    }
    c->address = items;
    c->n_address = n;
    return 0;
}

/* Where the address says nothing. */
static void fill(const struct config_redis *c, struct config_redis_shard *s) {
    struct redis_shard_options *o = &s->it;
    if (o->password.len == 0) {
        o->username = o->username.len ? o->username : c->user;
        o->password = c->password;
    }
    if (o->database == 0)
        o->database = c->db;
    o->sentinel_username = c->sentinel_user;
    o->sentinel_password = c->sentinel_password;
    s->is_tls |= c->tls.enabled;
    s->is_sentinel_tls |= c->sentinel_tls.enabled;
}

static void wrong(struct config_loader *l, const char *path, size_t i, size_t n, const char *why) {
    if (n > 1)
        config_problem(l, true, config_place_of(l, path), path, "item %zu %s", i + 1, why);
    else
        config_problem(l, true, config_place_of(l, path), path, "%s", why);
}

static int take_addresses(struct config_loader *l, struct config_redis *c) {
    static const char PATH[] = "engine.redis.address";
    const char *why;

    if (c->n_address == 0)
        wrong(l, PATH, 0, 0, "is needed by engine.type redis");
    if (c->n_address > REDIS_SHARDS_MAX)
        wrong(l, PATH, 0, 0, "must have at most 32 items");
    for (size_t i = 0; i < c->n_address && i < REDIS_SHARDS_MAX; i++) {
        struct config_redis_shard *s = &c->shards[c->n_shards++];
        int r = redis_address_read(c->address[i], l->config->memory, s, &why);
        if (r == -EINVAL)
            wrong(l, PATH, i, c->n_address, why);
        else if (r < 0)
            return r;
        fill(c, s);
    }
    return 0;
}

static void take_sentinels(struct config_loader *l, struct config_redis *c) {
    static const char PATH[] = "engine.redis.sentinel_address";
    struct config_redis_shard *s = &c->shards[c->n_shards++];

    for (size_t i = 0; i < c->n_sentinel_address; i++)
        if (!add_address(c->sentinel_address[i], &s->it))
            wrong(l, PATH, i, c->n_sentinel_address, "must be like 10.0.0.1:26379");
    if (c->sentinel_master_name.len == 0)
        wrong(l, "engine.redis.sentinel_master_name", 0, 0,
              "is needed by engine.redis.sentinel_address");
    s->it.master_name = c->sentinel_master_name;
    fill(c, s);
}

static void check_file(struct config_loader *l, const char *path, struct str file) {
    if (file.len > 0 && access(file.data, R_OK) < 0)
        config_problem(l, true, config_place_of(l, path), path, "%s: %s", file.data,
                       strerror(errno));
}

static void check_tls(struct config_loader *l, const struct config_redis_tls *t, const char *ca,
                      const char *cert, const char *key) {
    check_file(l, ca, t->ca_file);
    check_file(l, cert, t->cert_file);
    check_file(l, key, t->key_file);
    if ((t->cert_file.len == 0) != (t->key_file.len == 0))
        config_problem(l, true, config_place_of(l, t->cert_file.len ? cert : key),
                       t->cert_file.len ? cert : key, "needs %s as well",
                       t->cert_file.len ? key : cert);
}

int config_check_redis(struct config_loader *l) {
    struct config_redis *c = &l->config->redis;
    if (l->config->engine != ENGINE_REDIS)
        return 0;

    int r = join(c, l->config->memory);
    if (r < 0)
        return r;
    c->n_shards = 0;
    c->shards = arena_alloc(l->config->memory, REDIS_SHARDS_MAX * sizeof *c->shards);
    if (!c->shards)
        return -ENOMEM;
    memset(c->shards, 0, REDIS_SHARDS_MAX * sizeof *c->shards);
    if (c->n_sentinel_address > 0)
        take_sentinels(l, c);
    else
        r = take_addresses(l, c);
    check_tls(l, &c->tls, "engine.redis.tls.server_ca_pem_file", "engine.redis.tls.cert_pem_file",
              "engine.redis.tls.key_pem_file");
    check_tls(l, &c->sentinel_tls, "engine.redis.sentinel_tls.server_ca_pem_file",
              "engine.redis.sentinel_tls.cert_pem_file", "engine.redis.sentinel_tls.key_pem_file");
    return r;
}
