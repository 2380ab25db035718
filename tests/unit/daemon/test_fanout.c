/* What reaches the few who do not simply get everything: subscribers with delta, with a filter by
 * tags, and those of a cache. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/future.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/delta.h"
#include "daemon/publish.h"
#include "daemon/special.h"
#include "daemon/worker.h"
#include "daemon/worker_thread.h"
#include "protocol/fossil.h"
#include "protocol/json.h"
#include "tests/support/world.h"

#define RIGHTS "allow_subscribe_for_client: true, allow_publish_for_client: true"
#define KEPT   "history_size: 20, history_ttl: 600s, force_recovery: true"

static const struct world_options quiet = {
    .config = "client: {ping_interval: 3600s}\n"
              "channel:\n"
              "  namespaces:\n"
              "    - {name: delta, " RIGHTS ", " KEPT ", delta_publish: true,\n"
              "       allowed_delta_types: [fossil], allow_history_for_client: true}\n"
              "    - {name: asked, " RIGHTS ", " KEPT ", allowed_delta_types: [fossil]}\n"
              "    - {name: live, " RIGHTS ", delta_publish: true, allowed_delta_types: [fossil],\n"
              "       join_leave: true, force_push_join_leave: true}\n"
              "    - {name: none, " RIGHTS ", " KEPT "}\n"
              "    - {name: tags, " RIGHTS ", " KEPT ", allow_tags_filter: true,\n"
              "       allowed_delta_types: [fossil], join_leave: true,\n"
              "       force_push_join_leave: true}\n"
              "    - {name: cache, " RIGHTS ", " KEPT ", force_recovery_mode: cache,\n"
              "       auto_cache_recover: true, allow_tags_filter: true}\n"
              "    - {name: bytes, " RIGHTS ", " KEPT ", publication_data_format: binary,\n"
              "       allow_history_for_client: true, allowed_delta_types: [fossil]}\n",
    .workers = 2,
};

/* ---- the application ---- */

struct own_publish {
    struct publish publish;
    struct future done;
};

static void published(struct publish *p) {
    future_resolve(&CONTAINER_OF(p, struct own_publish, publish)->done, 0);
}

/* As the API does it: with whatever parts. */
static int publish(struct world *w, const struct publication_parts *parts, bool skips_history) {
    struct worker *worker = &w->daemon->threads[0].worker;
    const struct namespace *ns = config_namespace_of(worker->config, parts->channel);
    struct own_publish p = { .publish.done = published };

    future_init(&p.done);
    int r = publish_start_on(&p.publish, worker, ns, parts,
                             &(struct publish_terms){ .skips_history = skips_history });
    if (r == 0)
        r = future_wait(&p.done);
    return r < 0 ? r : p.publish.request.result;
}

static int say(struct world *w, const char *channel, const char *data) {
    return publish(w,
                   &(struct publication_parts){ .channel = str_of(channel),
                                                .data = str_bytes(str_of(data)) },
                   false);
}

static int say_tagged(struct world *w, const char *channel, const char *data, const char *key,
                      const char *value) {
    struct tag tag = { str_of(key), str_of(value) };
    return publish(w,
                   &(struct publication_parts){ .channel = str_of(channel),
                                                .data = str_bytes(str_of(data)),
                                                .tags = &tag,
                                                .n_tags = 1 },
                   false);
}

/* ---- a client with delta ---- */

struct follower {
    struct peer *peer;
    struct {
        char has[1024]; /* what it was given last */
        size_t len;
    } keys[4], *last; /* of a map: of the key; else the first */
    uint64_t offset;
    bool was_delta;
};

static void unquote(struct bytes data, struct arena *a, struct str *ret) {
    struct json j;
    json_init(&j, data);
    if (!json_text(&j, a, ret))
        *ret = STR("no string");
}

/* Takes a publication in; false: it cannot be. */
static bool take(struct follower *f, const struct wire_publication *p, struct arena *a) {
    struct buffer made = BUFFER_INIT;
    struct str text;
    bool ok = true;

    f->last = &f->keys[p->key.len ? p->key.data[p->key.len - 1] - '0' : 0];
    unquote(p->data, a, &text);
    if (p->is_delta)
        ok = fossil_decode(bytes_of(f->last->has, f->last->len), str_bytes(text),
                           sizeof f->last->has, &made) == 0;
    else
        buffer_append_str(&made, text);
    if (ok && made.len <= sizeof f->last->has) {
        memcpy(f->last->has, made.data, made.len);
        f->last->len = made.len;
        f->was_delta = p->is_delta;
        f->offset = p->offset;
    }
    buffer_finish(&made);
    return ok;
}

static bool has(const struct follower *f, const char *payload) {
    return f->last->len == strlen(payload) && memcmp(f->last->has, payload, f->last->len) == 0;
}

