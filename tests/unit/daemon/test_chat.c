/* Every method of the chat, through a client: what it answers, and with what it refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/task.h"
#include "daemon/chat/chat.h"
#include "daemon/chat/method.h"
#include "daemon/worker_thread.h"
#include "storage/chat/store.h"
#include "tests/support/sim_vfs.h"
#include "tests/unit/daemon/chat_scene.h"

#define CHAT(more)                                                                                 \
    "chat: { enabled: true, send_rate: 0, write_rate: 0, read_rate: 0" more " }\n"                 \
    "client: { ping_interval: 0 }\n"

static const char *play(const char *config, story_fn *story) {
    struct sim_disk *disk = sim_disk_new("parley-chat", 1);
    const char *failure = world_run(
            &(struct world_options){ .config = config, .data_dir = "disk", .vfs = "parley-chat" },
            story, NULL);
    sim_disk_free(disk);
    return failure;
}

/* The scene ends with the story. */
static void free_scene(struct chat_scene **s) {
    (void) chat_scene_free(*s);
}

/* One line of a dialogue. */
struct line {
    char who;
    const char *method, *data, *result;
};

static int say_all(struct chat_scene *s, const struct line *lines, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char where[64];
        (void) snprintf(where, sizeof where, "line %zu: %c %s", i, lines[i].who, lines[i].method);
        if (!chat_scene_asks(s, lines[i].who, lines[i].method, lines[i].data, lines[i].result,
                             where, 0))
            return -EBADMSG;
    }
    return 0;
}
#define SAY_ALL(s, lines)                                                                          \
    do {                                                                                           \
        int said = say_all((s), (lines), ELEMENTS_OF(lines));                                      \
        if (said < 0)                                                                              \
            return said;                                                                           \
    } while (0)

/* a owns the team, b and c are members, d is a guest, e nobody special. */
static bool everybody_comes(struct chat_scene *s) {
    bool is_good = chat_scene_user(s, 'a', CHAT_OWNER) && chat_scene_user(s, 'd', CHAT_GUEST);
    for (char who = 'a'; is_good && who <= 'e'; who++)
        is_good = chat_scene_connect(s, who);
    return is_good;
}

static const struct line teams[] = {
    { 'b', "sync", "{}",
      "{'me':{'id':'b','name':'b','role':'member'},'team':{'name':'*'},'users':[*'id':'a'*],"
      "'rooms':[],'epoch':'*','limits':{'text_bytes':16384,*},'online':[*]}" },
    { 'b', "sync", "[]", "!107 bad request" },
    { 'b', "user.get", "{'ids':['a','nobody']}", "{'users':[{'id':'a',*}]}" },
    { 'b', "user.get", "{'q':'c'}", "{'users':[{'id':'c',*}]}" },
    { 'd', "user.get", "{'ids':['a']}", "{'users':[]}" }, /* shares no room with it */
    { 'b', "user.get", "{'ids':'a'}", "!107 bad request;field=ids" },
    { 'b', "user.update", "{'name':'Bob B.'}", "{'user':{'id':'b','name':'Bob B.',*}}" },
    { 'b', "user.update", "{'name':''}", "!107 bad request;field=name" },
    { 'b', "presence.set", "{'status':{'emoji':'x','text':'away','until':32503680000000}}",
      "{'user':{*'status':{'emoji':'x','text':'away','until':32503680000000}*}}" },
    { 'b', "presence.set", "{'status':null}", "{'user':{'id':'b','name':'Bob B.',*}}" },
    { 'b', "presence.set", "{}", "!107 bad request;field=status" },
};

