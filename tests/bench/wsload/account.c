#include "account.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "options.h"
#include "wsload.h"

enum { TEXT_MAX = 16384 };

static bool slurp(const char *path, char *b, size_t n) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t k = read(fd, b, n - 1);
    close(fd);
    if (k < 0)
        return false;
    b[k] = 0;
    return true;
}

static uint64_t field(const char *text, const char *name) {
    const char *p = strstr(text, name);
    return p ? strtoull(p + strlen(name), NULL, 10) : 0;
}

static double ticks_s(unsigned long long n) {
    return (double) n / (double) sysconf(_SC_CLK_TCK);
}

/* schedstat has nanoseconds, but only of threads that still run. */
static double threads_cpu(int pid) {
    char path[64], file[400], b[256];
    double total = 0;
    (void) snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        (void) snprintf(file, sizeof file, "%s/%s/schedstat", path, e->d_name);
        if (e->d_name[0] != '.' && slurp(file, b, sizeof b))
            total += (double) strtoull(b, NULL, 10) / 1e9;
    }
    if (d)
        closedir(d);
    return total;
}

static void add_server(struct account *a, int pid, bool with_memory) {
    char b[TEXT_MAX], path[64];
    (void) snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!slurp(path, b, sizeof b))
        die("server pid %d is not running", pid);
    unsigned long user = 0, sys = 0;
    const char *rest = strrchr(b, ')');
    if (rest &&
        sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) == 2) {
        a->user += ticks_s(user);
        a->sys += ticks_s(sys);
    }
    a->total += threads_cpu(pid);
    (void) snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    if (with_memory && slurp(path, b, sizeof b)) {
        a->pss_kb += field(b, "\nPss:");
        a->rss_kb += field(b, "\nRss:");
    }
}

static void add_core(const char *stat, int cpu, double *ret_busy, double *ret_stolen) {
    char name[16];
    unsigned long long v[8] = { 0 };
    (void) snprintf(name, sizeof name, "\ncpu%d ", cpu);
    const char *p = cpu < 0 ? NULL : strstr(stat, name);
    if (!p || sscanf(p + strlen(name), "%llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2,
                     v + 3, v + 4, v + 5, v + 6, v + 7) != 8)
        return;
    *ret_busy = ticks_s(v[0] + v[1] + v[2] + v[5] + v[6]); /* not idle, not waiting, not stolen */
    if (ret_stolen)
        *ret_stolen = ticks_s(v[7]);
}

void account_take(struct account *ret, bool with_memory) {
    char b[TEXT_MAX];
    *ret = (struct account){ 0 };
    for (int i = 0; i < options.n_servers; i++)
        add_server(ret, options.servers[i], with_memory);
    if (slurp("/proc/stat", b, sizeof b)) {
        add_core(b, options.server_cpu, &ret->server_core_busy, &ret->stolen);
        add_core(b, options.n_cpus ? options.cpus[0] : -1, &ret->client_core_busy, NULL);
    }
    if (with_memory && slurp("/proc/meminfo", b, sizeof b))
        ret->slab_kb = field(b, "\nSlab:");
    if (with_memory && slurp("/proc/net/sockstat", b, sizeof b)) {
        const char *tcp = strstr(b, "TCP:");
        ret->tcp_mem_pages = tcp ? field(tcp, "mem ") : 0;
    }
}

double own_cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double) (r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           1e-6 * (double) (r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}
