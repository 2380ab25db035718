/*
 * Holds as many idle subscribed connections as it is told to, and says what they cost.
 *
 * Speaks the JSON protocol of the Centrifuge SDKs over WebSocket, to loopback only: each connection
 * upgrades, connects, subscribes to the one channel, and then waits. Addresses of 127/8 lend the
 * ports. Meant for a machine that has nothing else to do (tests/bench/guest/run boots one); libc
 * only.
 *
 * Prints one JSON object a line:
 *   {"event":"base" | "step" | "published" | "server_only", "connections":N, ...reading}
 *   {"event":"fanout", "deliveries":N, "missing":N, "seconds":S, "server_cpu_s":S}
 *   {"event":"stopped", "told":N, "dropped":N, "seconds":S, "peak_rss":BYTES}
 *   {"event":"full" | "lost" | "failed", ...}
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peers.h"
#include "reading.h"

enum { LOOK_EVERY_S = 1, CHECK_MEMORY_EVERY = 2048 };

static struct {
    int port;
    pid_t server;
    uint32_t connections, step, window, rounds;
    uint64_t reserve;
    double settle_s;
    double open_s; /* for which connections are opened */
    bool stops;    /* the server is told to stop, instead of being left alone */
} options = { .port = 8000,
              .connections = 1000,
              .step = 50000,
              .window = 256,
              .rounds = 3,
              .reserve = 64 << 20,
              .settle_s = 3,
              .open_s = 86400 };

static struct peers peers;

static void report(const char *event) {
    struct reading r;
    errno = -reading_take(options.server, &r);
    if (errno)
        peers_fail(&peers, "no reading", 0, NULL, 0);
    printf("{\"event\":\"%s\",\"connections\":%u,", event, peers.ready);
    reading_print(&r, stdout);
    printf("}\n");
}

static void settle(void) {
    double until = reading_clock_s() + options.settle_s;
    for (;;) {
        double left_s = until - reading_clock_s();
        if (left_s <= 0)
            return;
        peers.heard_s = reading_clock_s(); /* silence is what is wanted */
        peers_turn(&peers, (int) (left_s * 1000) + 1);
    }
}

static bool has_memory_and_time(double until_s) {
    return reading_available() > options.reserve && reading_clock_s() < until_s;
}

/* Up to the target, or until memory or time runs out; false: it has. */
static bool open_to(uint32_t target, double until_s) {
    bool has_room = true;
    peers.heard_s = reading_clock_s();
    while (peers.ready < target && (has_room || peers.ready < peers.opened)) {
        while (has_room && peers.opened < target && peers.opened - peers.ready < options.window) {
            if (peers.opened % CHECK_MEMORY_EVERY == 0)
                has_room = has_memory_and_time(until_s);
            if (has_room)
                peers_open(&peers);
        }
        if (peers.ready < peers.opened)
            peers_turn(&peers, 1000);
    }
    return has_room;
}

/* ---- publishing ---- */

static void fan_out(uint32_t round) {
    char command[128];
    uint64_t wanted = peers.delivered + peers.ready;
    double from_s = reading_clock_s(), from_cpu_s = reading_cpu_s(options.server);
    uint32_t lost = peers.lost;

    (void) snprintf(command, sizeof command,
                    "{\"id\":%u,\"publish\":{\"channel\":\"" PEERS_CHANNEL
                    "\",\"data\":{\"round\":%u}}}",
                    round + 10, round);
    peers_send(&peers, peers.first, command);
    peers.heard_s = from_s;
    uint64_t before = peers.delivered;
    double first_s = 0;
    while (peers.delivered < wanted - (peers.lost - lost)) {
        peers_turn(&peers, 1000);
        if (first_s == 0 && peers.delivered > before)
            first_s = reading_clock_s() - from_s;
    }
    double seconds = reading_clock_s() - from_s;
    settle(); /* so that what is delivered twice is counted, too */
    printf("{\"event\":\"fanout\",\"deliveries\":%ju,\"missing\":%jd,\"lost\":%u,"
           "\"seconds\":%.3f,\"first_s\":%.3f,\"server_cpu_s\":%.2f}\n",
           (uintmax_t) (peers.delivered - before), (intmax_t) (wanted - peers.delivered),
           peers.lost - lost, seconds, first_s, reading_cpu_s(options.server) - from_cpu_s);
}

