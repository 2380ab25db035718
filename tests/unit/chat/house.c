#include "tests/unit/chat/house.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/chat/member.h"
#include "storage/chat/user.h"

static const char *const files[] = { "chat.db", "chat.db-wal", "chat.db-shm", "chat.mark",
                                     "chat.lock" };

static void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

struct house *house_new_seeded(uint64_t seed) {
    struct house *h = must(calloc(1, sizeof *h));
    h->seed = seed;
    h->disk = sim_disk_new("parley-chat-sim", seed);
    h->options.vfs = "parley-chat-sim";
    h->options.data_dir = "disk";
    return h;
}

struct house *house_new(bool is_real) {
    if (!is_real)
        return house_new_seeded(1);
    struct house *h = must(calloc(1, sizeof *h));
    h->is_real = true;
    (void) snprintf(h->directory, sizeof h->directory, "/tmp/parley-chat-XXXXXX");
    must(mkdtemp(h->directory));
    h->options.data_dir = h->directory;
    return h;
}

struct house *house_free(struct house *h) {
    char path[128];
    if (h->disk)
        sim_disk_free(h->disk);
    for (size_t i = 0; h->is_real && i < ELEMENTS_OF(files); i++) {
        (void) snprintf(path, sizeof path, "%s/%s", h->directory, files[i]);
        (void) unlink(path);
    }
    if (h->is_real)
        (void) rmdir(h->directory);
    free(h->why);
    free(h);
    return NULL;
}

void house_fail(struct house *h, const char *file, int line, const char *text) {
    if (!h->failure[0])
        (void) snprintf(h->failure, sizeof h->failure, "%s:%d: %s", file, line, text);
}

/* On the writer's thread: a real one is looked at only when it has settled. */
static void hear(struct chat_event *first, void *arg) {
    struct house *h = arg;
    while (first) {
        struct chat_event *next = first->next;
        if (h->heard_n < HEARD_MAX) {
            h->heard_ids[h->heard_n] = first->id;
            (void) snprintf(h->heard[h->heard_n++], sizeof h->heard[0], "%.*s:%.*s",
                            (int) first->channel.len, first->channel.data, (int) first->data.len,
                            (const char *) first->data.data);
        }
        if (first->id != 0 && !h->keeps_silent)
            chat_store_published(h->store, &first->id, 1);
        chat_event_free(first);
        first = next;
    }
}

int house_open(struct house *h) {
    free(TAKE(h->why));
    int r = chat_store_open(&h->options, &h->store, &h->why);
    if (r == 0)
        chat_store_set_sink(h->store, hear, h);
    return r;
}

void house_close(struct house *h) {
    h->store = chat_store_close(h->store);
}

int house_restart(struct house *h) {
    house_close(h);
    return house_open(h);
}

static int do_nothing(struct chat_work *work, struct chat_tx *tx) {
    (void) work;
    (void) tx;
    return 0;
}

/* On threads: the second one is begun when all that the lane did along with the first is over. */
void house_settle(struct house *h) {
    for (int i = 0; h->is_real && i < 2; i++) {
        struct chat_work nothing = CHAT_WORK(do_nothing);
        if (chat_store_write(h->store, &nothing) < 0)
            house_fail(h, __FILE__, __LINE__, "nothing can be written");
    }
    if (!h->is_real)
        (void) task_sleep(100);
}

static int run_story(void *arg) {
    struct house *h = arg;
    int r = house_open(h);
    if (r < 0)
        house_fail(h, __FILE__, __LINE__, h->why ? h->why : "open");
    else
        (void) h->story(h);
    house_close(h);
    return 0;
}

void house_run(struct house *h, int (*story)(struct house *h)) {
    h->story = story;
    struct loop_options o = { .is_simulated = !h->is_real, .seed = h->seed };
    if (loop_run(&o, run_story, h) < 0)
        house_fail(h, __FILE__, __LINE__, "the loop");
}

/* ---- works ---- */

