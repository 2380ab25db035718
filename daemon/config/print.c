/* The configuration as text: what is in force, and the reference page. */
#include <stdio.h>

#include "daemon/config/impl.h"

/* Opens the groups of path that the one before it was not in, and returns its last step. */
static const char *open_groups(const char *path, const char *before, int indent, struct buffer *out,
                               int *ret_depth) {
    int depth = 0;
    for (;;) {
        size_t step = strcspn(path, ".");
        if (path[step] == '\0') {
            *ret_depth = depth;
            return path;
        }
        bool is_open = before && strncmp(before, path, step + 1) == 0;
        if (!is_open)
            buffer_printf(out, "%*s%.*s:\n", (depth + indent) * 2, "", (int) step, path);
        before = is_open ? before + step + 1 : NULL;
        path += step + 1;
        depth++;
    }
}

/* The options of one holder, in groups. */
static void dump_options(const struct option *options, size_t n, const void *holder, int indent,
                         struct buffer *out) {
    const char *before = NULL;
    for (size_t i = 0; i < n; i++) {
        int depth;
        const char *name = open_groups(options[i].path, before, indent, out, &depth);
        before = options[i].path;
        buffer_printf(out, "%*s%s: ", (depth + indent) * 2, "", name);
        value_write(&options[i], holder, out);
        buffer_append_byte(out, '\n');
    }
}

static void dump_list(const struct config *c, const struct option_group *g, int indent,
                      struct buffer *out) {
    const char *dot = strrchr(g->path, '.');
    size_t n, n_options;
    const char *items = config_items(c, g, &n);
    const struct option *options = group_options(g, &n_options);

    buffer_printf(out, "%*s%s:%s\n", indent * 2, "", dot ? dot + 1 : g->path, n ? "" : " []");
    for (size_t i = 0; i < n; i++) {
        const void *item = items + i * g->item_size;
        buffer_printf(out, "%*s- name: \"%s\"\n", indent * 2 + 2, "",
                      config_item_name(g, item).data);
        dump_options(options, n_options, item, indent + 2, out);
    }
}

/* Lists that stand in the group, "channel."; "": at the top. */
static void dump_lists(const struct config *c, const char *group, size_t len, struct buffer *out) {
    const struct option_group *g = option_groups();
    size_t n;

    if (len == 8 && strncmp(group, "channel.", 8) == 0) {
        const struct option *options = namespace_options(&n);
        buffer_append_str(out, STR("  without_namespace:\n"));
        dump_options(options, n, &c->without_namespace, 2, out);
    }
    for (size_t i = 0; i < OPTION_GROUPS; i++) {
        const char *dot = strchr(g[i].path, '.');
        if (len == 0 ? !dot : dot && strncmp(g[i].path, group, len) == 0)
            dump_list(c, &g[i], len ? 1 : 0, out);
    }
}

void config_dump(const struct config *c, struct buffer *out) {
    size_t n;
    const struct option *options = config_options(&n);

    /* Each top group by itself, its lists behind its options. */
    for (size_t i = 0; i < n;) {
        size_t len = strcspn(options[i].path, "."), end = i + 1;
        len += options[i].path[len] == '.';
        bool is_group = len > 0 && options[i].path[len - 1] == '.';
        while (is_group && end < n && strncmp(options[end].path, options[i].path, len) == 0)
            end++;
        dump_options(options + i, end - i, c, 0, out);
        if (is_group)
            dump_lists(c, options[i].path, len, out);
        i = end;
    }
    dump_lists(c, "", 0, out);
}

/* ---- the reference page ---- */

static const char *const KIND_WORDS[] = {
    [OPTION_BOOL] = "true or false",  [OPTION_COUNT] = "number",
    [OPTION_SIZE] = "size",           [OPTION_MODE] = "octal number",
    [OPTION_DURATION] = "time",       [OPTION_CHOICE] = "",
    [OPTION_TEXT] = "text",           [OPTION_SECRET] = "secret",
    [OPTION_FILE] = "file",           [OPTION_LIST] = "list of texts",
    [OPTION_TIME] = "Unix time",      [OPTION_PAIRS] = "names with texts",
    [OPTION_STATUS_CODES] = "list",   [OPTION_DISCONNECT_CODES] = "list",
    [OPTION_RESPONSE_CODES] = "list",
};

static void document_number(const struct option *o, int64_t n, struct buffer *out) {
    if (o->kind == OPTION_DURATION)
        duration_write(n, out);
    else if (o->kind == OPTION_SIZE)
        size_write(n, out);
    else
        buffer_append_int(out, n);
}

static void document_option(const struct option *o, struct buffer *out) {
    buffer_printf(out, "| `%s` | %s", o->path, KIND_WORDS[o->kind]);
    for (const struct option_choice *c = o->choices; c && c->name; c++) {
        bool is_synonym = false;
        for (const struct option_choice *b = o->choices; b != c; b++)
            is_synonym = is_synonym || b->value == c->value;
        if (!is_synonym)
            buffer_printf(out, "%s`%s`", c == o->choices ? "" : ", ", *c->name ? c->name : "\"\"");
    }
    if (o->kind == OPTION_COUNT || o->kind == OPTION_SIZE || o->kind == OPTION_DURATION) {
        buffer_append_str(out, STR(", "));
        if (o->may_be_zero)
            buffer_printf(out, "%s or ", o->zero ? o->zero : "0");
        document_number(o, o->min, out);
        buffer_append_str(out, STR(" to "));
        document_number(o, o->max, out);
    }
    if (o->initial[0])
        buffer_printf(out, " | `%s`", o->initial);
    else
        buffer_append_str(out, STR(" | "));
    buffer_printf(out, " | %s%s |\n", o->help, o->needs_restart ? " *Restart.*" : "");
}

