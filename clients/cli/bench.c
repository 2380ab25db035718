/* parley bench: puts load on a server and says what it did. fanout: one channel, many subscribers;
 * publish: acknowledged publishes; idle: connections that do nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "async/group.h"
#include "async/loop.h"
#include "async/semaphore.h"
#include "async/task.h"
#include "clients/cli/cli.h"
#include "clients/cli/histogram.h"
#include "protocol/json.h"

enum { CONNECTING_MAX = 64 };

struct usage {
    double cpu_s;
    uint64_t pss_bytes;
    bool is_known;
};

struct bench {
    const struct cli_options *options;
    struct str channel;
    struct group clients;
    struct semaphore connecting; /* handshakes under way */
    uint32_t ready, failed;
    uint64_t sent, acknowledged, refused, delivered;
    struct histogram delivery, answer;
    char why[CLIENT_WHY_MAX]; /* of the first failure */
    int64_t start_us, end_us;
    bool is_measuring;
};

/* ---- what the server uses ---- */

static struct usage usage_of(long pid) {
    struct usage u = { 0 };
    char path[64], line[512];

    if (pid <= 0)
        return u;
    (void) snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "re");
    if (f) {
        unsigned long user = 0, system = 0;
        if (fgets(line, sizeof line, f)) {
            const char *after = strrchr(line, ')');
            u.is_known = after &&
                         sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                &user, &system) == 2;
        }
        u.cpu_s = (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
        (void) fclose(f);
    }
    (void) snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long kb;
        if (sscanf(line, "Pss: %lu kB", &kb) == 1)
            u.pss_bytes = (uint64_t) kb * 1024;
    }
    if (f)
        (void) fclose(f);
    return u;
}

/* ---- clients ---- */

static void fail(struct bench *b, const char *why) {
    if (b->failed++ == 0)
        (void) snprintf(b->why, sizeof b->why, "%s", why);
}

static int open_one(struct bench *b, struct client **ret) {
    struct client_options options = { .url = &b->options->url,
                                      .tls = b->options->tls,
                                      .token = str_of(b->options->token),
                                      .is_protobuf = b->options->is_protobuf,
                                      .timeout_ms = 30000 };
    struct client_end end = { 0 };
    int r = semaphore_acquire(&b->connecting);

    if (r < 0)
        return r;
    r = client_open(&options, ret, &end);
    semaphore_release(&b->connecting);
    if (r < 0 && r != -ECANCELED)
        fail(b, end.why);
    return r;
}

/* When it was sent, from {"t":<us>,…}. */
static uint64_t sent_at(struct bytes data) {
    struct json j;
    struct json_string key;
    uint64_t us = 0;

    json_init(&j, data);
    if (json_enter_object(&j) && json_member(&j, &key) && json_is(key, STR("t")))
        (void) json_uint64(&j, &us);
    return us;
}

static void heard(void *arg, const struct push *push) {
    struct bench *b = arg;

    if (push->kind != PUSH_PUBLICATION || !b->is_measuring)
        return;
    uint64_t at = sent_at(push->publication.data);
    if ((int64_t) at < b->start_us)
        return;
    b->delivered++;
    histogram_add(&b->delivery, (uint64_t) loop_now_us() - at);
}

static int subscriber(void *arg) {
    CLEANUP(client_closep) struct client *c = NULL;
    struct bench *b = arg;
    struct command command = { .kind = COMMAND_SUBSCRIBE, .subscribe = { .channel = b->channel } };
    struct client_end end = { 0 };
    struct reply reply;

    if (open_one(b, &c) < 0)
        return 0;
    int r = client_call(c, &command, heard, b, &reply, &end);
    if (r == 1 && reply.kind == REPLY_ERROR) {
        (void) snprintf(end.why, sizeof end.why, "subscribe: %.*s", (int) reply.error.message.len,
                        reply.error.message.data);
        r = 0;
    }
    if (r <= 0) {
        fail(b, end.why);
        return 0;
    }
    b->ready++;
    while ((r = client_next(c, &reply, &end)) > 0)
        if (reply.kind == REPLY_PUSH)
            heard(b, &reply.push);
    if (r != -ECANCELED)
        fail(b, end.why);
    return 0;
}

struct publisher {
    struct bench *bench;
    struct client *client;
    struct semaphore window;
    int64_t *sent_us; /* by id, modulo the window */
};

static void freep(void *at) {
    free(*(void **) at);
}

