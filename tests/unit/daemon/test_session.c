/* What a client says and hears: every command, its results and its errors, through the whole
 * daemon. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "tests/support/world.h"

static const char config[] =
        "client: {allow_anonymous_connect_without_token: true, channel_limit: 3,\n"
        "  ping_interval: 3600s}\n"
        "channel:\n"
        "  without_namespace: {allow_subscribe_for_client: true, allow_subscribe_for_anonymous: "
        "true}\n"
        "  namespaces:\n"
        "    - {name: open, allow_subscribe_for_client: true, allow_subscribe_for_anonymous: "
        "true,\n"
        "       allow_publish_for_client: true, allow_publish_for_anonymous: true,\n"
        "       presence: true, join_leave: true, allow_presence_for_client: true,\n"
        "       allow_presence_for_anonymous: true}\n"
        "    - {name: kept, allow_subscribe_for_client: true, allow_publish_for_client: true,\n"
        "       history_size: 5, history_ttl: 60s, allow_history_for_client: true,\n"
        "       force_recovery: true}\n"
        "    - {name: members, allow_subscribe_for_client: true, allow_publish_for_subscriber: "
        "true}\n"
        "    - {name: guests, allow_subscribe_for_client: true, allow_subscribe_for_anonymous: "
        "true,\n"
        "       allow_publish_for_subscriber: true}\n"
        "    - {name: closed}\n"
        "    - {name: users, allow_user_limited_channels: true}\n"
        "    - {name: last, allow_subscribe_for_client: true, history_size: 5, history_ttl: 60s,\n"
        "       force_recovery: true, force_recovery_mode: cache, allow_publish_for_client: true}\n"
        "    - {name: numbers, allow_subscribe_for_client: true, channel_regex: '^[0-9]+$'}\n"
        "    - {name: json, allow_publish_for_client: true, publication_data_format: "
        "json_object}\n";

struct dialogue {
    const char *what;
    const char *lines;
};

#define AS_42                                                                                      \
    "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>'}}\n < {'id':1,'connect':{'client':'*'*}}\n"
#define AS_ANYBODY "> {'id':1,'connect':{}}\n < {'id':1,'connect':{'client':'*'*}}\n"

static const struct dialogue dialogues[] = {
    /* connect */
    { "an anonymous client is let in where configured",
      "> {'id':1,'connect':{}}\n"
      "< {'id':1,'connect':{'client':'*-*-4*'version':'*','ping':3600,'pong':true}}" },
    { "a good token", AS_42 },
    { "a token that expires says when",
      "> {'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW+600}>>'}}\n"
      "< {'id':1,'connect':{*'expires':true,'ttl':600,*}}" },
    { "an expired token", "> {'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW-1}>>'}}\n"
                          "< {'id':1,'error':{'code':109,'message':'token expired'}}\n"
                          "> {'id':2,'subscribe':{'channel':'a'}}\n"
                          "< close 3501 bad request" },
    { "what follows a refused connect in its frame is dropped",
      "> "
      "{'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW-1}>>'}}\\n{'id':2,'subscribe':{'channel'"
      ":'a'}}\n"
      "< {'id':1,'error':{'code':109,'message':'token expired'}}\n"
      "+ 11000\n"
      "< close 3502 stale" },
    { "a bad token", "> {'id':1,'connect':{'token':'nonsense'}}\n < close 3500 invalid token" },
    { "a subscription's token is none for a connection",
      "> {'id':1,'connect':{'token':'<<{'sub':'42','channel':'a'}>>'}}\n < close 3500 invalid "
      "token" },
    { "something else first", "> {'id':1,'subscribe':{'channel':'a'}}\n < close 3501 bad request" },
    { "connect twice", AS_ANYBODY "> {'id':2,'connect':{}}\n < close 3501 bad request" },
    { "silence", "+ 10200\n < close 3502 stale" },
    { "no id", "> {'connect':{}}\n < close 3501 bad request" },
    { "not JSON", "> hello\n < close 3501 bad request" },
    { "an empty message", "> \n < close 3501 bad request" },
    { "a command without a meaning", AS_ANYBODY "> {'id':2}\n < close 3501 bad request" },
    { "the legacy ping", AS_ANYBODY "> {'id':2,'ping':{}}\n < close 3501 bad request" },
    { "a pong that nobody asked for", AS_ANYBODY "> {}\n < close 3501 bad request" },
    { "send has nobody to go to",
      AS_ANYBODY "> {'send':{'data':{}}}\n < close 3508 not available" },
    { "rpc", AS_ANYBODY "> {'id':2,'rpc':{'method':'x','data':{}}}\n"
                        "< {'id':2,'error':{'code':108,'message':'not available'}}\n"
                        "> {'id':3,'rpc':{'method':'ns:x','data':{}}}\n"
                        "< {'id':3,'error':{'code':104,'message':'method not found'}}" },

    /* refresh */
    { "refresh prolongs",
      "> {'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW+60}>>'}}\n < {'id':1,'connect':{*}}\n"
      "> {'id':2,'refresh':{'token':'<<{'sub':'42','exp':NOW+900}>>'}}\n"
      "< {'id':2,'refresh':{'expires':true,'ttl':900}}" },
    { "refresh for another user",
      AS_42 "> {'id':2,'refresh':{'token':'<<{'sub':'43'}>>'}}\n < close 3500 invalid token" },
    { "refresh too late", AS_42 "> {'id':2,'refresh':{'token':'<<{'sub':'42','exp':NOW-1}>>'}}\n < "
                                "close 3005 connection expired" },
    { "refresh with nothing", AS_42 "> {'id':2,'refresh':{}}\n < close 3501 bad request" },
    { "expiry has a grace, then it ends",
      "> {'id':1,'connect':{'token':'<<{'sub':'42','exp':NOW+1}>>'}}\n < {'id':1,'connect':{*}}\n"
      "+ 25000\n > {'id':2,'unsubscribe':{'channel':'x'}}\n < {'id':2,*\n < close 3005 connection "
      "expired" },

    /* subscribe */
    { "a channel without history", AS_ANYBODY "> {'id':2,'subscribe':{'channel':'a'}}\n"
                                              "< {'id':2,'subscribe':{}}" },
    { "twice", AS_ANYBODY "> {'id':2,'subscribe':{'channel':'a'}}\n < {'id':2,'subscribe':{}}\n"
                          "> {'id':3,'subscribe':{'channel':'a'}}\n"
                          "< {'id':3,'error':{'code':105,'message':'already subscribed'}}" },
    { "more channels than allowed",
      AS_ANYBODY "> {'id':2,'subscribe':{'channel':'a'}}\n < {'id':2,'subscribe':{}}\n"
                 "> {'id':3,'subscribe':{'channel':'b'}}\n < {'id':3,'subscribe':{}}\n"
                 "> {'id':4,'subscribe':{'channel':'c'}}\n < {'id':4,'subscribe':{}}\n"
                 "> {'id':5,'subscribe':{'channel':'d'}}\n"
                 "< {'id':5,'error':{'code':106,'message':'limit exceeded'}}\n"
                 "> {'id':6,'unsubscribe':{'channel':'b'}}\n < {'id':6,'unsubscribe':{}}\n"
                 "> {'id':7,'subscribe':{'channel':'d'}}\n < {'id':7,'subscribe':{}}" },
    { "an unknown namespace", AS_42 "> {'id':2,'subscribe':{'channel':'what:a'}}\n"
                                    "< {'id':2,'error':{'code':102,'message':'unknown channel'}}" },
    { "no permission", AS_42 "> {'id':2,'subscribe':{'channel':'closed:a'}}\n"
                             "< {'id':2,'error':{'code':103,'message':'permission denied'}}" },
    { "anonymous needs permission of its own",
      AS_ANYBODY "> {'id':2,'subscribe':{'channel':'kept:a'}}\n"
                 "< {'id':2,'error':{'code':103,'message':'permission denied'}}" },
    { "a private channel without a token",
      AS_42 "> {'id':2,'subscribe':{'channel':'$a'}}\n < {'id':2,'error':{'code':103,*" },
    { "a private channel with one",
      AS_42 "> {'id':2,'subscribe':{'channel':'$a','token':'<<{'sub':'42','channel':'$a'}>>'}}\n"
            "< {'id':2,'subscribe':{}}" },
    { "a token for a closed channel, with data and expiry", AS_42
      "> {'id':2,'subscribe':{'channel':'closed:a','token':'<<{'sub':'42','channel':'closed:a',"
      "'exp':NOW+60,'data':{'x':1}}>>'}}\n"
      "< {'id':2,'subscribe':{'expires':true,'ttl':60,'data':{'x':1}}}\n"
      "+ 84000\n > {'id':3,'unsubscribe':{'channel':'x'}}\n < {'id':3,*\n"
      "< {'push':{'channel':'closed:a','unsubscribe':{'code':2501,'reason':'subscription "
      "expired'}}}\n"
      "> {'id':4,'subscribe':{'channel':'closed:a'}}\n < {'id':4,'error':{'code':103,*" },
    { "a token of another channel",
      AS_42 "> {'id':2,'subscribe':{'channel':'a','token':'<<{'sub':'42','channel':'b'}>>'}}\n"
            "< close 3500 invalid token" },
    { "a token of another user",
      AS_42 "> {'id':2,'subscribe':{'channel':'a','token':'<<{'sub':'43','channel':'a'}>>'}}\n"
            "< close 3500 invalid token" },
    { "a broken token", AS_42 "> {'id':2,'subscribe':{'channel':'a','token':'x'}}\n"
                              "< {'id':2,'error':{'code':103,*" },
    { "an expired token", AS_42
      "> "
      "{'id':2,'subscribe':{'channel':'a','token':'<<{'sub':'42','channel':'a','exp':NOW-1}>>'}}\n"
      "< {'id':2,'error':{'code':109,*" },
    { "a list of users that names the user",
      AS_42 "> {'id':2,'subscribe':{'channel':'users:dm#7,42'}}\n < {'id':2,'subscribe':{}}" },
    { "a list of users that does not", AS_42
      "> {'id':2,'subscribe':{'channel':'users:dm#7,421'}}\n < {'id':2,'error':{'code':103,*" },
    { "a name that its namespace takes",
      AS_42 "> {'id':2,'subscribe':{'channel':'numbers:42'}}\n < {'id':2,'subscribe':{}}" },
    { "a name that its namespace does not take",
      AS_42 "> {'id':2,'subscribe':{'channel':'numbers:4x'}}\n < {'id':2,'error':{'code':107,*" },
    { "a name that is not ASCII",
      AS_42 "> {'id':2,'subscribe':{'channel':'\xc3\xa9'}}\n < {'id':2,'error':{'code':107,*" },
    { "no channel", AS_42 "> {'id':2,'subscribe':{}}\n < close 3501 bad request" },
    { "a map instead of a stream",
      AS_42 "> {'id':2,'subscribe':{'channel':'a','type':1}}\n < {'id':2,'error':{'code':103,*" },
    { "an unknown delta",
      AS_42 "> {'id':2,'subscribe':{'channel':'a','delta':'x'}}\n < close 3501 bad request" },
    { "a delta that the namespace does not have is off",
      AS_42 "> {'id':2,'subscribe':{'channel':'a','delta':'fossil'}}\n < {'id':2,'subscribe':{}}" },
    { "a filter", AS_42 "> {'id':2,'subscribe':{'channel':'a','tf':{'key':'a','cmp':'ex'}}}\n"
                        "< {'id':2,'error':{'code':107,*" },
    { "a position",
      AS_42 "> {'id':2,'subscribe':{'channel':'kept:a'}}\n"
            "< {'id':2,'subscribe':{'recoverable':true,'epoch':'*','positioned':true}}" },

    /* unsubscribe */
    { "unsubscribing from nothing succeeds",
      AS_ANYBODY "> {'id':2,'unsubscribe':{'channel':'what:x'}}\n < {'id':2,'unsubscribe':{}}" },

    /* publish */
    { "one's own publication comes back, its payload as it was", AS_42
      "> {'id':2,'subscribe':{'channel':'open:a','join_leave':true}}\n < {'id':2,'subscribe':{}}\n"
      "< {'push':{'channel':'open:a','join':{'info':{'user':'42','client':'*'}}}}\n"
      "> {'id':3,'publish':{'channel':'open:a','data':{ 'x' : [1,2.50,'\\u00e9'] }}}\n"
      "< {'id':3,'publish':{}}\n"
      "< {'push':{'channel':'open:a','pub':{'data':{ 'x' : [1,2.50,'\\u00e9'] },"
      "'info':{'user':'42','client':'*'}}}}" },
    { "offsets count from one, the first one says the epoch", AS_42
      "> {'id':2,'subscribe':{'channel':'kept:a'}}\n < {'id':2,'subscribe':{*}}\n"
      "> {'id':3,'publish':{'channel':'kept:a','data':1}}\n < {*\n < {*'offset':1,*'epoch':'*'}}}\n"
      "> {'id':4,'publish':{'channel':'kept:a','data':2}}\n < {*\n < {*'offset':2}}}" },
    { "a payload of several lines becomes one", AS_42
      "> {'id':2,'subscribe':{'channel':'open:a'}}\n < {'id':2,'subscribe':{}}\n"
      "> {'id':3,'publish':{'channel':'open:a','data':{\\n'x':\\n1}}}\n < {'id':3,'publish':{}}\n"
      "< {'push':{'channel':'open:a','pub':{'data':{'x':1},*" },
    { "publishing needs permission",
      AS_42 "> {'id':2,'publish':{'channel':'a','data':{}}}\n"
            "< {'id':2,'error':{'code':103,'message':'permission denied'}}" },
    { "into an unknown namespace", AS_42
      "> {'id':2,'publish':{'channel':'what:a','data':{}}}\n < {'id':2,'error':{'code':102,*" },
    { "nothing",
      AS_42 "> {'id':2,'publish':{'channel':'open:a'}}\n < {'id':2,'error':{'code':107,*" },
    { "data of another shape", AS_42
      "> {'id':2,'publish':{'channel':'json:a','data':[1]}}\n < {'id':2,'error':{'code':107,*\n"
      "> {'id':3,'publish':{'channel':'json:a','data':{}}}\n < {'id':3,'publish':{}}" },
    { "subscribers may where others may not", AS_42
      "> {'id':2,'publish':{'channel':'members:a','data':1}}\n < {'id':2,'error':{'code':103,*\n"
      "> {'id':3,'subscribe':{'channel':'members:a'}}\n < {'id':3,'subscribe':{}}\n"
      "> {'id':4,'publish':{'channel':'members:a','data':1}}\n"
      "< {'*\n < {'*" },
    { "anonymous subscribers may only where anonymous ones may",
      AS_ANYBODY "> {'id':2,'subscribe':{'channel':'guests:a'}}\n < {'id':2,'subscribe':{}}\n"
                 "> {'id':3,'publish':{'channel':'guests:a','data':1}}\n"
                 "< {'id':3,'error':{'code':103,*" },
    { "replies come in the order of the commands, whatever fails",
      AS_42 "> "
            "{'id':2,'publish':{'channel':'kept:a','data':1}}\\n{'id':3,'publish':{'channel':'a','"
            "data':1}}"
            "\\n{'id':4,'publish':{'channel':'open:a','data':1}}\\n{'id':5,'unsubscribe':{'channel'"
            ":'a'}}\n"
            "< {'id':2,'publish':{}}\n < {'id':3,'error':{'code':103,*\n < {'id':4,'publish':{}}\n"
            "< {'id':5,'unsubscribe':{}}" },

    /* presence */
    { "who is there",
      AS_42 "> {'id':2,'subscribe':{'channel':'open:a'}}\n < {'id':2,'subscribe':{}}\n"
            "> {'id':3,'presence':{'channel':'open:a'}}\n"
            "< {'id':3,'presence':{'presence':{'*':{'user':'42','client':'*'}}}}\n"
            "> {'id':4,'presence_stats':{'channel':'open:a'}}\n"
            "< {'id':4,'presence_stats':{'num_clients':1,'num_users':1}}\n"
            "> {'id':5,'unsubscribe':{'channel':'open:a'}}\n < {'id':5,'unsubscribe':{}}\n"
            "> {'id':6,'presence':{'channel':'open:a'}}\n < {'id':6,'presence':{'presence':{}}}\n"
            "> {'id':7,'presence_stats':{'channel':'open:a'}}\n"
            "< {'id':7,'presence_stats':{'num_clients':0,'num_users':0}}" },
    { "presence where there is none",
      AS_42 "> {'id':2,'presence':{'channel':'a'}}\n < {'id':2,'error':{'code':108,*\n"
            "> {'id':3,'presence_stats':{'channel':'a'}}\n < {'id':3,'error':{'code':108,*\n"
            "> {'id':4,'presence':{'channel':'what:a'}}\n < {'id':4,'error':{'code':102,*" },

    /* history */
    { "history, forwards and backwards", AS_42
      "> {'id':2,'history':{'channel':'kept:a'}}\n"
      "< {'id':2,'history':{'publications':[],'epoch':'*','offset':0}}\n"
      "> {'id':3,'publish':{'channel':'kept:a','data':'one'}}\n < {'id':3,'publish':{}}\n"
      "> {'id':4,'publish':{'channel':'kept:a','data':'two'}}\n < {'id':4,'publish':{}}\n"
      "> {'id':5,'history':{'channel':'kept:a','limit':-1}}\n"
      "< "
      "{'id':5,'history':{'publications':[{'data':'one',*'offset':1*},{'data':'two',*'offset':2}],"
      "'epoch':'*','offset':2}}\n"
      "> {'id':6,'history':{'channel':'kept:a','limit':1,'reverse':true}}\n"
      "< {'id':6,'history':{'publications':[{'data':'two',*}],*'offset':2}}\n"
      "> {'id':7,'history':{'channel':'kept:a','limit':9,'since':{'offset':1}}}\n"
      "< {'id':7,'history':{'publications':[{'data':'two',*}],*'offset':2}}\n"
      "> {'id':8,'history':{'channel':'kept:a','limit':9,'since':{'offset':1,'epoch':'x'}}}\n"
      "< {'id':8,'error':{'code':112,'message':'unrecoverable position'}}\n"
      "> {'id':9,'history':{'channel':'kept:a','limit':9,'since':{'offset':0},'reverse':true}}\n"
      "< {'id':9,'error':{'code':107,*" },
    { "history where there is none", AS_42
      "> {'id':2,'history':{'channel':'a','limit':1}}\n < {'id':2,'error':{'code':108,*\n"
      "> {'id':3,'history':{'channel':'last:a','limit':1}}\n < {'id':3,'error':{'code':103,*\n"
      "> {'id':4,'history':{'channel':'what:a','limit':1}}\n < {'id':4,'error':{'code':102,*" },

    /* recovery, from the wire; the cases are test_recovery.c's */
    { "recovery gives what was missed, or says no", AS_42
      "> {'id':2,'publish':{'channel':'kept:a','data':1}}\n < {'id':2,'publish':{}}\n"
      "> {'id':3,'publish':{'channel':'kept:a','data':2}}\n < {'id':3,'publish':{}}\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','recover':true,'offset':1}}\n"
      "< "
      "{'id':4,'subscribe':{'recoverable':true,'epoch':'*','publications':[{'data':2,*'offset':2}],"
      "'recovered':true,'offset':1,'positioned':true,'was_recovering':true}}\n"
      "> {'id':5,'unsubscribe':{'channel':'kept:a'}}\n < {*\n"
      "> {'id':6,'subscribe':{'channel':'kept:a','recover':true,'offset':1,'epoch':'_'}}\n"
      "< {'id':6,'subscribe':{'recoverable':true,'epoch':'*','offset':2,'positioned':true,"
      "'was_recovering':true}}\n"
      "> {'id':7,'unsubscribe':{'channel':'kept:a'}}\n < {*\n"
      "> {'id':8,'subscribe':{'channel':'kept:a','recover':true,'offset':1,'epoch':'_','flag':2}}\n"
      "< {'id':8,'error':{'code':112,*\n"
      "> {'id':9,'subscribe':{'channel':'kept:a'}}\n < {'id':9,'subscribe':{*" },

    /* sub_refresh */
    { "sub_refresh", AS_42
      "> {'id':2,'sub_refresh':{'channel':'a','token':'x'}}\n < {'id':2,'error':{'code':103,*\n"
      "> "
      "{'id':3,'subscribe':{'channel':'$a','token':'<<{'sub':'42','channel':'$a','exp':NOW+60}>>'}}"
      "\n"
      "< {'id':3,'subscribe':{'expires':true,'ttl':60}}\n"
      "> {'id':4,'sub_refresh':{'channel':'$a'}}\n < {'id':4,'error':{'code':107,*\n"
      "> {'id':5,'sub_refresh':{'channel':'$a','token':'x'}}\n < {'id':5,'error':{'code':103,*\n"
      "> "
      "{'id':6,'sub_refresh':{'channel':'$a','token':'<<{'sub':'42','channel':'$a','exp':NOW-1}>>'}"
      "}\n"
      "< {'id':6,'error':{'code':109,*\n"
      "> "
      "{'id':7,'sub_refresh':{'channel':'$a','token':'<<{'sub':'42','channel':'$a','exp':NOW+90}>>'"
      "}}\n"
      "< {'id':7,'sub_refresh':{'expires':true,'ttl':90}}\n"
      "> "
      "{'id':8,'sub_refresh':{'channel':'$a','token':'<<{'sub':'1','channel':'$a','exp':NOW+9}>>'}}"
      "\n"
      "< close 3500 invalid token" },
};

static int play(struct world *w, void *arg) {
    const struct dialogue *d = arg;
    struct peer *p = peer_open(w, NULL);
    if (!p)
        return -ECONNREFUSED;
    bool is_well = peer_play(p, d->lines, d->what, 0);
    peer_close(p);
    return is_well ? 0 : -EBADMSG;
}

static void each_dialogue_goes_as_the_protocol_says(void **state) {
    size_t failed = 0;

    for (size_t i = 0; i < ELEMENTS_OF(dialogues); i++) {
        struct dialogue d = dialogues[i];
        const char *why = world_run(&(struct world_options){ .config = config }, play, &d);
        if (why) {
            print_error("%s\n  %s\n", d.what, why);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_dialogue_goes_as_the_protocol_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
