#include "tests/support/redis_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 60000, PATH_SIZE = 128, NO_PROGRAM = 127 };

struct redis_process {
    struct redis_process_options options;
    pid_t pid; /* 0: it is not running */
    uint16_t port;
    struct address address;
    char directory[48];
};

static void path_in(const struct redis_process *p, const char *name, char path[PATH_SIZE]) {
    (void) snprintf(path, PATH_SIZE, "%s/%s", p->directory, name);
}

static int find_port(uint16_t *ret) {
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = bind(fd, (struct sockaddr *) &in, len) < 0 ||
                            getsockname(fd, (struct sockaddr *) &in, &len) < 0
                    ? -errno
                    : 0;
    (void) close(fd);
    *ret = ntohs(in.sin_port);
    return r;
}

static int write_config(const struct redis_process *p) {
    char path[PATH_SIZE];
    path_in(p, "redis.conf", path);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    (void) fprintf(f,
                   "bind 127.0.0.1\n"
                   "port %u\n"
                   "dir %s\n"
                   "logfile log\n"
                   "supervised systemd\n"
                   "daemonize no\n",
                   p->options.is_tls ? 0U : p->port, p->directory);
    if (p->options.is_tls)
        (void) fprintf(f, "tls-port %u\n", p->port);
    if (!p->options.is_sentinel)
        (void) fputs("save \"\"\n", f);
    if (p->options.config)
        (void) fputs(p->options.config, f);
    return fclose(f) == 0 ? 0 : -errno;
}

/* ---- readiness, as systemd would be told ---- */

static int open_notify(const struct redis_process *p, struct sockaddr_un *un) {
    *un = (struct sockaddr_un){ .sun_family = AF_UNIX };
    (void) snprintf(un->sun_path, sizeof un->sun_path, "%s/notify", p->directory);
    (void) unlink(un->sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *) un, sizeof *un) < 0) {
        (void) close(fd);
        return -errno;
    }
    return fd < 0 ? -errno : fd;
}

static int await_ready(int notify, int process) {
    struct pollfd fds[] = { { .fd = notify, .events = POLLIN },
                            { .fd = process, .events = POLLIN } };
    for (;;) {
        int n = poll(fds, ELEMENTS_OF(fds), START_MS);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ETIMEDOUT;
        char text[256];
        ssize_t len = fds[0].revents ? recv(notify, text, sizeof text - 1, 0) : 0;
        text[len > 0 ? len : 0] = '\0';
        if (strstr(text, "READY=1"))
            return 0;
        if (fds[1].revents)
            return -ECHILD;
    }
}

/* ---- the process ---- */

static _Noreturn void become(const struct redis_process *p, const char *notify) {
    char config[PATH_SIZE];
    path_in(p, "redis.conf", config);
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) setenv("NOTIFY_SOCKET", notify, 1);
    sigset_t none;
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    char name[] = "redis-server", sentinel[] = "--sentinel";
    char *const arguments[] = { name, config, p->options.is_sentinel ? sentinel : NULL, NULL };
    (void) execvp("redis-server", arguments);
    /* Debian's redis-tools have the whole program under this name. */
    (void) execvp("redis-check-rdb", arguments);
    _exit(NO_PROGRAM);
}

static void print_log(const struct redis_process *p) {
    char path[PATH_SIZE], line[512];
    path_in(p, "log", path);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        (void) fputs(line, stderr);
    if (f)
        (void) fclose(f);
}

static int await_end(struct redis_process *p) {
    int status = 0;
    while (p->pid > 0 && waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    p->pid = 0;
    return status;
}

int redis_process_again(struct redis_process *p) {
    struct sockaddr_un un;
    int notify = open_notify(p, &un);
    if (notify < 0)
        return notify;
    p->pid = fork();
    if (p->pid == 0)
        become(p, un.sun_path);
    int r = p->pid < 0 ? -errno : 0;
    int process = r < 0 ? -1 : (int) syscall(SYS_pidfd_open, p->pid, 0);
    if (r == 0)
        r = process < 0 ? -errno : await_ready(notify, process);
    if (process >= 0)
        (void) close(process);
    (void) close(notify);
    if (r < 0 && p->pid > 0) {
        (void) kill(p->pid, SIGKILL);
        int status = await_end(p);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM)
            return -ENOENT;
        print_log(p);
    }
    return r;
}

int redis_process_start(const struct redis_process_options *o, struct redis_process **ret) {
    struct redis_process *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->options = *o;
    (void) strcpy(p->directory, "/tmp/parley-redis-XXXXXX");
    if (!mkdtemp(p->directory)) {
        free(p);
        return -EIO;
    }
    int r = find_port(&p->port);
    if (r == 0)
        r = write_config(p);
    (void) snprintf(p->address.text, sizeof p->address.text, "127.0.0.1:%u", p->port);
    if (r == 0)
        r = redis_process_again(p);
    if (r < 0) {
        (void) redis_process_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void) st;
    (void) flag;
    (void) ftw;
    return remove(path);
}

struct redis_process *redis_process_free(struct redis_process *p) {
    if (!p)
        return NULL;
    redis_process_kill(p);
    (void) nftw(p->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return NULL;
}

static void end_by(struct redis_process *p, int signal_number) {
    if (p->pid == 0)
        return;
    (void) kill(p->pid, signal_number);
    (void) await_end(p);
}

void redis_process_kill(struct redis_process *p) {
    end_by(p, SIGKILL);
}

void redis_process_end(struct redis_process *p) {
    end_by(p, SIGTERM);
}

void redis_process_freeze(struct redis_process *p) {
    (void) kill(p->pid, SIGSTOP);
}

void redis_process_thaw(struct redis_process *p) {
    (void) kill(p->pid, SIGCONT);
}

uint16_t redis_process_port(const struct redis_process *p) {
    return p->port;
}

const struct address *redis_process_address(const struct redis_process *p) {
    return &p->address;
}

const char *redis_process_directory(const struct redis_process *p) {
    return p->directory;
}
