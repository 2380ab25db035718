/* /search: what is asked, and what is shown of it. */
#include <inttypes.h>

#include "clients/cli/chat/app.h"

enum { HITS_MAX = 50 };

static void ask(struct app *a);

static void show(struct app *a, const struct message_list *hits, bool is_partial) {
    pager_begin(&a->pager, a->search.is_further ? "Found further back" : "Found");
    for (size_t i = 0; i < hits->n; i++) {
        const struct message_object *m = &hits->items[i];
        const struct room *r = model_room(&a->model, m->room);
        const struct user *u = model_user(&a->model, m->user);
        struct str name = u ? str_of(u->name) : m->user;
        buffer_printf(&a->pager.text, "%s %" PRIu64 " %.*s: %.*s\n",
                      r ? model_room_label(&a->model, r) : "?", m->seq, (int) name.len, name.data,
                      (int) m->text.len, m->text.data);
    }
    if (search_has_more(&a->search))
        buffer_append_str(&a->pager.text, is_partial ? STR("\n/search alone looks further")
                                                     : STR("\n/search alone shows more"));
    pager_show(a);
}

static void answered(struct app *a, const struct pending *p, const struct chat_object *answer) {
    switch (search_answered(&a->search, answer)) {
    case SEARCH_AGAIN:
        ask(a);
        break;
    case SEARCH_SHOW:
        show(a, &answer->messages, answer->is_partial);
        break;
    case SEARCH_NONE:
        if (!answer)
            app_notice(a, "%s", p->error.text);
        else if (search_has_more(&a->search))
            app_notice(a, "nothing is found so far; /search alone looks further");
        else
            app_notice(a, a->search.is_further ? "nothing more is found" : "nothing is found");
        break;
    case SEARCH_OLD:
    default:
        break;
    }
}

static void ask(struct app *a) {
    struct arguments g;

    arguments_begin(&g);
    arguments_text(&g, "q", str_of(a->search.words));
    arguments_number(&g, "limit", HITS_MAX);
    if (search_has_more(&a->search))
        arguments_text(&g, "cursor", str_of(a->search.cursor));
    if (app_ask(a, "search", &g, NULL, NULL, answered))
        search_asked(&a->search);
}

void app_search(struct app *a, struct str words) {
    if (words.len > 0 && !search_begin(&a->search, words))
        app_notice(a, "that is too long");
    else if (words.len == 0 && !search_go_on(&a->search))
        app_notice(a, a->search.words[0] ? "there is nothing further" : "/search WORDS");
    else
        ask(a);
}
