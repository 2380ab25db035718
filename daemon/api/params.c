#include "daemon/api/params.h"

#include <errno.h>
#include <stdio.h>

#include "protocol/base64.h"
#include "protocol/codes.h"

struct decoder {
    struct json *j;
    struct arena *arena;
    struct api_params *to;
    char *why;
    const char *outer; /* the object a member is of; NULL: the parameters themselves */
    int error;         /* ERROR_BAD_REQUEST, or -errno; 0 so far */
};

/* False, and why says what is wrong with the field. */
static bool object_to(struct decoder *d, const struct api_field *f, const char *what) {
    if (d->error == 0) {
        (void) snprintf(d->why, API_WHY_MAX, "%s%s%s %s", d->outer ? d->outer : "",
                        d->outer ? "." : "", f->name, what);
        d->error = ERROR_BAD_REQUEST;
    }
    return false;
}

static bool out_of_range(struct decoder *d, const struct api_field *f, const char *unit) {
    char what[80];
    bool has_floor = f->min > INT64_MIN && (f->min != 0 || unit[0] == '\0');
    if (f->max == INT64_MAX || f->max == 0)
        (void) snprintf(what, sizeof what, "must be at least %lld%s", (long long) f->min, unit);
    else if (has_floor)
        (void) snprintf(what, sizeof what, "must be from %lld to %lld%s", (long long) f->min,
                        (long long) f->max, unit);
    else
        (void) snprintf(what, sizeof what, "must be at most %lld%s", (long long) f->max, unit);
    return object_to(d, f, what);
}

static bool no_memory(struct decoder *d) {
    d->error = -ENOMEM;
    return false;
}

static bool is_size_right(struct decoder *d, const struct api_field *f, size_t n,
                          const char *unit) {
    if ((f->max > 0 && n > (uint64_t) f->max) || (f->min > 0 && n < (uint64_t) f->min)) {
        if (n == 0 && f->is_required)
            return object_to(d, f, "must not be empty");
        return out_of_range(d, f, unit);
    }
    return true;
}

/* ---- one value of each kind ---- */

static bool expects(struct decoder *d, const struct api_field *f, enum json_type type,
                    const char *what) {
    enum json_type is = json_peek(d->j);
    if (is == JSON_IS_NONE)
        return json_skip(d->j); /* no JSON at all: the cursor remembers */
    return is == type || object_to(d, f, what);
}

static bool take_text(struct decoder *d, const struct api_field *f, struct str *ret) {
    return expects(d, f, JSON_IS_STRING, "must be a string") && json_text(d->j, d->arena, ret) &&
           is_size_right(d, f, ret->len, " bytes");
}

static bool take_int(struct decoder *d, const struct api_field *f, int64_t *ret) {
    if (!expects(d, f, JSON_IS_NUMBER, "must be an integer"))
        return false;
    if (!json_int64(d->j, ret))
        return object_to(d, f, "must be an integer of 64 bits");
    return (f->min == 0 && f->max == 0) || (*ret >= f->min && *ret <= f->max) ||
           out_of_range(d, f, "");
}

static bool take_uint(struct decoder *d, const struct api_field *f, uint64_t *ret) {
    if (!expects(d, f, JSON_IS_NUMBER, "must be an integer"))
        return false;
    if (!json_uint64(d->j, ret))
        return object_to(d, f, "must be an integer of 64 bits without a sign");
    return (f->min == 0 && f->max == 0) ||
           (*ret >= (uint64_t) f->min && *ret <= (uint64_t) f->max) || out_of_range(d, f, "");
}

static bool take_bool(struct decoder *d, const struct api_field *f, bool *ret) {
    return expects(d, f, JSON_IS_BOOL, "must be true or false") && json_bool(d->j, ret);
}

