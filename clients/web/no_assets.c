/* A build without the page. */
#include "daemon/transport/assets.h"

struct asset_table web_assets(void) {
    return (struct asset_table){ .items = NULL, .n = 0 };
}
