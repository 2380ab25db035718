/*
 * The one file that knows libcurl.
 *
 * curl runs on the loop's own stack only (from watches, the timer and the turn's end), never on a
 * task's: a TLS handshake needs more than the 32 KiB those have. A task hands its transfer over at
 * the turn's end and is woken when it is done; one that gives up leaves the transfer behind to be
 * taken out at the turn's end.
 *
 * In one turn only so much is done: answers that come faster than that are paused, transfers that
 * begin together begin one after the other. (libcurl by itself takes up to 1.6 MB at once.)
 *
 * The store of trusted certificates is loaded once, when opened, and shared by all connections:
 * left to itself curl would parse a few hundred certificates on the loop.
 */
#include "async/http_curl.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "async/deadline.h"
#include "async/http_names.h"
#include "async/list.h"
#include "async/private_address.h"
#include "async/task_impl.h"
#include "async/tls_impl.h"

enum {
    KEPT_DEFAULT = 64,
    BODY_START = 1024,
    SEND_BUFFER = 16384,
    BYTES_PER_TURN = 64 * 1024, /* of bodies */
    ADDRESSES_MAX = 384,        /* bytes of their text */
    WORKS_PER_TURN = 16,        /* transfers begun or given up */
};

struct http_curl {
    struct loop *loop;
    CURLM *multi;
    struct tls *tls;
    char *user_agent;
    bool refuses_private;
    struct http_names names;
    struct timer timer;    /* when curl wants to look at its clock */
    struct turn_hook hook; /* starts and takes out transfers */
    struct timer again;    /* what was too much for one turn goes on in the next */
    struct list starting, leaving, paused;
    uint64_t turn; /* in which these bytes came: */
    size_t turns_bytes;
    size_t transfers; /* not freed */
    struct task *closer;
    bool is_closed;
};

/* A descriptor of curl's that is waited for. */
struct http_socket {
    struct watch watch;
    struct http_curl *owner;
};

/* A growing block that stays within a limit, and NUL-terminated. */
struct block {
    char *data;
    size_t len, cap, max;
    bool is_too_large;
};

/* On the heap, for curl may need it when its task has already gone. */
struct transfer {
    struct link link; /* of starting or leaving */
    struct link paused;
    struct http_curl *owner;
    struct task *task; /* NULL: it gave up */
    CURL *easy;
    struct curl_slist *fields, *addresses;
    struct block body, head;
    size_t head_total; /* of all answers on the way */
    CURLcode code;
    bool is_added, is_done, is_refused;
    char error[CURL_ERROR_SIZE];
};

/* ---- what curl delivers ---- */

