/* Subscriptions that the server makes: at connect, by the API; what they mean for refreshes,
 * expiries and gaps; and errands, by which others do things to a session. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "daemon/channel.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/session/subscription.h"
#include "daemon/survey.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

#define NAMESPACES                                                                                 \
    "channel:\n"                                                                                   \
    "  without_namespace: {presence: true}\n"                                                      \
    "  namespaces:\n"                                                                              \
    "    - {name: open, allow_subscribe_for_client: true, presence: true, join_leave: true,\n"     \
    "       force_push_join_leave: true, allow_presence_for_client: true}\n"                       \
    "    - {name: kept, history_size: 5, history_ttl: 60s, allow_publish_for_client: true,\n"      \
    "       force_recovery: true}\n"                                                               \
    "    - {name: feed, history_size: 5, history_ttl: 60s, allow_publish_for_client: true,\n"      \
    "       force_recovery: true, allow_subscribe_for_client: true}\n"                             \
    "    - {name: last, history_size: 5, history_ttl: 60s, allow_publish_for_client: true,\n"      \
    "       force_recovery: true, force_recovery_mode: cache}\n"                                   \
    "    - {name: map, subscription_type: map, map: {mode: ephemeral}}\n"                          \
    "    - {name: own}\n"                                                                          \
    "    - {name: closed}\n"
#define CLIENT "client: {channel_limit: 4, ping_interval: 3600s"
#define AS_42  "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>'}}\n < {'id':1,'connect':{*}}\n"

static const char plain[] = CLIENT "}\n" NAMESPACES;
static const char personal[] = CLIENT ", subscribe_to_user_personal_channel: {enabled: true, "
                                      "personal_channel_namespace: own}}\n" NAMESPACES;

struct dialogue {
    const char *what;
    const char *config;
    const char *lines;
};

static const struct dialogue dialogues[] = {
    { "a token's channels are in the reply", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['a','own:b']}>>'}}\n"
      "< {'id':1,'connect':{*'subs':{'a':{},'own:b':{}},*}}\n"
      "> {'id':2,'presence_stats':{'channel':'a'}}\n < {'id':2,'error':{'code':103,*" },
    { "a token's subs come with data, info and options of their own", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','subs':{'own:b':{'data':{'x':[1]},"
      "'info':{'c':2},'override':{'presence':{'value':true},'join_leave':{'value':true},"
      "'force_push_join_leave':{'value':true}}}}}>>'}}\n"
      "< {'id':1,'connect':{*'subs':{'own:b':{'data':{'x':[1]}}},*}}\n"
      "< {'push':{'channel':'own:b','join':{'info':{'user':'42','client':'*','chan_info':{'c':2}}}}"
      "}" },
    { "data that is no JSON is none for a client that speaks it", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','subs':{'a':{'b64data':'/w=='}}}>>'}}\n"
      "< close 3506 inappropriate protocol" },
    { "nor a subscription token's", plain,
      AS_42 "> {'id':2,'subscribe':{'channel':'a','token':'<<{'sub':'42','channel':'a',"
            "'b64data':'/w=='}>>'}}\n < close 3506 inappropriate protocol" },
    { "info that is no JSON is no info", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','subs':{'a':{'b64info':'/w=='}}}>>'}}\n"
      "< close 3500 invalid token" },
    { "a server-side subscription is not the client's to refresh", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['a']}>>'}}\n < "
      "{'id':1,'connect':{*\n"
      "> {'id':2,'sub_refresh':{'channel':'a','token':'<<{'sub':'42','channel':'a'}>>'}}\n"
      "< close 3501 bad request" },
    { "named by the token twice it is one", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['a','a']}>>'}}\n"
      "< {'id':1,'connect':{*'subs':{'a':{}},*}}" },
    { "a kept channel comes with its position", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['kept:a']}>>'}}\n"
      "< {'id':1,'connect':{*'subs':{'kept:a':{'recoverable':true,'epoch':'*','positioned':true}},"
      "*}}\n"
      "> {'id':2,'publish':{'channel':'kept:a','data':1}}\n"
      "< {'id':2,'publish':{}}\n < {'push':{'channel':'kept:a','pub':{'data':1,*'offset':1*" },
    { "a token with a channel of no namespace lets nobody in", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['what:a']}>>'}}\n"
      "< {'id':1,'error':{'code':102,'message':'unknown channel'}}\n"
      "> {'id':2,'subscribe':{'channel':'open:a'}}\n < close 3501 bad request" },
    { "a token with a channel that cannot be", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['map:a']}>>'}}\n"
      "< {'id':1,'error':{'code':107,'message':'bad request'}}" },
    { "more channels than a client may have", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['a','b','c','d','e']}>>'}}\n"
      "< close 3505 channel limit" },
    { "the server's count for the client's limit, too", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['a','b','c','d']}>>'}}\n"
      "< {'id':1,'connect':{*}}\n"
      "> {'id':2,'subscribe':{'channel':'open:a'}}\n < {'id':2,'error':{'code':106,*" },
    { "a channel that the server has subscribed to cannot be had again", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['open:a']}>>'}}\n"
      "< {'id':1,'connect':{*}}\n < {'push':{'channel':'open:a','join':*\n"
      "> {'id':2,'subscribe':{'channel':'open:a'}}\n < {'id':2,'error':{'code':105,*" },
    { "a client may leave what the server has subscribed it to", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['kept:a']}>>'}}\n"
      "< {'id':1,'connect':{*}}\n"
      "> {'id':2,'unsubscribe':{'channel':'kept:a'}}\n < {'id':2,'unsubscribe':{}}\n"
      "> {'id':3,'publish':{'channel':'kept:a','data':1}}\n < {'id':3,'publish':{}}" },

    /* the personal channel */
    { "a user has a channel", personal,
      "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>'}}\n"
      "< {'id':1,'connect':{*'subs':{'own:#42':{}},*}}" },
    { "an anonymous one has none", personal,
      "> {'id':1,'connect':{'token':'<<{'sub':''}>>'}}\n"
      "< {'id':1,'connect':{'client':'*','version':'*','ping':3600,'pong':true}}" },

    /* positions in the connect request */
    { "recovered publications come in the connect reply", plain,
      AS_42 "> {'id':2,'publish':{'channel':'kept:a','data':1}}\n < {'id':2,'publish':{}}\n"
            "> {'id':3,'publish':{'channel':'kept:a','data':2}}\n < {'id':3,'publish':{}}\n"
            "again\n"
            "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['kept:a']}>>',"
            "'subs':{'kept:a':{'recover':true,'offset':1}}}}\n"
            "< {'id':1,'connect':{*'subs':{'kept:a':{'recoverable':true,'epoch':'*',"
            "'publications':[{'data':2,*'offset':2}],'recovered':true,'offset':1,"
            "'positioned':true,'was_recovering':true}},*}}" },
    { "what cannot be recovered says where the stream is", plain,
      AS_42 "> {'id':2,'publish':{'channel':'kept:a','data':1}}\n < {'id':2,'publish':{}}\n"
            "again\n"
            "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['kept:a']}>>',"
            "'subs':{'kept:a':{'recover':true,'offset':0,'epoch':'old'}}}}\n"
            "< {'id':1,'connect':{*'subs':{'kept:a':{'recoverable':true,'epoch':'*','offset':1,"
            "'positioned':true,'was_recovering':true}},*}}" },
    { "a channel that the client may have comes unasked by the token", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>','subs':{'feed:a':{'recover':true}}}}\n"
      "< {'id':1,'connect':{*'subs':{'feed:a':{'recoverable':true,'epoch':'*','recovered':true,"
      "'positioned':true,'was_recovering':true}},*}}" },
    { "one that it may not have is left out", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>','subs':{'closed:a':{},'$feed:a':{},"
      "'map:a':{}}}}\n"
      "< {'id':1,'connect':{'client':'*','version':'*','ping':3600,'pong':true}}" },
    { "one of no namespace is a bad request", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>','subs':{'what:a':{}}}}\n"
      "< close 3501 bad request" },

    /* refresh */
    { "refresh with the same channels, in another order", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW+60,'channels':['a','b']}>>'}}\n"
      "< {'id':1,'connect':{*}}\n"
      "> {'id':2,'refresh':{'token':'<<{'sub':'42','exp':NOW+90,'channels':['b','a']}>>'}}\n"
      "< {'id':2,'refresh':{'expires':true,'ttl':90}}" },
    { "refresh with other channels", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW+60,'channels':['a','b']}>>'}}\n"
      "< {'id':1,'connect':{*}}\n"
      "> {'id':2,'refresh':{'token':'<<{'sub':'42','exp':NOW+90,'channels':['a','c']}>>'}}\n"
      "< close 3010 insufficient state" },
    { "refresh with none", plain,
      "> {'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW+60,'channels':['a']}>>'}}\n"
      "< {'id':1,'connect':{*}}\n"
      "> {'id':2,'refresh':{'token':'<<{'sub':'42','exp':NOW+90}>>'}}\n"
      "< close 3010 insufficient state" },

    /* a subscription's type */
    { "a stream request for a map", plain,
      AS_42 "> {'id':2,'subscribe':{'channel':'map:a'}}\n < {'id':2,'error':{'code':103,*" },
};

