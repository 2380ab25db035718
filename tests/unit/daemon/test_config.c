#include "daemon/config/load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config/value.h"
#include "daemon/log.h"

/* A folder for the test's files, and what the last load said. */
struct desk {
    char folder[64];
    char file[96];
    struct config_report report;
};

static int set_up(void **state) {
    struct desk *d = calloc(1, sizeof *d);
    (void) snprintf(d->folder, sizeof d->folder, "/tmp/parley-config-XXXXXX");
    if (!mkdtemp(d->folder))
        return -1;
    (void) snprintf(d->file, sizeof d->file, "%s/parleyd.yaml", d->folder);
    *state = d;
    return 0;
}

static int tear_down(void **state) {
    struct desk *d = *state;
    char command[128];
    config_report_finish(&d->report);
    (void) snprintf(command, sizeof command, "rm -rf %s", d->folder);
    int r = system(command);
    free(d);
    return r;
}

static void put_file(struct desk *d, const char *name, const char *text) {
    char path[160];
    (void) snprintf(path, sizeof path, "%s/%s", d->folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* NULL: it was refused. */
static struct config *load(struct desk *d, const char *yaml, struct config_source source) {
    struct config *c = NULL;
    config_report_finish(&d->report);
    if (yaml) {
        put_file(d, "parleyd.yaml", yaml);
        source.file = d->file;
    }
    int r = config_load(&source, &c, &d->report);
    assert_true(r == 0 || r == -EINVAL);
    assert_int_equal(r == 0, d->report.errors == 0);
    return c;
}

static bool reported(const struct desk *d, bool is_error, const char *text) {
    for (size_t i = 0; i < d->report.n; i++)
        if (d->report.items[i].is_error == is_error && strstr(d->report.items[i].text, text))
            return true;
    for (size_t i = 0; i < d->report.n; i++)
        print_message("said: %s\n", d->report.items[i].text);
    print_message("not said: %s\n", text);
    return false;
}

#define WITH_TOKEN "client: { token: { hmac_secret_key: 0123456789abcdef } }\n"

static void without_a_file_the_defaults_are_in_force(void **state) {
    struct config *c = load(*state, NULL, (struct config_source){ 0 });
    assert_non_null(c);

    assert_int_equal(c->n_listeners, 1);
    assert_string_equal(c->listeners[0].address.text, "127.0.0.1:8000");
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->engine, ENGINE_SQLITE);
    assert_string_equal(c->data_dir.data, "parley-data");
    assert_int_equal(c->client.ping_interval_ms, 25000);
    assert_int_equal(c->client.pong_timeout_ms, 8000);
    assert_int_equal(c->client.queue_max_bytes, 1 << 20);
    assert_int_equal(c->websocket.message_size_limit, 65536);
    assert_int_equal(c->websocket.inflated_size_limit, 655360);
    assert_int_equal(c->client.channel_limit, 128);
    assert_int_equal(c->channel_max_length, 255);
    assert_false(c->client.insecure);
    assert_int_equal(c->without_namespace.keep.meta_ttl_ms, 720 * 3600 * 1000LL);
    (void) config_unref(c);
}

static void a_file_in_centrifugos_shape_is_read(void **state) {
    struct config *c = load(*state,
                            "http_server: { address: \"::1\", port: \"9000\" }\n"
                            "client:\n"
                            "  allowed_origins: [ 'https://*.example.com' ]\n"
                            "  ping_interval: 1m\n"
                            "  token:\n"
                            "    hmac_secret_key: 0123456789abcdef\n"
                            "channel:\n"
                            "  without_namespace: { presence: true }\n"
                            "  namespaces:\n"
                            "    - name: news\n"
                            "      history_size: 10_000_000\n"
                            "      history_ttl: 1h30m\n"
                            "      force_recovery: true\n"
                            "    - name: chat\n"
                            "      allow_publish_for_subscriber: true\n"
                            "      publication_data_format: json\n",
                            (struct config_source){ 0 });
    assert_non_null(c);

    assert_string_equal(c->listeners[0].address.text, "[::1]:9000");
    assert_int_equal(c->client.ping_interval_ms, 60000);
    assert_true(str_equal(c->client.token.hmac_secret_key, STR("0123456789abcdef")));
    assert_int_equal(c->n_namespaces, 2);

    const struct namespace *news = config_namespace_of(c, STR("news:today"));
    assert_non_null(news);
    assert_true(str_equal(news->name, STR("news")));
    assert_int_equal(news->keep.history_size, 10000000);
    assert_int_equal(news->keep.history_ttl_ms, 5400000);
    assert_true(news->force_recovery);
    const struct namespace *chat = config_namespace_of(c, STR("$chat:a:b"));
    assert_non_null(chat);
    assert_true(chat->publish.subscriber);
    assert_false(chat->publish.client);
    assert_int_equal(chat->data_format, DATA_JSON);
    assert_ptr_equal(config_namespace_of(c, STR("plain")), &c->without_namespace);
    assert_null(config_namespace_of(c, STR("unheard:of")));
    assert_null(config_namespace_of(c, STR(":of")));
    (void) config_unref(c);
}

static void json_is_read_as_well(void **state) {
    struct config *c = load(*state,
                            "{\n\t\"client\": {\"insecure\": true, \"allowed_origins\": [\"*\"],\n"
                            "\t\t\"recovery_max_publication_limit\": 1000000},\n"
                            "\t\"channel\": {\"without_namespace\": {\"history_size\": 10,"
                            "\"history_ttl\": \"24h\"}}\n}",
                            (struct config_source){ 0 });
    assert_non_null(c);
    assert_true(c->client.insecure);
    assert_int_equal(c->client.recovery_max, 1000000);
    assert_int_equal(c->without_namespace.history_ttl_ms, 86400000);
    (void) config_unref(c);
}

/* What a mistake is answered with. */
static void every_mistake_is_named_with_its_place_and_what_would_be_right(void **state) {
    static const struct {
        const char *yaml;
        const char *says;
    } cases[] = {
        { "client:\n  pnig_interval: 25s\n",
          ":2:3: client.pnig_interval: unknown option; did you mean \"ping_interval\"?" },
        { "ping_interval: 25s\n",
          ":1:1: ping_interval: unknown option; did you mean \"client.ping_interval\"?" },
        { "cleint: {}\n", ":1:1: cleint: unknown option; did you mean \"client\"?" },
        { "channel: { namespace: [] }\n", "did you mean \"namespaces\"?" },
        { "history_size: 3\n", "did you mean \"channel.without_namespace.history_size\"?" },
        { "channel:\n  namespaces:\n    - name: chat\n      histroy_size: 3\n",
          ":4:7: channel.namespaces[chat].histroy_size: unknown option; did you mean "
          "\"history_size\"?" },
        { "zzzzzz: 1\n", ":1:1: zzzzzz: unknown option" },
        { "client: { ping_interval: 25 }\n",
          ":1:26: client.ping_interval: must be a time with its unit, like 25s" },
        { "client: { ping_interval: 2h }\n", "client.ping_interval: must be 0 or 1s to 1h" },
        { "client: { ping_interval: true }\n", "must be a number, not true or false" },
        { "client: { ping_interval: [1s] }\n", "must be a value, not a list" },
        { "client: { ping_interval: 2500ms }\n", "must be whole seconds" },
        { "client: { pong_timeout: 30s }\n", "must be less than client.ping_interval" },
        { "client: { insecure: \"true\" }\n", "must be true or false, without quotes" },
        { "client: { insecure: yes }\n", "client.insecure: must be true or false" },
        { "client: { channel_limit: many }\n", "must be a whole number" },
        { "client: { channel_limit: -1 }\n", "must be a whole number" },
        { "client: { channel_limit: 0 }\n", "must be 1 to 32768" },
        { "client: { channel_limit: 32769 }\n", "must be 1 to 32768" },
        { "engine: { sqlite: { readers: 17 } }\n", "must be 1 to 16" },
        { "client: { channel_limit: 99999999999999999999 }\n", "must be 1 to 32768" },
        { "client: { queue_max_size: 1XB }\n", "must be a size in bytes, like 65536, 64KiB" },
        { "client: { queue_max_size: 2GiB }\n", "must be 4KiB to 1GiB" },
        { "client: 3\n", ":1:9: client: must be a group of options, not a value" },
        { "client: { allowed_origins: { a: b } }\n", "must be a list, not a group of options" },
        { "client: { allowed_origins: [ [a] ] }\n", "must be a list of texts, not a list" },
        { "client: { allowed_origins: [ '' ] }\n", "must not have an empty item" },
        { "client: { token: { issuer: true } }\n", "put it in quotes if it is one" },
        { "engine: { type: nats }\n", "engine.type: must be one of sqlite, memory, redis" },
        { "log: { level: loud }\n", "must be one of error, warning, notice, info, debug" },
        { "http_server: { port: 70000 }\n", "must be 0 to 65535" },
        { "http_server: { unix_mode: 0999 }\n", "must be permissions in octal, like 0660" },
        { "http_server: { listen: [ nowhere ] }\n", "\"nowhere\" is no address like" },
        { "http_server: { listen: [ 'a:1', 'a:1' ] }\n", "a:1 is listened on already" },
        { "http_server: { internal_port: 8000 }\n", "127.0.0.1:8000 is listened on already" },
        { "http_server: { tls: { enabled: true } }\n",
          "http_server.tls.cert_pem_file: needed by http_server.tls.enabled" },
        { "http_server: { tls: { enabled: true, cert_pem_file: /none/there, key_pem_file: /none/x "
          "} }",
          "/none/there: No such file or directory" },
        { "http_server: { max_line_size: 32KiB }\n", "must be at most http_server.max_head_size" },
        { "a: 1\na: 2\n", ":2:1: \"a\" is there twice, first in line 1" },
        { "channel: { namespaces: [ { name: chat }, { name: chat } ] }\n",
          "channel.namespaces[].name: \"chat\" is there twice" },
        { "channel: { namespaces: [ { presence: true } ] }\n", "a namespace needs a `name`" },
        { "channel: { namespaces: [ { name: 'a b' } ] }\n", "must be 2 to 64 letters, digits" },
        { "channel: { namespaces: [ 3 ] }\n", "must be a group of options with a `name`" },
        { "channel: { namespaces: { name: chat } }\n", "must be a list of groups" },
        { "channel:\n  without_namespace:\n    force_recovery: true\n",
          ":3:21: channel.without_namespace.force_recovery: needs history_size and history_ttl" },
        { "channel: { without_namespace: { allow_recovery: true, history_size: 1 } }\n",
          "history_size: needs history_ttl, too" },
        { "channel: { without_namespace: { history_ttl: 5s } }\n", "needs history_size, too" },
        { "channel: { without_namespace: { history_size: 1, history_ttl: 2h, history_meta_ttl: 1h "
          "} }",
          "history_meta_ttl: must be at least history_ttl" },
        { "channel: { history_meta_ttl: 1h, without_namespace: { history_size: 1, history_ttl: 2h "
          "} }",
          "history_ttl: must be at most channel.history_meta_ttl" },
        { "channel: { without_namespace: { channel_regex: '(a' } }\n",
          "channel_regex: missing closing parenthesis, at character 3" },
        { "client: { presence_ttl: 10s }\n", "must be more than client.presence_update_interval" },
        { "client: &a { }\n", ":1:9: anchors are not supported" },
        { "client: *a\n", "aliases are not supported" },
        { "client: !!map {}\n", "tags are not supported" },
        { "? [a]\n: b\n", "a name was expected here" },
        { "client: {}\n---\nclient: {}\n", "a second document begins here" },
        { "client: {\n", ":2:1: " },
        { "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", ":1:17: nested too deeply" },
        { "- 1\n", "must be a group of options, not a list" },
        { "client: \"\xff\"\n", "invalid" },
        { "client: { token: { audience_regex: '^(a$' } }\n",
          "client.token.audience_regex: missing closing parenthesis" },
        { "client: { token: { issuer: a, issuer_regex: '^a$' } }\n",
          "issuer is given, too; one of the two" },
        { "client: { token: { jwks_public_endpoint: 'ftp://a' } }\n",
          "must begin with http:// or https://" },
        { "client: { proxy: { connect: { enabled: true } } }\n",
          "client.proxy.connect.endpoint: is needed" },
        { "rpc: { proxy: { endpoint: 'http://a:1', http: { static_headers: { 'X Y': a } } } }\n",
          "rpc.proxy.http.static_headers: \"X Y\" cannot be a header" },
        { "rpc: { proxy: { endpoint: 'grpc://a:1' } }\n",
          "gRPC is not supported: give an http:// or https:// endpoint" },
        { "proxies: [ { name: ab } ]\n", "proxies[ab].endpoint: is needed" },
        { "proxies: [ { name: ab, endpoint: 'http://a', timeuot: 1s } ]\n",
          ":1:46: proxies[ab].timeuot: unknown option; did you mean \"timeout\"?" },
        { "proxies: [ { name: ab, endpoint: 'http://a', http: { static_heders: {} } } ]\n",
          "proxies[ab].http.static_heders: unknown option; did you mean \"static_headers\"?" },
        { "channel: { without_namespace: { publish_proxy_enabled: true } }\n",
          "publish_proxy_name: needs channel.proxy.publish.endpoint" },
        { "channel: { without_namespace: { publish_proxy_enabled: true, publish_proxy_name: xy } "
          "}\n",
          "there is no \"xy\" in proxies" },
        { "channel: { without_namespace: { subscription_type: shared_poll } }\n",
          "shared_poll.proxy_name: needs channel.proxy.shared_poll_refresh.endpoint" },
        { "rpc: { namespaces: [ { name: ab, proxy_enabled: true, proxy_name: xy } ] }\n",
          "rpc.namespaces[ab].proxy_name: there is no \"xy\" in proxies" },
        { "channel: { without_namespace: { allowed_delta_types: [ xor ] } }\n", "must be fossil" },
        { "channel: { without_namespace: { auto_cache_recover: true } }\n",
          "needs force_recovery and force_recovery_mode: cache" },
        { "channel: { without_namespace: { subscription_type: map, map: { stream_size: 3 } } }\n",
          "an ephemeral map has no stream" },
        { "channel: { without_namespace: { subscription_type: map, history_size: 3,\n"
          "  history_ttl: 1s } }\n",
          "a map has a stream of changes" },
        { "client: { connect_code_to_unidirectional_disconnect: { transforms: [ { code: 109 } ] } "
          "}\n",
          "needs a `to`" },
        { "proxies: [ { name: ab, endpoint: 'http://a', http: {\n"
          "  status_to_code_transforms: [ { status_code: 404, to_error: { code: 99 } } ] } } ]\n",
          "proxies[ab].http.status_to_code_transforms: `code` must be 100 to 2999" },
        { "proxies: [ { name: ab, endpoint: 'http://a', http: {\n"
          "  status_to_code_transforms: [ { status_code: 404 } ] } } ]\n",
          "needs either a `to_error` or a `to_disconnect`" },
        { "webhooks: { endpoints: [ { name: ab, endpoint: 'http://a', events: [ login ] } ] }\n",
          "there is no event \"login\"" },
        { "sse: { handler_prefix: /metrics }\n", "prometheus.handler_prefix: is that of sse" },
        { "sse: { handler_prefix: sse }\n", "must begin with a slash" },
        { "channel: { private_prefix: '%' }\n", "leaving it out would not be safe" },
        { "client: { token: { hmac_secret_key: a, hmac_secret_key_file: b } }\n",
          "client.token.hmac_secret_key is given, too; one of the two" },
        { "client: { token: { hmac_secret_key_file: /none/there } }\n",
          "/none/there: No such file or directory" },
        { "client: { token: { hmac_secret_key_file: /tmp } }\n", "Is a directory" },
    };

    for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
        struct config *c = load(*state, cases[i].yaml, (struct config_source){ 0 });
        if (c)
            print_message("accepted: %s\n", cases[i].yaml);
        assert_null(c);
        assert_true(reported(*state, true, cases[i].says));
    }
}

