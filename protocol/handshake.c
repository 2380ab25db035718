#include "protocol/handshake.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>

#include "protocol/base64.h"
#include "protocol/deflate.h"

static const struct str accept_guid = STR("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");

enum { SHA1_BYTES = 20 };

/* Asking OpenSSL for an algorithm takes as long as hashing a key: the process asks once, and keeps
 * the answer, which never changes. NULL: there is none. */
static const EVP_MD *sha1(void) {
    static _Atomic(EVP_MD *) found;
    EVP_MD *md = atomic_load_explicit(&found, memory_order_acquire);
    if (md)
        return md;

    EVP_MD *mine = EVP_MD_fetch(NULL, "SHA1", NULL);
    if (!mine || atomic_compare_exchange_strong(&found, &md, mine))
        return mine;
    EVP_MD_free(mine); /* another thread was first */
    return md;
}

/* RFC 6455 section 4.2.2: proof that the key was read by someone who speaks WebSocket. */
static int accept_for(struct str key, char ret[static HANDSHAKE_ACCEPT_TEXT]) {
    uint8_t text[HANDSHAKE_KEY_TEXT + 36];
    uint8_t digest[SHA1_BYTES];
    struct buffer out = BUFFER_INIT;

    memcpy(text, key.data, HANDSHAKE_KEY_TEXT);
    memcpy(text + HANDSHAKE_KEY_TEXT, accept_guid.data, accept_guid.len);
    const EVP_MD *md = sha1();
    if (!md || !EVP_Digest(text, sizeof text, digest, NULL, md, NULL))
        return -ENOMEM;

    base64_encode(BASE64_STANDARD, bytes_of(digest, sizeof digest), &out);
    int r = buffer_error(&out);
    if (r == 0)
        memcpy(ret, out.data, HANDSHAKE_ACCEPT_TEXT);
    buffer_finish(&out);
    return r;
}

/* ---- extensions (RFC 6455 section 9.1) ---- */

struct param {
    struct str name;
    struct str value; /* unquoted; data NULL: there is none */
};

static void skip_space(struct str *s) {
    while (s->len && (s->data[0] == ' ' || s->data[0] == '\t'))
        s->data++, s->len--;
}

static bool take_token(struct str *s, struct str *ret) {
    size_t n = http_token_length(*s);
    *ret = (struct str){ s->data, n };
    s->data += n;
    s->len -= n;
    return n > 0;
}

/* 1: the next parameter of an offer; 0: it ends; -EBADMSG: malformed. */
static int next_param(struct str *s, struct param *ret) {
    *ret = (struct param){ 0 };
    skip_space(s);
    if (s->len == 0)
        return 0;
    if (s->data[0] != ';')
        return -EBADMSG;
    s->data++, s->len--;
    skip_space(s);
    if (!take_token(s, &ret->name))
        return -EBADMSG;
    skip_space(s);
    if (s->len == 0 || s->data[0] != '=')
        return 1;
    s->data++, s->len--;
    skip_space(s);

    bool is_quoted = s->len && s->data[0] == '"';
    if (is_quoted)
        s->data++, s->len--;
    /* What a quoted value means must be a token too. */
    if (!take_token(s, &ret->value))
        return -EBADMSG;
    if (is_quoted) {
        if (s->len == 0 || s->data[0] != '"')
            return -EBADMSG;
        s->data++, s->len--;
    }
    return 1;
}

