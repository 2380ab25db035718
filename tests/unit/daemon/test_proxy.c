/* Proxies: what the operator's backend is asked, and what its answers do to clients. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/http_client.h"
#include "async/loop.h"
#include "async/task.h"
#include "daemon/session/control.h"
#include "daemon/session/hub.h"
#include "daemon/worker.h"
#include "daemon/worker_thread.h"
#include "tests/support/world.h"

/* ---- a backend that follows a script ---- */

/*
 * One line for each request, in order, ' for ", NOW+S a number, * any run of characters:
 *     PATH [HEADER ...] BODY => STATUS[@DELAY_MS] ANSWER
 * A status below 0 is -errno: no answer at all.
 */
struct backend {
    const char *at;     /* the next line */
    char failure[5120]; /* what was not as the script says */
    int at_once, most;
};

static void replace(char *text, size_t cap) {
    char *at;
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    while ((at = strstr(text, "NOW")) != NULL) {
        char *end, *rest;
        long shift = strtol(at + 3, &end, 10);
        rest = strdup(end);
        (void) snprintf(at, cap - (size_t) (at - text), "%lld%s", (long long) world_now_s() + shift,
                        rest);
        free(rest);
    }
}

static const char *trimmed(char *text) {
    while (*text == ' ')
        text++;
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        text[--len] = '\0';
    return text;
}

/* The request as the script has it: path, then header fields that are of interest, then body. */
static void describe(const struct http_call *call, char *buf, size_t cap) {
    size_t len = (size_t) snprintf(buf, cap, "%s ", strrchr(call->url, '/'));
    for (size_t i = 0; i < call->n_fields && len < cap; i++)
        if (strncasecmp(call->fields[i].name, "x-", 2) == 0)
            len += (size_t) snprintf(buf + len, cap - len, "%s: %s ", call->fields[i].name,
                                     call->fields[i].value);
    if (len < cap)
        (void) snprintf(buf + len, cap - len, "%.*s", (int) call->body_len,
                        (const char *) call->body);
}

static int respond(void *arg, const struct http_call *call, struct http_result *ret) {
    struct backend *b = arg;
    char line[2048], request[2048];
    size_t len = strcspn(b->at, "\n");

    describe(call, request, sizeof request);
    (void) snprintf(line, sizeof line, "%.*s", (int) len, b->at);
    b->at += b->at[len] ? len + 1 : len;
    replace(line, sizeof line);
    char *arrow = strstr(line, "=>");
    if (arrow)
        *arrow = '\0';
    if (!arrow || !text_matches(request, trimmed(line))) {
        if (!b->failure[0])
            (void) snprintf(b->failure, sizeof b->failure, "asked %s, expected %s", request, line);
        return -ECONNREFUSED;
    }
    char *rest;
    int status = (int) strtol(arrow + 2, &rest, 10);
    if (++b->at_once > b->most)
        b->most = b->at_once;
    int r = *rest == '@' ? task_sleep(strtol(rest + 1, &rest, 10)) : 0;
    b->at_once--;
    if (r < 0)
        return r;
    if (status < 0)
        return status;
    ret->status = status;
    ret->body = strdup(trimmed(rest));
    ret->body_len = strlen(ret->body);
    return 0;
}

/* ---- dialogues ---- */

#define CONFIG(client, rest)                                                                       \
    "client: {ping_interval: 3600s, " client "}\n"                                                 \
    "rpc:\n"                                                                                       \
    "  proxy: {endpoint: 'http://app/rpc', timeout: 120s}\n"                                       \
    "  without_namespace: {proxy_enabled: true}\n"                                                 \
    "  namespaces: [{name: bin, proxy_enabled: true, proxy_name: binary}, {name: none}]\n"         \
    "proxies:\n"                                                                                   \
    "  - {name: binary, endpoint: 'http://app/binary', binary_encoding: true,\n"                   \
    "     include_connection_meta: true, concurrency: 1}\n"                                        \
    "  - {name: codes, endpoint: 'http://app/codes', http: {status_to_code_transforms: [\n"        \
    "      {status_code: 404, to_error: {code: 404, message: 'not found', temporary: true}},\n"    \
    "      {status_code: 403, to_disconnect: {code: 4503, reason: 'forbidden'}}]}}\n"              \
    "channel:\n"                                                                                   \
    "  proxy:\n"                                                                                   \
    "    subscribe: {endpoint: 'http://app/subscribe'}\n"                                          \
    "    publish: {endpoint: 'http://app/publish'}\n"                                              \
    "    sub_refresh: {endpoint: 'http://app/sub_refresh'}\n"                                      \
    "    map_publish: {endpoint: 'http://app/map_publish'}\n"                                      \
    "    map_remove: {endpoint: 'http://app/map_remove'}\n"                                        \
    "  namespaces:\n"                                                                              \
    "    - {name: ask, subscribe_proxy_enabled: true, publish_proxy_enabled: true,\n"              \
    "       sub_refresh_proxy_enabled: true, history_size: 9, history_ttl: 60s,\n"                 \
    "       allow_history_for_client: true, allow_user_limited_channels: true}\n"                  \
    "    - {name: open, allow_subscribe_for_client: true, allow_publish_for_client: true}\n"       \
    "    - {name: map, subscription_type: map, allow_subscribe_for_client: true, map: {\n"         \
    "       mode: ephemeral, publish_proxy_enabled: true, remove_proxy_enabled: true}}\n"          \
    "    - {name: codes, subscribe_proxy_enabled: true, subscribe_proxy_name: codes,\n"            \
    "       allow_subscribe_for_client: true}\n" rest

