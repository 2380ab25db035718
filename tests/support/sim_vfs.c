#include "tests/support/sim_vfs.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 4096,  /* of the cache: what a sync writes */
    SECTOR = 512, /* what is written wholly or not at all */
    SHM_REGION = 32768,
    SHM_REGIONS_MAX = 64,
    PATH_SIZE = 512,
};

/* The shared memory of a database, of those handles that belong to one era. */
struct sim_shm {
    unsigned refs;
    void *regions[SHM_REGIONS_MAX];
    unsigned shared[SQLITE_SHM_NLOCK];
    bool exclusive[SQLITE_SHM_NLOCK];
};

struct sim_node {
    struct sim_node *next;
    char *path;
    unsigned char *now;     /* as programs see it */
    unsigned char *durable; /* as it will be after a cut, at least */
    bool *is_dirty;         /* pages */
    size_t size, durable_size, capacity;
    bool is_there, is_durably_there;
    unsigned open;
    unsigned n_shared; /* SQLite's file locks */
    bool is_reserved, is_pending, is_exclusive;
    struct sim_shm *shm;
};

struct sim_disk {
    sqlite3_vfs vfs; /* pAppData: this */
    char *name;
    pthread_mutex_t mutex;
    struct sim_node *nodes;
    uint64_t random;
    unsigned era; /* cuts so far */
    uint64_t writes, syncs;
    enum sim_operation failing;
    uint64_t fail_after, fail_times;
    int fail_error;
    int last_error;
};

struct sim_handle {
    sqlite3_file base;
    struct sim_disk *disk;
    struct sim_node *node;
    unsigned era;
    int lock;
    struct sim_shm *shm;
    unsigned shm_shared, shm_exclusive; /* bit masks */
    bool delete_on_close;
    bool is_entry_new; /* its first sync is one of the directory too, as with journals of the
                          system's */
};

struct sim_copy {
    char *path;
    unsigned char *data;
    size_t size;
};

/* ---- chance ---- */

