/* parley sub: follows channels, over cuts, and says so when something is missing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/task.h"
#include "clients/cli/cli.h"

enum { EPOCH_MAX = 64 };

struct followed {
    struct str channel;
    uint32_t id; /* of the subscribe command under way; 0: none */
    bool has_position;
    bool is_subscribed;
    uint64_t offset;
    char epoch[EPOCH_MAX];
};

struct sub {
    const struct cli_options *options;
    struct followed *channels;
    size_t n;
    uint64_t printed;
    unsigned tries; /* to connect, since a subscription last succeeded */
    int exit_code;
    bool is_done;
};

static void freep(void *at) {
    free(*(void **) at);
}

static struct followed *find(struct sub *s, struct str channel) {
    for (size_t i = 0; i < s->n; i++)
        if (str_equal(s->channels[i].channel, channel))
            return &s->channels[i];
    return NULL;
}

static void keep_epoch(struct followed *f, struct str epoch) {
    if (epoch.len == 0 || epoch.len >= sizeof f->epoch)
        return;
    memcpy(f->epoch, epoch.data, epoch.len);
    f->epoch[epoch.len] = '\0';
}

static void note(struct sub *s, struct followed *f, const struct wire_publication *p) {
    if (s->is_done)
        return;
    cli_print_publication(s->options, f->channel, p);
    if (p->offset)
        f->offset = p->offset;
    keep_epoch(f, p->epoch);
    if (s->options->count && ++s->printed == s->options->count)
        s->is_done = true;
}

static int subscribe(struct client *c, struct sub *s, struct followed *f) {
    struct command command = { .kind = COMMAND_SUBSCRIBE,
                               .subscribe = { .channel = f->channel,
                                              .recoverable = !s->options->no_recover,
                                              .positioned = !s->options->no_recover,
                                              .recover = f->has_position && !s->options->no_recover,
                                              .offset = f->offset,
                                              .epoch = str_of(f->epoch) } };

    f->is_subscribed = false;
    f->id = client_queue(c, &command);
    return f->id ? 0 : -ENOMEM;
}

static void subscribed(struct sub *s, struct followed *f, const struct reply_subscribe *result) {
    f->is_subscribed = true;
    s->tries = 0;
    s->exit_code = EX_OK;
    if (result->was_recovering && !result->recovered) {
        if (s->options->is_json)
            cli_print_gap(f->channel);
        cli_say("%.*s: recovered: false; publications after %" PRIu64 " are missing",
                (int) f->channel.len, f->channel.data, f->offset);
    } else if (!s->options->is_quiet) {
        cli_say("%.*s: %s", (int) f->channel.len, f->channel.data,
                result->recovered ? "recovered" : "subscribed");
    }
    for (size_t i = 0; i < result->publications.n; i++) {
        struct wire_publication p = wire_publications_at(&result->publications, i);
        note(s, f, &p);
    }
    if (result->recoverable || result->positioned) {
        if (!result->recovered)
            f->offset = result->offset;
        keep_epoch(f, result->epoch);
        f->has_position = true;
    }
}

/* Whether to go on with this connection. */
static bool take_push(struct client *c, struct sub *s, const struct push *push) {
    struct followed *f = find(s, push->channel);

    if (!f)
        return true;
    if (push->kind == PUSH_PUBLICATION) {
        note(s, f, &push->publication);
    } else if (push->kind == PUSH_UNSUBSCRIBE && unsubscribe_resubscribes(push->unsubscribe.code)) {
        return subscribe(c, s, f) == 0 && client_flush(c) == 0;
    } else if (push->kind == PUSH_UNSUBSCRIBE) {
        cli_say("%.*s: the server ended the subscription: %.*s (%u)", (int) f->channel.len,
                f->channel.data, (int) push->unsubscribe.reason.len, push->unsubscribe.reason.data,
                push->unsubscribe.code);
        s->exit_code = EX_UNAVAILABLE;
        s->is_done = true;
    }
    return true;
}

static bool take_reply(struct client *c, struct sub *s, const struct reply *reply) {
    if (reply->kind == REPLY_PUSH)
        return take_push(c, s, &reply->push);
    for (size_t i = 0; i < s->n; i++) {
        struct followed *f = &s->channels[i];
        if (f->id != reply->id)
            continue;
        f->id = 0;
        if (reply->kind == REPLY_SUBSCRIBE) {
            subscribed(s, f, &reply->subscribe);
        } else if (reply->kind == REPLY_ERROR) {
            cli_say("%.*s: %.*s (%u)", (int) f->channel.len, f->channel.data,
                    (int) reply->error.message.len, reply->error.message.data, reply->error.code);
            s->exit_code = cli_exit_code_of_error(&reply->error);
            s->is_done = !reply->error.is_temporary;
            return false;
        } else {
            cli_say("%.*s: the server answered another question than was asked",
                    (int) f->channel.len, f->channel.data);
            s->exit_code = EX_PROTOCOL;
            s->is_done = true;
            return false;
        }
    }
    return true;
}

/* Follows over one connection until it ends or all is done. */
static int follow(struct client *c, struct sub *s, struct client_end *end) {
    struct reply reply;
    int r = 0;

    for (size_t i = 0; i < s->n && r == 0; i++)
        r = subscribe(c, s, &s->channels[i]);
    if (r == 0)
        r = client_flush(c);
    while (r == 0 && !s->is_done) {
        r = client_next(c, &reply, end);
        if (r <= 0)
            return r;
        r = take_reply(c, s, &reply) ? 0 : -EAGAIN;
        if (cli_flush() < 0) {
            s->exit_code = EX_IOERR;
            s->is_done = true;
        }
    }
    return r;
}

static int prepare(struct sub *s, const struct cli_options *o) {
    s->channels = calloc(o->n_arguments, sizeof *s->channels);
    if (!s->channels)
        return -ENOMEM;
    s->n = o->n_arguments;
    for (size_t i = 0; i < s->n; i++) {
        s->channels[i].channel = str_of(o->arguments[i]);
        if (o->has_since) {
            s->channels[i].has_position = true;
            s->channels[i].offset = o->since_offset;
            keep_epoch(&s->channels[i], str_of(o->since_epoch));
        }
    }
    return 0;
}

int cli_sub(const struct cli_options *o) {
    struct sub s = { .options = o };
    struct client_options options = {
        .url = &o->url, .tls = o->tls, .token = str_of(o->token), .is_protobuf = o->is_protobuf
    };

    if (prepare(&s, o) < 0)
        return EX_OSERR;
    CLEANUP(freep) void *channels = s.channels;

    for (bool was_connected = false; !s.is_done;) {
        struct client *c = NULL;
        struct client_end end = { 0 };
        int r = client_open(&options, &c, &end);
        if (r == 0) {
            was_connected = true;
            r = follow(c, &s, &end);
            c = client_close(c);
        }
        if (s.is_done || r == -ECANCELED)
            break;
        if (end.is_final || !was_connected) {
            cli_say("%s", end.why);
            return cli_exit_code(&end);
        }
        int64_t wait_ms = client_backoff_ms(s.tries++);
        if (end.why[0] && !o->is_quiet)
            cli_say("%s; again in %.1f s", end.why, (double) wait_ms / 1000);
        if (task_sleep(wait_ms) < 0)
            break;
    }
    return s.exit_code;
}
