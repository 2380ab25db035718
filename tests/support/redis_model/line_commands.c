/* What has to do with lines: who is there, who hears what. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/redis_model/model_impl.h"

bool line_is_subscribed(const struct model_line *l) {
    return l->n_channels + l->n_patterns > 0;
}

/* ---- subscriptions ---- */

static void put_words(struct buffer *out, const struct bytes *words, size_t n) {
    buffer_printf(out, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        buffer_printf(out, "$%zu\r\n", words[i].len);
        buffer_append_bytes(out, words[i]);
        buffer_append_str(out, STR("\r\n"));
    }
}

int64_t process_publish(void *arg, struct bytes channel, struct bytes payload) {
    struct model_process *p = arg;
    int64_t n = 0;

    LIST_FOREACH (&p->lines, k) {
        struct model_line *l = CONTAINER_OF(k, struct model_line, link);
        for (size_t i = 0; i < l->n_channels; i++)
            if (bytes_equal(blob_bytes(&l->channels[i]), channel)) {
                put_words(&l->out, (struct bytes[]){ str_bytes(STR("message")), channel, payload },
                          3);
                n++;
            }
        for (size_t i = 0; i < l->n_patterns; i++)
            if (fnmatch((const char *) l->patterns[i].data, (const char *) channel.data, 0) == 0) {
                put_words(&l->out,
                          (struct bytes[]){ str_bytes(STR("pmessage")), blob_bytes(&l->patterns[i]),
                                            channel, payload },
                          4);
                n++;
            }
        event_set(&l->has_output);
    }
    return n;
}

static void confirm(struct model_line *l, const char *what, const struct bytes *name,
                    struct buffer *out) {
    buffer_printf(out, "*3\r\n$%zu\r\n%s\r\n", strlen(what), what);
    if (name) {
        buffer_printf(out, "$%zu\r\n", name->len);
        buffer_append_bytes(out, *name);
        buffer_append_str(out, STR("\r\n"));
    } else {
        buffer_append_str(out, STR("$-1\r\n"));
    }
    buffer_printf(out, ":%zu\r\n", l->n_channels + l->n_patterns);
}

static void subscribe(struct blob **names, size_t *n, struct bytes name) {
    for (size_t i = 0; i < *n; i++)
        if (bytes_equal(blob_bytes(&(*names)[i]), name))
            return;
    *names = realloc(*names, (*n + 1) * sizeof **names);
    if (!*names)
        abort();
    (*names)[(*n)++] = blob_copy(name);
}

static void unsubscribe(struct blob *names, size_t *n, struct bytes name) {
    for (size_t i = 0; i < *n; i++)
        if (bytes_equal(blob_bytes(&names[i]), name)) {
            blob_free(&names[i]);
            names[i] = names[--*n];
            return;
        }
}

static bool execute_subscription(struct model_line *l, const struct bytes *argv, size_t n,
                                 struct buffer *out) {
    bool is_pattern = argv[0].len && (argv[0].data[0] | 0x20) == 'p';
    struct bytes verb = is_pattern ? bytes_of(argv[0].data + 1, argv[0].len - 1) : argv[0];
    struct blob **names = is_pattern ? &l->patterns : &l->channels;
    size_t *count = is_pattern ? &l->n_patterns : &l->n_channels;

    if (bytes_are(verb, "subscribe") && n > 1) {
        for (size_t i = 1; i < n; i++) {
            subscribe(names, count, argv[i]);
            confirm(l, is_pattern ? "psubscribe" : "subscribe", &argv[i], out);
        }
        return true;
    }
    if (!bytes_are(verb, "unsubscribe"))
        return false;
    const char *what = is_pattern ? "punsubscribe" : "unsubscribe";
    for (size_t i = 1; i < n; i++) {
        unsubscribe(*names, count, argv[i]);
        confirm(l, what, &argv[i], out);
    }
    if (n == 1 && *count == 0)
        confirm(l, what, NULL, out);
    while (n == 1 && *count > 0) {
        struct blob name = (*names)[--*count];
        struct bytes was = blob_bytes(&name);
        confirm(l, what, &was, out);
        blob_free(&name);
    }
    return true;
}

