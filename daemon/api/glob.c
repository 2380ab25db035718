#include "daemon/api/glob.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "protocol/buffer.h"

/* As a regular expression: everything but letters, digits and what is no ASCII is escaped. */
static void put_literal(struct buffer *out, char c) {
    if (!isalnum((unsigned char) c) && (unsigned char) c < 0x80)
        buffer_append_byte(out, '\\');
    buffer_append_byte(out, (uint8_t) c);
}

/* From behind the '[' on. The place behind the ']', or SIZE_MAX: there is none. */
static size_t put_class(struct buffer *out, struct str text, size_t at) {
    buffer_append_byte(out, '[');
    if (at < text.len && text.data[at] == '!') {
        buffer_append_byte(out, '^');
        at++;
    }
    for (size_t first = at; at < text.len; at++) {
        char c = text.data[at];
        if (c == ']' && at > first) {
            buffer_append_byte(out, ']');
            return at + 1;
        }
        if (c == '\\' && at + 1 < text.len)
            put_literal(out, text.data[++at]);
        else if (c == '-')
            buffer_append_byte(out, '-');
        else
            put_literal(out, c);
    }
    return SIZE_MAX;
}

static int complain(const char *what, char *why, size_t cap) {
    (void) snprintf(why, cap, "%s", what);
    return -EINVAL;
}

static int translate(struct str text, struct buffer *out, char *why, size_t cap) {
    size_t depth = 0;

    buffer_append_str(out, STR("(?s)\\A(?:"));
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '*':
            while (i + 1 < text.len && text.data[i + 1] == '*')
                i++;
            buffer_append_str(out, STR(".*"));
            break;
        case '?':
            buffer_append_byte(out, '.');
            break;
        case '[': {
            size_t after = put_class(out, text, i + 1);
            if (after == SIZE_MAX)
                return complain("a [ is not closed", why, cap);
            i = after - 1;
            break;
        }
        case '{':
            depth++;
            buffer_append_str(out, STR("(?:"));
            break;
        case '}':
            if (depth == 0)
                return complain("a } was not opened", why, cap);
            depth--;
            buffer_append_byte(out, ')');
            break;
        case ',':
            buffer_append_byte(out, depth ? '|' : ',');
            break;
        case '\\':
            if (i + 1 == text.len)
                return complain("nothing follows a \\", why, cap);
            put_literal(out, text.data[++i]);
            break;
        default:
            put_literal(out, text.data[i]);
        }
    }
    buffer_append_str(out, STR(")\\z"));
    return depth ? complain("a { is not closed", why, cap) : buffer_error(out);
}

int glob_new(struct str text, struct pattern **ret, char *why, size_t cap) {
    struct buffer out CLEANUP(buffer_finish) = BUFFER_INIT;
    int r = translate(text, &out, why, cap);
    if (r < 0)
        return r;
    return pattern_new((struct str){ (const char *) out.data, out.len }, ret, why, cap);
}
