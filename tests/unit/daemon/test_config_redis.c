/* The options of the redis engine: addresses, what they mean together, and what is wrong with
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config/config.h"
#include "daemon/config/load.h"
#include "daemon/config/redis.h"
#include "protocol/arena.h"
#include "protocol/buffer.h"

/* NULL: it was refused; said: what was reported, line by line. old: what it replaces, or NULL. */
static struct config *load_over(const struct config *old, const char *yaml, struct buffer *said) {
    struct config_report report = { 0 };
    struct config *c = NULL;
    char path[64];

    int fd = memfd_create("config", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct config_source source = { .file = path };
    int r = old ? config_reload(&source, old, &c, &report) : config_load(&source, &c, &report);
    assert_int_equal(r == 0, report.errors == 0);
    buffer_reset(said);
    for (size_t i = 0; i < report.n; i++)
        buffer_printf(said, "%s\n", report.items[i].text);
    buffer_append_byte(said, '\0');
    config_report_finish(&report);
    (void) close(fd);
    return c;
}

static struct config *load(const char *yaml, struct buffer *said) {
    return load_over(NULL, yaml, said);
}

static bool is(struct str s, const char *text) {
    return str_equal(s, str_of(text));
}

/* ---- addresses ---- */

static void addresses_say_where_who_and_how(void **state) {
    static const struct {
        const char *text, *first, *second, *user, *password, *master;
        unsigned database;
        bool is_tls, is_sentinel_tls;
    } cases[] = {
        { "10.0.0.1:6379", "10.0.0.1:6379", NULL, "", "", "", 0, false, false },
        { "redis://localhost:6380", "localhost:6380", NULL, "", "", "", 0, false, false },
        { "rediss://r.example.com:6379/15", "r.example.com:6379", NULL, "", "", "", 15, true,
          false },
        { "redis://:s%40cret@[::1]:6379/3", "[::1]:6379", NULL, "", "s@cret", "", 3, false, false },
        { "redis://me:a:b@h:1", "h:1", NULL, "me", "a:b", "", 0, false, false },
        { "redis://unix:/run/redis.sock", "unix:/run/redis.sock", NULL, "", "", "", 0, false,
          false },
        { "redis+sentinel://a:1,b:2?sentinel_master_name=m", "a:1", "b:2", "", "", "m", 0, false,
          false },
        { "rediss+sentinel://u:p@a:1,b:2/7?sentinel_master_name=m%20y", "a:1", "b:2", "u", "p",
          "m y", 7, true, true },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct arena arena = ARENA_INIT;
        struct config_redis_shard s = { 0 };
        const char *why = NULL;
        assert_int_equal(redis_address_read(str_of(cases[i].text), &arena, &s, &why), 0);
        assert_string_equal(s.it.addresses[0].text, cases[i].first);
        assert_int_equal(s.it.n_addresses, cases[i].second ? 2 : 1);
        if (cases[i].second)
            assert_string_equal(s.it.addresses[1].text, cases[i].second);
        assert_true(is(s.it.username, cases[i].user));
        assert_true(is(s.it.password, cases[i].password));
        assert_true(is(s.it.master_name, cases[i].master));
        assert_int_equal(s.it.database, cases[i].database);
        assert_int_equal(s.is_tls, cases[i].is_tls);
        assert_int_equal(s.is_sentinel_tls, cases[i].is_sentinel_tls);
        arena_finish(&arena);
    }
}

static void mistakes_are_named_without_the_password(void **state) {
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        { "address: 'http://a:1'", ":1:42: engine.redis.address: must be like redis://" },
        { "address: 'redis://a'", "must be like redis://" },
        { "address: ''", "engine.redis.address: is needed by engine.type redis" },
        { "address: [ 'a:1', 'redis://u:geheim@b' ]", "item 2 must be like redis://" },
        { "address: 'redis://geheim@b:1'", "must be like redis://" },
        { "address: 'redis://u:%zz@b:1'", "must be like redis://" },
        { "address: 'redis://a:1/x'", "must have a database's number" },
        { "address: 'redis://a:1/65536'", "must have a database's number" },
        { "address: 'redis://a:1?db=1'", "knows sentinel_master_name behind the `?`" },
        { "address: 'redis://a:1?sentinel_master_name=m'", "but no Sentinels" },
        { "address: 'redis+sentinel://a:1'", "needs `?sentinel_master_name=NAME`" },
        { "address: 'redis+sentinel://a:1,b?sentinel_master_name=m'", "must be like redis://" },
        { "sentinel_address: [ 'a:1' ]",
          "engine.redis.sentinel_master_name: is needed by engine.redis.sentinel_address" },
        { "sentinel_address: [ 'a:1', 'b' ], sentinel_master_name: m",
          "engine.redis.sentinel_address: item 2 must be like 10.0.0.1:26379" },
        { "tls: { cert_pem_file: /dev/null }",
          "engine.redis.tls.cert_pem_file: needs engine.redis.tls.key_pem_file as well" },
        { "tls: { server_ca_pem_file: /none/there }", "/none/there: No such file or directory" },
        { "cluster_address: [ 'a:1' ]", "Redis Cluster; give several addresses" },
        { "db: x", "engine.redis.db: must be a whole number" },
        { "password: a, password_file: b", "engine.redis.password is given, too" },
    };
    struct buffer said = BUFFER_INIT;
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        char yaml[256];
        (void) snprintf(yaml, sizeof yaml, "engine: { type: redis, redis: { %s } }\n",
                        cases[i].yaml);
        struct config *c = load(yaml, &said);
        if (c || !strstr((char *) said.data, cases[i].says))
            print_message("%ssaid: %s", yaml, (char *) said.data);
        assert_null(c);
        assert_non_null(strstr((char *) said.data, cases[i].says));
        assert_null(strstr((char *) said.data, "geheim"));
    }
    buffer_finish(&said);
}