/* Each must have had every publication once. */
static void count_wrong(void) {
    uint32_t wrong = 0;
    for (int fd = 0; fd < peers.limit; fd++)
        wrong += peers.by_fd[fd].state == PEER_READY && peers.by_fd[fd].delivered != options.rounds;
    printf("{\"event\":\"checked\",\"connections\":%u,\"wrong\":%u}\n", peers.ready, wrong);
}

/* ---- the server's end ---- */

static void stop_server(void) {
    uint64_t peak = 0;
    double from_s = reading_clock_s(), looked_s = 0;

    peers.is_server_told = true;
    if (kill(options.server, SIGTERM) < 0)
        peers_fail(&peers, "cannot stop the server", 0, NULL, 0);
    peers.heard_s = from_s;
    while (peers.ready > 0) {
        peers_turn(&peers, 100);
        if (reading_clock_s() - looked_s < LOOK_EVERY_S)
            continue;
        looked_s = reading_clock_s();
        uint64_t rss = reading_rss(options.server);
        peak = rss > peak ? rss : peak;
    }
    printf("{\"event\":\"stopped\",\"told\":%u,\"dropped\":%u,\"seconds\":%.2f,"
           "\"peak_rss\":%ju}\n",
           peers.told, peers.lost, reading_clock_s() - from_s, (uintmax_t) peak);
}

/* ---- all of it ---- */

static uint32_t number_of(const char *text, uint32_t max) {
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno || end == text || *end || n > max) {
        fprintf(stderr, "idle: not a number from 0 to %u: %s\n", max, text);
        exit(EXIT_FAILURE);
    }
    return (uint32_t) n;
}

static void parse(int argc, char **argv) {
    static const struct option known[] = {
        { "port", required_argument, NULL, 'p' },
        { "server-pid", required_argument, NULL, 's' },
        { "connections", required_argument, NULL, 'c' },
        { "step", required_argument, NULL, 't' },
        { "window", required_argument, NULL, 'w' },
        { "rounds", required_argument, NULL, 'r' },
        { "reserve-mb", required_argument, NULL, 'm' },
        { "settle", required_argument, NULL, 'e' },
        { "open-for", required_argument, NULL, 'o' },
        { "stop", no_argument, NULL, 'x' },
        { 0 },
    };
    int c;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'p':
            options.port = (int) number_of(optarg, 65535);
            break;
        case 's':
            options.server = (pid_t) number_of(optarg, 1 << 22);
            break;
        case 'c':
            options.connections = number_of(optarg, 100000000);
            break;
        case 't':
            options.step = number_of(optarg, 100000000);
            break;
        case 'w':
            options.window = number_of(optarg, 4096);
            break;
        case 'r':
            options.rounds = number_of(optarg, UINT16_MAX);
            break;
        case 'm':
            options.reserve = (uint64_t) number_of(optarg, 1 << 20) << 20;
            break;
        case 'e':
            options.settle_s = number_of(optarg, 3600);
            break;
        case 'o':
            options.open_s = number_of(optarg, 86400);
            break;
        case 'x':
            options.stops = true;
            break;
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (optind < argc || !options.server || !options.connections || !options.step ||
        !options.window) {
        fprintf(stderr,
                "usage: idle --server-pid PID [--port P] [--connections N] [--step N]\n"
                "            [--window N] [--rounds N] [--reserve-mb N] [--settle SECONDS]\n"
                "            [--open-for SECONDS] [--stop]\n");
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv) {
    parse(argc, argv);
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    peers_init(&peers, options.port, options.connections);
    peers_wait_for_server(&peers);
    settle();
    report("base");

    bool has_room = true;
    double until_s = reading_clock_s() + options.open_s;
    while (has_room && peers.ready < options.connections) {
        uint32_t target = peers.ready + options.step;
        has_room = open_to(target < options.connections ? target : options.connections, until_s);
        settle();
        report("step");
    }
    if (!has_room)
        printf("{\"event\":\"full\",\"connections\":%u}\n", peers.ready);

    for (uint32_t i = 0; i < options.rounds; i++)
        fan_out(i);
    count_wrong();
    report("published");
    bool is_well = peers.lost == 0;
    if (options.stops) {
        stop_server();
    } else {
        peers_vanish(&peers);
        settle();
        report("server_only");
    }
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