#define PROXIED                                                                                    \
    "proxy: {connect: {enabled: true, endpoint: 'http://app/connect',"                             \
    " http: {static_headers: {X-Static: s}}, emulated_headers: [X-Trace, X-Static]}"

static const char tokens[] = CONFIG("allow_anonymous_connect_without_token: true", "");
static const char connects[] = CONFIG(PROXIED "}", "");
static const char refreshes[] =
        CONFIG(PROXIED ", refresh: {enabled: true, endpoint: 'http://app/refresh'}}", "");

#define ASKER "'client':'*','transport':'websocket','protocol':'json','encoding':'json'"
#define AS_42                                                                                      \
    "> {'id':1,'connect':{'token':'<<{'sub':'42','meta':{'m':1}}>>'}}\n < "                        \
    "{'id':1,'connect':{*}}\n"

struct dialogue {
    const char *what;
    const char *config;
    const char *backend;
    const char *lines;
};

static const struct dialogue dialogues[] = {
    /* connect */
    { "the backend says who it is", connects,
      "/connect X-Static: s {" ASKER ",'name':'js','version':'1','data':{'a':1}}"
      " => 200 {'result':{'user':'42','data':{'d':1},'info':{'i':1}}}",
      "> {'id':1,'connect':{'name':'js','version':'1','data':{'a':1}}}\n"
      "< {'id':1,'connect':{'client':'*','version':'*','data':{'d':1},*}}" },
    { "with subscriptions and an end", connects,
      "/connect * => 200 {'result':{'user':'42','expire_at':NOW+100,'channels':['x'],"
      "'subs':{'open:a':{'data':1},'open:b':{}}}}",
      "> {'id':1,'connect':{}}\n"
      "< {'id':1,'connect':{*'expires':true,'ttl':100,'subs':{'open:a':{'data':1},'open:b':{}},*" },
    { "it hears of the channels that were there before", connects,
      "/connect * {*'channels':['open:a']} => 200 {'result':{'user':'1'}}",
      "> {'id':1,'connect':{'subs':{'open:a':{'recover':true}}}}\n < {'id':1,'connect':{*" },
    { "and has the last word on them", connects, "/connect * => 200 {'result':{'user':'1'}}",
      "> {'id':1,'connect':{'subs':{'open:a':{'recover':true}}}}\n"
      "< {'id':1,'connect':{'client':'*','version':'*','ping':3600,'pong':true}}" },
    { "a connect is no way around the backend of a channel", tokens, "",
      "> {'id':1,'connect':{'token':'<<{'sub':'42'}>>','subs':{'codes:a':{'recover':true}}}}\n"
      "< {'id':1,'connect':{'client':'*','version':'*','ping':3600,'pong':true}}" },
    { "who has a token is not asked about", connects, "", AS_42 },
    { "emulated headers are handed on if they can be", connects,
      "/connect x-trace: t X-Static: mine {" ASKER "} => 200 {'result':{'user':'42'}}",
      "> "
      "{'id':1,'connect':{'headers':{'x-trace':'t','X-Other':'o','X-Static':'mine','Host':'h'}}}\n"
      "< {'id':1,'connect':{*" },
    { "nobody it knows", connects, "/connect * => 200 {'result':null}",
      "> {'id':1,'connect':{}}\n < close 3501 bad request" },
    { "its own error", connects,
      "/connect * => 200 {'error':{'code':1000,'message':'no','temporary':true}}",
      "> {'id':1,'connect':{}}\n < {'id':1,'error':{'code':1000,'message':'no','temporary':true}}\n"
      "> {'id':2,'rpc':{'method':'x'}}\n < close 3501 bad request" },
    { "its own disconnect", connects,
      "/connect * => 200 {'disconnect':{'code':4501,'reason':'never again'}}",
      "> {'id':1,'connect':{}}\n < close 4501 never again" },
    { "too late already", connects, "/connect * => 200 {'result':{'user':'42','expire_at':NOW-1}}",
      "> {'id':1,'connect':{}}\n < {'id':1,'error':{'code':110,'message':'expired'}}" },
    { "no answer", connects, "/connect * => 200@5000 {'result':{'user':'42'}}",
      "> {'id':1,'connect':{}}\n"
      "< {'id':1,'error':{'code':100,'message':'internal server error','temporary':true}}" },
    { "commands behind connect wait for it", connects,
      "/connect * => 200@900 {'result':{'user':'42'}}\n"
      "/rpc {" ASKER ",'user':'42','method':'x'} => 200 {'result':{'data':5}}",
      "> {'id':1,'connect':{}}\n> {'id':2,'rpc':{'method':'x'}}\n"
      "< {'id':1,'connect':{*\n < {'id':2,'rpc':{'data':5}}" },
    { "binary data is not for those who talk JSON", connects,
      "/connect * => 200 {'result':{'user':'42','b64data':'/wA='}}",
      "> {'id':1,'connect':{}}\n < close 3506 inappropriate protocol" },

    /* rpc */
    { "a procedure", tokens,
      "/rpc {" ASKER
      ",'user':'42','method':'add','data':[1, 2]} => 200 {'result':{'data':{'sum':3}}}",
      AS_42
      "> {'id':2,'rpc':{'method':'add','data':[1, 2]}}\n < {'id':2,'rpc':{'data':{'sum':3}}}" },
    { "its result", tokens, "/rpc * => 200 {'result':{'b64data':'eyJzdW0iOjN9'}}",
      AS_42 "> {'id':2,'rpc':{'method':'add'}}\n < {'id':2,'rpc':{'data':{'sum':3}}}" },
    { "no result is one", tokens, "/rpc * => 200 {}",
      AS_42 "> {'id':2,'rpc':{'method':'add'}}\n < {'id':2,'rpc':{}}" },
    { "its error passes through", tokens, "/rpc * => 200 {'error':{'code':404,'message':'what'}}",
      AS_42
      "> {'id':2,'rpc':{'method':'add'}}\n < {'id':2,'error':{'code':404,'message':'what'}}" },
    { "its disconnect", tokens, "/rpc * => 200 {'disconnect':{'code':4000,'reason':'off'}}",
      AS_42 "> {'id':2,'rpc':{'method':'add'}}\n < close 4000 off" },
    { "namespaces of procedures", tokens, "",
      AS_42 "> {'id':2,'rpc':{'method':'what:add'}}\n < {'id':2,'error':{'code':104,*\n"
            "> {'id':3,'rpc':{'method':'none:add'}}\n < {'id':3,'error':{'code':108,*" },
    { "in base 64, with what is known of the connection", tokens,
      "/binary {'client':'*','transport':'websocket','protocol':'json','encoding':'binary',"
      "'user':'42','meta':{'m':1},'method':'bin:x','b64data':'eyJhIjoxfQ=='} => 200 {'result':{}}",
      AS_42 "> {'id':2,'rpc':{'method':'bin:x','data':{'a':1}}}\n < {'id':2,'rpc':{}}" },
    { "one after the other, in order", tokens,
      "/rpc *'one'} => 200@500 {'result':{'data':1}}\n/rpc *'two'} => 200 {'result':{'data':2}}",
      AS_42 "> {'id':2,'rpc':{'method':'one'}}\n> {'id':3,'rpc':{'method':'two'}}\n"
            "< {'id':2,'rpc':{'data':1}}\n < {'id':3,'rpc':{'data':2}}" },
    { "other statuses", tokens, "/rpc * => 500 {'result':{}}\n/rpc * => 302 {'result':{}}",
      AS_42 "> {'id':2,'rpc':{'method':'a'}}\n < {'id':2,'error':{'code':100,*'temporary':true}}\n"
            "> {'id':3,'rpc':{'method':'a'}}\n < {'id':3,'error':{'code':100,*" },
    { "nonsense", tokens,
      "/rpc * => 200 <html>\n/rpc * => 200 {'result':\n/rpc * => 200 {'disconnect':{'code':1}}\n"
      "/rpc * => -104",
      AS_42 "> {'id':2,'rpc':{'method':'a'}}\n < {'id':2,'error':{'code':100,*\n"
            "> {'id':3,'rpc':{'method':'a'}}\n < {'id':3,'error':{'code':100,*\n"
            "> {'id':4,'rpc':{'method':'a'}}\n < {'id':4,'error':{'code':100,*\n"
            "> {'id':5,'rpc':{'method':'a'}}\n < {'id':5,'error':{'code':100,*" },

    /* subscribe */
    { "the backend lets it in", tokens,
      "/subscribe {" ASKER ",'user':'42','channel':'ask:a','data':7} => 200 "
      "{'result':{'data':{'d':1},'override':{'force_recovery':{'value':true}}}}",
      AS_42 "> {'id':2,'subscribe':{'channel':'ask:a','data':7}}\n"
            "< {'id':2,'subscribe':{'recoverable':true,*'positioned':true,*'data':{'d':1}}}" },
    { "or does not", tokens,
      "/subscribe * => 200 {'error':{'code':403,'message':'not you'}}\n/subscribe * => 200 {}\n"
      "/subscribe * => 200 {'disconnect':{'code':4500,'reason':'bye'}}",
      AS_42 "> {'id':2,'subscribe':{'channel':'ask:a'}}\n < "
            "{'id':2,'error':{'code':403,'message':'not you'}}\n"
            "> {'id':3,'subscribe':{'channel':'ask:a'}}\n < {'id':3,'error':{'code':103,*\n"
            "> {'id':4,'subscribe':{'channel':'ask:a'}}\n < close 4500 bye" },
    { "channels whose names say who may are not asked about", tokens, "",
      AS_42 "> {'id':2,'subscribe':{'channel':'$ask:a'}}\n < {'id':2,'error':{'code':103,*\n"
            "> {'id':3,'subscribe':{'channel':'ask:a#42'}}\n < {'id':3,'subscribe':{*\n"
            "> {'id':4,'subscribe':{'channel':'ask:a#43'}}\n < {'id':4,'error':{'code':103,*" },
    { "nor those with a token", tokens, "",
      AS_42
      "> {'id':2,'subscribe':{'channel':'ask:a','token':'<<{'sub':'42','channel':'ask:a'}>>'}}\n"
      "< {'id':2,'subscribe':{*" },
    { "an anonymous one is somebody, too", tokens,
      "/subscribe {" ASKER ",'user':'','channel':'ask:a'} => 200 {'result':{}}",
      "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*\n"
      "> {'id':2,'subscribe':{'channel':'ask:a'}}\n < {'id':2,'subscribe':{}}" },
    { "statuses that mean something", tokens,
      "/codes * => 404 nothing\n/codes * => 418 teapot\n/codes * => 403 ",
      AS_42 "> {'id':2,'subscribe':{'channel':'codes:a'}}\n"
            "< {'id':2,'error':{'code':404,'message':'not found','temporary':true}}\n"
            "> {'id':3,'subscribe':{'channel':'codes:a'}}\n < {'id':3,'error':{'code':100,*\n"
            "> {'id':4,'subscribe':{'channel':'codes:a'}}\n < close 4503 forbidden" },

    /* publish */
    { "what is published is the backend's to say", tokens,
      "/publish {" ASKER ",'user':'42','channel':'ask:a','data':{'t':1}} => 200 "
      "{'result':{'data':{'t':2},'tags':{'k':'v'}}}\n"
      "/publish * => 200 {'result':{'skip_history':true}}\n"
      "/publish * => 200 {'result':{'idempotency_key':'i'}}",
      AS_42
      "> {'id':2,'publish':{'channel':'ask:a','data':{'t':1}}}\n < {'id':2,'publish':{}}\n"
      "> {'id':3,'publish':{'channel':'ask:a','data':3}}\n < {'id':3,'publish':{}}\n"
      "> {'id':4,'publish':{'channel':'ask:a','data':4}}\n < {'id':4,'publish':{}}\n"
      "> {'id':6,'history':{'channel':'ask:a','limit':10}}\n"
      "< {'id':6,'history':{'publications':[{'data':{'t':2},'info':{'user':'42','client':'*'},"
      "'offset':1,'tags':{'k':'v'}*},{'data':4,*'offset':2*}],'epoch':'*','offset':2}}" },
    { "or whether", tokens,
      "/publish * => 200 {'error':{'code':1001,'message':'rude'}}\n/publish * => 200 {}\n"
      "/publish * => 200 {'disconnect':{'code':4500,'reason':'rude'}}",
      AS_42 "> {'id':2,'publish':{'channel':'ask:a','data':1}}\n < "
            "{'id':2,'error':{'code':1001,'message':'rude'}}\n"
            "> {'id':3,'publish':{'channel':'ask:a','data':1}}\n < {'id':3,'error':{'code':103,*\n"
            "> {'id':4,'publish':{'channel':'ask:a','data':1}}\n < close 4500 rude" },
    { "what stands in a map is the backend's to say", tokens,
      "/map_publish {" ASKER ",'user':'42','channel':'map:a','key':'k','data':{'t':1}} => 200 "
      "{'result':{'data':{'t':2}}}\n"
      "/map_publish * => 200 {'error':{'code':1001,'message':'rude'}}\n"
      "/map_remove {" ASKER ",'user':'42','channel':'map:a','key':'k'} => 200 {'result':{}}\n"
      "/map_remove * => 200 {}\n"
      "/map_publish * => 200 {'disconnect':{'code':4500,'reason':'rude'}}",
      AS_42 "> {'id':2,'publish':{'channel':'map:a','type':1,'key':'k','data':{'t':1}}}\n"
            "< {'id':2,'publish':{}}\n"
            "> {'id':3,'subscribe':{'channel':'map:a','type':1,'phase':2}}\n"
            "< {'id':3,'subscribe':{*'state':[{'data':{'t':2},*'key':'k'}]}}\n"
            "> {'id':4,'publish':{'channel':'map:a','type':1,'key':'j','data':1}}\n"
            "< {'id':4,'error':{'code':1001,'message':'rude'}}\n"
            "> {'id':5,'publish':{'channel':'map:a','type':1,'key':'k','removed':true}}\n"
            "< {'id':5,'publish':{}}\n"
            "< {'push':{'channel':'map:a','pub':{'data':null,*'key':'k','removed':true}}}\n"
            "> {'id':6,'publish':{'channel':'map:a','type':1,'key':'k','removed':true}}\n"
            "< {'id':6,'error':{'code':103,*\n"
            "> {'id':7,'publish':{'channel':'map:a','type':1,'key':'k','data':1}}\n"
            "< close 4500 rude" },
    { "publishes keep their order, whoever is asked", tokens,
      "/publish *'data':2} => 200@300 {'result':{}}",
      AS_42
      "> {'id':2,'subscribe':{'channel':'open:a'}}\n < {'id':2,'subscribe':{}}\n"
      "> "
      "{'id':3,'publish':{'channel':'open:a','data':1}}\n> {'id':4,'publish':{'channel':'ask:a'"
      ",'data':2}}\n"
      "> {'id':5,'publish':{'channel':'open:a','data':3}}\n"
      "< {'id':3,'publish':{}}\n < {'push':{'channel':'open:a','pub':{'data':1,*\n"
      "< {'id':4,'publish':{}}\n < {'id':5,'publish':{}}\n"
      "< {'push':{'channel':'open:a','pub':{'data':3,*" },

    /* refresh */
    { "the backend renews a connection, and the client hears nothing", refreshes,
      "/connect * => 200 {'result':{'user':'42','expire_at':NOW+60}}\n"
      "/refresh {" ASKER ",'user':'42'} => 200 {'result':{'expire_at':NOW+60,'info':{'n':1}}}\n"
      "",
      "> {'id':1,'connect':{}}\n < "
      "{'id':1,'connect':{'client':'*','version':'*','ping':3600,'pong':true}}\n"
      "+ 110000\n > {'id':2,'refresh':{'token':'x'}}\n < close 3501 bad request" },
    { "until it does not", refreshes,
      "/connect * => 200 {'result':{'user':'42','expire_at':NOW+60}}\n"
      "/refresh * => 200 {'result':{'expire_at':NOW+60}}\n"
      "/refresh * => 200 {'result':{'expired':true}}",
      "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*\n + 110000\n < close 3005 connection "
      "expired" },
    { "a renewal waits behind a call that takes long", refreshes,
      "/connect * => 200 {'result':{'user':'42','expire_at':NOW+60}}\n"
      "/subscribe * => 200 {'result':{'expire_at':NOW+60}}\n"
      "/rpc * => 200@100000 {'result':{'data':1}}\n"
      "/refresh * => 200 {'result':{}}\n/sub_refresh * => 200 {'result':{}}",
      "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*\n"
      "> {'id':2,'subscribe':{'channel':'ask:a'}}\n < {'id':2,'subscribe':{}}\n"
      "> {'id':3,'rpc':{'method':'x'}}\n + 99000\n < {'id':3,'rpc':{'data':1}}\n + 100000\n"
      "> {'id':4,'unsubscribe':{'channel':'ask:a'}}\n < {'id':4,'unsubscribe':{}}" },
    { "nothing known of it is the end", refreshes,
      "/connect * => 200 {'result':{'user':'42','expire_at':NOW+60}}\n/refresh * => 200 {}",
      "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*\n + 50000\n < close 3005 connection "
      "expired" },
    { "or its own", refreshes,
      "/connect * => 200 {'result':{'user':'42','expire_at':NOW+60}}\n"
      "/refresh * => 200 {'disconnect':{'code':4500,'reason':'x'}}",
      "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*\n + 50000\n < close 4500 x" },
    { "a backend that fails changes nothing for a minute", refreshes,
      "/connect * => 200 {'result':{'user':'42','expire_at':NOW+60}}\n"
      "/refresh * => 200@5000 {}\n/refresh * => 500 {}\n/refresh * => 200 x\n"
      "/refresh * => 200 {'result':{'expired':true}}",
      "> {'id':1,'connect':{}}\n < {'id':1,'connect':{*\n + 235000\n < close 3005 connection "
      "expired" },

    /* sub_refresh */
    { "the backend renews a subscription", tokens,
      "/subscribe * => 200 {'result':{'expire_at':NOW+60}}\n"
      "/sub_refresh {" ASKER
      ",'user':'42','channel':'ask:a'} => 200 {'result':{'expire_at':NOW+60}}\n"
      "/sub_refresh * => 500 x\n"
      "/sub_refresh * => 200 {'result':{'expired':true}}",
      AS_42 "> {'id':2,'subscribe':{'channel':'ask:a'}}\n < {'id':2,'subscribe':{}}\n + 175000\n"
            "< {'push':{'channel':'ask:a','unsubscribe':{'code':2501,'reason':'subscription "
            "expired'}}}" },
    { "and the client cannot", tokens, "/subscribe * => 200 {'result':{'expire_at':NOW+60}}",
      AS_42 "> {'id':2,'subscribe':{'channel':'ask:a'}}\n < {'id':2,'subscribe':{}}\n"
            "> {'id':3,'sub_refresh':{'channel':'ask:a','token':'t'}}\n < close 3501 bad request" },
    { "one that does not answer is not asked about each", tokens,
      "/subscribe * => 200 {'result':{'expire_at':NOW+60}}\n"
      "/subscribe * => 200 {'result':{'expire_at':NOW+60}}\n"
      "/sub_refresh * => 200@9000 {}\n"
      "/sub_refresh *'ask:a'} => 200 {'result':{'expired':true}}\n"
      "/sub_refresh *'ask:b'} => 200 {'result':{}}",
      AS_42 "> {'id':2,'subscribe':{'channel':'ask:a'}}\n < {'id':2,'subscribe':{}}\n"
            "> {'id':3,'subscribe':{'channel':'ask:b'}}\n < {'id':3,'subscribe':{}}\n + 115000\n"
            "< {'push':{'channel':'ask:a','unsubscribe':{'code':2501,*\n + 1000" },
};

