/* What peers do that no library does, and what the daemon must not fall over. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "protocol/frame.h"
#include "tests/support/world.h"

#define QUIET "client: {allow_anonymous_connect_without_token: true, ping_interval: 3600s}\n"

/* Every frame that waits begins at its first byte: nothing of the line has to be finished. */
static int leaves_full_pipe(struct world *w, void *arg) {
    enum { PONG_BYTES = 64, PIPE_BYTES = 4096 };
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, NULL));
    char payload[PONG_BYTES - 2];
    memset(payload, 'p', sizeof payload);
    for (int i = 0; i < PIPE_BYTES / PONG_BYTES + 3; i++) {
        STORY_EXPECT(w, peer_send_frame(a, FRAME_PING, bytes_of(payload, sizeof payload)) == 0);
        STORY_EXPECT(w, task_sleep(1) == 0);
    }
    peer_close(a);
    STORY_EXPECT(w, task_sleep(10000) == 0);
    return 0;
}

static void who_leaves_while_a_whole_frame_waits_leaves_nothing_behind(void **state) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world_options o = { .config = QUIET, .pipe_bytes = 4096, .seed = seed };
        assert_null(world_run(&o, leaves_full_pipe, NULL));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_leaves_while_a_whole_frame_waits_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