/* The next message is a publication of this payload, as a patch or whole. */
static bool hears_payload(struct follower *f, const char *payload, bool is_delta) {
    struct bytes frame = str_bytes(str_of(peer_hear(f->peer, 30000)));
    struct arena a = ARENA_INIT;
    struct reply reply;
    const char *why = "";

    bool ok = codec_json.next_reply(&frame, &a, &reply, &why) == 1 && reply.kind == REPLY_PUSH &&
              reply.push.kind == PUSH_PUBLICATION && take(f, &reply.push.publication, &a) &&
              f->was_delta == is_delta && has(f, payload);
    arena_finish(&a);
    return ok;
}

/* The next message is a subscribe reply; *ret_n of its publications were taken in. */
static bool hears_subscribed(struct follower *f, size_t *ret_n, size_t *ret_deltas) {
    struct bytes frame = str_bytes(str_of(peer_hear(f->peer, 30000)));
    struct arena a = ARENA_INIT;
    struct reply reply;
    const char *why = "";
    bool ok = codec_json.next_reply(&frame, &a, &reply, &why) == 1 &&
              reply.kind == REPLY_SUBSCRIBE && reply.subscribe.delta;

    *ret_n = *ret_deltas = 0;
    for (; ok && *ret_n < reply.subscribe.publications.n; ++*ret_n) {
        struct wire_publication p = wire_publications_at(&reply.subscribe.publications, *ret_n);
        ok = take(f, &p, &a);
        *ret_deltas += p.is_delta;
    }
    arena_finish(&a);
    return ok;
}

static struct peer *join(struct world *w, int worker) {
    struct peer *p = peer_open(w, &(struct peer_options){ .worker = worker });
    if (p && !peer_connect(p, world_token(w, "{\"sub\":\"42\"}")))
        return NULL;
    return p;
}

#define JOINED(name, worker)                                                                       \
    struct peer *name = join(w, worker);                                                           \
    if (!name)                                                                                     \
    return -EBADMSG

#define LONG   "{\"text\":\"this is a rather long text, of which little changes\",\"n\":%s}"
#define LONG_1 "{\"text\":\"this is a rather long text, of which little changes\",\"n\":1}"
#define LONG_2 "{\"text\":\"this is a rather long text, of which little changes\",\"n\":2}"
#define LONG_3 "{\"text\":\"this is a rather long text, of which little changes\",\"n\":3}"
#define LONG_4 "{\"text\":\"this is a rather long text, of which little changes\",\"n\":4}"
#define OTHER  "{\"nothing\":\"in common with what was before\"}"

/* ---- delta, live ---- */

static int delta_live(struct world *w, void *arg) {
    JOINED(plain, 0);
    JOINED(one, 0);
    struct follower f = { .peer = one };

    PLAYS(plain, "> {'id':2,'subscribe':{'channel':'delta:x'}}\n < {'id':2,'subscribe':{*}}");
    PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n"
               "< {'id':2,'subscribe':{*'delta':true*}}");
    STORY_EXPECT(w, say(w, "delta:x", LONG_1) == 0 && say(w, "delta:x", LONG_2) == 0);
    PLAYS(plain, "< *'data':{'text':*'n':1}*");
    PLAYS(plain, "< *'data':{'text':*'n':2}*");
    STORY_EXPECT(w, hears_payload(&f, LONG_1, false)); /* the first is whole */
    STORY_EXPECT(w, hears_payload(&f, LONG_2, true));
    STORY_EXPECT(w, say(w, "delta:x", OTHER) == 0 && say(w, "delta:x", LONG_3) == 0);
    STORY_EXPECT(w, hears_payload(&f, OTHER, false)); /* a patch would be longer */
    STORY_EXPECT(w, hears_payload(&f, LONG_3, false));

    /* Who comes now has nothing; the other one goes on. */
    JOINED(two, 0);
    struct follower g = { .peer = two };
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n"
               "< {'id':2,'subscribe':{*'delta':true*}}");
    STORY_EXPECT(w, say(w, "delta:x", LONG_4) == 0 && say(w, "delta:x", LONG_1) == 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_4, true) && hears_payload(&g, LONG_4, false));
    STORY_EXPECT(w, hears_payload(&f, LONG_1, true) && hears_payload(&g, LONG_1, true));

    /* Histories are what they always were. */
    PLAYS(two, "> {'id':3,'history':{'channel':'delta:x','limit':1}}\n"
               "< {'id':3,'history':{'publications':[{'data':{'text':*");
    return 0;
}

static void the_first_publication_is_whole_and_patches_follow(void **state) {
    assert_null(world_run(&quiet, delta_live, NULL));
}