static void all_mistakes_are_found_in_one_go(void **state) {
    struct desk *d = *state;
    assert_null(load(d, "client: { ping_interval: x, insecure: 3 }\nworkers: none\nnope: 1\n",
                     (struct config_source){ 0 }));
    assert_int_equal(d->report.errors, 4);
}

static void what_has_no_counterpart_is_named_and_ignored(void **state) {
    struct config *c = load(*state,
                            WITH_TOKEN "admin:\n  enabled: true\n  password: x\n"
                                       "grpc_api: { key: secret }\n"
                                       "graphite: { enabled: false, host: localhost }\n"
                                       "channel: { private_prefix: $, without_namespace: {\n"
                                       "    allow_channel_compaction: true } }\n",
                            (struct config_source){ 0 });
    assert_non_null(c);
    assert_true(reported(*state, false, ":2:1: admin: not supported, ignored (the admin page)"));
    assert_true(reported(*state, false, ":5:1: grpc_api: not supported, ignored"));
    assert_true(
            reported(*state, false, ":8:5: channel.without_namespace.allow_channel_compaction"));
    assert_int_equal(((struct desk *) *state)->report.n, 3); /* what is off is no news */
    (void) config_unref(c);
}

static void flags_win_over_the_environment_which_wins_over_credentials_and_the_file(void **state) {
    struct desk *d = *state;
    put_file(d, "client.token.hmac_secret_key", "from-the-credential\n");
    put_file(d, "secret", "from-a-named-file\n");
    char variable[200];
    (void) snprintf(variable, sizeof variable, "PARLEY_CLIENT_TOKEN_HMAC_SECRET_KEY_FILE=%s/secret",
                    d->folder);

    struct config_source source = { .credentials_dir = d->folder };
    struct config *c = load(d, WITH_TOKEN, source);
    assert_non_null(c);
    assert_string_equal(c->client.token.hmac_secret_key.data, "from-the-credential");
    (void) config_unref(c);

    const char *environment[] = { variable,
                                  "PARLEY_WORKERS=3",
                                  "PARLEY_CLIENT_PING_INTERVAL=10s",
                                  "PARLEY_CLIENT_ALLOWED_ORIGINS=http://a, http://b",
                                  "PARLEYX=1",
                                  NULL };
    struct config_flag flags[] = {
        { "--set", "client.ping_interval", "9s" },
        { "--listen", "http_server.listen", "127.0.0.1:1" },
        { "--listen", "http_server.listen", "unix:/tmp/x" },
    };
    source.environment = environment;
    source.flags = flags;
    source.n_flags = ELEMENTS_OF(flags);
    c = load(d, "workers: 2\nhttp_server: { listen: [ '127.0.0.1:7' ] }\n", source);
    assert_non_null(c);
    assert_string_equal(c->client.token.hmac_secret_key.data, "from-a-named-file");
    assert_int_equal(c->workers, 3);
    assert_int_equal(c->client.ping_interval_ms, 9000);
    assert_int_equal(c->client.n_allowed_origins, 2);
    assert_string_equal(c->client.allowed_origins[1].data, "http://b");
    assert_int_equal(c->n_listeners, 2);
    assert_string_equal(c->listeners[0].address.text, "127.0.0.1:1");
    (void) config_unref(c);
}

