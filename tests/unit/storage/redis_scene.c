#include "tests/unit/storage/redis_scene.h"

#include <hiredis/hiredis.h>

static int on_greet(void *arg, struct redis_server *s, struct str run_id) {
    struct scene *c = arg;
    c->greetings++;
    (void) snprintf(c->run_id, sizeof c->run_id, "%.*s", (int) run_id.len, run_id.data);
    struct bytes words[] = { str_bytes(STR("ECHO")), str_bytes(STR("greeting")) };
    struct redisReply *reply;
    int r = redis_server_ask(s, words, ELEMENTS_OF(words), &reply);
    if (r < 0)
        return r;
    redis_reply_free(reply);
    return c->greet_error;
}

static void on_up(void *arg) {
    ((struct scene *) arg)->ups++;
}

static void on_down(void *arg, int error) {
    struct scene *c = arg;
    c->downs++;
    c->down_error = error;
}

static void on_resubscribed(void *arg) {
    ((struct scene *) arg)->resubscribed++;
}

static void on_message(void *arg, struct str channel, struct bytes payload) {
    buffer_printf(&((struct scene *) arg)->messages, "%.*s=%.*s;", (int) channel.len, channel.data,
                  (int) payload.len, (const char *) payload.data);
}

static void on_warning(void *arg, const char *text) {
    struct scene *c = arg;
    c->warnings++;
    (void) snprintf(c->warning, sizeof c->warning, "%s", text);
}

int scene_open(struct scene *c) {
    struct redis_server_options *o = &c->options;
    c->addresses[0] = (struct address){ "127.0.0.1:6379" };
    c->addresses[1] = (struct address){ "127.0.0.2:6379" };
    o->addresses = c->addresses;
    if (o->n_addresses == 0)
        o->n_addresses = 1;
    o->name = "redis 1";
    o->connect = redis_script_connect;
    o->connect_arg = &c->script;
    o->arg = c;
    o->greet = on_greet;
    o->came_up = on_up;
    o->went_down = on_down;
    o->resubscribed = on_resubscribed;
    o->message = on_message;
    o->warn = on_warning;
    return redis_server_open(o, &c->server);
}

struct telling {
    task_fn *story;
    struct scene *scene;
};

static int tell(void *arg) {
    struct telling *t = arg;
    struct scene *c = t->scene;
    int r = t->story(c);
    c->server = redis_server_close(c->server);
    redis_script_finish(&c->script);
    buffer_finish(&c->messages);
    return r;
}

int scene_play(task_fn *story, uint64_t seed) {
    struct telling t = { story, calloc(1, sizeof *t.scene) };
    int r = t.scene ? 0 : -ENOMEM;
    if (r == 0)
        r = seed ? run_seeded(seed, tell, &t) : run_virtual(tell, &t);
    free(t.scene);
    return r;
}

SUSPENDS int scene_up(struct scene *c) {
    int r = scene_open(c);
    if (r < 0)
        return r;
    DEADLINE(patience, 30000);
    return redis_server_wait_up(c->server);
}

static void on_done(struct redis_command *self, int error, const struct redisReply *reply) {
    struct sent *s = CONTAINER_OF(self, struct sent, command);
    s->is_done = true;
    s->error = error;
    s->order = (*s->counter)++;
    s->type = reply ? reply->type : 0;
    if (reply && reply->str)
        (void) snprintf(s->text, sizeof s->text, "%s", reply->str);
}

void send_echo(struct scene *c, struct sent *s, unsigned *counter, const char *text) {
    struct bytes words[] = { str_bytes(STR("ECHO")), str_bytes(str_of(text)) };
    *s = (struct sent){ .command.done = on_done, .scene = c, .counter = counter };
    redis_server_send(c->server, &s->command, words, ELEMENTS_OF(words));
}

SUSPENDS int ask_echo(struct scene *c, const char *text) {
    struct bytes words[] = { str_bytes(STR("ECHO")), str_bytes(str_of(text)) };
    struct redisReply *reply;
    int r = redis_server_ask(c->server, words, ELEMENTS_OF(words), &reply);
    if (r < 0)
        return r;
    bool is_it = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, text) == 0;
    redis_reply_free(reply);
    return is_it ? 0 : -EBADMSG;
}
