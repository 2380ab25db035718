/* What options mean together: what is made of several, and what does not go together. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/config/impl.h"
#include "daemon/config/network.h"
#include "daemon/config/pattern.h"
#include "daemon/keys/keyring.h"
#include "protocol/command.h"

const struct config_place *config_place_of(const struct config_loader *l, const char *path) {
    size_t n;
    const struct option *options = config_options(&n);
    return &l->places[option_index(options, n, str_of(path))];
}

static const struct config_place *place(const struct config_loader *l, const char *path) {
    return config_place_of(l, path);
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

/* ---- proxies ---- */

static void choose_burst(struct config_rate *r) {
    if (r->burst == 0)
        r->burst = 2 * r->rate;
}

const struct config_proxy *config_proxy_of(const struct config *c, struct str name,
                                           const struct config_proxy *standard) {
    if (str_equal(name, STR("default")) && standard->endpoint.len > 0)
        return standard;
    return config_find_item(c, &option_groups()[GROUP_PROXIES], name);
}

/* One step down from a path: "channel.proxy.publish.endpoint". */
static const char *below(const char *path, const char *option, char *buf, size_t cap) {
    (void) snprintf(buf, cap, "%s%s", path, option);
    return buf;
}

static void lower(struct str *items, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < items[i].len; k++) {
            char *c = (char *) (uintptr_t) items[i].data + k; /* of the arena, ours */
            *c = *c >= 'A' && *c <= 'Z' ? (char) (*c - 'A' + 'a') : *c;
        }
}

/* As it stands in a request: RFC 9110 sections 5.1 and 5.5. */
static bool is_header(const struct config_pair *p) {
    for (size_t i = 0; i < p->name.len; i++)
        if (!isalnum((unsigned char) p->name.data[i]) &&
            !memchr("!#$%&'*+-.^_`|~", p->name.data[i], 15))
            return false;
    for (size_t i = 0; i < p->value.len; i++)
        if (((unsigned char) p->value.data[i] < ' ' && p->value.data[i] != '\t') ||
            p->value.data[i] == 0x7f)
            return false;
    return p->name.len > 0;
}

/* path: with the dot behind it. at: of the endpoint. */
static void check_proxy(struct config_loader *l, struct config_proxy *p, const char *path,
                        const struct config_place *at, bool is_needed) {
    char name[CONFIG_PREFIX_MAX + 64];
    struct str url = p->endpoint;

    (void) below(path, "endpoint", name, sizeof name);
    if (url.len == 0 && is_needed)
        config_problem(l, true, at, name, "is needed");
    if (str_starts_with(url, STR("grpc://")) || str_starts_with(url, STR("grpcs://")))
        config_problem(l, true, at, name,
                       "gRPC is not supported: give an http:// or https:// endpoint");
    else if (url.len > 0 && !str_starts_with(url, STR("http://")) &&
             !str_starts_with(url, STR("https://")))
        config_problem(l, true, at, name, "must begin with http:// or https://");
    if (p->ca_file.len > 0 && access(p->ca_file.data, R_OK) < 0)
        config_problem(l, true, at, below(path, "http.tls.ca_pem_file", name, sizeof name),
                       "%s: %s", p->ca_file.data, strerror(errno));
    for (size_t i = 0; i < p->n_static_headers; i++)
        if (!is_header(&p->static_headers[i]))
            config_problem(l, true, at, below(path, "http.static_headers", name, sizeof name),
                           "\"%s\" cannot be a header", p->static_headers[i].name.data);
    lower(p->http_headers, p->n_http_headers);
    lower(p->emulated_headers, p->n_emulated_headers);
    l->config->forwards_headers |= url.len > 0 && p->n_http_headers > 0;
}

static void check_item_proxy(struct config_loader *l, const struct option_group *g, void *item,
                             struct config_proxy *p) {
    char path[CONFIG_PREFIX_MAX];
    size_t n;
    const struct option *options = group_options(g, &n);
    (void) snprintf(path, sizeof path, "%s[%s].", g->path, config_item_name(g, item).data);
    check_proxy(l, p, path,
                &config_item_places(l, g, item)[option_index(options, n, STR("endpoint"))], true);
}