static const struct line rooms[] = {
    { 'b', "room.create", "{'kind':'public','name':'Tea','slug':'tea','topic':'leaves'}",
      "$1={'room':{'id':'*','kind':'public','name':'Tea','slug':'tea','topic':'leaves',*"
      "'role':'owner',*}}" },
    { 'c', "room.create", "{'kind':'public','name':'Tea 2','slug':'tea'}",
      "!409 conflict;field=slug" },
    { 'c', "room.create", "{'kind':'private','name':'Plans','users':['b']}",
      "$2={'room':{*'kind':'private',*'members_n':2,*}}" },
    { 'c', "room.create", "{'kind':'direct','users':['b']}",
      "$3={'room':{*'kind':'direct',*'peer':{'id':'b',*}*}}" },
    { 'b', "room.create", "{'kind':'direct','users':['c']}",
      "{'room':{'id':'$3',*'peer':{'id':'c',*}*}}" },
    { 'c', "room.create", "{'kind':'group','users':['b','a']}",
      "$4={'room':{*'kind':'group',*'users':[*]*}}" },
    { 'c', "room.create", "{'kind':'direct','users':['nobody']}", "!404 not_found" },
    { 'd', "room.create", "{'kind':'public','name':'Mine'}", "!103 permission denied" },
    { 'c', "room.list", "{}", "{'rooms':[{'id':'$1',*}]}" },
    { 'c', "room.list", "{'q':'te','limit':1}", "{'rooms':[{'id':'$1',*}]}" },
    { 'd', "room.list", "{}", "!103 permission denied" },
    { 'b', "room.update", "{'room':'$1','topic':'cups','slow_s':0,'receipts':true}",
      "{'room':{*'topic':'cups',*'receipts':true,*}}" },
    { 'c', "room.update", "{'room':'$1','topic':'mine'}", "!404 not_found" }, /* is not in it */
    { 'b', "room.archive", "{'room':'$1'}", "{'room':{*'archived':true*}}" },
    { 'b', "room.archive", "{'room':'$3'}", "!103 permission denied" },
    { 'b', "message.send", "{'room':'$1','text':'x','client_id':'0'}", "!423 archived" },
    { 'b', "room.unarchive", "{'room':'$1'}", "{'room':{*}}" },
    { 'b', "room.unarchive", "{'room':'nowhere'}", "!404 not_found" },
    { 'c', "room.open", "{'room':'$1'}",
      "{'room':{'id':'$1',*},'messages':[],'has_before':false,'has_after':false,'pins_n':0}" },
    { 'e', "room.open", "{'room':'$2'}", "!404 not_found" },
    { 'b', "room.open", "{'room':'$1','around':'here'}", "!107 bad request;field=around" },
    { 'b', "room.sync", "{'room':'$1','since':0}", "{'messages':[],'ver':*}" },
    { 'b', "room.sync", "{'room':'$1'}", "!107 bad request;field=since" },
};

static const struct line members[] = {
    { 'c', "room.join", "{'room':'$1'}", "{'room':{'id':'$1',*'role':'member',*}}" },
    { 'e', "room.join", "{'room':'$2'}", "!404 not_found" },
    { 'b', "member.list", "{'room':'$1'}",
      "{'members':[{'user':{'id':'b',*},'role':'owner'},{'user':{'id':'c',*},'role':'member'}]}" },
    { 'b', "member.list", "{'room':'$1','limit':1}", "{'members':[{*}],'more':true}" },
    { 'e', "member.list", "{'room':'$2'}", "!404 not_found" },
    { 'b', "member.add", "{'room':'$1','user':'e'}", "{'ver':*}" },
    { 'b', "member.add", "{'room':'$1','user':'nobody'}", "!404 not_found" },
    { 'b', "member.update", "{'room':'$1','user':'c','role':'mod'}", "{'ver':*}" },
    { 'e', "member.update", "{'room':'$1','user':'e','role':'owner'}", "!103 permission denied" },
    { 'b', "member.update", "{'room':'$1','user':'c','role':'king'}",
      "!107 bad request;field=role" },
    { 'b', "member.remove", "{'room':'$1','user':'e'}", "{'ver':*}" },
    { 'b', "member.remove", "{'room':'$3','user':'c'}", "!103 permission denied" },
    { 'b', "member.add", "{'room':'$1','user':'e'}", "{'ver':*}" },
    { 'e', "room.leave", "{'room':'$1'}", "{}" },
    { 'e', "room.leave", "{'room':'$1'}", "!404 not_found" },
    { 'b', "room.leave", "{'room':'$3'}", "!103 permission denied" },
    { 'b', "member.add", "{'room':'$1','user':'e'}", "{'ver':*}" },
};

