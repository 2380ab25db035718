/* The bytes of a line: commands in, answers out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "async/group.h"
#include "tests/support/redis_model/model_impl.h"

enum { READ_BYTES = 4096, WORDS_MAX = 1024 * 1024 };

void line_cut(struct model_line *l) {
    if (l->is_cut)
        return;
    l->is_cut = true;
    l->process->model->cuts++;
    /* What it had sent and nobody has run is lost. */
    struct request **at = &l->process->first;
    while (*at) {
        struct request *r = *at;
        if (r->line == l) {
            *at = r->next;
            request_free(r);
        } else {
            at = &r->next;
        }
    }
    l->process->end = at;
    stream_pair_cut(l->stream);
}

static void line_free(struct model_line *l) {
    process_forget(l->process, l);
    list_remove(&l->link);
    stream_close(l->stream);
    buffer_finish(&l->in);
    buffer_finish(&l->out);
    for (size_t i = 0; i < l->n_channels; i++)
        blob_free(&l->channels[i]);
    for (size_t i = 0; i < l->n_patterns; i++)
        blob_free(&l->patterns[i]);
    free(l->channels);
    free(l->patterns);
    free(l);
}

/* ---- commands ---- */

/* ":123\r\n" with its mark: how long it is. 0: it is not all there; -EPROTO. */
static ssize_t read_count(struct bytes in, char mark, size_t *ret) {
    const uint8_t *end = in.len ? memchr(in.data, '\n', in.len) : NULL;
    char *stop;

    if (in.len && in.data[0] != (uint8_t) mark)
        return -EPROTO;
    if (!end)
        return 0;
    long value = strtol((const char *) in.data + 1, &stop, 10);
    if (value < 0 || value > WORDS_MAX || *stop != '\r' || stop + 1 != (const char *) end)
        return -EPROTO;
    *ret = (size_t) value;
    return end - in.data + 1;
}

/* How long it is; 0: it is not all there. */
static ssize_t read_word(struct bytes in, struct bytes *ret) {
    size_t len;
    ssize_t used = read_count(in, '$', &len);

    if (used <= 0)
        return used;
    if (in.len - (size_t) used < len + 2)
        return 0;
    *ret = bytes_of(in.data + used, len);
    return used + (ssize_t) len + 2;
}

static ssize_t read_request(struct bytes in, struct request **ret) {
    size_t n, made = 0;
    ssize_t at = read_count(in, '*', &n);

    if (at <= 0)
        return at;
    if (n == 0)
        return -EPROTO;
    struct request *r = calloc(1, sizeof *r);
    if (!r || !(r->argv = calloc(n, sizeof *r->argv)))
        abort();
    for (; made < n; made++) {
        struct bytes word;
        ssize_t used = read_word(bytes_of(in.data + at, in.len - (size_t) at), &word);
        if (used <= 0) {
            at = used;
            break;
        }
        r->argv[made] = blob_copy(word);
        at += used;
    }
    r->n = made;
    if (made == n)
        *ret = r;
    else
        request_free(r);
    return at;
}

static int take_requests(struct model_line *l) {
    struct request *r;
    ssize_t used;

    while ((used = read_request(buffer_bytes(&l->in), &r)) > 0) {
        buffer_consume(&l->in, (size_t) used);
        r->line = l;
        process_take(l->process, r);
    }
    return (int) used;
}

/* ---- its tasks ---- */

static int write_answers(void *arg) {
    struct model_line *l = arg;
    int r = 0;

    while (r == 0) {
        r = event_wait(&l->has_output);
        event_clear(&l->has_output);
        if (r == 0 && l->out.len) {
            struct buffer out = l->out;
            struct iovec v = { .iov_base = out.data, .iov_len = out.len };
            l->out = BUFFER_INIT;
            r = stream_write_all(l->stream, &v, 1);
            buffer_finish(&out);
        }
    }
    return r;
}

static int serve(struct model_line *l, uint8_t *part) {
    GROUP(writer);
    int r = group_spawn(&writer, "redis answers", write_answers, l);

    while (r == 0) {
        ssize_t n = stream_read(l->stream, part, READ_BYTES);
        if (n <= 0)
            return (int) n;
        buffer_append(&l->in, part, (size_t) n);
        r = l->is_cut ? -ECONNRESET : take_requests(l);
    }
    return r;
}

int line_run(void *arg) {
    struct model_line *l = arg;
    uint8_t *part = malloc(READ_BYTES);

    if (!part)
        abort();
    (void) serve(l, part);
    free(part);
    line_free(l);
    return 0;
}
