#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "deflate.h"
#include "protocol.h"
#include "wsload.h"

struct options options = {
    .port = 8000,
    .per_ip = 25000,
    .subs = -1,
    .pubs = -1,
    .channels = 1,
    .size = 128,
    .window = 2,
    .pub_batch = 1,
    .conc = 64,
    .duration = 5,
    .warmup = 1,
    .settle = 0.5,
    .drain = 2,
    .wait_us = -1,
    .server_cpu = -1,
    .subprotocol = "",
    .extensions = "",
    .header = "",
    .label = "",
    .sub_json = "",
    .prefix = "c",
    .connect_json = "{}",
};

enum { MODES = 5, PREFIX_MAX = 64, SIZE_MIN = 16 };

const char *const mode_names[MODES] = { "fanout", "channels", "idle", "publish", "handshake" };

static const char help[] =
        "wsload - WebSocket load generator (loopback only)\n"
        "  --proto raw|centrifuge|nats|nchan|mqtt|socketio|redis   default raw; redis is plain "
        "TCP\n"
        "  --mode fanout|channels|idle|publish|handshake   default fanout\n"
        "      fanout    --subs N on one channel, --pubs P publish (closed loop by deliveries, or "
        "--rate)\n"
        "      channels  --subs N over --channels M (sub i on channel i mod M), publish "
        "round-robin\n"
        "      idle      hold --subs N for --duration; reports server Pss per connection and CPU\n"
        "      publish   publishers only, closed loop by acks (window per publisher) or --rate\n"
        "      handshake open/close continuously, --conc at a time, for --duration\n"
        "target:  --host 127.x.y.z --port P --path S --pub-path S (%c = channel name) "
        "--subprotocol S\n"
        "         --ext S (Sec-WebSocket-Extensions) --header 'K: V'\n"
        "         --deflate (agree on permessage-deflate, inflate what every 64th subscriber "
        "gets)\n"
        "         --src 127.x.y.z first source address, --per-ip K connections per source address "
        "(25000)\n"
        "load:    --subs N --pubs P --channels M --size BYTES --rate MSG/S (0 = closed loop) "
        "--window W\n"
        "         --pub-batch B (closed loop: publish B at a time in one write) --conc C "
        "handshakes at a time\n"
        "         --count N (mode publish: end when so many are acknowledged)\n"
        "         --slow K (the last K subscribers never read) --mask HEX32 (client mask key, "
        "default 0)\n"
        "time:    --duration S --warmup S --settle S (after connecting) --drain S (give up after S "
        "without a delivery)\n"
        "proto:   --channel-prefix S --connect-json JSON --sub-json ',\"k\":v' --nats-verbose "
        "--qos 0|1\n"
        "measure: --server-pid PID[,PID] --server-cpu N --cpu LIST --threads T (subscriber "
        "threads, 0 = one thread for all)\n"
        "         --wait block|spin|MICROSECONDS (how to wait for events; sleeping keeps the "
        "server from paying wakeups)\n"
        "         --stamp-actual (with --rate stamp the send time, not the intended time)\n"
        "output:  --json --label S --quiet\n";

static double number(const char *name, const char *text, double min, double max) {
    char *end;
    double v = strtod(text, &end);
    if (*end || end == text || v < min || v > max)
        die("--%s: bad value '%s' (want %g..%g)", name, text, min, max);
    return v;
}

static enum mode mode_of(const char *text) {
    for (int i = 0; i < MODES; i++)
        if (!strcmp(text, mode_names[i]))
            return (enum mode) i;
    die("--mode: unknown value '%s'", text);
}

static struct in_addr loopback(const char *name, const char *text) {
    struct in_addr a;
    if (inet_pton(AF_INET, strcmp(text, "localhost") ? text : "127.0.0.1", &a) != 1)
        die("--%s: '%s' is not an IPv4 address", name, text);
    if (ntohl(a.s_addr) >> 24 != 127)
        die("--%s: %s is not in 127.0.0.0/8; wsload only targets loopback", name, text);
    return a;
}

