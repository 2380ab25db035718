#include "tests/bench/storm/publishers.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/bench/storm/followers.h"

enum {
    NAME_MAX_LEN = 64,
    PER_MESSAGE = 64,          /* commands sent together */
    PROBE_NS = 2000000,        /* between two of the probe's */
    BEHIND_MAX_NS = 100000000, /* more is not caught up with */
};

/* A message under way. */
struct sending {
    uint32_t id, channel, number;
    uint64_t at_ns;
};

struct publisher {
    struct sending *ring; /* of as many as the window */
    uint32_t cap, first, n;
    uint32_t cursor; /* of its next channel, when as fast as it is answered */
};

static struct press *press_of(const struct client *c) {
    return c->storm->press;
}

/* ---- sending ---- */

static void append(struct client *c, uint32_t channel, struct buffer *out) {
    struct press *p = press_of(c);
    struct publisher *own = c->part;
    struct storm *s = c->storm;
    char name[NAME_MAX_LEN];
    struct buffer data = BUFFER_INIT;
    uint32_t number = ledger_next(&s->ledger, channel);

    buffer_printf(
            &data, "{\"n\":%" PRIu32 ",\"x\":\"%.*s\"}", number, (int) p->padding,
            "................................................................................"
            "................................................................................"
            "................................................................................");
    struct command command = {
        .kind = COMMAND_PUBLISH,
        .publish = { .channel = crowd_channel(s->crowd, channel, name, sizeof name),
                     .data = buffer_bytes(&data) },
    };
    uint32_t id = client_append(c, &command, out);
    buffer_finish(&data);
    own->ring[(own->first + own->n++) % own->cap] =
            (struct sending){ .id = id, .channel = channel, .number = number, .at_ns = now_ns() };
    p->sent++;
    p->unanswered++;
    if (p->left > 0 && --p->left == 0)
        p->is_on = false;
}

/* As many as it may have under way. */
static void fill(struct client *c) {
    struct press *p = press_of(c);
    struct publisher *own = c->part;
    struct buffer out = BUFFER_INIT;
    uint32_t channels = c->storm->crowd->channels;
    if (!p->is_on || p->rate > 0 || !c->is_connected || c->index >= channels)
        return;
    for (unsigned i = 0; i < PER_MESSAGE && p->is_on && own->n < own->cap; i++) {
        append(c, own->cursor, &out);
        own->cursor += p->n;
        if (own->cursor >= channels)
            own->cursor = c->index;
    }
    client_send(c, &out);
}

static void send_one(struct press *p) {
    uint32_t channels = p->clients[0].storm->crowd->channels;
    if (p->is_random)
        p->next_channel = (uint32_t) random();
    uint32_t channel = p->next_channel++ % channels;
    struct client *c = &p->clients[channel % p->n];
    struct publisher *own = c->part;
    if (!c->is_connected || own->n == own->cap) {
        p->skipped++;
        return;
    }
    struct buffer out = BUFFER_INIT;
    append(c, channel, &out);
    client_send(c, &out);
}

/* ---- answers ---- */

static void publisher_replied(struct client *c, const struct reply *r) {
    struct press *p = press_of(c);
    struct publisher *own = c->part;
    struct ledger *l = &c->storm->ledger;
    struct sending *s = &own->ring[own->first];
    if (own->n == 0 || r->id != s->id) {
        ledger_fault(l, "a publisher was given an answer to %" PRIu32 " out of turn", r->id);
        return;
    }
    own->first = (own->first + 1) % own->cap;
    own->n--;
    p->unanswered--;
    if (r->kind == REPLY_PUBLISH) {
        ledger_settle(l, s->channel, s->number, FATE_ACKNOWLEDGED);
        p->acknowledged++;
        figures_add(&p->times, now_ns() - s->at_ns);
    } else {
        ledger_settle(l, s->channel, s->number, FATE_REFUSED);
        p->refused++;
        if (r->kind != REPLY_ERROR || !r->error.is_temporary)
            ledger_fault(l, "a publish was refused for good: error %" PRIu32,
                         r->kind == REPLY_ERROR ? r->error.code : 0);
    }
    if (own->n <= own->cap / 2)
        fill(c);
}

