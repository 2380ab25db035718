/* What options mean together: what is made of several, and what does not go together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/config_impl.h"
#include "daemon/pattern.h"

static const struct config_place *place(const struct config_loader *l, const char *path) {
    size_t n;
    const struct option *options = config_options(&n);
    return &l->places[option_index(options, n, str_of(path))];
}

/* ---- listeners ---- */

static void add_listener(struct config_loader *l, const char *path, const char *text,
                         bool is_internal) {
    struct config *c = l->config;
    struct address address;

    if (address_parse(text, &address) < 0) {
        config_problem(l, true, place(l, path), path,
                       "\"%s\" is no address like 127.0.0.1:8000, [::1]:8000 or unix:/PATH", text);
        return;
    }
    for (size_t i = 0; i < c->n_listeners; i++) {
        bool is_any_port = strlen(text) > 2 && strcmp(text + strlen(text) - 2, ":0") == 0;
        if (strcmp(c->listeners[i].address.text, address.text) == 0 && !is_any_port) {
            config_problem(l, true, place(l, path), path, "%s is listened on already", text);
            return;
        }
    }
    bool is_unix = strncmp(text, "unix:", 5) == 0;
    c->listeners[c->n_listeners++] = (struct config_listener){
        .address = address,
        .is_tls = c->http.tls_enabled && !is_internal && !is_unix,
        .is_internal = is_internal,
    };
}

static void write_address(struct str host, uint32_t port, char *to, size_t cap) {
    bool has_brackets = memchr(host.data, ':', host.len) && host.data[0] != '[';
    const char *name = host.len ? host.data : "*";
    (void) snprintf(to, cap, has_brackets ? "[%s]:%u" : "%s:%u", name, port);
}

static void make_listeners(struct config_loader *l) {
    struct config_http *http = &l->config->http;
    char text[ADDRESS_TEXT_MAX];

    l->config->n_listeners = 0;
    for (size_t i = 0; i < http->n_listen; i++)
        add_listener(l, "http_server.listen", http->listen[i].data, false);
    if (http->n_listen == 0) {
        write_address(http->address, http->port, text, sizeof text);
        add_listener(l, "http_server.address", text, false);
    }
    if (http->internal_port > 0) {
        write_address(http->internal_address, http->internal_port, text, sizeof text);
        add_listener(l, "http_server.internal_port", text, true);
    }
}

static void check_readable(struct config_loader *l, const char *path, struct str file) {
    if (file.len == 0)
        config_problem(l, true, place(l, "http_server.tls.enabled"), path,
                       "needed by http_server.tls.enabled");
    else if (access(file.data, R_OK) < 0)
        config_problem(l, true, place(l, path), path, "%s: %s", file.data, strerror(errno));
}

/* ---- namespaces ---- */

struct ns_check {
    struct config_loader *l;
    struct namespace *ns;
    const struct config_place *places;
};

__attribute__((format(printf, 4, 5))) static void ns_problem(const struct ns_check *k,
                                                             bool is_error, const char *option,
                                                             const char *format, ...) {
    char path[CONFIG_PREFIX_MAX + 64], words[200];
    size_t n;
    const struct option *options = namespace_options(&n);
    va_list args;

    if (k->ns->name.data)
        (void) snprintf(path, sizeof path, "channel.namespaces[%s].%s", k->ns->name.data, option);
    else
        (void) snprintf(path, sizeof path, "channel.without_namespace.%s", option);
    va_start(args, format);
    (void) vsnprintf(words, sizeof words, format, args);
    va_end(args);
    config_problem(k->l, is_error, &k->places[option_index(options, n, str_of(option))], path, "%s",
                   words);
}