static bool play_twice(struct world *w, const struct dialogue *d) {
    char first[2048];
    const char *again = strstr(d->lines, "again\n");
    (void) snprintf(first, sizeof first, "%.*s",
                    (int) (again ? again - d->lines : (ptrdiff_t) strlen(d->lines)), d->lines);

    struct peer *p = peer_open(w, NULL);
    bool is_well = p && peer_play(p, first, d->what, 1);
    if (p)
        peer_close(p);
    if (!is_well || !again)
        return is_well;
    p = peer_open(w, NULL);
    is_well = p && peer_play(p, again + strlen("again\n"), d->what, 2);
    if (p)
        peer_close(p);
    return is_well;
}

static int play(struct world *w, void *arg) {
    return play_twice(w, arg) ? 0 : -EBADMSG;
}

static void each_dialogue_goes_as_the_protocol_says(void **state) {
    size_t failed = 0;

    for (size_t i = 0; i < ELEMENTS_OF(dialogues); i++) {
        struct dialogue d = dialogues[i];
        const char *why = world_run(&(struct world_options){ .config = d.config }, play, &d);
        if (why) {
            print_error("%s\n  %s\n", d.what, why);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

/* ---- more than fits ---- */

static int much_at_once(struct world *w, void *arg) {
    static char payload[9001];
    memset(payload, 'x', sizeof payload - 1);
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    for (int i = 0; i < 8; i++) {
        peer_say(p, "{\"id\":%d,\"publish\":{\"channel\":\"kept:%c\",\"data\":\"%s\"}}", i + 2,
                 i % 2 ? 'b' : 'a', payload);
        HEARS(p, "{\"id\":*,\"publish\":{}}");
    }
    peer_close(p);

    p = peer_open(w, NULL);
    PLAYS(p, "> {'id':1,'connect':{'token':'<<{'sub':'42','channels':['kept:a','kept:b']}>>',"
             "'subs':{'kept:a':{'recover':true},'kept:b':{'recover':true}}}}\n"
             "< {'id':1,'connect':{*'subs':{'kept:a':{*'offset':4}],'recovered':true,*},"
             "'kept:b':{'recoverable':true,'epoch':'*','offset':4,'positioned':true,"
             "'was_recovering':true}},*}}");
    peer_close(p);
    return 0;
}

static void what_all_recover_together_fits_the_clients_queue(void **state) {
    assert_null(world_run(
            &(struct world_options){ .config = CLIENT ", queue_max_size: 65536}\n" NAMESPACES },
            much_at_once, NULL));
}

/* ---- what others do ---- */

static struct worker *worker_of(struct world *w, unsigned index) {
    return &w->daemon->threads[index].worker;
}

static struct session *session_of(struct world *w, struct peer *p) {
    for (unsigned i = 0; i < w->daemon->n_workers; i++) {
        struct session *s = hub_find_client(worker_of(w, i), str_of(peer_client_id(p)));
        if (s)
            return s;
    }
    return NULL;
}

struct deed {
    struct session_errand errand;
    struct server_sub sub;
    struct str leave;
    int result;
    int n_run, n_dropped;
    int waits_ms; /* before it is done */
    int *order;   /* a counter: what number it was */
    int was;
};

static void do_subscribe(struct session *s, struct session_errand *e) {
    struct deed *d = CONTAINER_OF(e, struct deed, errand);
    d->n_run++;
    d->result = session_subscribe_server(s, &d->sub);
}

static void do_unsubscribe(struct session *s, struct session_errand *e) {
    struct deed *d = CONTAINER_OF(e, struct deed, errand);
    d->n_run++;
    session_unsubscribe_server(s, d->leave, 2000, (struct str){ 0 });
}

static void do_wait(struct session *s, struct session_errand *e) {
    struct deed *d = CONTAINER_OF(e, struct deed, errand);
    d->n_run++;
    d->result = task_sleep(d->waits_ms);
    if (d->order)
        d->was = ++*d->order;
}

static void on_drop(struct session_errand *e) {
    CONTAINER_OF(e, struct deed, errand)->n_dropped++;
}

static struct deed deed_of(void (*run)(struct session *, struct session_errand *)) {
    return (struct deed){ .errand = { .run = run, .drop = on_drop }, .result = 1 };
}

static int api_subscribes(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    struct deed d = deed_of(do_subscribe);
    d.sub = (struct server_sub){ .channel = STR("kept:a"),
                                 .data = str_bytes(STR("{\"x\":1}")),
                                 .source = SERVER_SUB_API };
    STORY_EXPECT(w, session_post(session_of(w, p), &d.errand) == 0);
    HEARS(p,
          "{\"push\":{\"channel\":\"kept:a\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"*\","
          "\"positioned\":true,\"data\":{\"x\":1}}}}");
    STORY_EXPECT(w, d.n_run == 1 && d.result == 0 && d.n_dropped == 0);
    PLAYS(p,
          "> {'id':2,'publish':{'channel':'kept:a','data':1}}\n"
          "< {'id':2,'publish':{}}\n < {'push':{'channel':'kept:a','pub':{'data':1,*'offset':1*");

    /* once is enough */
    STORY_EXPECT(w, session_post(session_of(w, p), &d.errand) == 0 && task_sleep(10) == 0);
    STORY_EXPECT(w, d.result == ERROR_ALREADY_SUBSCRIBED);
    d.sub.channel = STR("what:a");
    STORY_EXPECT(w, session_post(session_of(w, p), &d.errand) == 0 && task_sleep(10) == 0);
    STORY_EXPECT(w, d.result == ERROR_UNKNOWN_CHANNEL);
    PLAYS(p, "> {'id':3,'publish':{'channel':'kept:a','data':2}}\n");
    STORY_EXPECT(w, task_sleep(10) == 0);

    struct deed out = deed_of(do_unsubscribe);
    out.leave = STR("kept:a");
    while (strcmp(peer_hear(p, 100), "nothing") != 0)
        ;
    STORY_EXPECT(w, session_post(session_of(w, p), &out.errand) == 0);
    PLAYS(p, "< {'push':{'channel':'kept:a','unsubscribe':{'code':2000,'reason':'server "
             "unsubscribe'}}}\n"
             "> {'id':4,'publish':{'channel':'kept:a','data':3}}\n < {'id':4,'publish':{}}");
    STORY_EXPECT(w, strcmp(peer_hear(p, 100), "nothing") == 0);

    /* since a position: what was missed follows */
    d.sub.channel = STR("kept:a");
    d.sub.has_since = true;
    d.sub.since_offset = 1;
    STORY_EXPECT(w, session_post(session_of(w, p), &d.errand) == 0);
    PLAYS(p, "< {'push':{'channel':'kept:a','subscribe':{*'offset':1,*\n"
             "< {'push':{'channel':'kept:a','pub':{'data':2,*'offset':2*\n"
             "< {'push':{'channel':'kept:a','pub':{'data':3,*'offset':3*");
    peer_close(p);
    return 0;
}

static void the_api_subscribes_and_unsubscribes_a_client(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, api_subscribes, NULL));
}

static int leaves_all(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(
            w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\",\"channels\":[\"a\",\"b\"]}")));
    PLAYS(p, "> {'id':2,'subscribe':{'channel':'feed:a'}}\n < {'id':2,'subscribe':{*");
    struct deed out = deed_of(do_unsubscribe);
    STORY_EXPECT(w, session_post(session_of(w, p), &out.errand) == 0);
    PLAYS(p, "< {'push':{'channel':'feed:a','unsubscribe':{'code':2000,*\n"
             "< {'push':{'channel':'b','unsubscribe':{'code':2000,*\n"
             "< {'push':{'channel':'a','unsubscribe':{'code':2000,*");
    peer_close(p);
    return 0;
}

