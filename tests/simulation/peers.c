/* How the clients come and go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "clients/cli/client.h"
#include "tests/simulation/scene.h"

bool scene_chance(unsigned percent) {
    return loop_random_below(100) < percent;
}

static const struct url anywhere = { .host = "simulation", .path = URL_DEFAULT_PATH };

/* The connect of one whom the server subscribes: its channel, and since when. */
static struct bytes server_subs(struct peer *p) {
    char name[16];
    scene_channel_name(p->scene, p->channel, name);
    int len = p->has_position
                      ? snprintf(p->subs, sizeof p->subs,
                                 "{\"%s\":{\"recover\":true,\"offset\":%llu,\"epoch\":\"%s\"}}",
                                 name, (unsigned long long) p->offset, p->epoch)
                      : snprintf(p->subs, sizeof p->subs, "{\"%s\":{}}", name);
    return bytes_of(p->subs, (size_t) len);
}

/* To some worker; -ECONNREFUSED while no daemon is up. */
int peer_reach(struct peer *p, struct client **ret) {
    struct scene *s = p->scene;
    struct client_options options = { .url = &anywhere,
                                      .timeout_ms = 20000,
                                      .is_protobuf = p->is_protobuf };
    struct client_end end = { 0 };
    struct stream *theirs = NULL;

    p->node = scene_some_node(s);
    if (!p->node)
        return -ECONNREFUSED;
    p->is_by_api =
            p->is_server_side && s->script.modes[p->channel] == CHANNEL_STREAM && scene_chance(30);
    if (p->is_server_side && !p->is_by_api)
        options.subs = server_subs(p);
    int r = stream_pair(256 + (size_t) loop_random_below(65536), &theirs, &p->stream);
    if (r < 0)
        return r;
    options.stream = p->stream;
    r = daemon_accept(p->node->daemon, (unsigned) loop_random_below(s->script.workers), theirs);
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

/* Politely or not. */
void peer_leave(struct peer *p, struct client **c) {
    if (p->scene->script.has_cuts && scene_chance(50)) {
        stream_pair_cut(p->stream);
        p->scene->cuts++;
    }
    p->stream = NULL;
    *c = client_close(*c);
}

int peer_pause(struct peer *p, int64_t ms) {
    if (p->scene->is_over)
        return -ECANCELED;
    return task_sleep(ms);
}
