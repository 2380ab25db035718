#include "tests/bench/storm/followers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_MAX_LEN = 64,
    COMMANDS_PER_MESSAGE = 200,
    CONNECTS_PER_TURN = 64,
    FIRST_ID = 2, /* of the first subscription; connect is 1 */
};

struct follower {
    uint32_t n_live;
    /* Command ids say which subscription is answered: the n-th asked is ids[n - 1]. */
    uint32_t *asked;
    uint32_t n_asked, cap;
};

static struct crowd *crowd_of(const struct client *c) {
    return c->storm->crowd;
}

static struct follower *follower_of(const struct client *c) {
    return c->part;
}

static struct follow *follows_of(const struct client *c) {
    return crowd_of(c)->follows + (size_t) c->index * crowd_of(c)->each;
}

static uint32_t channel_of(const struct client *c, uint32_t i) {
    const struct crowd *crowd = crowd_of(c);
    return (uint32_t) (((uint64_t) c->index * crowd->each + i) % crowd->channels);
}

struct str crowd_channel(const struct crowd *c, uint32_t channel, char *buf, size_t cap) {
    int len = snprintf(buf, cap, "%s%" PRIu32, c->prefix, channel);
    return (struct str){ .data = buf, .len = (size_t) len };
}

/* ---- subscribing ---- */

static void note_asked(struct follower *f, uint32_t i) {
    if (f->n_asked == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 1;
        f->asked = reallocarray(f->asked, f->cap, sizeof *f->asked);
        if (!f->asked)
            give_up("a follower", 0);
    }
    f->asked[f->n_asked++] = i;
}

static void append_subscribe(struct client *c, uint32_t i, struct buffer *out) {
    const struct follow *w = &follows_of(c)[i];
    char name[NAME_MAX_LEN];
    uint32_t channel = channel_of(c, i);
    struct command command = {
        .kind = COMMAND_SUBSCRIBE,
        .subscribe = { .channel = crowd_channel(crowd_of(c), channel, name, sizeof name),
                       .recover = w->has_position,
                       .offset = w->offset },
    };
    if (w->has_position)
        command.subscribe.epoch = str_of(c->storm->ledger.accounts[channel].epoch);
    (void) client_append(c, &command, out);
    note_asked(follower_of(c), i);
}

/* Whatever it has not got and not asked for. */
static void subscribe(struct client *c) {
    struct buffer out = BUFFER_INIT;
    unsigned n = 0;
    for (uint32_t i = 0; i < crowd_of(c)->each; i++) {
        struct follow *w = &follows_of(c)[i];
        if (w->is_live || w->is_asked)
            continue;
        w->is_asked = true;
        append_subscribe(c, i, &out);
        if (++n % COMMANDS_PER_MESSAGE == 0)
            client_send(c, &out);
    }
    client_send(c, &out);
}

static void served(struct client *c) {
    struct crowd *crowd = crowd_of(c);
    uint64_t now = now_ns();
    crowd->n_served++;
    if (!crowd->is_opening)
        return;
    figures_add(&crowd->served, now - crowd->opened_ns);
    figures_add(&crowd->each_one, now - c->began_ns);
}

/* ---- what is seen ---- */

static uint32_t number_in(struct bytes data) { /* {"n":NUMBER, as publishers write it */
    uint32_t number = 0;
    for (size_t i = 5; i < data.len && data.data[i] >= '0' && data.data[i] <= '9'; i++)
        number = number * 10 + (uint32_t) (data.data[i] - '0');
    return number;
}

static void see(struct client *c, uint32_t channel, struct follow *w,
                const struct wire_publication *p) {
    if (p->offset != w->offset + 1)
        ledger_fault(&c->storm->ledger,
                     "channel %" PRIu32 ": follower %" PRIu32 " at %" PRIu64 " was given %" PRIu64,
                     channel, c->index, w->offset, p->offset);
    w->offset = p->offset;
    ledger_see(&c->storm->ledger, channel, p->offset, number_in(p->data));
}

