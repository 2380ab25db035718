#include "tests/bench/storm/callers.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/storm/followers.h"

struct caller {
    uint32_t left;  /* rounds */
    uint64_t since; /* offset of the page's end */
    uint64_t top;   /* of the channel; recover: known before the first */
    char epoch[32];
    bool is_leaving; /* recover: the unsubscribe is under way */
    uint64_t asked_ns;
};

static struct desk *desk_of(const struct client *c) {
    return c->storm->desk;
}

static void ask(struct client *c) {
    struct desk *d = desk_of(c);
    struct caller *own = c->part;
    struct buffer out = BUFFER_INIT;
    struct str channel = str_of(d->channel);
    struct command command = { 0 };

    switch (d->kind) {
    case CALL_PRESENCE:
        command = (struct command){ .kind = COMMAND_PRESENCE, .presence.channel = channel };
        break;
    case CALL_PRESENCE_STATS:
        command = (struct command){ .kind = COMMAND_PRESENCE_STATS, .presence.channel = channel };
        break;
    case CALL_RECOVER:
        command = (struct command){ .kind = COMMAND_SUBSCRIBE, .subscribe.channel = channel };
        if (own->is_leaving)
            command =
                    (struct command){ .kind = COMMAND_UNSUBSCRIBE, .unsubscribe.channel = channel };
        else if (own->epoch[0]) {
            command.subscribe.recover = true;
            command.subscribe.epoch = str_of(own->epoch);
            command.subscribe.offset = own->top > d->limit ? own->top - d->limit : 0;
        }
        break;
    default: /* pages of the history */
        command = (struct command){ .kind = COMMAND_HISTORY,
                                    .history = { .channel = channel,
                                                 .limit = (int32_t) d->limit,
                                                 .reverse = d->kind == CALL_LAST,
                                                 .has_since = own->epoch[0] != '\0',
                                                 .since_offset = own->since,
                                                 .since_epoch = str_of(own->epoch) } };
        break;
    }
    (void) client_append(c, &command, &out);
    own->asked_ns = now_ns();
    client_send(c, &out);
}

static void round_done(struct client *c) {
    struct desk *d = desk_of(c);
    struct caller *own = c->part;
    if (--own->left > 0) {
        ask(c);
    } else {
        d->n_busy--;
        d->ended_ns = now_ns();
    }
}

static void on_history(struct client *c, const struct reply_history *h) {
    struct desk *d = desk_of(c);
    struct caller *own = c->part;
    size_t n = h->publications.n;
    d->items += n;
    own->since = 0;
    own->epoch[0] = '\0';
    if (d->kind == CALL_PAGES && n > 0) { /* at the end: from the beginning again */
        own->since = wire_publications_at(&h->publications, n - 1).offset;
        (void) snprintf(own->epoch, sizeof own->epoch, "%.*s", (int) h->epoch.len, h->epoch.data);
    }
    round_done(c);
}

static void on_subscribe(struct client *c, const struct reply_subscribe *s) {
    struct desk *d = desk_of(c);
    struct caller *own = c->part;
    bool was_recovering = own->epoch[0] != '\0';
    d->items += s->publications.n;
    if (was_recovering && !s->recovered)
        d->unrecovered++;
    if (!was_recovering) { /* its position only: not a round */
        own->top = s->offset;
        (void) snprintf(own->epoch, sizeof own->epoch, "%.*s", (int) s->epoch.len, s->epoch.data);
        d->times.n--;
        own->left++;
    }
    own->is_leaving = true;
    ask(c);
}

static void caller_replied(struct client *c, const struct reply *r) {
    struct desk *d = desk_of(c);
    struct caller *own = c->part;
    if (r->kind != REPLY_UNSUBSCRIBE)
        figures_add(&d->times, now_ns() - own->asked_ns);
    if (r->kind == REPLY_HISTORY) {
        on_history(c, &r->history);
    } else if (r->kind == REPLY_SUBSCRIBE) {
        on_subscribe(c, &r->subscribe);
    } else {
        if (r->kind == REPLY_PRESENCE)
            d->items += r->presence.n;
        if (r->kind == REPLY_ERROR)
            d->errors++;
        own->is_leaving = false;
        round_done(c);
    }
}

static void caller_connected(struct client *c) {
}

static void caller_lost(struct client *c) {
    struct desk *d = desk_of(c);
    struct caller *own = c->part;
    d->errors++;
    if (own->left > 0)
        d->n_busy--;
    own->left = 0;
    client_retry(c);
}

static void caller_again(struct client *c) {
}

static const struct role caller = {
    .connected = caller_connected,
    .replied = caller_replied,
    .lost = caller_lost,
    .again = caller_again,
};

void desk_init(struct desk *d, struct storm *s, uint32_t n) {
    *d = (struct desk){ .n = n };
    d->clients = calloc(n ? n : 1, sizeof *d->clients);
    struct caller *parts = calloc(n ? n : 1, sizeof *parts);
    if (!d->clients || !parts)
        give_up("callers", 0);
    d->parts = parts;
    for (uint32_t i = 0; i < n; i++) {
        client_init(&d->clients[i], s, &caller, i);
        d->clients[i].part = &parts[i];
    }
}

void desk_finish(struct desk *d) {
    for (uint32_t i = 0; i < d->n; i++)
        client_finish(&d->clients[i]);
    free(d->parts);
    free(d->clients);
    figures_finish(&d->times);
    *d = (struct desk){ 0 };
}

void desk_connect(struct desk *d) {
    for (uint32_t i = 0; i < d->n; i++)
        if (d->clients[i].link.fd < 0)
            client_connect(&d->clients[i]);
}

bool desk_is_connected(const struct desk *d) {
    for (uint32_t i = 0; i < d->n; i++)
        if (!d->clients[i].is_connected)
            return false;
    return true;
}

bool desk_find(const char *name, enum call_kind *ret) {
#define CALL_AS_NAME(name, text) text,
    static const char *const names[] = { CALL_TABLE(CALL_AS_NAME) };
#undef CALL_AS_NAME
    for (size_t i = 0; i < CALL_KINDS; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum call_kind) i;
            return true;
        }
    }
    return false;
}

void desk_call(struct desk *d, uint32_t rounds) {
    figures_reset(&d->times);
    d->items = d->errors = d->unrecovered = 0;
    d->began_ns = d->ended_ns = now_ns();
    for (uint32_t i = 0; i < d->n; i++) {
        struct client *c = &d->clients[i];
        struct caller *own = c->part;
        if (!c->is_connected)
            continue;
        *own = (struct caller){ .left = rounds };
        d->n_busy++;
        ask(c);
    }
}