static void a_bad_variable_or_flag_is_named(void **state) {
    const char *environment[] = { "PARLEY_WORKERS=none", "PARLEY_CLIENT_PNIG_INTERVAL=1s", NULL };
    struct config_flag flags[] = { { "--set", "client.pong_timeuot", "9s" } };
    struct config_source source = { .environment = environment, .flags = flags, .n_flags = 1 };

    assert_null(load(*state, NULL, source));
    assert_true(reported(*state, true, "PARLEY_WORKERS: workers: must be a whole number"));
    assert_true(reported(*state, false, "did you mean PARLEY_CLIENT_PING_INTERVAL?"));
    assert_true(reported(*state, true, "--set: client.pong_timeuot: unknown option"));
}

static void a_secret_in_the_environment_is_warned_of(void **state) {
    const char *environment[] = { "PARLEY_CLIENT_TOKEN_HMAC_SECRET_KEY=0123456789abcdef", NULL };
    struct config *c = load(*state, NULL, (struct config_source){ .environment = environment });
    assert_non_null(c);
    assert_string_equal(c->client.token.hmac_secret_key.data, "0123456789abcdef");
    assert_true(reported(*state, false, "is seen by every child process"));
    (void) config_unref(c);
}

static void a_missing_file_is_an_error(void **state) {
    assert_null(load(*state, NULL, (struct config_source){ .file = "/none/there.yaml" }));
    assert_true(reported(*state, true, "/none/there.yaml: No such file or directory"));
}

