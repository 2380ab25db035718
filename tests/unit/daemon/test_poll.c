/* Shared poll: what a backend is asked, and who is told what of the answers. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/http_client.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/map/poll.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

static const char config[] =
        "client: {ping_interval: 3600s}\n"
        "shared_poll: {hmac_secret_key: 'a secret of polls'}\n"
        "proxies: [{name: app, endpoint: 'http://app/poll', timeout: 2s}]\n"
        "channel:\n"
        "  namespaces:\n"
        "    - {name: poll, subscription_type: shared_poll, allow_subscribe_for_client: true,\n"
        "       shared_poll: {proxy_name: app, mode: versioned, refresh_interval: 10s,\n"
        "       refresh_batch_size: 2, max_keys_per_connection: 3, publish_enabled: true}}\n"
        "    - {name: plain, subscription_type: shared_poll, allow_subscribe_for_client: true,\n"
        "       shared_poll: {proxy_name: app, refresh_interval: 10s}}\n";

/* ---- an application that knows a few values ---- */

struct app {
    const char *values; /* members of the answer's items: KEY=ITEM, a line each */
    const char *epoch;  /* or NULL */
    int status;         /* 0: 200 */
    int asked;          /* requests so far */
    char last[512];     /* the last request */
};

/* The keys of a request, whatever else it says. */
static bool next_key(const char **at, char *key, size_t cap) {
    const char *found = strstr(*at, "\"key\":\"");
    if (!found)
        return false;
    found += 7;
    size_t len = strcspn(found, "\"");
    (void) snprintf(key, cap, "%.*s", (int) len, found);
    *at = found + len;
    return true;
}

static const char *value_of(const struct app *a, const char *key, size_t *ret_len) {
    size_t len = strlen(key);
    for (const char *line = a->values; line && *line; line += strcspn(line, "\n")) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0 && line[len] == '=') {
            *ret_len = strcspn(line + len + 1, "\n");
            return line + len + 1;
        }
    }
    return NULL;
}

static int respond(void *arg, const struct http_call *call, struct http_result *ret) {
    struct app *a = arg;
    char key[64], body[2048] = "{\"result\":{\"items\":[";
    bool is_first = true;

    a->asked++;
    (void) snprintf(a->last, sizeof a->last, "%.*s", (int) call->body_len,
                    (const char *) call->body);
    for (const char *at = a->last; next_key(&at, key, sizeof key);) {
        size_t len, used = strlen(body);
        const char *item = value_of(a, key, &len);
        if (item)
            (void) snprintf(body + used, sizeof body - used, "%s{\"key\":\"%s\",%.*s}",
                            is_first ? "" : ",", key, (int) len, item);
        is_first = is_first && !item;
    }
    size_t used = strlen(body);
    (void) snprintf(body + used, sizeof body - used, a->epoch ? "],\"epoch\":\"%s\"}}" : "]}}",
                    a->epoch);
    ret->status = a->status ? a->status : 200;
    ret->body = strdup(body);
    ret->body_len = strlen(body);
    return 0;
}

static const char *run_story(story_fn *story, struct app *a) {
    struct http_client_options http = { .respond = respond, .respond_arg = a };
    return world_run(&(struct world_options){ .config = config, .http = &http, .workers = 2 },
                     story, a);
}

/* ---- clients ---- */

static void hex(const uint8_t *digest, char *ret) {
    for (int i = 0; i < 32; i++)
        (void) snprintf(ret + 2L * i, 3, "%02x", digest[i]);
}

/* Says that it tracks keys ("a" or "a b", each with "=VERSION" or without) for so many seconds. */
static void track_and(struct peer *p, int id, const char *channel, const char *keys, int64_t for_s,
                      const char *more) {
    char joined[256], items[512] = "", payload[512], digest_hex[65], mac_hex[65];
    size_t joined_len = 0, len;
    uint8_t digest[32];

    for (const char *at = keys; *at; at += strspn(at, " ")) {
        size_t whole = strcspn(at, " "), key = strcspn(at, "= ");
        if (joined_len)
            joined[joined_len++] = '\0';
        memcpy(joined + joined_len, at, key);
        joined_len += key;
        len = strlen(items);
        (void) snprintf(items + len, sizeof items - len, "%s{\"key\":\"%.*s\",\"version\":%.*s}",
                        len ? "," : "", (int) key, at, whole > key ? (int) (whole - key - 1) : 1,
                        whole > key ? at + key + 1 : "0");
        at += whole;
    }
    (void) EVP_Digest(joined, joined_len, digest, NULL, EVP_sha256(), NULL);
    hex(digest, digest_hex);
    int64_t now = world_now_s();
    len = (size_t) snprintf(payload, sizeof payload, "%lld%c%lld%c42%c%s%c%s", (long long) now, 0,
                            (long long) (now + for_s), 0, 0, channel, 0, digest_hex);
    (void) HMAC(EVP_sha256(), "a secret of polls", 17, (const uint8_t *) payload, len, digest,
                NULL);
    hex(digest, mac_hex);
    peer_say(p,
             "{\"id\":%d,\"sub_refresh\":{\"channel\":\"%s\",\"type\":1,\"track\":[{\"signature\":"
             "\"%lld:%lld:%s\",\"items\":[%s]}]%s}}",
             id, channel, (long long) now, (long long) (now + for_s), mac_hex, items, more);
}

