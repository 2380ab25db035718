/*
 * The model answers as Redis does, to the byte: both are given the same seeded commands. What
 * depends on the clock is left out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/redis_model/database.h"

enum { ROUNDS = 100, COMMANDS = 400, ARGUMENTS_MAX = 16 };

struct pair {
    pid_t pid;
    int port, fd;
    char folder[32];
    struct database *model;
    uint64_t random;
    char history[1024]; /* what was asked last, for the message */
    unsigned differences;
};

static uint64_t draw(struct pair *p, uint64_t bound) {
    uint64_t z = p->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

/* ---- the real one ---- */

static int connect_to(int port) {
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *) &at, sizeof at) < 0) {
        (void) close(fd);
        fd = -1;
    }
    return fd;
}

/* A port that nobody has: the kernel's choice, given back. */
static int free_port(void) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *) &at, len) < 0 ||
        getsockname(fd, (struct sockaddr *) &at, &len) < 0)
        return -1;
    (void) close(fd);
    return ntohs(at.sin_port);
}

static int start_redis(struct pair *p) {
    char port[8];

    p->port = free_port();
    (void) snprintf(p->folder, sizeof p->folder, "/tmp/parley-redis-XXXXXX");
    (void) snprintf(port, sizeof port, "%d", p->port);
    if (p->port < 0 || !mkdtemp(p->folder))
        return -errno;
    p->pid = fork();
    if (p->pid == 0) {
        (void) freopen("/dev/null", "w", stdout);
        const char *const words[] = { "redis-server", "--port", port,      "--bind",
                                      "127.0.0.1",    "--save", "",        "--appendonly",
                                      "no",           "--dir",  p->folder, NULL };
        char *const *arguments = (char *const *) (uintptr_t) words;
        (void) execvp("redis-server", arguments);
        /* Debian's redis-tools have the whole program under this name. */
        (void) execvp("redis-check-rdb", arguments);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) { /* until it listens */
        p->fd = connect_to(p->port);
        if (p->fd >= 0)
            return 0;
        (void) nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    return -ECONNREFUSED;
}

static int set_up(void **state) {
    struct pair *p = calloc(1, sizeof *p);
    *state = p;
    if (!p || !(p->model = malloc(sizeof *p->model)))
        return -1;
    database_init(p->model);
    return start_redis(p);
}

static int tear_down(void **state) {
    struct pair *p = *state;
    if (p->pid > 0) {
        (void) kill(p->pid, SIGKILL);
        (void) waitpid(p->pid, NULL, 0);
    }
    (void) close(p->fd);
    (void) rmdir(p->folder);
    database_finish(p->model);
    free(p->model);
    free(p);
    return 0;
}

static void append_command(struct buffer *out, const struct bytes *argv, size_t n) {
    buffer_printf(out, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        buffer_printf(out, "$%zu\r\n", argv[i].len);
        buffer_append_bytes(out, argv[i]);
        buffer_append_str(out, STR("\r\n"));
    }
}

/* What Redis answers: everything until the answer to what is asked behind it. */
static void ask_redis(struct pair *p, const struct bytes *argv, size_t n, struct buffer *ret) {
    static const struct bytes mark[] = { { (const uint8_t *) "ECHO", 4 },
                                         { (const uint8_t *) "the-end-of-it", 13 } };
    static const char end[] = "$13\r\nthe-end-of-it\r\n";
    struct buffer out = BUFFER_INIT;

    append_command(&out, argv, n);
    append_command(&out, mark, 2);
    assert_int_equal(write(p->fd, out.data, out.len), (ssize_t) out.len);
    buffer_finish(&out);
    while (ret->len < sizeof end - 1 ||
           memcmp(ret->data + ret->len - (sizeof end - 1), end, sizeof end - 1) != 0) {
        char part[65536];
        ssize_t got = read(p->fd, part, sizeof part);
        assert_true(got > 0);
        buffer_append(ret, part, (size_t) got);
    }
    ret->len -= sizeof end - 1;
}

static int64_t wall_ms(void) {
    struct timespec t;
    (void) clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void remember(struct pair *p, const struct bytes *argv, size_t n) {
    size_t len = strlen(p->history);
    if (len > sizeof p->history / 2) {
        len -= sizeof p->history / 4;
        memmove(p->history, p->history + sizeof p->history / 4, len + 1);
    }
    for (size_t i = 0; i < n && len < sizeof p->history - 80; i++)
        len += (size_t) snprintf(p->history + len, sizeof p->history - len, "%.60s ",
                                 (const char *) argv[i].data);
    (void) snprintf(p->history + len, sizeof p->history - len, "\n");
}

static void both(struct pair *p, const struct bytes *argv, size_t n) {
    struct buffer theirs = BUFFER_INIT, ours = BUFFER_INIT;

    remember(p, argv, n);
    ask_redis(p, argv, n, &theirs);
    (void) database_execute(p->model, argv, n, wall_ms(), &ours);
    if (!bytes_equal(buffer_bytes(&theirs), buffer_bytes(&ours))) {
        print_error("%sRedis: %.*s\nmodel: %.*s\n", p->history, (int) theirs.len,
                    (char *) theirs.data, (int) ours.len, (char *) ours.data);
        p->differences++;
    }
    buffer_finish(&theirs);
    buffer_finish(&ours);
}

/* Words of one line, separated by blanks. */
static void both_say(struct pair *p, const char *line) {
    char text[256];
    struct bytes argv[ARGUMENTS_MAX];
    size_t n = 0;

    (void) snprintf(text, sizeof text, "%s", line);
    for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[n++] = bytes_of(word, strlen(word));
    both(p, argv, n);
}

/* ---- seeded commands ---- */

/*
 * K a key, F a field or member, V a value, N a small number, S a score, I an id, R a bound of a
 * range of ids, B a bound of scores, L one of names, T a time in the future that no test lives to
 * see; everything else is itself.
 */
static const char *const templates[] = {
    "GET K",
    "SET K V",
    "SET K V NX",
    "SET K V XX GET",
    "SET K V PX T",
    "SET K V EX T KEEPTTL",
    "SET K V EX 0",
    "SET K V KEEPTTL",
    "SETNX K V",
    "SETEX K T V",
    "PSETEX K T V",
    "MGET K K K",
    "STRLEN K",
    "INCR K",
    "DECR K",
    "INCRBY K N",
    "INCRBY K V",
    "SET K N",
    "DEL K",
    "DEL K K",
    "UNLINK K",
    "EXISTS K K",
    "TYPE K",
    "EXPIRE K T",
    "PEXPIRE K T",
    "PEXPIRE K T NX",
    "EXPIRE K T GT",
    "EXPIRE K N XX",
    "PEXPIREAT K 1",
    "TTL K",
    "PERSIST K",
    "DBSIZE",
    "HSET K F V",
    "HSET K F V F V",
    "HSET K F N",
    "HSET K F",
    "HMSET K F V F V",
    "HSETNX K F V",
    "HGET K F",
    "HMGET K F F F",
    "HGETALL K",
    "HKEYS K",
    "HVALS K",
    "HDEL K F",
    "HDEL K F F F",
    "HEXISTS K F",
    "HLEN K",
    "HINCRBY K F N",
    "ZADD K S F",
    "ZADD K S F S F",
    "ZADD K NX S F",
    "ZADD K XX CH S F",
    "ZADD K GT CH S F",
    "ZADD K LT S F",
    "ZADD K NX GT S F",
    "ZADD K V F",
    "ZREM K F F",
    "ZINCRBY K S F",
    "ZSCORE K F",
    "ZCARD K",
    "ZCOUNT K B B",
    "ZRANGE K N N",
    "ZRANGE K N N WITHSCORES",
    "ZRANGE K N N REV",
    "ZRANGE K B B BYSCORE",
    "ZRANGE K B B BYSCORE REV WITHSCORES",
    "ZRANGE K B B BYSCORE LIMIT 1 2",
    "ZRANGE K B B BYSCORE REV LIMIT 1 2",
    "ZREVRANGE K N N WITHSCORES",
    "ZRANGEBYSCORE K B B",
    "ZRANGEBYSCORE K B B WITHSCORES LIMIT N N",
    "ZREVRANGEBYSCORE K B B LIMIT 0 2",
    "ZADD names 0 F 0 F",
    "ZREM names F",
    "ZRANGEBYLEX names L L",
    "ZRANGEBYLEX names L + LIMIT N N",
    "ZRANGEBYLEX names L V",
    "ZRANGEBYLEX names - + WITHSCORES",
    "ZREVRANGEBYLEX names L L",
    "ZREVRANGEBYLEX names L - LIMIT 0 2",
    "ZREVRANGEBYLEX names + - LIMIT N N",
    "ZRANGEBYLEX K - + LIMIT 1",
    "ZREMRANGEBYSCORE K B B",
    "ZREMRANGEBYRANK K N N",
    "XADD K I F V",
    "XADD K I F V F V",
    "XADD K MAXLEN 3 I F V",
    "XADD K MAXLEN = 2 I F V",
    "XADD K MAXLEN ~ 1 I F V",
    "XADD K MINID I I F V",
    "XADD K NOMKSTREAM I F V",
    "XADD K I F",
    "XTRIM K MAXLEN 2",
    "XTRIM K MINID I",
    "XTRIM K MAXLEN V",
    "XDEL K I I",
    "XLEN K",
    "XRANGE K - +",
    "XRANGE K R R",
    "XRANGE K R + COUNT 2",
    "XRANGE K - + COUNT N",
    "XREVRANGE K + -",
    "XREVRANGE K R R COUNT 1",
    "XREVRANGE K R -",
    "ECHO V",
    "PING",
    "PING V",
    "PUBLISH K V",
    "GET",
    "ZRANGE K",
    "NOSUCH K V",
};

static size_t put_word(struct pair *p, char kind, char *at, size_t cap) {
    static const char *const values[] = { "a",  "10",  "-3",   "x y", "9223372036854775807",
                                          "ab", "1e3", "1.5",  "007", "0",
                                          "-0", "inf", "true", "+1",  "a long value, of words" };
    static const char *const scores[] = { "0",   "1",    "2",   "2",     "3.25", "-1",
                                          "inf", "-inf", "1e2", "17e-1", "0.1" };
    uint64_t n = draw(p, 8);

    switch (kind) {
    case 'K':
        return (size_t) snprintf(at, cap, "key%u", (unsigned) draw(p, 5));
    case 'F':
        return (size_t) snprintf(at, cap, "f%u", (unsigned) draw(p, 6));
    case 'V':
        return (size_t) snprintf(at, cap, "%s", values[draw(p, ELEMENTS_OF(values))]);
    case 'N':
        return (size_t) snprintf(at, cap, "%d", (int) n - 4);
    case 'S':
        return (size_t) snprintf(at, cap, "%s", scores[draw(p, ELEMENTS_OF(scores))]);
    case 'L':
        return n == 0 ? (size_t) snprintf(at, cap, "%s", draw(p, 2) ? "-" : "+")
                      : (size_t) snprintf(at, cap, "%sf%u", n < 4 ? "(" : "[",
                                          (unsigned) draw(p, 6));
    case 'B':
        return (size_t) snprintf(at, cap, "%s%s", n < 2 ? "(" : "",
                                 scores[draw(p, ELEMENTS_OF(scores))]);
    case 'I':
        if (n == 0)
            return (size_t) snprintf(at, cap, "%u-*", (unsigned) draw(p, 20));
        if (n == 1)
            return (size_t) snprintf(at, cap, "x-%u", (unsigned) draw(p, 20));
        return (size_t) snprintf(at, cap, "%u-%u", (unsigned) draw(p, 20), (unsigned) draw(p, 3));
    case 'R':
        return (size_t) snprintf(at, cap,
                                 n < 2   ? "%s%u"
                                 : n < 4 ? "%s%u-1"
                                         : "%s%u-0",
                                 draw(p, 4) ? "" : "(", (unsigned) draw(p, 20));
    case 'T':
    default:
        return (size_t) snprintf(at, cap, "%u", 100000000 + 1000 * (unsigned) draw(p, 1000));
    }
}

static void both_draw(struct pair *p) {
    const char *template = templates[draw(p, ELEMENTS_OF(templates))];
    char text[512];
    struct bytes argv[ARGUMENTS_MAX];
    size_t n = 0, used = 0;

    for (const char *word = template; *word;) {
        size_t len = strcspn(word, " ");
        char *at = text + used;
        size_t put = len == 1 && strchr("KFVNSBIRT", *word)
                             ? put_word(p, *word, at, sizeof text - used)
                             : (size_t) snprintf(at, sizeof text - used, "%.*s", (int) len, word);
        argv[n++] = bytes_of(at, put);
        used += put + 1;
        word += len + (word[len] == ' ');
    }
    both(p, argv, n);
}

static void seeded_commands_are_answered_alike(void **state) {
    struct pair *p = *state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        p->random = round;
        p->history[0] = 0;
        both_say(p, "FLUSHALL");
        unsigned before = p->differences;
        for (unsigned i = 0; i < COMMANDS && p->differences == before; i++)
            both_draw(p);
    }
    assert_int_equal(p->differences, 0);
}

static void both_eval(struct pair *p, const char *source) {
    const struct bytes argv[] = { str_bytes(STR("EVAL")), str_bytes(str_of(source)),
                                  str_bytes(STR("2")),    str_bytes(STR("one")),
                                  str_bytes(STR("two")),  str_bytes(STR("7")),
                                  str_bytes(STR("text")) };
    both(p, argv, ELEMENTS_OF(argv));
}

static void what_grows_is_refused_alike_when_memory_is_full(void **state) {
    static const struct bytes fill[] = { { (const uint8_t *) "CONFIG", 6 },
                                         { (const uint8_t *) "SET", 3 },
                                         { (const uint8_t *) "maxmemory", 9 },
                                         { (const uint8_t *) "1", 1 } };
    static const char in_script[] =
            "redis.call('DEL', KEYS[1]) return redis.call('SET', KEYS[1], ARGV[1])";
    struct pair *p = *state;
    struct buffer out = BUFFER_INIT;

    for (unsigned i = 0; i < COMMANDS; i++)
        both_draw(p);
    both_say(p, "SET one 1");
    ask_redis(p, fill, ELEMENTS_OF(fill), &out);
    buffer_finish(&out);
    p->model->is_full = true;
    for (unsigned i = 0; i < ROUNDS * COMMANDS / 10 && p->differences == 0; i++)
        both_draw(p);
    both_eval(p, in_script); /* has begun to write: it is let */
    both_eval(p, in_script + 27);
    assert_int_equal(p->differences, 0);
}

/* ---- scripts ---- */

static void scripts_see_what_they_see_in_redis(void **state) {
    static const char *const sources[] = {
        "return {KEYS[1], KEYS[2], ARGV[1], ARGV[2], #KEYS, #ARGV}",
        "return ARGV[1] + 1.9",
        "return tostring(ARGV[1] / 2)",
        "return {1, 'two', false, 4}",
        "return {1, nil, 3}",
        "return {true, {2, {3}}}",
        "return nil",
        "return true",
        "return false",
        "return",
        "return redis.status_reply('FINE')",
        "return redis.error_reply('STALE the generation is another')",
        "return redis.error_reply('STALE')",
        "return redis.error_reply('-STALE it is')",
        "return {ok = 'so'}",
        "return {err = 'not so'}",
        "return redis.sha1hex('abc')",
        "return redis.call('SET', KEYS[1], 12345678901234567890)",
        "return redis.call('GET', KEYS[1])",
        "redis.call('SET', KEYS[1], 9007199254740993) return redis.call('GET', KEYS[1])",
        "redis.call('SET', KEYS[1], 0.1) return redis.call('GET', KEYS[1])",
        "return redis.call('GET', 'nothing')",
        "return redis.call('GET', 'nothing') == false",
        "return redis.call('HSET', KEYS[2], 'a', 1, 'b', ARGV[2])",
        "return redis.call('HGETALL', KEYS[2])",
        "return redis.call('HMGET', KEYS[2], 'a', 'nothing', 'b')",
        "return redis.call('GET', KEYS[2])",
        "return redis.pcall('GET', KEYS[2])",
        "return type(redis.pcall('GET', KEYS[2])['err'])",
        "return redis.pcall('GET', KEYS[2])['err']",
        "local ok, e = pcall(redis.call, 'GET', KEYS[2]) return {ok and 1 or 0, type(e)}",
        "redis.call('SET', 'before', 1)\nredis.call('GET', KEYS[2])\nreturn 1",
        "return redis.call('GET', 'before')",
        "return redis.call('SET', 'x', 'y')",
        "return redis.call('SET', 'x', 'y')['ok']",
        "return redis.call('NOSUCH')",
        "return redis.call('GET')",
        "return redis.call()",
        "return redis.call('GET', {})",
        "return redis.call('GET', nil)",
        "return missing",
        "made = 1",
        "error('mine')",
        "error({err = 'MINE own'})",
        "return string.format('%d %s', 3, 'x') .. table.concat({1, 2}, ',')",
        "local t = {} for i = 1, 5 do t[#t + 1] = i * i end return t",
        "return {tonumber('12'), tonumber('x') == nil, tostring(1e15), tostring(123456789012)}",
        "return math.floor(3.7) + math.max(1, 2)",
        "return unpack({1, 2})",
        "return redis.call('XADD', 'stream', '5-0', 'd', ARGV[2])",
        "return redis.call('XRANGE', 'stream', '-', '+')",
        "return redis.call('XADD', 'stream', '5-0', 'd', ARGV[2])",
        "return redis.call('ZADD', 'zset', 1.5, 'm')",
        "return redis.call('ZRANGE', 'zset', 0, -1, 'WITHSCORES')",
        "return redis.call('PUBLISH', 'c', 'x')",
        "return redis.call('TTL', 'x')",
        "return redis.call('EVAL', 'return 1', 0)",
        "return (",
        "return 'a\\r\\nb'",
        "return redis.error_reply('A b\\r\\nc')",
        "return string.rep('x', 100)",
        "return {string.byte('A'), string.sub('hello', 2, 3), (string.gsub('aa', 'a', 'b'))}",
    };
    struct pair *p = *state;
    for (size_t i = 0; i < ELEMENTS_OF(sources); i++) {
        p->history[0] = 0;
        both_eval(p, sources[i]);
    }
    assert_int_equal(p->differences, 0);
}

static void scripts_are_known_by_their_hash(void **state) {
    const struct bytes load[] = { str_bytes(STR("SCRIPT")), str_bytes(STR("LOAD")),
                                  str_bytes(STR("return {KEYS[1], ARGV[1]}")) };
    both(*state, load, 3);
    both_say(*state, "EVALSHA 4e5f4e43de1b5a4e3b9a4f0ee4a6b0fd4b7c8a11 0");
    both_say(*state, "EVALSHA 67f5eb7a3ee4fcf5cb0e5ca0c6f6c8b2d3ed8fab 1 k a");
    const struct bytes eval[] = { str_bytes(STR("EVAL")),
                                  str_bytes(STR("return redis.sha1hex('return 7')")),
                                  str_bytes(STR("0")) };
    both(*state, eval, 3);
    const struct bytes seven[] = { str_bytes(STR("SCRIPT")), str_bytes(STR("LOAD")),
                                   str_bytes(STR("return 7")) };
    both(*state, seven, 3);
    both_say(*state, "EVALSHA 9b1cbcdad92cf5ba9a2e1cc3a6f5e33ae9a4bb1c 0");
    both_say(*state, "EVAL notlua 0");
    both_say(*state, "EVAL x 1");
    both_say(*state, "EVAL x -1");
    both_say(*state, "EVAL x y");
    assert_int_equal(((struct pair *) *state)->differences, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(seeded_commands_are_answered_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_grows_is_refused_alike_when_memory_is_full, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(scripts_see_what_they_see_in_redis, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scripts_are_known_by_their_hash, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