static void check_rpc(struct config_loader *l, struct config_rpc *r, const char *path) {
    const struct config *c = l->config;
    char name[CONFIG_PREFIX_MAX + 64];
    if (!r->proxy_enabled)
        return;
    r->proxy = config_proxy_of(c, r->proxy_name, &c->rpc_proxy);
    if (!r->proxy)
        config_problem(l, true, NULL, below(path, "proxy_name", name, sizeof name),
                       "there is no %s%s%s",
                       str_equal(r->proxy_name, STR("default")) ? "rpc.proxy.endpoint" : "\"",
                       str_equal(r->proxy_name, STR("default")) ? "" : r->proxy_name.data,
                       str_equal(r->proxy_name, STR("default")) ? "" : "\" in proxies");
}

static void check_proxies(struct config_loader *l) {
    struct config *c = l->config;
    const struct option_group *groups = option_groups();
    struct {
        struct config_proxy *proxy;
        const char *path;
        bool is_needed;
    } ours[] = {
        { &c->client.connect_proxy, "client.proxy.connect.", c->client.connect_proxy_enabled },
        { &c->client.refresh_proxy, "client.proxy.refresh.", c->client.refresh_proxy_enabled },
        { &c->rpc_proxy, "rpc.proxy.", false },
        { &c->channel_proxies.subscribe, "channel.proxy.subscribe.", false },
        { &c->channel_proxies.publish, "channel.proxy.publish.", false },
        { &c->channel_proxies.sub_refresh, "channel.proxy.sub_refresh.", false },
        { &c->channel_proxies.map_publish, "channel.proxy.map_publish.", false },
        { &c->channel_proxies.map_remove, "channel.proxy.map_remove.", false },
        { &c->channel_proxies.poll, "channel.proxy.shared_poll_refresh.", false },
    };
    char path[CONFIG_PREFIX_MAX + 64];

    for (size_t i = 0; i < ELEMENTS_OF(ours); i++)
        check_proxy(l, ours[i].proxy, ours[i].path,
                    place(l, below(ours[i].path, "endpoint", path, sizeof path)),
                    ours[i].is_needed);
    for (size_t i = 0; i < c->n_proxies; i++)
        check_item_proxy(l, &groups[GROUP_PROXIES], &c->proxies[i], &c->proxies[i]);
    for (size_t i = 0; i < c->webhooks.n; i++)
        check_item_proxy(l, &groups[GROUP_WEBHOOKS], &c->webhooks.items[i],
                         &c->webhooks.items[i].to);

    check_rpc(l, &c->rpc_without_namespace, "rpc.without_namespace.");
    for (size_t i = 0; i < c->n_rpc_namespaces; i++) {
        (void) snprintf(path, sizeof path, "rpc.namespaces[%s].", c->rpc_namespaces[i].name.data);
        check_rpc(l, &c->rpc_namespaces[i], path);
    }
}

static void check_webhooks(struct config_loader *l) {
    static const char *const events[] = { "connect", "disconnect", "channel_occupied",
                                          "channel_vacated" };
    const struct config_webhooks *w = &l->config->webhooks;
    char path[CONFIG_PREFIX_MAX];

    if (w->retry_min_ms > w->retry_max_ms)
        config_problem(l, true, place(l, "webhooks.retry_min"), "webhooks.retry_min",
                       "must be at most webhooks.retry_max");
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->items[i].n_events; k++) {
            bool is_known = false;
            for (size_t e = 0; e < ELEMENTS_OF(events); e++)
                is_known |= str_equal(w->items[i].events[k], str_of(events[e]));
            (void) snprintf(path, sizeof path, "webhooks.endpoints[%s].events",
                            w->items[i].name.data);
            if (!is_known)
                config_problem(l, true, NULL, path, "there is no event \"%s\"",
                               w->items[i].events[k].data);
        }
}

/* ---- HTTP ---- */

static void check_paths(struct config_loader *l) {
    struct config *c = l->config;
    struct {
        const char *option;
        const struct str *path;
    } paths[] = {
        { "websocket.handler_prefix", &c->websocket.path },
        { "uni_websocket.handler_prefix", &c->uni_websocket.path },
        { "sse.handler_prefix", &c->sse.path },
        { "http_stream.handler_prefix", &c->http_stream.path },
        { "uni_sse.handler_prefix", &c->uni_sse.path },
        { "uni_http_stream.handler_prefix", &c->uni_http_stream.path },
        { "emulation.handler_prefix", &c->emulation_path },
        { "init.handler_prefix", &c->init.path },
        { "http_api.handler_prefix", &c->api.path },
        { "health.handler_prefix", &c->health_path },
        { "prometheus.handler_prefix", &c->metrics_path },
    };
    for (size_t i = 0; i < ELEMENTS_OF(paths); i++) {
        if (paths[i].path->len < 2 || paths[i].path->data[0] != '/')
            config_problem(l, true, place(l, paths[i].option), paths[i].option,
                           "must begin with a slash and name something");
        for (size_t k = 0; k < i; k++)
            if (str_equal(*paths[i].path, *paths[k].path))
                config_problem(l, true, place(l, paths[i].option), paths[i].option,
                               "is that of %s, too", paths[k].option);
    }
}