static bool block_append(struct block *b, const void *data, size_t len) {
    if (len > b->max - b->len) {
        b->is_too_large = true;
        return false;
    }
    if (b->len + len + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : BODY_START;
        while (cap < b->len + len + 1)
            cap *= 2;
        char *grown = realloc(b->data, cap);
        if (!grown)
            return false;
        b->data = grown;
        b->cap = cap;
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

static bool is_enough_for_now(struct http_curl *h, size_t len) {
    if (h->turn != h->loop->turns) {
        h->turn = h->loop->turns;
        h->turns_bytes = 0;
    }
    if (h->turns_bytes >= BYTES_PER_TURN)
        return true;
    h->turns_bytes += len;
    return false;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg) {
    struct transfer *t = arg;
    if (is_enough_for_now(t->owner, size * n) && timer_set(&t->owner->again, 0) == 0) {
        if (!link_is_linked(&t->paused))
            list_append(&t->owner->paused, &t->paused);
        return CURL_WRITEFUNC_PAUSE;
    }
    return block_append(&t->body, data, size * n) ? size * n : 0;
}

/* One line; only the last answer's are kept, but all are counted. */
static size_t on_head(char *data, size_t size, size_t n, void *arg) {
    struct transfer *t = arg;
    size_t len = size * n;

    t->head_total += len;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
        t->head.len = 0;
    if (t->head_total > HTTP_HEAD_MAX) {
        t->head.is_too_large = true;
        return 0;
    }
    return block_append(&t->head, data, len) ? len : 0;
}

/* ---- the loop's side ---- */

static void transfer_free(struct transfer *t) {
    if (!t)
        return;
    t->owner->transfers--;
    list_remove(&t->paused);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->fields);
    curl_slist_free_all(t->addresses);
    free(t->body.data);
    free(t->head.data);
    free(t);
}

/* It is out of curl's hands. */
static void transfer_done(struct transfer *t, CURLcode code) {
    t->code = code;
    t->is_done = true;
    t->is_added = false;
    /* A task that was told something else in this turn finds it done and frees it. */
    if (t->task)
        (void) task_ready(t->task, 0);
}

static void reap(struct http_curl *h) {
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result; /* m goes with the handle */
        CURL *easy = m->easy_handle;
        char *private = NULL;
        (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        (void) curl_multi_remove_handle(h->multi, easy);
        transfer_done((struct transfer *) (void *) private, code);
    }
}

static void act(struct http_curl *h, curl_socket_t fd, int events) {
    int running;
    (void) curl_multi_socket_action(h->multi, fd, events, &running);
    reap(h);
}

static void on_ready(struct watch *w, unsigned ready) {
    struct http_socket *s = CONTAINER_OF(w, struct http_socket, watch);
    act(s->owner, watch_fd(w),
        (ready & WATCH_READ ? CURL_CSELECT_IN : 0) | (ready & WATCH_WRITE ? CURL_CSELECT_OUT : 0));
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket) {
    struct http_curl *h = arg;
    struct http_socket *s = of_socket;
    (void) easy;

    if (what == CURL_POLL_REMOVE) {
        if (s)
            watch_want(&s->watch, 0);
        free(s);
        (void) curl_multi_assign(h->multi, fd, NULL);
        return 0;
    }
    if (!s) {
        s = malloc(sizeof *s);
        if (!s)
            return -1; /* the transfer fails */
        s->owner = h;
        watch_init(&s->watch, fd, on_ready);
        if (curl_multi_assign(h->multi, fd, s) != CURLM_OK) {
            free(s);
            return -1;
        }
    }
    watch_want(&s->watch,
               (what & CURL_POLL_IN ? WATCH_READ : 0U) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0U));
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg) {
    struct http_curl *h = arg;
    (void) multi;

    if (timeout_ms < 0)
        timer_clear(&h->timer);
    else if (timer_set(&h->timer, timeout_ms) < 0)
        return -1;
    return 0;
}