static int many_in_a_turn(struct world *w, void *arg) {
    JOINED(one, 0);
    JOINED(two, 0);
    struct follower f = { .peer = one }, g = { .peer = two };

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n < {*");
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n < {*");
    JOINED(publisher, 1);
    for (int i = 0; i < 3; i++)
        peer_say(publisher, "{\"id\":2,\"publish\":{\"channel\":\"delta:x\",\"data\":" LONG_1 "}}\n"
                            "{\"id\":3,\"publish\":{\"channel\":\"delta:x\",\"data\":" LONG_2 "}}\n"
                            "{\"id\":4,\"publish\":{\"channel\":\"delta:x\",\"data\":" LONG_3 "}}");
    for (int i = 0; i < 3; i++) {
        STORY_EXPECT(w, hears_payload(&f, LONG_1, i > 0) && hears_payload(&g, LONG_1, i > 0));
        STORY_EXPECT(w, hears_payload(&f, LONG_2, true) && hears_payload(&g, LONG_2, true));
        STORY_EXPECT(w, hears_payload(&f, LONG_3, true) && hears_payload(&g, LONG_3, true));
    }
    STORY_EXPECT(w, f.offset == 9 && g.offset == 9);
    return 0;
}

static void what_is_published_in_one_turn_is_a_chain_of_patches(void **state) {
    assert_null(world_run(&quiet, many_in_a_turn, NULL));
}

static int asked_for(struct world *w, void *arg) {
    JOINED(one, 0);
    struct follower f = { .peer = one };
    struct publication_parts with = { .channel = STR("asked:x"), .wants_delta = true };

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'asked:x','delta':'fossil'}}\n < {*");
    STORY_EXPECT(w, say(w, "asked:x", LONG_1) == 0 && say(w, "asked:x", LONG_2) == 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_1, false) && hears_payload(&f, LONG_2, false));
    with.data = str_bytes(STR(LONG_3));
    STORY_EXPECT(w, publish(w, &with, false) == 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_3, true)); /* on one that was no patch itself */

    /* One past the history is a base, too, and takes no offset. */
    with.data = str_bytes(STR(LONG_4));
    STORY_EXPECT(w, publish(w, &with, true) == 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_4, true) && f.offset == 0);
    with.data = str_bytes(STR(LONG_1));
    STORY_EXPECT(w, publish(w, &with, false) == 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_1, true) && f.offset == 4);
    return 0;
}

static void patches_are_made_where_the_publisher_asks_for_them(void **state) {
    assert_null(world_run(&quiet, asked_for, NULL));
}

static int not_allowed(struct world *w, void *arg) {
    JOINED(one, 0);

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'none:x','delta':'fossil'}}\n"
               "< {'id':2,'subscribe':{'recoverable':true,'epoch':'*','positioned':true}}");
    STORY_EXPECT(w, say(w, "none:x", LONG_1) == 0);
    PLAYS(one, "< *'data':{'text':*");
    PLAYS(one, "> {'id':3,'subscribe':{'channel':'delta:x','delta':'bsdiff'}}\n"
               "< close 3501 bad request");
    return 0;
}

static void delta_is_off_in_silence_where_it_is_not_allowed(void **state) {
    assert_null(world_run(&quiet, not_allowed, NULL));
}

static int beyond_ascii(struct world *w, void *arg) {
    JOINED(one, 0);
    struct follower f = { .peer = one };

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n < {*");
    /* é and è share their first byte, 😀 and 😁 their first three. */
    static const char first[] = "\"Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich é 😀\"";
    static const char second[] = "\"Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich è 😁\"";
    STORY_EXPECT(w, say(w, "delta:x", first) == 0 && say(w, "delta:x", second) == 0);
    STORY_EXPECT(w, hears_payload(&f, first, false) && hears_payload(&f, second, true));
    return 0;
}

static void patches_of_text_are_text(void **state) {
    assert_null(world_run(&quiet, beyond_ascii, NULL));
}

static int without_history(struct world *w, void *arg) {
    JOINED(one, 0);
    struct follower f = { .peer = one };

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'live:x','delta':'fossil'}}\n"
               "< {'id':2,'subscribe':{'delta':true}}\n"
               "< {'push':{'channel':'live:x','join':{*");
    STORY_EXPECT(w, say(w, "live:x", LONG_1) == 0 && say(w, "live:x", LONG_2) == 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_1, false) && hears_payload(&f, LONG_2, true));
    JOINED(two, 1);
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'live:x'}}\n < {*\n < {*'join'*");
    PLAYS(one, "< {'push':{'channel':'live:x','join':{'info':*");
    return 0;
}

static void delta_needs_no_history_and_hears_joins(void **state) {
    assert_null(world_run(&quiet, without_history, NULL));
}

/* ---- delta, in recovery ---- */

static int delta_recovered(struct world *w, void *arg) {
    size_t n, deltas;

    STORY_EXPECT(w, say(w, "delta:x", LONG_1) == 0 && say(w, "delta:x", LONG_2) == 0 &&
                            say(w, "delta:x", LONG_3) == 0);
    for (int i = 0; i < 3; i++) { /* on two workers; the third has a base of somebody else's */
        JOINED(one, i % 2);
        struct follower f = { .peer = one };
        PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil','recover':true}}");
        STORY_EXPECT(w, hears_subscribed(&f, &n, &deltas));
        STORY_EXPECT(w, n == 3 && deltas == 2 && f.offset == 3);
        STORY_EXPECT(w, has(&f, LONG_3));
    }

    JOINED(one, 0);
    JOINED(two, 0);
    struct follower f = { .peer = one }, g = { .peer = two };
    PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil','recover':true,"
               "'offset':1}}");
    STORY_EXPECT(w, hears_subscribed(&f, &n, &deltas) && n == 2 && deltas == 1);
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil','recover':true,"
               "'offset':3}}");
    STORY_EXPECT(w, hears_subscribed(&g, &n, &deltas) && n == 0);
    STORY_EXPECT(w, say(w, "delta:x", LONG_4) == 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_4, true));  /* on what the reply brought */
    STORY_EXPECT(w, hears_payload(&g, LONG_4, false)); /* the reply brought nothing */
    return 0;
}

