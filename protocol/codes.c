#include "protocol/codes.h"

#define CODE_AS_TEXT(name, code, text, ...)                                                        \
    case name:                                                                                     \
        return STR(text);

struct str error_message(uint32_t code) {
    switch (code) {
        ERROR_TABLE(CODE_AS_TEXT)
    default:
        return (struct str){ 0 };
    }
}

struct str disconnect_reason(uint32_t code) {
    switch (code) {
        DISCONNECT_TABLE(CODE_AS_TEXT)
    default:
        return (struct str){ 0 };
    }
}

struct str unsubscribe_reason(uint32_t code) {
    switch (code) {
        UNSUBSCRIBE_TABLE(CODE_AS_TEXT)
    default:
        return (struct str){ 0 };
    }
}

bool error_is_temporary(uint32_t code) {
#define CODE_AS_FLAG(name, number, text, is_temporary)                                             \
    case name:                                                                                     \
        return is_temporary;

    switch (code) {
        ERROR_TABLE(CODE_AS_FLAG)
    default:
        return false;
    }
}

bool disconnect_reconnects(uint32_t code) {
    return !((code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999));
}
