#include "storage/chat/permission.h"

#include "storage/chat/error.h"

/* Where an action may be done by whom. */
struct rule {
    const char *name;
    enum chat_member_role least; /* in public and private rooms: this role, or one above */
    bool in_direct, in_group;    /* by its users */
    bool from_outside;           /* public rooms: by who is not in it, but no guests */
    bool by_admins;              /* public rooms: by the team's admins, in it or not */
    bool changes;
};

static const struct rule rules[CHAT_ACTIONS] = {
    /* clang-format off */
    /*                        name             least             direct group  outside admins changes */
    [CHAT_ACT_READ]          = {"read",          CHAT_ROOM_GUEST,  true,  true,  true,  true,  false },
    [CHAT_ACT_FOLLOW]        = {"follow",        CHAT_ROOM_GUEST,  true,  true,  false, false, false },
    [CHAT_ACT_JOIN]          = {"join",          CHAT_ROOM_GUEST,  true,  true,  true,  true,  true  },
    [CHAT_ACT_LEAVE]         = {"leave",         CHAT_ROOM_GUEST,  false, true,  false, false, false },
    [CHAT_ACT_SEND]          = {"send",          CHAT_ROOM_GUEST,  true,  true,  false, false, true  },
    [CHAT_ACT_EDIT_OWN]      = {"edit_own",      CHAT_ROOM_GUEST,  true,  true,  false, false, true  },
    [CHAT_ACT_DELETE_OWN]    = {"delete_own",    CHAT_ROOM_GUEST,  true,  true,  false, false, true  },
    [CHAT_ACT_DELETE_ANY]    = {"delete_any",    CHAT_ROOM_MOD,    false, false, false, true,  true  },
    [CHAT_ACT_REACT]         = {"react",         CHAT_ROOM_GUEST,  true,  true,  false, false, true  },
    [CHAT_ACT_PIN]           = {"pin",           CHAT_ROOM_MEMBER, true,  true,  false, true,  true  },
    [CHAT_ACT_MENTION_ALL]   = {"mention_all",   CHAT_ROOM_MEMBER, true,  true,  false, false, true  },
    [CHAT_ACT_ADD_MEMBER]    = {"add_member",    CHAT_ROOM_MEMBER, false, true,  false, true,  true  },
    [CHAT_ACT_REMOVE_MEMBER] = {"remove_member", CHAT_ROOM_MOD,    false, false, false, true,  true  },
    [CHAT_ACT_SET_ROLE]      = {"set_role",      CHAT_ROOM_OWNER,  false, false, false, true,  true  },
    [CHAT_ACT_BAN]           = {"ban",           CHAT_ROOM_MOD,    false, false, false, true,  false },
    [CHAT_ACT_MUTE]          = {"mute",          CHAT_ROOM_MOD,    false, false, false, true,  false },
    [CHAT_ACT_UPDATE]        = {"update",        CHAT_ROOM_MOD,    false, true,  false, true,  true  },
    [CHAT_ACT_ARCHIVE]       = {"archive",       CHAT_ROOM_OWNER,  false, false, false, true,  false },
    [CHAT_ACT_INVITE]        = {"invite",        CHAT_ROOM_MOD,    false, false, false, true,  true  },
    [CHAT_ACT_HOOK]          = {"hook",          CHAT_ROOM_OWNER,  false, false, false, true,  true  },
    [CHAT_ACT_RETAIN]        = {"retain",        CHAT_ROOM_OWNER,  false, false, false, true,  true  },
    [CHAT_ACT_FREELY]        = {"freely",        CHAT_ROOM_MOD,    true,  true,  false, true,  true  },
    /* clang-format on */
};

const char *chat_action_name(enum chat_action action) {
    return rules[action].name;
}

bool chat_action_changes(enum chat_action action) {
    return rules[action].changes;
}

static bool is_among_equals(enum chat_room_kind kind) {
    return kind == CHAT_ROOM_DIRECT || kind == CHAT_ROOM_GROUP;
}

/* What a member counts as. */
static enum chat_member_role role_of(enum chat_room_kind kind, enum chat_member_role member,
                                     enum chat_role team) {
    if (member == CHAT_NO_MEMBER)
        return member;
    if (team == CHAT_GUEST)
        return CHAT_ROOM_GUEST;
    return team >= CHAT_ADMIN && !is_among_equals(kind) ? CHAT_ROOM_OWNER : member;
}

static bool may_from_outside(const struct rule *rule, enum chat_room_kind kind,
                             enum chat_role team) {
    if (kind != CHAT_ROOM_PUBLIC || team == CHAT_GUEST)
        return false;
    return rule->from_outside || (rule->by_admins && team >= CHAT_ADMIN);
}

int chat_permission(enum chat_action action, enum chat_room_kind kind, enum chat_member_role member,
                    enum chat_role team) {
    const struct rule *rule = &rules[action];
    if (member == CHAT_NO_MEMBER)
        return may_from_outside(rule, kind, team) ? 0 : CHAT_NOT_FOUND;
    bool may = kind == CHAT_ROOM_DIRECT  ? rule->in_direct
               : kind == CHAT_ROOM_GROUP ? rule->in_group
                                         : role_of(kind, member, team) >= rule->least;
    return may ? 0 : CHAT_DENIED;
}

int chat_rank(enum chat_room_kind kind, enum chat_member_role member, enum chat_role team) {
    enum { AMONG_OWNERS = 8 };
    bool is_owner_anyway = kind == CHAT_ROOM_PUBLIC && team >= CHAT_ADMIN;
    enum chat_member_role role = is_owner_anyway ? CHAT_ROOM_OWNER : role_of(kind, member, team);
    return (int) role * AMONG_OWNERS +
           (team >= CHAT_ADMIN && !is_among_equals(kind) ? (int) team : 0);
}

static const enum chat_role team_least[CHAT_TEAM_ACTIONS] = {
    [CHAT_TEAM_CREATE_PUBLIC] = CHAT_MEMBER, [CHAT_TEAM_CREATE_PRIVATE] = CHAT_MEMBER,
    [CHAT_TEAM_CREATE_DIRECT] = CHAT_GUEST, /* with whom they know: room.c */
    [CHAT_TEAM_LIST_ROOMS] = CHAT_MEMBER,    [CHAT_TEAM_SEE_ALL_USERS] = CHAT_MEMBER,
    [CHAT_TEAM_INVITE] = CHAT_ADMIN,         [CHAT_TEAM_ADMIN] = CHAT_ADMIN,
};

bool chat_team_permission(enum chat_team_action action, enum chat_role team) {
    return team >= team_least[action];
}
