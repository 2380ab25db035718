#include "storage/redis/subscriptions.h"

#include <assert.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "storage/redis/reply.h"
#include "storage/redis/server.h"

enum channel_state {
    CHANNEL_OFF,
    CHANNEL_ASKED, /* SUBSCRIBE is out */
    CHANNEL_ON,
    CHANNEL_ENDING, /* UNSUBSCRIBE is out */
};

/* There while somebody wants it, or Redis may think so. */
struct channel {
    struct table_entry entry;
    struct link link; /* in joining or leaving, or in none */
    struct event on;  /* it is CHANNEL_ON */
    size_t wanted;
    uint8_t state;
    bool is_returning; /* was on with the line before, or wanted */
    size_t len;
    char name[];
};

static struct channel *channel_of(const struct table_entry *e) {
    return CONTAINER_OF(e, struct channel, entry);
}

static struct channel *channel_of_link(struct link *k) {
    return CONTAINER_OF(k, struct channel, link);
}

static struct bytes channel_key(const struct table_entry *e) {
    const struct channel *c = channel_of(e);
    return bytes_of(c->name, c->len);
}

/* ---- asking ---- */

/* At most so many of a list's in one command. */
static size_t ask_batch(struct redis_subscriptions *s, struct list *of, const char *verb,
                        enum channel_state becomes) {
    size_t n = 0, room = REDIS_WINDOW - s->asked;
    LIST_FOREACH (of, k) {
        if (++n >= REDIS_BATCH || n >= room)
            break;
    }
    struct buffer *out = &s->line->out;
    redis_command_begin(out, n + 1);
    redis_command_argument(out, str_bytes(str_of(verb)));
    for (size_t i = 0; i < n; i++) {
        struct channel *c = channel_of_link(list_pop(of));
        redis_command_argument(out, bytes_of(c->name, c->len));
        c->state = (uint8_t) becomes;
        event_clear(&c->on);
    }
    s->asked += n;
    return n;
}

static void ask(struct turn_hook *hook) {
    struct redis_subscriptions *s = CONTAINER_OF(hook, struct redis_subscriptions, asking);
    bool any = false;
    while (s->line && s->asked < REDIS_WINDOW && !list_is_empty(&s->joining)) {
        (void) ask_batch(s, &s->joining, "SUBSCRIBE", CHANNEL_ASKED);
        any = true;
    }
    if (!any)
        return;
    s->asked_ms = loop_now();
    redis_line_flush(s->line);
}

static void ask_later(struct redis_subscriptions *s) {
    if (s->line)
        loop_at_turn_end(&s->asking);
}

static void tell_leaving(struct redis_subscriptions *s) {
    while (s->asked < REDIS_WINDOW && !list_is_empty(&s->leaving)) {
        (void) ask_batch(s, &s->leaving, "UNSUBSCRIBE", CHANNEL_ENDING);
        s->asked_ms = loop_now();
        redis_line_flush(s->line);
    }
}

void redis_subscriptions_tick(struct redis_subscriptions *s, int64_t keepalive_ms) {
    if (!s->line)
        return;
    tell_leaving(s);
    if (s->asked > 0 || s->is_pinged || loop_now() - s->line->heard_ms < keepalive_ms)
        return;
    struct bytes ping = str_bytes(STR("PING"));
    redis_command_append(&s->line->out, &ping, 1);
    s->is_pinged = true;
    s->asked_ms = loop_now();
    redis_line_flush(s->line);
}

int64_t redis_subscriptions_age_ms(const struct redis_subscriptions *s) {
    if (!s->line || (s->asked == 0 && !s->is_pinged))
        return 0;
    int64_t since_ms = s->asked_ms > s->line->heard_ms ? s->asked_ms : s->line->heard_ms;
    return loop_now() - since_ms;
}

/* ---- a channel's life ---- */

static void remove_channel(struct redis_subscriptions *s, struct channel *c) {
    list_remove(&c->link);
    table_remove(&s->channels, &c->entry);
    free(c);
}

static void has_returned(struct redis_subscriptions *s, struct channel *c) {
    if (!c->is_returning)
        return;
    c->is_returning = false;
    s->returning--;
}

/* After what changed: into the list of what is to be done with it, or away. */
static void settle(struct redis_subscriptions *s, struct channel *c) {
    list_remove(&c->link);
    if (c->wanted > 0 && c->state == CHANNEL_OFF) {
        list_append(&s->joining, &c->link);
        ask_later(s);
    } else if (c->wanted == 0 && c->state == CHANNEL_ON) {
        list_append(&s->leaving, &c->link);
    } else if (c->wanted == 0 && c->state == CHANNEL_OFF) {
        has_returned(s, c);
        remove_channel(s, c);
    }
}

static struct channel *find(const struct redis_subscriptions *s, struct bytes name) {
    struct table_entry *e = table_find(&s->channels, name);
    return e ? channel_of(e) : NULL;
}

static struct channel *find_or_add(struct redis_subscriptions *s, struct str name) {
    struct channel *c = find(s, str_bytes(name));
    if (c)
        return c;
    c = calloc(1, sizeof *c + name.len);
    if (!c)
        return NULL;
    c->len = name.len;
    if (name.len > 0)
        memcpy(c->name, name.data, name.len);
    if (table_add(&s->channels, &c->entry) == 0)
        return c;
    free(c);
    return NULL;
}