struct telling {
    const struct dialogue *dialogue;
    struct backend *backend;
};

static int play(struct world *w, void *arg) {
    const struct telling *t = arg;
    struct peer *p = peer_open(w, NULL);
    PLAYS(p, t->dialogue->lines);
    peer_close(p);
    return 0;
}

static void what_the_backend_says_is_done(void **state) {
    (void) state;
    for (size_t i = 0; i < sizeof dialogues / sizeof *dialogues; i++) {
        struct backend backend = { .at = dialogues[i].backend };
        struct telling t = { &dialogues[i], &backend };
        struct http_client_options http = { .respond = respond, .respond_arg = &backend };
        struct world_options o = { .config = dialogues[i].config, .http = &http };
        const char *why = world_run(&o, play, &t);
        if (why || backend.failure[0])
            fail_msg("%s: %s %s", dialogues[i].what, why ? why : "", backend.failure);
        if (backend.at[0])
            fail_msg("%s: never asked: %s", dialogues[i].what, backend.at);
    }
}

/* ---- several at once ---- */

static int crowd(struct world *w, void *arg) {
    struct backend *backend = arg;
    struct peer *peers[4];
    for (int i = 0; i < 4; i++) {
        peers[i] = peer_open(w, &(struct peer_options){ .worker = 0 });
        PLAYS(peers[i], AS_42);
    }
    for (int i = 0; i < 4; i++)
        PLAYS(peers[i], "> {'id':2,'rpc':{'method':'bin:x'}}");
    for (int i = 0; i < 4; i++)
        PLAYS(peers[i], "< {'id':2,'rpc':{'data':1}}");
    STORY_EXPECT(w, backend->most == 1);
    for (int i = 0; i < 4; i++)
        peer_close(peers[i]);
    return 0;
}