static void unsubscribing_from_nothing_in_particular_means_everything(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, leaves_all, NULL));
}

static int in_order(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    struct session *s = session_of(w, p);
    int order = 0;
    struct deed slow = deed_of(do_wait), quick = deed_of(do_wait);
    slow.waits_ms = 500;
    slow.order = quick.order = &order;

    STORY_EXPECT(w, session_post(s, &slow.errand) == 0 && session_post(s, &quick.errand) == 0);
    STORY_EXPECT(w, task_sleep(100) == 0 && slow.n_run == 1 && quick.n_run == 0);
    /* the client's command waits for both */
    peer_say(p, "{\"id\":2,\"unsubscribe\":{\"channel\":\"x\"}}");
    STORY_EXPECT(w, strcmp(peer_hear(p, 300), "nothing") == 0);
    PLAYS(p, "< {'id':2,'unsubscribe':{}}");
    STORY_EXPECT(w, slow.was == 1 && quick.was == 2 && slow.result == 0);

    /* and one posted while the client says something all the time has its turn */
    STORY_EXPECT(w, session_post(s, &quick.errand) == 0);
    peer_say(p, "{\"id\":3,\"unsubscribe\":{\"channel\":\"x\"}}");
    PLAYS(p, "< {'id':3,'unsubscribe':{}}");
    STORY_EXPECT(w, quick.n_run == 2);
    peer_close(p);
    return 0;
}

