#include "daemon/config/config.h"

#include <stdlib.h>

#include "daemon/config/impl.h"
#include "daemon/config/pattern.h"
#include "protocol/arena.h"

struct config *config_ref(struct config *c) {
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void free_patterns(struct config *c) {
    for (size_t i = 0; i < c->n_namespaces; i++)
        (void) pattern_free(c->namespaces[i].channel_pattern);
    (void) pattern_free(c->without_namespace.channel_pattern);
}

/* Secrets are spans of the arena, which is ours alone by now. */
static void forget(const struct option *options, size_t n, const void *holder) {
    for (size_t i = 0; i < n; i++) {
        if (options[i].kind != OPTION_SECRET)
            continue;
        const struct str *secret =
                (const struct str *) (const void *) ((const char *) holder + options[i].offset);
        if (secret->len > 0)
            explicit_bzero((void *) (uintptr_t) secret->data, secret->len);
    }
}

static void forget_secrets(const struct config *c) {
    const struct option_group *groups = option_groups();
    size_t n, n_items;
    const struct option *options = config_options(&n);

    forget(options, n, c);
    for (size_t g = 0; g < OPTION_GROUPS; g++) {
        const char *items = config_items(c, &groups[g], &n_items);
        options = group_options(&groups[g], &n);
        for (size_t i = 0; i < n_items; i++)
            forget(options, n, items + i * groups[g].item_size);
    }
}

struct config *config_unref(struct config *c) {
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return NULL;

    free_patterns(c);
    forget_secrets(c);
    if (c->memory)
        arena_finish(c->memory);
    free(c->memory);
    free(c);
    return NULL;
}

void config_unrefp(struct config **c) {
    *c = config_unref(*c);
}

/* Where the name behind '$' and the namespace begins, and the namespace's name if there is one. */
static struct str split_channel(struct str channel, struct str *ret_namespace) {
    *ret_namespace = (struct str){ 0 };
    if (channel.len > 0 && channel.data[0] == '$') {
        channel.data++;
        channel.len--;
    }
    const char *colon = channel.len ? memchr(channel.data, ':', channel.len) : NULL;
    if (!colon)
        return channel;

    size_t before = (size_t) (colon - channel.data);
    *ret_namespace = (struct str){ channel.data, before };
    return (struct str){ colon + 1, channel.len - before - 1 };
}

static int compare_name(const void *key, const void *element) {
    const struct str *name = key;
    const struct namespace *ns = element;
    size_t shorter = name->len < ns->name.len ? name->len : ns->name.len;
    int order = shorter ? memcmp(name->data, ns->name.data, shorter) : 0;
    return order ? order : (name->len > ns->name.len) - (name->len < ns->name.len);
}

const struct namespace *config_namespace_of(const struct config *c, struct str channel) {
    struct str name;
    (void) split_channel(channel, &name);
    if (!name.data)
        return &c->without_namespace;
    if (c->n_namespaces == 0)
        return NULL;
    return bsearch(&name, c->namespaces, c->n_namespaces, sizeof *c->namespaces, compare_name);
}

bool namespace_allows_name(const struct namespace *ns, struct str channel) {
    struct str name;
    if (ns->channel_pattern)
        return pattern_matches(ns->channel_pattern, split_channel(channel, &name));

    unsigned char all = 0;
    for (size_t i = 0; i < channel.len; i++)
        all |= (unsigned char) channel.data[i];
    return all < 0x80;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* Remembers only the last star: earlier ones never need to take more than they first did. */
static bool glob_matches(struct str glob, struct str s) {
    size_t g = 0, i = 0, star = SIZE_MAX, taken = 0;
    while (i < s.len) {
        if (g < glob.len && glob.data[g] == '*') {
            star = g++;
            taken = i;
        } else if (g < glob.len && lower(glob.data[g]) == lower(s.data[i])) {
            g++;
            i++;
        } else if (star != SIZE_MAX) {
            g = star + 1;
            i = ++taken;
        } else {
            return false;
        }
    }
    while (g < glob.len && glob.data[g] == '*')
        g++;
    return g == glob.len;
}

bool config_allows_origin(const struct config *c, bool has_origin, struct str origin) {
    if (!has_origin)
        return true;
    for (size_t i = 0; i < c->client.n_allowed_origins; i++)
        if (glob_matches(c->client.allowed_origins[i], origin))
            return true;
    return false;
}

const struct config_rpc *config_rpc_of(const struct config *c, struct str method) {
    const char *colon = method.len ? memchr(method.data, ':', method.len) : NULL;
    if (!colon)
        return &c->rpc_without_namespace;

    struct str name = { method.data, (size_t) (colon - method.data) };
    for (size_t i = 0; i < c->n_rpc_namespaces; i++)
        if (str_equal(c->rpc_namespaces[i].name, name))
            return &c->rpc_namespaces[i];
    return NULL;
}