/* Patches take time, and a reply is made in one go. */
static int long_chain(struct world *w, void *arg) {
    enum { N = 12, LEN = 40000 };
    size_t deltas = 0;
    for (unsigned i = 0; i < N; i++) {
        CLEANUP(buffer_finish) struct buffer data = BUFFER_INIT;
        buffer_printf(&data, "\"%u %0*u\"", i, LEN, 7u);
        buffer_append_byte(&data, 0);
        STORY_EXPECT(w,
                     buffer_error(&data) == 0 && say(w, "delta:x", (const char *) data.data) == 0);
    }
    JOINED(one, 0);
    PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil','recover':true}}");
    const char *heard = peer_hear(one, 5000);
    STORY_EXPECT(w, text_matches(heard, "{\"id\":2,\"subscribe\":{*\"recovered\":true*"));
    for (const char *at = heard; (at = strstr(at, "\"delta\":true,")) != NULL; at++)
        deltas++;
    for (const char *at = heard; (at = strstr(at, "\"delta\":true}")) != NULL; at++)
        deltas++;
    STORY_EXPECT(w, deltas > 3 && deltas < 8);
    return 0;
}

static void a_long_chain_goes_on_whole(void **state) {
    assert_null(world_run(&quiet, long_chain, NULL));
}

static void what_is_recovered_is_a_chain_that_goes_on_live(void **state) {
    assert_null(world_run(&quiet, delta_recovered, NULL));
}

/* Bases of many ages: each publication is patched for a few, and whole for the rest. */
static int many_bases(struct world *w, void *arg) {
    enum { N = DELTA_PATCHES_MAX + 4 };
    struct delta_fan fan = { 0 };
    struct wire wire;
    struct delta_base *bases[N] = { 0 };
    struct publication *target = publication_new(&(struct publication_parts){
            .channel = STR("c"), .data = str_bytes(STR(LONG_1)), .wants_delta = true });
    unsigned patches = 0;

    STORY_EXPECT(w, target && wire_init(&wire) == 0);
    delta_fan_begin(&fan, target);
    for (int i = 0; i < N; i++) {
        char text[128];
        (void) snprintf(text, sizeof text, LONG, "12");
        text[11] = (char) ('a' + i);
        struct publication *p = publication_new(&(struct publication_parts){
                .channel = STR("c"), .data = str_bytes(str_of(text)), .wants_delta = true });
        bases[i] = delta_base_new(p);
        publication_unref(p);
        for (enum wire_format f = 0; f < WIRE_FORMATS; f++) {
            struct delta_span span = { 0 };
            STORY_EXPECT(w, delta_fan_frame(&fan, &wire, f, bases[i], &span) == 0);
            STORY_EXPECT(w, span.to > span.from);
        }
    }
    for (size_t i = 0; i < fan.n_patches; i++)
        patches += fan.patches[i].result == 0;
    STORY_EXPECT(w, patches == DELTA_PATCHES_MAX);
    delta_fan_end(&fan);
    delta_fan_finish(&fan);
    for (int i = 0; i < N; i++)
        delta_base_unref(bases[i]);
    publication_unref(target);
    wire_finish(&wire);
    return 0;
}

static void bases_of_many_ages_cost_a_bounded_number_of_patches(void **state) {
    assert_null(world_run(&quiet, many_bases, NULL));
}

