/* A session's subscriptions: the only one lies in the session, several in an array; what each is
 * stays with it when others come and go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/world.h"

static const char config[] =
        "client: {ping_interval: 3600s, expired_sub_close_delay: 1s}\n"
        "channel:\n"
        "  without_namespace: {presence: true, allow_subscribe_for_client: true,\n"
        "    allow_publish_for_client: true, allow_presence_for_client: true}\n";

#define UNTIL(channel, s)                                                                          \
    "> {'id':2,'subscribe':{'channel':'" channel "','token':'<<{'sub':'42','channel':'" channel    \
    "','info':{'of':'" channel "'},'exp':NOW+" s "}>>'}}\n"                                        \
    "< {'id':2,'subscribe':{'expires':true,'ttl':" s "}}\n"
#define LEAVES(channel)                                                                            \
    "> {'id':3,'unsubscribe':{'channel':'" channel "'}}\n < {'id':3,'unsubscribe':{}}\n"
#define FOLLOWS(channel)                                                                           \
    "> {'id':4,'publish':{'channel':'" channel "','data':1}}\n < {'id':4,'publish':{}}\n"          \
    "< {'push':{'channel':'" channel "','pub':{'data':1,'info':{*'chan_info':{'of':'" channel      \
    "'}*\n"
#define IS_IN(channel)                                                                             \
    "> {'id':5,'presence':{'channel':'" channel "'}}\n"                                            \
    "< {'id':5,'presence':{'presence':{'CLIENT':{*'chan_info':{'of':'" channel "'}}}}}\n"
#define NOT_IN(channel)                                                                            \
    "> {'id':6,'presence':{'channel':'" channel "'}}\n < {'id':6,'presence':{'presence':{}}}\n"
#define TIME_IS_OVER(channel) "< {'push':{'channel':'" channel "','unsubscribe':{'code':2501,*\n"

static const struct {
    const char *what;
    const char *lines;
} dialogues[] = {
    /* The time of the one that is left comes to it, and nothing comes for the other. */
    { "of two the first goes",
      UNTIL("a", "20") UNTIL("b", "40") LEAVES("a") FOLLOWS("b") IS_IN("b")
              NOT_IN("a") "+ 40500\n" FOLLOWS("b") "+ 1000\n" TIME_IS_OVER("b") NOT_IN("b") },
    { "of two the second goes",
      UNTIL("a", "40") UNTIL("b", "20") LEAVES("b") FOLLOWS("a") IS_IN("a")
              NOT_IN("b") "+ 40500\n" FOLLOWS("a") "+ 1000\n" TIME_IS_OVER("a") NOT_IN("a") },
    { "of two the time of the first is over",
      UNTIL("a", "20") UNTIL("b", "40") "+ 21500\n" TIME_IS_OVER("a") FOLLOWS("b")
              NOT_IN("a") "+ 20000\n" TIME_IS_OVER("b") NOT_IN("b") },
    { "of two the time of the second is over",
      UNTIL("a", "40") UNTIL("b", "20") "+ 21500\n" TIME_IS_OVER("b") FOLLOWS("a")
              NOT_IN("b") "+ 20000\n" TIME_IS_OVER("a") NOT_IN("a") },
    { "the time of both is over at once",
      UNTIL("a", "20") UNTIL("b", "20") "+ 21500\n" TIME_IS_OVER("*") TIME_IS_OVER("*") NOT_IN("a")
              NOT_IN("b") },
    { "one, two, one, none, and one again",
      UNTIL("a", "20") FOLLOWS("a") UNTIL("b", "20") FOLLOWS("a") FOLLOWS("b") LEAVES("a")
              FOLLOWS("b") LEAVES("b") NOT_IN("a") NOT_IN("b") "+ 22000\n" UNTIL("a", "20")
                      FOLLOWS("a") IS_IN("a") "+ 21500\n" TIME_IS_OVER("a") NOT_IN("a") },
    { "two, one, two: who comes back comes last",
      UNTIL("a", "20") UNTIL("b", "40") LEAVES("a") UNTIL("a", "60") FOLLOWS("a")
              FOLLOWS("b") "+ 41500\n" TIME_IS_OVER("b") FOLLOWS("a")
                      IS_IN("a") "+ 20000\n" TIME_IS_OVER("a") },
    { "five, and the first of them three times",
      UNTIL("a", "20") UNTIL("b", "40") UNTIL("c", "60") UNTIL("d", "80") UNTIL("e", "100")
              LEAVES("a") FOLLOWS("e") FOLLOWS("d") LEAVES("e") FOLLOWS("d") FOLLOWS("b")
                      FOLLOWS("c") "+ 41500\n" TIME_IS_OVER("b") "+ 20000\n" TIME_IS_OVER("c")
                              FOLLOWS("d") IS_IN("d") "+ 20000\n" TIME_IS_OVER("d") },
    { "refreshed, each for itself",
      UNTIL("a", "20") UNTIL(
              "b",
              "20") "> {'id':7,'sub_refresh':{'channel':'b','token':'<<{'sub':'42','channel':'b',"
                    "'info':{'of':'b'},'exp':NOW+40}>>'}}\n"
                    "< {'id':7,'sub_refresh':{'expires':true,'ttl':40}}\n"
                    "+ 21500\n" TIME_IS_OVER("a") FOLLOWS("b") "+ 20000\n" TIME_IS_OVER("b") },
};

static int play(struct world *w, void *arg) {
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p && peer_connect(p, world_token(w, "{\"sub\":\"42\"}")));
    PLAYS(p, arg);
    return 0;
}

static void what_a_subscription_is_stays_with_it_when_others_come_and_go(void **state) {
    (void) state;
    for (size_t i = 0; i < ELEMENTS_OF(dialogues); i++)
        if (world_run(&(struct world_options){ .config = config }, play,
                      (void *) (uintptr_t) dialogues[i].lines))
            fail_msg("%s", dialogues[i].what);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_subscription_is_stays_with_it_when_others_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
