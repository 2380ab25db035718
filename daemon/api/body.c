#include "daemon/api/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/codes.h"

/* Passes white space. False: nothing is left. */
static bool has_more(struct bytes *rest) {
    while (rest->len && (rest->data[0] == '\n' || rest->data[0] == '\r' || rest->data[0] == ' ' ||
                         rest->data[0] == '\t'))
        *rest = bytes_of(rest->data + 1, rest->len - 1);
    return rest->len > 0;
}

static int complain(char why[API_WHY_MAX], const char *what, size_t at) {
    (void) snprintf(why, API_WHY_MAX, "the body is not JSON: %s, at byte %zu", what, at);
    return -EBADMSG;
}

/* All of it: how many values it holds, one after another. */
static int check(struct bytes body, size_t *ret_n, char why[API_WHY_MAX]) {
    struct bytes rest = body;
    for (*ret_n = 0; has_more(&rest); ++*ret_n) {
        struct json j;
        json_init(&j, rest);
        json_skip(&j);
        size_t left = json_left(&j);
        if (json_result(&j) < 0)
            return complain(why, json_error(&j), body.len - left);
        rest = bytes_of(rest.data + rest.len - left, left);
    }
    return 0;
}

static int too_many(char why[API_WHY_MAX], size_t commands_max) {
    (void) snprintf(why, API_WHY_MAX, "at most %zu commands in a request", commands_max);
    return ERROR_LIMIT_EXCEEDED;
}

static bool has_more_than(struct bytes list, size_t max) {
    struct json j;
    size_t n = 0;
    json_init(&j, list);
    json_enter_array(&j);
    while (n <= max && json_element(&j)) {
        json_skip(&j);
        n++;
    }
    return n > max;
}

static int open_batch(struct api_body *b, struct bytes body, size_t commands_max,
                      char why[API_WHY_MAX]) {
    struct api_params *params = malloc(sizeof *params); /* too large for a stack */
    struct json j;
    if (!params)
        return -ENOMEM;
    json_init(&j, body);
    int r = api_params_decode(&api_methods()[API_BATCH], &j, b->arena, params, why);
    b->is_parallel = params->parallel;
    struct bytes commands = params->commands;
    free(params);
    if (r != 0)
        return r;
    if (has_more_than(commands, commands_max))
        return too_many(why, commands_max);
    json_init(&b->commands, commands);
    json_enter_array(&b->commands);
    return 0;
}

int api_body_open(struct api_body *b, const struct api_method *method, struct bytes body,
                  size_t commands_max, struct arena *a, char why[API_WHY_MAX]) {
    size_t n;
    *b = (struct api_body){ .form = !method                   ? FORM_LINES
                                    : method->id == API_BATCH ? FORM_BATCH
                                                              : FORM_SINGLE,
                            .method = method,
                            .arena = a,
                            .rest = body };
    int r = check(body, &n, why);
    if (r < 0)
        return r;
    if (n == 0 && b->form != FORM_SINGLE)
        return complain(why, "it is empty", 0);
    if (n > 1 && b->form != FORM_LINES)
        return complain(why, "it is more than one value", body.len);
    if (n > commands_max)
        return too_many(why, commands_max);
    return b->form == FORM_BATCH ? open_batch(b, body, commands_max, why) : 0;
}

/* ---- one command ---- */

static int refuse(struct api_command *ret, uint32_t error, const char *why) {
    *ret = (struct api_command){ .error = error, .why = why };
    return 1;
}

/* One that may stand among others: a batch may not. */
static const struct api_method *find(struct str name) {
    const struct api_method *m = api_method_find(name);
    return m && m->id != API_BATCH ? m : NULL;
}

/* The value the cursor stands before; of null nothing. */
static struct bytes take_params(struct json *j) {
    struct bytes value = { 0 };
    if (json_peek(j) == JSON_IS_NULL)
        json_skip(j);
    else
        json_value(j, &value);
    return value;
}

static int next_of_batch(struct api_body *b, struct api_command *ret) {
    struct json *j = &b->commands;
    struct json_string name;

    if (!json_element(j))
        return 0;
    if (json_peek(j) != JSON_IS_OBJECT) {
        json_skip(j);
        return refuse(ret, ERROR_BAD_REQUEST, "a command must be an object");
    }
    *ret = (struct api_command){ 0 };
    json_enter_object(j);
    while (json_member(j, &name)) {
        const struct api_method *m = name.is_escaped || ret->method ? NULL : find(name.raw);
        struct bytes params = take_params(j);
        if (m)
            *ret = (struct api_command){ .method = m, .params = params };
    }
    return ret->method ? 1 : refuse(ret, ERROR_METHOD_NOT_FOUND, "a command must name a method");
}

static int take_line(struct api_body *b, struct json *j, struct api_command *ret) {
    struct json_string name;
    struct str method;

    if (json_peek(j) != JSON_IS_OBJECT) {
        json_skip(j);
        return refuse(ret, ERROR_BAD_REQUEST, "a command must be an object");
    }
    *ret = (struct api_command){ 0 };
    json_enter_object(j);
    while (json_member(j, &name)) {
        if (json_is(name, STR("method")) && json_peek(j) == JSON_IS_STRING) {
            if (json_text(j, b->arena, &method))
                ret->method = find(method);
        } else if (json_is(name, STR("params"))) {
            ret->params = take_params(j);
        } else {
            json_skip(j);
        }
    }
    if (json_result(j) < 0)
        return json_result(j);
    return ret->method ? 1 : refuse(ret, ERROR_METHOD_NOT_FOUND, "there is no such method");
}

static int next_line(struct api_body *b, struct api_command *ret) {
    struct json j;
    if (!has_more(&b->rest))
        return 0;
    json_init(&j, b->rest);
    int r = take_line(b, &j, ret);
    size_t left = json_left(&j);
    b->rest = bytes_of(b->rest.data + b->rest.len - left, left);
    return r;
}

int api_body_next(struct api_body *b, struct api_command *ret) {
    if (b->form == FORM_LINES)
        return next_line(b, ret);
    if (b->form == FORM_BATCH)
        return next_of_batch(b, ret);
    if (!b->method)
        return 0;
    (void) has_more(&b->rest);
    *ret = (struct api_command){ .method = b->method, .params = b->rest };
    b->method = NULL;
    return 1;
}
