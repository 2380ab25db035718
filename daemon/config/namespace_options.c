/* The table of a namespace's options. */
#include "daemon/config/units.h"
#include "protocol/command.h"

static const struct option_choice DATA_FORMATS[] = {
    { "", DATA_NOT_EMPTY },
    { "json", DATA_JSON },
    { "json_object", DATA_JSON_OBJECT },
    { "binary", DATA_BINARY },
    { NULL },
};

static const struct option_choice RECOVERY_MODES[] = {
    { "stream", RECOVERY_STREAM },
    { "cache", RECOVERY_CACHE },
    { NULL },
};

static const struct option_choice SUBSCRIPTION_TYPES[] = {
    { "", SUBSCRIPTION_STREAM },
    { "stream", SUBSCRIPTION_STREAM },
    { "map", SUBSCRIPTION_MAP },
    { "map_clients", SUBSCRIPTION_MAP_CLIENTS },
    { "map_users", SUBSCRIPTION_MAP_USERS },
    { "shared_poll", SUBSCRIPTION_POLL },
    { NULL },
};

static const struct option_choice MAP_MODES[] = {
    { "", MAP_NONE },
    { "ephemeral", MAP_EPHEMERAL },
    { "recoverable", MAP_RECOVERABLE },
    { "persistent", MAP_PERSISTENT },
    { NULL },
};

static const struct option_choice CLIENT_KEYS[] = {
    { "", CLIENT_KEY_ANY },
    { "client_id", CLIENT_KEY_CLIENT_ID },
    { "user_id", CLIENT_KEY_USER_ID },
    { NULL },
};

static const struct option_choice POLL_MODES[] = {
    { "", POLL_VERSIONLESS },
    { "versionless", POLL_VERSIONLESS },
    { "versioned", POLL_VERSIONED },
    { NULL },
};

#define OFFSET_OF(member) offsetof(struct namespace, member)
#define AT(member)        .offset = OFFSET_OF(member)

#define PROXY_NAME(prefix, place, standard)                                                        \
    {                                                                                              \
        prefix, OPTION_TEXT, AT(place), .max = 64, .initial = "default",                           \
                                        .help = "Which of `proxies`; `default`: `" standard "`."   \
    }

