#include "protocol/reply.h"

static void get_from_array(const void *from, size_t i, struct wire_publication *ret) {
    *ret = ((const struct wire_publication *) from)[i];
}

struct wire_publications wire_publications_of(const struct wire_publication *items, size_t n) {
    return (struct wire_publications){ .n = n, .get = get_from_array, .from = items };
}

struct reply_error reply_error_of(enum error_code code) {
    return (struct reply_error){ .code = code,
                                 .message = error_message(code),
                                 .is_temporary = error_is_temporary(code) };
}
