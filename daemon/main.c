/* parleyd: what it is told on its command line, and what it exits with. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "async/loop.h"
#include "daemon/api/schema.h"
#include "daemon/config/load.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/serve.h"
#include "daemon/service.h"

enum { FLAGS_MAX = 64, RESERVED_DESCRIPTORS = 64 };

enum what { SERVE, CHECK_CONFIG, DUMP_CONFIG, DOCUMENT_CONFIG, DOCUMENT_METRICS, DOCUMENT_API };

struct arguments {
    enum what what;
    const char *file;
    struct config_flag flags[FLAGS_MAX];
    size_t n_flags;
};

static const char HELP[] =
        "usage: parleyd [OPTION]...\n"
        "Real-time chat and pub/sub over WebSocket.\n"
        "\n"
        "  -c, --config FILE       configuration, YAML or JSON (docs/configuration.md)\n"
        "      --listen ADDR:PORT  listen here, in place of what FILE says; also unix:PATH; "
        "repeatable\n"
        "      --data-dir DIR      where the sqlite engine keeps its files\n"
        "      --engine KIND       sqlite (default), memory or redis\n"
        "      --set OPTION=VALUE  any other option: --set client.ping_interval=10s; repeatable\n"
        "      --check-config      look for mistakes, then leave: 0, or 78 if there are any\n"
        "      --dump-config       print what would be in force, secrets masked, then leave\n"
        "      --version\n"
        "  -h, --help\n"
        "\n"
        "Without options it listens on 127.0.0.1:8000. SIGHUP reads the configuration again, "
        "SIGTERM and\n"
        "SIGINT tell clients to reconnect and leave, SIGUSR1 writes the tasks to standard error.\n"
        "Exit status: 0; 64 wrong usage; 78 wrong configuration; 69 something it needs is missing "
        "or in\n"
        "use; 71 the system failed.\n";

enum {
    OPT_LISTEN = 256,
    OPT_DATA_DIR,
    OPT_ENGINE,
    OPT_SET,
    OPT_CHECK,
    OPT_DUMP,
    OPT_DOCUMENT,
    OPT_DOCUMENT_METRICS,
    OPT_DOCUMENT_API,
    OPT_VERSION
};

static const struct option_long_name {
    const char *name;
    const char *path; /* of the option of the configuration it sets; NULL: none */
} PATHS[] = {
    [OPT_LISTEN - OPT_LISTEN] = { "--listen", "http_server.listen" },
    [OPT_DATA_DIR - OPT_LISTEN] = { "--data-dir", "data_dir" },
    [OPT_ENGINE - OPT_LISTEN] = { "--engine", "engine.type" },
};

static int add_flag(struct arguments *a, const char *name, const char *path, const char *value) {
    if (a->n_flags == FLAGS_MAX) {
        (void) fprintf(stderr, "parleyd: more than %d options\n", FLAGS_MAX);
        return -E2BIG;
    }
    a->flags[a->n_flags++] = (struct config_flag){ name, path, value };
    return 0;
}

/* "client.ping_interval=10s", which is cut in two. */
static int add_setting(struct arguments *a, char *setting) {
    char *equals = strchr(setting, '=');
    if (!equals) {
        (void) fprintf(stderr, "parleyd: --set %s: must be OPTION=VALUE\n", setting);
        return -EINVAL;
    }
    *equals = '\0';
    return add_flag(a, "--set", setting, equals + 1);
}

static void print(const char *text, size_t len) {
    (void) fwrite(text, 1, len, stdout);
}

