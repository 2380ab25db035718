/* Maps: how clients come to follow them, what they are told, what they may write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/task.h"
#include "tests/support/world.h"

#define OPEN                                                                                       \
    "allow_publish_for_client: true, allow_remove_for_client: true, min_page_size: 1,"             \
    " default_page_size: 3"

static const char config[] =
        "client: {ping_interval: 3600s}\n"
        "channel:\n"
        "  namespaces:\n"
        "    - {name: kept, subscription_type: map, allow_subscribe_for_client: true,\n"
        "       map: {mode: persistent, keys_max: 5, " OPEN "}}\n"
        "    - {name: small, subscription_type: map, allow_subscribe_for_client: true,\n"
        "       map: {mode: persistent, stream_size: 2, " OPEN "}}\n"
        "    - {name: brief, subscription_type: map, allow_subscribe_for_client: true,\n"
        "       map: {mode: ephemeral, key_ttl: 3s, " OPEN "}}\n"
        "    - {name: own, subscription_type: map, allow_subscribe_for_client: true,\n"
        "       client_publish_debounce_interval: 50ms, map: {mode: ephemeral,\n"
        "       client_key: user_id, remove_client_on_unsubscribe: true, " OPEN "}}\n"
        "    - {name: patched, subscription_type: map, allow_subscribe_for_client: true,\n"
        "       allowed_delta_types: [fossil], delta_publish: true,\n"
        "       map: {mode: persistent, " OPEN "}}\n"
        "    - {name: closed, subscription_type: map, map: {mode: ephemeral}}\n"
        "    - {name: mine, subscription_type: map, allow_subscribe_for_client: true,\n"
        "       map: {mode: ephemeral, keys_max: 2, allow_publish_for_subscriber: true}}\n"
        "    - {name: room, allow_subscribe_for_client: true,\n"
        "       map_clients_presence_channel_prefix: 'clients:',\n"
        "       map_users_presence_channel_prefix: 'users:'}\n"
        "    - {name: clients, subscription_type: map_clients, allow_subscribe_for_client: true,\n"
        "       map: {mode: ephemeral, key_ttl: 60s}}\n"
        "    - {name: users, subscription_type: map_users, allow_subscribe_for_client: true,\n"
        "       map: {mode: ephemeral, key_ttl: 60s}}\n";

/* In the lines of a dialogue `= CHANNEL KEY DATA` writes a key, and without DATA removes it. */
static const struct dialogue {
    const char *what;
    const char *lines;
} dialogues[] = {
    { "an empty map",
      "> {'id':2,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':2,'subscribe':{'recoverable':true,'epoch':'*','positioned':true,'type':1}}" },
    { "an empty map without a stream",
      "> {'id':2,'subscribe':{'channel':'brief:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':2,'subscribe':{'epoch':'*','type':1}}" },
    { "what is small comes at once",
      "= kept:a k1 1\n"
      "= kept:a k2 [2]\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':4,'subscribe':{'recoverable':true,'epoch':'*','offset':2,'positioned':true,"
      "'type':1,'state':[{'data':1,'info':{*},*'key':'k1'*},{'data':[2],'info':{*},"
      "*'key':'k2'*}]}}" },
    { "the state comes in pages, and its last page is the way in",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "= kept:a k3 3\n"
      "> {'id':5,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':2}}\n"
      "< {'id':5,'subscribe':{'epoch':'*','offset':3,'type':1,'phase':2,'cursor':'0:k2',"
      "'state':[{'data':1,'info':{*},*'key':'k1'*},{'data':2,'info':{*},*'key':'k2'*}]}}\n"
      "> {'id':6,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':2,"
      "'cursor':'0:k2'}}\n"
      "< {'id':6,'subscribe':{'recoverable':true,'epoch':'*','offset':3,'positioned':true,"
      "'type':1,'state':[{'data':3,'info':{*},*'key':'k3'*}]}}\n"
      "> {'id':7,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':7,'error':{'code':105,*" },
    { "what changed meanwhile comes with the last page",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1}}\n"
      "< {'id':4,'subscribe':{*'offset':2,'type':1,'phase':2,'cursor':'0:k1',*\n"
      "= kept:a k1 11\n"
      "> {'id':6,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1,"
      "'cursor':'0:k1'}}\n"
      "< {'id':6,'subscribe':{*'publications':[{'data':11,*'offset':3,*'key':'k1'}],"
      "'offset':3,'positioned':true,'type':1,'state':[{'data':2,'info':{*},*'key':'k2'*}]}}" },
    { "or in pages of the stream, if it is more",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1}}\n"
      "< *'phase':2,*\n"
      "= kept:a k1 11\n"
      "= kept:a k1\n"
      "= kept:a k0 0\n"
      "> {'id':8,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1,"
      "'cursor':'0:k1'}}\n"
      "< {'id':8,'subscribe':{'epoch':'*','offset':2,'type':1,'phase':2,'state':[*'k2'}]}}\n"
      "> {'id':9,'subscribe':{'channel':'kept:a','type':1,'phase':1,'limit':1,'offset':2}}\n"
      "< {'id':9,'subscribe':{'epoch':'*','publications':[{'data':11,*}],'offset':3,'type':1,"
      "'phase':1}}\n"
      "> {'id':10,'subscribe':{'channel':'kept:a','type':1,'phase':1,'limit':1,'offset':3}}\n"
      "< {'id':10,'subscribe':{*'publications':[{'data':null,*'offset':4,*'key':'k1',"
      "'removed':true}],'offset':4,'type':1,'phase':1}}\n"
      "> {'id':11,'subscribe':{'channel':'kept:a','type':1,'phase':1,'limit':1,'offset':4}}\n"
      "< {'id':11,'subscribe':{'recoverable':true,*'publications':[{'data':0,*'offset':5,*}],"
      "'offset':5,'positioned':true,'type':1}}\n"
      "> {'id':12,'publish':{'channel':'kept:a','type':1,'key':'k9','data':9}}\n"
      "< *\n"
      "< *" },
    { "without a stream it is kept aside",
      "= brief:a k1 1\n"
      "= brief:a k2 2\n"
      "> {'id':4,'subscribe':{'channel':'brief:a','type':1,'asc':true,'phase':2,'limit':1}}\n"
      "< {'id':4,'subscribe':{'epoch':'*','type':1,'phase':2,'cursor':'0:k1',"
      "'state':[{'data':1,'info':{*},*'key':'k1'*}]}}\n"
      "= brief:a k0 0\n"
      "> {'id':6,'subscribe':{'channel':'brief:a','type':1,'asc':true,'phase':2,'limit':1,"
      "'cursor':'0:k1'}}\n"
      "< {'id':6,'subscribe':{'epoch':'*','publications':[{'data':0,'info':{*},"
      "*'key':'k0'*}],'type':1,'state':[{'data':2,'info':{*},*'key':'k2'*}]}}" },
    { "one's own changes come back",
      "> {'id':2,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2}}\n"
      "< *\n"
      "> {'id':3,'publish':{'channel':'kept:a','type':1,'key':'k','data':{'x': 1}}}\n"
      "< {'id':3,'publish':{}}\n"
      "< {'push':{'channel':'kept:a','pub':{'data':{'x': 1},'info':{*},'offset':1,'key':'k',"
      "'epoch':'*'}}}\n"
      "> {'id':4,'publish':{'channel':'kept:a','type':1,'key':'k','removed':true}}\n"
      "< {'id':4,'publish':{}}\n"
      "< {'push':{'channel':'kept:a','pub':{'data':null,*'offset':2,'key':'k','removed':true}}}" },
    { "who comes back gets what it missed",
      "= kept:a k1 1\n"
      "= kept:a k1 2\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'phase':1,'recover':true,"
      "'offset':1}}\n"
      "< {'id':4,'subscribe':{'recoverable':true,'epoch':'*','publications':[{'data':2,"
      "*'offset':2,*}],'recovered':true,'offset':2,'positioned':true,'was_recovering':true,"
      "'type':1}}" },
    { "or that it missed nothing",
      "= kept:a k1 1\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'phase':1,'recover':true,"
      "'offset':1}}\n"
      "< {'id':4,'subscribe':{'recoverable':true,'epoch':'*','recovered':true,'offset':1,"
      "'positioned':true,'was_recovering':true,'type':1}}" },
    { "not of another stream",
      "= kept:a k1 1\n"
      "> {'id':3,'subscribe':{'channel':'kept:a','type':1,'phase':1,'recover':true,"
      "'offset':1,'epoch':'old'}}\n"
      "< {'id':3,'error':{'code':112,*\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'phase':1,'recover':true,"
      "'offset':1,'epoch':'much longer than any epoch of ours'}}\n"
      "< {'id':4,'error':{'code':112,*\n"
      "> {'id':5,'subscribe':{'channel':'kept:a','type':1,'phase':1,'recover':true,"
      "'offset':9}}\n"
      "< {'id':5,'error':{'code':112,*\n"
      "> {'id':6,'subscribe':{'channel':'brief:a','type':1,'phase':1,'recover':true,"
      "'offset':9}}\n"
      "< {'id':6,'error':{'code':112,*\n"
      "> {'id':7,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':7,'subscribe':{'recoverable':true,*" },
    { "nor what was trimmed",
      "= small:a k1 1\n"
      "= small:a k2 2\n"
      "= small:a k3 3\n"
      "= small:a k4 4\n"
      "> {'id':6,'subscribe':{'channel':'small:a','type':1,'phase':1,'recover':true,"
      "'offset':1}}\n"
      "< {'id':6,'error':{'code':112,*\n"
      "> {'id':7,'subscribe':{'channel':'small:a','type':1,'phase':1,'recover':true,"
      "'offset':2}}\n"
      "< {'id':7,'subscribe':{*'recovered':true,*" },
    { "there is nothing to go on with",
      "> {'id':2,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,"
      "'cursor':'0:k1'}}\n"
      "< {'id':2,'error':{'code':103,*\n"
      "> {'id':3,'subscribe':{'channel':'kept:a','type':1,'phase':1,'offset':1}}\n"
      "< {'id':3,'error':{'code':103,*\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1}}\n"
      "< {'id':4,'error':{'code':103,*\n"
      "> {'id':5,'subscribe':{'channel':'kept:a','type':1,'phase':3}}\n"
      "< {'id':5,'error':{'code':107,*" },
    { "pages are asked for one after another",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1}}\n"
      "< *'phase':2,*\n"
      "> {'id':5,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1,"
      "'cursor':'0:k9'}}\n"
      "< {'id':5,'error':{'code':113,'message':'concurrent pagination','temporary':true}}\n"
      "> {'id':6,'subscribe':{'channel':'kept:a','type':1,'phase':1,'offset':2}}\n"
      "< {'id':6,'error':{'code':113,*\n"
      "> {'id':7,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1,"
      "'cursor':'0:k1'}}\n"
      "< {'id':7,'subscribe':{'recoverable':true,*" },
    { "it may begin anew",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1}}\n"
      "< *'phase':2,*\n"
      "> {'id':5,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':2}}\n"
      "< {'id':5,'subscribe':{'recoverable':true,*" },
    { "or leave before it is in",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1}}\n"
      "< *'phase':2,*\n"
      "> {'id':5,'unsubscribe':{'channel':'kept:a'}}\n"
      "< {'id':5,'unsubscribe':{}}\n"
      "> {'id':6,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1,"
      "'cursor':'0:k1'}}\n"
      "< {'id':6,'error':{'code':103,*" },
    { "but not take for ever",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "> {'id':4,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2,'limit':1}}\n"
      "< *'phase':2,*\n"
      "+ 7000\n"
      "< close 3008 slow" },
    { "pages are as long as the server likes",
      "= kept:a k1 1\n"
      "= kept:a k2 2\n"
      "= kept:a k3 3\n"
      "= kept:a k4 4\n"
      "> {'id':6,'subscribe':{'channel':'kept:a','type':1,'asc':true,'phase':2}}\n"
      "< *'phase':2,'cursor':'0:k3',*" },
    { "a key's time ends",
      "> {'id':2,'subscribe':{'channel':'brief:a','type':1,'asc':true,'phase':2}}\n"
      "< *\n"
      "> {'id':3,'publish':{'channel':'brief:a','type':1,'key':'k','data':1}}\n"
      "< *publish*\n"
      "< {'push':{'channel':'brief:a','pub':{'data':1,'info':{*},'key':'k'}}}\n"
      "+ 5000\n"
      "< {'push':{'channel':'brief:a','pub':{'data':null,*'key':'k','removed':true}}}" },
    { "types are the namespace's",
      "> {'id':2,'subscribe':{'channel':'kept:a'}}\n"
      "< {'id':2,'error':{'code':103,*\n"
      "> {'id':3,'subscribe':{'channel':'kept:a','type':2,'asc':true,'phase':2}}\n"
      "< {'id':3,'error':{'code':103,*\n"
      "> {'id':4,'subscribe':{'channel':'room:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':4,'error':{'code':103,*\n"
      "> {'id':5,'subscribe':{'channel':'closed:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':5,'error':{'code':103,*" },
    { "who may write",
      "> {'id':2,'publish':{'channel':'closed:a','type':1,'key':'k','data':1}}\n"
      "< {'id':2,'error':{'code':103,*\n"
      "> {'id':3,'publish':{'channel':'mine:a','type':1,'key':'k','data':1}}\n"
      "< {'id':3,'error':{'code':103,*\n"
      "> {'id':4,'subscribe':{'channel':'mine:a','type':1,'asc':true,'phase':2}}\n"
      "< *\n"
      "> {'id':5,'publish':{'channel':'mine:a','type':1,'key':'k','data':1}}\n"
      "< *\n"
      "< *push*\n"
      "> {'id':6,'publish':{'channel':'mine:a','type':1,'key':'k','removed':true}}\n"
      "< {'id':6,'error':{'code':103,*\n"
      "> {'id':7,'publish':{'channel':'users:a','type':1,'key':'k','data':1}}\n"
      "< {'id':7,'error':{'code':103,*" },
    { "what can be written",
      "> {'id':2,'publish':{'channel':'kept:a','data':1}}\n"
      "< {'id':2,'error':{'code':107,*\n"
      "> {'id':3,'publish':{'channel':'kept:a','type':1,'data':1}}\n"
      "< {'id':3,'error':{'code':107,*\n"
      "> {'id':4,'publish':{'channel':'kept:a','type':1,'key':'k'}}\n"
      "< {'id':4,'error':{'code':107,*\n"
      "> {'id':5,'publish':{'channel':'room:a','type':1,'key':'k','data':1}}\n"
      "< {'id':5,'error':{'code':107,*\n"
      "= kept:a none" },
    { "a map has only so many keys",
      "= kept:a k1 1\n"
      "= kept:a k2 1\n"
      "= kept:a k3 1\n"
      "= kept:a k4 1\n"
      "= kept:a k5 1\n"
      "> {'id':2,'publish':{'channel':'kept:a','type':1,'key':'k6','data':1}}\n"
      "< {'id':2,'error':{'code':106,*\n"
      "= kept:a k5\n"
      "= kept:a k6 1\n"
      "= kept:a k6 2\n"
      "> {'id':3,'subscribe':{'channel':'mine:a','type':1,'phase':2}}\n"
      "< *\n"
      "> {'id':4,'publish':{'channel':'mine:a','type':1,'key':'k1','data':1}}\n"
      "< *\n"
      "< *\n"
      "> {'id':5,'publish':{'channel':'mine:a','type':1,'key':'k2','data':1}}\n"
      "< *\n"
      "< *\n"
      "> {'id':6,'publish':{'channel':'mine:a','type':1,'key':'k3','data':1}}\n"
      "< {'id':6,'error':{'code':106,*" },
    { "a key of one's own, whatever one says",
      "> {'id':2,'subscribe':{'channel':'own:a','type':1,'asc':true,'phase':2}}\n"
      "< {'id':2,'subscribe':{'epoch':'*','type':1,'publish_debounce':50}}\n"
      "> {'id':3,'publish':{'channel':'own:a','type':1,'key':'other','data':1}}\n"
      "< *publish*\n"
      "< {'push':{'channel':'own:a','pub':{'data':1,*'key':'42'}}}" },
    { "with patches payloads are strings, and so is the state",
      "= patched:a k {'text':'something that is long enough to be worth a patch'}\n"
      "> {'id':3,'subscribe':{'channel':'patched:a','type':1,'asc':true,'phase':2,"
      "'delta':'fossil'}}\n"
      "< {'id':3,'subscribe':{*'delta':true,'type':1,'state':[{'data':'{*text*}','info':*\n"
      "> {'id':4,'publish':{'channel':'patched:a','type':1,'key':'k',"
      "'data':{'text':'something that is long enough to be worth a patch!'}}}\n"
      "< {'push':{'channel':'patched:a','pub':{'data':'*','info':{*},'offset':2,'delta':true,"
      "'key':'k'}}}\n"
      "< *publish*" },
};