static const struct line messages[] = {
    { 'b', "message.send", "{'room':'$1','client_id':'m1','text':'hello @c','meta':{'a':[1]}}",
      "{'seq':1,'ver':*,'at':*}" },
    { 'b', "message.send", "{'room':'$1','client_id':'m1','text':'again'}",
      "{'seq':1,'ver':*,'at':*,'duplicate':true}" },
    { 'c', "message.send", "{'room':'$1','client_id':'m2','text':'hi','reply_to':1}",
      "{'seq':2,*}" },
    { 'c', "message.send", "{'room':'$1','client_id':'m3','text':'hi','reply_to':9}",
      "!107 bad request;field=reply_to" },
    { 'b', "message.send", "{'room':'$2','client_id':'m1','text':'elsewhere'}",
      "!409 conflict;field=client_id" },
    { 'b', "message.get", "{'room':'$1','seq':2}",
      "{'message':{'room':'$1','seq':2,'ver':*,'user':'c','at':*,'text':'hi','client_id':'m2',"
      "'reply_to':{'seq':1,'user':'b','text':'hello @c'}}}" },
    { 'b', "message.get", "{'room':'$1','seq':3}", "!404 not_found" },
    { 'b', "message.edit", "{'room':'$1','seq':1,'text':'Hello'}", "{'ver':*,'edited_at':*}" },
    { 'b', "message.edit", "{'room':'$1','seq':1,'text':'x','if_ver':1}",
      "!409 conflict;field=if_ver*" },
    { 'c', "message.edit", "{'room':'$1','seq':1,'text':'x'}", "!103 permission denied" },
    { 'c', "message.revisions", "{'room':'$1','seq':1}",
      "{'revisions':[{'at':*,'user':'b','text':'hello @c'},{*'text':'Hello'}]}" },
    { 'c', "message.revisions", "{'room':'$1','seq':8}", "!404 not_found" },
    { 'c', "message.history", "{'room':'$1','limit':1}",
      "{'messages':[{*'seq':2,*}],'has_before':true,'has_after':false}" },
    { 'c', "message.history", "{'room':'$1','before':2,'limit':1}",
      "{'messages':[{*'seq':1,*}],'has_before':false,'has_after':true}" },
    { 'c', "message.history", "{'room':'$1','before':2,'around':1}",
      "!107 bad request;field=before" },
    { 'e', "message.delete", "{'room':'$1','seq':1}", "!103 permission denied" },
    { 'c', "message.delete", "{'room':'$1','seq':1,'reason':'rude'}", "{'ver':*}" },
    { 'c', "message.get", "{'room':'$1','seq':1}",
      "{'message':{'room':'$1','seq':1,'ver':*,'user':'b','at':*,'deleted':true,'deleted_by':'c',"
      "'reason':'rude'}}" },
    { 'b', "message.edit", "{'room':'$1','seq':1,'text':'x'}", "!410 deleted" },
};

static const struct line marks[] = {
    { 'b', "reaction.add", "{'room':'$1','seq':2,'emoji':'+1'}",
      "{'ver':*,'reactions':[{'emoji':'+1','n':1,'users':['b']}]}" },
    { 'b', "reaction.add", "{'room':'$1','seq':1,'emoji':'+1'}", "!410 deleted" },
    { 'b', "reaction.remove", "{'room':'$1','seq':2,'emoji':'+1'}", "{'ver':*,'reactions':[]}" },
    { 'b', "reaction.remove", "{'room':'$1','seq':2}", "!107 bad request;field=emoji" },
    { 'b', "pin.add", "{'room':'$1','seq':2}", "{'ver':*}" },
    { 'b', "pin.add", "{'room':'$1','seq':1}", "!410 deleted" },
    { 'c', "pin.list", "{'room':'$1'}", "{'messages':[{*'seq':2,*'pinned':true}]}" },
    { 'e', "pin.list", "{'room':'$2'}", "!404 not_found" },
    { 'c', "pin.remove", "{'room':'$1','seq':2}", "{'ver':*}" },
    { 'c', "pin.remove", "{'room':'$1','seq':7}", "!404 not_found" },
    { 'b', "read.mark", "{'room':'$1','seq':2}", "{'read_seq':2,'unread':0,'mentions':0}" },
    { 'b', "read.mark", "{'room':'$1','seq':1}", "{'read_seq':2,'unread':0,'mentions':0}" },
    { 'b', "read.mark", "{'room':'$1'}", "!107 bad request;field=seq" },
    { 'b', "read.mark_unread", "{'room':'$1','seq':2}", "{'read_seq':1,'unread':1,'mentions':0*}" },
    { 'e', "read.mark_unread", "{'room':'$2','seq':1}", "!404 not_found" },
    { 'b', "notify.set", "{'room':'$1','level':'mentions'}", "{}" },
    { 'b', "notify.set", "{'room':'$1','level':'some'}", "!107 bad request;field=level" },
    { 'b', "typing.start", "{'room':'$1'}", "{}" },
    { 'd', "typing.start", "{'room':'$1'}", "!404 not_found" },
    { 'b', "typing.stop", "{'room':'$1'}", "{}" },
    { 'd', "typing.stop", "{'room':'$1'}", "!404 not_found" },
};

