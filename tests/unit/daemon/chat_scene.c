#include "tests/unit/daemon/chat_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/chat/chat.h"
#include "daemon/chat/method.h"
#include "storage/chat/user.h"

enum { SETTLE_MS = 3000, PATIENCE_MS = 30000, EXPANDED = 8192 };

struct chat_scene *chat_scene_new(struct world *w) {
    struct chat_scene *s = calloc(1, sizeof *s);
    if (s)
        s->world = w;
    return s;
}

struct chat_scene *chat_scene_free(struct chat_scene *s) {
    for (size_t i = 0; s && i < CHAT_PEOPLE; i++) {
        for (size_t k = 0; k < s->people[i].n_heard; k++)
            free(s->people[i].heard[k]);
        free(s->people[i].rest);
    }
    free(s);
    return NULL;
}

static struct chat_person *person(struct chat_scene *s, char who) {
    return &s->people[who - 'a'];
}

struct adding {
    struct chat_work work;
    char id[2];
    enum chat_role role;
};

static int add_user(struct chat_work *w, struct chat_tx *tx) {
    struct adding *a = CONTAINER_OF(w, struct adding, work);
    struct chat_user user;
    return chat_user_add(
            tx,
            &(struct chat_user_new){ .id = str_of(a->id), .name = str_of(a->id), .role = a->role },
            &user);
}

bool chat_scene_user(struct chat_scene *s, char who, enum chat_role role) {
    struct adding a = { .work = CHAT_WORK(add_user), .id = { who }, .role = role };
    int r = chat_store_write(s->world->daemon->chat->store, &a.work);
    chat_work_finish(&a.work);
    return story_is(s->world, r == 0, "a user could be added", __FILE__, __LINE__);
}

bool chat_scene_connect(struct chat_scene *s, char who) {
    struct chat_person *p = person(s, who);
    p->peer = peer_open(s->world, NULL);
    return p->peer && peer_connect(p->peer, world_token(s->world, "{\"sub\":\"%c\"}", who));
}

/* ' is ", and $N what is kept. */
static const char *expanded(struct chat_scene *s, const char *text, char *to) {
    size_t n = 0;
    for (const char *c = text; *c && n < EXPANDED - CHAT_ID_MAX - 1; c++) {
        if (c[0] == '$' && c[1] >= '0' && c[1] <= '9') {
            n += (size_t) snprintf(to + n, EXPANDED - n, "%s", s->names[c[1] - '0']);
            c++;
        } else {
            to[n++] = *c == '\'' ? '"' : *c;
        }
    }
    to[n] = '\0';
    return to;
}

/* The next line that is heard; "nothing". Good until the next call of the same person. */
static const char *next_line(struct chat_scene *s, struct chat_person *p, int64_t wait_ms) {
    if (!p->rest) {
        const char *heard = peer_hear(p->peer, wait_ms);
        p->rest = strdup(heard);
        if (!p->rest)
            return "no memory";
    }
    char *end = strchr(p->rest, '\n');
    size_t len = end ? (size_t) (end - p->rest) : strlen(p->rest);
    (void) snprintf(s->line, sizeof s->line, "%.*s", (int) len, p->rest);
    char *left = end && end[1] ? strdup(end + 1) : NULL;
    free(p->rest);
    p->rest = left;
    return s->line;
}

static void keep(struct chat_person *p, const char *line) {
    if (p->n_heard < CHAT_HEARD && strcmp(line, "{}") != 0)
        p->heard[p->n_heard++] = strdup(line);
}

static void failed(struct chat_scene *s, const char *expected, const char *heard, const char *file,
                   int line) {
    struct world *w = s->world;
    if (!w->failure[0])
        (void) snprintf(w->failure, sizeof w->failure,
                        "%s:%d: expected %.700s\n  but heard %.1000s", file, line, expected, heard);
}

/* The reply to the command of this number; what else comes meanwhile is kept. NULL: none. */
static const char *reply_of(struct chat_scene *s, struct chat_person *p, unsigned id) {
    char begin[32];
    (void) snprintf(begin, sizeof begin, "{\"id\":%u,", id);
    for (;;) {
        const char *line = next_line(s, p, PATIENCE_MS);
        if (strncmp(line, begin, strlen(begin)) == 0)
            return line + strlen(begin);
        if (line[0] != '{')
            return NULL;
        keep(p, line);
    }
}

