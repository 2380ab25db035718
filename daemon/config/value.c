#include "daemon/config/value.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/config/config.h"
#include "protocol/url_label.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: the order in which they are written. */
static const struct unit DURATIONS[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};
static const struct unit SIZES[] = {
    { "GiB", 1 << 30 },   { "MiB", 1 << 20 }, { "KiB", 1 << 10 },
    { "GB", 1000000000 }, { "MB", 1000000 },  { "KB", 1000 },
    { "kB", 1000 },       { "B", 1 },         { "", 1 },
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A run of digits at the front of *text, which is advanced. -EINVAL: none; -ERANGE. */
static int take_number(struct str *text, int64_t *ret) {
    int64_t n = 0;
    size_t i = 0;
    for (; i < text->len && is_digit(text->data[i]); i++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text->data[i] - '0', &n))
            return -ERANGE;
    if (i == 0)
        return -EINVAL;

    text->data += i;
    text->len -= i;
    *ret = n;
    return 0;
}

/* NULL: not one of them. */
static const struct unit *take_unit(struct str *text, const struct unit *units, size_t n) {
    size_t len = 0;
    while (len < text->len && is_letter(text->data[len]))
        len++;

    struct str name = { text->data, len };
    for (size_t i = 0; i < n; i++) {
        if (!str_equal(name, str_of(units[i].name)))
            continue;
        text->data += len;
        text->len -= len;
        return &units[i];
    }
    return NULL;
}

int duration_parse(struct str text, int64_t *ret_ms) {
    if (str_equal(text, STR("0"))) {
        *ret_ms = 0;
        return 0;
    }

    int64_t total = 0;
    do {
        int64_t n, fraction = 0, scale = 1;
        int r = take_number(&text, &n);
        if (r < 0)
            return r;
        if (text.len > 0 && text.data[0] == '.') {
            text.data++;
            text.len--;
            size_t before = text.len;
            r = take_number(&text, &fraction);
            if (r < 0)
                return r;
            if (before - text.len > 9)
                return -ERANGE;
            for (size_t i = text.len; i < before; i++)
                scale *= 10;
        }
        const struct unit *unit = take_unit(&text, DURATIONS, ELEMENTS_OF(DURATIONS));
        if (!unit)
            return -EINVAL;
        if (__builtin_mul_overflow(n, unit->factor, &n) || __builtin_add_overflow(total, n, &total))
            return -ERANGE;
        fraction *= unit->factor; /* below 1e9 * 1e8: fits */
        if (fraction % scale != 0)
            return -EINVAL;
        if (__builtin_add_overflow(total, fraction / scale, &total))
            return -ERANGE;
    } while (text.len > 0);

    *ret_ms = total;
    return 0;
}

int size_parse(struct str text, int64_t *ret_bytes) {
    int64_t n;
    int r = take_number(&text, &n);
    if (r < 0)
        return r;
    const struct unit *unit = take_unit(&text, SIZES, ELEMENTS_OF(SIZES));
    if (!unit || text.len > 0)
        return -EINVAL;
    if (__builtin_mul_overflow(n, unit->factor, &n))
        return -ERANGE;
    *ret_bytes = n;
    return 0;
}

void duration_write(int64_t ms, struct buffer *out) {
    if (ms == 0) {
        buffer_append_str(out, STR("0s"));
        return;
    }
    /* Days are read but not written: the forms are then those Go reads, too. */
    for (size_t i = 1; i < ELEMENTS_OF(DURATIONS); i++) {
        if (ms < DURATIONS[i].factor)
            continue;
        buffer_append_int(out, ms / DURATIONS[i].factor);
        buffer_append_str(out, str_of(DURATIONS[i].name));
        ms %= DURATIONS[i].factor;
    }
}

void size_write(int64_t bytes, struct buffer *out) {
    for (size_t i = 0; i < 3 && bytes > 0; i++) {
        if (bytes % SIZES[i].factor != 0)
            continue;
        buffer_append_int(out, bytes / SIZES[i].factor);
        buffer_append_str(out, str_of(SIZES[i].name));
        return;
    }
    buffer_append_int(out, bytes);
}

