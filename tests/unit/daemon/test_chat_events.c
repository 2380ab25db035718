/* What is told of what happens in the chat, to whom, and how often. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/chat/chat.h"
#include "daemon/chat/online.h"
#include "storage/engine_impl.h"
#include "tests/support/sim_vfs.h"
#include "tests/unit/daemon/chat_scene.h"

#define CHAT                                                                                       \
    "chat: { enabled: true, send_rate: 0, write_rate: 0, read_rate: 0 }\n"                         \
    "client: { ping_interval: 0 }\n"

#define IN_ROOM(data)      "{'push':{'channel':'room:$1','pub':{'data':" data "*"
#define TO_USER(who, data) "{'push':{'channel':'user:#" who "','pub':{'data':" data "}}}"

static const char *play(story_fn *story) {
    struct sim_disk *disk = sim_disk_new("parley-chat-events", 1);
    const char *failure = world_run(&(struct world_options){ .config = CHAT,
                                                             .data_dir = "disk",
                                                             .vfs = "parley-chat-events" },
                                    story, NULL);
    sim_disk_free(disk);
    return failure;
}

/* The linker's: the engine does not take the next event of a room, so many times. */
void __real_engine_publish(struct engine *e, struct publish_request *request);
void __wrap_engine_publish(struct engine *e, struct publish_request *request);
static unsigned refusals;
static uint64_t refused_ver;

void __wrap_engine_publish(struct engine *e, struct publish_request *request) {
    if (refusals > 0 && refused_ver == 0)
        refused_ver = request->version;
    if (refusals == 0 || request->version != refused_ver) {
        __real_engine_publish(e, request);
        return;
    }
    refusals--;
    engine_answer(request, -EIO);
}

static void free_scene(struct chat_scene **s) {
    (void) chat_scene_free(*s);
}

/* a and b are in a public room $1, which b has open; so has c, who is in it, too. */
static bool begin(struct chat_scene *s) {
    return chat_scene_connect(s, 'a') && chat_scene_connect(s, 'b') && chat_scene_connect(s, 'c') &&
           chat_scene_asks(s, 'a', "room.create", "{'kind':'public','name':'R','users':['b','c']}",
                           "$1={*}", "begin", 0) &&
           chat_scene_says(s, 'b', "'subscribe':{'channel':'room:$1'}",
                           "'subscribe':{'recoverable':true,*'positioned':true*}}", "begin", 1);
}

static int a_message(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'room.added','room':{'id':'$1',*'role':'member',*}}"));

    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'hi @c'}", "{'seq':1,*}");
    HEARS_PUSH(s, 'b',
               IN_ROOM("{'type':'message.created','ver':*,'message':{'room':'$1','seq':1,"
                       "*'user':'a',*'text':'hi @c','client_id':'1'*'mentions':['c']}}"));
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'mentioned','room':'$1','message':{*'seq':1,*}}"));
    HEARS_PUSH(s, 'c',
               TO_USER("c", "{'type':'unread.changed','room':'$1','ver':*,'last_seq':1,"
                            "'last_at':*,'read_seq':0,'unread':1,'mentions':1}"));
    STORY_EXPECT(w, chat_scene_count(s, 'b', TO_USER("b", "{'type':'mentioned',*}")) == 0);
    STORY_EXPECT(w, chat_scene_count(s, 'a', "*message.created*") == 0); /* has not subscribed */
    return 0;
}

static void a_message_is_told_to_the_room_and_to_those_it_concerns(void **state) {
    assert_null(play(a_message));
}

static int reading_at_once(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'x'}", "{*}");
    HEARS_PUSH(s, 'b', IN_ROOM("{'type':'message.created',*"));
    ASKS(s, 'b', "read.mark", "{'room':'$1','seq':1}", "{'read_seq':1,*}");
    HEARS_PUSH(s, 'b', TO_USER("b", "{'type':'unread.changed',*'read_seq':1,'unread':0,*}"));
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*unread.changed*") == 0);
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'unread.changed',*'unread':1,*}"));
    return 0;
}

