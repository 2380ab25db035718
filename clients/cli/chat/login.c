/* Signing in once: the token is kept in a file that only its owner reads, a line for each server.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "async/http_client.h"
#include "async/loop.h"
#include "clients/cli/chat/chat.h"
#include "clients/cli/chat/objects.h"
#include "protocol/json.h"

enum { PATH_BYTES = 4096, WORD_MAX = 1024 };

/* ---- the file ---- */

const char *login_path(char *ret, size_t cap) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n = config && *config ? snprintf(ret, cap, "%s/parley/logins", config)
            : home && *home   ? snprintf(ret, cap, "%s/.config/parley/logins", home)
                              : -1;
    return n > 0 && (size_t) n < cap ? ret : NULL;
}

static void name_server(const struct url *u, char *ret, size_t cap) {
    (void) snprintf(ret, cap, "%s://%s", u->is_tls ? "wss" : "ws", u->address.text);
}

/* A line without its end; name and token are cut apart. */
static bool cut_line(char *line, char **ret_token) {
    line[strcspn(line, "\r\n")] = '\0';
    char *space = strchr(line, ' ');
    if (!space)
        return false;
    *space = '\0';
    *ret_token = space + 1;
    return true;
}

int login_find(const struct url *server, char *ret) {
    char path[PATH_BYTES], name[ADDRESS_TEXT_MAX + 8], *token;
    CLEANUP(buffer_finish) struct buffer memory = BUFFER_INIT;
    char *line = (char *) buffer_reserve(&memory, CLI_TOKEN_MAX + sizeof name);
    FILE *f = login_path(path, sizeof path) ? fopen(path, "re") : NULL;
    int r = -ENOENT;

    name_server(server, name, sizeof name);
    while (f && line && r == -ENOENT && fgets(line, CLI_TOKEN_MAX + sizeof name, f)) {
        if (!cut_line(line, &token) || strcmp(line, name) != 0 || strlen(token) >= CLI_TOKEN_MAX)
            continue;
        memcpy(ret, token, strlen(token) + 1);
        r = 0;
    }
    if (f)
        (void) fclose(f);
    return r;
}

static int make_directories(char *path) {
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        int r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
        *at = '/';
        if (r < 0)
            return r;
    }
    return 0;
}

/* The lines of other servers, and this one's. */
static int copy_lines(FILE *from, FILE *to, const char *name, const char *token) {
    CLEANUP(buffer_finish) struct buffer memory = BUFFER_INIT;
    size_t cap = CLI_TOKEN_MAX + ADDRESS_TEXT_MAX + 16;
    char *line = (char *) buffer_reserve(&memory, cap), *other;

    if (!line)
        return -ENOMEM;
    while (from && fgets(line, (int) cap, from))
        if (cut_line(line, &other) && strcmp(line, name) != 0)
            fprintf(to, "%s %s\n", line, other);
    if (token)
        fprintf(to, "%s %s\n", name, token);
    return fflush(to) != 0 || fsync(fileno(to)) < 0 ? -errno : 0;
}

