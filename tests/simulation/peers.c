/* The clients: they publish, follow, dawdle, are cut off and come back, and write down what they
 * see. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/deadline.h"
#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "clients/cli/client.h"
#include "tests/simulation/scene.h"

enum { BATCH_MAX = 8, RECOVERY_MAX = 300, PUBLICATION_BYTES_MAX = 256 };

static bool chance(unsigned percent) {
    return loop_random_below(100) < percent;
}

static const struct url anywhere = { .host = "simulation", .path = URL_DEFAULT_PATH };

/* A connection to some worker; -ECONNREFUSED while the daemon is down. */
static int reach(struct peer *p, struct client **ret) {
    struct scene *s = p->scene;
    struct client_options options = { .url = &anywhere, .timeout_ms = 20000 };
    struct client_end end = { 0 };
    struct stream *theirs = NULL;

    if (!s->is_up)
        return -ECONNREFUSED;
    int r = stream_pair(256 + (size_t) loop_random_below(65536), &theirs, &p->stream);
    if (r < 0)
        return r;
    options.stream = p->stream;
    r = daemon_accept(s->daemon, (unsigned) loop_random_below(s->script.workers), theirs);
    if (r < 0 && r != -EBUSY) {
        stream_close(theirs);
        p->stream = stream_close(p->stream);
        return r;
    }
    r = client_open(&options, ret, &end);
    if (r < 0)
        p->stream = NULL;
    return r;
}

/* Ends a connection, politely or not. */
static void leave(struct peer *p, struct client **c) {
    if (p->scene->script.has_cuts && chance(50)) {
        stream_pair_cut(p->stream);
        p->scene->cuts++;
    }
    p->stream = NULL;
    *c = client_close(*c);
}

static int pause_or_end(struct peer *p, int64_t ms) {
    if (p->scene->is_over)
        return -ECANCELED;
    return task_sleep(ms);
}

/* ---- publishers ---- */

static uint32_t queue_message(struct peer *p, struct client *c, uint32_t channel,
                              uint32_t *ret_id) {
    char data[64], name[16];
    struct command command = { .kind = COMMAND_PUBLISH };

    *ret_id = ledger_send(&p->scene->ledger, p->index, channel);
    scene_channel_name(channel, name);
    int len = snprintf(data, sizeof data, "{\"m\":%u}", *ret_id);
    command.publish.channel = str_of(name);
    command.publish.data = bytes_of(data, (size_t) len);
    return client_queue(c, &command);
}

/* Sends a few at once and waits for their answers. */
static int publish_batch(struct peer *p, struct client *c) {
    struct scene *s = p->scene;
    struct client_end end = { 0 };
    uint32_t ids[BATCH_MAX], commands[BATCH_MAX];
    unsigned n = 1 + (unsigned) loop_random_below(BATCH_MAX);

    for (unsigned i = 0; i < n; i++) {
        commands[i] =
                queue_message(p, c, (uint32_t) loop_random_below(s->script.channels), &ids[i]);
        if (commands[i] == 0)
            return -ENOMEM;
    }
    int r = client_flush(c);
    for (unsigned i = 0; i < n && r == 0;) {
        struct reply reply;
        r = client_next(c, &reply, &end);
        if (r <= 0)
            return r == 0 ? -ECONNRESET : r;
        r = 0;
        if (reply.kind == REPLY_PUSH)
            continue;
        if (reply.id != commands[i])
            ledger_fault(&s->ledger, "publish %u was answered before %u", reply.id, commands[i]);
        if (reply.kind == REPLY_ERROR && !reply.error.is_temporary)
            ledger_fault(&s->ledger, "a publish was refused for good: %u", reply.error.code);
        ledger_answered(&s->ledger, ids[i],
                        reply.kind == REPLY_ERROR ? MESSAGE_REFUSED : MESSAGE_ACKED);
        i++;
    }
    return r;
}

int publisher_run(void *arg) {
    struct peer *p = arg;
    struct scene *s = p->scene;

    while (!s->is_publishing_over) {
        CLEANUP(client_closep) struct client *c = NULL;
        if (reach(p, &c) < 0) {
            if (pause_or_end(p, 1 + (int64_t) loop_random_below(300)) < 0)
                return 0;
            continue;
        }
        while (!s->is_publishing_over && publish_batch(p, c) == 0)
            if (chance(10) || task_sleep((int64_t) loop_random_below(60)) < 0)
                break;
        leave(p, &c);
    }
    return 0;
}

/* ---- subscribers ---- */

static void note(struct peer *p, const struct wire_publication *publication) {
    struct scene *s = p->scene;

    ledger_saw(&s->ledger, p->channel, p->offset, publication->offset,
               scene_message_id(publication->data));
    p->offset = publication->offset;
    scene_note(s, publication->offset);
    event_set(&s->changed);
}