static const struct line moderation[] = {
    { 'c', "moderation.mute", "{'room':'$1','user':'e','until':32503680000000}", "{'ver':*}" },
    { 'e', "message.send", "{'room':'$1','client_id':'n1','text':'x'}",
      "!430 muted;until=32503680000000" },
    { 'e', "moderation.mute", "{'room':'$1','user':'c','until':32503680000000}",
      "!103 permission denied" },
    { 'c', "moderation.unmute", "{'room':'$1','user':'e'}", "{'ver':*}" },
    { 'e', "moderation.unmute", "{'room':'$1','user':'c'}", "!103 permission denied" },
    { 'e', "message.send", "{'room':'$1','client_id':'n1','text':'x'}", "{'seq':3,*}" },
    { 'c', "moderation.kick", "{'room':'$1','user':'b'}", "!103 permission denied" },
    { 'c', "moderation.kick", "{'room':'$1','user':'e'}", "{'ver':*}" },
    { 'e', "room.join", "{'room':'$1'}", "{'room':{*}}" },
    { 'e', "moderation.ban", "{'room':'$1','user':'c'}", "!103 permission denied" },
    { 'c', "moderation.ban", "{'room':'$1','user':'e','reason':'spam'}", "{'ver':*}" },
    { 'e', "room.join", "{'room':'$1'}", "!431 banned" },
    { 'c', "moderation.bans", "{'room':'$1'}", "{'bans':[{'user':'e','by':'c','reason':'spam'}]}" },
    { 'e', "moderation.bans", "{'room':'$2'}", "!404 not_found" },
    { 'c', "moderation.unban", "{'room':'$1','user':'e'}", "{'ver':*}" },
    { 'e', "moderation.unban", "{'room':'$2','user':'e'}", "!404 not_found" },
    { 'e', "room.join", "{'room':'$1'}", "{'room':{*}}" },
    { 'b', "room.update", "{'room':'$1','slow_s':30}", "{'room':{*'slow_s':30,*}}" },
    { 'e', "message.send", "{'room':'$1','client_id':'n2','text':'x'}", "{'seq':4,*}" },
    { 'e', "message.send", "{'room':'$1','client_id':'n3','text':'x'}",
      "!429 slow_mode;retry_ms=*" },
};

static const struct line invites[] = {
    { 'b', "invite.create", "{'room':'$1','uses':3}", "$5={'code':'*','url':'*'*}" },
    { 'e', "invite.create", "{'room':'$2'}", "!404 not_found" },
    { 'b', "invite.list", "{'room':'$1'}", "{'invites':[{'code':'$5',*}]}" },
    { 'd', "invite.list", "{'room':'$1'}", "!404 not_found" },
    { 'b', "invite.revoke", "{'code':'$5'}", "{}" },
    { 'b', "invite.revoke", "{'code':'nonsense'}", "!404 not_found" },
};

static const struct line finding[] = {
    { 'c', "search", "{'q':'elsewh'}", "{'hits':[]}" },
    { 'c', "search", "{'q':'hi'}", "{'hits':[{'message':{*'seq':2,*},'snippet':[['hi',true]]}]*}" },
    { 'c', "search", "{'q':'hi','has':'nonsense'}", "!107 bad request;field=has" },
};

static const struct line webhooks[] = {
    { 'b', "webhook.create", "{'room':'$1','kind':'in','name':'Build'}",
      "{'webhook':{'id':'*','kind':'in','room':'$1','name':'Build',*'secret':'*',*}}" },
    { 'e', "webhook.create", "{'room':'$1','kind':'in','name':'Mine'}", "!103 permission denied" },
    { 'b', "webhook.create", "{'room':'$1','kind':'up','name':'Build'}",
      "!107 bad request;field=kind" },
    { 'b', "webhook.list", "{'room':'$1'}", "$6={'webhooks':[{'id':'*',*'name':'Build',*}]}" },
    { 'e', "webhook.list", "{'room':'$2'}", "!404 not_found" },
    { 'b', "webhook.remove", "{'id':'$6'}", "{}" },
    { 'b', "webhook.remove", "{'id':'nonsense'}", "!404 not_found" },
};

