#include "tests/simulation/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/inbox.h"
#include "async/loop.h"

enum { PAGE = 100000 };

struct recorder {
    struct engine_sink sink; /* first */
    struct scene_node *node;
    bool has_sink;
    unsigned attached;
};

/* at_ms: when it was published, at the earliest; 0: not known. */
static void record(struct scene *s, const struct publication *p, int64_t at_ms) {
    /* The scene's channels are named "sim:0", "cch:1" ... */
    uint32_t channel = (uint32_t) (p->channel.data[p->channel.len - 1] - '0');

    if (!channel_is_map(s->script.modes[channel]))
        ledger_distributed(&s->ledger, channel, p->position.epoch, p->position.offset,
                           scene_message_id(p->data), at_ms);
}

static void deliver(struct engine_sink *sink, struct publication *p) {
    struct recorder *r = CONTAINER_OF(sink, struct recorder, sink);

    /* It may have been long on its way. */
    if (p->kind == PUBLICATION_DATA)
        record(r->node->scene, p, loop_now() - (loop_wall_ms() - p->time_ms));
}

int recorder_catch_up(struct scene_node *n) {
    struct scene *s = n->scene;
    for (uint32_t i = 0; i < s->script.channels; i++) {
        char name[16];
        struct page page;
        const struct ledger_stream *known = &s->ledger.streams[i];
        if (channel_is_map(s->script.modes[i]))
            continue;
        scene_channel_name(s, i, name);
        struct history_query q = { .channel = str_of(name), .keep = scene_keep(s), .limit = PAGE };
        /* Others go on meanwhile. */
        uint32_t epoch = known->newest;
        uint64_t top = ledger_top(&s->ledger, i);
        int r = engine_history(n->engine, &q, &page);
        if (r < 0)
            return r;
        for (size_t k = 0; k < page.n; k++)
            record(s, page.items[k], 0);
        if (s->script.engine == ENGINE_REDIS)
            ledger_current(&s->ledger, i, page.top.epoch);
        if (known->n > 0 && strcmp(known->epochs[epoch].name, page.top.epoch) == 0 &&
            top > page.top.offset)
            ledger_fault(&s->ledger, "channel %u ends at %llu, but %llu was distributed", i,
                         (unsigned long long) page.top.offset, (unsigned long long) top);
        page_finish(&page);
    }
    return 0;
}

int recorder_open(struct scene_node *n, struct recorder **ret) {
    const struct scene *s = n->scene;
    struct recorder *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->node = n;
    r->sink.deliver = deliver;
    r->sink.inbox = inbox_open(loop_current());
    int e = r->sink.inbox ? engine_add_sink(n->engine, &r->sink) : -ENOMEM;
    r->has_sink = e == 0;
    for (uint32_t i = 0; i < s->script.channels && e == 0; i++) {
        char name[16];
        scene_channel_name(s, i, name);
        e = engine_attach(n->engine, &r->sink, str_of(name));
        r->attached += e == 0;
    }
    if (e == 0)
        e = recorder_catch_up(n);
    if (e < 0) {
        recorder_close(r);
        return e;
    }
    *ret = r;
    return 0;
}

struct recorder *recorder_close(struct recorder *r) {
    if (!r)
        return NULL;
    while (r->attached > 0) {
        char name[16];
        scene_channel_name(r->node->scene, --r->attached, name);
        engine_detach(r->node->engine, &r->sink, str_of(name));
    }
    if (r->has_sink)
        engine_remove_sink(r->node->engine, &r->sink);
    inbox_close(r->sink.inbox);
    free(r);
    return NULL;
}