/* ---- together ---- */

static void what_an_address_does_not_say_the_options_do(void **state) {
    struct buffer said = BUFFER_INIT;
    struct config *c = load("node: { name: left }\n"
                            "engine:\n"
                            "  type: redis\n"
                            "  redis:\n"
                            "    address: [ 'a:1', 'rediss://o:own@b:2/4' ]\n"
                            "    user: u\n"
                            "    password: p\n"
                            "    db: 2\n"
                            "    prefix: chat\n"
                            "    connect_timeout: 1s\n"
                            "    io_timeout: 5s\n"
                            "    publish_wait: 300ms\n"
                            "    sentinel_password: s\n",
                            &said);
    assert_non_null(c);
    const struct config_redis *r = &c->redis;
    assert_int_equal(r->n_shards, 2);
    assert_true(is(r->shards[0].it.username, "u") && is(r->shards[0].it.password, "p"));
    assert_int_equal(r->shards[0].it.database, 2);
    assert_false(r->shards[0].is_tls);
    assert_true(is(r->shards[1].it.username, "o") && is(r->shards[1].it.password, "own"));
    assert_int_equal(r->shards[1].it.database, 4);
    assert_true(r->shards[1].is_tls);
    assert_true(is(r->shards[1].it.sentinel_password, "s"));
    assert_true(is(r->prefix, "chat") && is(c->node_name, "left"));
    assert_int_equal(r->connect_timeout_ms, 1000);
    assert_int_equal(r->io_timeout_ms, 5000);
    assert_int_equal(r->publish_wait_ms, 300);
    assert_int_equal(c->data_dir.len, 0); /* none is made where nobody asked for one */
    (void) config_unref(c);

    c = load("engine: { type: redis }\n", &said);
    assert_non_null(c);
    assert_string_equal(c->redis.shards[0].it.addresses[0].text, "127.0.0.1:6379");
    assert_true(is(c->redis.prefix, "parley"));
    (void) config_unref(c);

    c = load("engine: { type: redis, redis: { sentinel_address: [ 'a:1', 'b:2' ], "
             "sentinel_master_name: m, tls: { enabled: true } } }\n",
             &said);
    assert_non_null(c);
    assert_int_equal(c->redis.n_shards, 1);
    assert_int_equal(c->redis.shards[0].it.n_addresses, 2);
    assert_true(is(c->redis.shards[0].it.master_name, "m"));
    assert_true(c->redis.shards[0].is_tls && !c->redis.shards[0].is_sentinel_tls);
    (void) config_unref(c);
    buffer_finish(&said);
}

/* In the environment a list is cut at commas; those between Sentinels are none of the list's. */
static void the_environment_gives_sentinels_as_well(void **state) {
    struct config_report report = { 0 };
    struct config *c = NULL;
    const char *const variables[] = { "PARLEY_ENGINE_TYPE=redis",
                                      "PARLEY_ENGINE_REDIS_ADDRESS=redis+sentinel://a:1,b:2,"
                                      "c:3?sentinel_master_name=m,redis://d:4",
                                      NULL };
    assert_int_equal(config_load(&(struct config_source){ .environment = variables }, &c, &report),
                     0);
    assert_int_equal(c->redis.n_shards, 2);
    assert_int_equal(c->redis.shards[0].it.n_addresses, 3);
    assert_string_equal(c->redis.shards[0].it.addresses[2].text, "c:3");
    assert_string_equal(c->redis.shards[1].it.addresses[0].text, "d:4");
    (void) config_unref(c);
    config_report_finish(&report);
}