static uint64_t chance(struct sim_disk *d) {
    uint64_t x = d->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

/* From SQLite, as a VFS may: stories about memory that runs out leave the disk alone. */
static void *zeroed(size_t size) {
    void *memory = sqlite3_malloc64(size);
    return memory ? memset(memory, 0, size) : NULL;
}

/* ---- nodes ---- */

static struct sim_node *node_find(struct sim_disk *d, const char *path) {
    for (struct sim_node *n = d->nodes; n; n = n->next) {
        if (strcmp(n->path, path) == 0)
            return n;
    }
    return NULL;
}

static struct sim_node *node_get(struct sim_disk *d, const char *path) {
    struct sim_node *n = node_find(d, path);
    if (!n) {
        n = must(zeroed(sizeof *n));
        n->path = must(sqlite3_mprintf("%s", path));
        n->next = d->nodes;
        d->nodes = n;
    }
    return n;
}

static void node_room(struct sim_node *n, size_t size) {
    if (size <= n->capacity)
        return;
    size_t capacity = n->capacity ? n->capacity : (size_t) 4 * PAGE;
    while (capacity < size)
        capacity *= 2;
    n->now = must(sqlite3_realloc64(n->now, capacity));
    n->durable = must(sqlite3_realloc64(n->durable, capacity));
    n->is_dirty = must(sqlite3_realloc64(n->is_dirty, capacity / PAGE * sizeof(bool)));
    memset(n->now + n->capacity, 0, capacity - n->capacity);
    memset(n->durable + n->capacity, 0, capacity - n->capacity);
    for (size_t i = n->capacity / PAGE; i < capacity / PAGE; i++)
        n->is_dirty[i] = false;
    n->capacity = capacity;
}

static void page_save(struct sim_node *n, size_t page) {
    memcpy(n->durable + page * PAGE, n->now + page * PAGE, PAGE);
}

static void node_write(struct sim_disk *d, struct sim_node *n, const void *data, size_t len,
                       size_t at) {
    if (len == 0)
        return;
    node_room(n, at + len);
    for (size_t page = at / PAGE; page <= (at + len - 1) / PAGE; page++) {
        /* The kernel may have written the older contents back, unasked. */
        if (n->is_dirty[page] && chance(d) % 4 == 0)
            page_save(n, page);
        n->is_dirty[page] = true;
    }
    memcpy(n->now + at, data, len);
    if (at + len > n->size)
        n->size = at + len;
}

static void node_truncate(struct sim_node *n, size_t size) {
    node_room(n, size);
    if (size < n->size) {
        memset(n->now + size, 0, n->size - size);
        for (size_t page = size / PAGE; page <= (n->size - 1) / PAGE; page++)
            n->is_dirty[page] = true;
    }
    n->size = size;
}

static void node_sync(struct sim_node *n) {
    for (size_t page = 0; page < n->capacity / PAGE; page++) {
        if (n->is_dirty[page])
            page_save(n, page);
        n->is_dirty[page] = false;
    }
    n->durable_size = n->size;
    n->is_durably_there = true;
}

/* There is one directory. */
static void directory_sync(struct sim_disk *d) {
    for (struct sim_node *n = d->nodes; n; n = n->next)
        n->is_durably_there = n->is_there;
}

static void node_forsake(struct sim_node *n) {
    for (size_t page = 0; page < n->capacity / PAGE; page++)
        n->is_dirty[page] = false;
}

static void node_empty(struct sim_node *n) {
    n->is_there = false;
    if (n->capacity > 0)
        memset(n->now, 0, n->capacity);
    for (size_t page = 0; page < n->capacity / PAGE; page++)
        n->is_dirty[page] = true;
    n->size = 0;
}

static void node_cut(struct sim_disk *d, struct sim_node *n, uint64_t mood) {
    /* mood: 0 nothing unsynced survives, 1 all of it does, else each sector for itself */
    bool keeps_entry = mood == 1 || (mood > 1 && chance(d) % 2 == 0);
    bool is_there = keeps_entry ? n->is_there : n->is_durably_there;
    bool keeps_size = mood == 1 || (mood > 1 && chance(d) % 2 == 0);
    size_t size = !is_there ? 0 : keeps_size ? n->size : n->durable_size;
    for (size_t at = 0; at < n->capacity; at += SECTOR) {
        bool keeps = mood == 1 || (mood > 1 && chance(d) % 2 == 0);
        if (keeps && memcmp(n->durable + at, n->now + at, SECTOR) != 0)
            memcpy(n->durable + at, n->now + at, SECTOR);
    }
    if (n->capacity > size)
        memset(n->durable + size, 0, n->capacity - size);
    if (n->capacity > 0)
        memcpy(n->now, n->durable, n->capacity);
    node_forsake(n);
    n->is_there = n->is_durably_there = is_there;
    n->size = n->durable_size = size;
    n->n_shared = 0;
    n->is_reserved = n->is_pending = n->is_exclusive = false;
    n->shm = NULL; /* the old handles' references keep it */
}

/* ---- faults ---- */

static bool fails(struct sim_disk *d, enum sim_operation op) {
    if (op == SIM_WRITE)
        d->writes++;
    else
        d->syncs++;
    if (!(d->failing & op) || d->fail_times == 0)
        return false;
    if (d->fail_after > 1) {
        d->fail_after--;
        return false;
    }
    d->fail_times--;
    d->last_error = op == SIM_SYNC ? EIO : d->fail_error;
    return true;
}

/* ---- files ---- */

static struct sim_handle *enter(sqlite3_file *f) {
    struct sim_handle *h = (struct sim_handle *) f;
    pthread_mutex_lock(&h->disk->mutex);
    return h;
}

static int leave(struct sim_handle *h, int rc) {
    pthread_mutex_unlock(&h->disk->mutex);
    return rc;
}

static bool is_dead(const struct sim_handle *h) {
    return h->era != h->disk->era;
}

static void unlock_to(struct sim_handle *h, int lock);
static void shm_leave(struct sim_handle *h);

static int sim_close(sqlite3_file *f) {
    struct sim_handle *h = enter(f);
    if (!is_dead(h))
        unlock_to(h, SQLITE_LOCK_NONE);
    shm_leave(h);
    h->node->open--;
    if (h->delete_on_close && !is_dead(h))
        node_empty(h->node);
    return leave(h, SQLITE_OK);
}

static int sim_read(sqlite3_file *f, void *buf, int len, sqlite3_int64 at) {
    struct sim_handle *h = enter(f);
    struct sim_node *n = h->node;
    if (is_dead(h))
        return leave(h, SQLITE_IOERR_READ);
    size_t left = (size_t) at < n->size ? n->size - (size_t) at : 0;
    size_t got = left < (size_t) len ? left : (size_t) len;
    if (got > 0)
        memcpy(buf, n->now + at, got);
    memset((char *) buf + got, 0, (size_t) len - got);
    return leave(h, got == (size_t) len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

static int sim_write(sqlite3_file *f, const void *buf, int len, sqlite3_int64 at) {
    struct sim_handle *h = enter(f);
    struct sim_disk *d = h->disk;
    if (is_dead(h))
        return leave(h, SQLITE_IOERR_WRITE);
    if (fails(d, SIM_WRITE)) {
        /* part of it may be there already */
        node_write(d, h->node, buf, chance(d) % (uint64_t) len, (size_t) at);
        return leave(h, d->fail_error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE);
    }
    node_write(d, h->node, buf, (size_t) len, (size_t) at);
    return leave(h, SQLITE_OK);
}

static int sim_truncate(sqlite3_file *f, sqlite3_int64 size) {
    struct sim_handle *h = enter(f);
    if (is_dead(h))
        return leave(h, SQLITE_IOERR_TRUNCATE);
    node_truncate(h->node, (size_t) size);
    return leave(h, SQLITE_OK);
}

static int sim_sync(sqlite3_file *f, int flags) {
    struct sim_handle *h = enter(f);
    if (is_dead(h))
        return leave(h, SQLITE_IOERR_FSYNC);
    if (fails(h->disk, SIM_SYNC)) {
        node_forsake(h->node);
        return leave(h, SQLITE_IOERR_FSYNC);
    }
    node_sync(h->node);
    if (h->is_entry_new)
        directory_sync(h->disk);
    h->is_entry_new = false;
    return leave(h, SQLITE_OK);
}

static int sim_file_size(sqlite3_file *f, sqlite3_int64 *ret) {
    struct sim_handle *h = enter(f);
    if (is_dead(h))
        return leave(h, SQLITE_IOERR_FSTAT);
    *ret = (sqlite3_int64) h->node->size;
    return leave(h, SQLITE_OK);
}

/* ---- SQLite's file locks ---- */

static void unlock_to(struct sim_handle *h, int lock) {
    struct sim_node *n = h->node;
    if (h->lock >= SQLITE_LOCK_EXCLUSIVE)
        n->is_exclusive = false;
    if (h->lock >= SQLITE_LOCK_PENDING)
        n->is_pending = false;
    if (h->lock >= SQLITE_LOCK_RESERVED)
        n->is_reserved = false;
    if (h->lock >= SQLITE_LOCK_SHARED && lock < SQLITE_LOCK_SHARED)
        n->n_shared--;
    if (h->lock > lock)
        h->lock = lock;
}

static bool try_lock(struct sim_handle *h, int lock) {
    struct sim_node *n = h->node;
    switch (lock) {
    case SQLITE_LOCK_SHARED:
        if (n->is_exclusive || n->is_pending)
            return false;
        n->n_shared++;
        break;
    case SQLITE_LOCK_RESERVED:
        if (n->is_reserved)
            return false;
        n->is_reserved = true;
        break;
    default:
        if (n->is_reserved && h->lock < SQLITE_LOCK_RESERVED)
            return false;
        n->is_reserved = n->is_pending = true;
        if (n->n_shared > 1) {
            h->lock = SQLITE_LOCK_PENDING;
            return false;
        }
        n->is_exclusive = true;
        break;
    }
    h->lock = lock;
    return true;
}

static int sim_lock(sqlite3_file *f, int lock) {
    struct sim_handle *h = enter(f);
    if (is_dead(h))
        return leave(h, SQLITE_IOERR_LOCK);
    return leave(h, h->lock >= lock || try_lock(h, lock) ? SQLITE_OK : SQLITE_BUSY);
}

static int sim_unlock(sqlite3_file *f, int lock) {
    struct sim_handle *h = enter(f);
    if (!is_dead(h))
        unlock_to(h, lock);
    return leave(h, SQLITE_OK);
}

static int sim_check_reserved(sqlite3_file *f, int *ret) {
    struct sim_handle *h = enter(f);
    *ret = h->node->is_reserved;
    return leave(h, SQLITE_OK);
}

static int sim_control(sqlite3_file *f, int op, void *arg) {
    return SQLITE_NOTFOUND;
}

static int sim_sector_size(sqlite3_file *f) {
    return PAGE;
}

static int sim_device(sqlite3_file *f) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as the system's VFS says */
}

/* ---- shared memory ---- */

static void shm_leave(struct sim_handle *h) {
    struct sim_shm *shm = h->shm;
    if (!shm)
        return;
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        if (h->shm_shared & 1u << i)
            shm->shared[i]--;
        if (h->shm_exclusive & 1u << i)
            shm->exclusive[i] = false;
    }
    h->shm_shared = h->shm_exclusive = 0;
    h->shm = NULL;
    if (--shm->refs > 0)
        return;
    if (h->node->shm == shm)
        h->node->shm = NULL;
    for (int i = 0; i < SHM_REGIONS_MAX; i++)
        sqlite3_free(shm->regions[i]);
    sqlite3_free(shm);
}

static int sim_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret) {
    struct sim_handle *h = enter(f);
    *ret = NULL;
    if (is_dead(h))
        return leave(h, SQLITE_IOERR_SHMMAP);
    if (!h->shm) {
        if (!h->node->shm)
            h->node->shm = must(zeroed(sizeof(struct sim_shm)));
        h->shm = h->node->shm;
        h->shm->refs++;
    }
    assert(size == SHM_REGION && region < SHM_REGIONS_MAX);
    if (!h->shm->regions[region] && extend)
        h->shm->regions[region] = must(zeroed(SHM_REGION));
    *ret = h->shm->regions[region];
    return leave(h, SQLITE_OK);
}