/* ---- delta of maps ---- */

static struct publication *of_key(struct channel *c, const char *key, const char *data,
                                  uint64_t offset) {
    struct publication *p =
            publication_new(&(struct publication_parts){ .channel = channel_name(c),
                                                         .key = str_of(key),
                                                         .data = str_bytes(str_of(data)),
                                                         .is_json_line = true,
                                                         .wants_delta = true,
                                                         .is_removed = data[0] == '\0' });
    p->position.offset = offset;
    if (offset)
        memcpy(p->position.epoch, c->epoch, sizeof c->epoch);
    return p;
}

static void deliver(struct world *w, struct channel *c, const char *key, const char *data,
                    uint64_t offset) {
    struct publication *p = of_key(c, key, data, offset);
    p->hash = c->entry.hash;
    channels_deliver(c->all, p);
    loop_at_turn_end(&w->daemon->threads[0].worker.flush);
    publication_unref(p);
}

static int delta_of_keys(struct world *w, void *arg) {
    JOINED(one, 0);
    JOINED(two, 0);
    struct follower f = { .peer = one }, g = { .peer = two };

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n < {*");
    struct channel *c = channel_find(&w->daemon->threads[0].worker.channels, STR("delta:x"));
    STORY_EXPECT(w, c);
    deliver(w, c, "k1", LONG_1, 1);
    deliver(w, c, "k2", OTHER, 2);
    deliver(w, c, "k1", LONG_2, 3);
    STORY_EXPECT(w, hears_payload(&f, LONG_1, false) && hears_payload(&f, OTHER, false) &&
                            hears_payload(&f, LONG_2, true));
    deliver(w, c, "k1", "", 4); /* removed */
    deliver(w, c, "k1", LONG_3, 5);
    PLAYS(one, "< *'key':'k1','removed':true*");
    STORY_EXPECT(w, hears_payload(&f, LONG_3, false));

    /* What was read at 6 by somebody who is ahead: 6 itself goes out whole, 7 on it. Who reads
     * something else at 7 makes it unsure. */
    struct publication *read[] = { of_key(c, "k3", LONG_1, 6) };
    channel_know_keys(c, read, 1, &read[0]->position);
    publication_unref(read[0]);
    deliver(w, c, "k3", LONG_1, 6);
    deliver(w, c, "k3", LONG_2, 7);
    STORY_EXPECT(w, hears_payload(&f, LONG_1, false) && hears_payload(&f, LONG_2, true));
    read[0] = of_key(c, "k3", LONG_3, 7);
    channel_know_keys(c, read, 1, &read[0]->position);
    publication_unref(read[0]);
    deliver(w, c, "k3", LONG_1, 8);
    deliver(w, c, "k3", LONG_2, 9);
    STORY_EXPECT(w, hears_payload(&f, LONG_1, false) && hears_payload(&f, LONG_2, true));

    /* Read and removed again before anything was delivered: it is not there. */
    struct publication *gone[] = { of_key(c, "k2", LONG_1, 10), of_key(c, "k2", "", 11) };
    channel_know_keys(c, gone, 2, &gone[1]->position);
    publication_unref(gone[0]);
    publication_unref(gone[1]);
    STORY_EXPECT(w, c->specials->keys && c->specials->n == 1);
    c->specials->items[0].subscriber.next = 12; /* as one who has read that */
    c->specials->items[0].since = c->specials->keys->count;
    deliver(w, c, "k2", LONG_2, 12);
    STORY_EXPECT(w, hears_payload(&f, LONG_2, false));

    c->specials->items[0].since = 0; /* itself again */

    /* What is on the way says only whether what is known is the same for all. */
    struct publication *other[] = { of_key(c, "k2", LONG_1, 12), of_key(c, "k3", LONG_1, 11) };
    channel_know_keys(c, other, 2, NULL);
    publication_unref(other[0]);
    publication_unref(other[1]);
    deliver(w, c, "k2", LONG_3, 13);
    deliver(w, c, "k3", LONG_3, 14);
    STORY_EXPECT(w, hears_payload(&f, LONG_3, false) && hears_payload(&f, LONG_3, true));

    /* Without a stream nobody knows what the second one has read. */
    deliver(w, c, "k0", LONG_1, 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_1, false));
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n < {*");
    deliver(w, c, "k0", LONG_2, 0);
    deliver(w, c, "k0", LONG_3, 0);
    STORY_EXPECT(w, hears_payload(&f, LONG_2, true) && hears_payload(&f, LONG_3, true));
    STORY_EXPECT(w, hears_payload(&g, LONG_2, false) && hears_payload(&g, LONG_3, true));
    return 0;
}

static void each_key_of_a_map_has_patches_of_its_own(void **state) {
    assert_null(world_run(&quiet, delta_of_keys, NULL));
}

static int read_too_early(struct world *w, void *arg) {
    JOINED(one, 0);
    JOINED(two, 0);
    struct follower f = { .peer = one };

    /* Nobody takes patches when 1 and 2 are delivered. */
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'delta:x'}}\n < {*");
    struct channel *c = channel_find(&w->daemon->threads[0].worker.channels, STR("delta:x"));
    STORY_EXPECT(w, c);
    deliver(w, c, "k1", LONG_1, 1);
    struct publication *read[] = { of_key(c, "k1", LONG_1, 1) };
    deliver(w, c, "k1", OTHER, 2);
    PLAYS(two, "< *\n < *");

    /* A page from before 2 says nothing of what there is now. */
    channel_know_keys(c, read, 1, &read[0]->position);
    publication_unref(read[0]);
    PLAYS(one, "> {'id':2,'subscribe':{'channel':'delta:x','delta':'fossil'}}\n < {*");
    struct subscriber *last = &c->specials->items[0].subscriber;
    last->next = 3;
    deliver(w, c, "k1", LONG_2, 3);
    STORY_EXPECT(w, hears_payload(&f, LONG_2, false));
    return 0;
}