static void publisher_lost(struct client *c) {
    struct press *p = press_of(c);
    struct publisher *own = c->part;
    p->unanswered -= own->n;
    p->unknown += own->n;
    own->n = own->first = 0;
    client_retry(c);
}

static const struct role publisher = {
    .connected = fill,
    .replied = publisher_replied,
    .lost = publisher_lost,
    .again = fill,
};

/* ---- the probe ---- */

static void probe_replied(struct client *c, const struct reply *r) {
    struct press *p = press_of(c);
    figures_add(&p->probed, now_ns() - p->probe_sent_ns);
    p->probe_sent_ns = 0;
}

static void probe_lost(struct client *c) {
    press_of(c)->probe_sent_ns = 0;
    client_retry(c);
}

static void probe_nothing(struct client *c) {
}

static const struct role probe = {
    .connected = probe_nothing,
    .replied = probe_replied,
    .lost = probe_lost,
    .again = probe_nothing,
};

static void probe_run(struct press *p, uint64_t now) {
    if (!p->has_probe || !p->probe.is_connected || p->probe_sent_ns || now < p->probe_next_ns)
        return;
    struct buffer out = BUFFER_INIT;
    struct command command = {
        .kind = COMMAND_PUBLISH,
        .publish = { .channel = STR("probe"), .data = bytes_of("{}", 2) },
    };
    (void) client_append(&p->probe, &command, &out);
    p->probe_sent_ns = now;
    p->probe_next_ns = now + PROBE_NS;
    client_send(&p->probe, &out);
}

void press_probe(struct press *p, bool is_on) {
    if (p->has_probe == is_on)
        return;
    p->has_probe = is_on;
    p->probe_sent_ns = 0;
    if (is_on)
        client_connect(&p->probe);
    else
        client_close(&p->probe);
}

/* ---- its life ---- */

void press_init(struct press *p, struct storm *s, uint32_t n) {
    *p = (struct press){ .n = n, .window = 1 };
    p->clients = calloc(n ? n : 1, sizeof *p->clients);
    struct publisher *parts = calloc(n ? n : 1, sizeof *parts);
    if (!p->clients || !parts)
        give_up("publishers", 0);
    p->parts = parts;
    for (uint32_t i = 0; i < n; i++) {
        client_init(&p->clients[i], s, &publisher, i);
        p->clients[i].part = &parts[i];
        parts[i].cursor = i;
    }
    client_init(&p->probe, s, &probe, 0);
}

void press_finish(struct press *p) {
    for (uint32_t i = 0; i < p->n; i++) {
        client_finish(&p->clients[i]);
        free(((struct publisher *) p->clients[i].part)->ring);
    }
    free(p->parts);
    client_finish(&p->probe);
    free(p->clients);
    figures_finish(&p->times);
    figures_finish(&p->probed);
    *p = (struct press){ 0 };
}

void press_connect(struct press *p) {
    for (uint32_t i = 0; i < p->n; i++)
        if (p->clients[i].link.fd < 0)
            client_connect(&p->clients[i]);
}

void press_start(struct press *p) {
    p->is_on = true;
    p->next_ns = now_ns();
    for (uint32_t i = 0; i < p->n; i++) {
        struct publisher *own = p->clients[i].part;
        if (own->cap != p->window && own->n == 0) {
            free(own->ring);
            own->ring = calloc(p->window, sizeof *own->ring);
            if (!own->ring)
                give_up("publishers", 0);
            own->cap = p->window;
            own->first = 0;
        }
        fill(&p->clients[i]);
    }
}

bool press_is_quiet(const struct press *p) {
    return !p->is_on && p->unanswered == 0;
}

uint64_t press_run(struct press *p, uint64_t now) {
    probe_run(p, now);
    if (p->is_on && p->rate > 0) {
        if (now > p->next_ns + BEHIND_MAX_NS)
            p->next_ns = now - BEHIND_MAX_NS;
        for (; p->is_on && p->next_ns <= now; p->next_ns += (uint64_t) (1e9 / p->rate))
            send_one(p);
    }
    uint64_t next = p->is_on && p->rate > 0 ? p->next_ns : UINT64_MAX;
    return p->has_probe && p->probe_next_ns < next ? p->probe_next_ns : next;
}