static void on_time(struct timer *timer) {
    act(CONTAINER_OF(timer, struct http_curl, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void go_on_later(struct http_curl *h) {
    if (timer_set(&h->again, 0) < 0)
        loop_at_turn_end(&h->hook);
}

static void let_go(struct http_curl *h) {
    struct link *k;
    for (int n = 0; n < WORKS_PER_TURN && (k = list_pop(&h->leaving)) != NULL; n++) {
        struct transfer *t = CONTAINER_OF(k, struct transfer, link);
        if (t->is_added)
            (void) curl_multi_remove_handle(h->multi, t->easy);
        transfer_free(t);
    }
    if (!list_is_empty(&h->leaving))
        go_on_later(h);
}

static void begin(struct http_curl *h) {
    struct link *k;
    bool any = false;
    for (int n = 0; n < WORKS_PER_TURN && (k = list_pop(&h->starting)) != NULL; n++) {
        struct transfer *t = CONTAINER_OF(k, struct transfer, link);
        t->is_added = curl_multi_add_handle(h->multi, t->easy) == CURLM_OK;
        if (!t->is_added)
            transfer_done(t, CURLE_OUT_OF_MEMORY);
        any = true;
    }
    if (any)
        act(h, CURL_SOCKET_TIMEOUT, 0);
    if (!list_is_empty(&h->starting))
        go_on_later(h);
}

static void shut_down(struct http_curl *h) {
    assert(h->transfers == 0);
    (void) curl_multi_cleanup(h->multi);
    timer_clear(&h->timer);
    timer_clear(&h->again);
    h->is_closed = true;
    (void) task_ready(h->closer, 0);
}

static void on_turn_end(struct turn_hook *hook) {
    struct http_curl *h = CONTAINER_OF(hook, struct http_curl, hook);
    let_go(h);
    begin(h);
    if (h->closer && list_is_empty(&h->leaving))
        shut_down(h);
}

/* Those that are paused again come at the list's end. */
static void on_again(struct timer *timer) {
    struct http_curl *h = CONTAINER_OF(timer, struct http_curl, again);
    struct list paused = { 0 };
    struct link *k;

    while ((k = list_pop(&h->paused)) != NULL)
        list_append(&paused, k);
    while ((k = list_pop(&paused)) != NULL)
        (void) curl_easy_pause(CONTAINER_OF(k, struct transfer, paused)->easy, CURLPAUSE_CONT);
    reap(h);
    loop_at_turn_end(&h->hook);
}

/* ---- a call ---- */

/* Our own store of certificates in the place of curl's empty one. */
static CURLcode on_ssl_context(CURL *easy, void *context, void *arg) {
    struct http_curl *h = arg;
    (void) easy;
    SSL_CTX_set1_cert_store(context, SSL_CTX_get_cert_store(h->tls->context));
    return CURLE_OK;
}

static bool add_field(struct transfer *t, const char *name, const char *value) {
    char *line = NULL;
    /* ";" is how an empty value is sent; "" with ":" keeps curl's own from being sent. */
    int n = !value   ? asprintf(&line, "%s:", name)
            : *value ? asprintf(&line, "%s: %s", name, value)
                     : asprintf(&line, "%s;", name);
    if (n < 0)
        return false;
    struct curl_slist *longer = curl_slist_append(t->fields, line);
    free(line);
    if (!longer)
        return false;
    t->fields = longer;
    return true;
}

static bool add_fields(struct transfer *t, const struct http_call *call) {
    bool has_type = false;

    for (size_t i = 0; i < call->n_fields; i++) {
        has_type |= strcasecmp(call->fields[i].name, "Content-Type") == 0;
        if (!add_field(t, call->fields[i].name, call->fields[i].value))
            return false;
    }
    return add_field(t, "Expect", NULL) && (has_type || add_field(t, "Content-Type", NULL));
}

/* One macro for the many options, of which any may want memory. */
#define SET(option, value) (ok = ok && curl_easy_setopt(t->easy, option, value) == CURLE_OK)

static bool set_method(struct transfer *t, const struct http_call *call) {
    bool has_body = call->has_body || call->body_len > 0;
    const char *method = call->method ? call->method : has_body ? "POST" : "GET";
    bool ok = true;

    if (has_body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) call->body_len);
        SET(CURLOPT_COPYPOSTFIELDS, call->body_len ? call->body : "");
    } else if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    }
    if (strcmp(method, has_body ? "POST" : "GET") != 0)
        SET(CURLOPT_CUSTOMREQUEST, method);
    return ok;
}