static const struct line administration[] = {
    { 'a', "admin.users", "{'q':'c'}", "{'users':[{'id':'c',*'created_at':*}]}" },
    { 'b', "admin.users", "{}", "!103 permission denied" },
    { 'a', "admin.user", "{'user':'b','role':'admin'}", "{'user':{'id':'b',*'role':'admin'*}}" },
    { 'a', "admin.user", "{'user':'b','role':'god'}", "!107 bad request;field=role" },
    { 'b', "admin.user", "{'user':'a','role':'member'}", "!103 permission denied" },
    { 'a', "admin.settings", "{'name':'Tea Company','registration':'closed'}",
      "{'settings':{'name':'Tea Company','registration':'closed','guests':*,'retain_d':0}}" },
    { 'a', "admin.settings", "{}", "{'settings':{'name':'Tea Company',*}}" },
    { 'a', "admin.settings", "{'registration':'x'}", "!107 bad request;field=registration" },
    { 'c', "admin.settings", "{}", "!103 permission denied" },
    { 'a', "admin.audit", "{'limit':1}", "{'entries':[{'id':*,'at':*,'user':'a',*}],'more':true}" },
    { 'c', "admin.audit", "{}", "!103 permission denied" },
    { 'a', "admin.stats", "{}",
      "{'users':*,'rooms':4,'messages':4,'bytes':*,'files_bytes':0,'online':5,'version':'*'}" },
    { 'c', "admin.stats", "{}", "!103 permission denied" },
};

static int each_method(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && everybody_comes(s));
    SAY_ALL(s, teams);
    SAY_ALL(s, rooms);
    SAY_ALL(s, members);
    SAY_ALL(s, messages);
    SAY_ALL(s, marks);
    SAY_ALL(s, moderation);
    SAY_ALL(s, invites);
    SAY_ALL(s, finding);
    SAY_ALL(s, webhooks);
    SAY_ALL(s, administration);

    size_t n;
    const struct chat_method *all = chat_methods(&n);
    for (size_t i = 0; i < n; i++) {
        bool is_done = s->has_done & UINT64_C(1) << i, is_refused = s->has_refused & UINT64_C(1)
                                                                                             << i;
        if (!story_is(w, is_done && is_refused, all[i].name, "done and refused", (int) i))
            return -EBADMSG;
    }
    return 0;
}

static void every_method_answers_and_refuses(void **state) {
    assert_null(play(CHAT(""), each_method));
}

static uint64_t counted(struct world *w, enum metrics_counter id) {
    uint64_t n = 0;
    for (size_t i = 0; i < w->daemon->n_workers; i++)
        n += metrics_counter_of(&w->daemon->threads[i].worker.metrics, id);
    return n;
}

/* No time at all; the configuration has no less than a millisecond, which is many messages. */
static void give_searches_no_time(struct chat_store *store) {
    struct chat_limits *limits = (struct chat_limits *) (uintptr_t) chat_store_limits(store);
    limits->search_work_us = 0;
}

static int found_in_part(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    char data[64], asked[128];
    STORY_EXPECT(w, s && chat_scene_connect(s, 'b'));
    ASKS(s, 'b', "room.create", "{'kind':'public','name':'A'}", "$1={*}");
    ASKS(s, 'b', "message.send", "{'room':'$1','client_id':'n','text':'the needle'}", "{*}");
    for (int i = 0; i < 100; i++) {
        (void) snprintf(data, sizeof data, "{'room':'$1','client_id':'%d','text':'hay'}", i);
        ASKS(s, 'b', "message.send", data, "{*}");
    }
    give_searches_no_time(w->daemon->chat->store);
    ASKS(s, 'b', "search", "{'q':'needle'}", "{'hits':[],'cursor':'*','partial':true}");
    uint64_t n = counted(w, COUNT_CHAT_SEARCH_PARTIAL);
    STORY_EXPECT(w, n == 1);

    const char *cursor = strstr(s->line, "\"cursor\":\"");
    STORY_EXPECT(w, cursor != NULL);
    cursor += sizeof "\"cursor\":\"" - 1;
    (void) snprintf(asked, sizeof asked, "{'q':'needle','cursor':'%.*s'}",
                    (int) strcspn(cursor, "\""), cursor);
    ASKS(s, 'b', "search", asked, "{'hits':[{'message':{*'seq':1,*},'snippet':*}]}");
    STORY_EXPECT(w, counted(w, COUNT_CHAT_SEARCH_PARTIAL) == n);
    return 0;
}

