#include <errno.h>

#include "protocol/http_impl.h"

struct str http_reason_of(int status) {
    switch (status) {
    case 100:
        return STR("Continue");
    case 101:
        return STR("Switching Protocols");
    case 200:
        return STR("OK");
    case 201:
        return STR("Created");
    case 204:
        return STR("No Content");
    case 301:
        return STR("Moved Permanently");
    case 302:
        return STR("Found");
    case 304:
        return STR("Not Modified");
    case 307:
        return STR("Temporary Redirect");
    case 308:
        return STR("Permanent Redirect");
    case 400:
        return STR("Bad Request");
    case 401:
        return STR("Unauthorized");
    case 403:
        return STR("Forbidden");
    case 404:
        return STR("Not Found");
    case 405:
        return STR("Method Not Allowed");
    case 406:
        return STR("Not Acceptable");
    case 408:
        return STR("Request Timeout");
    case 409:
        return STR("Conflict");
    case 411:
        return STR("Length Required");
    case 413:
        return STR("Content Too Large");
    case 414:
        return STR("URI Too Long");
    case 415:
        return STR("Unsupported Media Type");
    case 417:
        return STR("Expectation Failed");
    case 426:
        return STR("Upgrade Required");
    case 429:
        return STR("Too Many Requests");
    case 431:
        return STR("Request Header Fields Too Large");
    case 500:
        return STR("Internal Server Error");
    case 501:
        return STR("Not Implemented");
    case 502:
        return STR("Bad Gateway");
    case 503:
        return STR("Service Unavailable");
    case 504:
        return STR("Gateway Timeout");
    case 505:
        return STR("HTTP Version Not Supported");
    default:
        return STR("");
    }
}

/* Nothing that is written may end a header early and begin another. */
static bool is_writable(const struct http_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!http_is_token(headers[i].name) || !http_is_value(headers[i].value))
            return false;
    }
    return true;
}

static void write_header(struct buffer *out, struct str name, struct str value) {
    buffer_append_str(out, name);
    buffer_append(out, ": ", 2);
    buffer_append_str(out, value);
    buffer_append(out, "\r\n", 2);
}

static void write_headers(struct buffer *out, const struct http_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++)
        write_header(out, headers[i].name, headers[i].value);
    buffer_append(out, "\r\n", 2);
}

int http_write_head(struct buffer *out, const struct http_answer *a, int64_t body_len) {
    if (a->status < 100 || a->status > 999 || !is_writable(a->headers, a->header_count))
        return -EINVAL;

    buffer_append_str(out, STR("HTTP/1.1 "));
    buffer_append_uint(out, (uint64_t) a->status);
    buffer_append_byte(out, ' ');
    buffer_append_str(out, http_reason_of(a->status));
    buffer_append(out, "\r\n", 2);
    if (body_len >= 0 && a->status >= 200 && a->status != 204 && a->status != 304) {
        buffer_append_str(out, STR("Content-Length: "));
        buffer_append_int(out, body_len);
        buffer_append(out, "\r\n", 2);
    }
    if (a->closes)
        write_header(out, STR("Connection"), STR("close"));
    write_headers(out, a->headers, a->header_count);
    return buffer_error(out);
}

int http_write_answer(struct buffer *out, const struct http_answer *a) {
    int r = http_write_head(out, a, (int64_t) a->body.len);
    if (r < 0)
        return r;
    if (!a->is_head && a->status >= 200 && a->status != 204 && a->status != 304)
        buffer_append_bytes(out, a->body);
    return buffer_error(out);
}

int http_write_request(struct buffer *out, struct str method, struct str target, struct str host,
                       const struct http_header *headers, size_t count) {
    if (!http_is_token(method) || target.len == 0 || !http_all_in(target, HTTP_IS_TARGET) ||
        host.len == 0 || !http_all_in(host, HTTP_IS_HOST) || !is_writable(headers, count))
        return -EINVAL;

    buffer_append_str(out, method);
    buffer_append_byte(out, ' ');
    buffer_append_str(out, target);
    buffer_append_str(out, STR(" HTTP/1.1\r\n"));
    write_header(out, STR("Host"), host);
    write_headers(out, headers, count);
    return buffer_error(out);
}
