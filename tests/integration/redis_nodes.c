#include "tests/integration/redis_nodes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct world *world;

/* ---- Redis itself ---- */

/* One inline command over a line of its own; its reply's first bytes. Blocks, shortly. */
const char *tell(struct world *w, const char *command) {
    static char reply[4096];
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(redis_process_port(w->redis)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    reply[0] = '\0';
    if (connect(fd, (struct sockaddr *) &in, sizeof in) == 0 &&
        dprintf(fd, "%s\r\n", command) > 0) {
        ssize_t n = recv(fd, reply, sizeof reply - 1, 0);
        reply[n > 0 ? n : 0] = '\0';
    }
    close(fd);
    return reply;
}

/* ---- two nodes ---- */

static pair_fn *pair_story;

static int run_pair(struct world *a) {
    struct world *b = world_beside(a, "two");
    int r = world_open(b);
    if (r == 0)
        r = pair_story(a, b);
    if (b->failure[0])
        world_fail(a, __FILE__, __LINE__, b->failure);
    world_close(b);
    listener_clear(&b->listener);
    world_free(b);
    return r;
}

void run_both(pair_fn *story) {
    pair_story = story;
    world_run(world, run_pair);
    assert_string_equal(world->failure, "");
}

void run_one(story_fn *story) {
    world_run(world, story);
    assert_string_equal(world->failure, "");
}

void run_closed(story_fn *story) {
    world_run_closed(world, story);
    assert_string_equal(world->failure, "");
}

bool hears(struct world *w, const char *expected) {
    char text[256];
    listener_text(&w->listener, text);
    if (strcmp(text, expected) != 0)
        world_fail(w, __FILE__, __LINE__, text);
    return strcmp(text, expected) == 0;
}

/* ---- ears ---- */

static void hear_signal(struct engine_ear *ear, struct str from, struct bytes message) {
    struct listening *l = CONTAINER_OF(ear, struct listening, ear);
    size_t at = strlen(l->text);
    (void) snprintf(l->text + at, sizeof l->text - at, "%.*s:%.*s ", (int) from.len, from.data,
                    (int) message.len, (const char *) message.data);
}

static void hear_missed(struct engine_ear *ear) {
    CONTAINER_OF(ear, struct listening, ear)->missed++;
}

void listening_init(struct listening *l, struct world *w) {
    *l = (struct listening){
        .ear = { .inbox = w->inbox, .hear = hear_signal, .missed = hear_missed }
    };
}

bool await_text(const struct listening *l, const char *text) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS; strcmp(l->text, text) != 0;)
        if (loop_now() > until_ms || task_sleep(1) < 0)
            return false;
    return true;
}

bool await_missed(const struct listening *l) {
    for (int64_t until_ms = loop_now() + PATIENCE_MS; l->missed == 0;)
        if (loop_now() > until_ms || task_sleep(1) < 0)
            return false;
    return true;
}

/* ---- each test ---- */

int begin_redis(void **state) {
    (void) state;
    world = world_new(ENGINE_REDIS, true);
    return 0;
}

int end_redis(void **state) {
    (void) state;
    world = world_free(world);
    return 0;
}
