/*
 * Why something that a client asked for is not done: an error in the reply, or the end of the
 * connection. Codes of the protocol's tables, or an application's own, as its proxy answered.
 */
#pragma once

#include "protocol/codes.h"

struct refusal {
    uint32_t code; /* 0: it is done */
    bool is_disconnect;
    bool is_temporary; /* of an error */
    struct str text;   /* message or reason; static or of the asker's arena */
};

/* Of a code of the tables: 3000 and more are disconnects. code 0: none. */
static inline struct refusal refusal_of(uint32_t code) {
    bool is_disconnect = code >= 3000;
    return (struct refusal){
        .code = code,
        .is_disconnect = is_disconnect,
        .is_temporary = !is_disconnect && error_is_temporary(code),
        .text = is_disconnect ? disconnect_reason(code) : error_message(code),
    };
}