/* ---- who is there ---- */

static void say_ok(struct buffer *out) {
    buffer_append_str(out, STR("+OK\r\n"));
}

static void execute_auth(struct model_line *l, const struct bytes *argv, size_t n,
                         struct buffer *out) {
    const char *password = l->process->model->options.password;
    struct bytes given = argv[n - 1];

    if (!password) {
        buffer_append_str(out, STR("-ERR AUTH <password> called without any password configured for"
                                   " the default user. Are you sure your configuration is"
                                   " correct?\r\n"));
    } else if (given.len == strlen(password) && memcmp(given.data, password, given.len) == 0) {
        l->is_known = true;
        say_ok(out);
    } else {
        buffer_append_str(out, STR("-WRONGPASS invalid username-password pair or user is"
                                   " disabled.\r\n"));
    }
}

static void execute_info(const struct model_process *p, struct buffer *out) {
    struct buffer text = BUFFER_INIT;

    buffer_printf(&text,
                  "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:%s\r\n"
                  "\r\n# Persistence\r\nloading:0\r\n"
                  "\r\n# Replication\r\nrole:%s\r\nmaster_replid:%s\r\nmaster_replid2:%s\r\n",
                  p->run_id, p->is_replica ? "slave" : "master", p->replication_id, p->former_id);
    buffer_printf(out, "$%zu\r\n", text.len);
    buffer_append_bytes(out, buffer_bytes(&text));
    buffer_append_str(out, STR("\r\n"));
    buffer_finish(&text);
}

static void execute_role(const struct model_process *p, struct buffer *out) {
    if (p->is_replica)
        buffer_append_str(out, STR("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$9\r\n"
                                   "connected\r\n:1\r\n"));
    else
        buffer_printf(out, "*3\r\n$6\r\nmaster\r\n:%zu\r\n*0\r\n", p->log.n);
}

static void execute_client(const struct model_line *l, const struct bytes *argv, size_t n,
                           struct buffer *out) {
    if (n > 1 && bytes_are(argv[1], "id"))
        buffer_printf(out, ":%u\r\n", l->id);
    else if (n > 1 && (bytes_are(argv[1], "setname") || bytes_are(argv[1], "no-evict")))
        say_ok(out);
    else
        buffer_append_str(out, STR("-ERR unknown subcommand. Try CLIENT HELP.\r\n"));
}

bool line_execute(struct model_line *l, const struct bytes *argv, size_t n, struct buffer *out) {
    const struct bytes name = argv[0];

    if (bytes_are(name, "auth") && n >= 2 && n <= 3)
        execute_auth(l, argv, n, out);
    else if (!l->is_known)
        buffer_append_str(out, STR("-NOAUTH Authentication required.\r\n"));
    else if (execute_subscription(l, argv, n, out))
        return true;
    else if (line_is_subscribed(l) && bytes_are(name, "ping"))
        put_words(out,
                  (struct bytes[]){ str_bytes(STR("pong")), n > 1 ? argv[1] : (struct bytes){ 0 } },
                  2);
    else if (line_is_subscribed(l))
        buffer_printf(out,
                      "-ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING /"
                      " QUIT / RESET are allowed in this context\r\n",
                      (const char *) name.data);
    else if (bytes_are(name, "info"))
        execute_info(l->process, out);
    else if (bytes_are(name, "role"))
        execute_role(l->process, out);
    else if (bytes_are(name, "client"))
        execute_client(l, argv, n, out);
    else if (bytes_are(name, "select") && n == 2)
        say_ok(out); /* a database is as good as any other: there is one */
    else
        return false;
    return true;
}
