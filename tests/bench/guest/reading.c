#define _GNU_SOURCE
#include "reading.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_SHOWN_BYTES = 256 * 1024 };

double reading_clock_s(void) {
    struct timespec ts;
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* Lines of "Name:  123 kB". */
struct field {
    const char *name;
    uint64_t *ret_bytes;
};

static int read_fields(const char *path, const struct field *fields, unsigned n) {
    char line[256];
    unsigned found = 0;
    FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        uint64_t kilobytes;
        if (!colon || sscanf(colon + 1, "%" SCNu64 " kB", &kilobytes) != 1)
            continue;
        *colon = 0;
        for (unsigned i = 0; i < n; i++)
            if (strcmp(line, fields[i].name) == 0) {
                *fields[i].ret_bytes = kilobytes * 1024;
                found++;
            }
    }
    (void) fclose(f);
    return found == n ? 0 : -EPROTO;
}

static int read_ticks(pid_t pid, struct share *ret) {
    char path[64], line[1024];
    (void) snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    char *got = fgets(line, sizeof line, f);
    (void) fclose(f);
    /* The name, in parentheses, may hold anything. */
    const char *after = got ? strrchr(line, ')') : NULL;
    int n = after ? sscanf(after + 1,
                           " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                           &ret->user_ticks, &ret->system_ticks)
                  : 0;
    return n == 2 ? 0 : -EPROTO;
}

static int read_share(pid_t pid, struct share *ret) {
    char path[64];
    const struct field fields[] = { { "Pss", &ret->pss }, { "Rss", &ret->rss } };
    (void) snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int) pid);
    int r = read_fields(path, fields, 2);
    return r < 0 ? r : read_ticks(pid, ret);
}

static int read_caches(struct reading *ret) {
    char line[512];
    FILE *f = fopen("/proc/slabinfo", "re");
    if (!f)
        return -errno;
    ret->n_caches = 0;
    while (ret->n_caches < CACHES_MAX && fgets(line, sizeof line, f)) {
        struct cache *c = &ret->caches[ret->n_caches];
        uint64_t pages, slabs;
        /* name active_objs num_objs objsize objperslab pagesperslab : tunables a b c : slabdata
         * active_slabs num_slabs sharedavail; the heading and the comment do not fit this. */
        if (sscanf(line,
                   "%31s %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64
                   " : tunables %*u %*u %*u : slabdata %*u %" SCNu64,
                   c->name, &c->active, &c->object, &pages, &slabs) != 5)
            continue;
        c->bytes = slabs * pages * (uint64_t) sysconf(_SC_PAGESIZE);
        ret->n_caches++;
    }
    (void) fclose(f);
    return ret->n_caches > 0 ? 0 : -EPROTO;
}

uint64_t reading_available(void) {
    uint64_t available = 0;
    const struct field fields[] = { { "MemAvailable", &available } };
    return read_fields("/proc/meminfo", fields, 1) < 0 ? 0 : available;
}

double reading_cpu_s(pid_t pid) {
    struct share s = { 0 };
    if (read_ticks(pid, &s) < 0)
        return 0;
    return (double) (s.user_ticks + s.system_ticks) / (double) sysconf(_SC_CLK_TCK);
}

uint64_t reading_rss(pid_t pid) {
    char path[64];
    uint64_t rss = 0;
    const struct field fields[] = { { "VmRSS", &rss } };
    (void) snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
    return read_fields(path, fields, 1) < 0 ? 0 : rss;
}

int reading_take(pid_t server, struct reading *ret) {
    uint64_t total, unused, buffers, cached, anonymous;
    /* Not MemAvailable for what is used: it takes sockets' inodes for something that could be given
     * back. */
    const struct field fields[] = {
        { "MemTotal", &total },
        { "MemFree", &unused },
        { "Buffers", &buffers },
        { "Cached", &cached },
        { "AnonPages", &anonymous },
        { "Slab", &ret->slab },
        { "PageTables", &ret->page_tables },
        { "MemAvailable", &ret->available },
    };
    ret->at_s = reading_clock_s();
    int r = read_fields("/proc/meminfo", fields, sizeof fields / sizeof *fields);
    if (r == 0)
        r = read_share(server, &ret->server);
    if (r == 0)
        r = read_share(getpid(), &ret->client);
    if (r == 0)
        r = read_caches(ret);
    if (r == 0)
        ret->kernel = total - unused - buffers - cached - anonymous;
    return r;
}

static void print_share(const char *name, const struct share *s, FILE *to) {
    double ticks = (double) sysconf(_SC_CLK_TCK);
    (void) fprintf(
            to,
            "\"%s\":{\"pss\":%" PRIu64 ",\"rss\":%" PRIu64 ",\"user_s\":%.2f,\"system_s\":%.2f},",
            name, s->pss, s->rss, (double) s->user_ticks / ticks, (double) s->system_ticks / ticks);
}

void reading_print(const struct reading *r, FILE *to) {
    (void) fprintf(to, "\"at_s\":%.2f,", r->at_s);
    print_share("server", &r->server, to);
    print_share("client", &r->client, to);
    (void) fprintf(to,
                   "\"kernel\":%" PRIu64 ",\"slab\":%" PRIu64 ",\"page_tables\":%" PRIu64
                   ",\"available\":%" PRIu64 ",\"caches\":{",
                   r->kernel, r->slab, r->page_tables, r->available);
    const char *comma = "";
    for (unsigned i = 0; i < r->n_caches; i++) {
        const struct cache *c = &r->caches[i];
        if (c->bytes < CACHE_SHOWN_BYTES)
            continue;
        (void) fprintf(to, "%s\"%s\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", comma, c->name,
                       c->active, c->object, c->bytes);
        comma = ",";
    }
    (void) fprintf(to, "}");
}