static void a_page_that_is_too_old_is_no_base(void **state) {
    assert_null(world_run(&quiet, read_too_early, NULL));
}

/* ---- filters ---- */

static int filtered(struct world *w, void *arg) {
    JOINED(all, 0);
    JOINED(berlin, 0);
    JOINED(rest, 0);

    PLAYS(all, "> {'id':2,'subscribe':{'channel':'tags:x'}}\n < {*\n < {*'join'*");
    PLAYS(berlin, "> {'id':2,'subscribe':{'channel':'tags:x','tf':{'key':'city','cmp':'eq',"
                  "'val':'Berlin'}}}\n < {'id':2,'subscribe':{*\n < {*'join'*");
    PLAYS(rest, "> {'id':2,'subscribe':{'channel':'tags:x','delta':'fossil','tf':{'op':'not',"
                "'nodes':[{'key':'city','cmp':'eq','val':'Berlin'}]}}}\n"
                "< {'id':2,'subscribe':{'recoverable':true,'epoch':'*','positioned':true}}\n"
                "< {*'join'*");
    PLAYS(all, "< {*'join'*\n < {*'join'*");
    PLAYS(berlin, "< {*'join'*");
    STORY_EXPECT(w, say_tagged(w, "tags:x", "1", "city", "Berlin") == 0);
    STORY_EXPECT(w, say_tagged(w, "tags:x", "2", "city", "Paris") == 0);
    STORY_EXPECT(w, say(w, "tags:x", "3") == 0);
    STORY_EXPECT(w, say_tagged(w, "tags:x", "4", "city", "Berlin") == 0);
    for (int i = 1; i <= 4; i++) {
        char pattern[64];
        (void) snprintf(pattern, sizeof pattern, "< *'pub':{'data':%d,'offset':%d*", i, i);
        PLAYS(all, pattern);
    }
    PLAYS(berlin, "< *'data':1,'offset':1*\n < *'data':4,'offset':4*");
    PLAYS(rest, "< *'data':2,'offset':2*\n < *'data':3,'offset':3*");

    /* Nobody missed anything: nobody is sent away, however long it takes. */
    STORY_EXPECT(w, task_sleep(120000) == 0);
    STORY_EXPECT(w, say_tagged(w, "tags:x", "5", "city", "Berlin") == 0);
    PLAYS(berlin, "< *'data':5,'offset':5*");
    STORY_EXPECT(w, say(w, "tags:x", "6") == 0);
    PLAYS(rest, "< *'data':6,'offset':6*");
    return 0;
}

static int filtered_removal(struct world *w, void *arg) {
    JOINED(one, 0);

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'tags:x','tf':{'key':'city','cmp':'eq','val':"
               "'Berlin'}}}\n < {'id':2*\n < {*'join'*");
    struct channel *c = channel_find(&w->daemon->threads[0].worker.channels, STR("tags:x"));
    STORY_EXPECT(w, c);
    deliver(w, c, "k1", "1", 1);
    deliver(w, c, "k1", "", 2);
    PLAYS(one, "< *'key':'k1','removed':true*");
    return 0;
}

static void the_removal_of_a_key_passes_every_filter(void **state) {
    assert_null(world_run(&quiet, filtered_removal, NULL));
}

static void a_filter_lets_through_what_passes_and_makes_no_gap(void **state) {
    assert_null(world_run(&quiet, filtered, NULL));
}