/* ---- tokens ---- */

static bool has_key(const struct config_token *t) {
    return t->hmac_secret_key.len > 0 || t->rsa_public_key.len > 0 || t->ecdsa_public_key.len > 0 ||
           t->jwks_endpoint.len > 0;
}

static void check_token(struct config_loader *l, const struct config_token *t, const char *path) {
    char name[CONFIG_PREFIX_MAX];

    (void) below(path, "hmac_secret_key", name, sizeof name);
    if (t->hmac_secret_key.len > 0 && t->hmac_secret_key.len < 16)
        config_problem(l, false, place(l, name), name,
                       "is short enough to be guessed; 32 random bytes are better");
    (void) below(path, "audience_regex", name, sizeof name);
    if (t->audience.len > 0 && t->audience_regex.len > 0)
        config_problem(l, true, place(l, name), name, "audience is given, too; one of the two");
    (void) below(path, "issuer_regex", name, sizeof name);
    if (t->issuer.len > 0 && t->issuer_regex.len > 0)
        config_problem(l, true, place(l, name), name, "issuer is given, too; one of the two");
    (void) below(path, "jwks_public_endpoint", name, sizeof name);
    if (t->jwks_endpoint.len > 0 && !str_starts_with(t->jwks_endpoint, STR("http://")) &&
        !str_starts_with(t->jwks_endpoint, STR("https://")))
        config_problem(l, true, place(l, name), name, "must begin with http:// or https://");

    struct keyring *keys = NULL;
    struct keyring_problem problem;
    int r = keyring_new(t, &keys, &problem);
    keyring_free(keys);
    if (r == -ENOMEM)
        l->is_out_of_memory = true;
    if (r == -EINVAL && problem.option) {
        (void) below(path, problem.option, name, sizeof name);
        config_problem(l, true, place(l, name), name, "%s", problem.why);
    }
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

static bool is_map(const struct namespace *ns) {
    return ns->type == SUBSCRIPTION_MAP || ns->type == SUBSCRIPTION_MAP_CLIENTS ||
           ns->type == SUBSCRIPTION_MAP_USERS;
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
        .is_durable = ns->durable,
    };
    if (namespace_has_history(ns))
        return;

    struct {
        bool is_set;
        const char *option;
    } needs[] = {
        { ns->durable && !is_map(ns), "durable" },
        { ns->force_recovery, "force_recovery" },
        { ns->allow_recovery, "allow_recovery" },
        { ns->force_positioning, "force_positioning" },
        { ns->allow_positioning, "allow_positioning" },
    };
    for (size_t i = 0; i < ELEMENTS_OF(needs); i++)
        if (needs[i].is_set)
            ns_problem(k, true, needs[i].option, "needs history_size and history_ttl");
}

static void check_durable(const struct ns_check *k) {
    struct config *c = k->l->config;
    if (!k->ns->durable)
        return;
    if (c->engine == ENGINE_MEMORY)
        ns_problem(k, false, "durable", "has no effect with engine.type memory");
    if (c->engine != ENGINE_REDIS)
        return;
    if (c->data_dir.len == 0)
        ns_problem(k, true, "durable", "needs data_dir, where the archive is");
    if (k->l->old && !k->l->old->archives) {
        ns_problem(k, false, "durable", "an archive is opened with the next restart");
        k->ns->keep.is_durable = false;
        return;
    }
    c->archives = true;
}

static void check_cache(const struct ns_check *k) {
    const struct namespace *ns = k->ns;
    for (size_t i = 0; i < ns->n_delta_types; i++) {
        k->ns->allows_delta = str_equal(ns->delta_types[i], STR("fossil"));
        if (!k->ns->allows_delta)
            ns_problem(k, true, "allowed_delta_types", "must be fossil");
    }
    if (ns->auto_cache_recover && !(ns->force_recovery && ns->recovery_mode == RECOVERY_CACHE))
        ns_problem(k, true, "auto_cache_recover",
                   "needs force_recovery and force_recovery_mode: cache");
}

