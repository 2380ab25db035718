/*
 * The n-th allocation fails while people talk, for every n: whoever asked is answered, or their
 * connection ends; nothing leaks, and who comes then finds the chat as it is said to be.
 * Allocations of the clients come by here, too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/failing_memory.h"
#include "tests/support/sim_vfs.h"
#include "tests/unit/daemon/chat_scene.h"

#define CHAT                                                                                       \
    "chat: { enabled: true, send_rate: 0, write_rate: 0, read_rate: 0 }\n"                         \
    "client: { ping_interval: 0 }\n"

enum { HEAR_MS = 200 };

struct life {
    uint64_t n;
    bool had_enough; /* of n: it never came to that */
};

static void free_scene(struct chat_scene **s) {
    (void) chat_scene_free(*s);
}

/* Says it, and hears whatever comes. */
static void say(struct chat_scene *s, struct peer *p, const char *command) {
    char line[512];
    size_t n = 0;

    for (const char *c = command; *c && n < sizeof line - CHAT_ID_MAX; c++) {
        if (*c == '$')
            n += (size_t) snprintf(line + n, sizeof line - n, "%s", s->names[1]);
        else
            line[n++] = *c == '\'' ? '"' : *c;
    }
    line[n] = '\0';
    peer_say(p, "%s", line);
    while (peer_hear(p, HEAR_MS)[0] == '{')
        continue;
}

static int talk(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    struct life *l = arg;
    static const char *const lines[] = {
        "{'id':2,'rpc':{'method':'sync'}}",
        "{'id':3,'subscribe':{'channel':'room:$'}}",
        "{'id':4,'rpc':{'method':'message.send','data':{'room':'$','client_id':'x','text':'@a'}}}",
        "{'id':5,'publish':{'channel':'room:$','data':{'text':'y','client_id':'y'}}}",
        "{'id':6,'rpc':{'method':'typing.start','data':{'room':'$'}}}",
        "{'id':7,'rpc':{'method':'room.open','data':{'room':'$'}}}",
        "{'id':8,'rpc':{'method':'user.update','data':{'name':'B'}}}",
        "{'id':9,'rpc':{'method':'room.leave','data':{'room':'$'}}}",
    };

    STORY_EXPECT(w, s && chat_scene_connect(s, 'a'));
    ASKS(s, 'a', "room.create", "{'kind':'public','name':'R'}", "$1={*}");
    const char *token = world_token(w, "{\"sub\":\"b\",\"info\":{\"name\":\"Bob\"}}");
    char connect[600];
    (void) snprintf(connect, sizeof connect, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", token);
    struct peer *p = peer_open(w, &(struct peer_options){ .worker = -1, .may_be_refused = true });
    STORY_EXPECT(w, p);

    has_failed = false;
    fails_in = l->n;
    peer_say(p, "%s", connect);
    while (peer_hear(p, HEAR_MS)[0] == '{')
        continue;
    say(s, p, "{'id':10,'rpc':{'method':'room.join','data':{'room':'$'}}}");
    for (size_t i = 0; i < ELEMENTS_OF(lines); i++)
        say(s, p, lines[i]);
    l->had_enough = !has_failed;
    fails_in = 0;

    /* What is there is whole. */
    STORY_EXPECT(w, chat_scene_connect(s, 'c'));
    ASKS(s, 'c', "message.history", "{'room':'$1'}", "{'messages':[*],'has_before':false,*}");
    ASKS(s, 'c', "room.join", "{'room':'$1'}", "{'room':{*}}");
    SAYS(s, 'c', "'subscribe':{'channel':'room:$1'}", "'subscribe':{*");
    ASKS(s, 'c', "message.send", "{'room':'$1','client_id':'z','text':'z'}", "{'seq':*}");
    HEARS_PUSH(s, 'c', "{'push':{'channel':'room:$1','pub':{'data':{'type':'message.created',*");
    return 0;
}

static void memory_may_run_out_anywhere(void **state) {
    struct life l = { .n = 1 };

    for (; !l.had_enough; l.n++) {
        struct sim_disk *disk = sim_disk_new("parley-chat-memory", 1);
        const char *failure = world_run(&(struct world_options){ .config = CHAT,
                                                                 .data_dir = "disk",
                                                                 .vfs = "parley-chat-memory",
                                                                 .workers = 1 },
                                        talk, &l);
        fails_in = 0;
        sim_disk_free(disk);
        if (failure)
            fail_msg("allocation %llu: %s", (unsigned long long) l.n, failure);
    }
    assert_true(l.n > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
