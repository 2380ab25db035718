/* Signing in, inside a simulated daemon: on virtual time, and while others do something else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop.h"
#include "async/stream.h"
#include "async/task.h"
#include "daemon/chat/auth.h"
#include "daemon/chat/chat.h"
#include "daemon/log.h"
#include "daemon/worker_thread.h"
#include "storage/chat/account.h"
#include "tests/support/failing_memory.h"
#include "tests/support/sim_vfs.h"
#include "tests/support/world.h"

enum { WORKERS = 3, SEEDS = 40, ROUNDS = 12, PIPE = 8192, HOUR = 3600 * 1000 };

#define CHAT(more) "chat: { enabled: true" more " }\nclient: { ping_interval: 3600s }\n"

static const char *play(struct world_options o, story_fn *story, void *arg) {
    struct sim_disk *disk = sim_disk_new("parley-auth", 1);
    o.data_dir = "disk";
    o.vfs = "parley-auth";
    const char *failure = world_run(&o, story, arg);
    sim_disk_free(disk);
    return failure;
}

/* ---- a page ---- */

struct answer {
    int status;
    char text[PIPE];
};

/* POST with this body and a login's token, which may be NULL; GET if body is NULL. */
static int ask(struct world *w, unsigned worker, const char *path, const char *token,
               const char *body, struct answer *ret) {
    struct buffer out = BUFFER_INIT;
    struct stream *mine, *theirs;
    size_t len = 0;

    int r = stream_pair(PIPE, &mine, &theirs);
    if (r < 0)
        return r;
    r = daemon_accept(w->daemon, worker, theirs);
    if (r < 0)
        stream_close(theirs);
    buffer_printf(&out, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", body ? "POST" : "GET",
                  path);
    if (token)
        buffer_printf(&out, "Authorization: Bearer %s\r\n", token);
    if (body)
        buffer_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                      strlen(body));
    buffer_printf(&out, "\r\n%s", body ? body : "");
    if (r == 0)
        r = stream_write_all(mine, &(struct iovec){ out.data, out.len }, 1);
    buffer_finish(&out);
    while (r == 0 && len < sizeof ret->text - 1) {
        ssize_t n = stream_read(mine, ret->text + len, sizeof ret->text - 1 - len);
        if (n <= 0)
            break;
        len += (size_t) n;
    }
    stream_close(mine);
    ret->text[len] = '\0';
    ret->status = len > 12 ? atoi(ret->text + 9) : 0;
    return r;
}

static int status_of(struct world *w, const char *path, const char *token, const char *body) {
    struct answer *a = calloc(1, sizeof *a);
    int r = a ? ask(w, 0, path, token, body, a) : -ENOMEM;
    r = r < 0 ? r : a->status;
    free(a);
    return r;
}

/* ---- somebody with a login, as if they had signed in ---- */

struct signing_in {
    struct chat_work work;
    struct str user;
    char token[SECRET_TEXT_MAX];
    uint8_t hash[SECRET_HASH_SIZE];
    int64_t expires_at;
    char id[32];
};

static int sign_in_there(struct chat_work *work, struct chat_tx *tx) {
    struct signing_in *s = CONTAINER_OF(work, struct signing_in, work);
    struct chat_user user;
    struct chat_login login;

    int r = chat_user_get(tx, s->user, &user);
    if (r == CHAT_NOT_FOUND)
        r = chat_user_add(
                tx, &(struct chat_user_new){ .id = s->user, .login = s->user, .name = s->user },
                &user);
    if (r == 0)
        r = chat_login_add(tx, user.key,
                           &(struct chat_login_new){ .hash = s->hash, .expires_at = s->expires_at },
                           &login);
    if (r == 0)
        (void) snprintf(s->id, sizeof s->id, "%.*s", (int) login.id.len, login.id.data);
    return r;
}

static bool sign_in(struct world *w, const char *user, int64_t ttl_ms, struct signing_in *s) {
    *s = (struct signing_in){ .work = CHAT_WORK(sign_in_there),
                              .user = str_of(user),
                              .expires_at = ttl_ms ? loop_wall_ms() + ttl_ms : 0 };
    int r = auth_make_token(s->token, s->hash);
    if (r == 0)
        r = chat_store_write(w->daemon->chat->store, &s->work);
    chat_work_finish(&s->work);
    return story_is(w, r == 0, "somebody signed in", __FILE__, __LINE__);
}