static void choose_proxy(const struct ns_check *k, bool is_enabled, struct str name,
                         const struct config_proxy *standard, const char *standard_path,
                         const char *option, const struct config_proxy **ret) {
    if (!is_enabled)
        return;
    *ret = config_proxy_of(k->l->config, name, standard);
    if (*ret)
        return;
    if (str_equal(name, STR("default")))
        ns_problem(k, true, option, "needs %s.endpoint", standard_path);
    else
        ns_problem(k, true, option, "there is no \"%s\" in proxies", name.data);
}

static void choose_proxies(const struct ns_check *k) {
    struct namespace *ns = k->ns;
    const struct config_channel_proxies *p = &k->l->config->channel_proxies;

    choose_proxy(k, ns->subscribe_proxy_enabled, ns->subscribe_proxy_name, &p->subscribe,
                 "channel.proxy.subscribe", "subscribe_proxy_name", &ns->subscribe_proxy);
    choose_proxy(k, ns->publish_proxy_enabled, ns->publish_proxy_name, &p->publish,
                 "channel.proxy.publish", "publish_proxy_name", &ns->publish_proxy);
    choose_proxy(k, ns->sub_refresh_proxy_enabled, ns->sub_refresh_proxy_name, &p->sub_refresh,
                 "channel.proxy.sub_refresh", "sub_refresh_proxy_name", &ns->sub_refresh_proxy);
    choose_proxy(k, ns->map.publish_proxy_enabled, ns->map.publish_proxy_name, &p->map_publish,
                 "channel.proxy.map_publish", "map.publish_proxy_name", &ns->map.publish_proxy);
    choose_proxy(k, ns->map.remove_proxy_enabled, ns->map.remove_proxy_name, &p->map_remove,
                 "channel.proxy.map_remove", "map.remove_proxy_name", &ns->map.remove_proxy);
    choose_proxy(k, ns->type == SUBSCRIPTION_POLL, ns->poll.proxy_name, &p->poll,
                 "channel.proxy.shared_poll_refresh", "shared_poll.proxy_name", &ns->poll.proxy);
}

static void check_map(const struct ns_check *k) {
    enum { STREAM_SIZE = 1000, STREAM_TTL_MS = 24 * 3600 * 1000 };
    struct config_map *map = &k->ns->map;
    if (!is_map(k->ns))
        return;

    if (k->l->config->engine == ENGINE_REDIS && k->ns->durable)
        ns_problem(k, true, "durable",
                   "is of streams: the archive beside Redis does not keep maps");
    if (map->mode == MAP_NONE)
        map->mode = MAP_EPHEMERAL;
    if (map->mode != MAP_EPHEMERAL) {
        map->stream_size = map->stream_size ? map->stream_size : STREAM_SIZE;
        map->stream_ttl_ms = map->stream_ttl_ms ? map->stream_ttl_ms : STREAM_TTL_MS;
    } else if (map->stream_size || map->stream_ttl_ms) {
        ns_problem(k, true, map->stream_size ? "map.stream_size" : "map.stream_ttl",
                   "an ephemeral map has no stream");
    }
    int64_t meta_ttl_ms = map->meta_ttl_ms ? map->meta_ttl_ms : k->l->config->history_meta_ttl_ms;
    if (meta_ttl_ms < map->stream_ttl_ms)
        ns_problem(k, true, map->meta_ttl_ms ? "map.meta_ttl" : "map.stream_ttl",
                   map->meta_ttl_ms ? "must be at least map.stream_ttl"
                                    : "must be at most channel.history_meta_ttl");
    map->meta_ttl_ms = meta_ttl_ms;
    if (map->min_page > map->max_page)
        ns_problem(k, true, "map.min_page_size", "must be at most map.max_page_size");
    if (map->default_page < map->min_page || map->default_page > map->max_page)
        ns_problem(k, true, "map.default_page_size",
                   "must lie between map.min_page_size and map.max_page_size");
    if (k->ns->history_size > 0)
        ns_problem(k, true, "history_size", "a map has a stream of changes: map.stream_size");
}