static int list(const char *name, const char *text, int *ret, int max) {
    int n = 0;
    while (*text) {
        char *end;
        long v = strtol(text, &end, 10);
        if (end == text || n == max || v < 0 || (*end && *end != ','))
            die("--%s: bad list", name);
        ret[n++] = (int) v;
        text = *end == ',' ? end + 1 : end;
    }
    return n;
}

/* Options that are a number or a text are only stored; the others need a word more. */
struct setting {
    const char *name;
    int *ret_int;
    double *ret_double;
    const char **ret_text;
    bool *ret_flag;
    double min, max;
};

static const struct setting settings[] = {
    { "port", .ret_int = &options.port, .min = 1, .max = 65535 },
    { "path", .ret_text = &options.path },
    { "pub-path", .ret_text = &options.pub_path },
    { "subprotocol", .ret_text = &options.subprotocol },
    { "ext", .ret_text = &options.extensions },
    { "header", .ret_text = &options.header },
    { "per-ip", .ret_int = &options.per_ip, .min = 1, .max = 64000 },
    { "subs", .ret_int = &options.subs, .max = 1e7 },
    { "pubs", .ret_int = &options.pubs, .max = 65535 },
    { "channels", .ret_int = &options.channels, .min = 1, .max = 1e7 },
    { "size", .ret_int = &options.size, .min = SIZE_MIN, .max = RECEIVE_MAX / 2 },
    { "rate", .ret_double = &options.rate, .max = 1e8 },
    { "window", .ret_int = &options.window, .min = 1, .max = RING / 2 },
    { "pub-batch", .ret_int = &options.pub_batch, .min = 1, .max = RING / 2 },
    { "conc", .ret_int = &options.conc, .min = 1, .max = 20000 },
    { "slow", .ret_int = &options.slow, .max = 1e6 },
    { "duration", .ret_double = &options.duration, .max = 1e6 },
    { "warmup", .ret_double = &options.warmup, .max = 1e6 },
    { "settle", .ret_double = &options.settle, .max = 1e6 },
    { "drain", .ret_double = &options.drain, .max = 1e6 },
    { "channel-prefix", .ret_text = &options.prefix },
    { "connect-json", .ret_text = &options.connect_json },
    { "sub-json", .ret_text = &options.sub_json },
    { "qos", .ret_int = &options.qos, .max = 1 },
    { "server-cpu", .ret_int = &options.server_cpu, .max = 4096 },
    { "threads", .ret_int = &options.threads, .max = 64 },
    { "label", .ret_text = &options.label },
    { "json", .ret_flag = &options.is_json },
    { "quiet", .ret_flag = &options.is_quiet },
    { "nats-verbose", .ret_flag = &options.nats_verbose },
    { "stamp-actual", .ret_flag = &options.stamps_actual },
    { "deflate", .ret_flag = &options.deflate },
    { "help" },
    { "proto" },
    { "mode" },
    { "host" },
    { "src" },
    { "mask" },
    { "count" },
    { "server-pid" },
    { "cpu" },
    { "wait" },
};

enum { SETTINGS = sizeof settings / sizeof *settings };

static void set_special(const char *name, const char *text) {
    if (!strcmp(name, "help")) {
        (void) fputs(help, stdout);
        exit(0);
    } else if (!strcmp(name, "proto")) {
        options.protocol = protocol_find(text);
        if (!options.protocol)
            die("--proto: unknown value '%s'", text);
    } else if (!strcmp(name, "mode")) {
        options.mode = mode_of(text);
    } else if (!strcmp(name, "host")) {
        options.host = loopback(name, text);
    } else if (!strcmp(name, "src")) {
        options.source = loopback(name, text);
    } else if (!strcmp(name, "mask")) {
        options.mask = htonl((uint32_t) strtoul(text, NULL, 16));
    } else if (!strcmp(name, "count")) {
        options.count = (long) number(name, text, 1, 1e9);
    } else if (!strcmp(name, "server-pid")) {
        options.n_servers = list(name, text, options.servers, SERVERS_MAX);
    } else if (!strcmp(name, "cpu")) {
        options.n_cpus = list(name, text, options.cpus, CPUS_MAX);
    } else {
        options.wait_us = !strcmp(text, "block")  ? -1
                          : !strcmp(text, "spin") ? 0
                                                  : (int) number(name, text, 1, 1e6);
    }
}

