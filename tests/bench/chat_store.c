/*
 * chat.db under load.
 *
 *     chat_store fill DIR [MESSAGES]   a team of 1,000 in 200 rooms writes so much (more)
 *     chat_store measure DIR           how long things take in it
 *
 * Sends are whole works: who asks is looked up, the message is kept, indexed and emitted, and
 * answered when it is on the disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"
#include "storage/chat/member.h"
#include "storage/chat/message.h"
#include "storage/chat/read.h"
#include "storage/chat/search.h"
#include "storage/chat/store.h"
#include "storage/chat/sync.h"
#include "storage/chat/user.h"
#include "storage/clock.h"

enum {
    USERS = 1000,
    ROOMS = 200,
    ROOMS_OF_USER = 100,
    MESSAGES = 1000000,
    FILLERS = 256,
    SENDERS = 64,
    SAMPLES_MAX = 200000,
};

struct bench {
    const char *directory;
    uint64_t messages;
    struct chat_store *store;
    char rooms[ROOMS][CHAT_ID_MAX + 1];
    uint64_t sent, until_ns;
    uint64_t samples[SAMPLES_MAX];
    size_t samples_n;
};

static const char *const words[] = {
    "the",  "release", "is",    "almost", "ready", "we",    "should", "look",  "at",     "this",
    "test", "again",   "after", "lunch",  "and",   "maybe", "ask",    "Maria", "before", "Friday",
};

/* ---- works ---- */

struct send {
    struct chat_work work;
    const char *room;
    char user[16], client_id[32], text[256];
};

static int run_send(struct chat_work *work, struct chat_tx *tx) {
    struct send *s = CONTAINER_OF(work, struct send, work);
    struct chat_actor by;
    struct chat_message m;
    bool is_duplicate;
    struct chat_send what = { .room = str_of(s->room),
                              .client_id = str_of(s->client_id),
                              .text = str_of(s->text) };
    int r = chat_actor_load(tx, str_of(s->user), &by);
    if (r == 0)
        r = chat_message_send(tx, &by, &what, &m, &is_duplicate);
    /* As long as the event is, with the message in it. */
    char event[512];
    size_t n =
            (size_t) snprintf(event, sizeof event,
                              "{\"type\":\"message.created\",\"ver\":%llu,\"message\":{\"room\":"
                              "\"%s\",\"seq\":%llu,\"user\":\"%s\",\"at\":%lld,\"text\":\"%s\"}}",
                              (unsigned long long) m.ver, s->room, (unsigned long long) m.seq,
                              s->user, (long long) m.at, s->text);
    return r != 0 ? r : chat_tx_emit(tx, STR("room:x"), bytes_of(event, n), m.ver, 0);
}

static void make_send(struct bench *b, struct send *s) {
    uint64_t number = b->sent++;
    uint64_t user = loop_random_below(USERS);
    s->work = CHAT_WORK(run_send);
    /* Everybody is in a hundred rooms, next to each other; some rooms are busier than others. */
    uint64_t place = loop_random_below(ROOMS_OF_USER);
    place = place * place / ROOMS_OF_USER;
    s->room = b->rooms[(user + place) % ROOMS];
    (void) snprintf(s->user, sizeof s->user, "user%llu", (unsigned long long) user);
    (void) snprintf(
            s->client_id, sizeof s->client_id, "%016llx",
            (unsigned long long) (number * UINT64_C(0x9e3779b97f4a7c15) + clock_ticks_ns()));
    size_t n = 0, n_words = 4 + loop_random_below(14);
    for (size_t i = 0; i < n_words; i++)
        n += (size_t) snprintf(s->text + n, sizeof s->text - n, "%s%s", i ? " " : "",
                               words[loop_random_below(sizeof words / sizeof *words)]);
}

static void note(struct bench *b, uint64_t ns) {
    if (b->samples_n < SAMPLES_MAX)
        b->samples[b->samples_n++] = ns;
}

static int send_on(void *arg) {
    struct bench *b = arg;
    struct send *s = calloc(1, sizeof *s);
    int r = s ? 0 : -ENOMEM;
    while (r == 0 && b->sent < b->messages && clock_ticks_ns() < b->until_ns) {
        make_send(b, s);
        uint64_t began_ns = clock_ticks_ns();
        r = chat_store_write(b->store, &s->work);
        chat_work_finish(&s->work);
        note(b, clock_ticks_ns() - began_ns);
    }
    free(s);
    return r;
}

/* Published as soon as it is out. */
static void sink(struct chat_event *first, void *arg) {
    struct bench *b = arg;
    while (first) {
        struct chat_event *next = first->next;
        chat_store_published(b->store, &first->id, 1);
        chat_event_free(first);
        first = next;
    }
}

