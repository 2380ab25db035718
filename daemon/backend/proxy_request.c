/* Requests to the backend. */
#include <errno.h>

#include "daemon/backend/proxy_message.h"
#include "protocol/base64.h"
#include "protocol/json.h"

#define AS_NAME(id, name) [id] = name,
static const char *const NAMES[] = { PROXY_KINDS_TABLE(AS_NAME) };

struct str proxy_kind_name(enum proxy_kind kind) {
    return str_of(NAMES[kind]);
}

/* ---- members ---- */

static void member(struct buffer *out, const char *name) {
    if (out->data[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    buffer_append_byte(out, '"');
    buffer_append_str(out, str_of(name));
    buffer_append(out, "\":", 2);
}

static void write_text(struct buffer *out, const char *name, struct str text) {
    if (buffer_error(out) < 0 || text.len == 0)
        return;
    member(out, name);
    json_append_string(out, text);
}

static void write_raw(struct buffer *out, const char *name, struct bytes json) {
    if (buffer_error(out) < 0 || json.len == 0)
        return;
    member(out, name);
    buffer_append_bytes(out, json);
}

static void write_data(struct buffer *out, struct bytes data, bool is_binary) {
    if (buffer_error(out) < 0 || data.len == 0)
        return;
    if (!is_binary) {
        write_raw(out, "data", data);
        return;
    }
    member(out, "b64data");
    buffer_append_byte(out, '"');
    base64_encode(BASE64_STANDARD, data, out);
    buffer_append_byte(out, '"');
}

static void write_channels(struct buffer *out, const struct str *channels, size_t n) {
    if (buffer_error(out) < 0 || n == 0)
        return;
    member(out, "channels");
    for (size_t i = 0; i < n; i++) {
        buffer_append_byte(out, i == 0 ? '[' : ',');
        json_append_string(out, channels[i]);
    }
    buffer_append_byte(out, ']');
}

static void write_keys(struct buffer *out, const struct proxy_key *keys, size_t n) {
    if (buffer_error(out) < 0)
        return;
    member(out, "items");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        buffer_append_str(out, i == 0 ? STR("{\"key\":") : STR(",{\"key\":"));
        json_append_string(out, keys[i].key);
        buffer_append_str(out, STR(",\"version\":"));
        buffer_append_uint(out, keys[i].version);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

/* Which of the optional ones a kind has. */
enum {
    HAS_DATA = 1,
    HAS_CHANNEL = 2,
    HAS_TOKEN = 4,
    HAS_METHOD = 8,
    HAS_KEY = 16,
    HAS_LIBRARY = 32
};

static const unsigned MEMBERS[PROXY_KINDS] = {
    [PROXY_CONNECT] = HAS_DATA | HAS_LIBRARY,
    [PROXY_REFRESH] = 0,
    [PROXY_SUBSCRIBE] = HAS_DATA | HAS_CHANNEL | HAS_TOKEN,
    [PROXY_PUBLISH] = HAS_DATA | HAS_CHANNEL,
    [PROXY_RPC] = HAS_DATA | HAS_METHOD,
    [PROXY_SUB_REFRESH] = HAS_CHANNEL,
    [PROXY_MAP_PUBLISH] = HAS_DATA | HAS_CHANNEL | HAS_KEY,
    [PROXY_MAP_REMOVE] = HAS_CHANNEL | HAS_KEY,
    [PROXY_POLL] = HAS_CHANNEL,
};

static void write_asker(const struct proxy_request *r, struct buffer *out) {
    write_text(out, "client", r->client);
    write_text(out, "transport", r->transport);
    write_text(out, "protocol", r->protocol);
    write_text(out, "encoding", r->is_binary ? STR("binary") : STR("json"));
    if (r->kind != PROXY_CONNECT && buffer_error(out) == 0) {
        member(out, "user");
        json_append_string(out, r->user);
    }
    write_raw(out, "meta", r->meta);
}

int proxy_request_write(const struct proxy_request *r, struct buffer *out) {
    unsigned has = MEMBERS[r->kind];
    bool has_data = (has & HAS_DATA) && r->data.len > 0;

    if (has_data && !r->is_binary && !json_is_valid(r->data, NULL))
        return -EBADMSG;

    buffer_append_byte(out, '{');
    if (r->kind != PROXY_POLL)
        write_asker(r, out);
    if (has & HAS_LIBRARY) {
        write_text(out, "name", r->name);
        write_text(out, "version", r->version);
        write_channels(out, r->channels, r->n_channels);
    }
    if (has & HAS_METHOD)
        write_text(out, "method", r->method);
    if (has & HAS_CHANNEL)
        write_text(out, "channel", r->channel);
    if (has & HAS_TOKEN)
        write_text(out, "token", r->token);
    if (has & HAS_KEY)
        write_text(out, "key", r->key);
    if (has_data)
        write_data(out, r->data, r->is_binary);
    if (r->kind == PROXY_POLL)
        write_keys(out, r->keys, r->n_keys);
    buffer_append_byte(out, '}');
    return 0;
}
