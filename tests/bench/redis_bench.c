/*
 * Publishes a second through the engine on Redis, with so many under way at once, in one channel.
 * tests/bench/redis runs it beside redis-benchmark with the same commands.
 *
 *   redis_bench ADDRESS PUBLISHERS MILLISECONDS [heard] [plain]
 *
 * heard: a worker is attached to the channel, so that all of it comes back. plain: without history,
 * as a bare PUBLISH. Prints the rate, and how many microseconds of CPU each took here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "async/future.h"
#include "async/loop.h"
#include "async/task.h"
#include "storage/clock.h"
#include "storage/engine.h"
#include "storage/redis/options.h"

enum { PAYLOAD = 128 };

static const struct keep keep = { .history_size = 100, .history_ttl_ms = 86400000 };

struct publisher {
    struct publish_request request;
    struct bench *bench;
};

struct bench {
    const char *address;
    int publishers, ms;
    bool is_heard, is_plain;
    struct engine *engine;
    struct inbox *inbox;
    struct engine_sink sink;
    struct future over;
    int64_t ends_us, n, heard;
    int running;
    char payload[PAYLOAD];
};

static void die(const char *what, int r) {
    (void) fprintf(stderr, "redis_bench: %s: %s\n", what, strerror(-r));
    exit(1);
}

static int64_t now_us(void) {
    return (int64_t) (clock_ticks_ns() / 1000);
}

static void publish(struct publisher *p) {
    struct bench *b = p->bench;
    p->request.publication = publication_new(&(struct publication_parts){
            .channel = STR("channel"), .data = bytes_of(b->payload, PAYLOAD) });
    p->request.keep = b->is_plain ? (struct keep){ 0 } : keep;
    b->n++;
    engine_publish(b->engine, &p->request);
}

static void published(struct publish_request *request) {
    struct publisher *p = CONTAINER_OF(request, struct publisher, request);
    if (request->result < 0)
        die("publish", request->result);
    if (now_us() < p->bench->ends_us)
        publish(p);
    else if (--p->bench->running == 0)
        (void) future_resolve(&p->bench->over, 0);
}

static void hear(struct engine_sink *sink, struct publication *p) {
    (void) p;
    CONTAINER_OF(sink, struct bench, sink)->heard++;
}

static void open_engine(struct bench *b) {
    struct redis_shard_options shard = { .n_addresses = 1 };
    if (address_parse(b->address, &shard.addresses[0]) < 0)
        die(b->address, -EINVAL);
    struct redis_options redis = { .shards = &shard, .n_shards = 1, .node_id = STR("bench") };
    struct engine_options o = { .kind = ENGINE_REDIS, .redis = &redis };
    char *why = NULL;
    int r = engine_open(&o, &b->engine, &why);
    if (r < 0)
        die(why ? why : "engine_open", r);
    b->sink = (struct engine_sink){ .inbox = b->inbox, .deliver = hear };
    r = engine_add_sink(b->engine, &b->sink);
    if (r == 0 && b->is_heard)
        r = engine_attach(b->engine, &b->sink, STR("channel"));
    if (r < 0)
        die("engine_attach", r);
}

static int run(void *arg) {
    struct bench *b = arg;
    b->inbox = inbox_open(loop_current());
    open_engine(b);
    struct publisher *all = calloc((size_t) b->publishers, sizeof *all);
    if (!all)
        die("publishers", -ENOMEM);
    future_init(&b->over);
    b->running = b->publishers;
    int64_t began_us = now_us();
    b->ends_us = began_us + (int64_t) b->ms * 1000;
    for (int i = 0; i < b->publishers; i++) {
        all[i].bench = b;
        all[i].request.inbox = b->inbox;
        all[i].request.done = published;
        publish(&all[i]);
    }
    int r = future_wait(&b->over);
    struct rusage used;
    (void) getrusage(RUSAGE_SELF, &used);
    double cpu_us = (double) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
                    (double) (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    (void) printf("%.0f %.2f\n", (double) b->n * 1e6 / (double) (now_us() - began_us),
                  cpu_us / (double) b->n);
    if (b->is_heard && b->heard != b->n)
        die("not all was heard", -EIO);
    if (b->is_heard)
        engine_detach(b->engine, &b->sink, STR("channel"));
    engine_remove_sink(b->engine, &b->sink);
    engine_close(b->engine);
    inbox_close(b->inbox);
    free(all);
    return r;
}

int main(int argc, char **argv) {
    struct bench b = { 0 };
    if (argc < 4 || atoi(argv[2]) < 1 || atoi(argv[3]) < 1)
        die("usage: redis_bench ADDRESS PUBLISHERS MILLISECONDS [heard] [plain]", -EINVAL);
    b.address = argv[1];
    b.publishers = atoi(argv[2]);
    b.ms = atoi(argv[3]);
    for (int i = 4; i < argc; i++) {
        b.is_heard = b.is_heard || strcmp(argv[i], "heard") == 0;
        b.is_plain = b.is_plain || strcmp(argv[i], "plain") == 0;
    }
    memset(b.payload, 'x', sizeof b.payload);
    int r = loop_run(NULL, run, &b);
    if (r < 0)
        die("the loop", r);
    return 0;
}
