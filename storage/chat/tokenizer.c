#include "storage/chat/tokenizer.h"

#include <errno.h>

#include "storage/sqlite/database.h"

static const struct {
    uint32_t first, last;
} paired[] = {
    { 0x1100, 0x11ff },   /* Hangul, its parts */
    { 0x3005, 0x3007 },   /* the sign of repetition, zero */
    { 0x3021, 0x3029 },   /* numerals */
    { 0x3031, 0x3035 },   /* more signs of repetition */
    { 0x3038, 0x303c },   /* more numerals */
    { 0x3041, 0x309f },   /* Hiragana, with the voice marks that follow a character */
    { 0x30a1, 0x30fa },   /* Katakana up to the middle dot */
    { 0x30fc, 0x30ff },   /* and from the long vowel */
    { 0x3105, 0x312f },   /* Bopomofo */
    { 0x3131, 0x318e },   /* Hangul, its parts, of old standards */
    { 0x31a0, 0x31bf },   /* Bopomofo */
    { 0x31f0, 0x31ff },   /* Katakana, small ones */
    { 0x3400, 0x4dbf },   /* Han */
    { 0x4e00, 0x9fff },   /* Han */
    { 0xa960, 0xa97c },   /* Hangul, its parts */
    { 0xac00, 0xd7a3 },   /* Hangul, syllables */
    { 0xd7b0, 0xd7fb },   /* Hangul, its parts */
    { 0xf900, 0xfaff },   /* Han, again */
    { 0xff66, 0xff9f },   /* Katakana of half a width */
    { 0xffa0, 0xffdc },   /* Hangul of half a width */
    { 0x1aff0, 0x1b16f }, /* Kana, old and small ones */
    { 0x20000, 0x323af }, /* Han, the rare ones */
};

enum { CHARACTER_MAX = 4 }; /* bytes of UTF-8 */

static bool is_paired(uint32_t c) {
    if (c < paired[0].first)
        return false;
    for (size_t i = 0; i < sizeof paired / sizeof paired[0]; i++)
        if (c <= paired[i].last)
            return c >= paired[i].first;
    return false;
}

/* Only the characters that may be taken in pairs have to be told exactly: the rest is unicode61's
 * to read, which takes any bytes. */
size_t chat_tokenizer_character(struct bytes text, bool *ret_is_paired) {
    const uint8_t *b = text.data;
    size_t len = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : b[0] >= 0xc0 ? 2 : 1;
    uint32_t c = b[0] & (0xffu >> (len + 1));
    bool is_whole = b[0] < 0xf8 && (b[0] < 0x80 || b[0] >= 0xc0) && len <= text.len;
    for (size_t i = 1; is_whole && i < len; i++) {
        is_whole = (b[i] & 0xc0) == 0x80;
        c = c << 6 | (b[i] & 0x3f);
    }
    /* An overlong form of a paired character would be another spelling of it. */
    *ret_is_paired = is_whole && len >= 3 && (len == 3 ? c <= 0xffff : c > 0xffff) && is_paired(c);
    return is_whole ? len : 1;
}

/* ---- the connection's part: which unicode61 it has ---- */

struct words {
    fts5_tokenizer unicode61;
    void *context;
};

struct tokenizer {
    fts5_tokenizer words;
    Fts5Tokenizer *instance; /* unicode61's */
};

static void destroy(Fts5Tokenizer *t) {
    struct tokenizer *self = (struct tokenizer *) (void *) t;
    if (self && self->instance)
        self->words.xDelete(self->instance);
    sqlite3_free(self);
}

static int create(void *context, const char **args, int n_args, Fts5Tokenizer **ret) {
    static const char *options[] = { "remove_diacritics", "2" };
    struct words *words = context;
    if (n_args > 0)
        return SQLITE_ERROR;
    struct tokenizer *self = sqlite3_malloc(sizeof *self);
    if (!self)
        return SQLITE_NOMEM;
    *self = (struct tokenizer){ .words = words->unicode61 };
    int rc = self->words.xCreate(words->context, options, 2, &self->instance);
    if (rc != SQLITE_OK) {
        self->instance = NULL;
        destroy((Fts5Tokenizer *) (void *) self);
        return rc;
    }
    *ret = (Fts5Tokenizer *) (void *) self;
    return SQLITE_OK;
}

/* ---- one text ---- */

typedef int token_sink(void *context, int flags, const char *token, int len, int start, int end);

struct pass {
    struct tokenizer *tokenizer;
    token_sink *sink;
    void *sink_context;
    int flags;
    struct bytes text;
    size_t at;
    /* Of a query: the last character of a run, held back until something follows. */
    size_t held_at, held_len;
};

static int give(struct pass *p, int flags, size_t at, size_t len) {
    return p->sink(p->sink_context, flags, (const char *) p->text.data + at, (int) len, (int) at,
                   (int) (at + len));
}

static int release(struct pass *p) {
    size_t len = p->held_len;
    p->held_len = 0;
    return len > 0 ? give(p, 0, p->held_at, len) : SQLITE_OK;
}

static int take_word(void *context, int flags, const char *token, int len, int start, int end) {
    struct pass *p = context;
    int rc = release(p);
    if (rc != SQLITE_OK)
        return rc;
    return p->sink(p->sink_context, flags, token, len, (int) p->at + start, (int) p->at + end);
}

