/*
 * One WebSocket as a client has it: a TCP connection, the opening handshake, frames. Edge-triggered
 * epoll; holds memory only while a frame is half read or half written.
 *
 * Frames are masked by the key 0: what the server's time goes into is the same.
 */
#pragma once

#include <netinet/in.h>

#include "protocol/buffer.h"

struct link;

/* What happens to it. */
struct link_owner {
    void (*opened)(struct link *l);                         /* the handshake is done */
    void (*received)(struct link *l, struct bytes message); /* may close the link */
    /* Not through link_close(). code: of a close frame; 0: there was none. */
    void (*lost)(struct link *l, unsigned code, const char *why);
};

struct link {
    const struct link_owner *owner;
    int fd; /* -1: closed */
    int poll;
    bool is_open; /* the handshake is done */
    struct buffer in, out;
};

void link_init(struct link *l, const struct link_owner *owner, int poll);

/* from: the local address, in host order; 0: the kernel's choice. 0, or -errno: nothing begun. */
int link_connect(struct link *l, const struct sockaddr_in *to, uint32_t from, const char *path);

/* Does nothing to a closed one. */
void link_send(struct link *l, struct bytes message);
void link_close(struct link *l);

void link_on_event(struct link *l, unsigned events); /* of epoll, whose data.ptr is the link */
