/*
 * HTTP/1.1 requests to other servers, from tasks: libcurl's multi interface driven by the loop, one
 * client per loop. Connections are kept and used again. Names are looked up on threads. http:// and
 * https:// only; certificates are verified; no proxy, no cookies, no signals, no .netrc.
 *
 * Every call runs under a limit (struct http_limit): so many at once, so many waiting in the order
 * of asking, the rest refused at once. One slow server, having a limit of its own, delays nobody
 * else.
 *
 * In a simulated loop, and wherever options.respond is set, no socket is opened: respond() answers.
 */
#pragma once

#include "async/base.h"
#include "async/semaphore.h"

struct http_client;
struct tls;

/* NUL-terminated, without line breaks or other control characters. An empty value is sent. */
struct http_field {
    const char *name;
    const char *value;
};

enum {
    HTTP_TIMEOUT_MS = 5000, /* of calls that name none */
    HTTP_RESPONSE_MAX = 1024 * 1024,
    HTTP_HEAD_MAX = 64 * 1024, /* of an answer, all redirects together */
    HTTP_URL_MAX = 8192,
    HTTP_FIELDS_MAX = 128,
    HTTP_WHY_MAX = 160,
};

/* How many calls at once, and how many more may wait for those. On a loop, shared by whoever is
 * given it; must outlive their calls. */
struct http_limit {
    struct semaphore running; /* private, as all but the figures */
    size_t running_max, waiting_max;
    size_t waiting;                                        /* now */
    uint64_t calls, refused, failed, timed_out, too_large; /* since init; all calls, and of them */
};

void http_limit_init(struct http_limit *l, size_t running_max, size_t waiting_max);
size_t http_limit_running(const struct http_limit *l);

struct http_call {
    const char *method;      /* NULL: POST if there is a body, else GET */
    const char *url;         /* at most HTTP_URL_MAX - 1 bytes */
    const char *unix_socket; /* path: connect there whatever the URL names; or NULL */
    const struct http_field *fields;
    size_t n_fields; /* at most HTTP_FIELDS_MAX */
    const void *body;
    size_t body_len;
    bool has_body;            /* an empty one is sent, too */
    int64_t timeout_ms;       /* of everything, waiting included; 0: HTTP_TIMEOUT_MS */
    size_t response_max;      /* bytes of body; 0: HTTP_RESPONSE_MAX */
    unsigned redirects_max;   /* 0: a 3xx is the answer */
    struct http_limit *limit; /* NULL: the client's own */
};

/* An answer, whatever its status: zeroed at first, http_result_finish() always. */
struct http_result {
    int status; /* 100 ... 599 */
    char *body; /* NUL-terminated besides body_len; NULL: empty */
    size_t body_len;
    char *head;             /* status line and fields of the last answer, as they came; or NULL */
    char why[HTTP_WHY_MAX]; /* of a failure: a sentence for logs, "" if there is nothing to add */
};

void http_result_finish(struct http_result *r);

/* The first field of that name (ASCII case ignored), its value cut out of head into buf and cut off
 * at cap - 1. false: there is none. */
bool http_result_field(const struct http_result *r, const char *name, char *buf, size_t cap);

/*
 * Sends a request and waits for the whole answer. Everything in call is borrowed for the call.
 *
 * 0: *ret is filled in, with any status. Else, with ret->why:
 * -EINVAL: URL, method or a field is unusable. -ENOBUFS: too many wait already. -EMSGSIZE: the
 * answer is larger than allowed. -ENOENT: no such host. -EACCES: refuses_private, and it is.
 * -ECONNREFUSED: no connection (refused,
 * unreachable). -EKEYREJECTED: the certificate is not trusted. -ELOOP: too many redirects.
 * -EPROTO: the peer does not speak HTTP. -ECONNRESET: it broke off. -ETIMEDOUT: timeout_ms, or a
 * deadline of the caller's has passed. -ECANCELED. -ENOMEM (or one line of the answer's head is
 * over 100 KiB, which libcurl calls the same). -ENETUNREACH: a simulated loop without
 * respond().
 */
SUSPENDS MUST_CHECK int http_client_call(struct http_client *c, const struct http_call *call,
                                         struct http_result *ret);

struct http_client_options {
    const struct tls *tls;  /* a client's: whom to trust, and whether; is shared. NULL: the system's
                               authorities, which are read in place: some 20 ms */
    const char *user_agent; /* NULL: "parley" */
    size_t running_max;     /* of the client's own limit; 0: 64 */
    size_t waiting_max;     /* 0: 256 */
    size_t connections_kept; /* idle ones; 0: 64 */
    bool refuses_private; /* connects to no address_is_private(): for URLs that others choose. Their
                             names are judged by what they are found to be, at each connect */

    /*
     * Answers in the network's place: in the caller's task, under the call's deadline, so that it
     * may sleep to be slow. 0: status is set, and body and head, malloc()ed, may be; or -errno, as
     * of http_client_call().
     */
    SUSPENDS int (*respond)(void *arg, const struct http_call *call, struct http_result *ret);
    void *respond_arg;
};

/* Of the current loop. o may be NULL. -ENOMEM; -EBADMSG: the system's authorities are unusable. */
MUST_CHECK int http_client_open(const struct http_client_options *o, struct http_client **ret);

/* No call may be under way. Closes the kept connections. Takes NULL; returns NULL. */
SUSPENDS struct http_client *http_client_close(struct http_client *c);

struct http_limit *http_client_limit(struct http_client *c); /* its own, for its figures */