static bool shm_try(struct sim_handle *h, int first, int n, int flags) {
    struct sim_shm *shm = h->shm;
    for (int i = first; i < first + n; i++) {
        unsigned bit = 1u << i;
        bool is_mine = h->shm_shared & bit;
        if (shm->exclusive[i] && !(h->shm_exclusive & bit))
            return false;
        if ((flags & SQLITE_SHM_EXCLUSIVE) && shm->shared[i] > (is_mine ? 1u : 0u))
            return false;
    }
    for (int i = first; i < first + n; i++) {
        unsigned bit = 1u << i;
        if (flags & SQLITE_SHM_EXCLUSIVE) {
            shm->exclusive[i] = true;
            h->shm_exclusive |= bit;
        } else if (!(h->shm_shared & bit)) {
            shm->shared[i]++;
            h->shm_shared |= bit;
        }
    }
    return true;
}

static int sim_shm_lock(sqlite3_file *f, int first, int n, int flags) {
    struct sim_handle *h = enter(f);
    if (!h->shm)
        return leave(h, SQLITE_IOERR_SHMLOCK);
    if (flags & SQLITE_SHM_LOCK) {
        if (is_dead(h))
            return leave(h, SQLITE_IOERR_SHMLOCK);
        return leave(h, shm_try(h, first, n, flags) ? SQLITE_OK : SQLITE_BUSY);
    }
    for (int i = first; i < first + n; i++) {
        unsigned bit = 1u << i;
        if (h->shm_shared & bit)
            h->shm->shared[i]--;
        if (h->shm_exclusive & bit)
            h->shm->exclusive[i] = false;
        h->shm_shared &= ~bit;
        h->shm_exclusive &= ~bit;
    }
    return leave(h, SQLITE_OK);
}

