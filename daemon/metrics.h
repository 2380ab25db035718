/*
 * What happened, in numbers: counters, gauges and histograms of each worker, summed when asked for
 * and written as Prometheus text with the prefix parley_.
 *
 * A struct metrics belongs to one worker: only its thread writes (plain loads and stores, relaxed);
 * any thread may read. One table here says name, kind and help of each.
 */
#pragma once

#include <stdatomic.h>

#include "async/base.h"
#include "async/debug.h"
#include "daemon/api/schema.h"
#include "protocol/buffer.h"
#include "protocol/codes.h"

/* enum, name behind parley_, help. Counters only grow. */
#define METRICS_COUNTERS(X)                                                                        \
    X(COUNT_ACCEPTED, "client_connections_accepted_total", "Sockets accepted.")                    \
    X(COUNT_ACCEPT_STARVED, "client_connections_starved_total",                                    \
      "Times a listener ran out of descriptors.")                                                  \
    X(COUNT_CONNECTIONS_HANDED_OVER, "client_connections_handed_over_total",                       \
      "Connections handed to another worker, which had fewer.")                                    \
    X(COUNT_REFUSED_LIMIT, "client_connections_refused_total", "Refused: connection limit.")       \
    X(COUNT_REFUSED_ORIGIN, "client_origins_refused_total", "Connections refused: origin.")        \
    X(COUNT_HANDSHAKE_TIMEOUTS, "client_handshake_timeouts_total", "Ended by handshake_timeout.")  \
    X(COUNT_HANDSHAKE_ERRORS, "client_handshake_errors_total",                                     \
      "Bad HTTP, WebSocket or TLS opening.")                                                       \
    X(COUNT_HEAD_LIMIT, "client_head_limit_total", "Request heads over a limit.")                  \
    X(COUNT_STREAMS, "client_streams_total", "HTTP streaming and SSE connections opened.")         \
    X(COUNT_CONNECTION_RATE, "client_connections_rate_limit_total",                                \
      "Refused: client.connection_rate_limit.")                                                    \
    X(COUNT_BODY_LIMIT, "http_body_limit_total", "Request bodies over their endpoint's limit.")    \
    X(COUNT_UPGRADES, "client_upgrades_total", "WebSocket connections opened.")                    \
    X(COUNT_CONNECTED, "client_connected_total", "Sessions that were let in.")                     \
    X(COUNT_PROTOCOL_ERRORS, "client_protocol_errors_total", "WebSocket rules broken by a peer.")  \
    X(COUNT_MESSAGE_LIMIT, "client_message_limit_total", "Messages over message_size_limit.")      \
    X(COUNT_QUEUE_LIMIT, "client_queue_limit_total", "Connections over queue_max_size.")           \
    X(COUNT_WRITE_TIMEOUTS, "client_write_timeouts_total", "Connections over write_timeout.")      \
    X(COUNT_RATE_LIMIT, "client_command_rate_limit_total", "Commands over command_rate.")          \
    X(COUNT_USER_LIMIT, "client_user_connection_limit_total",                                      \
      "Connections over user_connection_limit.")                                                   \
    X(COUNT_RATE_CLIENT, "client_operation_rate_limit_total",                                      \
      "Operations over a rate of their namespace, or of rpc (error 111).")                         \
    X(COUNT_RATE_NAMESPACE, "client_namespace_rate_limit_total",                                   \
      "Operations over a rate of all connections in their namespace, or of rpc (error 111).")      \
    X(COUNT_RATE_USER, "client_user_rate_limit_total", "Operations over user_rate (error 111).")   \
    X(COUNT_RATE_API, "api_rate_limit_total", "API requests over the rate of their key.")          \
    X(COUNT_CHAT_CALLS, "chat_calls_total", "Calls of the chat's methods.")                        \
    X(COUNT_CHAT_RATE_SEND, "chat_send_rate_limit_total", "Of them, over chat.send_rate.")         \
    X(COUNT_CHAT_RATE_WRITE, "chat_write_rate_limit_total", "Of them, over chat.write_rate.")      \
    X(COUNT_CHAT_RATE_READ, "chat_read_rate_limit_total", "Of them, over chat.read_rate.")         \
    X(COUNT_CHAT_RATE_SEARCH, "chat_search_rate_limit_total", "Of them, over chat.search_rate.")   \
    X(COUNT_CHAT_SEARCH_PARTIAL, "chat_search_partial_total",                                      \
      "Searches that chat.search_work ended, answered in part.")                                   \
    X(COUNT_CHAT_TOO_LONG, "chat_too_long_total",                                                  \
      "Of them, with a text or list over its limit (error 413).")                                  \
    X(COUNT_CHAT_CONFLICT, "chat_conflicts_total",                                                 \
      "Of them, in conflict with what is there, or over a limit of how many (error 409).")         \
    X(COUNT_CHAT_SLOW_MODE, "chat_slow_mode_total", "Of them, held up by slow mode (error 429).")  \
    X(COUNT_CHAT_DENIED, "chat_denied_total",                                                      \
      "Of them, for what the user may not do or know of (errors 103, 404).")                       \
    X(COUNT_CHAT_STORAGE, "chat_storage_errors_total",                                             \
      "Of them, that the database could not do (error 434).")                                      \
    X(COUNT_CHAT_UPLOADS, "chat_uploads_total", "Files that were uploaded.")                       \
    X(COUNT_CHAT_UPLOAD_BYTES, "chat_upload_bytes_total", "Bytes of them.")                        \
    X(COUNT_CHAT_UPLOADS_FAILED, "chat_uploads_failed_total",                                      \
      "Uploads that began and were refused, cut short or not written.")                            \
    X(COUNT_CHAT_UPLOADS_LIMIT, "chat_uploads_limit_total", "Refused: chat.uploads_max.")          \
    X(COUNT_CHAT_DOWNLOADS, "chat_downloads_total", "Files that were asked for and sent.")         \
    X(COUNT_CHAT_DOWNLOAD_BYTES, "chat_download_bytes_total", "Bytes of them.")                    \
    X(COUNT_CHAT_DOWNLOADS_LIMIT, "chat_downloads_limit_total", "Refused: chat.downloads_max.")    \
    X(COUNT_CHAT_HOOKS_IN, "chat_webhooks_in_total", "Messages by incoming webhooks.")             \
    X(COUNT_CHAT_HOOKS_OUT, "chat_webhooks_delivered_total",                                       \
      "Events that outgoing webhooks have delivered.")                                             \
    X(COUNT_CHAT_HOOKS_FAILED, "chat_webhooks_failed_total",                                       \
      "Deliveries that were not answered with 2xx, and are tried again.")                          \
    X(COUNT_CHAT_HOOKS_PRIVATE, "chat_webhooks_private_total",                                     \
      "Of them, to an address of a private network (chat.webhook_private).")                       \
    X(COUNT_CHAT_HOOKS_DROPPED, "chat_webhooks_dropped_total",                                     \
      "Events that were given up: more than 10000 waited for one webhook.")                        \
    X(COUNT_CHAT_FILES_PURGED, "chat_files_purged_total",                                          \
      "Files removed from the disk, which no message had any more.")                               \
    X(COUNT_CHANNEL_LIMIT, "client_channel_limit_total", "Subscriptions over channel_limit.")      \
    X(COUNT_CHANNEL_LENGTH, "client_channel_length_total", "Names over channel.max_length.")       \
    X(COUNT_PONG_TIMEOUTS, "client_pong_timeouts_total",                                           \
      "Connections that did not answer a ping.")                                                   \
    X(COUNT_STALE, "client_stale_total", "Connections that did not authenticate in time.")         \
    X(COUNT_RECOVERED, "client_recovered_total", "Subscriptions recovered without a gap.")         \
    X(COUNT_UNRECOVERED, "client_unrecovered_total",                                               \
      "Recoveries refused: something may be missing.")                                             \
    X(COUNT_POSITION_LOST, "client_position_lost_total",                                           \
      "Subscriptions ended: a gap in their stream.")                                               \
    X(COUNT_PRESENCE_LEFT, "presence_removals_dropped_total",                                      \
      "Presence of clients that have gone, left to its TTL: too much of it waited.")               \
    X(COUNT_MESSAGES_IN, "transport_messages_received_total", "WebSocket messages from clients.")  \
    X(COUNT_BYTES_IN, "transport_messages_received_bytes_total",                                   \
      "Bytes of messages from clients.")                                                           \
    X(COUNT_MESSAGES_OUT, "transport_messages_sent_total", "WebSocket messages to clients.")       \
    X(COUNT_BYTES_OUT, "transport_messages_sent_bytes_total", "Bytes sent to clients.")            \
    X(COUNT_SENDS, "transport_sends_total", "System calls that sent to clients.")                  \
    X(COUNT_BACKED_UP, "transport_backed_up_total", "Times a socket did not take everything.")     \
    X(COUNT_PUT_OFF, "transport_put_off_total",                                                    \
      "Times a turn had more to send than its share, and left it to the next.")                    \
    X(COUNT_PINGS, "client_pings_sent_total", "Pings sent.")                                       \
    X(COUNT_PUBLISHED, "publications_accepted_total", "Publications accepted and acknowledged.")   \
    X(COUNT_PUBLISH_FAILED, "publications_failed_total", "Publications the engine did not take.")  \
    X(COUNT_DELIVERED, "publications_delivered_total",                                             \
      "Publications handed to subscribers, counted on each worker.")                               \
    X(COUNT_HANDED_OVER, "publications_handed_over_total",                                         \
      "Publications that a worker got from another thread: once for each that has subscribers.")   \
    X(COUNT_HTTP_REQUESTS, "http_requests_total", "HTTP requests other than upgrades.")            \
    X(COUNT_TOKENS_OFF_LOOP, "token_checks_off_loop_total",                                        \
      "Signatures checked by other threads.")                                                      \
    X(COUNT_TOKENS_PUT_OFF, "token_checks_put_off_total",                                          \
      "Tokens that could not be checked for the moment (error 100).")                              \
    X(COUNT_AUTH_LOGINS, "auth_logins_total", "Times that somebody signed in to the chat.")        \
    X(COUNT_AUTH_FAILURES, "auth_failures_total",                                                  \
      "Wrong passwords, codes and logins that are good no more.")                                  \
    X(COUNT_AUTH_THROTTLED, "auth_throttled_total",                                                \
      "Refused: chat.login_attempts or chat.address_attempts.")                                    \
    X(COUNT_AUTH_BUSY, "auth_busy_total", "Refused: too many passwords wait to be computed.")      \
    X(COUNT_TOKENS_REVOKED, "token_revoked_total", "Tokens refused because they were revoked.")    \
    X(COUNT_JWKS_FETCHES, "jwks_fetches_total", "Key sets asked for.")                             \
    X(COUNT_JWKS_FAILED, "jwks_failures_total", "Key sets that could not be had.")                 \
    X(COUNT_API_UNAUTHORIZED, "api_unauthorized_total",                                            \
      "Requests to the server API without a key that counts.")                                     \
    X(COUNT_API_COMMANDS_LIMIT, "api_commands_limit_total",                                        \
      "Requests to the server API over http_api.max_commands.")                                    \
    X(COUNT_OUT_OF_MEMORY, "out_of_memory_total", "Connections ended because memory ran out.")     \
    X(COUNT_SLOW_TASKS, "loop_slow_tasks_total", "Warnings of tasks that held the loop too long.") \
    X(COUNT_PROXY_TIMEOUTS, "proxy_timeouts_total", "Requests to backends not answered in time.")  \
    X(COUNT_PROXY_WAITING_LIMIT, "proxy_waiting_limit_total",                                      \
      "Requests to backends that were not made: too many waited already.")                         \
    X(COUNT_PROXY_RESPONSE_LIMIT, "proxy_response_limit_total",                                    \
      "Requests to backends with an answer that was too large.")                                   \
    X(COUNT_PROXY_PROLONGED, "proxy_prolonged_total",                                              \
      "Refreshes without a verdict: what would have expired stays for a while.")                   \
    X(COUNT_TASKS_SPAWNED, "async_tasks_spawned_total", "Tasks started.")                          \
    X(COUNT_SWITCHES, "async_switches_total", "Switches between tasks.")                           \
    X(COUNT_TURNS, "async_turns_total", "Turns of the loops.")                                     \
    X(COUNT_WOKEN, "async_wakeups_total", "Times another thread woke a loop.")                     \
    X(COUNT_STACKS_STARVED, "async_stacks_starved_total", "Times a task had to wait for a stack.")