static bool take_base64(struct decoder *d, const struct api_field *f, struct bytes *ret) {
    struct str text;
    if (!take_text(d, f, &text))
        return false;
    *ret = (struct bytes){ 0 };
    if (text.len == 0) /* as if it had not been given */
        return true;
    uint8_t *to = arena_alloc(d->arena, base64_decoded_max(text.len));
    size_t len;
    if (!to)
        return no_memory(d);
    if (base64_decode(BASE64_STANDARD, text, to, &len) < 0)
        return object_to(d, f, "must be base 64 with padding");
    *ret = bytes_of(to, len);
    return true;
}

static bool take_choice(struct decoder *d, const struct api_field *f, uint32_t *ret) {
    struct str text;
    char what[API_WHY_MAX / 2];
    if (!take_text(d, f, &text))
        return false;
    size_t len = (size_t) snprintf(what, sizeof what, "must be one of");
    for (uint32_t i = 0; f->choices[i]; i++) {
        if (str_equal(text, str_of(f->choices[i]))) {
            *ret = i;
            return true;
        }
        if (f->choices[i][0] && len < sizeof what)
            len += (size_t) snprintf(what + len, sizeof what - len, " %s", f->choices[i]);
    }
    return object_to(d, f, what);
}

/* Room for one more of a growing array in the arena: doubled, so that all of it is at most twice
 * what is needed. */
static void *grown(struct decoder *d, void *items, size_t n, size_t size) {
    if (n & (n - 1) || (n != 0 && n < 4))
        return items; /* not full */
    size_t capacity = n ? 2 * n : 4;
    void *more = arena_alloc(d->arena, capacity * size);
    if (!more)
        no_memory(d);
    else if (n)
        memcpy(more, items, n * size);
    return more;
}

static bool take_texts(struct decoder *d, const struct api_field *f, struct api_texts *ret) {
    *ret = (struct api_texts){ 0 };
    if (!expects(d, f, JSON_IS_ARRAY, "must be a list of strings") || !json_enter_array(d->j))
        return false;
    while (json_element(d->j)) {
        if (!expects(d, f, JSON_IS_STRING, "must be a list of strings"))
            return false;
        if (f->max > 0 && ret->n == (uint64_t) f->max)
            return out_of_range(d, f, " strings");
        if (!(ret->items = grown(d, ret->items, ret->n, sizeof *ret->items)))
            return false;
        if (!json_text(d->j, d->arena, &ret->items[ret->n]))
            return false;
        ret->n++;
    }
    return json_result(d->j) == 0 && is_size_right(d, f, ret->n, " strings");
}

static bool take_tags(struct decoder *d, const struct api_field *f, struct api_tags *ret) {
    struct json_string name;
    *ret = (struct api_tags){ 0 };
    if (!expects(d, f, JSON_IS_OBJECT, "must be an object of strings") || !json_enter_object(d->j))
        return false;
    while (json_member(d->j, &name)) {
        if (!expects(d, f, JSON_IS_STRING, "must be an object of strings"))
            return false;
        if (f->max > 0 && ret->n == (uint64_t) f->max)
            return out_of_range(d, f, " strings");
        if (!(ret->items = grown(d, ret->items, ret->n, sizeof *ret->items)))
            return false;
        struct tag *tag = &ret->items[ret->n];
        if (json_string_text(name, d->arena, &tag->key) < 0)
            return no_memory(d);
        if (!json_text(d->j, d->arena, &tag->value))
            return false;
        ret->n++;
    }
    return json_result(d->j) == 0;
}

static bool take_flag(struct decoder *d, const struct api_field *f, struct api_flag *ret) {
    struct json_string name;
    if (!expects(d, f, JSON_IS_OBJECT, "must be an object with a value") ||
        !json_enter_object(d->j))
        return false;
    *ret = (struct api_flag){ .is_set = true };
    while (json_member(d->j, &name)) {
        if (!json_is(name, STR("value")))
            json_skip(d->j);
        else if (!expects(d, f, JSON_IS_BOOL, "must be an object whose value is true or false"))
            return false;
        else
            json_bool(d->j, &ret->value);
    }
    return json_result(d->j) == 0;
}

/* ---- objects ---- */