static void set(const struct setting *s, const char *text) {
    if (s->ret_int)
        *s->ret_int = (int) number(s->name, text, s->min, s->max);
    else if (s->ret_double)
        *s->ret_double = number(s->name, text, s->min, s->max);
    else if (s->ret_text)
        *s->ret_text = text;
    else if (s->ret_flag)
        *s->ret_flag = true;
    else
        set_special(s->name, text);
}

static void set_defaults(void) {
    bool has_publishers = options.mode != MODE_IDLE && options.mode != MODE_HANDSHAKE;
    if (options.subs < 0)
        options.subs = options.mode == MODE_PUBLISH ? 0 : 100;
    if (options.pubs < 0 || !has_publishers)
        options.pubs = has_publishers ? 1 : 0;
    if (options.mode == MODE_HANDSHAKE)
        options.subs = options.conc;
    if (options.pub_batch > options.window)
        options.pub_batch = options.window;
    if (!options.path)
        options.path = options.protocol->path;
    if (!options.pub_path)
        options.pub_path = options.protocol->pub_path;
    if (!options.subprotocol[0])
        options.subprotocol = options.protocol->subprotocol;
    if (options.deflate)
        options.extensions = DEFLATE_OFFER;
    if (options.mode == MODE_PUBLISH) { /* which asks for answers */
        options.nats_verbose = true;
        options.qos = 1;
    }
}

static void check(void) {
    if (options.mode == MODE_FANOUT && options.channels != 1)
        die("--mode fanout uses one channel; use --mode channels");
    if (options.mode == MODE_CHANNELS && options.protocol->is_one_way &&
        options.pubs != options.channels)
        die("%s publishes to one channel per connection: --pubs must equal --channels",
            options.protocol->name);
    if (options.mode == MODE_CHANNELS && options.subs && options.subs < options.channels)
        die("--subs must be at least --channels");
    if (options.slow > options.subs)
        die("--slow exceeds --subs");
    if (strlen(options.prefix) > PREFIX_MAX)
        die("--channel-prefix too long");
    if (strlen(options.subprotocol) > 500 || strlen(options.extensions) > 500 ||
        strlen(options.header) > 500 || strlen(options.connect_json) > 900)
        die("--subprotocol, --ext, --header or --connect-json too long");
    if (has_short_marks() && options.pubs > 1)
        die("so small a --size has room for the marks of one publisher only");
    if (options.deflate && options.protocol->is_plain)
        die("--deflate needs WebSocket");
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    int n = options.subs + options.pubs;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if ((rlim_t) n + 64 > limit.rlim_max)
        die("%d connections exceed the descriptor limit %llu; run several wsload with different "
            "--src",
            n, (unsigned long long) limit.rlim_max);
}

void options_parse(int argc, char **argv) {
    struct option table[SETTINGS + 1] = { { 0 } };
    for (int i = 0; i < SETTINGS; i++)
        table[i] = (struct option){ .name = settings[i].name,
                                    .has_arg = !settings[i].ret_flag &&
                                               strcmp(settings[i].name, "help") != 0,
                                    .val = 256 + i };
    options.host.s_addr = options.source.s_addr = htonl(INADDR_LOOPBACK);
    options.protocol = &protocol_raw;
    for (int c; (c = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
        if (c == '?') {
            (void) fputs("try --help\n", stderr);
            exit(2);
        }
        if (c == 'h')
            set_special("help", "");
        set(&settings[c - 256], optarg);
    }
    if (optind < argc)
        die("unexpected argument '%s'", argv[optind]);
    set_defaults();
    check();
    raise_descriptor_limit();
}