/* May go down. */
#define METRICS_GAUGES(X)                                                                          \
    X(GAUGE_CONNECTIONS, "client_connections", "Sockets open.")                                    \
    X(GAUGE_CLIENTS, "node_num_clients", "Sessions connected.")                                    \
    X(GAUGE_USERS, "node_num_users", "Distinct users, counted on each worker.")                    \
    X(GAUGE_SUBSCRIPTIONS, "node_num_subscriptions", "Subscriptions of all sessions.")             \
    X(GAUGE_CHANNELS, "node_num_channels", "Channels with subscribers, counted on each worker.")   \
    X(GAUGE_OUTBOX_BYTES, "client_queued_bytes", "Bytes that wait for slow sockets.")              \
    X(GAUGE_PROXY_RUNNING, "proxy_inflight_requests", "Requests to backends under way.")           \
    X(GAUGE_PROXY_WAITING, "proxy_waiting_requests", "Requests that wait for those.")              \
    X(GAUGE_CHAT_ONLINE, "chat_users_online", "People of the chat who are connected.")             \
    X(GAUGE_DENIALS, "denials", "Blocked users, revoked tokens and the like.")                     \
    X(GAUGE_RATE_BUCKETS, "rate_buckets", "Users and API keys whose rate is being counted.")       \
    X(GAUGE_TASKS, "async_tasks", "Tasks that have not ended.")                                    \
    X(GAUGE_TASKS_DORMANT, "async_tasks_dormant", "Of them, those that hold no stack.")            \
    X(GAUGE_TIMERS, "async_timers", "Timers set.")                                                 \
    X(GAUGE_STACKS_USED, "async_stacks_in_use", "Stacks of tasks that run or wait.")               \
    X(GAUGE_STACKS_IDLE, "async_stacks_idle", "Stacks kept for the next tasks.")