static void errands_come_one_after_another_and_never_beside_a_command(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, in_order, NULL));
}

static int cut_short(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    struct session *s = session_of(w, p);
    struct deed slow = deed_of(do_wait), never = deed_of(do_wait), late = deed_of(do_wait);
    slow.waits_ms = 60000;

    STORY_EXPECT(w, session_post(s, &slow.errand) == 0 && session_post(s, &never.errand) == 0);
    STORY_EXPECT(w, task_sleep(100) == 0 && slow.n_run == 1);
    session_disconnect_with(s, 4321, STR("go away"));
    STORY_EXPECT(w, session_post(s, &late.errand) == -ESHUTDOWN && late.n_dropped == 1);
    PLAYS(p, "< close 4321 go away");
    STORY_EXPECT(w, slow.result == -ECANCELED && slow.n_dropped == 0);
    STORY_EXPECT(w, never.n_run == 0 && never.n_dropped == 1 && late.n_run == 0);
    STORY_EXPECT(w, !session_of(w, p));
    peer_close(p);
    return 0;
}

static void an_errand_ends_with_its_session(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, cut_short, NULL));
}

static int many(struct world *w, void *arg) {
    enum { MANY = 300 };
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    struct deed *all = calloc(MANY, sizeof *all);
    STORY_EXPECT(w, all);
    for (int i = 0; i < MANY; i++) {
        all[i] = deed_of(do_wait);
        (void) session_post(session_of(w, p), &all[i].errand);
    }
    int r = task_sleep(1000), n = 0;
    for (int i = 0; i < MANY; i++)
        n += all[i].n_run;
    free(all);
    STORY_EXPECT(w, r == 0 && n == MANY);
    peer_close(p);
    return 0;
}