struct str value_text_copy(struct arena *a, struct str text) {
    char *copy = arena_alloc(a, text.len + 1);
    if (!copy)
        return (struct str){ 0 };
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return (struct str){ copy, text.len };
}

/* ---- reading ---- */

static void write_number(const struct option *o, int64_t n, struct buffer *out) {
    if (o->kind == OPTION_DURATION)
        duration_write(n, out);
    else if (o->kind == OPTION_SIZE)
        size_write(n, out);
    else if (o->kind == OPTION_MODE)
        buffer_printf(out, "0%o", (unsigned) n);
    else if (n == 0 && o->zero)
        buffer_append_str(out, str_of(o->zero));
    else
        buffer_append_int(out, n);
}

static int refuse_range(const struct option *o, char why[CONFIG_WHY_MAX]) {
    struct buffer text = BUFFER_INIT;
    buffer_append_str(&text, STR("must be "));
    if (o->may_be_zero)
        buffer_printf(&text, "%s or ", o->zero ? o->zero : "0");
    write_number(o, o->min, &text);
    buffer_append_str(&text, STR(" to "));
    write_number(o, o->max, &text);
    (void) snprintf(why, CONFIG_WHY_MAX, "%.*s", (int) text.len, (const char *) text.data);
    buffer_finish(&text);
    return -EINVAL;
}

static int parse_mode(struct str text, int64_t *ret) {
    int64_t n = 0;
    if (str_starts_with(text, STR("0o"))) {
        text.data += 2;
        text.len -= 2;
    }
    if (text.len == 0 || text.len > 5)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '7')
            return -EINVAL;
        n = n * 8 + (text.data[i] - '0');
    }
    *ret = n;
    return 0;
}

static int parse_count(struct str text, int64_t *ret) {
    /* As JSON, YAML and people write them: 1000000 and 1_000_000. */
    int64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '_' && i > 0 && i + 1 < text.len)
            continue;
        if (!is_digit(text.data[i]))
            return -EINVAL;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text.data[i] - '0', &n))
            return -ERANGE;
    }
    *ret = n;
    return text.len > 0 ? 0 : -EINVAL;
}

static int parse_number(const struct option *o, struct str text, void *place,
                        char why[CONFIG_WHY_MAX]) {
    const char *expected;
    int64_t n = 0;
    int r;

    switch (o->kind) {
    case OPTION_DURATION:
        expected = "must be a time with its unit, like 25s, 5m, 1h30m or 100ms";
        /* Centrifugo's way to say "never" where 0 means "the default". */
        if (o->may_be_zero && (str_equal(text, STR("-1")) || str_equal(text, STR("-1s"))))
            text = STR("0");
        r = duration_parse(text, &n);
        break;
    case OPTION_SIZE:
        expected = "must be a size in bytes, like 65536, 64KiB or 1MiB";
        r = size_parse(text, &n);
        break;
    case OPTION_MODE:
        expected = "must be permissions in octal, like 0660";
        r = parse_mode(text, &n);
        break;
    default:
        expected = "must be a whole number";
        if (o->zero && str_equal(text, str_of(o->zero)))
            text = STR("0");
        r = parse_count(text, &n);
        break;
    }
    if (r == -EINVAL) {
        (void) snprintf(why, CONFIG_WHY_MAX, "%s%s%s", expected, o->zero ? " or " : "",
                        o->zero ? o->zero : "");
        return r;
    }
    if (r == -ERANGE || ((n < o->min || n > o->max) && !(n == 0 && o->may_be_zero)))
        return refuse_range(o, why);

    if (o->kind == OPTION_DURATION)
        *(int64_t *) place = n;
    else
        *(uint32_t *) place = (uint32_t) n;
    return 0;
}

