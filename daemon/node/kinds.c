/* Who does what other nodes ask for: the one table. */
#include "daemon/api/api.h"
#include "daemon/chat/remote.h"
#include "daemon/node/desk_impl.h"
#include "daemon/session/single.h"
#include "daemon/transport/emulation.h"

node_serve_fn *node_server(uint32_t kind) {
    switch (kind) {
    case NODE_ASK_API:
        return api_serve_node;
    case NODE_ASK_EMULATION:
        return emulation_serve_node;
    case NODE_ORDER_SINGLE:
        return single_serve_node;
    case NODE_ASK_CHAT:
        return chat_serve_node;
    case NODE_ORDER_CHAT_PART:
        return chat_serve_part;
    case NODE_ORDER_CHAT_SIGN_OUT:
        return chat_serve_sign_out;
    default:
        return NULL;
    }
}