static void track(struct peer *p, int id, const char *channel, const char *keys, int64_t for_s) {
    track_and(p, id, channel, keys, for_s, "");
}

static struct peer *come(struct world *w, const char *channel) {
    struct peer *p = peer_open(w, NULL);
    char lines[256];

    (void) snprintf(lines, sizeof lines,
                    "> {'id':2,'subscribe':{'channel':'%s','type':4}}\n"
                    "< {'id':2,'subscribe':{*'type':4}}",
                    channel);
    return p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")) &&
                           peer_play(p, lines, __FILE__, __LINE__)
                   ? p
                   : NULL;
}

static bool is_quiet(struct peer *p, int64_t ms) {
    return strcmp(peer_hear(p, ms), "nothing") == 0;
}

/* ---- stories ---- */

static int values_come(struct world *w, void *arg) {
    struct app *app = arg;
    struct peer *a = come(w, "poll:x"), *b = come(w, "poll:x");
    STORY_EXPECT(w, a && b);

    app->values = "k=\"data\":{\"n\":1},\"version\":1\nj=\"data\":2,\"version\":7";
    track(a, 3, "poll:x", "k", 60);
    PLAYS(a, "< {'id':3,'sub_refresh':{'expires':true,'ttl':60}}\n"
             "< {'push':{'channel':'poll:x','pub':{'data':{'n':1},'key':'k','version':1}}}");
    STORY_EXPECT(w, app->asked == 1 && strstr(app->last, "\"channel\":\"poll:x\""));
    track(a, 4, "poll:x", "k=1 j", 60);
    PLAYS(a, "< {'id':4,'sub_refresh':{'expires':true,'ttl':60}}\n"
             "< {'push':{'channel':'poll:x','pub':{'data':2,'key':'j','version':7}}}");
    STORY_EXPECT(w, app->asked == 2 && !strstr(app->last, "\"k\""));

    /* whoever comes later gets what is known, and only what it does not have */
    track(b, 3, "poll:x", "k j=7", 60);
    PLAYS(b, "< {'id':3,'sub_refresh':{'expires':true,'ttl':60,'items':[{'data':{'n':1},'key':'k',"
             "'version':1}]}}");
    STORY_EXPECT(w, app->asked == 2 && is_quiet(a, 100) && is_quiet(b, 100));

    /* one request for both of them in each round; what has not changed is not told */
    app->values = "k=\"data\":{\"n\":2},\"version\":2\nj=\"data\":2,\"version\":7";
    STORY_EXPECT(w, task_sleep(11000) == 0 && app->asked == 3);
    STORY_EXPECT(w, strstr(app->last, "\"version\":1") && strstr(app->last, "\"version\":7"));
    PLAYS(a, "< {'push':{'channel':'poll:x','pub':{'data':{'n':2},'key':'k','version':2}}}");
    PLAYS(b, "< {'push':{'channel':'poll:x','pub':{'data':{'n':2},'key':'k','version':2}}}");
    STORY_EXPECT(w, is_quiet(a, 100) && is_quiet(b, 100));

    /* an older version is no news; what is gone is told once */
    app->values = "k=\"data\":{\"n\":1},\"version\":1\nj=\"removed\":true,\"version\":8";
    STORY_EXPECT(w, task_sleep(11000) == 0);
    PLAYS(a, "< {'push':{'channel':'poll:x','pub':{'data':null,'key':'j','removed':true,"
             "'version':8}}}");
    PLAYS(b, "< *'removed':true*");
    STORY_EXPECT(w, is_quiet(a, 11000) && is_quiet(b, 100));
    peer_close(a);
    peer_close(b);
    return 0;
}

static void values_come_once_for_all(void **state) {
    struct app app = { 0 };
    assert_null(run_story(values_come, &app));
}

