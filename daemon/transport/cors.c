#include "daemon/transport/cors.h"

#include "daemon/config/config.h"

void cors_allow(struct http_exchange *x) {
    const struct http_head *head = &x->request->head;
    struct str origin, wanted;

    http_exchange_header(x, STR("Vary"), STR("Origin"));
    if (http_head_find(head, STR("Origin"), &origin) != 1 ||
        !config_allows_origin(x->config, true, origin))
        return;
    http_exchange_header(x, STR("Access-Control-Allow-Origin"), origin);
    http_exchange_header(x, STR("Access-Control-Allow-Credentials"), STR("true"));
    if (http_head_find(head, STR("Access-Control-Request-Headers"), &wanted) == 1 && wanted.len)
        http_exchange_header(x, STR("Access-Control-Allow-Headers"), wanted);
}

void cors_preflight(struct http_exchange *x) {
    x->status = 204;
    http_exchange_header(x, STR("Access-Control-Max-Age"), STR("300")); /* seconds */
}