/* The largest of all workers; in microseconds when set, in seconds when written. */
#define METRICS_PEAKS(X)                                                                           \
    X(PEAK_STALL, "loop_stall_seconds",                                                            \
      "Longest time a loop did not look at its sockets, in the last minute or half of it.")

/* Of times, in microseconds when observed, in seconds when written. */
#define METRICS_HISTOGRAMS(X)                                                                      \
    X(TIME_PUBLISH, "publish_duration_seconds", "From a publish command to its acknowledgement.")  \
    X(TIME_API, "api_command_duration_seconds",                                                    \
      "From a command of the server API to its result; publishes are counted elsewhere.")          \
    X(TIME_SUBSCRIBE, "subscribe_duration_seconds", "From a subscribe command to its reply.")      \
    X(TIME_CHAT_CALL, "chat_call_duration_seconds", "From a call of the chat to its result.")      \
    X(TIME_PONG, "client_ping_pong_duration_seconds", "From a ping to its pong.")                  \
    X(TIME_PROXY, "proxy_duration_seconds", "From a request to a backend to its answer.")

/* Label values of commands_total{method}. */
#define METRICS_METHODS(X)                                                                         \
    X(METHOD_CONNECT, "connect")                                                                   \
    X(METHOD_SUBSCRIBE, "subscribe")                                                               \
    X(METHOD_UNSUBSCRIBE, "unsubscribe")                                                           \
    X(METHOD_PUBLISH, "publish")                                                                   \
    X(METHOD_PRESENCE, "presence")                                                                 \
    X(METHOD_PRESENCE_STATS, "presence_stats")                                                     \
    X(METHOD_HISTORY, "history")                                                                   \
    X(METHOD_SEND, "send")                                                                         \
    X(METHOD_RPC, "rpc")                                                                           \
    X(METHOD_REFRESH, "refresh")                                                                   \
    X(METHOD_SUB_REFRESH, "sub_refresh")                                                           \
    X(METHOD_PONG, "pong")                                                                         \
    X(METHOD_OTHER, "other")

