/*
 * What carries HTTP requests over sockets: libcurl, driven by the loop. For http_client.c only,
 * which checks calls, limits and times them.
 */
#pragma once

#include "async/http_client.h"

struct http_curl;

/* As http_client_open(). */
MUST_CHECK int http_curl_open(const struct http_client_options *o, struct http_curl **ret);

/* No http_curl_call() may be under way. Takes NULL; returns NULL. */
SUSPENDS struct http_curl *http_curl_close(struct http_curl *h);

/* One exchange, without a time limit of its own. Results as of http_client_call(). */
SUSPENDS MUST_CHECK int http_curl_call(struct http_curl *h, const struct http_call *call,
                                       struct http_result *ret);
