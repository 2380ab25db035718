#include "daemon/chat/auth_request.h"

#include <errno.h>

#include "daemon/chat/password.h"
#include "protocol/json.h"
#include "protocol/plain.h"
#include "storage/chat/account.h"

enum { NAME_MAX_CHARACTERS = 64 };

struct member {
    const char *name;
    bool is_flag;
    size_t at;
};

#define TEXT_MEMBER(json, member)                                                                  \
    { json, false, offsetof(struct auth_request, member) }
#define FLAG_MEMBER(name)                                                                          \
    { #name, true, offsetof(struct auth_request, name) }

static const struct member members[] = {
    TEXT_MEMBER("code", code),
    TEXT_MEMBER("login", login),
    TEXT_MEMBER("name", name),
    TEXT_MEMBER("password", password),
    TEXT_MEMBER("old", old_password),
    TEXT_MEMBER("new", new_password),
    TEXT_MEMBER("id", id),
    FLAG_MEMBER(others),
    FLAG_MEMBER(guest),
    FLAG_MEMBER(token),
};

static const struct member *find(struct json_string name) {
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (json_is(name, str_of(members[i].name)))
            return &members[i];
    return NULL;
}

/* false: it is of another type. */
static bool take(struct json *j, struct arena *a, const struct member *m,
                 struct auth_request *ret) {
    void *at = (char *) ret + m->at;

    switch (json_peek(j)) {
    case JSON_IS_NULL:
        json_read_null(j);
        return true;
    case JSON_IS_STRING:
        return !m->is_flag && (json_text(j, a, at) || true);
    case JSON_IS_BOOL:
        return m->is_flag && (json_bool(j, at) || true);
    case JSON_IS_NONE:
        json_skip(j);
        return true;
    case JSON_IS_OBJECT:
    case JSON_IS_ARRAY:
    case JSON_IS_NUMBER:
    default:
        return false;
    }
}

/* They are kept, and throttled, in lower case. */
static int lower(struct arena *a, struct str *text) {
    char *copy = text->len ? arena_alloc(a, text->len) : NULL;
    if (text->len && !copy)
        return -ENOMEM;
    for (size_t i = 0; i < text->len; i++) {
        char c = text->data[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
    }
    text->data = copy;
    return 0;
}

int auth_request_decode(struct bytes body, struct arena *a, struct auth_request *ret,
                        const char **ret_field) {
    struct auth_request request = { 0 };
    struct json_string name;
    struct json j;

    *ret_field = NULL;
    if (body.len > 0) {
        json_init(&j, body);
        if (!json_enter_object(&j))
            return -EBADMSG;
        while (json_member(&j, &name)) {
            const struct member *m = find(name);
            if (!m) {
                json_skip(&j);
            } else if (!take(&j, a, m, &request)) {
                *ret_field = m->name;
                return -EBADMSG;
            }
        }
        json_end(&j);
        int r = json_result(&j);
        if (r < 0)
            return r;
    }
    int r = lower(a, &request.login);
    if (r == 0)
        *ret = request;
    return r;
}

/* ---- what they may be ---- */

const char *auth_login_problem(struct str login) {
    return chat_account_login_is_good(login)
                   ? NULL
                   : "a login is 2 to 32 of a-z, 0-9, '_', '.' and '-', beginning with a letter or "
                     "digit";
}

const char *auth_password_problem(struct str password) {
    return password.len >= PASSWORD_MIN && password.len <= PASSWORD_MAX
                   ? NULL
                   : "a password has 8 to 1024 bytes";
}

const char *auth_name_problem(struct str name) {
    size_t n = 0;
    if (!plain_is_line(name))
        return "a name has no characters that are not seen, or that turn the others around";
    for (size_t i = 0; i < name.len; n++)
        (void) plain_next(name, &i);
    return n <= NAME_MAX_CHARACTERS && plain_has_ink(name) ? NULL : "a name has 1 to 64 characters";
}