/* 8 to 15, without leading zeros (RFC 7692 section 7.1.2). */
static int window_bits(struct str value) {
    if (value.len == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        return value.data[0] - '0';
    if (value.len == 2 && value.data[0] == '1' && value.data[1] >= '0' && value.data[1] <= '5')
        return 10 + value.data[1] - '0';
    return -EBADMSG;
}

/* The four parameters there are, each at most once. */
struct deflate_terms {
    bool server_no_takeover, client_no_takeover, has_client_bits;
    int server_bits, client_bits; /* 0: not named, or named without a value */
};

/* is_offer: the client may name client_max_window_bits without a value. */
static int read_terms(struct str params, bool is_offer, struct deflate_terms *ret) {
    struct deflate_terms t = { 0 };
    struct param p;
    int r;

    while ((r = next_param(&params, &p)) > 0) {
        if (http_equal_nocase(p.name, STR("server_no_context_takeover"))) {
            if (t.server_no_takeover || p.value.data)
                return -EBADMSG;
            t.server_no_takeover = true;
        } else if (http_equal_nocase(p.name, STR("client_no_context_takeover"))) {
            if (t.client_no_takeover || p.value.data)
                return -EBADMSG;
            t.client_no_takeover = true;
        } else if (http_equal_nocase(p.name, STR("server_max_window_bits"))) {
            int bits = window_bits(p.value);
            if (t.server_bits || bits < 0)
                return -EBADMSG;
            t.server_bits = bits;
        } else if (http_equal_nocase(p.name, STR("client_max_window_bits"))) {
            int bits = p.value.data || !is_offer ? window_bits(p.value) : 0;
            if (t.has_client_bits || bits < 0)
                return -EBADMSG;
            t.has_client_bits = true;
            t.client_bits = bits;
        } else {
            return -EBADMSG;
        }
    }
    if (r < 0)
        return r;
    *ret = t;
    return 0;
}

static bool is_deflate(struct str *element) {
    struct str name;
    return take_token(element, &name) && http_equal_nocase(name, STR("permessage-deflate"));
}

/* Takes the first offer we can keep. What a client's own window is does not matter: ours is the
 * largest when inflating. */
static void choose_deflate(const struct http_head *head, struct handshake *h) {
    struct http_list list = http_list_of(head, STR("Sec-WebSocket-Extensions"));
    struct str offer;

    while (http_list_next(&list, &offer)) {
        struct deflate_terms t;
        if (!is_deflate(&offer) || read_terms(offer, true, &t) < 0)
            continue;
        if (t.server_bits && t.server_bits < DEFLATE_WINDOW_MIN)
            continue;
        h->is_deflated = true;
        h->limits_window = t.server_bits != 0;
        h->send_window_bits = (uint8_t) (t.server_bits ? t.server_bits : DEFLATE_WINDOW_MAX);
        return;
    }
}

/* ---- server ---- */

bool handshake_is_asked(const struct http_request *r) {
    return http_head_has_token(&r->head, STR("Upgrade"), STR("websocket"));
}

/* 0: not there; -EBADMSG: more than once. */
static int find_only(const struct http_head *h, struct str name, struct str *ret) {
    size_t n = http_head_count(h, name);
    return n > 1 ? -EBADMSG : n == 0 ? 0 : http_head_find(h, name, ret);
}

static int choose_subprotocol(const struct http_head *head, const struct handshake_options *o,
                              struct str *ret) {
    struct http_list list = http_list_of(head, STR("Sec-WebSocket-Protocol"));
    struct str asked;

    *ret = (struct str){ 0 };
    while (http_list_next(&list, &asked)) {
        if (!http_is_token(asked))
            return -EBADMSG;
        for (size_t i = 0; i < o->subprotocol_count && ret->len == 0; i++) {
            if (str_equal(asked, o->subprotocols[i]))
                *ret = o->subprotocols[i];
        }
    }
    return 0;
}

static bool is_key(struct str key) {
    uint8_t decoded[HANDSHAKE_KEY_TEXT];
    size_t len;

    return key.len == HANDSHAKE_KEY_TEXT &&
           base64_decode(BASE64_STANDARD, key, decoded, &len) == 0 && len == HANDSHAKE_KEY_BYTES;
}

int handshake_check(const struct http_request *r, const struct handshake_options *o,
                    struct handshake *ret) {
    const struct http_head *head = &r->head;
    struct handshake h = { .send_window_bits = DEFLATE_WINDOW_MAX };
    struct str key, version;

    if (!str_equal(r->method, STR("GET")) || r->version_minor < 1 || r->is_chunked ||
        r->content_length > 0)
        return -EBADMSG;
    if (!handshake_is_asked(r) || !http_head_has_token(head, STR("Connection"), STR("upgrade")))
        return -EBADMSG;

    /* The version before the key: another one may have other rules for it. */
    int n = find_only(head, STR("Sec-WebSocket-Version"), &version);
    if (n <= 0)
        return n < 0 ? n : -EPROTONOSUPPORT;
    if (!str_equal(version, STR("13")))
        return -EPROTONOSUPPORT;
    n = find_only(head, STR("Sec-WebSocket-Key"), &key);
    if (n <= 0 || !is_key(key))
        return -EBADMSG;

    n = choose_subprotocol(head, o, &h.subprotocol);
    if (n < 0)
        return n;
    if (o->allows_deflate)
        choose_deflate(head, &h);
    n = accept_for(key, h.accept);
    if (n < 0)
        return n;
    *ret = h;
    return 0;
}

enum { HEADERS_OWN = 6 };

/* Room for our headers and the caller's. */
struct header_set {
    struct http_header all[HEADERS_OWN + HANDSHAKE_HEADERS_MAX];
    size_t count;
};

static void add_header(struct header_set *s, struct str name, struct str value) {
    s->all[s->count++] = (struct http_header){ .name = name, .value = value };
}

static int add_all(struct header_set *s, const struct http_header *headers, size_t count) {
    if (count > HANDSHAKE_HEADERS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        s->all[s->count++] = headers[i];
    return 0;
}

int handshake_write_answer(const struct handshake *h, const struct http_header *headers,
                           size_t count, struct buffer *out) {
    static const struct str extension =
            STR("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    char limited[104];
    struct header_set set = { 0 };

    add_header(&set, STR("Upgrade"), STR("websocket"));
    add_header(&set, STR("Connection"), STR("Upgrade"));
    add_header(&set, STR("Sec-WebSocket-Accept"), (struct str){ h->accept, HANDSHAKE_ACCEPT_TEXT });
    if (h->subprotocol.len)
        add_header(&set, STR("Sec-WebSocket-Protocol"), h->subprotocol);
    if (h->is_deflated && h->limits_window) {
        int n = snprintf(limited, sizeof limited, "%.*s; server_max_window_bits=%u",
                         (int) extension.len, extension.data, h->send_window_bits);
        add_header(&set, STR("Sec-WebSocket-Extensions"), (struct str){ limited, (size_t) n });
    } else if (h->is_deflated) {
        add_header(&set, STR("Sec-WebSocket-Extensions"), extension);
    }
    int r = add_all(&set, headers, count);
    if (r < 0)
        return r;
    struct http_answer a = { .status = 101, .headers = set.all, .header_count = set.count };
    return http_write_head(out, &a, -1);
}

int handshake_write_refusal(int error, struct buffer *out) {
    static const struct http_header old_version[] = {
        { STR("Upgrade"), STR("websocket") },
        { STR("Sec-WebSocket-Version"), STR("13") },
        { STR("Content-Type"), STR("text/plain; charset=utf-8") },
    };
    bool is_version = error == -EPROTONOSUPPORT;
    struct str why = is_version          ? STR("This server speaks WebSocket version 13.\n")
                     : error == -EBADMSG ? STR("This is not a valid WebSocket handshake.\n")
                                         : STR("The handshake failed.\n");
    struct http_answer a = { .status = is_version ? 426 : http_status_of(error),
                             .headers = is_version ? old_version : old_version + 2,
                             .header_count = is_version ? 3 : 1,
                             .body = str_bytes(why),
                             .closes = true };
    return http_write_answer(out, &a);
}

/* ---- client ---- */

static int key_text(const uint8_t key[static HANDSHAKE_KEY_BYTES],
                    char ret[static HANDSHAKE_KEY_TEXT]) {
    struct buffer out = BUFFER_INIT;

    base64_encode(BASE64_STANDARD, bytes_of(key, HANDSHAKE_KEY_BYTES), &out);
    int r = buffer_error(&out);
    if (r == 0)
        memcpy(ret, out.data, HANDSHAKE_KEY_TEXT);
    buffer_finish(&out);
    return r;
}

static int write_request(struct str host, struct str target, const struct handshake_options *o,
                         const struct http_header *headers, size_t count, struct str key,
                         struct buffer *list, struct buffer *out) {
    struct header_set set = { 0 };

    add_header(&set, STR("Upgrade"), STR("websocket"));
    add_header(&set, STR("Connection"), STR("Upgrade"));
    add_header(&set, STR("Sec-WebSocket-Key"), key);
    add_header(&set, STR("Sec-WebSocket-Version"), STR("13"));
    if (o->allows_deflate)
        add_header(&set, STR("Sec-WebSocket-Extensions"),
                   STR("permessage-deflate; server_no_context_takeover; "
                       "client_no_context_takeover"));
    int r = add_all(&set, headers, count);
    if (r < 0)
        return r;
    for (size_t i = 0; i < o->subprotocol_count; i++) {
        if (i > 0)
            buffer_append_str(list, STR(", "));
        buffer_append_str(list, o->subprotocols[i]);
    }
    r = buffer_error(list);
    if (r < 0)
        return r;
    if (list->len) {
        add_header(&set, STR("Sec-WebSocket-Protocol"),
                   (struct str){ (const char *) list->data, list->len });
    }
    return http_write_request(out, STR("GET"), target, host, set.all, set.count);
}

int handshake_write_request(struct str host, struct str target,
                            const uint8_t key[static HANDSHAKE_KEY_BYTES],
                            const struct handshake_options *o, const struct http_header *headers,
                            size_t count, struct buffer *out) {
    char text[HANDSHAKE_KEY_TEXT];
    struct buffer list = BUFFER_INIT;

    int r = key_text(key, text);
    if (r < 0)
        return r;
    r = write_request(host, target, o, headers, count, (struct str){ text, sizeof text }, &list,
                      out);
    buffer_finish(&list);
    return r;
}

/* An answer may hold only what was offered (RFC 6455 section 4.1, RFC 7692 section 7.1). */
static int judge_extensions(const struct http_head *head, bool was_offered, struct handshake *h) {
    struct http_list list = http_list_of(head, STR("Sec-WebSocket-Extensions"));
    struct deflate_terms t;
    struct str element;

    while (http_list_next(&list, &element)) {
        if (!was_offered || h->is_deflated || !is_deflate(&element) ||
            read_terms(element, false, &t) < 0)
            return -EBADMSG;
        /* We offered no window of ours to limit, and asked the server to forget between messages.
         */
        if (t.has_client_bits || !t.server_no_takeover)
            return -EBADMSG;
        h->is_deflated = true;
    }
    return 0;
}

int handshake_check_answer(const struct http_response *r,
                           const uint8_t key[static HANDSHAKE_KEY_BYTES],
                           const struct handshake_options *o, struct handshake *ret) {
    const struct http_head *head = &r->head;
    struct handshake h = { .send_window_bits = DEFLATE_WINDOW_MAX };
    char text[HANDSHAKE_KEY_TEXT];
    struct str got;

    if (r->status != 101)
        return -ECONNREFUSED;
    if (r->version_minor < 1 || !http_head_has_token(head, STR("Upgrade"), STR("websocket")) ||
        !http_head_has_token(head, STR("Connection"), STR("upgrade")))
        return -EBADMSG;

    int n = key_text(key, text);
    if (n == 0)
        n = accept_for((struct str){ text, sizeof text }, h.accept);
    if (n < 0)
        return n;
    if (find_only(head, STR("Sec-WebSocket-Accept"), &got) <= 0 ||
        !str_equal(got, (struct str){ h.accept, HANDSHAKE_ACCEPT_TEXT }))
        return -EBADMSG;

    n = find_only(head, STR("Sec-WebSocket-Protocol"), &got);
    if (n < 0)
        return n;
    if (n > 0) {
        for (size_t i = 0; i < o->subprotocol_count; i++) {
            if (str_equal(got, o->subprotocols[i]))
                h.subprotocol = o->subprotocols[i];
        }
        if (h.subprotocol.len == 0)
            return -EBADMSG;
    }
    n = judge_extensions(head, o->allows_deflate, &h);
    if (n < 0)
        return n;
    *ret = h;
    return 0;
}
