#include "async/http_names.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "expect.h"

/* A name server that takes its time and can fail; "v6.example" has two addresses. */
static struct server {
    int asked, result;
    int64_t delay_ms;
    unsigned address; /* the last byte of the next answers */
} server;

static int look_up(const struct address_parts *parts, struct endpoint **ret, size_t *ret_n) {
    server.asked++;
    int r = task_sleep(server.delay_ms);
    if (r < 0 || server.result < 0)
        return r < 0 ? r : server.result;
    struct endpoint *all = calloc(2, sizeof *all);
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(0x0a000000 + server.address) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    memcpy(&all[0].sa, &v4, sizeof v4);
    all[0].len = sizeof v4;
    memcpy(&all[1].sa, &v6, sizeof v6);
    all[1].len = sizeof v6;
    *ret = all;
    *ret_n = strcmp(parts->host, "v6.example") == 0 ? 2 : 1;
    return 0;
}

static struct http_names names;
static char text[64];

static int get(const char *host) {
    return http_names_get(&names, host, "80", text, sizeof text);
}

static int get_one(void *arg) {
    char buf[64];
    int r = http_names_get(&names, arg, "80", buf, sizeof buf);
    return r == 0 && strcmp(buf, "10.0.0.1") != 0 ? -EBADMSG : r;
}

static int stories(void *arg) {
    (void) arg;
    http_names_init(&names);
    names.look_up = look_up;
    server = (struct server){ .delay_ms = 100, .address = 1 };
    {
        GROUP(g);
        for (int i = 0; i < 50; i++)
            EXPECT_EQUAL(group_spawn(&g, "asking", get_one, (void *) (uintptr_t) "a.example"), 0);
        EXPECT_EQUAL(group_wait_all(&g), 0);
    }
    EXPECT_EQUAL(server.asked, 1);
    EXPECT_EQUAL(get("v6.example"), 0);
    EXPECT(strcmp(text, "10.0.0.1,[::1]") == 0);
    EXPECT_EQUAL(http_names_get(&names, "v6.example", "80", text, 10), 0);
    EXPECT(strcmp(text, "10.0.0.1") == 0); /* what fits */
    EXPECT_EQUAL(server.asked, 2);

    /* The old address serves at once while a newer one is looked for. */
    server.address = 2;
    EXPECT_EQUAL(task_sleep(HTTP_NAMES_FRESH_MS), 0);
    int64_t now_ms = loop_now();
    EXPECT_EQUAL(get("a.example"), 0);
    EXPECT_EQUAL(loop_now(), now_ms);
    EXPECT(strcmp(text, "10.0.0.1") == 0);
    EXPECT_EQUAL(task_sleep(101), 0);
    EXPECT_EQUAL(get("a.example"), 0);
    EXPECT(strcmp(text, "10.0.0.2") == 0);
    EXPECT_EQUAL(server.asked, 3);

    /* And for an hour when there is none to be had; asked for once a second. */
    server.result = -EHOSTUNREACH;
    EXPECT_EQUAL(task_sleep(HTTP_NAMES_FRESH_MS), 0);
    for (int i = 0; i < 100; i++) {
        EXPECT_EQUAL(get("a.example"), 0);
        EXPECT_EQUAL(task_sleep(50), 0);
    }
    EXPECT(server.asked <= 3 + 6);
    EXPECT_EQUAL(task_sleep(HTTP_NAMES_STALE_MS), 0);
    EXPECT_EQUAL(get("a.example"), -EHOSTUNREACH);

    /* What is not there is asked for once a second, too. */
    server.asked = 0;
    server.result = -ENOENT;
    for (int i = 0; i < 10; i++)
        EXPECT_EQUAL(get("none.example"), -ENOENT);
    EXPECT_EQUAL(server.asked, 1);
    EXPECT_EQUAL(task_sleep(HTTP_NAMES_RETRY_MS), 0);
    server.result = 0;
    EXPECT_EQUAL(get("none.example"), 0);

    /* Who gives up leaves the look-up to the others. */
    server.delay_ms = 1000;
    {
        DEADLINE(soon, 10);
        EXPECT_EQUAL(get("slow.example"), -ETIMEDOUT);
    }
    EXPECT_EQUAL(task_sleep(1000), 0);
    now_ms = loop_now();
    EXPECT_EQUAL(get("slow.example"), 0);
    EXPECT_EQUAL(loop_now(), now_ms);

    /* Never more than so many. */
    server.delay_ms = 1;
    for (int i = 0; i < 2 * HTTP_NAMES_MAX; i++) {
        char host[32];
        (void) snprintf(host, sizeof host, "h%d.example", i);
        EXPECT_EQUAL(get(host), 0);
        EXPECT(names.n <= HTTP_NAMES_MAX);
    }
    server.delay_ms = 100000;
    {
        DEADLINE(soon, 10);
        EXPECT_EQUAL(get("last.example"), -ETIMEDOUT);
    }
    http_names_finish(&names);
    return 0;
}

static void names_are_looked_up_once_and_kept(void **state) {
    (void) state;
    assert_int_equal(run_virtual(stories, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_looked_up_once_and_kept) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
