/*
 * Who may do what: one table of actions by the kind of room, the role in it, and the role in the
 * team. The functions that do it ask here themselves.
 *
 * Owners and admins of the team are owners of each public room, in it or not, and of each private
 * room that they are in. In direct rooms and groups all are equal. Who is in no room of that id is
 * told that there is none, unless it is a public one and the action is anybody's there; guests see
 * none but theirs.
 */
#pragma once

#include "storage/chat/types.h"

enum chat_action {
    CHAT_ACT_READ,   /* open, history, get, revisions, search, members */
    CHAT_ACT_FOLLOW, /* subscribe, sync, read marks, notify levels, typing */
    CHAT_ACT_JOIN,   /* by oneself */
    CHAT_ACT_LEAVE,
    CHAT_ACT_SEND,
    CHAT_ACT_EDIT_OWN,
    CHAT_ACT_DELETE_OWN,
    CHAT_ACT_DELETE_ANY,
    CHAT_ACT_REACT,
    CHAT_ACT_PIN,
    CHAT_ACT_MENTION_ALL,
    CHAT_ACT_ADD_MEMBER,
    CHAT_ACT_REMOVE_MEMBER, /* kick, too */
    CHAT_ACT_SET_ROLE,
    CHAT_ACT_BAN,
    CHAT_ACT_MUTE,
    CHAT_ACT_UPDATE,  /* name, topic, slow mode, ... */
    CHAT_ACT_ARCHIVE, /* and back */
    CHAT_ACT_INVITE,  /* make and list links */
    CHAT_ACT_HOOK,    /* webhooks */
    CHAT_ACT_RETAIN,  /* how long messages are kept */
    CHAT_ACT_FREELY,  /* slow mode does not hold them up */
    CHAT_ACTIONS
};

const char *chat_action_name(enum chat_action action);

/* 0, CHAT_DENIED, or CHAT_NOT_FOUND. */
int chat_permission(enum chat_action action, enum chat_room_kind kind, enum chat_member_role member,
                    enum chat_role team);

/* What someone counts as in a room: above whom they are. The team's role decides among owners. */
int chat_rank(enum chat_room_kind kind, enum chat_member_role member, enum chat_role team);

/* Does an archived room refuse it? */
bool chat_action_changes(enum chat_action action);

/* What may be done without a room. */
enum chat_team_action {
    CHAT_TEAM_CREATE_PUBLIC,
    CHAT_TEAM_CREATE_PRIVATE,
    CHAT_TEAM_CREATE_DIRECT, /* and groups */
    CHAT_TEAM_LIST_ROOMS,
    CHAT_TEAM_SEE_ALL_USERS,
    CHAT_TEAM_INVITE, /* into the team */
    CHAT_TEAM_ADMIN,  /* users, audit log, settings, statistics */
    CHAT_TEAM_ACTIONS
};

bool chat_team_permission(enum chat_team_action action, enum chat_role team);