static int filtered_recovery(struct world *w, void *arg) {
    JOINED(one, 0);

    for (int i = 1; i <= 6; i++) {
        char data[4] = { (char) ('0' + i) };
        STORY_EXPECT(w, say_tagged(w, "tags:x", data, "n", data) == 0);
    }
    PLAYS(one, "> {'id':2,'subscribe':{'channel':'tags:x','recover':true,'offset':1,'tf':{'op':"
               "'or','nodes':[{'key':'n','cmp':'in','vals':['1','3']},{'key':'n','cmp':'gte',"
               "'val':'5.5'}]}}}\n"
               "< {'id':2,'subscribe':{*'publications':[{'data':3,'offset':3,*},{'data':6,"
               "'offset':6,*}],'recovered':true,'offset':1,*\n"
               "< {*'join'*");
    STORY_EXPECT(w, say_tagged(w, "tags:x", "7", "n", "7") == 0);
    PLAYS(one, "< *'data':7,'offset':7*");
    return 0;
}

static void what_is_recovered_passes_the_filter_too(void **state) {
    assert_null(world_run(&quiet, filtered_recovery, NULL));
}

static int refused_filters(struct world *w, void *arg) {
    JOINED(one, 0);
    static const char *const bad[] = {
        "{}",
        "{'key':'a','cmp':'like','val':'b'}",
        "{'op':'xor','nodes':[]}",
        "{'op':'and','nodes':[]}",
        "{'key':'a','cmp':'eq'}",
        "{'key':'a','cmp':'ex','val':'x'}",
        "{'op':'not','nodes':[{'key':'a','cmp':'ex'},{'key':'a','cmp':'ex'}]}",
    };

    PLAYS(one, "> {'id':1,'subscribe':{'channel':'none:x','tf':{'key':'a','cmp':'ex'}}}\n"
               "< {'id':1,'error':{'code':107,'message':'bad request'}}");
    for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
        char line[256];
        (void) snprintf(line, sizeof line,
                        "> {'id':2,'subscribe':{'channel':'tags:x','tf':%s}}\n"
                        "< {'id':2,'error':{'code':107,'message':'bad request'}}",
                        bad[i]);
        PLAYS(one, line);
    }
    return 0;
}

static void a_filter_that_makes_no_sense_is_error_107(void **state) {
    assert_null(world_run(&quiet, refused_filters, NULL));
}

/* ---- caches ---- */

static int caches(struct world *w, void *arg) {
    JOINED(one, 0);
    JOINED(two, 0);
    JOINED(three, 0);

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'cache:x'}}\n"
               "< {'id':2,'subscribe':{'recoverable':true,'epoch':'*','positioned':true,"
               "'was_recovering':true}}");
    STORY_EXPECT(w, say_tagged(w, "cache:x", "1", "odd", "yes") == 0);
    STORY_EXPECT(w, say(w, "cache:x", "2") == 0);
    PLAYS(one, "< *'data':1,*\n < *'data':2,*");

    /* Unasked, on each subscribe: the newest. */
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'cache:x'}}\n"
               "< {'id':2,'subscribe':{*'publications':[{'data':2,'offset':2}],'recovered':true,"
               "'offset':2,*'was_recovering':true}}");
    PLAYS(three, "> {'id':2,'subscribe':{'channel':'cache:x','tf':{'key':'odd','cmp':'ex'}}}\n"
                 "< {'id':2,'subscribe':{*'publications':[{'data':1,'offset':1,*}],"
                 "'recovered':true,'offset':2,*");
    STORY_EXPECT(w, say(w, "cache:x", "3") == 0);
    PLAYS(two, "< *'data':3,'offset':3*");
    STORY_EXPECT(w, say_tagged(w, "cache:x", "4", "odd", "no") == 0);
    PLAYS(three, "< *'data':4,'offset':4*");
    return 0;
}

static void a_cache_gives_its_newest_to_whoever_comes(void **state) {
    assert_null(world_run(&quiet, caches, NULL));
}

/* ---- sends ---- */

static int two_at_once(struct world *w, void *arg) {
    const struct outbox_set *outboxes = &w->daemon->threads[0].worker.outboxes;
    JOINED(both, 0);
    JOINED(one, 0);
    JOINED(publisher, 0);

    PLAYS(both, "> {'id':2,'subscribe':{'channel':'none:a'}}\n < {*\n"
                "> {'id':3,'subscribe':{'channel':'none:b'}}\n < {*");
    PLAYS(one, "> {'id':2,'subscribe':{'channel':'none:a'}}\n < {*");
    uint64_t before = outboxes->sends;
    peer_say(publisher, "{\"id\":2,\"publish\":{\"channel\":\"none:a\",\"data\":1}}\n"
                        "{\"id\":3,\"publish\":{\"channel\":\"none:b\",\"data\":2}}");
    PLAYS(both, "< *'pub':{'data':1,*\n < *'pub':{'data':2,*");
    PLAYS(one, "< *'pub':{'data':1,*");
    PLAYS(publisher, "< {'id':2,'publish':{}}\n < {'id':3,'publish':{}}");
    STORY_EXPECT(w, outboxes->sends - before == 3);
    return 0;
}