static void however_many_errands_there_are_all_are_run(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, many, NULL));
}

static int refreshes(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\",\"info\":{\"a\":1},"
                                                        "\"jti\":\"t\",\"meta\":{\"m\":1}}")));
    struct session *s = session_of(w, p);
    STORY_EXPECT(w, str_equal(session_token_id(s), STR("t")));
    STORY_EXPECT(w, bytes_equal(session_meta(s), str_bytes(STR("{\"m\":1}"))));

    int64_t end_s = world_now_s() + 60;
    STORY_EXPECT(w,
                 session_refresh_server(s, false, end_s, true, str_bytes(STR("{\"b\":2}"))) == 0);
    PLAYS(p, "< {'push':{'refresh':{'expires':true,'ttl':60}}}\n"
             "> {'id':2,'subscribe':{'channel':'open:a'}}\n"
             "< {'id':2,'subscribe':{}}\n"
             "< {'push':{'channel':'open:a','join':{'info':{'user':'42','client':'*','conn_info':"
             "{'b':2}}}}}");
    STORY_EXPECT(w, str_equal(session_token_id(s), STR("t")));
    STORY_EXPECT(w, bytes_equal(session_meta(s), str_bytes(STR("{\"m\":1}"))));
    STORY_EXPECT(w, session_refresh_server(s, false, 0, false, bytes_of(NULL, 0)) == 0);
    PLAYS(p, "< {'push':{'refresh':{}}}\n");
    STORY_EXPECT(w, strcmp(peer_hear(p, 120000), "nothing") == 0);
    STORY_EXPECT(w, session_refresh_server(s, true, 0, false, bytes_of(NULL, 0)) == 0);
    PLAYS(p, "< close 3005 connection expired");
    peer_close(p);
    return 0;
}

static void the_api_refreshes_a_connection(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, refreshes, NULL));
}

static int expires(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    struct deed d = deed_of(do_subscribe);
    d.sub = (struct server_sub){ .channel = STR("a"), .expire_at_s = world_now_s() + 10 };
    STORY_EXPECT(w, session_post(session_of(w, p), &d.errand) == 0);
    PLAYS(p, "< {'push':{'channel':'a','subscribe':{}}}\n");
    STORY_EXPECT(w, strcmp(peer_hear(p, 29000), "nothing") == 0);
    STORY_EXPECT(w, session_sub_refresh_server(session_of(w, p), STR("a"), false,
                                               world_now_s() + 10, false, bytes_of(NULL, 0)) == 0);
    STORY_EXPECT(w, strcmp(peer_hear(p, 33000), "nothing") == 0);
    PLAYS(p, "< close 3006 subscription expired");
    peer_close(p);
    return 0;
}

static void an_expired_server_side_subscription_ends_the_connection(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, expires, NULL));
}

static int gap(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(
            w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\",\"channels\":[\"kept:a\"]}")));
    PLAYS(p,
          "> {'id':2,'publish':{'channel':'kept:a','data':1}}\n"
          "< {'id':2,'publish':{}}\n < {'push':{'channel':'kept:a','pub':{'data':1,*'offset':1*");
    while (strcmp(peer_hear(p, 100), "nothing") != 0)
        ;
    struct session *s = session_of(w, p);
    session_lost(s, subscription_find(s, STR("kept:a"))->channel);
    /* nothing newer may come before the end */
    STORY_EXPECT(w, !subscription_find(s, STR("kept:a")));
    PLAYS(p, "< close 3010 insufficient state");
    peer_close(p);
    return 0;
}

static void a_gap_in_a_server_side_subscription_ends_the_connection(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, gap, NULL));
}

/* ---- how many connections of a user ---- */

static int limited(struct world *w, void *arg) {
    struct peer *p[4];
    for (int i = 0; i < 4; i++)
        STORY_EXPECT(w, (p[i] = peer_open(w, &(struct peer_options){ .worker = i % 3 })));
    for (int i = 0; i < 2; i++)
        STORY_EXPECT(w, peer_connect(p[i], world_token(w, "{\"sub\":\"42\"}")));
    PLAYS(p[2],
          "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>'}}\n < close 3504 connection limit");
    STORY_EXPECT(w, peer_connect(p[3], world_token(w, "{\"sub\":\"43\"}")));
    peer_close(p[0]);
    STORY_EXPECT(w, task_sleep(100) == 0);
    p[0] = peer_open(w, NULL);
    STORY_EXPECT(w, p[0] && peer_connect(p[0], world_token(w, "{\"sub\":\"42\"}")));

    /* one that is turned away later counts no more */
    struct peer *bad = peer_open(w, NULL);
    PLAYS(bad, "> {'id':1,'connect':{'token':'<<{'sub':'43','channels':['what:a']}>>'}}\n"
               "< {'id':1,'error':{'code':102,*");
    struct peer *good = peer_open(w, NULL);
    STORY_EXPECT(w, good && peer_connect(good, world_token(w, "{\"sub\":\"43\"}")));

    /* who came while there was no limit counts when there is one */
    STORY_EXPECT(w, world_configure(w, CLIENT "}\n" NAMESPACES) == 0);
    struct peer *third = peer_open(w, NULL);
    STORY_EXPECT(w, third && peer_connect(third, world_token(w, "{\"sub\":\"42\"}")));
    STORY_EXPECT(w, world_configure(w, CLIENT ", user_connection_limit: 3}\n" NAMESPACES) == 0);
    struct peer *fourth = peer_open(w, NULL);
    PLAYS(fourth,
          "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>'}}\n < close 3504 connection limit");
    return 0;
}

