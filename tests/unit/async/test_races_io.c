/* The suspending calls of streams and listeners: no byte and no connection is lost; see race.h. */
#include "race.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "async/stream.h"

/* ---- streams ---- */

struct ends {
    struct stream *ours, *theirs;
};

enum { CAPACITY = 4 };

static int pair_set_up(struct race_world *w) {
    struct ends *e = w->own;
    return stream_pair(CAPACITY, &e->ours, &e->theirs);
}

static int socket_set_up(struct race_world *w) {
    struct ends *e = w->own;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    int r = stream_from_fd(fds[0], &e->ours);
    return r < 0 ? r : stream_from_fd(fds[1], &e->theirs);
}

static void ends_tear_down(struct race_world *w) {
    struct ends *e = w->own;
    e->ours = stream_close(e->ours);
    e->theirs = stream_close(e->theirs);
}

static int read_call(struct race_world *w) {
    char c;
    ssize_t n = stream_read(((struct ends *) w->own)->ours, &c, 1);
    return n == 1 && c != 'x' ? -EILSEQ : (int) n;
}

static int readable_call(struct race_world *w) {
    return stream_wait_readable(((struct ends *) w->own)->ours);
}

static void send_one(struct race_world *w) {
    (void) !stream_try_send(((struct ends *) w->own)->theirs, "x", 1);
}

static int bytes_left(struct race_world *w) {
    char buf[2 * CAPACITY];
    ssize_t n = stream_try_read(((struct ends *) w->own)->ours, buf, sizeof buf);
    return n == -EAGAIN ? 0 : (int) n;
}

/* Nobody takes the byte: it is for whoever reads next. */
static int nothing_left(struct race_world *w) {
    return w->is_done[0] && w->results[0] == 0 ? bytes_left(w) - 1 : bytes_left(w);
}

/* The peer stops reading while as much as fits is under way. */
static int full_pair_set_up(struct race_world *w) {
    struct ends *e = w->own;
    int r = pair_set_up(w);
    while (r >= 0)
        r = (int) stream_try_send(e->ours, "y", 1);
    return r == -EAGAIN ? 0 : r;
}

static int write_call(struct race_world *w) {
    char x = 'x';
    const struct iovec v = { .iov_base = &x, .iov_len = 1 };
    return stream_write_all(((struct ends *) w->own)->ours, &v, 1);
}

static int writable_call(struct race_world *w) {
    return stream_wait_writable(((struct ends *) w->own)->ours);
}

static void receive_one(struct race_world *w) {
    char c;
    (void) !stream_try_read(((struct ends *) w->own)->theirs, &c, 1);
}

static int room_left(struct race_world *w) {
    return stream_try_send(((struct ends *) w->own)->ours, "z", 1) == 1;
}

static int no_room_left(struct race_world *w) {
    return w->is_done[0] && w->results[0] == 0 ? room_left(w) - 1 : room_left(w);
}

/* ---- listeners ---- */

struct door {
    struct listener *listener;
    int guest; /* a descriptor; 0: nobody came */
};

static int door_set_up(struct race_world *w) {
    struct door *d = w->own;
    struct address a;
    int r = address_parse("127.0.0.1:0", &a);
    return r < 0 ? r : listener_open(&a, NULL, &d->listener);
}

static void knock(struct race_world *w) {
    struct door *d = w->own;
    char text[ADDRESS_TEXT_MAX];
    const char *port = strrchr(listener_address(d->listener, text, sizeof text), ':');
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) strtoul(port + 1, NULL, 10)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    d->guest = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (d->guest > 0)
        (void) !connect(d->guest, (const struct sockaddr *) &sa, sizeof sa);
}

static int next_call(struct race_world *w) {
    struct stream *s;
    int r = listener_next(((struct door *) w->own)->listener, &s);
    if (r == 1)
        s = stream_close(s);
    return r;
}

static int guests_left(struct race_world *w) {
    DEADLINE(d, 5);
    int r = next_call(w);
    return r == 1 ? 1 : 0;
}

static void door_tear_down(struct race_world *w) {
    struct door *d = w->own;
    d->listener = listener_close(d->listener);
    if (d->guest > 0)
        (void) close(d->guest);
}

static const struct race races[] = {
    { .name = "stream_read",
      .bytes = sizeof(struct ends),
      .set_up = pair_set_up,
      .call = read_call,
      .complete = send_one,
      .left = bytes_left,
      .tear_down = ends_tear_down,
      .is_alone = true },
    { .name = "stream_wait_readable",
      .bytes = sizeof(struct ends),
      .set_up = pair_set_up,
      .call = readable_call,
      .complete = send_one,
      .left = nothing_left,
      .tear_down = ends_tear_down,
      .is_alone = true },
    { .name = "stream_write_all",
      .bytes = sizeof(struct ends),
      .set_up = full_pair_set_up,
      .call = write_call,
      .complete = receive_one,
      .left = room_left,
      .tear_down = ends_tear_down,
      .is_alone = true },
    { .name = "stream_wait_writable",
      .bytes = sizeof(struct ends),
      .set_up = full_pair_set_up,
      .call = writable_call,
      .complete = receive_one,
      .left = no_room_left,
      .tear_down = ends_tear_down,
      .is_alone = true },
    { .name = "stream_read, socket",
      .bytes = sizeof(struct ends),
      .set_up = socket_set_up,
      .call = read_call,
      .complete = send_one,
      .left = bytes_left,
      .tear_down = ends_tear_down,
      .is_alone = true,
      .is_late = true },
    { .name = "stream_wait_readable, socket",
      .bytes = sizeof(struct ends),
      .set_up = socket_set_up,
      .call = readable_call,
      .complete = send_one,
      .left = nothing_left,
      .tear_down = ends_tear_down,
      .is_alone = true,
      .is_late = true },
    { .name = "listener_next",
      .bytes = sizeof(struct door),
      .set_up = door_set_up,
      .call = next_call,
      .complete = knock,
      .left = guests_left,
      .tear_down = door_tear_down,
      .is_alone = true,
      .is_late = true },
};

static void no_byte_and_no_connection_is_lost_however_a_wait_ends(void **state) {
    (void) state;
    race_all(races, ELEMENTS_OF(races));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_byte_and_no_connection_is_lost_however_a_wait_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