static void a_proxy_is_asked_by_no_more_at_a_time_than_configured(void **state) {
    struct backend backend = { .at = "/binary * => 200@100 {'result':{'data':1}}\n"
                                     "/binary * => 200@100 {'result':{'data':1}}\n"
                                     "/binary * => 200@100 {'result':{'data':1}}\n"
                                     "/binary * => 200@100 {'result':{'data':1}}\n" };
    struct http_client_options http = { .respond = respond, .respond_arg = &backend };
    (void) state;
    assert_null(
            world_run(&(struct world_options){ .config = tokens, .http = &http }, crowd, &backend));
    assert_string_equal(backend.failure, "");
    assert_string_equal(backend.at, "");
}

static int leaves_early(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    PLAYS(p, AS_42 "> {'id':2,'rpc':{'method':'x'}}\n + 500");
    peer_close(p);
    STORY_EXPECT(w, task_sleep(3000) == 0);
    struct worker *worker = &w->daemon->threads[0].worker;
    worker_collect(worker);
    STORY_EXPECT(w, metrics_gauge_of(&worker->metrics, GAUGE_PROXY_RUNNING) == 0);
    STORY_EXPECT(w, worker->metrics.proxy_requests[ASKED_RPC] == 1);
    return 0;
}

static void who_left_meanwhile_is_no_trouble(void **state) {
    struct backend backend = { .at = "/rpc * => 200@1900 {}" };
    struct http_client_options http = { .respond = respond, .respond_arg = &backend };
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = tokens, .http = &http }, leaves_early,
                          NULL));
}