static void a_user_has_no_more_connections_than_allowed_on_all_workers(void **state) {
    assert_null(world_run(
            &(struct world_options){ .config = CLIENT ", user_connection_limit: 2}\n" NAMESPACES,
                                     .workers = 3 },
            limited, NULL));
}

static int single(struct world *w, void *arg) {
    struct peer *a = peer_open(w, &(struct peer_options){ .worker = 0 });
    struct peer *b = peer_open(w, &(struct peer_options){ .worker = 1 });
    struct peer *other = peer_open(w, &(struct peer_options){ .worker = 0 });
    STORY_EXPECT(w, a && b && other);
    STORY_EXPECT(w, peer_connect(a, world_token(w, "{\"sub\":\"42\"}")));
    STORY_EXPECT(w, peer_connect(other, world_token(w, "{\"sub\":\"43\"}")));
    STORY_EXPECT(w, peer_connect(b, world_token(w, "{\"sub\":\"42\"}")));
    PLAYS(a, "< close 3504 connection limit");
    STORY_EXPECT(w, strcmp(peer_hear(b, 100), "nothing") == 0);
    STORY_EXPECT(w, strcmp(peer_hear(other, 100), "nothing") == 0);
    return 0;
}

static void a_user_s_single_connection_is_the_newest(void **state) {
    assert_null(world_run(
            &(struct world_options){ .config = CLIENT
                                     ", subscribe_to_user_personal_channel: {enabled: true, "
                                     "single_connection: true}}\n" NAMESPACES,
                                     .workers = 2 },
            single, NULL));
}

static int library(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    PLAYS(p, "> {'id':1,'connect':{'token':'<<{'sub':'42','meta':{'m':1}}>>','name':'js',"
             "'version':'5.8.0'}}\n < {'id':1,'connect':{*");
    struct session *s = hub_first_of_user(worker_of(w, 0), STR("42"));
    STORY_EXPECT(w, s && str_equal(session_library(s), STR("js")));
    STORY_EXPECT(w, str_equal(session_library_version(s), STR("5.8.0")));
    STORY_EXPECT(w, task_sleep(1000) == 0);
    PLAYS(p, "> {'id':2,'refresh':{'token':'<<{'sub':'42','jti':'new','iat':NOW-1}>>'}}\n"
             "< {'id':2,'refresh':{}}");
    STORY_EXPECT(w, str_equal(session_library(s), STR("js")));
    STORY_EXPECT(w, str_equal(session_library_version(s), STR("5.8.0")));
    STORY_EXPECT(w, str_equal(session_token_id(s), STR("new")));
    STORY_EXPECT(w, session_token_issued_at_s(s) == world_now_s() - 1);
    STORY_EXPECT(w, bytes_equal(session_meta(s), str_bytes(STR("{\"m\":1}"))));
    STORY_EXPECT(w, session_connected_ms(s) <= loop_wall_ms() - 1000);

    char claims[512], name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void) snprintf(claims, sizeof claims,
                    "> {'id':1,'connect':{'token':'<<{'sub':'43'}>>','name':'%s'}}\n"
                    "< {'id':1,'connect':{*",
                    name);
    struct peer *other = peer_open(w, &(struct peer_options){ .worker = 0 });
    PLAYS(other, claims);
    s = hub_first_of_user(worker_of(w, 0), STR("43"));
    STORY_EXPECT(w, s && session_library(s).len == 255);
    return 0;
}

static void what_a_connect_says_of_itself_is_kept_over_refreshes(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, library, NULL));
}

/* ---- crowds ---- */

/* What strangers do to everybody of a user: errands, refreshes, ends. */
struct storm {
    struct world *world;
    atomic_int posted, settled;
    atomic_bool is_over;
};

struct blow {
    struct session_errand errand;
    struct storm *storm;
    unsigned kind;
};

static const struct str blown[] = { { "kept:a", 6 }, { "feed:a", 6 }, { "open:a", 6 }, { "a", 1 } };

static void blow_done(struct session_errand *e) {
    struct blow *b = CONTAINER_OF(e, struct blow, errand);
    atomic_fetch_add(&b->storm->settled, 1);
    free(b);
}

