/* The tables of chat.db. For storage/chat/ only. */
#pragma once

#include <sqlite3.h>

#include "async/base.h"

/* chat.db as an SQLite application id: 'Pchd'. */
enum { CHAT_APPLICATION_ID = 0x50636864 };

/*
 * Brings it to the newest version, in one transaction, on the writer's connection. epoch: of a
 * database that is made now.
 *
 * -EBADMSG: another program's. -EPROTONOSUPPORT: written by a newer version of this one.
 */
MUST_CHECK int chat_schema_migrate(sqlite3 *db, const char *epoch);
int chat_schema_version(void); /* the newest */
