#include "storage/chat/member_get.h"

#include "storage/chat/member_row.h"

int chat_member_get(struct chat_tx *tx, struct str room, struct str user, struct chat_member *ret) {
    int64_t room_key = 0, user_key = 0;

    int r = FETCH(tx, &room_key, "SELECT key FROM room WHERE id = ?1", TEXT(room));
    if (r > 0)
        r = FETCH(tx, &user_key, "SELECT key FROM user WHERE id = ?1", TEXT(user));
    if (r <= 0)
        return r < 0 ? r : CHAT_NOT_FOUND;
    return member_load(tx, room_key, user_key, ret);
}
