/* What a Centrifugo may be told and Parley has no counterpart for. */
#include "daemon/config/options.h"

static const struct foreign_option FOREIGN[] = {
    { "admin", "the admin page" },
    { "broker", "a broker beside the engine" },
    { "presence_manager", "presence kept elsewhere than in the engine" },
    { "map_broker", "map state kept elsewhere than in the engine" },
    { "engine.redis.cluster_address",
      "Redis Cluster; give several addresses: each has a share of the channels",
      .may_not_be_ignored = true },
    { "engine.redis.client_name", "a name of the connections" },
    { "engine.redis.force_resp2", "a choice of the protocol" },
    { "engine.redis.history_use_lists", "histories as lists; they are streams" },
    { "engine.redis.presence_ttl", "a time of its own for presence; see client.presence_ttl" },
    { "engine.redis.presence_hash_field_ttl", "times of hash fields" },
    { "engine.redis.presence_user_mapping", "presence by user" },
    { "engine.redis.idempotent_result_ttl", "a time for idempotency keys; it is five minutes" },
    { "engine.redis.sentinel_client_name", "a name of the connections" },
    { "engine.redis.tls.cert_pem", "a certificate in the file itself: name a file as cert_pem_file",
      .may_not_be_ignored = true },
    { "engine.redis.tls.key_pem", "a key in the file itself: name a file as key_pem_file",
      .may_not_be_ignored = true },
    { "engine.redis.tls.server_ca_pem",
      "an authority in the file itself: name a file as server_ca_pem_file",
      .may_not_be_ignored = true },
    { "engine.redis.tls.client_ca_pem", "an authority for Parley's own certificate" },
    { "engine.redis.tls.client_ca_pem_file", "an authority for Parley's own certificate" },
    { "engine.redis.sentinel_tls.cert_pem",
      "a certificate in the file itself: name a file as cert_pem_file",
      .may_not_be_ignored = true },
    { "engine.redis.sentinel_tls.key_pem", "a key in the file itself: name a file as key_pem_file",
      .may_not_be_ignored = true },
    { "engine.redis.sentinel_tls.server_ca_pem",
      "an authority in the file itself: name a file as server_ca_pem_file",
      .may_not_be_ignored = true },
    { "engine.redis.sentinel_tls.client_ca_pem", "an authority for Parley's own certificate" },
    { "engine.redis.sentinel_tls.client_ca_pem_file", "an authority for Parley's own certificate" },
    { "grpc_api", "the gRPC server API" },
    { "consumers", "consumers of message queues" },
    { "webtransport", "the WebTransport transport" },
    { "uni_grpc", "the unidirectional gRPC transport" },
    { "swagger", "the API's own documentation page" },
    { "debug", "profiling endpoints; SIGUSR1 dumps the tasks instead" },
    { "dev", "the development page" },
    { "opentelemetry", "OpenTelemetry" },
    { "graphite", "Graphite; /metrics speaks Prometheus" },
    { "usage_stats", "usage statistics; none are ever sent" },
    { "node.info_metrics_aggregate_interval", "metrics in the answer to info" },
    { "pid_file", "a file with the process id; systemd knows it" },
    { "enable_unreleased_features", "unreleased features" },
    { "log.file", "a log file; lines go to standard error" },
    { "shutdown.termination_delay", "a delay before the shutdown; see shutdown.spread" },
    { "http_server.tls.cert_pem", "a certificate in the file itself: name a file as cert_pem_file",
      .may_not_be_ignored = true },
    { "http_server.tls.key_pem", "a key in the file itself: name a file as key_pem_file",
      .may_not_be_ignored = true },
    { "http_server.tls.client_ca_pem", "client certificates", .may_not_be_ignored = true },
    { "http_server.tls.client_ca_pem_file", "client certificates", .may_not_be_ignored = true },
    { "http_server.tls.server_ca_pem", "an authority for the server's own certificate" },
    { "http_server.tls.server_ca_pem_file", "an authority for the server's own certificate" },
    { "http_server.tls.server_name", "a server name" },
    { "http_server.tls.insecure_skip_verify", "skipping verification" },
    { "http_server.tls_autocert", "certificates fetched by the daemon",
      .may_not_be_ignored = true },
    { "http_server.tls_external", "TLS on some endpoints only" },
    { "http_server.internal_tls", "TLS on the internal listener", .may_not_be_ignored = true },
    { "http_server.http3", "HTTP/3" },
    { "prometheus.instrument_http_handlers", "metrics per HTTP handler" },
    { "prometheus.recover_metrics", "metrics per namespace" },
    { "websocket.compression_min_size",
      "a size from which messages are compressed; smaller than 200 bytes they are not" },
    { "websocket.compression_level", "a level of compression", .same_as = "1" },
    { "websocket.read_buffer_size", "buffer sizes; idle connections hold no buffer" },
    { "websocket.write_buffer_size", "buffer sizes; idle connections hold no buffer" },
    { "websocket.use_write_buffer_pool", "buffer pools; idle connections hold no buffer" },
    { "websocket.compression_prepared_message_cache_size",
      "a cache of compressed messages; each is compressed once anyway" },
    { "client.concurrency", "commands of one connection side by side" },
    { "client.channel_position_max_time_lag", "position checks by time lag" },
    { "client.write_delay", "delayed writes; writes are batched by turn" },
    { "client.reply_without_queue", "replies past the queue" },
    { "client.max_messages_in_frame", "a limit of messages in a frame" },
    { "channel.private_prefix", "another prefix of private channels", .same_as = "$",
      .may_not_be_ignored = true },
    { "channel.namespace_boundary", "another separator of namespaces", .same_as = ":",
      .may_not_be_ignored = true },
    { "channel.user_boundary", "another separator of users", .same_as = "#",
      .may_not_be_ignored = true },
    { "channel.user_separator", "another separator of users", .same_as = ",",
      .may_not_be_ignored = true },
    { "uni_websocket.compression_min_size", "a size from which messages are compressed" },
    { "uni_websocket.compression_level", "a level of compression", .same_as = "1" },
    { "uni_websocket.read_buffer_size", "buffer sizes; idle connections hold no buffer" },
    { "uni_websocket.write_buffer_size", "buffer sizes; idle connections hold no buffer" },
    { "uni_websocket.use_write_buffer_pool", "buffer pools; idle connections hold no buffer" },
    { "uni_websocket.join_push_messages", "several pushes in one message; each comes in its own" },
    { "uni_websocket.disable_closing_handshake", "leaving without a goodbye" },
    { "uni_websocket.disable_disconnect_push", "leaving without a goodbye" },
    { "channel.proxy.subscribe_stream", "streams from a backend" },
    { "channel.publication_data_format", "a format for all namespaces: say it in each",
      .may_not_be_ignored = true },
    { "rpc.namespace_boundary", "another separator of namespaces", .same_as = ":",
      .may_not_be_ignored = true },
    { "prometheus.recovered_publications_histogram", "a histogram of recoveries" },
    { "prometheus.native_histograms", "native histograms" },
    { "http_server.h2c_external", "HTTP/2" },
};