static size_t connections_of(struct world *w, const char *user) {
    size_t n = 0;
    for (size_t i = 0; i < w->daemon->n_workers; i++)
        HUB_FOREACH_USER (&w->daemon->threads[i].worker, str_of(user), s)
            n += s->state == SESSION_CONNECTED;
    return n;
}

/* ---- the owner ---- */

/* What the log says, and the link that it has. */
struct heard {
    char text[4096];
    size_t len;
};

static void hear(void *arg, const char *line, size_t len) {
    struct heard *h = arg;
    if (h->len + len >= sizeof h->text)
        return;
    memcpy(h->text + h->len, line, len);
    h->len += len;
    h->text[h->len] = '\0';
}

static int the_link_works_once(struct world *w, void *arg) {
    struct heard *h = arg;
    char body[256];
    const char *code = strstr(h->text, "/#/setup/");
    STORY_EXPECT(w, code != NULL);
    code += sizeof "/#/setup/" - 1;

    STORY_EXPECT(w, w->daemon->auth->setup_code[0] == '\0'); /* nothing of it is left */
    (void) snprintf(
            body, sizeof body,
            "{\"code\":\"%.21s_\",\"login\":\"eve\",\"name\":\"E\",\"password\":\"longenough\"}",
            code);
    STORY_EXPECT(w, status_of(w, "/auth/setup", NULL, body) == 404);
    (void) snprintf(
            body, sizeof body,
            "{\"code\":\"%.22s\",\"login\":\"ada\",\"name\":\"A\",\"password\":\"longenough\"}",
            code);
    STORY_EXPECT(w, status_of(w, "/auth/setup", NULL, body) == 200);
    STORY_EXPECT(w, status_of(w, "/auth/setup", NULL, body) == 410);

    h->len = 0;
    h->text[0] = '\0';
    STORY_EXPECT(w, world_restart(w) == 0);
    STORY_EXPECT(w, strstr(h->text, "setup") == NULL);
    STORY_EXPECT(w, status_of(w, "/auth/login", NULL,
                              "{\"login\":\"ada\",\"password\":\"longenough\"}") == 200);
    return 0;
}

static void the_owners_link_works_once(void **state) {
    struct heard *h = calloc(1, sizeof *h);
    struct log *log;
    struct log_options o = { .level = LOG_LEVEL_DEBUG, .write = hear, .arg = h };
    assert_int_equal(log_open(&o, &log), 0);
    assert_null(
            play((struct world_options){ .config = CHAT(""), .log = log }, the_link_works_once, h));
    assert_null(strstr(h->text, "longenough"));
    log_close(log);
    free(h);
}

/* ---- guesses ---- */

static int guess(struct world *w, const char *login) {
    char body[128];
    (void) snprintf(body, sizeof body, "{\"login\":\"%s\",\"password\":\"wrong\"}", login);
    return status_of(w, "/auth/login", NULL, body);
}

static int few_guesses(struct world *w, void *arg) {
    struct signing_in *ada = calloc(1, sizeof *ada);
    bool is_in = ada && sign_in(w, "ada", 0, ada);
    free(ada);
    STORY_EXPECT(w, is_in);
    for (int i = 0; i < 3; i++)
        STORY_EXPECT(w, guess(w, i % 2 ? "ada" : "ADA") == 401);
    STORY_EXPECT(w, guess(w, "ada") == 429);
    STORY_EXPECT(w, guess(w, "nobody") == 401); /* the address has more */
    STORY_EXPECT(w, guess(w, "nobody") == 401);
    STORY_EXPECT(w, guess(w, "else") == 429);
    STORY_EXPECT(w, task_sleep(19 * 60 * 1000) == 0);
    STORY_EXPECT(w, guess(w, "ada") == 429);
    STORY_EXPECT(w, task_sleep(61 * 1000) == 0);
    STORY_EXPECT(w, guess(w, "ada") == 401);
    STORY_EXPECT(w, guess(w, "ada") == 429);
    return 0;
}