/* ---- the team ---- */

struct furnish {
    struct chat_work work;
    struct bench *b;
    int first, n; /* users */
};

static int run_rooms(struct chat_work *work, struct chat_tx *tx) {
    struct bench *b = CONTAINER_OF(work, struct furnish, work)->b;
    struct chat_user owner;
    struct chat_actor by;
    struct chat_user_new new = { .id = STR("owner"), .name = STR("Owner"), .role = CHAT_OWNER };
    int r = chat_user_add(tx, &new, &owner);
    if (r == 0)
        r = chat_actor_load(tx, owner.id, &by);
    for (int i = 0; r == 0 && i < ROOMS; i++) {
        char name[32];
        struct chat_room room;
        bool is_new;
        int n = snprintf(name, sizeof name, "Room %d", i);
        struct chat_room_new what = { .kind = i % 4 ? CHAT_ROOM_PUBLIC : CHAT_ROOM_PRIVATE,
                                      .name = { .data = name, .len = (size_t) n } };
        r = chat_room_create(tx, &by, &what, &room, &is_new);
        if (r == 0)
            (void) snprintf(b->rooms[i], sizeof b->rooms[i], "%.*s", (int) room.id.len,
                            room.id.data);
    }
    return r;
}

static int run_users(struct chat_work *work, struct chat_tx *tx) {
    struct furnish *f = CONTAINER_OF(work, struct furnish, work);
    int r = 0;
    for (int i = f->first; r == 0 && i < f->first + f->n; i++) {
        char id[16];
        struct chat_user user;
        struct chat_actor by;
        (void) snprintf(id, sizeof id, "user%d", i);
        struct chat_user_new new = { .id = str_of(id), .login = str_of(id), .name = str_of(id) };
        r = chat_user_add(tx, &new, &user);
        if (r == 0)
            r = chat_actor_load(tx, str_of(id), &by);
        for (int k = 0; r == 0 && k < ROOMS_OF_USER; k++) {
            struct chat_room room;
            struct chat_member member;
            struct chat_change change;
            struct chat_actor owner;
            r = chat_actor_load(tx, STR("owner"), &owner);
            if (r == 0)
                r = chat_room_check(tx, &owner, str_of(f->b->rooms[(i + k) % ROOMS]), CHAT_ACT_READ,
                                    &room);
            if (r == 0)
                r = chat_member_put(tx, room.key, by.key, CHAT_ROOM_MEMBER, &member, &change);
        }
    }
    return r;
}

static int furnish(struct bench *b) {
    struct furnish *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->b = b;
    f->work = CHAT_WORK(run_rooms);
    int r = chat_store_write(b->store, &f->work);
    chat_work_finish(&f->work);
    for (f->n = 50; r == 0 && f->first < USERS; f->first += f->n) {
        f->work = CHAT_WORK(run_users);
        r = chat_store_write(b->store, &f->work);
        chat_work_finish(&f->work);
    }
    free(f);
    return r;
}

/* ---- reading ---- */

struct reading {
    struct chat_work work;
    struct bench *b;
    char user[16];
    const char *room;
    uint64_t n; /* what was got */
};

static int run_open(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_room room;
    struct chat_messages page;
    struct chat_span span = { .limit = 50, .around_unread = true };
    int r = chat_actor_load(tx, str_of(rd->user), &by);
    if (r == 0)
        r = chat_room_open(tx, &by, str_of(rd->room), &span, &room, &page);
    rd->n += r == 0 ? page.n : 0;
    return r;
}

static int run_sync(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_sync sync;
    int r = chat_actor_load(tx, str_of(rd->user), &by);
    if (r == 0)
        r = chat_sync(tx, &by, &sync);
    rd->n += r == 0 ? sync.rooms.n : 0;
    return r;
}

static int run_unread(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    for (int i = 0; i < ROOMS_OF_USER; i++) {
        struct chat_unread unread;
        int r = chat_read_state(tx, str_of(rd->b->rooms[(atoi(rd->user + 4) + i) % ROOMS]),
                                str_of(rd->user), &unread);
        if (r != 0)
            return r;
        rd->n += unread.unread;
    }
    return 0;
}

static int run_room_sync(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_room room;
    struct chat_room_sync sync;
    int r = chat_actor_load(tx, str_of(rd->user), &by);
    if (r == 0)
        r = chat_room_check(tx, &by, str_of(rd->room), CHAT_ACT_FOLLOW, &room);
    if (r == 0)
        r = chat_room_sync(tx, &by, str_of(rd->room), room.ver - 45, 100, &sync);
    rd->n += r == 0 ? sync.messages.n : 0;
    return r;
}