static int parse_time(const struct option *o, struct str text, uint64_t *place,
                      char why[CONFIG_WHY_MAX]) {
    int64_t n;
    if (parse_count(text, &n) < 0 || n > o->max) {
        (void) snprintf(why, CONFIG_WHY_MAX, "must be a time in seconds since 1970");
        return -EINVAL;
    }
    *place = (uint64_t) n;
    return 0;
}

static int parse_choice(const struct option *o, struct str text, uint32_t *place,
                        char why[CONFIG_WHY_MAX]) {
    for (const struct option_choice *c = o->choices; c->name; c++) {
        if (str_equal(text, str_of(c->name))) {
            *place = c->value;
            return 0;
        }
    }

    struct buffer names = BUFFER_INIT;
    for (const struct option_choice *c = o->choices; c->name; c++)
        buffer_printf(&names, "%s%s", c == o->choices ? "" : ", ", *c->name ? c->name : "\"\"");
    (void) snprintf(why, CONFIG_WHY_MAX, "must be one of %.*s", (int) names.len,
                    (const char *) names.data);
    buffer_finish(&names);
    return -EINVAL;
}

static int parse_text(const struct option *o, struct str text, struct arena *a, struct str *place,
                      char why[CONFIG_WHY_MAX]) {
    if (memchr(text.data ? text.data : "", '\0', text.len)) {
        (void) snprintf(why, CONFIG_WHY_MAX, "must not hold a NUL");
        return -EINVAL;
    }
    if (text.len > (size_t) o->max) {
        (void) snprintf(why, CONFIG_WHY_MAX, "must be at most %lld bytes long", (long long) o->max);
        return -EINVAL;
    }
    struct str copy = value_text_copy(a, text);
    if (!copy.data)
        return -ENOMEM;
    *place = copy;
    return 0;
}

int value_parse_list(const struct option *o, const struct str *items, size_t n, struct arena *a,
                     void *holder, char why[CONFIG_WHY_MAX]) {
    if (n > (size_t) o->max) {
        (void) snprintf(why, CONFIG_WHY_MAX, "must have at most %lld items", (long long) o->max);
        return -EINVAL;
    }

    struct str *list = arena_alloc(a, sizeof *list * (n + 1));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (items[i].len == 0 || memchr(items[i].data, '\0', items[i].len)) {
            (void) snprintf(why, CONFIG_WHY_MAX, "must not have an empty item");
            return -EINVAL;
        }
        list[i] = value_text_copy(a, items[i]);
        if (!list[i].data)
            return -ENOMEM;
    }
    *(struct str **) (void *) ((char *) holder + o->offset) = list;
    *(size_t *) (void *) ((char *) holder + o->offset_n) = n;
    return 0;
}

static int parse_list(const struct option *o, struct str text, struct arena *a, void *holder,
                      char why[CONFIG_WHY_MAX]) {
    struct str *items = arena_alloc(a, sizeof *items * (text.len / 2 + 1));
    size_t n = 0;
    if (!items)
        return -ENOMEM;

    for (size_t i = 0; i < text.len;) {
        size_t from = i;
        while (i < text.len && text.data[i] != ' ' && text.data[i] != ',')
            i++;
        if (i > from)
            items[n++] = (struct str){ text.data + from, i - from };
        else
            i++;
    }
    return value_parse_list(o, items, n, a, holder, why);
}

int value_parse(const struct option *o, struct str text, struct arena *a, void *holder,
                char why[CONFIG_WHY_MAX]) {
    void *place = (char *) holder + o->offset;

    switch (o->kind) {
    case OPTION_BOOL:
        if (!str_equal(text, STR("true")) && !str_equal(text, STR("false"))) {
            (void) snprintf(why, CONFIG_WHY_MAX, "must be true or false");
            return -EINVAL;
        }
        *(bool *) place = str_equal(text, STR("true"));
        return 0;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_MODE:
    case OPTION_DURATION:
        return parse_number(o, text, place, why);
    case OPTION_CHOICE:
        return parse_choice(o, text, place, why);
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_FILE:
        return parse_text(o, text, a, place, why);
    case OPTION_LIST:
        return parse_list(o, text, a, holder, why);
    case OPTION_TIME:
        return parse_time(o, text, place, why);
    case OPTION_PAIRS:
    case OPTION_STATUS_CODES:
    case OPTION_DISCONNECT_CODES:
    case OPTION_RESPONSE_CODES:
        if (text.len == 0)
            return 0; /* none */
        (void) snprintf(why, CONFIG_WHY_MAX, "must be a group or a list");
        return -EINVAL;
    default:
        __builtin_unreachable();
    }
}

