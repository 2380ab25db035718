/*
 * The commands in the body of an API request, one after another: pure. The whole body is looked at
 * before the first is handed out, so that of one that is not JSON nothing is done.
 */
#pragma once

#include "daemon/api/params.h"

enum api_form {
    FORM_SINGLE, /* a method's parameters; an empty body: none */
    FORM_LINES,  /* {"method":"publish","params":{…}}, one or several, white space between */
    FORM_BATCH,  /* {"commands":[{"publish":{…}},…]} */
};

struct api_body {
    enum api_form form;
    bool is_parallel; /* of a batch */

    /* private */
    const struct api_method *method; /* of a single command; NULL: it was handed out */
    struct arena *arena;
    struct bytes rest; /* of lines, and of a single command */
    struct json commands;
};

struct api_command {
    const struct api_method *method; /* NULL: it is none: error and why say what is wrong */
    struct bytes params;             /* valid JSON; empty: none */
    uint32_t error;
    const char *why; /* static */
};

/*
 * method: what the request's path names; NULL: the body is lines. Spans handed out later are of
 * body or in the arena. 0; -EBADMSG: not JSON; ERROR_BAD_REQUEST: a batch without commands;
 * ERROR_LIMIT_EXCEEDED: more commands than commands_max; why says more. -ENOMEM.
 */
MUST_CHECK int api_body_open(struct api_body *b, const struct api_method *method, struct bytes body,
                             size_t commands_max, struct arena *a, char why[API_WHY_MAX]);

/* 1: *ret is the next command. 0: that was all. -ENOMEM. */
MUST_CHECK int api_body_next(struct api_body *b, struct api_command *ret);
