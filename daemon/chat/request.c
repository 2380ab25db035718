#include "daemon/chat/request.h"

#include <errno.h>

#include "async/base.h"
#include "protocol/json.h"
#include "protocol/plain.h"

enum kind {
    KIND_TEXT,  /* max: bytes */
    KIND_NAME,  /* max: characters; one line of what is seen (plain.h) */
    KIND_TEXTS, /* max: how many */
    KIND_NUMBER,
    KIND_NUMBER_32, /* max: its value */
    KIND_TIME,      /* ms, int64_t, not negative */
    KIND_FLAG,
    KIND_META, /* max: bytes */
    KIND_STATUS,
    KIND_AROUND, /* a number, or "unread" */
    KIND_AFTER,  /* a number, or a text */
};

enum {
    ID_MAX = 64, /* bytes, of client ids as well */
    NAME_MAX_CHARACTERS = 64,
    TOPIC_MAX = 250, /* characters, of reasons and status texts as well */
    EMOJI_MAX = 64,  /* bytes: flags and families are long */
    QUERY_MAX = 512,
    CURSOR_MAX = 256,
    URL_MAX = 2048,
    PASSWORD_MAX = 1024,
    META_MAX = 4096,
    LIST_MAX = 200, /* ids in one call */
    WORD_MAX = 16,
    DAYS_MAX = 36500,
    SLOW_MAX_S = 86400,
    USES_MAX = 1000000,
};

struct field {
    const char *name;
    enum kind kind;
    size_t at;
    uint64_t max; /* 0: of text the caller's */
};

#define AT(member) offsetof(struct chat_request, member)

static const struct field FIELDS[CHAT_FIELDS] = {
    [FIELD_AFTER] = { "after", KIND_AFTER, AT(after), CURSOR_MAX },
    [FIELD_AROUND] = { "around", KIND_AROUND, AT(around), 0 },
    [FIELD_ATTACHMENTS] = { "attachments", KIND_TEXTS, AT(attachments), LIST_MAX },
    [FIELD_AVATAR] = { "avatar", KIND_TEXT, AT(avatar), URL_MAX },
    [FIELD_BEFORE] = { "before", KIND_NUMBER, AT(before), 0 },
    [FIELD_CLIENT_ID] = { "client_id", KIND_TEXT, AT(client_id), ID_MAX },
    [FIELD_CODE] = { "code", KIND_TEXT, AT(code), CURSOR_MAX },
    [FIELD_CURSOR] = { "cursor", KIND_TEXT, AT(cursor), CURSOR_MAX },
    [FIELD_DEACTIVATED] = { "deactivated", KIND_FLAG, AT(deactivated), 0 },
    [FIELD_EMOJI] = { "emoji", KIND_TEXT, AT(emoji), EMOJI_MAX },
    [FIELD_EXPIRES_AT] = { "expires_at", KIND_TIME, AT(expires_at), 0 },
    [FIELD_FROM] = { "from", KIND_TEXT, AT(from), ID_MAX },
    [FIELD_GUESTS] = { "guests", KIND_FLAG, AT(guests), 0 },
    [FIELD_HAS] = { "has", KIND_TEXT, AT(has_what), WORD_MAX },
    [FIELD_ID] = { "id", KIND_TEXT, AT(id), ID_MAX },
    [FIELD_IDS] = { "ids", KIND_TEXTS, AT(ids), LIST_MAX },
    [FIELD_IF_VER] = { "if_ver", KIND_NUMBER, AT(if_ver), 0 },
    [FIELD_KIND] = { "kind", KIND_TEXT, AT(kind), WORD_MAX },
    [FIELD_LEVEL] = { "level", KIND_TEXT, AT(level), WORD_MAX },
    [FIELD_LIMIT] = { "limit", KIND_NUMBER_32, AT(limit), UINT32_MAX },
    [FIELD_META] = { "meta", KIND_META, AT(meta), META_MAX },
    [FIELD_NAME] = { "name", KIND_NAME, AT(name), NAME_MAX_CHARACTERS },
    [FIELD_PASSWORD] = { "password", KIND_TEXT, AT(password), PASSWORD_MAX },
    [FIELD_Q] = { "q", KIND_TEXT, AT(q), QUERY_MAX },
    [FIELD_REASON] = { "reason", KIND_NAME, AT(reason), TOPIC_MAX },
    [FIELD_RECEIPTS] = { "receipts", KIND_FLAG, AT(receipts), 0 },
    [FIELD_REGISTRATION] = { "registration", KIND_TEXT, AT(registration), WORD_MAX },
    [FIELD_REPLY_TO] = { "reply_to", KIND_NUMBER, AT(reply_to), 0 },
    [FIELD_RETAIN_D] = { "retain_d", KIND_NUMBER_32, AT(retain_d), DAYS_MAX },
    [FIELD_ROLE] = { "role", KIND_TEXT, AT(role), WORD_MAX },
    [FIELD_ROOM] = { "room", KIND_TEXT, AT(room), ID_MAX },
    [FIELD_SEQ] = { "seq", KIND_NUMBER, AT(seq), 0 },
    [FIELD_SINCE] = { "since", KIND_NUMBER, AT(since), 0 },
    [FIELD_SLOW_S] = { "slow_s", KIND_NUMBER_32, AT(slow_s), SLOW_MAX_S },
    [FIELD_SLUG] = { "slug", KIND_NAME, AT(slug), NAME_MAX_CHARACTERS },
    [FIELD_STATUS] = { "status", KIND_STATUS, AT(status), 0 },
    [FIELD_TEXT] = { "text", KIND_TEXT, AT(text), 0 },
    [FIELD_TOPIC] = { "topic", KIND_NAME, AT(topic), TOPIC_MAX },
    [FIELD_UNTIL] = { "until", KIND_TIME, AT(until), 0 },
    [FIELD_URL] = { "url", KIND_TEXT, AT(url), URL_MAX },
    [FIELD_USER] = { "user", KIND_TEXT, AT(user), ID_MAX },
    [FIELD_USERS] = { "users", KIND_TEXTS, AT(users), LIST_MAX },
    [FIELD_USES] = { "uses", KIND_NUMBER_32, AT(uses), USES_MAX },
};

