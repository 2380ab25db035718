#include "daemon/config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config/impl.h"

enum { FILE_BYTES_MAX = YAML_BYTES_MAX + 1, SECRET_FILE_MAX = 64 << 10, PATH_MAX_BYTES = 512 };

size_t option_index(const struct option *options, size_t n, struct str path) {
    for (size_t i = 0; i < n; i++)
        if (str_equal(path, str_of(options[i].path)))
            return i;
    return SIZE_MAX;
}

/* ---- files ---- */

static int read_file(const char *path, size_t max, struct buffer *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;

    struct stat st;
    int r = fstat(fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
    while (r == 0 && out->len <= max) {
        uint8_t *at = buffer_reserve(out, 4096);
        if (!at) {
            r = -ENOMEM;
            break;
        }
        ssize_t got = read(fd, at, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            r = -errno;
        if (got <= 0)
            break;
        buffer_added(out, (size_t) got);
    }
    (void) close(fd);
    return r == 0 && out->len > max ? -EFBIG : r;
}

/* A secret out of a file: its content without the newline that editors put at the end. */
void config_take_secret(struct config_loader *l, const struct option *o, const char *path,
                        void *holder, const struct config_place *at, const char *name) {
    struct buffer content = BUFFER_INIT;
    char why[CONFIG_WHY_MAX];

    int r = read_file(path, SECRET_FILE_MAX, &content);
    if (r == -ENOMEM) {
        l->is_out_of_memory = true;
    } else if (r < 0) {
        config_problem(l, true, at, name, "%s: %s", path, strerror(-r));
    } else {
        struct str text = { (const char *) content.data, content.len };
        while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
            text.len--;
        r = value_parse(o, text, l->config->memory, holder, why);
        if (r == -ENOMEM)
            l->is_out_of_memory = true;
        else if (r < 0)
            config_problem(l, true, at, name, "%s: %s", path, why);
    }
    if (content.data)
        explicit_bzero(content.data, content.len);
    buffer_finish(&content);
}

static int take_file(struct config_loader *l) {
    struct buffer content = BUFFER_INIT;
    struct yaml_node *root = NULL;
    struct yaml_error error;

    int r = read_file(l->source->file, FILE_BYTES_MAX, &content);
    if (r == -ENOMEM) {
        buffer_finish(&content);
        return r;
    }
    if (r < 0) {
        config_problem(l, true, NULL, NULL, "%s", strerror(-r));
        buffer_finish(&content);
        return 0;
    }

    r = yaml_read(buffer_bytes(&content), l->config->memory, &root, &error);
    if (content.data)
        explicit_bzero(content.data, content.len); /* there may be secrets in it */
    buffer_finish(&content);
    if (r == -EINVAL) {
        struct config_place at = { .line = error.line, .column = error.column };
        config_problem(l, true, &at, NULL, "%s", error.text);
        return 0;
    }
    if (r < 0)
        return r;
    if (root)
        config_take_tree(l, root);
    return 0;
}

/* ---- credentials, environment, flags ---- */

static void take_credentials(struct config_loader *l) {
    size_t n;
    const struct option *options = config_options(&n);
    struct config_place at = { .source = "credential" };
    char path[4096];

    for (size_t i = 0; i < n; i++) {
        if (options[i].kind != OPTION_SECRET && options[i].kind != OPTION_FILE)
            continue;
        int len = snprintf(path, sizeof path, "%s/%s", l->source->credentials_dir, options[i].path);
        if (len < 0 || (size_t) len >= sizeof path || access(path, F_OK) < 0)
            continue;
        l->places[i] = at;
        if (options[i].kind == OPTION_SECRET) {
            config_take_secret(l, &options[i], path, l->config, &at, options[i].path);
            continue;
        }
        char why[CONFIG_WHY_MAX];
        int r = value_parse(&options[i], str_of(path), l->config->memory, l->config, why);
        if (r == -ENOMEM)
            l->is_out_of_memory = true;
        else if (r < 0)
            config_problem(l, true, &at, options[i].path, "%s", why);
    }
}

void config_set_text(struct config_loader *l, const struct option *o, const char *value,
                     void *holder, struct config_place *place, const char *source,
                     const char *name) {
    char why[CONFIG_WHY_MAX];

    *place = (struct config_place){ .source = source };
    if (option_has_parts(o->kind)) {
        config_take_text(l, o, str_of(value), holder, place, name);
        return;
    }
    int r = value_parse(o, str_of(value), l->config->memory, holder, why);
    if (r == -ENOMEM)
        l->is_out_of_memory = true;
    else if (r < 0)
        config_problem(l, true, place, name, "%s", why);
}

static void set_from_text(struct config_loader *l, size_t i, const char *value,
                          const char *source) {
    size_t n;
    const struct option *o = &config_options(&n)[i];
    config_set_text(l, o, value, l->config, &l->places[i], source, o->path);
}

static void take_flags(struct config_loader *l) {
    size_t n;
    const struct option *options = config_options(&n);

    for (size_t f = 0; f < l->source->n_flags; f++) {
        const struct config_flag *flag = &l->source->flags[f];
        struct config_place at = { .source = flag->name };
        size_t i = option_index(options, n, str_of(flag->path));
        if (i == SIZE_MAX) {
            struct buffer hint = BUFFER_INIT;
            config_suggest("", str_of(flag->path), false, &hint);
            config_problem(l, true, &at, flag->path, "unknown option%.*s", (int) hint.len,
                           hint.data ? (const char *) hint.data : "");
            buffer_finish(&hint);
            continue;
        }
        if (options[i].kind != OPTION_LIST) {
            set_from_text(l, i, flag->value, flag->name);
            continue;
        }

        /* The first of a list's flags replaces what file and environment said; the others add. */
        struct buffer list = BUFFER_INIT;
        bool is_first = true;
        for (size_t g = 0; g < l->source->n_flags; g++) {
            if (strcmp(l->source->flags[g].path, flag->path) != 0)
                continue;
            is_first = is_first && g >= f;
            buffer_printf(&list, "%s ", l->source->flags[g].value);
        }
        buffer_append_byte(&list, '\0');
        if (buffer_error(&list))
            l->is_out_of_memory = true;
        else if (is_first)
            set_from_text(l, i, (const char *) list.data, flag->name);
        buffer_finish(&list);
    }
}

/* ---- all together ---- */

static int set_defaults(struct config_loader *l) {
    size_t n;
    const struct option *options = config_options(&n);
    int r = config_set_defaults(l, options, n, l->config);
    if (r < 0)
        return r;
    options = namespace_options(&n);
    return config_set_defaults(l, options, n, &l->config->without_namespace);
}

static void *zeroed(struct arena *a, size_t len) {
    void *p = arena_alloc(a, len);
    if (p)
        memset(p, 0, len);
    return p;
}

static void keep_old(struct config_loader *l, const struct config *old) {
    size_t n;
    const struct option *options = config_options(&n);
    for (size_t i = 0; i < n; i++) {
        const struct option *o = &options[i];
        if (!o->needs_restart || value_equal(o, l->config, old))
            continue;
        config_problem(l, false, &l->places[i], o->path,
                       "a change of this takes effect with the next restart");
        if (value_copy(o, old, l->config->memory, l->config) < 0)
            l->is_out_of_memory = true;
    }
}

static void choose_data_dir(struct config_loader *l) {
    struct config *c = l->config;
    if (c->data_dir.len > 0)
        return;
    if (c->engine == ENGINE_REDIS && !l->source->state_dir) /* it needs none */
        return;
    c->data_dir = value_text_copy(
            c->memory, str_of(l->source->state_dir ? l->source->state_dir : "parley-data"));
    if (!c->data_dir.data)
        l->is_out_of_memory = true;
}

static int load(struct config_loader *l, const struct config *old) {
    size_t n_options, n_namespace_options;
    (void) config_options(&n_options);
    (void) namespace_options(&n_namespace_options);
    l->places = zeroed(l->config->memory, sizeof *l->places * n_options);
    l->without_places = zeroed(l->config->memory, sizeof *l->without_places * n_namespace_options);
    if (!l->places || !l->without_places)
        return -ENOMEM;

    int r = set_defaults(l);
    if (r == 0 && l->source->file)
        r = take_file(l);
    if (r < 0)
        return r;
    if (l->source->credentials_dir)
        take_credentials(l);
    config_take_environment(l);
    take_flags(l);

    choose_data_dir(l);
    l->old = old;
    if (old)
        keep_old(l, old);
    if (l->report->errors == 0 && !l->is_out_of_memory)
        r = config_check(l);
    if (old)
        l->config->archives = old->archives; /* for as long as the engine lives */
    if (r == 0 && l->is_out_of_memory)
        r = -ENOMEM;
    return r < 0 ? r : l->report->errors ? -EINVAL : 0;
}

static int load_for(const struct config_source *source, const struct config *old,
                    struct config **ret, struct config_report *report) {
    CLEANUP(config_unrefp) struct config *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->refs = 1;
    c->memory = calloc(1, sizeof *c->memory);
    if (!c->memory)
        return -ENOMEM;

    struct config_loader l = { .source = source, .config = c, .report = report };
    int r = load(&l, old);
    if (r < 0)
        return r;
    *ret = TAKE(c);
    return 0;
}

int config_load(const struct config_source *source, struct config **ret,
                struct config_report *report) {
    return load_for(source, NULL, ret, report);
}

int config_reload(const struct config_source *source, const struct config *old, struct config **ret,
                  struct config_report *report) {
    return load_for(source, old, ret, report);
}
