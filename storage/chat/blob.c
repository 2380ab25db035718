#include "storage/chat/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0700, READ_BYTES = 65536 };

/* ---- names ---- */

void chat_blob_id_text(const struct chat_blob_id *id, char ret[CHAT_BLOB_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < CHAT_BLOB_ID_SIZE; i++) {
        ret[2 * i] = digits[id->sha256[i] >> 4];
        ret[2 * i + 1] = digits[id->sha256[i] & 15];
    }
    ret[CHAT_BLOB_TEXT_SIZE - 1] = 0;
}

static int digit_of(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int chat_blob_id_parse(struct str text, struct chat_blob_id *ret) {
    if (text.len != CHAT_BLOB_TEXT_SIZE - 1)
        return -EINVAL;
    for (size_t i = 0; i < CHAT_BLOB_ID_SIZE; i++) {
        int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        ret->sha256[i] = (uint8_t) (high << 4 | low);
    }
    return 0;
}

bool chat_blob_id_of(struct bytes sha256, struct chat_blob_id *ret) {
    if (sha256.len != CHAT_BLOB_ID_SIZE)
        return false;
    memcpy(ret->sha256, sha256.data, CHAT_BLOB_ID_SIZE);
    return true;
}

struct path {
    char text[PATH_MAX];
};

/* The directory of an id if is_parent, else its file. */
static int path_of(const char *dir, const struct chat_blob_id *id, bool is_parent,
                   struct path *ret) {
    char name[CHAT_BLOB_TEXT_SIZE];
    chat_blob_id_text(id, name);
    int n = snprintf(ret->text, sizeof ret->text, is_parent ? "%s/%.2s" : "%s/%.2s/%s", dir, name,
                     name + 2);
    return n < 0 || (size_t) n >= sizeof ret->text ? -ENAMETOOLONG : 0;
}

/* ---- directories ---- */

static int make_directory(const char *path) {
    return mkdir(path, DIRECTORY_MODE) < 0 && errno != EEXIST ? -errno : 0;
}

static int sync_directory(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: a file system without */
    (void) close(fd);
    return r;
}

static int empty_directory(const char *path) {
    DIR *d = opendir(path);
    if (!d)
        return -errno;
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));)
        if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) < 0)
            r = -errno;
    (void) closedir(d);
    return r;
}

int chat_blob_open_dir(const char *dir) {
    struct path tmp;
    int n = snprintf(tmp.text, sizeof tmp.text, "%s/tmp", dir);
    if (n < 0 || (size_t) n >= sizeof tmp.text)
        return -ENAMETOOLONG;
    int r = make_directory(dir);
    if (r == 0)
        r = make_directory(tmp.text);
    if (r == 0)
        r = empty_directory(tmp.text);
    return r == 0 ? sync_directory(dir) : r;
}

/* ---- writing ---- */

struct chat_blob_writer {
    char *dir;
    struct path temporary;
    int fd;
    EVP_MD_CTX *hash;
    bool is_synced;
    struct chat_blob_id id; /* once it is */
};

struct chat_blob_writer *chat_blob_end(struct chat_blob_writer *w) {
    if (!w)
        return NULL;
    if (w->fd >= 0) {
        (void) close(w->fd);
        (void) unlink(w->temporary.text);
    }
    EVP_MD_CTX_free(w->hash);
    free(w->dir);
    free(w);
    return NULL;
}

int chat_blob_begin(const char *dir, struct chat_blob_writer **ret) {
    struct chat_blob_writer *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->fd = -1;
    w->dir = strdup(dir);
    w->hash = EVP_MD_CTX_new();
    if (!w->dir || !w->hash || !EVP_DigestInit_ex(w->hash, EVP_sha256(), NULL)) {
        chat_blob_end(w);
        return -ENOMEM;
    }
    int n = snprintf(w->temporary.text, sizeof w->temporary.text, "%s/tmp/XXXXXX", dir);
    int r = n < 0 || (size_t) n >= sizeof w->temporary.text ? -ENAMETOOLONG : 0;
    if (r == 0) {
        w->fd = mkostemp(w->temporary.text, O_CLOEXEC); /* 0600 */
        r = w->fd < 0 ? -errno : 0;
    }
    if (r < 0) {
        chat_blob_end(w);
        return r;
    }
    *ret = w;
    return 0;
}

int chat_blob_append(struct chat_blob_writer *w, struct bytes piece) {
    if (piece.len > 0 && !EVP_DigestUpdate(w->hash, piece.data, piece.len))
        return -ENOMEM;
    for (size_t done = 0; done < piece.len;) {
        ssize_t n = write(w->fd, piece.data + done, piece.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t) n;
    }
    return 0;
}