/* One line, written or said; false: it was not as expected. */
static bool play_line(struct peer *p, const char *line, int *id) {
    char channel[64], key[64], data[256] = "", lines[1024];

    if (*line != '=')
        return peer_play(p, line, __FILE__, __LINE__);
    if (sscanf(line, "= %63s %63s %255[^\n]", channel, key, data) < 2)
        return false;
    (void) snprintf(lines, sizeof lines,
                    "> {'id':%d,'publish':{'channel':'%s','type':1,'key':'%s',%s%s}}\n"
                    "< {'id':%d,'publish':{}}",
                    *id, channel, key, *data ? "'data':" : "'removed':true", data, *id);
    ++*id;
    return peer_play(p, lines, __FILE__, __LINE__);
}

static bool play_lines(struct peer *p, const char *lines) {
    int id = 100;

    while (*lines) {
        size_t len = strcspn(lines, "\n");
        char line[1024];
        (void) snprintf(line, sizeof line, "%.*s", (int) len, lines);
        if (!play_line(p, line, &id))
            return false;
        lines += lines[len] ? len + 1 : len;
    }
    return true;
}

static int play_one(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    STORY_EXPECT(w, play_lines(p, arg));
    peer_close(p);
    return 0;
}

static void clients_talk(void **state) {
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
        char *lines = strdup(dialogues[i].lines);
        const char *failure =
                world_run(&(struct world_options){ .config = config }, play_one, lines);
        free(lines);
        if (failure)
            fail_msg("%s: %s", dialogues[i].what, failure);
    }
}