static void blow_run(struct session *s, struct session_errand *e) {
    struct blow *b = CONTAINER_OF(e, struct blow, errand);
    struct str channel = blown[b->kind / 8 % ELEMENTS_OF(blown)];
    switch (b->kind % 8) {
    case 0:
    case 1:
    case 2: {
        struct server_sub sub = { .channel = channel, .has_since = b->kind % 2, .since_offset = 1 };
        (void) !session_subscribe_server(s, &sub);
        break;
    }
    case 3:
    case 4:
        session_unsubscribe_server(s, b->kind % 5 ? channel : (struct str){ 0 }, 2000,
                                   STR("because"));
        break;
    case 5:
        (void) !session_refresh_server(s, false, loop_wall_ms() / 1000 + 60, true,
                                       str_bytes(STR("{}")));
        break;
    case 6:
        (void) task_yield();
        break;
    default:
        if (b->kind % 64 == 7)
            session_disconnect_with(s, 4000, STR("a storm"));
        break;
    }
    blow_done(e);
}

static int blow(struct worker *w, void *arg, void *part) {
    struct storm *storm = arg;
    HUB_FOREACH_USER (w, STR("42"), s) {
        struct blow *b = malloc(sizeof *b);
        if (!b)
            return -ENOMEM;
        *b = (struct blow){ .errand = { .run = blow_run, .drop = blow_done },
                            .storm = storm,
                            .kind = (unsigned) loop_random_below(1024) };
        atomic_fetch_add(&storm->posted, 1);
        (void) session_post(s, &b->errand);
    }
    return 0;
}

static int blow_from_here(struct worker_thread *t, void *arg) {
    struct survey question = { .ask = blow, .arg = arg };
    return survey(&t->worker, &question);
}

/* A client with plans of its own, again and again. */
static int wanders(void *arg) {
    struct storm *storm = arg;
    static const char *const says[] = {
        "\"subscribe\":{\"channel\":\"feed:a\"}",
        "\"unsubscribe\":{\"channel\":\"feed:a\"}",
        "\"publish\":{\"channel\":\"feed:a\",\"data\":1}",
        "\"publish\":{\"channel\":\"kept:a\",\"data\":2}",
        "\"unsubscribe\":{\"channel\":\"kept:a\"}",
        "\"presence\":{\"channel\":\"open:a\"}",
    };
    while (!storm->is_over) {
        struct peer *p = peer_open(storm->world, NULL);
        if (!p)
            return -ECONNREFUSED;
        peer_say(p,
                 "{\"id\":1,\"connect\":{\"token\":\"%s\",\"subs\":{\"feed:a\":{\"recover\":"
                 "true}}}}",
                 world_token(storm->world, "{\"sub\":\"42\",\"channels\":[\"kept:a\",\"own:b\"]}"));
        unsigned n = (unsigned) loop_random_below(20);
        for (unsigned i = 0; i < n && !storm->is_over; i++) {
            peer_say(p, "{\"id\":%u,%s}", i + 2, says[loop_random_below(ELEMENTS_OF(says))]);
            (void) peer_hear(p, 1);
        }
        peer_close(p);
    }
    return 0;
}

static int blows_over(struct world *w, void *arg) {
    enum { CLIENTS = 12, BLOWS = 150 };
    struct storm *storm = arg;
    storm->world = w;
    int r = 0;
    {
        GROUP(crowd);
        for (int i = 0; i < CLIENTS && r == 0; i++)
            r = group_spawn(&crowd, "wanderer", wanders, storm);
        for (int i = 0; i < BLOWS && r == 0; i++) {
            struct chore c;
            chore_send(&c, &w->daemon->threads[i % 3], blow_from_here, storm);
            r = chore_wait(&c);
            if (r == 0)
                r = task_sleep(2);
        }
        storm->is_over = true;
        if (r == 0)
            r = group_wait_all(&crowd);
    }
    STORY_EXPECT(w, r == 0);
    /* everybody has gone, and nothing of them is left */
    for (int i = 0; i < 1000 && storm->settled < storm->posted; i++)
        STORY_EXPECT(w, task_sleep(10) == 0);
    STORY_EXPECT(w, storm->posted > 0 && storm->settled == storm->posted);
    return 0;
}

static void strangers_and_clients_do_what_they_like_at_once(void **state) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct storm storm = { 0 };
        const char *why =
                world_run(&(struct world_options){ .config = CLIENT
                                                   ", user_connection_limit: 100}\n" NAMESPACES,
                                                   .workers = 3,
                                                   .seed = seed },
                          blows_over, &storm);
        if (why)
            fail_msg("seed %llu: %s", (unsigned long long) seed, why);
    }
}

static void they_do_so_on_threads_too(void **state) {
    struct storm storm = { 0 };
    assert_null(world_run(
            &(struct world_options){ .config = CLIENT ", user_connection_limit: 100}\n" NAMESPACES,
                                     .workers = 3,
                                     .is_real = true },
            blows_over, &storm));
}

struct member {
    struct world *world;
    bool was_ended; /* for a newer one */
    bool is_done;
};