static void guesses_come_back_with_time(void **state) {
    assert_null(
            play((struct world_options){ .config = CHAT(", login_attempts: 3, address_attempts: 5, "
                                                        "login_window: 1h") },
                 few_guesses, NULL));
}

/* ---- the time of a login ---- */

static bool is_let_in(struct world *w, const char *token) {
    struct peer *p = peer_open(w, &(struct peer_options){ .worker = -1, .may_be_refused = true });
    if (!p)
        return false;
    peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", token);
    bool is = text_matches(peer_hear(p, 1000), "{\"id\":1,\"connect\":*");
    peer_close(p);
    return is;
}

static int time_passes(struct world *w, void *arg) {
    struct signing_in *s = arg;
    STORY_EXPECT(w, sign_in(w, "ada", HOUR, s));
    STORY_EXPECT(w, is_let_in(w, s->token));
    STORY_EXPECT(w, task_sleep(50 * 60 * 1000) == 0);
    STORY_EXPECT(w, is_let_in(w, s->token)); /* an hour from now on */
    STORY_EXPECT(w, task_sleep(50 * 60 * 1000) == 0);
    STORY_EXPECT(w, status_of(w, "/auth/sessions", s->token, NULL) == 200); /* and again */
    STORY_EXPECT(w, task_sleep(50 * 60 * 1000) == 0);
    STORY_EXPECT(w, is_let_in(w, s->token));
    STORY_EXPECT(w, task_sleep(61 * 60 * 1000) == 0);
    STORY_EXPECT(w, !is_let_in(w, s->token));
    STORY_EXPECT(w, status_of(w, "/auth/sessions", s->token, NULL) == 401);
    return 0;
}

static void a_login_lasts_as_long_as_it_is_used(void **state) {
    struct signing_in *s = calloc(1, sizeof *s);
    assert_null(play((struct world_options){ .config = CHAT(", login_ttl: 1h") }, time_passes, s));
    free(s);
}

/* A connection that stays is a use, too: of its own login, and of no other. */
static int stays(struct world *w, void *arg) {
    struct signing_in *s = arg, *other = &s[1];
    STORY_EXPECT(w, sign_in(w, "ada", HOUR, s) && sign_in(w, "ada", HOUR, other));
    struct peer *p = peer_open(w, NULL);
    STORY_EXPECT(w, p);
    peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", s->token);
    HEARS(p, "{\"id\":1,\"connect\":*");
    STORY_EXPECT(w, task_sleep(5 * HOUR) == 0);
    STORY_EXPECT(w, connections_of(w, "ada") == 1);
    (void) peer_close(p);
    STORY_EXPECT(w, task_sleep(40 * 60 * 1000) == 0); /* of an hour a quarter is missing at most */
    STORY_EXPECT(w, !is_let_in(w, other->token));
    STORY_EXPECT(w, is_let_in(w, s->token));
    STORY_EXPECT(w, task_sleep(61 * 60 * 1000) == 0);
    STORY_EXPECT(w, !is_let_in(w, s->token));
    return 0;
}

static void a_login_lasts_as_long_as_it_is_connected(void **state) {
    struct signing_in *s = calloc(2, sizeof *s);
    assert_null(play((struct world_options){ .config = "chat: { enabled: true, login_ttl: 1h }\n"
                                                       "client: { ping_interval: 0 }\n" },
                     stays, s));
    free(s);
}

/* ---- at the same time ---- */

struct comer {
    struct world *world;
    const char *token;
    int after_ms;
    char last[128];
};

