/* Writing a message in $EDITOR. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "async/child.h"
#include "clients/cli/chat/app.h"
#include "protocol/utf8.h"

enum { PATH_BYTES = 256 };

static int write_file(struct app *a, char *path) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
    int fd = mkstemp(path);

    if (fd < 0)
        return -errno;
    int r = editor_text(&a->editor, &text);
    if (r == 0 && text.len && write(fd, text.data, text.len) != (ssize_t) text.len)
        r = -EIO;
    (void) close(fd);
    return r;
}

static int read_file(struct app *a, const char *path) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
    FILE *f = fopen(path, "re");
    uint8_t *at = f ? buffer_reserve(&text, EDITOR_MAX + 1) : NULL;

    if (!f)
        return -errno;
    size_t n = at ? fread(at, 1, EDITOR_MAX, f) : 0;
    (void) fclose(f);
    if (!at)
        return -ENOMEM;
    buffer_added(&text, n);
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (!utf8_is_valid(buffer_bytes(&text)))
        return -EILSEQ;
    buffer_append_byte(&text, 0);
    if (buffer_error(&text) < 0)
        return -ENOMEM;
    return editor_set(&a->editor, (char *) text.data) ? 0 : -EMSGSIZE;
}

static int run_editor(const char *path) {
    const char *editor = getenv("VISUAL");
    struct child *child = NULL;
    int status;

    if (!editor || !*editor)
        editor = getenv("EDITOR");
    if (!editor || !*editor)
        editor = "editor";
    /* By the shell, as it is usual: there may be arguments in it. */
    const char *const argv[] = { "sh", "-c", "exec $0 \"$1\"", editor, path, NULL };
    int r = child_spawn(&(struct child_options){ .argv = argv }, &child);
    if (r < 0)
        return r;
    r = child_wait(child, &status);
    child = child_close(child);
    return r < 0 ? r : status == 0 ? 0 : -ECHILD;
}

void app_edit_elsewhere(struct app *a) {
    const char *directory = getenv("TMPDIR");
    char path[PATH_BYTES];

    int n = snprintf(path, sizeof path, "%s/parley-XXXXXX",
                     directory && *directory ? directory : "/tmp");
    int r = n < (int) sizeof path ? write_file(a, path) : -ENAMETOOLONG;
    if (r < 0) {
        app_notice(a, "%s: %s", path, strerror(-r));
        return;
    }
    a->is_away = true;
    screen_leave(a->screen);
    r = run_editor(path);
    if (r == 0)
        r = read_file(a, path);
    (void) unlink(path);
    screen_return(a->screen);
    a->is_away = false;
    if (r < 0)
        app_notice(a, "the text stays as it was: %s",
                   r == -ECHILD ? "the editor failed" : strerror(-r));
}