static void sim_shm_barrier(sqlite3_file *f) {
    struct sim_handle *h = enter(f); /* a lock taken and released is a barrier */
    (void) leave(h, 0);
}

static int sim_shm_unmap(sqlite3_file *f, int is_deleting) {
    struct sim_handle *h = enter(f);
    shm_leave(h);
    return leave(h, SQLITE_OK);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = sim_close,
    .xRead = sim_read,
    .xWrite = sim_write,
    .xTruncate = sim_truncate,
    .xSync = sim_sync,
    .xFileSize = sim_file_size,
    .xLock = sim_lock,
    .xUnlock = sim_unlock,
    .xCheckReservedLock = sim_check_reserved,
    .xFileControl = sim_control,
    .xSectorSize = sim_sector_size,
    .xDeviceCharacteristics = sim_device,
    .xShmMap = sim_shm_map,
    .xShmLock = sim_shm_lock,
    .xShmBarrier = sim_shm_barrier,
    .xShmUnmap = sim_shm_unmap,
};

/* ---- the VFS ---- */

static struct sim_disk *disk_of(sqlite3_vfs *v) {
    return v->pAppData;
}

enum { JOURNALS = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL };

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags) {
    struct sim_disk *d = disk_of(v);
    struct sim_handle *h = (struct sim_handle *) f;
    char temporary[32];
    pthread_mutex_lock(&d->mutex);
    if (!name) {
        (void) snprintf(temporary, sizeof temporary, "temporary-%llx", (long long) chance(d));
        name = temporary;
    }
    struct sim_node *n = node_find(d, name);
    if (!(n && n->is_there) && !(flags & SQLITE_OPEN_CREATE)) {
        h->base.pMethods = NULL;
        pthread_mutex_unlock(&d->mutex);
        return SQLITE_CANTOPEN;
    }
    n = node_get(d, name);
    bool is_new = !n->is_there;
    n->is_there = true;
    n->open++;
    *h = (struct sim_handle){ .base.pMethods = &methods,
                              .disk = d,
                              .node = n,
                              .era = d->era,
                              .delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE,
                              .is_entry_new = is_new && flags & JOURNALS };
    if (ret_flags)
        *ret_flags = flags;
    pthread_mutex_unlock(&d->mutex);
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int is_synced) {
    struct sim_disk *d = disk_of(v);
    pthread_mutex_lock(&d->mutex);
    struct sim_node *n = node_find(d, name);
    bool was_there = n && n->is_there;
    if (was_there) {
        node_empty(n);
        if (is_synced)
            directory_sync(d);
    }
    pthread_mutex_unlock(&d->mutex);
    return was_there ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *ret) {
    struct sim_disk *d = disk_of(v);
    pthread_mutex_lock(&d->mutex);
    struct sim_node *n = node_find(d, name);
    *ret = n && n->is_there && (flags != SQLITE_ACCESS_EXISTS || n->size > 0);
    pthread_mutex_unlock(&d->mutex);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *v, const char *name, int size, char *ret) {
    return snprintf(ret, (size_t) size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *v, int len, char *ret) {
    struct sim_disk *d = disk_of(v);
    pthread_mutex_lock(&d->mutex);
    for (int i = 0; i < len; i++)
        ret[i] = (char) chance(d);
    pthread_mutex_unlock(&d->mutex);
    return len;
}

static int vfs_sleep(sqlite3_vfs *v, int us) {
    return us; /* nobody else would run meanwhile */
}

static int vfs_now(sqlite3_vfs *v, sqlite3_int64 *ret) {
    *ret = INT64_C(212683881600000); /* any moment will do: the engine has its own clock */
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *v, int len, char *ret) {
    return disk_of(v)->last_error;
}

/* ---- the disk ---- */

struct sim_disk *sim_disk_new(const char *vfs_name, uint64_t seed) {
    struct sim_disk *d = must(zeroed(sizeof *d));
    assert(!sqlite3_vfs_find(vfs_name));
    pthread_mutex_init(&d->mutex, NULL);
    d->name = must(sqlite3_mprintf("%s", vfs_name));
    d->random = seed;
    d->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct sim_handle),
        .mxPathname = PATH_SIZE,
        .zName = d->name,
        .pAppData = d,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_now,
    };
    if (sqlite3_vfs_register(&d->vfs, 0) != SQLITE_OK)
        abort();
    return d;
}