static void keep_room(struct chat_scene *s, char name, const char *reply) {
    const char *id = strstr(reply, "\"room\":{\"id\":\""), *code = strstr(reply, "\"code\":\""),
               *first = strstr(reply, "\"id\":\"");
    if (id)
        (void) sscanf(id, "\"room\":{\"id\":\"%64[^\"]", s->names[name - '0']);
    else if (code)
        (void) sscanf(code, "\"code\":\"%64[^\"]", s->names[name - '0']);
    else if (first)
        (void) sscanf(first, "\"id\":\"%64[^\"]", s->names[name - '0']);
}

bool chat_scene_says(struct chat_scene *s, char who, const char *command, const char *pattern,
                     const char *file, int line) {
    struct chat_person *p = person(s, who);
    char *text = malloc(2 * EXPANDED), *expected = text + EXPANDED;
    char keeps = pattern[0] == '$' && pattern[2] == '=' ? pattern[1] : '\0';
    unsigned id = ++s->last_id + 100;

    if (!text)
        return false;
    peer_say(p->peer, "{\"id\":%u,%s}", id, expanded(s, command, text));
    const char *reply = reply_of(s, p, id);
    (void) expanded(s, keeps ? pattern + 3 : pattern, expected);
    bool is_so = reply && text_matches(reply, expected);
    if (is_so && keeps)
        keep_room(s, keeps, reply);
    if (!is_so)
        failed(s, expected, reply ? reply : s->line, file, line);
    free(text);
    return is_so;
}

bool chat_scene_asks(struct chat_scene *s, char who, const char *method, const char *data,
                     const char *pattern, const char *file, int line) {
    char *command = malloc(2 * EXPANDED), *reply = command + EXPANDED;
    int code = 0, n = 0;

    if (!command)
        return false;
    (void) snprintf(command, EXPANDED, "'rpc':{'method':'%s','data':%s}", method, data);
    if (sscanf(pattern, "!%d %n", &code, &n) == 1)
        (void) snprintf(reply, EXPANDED, "'error':{'code':%d,'message':'%s'*", code, pattern + n);
    else if (pattern[0] == '$' && pattern[2] == '=')
        (void) snprintf(reply, EXPANDED, "$%c='rpc':{'data':%s}}", pattern[1], pattern + 3);
    else
        (void) snprintf(reply, EXPANDED, "'rpc':{'data':%s}}", pattern);
    bool is_so = chat_scene_says(s, who, command, reply, file, line);
    free(command);
    const struct chat_method *m = chat_method_of(str_of(method));
    if (is_so && m && code)
        s->has_refused |= UINT64_C(1) << (m - chat_methods(&(size_t){ 0 }));
    else if (is_so && m)
        s->has_done |= UINT64_C(1) << (m - chat_methods(&(size_t){ 0 }));
    return is_so;
}

static bool take(struct chat_person *p, const char *pattern) {
    for (size_t i = 0; i < p->n_heard; i++) {
        if (!text_matches(p->heard[i], pattern))
            continue;
        free(p->heard[i]);
        memmove(&p->heard[i], &p->heard[i + 1], (p->n_heard - i - 1) * sizeof p->heard[0]);
        p->n_heard--;
        return true;
    }
    return false;
}

bool chat_scene_hears(struct chat_scene *s, char who, const char *pattern, const char *file,
                      int line) {
    struct chat_person *p = person(s, who);
    char *expected = malloc(EXPANDED);
    bool has = expected && take(p, expanded(s, pattern, expected));

    while (expected && !has) {
        const char *heard = next_line(s, p, PATIENCE_MS);
        if (heard[0] != '{') {
            failed(s, expected, p->n_heard ? p->heard[p->n_heard - 1] : heard, file, line);
            break;
        }
        keep(p, heard);
        has = take(p, expected);
    }
    free(expected);
    return has;
}

size_t chat_scene_count(struct chat_scene *s, char who, const char *pattern) {
    struct chat_person *p = person(s, who);
    char *expected = malloc(EXPANDED);
    size_t n = 0;

    if (!expected)
        return SIZE_MAX;
    (void) expanded(s, pattern, expected);
    for (;;) {
        const char *heard = next_line(s, p, SETTLE_MS);
        if (heard[0] != '{')
            break;
        keep(p, heard);
    }
    while (take(p, expected))
        n++;
    free(expected);
    return n;
}