static int reloads(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    PLAYS(p, AS_42 "> {'id':2,'rpc':{'method':'x'}}\n + 500");
    STORY_EXPECT(w,
                 world_configure(w, "client: {allow_anonymous_connect_without_token: true}") == 0);
    PLAYS(p, "< {'id':2,'rpc':{'data':1}}\n"
             "> {'id':3,'rpc':{'method':'x'}}\n < {'id':3,'error':{'code':108,*");
    peer_close(p);
    return 0;
}

static void a_reload_leaves_questions_under_way_alone(void **state) {
    struct backend backend = { .at = "/rpc * => 200@1900 {'result':{'data':1}}" };
    struct http_client_options http = { .respond = respond, .respond_arg = &backend };
    (void) state;
    assert_null(
            world_run(&(struct world_options){ .config = tokens, .http = &http }, reloads, NULL));
}

/* The text is of a configuration that goes while the backend thinks. */
static int reloads_and_refused(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    PLAYS(p, AS_42 "> {'id':2,'rpc':{'method':'x'}}\n + 500");
    STORY_EXPECT(w,
                 world_configure(w, "client: {allow_anonymous_connect_without_token: true}") == 0);
    PLAYS(p, "< {'id':2,'error':{'code':404,'message':'not found','temporary':true}}");
    peer_close(p);
    return 0;
}