static int search(struct chat_work *work, struct chat_tx *tx, const char *user,
                  struct chat_search what) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_search_result found;
    int r = chat_actor_load(tx, str_of(user), &by);
    if (r == 0)
        r = chat_search(tx, &by, &what, &found);
    rd->n += r == 0 ? found.n : 0;
    return r;
}

static int run_search_common(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    return search(work, tx, rd->user, (struct chat_search){ .q = STR("Friday lunch") });
}

static int run_search_beginning(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    return search(work, tx, rd->user, (struct chat_search){ .q = STR("af") });
}

static int run_search_phrase(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    return search(work, tx, rd->user,
                  (struct chat_search){ .q = STR("\"ask Maria before lunch\"") });
}

static int run_search_room(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    return search(work, tx, rd->user,
                  (struct chat_search){ .q = STR("release"), .room = str_of(rd->room) });
}

/* Nothing is found of what is in every other message: they are in none of the rooms. */
static int run_search_nothing(struct chat_work *work, struct chat_tx *tx) {
    return search(work, tx, "owner",
                  (struct chat_search){ .q = STR("release"), .from = STR("owner") });
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

/* The processors' time since it was last asked, which does not depend on what else the machine
 * does. */
static double cpu_us(void) {
    static double before;
    struct timespec now;
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    double us = (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3, since = us - before;
    before = us;
    return since;
}

static void report(struct bench *b, const char *what, double per_s) {
    double us = cpu_us();
    if (b->samples_n == 0)
        return;
    qsort(b->samples, b->samples_n, sizeof *b->samples, compare);
    printf("%-28s %8zu  p50 %8.3f ms  p99 %8.3f ms  max %8.3f ms", what, b->samples_n,
           (double) b->samples[b->samples_n / 2] / 1e6,
           (double) b->samples[b->samples_n * 99 / 100] / 1e6,
           (double) b->samples[b->samples_n - 1] / 1e6);
    printf("  cpu %7.1f us", us / (double) b->samples_n);
    if (per_s > 0)
        printf("  %8.0f/s", per_s);
    printf("\n");
    b->samples_n = 0;
}

static int measure_reads(struct bench *b, const char *what,
                         int (*run)(struct chat_work *work, struct chat_tx *tx), int times) {
    struct reading rd = { .b = b };
    (void) cpu_us();
    for (int i = 0; i < times; i++) {
        uint64_t user = loop_random_below(USERS);
        rd.work = CHAT_WORK(run);
        (void) snprintf(rd.user, sizeof rd.user, "user%llu", (unsigned long long) user);
        rd.room = b->rooms[(user + loop_random_below(ROOMS_OF_USER)) % ROOMS];
        uint64_t began_ns = clock_ticks_ns();
        int r = chat_store_read(b->store, &rd.work);
        chat_work_finish(&rd.work);
        if (r != 0)
            return r;
        note(b, clock_ticks_ns() - began_ns);
    }
    report(b, what, 0);
    return 0;
}

static int measure_sends(struct bench *b, int senders, int seconds) {
    char what[32];
    struct chat_store_stats before, after;
    b->sent = 0;
    b->messages = UINT64_MAX;
    b->samples_n = 0;
    chat_store_stats(b->store, &before);
    (void) cpu_us();
    uint64_t began_ns = clock_ticks_ns();
    b->until_ns = began_ns + (uint64_t) seconds * 1000000000u;
    GROUP(g);
    for (int i = 0; i < senders; i++)
        if (group_spawn(&g, "sender", send_on, b) < 0)
            return -ENOMEM;
    int r = group_wait(&g);
    double s = (double) (clock_ticks_ns() - began_ns) / 1e9;
    chat_store_stats(b->store, &after);
    (void) snprintf(what, sizeof what, "send, %d at a time", senders);
    report(b, what, (double) b->sent / s);
    printf("    %.1f sends per commit\n",
           (double) b->sent / (double) (after.commits - before.commits));
    return r;
}

/* ---- the file ---- */

static void report_size(struct bench *b, uint64_t messages) {
    char path[512];
    struct stat st;
    (void) snprintf(path, sizeof path, "%s/chat.db", b->directory);
    if (stat(path, &st) == 0)
        printf("chat.db %.1f MB, %.0f bytes per message\n", (double) st.st_size / 1e6,
               (double) st.st_size / (double) messages);
}

static void report_memory(void) {
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS", 5) == 0 || strncmp(line, "VmHWM", 5) == 0)
            printf("%s", line);
    if (f)
        (void) fclose(f);
}

static int run_list(struct chat_work *work, struct chat_tx *tx) {
    struct reading *rd = CONTAINER_OF(work, struct reading, work);
    struct chat_actor by;
    struct chat_sync sync;
    int r = chat_actor_load(tx, STR("owner"), &by);
    if (r == 0)
        r = chat_sync(tx, &by, &sync);
    for (size_t i = 0; r == 0 && i < sync.rooms.n; i++) {
        const struct chat_room *room = &sync.rooms.items[i];
        char name[32];
        (void) snprintf(name, sizeof name, "%.*s", (int) room->name.len, room->name.data);
        (void) snprintf(rd->b->rooms[atoi(name + 5)], CHAT_ID_MAX + 1, "%.*s", (int) room->id.len,
                        room->id.data);
        rd->n += room->last_seq;
    }
    return r;
}

/* The rooms there are; ret_n: messages in them. CHAT_NOT_FOUND: there is no team yet. */
static int find_team(struct bench *b, uint64_t *ret_n) {
    struct reading rd = { .work = CHAT_WORK(run_list), .b = b };
    int r = chat_store_read(b->store, &rd.work);
    chat_work_finish(&rd.work);
    *ret_n = rd.n;
    return r;
}

static int fill(struct bench *b) {
    uint64_t n;
    int r = find_team(b, &n);
    if (r == CHAT_NOT_FOUND)
        r = furnish(b);
    if (r != 0)
        return r;
    uint64_t began_ns = clock_ticks_ns();
    b->until_ns = UINT64_MAX;
    GROUP(g);
    for (int i = 0; r == 0 && i < FILLERS; i++)
        r = group_spawn(&g, "filler", send_on, b);
    if (r == 0)
        r = group_wait(&g);
    double s = (double) (clock_ticks_ns() - began_ns) / 1e9;
    report(b, "fill, 256 at a time", (double) b->sent / s);
    return r;
}

static int measure(struct bench *b) {
    uint64_t n;
    int r = find_team(b, &n);
    printf("%llu messages\n", (unsigned long long) n);
    report_size(b, n);
    if (r == 0)
        r = measure_sends(b, 1, 5);
    if (r == 0)
        r = measure_sends(b, SENDERS, 10);
    if (r == 0)
        r = measure_sends(b, FILLERS, 10);
    if (r == 0)
        r = measure_reads(b, "open a room, 50 messages", run_open, 5000);
    if (r == 0)
        r = measure_reads(b, "room.sync of 45 changes", run_room_sync, 5000);
    if (r == 0)
        r = measure_reads(b, "unread of 100 rooms", run_unread, 1000);
    if (r == 0)
        r = measure_reads(b, "sync: 100 rooms, 1000 users", run_sync, 300);
    if (r == 0)
        r = measure_reads(b, "search, two words", run_search_common, 1000);
    if (r == 0)
        r = measure_reads(b, "search, a beginning", run_search_beginning, 300);
    if (r == 0)
        r = measure_reads(b, "search, a phrase of four", run_search_phrase, 300);
    if (r == 0)
        r = measure_reads(b, "search, in one room", run_search_room, 1000);
    if (r == 0)
        r = measure_reads(b, "search, nothing found", run_search_nothing, 1000);
    report_memory();
    return r;
}

static int run(void *arg) {
    struct bench *b = arg;
    char *why = NULL;
    struct chat_store_options o = { .data_dir = b->directory };
    int r = chat_store_open(&o, &b->store, &why);
    if (r < 0) {
        (void) fprintf(stderr, "%s\n", why ? why : strerror(-r));
        free(why);
        return r;
    }
    chat_store_set_sink(b->store, sink, b);
    r = b->messages > 0 ? fill(b) : measure(b);
    chat_store_close(b->store);
    return r;
}

int main(int argc, char **argv) {
    struct bench *b = calloc(1, sizeof *b);
    bool is_fill = argc >= 3 && strcmp(argv[1], "fill") == 0;
    if (!b || argc < 3 || (!is_fill && strcmp(argv[1], "measure") != 0)) {
        (void) fprintf(stderr, "usage: chat_store fill|measure DIR [MESSAGES]\n");
        return 2;
    }
    b->directory = argv[2];
    b->messages = !is_fill ? 0 : argc > 3 ? strtoull(argv[3], NULL, 10) : MESSAGES;
    int r = loop_run(NULL, run, b);
    if (r != 0)
        (void) fprintf(stderr, "failed: %d\n", r);
    free(b);
    return r != 0;
}