static int come(void *arg) {
    struct comer *c = arg;
    int r = task_sleep(c->after_ms);
    struct peer *p = r == 0 ? peer_open(c->world, &(struct peer_options){ .worker = -1,
                                                                          .may_be_refused = true })
                            : NULL;
    if (!p)
        return r;
    peer_say(p, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", c->token);
    const char *heard = "";
    for (int i = 0; i < 8 && strncmp(heard, "close", 5) != 0; i++)
        heard = peer_hear(p, 1000);
    (void) snprintf(c->last, sizeof c->last, "%s", heard);
    peer_close(p);
    return 0;
}

/* Whoever is connecting, or has just connected, when the login ends, goes. */
static int ends_meanwhile(struct world *w, void *arg) {
    struct signing_in *all = arg, *mine = &all[ROUNDS];
    struct comer comers[ROUNDS];

    STORY_EXPECT(w, sign_in(w, "ada", 0, mine));
    for (int i = 0; i < ROUNDS; i++) {
        char body[64];
        STORY_EXPECT(w, sign_in(w, "ada", 0, &all[i]));
        GROUP(tasks);
        comers[i] = (struct comer){ w, all[i].token, i % 4, "" };
        STORY_EXPECT(w, group_spawn(&tasks, "comer", come, &comers[i]) == 0);
        STORY_EXPECT(w, task_sleep(i) == 0);
        (void) snprintf(body, sizeof body, "{\"id\":\"%s\"}", all[i].id);
        STORY_EXPECT(w, status_of(w, "/auth/revoke", mine->token, body) == 200);
        STORY_EXPECT(w, task_sleep(200) == 0); /* time for what was on its way */
        STORY_EXPECT(w, connections_of(w, "ada") == 0);
        STORY_EXPECT(w, group_wait_all(&tasks) == 0);
        STORY_EXPECT(w, strncmp(comers[i].last, "close 3500", 10) == 0);
    }
    return 0;
}

static void a_login_that_ends_while_it_connects_is_not_connected(void **state) {
    struct signing_in *all = calloc(ROUNDS + 1, sizeof *all);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const char *failure =
                play((struct world_options){ .config = CHAT(""), .workers = WORKERS, .seed = seed },
                     ends_meanwhile, all);
        if (failure)
            fail_msg("seed %llu: %s", (unsigned long long) seed, failure);
    }
    free(all);
}

/* ---- without memory ---- */

/* What is asked of the n-th allocation on that fails is done, or refused, or not answered at all;
 * and afterwards all is as ever. */
static int without_memory(struct world *w, void *arg) {
    struct signing_in *mine = calloc(2, sizeof *mine), *other = mine + 1;
    static const int good[] = { 0, 200, 401, 404, 500, 503 };
    struct comer c = { w, mine->token, 0, "" };
    bool is_over = false;

    STORY_EXPECT(w, mine && sign_in(w, "ada", 0, mine));
    for (uint64_t n = 1; !is_over; n++) {
        char revoke[64];
        STORY_EXPECT(w, sign_in(w, "ada", 0, other));
        (void) snprintf(revoke, sizeof revoke, "{\"id\":\"%s\"}", other->id);
        has_failed = false;
        fails_in = n;
        int listed = status_of(w, "/auth/sessions", mine->token, NULL);
        int revoked = status_of(w, "/auth/revoke", mine->token, revoke);
        int wrong = n < 40 ? guess(w, "ada") : 401;
        bool is_in = is_let_in(w, c.token);
        (void) is_in;
        is_over = !has_failed;
        fails_in = 0;
        bool is_listed = false, is_revoked = false, is_wrong = false;
        for (size_t i = 0; i < ELEMENTS_OF(good); i++) {
            is_listed |= listed == good[i];
            is_revoked |= revoked == good[i];
            is_wrong |= wrong == good[i] && wrong != 200;
        }
        STORY_EXPECT(w, (is_listed || listed == -ENOMEM) && (is_revoked || revoked == -ENOMEM) &&
                                (is_wrong || wrong == -ENOMEM));
        STORY_EXPECT(w,
                     revoked != 200 || status_of(w, "/auth/sessions", other->token, NULL) == 401);
        STORY_EXPECT(w, is_let_in(w, c.token));
        STORY_EXPECT(w, status_of(w, "/auth/revoke", mine->token, "{\"others\":true}") == 200);
    }
    free(mine);
    return 0;
}

static void without_memory_somebody_is_refused_and_nothing_else(void **state) {
    assert_null(play((struct world_options){ .config = CHAT(", login_attempts: 1000") },
                     without_memory, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owners_link_works_once),
        cmocka_unit_test(guesses_come_back_with_time),
        cmocka_unit_test(a_login_lasts_as_long_as_it_is_used),
        cmocka_unit_test(a_login_lasts_as_long_as_it_is_connected),
        cmocka_unit_test(a_login_that_ends_while_it_connects_is_not_connected),
        cmocka_unit_test(without_memory_somebody_is_refused_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
