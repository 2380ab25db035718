#include "tests/support/redis_model/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/redis_model/script.h"

enum { UNKNOWN_SHOWN = 128 };

void database_init(struct database *d) {
    *d = (struct database){ 0 };
    d->scripts = scripts_new();
}

void database_finish(struct database *d) {
    keyspace_clear(&d->keys);
    d->scripts = scripts_free(d->scripts);
}

/* ---- of no kind ---- */

static void run_ping(struct call *c) {
    if (c->n > 2)
        answer_error(c, "ERR wrong number of arguments for 'ping' command");
    else if (c->n == 2)
        answer_bulk(c, c->argv[1]);
    else
        answer_status(c, "PONG");
}

static void run_echo(struct call *c) {
    answer_bulk(c, c->argv[1]);
}

static void answer_number(struct call *c, int64_t n) {
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long) n);
    answer_bulk(c, bytes_of(text, (size_t) len));
}

static void run_time(struct call *c) {
    answer_array(c, 2);
    answer_number(c, c->now_ms / 1000);
    answer_number(c, c->now_ms % 1000 * 1000);
}

static void run_publish(struct call *c) {
    const struct database *d = c->database;
    answer_int(c, d->publish ? d->publish(d->arg, c->argv[1], c->argv[2]) : 0);
}

static const struct redis_command_entry other_commands[] = {
    { "ping", -1, 0, run_ping },
    { "echo", 2, 0, run_echo },
    { "time", 1, 0, run_time },
    { "publish", 3, 0, run_publish },
    { 0 },
};

/* ---- finding and running ---- */

const struct redis_command_entry *database_command(struct bytes name) {
    static const struct redis_command_entry *const tables[] = { key_commands,    string_commands,
                                                                hash_commands,   zset_commands,
                                                                stream_commands, script_commands,
                                                                other_commands };
    for (size_t i = 0; i < ELEMENTS_OF(tables); i++)
        for (const struct redis_command_entry *e = tables[i]; e->name; e++)
            if (bytes_are(name, e->name))
                return e;
    return NULL;
}

static void answer_unknown(struct call *c) {
    struct database *d = c->database;
    if (!d->unknown[0])
        (void) snprintf(d->unknown, sizeof d->unknown, "%s", (const char *) c->argv[0].data);
    if (c->is_scripted) {
        answer_error(c, "ERR Unknown Redis command called from script");
        return;
    }
    struct buffer arguments = BUFFER_INIT;
    for (size_t i = 1; i < c->n && arguments.len < UNKNOWN_SHOWN; i++)
        buffer_printf(&arguments, "'%.*s' ", (int) (UNKNOWN_SHOWN - arguments.len),
                      (const char *) c->argv[i].data);
    buffer_printf(c->out, "-ERR unknown command '%s', with args beginning with: %.*s\r\n",
                  (const char *) c->argv[0].data, (int) arguments.len,
                  arguments.len ? (const char *) arguments.data : "");
    buffer_finish(&arguments);
}

void command_run(struct call *c) {
    const struct redis_command_entry *e = database_command(c->argv[0]);
    char text[120];

    if (!e) {
        answer_unknown(c);
    } else if (e->arity > 0 ? c->n != (size_t) e->arity : c->n < (size_t) -e->arity) {
        (void) snprintf(text, sizeof text,
                        c->is_scripted
                                ? "ERR Wrong number of args calling Redis command from script"
                                : "ERR wrong number of arguments for '%s' command",
                        e->name);
        answer_error(c, text);
    } else if (c->is_scripted && e->flags & COMMAND_NOT_SCRIPTED) {
        answer_error(c, "ERR This Redis command is not allowed from script");
    } else if (c->database->is_readonly && e->flags & COMMAND_WRITES) {
        answer_error(c, "READONLY You can't write against a read only replica.");
    } else if (c->database->is_full && e->flags & COMMAND_GROWS && !c->is_begun) {
        answer_error(c, "OOM command not allowed when used memory > 'maxmemory'.");
    } else {
        e->run(c);
    }
}

bool database_execute(struct database *d, const struct bytes *argv, size_t n, int64_t now_ms,
                      struct buffer *out) {
    struct call c = {
        .database = d, .keys = &d->keys, .argv = argv, .n = n, .now_ms = now_ms, .out = out
    };
    command_run(&c);
    return c.has_written;
}