/* 0: go on. Else: leave with it, less one. */
static int parse_arguments(int argc, char **argv, struct arguments *a) {
    static const struct option names[] = {
        { "config", required_argument, NULL, 'c' },
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "data-dir", required_argument, NULL, OPT_DATA_DIR },
        { "engine", required_argument, NULL, OPT_ENGINE },
        { "set", required_argument, NULL, OPT_SET },
        { "check-config", no_argument, NULL, OPT_CHECK },
        { "dump-config", no_argument, NULL, OPT_DUMP },
        /* For docs/configuration.md, docs/metrics.md and docs/api.md. */
        { "document-config", no_argument, NULL, OPT_DOCUMENT },
        { "document-metrics", no_argument, NULL, OPT_DOCUMENT_METRICS },
        { "document-api", no_argument, NULL, OPT_DOCUMENT_API },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, 'h' },
        { NULL },
    };
    int c, r = 0;

    while (r == 0 && (c = getopt_long(argc, argv, "c:h", names, NULL)) != -1) {
        switch (c) {
        case 'c':
            a->file = optarg;
            break;
        case OPT_LISTEN:
        case OPT_DATA_DIR:
        case OPT_ENGINE:
            r = add_flag(a, PATHS[c - OPT_LISTEN].name, PATHS[c - OPT_LISTEN].path, optarg);
            break;
        case OPT_SET:
            r = add_setting(a, optarg);
            break;
        case OPT_CHECK:
            a->what = CHECK_CONFIG;
            break;
        case OPT_DUMP:
            a->what = DUMP_CONFIG;
            break;
        case OPT_DOCUMENT:
            a->what = DOCUMENT_CONFIG;
            break;
        case OPT_DOCUMENT_METRICS:
            a->what = DOCUMENT_METRICS;
            break;
        case OPT_DOCUMENT_API:
            a->what = DOCUMENT_API;
            break;
        case OPT_VERSION:
            (void) puts("parleyd " PARLEY_VERSION);
            return EX_OK + 1;
        case 'h':
            print(HELP, sizeof HELP - 1);
            return EX_OK + 1;
        default: /* getopt has said what is wrong */
            r = -EINVAL;
            break;
        }
    }
    if (r == 0 && optind < argc) {
        (void) fprintf(stderr, "parleyd: unexpected argument: %s\n", argv[optind]);
        r = -EINVAL;
    }
    if (r < 0)
        (void) fputs("Try: parleyd --help\n", stderr);
    return r < 0 ? EX_USAGE + 1 : 0;
}

/* ---- leaving early ---- */

/* For people at a terminal, and with the journal's priorities where it listens. */
static void print_report(const struct config_report *report) {
    bool is_journal = log_is_journal(STDERR_FILENO);
    for (size_t i = 0; i < report->n; i++) {
        const struct config_problem *p = &report->items[i];
        (void) fprintf(stderr, "%s%s: %s\n",
                       !is_journal   ? ""
                       : p->is_error ? "<3>"
                                     : "<4>",
                       p->is_error ? "error" : "warning", p->text);
    }
    if (report->errors > report->n)
        (void) fprintf(stderr, "%zu errors in all\n", report->errors);
}

static int print_buffer(struct buffer *text) {
    int r = buffer_error(text) ? EX_OSERR : EX_OK;
    if (r == EX_OK)
        print((const char *) text->data, text->len);
    buffer_finish(text);
    return r == EX_OK && fflush(stdout) != 0 ? EX_IOERR : r;
}

static int dump(const struct config *c) {
    struct buffer text = BUFFER_INIT;
    config_dump(c, &text);
    return print_buffer(&text);
}

static int document(enum what what) {
    struct buffer text = BUFFER_INIT;
    if (what == DOCUMENT_METRICS)
        metrics_document(&text);
    else if (what == DOCUMENT_API)
        api_document(&text);
    else
        config_document(&text);
    return print_buffer(&text);
}

/* ---- serving ---- */

/* As many descriptors as we may have: every client is one. */
static void raise_descriptors(struct log *log, const struct config *c) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        (void) getrlimit(RLIMIT_NOFILE, &limit);
    LOG_INFO(log, "descriptors", LOG_UINT("limit", limit.rlim_cur));
    if (c->client.connection_limit > 0 &&
        limit.rlim_cur < (rlim_t) c->client.connection_limit + RESERVED_DESCRIPTORS)
        LOG_WARNING(log, "fewer descriptors than client.connection_limit",
                    LOG_UINT("limit", limit.rlim_cur),
                    LOG_UINT("connection_limit", c->client.connection_limit));
}