static void what_a_status_means_outlives_a_reload(void **state) {
    static const char codes[] =
            "rpc: {without_namespace: {proxy_enabled: true, proxy_name: codes}}\n"
            "proxies:\n"
            "  - {name: codes, endpoint: 'http://app/codes', http: {status_to_code_transforms: [\n"
            "      {status_code: 404, to_error: {code: 404, message: 'not found', temporary: "
            "true}}]}}\n";
    struct backend backend = { .at = "/codes * => 404@900 {}" };
    struct http_client_options http = { .respond = respond, .respond_arg = &backend };
    (void) state;
    assert_null(world_run(&(struct world_options){ .config = codes, .http = &http },
                          reloads_and_refused, NULL));
    assert_string_equal(backend.failure, "");
}

/* Somebody else says anew who the client is, while the backend thinks about what it said. */
static int is_refreshed(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    PLAYS(p, AS_42 "> {'id':2,'subscribe':{'channel':'own:m','type':1,'phase':2}}\n"
                   "< {'id':2,'subscribe':{*}}\n"
                   "> {'id':3,'publish':{'channel':'own:m','type':1,'data':{'a':1}}}\n + 500");
    struct worker *worker = &w->daemon->threads[0].worker;
    struct session *s = hub_first_of_user(worker, STR("42"));
    STORY_EXPECT(w, s != NULL);
    for (int i = 0; i < 3; i++)
        STORY_EXPECT(w,
                     session_refresh_server(s, false, 0, true,
                                            str_bytes(STR("{\"and\":\"much more to say\"}"))) == 0);
    bool has_key = false;
    const char *heard = "";
    for (int i = 0; i < 5 && strstr(heard, "\"id\":3") == NULL; i++) {
        heard = peer_hear(p, 5000);
        has_key |= strstr(heard, "\"key\":\"42\"") != NULL;
    }
    has_key |= strstr(peer_hear(p, 1000), "\"key\":\"42\"") != NULL;
    STORY_EXPECT(w, has_key);
    peer_close(p);
    return 0;
}