/* Looked at here and not where names are: what is connected to is what counts. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a) {
    struct transfer *t = arg;
    (void) purpose;
    if (address_is_private(&a->addr)) {
        t->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool set_up(struct http_curl *h, struct transfer *t, const struct http_call *call) {
    bool ok = add_fields(t, call) && set_method(t, call);

    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_URL, call->url);
    SET(CURLOPT_ERRORBUFFER, t->error);
    SET(CURLOPT_HTTPHEADER, t->fields);
    SET(CURLOPT_RESOLVE, t->addresses);
    SET(CURLOPT_USERAGENT, h->user_agent);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_PROXY, ""); /* not the environment's */
    SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, call->redirects_max > 0 ? 1L : 0L);
    SET(CURLOPT_MAXREDIRS, (long) call->redirects_max);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long) SEND_BUFFER);
    /* Who gives up does not wait for the thread that looks up a name. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_SSL_VERIFYPEER, h->tls->trusts_anyone ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, h->tls->trusts_anyone ? 0L : 2L);
    SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
    SET(CURLOPT_SSL_CTX_DATA, h);
    if (h->refuses_private) {
        SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
        SET(CURLOPT_OPENSOCKETDATA, t);
    }
    if (call->unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, call->unix_socket);
    return ok;
}

#undef SET

/* ---- where to ---- */

static void curl_url_freep(CURLU **u) {
    curl_url_cleanup(*u);
}

static void freep(char **text) {
    free(*text);
}

static void curl_freep(char **text) {
    curl_free(*text);
}

static bool is_known(const char *host) {
    struct address_parts parts = { .port = "0" };
    struct endpoint number;
    if (host[0] == '[' || strcasecmp(host, "localhost") == 0) /* libcurl knows that itself */
        return true;
    (void) snprintf(parts.host, sizeof parts.host, "%s", host);
    return endpoint_of_parts(&parts, false, &number) == 0;
}

/* Addresses for the URL's name, for libcurl to find before it looks one up by itself (which it
 * does for redirects to elsewhere). */
static SUSPENDS int look_up(struct http_curl *h, struct transfer *t, const char *url) {
    CLEANUP(curl_url_freep) CURLU *u = curl_url();
    CLEANUP(curl_freep) char *host = NULL;
    CLEANUP(curl_freep) char *port = NULL;
    CLEANUP(freep) char *line = NULL;
    char addresses[ADDRESSES_MAX];

    if (!u)
        return -ENOMEM;
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return -EINVAL;
    if (is_known(host))
        return 0;
    int r = http_names_get(&h->names, host, port, addresses, sizeof addresses);
    if (r < 0)
        return r;
    /* "+": libcurl may forget it, as we may. */
    if (asprintf(&line, "+%s:%s:%s", host, port, addresses) < 0)
        return -ENOMEM;
    t->addresses = curl_slist_append(NULL, line);
    return t->addresses ? 0 : -ENOMEM;
}

/* Not the URL: there may be a password in it. */
static int explain_look_up(int r, struct http_result *ret) {
    if (r == -EINVAL)
        (void) snprintf(ret->why, sizeof ret->why, "the URL cannot be understood");
    else if (r == -ENOENT || r == -EHOSTUNREACH)
        (void) snprintf(ret->why, sizeof ret->why, "%s",
                        r == -ENOENT ? "no such host" : "no name server answers");
    return r == -EHOSTUNREACH ? -ENOENT : r;
}

static int result_of(const struct transfer *t) {
    switch (t->code) {
    case CURLE_OK:
        return 0;
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    case CURLE_COULDNT_RESOLVE_HOST:
        return -ENOENT;
    case CURLE_COULDNT_CONNECT:
        return t->is_refused ? -EACCES : -ECONNREFUSED;
    case CURLE_WRITE_ERROR:
        return t->body.is_too_large || t->head.is_too_large ? -EMSGSIZE : -ENOMEM;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return -EKEYREJECTED;
    case CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return -ECONNRESET;
    default: /* no HTTP, no TLS, another scheme to be redirected to */
        return -EPROTO;
    }
}

