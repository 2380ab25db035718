/*
 * The n-th allocation fails, for every n: whatever was asked says so or succeeds, nothing is half
 * done, nothing leaks. SQLite's own allocations are its library's and do not come by here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/chat/member.h"
#include "storage/chat/moderation.h"
#include "storage/chat/pin.h"
#include "storage/chat/reaction.h"
#include "storage/chat/read.h"
#include "storage/chat/sync.h"
#include "storage/chat/user.h"
#include "tests/support/failing_memory.h"
#include "tests/unit/chat/house.h"

/* Does it again if it was the one that failed; anything else than "no memory" is a finding. */
#define TWICE(h, call)                                                                             \
    do {                                                                                           \
        int r_ = (call);                                                                           \
        CHECK(h, r_ == 0 || r_ == -ENOMEM);                                                        \
        if (r_ < 0)                                                                                \
            CHECK(h, (call) == 0);                                                                 \
    } while (0)

struct day {
    struct chat_work work;
    char room[CHAT_ID_MAX + 1];
    unsigned unread, mentions;
    size_t rooms, messages, changes;
};

#define DO(call)                                                                                   \
    do {                                                                                           \
        r = (call);                                                                                \
        if (r != 0)                                                                                \
            return r;                                                                              \
    } while (0)

/* One of everything that changes a room. */
static int run_changes(struct chat_work *work, struct chat_tx *tx) {
    struct day *d = CONTAINER_OF(work, struct day, work);
    struct str room = str_of(d->room);
    struct chat_actor by;
    struct chat_message m;
    struct chat_change change;
    struct chat_reactions reactions;
    struct chat_member member;
    bool is_duplicate;
    int r;
    struct chat_send send = { .room = room,
                              .client_id = STR("c"),
                              .text = STR("hello @u1, see https://example.org"),
                              .meta = bytes_of("{}", 2) };
    DO(chat_actor_load(tx, STR("u0"), &by));
    DO(chat_message_send(tx, &by, &send, &m, &is_duplicate));
    send = (struct chat_send){ .room = room, .text = STR("and"), .reply_to = m.seq };
    DO(chat_message_send(tx, &by, &send, &m, &is_duplicate));
    DO(chat_message_edit(tx, &by, room, m.seq, STR("and @all"), 0, &m, &change));
    DO(chat_reaction_add(tx, &by, room, 1, STR("+1"), &reactions, &change));
    DO(chat_pin_add(tx, &by, room, 1, &change));
    DO(chat_message_send(tx, &by, &send, &m, &is_duplicate));
    DO(chat_message_delete(tx, &by, room, m.seq, STR("why"), &m, &change));
    DO(chat_member_remove(tx, &by, room, STR("u3"), &change));
    DO(chat_member_add(tx, &by, room, STR("u3"), &member, &change));
    DO(chat_mute(tx, &by, room, STR("u3"), INT64_MAX, STR("loud"), &change));
    DO(chat_tx_emit(tx, STR("room"), bytes_of("x", 1), change.ver, 0));
    return chat_tx_emit(tx, STR("room"), bytes_of("y", 1), 0, CHAT_EMIT_UNKEPT);
}

/* One of everything that reads. */
static int run_reads(struct chat_work *work, struct chat_tx *tx) {
    struct day *d = CONTAINER_OF(work, struct day, work);
    struct str room_id = str_of(d->room);
    struct chat_actor by;
    struct chat_room room;
    struct chat_messages page;
    struct chat_sync sync;
    struct chat_room_sync changes;
    struct chat_members members;
    struct chat_revisions revisions;
    struct chat_rooms rooms;
    struct chat_span span = { .around_unread = true };
    int r;
    DO(chat_actor_load(tx, STR("u1"), &by));
    DO(chat_room_open(tx, &by, room_id, &span, &room, &page));
    d->messages = page.n;
    d->unread = room.mine.unread;
    d->mentions = room.mine.mentions;
    DO(chat_sync(tx, &by, &sync));
    d->rooms = sync.rooms.n;
    DO(chat_room_sync(tx, &by, room_id, 0, 0, &changes));
    d->changes = changes.messages.n + changes.members.n;
    DO(chat_member_list(tx, &by, room_id, STR(""), 0, &members));
    DO(chat_message_revisions(tx, &by, room_id, 2, &revisions));
    DO(chat_pin_list(tx, &by, room_id, &page));
    return chat_room_list(tx, &by, STR("Lob"), STR(""), 0, &rooms);
}

static int do_work(struct house *h, struct day *d, bool reads) {
    d->work = CHAT_WORK(reads ? run_reads : run_changes);
    int r = reads ? chat_store_read(h->store, &d->work) : chat_store_write(h->store, &d->work);
    chat_work_finish(&d->work);
    return r;
}

static int day_story(struct house *h) {
    struct day d = { .unread = 0 };
    struct chat_store_stats stats;
    house_close(h);
    fails_in = h->seed;
    TWICE(h, house_open(h));
    TWICE(h, house_furnish(h, d.room));
    TWICE(h, do_work(h, &d, false));
    TWICE(h, do_work(h, &d, true));
    CHECK(h, d.messages == 3 && d.unread == 2 && d.mentions == 2 && d.rooms == 1);
    CHECK(h, d.changes == 3 + 4);
    house_close(h);
    TWICE(h, house_open(h));
    chat_store_tick(h->store);
    house_settle(h);
    fails_in = 0;
    chat_store_tick(h->store);
    house_settle(h);
    chat_store_tick(h->store);
    house_settle(h);
    chat_store_stats(h->store, &stats);
    CHECK(h, h->heard_n >= 2 && stats.last_error == 0);
    return 0;
}

static void memory_runs_out_anywhere(void **state) {
    (void) state;
    uint64_t n = 1;
    for (has_failed = true; has_failed; n++) {
        struct house *h = house_new_seeded(n);
        char failure[sizeof h->failure + 32] = "";
        has_failed = false;
        house_run(h, day_story);
        fails_in = 0;
        if (h->failure[0])
            (void) snprintf(failure, sizeof failure, "allocation %llu: %s", (unsigned long long) n,
                            h->failure);
        house_free(h);
        assert_string_equal(failure, "");
    }
    assert_true(n > 50); /* it has come by here */
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(memory_runs_out_anywhere) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