static void see_recovered(struct client *c, uint32_t channel, struct follow *w,
                          const struct reply_subscribe *r) {
    struct counts *n = &c->storm->counts;
    n->recovered++;
    n->restored += r->publications.n;
    for (size_t i = 0; i < r->publications.n; i++) {
        struct wire_publication p = wire_publications_at(&r->publications, i);
        see(c, channel, w, &p);
    }
    if (w->offset > r->offset && r->publications.n == 0)
        ledger_fault(&c->storm->ledger,
                     "channel %" PRIu32 ": the top is %" PRIu64 ", behind %" PRIu64, channel,
                     r->offset, w->offset);
}

static void subscribed(struct client *c, uint32_t i, const struct reply_subscribe *r) {
    struct follow *w = &follows_of(c)[i];
    uint32_t channel = channel_of(c, i);
    if (r->positioned)
        ledger_see_epoch(&c->storm->ledger, channel, r->epoch);
    if (w->has_position && r->recovered) {
        see_recovered(c, channel, w, r);
    } else {
        if (w->has_position) {
            c->storm->counts.unrecovered++;
            ledger_fault(&c->storm->ledger,
                         "channel %" PRIu32 ": follower %" PRIu32 " at %" PRIu64
                         " was not recovered",
                         channel, c->index, w->offset);
        }
        w->offset = r->offset;
        w->has_position = r->positioned;
    }
    w->is_live = true;
    if (++follower_of(c)->n_live == crowd_of(c)->each)
        served(c);
}

static void follower_replied(struct client *c, const struct reply *r) {
    struct crowd *crowd = crowd_of(c);
    const struct follower *f = follower_of(c);
    if (crowd->unanswered > 0 && r->kind == REPLY_UNSUBSCRIBE) {
        crowd->unanswered--;
        return;
    }
    if (r->id < FIRST_ID || r->id - FIRST_ID >= f->n_asked) {
        ledger_fault(&c->storm->ledger, "an answer to nothing: %" PRIu32, r->id);
        return;
    }
    uint32_t i = f->asked[r->id - FIRST_ID];
    follows_of(c)[i].is_asked = false;
    if (r->kind == REPLY_SUBSCRIBE) {
        subscribed(c, i, &r->subscribe);
    } else if (r->kind == REPLY_ERROR && r->error.is_temporary) {
        c->storm->counts.put_off++;
        client_retry(c);
    } else {
        ledger_fault(&c->storm->ledger, "follower %" PRIu32 " was refused: error %" PRIu32,
                     c->index, r->kind == REPLY_ERROR ? r->error.code : 0);
    }
}

/* Which of its subscriptions; each: none. */
static uint32_t find_follow(const struct client *c, struct str name, uint32_t *ret_channel) {
    const struct crowd *crowd = crowd_of(c);
    size_t prefix = strlen(crowd->prefix);
    if (name.len <= prefix || memcmp(name.data, crowd->prefix, prefix) != 0)
        return crowd->each;
    uint32_t channel = 0;
    for (size_t i = prefix; i < name.len; i++)
        channel = channel * 10 + (uint32_t) (name.data[i] - '0');
    if (channel >= crowd->channels)
        return crowd->each;
    *ret_channel = channel;
    uint32_t first = channel_of(c, 0);
    return channel >= first ? channel - first : channel + crowd->channels - first;
}

static void follower_pushed(struct client *c, const struct push *p) {
    uint32_t channel = 0;
    if (p->kind == PUSH_JOIN || p->kind == PUSH_LEAVE) {
        c->storm->counts.announced++;
        return;
    }
    if (p->kind != PUSH_PUBLICATION && p->kind != PUSH_UNSUBSCRIBE)
        return;
    uint32_t i = find_follow(c, p->channel, &channel);
    if (i >= crowd_of(c)->each || !follows_of(c)[i].is_live) {
        ledger_fault(&c->storm->ledger, "follower %" PRIu32 " was sent what it does not follow",
                     c->index);
        return;
    }
    struct follow *w = &follows_of(c)[i];
    if (p->kind == PUSH_PUBLICATION) {
        c->storm->counts.delivered++;
        if (w->has_position)
            see(c, channel, w, &p->publication);
        return;
    }
    c->storm->counts.resubscribed++;
    w->is_live = false;
    if (follower_of(c)->n_live-- == crowd_of(c)->each)
        crowd_of(c)->n_served--;
    client_retry(c);
}