struct sim_disk *sim_disk_free(struct sim_disk *d) {
    sqlite3_vfs_unregister(&d->vfs);
    while (d->nodes) {
        struct sim_node *n = d->nodes;
        d->nodes = n->next;
        assert(n->open == 0 && !n->shm);
        sqlite3_free(n->path);
        sqlite3_free(n->now);
        sqlite3_free(n->durable);
        sqlite3_free(n->is_dirty);
        sqlite3_free(n);
    }
    pthread_mutex_destroy(&d->mutex);
    sqlite3_free(d->name);
    sqlite3_free(d);
    return NULL;
}

void sim_disk_cut(struct sim_disk *d) {
    pthread_mutex_lock(&d->mutex);
    uint64_t mood = chance(d) % 4;
    for (struct sim_node *n = d->nodes; n; n = n->next)
        node_cut(d, n, mood);
    d->era++;
    d->fail_times = 0;
    pthread_mutex_unlock(&d->mutex);
}

void sim_disk_fail(struct sim_disk *d, enum sim_operation which, uint64_t after, uint64_t times,
                   int error) {
    pthread_mutex_lock(&d->mutex);
    d->failing = which;
    d->fail_after = after;
    d->fail_times = times;
    d->fail_error = error;
    pthread_mutex_unlock(&d->mutex);
}