/* ---- writing ---- */

/* Double quoted, as YAML and JSON both read it. */
static void write_quoted(struct str s, struct buffer *out) {
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char) s.data[i];
        if (c == '"' || c == '\\')
            buffer_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\u%04x", c);
        else
            buffer_append_byte(out, c);
    }
    buffer_append_byte(out, '"');
}

/* Endpoints may have a password in them. */
static void write_shown(struct str text, struct buffer *out) {
    CLEANUP(buffer_finish) struct buffer shown = BUFFER_INIT;
    struct str user = url_user_info(text);

    if (user.len) {
        size_t before = (size_t) (user.data - text.data);
        buffer_append_str(&shown, (struct str){ text.data, before });
        buffer_append_str(&shown, STR("********"));
        buffer_append_str(&shown,
                          (struct str){ user.data + user.len, text.len - before - user.len });
        text = (struct str){ (const char *) shown.data, shown.len };
    }
    if (buffer_error(&shown) == 0)
        write_quoted(text, out);
}

static int64_t number_of(const struct option *o, const void *holder) {
    const void *place = (const char *) holder + o->offset;
    return o->kind == OPTION_DURATION ? *(const int64_t *) place
                                      : (int64_t) * (const uint32_t *) place;
}

static struct str text_of(const struct option *o, const void *holder) {
    return *(const struct str *) (const void *) ((const char *) holder + o->offset);
}

static const struct str *list_of(const struct option *o, const void *holder, size_t *ret_n) {
    *ret_n = *(const size_t *) (const void *) ((const char *) holder + o->offset_n);
    return *(struct str *const *) (const void *) ((const char *) holder + o->offset);
}

static const void *parts_of(const struct option *o, const void *holder, size_t *ret_n) {
    *ret_n = *(const size_t *) (const void *) ((const char *) holder + o->offset_n);
    return *(void *const *) (const void *) ((const char *) holder + o->offset);
}

/* Values may be keys of a service: masked. */
static void write_pairs(const struct option *o, const void *holder, struct buffer *out) {
    size_t n;
    const struct config_pair *pairs = parts_of(o, holder, &n);
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buffer_append_str(out, STR(", "));
        write_quoted(pairs[i].name, out);
        buffer_append_str(out, STR(": \"********\""));
    }
    buffer_append_byte(out, '}');
}

static void write_transform(const struct option *o, const struct config_transform *t,
                            struct buffer *out) {
    if (o->kind == OPTION_STATUS_CODES)
        buffer_printf(out, "{ status_code: %u, %s: { code: %u, %s: ", t->from,
                      t->is_disconnect ? "to_disconnect" : "to_error", t->code,
                      t->is_disconnect ? "reason" : "message");
    else
        buffer_printf(out, "{ code: %u, to: { %s: %u, %s: ", t->from,
                      o->kind == OPTION_RESPONSE_CODES ? "status_code" : "code", t->code,
                      o->kind == OPTION_RESPONSE_CODES ? "body" : "reason");
    write_quoted(t->text, out);
    buffer_append_str(out, t->is_temporary ? STR(", temporary: true } }") : STR(" } }"));
}

static void write_transforms(const struct option *o, const void *holder, struct buffer *out) {
    size_t n;
    const struct config_transform *items = parts_of(o, holder, &n);
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buffer_append_str(out, STR(", "));
        write_transform(o, &items[i], out);
    }
    buffer_append_byte(out, ']');
}

