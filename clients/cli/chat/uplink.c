#include "clients/cli/chat/uplink.h"

#include <errno.h>
#include <stdlib.h>

#include "async/event.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"

struct request {
    uint32_t id; /* 0: free */
    uplink_answer_fn *fn;
    void *what;
};

struct uplink {
    struct uplink_options options;
    struct client *client; /* NULL: there is none */
    bool is_online;
    unsigned tries;
    struct event has_out;
    struct request requests[UPLINK_REQUESTS_MAX];
};

int uplink_open(const struct uplink_options *o, struct uplink **ret) {
    struct uplink *l = calloc(1, sizeof *l);

    if (!l)
        return -ENOMEM;
    l->options = *o;
    event_init(&l->has_out);
    *ret = l;
    return 0;
}

void uplink_close(struct uplink *l) {
    free(l);
}

bool uplink_is_online(const struct uplink *l) {
    return l->is_online;
}

/* ---- requests ---- */

static int ask(struct uplink *l, struct command *command, uplink_answer_fn *fn, void *what) {
    struct request *free_one = NULL;

    if (!l->is_online)
        return -ENOTCONN;
    for (size_t i = 0; i < UPLINK_REQUESTS_MAX && !free_one; i++)
        if (l->requests[i].id == 0)
            free_one = &l->requests[i];
    if (!free_one)
        return -ENOBUFS;
    uint32_t id = client_queue(l->client, command);
    if (id == 0)
        return -ENOMEM;
    *free_one = (struct request){ .id = id, .fn = fn, .what = what };
    event_set(&l->has_out);
    return 0;
}

int uplink_rpc(struct uplink *l, const char *method, struct bytes data, uplink_answer_fn *fn,
               void *what) {
    return ask(l,
               &(struct command){ .kind = COMMAND_RPC,
                                  .rpc = { .method = str_of(method), .data = data } },
               fn, what);
}

int uplink_subscribe(struct uplink *l, struct str channel, uplink_answer_fn *fn, void *what) {
    return ask(l,
               &(struct command){ .kind = COMMAND_SUBSCRIBE, .subscribe = { .channel = channel } },
               fn, what);
}

static void ignore(void *arg, void *what, const struct reply *reply) {
    (void) arg;
    (void) what;
    (void) reply;
}

int uplink_unsubscribe(struct uplink *l, struct str channel) {
    return ask(
            l,
            &(struct command){ .kind = COMMAND_UNSUBSCRIBE, .unsubscribe = { .channel = channel } },
            ignore, NULL);
}

static void answer(struct uplink *l, const struct reply *reply) {
    for (size_t i = 0; i < UPLINK_REQUESTS_MAX; i++) {
        struct request request = l->requests[i];
        if (request.id != reply->id || request.id == 0)
            continue;
        l->requests[i].id = 0;
        request.fn(l->options.arg, request.what, reply);
        return;
    }
}

static void fail_requests(struct uplink *l) {
    for (size_t i = 0; i < UPLINK_REQUESTS_MAX; i++) {
        struct request request = l->requests[i];
        if (request.id == 0)
            continue;
        l->requests[i].id = 0;
        request.fn(l->options.arg, request.what, NULL);
    }
}

/* ---- a connection ---- */

static int write_out(void *arg) {
    struct uplink *l = arg;

    for (;;) {
        int r = event_wait(&l->has_out);
        event_clear(&l->has_out);
        if (r == 0)
            r = client_flush(l->client);
        if (r < 0)
            return r;
    }
}

static int read_in(struct uplink *l, struct client_end *end) {
    struct reply reply;

    for (;;) {
        int r = client_next(l->client, &reply, end);
        if (r <= 0)
            return r;
        if (reply.kind == REPLY_PUSH)
            l->options.on_push(l->options.arg, &reply.push);
        else
            answer(l, &reply);
    }
}

static int hold(struct uplink *l, struct client_end *end) {
    GROUP(writer);

    l->tries = 0;
    l->is_online = true;
    int r = group_spawn(&writer, "write", write_out, l);
    if (r == 0) {
        l->options.on_state(l->options.arg, UPLINK_ONLINE, "", 0);
        r = read_in(l, end);
    }
    l->is_online = false;
    group_finish(&writer);
    return r;
}

int uplink_run(struct uplink *l, struct client_end *ret_end) {
    for (;;) {
        *ret_end = (struct client_end){ 0 };
        l->options.on_state(l->options.arg, UPLINK_CONNECTING, "", 0);
        int r = client_open(l->options.client, &l->client, ret_end);
        if (r == 0) {
            r = hold(l, ret_end);
            l->client = client_close(l->client);
            fail_requests(l);
        }
        if (r == -ECANCELED || ret_end->is_final)
            return r < 0 ? r : -ECONNRESET;
        int64_t wait_ms = client_backoff_ms(l->tries++);
        l->options.on_state(l->options.arg, UPLINK_OFFLINE, ret_end->why, loop_now() + wait_ms);
        r = task_sleep(wait_ms);
        if (r < 0)
            return r;
    }
}