uint64_t sim_disk_count(const struct sim_disk *d, enum sim_operation which) {
    return (which & SIM_WRITE ? d->writes : 0) + (which & SIM_SYNC ? d->syncs : 0);
}

bool sim_disk_damage(struct sim_disk *d, const char *path, size_t offset, const void *data,
                     size_t len) {
    pthread_mutex_lock(&d->mutex);
    struct sim_node *n = node_find(d, path);
    bool fits = n && n->is_there && offset + len <= n->size;
    if (fits) {
        memcpy(n->now + offset, data, len);
        memcpy(n->durable + offset, data, len);
    }
    pthread_mutex_unlock(&d->mutex);
    return fits;
}

struct sim_copy *sim_disk_copy(struct sim_disk *d, const char *path) {
    struct sim_node *n = node_find(d, path);
    if (!n || !n->is_there)
        return NULL;
    struct sim_copy *copy = must(zeroed(sizeof *copy));
    copy->path = must(sqlite3_mprintf("%s", path));
    copy->size = n->size;
    copy->data = must(sqlite3_malloc64(n->size + 1));
    memcpy(copy->data, n->now, n->size);
    return copy;
}

void sim_disk_restore(struct sim_disk *d, struct sim_copy *copy) {
    struct sim_node *n = node_get(d, copy->path);
    assert(n->open == 0);
    node_empty(n);
    n->is_there = true;
    node_write(d, n, copy->data, copy->size, 0);
    node_sync(n);
    sqlite3_free(copy->path);
    sqlite3_free(copy->data);
    sqlite3_free(copy);
}