/* Label values of client_connections_inflight{transport}; as `transport` of proxies. */
#define METRICS_TRANSPORTS(X)                                                                      \
    X(TRANSPORT_WEBSOCKET, "websocket")                                                            \
    X(TRANSPORT_HTTP_STREAM, "http_stream")                                                        \
    X(TRANSPORT_SSE, "sse")                                                                        \
    X(TRANSPORT_UNI_WEBSOCKET, "uni_websocket")                                                    \
    X(TRANSPORT_UNI_HTTP_STREAM, "uni_http_stream")                                                \
    X(TRANSPORT_UNI_SSE, "uni_sse")

#define METRICS_AS_ENUM(id, ...) id,
enum metrics_counter { METRICS_COUNTERS(METRICS_AS_ENUM) METRICS_COUNTERS_N };
enum metrics_gauge { METRICS_GAUGES(METRICS_AS_ENUM) METRICS_GAUGES_N };
enum metrics_peak { METRICS_PEAKS(METRICS_AS_ENUM) METRICS_PEAKS_N };
enum metrics_histogram { METRICS_HISTOGRAMS(METRICS_AS_ENUM) METRICS_HISTOGRAMS_N };
enum metrics_method { METRICS_METHODS(METRICS_AS_ENUM) METRICS_METHODS_N };
/* Label values of proxy_requests_total{type}: what backends are asked. */
#define METRICS_PROXIES(X)                                                                         \
    X(ASKED_CONNECT, "connect")                                                                    \
    X(ASKED_REFRESH, "refresh")                                                                    \
    X(ASKED_SUBSCRIBE, "subscribe")                                                                \
    X(ASKED_PUBLISH, "publish")                                                                    \
    X(ASKED_RPC, "rpc")                                                                            \
    X(ASKED_SUB_REFRESH, "sub_refresh")                                                            \
    X(ASKED_MAP_PUBLISH, "map_publish")                                                            \
    X(ASKED_MAP_REMOVE, "map_remove")                                                              \
    X(ASKED_POLL, "shared_poll_refresh")