static void choose_bursts(struct namespace *ns) {
    struct config_rate *rates[] = {
        &ns->publish_rate,     &ns->subscribe_rate,    &ns->history_rate,
        &ns->presence_rate,    &ns->all_publish_rate,  &ns->all_subscribe_rate,
        &ns->all_history_rate, &ns->all_presence_rate,
    };
    for (size_t i = 0; i < ELEMENTS_OF(rates); i++)
        choose_burst(rates[i]);
}

static int check_namespace(struct config_loader *l, struct namespace *ns,
                           const struct config_place *places) {
    struct ns_check k = { l, ns, places };
    char why[160];

    check_history(&k);
    check_durable(&k);
    check_cache(&k);
    choose_proxies(&k);
    check_map(&k);
    choose_bursts(ns);
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
    choose_burst(&c->user_rate);
    bool lets_in = c->insecure || c->allow_anonymous_without_token || has_key(&c->token) ||
                   c->insecure_skip_token_signature || c->user_id_http_header.len > 0 ||
                   c->connect_proxy_enabled || l->config->chat.enabled;
    if (!lets_in)
        config_problem(l, false, NULL, NULL,
                       "no client can connect: set client.token.hmac_secret_key or "
                       "client.allow_anonymous_connect_without_token");
    check_token(l, &c->token, "client.token.");
    if (c->jwks.max_age_ms <= c->jwks.refresh_ms)
        config_problem(l, true, place(l, "client.jwks.max_age"), "client.jwks.max_age",
                       "must be more than client.jwks.refresh_interval");
    if (c->has_subscription_token)
        check_token(l, &c->subscription_token, "client.subscription_token.");
    l->config->forwards_headers |= c->user_id_http_header.len > 0;
    struct str personal = c->personal_channel.channel_namespace;
    const struct option_group *namespaces = &option_groups()[GROUP_NAMESPACES];
    if (c->personal_channel.enabled && personal.len > 0 &&
        !config_find_item(l->config, namespaces, personal)) {
        const char *path = "client.subscribe_to_user_personal_channel.personal_channel_namespace";
        config_problem(l, true, place(l, path), path, "there is no such namespace");
    }
}

static void choose_inflated_limit(struct config_websocket *w) {
    uint64_t limit = (uint64_t) w->message_size_limit * 10;
    if (w->inflated_size_limit == 0)
        w->inflated_size_limit = limit > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t) limit;
}

int config_check(struct config_loader *l) {
    struct config *c = l->config;

    make_listeners(l);
    if (c->http.tls_enabled) {
        check_readable(l, "http_server.tls.cert_pem_file", c->http.tls_cert);
        check_readable(l, "http_server.tls.key_pem_file", c->http.tls_key);
    }
    for (size_t i = 0; i < c->http.n_trusted_proxies; i++) {
        struct network network;
        struct str one = c->http.trusted_proxies[i];
        if (!str_equal(one, STR("unix")) && !network_parse(one, &network))
            config_problem(
                    l, true, place(l, "http_server.trusted_proxies"), "http_server.trusted_proxies",
                    "\"%s\" is no address (10.0.0.1), network (10.0.0.0/8) or \"unix\"", one.data);
    }
    if (c->http.max_line_bytes > c->http.max_head_bytes)
        config_problem(l, true, place(l, "http_server.max_line_size"), "http_server.max_line_size",
                       "must be at most http_server.max_head_size");
    check_client(l);
    choose_inflated_limit(&c->websocket);
    choose_inflated_limit(&c->uni_websocket);
    check_paths(l);
    check_proxies(l);
    check_webhooks(l);
    int r = config_check_redis(l);
    if (r == 0)
        r = config_check_chat(l);
    choose_burst(&c->rpc_rate);
    choose_burst(&c->all_rpc_rate);
    choose_burst(&c->api.rate);
    for (size_t i = 0; i < c->api.n_keys; i++)
        choose_burst(&c->api.keys[i].rate);
    for (size_t i = 0; i < CHAT_RATES; i++)
        choose_burst(&c->chat.rates[i]);

    if (r == 0)
        r = check_namespace(l, &c->without_namespace, l->without_places);
    for (size_t i = 0; i < c->n_namespaces && r == 0; i++)
        r = check_namespace(l, &c->namespaces[i], l->item_places[GROUP_NAMESPACES][i]);
    if (r < 0)
        return r;
    if (c->n_namespaces > 1)
        qsort(c->namespaces, c->n_namespaces, sizeof *c->namespaces, compare_namespaces);
    return 0;
}