static void who_is_refreshed_while_the_backend_thinks_stays_who_it_is(void **state) {
    static const char own[] =
            "client: {token: {hmac_secret_key: secret}, ping_interval: 3600s}\n"
            "channel:\n"
            "  proxy: {map_publish: {endpoint: 'http://app/publish'}}\n"
            "  namespaces:\n"
            "    - {name: own, subscription_type: map, allow_subscribe_for_client: true,\n"
            "       map: {mode: recoverable, client_key: user_id, publish_proxy_enabled: true}}\n";
    struct backend backend = { .at = "/publish * => 200@900 {'result':{}}" };
    struct http_client_options http = { .respond = respond, .respond_arg = &backend };
    (void) state;
    assert_null(
            world_run(&(struct world_options){ .config = own, .http = &http }, is_refreshed, NULL));
}

static int pings(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    PLAYS(p, AS_42 "> {'id':2,'rpc':{'method':'x'}}\n < {}\n > {}\n + 20000\n");
    const char *heard;
    while (strcmp(heard = peer_hear(p, 40000), "{}") == 0)
        PLAYS(p, "> {}");
    STORY_EXPECT(w, text_matches(heard, "{\"id\":2,\"rpc\":{\"data\":1}}"));
    peer_close(p);
    return 0;
}

static void a_slow_backend_is_not_a_missed_pong(void **state) {
    static const char patient[] = "client: {ping_interval: 5s, pong_timeout: 2s, "
                                  "allow_anonymous_connect_without_token: true}\n"
                                  "rpc: {proxy: {endpoint: 'http://app/rpc', timeout: 60s}, "
                                  "without_namespace: {proxy_enabled: true}}\n";
    struct backend backend = { .at = "/rpc * => 200@30000 {'result':{'data':1}}" };
    struct http_client_options http = { .respond = respond, .respond_arg = &backend };
    (void) state;
    assert_null(
            world_run(&(struct world_options){ .config = patient, .http = &http }, pings, NULL));
}

/* ---- anything may happen ---- */

