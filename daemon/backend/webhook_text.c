#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/backend/webhook_impl.h"
#include "daemon/session/control.h"
#include "daemon/session/session.h"
#include "protocol/hmac.h"
#include "protocol/json.h"

static const char *const names[WEBHOOK_EVENTS] = {
    [WEBHOOK_CONNECT] = "connect",
    [WEBHOOK_DISCONNECT] = "disconnect",
    [WEBHOOK_OCCUPIED] = "channel_occupied",
    [WEBHOOK_VACATED] = "channel_vacated",
};

const char *webhook_event_name(enum webhook_event e) {
    return names[e];
}

bool webhook_wants(const struct config_webhook *hook, enum webhook_event e) {
    for (size_t i = 0; i < hook->n_events; i++)
        if (str_equal(hook->events[i], str_of(names[e])))
            return true;
    return hook->n_events == 0;
}

bool webhook_wants_namespace(const struct config_webhook *hook, const struct namespace *ns) {
    for (size_t i = 0; ns && i < hook->n_namespaces; i++)
        if (str_equal(hook->namespaces[i], ns->name))
            return true;
    return hook->n_namespaces == 0;
}

static void member(struct buffer *out, const char *name, struct str value) {
    buffer_printf(out, ",\"%s\":", name);
    json_append_string(out, value);
}

static void begin(struct buffer *out, const char *id, const char *suffix, enum webhook_event e) {
    buffer_printf(out, "\"id\":\"%s%s\",\"type\":\"%s\"", id, suffix, names[e]);
}

static void write_who(struct buffer *out, const struct session *s) {
    struct client_text client;
    member(out, "client", session_client(s, &client));
    member(out, "user", session_user(s));
}

static void write_how(struct buffer *out, const struct session *s) {
    const struct identity *i = s->identity;
    const struct wire_traits *t = wire_traits(session_format(s));
    const char *library =
            i->text + i->user_len + i->info_len + i->meta_len + (size_t) i->token_id_len;
    member(out, "transport", t->transport);
    member(out, "protocol", t->codec->is_text ? STR("json") : STR("protobuf"));
    member(out, "name", (struct str){ library, i->name_len });
    member(out, "version", (struct str){ library + i->name_len, i->version_len });
}

static void write_end(struct buffer *out, uint32_t code, struct str reason) {
    buffer_printf(out, ",\"code\":%u", code);
    member(out, "reason", reason);
}

void webhook_write_client(struct buffer *out, const char *id, enum webhook_event e,
                          const struct session *s) {
    begin(out, id, "", e);
    write_who(out, s);
    if (e == WEBHOOK_CONNECT)
        write_how(out, s);
    else if (s->close_code)
        write_end(out, s->close_code, session_close_reason(s));
    else
        write_end(out, DISCONNECT_CONNECTION_CLOSED, STR("connection closed"));
}

void webhook_write_lost(struct buffer *out, const char *id, const struct session *s) {
    begin(out, id, "-end", WEBHOOK_DISCONNECT);
    write_who(out, s);
    write_end(out, 0, STR("the server ended"));
}

void webhook_write_channel(struct buffer *out, const char *id, enum webhook_event e,
                           struct str channel, uint64_t number) {
    begin(out, id, e == WEBHOOK_VACATED && number == 0 ? "-end" : "", e);
    member(out, "channel", channel);
    if (number > 0)
        buffer_printf(out, ",\"seq\":%" PRIu64, number);
}

void webhook_write_body(struct buffer *out, struct str endpoint, const struct webhook_item *items,
                        size_t n) {
    buffer_append_str(out, STR("{\"endpoint\":"));
    json_append_string(out, endpoint);
    buffer_append_str(out, STR(",\"events\":["));
    for (size_t i = 0; i < n; i++) {
        buffer_append_str(out, i ? STR(",{\"time\":") : STR("{\"time\":"));
        buffer_append_int(out, items[i].time_ms);
        buffer_append_byte(out, ',');
        buffer_append_bytes(out, items[i].members);
        buffer_append_byte(out, '}');
    }
    buffer_append_str(out, STR("]}"));
}

int webhook_sign(struct str secret, int64_t now_s, struct bytes body,
                 char ret[static WEBHOOK_SIGNATURE_MAX]) {
    char seconds[24], hex[HMAC_SHA256_HEX_SIZE];
    (void) snprintf(seconds, sizeof seconds, "%lld", (long long) now_s);
    const struct bytes parts[] = { str_bytes(str_of(seconds)), str_bytes(STR(".")), body };
    int r = hmac_sha256_hex(str_bytes(secret), parts, ELEMENTS_OF(parts), hex);
    if (r < 0)
        return r;
    (void) snprintf(ret, WEBHOOK_SIGNATURE_MAX, "t=%s,v1=%s", seconds, hex);
    return 0;
}