static void who_reads_at_once_is_not_told_that_something_is_unread(void **state) {
    assert_null(play(reading_at_once));
}

/* The seqs of created messages that b hears next, in their order. */
static bool hears_seqs(struct chat_scene *s, const char *seqs) {
    while (*seqs) {
        const char *at = peer_hear(s->people['b' - 'a'].peer, 30000);
        if (at[0] != '{')
            return story_is(s->world, false, at, __FILE__, __LINE__);
        while (*seqs && (at = strstr(at, "message.created"))) {
            at = strstr(at, "\"seq\":");
            if (!story_is(s->world, at && at[6] == *seqs++, "in order", __FILE__, __LINE__))
                return false;
        }
    }
    return true;
}

static int refused(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    refused_ver = 0;
    refusals = 3; /* the first message, and then as it is tried again */
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'x'}", "{'seq':1,*}");
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'2','text':'x'}", "{'seq':2,*}");
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'3','text':'x'}", "{'seq':3,*}");
    STORY_EXPECT(w, hears_seqs(s, "123"));
    STORY_EXPECT(w, refusals == 0);
    /* And nothing is held up any more. */
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'4','text':'x'}", "{'seq':4,*}");
    STORY_EXPECT(w, hears_seqs(s, "4"));
    return 0;
}

static void what_the_engine_refuses_is_told_later_and_in_order(void **state) {
    assert_null(play(refused));
}

#define ONLINE(who, what) TO_USER(who, "{'type':'online.changed'," what "}")

static int coming_and_going(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s) && chat_scene_user(s, 'g', CHAT_GUEST) &&
                            chat_scene_connect(s, 'g'));
    HEARS_PUSH(s, 'b', ONLINE("b", "'on':[*'g'*]"));
    STORY_EXPECT(w, chat_scene_connect(s, 'd'));
    HEARS_PUSH(s, 'b', ONLINE("b", "'on':['d']"));
    ASKS(s, 'b', "sync", "{}", "{*'online':[*'d'*]}");
    /* A guest knows those with whom they share a room. */
    ASKS(s, 'g', "sync", "{}", "{*'online':['g']}");
    STORY_EXPECT(w, chat_scene_count(s, 'g', "*online.changed*'d'*") == 0);

    /* Who comes again at once was not away. */
    (void) peer_close(s->people['d' - 'a'].peer);
    STORY_EXPECT(w, chat_scene_connect(s, 'd'));
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*online.changed*") == 0);
    s->people['d' - 'a'].peer = peer_close(s->people['d' - 'a'].peer);
    int64_t from = loop_now();
    HEARS_PUSH(s, 'b', ONLINE("b", "'off':['d']"));
    STORY_EXPECT(w, loop_now() - from <= 4000);
    return 0;
}

static int too_many(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    struct chat_online *online = w->daemon->chat->online;
    char id[24];
    STORY_EXPECT(w, s && begin(s));
    HEARS_PUSH(s, 'b', ONLINE("b", "'on':[*'b'*]"));
    for (int i = 3; i < CHAT_ONLINE_TOLD_MAX; i++) {
        (void) snprintf(id, sizeof id, "other%d", i);
        STORY_EXPECT(w, chat_online_enter(online, str_of(id), CHAT_MEMBER) == 0);
    }
    HEARS_PUSH(s, 'b', ONLINE("b", "'on':[*'other199'*]"));
    STORY_EXPECT(w, chat_scene_connect(s, 'd'));
    HEARS_PUSH(s, 'b', ONLINE("b", "'more':true"));
    ASKS(s, 'b', "sync", "{}", "{*'typing_lasts_ms':6000}}"); /* no `online` */
    /* Not again as soon as it is one less. */
    chat_online_leave(online, STR("other3"), 1);
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*online.changed*") == 0);
    for (int i = 4; i < 55; i++) {
        (void) snprintf(id, sizeof id, "other%d", i);
        chat_online_leave(online, str_of(id), 1);
    }
    HEARS_PUSH(s, 'b', ONLINE("b", "'all':[*'other199'*]"));
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*online.changed*") == 0);
    return 0;
}