enum metrics_proxy { METRICS_PROXIES(METRICS_AS_ENUM) METRICS_PROXIES_N };
enum metrics_transport { METRICS_TRANSPORTS(METRICS_AS_ENUM) METRICS_TRANSPORTS_N };

enum {
    METRICS_BUCKETS = 20,       /* bounds: 1 µs times powers of 3 */
    METRICS_DISCONNECTS_N = 64, /* the protocol's codes, and one for all others */
    METRICS_ERRORS_N = 32,
};

/* Of each worker apart: the one histogram that no other can make up for. */
#define METRICS_STALLS_NAME "loop_stall_duration_seconds"
#define METRICS_STALLS_HELP "Times that a loop did not look at its sockets, each of them."

struct metrics_times {
    _Atomic uint64_t buckets[METRICS_BUCKETS + 1];
    _Atomic uint64_t sum_us;
};

/* Zeroed is ready to use. */
struct metrics {
    _Atomic uint64_t counters[METRICS_COUNTERS_N];
    _Atomic int64_t gauges[METRICS_GAUGES_N];
    _Atomic int64_t peaks_us[METRICS_PEAKS_N];
    _Atomic uint64_t stalls[LOOP_STALL_BOUNDS + 1], stalls_us; /* as struct loop_stalls */
    _Atomic uint64_t proxy_requests[METRICS_PROXIES_N], proxy_errors[METRICS_PROXIES_N];
    struct metrics_times times[METRICS_HISTOGRAMS_N];
    _Atomic uint64_t commands[METRICS_METHODS_N];
    _Atomic uint64_t api_commands[API_METHODS_N];
    _Atomic uint64_t api_errors[METRICS_ERRORS_N];       /* of the server API, by code */
    _Atomic uint64_t clients[METRICS_TRANSPORTS_N];      /* connected now */
    _Atomic uint64_t disconnects[METRICS_DISCONNECTS_N]; /* closes by us, by code */
    _Atomic uint64_t errors[METRICS_ERRORS_N];           /* error replies, by code */
    _Atomic uint64_t unsubscribes[METRICS_ERRORS_N];     /* unsubscribe pushes, by code */
};