static void subscribed(struct peer *p, const struct reply_subscribe *result) {
    struct scene *s = p->scene;

    if (p->has_position && !result->recovered) {
        /* What fits the queue is recovered in any case; how much more is the daemon's to say. */
        uint64_t limit = s->script.queue_max_bytes / 8 * 7 / PUBLICATION_BYTES_MAX;
        ledger_told(&s->ledger, p->channel, p->offset, result->offset, s->script.history_size,
                    limit < RECOVERY_MAX ? limit : RECOVERY_MAX);
        if (result->epoch.len == strlen(p->epoch) &&
            memcmp(result->epoch.data, p->epoch, result->epoch.len) == 0 &&
            result->offset < p->offset)
            ledger_fault(&s->ledger, "channel %u went back from %llu to %llu in one epoch",
                         p->channel, (unsigned long long) p->offset,
                         (unsigned long long) result->offset);
    }
    if (result->recovered) {
        s->ledger.recovered++;
        if (result->offset != p->offset)
            ledger_fault(&s->ledger, "recovered from %llu, not %llu",
                         (unsigned long long) result->offset, (unsigned long long) p->offset);
    } else {
        p->offset = result->offset;
    }
    for (size_t i = 0; i < result->publications.n; i++) {
        struct wire_publication publication = wire_publications_at(&result->publications, i);
        note(p, &publication);
    }
    if (result->epoch.len == 0 || result->epoch.len >= sizeof p->epoch)
        ledger_fault(&s->ledger, "a recoverable subscription without an epoch");
    else
        memcpy(p->epoch, result->epoch.data, result->epoch.len), p->epoch[result->epoch.len] = '\0';
    p->has_position = p->is_subscribed = true;
    event_set(&s->changed);
}

static int subscribe(struct peer *p, struct client *c) {
    char name[16];
    struct client_end end = { 0 };
    struct reply reply;

    scene_channel_name(p->channel, name);
    struct command command = { .kind = COMMAND_SUBSCRIBE,
                               .subscribe = { .channel = str_of(name),
                                              .recover = p->has_position,
                                              .offset = p->offset,
                                              .epoch = str_of(p->epoch) } };
    /* Nothing of the channel may come before the reply: there is no on_push. */
    int r = client_call(c, &command, NULL, NULL, &reply, &end);
    if (r <= 0)
        return r == 0 ? -ECONNRESET : r;
    if (reply.kind == REPLY_ERROR)
        return reply.error.is_temporary ? -EAGAIN : -EPROTO;
    subscribed(p, &reply.subscribe);
    return 0;
}

static int follow(struct peer *p, struct client *c) {
    struct scene *s = p->scene;
    struct client_end end = { 0 };
    int64_t until = loop_now() + 100 + (int64_t) loop_random_below(5000);
    int r = subscribe(p, c);

    while (r == 0 && !s->is_over && (s->is_publishing_over || loop_now() < until)) {
        struct reply reply;
        if (s->script.has_slow_readers && !s->is_publishing_over && chance(2))
            r = task_sleep((int64_t) loop_random_below(3000));
        if (r == 0) {
            DEADLINE(pause, s->is_publishing_over ? 60000 : until - loop_now() + 1);
            r = client_next(c, &reply, &end);
        }
        if (r == 0)
            return -ECONNRESET;
        if (r < 0)
            return r;
        r = 0;
        if (reply.kind == REPLY_PUSH && reply.push.kind == PUSH_PUBLICATION)
            note(p, &reply.push.publication);
        if (reply.kind == REPLY_PUSH && reply.push.kind == PUSH_UNSUBSCRIBE) {
            p->is_subscribed = false;
            if (!unsubscribe_resubscribes(reply.push.unsubscribe.code))
                ledger_fault(&s->ledger, "unsubscribed for good: %u", reply.push.unsubscribe.code);
            r = subscribe(p, c);
        }
    }
    return r;
}

int subscriber_run(void *arg) {
    struct peer *p = arg;
    struct scene *s = p->scene;

    while (!s->is_over) {
        CLEANUP(client_closep) struct client *c = NULL;
        int r = reach(p, &c);
        if (r == 0) {
            r = follow(p, c);
            leave(p, &c);
        }
        p->is_subscribed = false;
        if (r == -EPROTO)
            ledger_fault(&s->ledger, "a subscribe was refused for good");
        if (pause_or_end(p, 1 + (int64_t) loop_random_below(s->is_publishing_over ? 50 : 1500)) < 0)
            return 0;
    }
    return 0;
}