static void when_they_are_too_many_nobody_is_told(void **state) {
    assert_null(play(too_many));
}

static void who_comes_and_goes_is_told_within_seconds(void **state) {
    assert_null(play(coming_and_going));
}

static int many_messages(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    char data[100];
    STORY_EXPECT(w, s && begin(s));
    for (int i = 0; i < 20; i++) {
        (void) snprintf(data, sizeof data, "{'room':'$1','client_id':'%d','text':'x'}", i);
        ASKS(s, 'a', "message.send", data, "{*}");
    }
    /* One at once, and one for the rest. */
    size_t n = chat_scene_count(s, 'c', TO_USER("c", "{'type':'unread.changed',*}"));
    STORY_EXPECT(w, n >= 1 && n <= 3);
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'last','text':'x'}", "{'seq':21,*}");
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'unread.changed',*'last_seq':21,*'unread':21,*}"));
    STORY_EXPECT(w, chat_scene_count(s, 'b', IN_ROOM("{'type':'message.created',*")) == 21);
    return 0;
}

static void unread_counts_are_told_once_a_second_and_then_as_they_are(void **state) {
    assert_null(play(many_messages));
}

static int an_edit(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'hi'}", "{*}");
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'unread.changed',*'unread':1,'mentions':0}"));
    ASKS(s, 'a', "message.edit", "{'room':'$1','seq':1,'text':'hi @c'}", "{*}");
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'unread.changed',*'unread':1,'mentions':1}"));
    ASKS(s, 'a', "message.edit", "{'room':'$1','seq':1,'text':'hi'}", "{*}");
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'unread.changed',*'unread':1,'mentions':0}"));
    return 0;
}

static void an_edit_that_mentions_others_changes_their_counts(void **state) {
    assert_null(play(an_edit));
}

static int own_devices(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'x'}", "{*}");
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'unread.changed',*'unread':1,*}"));
    ASKS(s, 'c', "read.mark", "{'room':'$1','seq':1}", "{'read_seq':1,*}");
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'unread.changed',*'read_seq':1,'unread':0,*}"));
    /* Nobody else hears of it, until the room shows it. */
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*read.updated*") == 0);
    STORY_EXPECT(w, chat_scene_count(s, 'a', "*read_seq':1,*") == 0);
    ASKS(s, 'a', "room.update", "{'room':'$1','receipts':true}", "{*}");
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'2','text':'x'}", "{*}");
    ASKS(s, 'c', "read.mark", "{'room':'$1','seq':2}", "{'read_seq':2,*}");
    HEARS_PUSH(s, 'b', IN_ROOM("{'type':'read.updated','user':'c','read_seq':2}"));
    /* Marking what is read already says nothing. */
    ASKS(s, 'c', "read.mark", "{'room':'$1','seq':2}", "{'read_seq':2,*}");
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*read.updated*") == 0);
    return 0;
}

static void reading_is_told_to_ones_own_devices_and_where_it_shows_to_the_room(void **state) {
    assert_null(play(own_devices));
}

static int writing(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    static const char started[] = "{'push':{'channel':'room:$1','pub':{'data':"
                                  "{'type':'typing.started','user':'a'}}}}"; /* no offset */

    for (int i = 0; i < 3; i++)
        ASKS(s, 'a', "typing.start", "{'room':'$1'}", "{}");
    STORY_EXPECT(w, chat_scene_count(s, 'b', started) == 1); /* and three seconds pass */
    ASKS(s, 'a', "typing.start", "{'room':'$1'}", "{}");
    ASKS(s, 'a', "typing.stop", "{'room':'$1'}", "{}");
    ASKS(s, 'a', "typing.stop", "{'room':'$1'}", "{}");
    STORY_EXPECT(w, chat_scene_count(s, 'b', IN_ROOM("{'type':'typing.stopped','user':'a'}")) == 1);
    STORY_EXPECT(w, chat_scene_count(s, 'b', started) == 1);
    ASKS(s, 'a', "typing.start", "{'room':'$1'}", "{}");
    HEARS_PUSH(s, 'b', started);
    /* The message ends it; what comes then is told at once. */
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'x'}", "{*}");
    ASKS(s, 'a', "typing.start", "{'room':'$1'}", "{}");
    HEARS_PUSH(s, 'b', started);
    return 0;
}

