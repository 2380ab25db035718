/*
 * How people come in: who owns the team, who may register, and by which password. What a password
 * is kept as is its caller's matter (daemon/chat/password.h).
 */
#pragma once

#include "storage/chat/member.h"
#include "storage/chat/store.h"

struct chat_account {
    struct chat_user user; /* it may be deactivated */
    struct str password;   /* as it is kept; empty: none, of guests, bots and applications' users */
};

/* 2 to 32 of [a-z0-9_.-], beginning with a letter or digit; capitals are as good as others. */
bool chat_account_login_is_good(struct str login);

/* CHAT_NOT_FOUND: nobody signs in by that name; of the second: there is no such user. */
MUST_CHECK int chat_account_by_login(struct chat_tx *tx, struct str login,
                                     struct chat_account *ret);
MUST_CHECK int chat_account_by_id(struct chat_tx *tx, struct str id, struct chat_account *ret);

MUST_CHECK int chat_account_has_owner(struct chat_tx *tx, bool *ret);

struct chat_account_new {
    struct str login, name, password;
};

/* Who has come, and what they were put into: for the events. */
struct chat_arrival {
    struct chat_user user;
    struct {
        int64_t key;
        struct str id;
        struct chat_member member;
        struct chat_change change;
    } rooms[2];
    size_t n;
};

/* The room with this slug, where there is one that is public, takes every new member. */
#define CHAT_LOBBY STR("general")

/*
 * The first one: the owner, and the lobby with them in it. CHAT_GONE: there is an owner. Audited.
 * CHAT_BAD_REQUEST (login, name), CHAT_CONFLICT (login).
 */
MUST_CHECK int chat_account_set_up(struct chat_tx *tx, const struct chat_account_new *new,
                                   struct chat_arrival *ret);

/* By oneself, where registration is open; else CHAT_DENIED. Errors as above. */
MUST_CHECK int chat_account_register(struct chat_tx *tx, const struct chat_account_new *new,
                                     struct chat_arrival *ret);

/* Without asking whether they may: for invites. login empty: a guest, with a name alone, who is put
 * into no lobby. */
MUST_CHECK int chat_account_add(struct chat_tx *tx, const struct chat_account_new *new,
                                struct chat_arrival *ret);

/* Puts the user into a room, unless they are in it, and notes it. */
MUST_CHECK int chat_arrival_enter(struct chat_tx *tx, struct chat_arrival *a, int64_t room_key,
                                  struct str room, enum chat_member_role role);

/* The same of the lobby, if there is one and it is not full. */
MUST_CHECK int chat_arrival_enter_lobby(struct chat_tx *tx, struct chat_arrival *a);

/* empty: none, nobody signs in by one. */
MUST_CHECK int chat_account_set_password(struct chat_tx *tx, int64_t user_key, struct str password);