static void a_configuration_nobody_can_connect_with_is_warned_of(void **state) {
    struct config *c = load(*state, "workers: 1\n", (struct config_source){ 0 });
    assert_non_null(c);
    assert_true(reported(*state, false, "no client can connect"));
    (void) config_unref(c);
}

static void a_dump_reads_back_as_the_same_and_hides_secrets(void **state) {
    struct desk *d = *state;
    struct config *c = load(
            d,
            "client: { allowed_origins: [ 'a\"b', '*' ], token: {\n"
            "  hmac_secret_key: very-secret-indeed } }\n"
            "channel: { namespaces: [ { name: chat, history_size: 3,\n"
            "  history_ttl: 90s, channel_regex: '^\\d+$' } ] }\n"
            "http_api: { keys: [ { name: app, key: also-secret, rate: 3 } ] }\n"
            "rpc: { namespaces: [ { name: game, proxy_enabled: true, proxy_name: b1 } ] }\n"
            "proxies: [ { name: b1, endpoint: 'https://u:secret-too@b/', http_headers: [ Cookie ], "
            "http: {\n"
            "  static_headers: { X-Key: k }, status_to_code_transforms: [\n"
            "    { status_code: 404, to_error: { code: 404, message: no, temporary: true } },\n"
            "    { status_code: 403, to_disconnect: { code: 4501, reason: out } } ] } } ]\n",
            (struct config_source){ 0 });
    assert_non_null(c);
    assert_ptr_equal(c->rpc_namespaces[0].proxy, &c->proxies[0]);
    assert_true(c->forwards_headers);
    assert_string_equal(c->proxies[0].http_headers[0].data, "cookie");
    assert_string_equal(c->proxies[0].static_headers[0].value.data, "k");
    assert_int_equal(c->api.keys[0].rate.burst, 6);
    struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
    config_dump(c, &first);
    buffer_append_byte(&first, '\0');
    assert_null(strstr((char *) first.data, "very-secret"));
    assert_null(strstr((char *) first.data, "also-secret"));
    assert_null(strstr((char *) first.data, "secret-too"));
    assert_non_null(strstr((char *) first.data, "hmac_secret_key: \"********\""));

    struct config *again = load(d, (char *) first.data, (struct config_source){ 0 });
    if (!again)
        (void) reported(d, true, "?");
    assert_non_null(again);
    config_dump(again, &second);
    buffer_append_byte(&second, '\0');
    assert_string_equal((char *) first.data, (char *) second.data);
    buffer_finish(&first);
    buffer_finish(&second);
    (void) config_unref(c);
    (void) config_unref(again);
}