static int silenced(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    ASKS(s, 'a', "moderation.mute", "{'room':'$1','user':'c','until':32503680000000}", "{*}");
    ASKS(s, 'c', "typing.start", "{'room':'$1'}", "!430 muted;until=32503680000000");
    ASKS(s, 'a', "room.archive", "{'room':'$1'}", "{*}");
    ASKS(s, 'a', "typing.start", "{'room':'$1'}", "!423 archived");
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*typing*") == 0);
    return 0;
}

static void who_may_not_send_does_not_write(void **state) {
    assert_null(play(silenced));
}

static int the_owner_is_put_out(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && chat_scene_user(s, 'd', CHAT_ADMIN) && begin(s));
    STORY_EXPECT(w, chat_scene_connect(s, 'd'));
    ASKS(s, 'd', "moderation.ban", "{'room':'$1','user':'a'}", "{'ver':5}");
    HEARS_PUSH(s, 'b', IN_ROOM("{'type':'member.removed','ver':5,'user':'a',*'reason':'banned'}"));
    HEARS_PUSH(s, 'b',
               IN_ROOM("{'type':'member.updated','ver':6,'user':{'id':'b',*},'role':'owner',*"));
    ASKS(s, 'b', "room.update", "{'room':'$1','retain_d':3}", "{'room':{*}}");
    return 0;
}

static void a_room_whose_owner_is_put_out_goes_on_to_another(void **state) {
    assert_null(play(the_owner_is_put_out));
}

static void writing_is_told_while_it_lasts(void **state) {
    assert_null(play(writing));
}

static int parting(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    SAYS(s, 'c', "'subscribe':{'channel':'room:$1'}", "'subscribe':{*");
    ASKS(s, 'a', "moderation.kick", "{'room':'$1','user':'b','reason':'x'}", "{*}");
    HEARS_PUSH(s, 'b', "{'push':{'channel':'room:$1','unsubscribe':{'code':2000,*");
    HEARS_PUSH(s, 'b', TO_USER("b", "{'type':'room.removed','room':'$1','reason':'kicked'}"));
    HEARS_PUSH(s, 'c',
               IN_ROOM("{'type':'member.removed','ver':*,'user':'b','by':'a',"
                       "'reason':'kicked'}"));
    SAYS(s, 'b', "'subscribe':{'channel':'room:$1'}",
         "'error':{'code':103,'message':'permission denied'}}");
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'x'}", "{*}");
    STORY_EXPECT(w, chat_scene_count(s, 'b', "*message.created*") == 0);

    ASKS(s, 'c', "room.leave", "{'room':'$1'}", "{}");
    HEARS_PUSH(s, 'c', "{'push':{'channel':'room:$1','unsubscribe':{'code':2000,*");
    HEARS_PUSH(s, 'c', TO_USER("c", "{'type':'room.removed','room':'$1','reason':'left'}"));
    /* Back again, it goes on. */
    ASKS(s, 'c', "room.join", "{'room':'$1'}", "{*}");
    SAYS(s, 'c', "'subscribe':{'channel':'room:$1'}", "'subscribe':{*");
    return 0;
}

static void who_is_taken_out_hears_it_and_nothing_more(void **state) {
    assert_null(play(parting));
}