static inline void metrics_add(struct metrics *m, enum metrics_counter id, uint64_t by) {
    uint64_t now = atomic_load_explicit(&m->counters[id], memory_order_relaxed);
    atomic_store_explicit(&m->counters[id], now + by, memory_order_relaxed);
}

static inline void metrics_count(struct metrics *m, enum metrics_counter id) {
    metrics_add(m, id, 1);
}

/* For what is counted elsewhere and copied before a scrape. */
static inline void metrics_put(struct metrics *m, enum metrics_counter id, uint64_t value) {
    atomic_store_explicit(&m->counters[id], value, memory_order_relaxed);
}

static inline void metrics_gauge_add(struct metrics *m, enum metrics_gauge id, int64_t by) {
    int64_t now = atomic_load_explicit(&m->gauges[id], memory_order_relaxed);
    atomic_store_explicit(&m->gauges[id], now + by, memory_order_relaxed);
}

static inline void metrics_gauge_set(struct metrics *m, enum metrics_gauge id, int64_t value) {
    atomic_store_explicit(&m->gauges[id], value, memory_order_relaxed);
}

static inline void metrics_peak_set(struct metrics *m, enum metrics_peak id, int64_t us) {
    atomic_store_explicit(&m->peaks_us[id], us, memory_order_relaxed);
}

void metrics_put_stalls(struct metrics *m, const struct loop_stalls *s);

uint64_t metrics_counter_of(const struct metrics *m, enum metrics_counter id);
int64_t metrics_gauge_of(const struct metrics *m, enum metrics_gauge id);

void metrics_observe(struct metrics *m, enum metrics_histogram id, uint64_t duration_us);
void metrics_count_command(struct metrics *m, enum metrics_method method);
/* One request; has_failed: one that was counted, without a usable answer. */
void metrics_count_proxy(struct metrics *m, enum metrics_proxy what, bool has_failed);
void metrics_count_api(struct metrics *m, enum api_method_id method);
void metrics_count_api_error(struct metrics *m, uint32_t code);
void metrics_client(struct metrics *m, struct str transport, bool is_here); /* comes, or goes */
void metrics_count_disconnect(struct metrics *m, uint32_t code); /* any WebSocket close code */
void metrics_count_error(struct metrics *m, uint32_t code);
void metrics_count_unsubscribe(struct metrics *m, uint32_t code);

struct archive_stats;
struct chat_pump_stats;
struct chat_store_stats;
struct engine_stats;
struct node_stats;
struct redis_shard_stats;
struct webhook_stats;

/* The rest of what a scrape says; any pointer may be NULL. */
struct metrics_node {
    const char *version;
    const char *engine; /* "sqlite" */
    const struct engine_stats *engine_stats;
    const struct webhook_stats *webhook_stats;
    const struct node_stats *node_stats; /* of what it says to others */
    const struct redis_shard_stats *redis;
    size_t n_redis;
    const struct archive_stats *archive;
    const struct chat_store_stats *chat_store;
    const struct chat_pump_stats *chat_pump;
    size_t workers;
    size_t workers_alive;
    int64_t uptime_ms;
};

/* Appends the text of all workers together. What goes wrong is remembered by out. */
void metrics_write(const struct metrics *const *workers, size_t n, const struct metrics_node *node,
                   struct buffer *out);

/* Appends the reference page, docs/metrics.md. */
void metrics_document(struct buffer *out);