static void check_history(const struct ns_check *k) {
    struct namespace *ns = k->ns;
    if (ns->history_size > 0 && ns->history_ttl_ms == 0)
        ns_problem(k, true, "history_size", "needs history_ttl, too");
    if (ns->history_ttl_ms > 0 && ns->history_size == 0)
        ns_problem(k, true, "history_ttl", "needs history_size, too");

    int64_t meta_ttl_ms =
            ns->history_meta_ttl_ms ? ns->history_meta_ttl_ms : k->l->config->history_meta_ttl_ms;
    if (meta_ttl_ms < ns->history_ttl_ms)
        ns_problem(k, true, ns->history_meta_ttl_ms ? "history_meta_ttl" : "history_ttl",
                   ns->history_meta_ttl_ms ? "must be at least history_ttl"
                                           : "must be at most channel.history_meta_ttl");
    ns->keep = (struct keep){
        .history_size = ns->history_size,
        .history_ttl_ms = ns->history_ttl_ms,
        .meta_ttl_ms = meta_ttl_ms,
    };
    if (namespace_has_history(ns))
        return;

    struct {
        bool is_set;
        const char *option;
    } needs[] = {
        { ns->force_recovery, "force_recovery" },
        { ns->allow_recovery, "allow_recovery" },
        { ns->force_positioning, "force_positioning" },
        { ns->allow_positioning, "allow_positioning" },
    };
    for (size_t i = 0; i < ELEMENTS_OF(needs); i++)
        if (needs[i].is_set)
            ns_problem(k, true, needs[i].option, "needs history_size and history_ttl");
}

static int check_namespace(struct config_loader *l, struct namespace *ns,
                           const struct config_place *places) {
    struct ns_check k = { l, ns, places };
    char why[160];

    check_history(&k);
    if (ns->force_push_join_leave && !ns->join_leave)
        ns_problem(&k, false, "force_push_join_leave", "has no effect without join_leave");
    if (ns->channel_regex.len == 0)
        return 0;

    int r = pattern_new(ns->channel_regex, &ns->channel_pattern, why, sizeof why);
    if (r == -EINVAL)
        ns_problem(&k, true, "channel_regex", "%s", why);
    return r == -EINVAL ? 0 : r;
}

static int compare_namespaces(const void *a, const void *b) {
    const struct namespace *x = a, *y = b;
    size_t shorter = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.data, y->name.data, shorter);
    return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

/* ---- clients ---- */

static void check_client(struct config_loader *l) {
    struct config_client *c = &l->config->client;

    if (c->ping_interval_ms % 1000 != 0)
        config_problem(l, true, place(l, "client.ping_interval"), "client.ping_interval",
                       "must be whole seconds: clients are told it in seconds");
    if (c->ping_interval_ms > 0 && c->pong_timeout_ms >= c->ping_interval_ms)
        config_problem(l, true, place(l, "client.pong_timeout"), "client.pong_timeout",
                       "must be less than client.ping_interval");
    if (c->presence_ttl_ms <= c->presence_update_ms)
        config_problem(l, true, place(l, "client.presence_ttl"), "client.presence_ttl",
                       "must be more than client.presence_update_interval");
    if (c->command_burst > 0 && c->command_rate == 0)
        config_problem(l, false, place(l, "client.command_burst"), "client.command_burst",
                       "has no effect without client.command_rate");
    if (c->command_rate > 0 && c->command_burst == 0)
        c->command_burst = 2 * c->command_rate;
    if (!c->insecure && !c->allow_anonymous_without_token && c->token.hmac_secret_key.len == 0)
        config_problem(l, false, NULL, NULL,
                       "no client can connect: set client.token.hmac_secret_key or "
                       "client.allow_anonymous_connect_without_token");
    if (c->token.hmac_secret_key.len > 0 && c->token.hmac_secret_key.len < 16)
        config_problem(l, false, place(l, "client.token.hmac_secret_key"),
                       "client.token.hmac_secret_key",
                       "is short enough to be guessed; 32 random bytes are better");
}

int config_check(struct config_loader *l) {
    struct config *c = l->config;

    make_listeners(l);
    if (c->http.tls_enabled) {
        check_readable(l, "http_server.tls.cert_pem_file", c->http.tls_cert);
        check_readable(l, "http_server.tls.key_pem_file", c->http.tls_key);
    }
    if (c->http.max_line_bytes > c->http.max_head_bytes)
        config_problem(l, true, place(l, "http_server.max_line_size"), "http_server.max_line_size",
                       "must be at most http_server.max_head_size");
    check_client(l);
    if (c->websocket.inflated_size_limit == 0) {
        uint64_t limit = (uint64_t) c->websocket.message_size_limit * 10;
        c->websocket.inflated_size_limit =
                limit > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t) limit;
    }

    int r = check_namespace(l, &c->without_namespace, l->without_places);
    for (size_t i = 0; i < c->n_namespaces && r == 0; i++)
        r = check_namespace(l, &c->namespaces[i], l->namespace_places[i]);
    if (r < 0)
        return r;
    if (c->n_namespaces > 1)
        qsort(c->namespaces, c->n_namespaces, sizeof *c->namespaces, compare_namespaces);
    return 0;
}