static int renaming(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s) && chat_scene_user(s, 'd', CHAT_GUEST) &&
                            chat_scene_connect(s, 'd'));
    ASKS(s, 'a', "room.update", "{'room':'$1','name':'S'}", "{*}");
    HEARS_PUSH(s, 'b', IN_ROOM("{'type':'room.updated','ver':*,'room':{*'name':'S',*}}"));
    HEARS_PUSH(s, 'c',
               TO_USER("c", "{'type':'room.updated','room':{*'name':'S',*'read_seq':0,*}}"));
    ASKS(s, 'a', "user.update", "{'name':'Ann'}", "{*}");
    HEARS_PUSH(s, 'b', TO_USER("b", "{'type':'user.updated','user':{'id':'a','name':'Ann',*}}"));
    /* A guest hears of those with whom they share a room. */
    STORY_EXPECT(w, chat_scene_count(s, 'd', "*user.updated*") == 0);
    ASKS(s, 'a', "member.add", "{'room':'$1','user':'d'}", "{*}");
    ASKS(s, 'a', "user.update", "{'name':'Anne'}", "{*}");
    HEARS_PUSH(s, 'd', TO_USER("d", "{'type':'user.updated','user':{'id':'a','name':'Anne',*}}"));
    return 0;
}

static int demoting(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s) && chat_scene_user(s, 'h', CHAT_OWNER) &&
                            chat_scene_connect(s, 'd') && chat_scene_connect(s, 'h'));
    ASKS(s, 'b', "user.update", "{'name':'Ben'}", "{*}");
    HEARS_PUSH(s, 'd', TO_USER("d", "{'type':'user.updated','user':{'id':'b','name':'Ben',*}}"));
    /* Who is made a guest knows those of their rooms only, connected as they are, ... */
    ASKS(s, 'h', "admin.user", "{'user':'d','role':'guest'}", "{*}");
    HEARS_PUSH(s, 'd', TO_USER("d", "{'type':'user.updated','user':{'id':'d',*'guest'*}}"));
    ASKS(s, 'b', "user.update", "{'name':'Benn'}", "{*}");
    HEARS_PUSH(s, 'a', TO_USER("a", "{'type':'user.updated','user':{'id':'b','name':'Benn',*}}"));
    STORY_EXPECT(w, chat_scene_connect(s, 'f'));
    HEARS_PUSH(s, 'a', ONLINE("a", "'on':[*'f'*]"));
    STORY_EXPECT(w, chat_scene_count(s, 'd', "*user.updated*'Benn'*") == 0);
    STORY_EXPECT(w, chat_scene_count(s, 'd', "*online.changed*'f'*") == 0);
    /* ... and who is made a member again, everybody. */
    ASKS(s, 'h', "admin.user", "{'user':'d','role':'member'}", "{*}");
    HEARS_PUSH(s, 'd', TO_USER("d", "{'type':'user.updated','user':{'id':'d',*'member'*}}"));
    ASKS(s, 'b', "user.update", "{'name':'Bennn'}", "{*}");
    HEARS_PUSH(s, 'd', TO_USER("d", "{'type':'user.updated','user':{'id':'b','name':'Bennn',*}}"));
    STORY_EXPECT(w, chat_scene_connect(s, 'g'));
    HEARS_PUSH(s, 'd', ONLINE("d", "'on':[*'g'*]"));
    return 0;
}

static void who_becomes_a_guest_or_a_member_hears_as_such(void **state) {
    assert_null(play(demoting));
}

static void what_is_called_otherwise_is_told_to_those_who_know_it(void **state) {
    assert_null(play(renaming));
}

static int by_publish(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s) && chat_scene_connect(s, 'e'));
    SAYS(s, 'b', "'publish':{'channel':'room:$1','data':{'text':'p','client_id':'1'}}",
         "'publish':{}}");
    HEARS_PUSH(s, 'b', IN_ROOM("{'type':'message.created',*'user':'b',*'text':'p'*"));
    SAYS(s, 'b', "'publish':{'channel':'room:$1','data':{'text':''}}",
         "'error':{'code':107,'message':'bad request;field=text'}}");
    SAYS(s, 'e', "'publish':{'channel':'room:$1','data':{'text':'p'}}",
         "'error':{'code':404,'message':'not_found'}}");
    /* Whatever room the data names. */
    SAYS(s, 'b', "'publish':{'channel':'room:$1','data':{'text':'q','room':'nowhere'}}",
         "'publish':{}}");
    HEARS_PUSH(s, 'b', IN_ROOM("{'type':'message.created',*'text':'q'*"));
    return 0;
}