const char *chat_field_name(enum chat_field field) {
    return FIELDS[field].name;
}

struct decoder {
    struct json j;
    struct arena *arena;
    struct chat_request *to;
    struct chat_refusal *why;
    uint64_t text_max;
    int error; /* of a member */
};

static bool refuse(struct decoder *d, int code, const char *field, uint64_t max) {
    if (d->error == 0) {
        d->error = code;
        *d->why = (struct chat_refusal){ .field = field, .max = (int64_t) max };
    }
    return false;
}

static bool is_wrong(struct decoder *d, const char *field) {
    return refuse(d, CHAT_BAD_REQUEST, field, 0);
}

static size_t characters(struct str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char) s.data[i] & 0xc0) != 0x80;
    return n;
}

static bool take_text(struct decoder *d, const char *field, uint64_t max, struct str *ret) {
    if (json_peek(&d->j) != JSON_IS_STRING)
        return is_wrong(d, field);
    if (!json_text(&d->j, d->arena, ret))
        return false;
    if (ret->len > max)
        return refuse(d, CHAT_TOO_LONG, field, max);
    if (ret->len > 0 && memchr(ret->data, '\0', ret->len))
        return is_wrong(d, field);
    return true;
}

static bool take_name(struct decoder *d, const char *field, uint64_t max, struct str *ret) {
    if (!take_text(d, field, UINT64_MAX, ret))
        return false;
    if (characters(*ret) > max)
        return refuse(d, CHAT_TOO_LONG, field, max);
    return plain_is_line(*ret) || is_wrong(d, field);
}

static bool take_texts(struct decoder *d, const char *field, uint64_t max, struct chat_texts *ret) {
    struct arena_list list = { 0 };

    if (json_peek(&d->j) != JSON_IS_ARRAY)
        return is_wrong(d, field);
    if (!json_enter_array(&d->j))
        return false;
    while (json_element(&d->j)) {
        if (list.n == max)
            return refuse(d, CHAT_TOO_LONG, field, max);
        struct str *item = arena_list_add(d->arena, &list, sizeof *item);
        if (!item)
            return json_no_memory(&d->j);
        if (!take_text(d, field, ID_MAX, item))
            return false;
    }
    *ret = (struct chat_texts){ list.items, list.n };
    return true;
}

/* Offsets, seqs, times: what SQLite holds. */
static bool take_number(struct decoder *d, const char *field, uint64_t max, uint64_t *ret) {
    if (json_peek(&d->j) != JSON_IS_NUMBER)
        return is_wrong(d, field);
    if (!json_uint64(&d->j, ret))
        return is_wrong(d, field);
    return *ret <= max || is_wrong(d, field);
}

static bool take_meta(struct decoder *d, const char *field, uint64_t max, struct bytes *ret) {
    if (json_peek(&d->j) != JSON_IS_OBJECT)
        return is_wrong(d, field);
    if (!json_value_line(&d->j, d->arena, ret))
        return false;
    return ret->len <= max || refuse(d, CHAT_TOO_LONG, field, max);
}