static void a_dump_hides_the_passwords(void **state) {
    struct buffer said = BUFFER_INIT, dump = BUFFER_INIT;
    struct config *c = load("engine: { type: redis, redis: { address: [ 'redis://u:geheim@a:1' ], "
                            "password: geheim, sentinel_password: geheim } }\n",
                            &said);
    assert_non_null(c);
    config_dump(c, &dump);
    buffer_append_byte(&dump, '\0');
    assert_null(strstr((char *) dump.data, "geheim"));
    assert_non_null(strstr((char *) dump.data, "address: [\"redis://********@a:1\"]"));
    (void) config_unref(c);
    buffer_finish(&said);
    buffer_finish(&dump);
}

/* ---- archives ---- */

#define DURABLE                                                                                    \
    "channel: { namespaces: [ { name: dd, durable: true, history_size: 1, history_ttl: 1s } ] }\n"
#define NOT_DURABLE "channel: { namespaces: [ { name: dd, history_size: 1, history_ttl: 1s } ] }\n"
#define REDIS       "data_dir: /d\nengine: { type: redis, redis: { archive_queue_size: 1MiB } }\n"

static void durable_needs_history_and_a_directory_and_no_map(void **state) {
    static const struct {
        const char *yaml, *said;
    } cases[] = {
        { "engine: { type: redis }\n" DURABLE,
          "channel.namespaces[dd].durable: needs data_dir, where the archive is" },
        { REDIS "channel: { namespaces: [ { name: dd, durable: true } ] }\n",
          "channel.namespaces[dd].durable: needs history_size and history_ttl" },
        { REDIS
          "channel: { namespaces: [ { name: dd, durable: true, subscription_type: map } ] }\n",
          "channel.namespaces[dd].durable: is of streams: the archive beside Redis does not keep "
          "maps" },
    };
    struct buffer said = BUFFER_INIT;
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        assert_null(load(cases[i].yaml, &said));
        assert_non_null(strstr((char *) said.data, cases[i].said));
    }
    buffer_finish(&said);
}

static void the_redis_engine_archives_what_is_durable(void **state) {
    static const struct {
        const char *yaml;
        bool archives;
        bool is_warned;
    } cases[] = {
        { REDIS DURABLE, true, false },
        { REDIS NOT_DURABLE, false, false },
        { "engine: { type: sqlite }\n" DURABLE, false, false },
        { "engine: { type: memory }\n" DURABLE, false, true },
    };
    struct buffer said = BUFFER_INIT;
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct config *c = load(cases[i].yaml, &said);
        assert_non_null(c);
        assert_int_equal(c->archives, cases[i].archives);
        assert_int_equal(c->namespaces[0].keep.is_durable, c->namespaces[0].durable);
        assert_int_equal(c->redis.archive_queue_size, i < 2 ? 1 << 20 : 64 << 20);
        bool is_warned = strstr((char *) said.data, "has no effect with engine.type memory");
        assert_int_equal(is_warned, cases[i].is_warned);
        (void) config_unref(c);
    }
    buffer_finish(&said);
}

/* The engine has its archive from its start on, or has none. */
static void a_reload_opens_no_archive(void **state) {
    struct buffer said = BUFFER_INIT;
    struct config *without = load(REDIS NOT_DURABLE, &said);
    struct config *c = load_over(without, REDIS DURABLE, &said);
    assert_non_null(c);
    assert_non_null(strstr((char *) said.data, "durable: an archive is opened with the next"));
    assert_false(c->archives || c->namespaces[0].keep.is_durable);
    (void) config_unref(c);
    (void) config_unref(without);

    struct config *with = load(REDIS DURABLE, &said), *less, *more;
    less = load_over(with, REDIS NOT_DURABLE, &said);
    assert_non_null(less);
    assert_true(less->archives && !less->namespaces[0].keep.is_durable);
    more = load_over(less, REDIS DURABLE, &said);
    assert_non_null(more);
    assert_null(strstr((char *) said.data, "durable"));
    assert_true(more->archives && more->namespaces[0].keep.is_durable);
    (void) config_unref(more);
    (void) config_unref(less);
    (void) config_unref(with);
    buffer_finish(&said);
}

/* Another engine does not look at them: a configuration may have them ready. */
static void other_engines_pass_them_over(void **state) {
    struct buffer said = BUFFER_INIT;
    struct config *c = load("engine: { redis: { address: 'nowhere' } }\n", &said);
    assert_non_null(c);
    assert_int_equal(c->redis.n_shards, 0);
    (void) config_unref(c);
    buffer_finish(&said);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_say_where_who_and_how),
        cmocka_unit_test(mistakes_are_named_without_the_password),
        cmocka_unit_test(what_an_address_does_not_say_the_options_do),
        cmocka_unit_test(the_environment_gives_sentinels_as_well),
        cmocka_unit_test(a_dump_hides_the_passwords),
        cmocka_unit_test(durable_needs_history_and_a_directory_and_no_map),
        cmocka_unit_test(the_redis_engine_archives_what_is_durable),
        cmocka_unit_test(a_reload_opens_no_archive),
        cmocka_unit_test(other_engines_pass_them_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