static void a_search_that_takes_too_long_says_where_to_go_on(void **state) {
    assert_null(play(CHAT(""), found_in_part));
}

static void methods_stand_in_order(void **state) {
    size_t n;
    const struct chat_method *all = chat_methods(&n);
    for (size_t i = 1; i < n; i++)
        assert_true(strcmp(all[i - 1].name, all[i].name) < 0);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(chat_method_of(str_of(all[i].name)), &all[i]);
    assert_null(chat_method_of(STR("")));
    assert_null(chat_method_of(STR("syn")));
    assert_null(chat_method_of(STR("sync.all")));
}

/* ---- limits ---- */

static int to_the_limits(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && chat_scene_connect(s, 'b') && chat_scene_connect(s, 'c') &&
                            chat_scene_connect(s, 'e'));
    static const struct line lines[] = {
        { 'b', "room.create", "{'kind':'public','name':'A','users':['c']}", "$1={*}" },
        { 'b', "member.add", "{'room':'$1','user':'e'}", "!409 conflict;field=members;max=2" },
        { 'b', "message.send", "{'room':'$1','client_id':'1','text':'$1$1$1$1$1$1'}",
          "!413 too_long;field=text;max=64" },
        { 'b', "message.send", "{'room':'$1','client_id':'1','text':'a'}", "{*}" },
        { 'b', "message.send", "{'room':'$1','client_id':'2','text':'b'}", "{*}" },
        { 'b', "reaction.add", "{'room':'$1','seq':1,'emoji':'x'}", "{*}" },
        { 'c', "reaction.add", "{'room':'$1','seq':1,'emoji':'x'}", "{*}" },
        { 'b', "reaction.add", "{'room':'$1','seq':1,'emoji':'y'}",
          "!409 conflict;field=emoji;max=1" },
        { 'b', "pin.add", "{'room':'$1','seq':1}", "{*}" },
        { 'b', "pin.add", "{'room':'$1','seq':2}", "!409 conflict;field=pins;max=1" },
        { 'b', "message.history", "{'room':'$1','limit':100}",
          "{'messages':[{*'seq':2,*}],'has_before':true,*}" },
        { 'b', "room.create", "{'kind':'public','name':'B'}", "{*}" },
        { 'b', "room.create", "{'kind':'public','name':'C'}", "!409 conflict;field=rooms;max=2" },
        { 'b', "message.send", "{'client_id':'3','text':'c'}", "!107 bad request;field=room" },
        { 'b', "message.send", "{'room':'$1','client_id':'3','text':''}",
          "!107 bad request;field=text" },
    };
    SAY_ALL(s, lines);
    STORY_EXPECT(w, counted(w, COUNT_CHAT_CONFLICT) == 4);
    STORY_EXPECT(w, counted(w, COUNT_CHAT_TOO_LONG) == 1);
    STORY_EXPECT(w, counted(w, COUNT_CHAT_BAD_REQUEST) == 2);
    return 0;
}

static int when_it_is_old(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && chat_scene_connect(s, 'b'));
    static const struct line lines[] = {
        { 'b', "room.create", "{'kind':'public','name':'A'}", "$1={*}" },
        { 'b', "message.send", "{'room':'$1','client_id':'1','text':'a'}", "{*}" },
        { 'b', "message.edit", "{'room':'$1','seq':1,'text':'b'}", "{*}" },
    };
    SAY_ALL(s, lines);
    STORY_EXPECT(w, task_sleep(2000) == 0);
    ASKS(s, 'b', "message.edit", "{'room':'$1','seq':1,'text':'c'}", "!433 edit_window");
    STORY_EXPECT(w, counted(w, COUNT_CHAT_EDIT_WINDOW) == 1);
    return 0;
}