static struct peer *come(struct world *w, const char *user) {
    struct peer *p = peer_open(w, NULL);
    return p && peer_connect(p, world_token(w, "{\"sub\":\"%s\"}", user)) ? p : NULL;
}

/* Several workers, so that what one hears comes from another. */
static const char *run_story(story_fn *story) {
    return world_run(&(struct world_options){ .config = config, .workers = 2 }, story, NULL);
}

static int followers(struct world *w, void *arg) {
    struct peer *a = come(w, "1"), *b = come(w, "2"), *c = come(w, "3");
    STORY_EXPECT(w, a && b && c);

    PLAYS(a, "> {'id':2,'subscribe':{'channel':'kept:m','type':1,'phase':2}}\n < *subscribe*");
    PLAYS(b, "> {'id':2,'subscribe':{'channel':'kept:m','type':1,'phase':2}}\n < *subscribe*");
    STORY_EXPECT(w, play_lines(c, "= kept:m k 1\n= kept:m k\n= kept:m j 2"));
    for (int i = 0; i < 2; i++)
        PLAYS(i ? a : b, "< *'data':1,*'offset':1,'key':'k'*\n"
                         "< *'data':null,*'offset':2,'key':'k','removed':true*\n"
                         "< *'data':2,*'offset':3,'key':'j'*");
    PLAYS(c, "> {'id':5,'subscribe':{'channel':'kept:m','type':1,'phase':2}}\n"
             "< {'id':5,'subscribe':{*'offset':3,*'state':[{'data':2,*'offset':3,*'key':'j'}]}}");
    peer_close(a);
    peer_close(b);
    peer_close(c);
    return 0;
}

