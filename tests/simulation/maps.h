/* Those who follow a map: what they are given must make what the map holds. */
#pragma once

#include "async/base.h"
#include "protocol/bytes.h"

enum { SCENE_KEYS_MAX = 260, SCENE_VALUE_MAX = 512 };

struct client;
struct client_end;
struct peer;
struct scene_node;
struct wire_publication;

/* What somebody has of a map. */
struct map_view {
    uint32_t ids[SCENE_KEYS_MAX]; /* of the message that is the key's value, + 1; 0: none */
    struct {
        uint16_t len;
        uint8_t bytes[SCENE_VALUE_MAX];
    } bases[SCENE_KEYS_MAX]; /* with delta: what patches are made on */
};

/* What was published of a key, in its order: each key has one publisher. */
struct map_log {
    uint32_t acked[SCENE_KEYS_MAX];   /* the last one known to be there: id + 1; 0: none, or gone */
    uint32_t pending[SCENE_KEYS_MAX]; /* published since then, and nobody knows */
};

void map_key_name(uint32_t key, char name[static 8]);

/* Reads pages until it is subscribed. As subscribe() of subscribers.c. */
SUSPENDS int map_subscribe_peer(struct peer *p, struct client *c);
void map_note(struct peer *p, const struct wire_publication *publication); /* live */

/* Was told: the answer to what was published of a key. */
void map_answered(struct map_log *l, uint32_t key, uint32_t id, bool is_removal, int result);

/* Reads all of a channel's keys. */
SUSPENDS int map_read_all(struct scene_node *n, uint32_t channel,
                          uint32_t ids[static SCENE_KEYS_MAX], uint64_t *ret_top);
