#include "daemon/transport/visitor.h"

#include <stdlib.h>
#include <string.h>

#include "async/stream.h"
#include "daemon/chat/pass.h"
#include "daemon/config/config.h"
#include "daemon/config/network.h"
#include "daemon/transport/connection.h"

/* ---- proxies ---- */

static bool is_trusted(const struct config *c, struct str address) {
    struct in6_addr parsed;
    struct network network;
    bool is_address = ip_parse(address, &parsed);

    for (size_t i = 0; i < c->http.n_trusted_proxies; i++) {
        struct str one = c->http.trusted_proxies[i];
        if (is_address ? network_parse(one, &network) && network_has(&network, &parsed)
                       : str_equal(one, STR("unix")) && str_starts_with(address, one))
            return true;
    }
    return false;
}

static struct str peer_of(const struct http_exchange *x, char buf[static VISITOR_ADDRESS_MAX]) {
    return ip_without_port(
            str_of(stream_peer(x->conn->session.outbox.stream, buf, VISITOR_ADDRESS_MAX)));
}

/* Each proxy appends whom it heard: from the end, the first that is none of ours. What a client
 * wrote itself stands before that. */
struct str visitor_address(const struct http_exchange *x, char buf[static VISITOR_ADDRESS_MAX]) {
    struct str address = peer_of(x, buf);
    struct str heard[HTTP_HEADERS_MAX];
    struct passed passed;
    size_t n = 0;

    if (chat_was_passed(x, &passed))
        return passed.address;

    if (!is_trusted(x->config, address))
        return address;
    struct http_list list = http_list_of(&x->request->head, STR("X-Forwarded-For"));
    struct str one;
    while (http_list_next(&list, &one))
        heard[n++ % ELEMENTS_OF(heard)] = ip_without_port(one);
    for (size_t seen = 0; n > 0 && seen < ELEMENTS_OF(heard); seen++) {
        struct in6_addr parsed;
        one = heard[--n % ELEMENTS_OF(heard)];
        if (!ip_parse(one, &parsed))
            break;
        address = one;
        if (!is_trusted(x->config, address))
            break;
    }
    return address;
}

bool visitor_is_secure(const struct http_exchange *x) {
    char buf[VISITOR_ADDRESS_MAX];
    struct passed passed;
    struct str proto;

    if (chat_was_passed(x, &passed))
        return passed.is_secure;
    if (x->conn->session.is_tls)
        return true;
    return is_trusted(x->config, peer_of(x, buf)) &&
           http_head_count(&x->request->head, STR("X-Forwarded-Proto")) == 1 &&
           http_head_find(&x->request->head, STR("X-Forwarded-Proto"), &proto) == 1 &&
           http_equal_nocase(proto, STR("https"));
}

/* ---- pages ---- */

/* scheme://host of an address that may go on behind it. */
static struct str origin_of(struct str url) {
    const char *slashes = url.len ? memmem(url.data, url.len, "://", 3) : NULL;
    if (!slashes)
        return (struct str){ 0 };
    size_t at = (size_t) (slashes - url.data) + 3;
    const char *end = at < url.len ? memchr(url.data + at, '/', url.len - at) : NULL;
    return (struct str){ url.data, end ? (size_t) (end - url.data) : url.len };
}

static bool is_own_origin(const struct http_exchange *x, struct str origin) {
    struct str own = origin_of(x->config->chat.url), host;
    struct str scheme = visitor_is_secure(x) ? STR("https://") : STR("http://");

    if (own.len && http_equal_nocase(origin, own))
        return true;
    if (origin.len <= scheme.len ||
        !http_equal_nocase((struct str){ origin.data, scheme.len }, scheme) ||
        http_head_find(&x->request->head, STR("Host"), &host) != 1)
        return false;
    return http_equal_nocase((struct str){ origin.data + scheme.len, origin.len - scheme.len },
                             host);
}

bool visitor_is_own_page(const struct http_exchange *x) {
    const struct http_head *head = &x->request->head;
    struct str said;

    size_t n = http_head_count(head, STR("Origin"));
    if (n > 0)
        return n == 1 && http_head_find(head, STR("Origin"), &said) == 1 && is_own_origin(x, said);
    if (http_head_find(head, STR("Sec-Fetch-Site"), &said) != 1)
        return true;
    return http_equal_nocase(said, STR("same-origin")) || http_equal_nocase(said, STR("none"));
}