static int lets_go_at_once(struct world *w, void *arg) {
    struct app *app = arg;
    struct peer *a = come(w, "poll:x"), *b = come(w, "poll:x");
    STORY_EXPECT(w, a && b);

    app->values = "k=\"data\":1,\"version\":1\nj=\"data\":2,\"version\":1";
    track(a, 3, "poll:x", "k j", 60);
    PLAYS(a, "< {'id':3,*\n < *\n < *\n");
    track_and(b, 3, "poll:x", "k j", 60, ",\"untrack\":[\"k\",\"none\"]");
    PLAYS(b, "< {'id':3,'sub_refresh':{'expires':true,'ttl':60,'items':[{'data':2,'key':'j',"
             "'version':1}]}}");
    peer_close(a);
    peer_close(b);
    return 0;
}

static void what_is_let_go_in_the_same_breath_is_not_told(void **state) {
    struct app app = { 0 };
    assert_null(run_story(lets_go_at_once, &app));
}

static int untracks(struct world *w, void *arg) {
    struct app *app = arg;
    struct peer *a = come(w, "poll:x");
    STORY_EXPECT(w, a);

    app->values = "k=\"data\":1,\"version\":1\nj=\"data\":1,\"version\":1";
    track(a, 3, "poll:x", "k j", 60);
    PLAYS(a, "< {'id':3,*\n < *\n < *\n"
             "> {'id':4,'sub_refresh':{'channel':'poll:x','type':2,'untrack':['k','none']}}\n"
             "< {'id':4,'sub_refresh':{}}");
    app->values = "k=\"data\":2,\"version\":2\nj=\"data\":2,\"version\":2";
    STORY_EXPECT(w, task_sleep(11000) == 0 && !strstr(app->last, "\"k\""));
    PLAYS(a, "< *'key':'j'*");
    STORY_EXPECT(w, is_quiet(a, 100));

    /* nobody looks: nobody asks */
    PLAYS(a, "> {'id':5,'unsubscribe':{'channel':'poll:x'}}\n < {'id':5,'unsubscribe':{}}");
    int asked = app->asked;
    STORY_EXPECT(w, task_sleep(60000) == 0 && app->asked == asked);
    peer_close(a);
    return 0;
}

static void what_is_not_tracked_is_not_asked_for(void **state) {
    struct app app = { 0 };
    assert_null(run_story(untracks, &app));
}

static int refused(struct world *w, void *arg) {
    struct app *app = arg;
    struct peer *a = come(w, "poll:x");
    STORY_EXPECT(w, a);

    PLAYS(a,
          "> {'id':3,'sub_refresh':{'channel':'poll:x','type':1,'track':[{'signature':'1:2:3',"
          "'items':[{'key':'k'}]}]}}\n < {'id':3,'error':{'code':103,*\n"
          "> {'id':4,'sub_refresh':{'channel':'poll:x','type':1,'track':[]}}\n"
          "< {'id':4,'error':{'code':107,*\n"
          "> {'id':5,'sub_refresh':{'channel':'poll:x','type':3}}\n"
          "< {'id':5,'error':{'code':107,*\n"
          "> {'id':6,'sub_refresh':{'channel':'poll:other','type':1}}\n"
          "< {'id':6,'error':{'code':103,*\n"
          "> {'id':7,'subscribe':{'channel':'poll:x'}}\n < {'id':7,'error':{'code':105,*\n"
          "> {'id':8,'subscribe':{'channel':'poll:y'}}\n < {'id':8,'error':{'code':103,*\n"
          "> {'id':9,'publish':{'channel':'poll:x','data':1}}\n < {'id':9,'error':{'code':107,*");
    track(a, 10, "poll:x", "k", -60);
    PLAYS(a, "< {'id':10,'error':{'code':109,*");
    track(a, 11, "poll:x", "k", -3); /* within its grace */
    PLAYS(a, "< {'id':11,'sub_refresh':{'expires':true,'ttl':1}}");
    track(a, 12, "poll:x", "a b c", 60);
    PLAYS(a, "< {'id':12,'error':{'code':106,*");
    track(a, 13, "poll:x", "a b", 60);
    PLAYS(a, "< {'id':13,'sub_refresh':{*");
    STORY_EXPECT(w, app->asked >= 2);

    /* what is signed no longer is told no longer */
    STORY_EXPECT(w, task_sleep(5000) == 0);
    app->values = "k=\"data\":1,\"version\":1\na=\"data\":1,\"version\":1";
    STORY_EXPECT(w, task_sleep(10000) == 0);
    PLAYS(a, "< *'key':'a'*");
    STORY_EXPECT(w, is_quiet(a, 100));
    peer_close(a);
    return 0;
}

static void only_what_the_application_has_signed(void **state) {
    struct app app = { 0 };
    assert_null(run_story(refused, &app));
}

