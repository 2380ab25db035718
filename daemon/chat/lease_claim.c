/* What is asked of Redis about the lease, what others are told by it, and what they tell. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/deadline.h"
#include "daemon/chat/lease_impl.h"
#include "daemon/chat/own.h"
#include "daemon/chat/remote.h"
#include "storage/chat/store.h"

/* ---- asking ---- */

static void write_told(struct chat_lease *l, bool is_here) {
    const char *address = atomic_load(&l->address);
    l->told_address = address;
    (void) snprintf(l->told, sizeof l->told, "%s\n%s\n%s\n%s", is_here ? "here" : "waits",
                    l->chat->daemon->node_name, address ? address : "", l->token);
}

/* What is kept here is let go in time, whatever Redis does. */
static int64_t patience_ms(const struct chat_lease *l, enum lease_call call) {
    int64_t left_ms = l->until_ms - lease_clock_ms();
    if (call != LEASE_TAKE || !chat_is_here(l->chat) || left_ms > CHAT_LEASE_ASK_MS)
        return CHAT_LEASE_ASK_MS;
    return left_ms > CHAT_LEASE_RETRY_MS ? left_ms : CHAT_LEASE_RETRY_MS;
}

int chat_lease_ask(struct chat_lease *l, enum lease_call call, bool accepts) {
    struct lease_claim claim = { .call = call,
                                 .name = STR("chat"),
                                 .holder = str_of(l->chat->daemon->node_id),
                                 .ttl_ms = lease_ttl_ms(l),
                                 .id = str_of(l->id),
                                 .generation = l->generation,
                                 .accepts = accepts };
    write_told(l, chat_is_here(l->chat));
    claim.told = str_of(l->told);
    if (l->id[0]) {
        claim.changes = chat_store_changes(l->chat->store);
        claim.lock = str_of(chat_store_lock(l->chat->store));
    }
    DEADLINE(patience, patience_ms(l, call));
    int r = engine_lease(l->chat->daemon->engine, &claim, &l->seen);
    if (r < 0 && r != -ECANCELED)
        atomic_fetch_add(&l->errors, 1);
    return r;
}

/* Ours from before it was asked for: so nobody else can have it earlier than we think. */
int chat_lease_take(struct chat_lease *l, bool accepts) {
    int64_t asked_ms = lease_clock_ms();
    int r = chat_lease_ask(l, LEASE_TAKE, accepts);
    if (r == 0 && l->seen.result != LEASE_OURS)
        l->until_ms = 0;
    if (r == 0 && l->seen.result == LEASE_OURS) {
        l->until_ms = asked_ms + lease_ttl_ms(l) - lease_ttl_ms(l) / CHAT_LEASE_PARTS;
        if (l->chat->store)
            chat_store_set_until(l->chat->store, l->until_ms);
    }
    return r;
}

void chat_lease_give_back(struct chat_lease *l) {
    if (l->until_ms == 0)
        return;
    l->until_ms = 0;
    SHIELD(CHAT_LEASE_ASK_MS);
    if (chat_lease_ask(l, LEASE_GIVE, false) < 0) {
        /* It ends by itself. */
    }
}

/* ---- who has it ---- */

static struct str line_of(struct str *text) {
    const char *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    struct str line = { text->data, end ? (size_t) (end - text->data) : text->len };
    text->data += end ? line.len + 1 : line.len;
    text->len -= end ? line.len + 1 : line.len;
    return line;
}

static void copy_text(char *to, size_t size, struct str from) {
    size_t len = from.len < size ? from.len : 0;
    if (len)
        memcpy(to, from.data, len);
    to[len] = '\0';
}

void chat_lease_tell_remote(struct chat_lease *l) {
    struct chat_remote_owner *o = calloc(1, sizeof *o);
    struct str rest = str_of(l->seen.told);

    if (!o)
        return; /* the next turn does */
    bool is_there = l->seen.result == LEASE_OTHERS && str_equal(line_of(&rest), STR("here"));
    copy_text(o->name, sizeof o->name, line_of(&rest));
    copy_text(o->address, sizeof o->address, line_of(&rest));
    copy_text(o->token, sizeof o->token, line_of(&rest));
    copy_text(o->id, sizeof o->id, str_of(l->seen.holder));
    chat_remote_hint(l->chat->remote, is_there ? o : NULL);
    free(o);
}

/* ---- where this node is ---- */

/* chat.address, or the first that it listens at, by the host's name where that is all of its own.
 */
void chat_lease_listens(struct chat_lease *l) {
    const struct daemon *d = l->chat->daemon;
    struct str said = l->chat->config->chat.address;
    const char *text = d->n_addresses ? d->addresses[0].text : "unix:";
    const char *port = strrchr(text, ':');
    char host[NODE_NAME_MAX + 1] = "", *address = NULL;
    bool is_any = strncmp(text, "0.0.0.0:", 8) == 0 || strncmp(text, "[::]:", 5) == 0;

    if (is_any)
        (void) gethostname(host, sizeof host - 1);
    if (said.len > 0)
        address = strndup(said.data, said.len);
    else if (strncmp(text, "unix:", 5) == 0)
        address = strdup("");
    else if (asprintf(&address, "%s://%s%s", l->chat->config->http.tls_enabled ? "https" : "http",
                      is_any ? host : text, is_any ? port : "") < 0)
        address = NULL;
    atomic_store(&l->address, address);
}
