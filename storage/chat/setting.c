#include "storage/chat/setting.h"

#include "storage/chat/audit.h"
#include "storage/chat/check.h"
#include "storage/chat/permission.h"
#include "storage/chat/query.h"

enum { RETAIN_D_MAX = 36500 };

static int read_setting(const struct rows *rows, struct chat_settings *s) {
    struct str name = row_text(rows, 0);
    if (str_equal(name, STR("name")))
        return row_keep_text(rows, 1, &s->name);
    if (str_equal(name, STR("registration")))
        s->registration = (enum chat_registration) row_number(rows, 1);
    else if (str_equal(name, STR("guests")))
        s->guests = row_number(rows, 1) != 0;
    else if (str_equal(name, STR("retain_d")))
        s->retain_d = (unsigned) row_number(rows, 1);
    return 0;
}

int chat_settings_get(struct chat_tx *tx, struct chat_settings *ret) {
    struct rows rows;
    *ret = (struct chat_settings){ .guests = true };
    int r = QUERY(tx, &rows, "SELECT name, value FROM setting WHERE ?1", NUMBER(1));
    while (r == 0 && (r = rows_next(&rows)) > 0)
        r = read_setting(&rows, ret);
    rows_end(&rows);
    return r;
}

static int put(struct chat_tx *tx, const char *name, struct sql_value value) {
    return RUN(tx, "INSERT OR REPLACE INTO setting(name, value) VALUES (?1, ?2)",
               TEXT(str_of(name)), value);
}

int chat_settings_put(struct chat_tx *tx, const struct chat_actor *by,
                      const struct chat_settings *s) {
    if (by && !chat_team_permission(CHAT_TEAM_ADMIN, by->role))
        return CHAT_DENIED;
    int r = chat_check_line(tx, "name", s->name, 0, CHAT_NAME_MAX);
    if (r == 0 && s->registration > CHAT_REGISTER_CLOSED)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "registration", 0);
    if (r == 0 && s->retain_d > RETAIN_D_MAX)
        r = chat_refuse(tx, CHAT_BAD_REQUEST, "retain_d", RETAIN_D_MAX);
    if (r == 0)
        r = put(tx, "name", TEXT(s->name));
    if (r == 0)
        r = put(tx, "registration", NUMBER(s->registration));
    if (r == 0)
        r = put(tx, "guests", NUMBER(s->guests));
    if (r == 0)
        r = put(tx, "retain_d", NUMBER(s->retain_d));
    return r != 0 ? r
                  : chat_audit_add(tx, by ? by->key : 0, "admin.settings", 0, 0, (struct str){ 0 });
}
