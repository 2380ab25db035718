/*
 * What chat should be, as plain as can be: arrays that are searched from end to end. It knows what
 * each act does and to whom it is refused; the tests do the same to chat.db and compare.
 */
#pragma once

#include "async/base.h"

enum { USERS = 5, ROOMS = 3, MESSAGES = 1200, REACTED = 24, EMOJI = 4, TEXT_MAX = 64 };

struct model_reaction {
    int emoji, user;
};

struct model_message {
    uint64_t ver;
    int author;
    char text[TEXT_MAX];
    unsigned mentions; /* users, by bits, at the time when the text was written */
    bool mentions_all;
    bool is_edited, is_deleted, is_pinned, is_gone; /* gone: its time was over */
    int deleted_by;
    int64_t at;
    struct model_reaction reactions[REACTED];
    int reactions_n;
};

struct model_member {
    bool is_in;
    uint64_t read_seq, ver;
    bool unread_mark;
};

struct model_room {
    bool is_public;
    uint64_t ver, last_seq, floor_seq, floor_ver;
    struct model_message messages[MESSAGES + 1]; /* by seq */
    struct model_member members[USERS];
};

struct model {
    struct model_room rooms[ROOMS];
};

/* All of it that everybody sees; ret: at least 512 bytes. */
void model_message_text(const struct model_room *room, uint64_t seq, char *ret);

void model_count(const struct model_room *room, int user, unsigned *ret_unread,
                 unsigned *ret_mentions);

uint64_t model_send(struct model_room *room, int author, const char *text, bool may_all,
                    int64_t at);
void model_edit(struct model_room *room, uint64_t seq, const char *text, bool may_all);
void model_delete(struct model_room *room, uint64_t seq, int by);
bool model_react(struct model_room *room, uint64_t seq, int emoji, int user, bool adds);
bool model_pin(struct model_room *room, uint64_t seq, bool is_pinned);
void model_enter(struct model_room *room, int user);
void model_go(struct model_room *room, int user);
int model_retain(struct model_room *room, int64_t before_ms); /* how many went */