/* ---- coming and going ---- */

static void leave_all(struct client *c) {
    if (follower_of(c)->n_live == crowd_of(c)->each)
        crowd_of(c)->n_served--;
    follower_of(c)->n_live = follower_of(c)->n_asked = 0;
    for (uint32_t i = 0; i < crowd_of(c)->each; i++)
        follows_of(c)[i].is_live = follows_of(c)[i].is_asked = false;
}

static void follower_connected(struct client *c) {
    crowd_of(c)->last_connected_ns = now_ns();
    subscribe(c);
}

static void follower_lost(struct client *c) {
    leave_all(c);
    if (crowd_of(c)->is_opening)
        client_retry(c);
}

static const struct role follower = {
    .connected = follower_connected,
    .replied = follower_replied,
    .pushed = follower_pushed,
    .lost = follower_lost,
    .again = subscribe,
};

void crowd_init(struct crowd *c, struct storm *s, uint32_t n, uint32_t channels, uint32_t each,
                const char *prefix) {
    *c = (struct crowd){ .n = n, .each = each, .channels = channels, .prefix = prefix };
    struct follower *parts = calloc(n ? n : 1, sizeof *parts);
    c->clients = calloc(n ? n : 1, sizeof *c->clients);
    c->follows = calloc(n ? n : 1, each * sizeof *c->follows);
    if (!c->clients || !c->follows || !parts)
        give_up("the crowd", 0);
    c->parts = parts;
    for (uint32_t i = 0; i < n; i++) {
        client_init(&c->clients[i], s, &follower, i);
        c->clients[i].part = &parts[i];
    }
}

void crowd_finish(struct crowd *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        client_finish(&c->clients[i]);
        free(follower_of(&c->clients[i])->asked);
    }
    free(c->parts);
    free(c->clients);
    free(c->follows);
    figures_finish(&c->served);
    figures_finish(&c->each_one);
    *c = (struct crowd){ 0 };
}

void crowd_open(struct crowd *c, uint32_t at_once) {
    figures_reset(&c->served);
    figures_reset(&c->each_one);
    c->is_opening = true;
    c->at_once = at_once ? at_once : UINT32_MAX;
    c->n_begun = 0;
    c->opened_ns = now_ns();
}

/* In steps, so that those who are connected are heard meanwhile, as if each were a machine of its
 * own. */
bool crowd_run(struct crowd *c) {
    for (unsigned i = 0; c->is_opening && c->n_begun < c->n; i++) {
        if (c->n_begun - c->n_served >= c->at_once)
            return false;
        if (i == CONNECTS_PER_TURN)
            return true;
        struct client *client = &c->clients[c->n_begun++];
        if (client->link.fd < 0)
            client_connect(client);
    }
    return false;
}

void crowd_close(struct crowd *c) {
    c->is_opening = false;
    for (uint32_t i = 0; i < c->n; i++) {
        client_close(&c->clients[i]);
        leave_all(&c->clients[i]);
    }
}

void crowd_unsubscribe(struct crowd *c) {
    c->is_opening = false;
    for (uint32_t i = 0; i < c->n; i++) {
        struct client *client = &c->clients[i];
        struct buffer out = BUFFER_INIT;
        for (uint32_t k = 0; client->is_connected && k < c->each; k++) {
            char name[NAME_MAX_LEN];
            struct command command = {
                .kind = COMMAND_UNSUBSCRIBE,
                .unsubscribe.channel = crowd_channel(c, channel_of(client, k), name, sizeof name),
            };
            (void) client_append(client, &command, &out);
            note_asked(follower_of(client), k);
            c->unanswered++;
            if ((k + 1) % COMMANDS_PER_MESSAGE == 0)
                client_send(client, &out);
        }
        client_send(client, &out);
    }
}

bool crowd_is_settled(const struct crowd *c) {
    const struct ledger *l = &c->clients[0].storm->ledger;
    for (uint32_t i = 0; i < c->channels; i++)
        if (!ledger_is_seen(l, i))
            return false;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct client *client = &c->clients[i];
        for (uint32_t k = 0; k < c->each; k++)
            if (follows_of(client)[k].offset < l->accounts[channel_of(client, k)].top)
                return false;
    }
    return true;
}