static void maybe_resubscribed(struct redis_subscriptions *s) {
    if (!s->is_returning || s->returning > 0 || !s->line)
        return;
    s->is_returning = false;
    if (s->resubscribed)
        s->resubscribed(s->arg);
}

static void leave(struct redis_subscriptions *s, struct channel *c) {
    assert(c->wanted > 0);
    if (--c->wanted > 0)
        return;
    settle(s, c);
    maybe_resubscribed(s);
}

SUSPENDS int redis_subscriptions_join(struct redis_subscriptions *s, struct str name) {
    if (s->is_closed)
        return -ECANCELED;
    struct channel *c = find_or_add(s, name);
    if (!c)
        return -ENOMEM;
    c->wanted++;
    if (c->wanted == 1 && c->state != CHANNEL_ASKED)
        settle(s, c);
    if (c->state == CHANNEL_ON)
        return 0;
    int r = event_wait(&c->on); /* being wanted, it stays there */
    if (r == 0 && s->is_closed)
        r = -ECANCELED;
    if (r < 0)
        leave(s, c);
    return r;
}

void redis_subscriptions_leave(struct redis_subscriptions *s, struct str name) {
    struct channel *c = find(s, str_bytes(name));
    assert(c);
    leave(s, c);
}

/* ---- what Redis says ---- */

static int confirm(struct redis_subscriptions *s, struct bytes name, bool is_on) {
    struct channel *c = find(s, name);
    if (!c || c->state != (is_on ? CHANNEL_ASKED : CHANNEL_ENDING))
        return redis_why(s->line->why, -EPROTO, "it confirmed what was not asked for");
    s->asked--;
    if (is_on) {
        c->state = CHANNEL_ON;
        s->subscribed++;
        has_returned(s, c);
        event_set(&c->on);
    } else {
        c->state = CHANNEL_OFF;
        s->subscribed--;
    }
    settle(s, c);
    ask_later(s); /* there is room in the window */
    maybe_resubscribed(s);
    return 0;
}

static struct str text_of(const struct redisReply *r) {
    return (struct str){ .data = r->str, .len = r->len };
}

static int hear(struct redis_subscriptions *s, const struct redisReply *r) {
    if (r->type == REDIS_REPLY_ERROR) {
        struct str text = text_of(r);
        int error = redis_reply_judge(r);
        return redis_why(s->line->why, error < 0 ? error : -EACCES, "%.*s",
                         text.len < REDIS_WHY_MAX ? (int) text.len : REDIS_WHY_MAX, text.data);
    }
    bool is_pong = redis_reply_is_text(r, "PONG");
    if (r->type == REDIS_REPLY_ARRAY && r->elements >= 2 &&
        r->element[0]->type == REDIS_REPLY_STRING && r->element[1]->type == REDIS_REPLY_STRING) {
        struct str kind = text_of(r->element[0]), channel = text_of(r->element[1]);
        if (r->elements == 3 && r->element[2]->type == REDIS_REPLY_STRING &&
            str_equal(kind, STR("message"))) {
            s->messages++;
            s->message(s->arg, channel, str_bytes(text_of(r->element[2])));
            return 0;
        }
        if (r->elements == 3 && str_equal(kind, STR("subscribe")))
            return confirm(s, str_bytes(channel), true);
        if (r->elements == 3 && str_equal(kind, STR("unsubscribe")))
            return confirm(s, str_bytes(channel), false);
        is_pong = str_equal(kind, STR("pong"));
    }
    if (!is_pong || !s->is_pinged)
        return redis_why(s->line->why, -EPROTO, "it sent no message where one was due");
    s->is_pinged = false;
    return 0;
}

int redis_subscriptions_hear(struct redis_subscriptions *s, struct redisReply *reply) {
    int r = hear(s, reply);
    redis_reply_free(reply);
    return r;
}

/* ---- lines come and go ---- */

void redis_subscriptions_up(struct redis_subscriptions *s, struct redis_line *line) {
    assert(!s->line);
    s->line = line;
    s->is_returning = s->had_line;
    s->had_line = true;
    s->returning = 0;
    TABLE_FOREACH (&s->channels, e) {
        struct channel *c = channel_of(e);
        c->is_returning = true;
        s->returning++;
    }
    ask_later(s);
    maybe_resubscribed(s);
}

void redis_subscriptions_down(struct redis_subscriptions *s) {
    if (!s->line)
        return;
    s->line = NULL;
    loop_forget_hook(&s->asking);
    s->asked = 0;
    s->is_pinged = false;
    s->subscribed = 0;
    TABLE_FOREACH (&s->channels, e) {
        struct channel *c = channel_of(e);
        c->state = CHANNEL_OFF;
        event_clear(&c->on);
        settle(s, c);
    }
}

void redis_subscriptions_close(struct redis_subscriptions *s) {
    s->is_closed = true;
    TABLE_FOREACH (&s->channels, e)
        event_set(&channel_of(e)->on);
}

void redis_subscriptions_init(struct redis_subscriptions *s) {
    struct table_seed seed;
    loop_random(&seed, sizeof seed);
    table_init(&s->channels, &seed, channel_key);
    s->asking.run = ask;
}

void redis_subscriptions_finish(struct redis_subscriptions *s) {
    loop_forget_hook(&s->asking);
    TABLE_FOREACH (&s->channels, e)
        remove_channel(s, channel_of(e));
    table_finish(&s->channels);
}