static bool take_status(struct decoder *d, struct chat_status *ret) {
    struct json_string key;
    uint64_t until = 0;
    bool is_good = true;

    *ret = (struct chat_status){ 0 };
    if (json_peek(&d->j) == JSON_IS_NULL) {
        ret->is_cleared = true;
        return json_read_null(&d->j);
    }
    if (json_peek(&d->j) != JSON_IS_OBJECT)
        return is_wrong(d, "status");
    if (!json_enter_object(&d->j))
        return false;
    while (is_good && json_member(&d->j, &key)) {
        if (json_peek(&d->j) == JSON_IS_NULL)
            is_good = json_read_null(&d->j);
        else if (json_is(key, STR("emoji")))
            is_good = take_text(d, "status", EMOJI_MAX, &ret->emoji);
        else if (json_is(key, STR("text")))
            is_good = take_name(d, "status", TOPIC_MAX, &ret->text);
        else if (json_is(key, STR("until")))
            is_good = take_number(d, "status", INT64_MAX, &until);
        else
            is_good = json_skip(&d->j);
    }
    ret->until = (int64_t) until;
    return is_good;
}

static bool take_around(struct decoder *d, const char *field, uint64_t *ret) {
    struct str word = { 0 };

    d->to->around_unread = false;
    if (json_peek(&d->j) != JSON_IS_STRING)
        return take_number(d, field, INT64_MAX, ret);
    if (!take_text(d, field, WORD_MAX, &word))
        return false;
    d->to->around_unread = str_equal(word, STR("unread"));
    return d->to->around_unread || is_wrong(d, field);
}

static bool take_flag(struct decoder *d, const char *field, bool *ret) {
    return json_peek(&d->j) == JSON_IS_BOOL ? json_bool(&d->j, ret) : is_wrong(d, field);
}

static bool take_32(struct decoder *d, const struct field *f, uint32_t *ret) {
    uint64_t n = 0;
    if (!take_number(d, f->name, f->max, &n))
        return false;
    *ret = (uint32_t) n;
    return true;
}

static bool take_time(struct decoder *d, const char *field, int64_t *ret) {
    uint64_t n = 0;
    if (!take_number(d, field, INT64_MAX, &n))
        return false;
    *ret = (int64_t) n;
    return true;
}

static bool take(struct decoder *d, const struct field *f) {
    void *at = (char *) d->to + f->at;

    switch (f->kind) {
    case KIND_TEXT:
        return take_text(d, f->name, f->max ? f->max : d->text_max, at);
    case KIND_NAME:
        return take_name(d, f->name, f->max, at);
    case KIND_TEXTS:
        return take_texts(d, f->name, f->max, at);
    case KIND_NUMBER:
        return take_number(d, f->name, INT64_MAX, at);
    case KIND_NUMBER_32:
        return take_32(d, f, at);
    case KIND_TIME:
        return take_time(d, f->name, at);
    case KIND_FLAG:
        return take_flag(d, f->name, at);
    case KIND_META:
        return take_meta(d, f->name, f->max, at);
    case KIND_STATUS:
        return take_status(d, at);
    case KIND_AROUND:
        return take_around(d, f->name, at);
    case KIND_AFTER:
    default:
        d->to->after_text = (struct str){ 0 };
        return json_peek(&d->j) == JSON_IS_STRING
                       ? take_text(d, f->name, f->max, &d->to->after_text)
                       : take_number(d, f->name, INT64_MAX, at);
    }
}

static const struct field *field_of(struct json_string key) {
    for (size_t i = 0; i < CHAT_FIELDS; i++)
        if (json_is(key, str_of(FIELDS[i].name)))
            return &FIELDS[i];
    return NULL;
}

static bool take_member(struct decoder *d, struct json_string key) {
    const struct field *f = field_of(key);

    if (!f)
        return json_skip(&d->j);
    if (json_peek(&d->j) == JSON_IS_NULL && f->kind != KIND_STATUS)
        return json_read_null(&d->j);
    if (!take(d, f))
        return false;
    d->to->has |= HAS(f - FIELDS);
    return true;
}

int chat_request_decode(struct bytes data, uint64_t text_max, struct arena *a,
                        struct chat_request *ret, struct chat_refusal *ret_why) {
    struct decoder d = { .arena = a, .to = ret, .why = ret_why, .text_max = text_max };
    struct json_string key;

    *ret = (struct chat_request){ 0 };
    *ret_why = (struct chat_refusal){ 0 };
    if (data.len == 0)
        return 0;
    json_init(&d.j, data);
    if (json_peek(&d.j) == JSON_IS_NULL)
        return json_read_null(&d.j) && json_end(&d.j) ? 0 : CHAT_BAD_REQUEST;
    if (json_enter_object(&d.j))
        while (json_member(&d.j, &key) && take_member(&d, key))
            continue;
    if (d.error)
        return d.error;
    (void) json_end(&d.j);
    int r = json_result(&d.j);
    return r == -EBADMSG ? CHAT_BAD_REQUEST : r;
}