static int publish_one(struct publisher *p, struct bytes padding) {
    struct bench *b = p->bench;
    char data[96];
    CLEANUP(freep) char *text = malloc(b->options->size_bytes + sizeof data);

    if (!text)
        return -ENOMEM;
    int64_t now = loop_now_us();
    int len = snprintf(data, sizeof data, "{\"t\":%" PRId64 ",\"x\":\"", now);
    size_t pad = b->options->size_bytes > (size_t) len + 2
                         ? b->options->size_bytes - (size_t) len - 2
                         : 0;
    memcpy(text, data, (size_t) len);
    memcpy(text + len, padding.data, pad);
    memcpy(text + (size_t) len + pad, "\"}", 2);

    struct command command = { .kind = COMMAND_PUBLISH,
                               .publish = { .channel = b->channel,
                                            .data = bytes_of(text, (size_t) len + pad + 2) } };
    uint32_t id = client_queue(p->client, &command);
    if (!id)
        return -ENOMEM;
    p->sent_us[id % (b->options->window + 1)] = now;
    b->sent++;
    return client_flush(p->client);
}

static int take_answers(void *arg) {
    struct publisher *p = arg;
    struct bench *b = p->bench;
    struct client_end end = { 0 };
    struct reply reply;
    int r;

    while ((r = client_next(p->client, &reply, &end)) > 0) {
        if (reply.kind == REPLY_PUSH)
            continue;
        if (reply.kind == REPLY_ERROR) {
            if (b->refused++ == 0)
                (void) snprintf(b->why, sizeof b->why, "publish: %.*s (%u)",
                                (int) reply.error.message.len, reply.error.message.data,
                                reply.error.code);
        } else {
            b->acknowledged++;
            histogram_add(&b->answer, (uint64_t) (loop_now_us() -
                                                  p->sent_us[reply.id % (b->options->window + 1)]));
        }
        semaphore_release(&p->window);
    }
    if (r != -ECANCELED)
        fail(b, end.why);
    return r < 0 ? r : -ECONNRESET;
}

static int send_all(struct publisher *p) {
    struct bench *b = p->bench;
    double each_us = b->options->rate > 0 ? 1e6 * b->options->publishers / b->options->rate : 0;
    double next_us = (double) loop_now_us();
    CLEANUP(freep) char *padding = malloc(b->options->size_bytes + 1);

    if (!padding)
        return -ENOMEM;
    memset(padding, 'x', b->options->size_bytes);
    while (loop_now_us() < b->end_us) {
        if (each_us > 0) {
            next_us += each_us;
            int64_t wait_ms = ((int64_t) next_us - loop_now_us()) / 1000;
            if (wait_ms > 0 && task_sleep(wait_ms) < 0)
                return -ECANCELED;
        }
        int r = semaphore_acquire(&p->window);
        if (r == 0)
            r = publish_one(p, bytes_of(padding, b->options->size_bytes));
        if (r < 0)
            return r;
    }
    /* The last answers. */
    for (uint32_t i = 0; i < b->options->window; i++)
        if (semaphore_acquire(&p->window) < 0)
            break;
    return 0;
}

static int publisher(void *arg) {
    struct publisher p = { .bench = arg };
    CLEANUP(freep) int64_t *sent_us = calloc(p.bench->options->window + 1, sizeof *sent_us);
    CLEANUP(client_closep) struct client *c = NULL;
    GROUP(reader);

    if (!sent_us || open_one(p.bench, &c) < 0)
        return 0;
    p.client = c;
    p.sent_us = sent_us;
    semaphore_init(&p.window, p.bench->options->window);
    int r = group_spawn(&reader, "answers", take_answers, &p);
    if (r == 0)
        (void) send_all(&p);
    group_finish(&reader);
    return 0;
}

static int idler(void *arg) {
    CLEANUP(client_closep) struct client *c = NULL;
    struct bench *b = arg;
    struct client_end end = { 0 };
    struct reply reply;
    int r;

    if (open_one(b, &c) < 0)
        return 0;
    b->ready++;
    while ((r = client_next(c, &reply, &end)) > 0)
        ;
    if (r != -ECANCELED)
        fail(b, end.why);
    return 0;
}

/* ---- the runs ---- */

static int spawn(struct bench *b, const char *name, task_fn *fn, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        int r = group_spawn(&b->clients, name, fn, b);
        if (r < 0)
            return r;
    }
    return 0;
}

static int wait_until_ready(struct bench *b, uint32_t n) {
    while (b->ready + b->failed < n) {
        int r = task_sleep(20);
        if (r < 0)
            return r;
    }
    return b->failed ? -ECONNREFUSED : 0;
}