static int settle(struct chat_blob_writer *w) {
    unsigned len = 0;
    if (w->is_synced)
        return 0;
    if (!EVP_DigestFinal_ex(w->hash, w->id.sha256, &len) || len != CHAT_BLOB_ID_SIZE)
        return -ENOMEM;
    if (fsync(w->fd) < 0)
        return -errno;
    w->is_synced = true;
    return 0;
}

int chat_blob_commit(struct chat_blob_writer *w, struct chat_blob_id *ret) {
    struct path directory, file;
    int r = settle(w);
    if (r == 0)
        r = path_of(w->dir, &w->id, true, &directory);
    if (r == 0)
        r = path_of(w->dir, &w->id, false, &file);
    if (r == 0)
        r = make_directory(directory.text);
    if (r == 0 && link(w->temporary.text, file.text) < 0 && errno != EEXIST)
        r = -errno;
    if (r == 0)
        r = sync_directory(directory.text);
    if (r == 0) /* it may be new in there */
        r = sync_directory(w->dir);
    if (r == 0)
        *ret = w->id;
    return r;
}

/* ---- reading ---- */

int chat_blob_open(const char *dir, const struct chat_blob_id *id, int *ret_fd) {
    struct path file;
    int r = path_of(dir, id, false, &file);
    if (r < 0)
        return r;
    int fd = open(file.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

bool chat_blob_exists(const char *dir, const struct chat_blob_id *id) {
    struct path file;
    return path_of(dir, id, false, &file) == 0 && access(file.text, F_OK) == 0;
}

int chat_blob_remove(const char *dir, const struct chat_blob_id *id) {
    struct path file;
    int r = path_of(dir, id, false, &file);
    if (r < 0)
        return r;
    return unlink(file.text) < 0 && errno != ENOENT ? -errno : 0;
}

static int hash_file(int fd, EVP_MD_CTX *hash, uint8_t *buf, struct chat_blob_id *ret,
                     uint64_t *ret_size) {
    uint64_t size = 0;
    unsigned len = 0;
    if (!EVP_DigestInit_ex(hash, EVP_sha256(), NULL))
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, buf, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        size += (uint64_t) n;
        if (!EVP_DigestUpdate(hash, buf, (size_t) n))
            return -ENOMEM;
    }
    *ret_size = size;
    return EVP_DigestFinal_ex(hash, ret->sha256, &len) ? 0 : -ENOMEM;
}

int chat_blob_check(const char *dir, const struct chat_blob_id *id, uint64_t *ret_size) {
    struct chat_blob_id found;
    uint64_t size = 0;
    int fd;
    int r = chat_blob_open(dir, id, &fd);
    if (r < 0)
        return r;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t *buf = malloc(READ_BYTES);
    r = hash && buf ? hash_file(fd, hash, buf, &found, &size) : -ENOMEM;
    free(buf);
    EVP_MD_CTX_free(hash);
    (void) close(fd);
    if (r == 0 && memcmp(found.sha256, id->sha256, CHAT_BLOB_ID_SIZE) != 0)
        r = -EBADMSG;
    if (r == 0 && ret_size)
        *ret_size = size;
    return r;
}

static int each_in(const char *directory, const char *begin,
                   int (*see)(void *arg, const struct chat_blob_id *id), void *arg) {
    char text[CHAT_BLOB_TEXT_SIZE];
    struct chat_blob_id id;
    DIR *d = opendir(directory);
    if (!d)
        return errno == ENOTDIR || errno == ENOENT ? 0 : -errno;
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        int n = snprintf(text, sizeof text, "%s%s", begin, e->d_name);
        if (n == CHAT_BLOB_TEXT_SIZE - 1 && chat_blob_id_parse(str_of(text), &id) == 0)
            r = see(arg, &id);
    }
    (void) closedir(d);
    return r;
}

int chat_blob_each(const char *dir, int (*see)(void *arg, const struct chat_blob_id *id),
                   void *arg) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < 256; i++) {
        struct path directory;
        char begin[3];
        (void) snprintf(begin, sizeof begin, "%02x", i);
        int n = snprintf(directory.text, sizeof directory.text, "%s/%s", dir, begin);
        r = n < 0 || (size_t) n >= sizeof directory.text ? -ENAMETOOLONG
                                                         : each_in(directory.text, begin, see, arg);
    }
    return r;
}
