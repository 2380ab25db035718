/* What strangers send to be signed in: the request's JSON, cookies, addresses of proxies. */
#include <assert.h>
#include <errno.h>

#include "daemon/chat/auth_request.h"
#include "daemon/chat/password.h"
#include "daemon/config/network.h"
#include "protocol/cookie.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_text(struct str text) {
    assert(utf8_is_valid(str_bytes(text)));
}

static void check_request(struct bytes body) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    struct auth_request q;
    const char *field = NULL;

    int r = auth_request_decode(body, &arena, &q, &field);
    assert(r == 0 || r == -EBADMSG || r == -ENOMEM);
    if (r < 0)
        return;
    const struct str all[] = { q.code,         q.login,        q.name, q.password,
                               q.old_password, q.new_password, q.id };
    for (size_t i = 0; i < ELEMENTS_OF(all); i++)
        check_text(all[i]);
    for (size_t i = 0; i < q.login.len; i++)
        assert(q.login.data[i] < 'A' || q.login.data[i] > 'Z');
    (void) auth_name_problem(q.name);
    (void) auth_login_problem(q.login);
}

/* A head with these cookies. What is found is of them, and could be set again if it is a value. */
static void check_cookies(struct bytes in) {
    CLEANUP(buffer_finish) struct buffer head = BUFFER_INIT, set = BUFFER_INIT;
    const struct http_limits limits = { 8192, 16384, 64 };
    static struct http_request r;
    struct str value;

    buffer_append_str(&head, STR("GET / HTTP/1.1\r\nHost: a\r\nCookie: "));
    buffer_append_bytes(&head, in);
    buffer_append_str(&head, STR("\r\n\r\n"));
    http_request_init(&r);
    if (http_request_parse(&r, &limits, buffer_bytes(&head)) != 1 ||
        cookie_find(&r.head, STR("me"), &value) != 1)
        return;
    assert(value.len <= in.len);
    int w = cookie_write(&(struct cookie){ .name = STR("me"), .value = value }, &set);
    assert(w == 0 || w == -EINVAL);
    assert(w == 0 || set.len == 0);
}

static void check_network(struct str text) {
    struct network n;
    struct in6_addr address;

    if (network_parse(text, &n)) {
        assert(n.bits <= 128);
        assert(network_has(&n, &n.address));
    }
    struct str host = ip_without_port(text);
    assert(host.len <= text.len);
    (void) ip_parse(host, &address);
}

int fuzz_one(const uint8_t *data, size_t size) {
    struct bytes in = bytes_of(data, size);
    struct str text = { (const char *) data, size };

    check_request(in);
    check_cookies(in);
    check_network(text);
    /* A kept text that came with a copy of another's database. What it may cost is bounded. */
    struct password_cost cost = PASSWORD_COST;
    (void) password_is_outdated(text, &cost);
    return 0;
}