static const struct foreign_option FOREIGN_NAMESPACE[] = {
    { "allow_channel_compaction", "compact channel ids" },
    { "publication_data_schema", "schemas of publications", .may_not_be_ignored = true },
    { "subscribe_stream_proxy_enabled", "streams from a backend" },
    { "subscribe_stream_proxy_name", "streams from a backend", .same_as = "default" },
    { "subscribe_stream_proxy_bidirectional", "streams from a backend" },
    { "subscription_types", "map and poll subscriptions" },
};

/* Of every proxy, wherever it stands. */
static const struct foreign_option FOREIGN_PROXY[] = {
    { "grpc", "gRPC; give an http:// or https:// endpoint" },
    { "grpc_metadata", "gRPC" },
    { "http.tls.enabled", "TLS is used where the endpoint says https://", .same_as = "true" },
    { "http.tls.cert_pem", "client certificates" },
    { "http.tls.cert_pem_file", "client certificates" },
    { "http.tls.key_pem", "client certificates" },
    { "http.tls.key_pem_file", "client certificates" },
    { "http.tls.server_ca_pem", "an authority in the file itself: name a file as ca_pem_file" },
    { "http.tls.server_ca_pem_file", "another name of ca_pem_file" },
    { "http.tls.server_name", "another server name" },
};

static const char *const PROXIES[] = {
    "client.proxy.connect.",      "client.proxy.refresh.",     "rpc.proxy.",
    "channel.proxy.subscribe.",   "channel.proxy.publish.",    "channel.proxy.sub_refresh.",
    "channel.proxy.map_publish.", "channel.proxy.map_remove.", "channel.proxy.shared_poll_refresh.",
};

static const struct foreign_option *find(const struct foreign_option *table, size_t n,
                                         const char *path) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(path, table[i].path) == 0)
            return &table[i];
    return NULL;
}

const struct foreign_option *foreign_option_of(const struct option_group *group, const char *path) {
    if (group && group->options)
        return find(FOREIGN_PROXY, ELEMENTS_OF(FOREIGN_PROXY), path);
    if (group)
        return find(FOREIGN_NAMESPACE, ELEMENTS_OF(FOREIGN_NAMESPACE), path);

    for (size_t i = 0; i < ELEMENTS_OF(PROXIES); i++)
        if (strncmp(path, PROXIES[i], strlen(PROXIES[i])) == 0)
            return find(FOREIGN_PROXY, ELEMENTS_OF(FOREIGN_PROXY), path + strlen(PROXIES[i]));
    return find(FOREIGN, ELEMENTS_OF(FOREIGN), path);
}