static void a_publish_into_a_room_is_a_message(void **state) {
    assert_null(play(by_publish));
}

static int after_a_restart(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && begin(s));
    ASKS(s, 'a', "message.send", "{'room':'$1','client_id':'1','text':'x'}", "{'seq':1,*}");
    STORY_EXPECT(w, world_restart(w) == 0);
    CLEANUP(free_scene) struct chat_scene *t = chat_scene_new(w);
    STORY_EXPECT(w, t && chat_scene_connect(t, 'a') && chat_scene_connect(t, 'b'));
    memcpy(t->names, s->names, sizeof t->names);
    ASKS(t, 'b', "message.history", "{'room':'$1'}", "{'messages':[{*'text':'x'*}],*}");
    SAYS(t, 'b', "'subscribe':{'channel':'room:$1'}", "'subscribe':{*");
    ASKS(t, 'a', "message.send", "{'room':'$1','client_id':'2','text':'y'}", "{'seq':2,*}");
    HEARS_PUSH(t, 'b', IN_ROOM("{'type':'message.created',*'seq':2,*"));
    return 0;
}

static void a_restart_changes_nothing(void **state) {
    assert_null(play(after_a_restart));
}

static int deactivated(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && chat_scene_user(s, 'h', CHAT_OWNER) && begin(s) &&
                            chat_scene_connect(s, 'h'));
    ASKS(s, 'h', "admin.user", "{'user':'b','deactivated':true}", "{'user':{*'deactivated':true}}");
    for (;;) {
        const char *heard = peer_hear(s->people['b' - 'a'].peer, 30000);
        if (heard[0] == '{')
            continue;
        STORY_EXPECT(w, text_matches(heard, "close 3507*"));
        break;
    }
    struct peer *again =
            peer_open(w, &(struct peer_options){ .worker = -1, .may_be_refused = true });
    STORY_EXPECT(w, again);
    peer_say(again, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", world_token(w, "{\"sub\":\"b\"}"));
    HEARS(again, "close 3507*");
    ASKS(s, 'a', "member.list", "{'room':'$1'}", "{*");
    return 0;
}

static void who_is_deactivated_is_out(void **state) {
    assert_null(play(deactivated));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_told_to_the_room_and_to_those_it_concerns),
        cmocka_unit_test(who_reads_at_once_is_not_told_that_something_is_unread),
        cmocka_unit_test(what_the_engine_refuses_is_told_later_and_in_order),
        cmocka_unit_test(who_comes_and_goes_is_told_within_seconds),
        cmocka_unit_test(when_they_are_too_many_nobody_is_told),
        cmocka_unit_test(unread_counts_are_told_once_a_second_and_then_as_they_are),
        cmocka_unit_test(reading_is_told_to_ones_own_devices_and_where_it_shows_to_the_room),
        cmocka_unit_test(an_edit_that_mentions_others_changes_their_counts),
        cmocka_unit_test(writing_is_told_while_it_lasts),
        cmocka_unit_test(who_may_not_send_does_not_write),
        cmocka_unit_test(a_room_whose_owner_is_put_out_goes_on_to_another),
        cmocka_unit_test(who_is_taken_out_hears_it_and_nothing_more),
        cmocka_unit_test(what_is_called_otherwise_is_told_to_those_who_know_it),
        cmocka_unit_test(who_becomes_a_guest_or_a_member_hears_as_such),
        cmocka_unit_test(a_publish_into_a_room_is_a_message),
        cmocka_unit_test(a_restart_changes_nothing),
        cmocka_unit_test(who_is_deactivated_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
