/*
 * The client's ends: many connections in one thread, 16 bytes each.
 *
 * Each upgrades, connects and subscribes to the one channel, and then waits; pings are answered and
 * publications counted. What must not happen is said in a line of JSON, and ends the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEERS_CHANNEL "everyone"

enum peer_state { PEER_FREE, PEER_UPGRADING, PEER_CONNECTING, PEER_SUBSCRIBING, PEER_READY };

/* A connection, by its descriptor. */
struct peer {
    char *kept; /* the beginning of what has not wholly arrived; NULL: nothing */
    uint16_t kept_len;
    uint16_t delivered; /* publications */
    uint8_t state;      /* enum peer_state */
};

struct peers {
    int port;
    int limit; /* of descriptors */
    struct peer *by_fd;
    int epoll;
    int first;           /* the first one's descriptor */
    uint32_t opened;     /* those that are there */
    uint32_t ready;      /* of them, subscribed */
    uint32_t lost;       /* ended, and nobody had asked for it */
    uint32_t told;       /* ended by the server, which was asked to */
    bool is_server_told; /* to stop */
    uint64_t delivered;
    double heard_s; /* when anything last happened, monotonic */
};

/* Says what went wrong, and errno, and exits. detail: what came, or NULL. */
_Noreturn void peers_fail(const struct peers *p, const char *what, int fd, const char *detail,
                          size_t len);

/* Room for this many. */
void peers_init(struct peers *p, int port, uint32_t connections);

/* Until the server accepts, at most a minute. */
void peers_wait_for_server(struct peers *p);

/* One more; what it has to say goes on in peers_turn(). */
void peers_open(struct peers *p);

/* Sends a command. */
void peers_send(struct peers *p, int fd, const char *command);

/* What has arrived, or arrives within the time. Fails when for minutes nothing does. */
void peers_turn(struct peers *p, int timeout_ms);

/* Closes all without a word, so that the server keeps its ends. */
void peers_vanish(struct peers *p);