static uint64_t time_of(const struct option *o, const void *holder) {
    return *(const uint64_t *) (const void *) ((const char *) holder + o->offset);
}

void value_write(const struct option *o, const void *holder, struct buffer *out) {
    const struct str *items;
    size_t n;

    switch (o->kind) {
    case OPTION_BOOL:
        buffer_append_str(out, *((const bool *) holder + o->offset) ? STR("true") : STR("false"));
        return;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_MODE:
    case OPTION_DURATION:
        write_number(o, number_of(o, holder), out);
        return;
    case OPTION_CHOICE:
        for (const struct option_choice *c = o->choices; c->name; c++) {
            if (c->value != (uint32_t) number_of(o, holder))
                continue;
            buffer_append_str(out, *c->name ? str_of(c->name) : STR("\"\""));
            return;
        }
        return;
    case OPTION_SECRET:
        buffer_append_str(out, text_of(o, holder).len ? STR("\"********\"") : STR("\"\""));
        return;
    case OPTION_TEXT:
        write_shown(text_of(o, holder), out);
        return;
    case OPTION_FILE:
        write_quoted(text_of(o, holder), out);
        return;
    case OPTION_LIST:
        items = list_of(o, holder, &n);
        buffer_append_byte(out, '[');
        for (size_t i = 0; i < n; i++) {
            if (i)
                buffer_append_str(out, STR(", "));
            write_shown(items[i], out);
        }
        buffer_append_byte(out, ']');
        return;
    case OPTION_TIME:
        buffer_append_int(out, (int64_t) time_of(o, holder));
        return;
    case OPTION_PAIRS:
        write_pairs(o, holder, out);
        return;
    case OPTION_STATUS_CODES:
    case OPTION_DISCONNECT_CODES:
    case OPTION_RESPONSE_CODES:
        write_transforms(o, holder, out);
        return;
    default:
        return;
    }
}

bool value_equal(const struct option *o, const void *holder, const void *other) {
    if (o->kind == OPTION_BOOL)
        return *((const bool *) holder + o->offset) == *((const bool *) other + o->offset);
    if (o->kind == OPTION_TEXT || o->kind == OPTION_SECRET || o->kind == OPTION_FILE)
        return str_equal(text_of(o, holder), text_of(o, other));
    if (o->kind == OPTION_TIME)
        return time_of(o, holder) == time_of(o, other);
    if (option_has_parts(
                o->kind)) /* none of them needs a restart: whether they are equal is not asked */
        return false;
    if (o->kind != OPTION_LIST)
        return number_of(o, holder) == number_of(o, other);

    size_t n, m;
    const struct str *items = list_of(o, holder, &n), *others = list_of(o, other, &m);
    if (n != m)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_equal(items[i], others[i]))
            return false;
    return true;
}

int value_copy(const struct option *o, const void *from, struct arena *a, void *to) {
    char why[CONFIG_WHY_MAX];
    void *place = (char *) to + o->offset;

    switch (o->kind) {
    case OPTION_BOOL:
        *(bool *) place = *((const bool *) from + o->offset);
        return 0;
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_FILE:
        return parse_text(o, text_of(o, from), a, place, why);
    case OPTION_LIST: {
        size_t n;
        const struct str *items = list_of(o, from, &n);
        return value_parse_list(o, items, n, a, to, why);
    }
    case OPTION_DURATION:
        *(int64_t *) place = number_of(o, from);
        return 0;
    case OPTION_TIME:
        *(uint64_t *) place = time_of(o, from);
        return 0;
    case OPTION_PAIRS:
    case OPTION_STATUS_CODES:
    case OPTION_DISCONNECT_CODES:
    case OPTION_RESPONSE_CODES:
        return -EINVAL; /* see value_equal() */
    default:
        *(uint32_t *) place = (uint32_t) number_of(o, from);
        return 0;
    }
}