/* What the JavaScript SDK's own tests run their server with: every option of it, in JSON. */
static void the_configuration_of_the_javascript_suite_loads(void **state) {
    static const char text[] =
            "{ \"client\": { \"insecure\": true, \"concurrency\": 8,\n"
            "    \"token\": { \"hmac_secret_key\": \"secret\" } },\n"
            "  \"log\": { \"level\": \"trace\" },\n"
            "  \"http_stream\": { \"enabled\": true }, \"sse\": { \"enabled\": true },\n"
            "  \"map_broker\": {}, \"shared_poll\": { \"hmac_secret_key\": \"poll-secret\" },\n"
            "  \"proxies\": [\n"
            "    { \"name\": \"poll_backend\", \"endpoint\": \"http://b:3010/refresh\", "
            "\"timeout\": "
            "\"5s\" } ],\n"
            "  \"http_api\": { \"key\": \"api-key\" },\n"
            "  \"channel\": {\n"
            "    \"without_namespace\": { \"presence\": true, \"delta_publish\": true,\n"
            "      \"allowed_delta_types\": [\"fossil\"], \"history_size\": 100,\n"
            "      \"history_ttl\": \"300s\", \"force_recovery\": true },\n"
            "    \"namespaces\": [\n"
            "      { \"name\": \"streamless\", \"subscription_type\": \"map\",\n"
            "        \"map\": { \"mode\": \"ephemeral\", \"key_ttl\": \"60s\",\n"
            "          \"allow_publish_for_client\": true, \"allow_remove_for_client\": true },\n"
            "        \"allow_subscribe_for_client\": true },\n"
            "      { \"name\": \"smallstream\", \"subscription_type\": \"map\",\n"
            "        \"map\": { \"mode\": \"persistent\", \"stream_size\": 2, \"stream_ttl\": "
            "\"60s\" "
            "} },\n"
            "      { \"name\": \"clientkey\", \"subscription_type\": \"map\",\n"
            "        \"map\": { \"mode\": \"ephemeral\", \"client_key\": \"client_id\",\n"
            "          \"allow_publish_for_subscriber\": true } },\n"
            "      { \"name\": \"prestest\", \"subscription_type\": \"map\",\n"
            "        \"map_clients_presence_channel_prefix\": \"prescli:\" },\n"
            "      { \"name\": \"prescli\", \"subscription_type\": \"map_clients\" },\n"
            "      { \"name\": \"debounced\", \"subscription_type\": \"map\",\n"
            "        \"client_publish_debounce_interval\": \"50ms\" },\n"
            "      { \"name\": \"tagged\", \"subscription_type\": \"map\",\n"
            "        \"allow_tags_filter\": true },\n"
            "      { \"name\": \"poll\", \"subscription_type\": \"shared_poll\", \"shared_poll\": "
            "{\n"
            "          \"proxy_name\": \"poll_backend\", \"mode\": \"versioned\",\n"
            "          \"refresh_interval\": \"200ms\", \"refresh_batch_size\": 100,\n"
            "          \"max_keys_per_connection\": 100 } } ] } }\n";
    struct desk *d = *state;
    struct config *c = load(d, text, (struct config_source){ 0 });
    assert_non_null(c);
    assert_int_equal(d->report.n, 2); /* a short secret, and client.concurrency */
    assert_true(reported(d, false, "client.concurrency: not supported, ignored"));
    assert_int_equal(c->n_namespaces, 8);
    assert_true(c->sse.enabled && c->http_stream.enabled);
    assert_ptr_equal(config_namespace_of(c, STR("poll:a"))->poll.proxy, &c->proxies[0]);
    assert_int_equal(config_namespace_of(c, STR("smallstream:a"))->map.stream_size, 2);
    (void) config_unref(c);
}

