#include "protocol/emulation.h"

#include "protocol/codec.h"

int emulation_request_decode(const struct codec *codec, struct bytes body, struct arena *a,
                             struct emulation_request *ret, const char **ret_why) {
    return codec->decode_emulation(body, a, ret, ret_why);
}
