#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/config/impl.h"

enum { NAME_MAX_COMPARED = 64 };

void config_report_finish(struct config_report *r) {
    for (size_t i = 0; i < r->n; i++)
        free(r->items[i].text);
    *r = (struct config_report){ 0 };
}

void config_problem(struct config_loader *l, bool is_error, const struct config_place *at,
                    const char *path, const char *format, ...) {
    struct config_report *report = l->report;
    report->errors += is_error;
    if (report->n == CONFIG_PROBLEMS_MAX)
        return;

    struct buffer text = BUFFER_INIT;
    if (at && at->source)
        buffer_printf(&text, "%s: ", at->source);
    else if (at && at->line > 0)
        buffer_printf(&text, "%s:%u:%u: ", l->source->file, at->line, at->column);
    else if (l->source->file)
        buffer_printf(&text, "%s: ", l->source->file);
    if (path && *path)
        buffer_printf(&text, "%s: ", path);

    char words[400];
    va_list args;
    va_start(args, format);
    (void) vsnprintf(words, sizeof words, format, args);
    va_end(args);
    buffer_append_str(&text, str_of(words));
    buffer_append_byte(&text, '\0');

    if (buffer_error(&text)) {
        buffer_finish(&text);
        l->is_out_of_memory = true;
        return;
    }
    report->items[report->n++] =
            (struct config_problem){ .is_error = is_error, .text = (char *) text.data };
}

/* ---- the nearest right name ---- */

/* Optimal string alignment: insert, delete, change, or swap two neighbours. */
int name_distance(struct str a, struct str b) {
    if (a.len > NAME_MAX_COMPARED || b.len > NAME_MAX_COMPARED)
        return INT_MAX;

    int rows[3][NAME_MAX_COMPARED + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = (int) j;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = (int) i;
        for (size_t j = 1; j <= b.len; j++) {
            int best = last[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                a.data[i - 2] == b.data[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        int *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

static const char *tail_of(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

struct candidate {
    const char *prefix; /* "client." or "channel.namespaces[]." */
    struct str name;
    int distance;
    bool is_here;
};

/* Nearer wins; of equally near ones the one in the same group. */
static void consider(struct candidate *best, struct candidate c) {
    if (c.distance < best->distance ||
        (c.distance == best->distance && c.is_here && !best->is_here))
        *best = c;
}

/* Every step of a path that lies in the group `prefix` is a name one may use there. */
static void consider_path(struct candidate *best, const char *path, const char *prefix,
                          struct str name) {
    size_t in = strlen(prefix);
    if (strncmp(path, prefix, in) == 0) {
        const char *step = path + in;
        struct str here = { step, strcspn(step, ".") };
        consider(best, (struct candidate){ "", here, name_distance(name, here), true });
    }
    /* In another group only the very name is convincing. */
    if (str_equal(name, str_of(tail_of(path))))
        consider(best, (struct candidate){ "", str_of(path), 0, false });
}

void config_suggest(const char *prefix, struct str name, const struct option_group *group,
                    struct buffer *out) {
    struct candidate best = { .distance = INT_MAX };
    size_t n;

    const struct option *options = config_options(&n);
    for (size_t i = 0; i < n; i++)
        consider_path(&best, options[i].path, group ? "\n" : prefix, name);
    const struct option_group *groups = option_groups();
    for (size_t i = 0; i < OPTION_GROUPS && !group; i++)
        consider_path(&best, groups[i].path, prefix, name);
    if (!group)
        consider_path(&best, "channel.without_namespace", prefix, name);
    if (group && group->options) {
        options = group_options(group, &n);
        for (size_t i = 0; i < n; i++)
            consider_path(&best, options[i].path, prefix, name);
    }

    options = namespace_options(&n);
    for (size_t i = 0; i < n && (!group || !group->options); i++) {
        struct str option = str_of(options[i].path);
        if (group)
            consider_path(&best, options[i].path, prefix, name);
        else if (str_equal(name, option))
            consider(&best, (struct candidate){ "channel.without_namespace.", option, 0, false });
    }

    int far = name.len < 4 ? 1 : name.len < 12 ? 2 : (int) name.len / 4;
    if (best.distance <= far)
        buffer_printf(out, "; did you mean \"%s%.*s\"?", best.prefix, (int) best.name.len,
                      best.name.data);
}