static void what_a_turn_has_for_a_client_of_many_channels_is_sent_at_once(void **state) {
    assert_null(world_run(&quiet, two_at_once, NULL));
}

/* ---- skip_history, and what is no JSON ---- */

static int past_the_history(struct world *w, void *arg) {
    JOINED(one, 0);
    struct publication_parts parts = { .channel = STR("none:x"), .data = str_bytes(STR("9")) };

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'none:x'}}\n < {*");
    STORY_EXPECT(w, say(w, "none:x", "1") == 0);
    STORY_EXPECT(w, publish(w, &parts, true) == 0);
    STORY_EXPECT(w, say(w, "none:x", "2") == 0);
    PLAYS(one, "< *'pub':{'data':1,'offset':1,'epoch':'*'}*\n < *'pub':{'data':9}*\n"
               "< *'pub':{'data':2,'offset':2}*");
    STORY_EXPECT(w, task_sleep(120000) == 0);
    STORY_EXPECT(w, say(w, "none:x", "3") == 0);
    PLAYS(one, "< *'pub':{'data':3,'offset':3}*");
    return 0;
}

static void what_skips_the_history_moves_no_position(void **state) {
    assert_null(world_run(&quiet, past_the_history, NULL));
}

static int no_json(struct world *w, void *arg) {
    JOINED(one, 0);
    JOINED(two, 0);
    JOINED(three, 0);
    struct follower f = { .peer = two };

    PLAYS(one, "> {'id':2,'subscribe':{'channel':'bytes:x'}}\n < {*");
    PLAYS(two, "> {'id':2,'subscribe':{'channel':'bytes:x','delta':'fossil'}}\n < {*");
    STORY_EXPECT(w, say(w, "bytes:x", "{\"a\": [1,\n 2]}") == 0);
    PLAYS(one, "< *'data':{'a':[1,2]},'offset':1*");
    STORY_EXPECT(w, hears_payload(&f, "{\"a\": [1,\n 2]}", false));
    PLAYS(three, "> {'id':2,'history':{'channel':'bytes:x','limit':1}}\n"
                 "< {'id':2,'history':{'publications':[{'data':{'a':[1,2]},*");

    STORY_EXPECT(w, say(w, "bytes:x", "no JSON") == 0);
    PLAYS(one, "< close 3506 inappropriate protocol");
    PLAYS(two, "< close 3506 inappropriate protocol");
    PLAYS(three, "> {'id':3,'subscribe':{'channel':'bytes:x'}}\n < {*\n"
                 "> {'id':2,'history':{'channel':'bytes:x','limit':2}}\n"
                 "< close 3506 inappropriate protocol");
    JOINED(four, 0);
    PLAYS(four, "> {'id':3,'subscribe':{'channel':'bytes:x','recover':true}}\n"
                "< close 3506 inappropriate protocol");
    return 0;
}

static void what_is_no_json_ends_those_who_talk_json(void **state) {
    assert_null(world_run(&quiet, no_json, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_publication_is_whole_and_patches_follow),
        cmocka_unit_test(what_is_published_in_one_turn_is_a_chain_of_patches),
        cmocka_unit_test(patches_are_made_where_the_publisher_asks_for_them),
        cmocka_unit_test(delta_is_off_in_silence_where_it_is_not_allowed),
        cmocka_unit_test(patches_of_text_are_text),
        cmocka_unit_test(delta_needs_no_history_and_hears_joins),
        cmocka_unit_test(what_is_recovered_is_a_chain_that_goes_on_live),
        cmocka_unit_test(a_long_chain_goes_on_whole),
        cmocka_unit_test(bases_of_many_ages_cost_a_bounded_number_of_patches),
        cmocka_unit_test(each_key_of_a_map_has_patches_of_its_own),
        cmocka_unit_test(a_page_that_is_too_old_is_no_base),
        cmocka_unit_test(a_filter_lets_through_what_passes_and_makes_no_gap),
        cmocka_unit_test(the_removal_of_a_key_passes_every_filter),
        cmocka_unit_test(what_is_recovered_passes_the_filter_too),
        cmocka_unit_test(a_filter_that_makes_no_sense_is_error_107),
        cmocka_unit_test(a_cache_gives_its_newest_to_whoever_comes),
        cmocka_unit_test(what_a_turn_has_for_a_client_of_many_channels_is_sent_at_once),
        cmocka_unit_test(what_skips_the_history_moves_no_position),
        cmocka_unit_test(what_is_no_json_ends_those_who_talk_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
