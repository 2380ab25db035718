#include "tests/bench/storm/orders.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, WORDS_MAX = 8 };

/* ---- telling ---- */

static void tell_times(const char *name, struct figures *f) {
    if (f->n == 0)
        return;
    (void) printf(",\"%s_n\":%zu", name, f->n);
    (void) printf(",\"%s_first_ms\":%.3f", name, (double) figures_quantile_ns(f, 0) / 1e6);
    (void) printf(",\"%s_p50_ms\":%.3f", name, (double) figures_quantile_ns(f, 0.5) / 1e6);
    (void) printf(",\"%s_p99_ms\":%.3f", name, (double) figures_quantile_ns(f, 0.99) / 1e6);
    (void) printf(",\"%s_last_ms\":%.3f", name, (double) figures_quantile_ns(f, 1) / 1e6);
}

static void tell_number(const char *name, uint64_t value) {
    if (value > 0)
        (void) printf(",\"%s\":%" PRIu64, name, value);
}

static void tell_counts(struct storm *s) {
    const struct counts *c = &s->counts;
    tell_number("connected", c->connected);
    tell_number("retries", c->retries);
    tell_number("lost", c->lost);
    tell_number("put_off", c->put_off);
    tell_number("recovered", c->recovered);
    tell_number("unrecovered", c->unrecovered);
    tell_number("restored", c->restored);
    tell_number("delivered", c->delivered);
    tell_number("announced", c->announced);
    tell_number("resubscribed", c->resubscribed);
    tell_number("faults", s->ledger.n_faults);
    s->counts = (struct counts){ 0 };
}

static void tell_press(struct press *p) {
    tell_number("sent", p->sent);
    tell_number("acknowledged", p->acknowledged);
    tell_number("refused", p->refused);
    tell_number("unknown", p->unknown);
    tell_number("skipped", p->skipped);
    tell_times("ack", &p->times);
    figures_reset(&p->times);
    /* A question that is still open counts for as long as it has been. */
    if (p->has_probe && p->probe_sent_ns)
        figures_add(&p->probed, now_ns() - p->probe_sent_ns);
    tell_times("probe", &p->probed);
    figures_reset(&p->probed);
}

static void tell(struct orders *o) {
    struct storm *s = o->storm;
    struct crowd *c = s->crowd;
    (void) printf("{\"event\":\"%s\",\"ms\":%.3f", o->waiting,
                  (double) (now_ns() - o->began_ns) / 1e6);
    tell_counts(s);
    tell_press(s->press);
    if (strcmp(o->waiting, "open") == 0) {
        tell_times("served", &c->served);
        tell_times("each", &c->each_one);
        (void) printf(",\"connected_ms\":%.3f",
                      (double) (c->last_connected_ns - c->opened_ns) / 1e6);
    }
    if (strcmp(o->waiting, "call") == 0) {
        tell_number("items", s->desk->items);
        tell_number("errors", s->desk->errors);
        tell_number("call_unrecovered", s->desk->unrecovered);
        tell_times("call", &s->desk->times);
    }
    if (s->why_lost[0])
        (void) printf(",\"why_lost\":\"%s\"", s->why_lost);
    s->why_lost[0] = '\0';
    (void) printf("}\n");
    (void) fflush(stdout);
    o->waiting[0] = '\0';
}

/* ---- is it done? ---- */

static bool all_are_connected(const struct client *clients, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (!clients[i].is_connected)
            return false;
    return true;
}

static bool none_is_connected(const struct client *clients, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (clients[i].link.fd >= 0)
            return false;
    return true;
}

static bool is_done(const struct orders *o) {
    const struct storm *s = o->storm;
    const char *what = o->waiting;
    if (strcmp(what, "publishers") == 0)
        return all_are_connected(s->press->clients, s->press->n);
    if (strcmp(what, "callers") == 0)
        return all_are_connected(s->desk->clients, s->desk->n);
    if (strcmp(what, "open") == 0)
        return s->crowd->n_begun == s->crowd->n && s->crowd->n_served == s->crowd->n;
    if (strcmp(what, "acks") == 0)
        return s->press->acknowledged >= o->goal;
    if (strcmp(what, "stop") == 0 || strcmp(what, "published") == 0)
        return press_is_quiet(s->press);
    if (strcmp(what, "lost") == 0)
        return none_is_connected(s->crowd->clients, s->crowd->n);
    if (strcmp(what, "settle") == 0)
        return crowd_is_settled(s->crowd);
    if (strcmp(what, "unsubscribe") == 0)
        return s->crowd->unanswered == 0;
    if (strcmp(what, "call") == 0)
        return s->desk->n_busy == 0;
    return true;
}

/* ---- orders ---- */

static uint32_t number(char *const *words, unsigned i) {
    return words[i] ? (uint32_t) strtoul(words[i], NULL, 10) : 0;
}