static void everybody_follows_whoever_writes(void **state) {
    assert_null(run_story(followers));
}

static int own_keys(struct world *w, void *arg) {
    struct peer *a = come(w, "1"), *b = come(w, "2");
    STORY_EXPECT(w, a && b);

    PLAYS(a, "> {'id':2,'subscribe':{'channel':'own:m','type':1,'phase':2}}\n < *subscribe*");
    PLAYS(b, "> {'id':2,'subscribe':{'channel':'own:m','type':1,'phase':2}}\n < *subscribe*\n"
             "> {'id':3,'publish':{'channel':'own:m','type':1,'key':'x','data':1}}\n < *publish*");
    PLAYS(a, "< *'data':1,*'key':'2'*");
    peer_close(b);
    PLAYS(a, "< *'data':null,'key':'2','removed':true*");
    peer_close(a);
    return 0;
}

static void a_clients_own_key_goes_with_it(void **state) {
    assert_null(run_story(own_keys));
}

static int presence(struct world *w, void *arg) {
    struct peer *a = come(w, "1"), *b = come(w, "2");
    STORY_EXPECT(w, a && b);

    PLAYS(a, "> {'id':2,'subscribe':{'channel':'clients:room:x','type':2,'phase':2}}\n"
             "< {'id':2,'subscribe':{'epoch':'*','type':2}}\n"
             "> {'id':3,'subscribe':{'channel':'users:room:x','type':3,'phase':2}}\n"
             "< {'id':3,'subscribe':{'epoch':'*','type':3}}");
    PLAYS(b, "> {'id':2,'subscribe':{'channel':'room:x'}}\n < {'id':2,'subscribe':{}}");
    PLAYS(a, "< {'push':{'channel':'clients:room:x','pub':{'data':null,'info':{'user':'2',"
             "'client':'*'},'key':'*'}}}\n"
             "< {'push':{'channel':'users:room:x','pub':{'data':null,'info':{'user':'2',*},"
             "'key':'2'}}}");
    /* kept alive without a word, far beyond the entries' time */
    STORY_EXPECT(w, task_sleep(200000) == 0);
    PLAYS(a, "> {'id':4,'unsubscribe':{'channel':'clients:room:x'}}\n < {'id':4,*\n"
             "> {'id':5,'subscribe':{'channel':'clients:room:x','type':2,'phase':2}}\n"
             "< {'id':5,'subscribe':{*'state':[{'data':null,'info':{'user':'2',*");
    PLAYS(b, "> {'id':3,'unsubscribe':{'channel':'room:x'}}\n < {'id':3,*");
    PLAYS(a, "< {'push':{'channel':'clients:room:x','pub':{'data':null,'key':'*',"
             "'removed':true}}}");
    STORY_EXPECT(w, task_sleep(100000) == 0);
    PLAYS(a, "< {'push':{'channel':'users:room:x','pub':{'data':null,*'key':'2','removed':true}}}");
    peer_close(a);
    peer_close(b);
    return 0;
}