/* The form in which those who run a Centrifugo in a container have it. */
static void namespaces_and_proxies_may_come_from_the_environment(void **state) {
    static const char *const environment[] = {
        "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY=a-secret-of-some-length",
        "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOWED_DELTA_TYPES=fossil",
        "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE=100",
        "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL=300s",
        "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_PRESENCE_FOR_SUBSCRIBER=true",
        "CENTRIFUGO_CHANNEL_NAMESPACES_SMALLHISTORY_HISTORY_SIZE=2",
        "CENTRIFUGO_CHANNEL_NAMESPACES_SMALLHISTORY_HISTORY_TTL=300s",
        "CENTRIFUGO_CHANNEL_NAMESPACES=smallhistory other",
        "CENTRIFUGO_CHANNEL_PROXY_PUBLISH_HTTP_STATIC_HEADERS={\"X-A\": \"1\"}",
        "CENTRIFUGO_PROXIES=[{\"name\": \"backend\", \"endpoint\": \"http://b\"}]",
        "CENTRIFUGO_PROXIES_BACKEND_TIMEOUT=3s",
        "CENTRIFUGO_PORT=3",
        "PARLEY_CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE=7",
        NULL,
    };
    struct config *c = load(*state, "", (struct config_source){ .environment = environment });
    assert_non_null(c);
    assert_true(c->without_namespace.allows_delta);
    assert_int_equal(c->without_namespace.history_size, 7);
    assert_true(c->without_namespace.presence_of.subscriber);
    assert_int_equal(c->n_namespaces, 2);
    assert_int_equal(config_namespace_of(c, STR("smallhistory:a"))->history_size, 2);
    assert_string_equal(c->channel_proxies.publish.static_headers[0].name.data, "X-A");
    assert_int_equal(c->proxies[0].timeout_ms, 3000);
    (void) config_unref(c);
}