static void make_followers(struct storm *s, char *const *words) {
    if (!words[4] || number(words, 2) == 0 || number(words, 3) == 0)
        give_up("followers N CHANNELS EACH PREFIX", EINVAL);
    static char prefix[64];
    crowd_finish(s->crowd);
    ledger_finish(&s->ledger);
    (void) snprintf(prefix, sizeof prefix, "%s", words[4]);
    ledger_init(&s->ledger, number(words, 2));
    crowd_init(s->crowd, s, number(words, 1), number(words, 2), number(words, 3), prefix);
}

static void start_publishing(struct storm *s, char *const *words) {
    struct press *p = s->press;
    if (!words[4] || p->n == 0 || number(words, 2) == 0)
        give_up("publish RATE WINDOW COUNT PADDING, after publishers N", EINVAL);
    p->rate = strtod(words[1], NULL);
    p->window = number(words, 2);
    p->left = number(words, 3);
    p->padding = number(words, 4);
    p->is_random = words[5] && strcmp(words[5], "random") == 0;
    press_start(p);
}

static void start_calling(struct desk *d, char *const *words) {
    if (!words[4] || !desk_find(words[1], &d->kind))
        give_up("call KIND CHANNEL ROUNDS LIMIT", EINVAL);
    (void) snprintf(d->channel, sizeof d->channel, "%s", words[2]);
    d->limit = number(words, 4);
    desk_call(d, number(words, 3));
}

static void begin(struct orders *o, char *const *words) {
    struct storm *s = o->storm;
    const char *what = words[0];
    if (strcmp(what, "followers") == 0) {
        make_followers(s, words);
    } else if (strcmp(what, "publishers") == 0) {
        press_finish(s->press);
        press_init(s->press, s, number(words, 1));
        press_connect(s->press);
    } else if (strcmp(what, "callers") == 0) {
        desk_finish(s->desk);
        desk_init(s->desk, s, number(words, 1));
        desk_connect(s->desk);
    } else if (strcmp(what, "probe") == 0) {
        press_probe(s->press, words[1] && strcmp(words[1], "on") == 0);
    } else if (strcmp(what, "open") == 0) {
        s->generation++;
        crowd_open(s->crowd, number(words, 1));
    } else if (strcmp(what, "publish") == 0) {
        start_publishing(s, words);
    } else if (strcmp(what, "acks") == 0) {
        o->goal = s->press->acknowledged + number(words, 1);
    } else if (strcmp(what, "stop") == 0) {
        s->press->is_on = false;
    } else if (strcmp(what, "lost") == 0) {
        s->crowd->is_opening = false;
    } else if (strcmp(what, "unsubscribe") == 0) {
        crowd_unsubscribe(s->crowd);
    } else if (strcmp(what, "close") == 0) {
        crowd_close(s->crowd);
    } else if (strcmp(what, "call") == 0) {
        start_calling(s->desk, words);
    } else if (strcmp(what, "audit") == 0) {
        ledger_audit(&s->ledger);
    } else if (strcmp(what, "quit") == 0) {
        o->is_over = true;
    } else if (strcmp(what, "published") != 0 && strcmp(what, "settle") != 0 &&
               strcmp(what, "report") != 0) {
        give_up(what, EINVAL);
    }
}

static void obey(struct orders *o, char *line) {
    char *words[WORDS_MAX + 1] = { NULL }, *rest = NULL;
    unsigned n = 0;
    for (char *w = strtok_r(line, " ", &rest); w && n < WORDS_MAX; w = strtok_r(NULL, " ", &rest))
        words[n++] = w;
    if (n == 0)
        return;
    (void) snprintf(o->waiting, sizeof o->waiting, "%s", words[0]);
    o->began_ns = now_ns();
    begin(o, words);
}

void orders_receive(struct orders *o) {
    uint8_t *to = buffer_reserve(&o->in, LINE_MAX_BYTES);
    if (!to)
        give_up("orders", 0);
    ssize_t n = read(STDIN_FILENO, to, LINE_MAX_BYTES);
    if (n > 0)
        buffer_added(&o->in, (size_t) n);
    else if (n == 0 || errno != EAGAIN)
        o->is_over = true;
}

void orders_run(struct orders *o) {
    const uint8_t *end;
    if (o->waiting[0] && is_done(o))
        tell(o);
    while (!o->waiting[0] && !o->is_over && o->in.len > 0 &&
           (end = memchr(o->in.data, '\n', o->in.len))) {
        char line[LINE_MAX_BYTES];
        size_t len = (size_t) (end - o->in.data);
        if (len >= sizeof line)
            give_up("a line", E2BIG);
        memcpy(line, o->in.data, len);
        line[len] = '\0';
        buffer_consume(&o->in, len + 1);
        obey(o, line);
        if (o->waiting[0] && is_done(o))
            tell(o);
    }
}