static void presence_can_be_followed_as_a_map(void **state) {
    assert_null(run_story(presence));
}

/* A client that asks for pages while another writes without end gets in all the same. */
static int busy(struct world *w, void *arg) {
    struct peer *a = come(w, "1"), *b = come(w, "2");
    char command[256];
    int id = 3, last = 0;
    STORY_EXPECT(w, a && b);

    STORY_EXPECT(w, play_lines(b, "= kept:m k 0"));
    peer_say(a, "{\"id\":2,\"subscribe\":{\"channel\":\"kept:m\",\"type\":1,\"phase\":1,"
                "\"recover\":true,\"limit\":1}}");
    for (int pages = 0; pages < 10; pages++) {
        const char *heard = peer_hear(a, 1000);
        const char *offset = strstr(heard, ",\"offset\":");
        for (const char *at = offset; at; at = strstr(at + 1, ",\"offset\":"))
            offset = at;
        STORY_EXPECT(w, offset && text_matches(heard, "{\"id\":2,\"subscribe\":{*"));
        last = atoi(offset + 10);
        if (!strstr(heard, "\"phase\":1")) {
            STORY_EXPECT(w, strstr(heard, "\"recovered\":true"));
            peer_close(a);
            peer_close(b);
            return 0;
        }
        for (int i = 0; i < 5; i++) {
            (void) snprintf(command, sizeof command,
                            "> {'id':%d,'publish':{'channel':'kept:m','type':1,'key':'k','data':%d}"
                            "}\n < {'id':%d,'publish':{}}",
                            id, id, id);
            id++;
            PLAYS(b, command);
        }
        peer_say(a,
                 "{\"id\":2,\"subscribe\":{\"channel\":\"kept:m\",\"type\":1,\"phase\":1,"
                 "\"limit\":1,\"offset\":%d}}",
                 last);
    }
    STORY_EXPECT(w, !"it gets in");
    return 0;
}

static void who_reads_slowly_gets_in_all_the_same(void **state) {
    assert_null(run_story(busy));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_talk),
        cmocka_unit_test(everybody_follows_whoever_writes),
        cmocka_unit_test(a_clients_own_key_goes_with_it),
        cmocka_unit_test(presence_can_be_followed_as_a_map),
        cmocka_unit_test(who_reads_slowly_gets_in_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