static void a_reload_keeps_what_needs_a_restart(void **state) {
    struct desk *d = *state;
    struct config *old = load(d, WITH_TOKEN, (struct config_source){ 0 }), *new = NULL;
    assert_non_null(old);
    config_report_finish(&d->report);

    put_file(d, "parleyd.yaml",
             "workers: 4\nhttp_server: { port: 9 }\nclient: { ping_interval: 5s, pong_timeout: 2s "
             "}\n");
    assert_int_equal(
            config_reload(&(struct config_source){ .file = d->file }, old, &new, &d->report), 0);
    assert_int_equal(new->workers, 0);
    assert_int_equal(new->client.ping_interval_ms, 5000);
    assert_string_equal(new->listeners[0].address.text, "127.0.0.1:8000");
    assert_true(reported(d, false, ":1:10: workers: a change of this takes effect with the next"));
    (void) config_unref(old);
    assert_string_equal(new->data_dir.data, "parley-data");
    (void) config_unref(new);
}

static void origins_are_matched_by_pattern(void **state) {
    struct config *c = load(*state,
                            "client: { allowed_origins: [ 'https://*.Example.com', "
                            "'http://localhost:*' ] }\n",
                            (struct config_source){ 0 });
    static const struct {
        const char *origin;
        bool is_allowed;
    } cases[] = {
        { "https://chat.example.com", true },
        { "https://CHAT.example.COM", true },
        { "https://example.com", false },
        { "http://chat.example.com", false },
        { "https://chat.example.com.evil", false },
        { "http://localhost:8000", true },
        { "http://localhost", false },
        { "null", false },
        { "", false },
    };
    for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
        assert_int_equal(config_allows_origin(c, true, str_of(cases[i].origin)),
                         cases[i].is_allowed);
    assert_true(config_allows_origin(c, false, (struct str){ 0 }));
    (void) config_unref(c);

    c = load(*state, NULL, (struct config_source){ 0 });
    assert_false(config_allows_origin(c, true, STR("https://a")));
    assert_true(config_allows_origin(c, false, (struct str){ 0 }));
    (void) config_unref(c);
}