static int finish(struct transfer *t, struct http_result *ret) {
    int r = result_of(t);
    if (r == -EMSGSIZE) {
        (void) snprintf(ret->why, sizeof ret->why, "the answer's %s is larger than %zu bytes",
                        t->head.is_too_large ? "head" : "body",
                        t->head.is_too_large ? (size_t) HTTP_HEAD_MAX : t->body.max);
    } else if (r == -EACCES) {
        (void) snprintf(ret->why, sizeof ret->why, "an address of a private network");
    } else if (r < 0) {
        (void) snprintf(ret->why, sizeof ret->why, "%.*s", HTTP_WHY_MAX - 1,
                        t->error[0] ? t->error : curl_easy_strerror(t->code));
    }
    if (r < 0)
        return r;

    long status = 0;
    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (int) status;
    ret->body_len = t->body.len;
    ret->body = TAKE(t->body.data);
    ret->head = TAKE(t->head.data);
    return 0;
}

int http_curl_call(struct http_curl *h, const struct http_call *call, struct http_result *ret) {
    int r = task_check();
    if (r < 0)
        return r;
    struct transfer *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    h->transfers++;
    t->owner = h;
    t->task = task_self();
    t->body.max = call->response_max ? call->response_max : HTTP_RESPONSE_MAX;
    t->head.max = HTTP_HEAD_MAX;
    if (!call->unix_socket && (r = look_up(h, t, call->url)) < 0) {
        transfer_free(t);
        return explain_look_up(r, ret);
    }
    t->easy = curl_easy_init();
    if (!t->easy || !set_up(h, t, call)) {
        transfer_free(t);
        return -ENOMEM;
    }

    list_append(&h->starting, &t->link);
    loop_at_turn_end(&h->hook);
    loop_hold(h->loop);
    while (r == 0 && !t->is_done)
        r = task_suspend(WAIT_HTTP, h);
    loop_release(h->loop);
    t->task = NULL;
    if (t->is_done) {
        if (r == 0)
            r = finish(t, ret);
        transfer_free(t);
        return r;
    }
    list_remove(&t->link);
    list_append(&h->leaving, &t->link);
    loop_at_turn_end(&h->hook);
    return r;
}

/* ---- life ---- */

static void http_curl_free(struct http_curl *h) {
    if (!h)
        return;
    tls_free(h->tls);
    free(h->user_agent);
    free(h);
    curl_global_cleanup();
}

static bool set_up_multi(struct http_curl *h, const struct http_client_options *o) {
    long kept = o && o->connections_kept ? (long) o->connections_kept : KEPT_DEFAULT;

    h->multi = curl_multi_init();
    return h->multi &&
           curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
           curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) == CURLM_OK &&
           curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, kept) == CURLM_OK;
}

static int share_tls(const struct tls *from, struct tls **ret) {
    return from ? tls_share(from, ret)
                : tls_client_new(&(struct tls_client_options){ 0 }, ret, NULL);
}

int http_curl_open(const struct http_client_options *o, struct http_curl **ret) {
    /* Counted, and safe from any thread. */
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
        return -ENOMEM;
    struct http_curl *h = calloc(1, sizeof *h);
    if (!h) {
        curl_global_cleanup();
        return -ENOMEM;
    }
    h->loop = loop_of_thread;
    h->timer.run = on_time;
    h->hook.run = on_turn_end;
    h->again.run = on_again;
    http_names_init(&h->names);
    h->user_agent = strdup(o && o->user_agent ? o->user_agent : "parley");
    h->refuses_private = o && o->refuses_private;
    int r = share_tls(o ? o->tls : NULL, &h->tls);
    if (r == 0 && (!h->user_agent || !set_up_multi(h, o)))
        r = -ENOMEM;
    if (r < 0) {
        (void) curl_multi_cleanup(h->multi);
        http_curl_free(h);
        return r;
    }
    *ret = h;
    return 0;
}

struct http_curl *http_curl_close(struct http_curl *h) {
    if (!h)
        return NULL;
    SHIELD(INT64_MAX / 4);
    http_names_finish(&h->names);
    h->closer = task_self();
    loop_at_turn_end(&h->hook);
    while (!h->is_closed)
        if (task_suspend(WAIT_HTTP, h) < 0)
            continue;
    loop_forget_hook(&h->hook);
    http_curl_free(h);
    return NULL;
}