int login_keep(const struct url *server, const char *token) {
    char path[PATH_BYTES], beside[PATH_BYTES + 8], name[ADDRESS_TEXT_MAX + 8];

    if (!login_path(path, sizeof path))
        return -ENOENT;
    int r = make_directories(path);
    if (r < 0)
        return r;
    name_server(server, name, sizeof name);
    (void) snprintf(beside, sizeof beside, "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!to)
        return -errno;
    FILE *from = fopen(path, "re");
    r = copy_lines(from, to, name, token);
    if (from)
        (void) fclose(from);
    if (fclose(to) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    return r;
}

/* ---- signing in ---- */

/* A terminal that does not show what is typed. Signals that would leave it so wait meanwhile. */
struct silence {
    struct termios before;
    sigset_t signals, mask_before;
    int signal_fd;
};

static void silence_on(struct silence *s) {
    struct termios silent = s->before;

    (void) sigprocmask(SIG_BLOCK, &s->signals, &s->mask_before);
    silent.c_lflag &= ~(tcflag_t) ECHO;
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
}

static void silence_off(const struct silence *s) {
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->before);
    fputc('\n', stderr);
    (void) sigprocmask(SIG_SETMASK, &s->mask_before, NULL); /* here what has come does its work */
}

/* False: stdin is no terminal, or cannot be made silent without harm. */
static bool silence_begin(struct silence *s) {
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

    if (tcgetattr(STDIN_FILENO, &s->before) < 0)
        return false;
    (void) sigemptyset(&s->signals);
    for (size_t i = 0; i < ELEMENTS_OF(signals); i++)
        (void) sigaddset(&s->signals, signals[i]);
    s->signal_fd = signalfd(-1, &s->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signal_fd < 0)
        return false;
    silence_on(s);
    return true;
}

static void silence_end(const struct silence *s) {
    silence_off(s);
    (void) close(s->signal_fd);
}

/* Until there is a line. Whoever was stopped meanwhile, and goes on, is asked again. */
static void wait_for_line(struct silence *s, const char *question) {
    struct pollfd wanted[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                               { .fd = s->signal_fd, .events = POLLIN } };

    fprintf(stderr, "%s: ", question);
    while (poll(wanted, ELEMENTS_OF(wanted), -1) < 0 || wanted[1].revents) {
        if (!wanted[1].revents)
            continue;
        silence_off(s);
        silence_on(s);
        fprintf(stderr, "%s: ", question);
        wanted[1].revents = 0;
    }
}

static bool ask(const char *question, bool is_secret, char *ret, size_t cap) {
    struct silence silence;
    bool is_silent = is_secret && silence_begin(&silence);

    if (is_silent)
        wait_for_line(&silence, question);
    else if (isatty(STDIN_FILENO))
        fprintf(stderr, "%s: ", question);
    char *line = fgets(ret, (int) cap, stdin);
    if (is_silent)
        silence_end(&silence);
    if (line)
        ret[strcspn(ret, "\r\n")] = '\0';
    return line && *ret;
}

struct signing {
    struct cli_options *options;
    struct buffer body;
};

static int judge(const struct cli_options *o, const struct http_result *answer) {
    CLEANUP(arena_finish) struct arena arena = ARENA_INIT;
    CLEANUP(buffer_finish) struct buffer token = BUFFER_INIT;
    struct chat_object said = { 0 };
    char path[PATH_BYTES];

    int r = chat_object_decode(bytes_of(answer->body, answer->body_len), &arena, &said);
    if (r < 0 || answer->status != 200 || said.token.len == 0) {
        cli_say("not signed in: %.*s (status %d)", (int) said.error.message.len,
                said.error.message.len ? said.error.message.data : "", answer->status);
        return answer->status == 429   ? EX_TEMPFAIL
               : answer->status == 401 ? EX_NOPERM
                                       : EX_UNAVAILABLE;
    }
    buffer_append_str(&token, said.token);
    buffer_append_byte(&token, 0);
    r = buffer_error(&token);
    if (r == 0)
        r = login_keep(&o->url, (char *) token.data);
    if (r < 0) {
        cli_say("%s: %s", login_path(path, sizeof path) ? path : "no home", strerror(-r));
        return EX_CANTCREAT;
    }
    cli_say("signed in; the token is in %s", login_path(path, sizeof path));
    return EX_OK;
}

static int sign_in(void *arg) {
    struct signing *s = arg;
    const struct cli_options *o = s->options;
    CLEANUP(buffer_finish) struct buffer url = BUFFER_INIT;
    struct http_field type = { "Content-Type", "application/json" };
    bool is_unix = strncmp(o->url.address.text, "unix:", 5) == 0;
    struct http_result answer = { 0 };
    struct http_client *http = NULL;

    int code = cli_open_tls(s->options);
    if (code != EX_OK)
        return code;
    buffer_printf(&url, "%s://%s/auth/login", o->url.is_tls ? "https" : "http",
                  is_unix ? "localhost" : o->url.address.text);
    buffer_append_byte(&url, 0);
    int r = buffer_error(&url);
    if (r == 0)
        r = http_client_open(&(struct http_client_options){ .tls = o->tls }, &http);
    if (r == 0)
        r = http_client_call(
                http,
                &(struct http_call){ .url = (const char *) url.data,
                                     .unix_socket = is_unix ? o->url.address.text + 5 : NULL,
                                     .fields = &type,
                                     .n_fields = 1,
                                     .body = s->body.data,
                                     .body_len = s->body.len,
                                     .has_body = true },
                &answer);
    if (r < 0)
        cli_say("%s: %s", (const char *) url.data, answer.why[0] ? answer.why : strerror(-r));
    code = r < 0 ? EX_UNAVAILABLE : judge(o, &answer);
    http_result_finish(&answer);
    http = http_client_close(http);
    s->options->tls = tls_free(s->options->tls);
    return code;
}

int chat_login(struct cli_options *o) {
    struct signing s = { .options = o };
    char login[WORD_MAX], password[WORD_MAX + 1];

    if (!ask("Login", false, login, sizeof login) ||
        !ask("Password", true, password, sizeof password)) {
        cli_say("login and password, each on a line");
        return EX_NOINPUT;
    }
    buffer_append_str(&s.body, STR("{\"login\":"));
    json_append_string(&s.body, str_of(login));
    buffer_append_str(&s.body, STR(",\"password\":"));
    json_append_string(&s.body, str_of(password));
    buffer_append_str(&s.body, STR(",\"token\":true}"));
    explicit_bzero(password, sizeof password);
    int r = buffer_error(&s.body);
    int code = r < 0 ? EX_OSERR : loop_run(NULL, sign_in, &s);
    if (s.body.data)
        explicit_bzero(s.body.data, s.body.len);
    buffer_finish(&s.body);
    return code < 0 ? EX_OSERR : code;
}

int chat_logout(const struct cli_options *o) {
    int r = login_keep(&o->url, NULL);

    if (r < 0) {
        cli_say("%s", strerror(-r));
        return EX_CANTCREAT;
    }
    cli_say("the token is forgotten here; \"Sessions\" in the page ends it on the server");
    return EX_OK;
}