/* Comes in, and listens for a while. */
static int comes_and_stays(void *arg) {
    struct member *m = arg;
    struct peer *p = peer_open(m->world, NULL);
    if (!p)
        return 0;
    peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
             world_token(m->world, "{\"sub\":\"42\"}"));
    if (text_matches(peer_hear(p, 5000), "{\"id\":1,\"connect\":{*")) {
        const char *heard = peer_hear(p, 2000);
        m->was_ended = strcmp(heard, "close 3504 connection limit") == 0;
        m->is_done = m->was_ended || strcmp(heard, "nothing") == 0;
    }
    peer_close(p);
    return 0;
}

static int a_crowd_of_one(struct world *w, void *arg) {
    enum { CROWD = 24 };
    struct member members[CROWD] = { 0 };
    int left = 0, done = 0;
    GROUP(crowd);
    for (int i = 0; i < CROWD; i++) {
        members[i].world = w;
        STORY_EXPECT(w, group_spawn(&crowd, "member", comes_and_stays, &members[i]) == 0);
    }
    STORY_EXPECT(w, group_wait_all(&crowd) == 0);
    for (int i = 0; i < CROWD; i++) {
        left += !members[i].was_ended;
        done += members[i].is_done;
    }
    STORY_EXPECT(w, done == CROWD && left == 1);
    return 0;
}

static void of_a_user_who_comes_everywhere_at_once_one_stays(void **state) {
    struct world_options o = { .config = CLIENT ", subscribe_to_user_personal_channel: {enabled: "
                                                "true, single_connection: true}}\n" NAMESPACES,
                               .workers = 3 };
    for (o.seed = 1; o.seed <= 10; o.seed++)
        assert_null(world_run(&o, a_crowd_of_one, NULL));
    o.is_real = true;
    o.seed = 0;
    assert_null(world_run(&o, a_crowd_of_one, NULL));
}

/* ---- the index ---- */

static int found(struct world *w, void *arg) {
    struct peer *p[3];
    for (int i = 0; i < 3; i++) {
        p[i] = peer_open(w, &(struct peer_options){ .worker = 0 });
        STORY_EXPECT(w, p[i] && peer_connect(p[i], world_token(w, "{\"sub\":\"%s\"}",
                                                               i < 2 ? "42" : "")));
    }
    struct worker *worker = worker_of(w, 0);
    size_t n = 0;
    HUB_FOREACH_USER (worker, STR("42"), s)
        n += str_equal(session_user(s), STR("42"));
    STORY_EXPECT(w, n == 2 && hub_users(worker) == 2);
    n = 0;
    HUB_FOREACH_USER (worker, STR(""), s)
        n++;
    STORY_EXPECT(w, n == 1 && !hub_first_of_user(worker, STR("43")));

    struct str id;
    struct session *s = session_of(w, p[1]);
    STORY_EXPECT(w, hub_name_session(worker, s, &id) == 0);
    STORY_EXPECT(w, hub_find_session(worker, id) == s && hub_worker_of_session(w->daemon, id) == 0);
    STORY_EXPECT(w, hub_worker_of_session(w->daemon, STR("zz")) == -ENOENT);
    char gone[64];
    (void) snprintf(gone, sizeof gone, "%.*s", (int) id.len, id.data);

    /* the user's first goes, the other one is still found */
    for (int i = 0; i < 2; i++) {
        peer_close(p[i]);
        STORY_EXPECT(w, task_sleep(100) == 0);
        n = 0;
        HUB_FOREACH_USER (worker, STR("42"), each)
            n++;
        STORY_EXPECT(w, n == (size_t) (1 - i));
    }
    STORY_EXPECT(w, !hub_find_session(worker, str_of(gone)) && hub_users(worker) == 1);
    return 0;
}

static void sessions_are_found_by_user_client_and_secret(void **state) {
    assert_null(world_run(&(struct world_options){ .config = plain }, found, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_dialogue_goes_as_the_protocol_says),
        cmocka_unit_test(what_all_recover_together_fits_the_clients_queue),
        cmocka_unit_test(the_api_subscribes_and_unsubscribes_a_client),
        cmocka_unit_test(unsubscribing_from_nothing_in_particular_means_everything),
        cmocka_unit_test(errands_come_one_after_another_and_never_beside_a_command),
        cmocka_unit_test(an_errand_ends_with_its_session),
        cmocka_unit_test(however_many_errands_there_are_all_are_run),
        cmocka_unit_test(the_api_refreshes_a_connection),
        cmocka_unit_test(an_expired_server_side_subscription_ends_the_connection),
        cmocka_unit_test(a_gap_in_a_server_side_subscription_ends_the_connection),
        cmocka_unit_test(a_user_has_no_more_connections_than_allowed_on_all_workers),
        cmocka_unit_test(a_user_s_single_connection_is_the_newest),
        cmocka_unit_test(strangers_and_clients_do_what_they_like_at_once),
        cmocka_unit_test(they_do_so_on_threads_too),
        cmocka_unit_test(of_a_user_who_comes_everywhere_at_once_one_stays),
        cmocka_unit_test(what_a_connect_says_of_itself_is_kept_over_refreshes),
        cmocka_unit_test(sessions_are_found_by_user_client_and_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