/* A backend of moods: slow, broken, strict, generous; by the loop's seed. */
static int moody(void *arg, const struct http_call *call, struct http_result *ret) {
    char body[256] = "{}";
    int64_t now_s = world_now_s();
    (void) arg;

    int r = task_sleep((int64_t) loop_random_below(4) * (int64_t) loop_random_below(1500));
    if (r < 0)
        return r;
    ret->status = 200;
    switch (loop_random_below(8)) {
    case 0:
        return -ECONNRESET;
    case 1:
        ret->status = 500;
        break;
    case 2:
        (void) snprintf(body, sizeof body, "{\"error\":{\"code\":1000,\"message\":\"no\"}}");
        break;
    case 3:
        if (loop_random_below(10) == 0)
            (void) snprintf(body, sizeof body, "{\"disconnect\":{\"code\":4000,\"reason\":\"x\"}}");
        break;
    case 4:
        (void) snprintf(body, sizeof body, "{\"result\":{\"expired\":%s}}",
                        loop_random_below(8) == 0 ? "true" : "false");
        break;
    default:
        (void) snprintf(body, sizeof body,
                        "{\"result\":{\"user\":\"42\",\"expire_at\":%lld,\"data\":{\"n\":1},"
                        "\"info\":{\"i\":%d},\"channels\":[\"open:own\"]}}",
                        (long long) now_s + 1 + (int) loop_random_below(20),
                        (int) loop_random_below(100));
        break;
    }
    (void) call;
    ret->body = strdup(body);
    ret->body_len = strlen(body);
    return 0;
}

struct walk {
    struct world *world;
    unsigned answered;
    bool is_out_of_order;
};

/* One client that talks without pause: what it is answered comes in the order of its asking. */
static int wander(void *arg) {
    struct walk *walk = arg;
    struct peer *p = peer_open(walk->world, &(struct peer_options){ .worker = -1 });
    unsigned said = 1, heard = 0;
    bool is_gone = false;

    if (!p)
        return 0;
    peer_say(p, "{\"id\":1,\"connect\":{\"subs\":{\"open:a\":{}}}}");
    while (!is_gone && said < 30) {
        unsigned channel = (unsigned) loop_random_below(4);
        said++;
        switch (loop_random_below(6)) {
        case 0:
            peer_say(p, "{\"id\":%u,\"rpc\":{\"method\":\"bin:x\",\"data\":1}}", said);
            break;
        case 1:
            peer_say(p, "{\"id\":%u,\"rpc\":{\"method\":\"x\"}}", said);
            break;
        case 2:
            peer_say(p, "{\"id\":%u,\"subscribe\":{\"channel\":\"ask:%u\"}}", said, channel);
            break;
        case 3:
            peer_say(p, "{\"id\":%u,\"publish\":{\"channel\":\"ask:%u\",\"data\":%u}}", said,
                     channel, said);
            break;
        case 4:
            peer_say(p, "{\"id\":%u,\"publish\":{\"channel\":\"open:%u\",\"data\":%u}}", said,
                     channel, said);
            break;
        default:
            peer_say(p, "{\"id\":%u,\"unsubscribe\":{\"channel\":\"ask:%u\"}}", said, channel);
            break;
        }
        int64_t patience_ms = (int64_t) loop_random_below(3) * (int64_t) loop_random_below(4000);
        for (;;) {
            const char *text = peer_hear(p, patience_ms);
            unsigned id;
            if (strncmp(text, "close", 5) == 0 || strcmp(text, "end") == 0 ||
                strcmp(text, "reset") == 0)
                is_gone = true;
            if (is_gone || strcmp(text, "nothing") == 0)
                break;
            if (sscanf(text, "{\"id\":%u,", &id) == 1) {
                walk->is_out_of_order |= id != heard + 1;
                heard = id;
                walk->answered++;
            }
        }
        if (loop_random_below(60) == 0)
            break;
    }
    peer_close(p);
    return 0;
}

static int wanderers(struct world *w, void *arg) {
    struct walk *walk = arg;
    walk->world = w;
    GROUP(g);
    for (int i = 0; i < 8; i++)
        STORY_EXPECT(w, group_spawn(&g, "wanderer", wander, walk) == 0);
    for (int i = 0; i < 5; i++) {
        STORY_EXPECT(w, task_sleep((int64_t) loop_random_below(20000)) == 0);
        STORY_EXPECT(w, world_configure(w, refreshes) == 0);
    }
    STORY_EXPECT(w, group_wait_all(&g) == 0);
    return 0;
}

static void whatever_the_backend_does_answers_come_in_order(void **state) {
    struct walk walk = { 0 };
    struct http_client_options http = { .respond = moody };
    (void) state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world_options o = { .config = refreshes, .http = &http, .workers = 2, .seed = seed };
        const char *why = world_run(&o, wanderers, &walk);
        if (why || walk.is_out_of_order)
            fail_msg("seed %llu: %s", (unsigned long long) seed, why ? why : "out of order");
    }
    assert_in_range(walk.answered, 500, 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_backend_says_is_done),
        cmocka_unit_test(a_proxy_is_asked_by_no_more_at_a_time_than_configured),
        cmocka_unit_test(who_left_meanwhile_is_no_trouble),
        cmocka_unit_test(a_reload_leaves_questions_under_way_alone),
        cmocka_unit_test(what_a_status_means_outlives_a_reload),
        cmocka_unit_test(who_is_refreshed_while_the_backend_thinks_stays_who_it_is),
        cmocka_unit_test(a_slow_backend_is_not_a_missed_pong),
        cmocka_unit_test(whatever_the_backend_does_answers_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