static const char INTRODUCTION[] =
        "# Configuration\n"
        "\n"
        "<!-- Written by `parleyd --document-config`; a test compares. -->\n"
        "\n"
        "`parleyd -c FILE` reads YAML, of which JSON is a part. Names and nesting are those of a\n"
        "Centrifugo configuration where both have the thing; what has no counterpart is named at "
        "the\n"
        "start, with its line, and ignored, or refused where ignoring it would let somebody in.\n"
        "Anything else that is unknown, twice there, of the wrong type or out of range is an "
        "error\n"
        "with file, line and column: `parleyd -c FILE --check-config` lists them all.\n"
        "\n"
        "```yaml\n"
        "client:\n"
        "  allowed_origins: [\"https://example.com\"]\n"
        "  token:\n"
        "    hmac_secret_key_file: /etc/parley/token.key\n"
        "channel:\n"
        "  namespaces:\n"
        "    - name: chat\n"
        "      history_size: 100\n"
        "      history_ttl: 300s\n"
        "      force_recovery: true\n"
        "```\n"
        "\n"
        "What is said later wins: the default, the file, a credential, the environment, a flag.\n"
        "\n"
        "- **Environment**: `PARLEY_` and the option's path in capitals, `_` for `.`:\n"
        "  `PARLEY_CLIENT_PING_INTERVAL=10s`. Lists are separated by spaces or commas; what has "
        "parts is\n"
        "  JSON. Namespaces and other named groups are listed first, then set one by one:\n"
        "  `PARLEY_CHANNEL_NAMESPACES=\"chat feed\"`, "
        "`PARLEY_CHANNEL_NAMESPACES_CHAT_PRESENCE=true`. "
        "Names\n"
        "  that begin with `CENTRIFUGO_` mean the same; `PARLEY_` wins.\n"
        "- **Flags**: `--listen ADDR:PORT`, `--data-dir DIR`, `--engine sqlite|memory|redis`, and\n"
        "  `--set OPTION=VALUE` for all others.\n"
        "- **Secrets** may stand in files of their own: `hmac_secret_key_file: PATH`, or\n"
        "  `PARLEY_CLIENT_TOKEN_HMAC_SECRET_KEY_FILE=PATH`, or a systemd credential named by the "
        "option's\n"
        "  path: `LoadCredential=client.token.hmac_secret_key:/etc/parley/token.key`. Files that "
        "options\n"
        "  name may be credentials, too: `http_server.tls.key_pem_file`.\n"
        "- **Times** carry units: `100ms`, `25s`, `5m`, `1h30m`, `30d`. **Sizes** are bytes, or "
        "`64KiB`, `1MiB`.\n"
        "- `systemctl reload` (SIGHUP) reads everything again. If there is a mistake, the old\n"
        "  configuration stays and the log says why. Options marked *Restart* keep their value "
        "until the\n"
        "  next start.\n"
        "\n"
        "`parleyd -c FILE --dump-config` prints what is in force, secrets masked.\n"
        "\n"
        "## Options\n"
        "\n"
        "| Option | Type | Default | |\n"
        "|---|---|---|---|\n";

static const char NAMESPACES[] =
        "\n"
        "The limits of the chat, those without an option as well, with their errors and counters: "
        "[chat.md](chat.md#limits).\n"
        "\n"
        "## Namespaces\n"
        "\n"
        "These stand in `channel.without_namespace`, for channels without a `:` in their name, and "
        "in\n"
        "each item of `channel.namespaces` beside its `name`: 2 to 64 letters, digits, `-`, `_`, "
        "`.`.\n"
        "A channel's namespace is the part of its name before the first `:`.\n"
        "\n"
        "| Option | Type | Default | |\n"
        "|---|---|---|---|\n";

static void document_list(const struct option_group *g, struct buffer *out) {
    size_t n;
    const struct option *options = group_options(g, &n);
    buffer_printf(out,
                  "\n## %s\n\nA list; each item has a `name` (2 to 64 letters, digits, `-`, `_`, "
                  "`.`) and:\n\n| Option | Type | Default | |\n|---|---|---|---|\n",
                  g->path);
    for (size_t i = 0; i < n; i++)
        document_option(&options[i], out);
}

void config_document(struct buffer *out) {
    size_t n;
    const struct option *options = config_options(&n);

    buffer_append_str(out, str_of(INTRODUCTION));
    for (size_t i = 0; i < n; i++)
        document_option(&options[i], out);
    buffer_append_str(out, str_of(NAMESPACES));
    options = namespace_options(&n);
    for (size_t i = 0; i < n; i++)
        document_option(&options[i], out);
    const struct option_group *groups = option_groups();
    for (size_t i = 0; i < OPTION_GROUPS; i++)
        if (groups[i].options)
            document_list(&groups[i], out);
}
