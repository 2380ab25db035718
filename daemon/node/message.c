#include "daemon/node/message.h"

#include <errno.h>

#include "daemon/node/node.pb-c.h"
#include "protocol/protobuf_message.h"

void node_message_encode(const struct node_message *m, struct buffer *out) {
    Parley__Node__Message p = PARLEY__NODE__MESSAGE__INIT;
    p.version = NODE_VERSION;
    p.kind = m->kind;
    p.id = m->id;
    p.within_ms = m->within_ms;
    p.result = m->result;
    p.name = protobuf_from_text(m->name);
    p.body = protobuf_from_bytes(m->body);
    p.number = m->number;
    protobuf_append(out, &p.base);
}

int node_message_decode(struct bytes in, struct arena *a, struct node_message *ret) {
    struct protobuf_job job = { .arena = a };
    struct bytes message;
    const char *why;

    int r = protobuf_take(&in, &message, &why);
    if (r <= 0 || in.len > 0)
        return -EBADMSG;
    const Parley__Node__Message *p =
            protobuf_unpack(&job, &parley__node__message__descriptor, message);
    if (!p)
        return job.error;
    if (p->version > NODE_VERSION)
        return -EPROTONOSUPPORT;
    struct node_message m = { .kind = p->kind,
                              .id = p->id,
                              .within_ms = p->within_ms,
                              .result = p->result,
                              .body = protobuf_bytes(p->body),
                              .number = p->number };
    protobuf_text(&job, p->name, &m.name);
    if (job.error == 0)
        *ret = m;
    return job.error;
}