static int bytes_count(struct world *w, void *arg) {
    struct app *app = arg;
    struct peer *a = peer_open(w, NULL);
    STORY_EXPECT(w, a && peer_connect(a, world_token(w, "{\"sub\":\"42\"}")));

    peer_say(a, "{\"id\":2,\"subscribe\":{\"channel\":\"plain:x\",\"type\":4}}");
    const char *heard = peer_hear(a, 1000);
    const char *epoch = strstr(heard, "\"epoch\":\"");
    STORY_EXPECT(w, epoch && strcspn(epoch + 9, "\"") == POLL_EPOCH_LEN);

    app->values = "k=\"data\":1";
    track(a, 3, "plain:x", "k", 600);
    PLAYS(a, "< {'id':3,*\n < *'data':1,'key':'k','version':1*");
    STORY_EXPECT(w, is_quiet(a, 11000));
    app->values = "k=\"data\":2";
    PLAYS(a, "< *'data':2,'key':'k','version':2*");
    app->values = "k=\"removed\":true";
    PLAYS(a, "< *'data':null,'key':'k','removed':true,'version':3*");
    track(a, 4, "plain:x", "k=3", 600);
    PLAYS(a, "< {'id':4,'sub_refresh':{'expires':true,'ttl':600}}");
    app->values = "k=\"data\":1";
    PLAYS(a, "< *'data':1,'key':'k','version':4*");
    peer_close(a);
    return 0;
}

static void without_versions_the_bytes_count(void **state) {
    struct app app = { 0 };
    assert_null(run_story(bytes_count, &app));
}

static int troubles(struct world *w, void *arg) {
    struct app *app = arg;
    struct peer *a = come(w, "poll:x");
    STORY_EXPECT(w, a);

    app->status = 500;
    app->values = "k=\"data\":1,\"version\":1";
    track(a, 3, "poll:x", "k", 600);
    PLAYS(a, "< {'id':3,'sub_refresh':{*");
    STORY_EXPECT(w, is_quiet(a, 25000) && app->asked >= 3);
    app->status = 0;
    PLAYS(a, "< *'data':1,'key':'k','version':1*");

    /* another epoch: whoever is there begins anew */
    app->epoch = "one";
    STORY_EXPECT(w, is_quiet(a, 11000));
    app->epoch = "two";
    PLAYS(a, "< {'push':{'channel':'poll:x','unsubscribe':{'code':2500,*\n"
             "> {'id':4,'subscribe':{'channel':'poll:x','type':4}}\n"
             "< {'id':4,'subscribe':{'epoch':'two','type':4}}");
    track(a, 5, "poll:x", "k", 600);
    PLAYS(a, "< {'id':5,'sub_refresh':{*\n");
    PLAYS(a, "< *'data':1,'key':'k','version':1*");
    peer_close(a);
    return 0;
}

static void a_backend_may_fail_and_begin_anew(void **state) {
    struct app app = { 0 };
    assert_null(run_story(troubles, &app));
}

static int publishes(struct world *w, void *arg) {
    struct app *app = arg;
    struct worker *worker = &w->daemon->threads[0].worker;
    struct peer *a = come(w, "poll:x");
    STORY_EXPECT(w, a);
    app->values = "k=\"data\":1,\"version\":1";
    track(a, 3, "poll:x", "k", 600);
    PLAYS(a, "< {'id':3,*\n < *'version':1*");

    const struct namespace *ns = config_namespace_of(worker->config, STR("poll:x"));
    struct poll_value v = { .key = STR("k"), .data = str_bytes(STR("5")), .version = 5 };
    STORY_EXPECT(w, poll_publish(worker, STR("poll:x"), ns, &v, (struct str){ 0 }) == 0);
    PLAYS(a, "< {'push':{'channel':'poll:x','pub':{'data':5,'key':'k','version':5}}}");
    /* again: no news; nor of what nobody tracks, nor where nobody is */
    STORY_EXPECT(w, poll_publish(worker, STR("poll:x"), ns, &v, (struct str){ 0 }) == 0);
    v.key = STR("other");
    STORY_EXPECT(w, poll_publish(worker, STR("poll:x"), ns, &v, (struct str){ 0 }) == 0);
    STORY_EXPECT(w, poll_publish(worker, STR("poll:y"), ns, &v, (struct str){ 0 }) == 0);
    STORY_EXPECT(w, is_quiet(a, 5000));
    peer_close(a);
    return 0;
}

static void the_application_may_come_first(void **state) {
    struct app app = { 0 };
    assert_null(run_story(publishes, &app));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_once_for_all),
        cmocka_unit_test(what_is_let_go_in_the_same_breath_is_not_told),
        cmocka_unit_test(what_is_not_tracked_is_not_asked_for),
        cmocka_unit_test(only_what_the_application_has_signed),
        cmocka_unit_test(without_versions_the_bytes_count),
        cmocka_unit_test(a_backend_may_fail_and_begin_anew),
        cmocka_unit_test(the_application_may_come_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