static bool take_value(struct decoder *d, const struct api_field *f, void *to) {
    switch (f->kind) {
    case API_TEXT:
        return take_text(d, f, to);
    case API_BOOL:
        return take_bool(d, f, to);
    case API_INT:
        return take_int(d, f, to);
    case API_UINT:
        return take_uint(d, f, to);
    case API_JSON:
        return json_value_line(d->j, d->arena, to);
    case API_LIST_AS_IS:
        return expects(d, f, JSON_IS_ARRAY, "must be a list") && json_value(d->j, to);
    case API_BASE64:
        return take_base64(d, f, to);
    case API_TEXTS:
        return take_texts(d, f, to);
    case API_TAGS:
        return take_tags(d, f, to);
    case API_CHOICE:
        return take_choice(d, f, to);
    case API_FLAG:
        return take_flag(d, f, to);
    case API_OBJECT:
    case API_NUMBER:
    case API_LIST:
    case API_MAP:
    default:
        d->error = -EINVAL; /* the table is wrong */
        return false;
    }
}

static const struct api_field *find_field(const struct api_object *o, struct json_string name,
                                          size_t *ret_index) {
    for (size_t i = 0; i < o->n; i++)
        if (json_is(name, str_of(o->fields[i].name))) {
            *ret_index = i;
            return &o->fields[i];
        }
    return NULL;
}

static bool is_absent(struct decoder *d, const struct api_field *f) {
    return json_peek(d->j) == JSON_IS_NULL && !f->may_be_null;
}

static bool lacks_none(struct decoder *d, const struct api_object *o, uint32_t seen) {
    for (size_t i = 0; i < o->n; i++)
        if (o->fields[i].is_required && !(seen & UINT32_C(1) << i))
            return object_to(d, &o->fields[i], "is missing");
    return true;
}

/* An object in the parameters: its members are all plain. */
static bool take_inner(struct decoder *d, const struct api_field *outer) {
    const struct api_object *o = outer->object;
    struct json_string name;
    uint32_t seen = 0;
    size_t i;

    if (!expects(d, outer, JSON_IS_OBJECT, "must be an object") || !json_enter_object(d->j))
        return false;
    d->outer = outer->name;
    while (d->error == 0 && json_member(d->j, &name)) {
        const struct api_field *f = find_field(o, name, &i);
        if (!f || is_absent(d, f)) {
            json_skip(d->j);
            continue;
        }
        seen |= UINT32_C(1) << i;
        if (!take_value(d, f, (char *) d->to + f->offset))
            return false;
    }
    if (d->error || json_result(d->j) < 0 || !lacks_none(d, o, seen))
        return false;
    d->outer = NULL;
    if (outer->flag)
        *(bool *) ((char *) d->to + outer->flag) = true;
    return true;
}

int api_params_decode(const struct api_method *m, struct json *j, struct arena *a,
                      struct api_params *ret, char why[API_WHY_MAX]) {
    struct decoder d = { .j = j, .arena = a, .to = ret, .why = why };
    struct json_string name;
    uint32_t seen = 0;
    size_t i;

    *ret = (struct api_params){ 0 };
    why[0] = '\0';
    if (json_peek(j) != JSON_IS_OBJECT) {
        if (!json_skip(j))
            return json_result(j);
        (void) snprintf(why, API_WHY_MAX, "parameters must be an object");
        return ERROR_BAD_REQUEST;
    }
    json_enter_object(j);
    while (d.error == 0 && json_member(j, &name)) {
        const struct api_field *f = find_field(&m->params, name, &i);
        if (!f || is_absent(&d, f)) {
            json_skip(j);
            continue;
        }
        seen |= UINT32_C(1) << i;
        if (f->kind == API_OBJECT)
            (void) take_inner(&d, f);
        else
            (void) take_value(&d, f, (char *) ret + f->offset);
    }
    if (d.error == 0 && json_result(j) < 0)
        return json_result(j);
    if (d.error == 0)
        (void) lacks_none(&d, &m->params, seen);
    return d.error;
}