static void report(const struct bench *b, const char *mode, double seconds,
                   const struct usage *before, const struct usage *after, uint32_t connections) {
    double cpu_s = after->cpu_s - before->cpu_s;
    double grown = (double) after->pss_bytes - (double) before->pss_bytes;
    uint64_t work = b->delivered ? b->delivered : b->acknowledged;

    if (b->options->is_json) {
        printf("{\"mode\":\"%s\",\"seconds\":%.3f,\"connections\":%u,\"published\":%" PRIu64
               ",\"acknowledged\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"delivered\":%" PRIu64
               ",\"answer_p50_us\":%" PRIu64 ",\"answer_p99_us\":%" PRIu64
               ",\"delivery_p50_us\":%" PRIu64 ",\"delivery_p99_us\":%" PRIu64,
               mode, seconds, connections, b->sent, b->acknowledged, b->refused, b->delivered,
               histogram_quantile(&b->answer, .5), histogram_quantile(&b->answer, .99),
               histogram_quantile(&b->delivery, .5), histogram_quantile(&b->delivery, .99));
        if (after->is_known)
            printf(",\"server_cpu_s\":%.3f,\"server_pss_grown_bytes\":%.0f", cpu_s, grown);
        puts("}");
        return;
    }
    printf("%-12s %u\n", "connections", connections);
    if (b->sent)
        printf("%-12s %" PRIu64 " sent, %" PRIu64 " acknowledged (%.0f/s), %" PRIu64 " refused\n"
               "%-12s p50 %" PRIu64 " us, p99 %" PRIu64 " us, max %" PRIu64 " us\n",
               "publishes", b->sent, b->acknowledged, (double) b->acknowledged / seconds,
               b->refused, "answered in", histogram_quantile(&b->answer, .5),
               histogram_quantile(&b->answer, .99), b->answer.max_us);
    if (b->delivered)
        printf("%-12s %" PRIu64 " (%.0f/s)\n%-12s p50 %" PRIu64 " us, p99 %" PRIu64
               " us, max %" PRIu64 " us\n",
               "deliveries", b->delivered, (double) b->delivered / seconds, "delivered in",
               histogram_quantile(&b->delivery, .5), histogram_quantile(&b->delivery, .99),
               b->delivery.max_us);
    if (after->is_known) {
        printf("%-12s %.2f s", "server CPU", cpu_s);
        if (work)
            printf(", %.2f us per %s", cpu_s / (double) work * 1e6,
                   b->delivered ? "delivery" : "publish");
        printf("\n%-12s %.1f MB now", "server memory", (double) after->pss_bytes / 1e6);
        if (strcmp(mode, "idle") == 0 && connections)
            printf(", %.0f bytes more per connection", grown / connections);
        putchar('\n');
    }
}

static int run(struct bench *b, const char *mode) {
    const struct cli_options *o = b->options;
    bool is_idle = strcmp(mode, "idle") == 0, is_fanout = strcmp(mode, "fanout") == 0;
    uint32_t subscribers = is_idle || is_fanout ? o->subscribers : 0;
    struct usage at_first = usage_of(o->server_pid);

    if (!is_idle && !is_fanout && strcmp(mode, "publish") != 0) {
        cli_say("bench has fanout, publish and idle, not '%s'", mode);
        return EX_USAGE;
    }
    if (spawn(b, is_idle ? "idler" : "subscriber", is_idle ? idler : subscriber, subscribers) < 0 ||
        wait_until_ready(b, subscribers) < 0) {
        cli_say("%u of %u clients failed: %s", b->failed, subscribers, b->why);
        return EX_UNAVAILABLE;
    }

    struct usage before = usage_of(o->server_pid);
    b->start_us = loop_now_us();
    b->end_us = b->start_us + o->seconds * INT64_C(1000000);
    b->is_measuring = true;
    if (is_idle) {
        (void) task_sleep(o->seconds * INT64_C(1000));
    } else {
        GROUP(publishers);
        for (uint32_t i = 0; i < o->publishers; i++)
            if (group_spawn(&publishers, "publisher", publisher, b) < 0)
                return EX_OSERR;
        if (group_wait_all(&publishers) < 0)
            return EX_TEMPFAIL;
        /* Deliveries still on their way: as long as they come. */
        for (uint64_t last = UINT64_MAX; subscribers && last != b->delivered;) {
            last = b->delivered;
            (void) task_sleep(200);
        }
    }
    double seconds = (double) (loop_now_us() - b->start_us) / 1e6;
    struct usage after = usage_of(o->server_pid);
    report(b, mode, seconds, is_idle ? &at_first : &before, &after,
           subscribers + (is_idle ? 0 : o->publishers));
    if (b->failed || b->refused)
        cli_say("%u clients failed, %" PRIu64 " publishes were refused: %s", b->failed, b->refused,
                b->why);
    return b->failed || b->refused ? EX_UNAVAILABLE : EX_OK;
}

int cli_bench(const struct cli_options *o) {
    CLEANUP(freep) struct bench *b = calloc(1, sizeof *b);

    if (!b)
        return EX_OSERR;
    b->options = o;
    b->channel = str_of(o->channel ? o->channel : "bench");
    semaphore_init(&b->connecting, CONNECTING_MAX);
    group_init(&b->clients);
    int code = run(b, o->arguments[0]);
    group_finish(&b->clients);
    return code;
}