/* From p->at on there is a paired character. */
static int take_run(struct pass *p) {
    int rc = release(p);
    size_t last_at = p->at, last_len = 0, n = 0;
    while (rc == SQLITE_OK && p->at < p->text.len) {
        bool is_one;
        size_t len = chat_tokenizer_character(bytes_of(p->text.data + p->at, p->text.len - p->at),
                                              &is_one);
        if (!is_one)
            break;
        if (n > 0)
            rc = give(p, 0, last_at, last_len + len);
        if (n > 0 && rc == SQLITE_OK && !(p->flags & FTS5_TOKENIZE_QUERY))
            rc = give(p, FTS5_TOKEN_COLOCATED, last_at, last_len);
        last_at = p->at;
        last_len = len;
        p->at += len;
        n++;
    }
    if (rc != SQLITE_OK)
        return rc;
    if (n > 1 && p->flags & FTS5_TOKENIZE_QUERY) {
        p->held_at = last_at;
        p->held_len = last_len;
        return SQLITE_OK;
    }
    return give(p, 0, last_at, last_len);
}

static int take_words(struct pass *p) {
    size_t end = p->at;
    while (end < p->text.len) {
        bool is_one;
        size_t len =
                chat_tokenizer_character(bytes_of(p->text.data + end, p->text.len - end), &is_one);
        if (is_one)
            break;
        end += len;
    }
    struct tokenizer *t = p->tokenizer;
    int rc = t->words.xTokenize(t->instance, p, p->flags, (const char *) p->text.data + p->at,
                                (int) (end - p->at), take_word);
    p->at = end;
    return rc;
}

static int tokenize(Fts5Tokenizer *t, void *context, int flags, const char *text, int len,
                    token_sink *sink) {
    struct pass p = { .tokenizer = (struct tokenizer *) (void *) t,
                      .sink = sink,
                      .sink_context = context,
                      .flags = flags,
                      .text = bytes_of(text, len > 0 ? (size_t) len : 0) };
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && p.at < p.text.len) {
        bool is_one;
        (void) chat_tokenizer_character(bytes_of(p.text.data + p.at, p.text.len - p.at), &is_one);
        rc = is_one ? take_run(&p) : take_words(&p);
    }
    return rc;
}

/* ---- to the connection ---- */

static fts5_api *api_of(sqlite3 *db) {
    fts5_api *api = NULL;
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, "SELECT fts5(?)", -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(s, 1, (void *) &api, "fts5_api_ptr", NULL);
        (void) sqlite3_step(s);
    }
    sqlite3_finalize(s);
    return api;
}

static int error_of(sqlite3 *db) {
    return sqlite3_errcode(db) == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

int chat_tokenizer_register(sqlite3 *db) {
    fts5_api *api = api_of(db);
    if (!api)
        return error_of(db);
    struct words *words = sqlite3_malloc(sizeof *words);
    if (!words)
        return -ENOMEM;
    int rc = api->xFindTokenizer(api, "unicode61", &words->context, &words->unicode61);
    if (rc != SQLITE_OK) {
        sqlite3_free(words);
        return database_error(db, rc);
    }
    fts5_tokenizer ours = { .xCreate = create, .xDelete = destroy, .xTokenize = tokenize };
    rc = api->xCreateTokenizer(api, "parley", words, &ours, sqlite3_free);
    if (rc != SQLITE_OK) { /* then it has not taken words */
        sqlite3_free(words);
        return database_error(db, rc);
    }
    return 0;
}

/* ---- by itself ---- */

int chat_cutter_open(sqlite3 *db, struct chat_cutter *ret) {
    struct chat_cutter c = { 0 };
    void *context;
    fts5_api *api = api_of(db);
    if (!api)
        return error_of(db);
    int rc = api->xFindTokenizer(api, "parley", &context, &c.tokenizer);
    if (rc == SQLITE_OK)
        rc = c.tokenizer.xCreate(context, NULL, 0, &c.instance);
    if (rc != SQLITE_OK)
        return database_error(db, rc);
    *ret = c;
    return 0;
}

void chat_cutter_close(struct chat_cutter *c) {
    if (c->instance)
        c->tokenizer.xDelete(c->instance);
    c->instance = NULL;
}

struct cut {
    chat_token_fn *take;
    void *arg;
    int error;
};

static int hand_on(void *context, int flags, const char *token, int len, int start, int end) {
    struct cut *c = context;
    if (flags & FTS5_TOKEN_COLOCATED)
        return SQLITE_OK;
    c->error = c->take(c->arg, (struct str){ token, (size_t) len }, (size_t) start, (size_t) end);
    return c->error < 0 ? SQLITE_ABORT : SQLITE_OK;
}

int chat_cutter_cut(const struct chat_cutter *c, struct str text, bool is_query,
                    chat_token_fn *take, void *arg) {
    struct cut cut = { .take = take, .arg = arg };
    int rc = c->tokenizer.xTokenize(c->instance, &cut,
                                    is_query ? FTS5_TOKENIZE_QUERY : FTS5_TOKENIZE_DOCUMENT,
                                    text.data, (int) text.len, hand_on);
    return cut.error < 0 ? cut.error : rc == SQLITE_NOMEM ? -ENOMEM : rc == SQLITE_OK ? 0 : -EIO;
}
