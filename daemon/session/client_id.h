/* The name of one connection: a UUID of version 4 (RFC 9562 section 5.4), which the server makes.
 */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

enum { CLIENT_ID_LEN = 36 }; /* as text */

struct client_id {
    uint8_t bytes[16];
};

struct client_text {
    char chars[CLIENT_ID_LEN];
};

struct client_id client_id_make(void); /* in a task */

/* What others call it; a span of *text. */
struct str client_id_text(const struct client_id *id, struct client_text *text);

/* false: no text that client_id_text() makes. */
bool client_id_parse(struct str text, struct client_id *ret);

/* The value of a hexadecimal digit as ids are written, in lower case; -1: it is none. */
int client_id_digit(char c);
