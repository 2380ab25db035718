/*
 * chat.db under load, the store alone; tables of Markdown.
 *
 *     chat_store run DIR [MESSAGES]      fill, and measure in a process of its own
 *     chat_store fill DIR [MESSAGES]     a team of 1,000 in 200 rooms writes so much (more)
 *     chat_store measure DIR             how long things take in it; sends some more
 *     chat_store search DIR              of that, searching alone
 *
 * Sends are whole works: who asks is looked up, the message is kept, indexed and emitted, and
 * answered when it is on the disk. What is read is said in chat_text.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "async/deadline.h"
#include "async/group.h"
#include "async/loop.h"
#include "async/task.h"
#include "storage/chat/backup.h"
#include "storage/chat/message.h"
#include "storage/chat/user.h"
#include "storage/clock.h"
#include "tests/bench/chat_bench.h"

/* ---- figures ---- */

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

/* The processors' time since it was last asked, which depends less on what else the machine does.
 */
static double cpu_us(void) {
    static double before;
    struct timespec now;
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    double us = (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3, since = us - before;
    before = us;
    return since;
}

void bench_clock(void) {
    (void) cpu_us();
}

void bench_table(const char *title) {
    printf("\n| %s | times | p50 ms | p99 ms | max ms | CPU us | a second "
           "|\n|---|--:|--:|--:|--:|--:|--:|\n",
           title);
}

void bench_report(struct bench *b, const char *what, double per_s) {
    double us = cpu_us();
    if (b->samples_n == 0)
        return;
    qsort(b->samples, b->samples_n, sizeof *b->samples, compare);
    printf("| %s | %llu | %.3f | %.3f | %.3f | %.0f |", what, (unsigned long long) b->times,
           (double) b->samples[b->samples_n / 2] / 1e6,
           (double) b->samples[b->samples_n * 99 / 100] / 1e6,
           (double) b->samples[b->samples_n - 1] / 1e6, us / (double) b->times);
    if (per_s > 0)
        printf(" %.0f |\n", per_s);
    else
        printf(" |\n");
    (void) fflush(stdout);
    b->samples_n = b->times = 0;
}

/* ---- sending ---- */

struct send {
    struct chat_work work;
    const char *room;
    char user[USER_ID_MAX], client_id[32], text[CHAT_TEXT_MAX];
};

static int run_send(struct chat_work *work, struct chat_tx *tx) {
    struct send *s = CONTAINER_OF(work, struct send, work);
    struct chat_actor by;
    struct chat_message m;
    bool is_duplicate;
    struct chat_send what = { .room = str_of(s->room),
                              .client_id = str_of(s->client_id),
                              .text = str_of(s->text) };
    int r = chat_actor_load(tx, str_of(s->user), &by);
    if (r == 0)
        r = chat_message_send(tx, &by, &what, &m, &is_duplicate);
    if (r != 0)
        return r;
    /* As long as the event is, with the message in it. */
    char event[256 + CHAT_TEXT_MAX];
    size_t n =
            (size_t) snprintf(event, sizeof event,
                              "{\"type\":\"message.created\",\"ver\":%llu,\"message\":{\"room\":"
                              "\"%s\",\"seq\":%llu,\"user\":\"%s\",\"at\":%lld,\"text\":\"%s\"}}",
                              (unsigned long long) m.ver, s->room, (unsigned long long) m.seq,
                              s->user, (long long) m.at, s->text);
    return chat_tx_emit(tx, STR("room:x"), bytes_of(event, n), m.ver, 0);
}

static void make_send(struct bench *b, struct send *s) {
    uint64_t number = b->sent++;
    /* Half of all is said in an eighth of the rooms, 2 % in the ten quiet ones. */
    unsigned place = (unsigned) chat_text_below(&b->text, 1000);
    unsigned room = (unsigned) ((uint64_t) ROOMS * place * place * place / 1000000000);
    unsigned user = room + ROOMS - (unsigned) chat_text_below(&b->text, ROOMS_OF_USER);
    user = (user + ROOMS * (unsigned) chat_text_below(&b->text, USERS / ROOMS)) % USERS;
    s->work = CHAT_WORK(run_send);
    s->room = b->rooms[room];
    (void) snprintf(s->user, sizeof s->user, "user%u", user);
    (void) snprintf(
            s->client_id, sizeof s->client_id, "%016llx",
            (unsigned long long) (number * UINT64_C(0x9e3779b97f4a7c15) + clock_ticks_ns()));
    s->text[chat_text_message(&b->text, s->text)] = 0;
}

static int send_on(void *arg) {
    struct bench *b = arg;
    struct send *s = calloc(1, sizeof *s);
    int r = s ? 0 : -ENOMEM;
    while (r == 0 && b->sent < b->messages && clock_ticks_ns() < b->until_ns) {
        make_send(b, s);
        uint64_t began_ns = clock_ticks_ns();
        r = chat_store_write(b->store, &s->work);
        chat_work_finish(&s->work);
        bench_note(b, clock_ticks_ns() - began_ns);
    }
    free(s);
    return r;
}

/* Published as soon as it is out. */
static void sink(struct chat_event *first, void *arg) {
    struct bench *b = arg;
    while (first) {
        struct chat_event *next = first->next;
        chat_store_published(b->store, &first->id, 1);
        chat_event_free(first);
        first = next;
    }
}

static int send_together(struct bench *b, int senders, const char *title, uint64_t messages,
                         int seconds) {
    char what[64];
    struct chat_store_stats before, after;
    b->sent = 0;
    b->messages = messages;
    b->samples_n = b->times = 0;
    chat_store_stats(b->store, &before);
    bench_clock();
    uint64_t began_ns = clock_ticks_ns();
    b->until_ns = seconds > 0 ? began_ns + (uint64_t) seconds * 1000000000u : UINT64_MAX;
    GROUP(g);
    for (int i = 0; i < senders; i++)
        if (group_spawn(&g, "sender", send_on, b) < 0)
            return -ENOMEM;
    int r = group_wait(&g);
    double s = (double) (clock_ticks_ns() - began_ns) / 1e9;
    chat_store_stats(b->store, &after);
    (void) snprintf(what, sizeof what, "%s, %d at a time (%.1f a commit)", title, senders,
                    (double) b->sent / (double) (after.commits - before.commits));
    bench_report(b, what, (double) b->sent / s);
    return r;
}

/* ---- the file ---- */

static void report_size(struct bench *b, uint64_t messages) {
    char path[512];
    struct stat st;
    (void) snprintf(path, sizeof path, "%s/chat.db", b->directory);
    if (messages > 0 && stat(path, &st) == 0)
        printf("\n%llu messages; chat.db %.1f MB, %.0f bytes a message\n",
               (unsigned long long) messages, (double) st.st_size / 1e6,
               (double) st.st_size / (double) messages);
}

static void report_memory(const char *when) {
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            printf("\nRSS %s: %.1f MB\n", when, (double) strtoul(line + 6, NULL, 10) / 1e3);
    if (f)
        (void) fclose(f);
}

/* In DIR/copy and DIR/restored, which are removed. Not in a task, whose stack is too small for it.
 */
static int measure_copies(struct bench *b) {
    char copy[512], restored[512], why[BACKUP_WHY_MAX] = "", command[1200];
    struct backup_report report;
    (void) snprintf(copy, sizeof copy, "%s/copy", b->directory);
    (void) snprintf(restored, sizeof restored, "%s/restored", b->directory);
    uint64_t began_ns = clock_ticks_ns();
    int r = backup_make(b->directory, copy, &report, why);
    uint64_t made_ns = clock_ticks_ns();
    if (r == 0)
        r = backup_restore(copy, restored, false, &report, why);
    if (r == 0)
        printf("\nbackup %.1f s, restore %.1f s, each with a look through the copy\n",
               (double) (made_ns - began_ns) / 1e9, (double) (clock_ticks_ns() - made_ns) / 1e9);
    else
        (void) fprintf(stderr, "%s\n", why);
    (void) snprintf(command, sizeof command, "rm -rf '%s' '%s'", copy, restored);
    return system(command) == 0 ? r : -EIO;
}

/* ---- what is asked for ---- */

static int fill(struct bench *b) {
    uint64_t n;
    int r = bench_find_team(b, &n);
    if (r == CHAT_NOT_FOUND)
        r = bench_furnish(b);
    if (r != 0)
        return r;
    chat_text_init(&b->text, n + 1); /* not what was said before */
    bench_table("filling");
    return send_together(b, FILLERS, "send", b->messages, 0);
}

static int measure(struct bench *b) {
    uint64_t n;
    int r = bench_find_team(b, &n);
    report_size(b, n);
    report_memory("when opened");
    chat_text_init(&b->text, n + 1);
    bench_table("sending, durable");
    if (r == 0)
        r = send_together(b, 1, "send", UINT64_MAX, 5);
    if (r == 0)
        r = send_together(b, SENDERS, "send", UINT64_MAX, 10);
    bench_table("reading");
    if (r == 0)
        r = bench_reads(b);
    bench_table("searching");
    if (r == 0)
        r = bench_searches(b);
    report_memory("after all this");
    return r;
}

static int measure_search(struct bench *b) {
    uint64_t n;
    int r = bench_find_team(b, &n);
    chat_text_init(&b->text, 1);
    bench_table("searching");
    return r != 0 ? r : bench_searches(b);
}

/* ---- main ---- */

typedef int part_fn(struct bench *b);

struct job {
    struct bench *bench;
    part_fn *part;
};

static int run(void *arg) {
    struct job *job = arg;
    struct bench *b = job->bench;
    char *why = NULL;
    struct chat_store_options o = { .data_dir = b->directory };
    int r = chat_store_open(&o, &b->store, &why);
    if (r < 0) {
        (void) fprintf(stderr, "%s\n", why ? why : strerror(-r));
        free(why);
        return r;
    }
    chat_store_set_sink(b->store, sink, b);
    r = job->part(b);
    chat_store_close(b->store);
    return r;
}

static int do_part(struct bench *b, part_fn *part) {
    struct job job = { .bench = b, .part = part };
    int r = loop_run(NULL, run, &job);
    if (r != 0)
        (void) fprintf(stderr, "failed: %d\n", r);
    return r != 0;
}

/* In a process of its own, whose memory is not that of what is measured next. */
static int fill_apart(struct bench *b) {
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        exit(do_part(b, fill));
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
    struct bench *b = calloc(1, sizeof *b);
    const char *what = argc >= 3 ? argv[1] : "";
    int failed = 2;
    if (!b)
        return 1;
    b->directory = argc >= 3 ? argv[2] : "";
    b->messages = argc > 3 ? strtoull(argv[3], NULL, 10) : MESSAGES;
    if (strcmp(what, "fill") == 0)
        failed = do_part(b, fill);
    else if (strcmp(what, "measure") == 0)
        failed = do_part(b, measure) || measure_copies(b) != 0;
    else if (strcmp(what, "search") == 0)
        failed = do_part(b, measure_search);
    else if (strcmp(what, "run") == 0)
        failed = fill_apart(b) || do_part(b, measure) || measure_copies(b) != 0;
    else
        (void) fprintf(
                stderr,
                "usage: chat_store run|fill DIR [MESSAGES], chat_store measure|search DIR\n");
    free(b);
    return failed;
}