static const struct option NAMESPACE_OPTIONS[] = {
    { "history_size", OPTION_COUNT, AT(history_size), .min = 1, .max = 100000000,
      .may_be_zero = true, .initial = "0",
      .help = "Publications that are kept; 0: none, the channels have no offsets and never touch "
              "the disk. Needs `history_ttl`." },
    { "history_ttl", OPTION_DURATION, AT(history_ttl_ms), .min = SECOND, .max = 100 * YEAR,
      .may_be_zero = true, .initial = "0s",
      .help = "How long publications are kept, from the channel's last one on. Needs "
              "`history_size`." },
    { "history_meta_ttl", OPTION_DURATION, AT(history_meta_ttl_ms), .min = SECOND,
      .max = 100 * YEAR, .may_be_zero = true, .initial = "0s",
      .help = "How long offset and epoch outlive the last publication; 0: "
              "`channel.history_meta_ttl`. At least `history_ttl`." },
    { "durable", OPTION_BOOL, AT(durable), .initial = "false",
      .help = "With `engine.type: redis`: what is published is also written to `archive.db` in the "
              "`data_dir` of the node that it was published on, shortly after it was acknowledged. "
              "`sqlite` needs no archive; `memory` has none. Needs history." },
    { "allow_recovery", OPTION_BOOL, AT(allow_recovery), .initial = "false",
      .help = "Clients that ask may recover what they missed. Needs history." },
    { "force_recovery", OPTION_BOOL, AT(force_recovery), .initial = "false",
      .help = "All clients may recover what they missed. Needs history." },
    { "force_recovery_mode", OPTION_CHOICE, AT(recovery_mode), .choices = RECOVERY_MODES,
      .initial = "stream",
      .help = "`stream`: every publication counts; `cache`: only the newest does." },
    { "allow_positioning", OPTION_BOOL, AT(allow_positioning), .initial = "false",
      .help = "Clients that ask have their position watched. Needs history." },
    { "force_positioning", OPTION_BOOL, AT(force_positioning), .initial = "false",
      .help = "All clients have their position watched. Needs history." },
    { "presence", OPTION_BOOL, AT(presence), .initial = "false",
      .help = "Keeps who is in a channel." },
    { "join_leave", OPTION_BOOL, AT(join_leave), .initial = "false",
      .help = "Tells those who ask when somebody comes or goes." },
    { "force_push_join_leave", OPTION_BOOL, AT(force_push_join_leave), .initial = "false",
      .help = "Tells everybody when somebody comes or goes. Needs `join_leave`." },
    { "allow_subscribe_for_client", OPTION_BOOL, AT(subscribe.client), .initial = "false",
      .help = "Clients may subscribe." },
    { "allow_subscribe_for_anonymous", OPTION_BOOL, AT(subscribe.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_publish_for_client", OPTION_BOOL, AT(publish.client), .initial = "false",
      .help = "Clients may publish." },
    { "allow_publish_for_subscriber", OPTION_BOOL, AT(publish.subscriber), .initial = "false",
      .help = "Subscribers may publish." },
    { "allow_publish_for_anonymous", OPTION_BOOL, AT(publish.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_presence_for_client", OPTION_BOOL, AT(presence_of.client), .initial = "false",
      .help = "Clients may ask who is there." },
    { "allow_presence_for_subscriber", OPTION_BOOL, AT(presence_of.subscriber), .initial = "false",
      .help = "Subscribers may ask who is there." },
    { "allow_presence_for_anonymous", OPTION_BOOL, AT(presence_of.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_history_for_client", OPTION_BOOL, AT(history.client), .initial = "false",
      .help = "Clients may read history." },
    { "allow_history_for_subscriber", OPTION_BOOL, AT(history.subscriber), .initial = "false",
      .help = "Subscribers may read history." },
    { "allow_history_for_anonymous", OPTION_BOOL, AT(history.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "allow_user_limited_channels", OPTION_BOOL, AT(allow_user_limited_channels),
      .initial = "false",
      .help = "Channels like `chat:room#7,42` are for users 7 and 42, who need no permission." },
    { "channel_regex", OPTION_TEXT, AT(channel_regex), .max = 1024, .initial = "",
      .help = "What a channel's name, behind its namespace, must match; empty: any ASCII." },
    { "publication_data_format", OPTION_CHOICE, AT(data_format), .choices = DATA_FORMATS,
      .initial = "",
      .help = "What may be published: empty: anything but nothing; `json`; `json_object`; "
              "`binary`: anything." },
    { "allowed_delta_types", OPTION_LIST, AT(delta_types), OFFSET_N(n_delta_types), .max = 8,
      .initial = "", .help = "Compression that clients may ask for: `fossil`." },
    { "delta_publish", OPTION_BOOL, AT(delta_publish), .initial = "false",
      .help = "Every publication may be sent as its difference from the one before." },
    { "auto_cache_recover", OPTION_BOOL, AT(auto_cache_recover), .initial = "false",
      .help = "Whoever subscribes gets the newest publication. Needs `force_recovery` and "
              "`force_recovery_mode: cache`." },
    { "allow_tags_filter", OPTION_BOOL, AT(allow_tags_filter), .initial = "false",
      .help = "Subscribers may ask for publications of certain tags only." },
    { "subscribe_proxy_enabled", OPTION_BOOL, AT(subscribe_proxy_enabled), .initial = "false",
      .help = "Asks a service whether a client may subscribe." },
    PROXY_NAME("subscribe_proxy_name", subscribe_proxy_name, "channel.proxy.subscribe"),
    { "publish_proxy_enabled", OPTION_BOOL, AT(publish_proxy_enabled), .initial = "false",
      .help = "Asks a service about each publication of a client." },
    PROXY_NAME("publish_proxy_name", publish_proxy_name, "channel.proxy.publish"),
    { "sub_refresh_proxy_enabled", OPTION_BOOL, AT(sub_refresh_proxy_enabled), .initial = "false",
      .help = "Asks a service whether an expiring subscription may stay." },
    PROXY_NAME("sub_refresh_proxy_name", sub_refresh_proxy_name, "channel.proxy.sub_refresh"),
    { "subscription_type", OPTION_CHOICE, AT(type), .choices = SUBSCRIPTION_TYPES, .initial = "",
      .help = "What the channels are: streams; maps of keys, or of who is there; or values that a "
              "service is polled for." },
    { "map.mode", OPTION_CHOICE, AT(map.mode), .choices = MAP_MODES, .initial = "",
      .help = "`ephemeral`: state only, gone with the daemon; `recoverable`: with a stream of "
              "changes; `persistent`: and kept on disk. With `redis` all are Redis'." },
    { "map.key_ttl", OPTION_DURATION, AT(map.key_ttl_ms), .min = 100, .max = 100 * YEAR,
      .may_be_zero = true, .initial = "0s",
      .help = "How long a key stays that is not written again; 0, or `persistent`: for ever." },
    { "map.stream_size", OPTION_COUNT, AT(map.stream_size), .min = 1, .max = 100000000,
      .may_be_zero = true, .initial = "0",
      .help = "Changes kept for those who catch up; 0: 1000, none if `ephemeral`." },
    { "map.stream_ttl", OPTION_DURATION, AT(map.stream_ttl_ms), .min = SECOND, .max = 100 * YEAR,
      .may_be_zero = true, .initial = "0s", .help = "How long; 0: `24h`." },
    { "map.meta_ttl", OPTION_DURATION, AT(map.meta_ttl_ms), .min = SECOND, .max = 100 * YEAR,
      .may_be_zero = true, .initial = "0s",
      .help = "How long offset and epoch outlive the last change; 0: "
              "`channel.history_meta_ttl`." },
    { "map.remove_client_on_unsubscribe", OPTION_BOOL, AT(map.remove_client_on_unsubscribe),
      .initial = "false", .help = "A client's own key goes with its subscription." },
    { "map.client_key", OPTION_CHOICE, AT(map.client_key), .choices = CLIENT_KEYS, .initial = "",
      .help = "Clients write one key only, whatever they say: their `client_id` or `user_id`." },
    { "map.allow_publish_for_client", OPTION_BOOL, AT(map.publish.client), .initial = "false",
      .help = "Clients may write keys." },
    { "map.allow_publish_for_subscriber", OPTION_BOOL, AT(map.publish.subscriber),
      .initial = "false", .help = "Subscribers may write keys." },
    { "map.allow_publish_for_anonymous", OPTION_BOOL, AT(map.publish.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "map.allow_remove_for_client", OPTION_BOOL, AT(map.remove.client), .initial = "false",
      .help = "Clients may remove keys." },
    { "map.allow_remove_for_subscriber", OPTION_BOOL, AT(map.remove.subscriber), .initial = "false",
      .help = "Subscribers may remove keys." },
    { "map.allow_remove_for_anonymous", OPTION_BOOL, AT(map.remove.anonymous), .initial = "false",
      .help = "Anonymous ones too." },
    { "map.publish_proxy_enabled", OPTION_BOOL, AT(map.publish_proxy_enabled), .initial = "false",
      .help = "Asks a service about each key a client writes." },
    PROXY_NAME("map.publish_proxy_name", map.publish_proxy_name, "channel.proxy.map_publish"),
    { "map.remove_proxy_enabled", OPTION_BOOL, AT(map.remove_proxy_enabled), .initial = "false",
      .help = "Asks a service about each key a client removes." },
    PROXY_NAME("map.remove_proxy_name", map.remove_proxy_name, "channel.proxy.map_remove"),
    { "map.default_page_size", OPTION_COUNT, AT(map.default_page), .min = 1, .max = 100000,
      .initial = "100", .help = "Keys in a page where a client does not say." },
    { "map.min_page_size", OPTION_COUNT, AT(map.min_page), .min = 1, .max = 100000,
      .initial = "100", .help = "A page that is asked for is at least this long." },
    { "map.max_page_size", OPTION_COUNT, AT(map.max_page), .min = 1, .max = 100000,
      .initial = "1000", .help = "And at most this." },
    { "map.live_transition_max_publication_limit", OPTION_COUNT, AT(map.live_transition_max),
      .min = 1, .max = 1000000, .initial = "4096",
      .help = "Changes held back while a client catches up; more: 3008." },
    { "map.subscribe_catch_up_timeout", OPTION_DURATION, AT(map.catch_up_timeout_ms), .min = 100,
      .max = HOUR, .initial = "5s", .help = "For reading all pages; longer: 3008." },
    { "map.keys_max", OPTION_COUNT, AT(map.keys_max), .min = 1, .max = 100000000,
      .initial = "1000000", .help = "Keys of one channel; more: error 106." },
    { "map_clients_presence_channel_prefix", OPTION_TEXT, AT(map_clients_presence_prefix),
      .max = 255, .initial = "",
      .help = "Who is in a channel stands, by client id, in the map whose name is this and the "
              "channel's." },
    { "map_users_presence_channel_prefix", OPTION_TEXT, AT(map_users_presence_prefix), .max = 255,
      .initial = "", .help = "The same by user id." },
    { "client_publish_debounce_interval", OPTION_DURATION, AT(publish_debounce_ms), .min = 1,
      .max = HOUR, .may_be_zero = true, .initial = "0s",
      .help = "Clients are asked to write a key no more often." },
    { "shared_poll.proxy_name", OPTION_TEXT, AT(poll.proxy_name), .max = 64, .initial = "default",
      .help = "Which of `proxies` is polled; `default`: `channel.proxy.shared_poll_refresh`." },
    { "shared_poll.mode", OPTION_CHOICE, AT(poll.mode), .choices = POLL_MODES, .initial = "",
      .help = "`versioned`: the service gives each value a version; else it is told apart by its "
              "bytes." },
    { "shared_poll.refresh_interval", OPTION_DURATION, AT(poll.refresh_interval_ms), .min = 10,
      .max = DAY, .initial = "10s", .help = "How often." },
    { "shared_poll.refresh_batch_size", OPTION_COUNT, AT(poll.batch_max), .min = 1, .max = 100000,
      .initial = "1000", .help = "Keys in one request." },
    { "shared_poll.max_keys_per_connection", OPTION_COUNT, AT(poll.keys_max_per_connection),
      .min = 1, .max = 1000000, .initial = "100", .help = "Keys one client may track; more: 106." },
    { "shared_poll.channel_shutdown_delay", OPTION_DURATION, AT(poll.shutdown_delay_ms), .min = 0,
      .max = HOUR, .initial = "1s", .help = "Polling ends when nobody has looked for this long." },
    { "shared_poll.track_expired_extra_delay", OPTION_DURATION, AT(poll.track_grace_ms), .min = 0,
      .max = HOUR, .initial = "5s", .help = "Grace for a new signature." },
    { "shared_poll.publish_enabled", OPTION_BOOL, AT(poll.publish_enabled), .initial = "false",
      .help = "The server API may push values between two polls." },
    RATE_OPTIONS("publish", publish_rate, "Publications of one connection (more: error 111)"),
    RATE_OPTIONS("subscribe", subscribe_rate, "Subscriptions of one connection (more: error 111)"),
    RATE_OPTIONS("history", history_rate, "Reads of history of one connection (more: error 111)"),
    RATE_OPTIONS("presence", presence_rate,
                 "Reads of presence of one connection (more: error 111)"),
    RATE_OPTIONS("all_publish", all_publish_rate,
                 "Publications of all connections together (more: error 111)"),
    RATE_OPTIONS("all_subscribe", all_subscribe_rate,
                 "Subscriptions of all connections together (more: error 111)"),
    RATE_OPTIONS("all_history", all_history_rate,
                 "Reads of history of all connections together (more: error 111)"),
    RATE_OPTIONS("all_presence", all_presence_rate,
                 "Reads of presence of all connections together (more: error 111)"),
};

const struct option *namespace_options(size_t *ret_n) {
    *ret_n = ELEMENTS_OF(NAMESPACE_OPTIONS);
    return NAMESPACE_OPTIONS;
}