static void names_must_be_ascii_or_match_the_regex(void **state) {
    struct config *c = load(*state,
                            "channel: { namespaces: [ { name: num, channel_regex: '^\\d+$' },\n"
                            "  { name: slow, channel_regex: '^(a+)+$' } ] }\n",
                            (struct config_source){ 0 });
    assert_non_null(c);
    assert_true(namespace_allows_name(&c->without_namespace, STR("any thing")));
    assert_false(namespace_allows_name(&c->without_namespace, STR("\xc3\xa9")));
    const struct namespace *num = config_namespace_of(c, STR("num:42"));
    assert_true(namespace_allows_name(num, STR("num:42")));
    assert_true(namespace_allows_name(num, STR("$num:42")));
    assert_false(namespace_allows_name(num, STR("num:42x")));
    assert_false(namespace_allows_name(num, STR("num:42\n")));
    /* Exponential for a backtracking matcher: given up after a bounded number of steps. */
    const struct namespace *slow = config_namespace_of(c, STR("slow:a"));
    assert_true(namespace_allows_name(slow, STR("slow:aaa")));
    assert_false(namespace_allows_name(slow, STR("slow:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
    (void) config_unref(c);
}

static void the_reference_page_is_up_to_date(void **state) {
    struct buffer page = BUFFER_INIT;
    static char kept[1 << 17];
    config_document(&page);
    buffer_append_byte(&page, '\0');
    assert_int_equal(buffer_error(&page), 0);

    FILE *f = fopen(PARLEY_SOURCE_DIR "/docs/configuration.md", "r");
    assert_non_null(f);
    kept[fread(kept, 1, sizeof kept - 1, f)] = '\0';
    (void) fclose(f);
    if (strcmp(kept, (char *) page.data) != 0)
        fail_msg("write it anew: build/dev/bin/parleyd --document-config >docs/configuration.md");
    buffer_finish(&page);
}

static void the_examples_are_right(void **state) {
    static const char *const files[] = { PARLEY_SOURCE_DIR "/systemd/parleyd.yaml",
                                         PARLEY_SOURCE_DIR "/systemd/demo.yaml" };
    for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
        struct config *c = load(*state, NULL, (struct config_source){ .file = files[i] });
        if (!c)
            (void) reported(*state, true, "?");
        assert_non_null(c);
        (void) config_unref(c);
    }
}

static void times_and_sizes_are_read_and_written(void **state) {
    static const struct {
        const char *text;
        int64_t ms; /* < 0: -errno */
        const char *written;
    } times[] = {
        { "0", 0, "0s" },
        { "25s", 25000, "25s" },
        { "1h30m", 5400000, "1h30m" },
        { "100ms", 100, "100ms" },
        { "1.5s", 1500, "1s500ms" },
        { "2d", 172800000, "48h" },
        { "0.25h", 900000, "15m" },
        { "5", -EINVAL, NULL },
        { "", -EINVAL, NULL },
        { "s", -EINVAL, NULL },
        { "5 s", -EINVAL, NULL },
        { "5x", -EINVAL, NULL },
        { "1.s", -EINVAL, NULL },
        { "0.0005s", -EINVAL, NULL },
        { "-5s", -EINVAL, NULL },
        { "99999999999999999999s", -ERANGE, NULL },
        { "9223372036854775807h", -ERANGE, NULL },
    };
    for (size_t i = 0; i < ELEMENTS_OF(times); i++) {
        int64_t ms = -1;
        int r = duration_parse(str_of(times[i].text), &ms);
        assert_int_equal(r < 0 ? r : ms, times[i].ms);
        if (r < 0)
            continue;
        struct buffer b = BUFFER_INIT;
        duration_write(ms, &b);
        assert_true(str_equal((struct str){ (char *) b.data, b.len }, str_of(times[i].written)));
        buffer_finish(&b);
    }

    int64_t n;
    assert_int_equal(size_parse(STR("64KiB"), &n), 0);
    assert_int_equal(n, 65536);
    assert_int_equal(size_parse(STR("1MB"), &n), 0);
    assert_int_equal(n, 1000000);
    assert_int_equal(size_parse(STR("7"), &n), 0);
    assert_int_equal(n, 7);
    assert_int_equal(size_parse(STR("7Q"), &n), -EINVAL);
    assert_int_equal(size_parse(STR("KiB"), &n), -EINVAL);
    assert_int_equal(size_parse(STR("9999999999999GiB"), &n), -ERANGE);
}

static void the_chat_brings_its_channels(void **state) {
    struct config *c = load(*state, WITH_TOKEN "chat: { enabled: true }\ndata_dir: /tmp/x",
                            (struct config_source){ 0 });
    assert_non_null(c);
    const struct namespace *room = config_namespace_of(c, STR("room:x"));
    const struct namespace *user = config_namespace_of(c, STR("user:#ann"));
    assert_non_null(room);
    assert_non_null(user);
    assert_true(room->force_recovery && room->force_positioning && namespace_has_history(room));
    assert_true(room->keep.history_size > 0); /* it was checked like others */
    assert_false(room->subscribe.client || room->publish.client);
    assert_true(user->allow_user_limited_channels);
    assert_false(namespace_has_history(user));
    assert_true(c->client.personal_channel.enabled);
    assert_int_equal(c->chat.rates[CHAT_RATE_SEND].burst, 10);
    config_unref(c);

    c = load(*state, WITH_TOKEN, (struct config_source){ 0 });
    assert_non_null(c);
    assert_null(config_namespace_of(c, STR("room:x")));
    assert_false(c->client.personal_channel.enabled);
    config_unref(c);
}

static void what_is_configured_of_the_chats_channels_stays(void **state) {
    struct config *c =
            load(*state,
                 WITH_TOKEN "chat: { enabled: true }\nchannel: { namespaces: [ { name: room, "
                            "history_size: 7, history_ttl: 60s } ] }",
                 (struct config_source){ 0 });
    assert_non_null(c);
    assert_int_equal(config_namespace_of(c, STR("room:x"))->history_size, 7);
    assert_non_null(config_namespace_of(c, STR("user:#ann")));
    config_unref(c);
}

static void what_does_not_go_with_the_chat_is_said(void **state) {
    struct desk *d = *state;
    assert_null(load(d, WITH_TOKEN "chat: { enabled: true, owner: false }",
                     (struct config_source){ 0 }));
    assert_true(reported(d, true, "chat.owner"));
    assert_null(
            load(d,
                 "client: { subscribe_to_user_personal_channel: { enabled: true, "
                 "personal_channel_namespace: own } }\nchannel: { namespaces: [ { name: own } ] "
                 "}\nchat: { enabled: true }",
                 (struct config_source){ 0 }));
    assert_true(reported(d, true, "must be user, for the chat"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_file_the_defaults_are_in_force, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_in_centrifugos_shape_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_is_read_as_well, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
                every_mistake_is_named_with_its_place_and_what_would_be_right, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_mistakes_are_found_in_one_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_no_counterpart_is_named_and_ignored, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
                flags_win_over_the_environment_which_wins_over_credentials_and_the_file, set_up,
                tear_down),
        cmocka_unit_test_setup_teardown(a_bad_variable_or_flag_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_secret_in_the_environment_is_warned_of, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_missing_file_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_configuration_nobody_can_connect_with_is_warned_of,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dump_reads_back_as_the_same_and_hides_secrets, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_configuration_of_the_javascript_suite_loads, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(namespaces_and_proxies_may_come_from_the_environment,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reload_keeps_what_needs_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(origins_are_matched_by_pattern, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_must_be_ascii_or_match_the_regex, set_up, tear_down),
        cmocka_unit_test(the_reference_page_is_up_to_date),
        cmocka_unit_test_setup_teardown(the_examples_are_right, set_up, tear_down),
        cmocka_unit_test(times_and_sizes_are_read_and_written),
        cmocka_unit_test_setup_teardown(the_chat_brings_its_channels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_configured_of_the_chats_channels_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_go_with_the_chat_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