static void what_is_old_is_not_edited(void **state) {
    assert_null(play(CHAT(", edit_window: 1s"), when_it_is_old));
}

static void limits_are_those_of_the_configuration(void **state) {
    assert_null(play(CHAT(", members_max: 2, text_max_size: 64, reactions_max: 1, pins_max: 1, "
                          "page_max: 1, rooms_max_per_user: 2"),
                     to_the_limits));
}

static int too_often(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    STORY_EXPECT(w, s && chat_scene_connect(s, 'b'));
    static const struct line lines[] = {
        { 'b', "room.create", "{'kind':'public','name':'A'}", "$1={*}" },
        { 'b', "room.update", "{'room':'$1','topic':'x'}", "{*}" },
        { 'b', "room.update", "{'room':'$1','topic':'x'}", "!111 too many requests;retry_ms=*" },
        { 'b', "message.send", "{'room':'$1','client_id':'1','text':'a'}", "{*}" },
        { 'b', "message.send", "{'room':'$1','client_id':'2','text':'a'}",
          "!111 too many requests;retry_ms=*" },
        { 'b', "message.get", "{'room':'$1','seq':1}", "{*}" },
        { 'b', "message.get", "{'room':'$1','seq':1}", "{*}" },
        { 'b', "message.get", "{'room':'$1','seq':1}", "{*}" },
        { 'b', "message.get", "{'room':'$1','seq':1}", "!111 too many requests;retry_ms=*" },
    };
    SAY_ALL(s, lines);
    return 0;
}

static void rates_are_a_users_and_of_their_kind(void **state) {
    assert_null(play("chat: { enabled: true, send_rate: 1, send_burst: 1, write_rate: 1, "
                     "write_burst: 2, read_rate: 1, read_burst: 3 }\nclient: { ping_interval: 0 }",
                     too_often));
}

/* ---- off ---- */

static int without_it(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"b\"}")));
    PLAYS(p, "> {'id':1,'rpc':{'method':'sync','data':{}}}\n"
             "< {'id':1,'error':{'code':108,'message':'not available'}}\n"
             "> {'id':2,'subscribe':{'channel':'room:x'}}\n"
             "< {'id':2,'error':{'code':102,'message':'unknown channel'}}");
    return 0;
}

static void where_it_is_off_nothing_of_it_is_there(void **state) {
    assert_null(play("client: { ping_interval: 0 }", without_it));
}

static int a_disk_fails(struct world *w, void *arg) {
    CLEANUP(free_scene) struct chat_scene *s = chat_scene_new(w);
    struct sim_disk *disk = arg;
    STORY_EXPECT(w, s && chat_scene_connect(s, 'b'));
    ASKS(s, 'b', "room.create", "{'kind':'public','name':'A'}", "$1={*}");
    sim_disk_fail(disk, SIM_ANY, 1, 1000000, EIO);
    ASKS(s, 'b', "message.send", "{'room':'$1','client_id':'1','text':'a'}", "!434 storage");
    ASKS(s, 'b', "message.history", "{'room':'$1'}", "{'messages':[],*}");
    sim_disk_fail(disk, SIM_ANY, 1, 0, 0);
    (void) chat_scene_count(s, 'b', "");
    ASKS(s, 'b', "message.send", "{'room':'$1','client_id':'1','text':'a'}", "{'seq':1,*}");
    return 0;
}

static void what_the_disk_did_not_take_may_be_sent_again(void **state) {
    struct sim_disk *disk = sim_disk_new("parley-chat", 1);
    assert_null(world_run(
            &(struct world_options){ .config = CHAT(""), .data_dir = "disk", .vfs = "parley-chat" },
            a_disk_fails, disk));
    sim_disk_free(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_answers_and_refuses),
        cmocka_unit_test(a_search_that_takes_too_long_says_where_to_go_on),
        cmocka_unit_test(methods_stand_in_order),
        cmocka_unit_test(limits_are_those_of_the_configuration),
        cmocka_unit_test(what_is_old_is_not_edited),
        cmocka_unit_test(rates_are_a_users_and_of_their_kind),
        cmocka_unit_test(where_it_is_off_nothing_of_it_is_there),
        cmocka_unit_test(what_the_disk_did_not_take_may_be_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