static void loop_warned(void *arg, const char *text) {
    LOG_WARNING((struct log *) arg, "the main loop", LOG_TEXT("warning", text));
}

static int exit_status(int r) {
    switch (-r) {
    case 0:
        return EX_OK;
    case EINVAL:
        return EX_CONFIG;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case ENOTCONN:
    case ECONNRESET:
    case ETIMEDOUT:
    case EBUSY:
    case EBADMSG:
    case EPROTONOSUPPORT:
    case EACCES:
    case EPERM:
    case ENOENT:
    case ENOTDIR:
    case EROFS:
        return EX_UNAVAILABLE;
    default:
        return EX_OSERR;
    }
}

static int run(struct config *c, const struct config_source *source,
               const struct config_report *report, struct log *log) {
    int fds[SERVICE_FDS_MAX];
    int n_fds = service_take_sockets(fds, SERVICE_FDS_MAX);
    if (n_fds < 0) {
        LOG_ERROR(log, "the sockets handed in are unusable", LOG_RESULT(n_fds));
        return EX_UNAVAILABLE;
    }

    LOG_NOTICE(log, "parleyd starts", LOG_TEXT("version", PARLEY_VERSION),
               LOG_TEXT("configuration", source->file ? source->file : "none"),
               LOG_TEXT("engine", daemon_engine_name(c->engine)),
               LOG_STR("data_dir", c->engine == ENGINE_MEMORY ? STR("-") : c->data_dir),
               LOG_UINT("workers", daemon_workers(c)));
    serve_log_report(log, report);
    serve_warn_of_insecurity(log, c);
    raise_descriptors(log, c);

    struct serve serve = { .source = source,
                           .config = c,
                           .log = log,
                           .assets = web_assets(),
                           .fds = fds,
                           .n_fds = (size_t) n_fds };
    struct loop_options options = { .name = "main",
                                    .slow_ms = (int) c->slow_task_ms,
                                    .on_warning = loop_warned,
                                    .on_warning_arg = log };
    serve_block_signals();
    return exit_status(loop_run(&options, serve_run, &serve));
}

static int start(const struct config_source *source, enum what what) {
    CLEANUP(config_unrefp) struct config *c = NULL;
    struct config_report *report = calloc(1, sizeof *report);
    struct log *log = NULL;
    if (!report)
        return EX_OSERR;

    int status, r = config_load(source, &c, report);
    if (r < 0 || what != SERVE)
        print_report(report);
    if (r < 0) {
        status = r == -EINVAL ? EX_CONFIG : EX_OSERR;
    } else if (what == CHECK_CONFIG) {
        status = EX_OK;
    } else if (what == DUMP_CONFIG) {
        status = dump(c);
    } else {
        struct log_options options = { .fd = STDERR_FILENO,
                                       .level = c->log_level,
                                       .format = c->log_format };
        status = log_open(&options, &log) < 0 ? EX_OSERR : run(c, source, report, log);
    }
    log = log_close(log);
    config_report_finish(report);
    free(report);
    return status;
}

int main(int argc, char **argv) {
    struct arguments arguments = { .what = SERVE };
    int leave = parse_arguments(argc, argv, &arguments);
    if (leave)
        return leave - 1;
    if (arguments.what == DOCUMENT_CONFIG || arguments.what == DOCUMENT_METRICS ||
        arguments.what == DOCUMENT_API)
        return document(arguments.what);

    struct config_source source = {
        .file = arguments.file,
        .credentials_dir = getenv("CREDENTIALS_DIRECTORY"),
        .state_dir = getenv("STATE_DIRECTORY"),
        .environment = (const char *const *) environ,
        .flags = arguments.flags,
        .n_flags = arguments.n_flags,
    };
    return start(&source, arguments.what);
}