struct furnish {
    struct chat_work work;
    char *room;
};

static int furnish(struct chat_work *work, struct chat_tx *tx) {
    struct furnish *f = CONTAINER_OF(work, struct furnish, work);
    struct chat_user users[4];
    struct chat_actor actor;
    struct chat_room room;
    bool is_new;
    for (int i = 0; i < 4; i++) {
        char id[16];
        (void) snprintf(id, sizeof id, "u%d", i);
        struct chat_user_new new = { .id = str_of(id), .login = str_of(id), .name = str_of(id) };
        int r = chat_user_add(tx, &new, &users[i]);
        if (r != 0)
            return r;
    }
    int r = chat_actor_load(tx, STR("u0"), &actor);
    struct chat_room_new new = { .kind = CHAT_ROOM_PUBLIC, .name = STR("Lobby") };
    if (r == 0)
        r = chat_room_create(tx, &actor, &new, &room, &is_new);
    for (int i = 1; r == 0 && i < 4; i++) {
        struct chat_member member;
        struct chat_change change;
        r = chat_member_put(tx, room.key, users[i].key, CHAT_ROOM_MEMBER, &member, &change);
    }
    if (r == 0)
        (void) snprintf(f->room, CHAT_ID_MAX + 1, "%.*s", (int) room.id.len, room.id.data);
    return r;
}

int house_furnish(struct house *h, char *ret_room) {
    struct furnish f = { .work = CHAT_WORK(furnish), .room = ret_room };
    int r = chat_store_write(h->store, &f.work);
    chat_work_finish(&f.work);
    return r;
}

static int send(struct chat_work *work, struct chat_tx *tx) {
    struct house_send *s = CONTAINER_OF(work, struct house_send, work);
    struct chat_actor by;
    struct chat_message m;
    struct chat_send what = { .room = str_of(s->room),
                              .client_id = str_of(s->client_id),
                              .text = str_of(s->text) };
    int r = chat_actor_load(tx, str_of(s->user), &by);
    if (r == 0)
        r = chat_message_send(tx, &by, &what, &m, &s->is_duplicate);
    if (r != 0)
        return r;
    s->seq = m.seq;
    s->ver = m.ver;
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long) m.seq);
    if (!s->is_duplicate)
        r = chat_tx_emit(tx, STR("room"), bytes_of(text, (size_t) n), m.ver, s->flags);
    return r != 0 ? r : s->refuse;
}

int house_send(struct house *h, struct house_send *s) {
    s->work = CHAT_WORK(send);
    int r = chat_store_write(h->store, &s->work);
    chat_work_finish(&s->work);
    return r;
}

struct reading {
    struct chat_work work;
    const char *room;
    char *text;
    size_t max;
};

static int read_history(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    size_t n = 0;
    bool has_more = true;
    rd->text[0] = 0;
    int r = chat_actor_load(tx, STR("u0"), &by);
    struct chat_span span = { .around = 1 };
    while (r == 0 && has_more) {
        struct chat_messages page;
        r = chat_message_history(tx, &by, str_of(rd->room), &span, &page);
        for (size_t i = 0; r == 0 && i < page.n && n + 40 < rd->max; i++) {
            const struct chat_message *m = &page.items[i];
            n += (size_t) snprintf(rd->text + n, rd->max - n, "%s%llu=%.*s", n ? " " : "",
                                   (unsigned long long) m->seq,
                                   m->deleted_at ? 1 : (int) m->text.len,
                                   m->deleted_at ? "-" : m->text.data);
            span = (struct chat_span){ .after = m->seq, .is_after = true };
        }
        has_more = r == 0 && page.has_after;
    }
    return r;
}

int house_history(struct house *h, const char *room, char *ret, size_t max) {
    struct reading rd = { .work = CHAT_WORK(read_history), .room = room, .text = ret, .max = max };
    int r = chat_store_read(h->store, &rd.work);
    chat_work_finish(&rd.work);
    return r;
}
