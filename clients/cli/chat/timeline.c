/* A room's messages: a run without a hole, and behind it what is being sent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/cli/chat/model_impl.h"

static void message_finish(struct message *m) {
    free(m->user);
    free(m->text);
    free(m->reply_user);
    free(m->reply_text);
    free(m->files);
    free(m->reactions);
    free(m->why);
}

static void drop_typing(struct room *r, size_t i) {
    free(r->typing[i].user);
    r->typing[i].user = NULL;
}

static void clear_messages(struct room *r, bool keeps_unsent) {
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++)
        if (keeps_unsent && r->messages[i].seq == 0)
            r->messages[kept++] = r->messages[i];
        else
            message_finish(&r->messages[i]);
    r->n = kept;
    r->ver = 0;
}

void room_clear(struct room *r) {
    clear_messages(r, false);
    for (size_t i = 0; i < MODEL_TYPING_MAX; i++)
        drop_typing(r, i);
}

/* ---- finding ---- */

/* Where the first message of at least this seq stands, or what is being sent, or the end. */
static size_t place_of(const struct room *r, uint64_t seq) {
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t there = r->messages[middle].seq;
        if (there != 0 && there < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct message *room_message(const struct room *r, uint64_t seq) {
    size_t at = place_of(r, seq);
    return seq && at < r->n && r->messages[at].seq == seq ? &r->messages[at] : NULL;
}

static size_t unsent_of(const struct room *r, struct str client_id) {
    for (size_t i = r->n; i-- > 0 && r->messages[i].seq == 0;)
        if (str_equal(str_of(r->messages[i].client_id), client_id))
            return i;
    return SIZE_MAX;
}

const struct message *room_last_of(const struct room *r, const char *user) {
    for (size_t i = r->n; i-- > 0;) {
        const struct message *m = &r->messages[i];
        if (m->seq && !m->is_deleted && strcmp(m->user, user) == 0)
            return m;
    }
    return NULL;
}

/* ---- putting ---- */

static int put_line(char **at, const struct buffer *line) {
    int r = buffer_error(line);

    if (r < 0)
        return r;
    char *text = line->len ? model_copy((struct str){ (char *) line->data, line->len }) : NULL;
    if (line->len && !text)
        return -ENOMEM;
    free(*at);
    *at = text;
    return 0;
}

static int put_reactions(struct message *m, const struct reaction_list *l) {
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;

    for (size_t i = 0; i < l->n; i++)
        buffer_printf(&line, "%s%.*s %u", line.len ? "  " : "", (int) l->items[i].emoji.len,
                      l->items[i].emoji.data, l->items[i].n);
    return put_line(&m->reactions, &line);
}

static int put_files(struct message *m, const struct attachment_list *l) {
    CLEANUP(buffer_finish) struct buffer line = BUFFER_INIT;

    for (size_t i = 0; i < l->n; i++)
        buffer_printf(&line, "%s%.*s (%llu KiB, /files/%.*s)", line.len ? ", " : "",
                      (int) l->items[i].name.len, l->items[i].name.data,
                      (unsigned long long) (l->items[i].size_bytes + 1023) / 1024,
                      (int) l->items[i].id.len, l->items[i].id.data);
    return put_line(&m->files, &line);
}

static int fill_in(struct message *m, const struct message_object *o) {
    int r = model_set(&m->user, o->user);

    if (r == 0)
        r = model_set(&m->text, o->text);
    if (r == 0 && o->reply_to.seq)
        r = model_set(&m->reply_user, o->reply_to.user);
    if (r == 0 && o->reply_to.seq)
        r = model_set(&m->reply_text, o->reply_to.text);
    if (r == 0)
        r = put_reactions(m, &o->reactions);
    if (r == 0)
        r = put_files(m, &o->attachments);
    if (r < 0)
        return r;
    m->seq = o->seq;
    m->ver = o->ver;
    m->at_ms = o->at_ms;
    m->reply_seq = o->reply_to.seq;
    m->is_deleted = o->is_deleted;
    m->is_edited = o->edited_at_ms != 0;
    m->is_pinned = o->is_pinned;
    m->state = MESSAGE_SENT;
    return 0;
}

static struct message *make_place(struct room *r, size_t at) {
    struct message *messages = model_grow(r->messages, r->n, &r->cap, sizeof *messages);

    if (!messages)
        return NULL;
    r->messages = messages;
    memmove(&messages[at + 1], &messages[at], (r->n - at) * sizeof *messages);
    r->n++;
    messages[at] = (struct message){ 0 };
    return &messages[at];
}

static void take_away(struct room *r, size_t at) {
    message_finish(&r->messages[at]);
    r->n--;
    memmove(&r->messages[at], &r->messages[at + 1], (r->n - at) * sizeof *r->messages);
}

static int put_message(struct room *r, const struct message_object *o) {
    size_t unsent = o->client_id.len ? unsent_of(r, o->client_id) : SIZE_MAX;

    if (o->seq == 0)
        return 0;
    if (unsent != SIZE_MAX)
        take_away(r, unsent);
    size_t at = place_of(r, o->seq);
    if (at < r->n && r->messages[at].seq == o->seq)
        return o->ver < r->messages[at].ver ? 0 : fill_in(&r->messages[at], o);
    struct message *m = make_place(r, at);
    if (!m)
        return -ENOMEM;
    int e = fill_in(m, o);
    if (e < 0)
        take_away(r, at);
    return e;
}

static int put_messages(struct room *r, const struct message_list *messages) {
    int e = 0;
    for (size_t i = 0; i < messages->n && e == 0; i++)
        e = put_message(r, &messages->items[i]);
    return e;
}

int room_open(struct model *m, struct room *r, const struct chat_object *answer) {
    clear_messages(r, true);
    int e = answer->room.id.len ? model_put_room(m, &answer->room, NULL) : 0;
    if (e == 0)
        e = put_messages(r, &answer->messages);
    if (e < 0)
        return e;
    r->has_before = answer->has_before;
    r->ver = answer->room.ver;
    return 0;
}

int room_prepend(struct room *r, const struct chat_object *answer) {
    int e = put_messages(r, &answer->messages);
    if (e == 0)
        r->has_before = answer->has_before;
    return e;
}

/* What lies before the timeline's beginning is not its business: it would leave a hole. */
static bool is_within(const struct room *r, uint64_t seq) {
    return !r->has_before || r->n == 0 || r->messages[0].seq == 0 || seq >= r->messages[0].seq;
}

int room_synced(struct model *m, struct room *r, const struct chat_object *answer) {
    if (answer->is_reset)
        return ROOM_OPEN_ANEW;
    int e = answer->room.id.len ? model_put_room(m, &answer->room, NULL) : 0;
    for (size_t i = 0; i < answer->messages.n && e == 0; i++)
        if (is_within(r, answer->messages.items[i].seq))
            e = put_message(r, &answer->messages.items[i]);
    if (e < 0)
        return e;
    bool is_further = answer->ver > r->ver;
    if (is_further)
        r->ver = answer->ver;
    return answer->has_more || (is_further && r->seen_ver > r->ver) ? ROOM_ASK_AGAIN
                                                                    : ROOM_IS_WHOLE;
}

/* ---- who types ---- */

static int put_typing(struct room *r, struct str user, bool is_typing, int64_t now_ms) {
    size_t free_place = MODEL_TYPING_MAX;

    for (size_t i = 0; i < MODEL_TYPING_MAX; i++) {
        if (!r->typing[i].user) {
            if (free_place == MODEL_TYPING_MAX)
                free_place = i;
        } else if (str_equal(str_of(r->typing[i].user), user)) {
            r->typing[i].until_ms = now_ms + MODEL_TYPING_MS;
            if (!is_typing)
                drop_typing(r, i);
            return 0;
        }
    }
    if (!is_typing || free_place == MODEL_TYPING_MAX)
        return 0;
    r->typing[free_place].user = model_copy(user);
    r->typing[free_place].until_ms = now_ms + MODEL_TYPING_MS;
    return r->typing[free_place].user ? 0 : -ENOMEM;
}

bool room_forget_typing(struct room *r, int64_t now_ms) {
    bool has_any = false;

    for (size_t i = 0; i < MODEL_TYPING_MAX; i++) {
        if (!r->typing[i].user || r->typing[i].until_ms > now_ms)
            continue;
        drop_typing(r, i);
        has_any = true;
    }
    return has_any;
}

/* ---- events ---- */

static int message_event(struct room *r, const struct chat_object *event, int64_t now_ms) {
    const struct message_object *o = &event->message;

    if (o->seq > r->last_seq)
        r->last_seq = o->seq;
    int e = put_typing(r, o->user, false, now_ms);
    return e < 0 || !is_within(r, o->seq) ? e : put_message(r, o);
}

static int change(struct model *m, struct room *r, const struct chat_object *event,
                  int64_t now_ms) {
    struct message *message = room_message(r, event->seq);

    if (str_starts_with(event->type, STR("message.")))
        return message_event(r, event, now_ms);
    if (message && event->ver > message->ver)
        message->ver = event->ver;
    if (message && str_starts_with(event->type, STR("reaction.")))
        return put_reactions(message, &event->reactions);
    if (message && str_starts_with(event->type, STR("pin.")))
        message->is_pinned = str_equal(event->type, STR("pin.added"));
    if (str_starts_with(event->type, STR("member.")))
        return model_put_user(m, &event->user);
    if (str_equal(event->type, STR("room.updated")))
        return model_put_room(m, &event->room, NULL);
    return 0;
}

int room_event(struct model *m, struct room *r, const struct chat_object *event, int64_t now_ms) {
    if (str_starts_with(event->type, STR("typing.")))
        return m->me && str_equal(event->user.id, str_of(m->me))
                       ? 0
                       : put_typing(r, event->user.id,
                                    str_equal(event->type, STR("typing.started")), now_ms);
    if (event->ver == 0)
        return 0;
    if (event->ver > r->seen_ver)
        r->seen_ver = event->ver;
    if (r->ver == 0 || event->ver <= r->ver)
        return ROOM_IS_WHOLE; /* it is not open yet, or has it */
    if (event->ver != r->ver + 1)
        return ROOM_ASK_AGAIN;
    int e = change(m, r, event, now_ms);
    if (e < 0)
        return e;
    r->ver = event->ver;
    return ROOM_IS_WHOLE;
}

/* ---- sending ---- */

struct message *room_send(struct model *m, struct room *r, const char *client_id, const char *text,
                          uint64_t reply_seq, int64_t now_ms) {
    struct message *message = make_place(r, r->n);

    if (!message)
        return NULL;
    message->user = model_copy(str_of(m->me));
    message->text = model_copy(str_of(text));
    message->state = MESSAGE_SENDING;
    message->at_ms = now_ms;
    message->reply_seq = reply_seq;
    (void) snprintf(message->client_id, sizeof message->client_id, "%s", client_id);
    if (!message->user || !message->text) {
        take_away(r, r->n - 1);
        return NULL;
    }
    return message;
}

int room_sent(struct room *r, struct str client_id, const struct chat_object *answer) {
    size_t at = unsent_of(r, client_id);

    if (at == SIZE_MAX)
        return 0;
    if (room_message(r, answer->seq)) {
        take_away(r, at); /* the event was faster */
        return 0;
    }
    struct message sent = r->messages[at];
    memmove(&r->messages[at], &r->messages[at + 1], (r->n - at - 1) * sizeof sent);
    r->n--;
    sent.seq = answer->seq;
    sent.ver = answer->ver;
    sent.at_ms = answer->at_ms;
    sent.state = MESSAGE_SENT;
    if (sent.seq > r->last_seq)
        r->last_seq = sent.seq;
    struct message *place = make_place(r, place_of(r, sent.seq));
    if (!place) {
        message_finish(&sent);
        return -ENOMEM;
    }
    *place = sent;
    return 0;
}

void room_send_failed(struct room *r, struct str client_id, struct str why) {
    size_t at = unsent_of(r, client_id);

    if (at == SIZE_MAX)
        return;
    r->messages[at].state = MESSAGE_FAILED;
    free(r->messages[at].why);
    r->messages[at].why = model_copy(why);
}

void room_discard(struct room *r, size_t index) {
    if (index < r->n && r->messages[index].seq == 0)
        take_away(r, index);
}
