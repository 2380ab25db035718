#include "tests/budget/stage.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum { HEARD_MAX = 1 << 20 };

static void on_timer(struct timer *t) {
    struct stage *s = CONTAINER_OF(t, struct stage, timer);
    if (s->is_counted)
        CALLGRIND_TOGGLE_COLLECT;
    event_set(&s->is_over);
}

int stage_open(struct stage *s, struct world *w) {
    memset(s, 0, sizeof *s);
    s->world = w;
    s->timer.run = on_timer;
    event_init(&s->is_over);
    for (size_t i = 0; i < ELEMENTS_OF(s->clients); i++)
        s->clients[i].fd = -1;
    s->frames = frame_pool_new(1);
    return s->frames && buffer_reserve(&s->heard, HEARD_MAX) ? 0 : -ENOMEM;
}

void stage_close(struct stage *s) {
    timer_clear(&s->timer);
    for (size_t i = 0; i < ELEMENTS_OF(s->clients); i++)
        client_leave(&s->clients[i]);
    frame_pool_free(s->frames);
    buffer_finish(&s->out);
    buffer_finish(&s->text);
    buffer_finish(&s->heard);
}

/* In a simulated loop a timer of the future comes only when nothing else is left to do. */
void stage_work(struct stage *s, int64_t ms) {
    event_clear(&s->is_over);
    int r = timer_set(&s->timer, ms);
    s->works += s->is_counted;
    if (s->is_counted)
        CALLGRIND_TOGGLE_COLLECT;
    if (r == 0)
        r = event_wait(&s->is_over);
    (void) story_is(s->world, r == 0, "the stage waits", __FILE__, __LINE__);
}

/* ---- clients ---- */

int client_reach(struct client *c) {
    struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = STAGE_SOCKET };
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    return connect(c->fd, (const struct sockaddr *) &sa, sizeof sa) < 0 ? -errno : 0;
}

void client_leave(struct client *c) {
    if (c->fd >= 0)
        (void) close(c->fd);
    c->fd = -1;
}

void client_prepare_text(struct stage *s, const char *text) {
    buffer_append_str(&s->out, str_of(text));
}

void client_prepare_frame(struct stage *s, enum frame_opcode opcode, struct bytes payload) {
    static const uint8_t mask[FRAME_MASK_BYTES] = { 0x37, 0xfa, 0x21, 0x3d };
    frame_encode(&(struct frame){ .opcode = opcode, .mask = mask }, payload, &s->out);
}

void client_prepare(struct stage *s, const struct client *c, const struct command *command) {
    const struct codec *codec = c->is_protobuf ? &codec_protobuf : &codec_json;
    buffer_reset(&s->text);
    codec->encode_command(command, &s->text);
    client_prepare_frame(s, codec->is_text ? FRAME_TEXT : FRAME_BINARY, buffer_bytes(&s->text));
}

int client_say(struct stage *s, struct client *c) {
    int r = buffer_error(&s->out);
    ssize_t n = r == 0 ? send(c->fd, s->out.data, s->out.len, MSG_NOSIGNAL) : -1;
    if (r == 0 && n != (ssize_t) s->out.len)
        r = n < 0 ? -errno : -EAGAIN;
    buffer_reset(&s->out);
    return r;
}

size_t client_hear(struct stage *s, struct client *c) {
    buffer_reset(&s->heard);
    ssize_t n = recv(c->fd, s->heard.data, HEARD_MAX, 0);
    if (n > 0)
        buffer_added(&s->heard, (size_t) n);
    return s->heard.len;
}

size_t stage_heard(const struct stage *s, const char *text) {
    const uint8_t *at = s->heard.data, *end = at + s->heard.len;
    size_t n = 0, len = strlen(text);
    while (at && (at = memmem(at, (size_t) (end - at), text, len))) {
        n++;
        at += len;
    }
    return n;
}
