#include "protocol/emulation.h"

#include <errno.h>

#include "protocol/codec.h"

int emulation_request_decode(const struct codec *codec, struct bytes body, struct arena *a,
                             struct emulation_request *ret, const char **ret_why) {
    int r = codec->decode_emulation(body, a, ret, ret_why);
    if (r < 0)
        return r;
    if (!ret->session.len || !ret->data.len) {
        *ret_why = "an emulation request has no session or no data";
        return -EBADMSG;
    }
    return 0;
}
