/* A score as bytes that sort as scores do: members of P.map_order.CH begin with it. Those are in
 * order to the last digit, which Redis' own scores, being doubles, could not be. */
#pragma once

#include "async/base.h"

enum { MAP_ORDER_SIZE = 8 };

static inline void map_order_put(int64_t score, uint8_t to[static MAP_ORDER_SIZE]) {
    uint64_t value = (uint64_t) score ^ (UINT64_C(1) << 63);
    for (int i = 0; i < MAP_ORDER_SIZE; i++)
        to[i] = (uint8_t) (value >> (56 - 8 * i));
}
