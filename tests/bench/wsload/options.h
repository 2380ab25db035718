/* What the command line asks for; set once, before anything else, and read everywhere. */
#ifndef WSLOAD_OPTIONS_H
#define WSLOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum mode { MODE_FANOUT, MODE_CHANNELS, MODE_IDLE, MODE_PUBLISH, MODE_HANDSHAKE };

enum { CPUS_MAX = 64, SERVERS_MAX = 64 };

struct options {
    const struct protocol *protocol;
    enum mode mode;
    struct in_addr host, source;
    int port, per_ip;
    const char *path, *pub_path, *subprotocol, *extensions, *header;
    int subs, pubs, channels, size, window, pub_batch, conc, threads, slow;
    long count; /* publishes in all; 0: as many as the time allows */
    double rate, duration, warmup, drain, settle;
    int wait_us; /* -1 block, 0 spin, >0 sleep between polls */
    uint32_t mask;
    const char *prefix, *connect_json, *sub_json, *label;
    int qos;
    int cpus[CPUS_MAX], n_cpus;
    int servers[SERVERS_MAX], n_servers, server_cpu;
    bool is_json, is_quiet, nats_verbose, stamps_actual, deflate;
};

extern struct options options;

extern const char *const mode_names[];

/* Ends the program with a message if it makes no sense. */
void options_parse(int argc, char **argv);

#endif
