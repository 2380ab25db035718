/* The commands behind a slash. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/loop.h"
#include "clients/cli/chat/app.h"
#include "protocol/json.h"

enum { LIST_MAX = 100 };

void pager_begin(struct pager *p, const char *title) {
    (void) snprintf(p->title, sizeof p->title, "%s   (Esc: back)", title);
    buffer_reset(&p->text);
}

void pager_show(struct app *a) {
    buffer_append_byte(&a->pager.text, 0);
    if (buffer_error(&a->pager.text) < 0) {
        app_end(a, EX_OSERR, "out of memory");
        return;
    }
    a->pager.is_open = true;
    a->view.scroll = SIZE_MAX / 2; /* from the top; drawing brings it down to what there is */
}

/* The first word; rest: what follows it. */
static struct str cut_word(struct str *rest) {
    size_t n = 0;

    while (rest->len && *rest->data == ' ')
        *rest = (struct str){ rest->data + 1, rest->len - 1 };
    while (n < rest->len && rest->data[n] != ' ')
        n++;
    struct str word = { rest->data, n };
    *rest = (struct str){ rest->data + n, rest->len - n };
    while (rest->len && *rest->data == ' ')
        *rest = (struct str){ rest->data + 1, rest->len - 1 };
    return word;
}

static uint64_t number_of(struct str word) {
    uint64_t n = 0;

    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return 0;
        n = n * 10 + (uint64_t) (word.data[i] - '0');
    }
    return n;
}

static struct str without_sign(struct str name) {
    return name.len && (*name.data == '@' || *name.data == '#')
                   ? (struct str){ name.data + 1, name.len - 1 }
                   : name;
}

/* NULL: it has been said that there is none. */
static const struct user *user_of(struct app *a, struct str login) {
    const struct user *u = model_user_by_login(&a->model, without_sign(login));
    if (!u)
        app_notice(a, "nobody here is called %.*s", (int) login.len, login.data);
    return u;
}

/* Arguments that begin with the room that is shown. */
static bool begin_here(struct app *a, struct arguments *g) {
    if (!a->room) {
        app_notice(a, "in no room");
        return false;
    }
    arguments_begin(g);
    arguments_room(g, a->room);
    return true;
}

/* One's own last message, that this client has. */
static const struct message *own_last(struct app *a) {
    const struct message *m = a->room && a->model.me ? room_last_of(a->room, a->model.me) : NULL;
    if (!m)
        app_notice(a, "there is no message of yours here");
    return m;
}

/* ---- rooms ---- */

static void show_answer_room(struct app *a, const struct pending *p,
                             const struct chat_object *answer) {
    struct room *r = NULL;

    (void) p;
    if (!answer)
        app_notice(a, "%s", p->error.text);
    else if (model_put_room(&a->model, &answer->room, &r) < 0)
        app_end(a, EX_OSERR, "out of memory");
    else
        app_show(a, r);
}

static void joined_by_name(struct app *a, const struct pending *p,
                           const struct chat_object *answer) {
    struct arguments g;

    if (!answer) {
        app_notice(a, "%s", p->error.text);
        return;
    }
    if (answer->rooms.n == 0) {
        app_notice(a, "there is no such room: /rooms lists those that are open");
        return;
    }
    arguments_begin(&g);
    arguments_text(&g, "room", answer->rooms.items[0].id);
    (void) app_ask(a, "room.join", &g, NULL, NULL, show_answer_room);
}

static void do_join(struct app *a, struct str rest) {
    struct room *r = model_find_room(&a->model, rest);
    struct arguments g;

    if (r && r->is_member) {
        app_show(a, r);
        return;
    }
    arguments_begin(&g);
    arguments_text(&g, "q", without_sign(rest));
    arguments_number(&g, "limit", 1);
    (void) app_ask(a, "room.list", &g, NULL, NULL, joined_by_name);
}

static void do_leave(struct app *a, struct str rest) {
    struct arguments g;
    (void) rest;
    if (begin_here(a, &g))
        (void) app_ask(a, "room.leave", &g, a->room, NULL, NULL);
}

static void do_create(struct app *a, struct str rest) {
    struct str kind = { 0 };
    struct arguments g;

    if (str_starts_with(rest, STR("private ")))
        kind = cut_word(&rest);
    arguments_begin(&g);
    arguments_text(&g, "kind", kind.len ? kind : STR("public"));
    arguments_text(&g, "name", rest);
    (void) app_ask(a, "room.create", &g, NULL, NULL, show_answer_room);
}

static void listed(struct app *a, const struct pending *p, const struct chat_object *answer) {
    if (!answer) {
        app_notice(a, "%s", p->error.text);
        return;
    }
    pager_begin(&a->pager, "Open rooms");
    for (size_t i = 0; i < answer->rooms.n; i++) {
        const struct room_object *r = &answer->rooms.items[i];
        buffer_printf(&a->pager.text, "#%.*s  (%" PRIu32 " members)%s%.*s\n", (int) r->name.len,
                      r->name.data, r->members_n, r->topic.len ? "  " : "", (int) r->topic.len,
                      r->topic.data);
    }
    buffer_append_str(&a->pager.text, STR("\n/join NAME enters one"));
    pager_show(a);
}

static void do_rooms(struct app *a, struct str rest) {
    struct arguments g;

    arguments_begin(&g);
    if (rest.len)
        arguments_text(&g, "q", rest);
    arguments_number(&g, "limit", LIST_MAX);
    (void) app_ask(a, "room.list", &g, NULL, NULL, listed);
}

static void do_topic(struct app *a, struct str rest) {
    struct arguments g;

    if (!begin_here(a, &g))
        return;
    arguments_text(&g, "topic", rest);
    (void) app_ask(a, "room.update", &g, a->room, NULL, NULL);
}

static void named_members(struct app *a, const struct pending *p,
                          const struct chat_object *answer) {
    struct room *r = model_room(&a->model, str_of(p->room));

    if (!answer || !r) {
        app_notice(a, "%s", p->error.text);
        return;
    }
    char title[VIEW_STATE_MAX];
    (void) snprintf(title, sizeof title, "Members of %s", model_room_label(&a->model, r));
    pager_begin(&a->pager, title);
    for (size_t i = 0; i < answer->members.n; i++) {
        const struct user_object *u = &answer->members.items[i];
        const struct user *known = model_user(&a->model, u->id);
        struct str login = u->login.len ? u->login : str_of(known ? known->login : "");
        struct str name = u->name.len ? u->name : str_of(known ? known->name : "");
        buffer_printf(&a->pager.text, "@%.*s  %.*s%s%.*s\n", (int) login.len, login.data,
                      (int) name.len, name.data, str_equal(u->role, STR("member")) ? "" : "  ",
                      str_equal(u->role, STR("member")) ? 0 : (int) u->role.len, u->role.data);
    }
    if (answer->has_more)
        buffer_append_str(&a->pager.text, STR("...\n"));
    pager_show(a);
}

static void do_who(struct app *a, struct str rest) {
    struct arguments g;

    (void) rest;
    if (!begin_here(a, &g))
        return;
    arguments_number(&g, "limit", LIST_MAX);
    (void) app_ask(a, "member.list", &g, a->room, NULL, named_members);
}

static void invited(struct app *a, const struct pending *p, const struct chat_object *answer) {
    if (!answer) {
        app_notice(a, "%s", p->error.text);
        return;
    }
    pager_begin(&a->pager, "An invitation");
    buffer_printf(&a->pager.text, "Whoever opens this link may come in:\n\n%.*s",
                  (int) answer->url.len, answer->url.data);
    pager_show(a);
}

static void do_invite(struct app *a, struct str rest) {
    struct arguments g;

    if (!begin_here(a, &g))
        return;
    if (rest.len == 0) {
        (void) app_ask(a, "invite.create", &g, a->room, NULL, invited);
        return;
    }
    const struct user *u = user_of(a, rest);
    if (!u) {
        buffer_finish(&g.json);
        return;
    }
    arguments_text(&g, "user", str_of(u->id));
    (void) app_ask(a, "member.add", &g, a->room, NULL, NULL);
}

/* ---- people ---- */

/* The message waits in the line until its room is there. */
static void do_msg(struct app *a, struct str rest) {
    struct str login = cut_word(&rest);
    const struct user *u = user_of(a, login);
    struct arguments g;

    if (!u)
        return;
    for (size_t i = 0; i < a->model.n_rooms; i++) {
        struct room *r = a->model.rooms[i];
        if (!r->peer || strcmp(r->peer, u->id) != 0)
            continue;
        app_show(a, r);
        if (rest.len)
            app_send(a, rest);
        return;
    }
    if (rest.len) {
        CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
        buffer_append_str(&text, rest);
        buffer_append_byte(&text, 0);
        if (buffer_error(&text) == 0)
            (void) editor_set(&a->editor, (char *) text.data);
    }
    arguments_begin(&g);
    arguments_text(&g, "kind", STR("direct"));
    buffer_append_str(&g.json, STR(",\"users\":["));
    json_append_string(&g.json, str_of(u->id));
    buffer_append_byte(&g.json, ']');
    (void) app_ask(a, "room.create", &g, NULL, NULL, show_answer_room);
}

static void moderate(struct app *a, struct str rest, const char *method, int64_t minutes) {
    struct str login = cut_word(&rest);
    const struct user *u = user_of(a, login);
    struct arguments g;

    if (!u || !begin_here(a, &g))
        return;
    arguments_text(&g, "user", str_of(u->id));
    uint64_t asked = number_of(rest.len ? cut_word(&(struct str){ rest.data, rest.len }) : rest);
    if (minutes && asked) {
        minutes = (int64_t) asked;
        (void) cut_word(&rest);
    }
    if (minutes)
        arguments_number(&g, "until", (uint64_t) (loop_wall_ms() + minutes * 60 * 1000));
    if (rest.len)
        arguments_text(&g, "reason", rest);
    (void) app_ask(a, method, &g, a->room, NULL, NULL);
}

static void do_kick(struct app *a, struct str rest) {
    moderate(a, rest, "moderation.kick", 0);
}

static void do_ban(struct app *a, struct str rest) {
    moderate(a, rest, "moderation.ban", 0);
}

static void do_mute(struct app *a, struct str rest) {
    moderate(a, rest, "moderation.mute", 10);
}

/* ---- messages ---- */

static void do_me(struct app *a, struct str rest) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;

    buffer_printf(&text, "_%.*s_", (int) rest.len, rest.data);
    if (buffer_error(&text) == 0)
        app_send(a, (struct str){ (char *) text.data, text.len });
}

/* s/old/new/: the first one, or with a g behind it all of them. false: it is no such thing. */
static bool substitute(struct str rule, struct str in, struct buffer *out) {
    char sign = rule.len > 2 ? rule.data[1] : '\0';
    const char *end = rule.data + rule.len;
    const char *old = rule.data + 2;
    const char *middle = sign ? memchr(old, sign, (size_t) (end - old)) : NULL;

    if (!middle || rule.data[0] != 's' || middle == old)
        return false;
    const char *new = middle + 1;
    const char *last = memchr(new, sign, (size_t) (end - new));
    size_t old_len = (size_t) (middle - old), new_len = (size_t) ((last ? last : end) - new);
    bool is_global = last && end - last == 2 && last[1] == 'g', has_any = false;
    size_t i = 0;
    while (i < in.len) {
        if ((!has_any || is_global) && in.len - i >= old_len &&
            memcmp(in.data + i, old, old_len) == 0) {
            buffer_append(out, new, new_len);
            i += old_len;
            has_any = true;
        } else {
            buffer_append_byte(out, (uint8_t) in.data[i++]);
        }
    }
    return has_any;
}

static void do_edit(struct app *a, struct str rest) {
    CLEANUP(buffer_finish) struct buffer text = BUFFER_INIT;
    const struct message *m = own_last(a);
    struct arguments g;

    if (!m)
        return;
    if (rest.len == 0) { /* to be edited in the line */
        buffer_printf(&text, "/edit %s", m->text);
        buffer_append_byte(&text, 0);
        if (buffer_error(&text) == 0)
            (void) editor_set(&a->editor, (char *) text.data);
        return;
    }
    if (str_starts_with(rest, STR("s/")) && !substitute(rest, str_of(m->text), &text)) {
        app_notice(a, "that is not in your last message; /edit s/OLD/NEW/");
        return;
    }
    if (buffer_error(&text) < 0 || !begin_here(a, &g))
        return;
    arguments_number(&g, "seq", m->seq);
    arguments_number(&g, "if_ver", m->ver);
    arguments_text(&g, "text", text.len ? (struct str){ (char *) text.data, text.len } : rest);
    (void) app_ask(a, "message.edit", &g, a->room, NULL, NULL);
}

static void do_delete(struct app *a, struct str rest) {
    uint64_t seq = number_of(rest);
    const struct message *m = seq ? NULL : own_last(a);
    struct arguments g;

    if ((!seq && !m) || !begin_here(a, &g))
        return;
    arguments_number(&g, "seq", seq ? seq : m->seq);
    (void) app_ask(a, "message.delete", &g, a->room, NULL, NULL);
}

/* The message that is meant: by its number, or the last one that is there. */
static uint64_t meant(struct app *a, struct str number) {
    uint64_t seq = number_of(number);

    for (size_t i = a->room ? a->room->n : 0; seq == 0 && i-- > 0;)
        if (a->room->messages[i].seq && !a->room->messages[i].is_deleted)
            seq = a->room->messages[i].seq;
    return seq;
}

static void do_react(struct app *a, struct str rest) {
    struct str emoji = cut_word(&rest);
    struct arguments g;

    if (!begin_here(a, &g))
        return;
    arguments_number(&g, "seq", meant(a, rest));
    arguments_text(&g, "emoji", emoji);
    (void) app_ask(a, "reaction.add", &g, a->room, NULL, NULL);
}

static void do_reply(struct app *a, struct str rest) {
    struct str first = cut_word(&(struct str){ rest.data, rest.len });
    uint64_t seq = number_of(first);

    if (seq)
        (void) cut_word(&rest);
    a->reply_to = meant(a, first);
    if (rest.len)
        app_send(a, rest);
    else
        app_notice(a, "what you write next answers message %" PRIu64 " (Esc: it does not)",
                   a->reply_to);
}

static void do_pin(struct app *a, struct str rest) {
    struct arguments g;

    if (!begin_here(a, &g))
        return;
    arguments_number(&g, "seq", meant(a, rest));
    (void) app_ask(a, "pin.add", &g, a->room, NULL, NULL);
}

static void do_retry(struct app *a, struct str rest) {
    (void) rest;
    app_retry(a);
}

static void do_discard(struct app *a, struct str rest) {
    (void) rest;
    for (size_t i = a->room ? a->room->n : 0; i-- > 0 && a->room->messages[i].seq == 0;)
        if (a->room->messages[i].state == MESSAGE_FAILED)
            room_discard(a->room, i);
}

static void do_editor(struct app *a, struct str rest) {
    (void) rest;
    app_edit_elsewhere(a);
}

static void do_quit(struct app *a, struct str rest) {
    (void) rest;
    app_end(a, EX_OK, "");
}

static void do_help(struct app *a, struct str rest);

/* ---- the table ---- */

static const struct {
    const char *name, *arguments, *what;
    bool wants_argument;
    SUSPENDS void (*run)(struct app *a, struct str rest);
} commands[] = {
    { "join", "ROOM", "show a room, and enter it if need be", true, do_join },
    { "msg", "LOGIN [TEXT]", "talk to one alone", true, do_msg },
    { "me", "TEXT", "say what you do", true, do_me },
    { "search", "[WORDS]", "find messages; without words: more of them", false, app_search },
    { "edit", "[s/OLD/NEW/ | TEXT]", "change your last message", false, do_edit },
    { "delete", "[NUMBER]", "delete your last message, or that of this number", false, do_delete },
    { "reply", "[NUMBER] [TEXT]", "answer the last message, or that of this number", false,
      do_reply },
    { "react", "EMOJI [NUMBER]", "react to the last message, or that of this number", true,
      do_react },
    { "pin", "[NUMBER]", "pin it", false, do_pin },
    { "editor", "", "write in $EDITOR (Ctrl-X, Alt-E)", false, do_editor },
    { "retry", "", "send again what was not sent", false, do_retry },
    { "discard", "", "forget what could not be sent", false, do_discard },
    { "rooms", "[WORDS]", "list the rooms that are open to all", false, do_rooms },
    { "who", "", "list the room's members", false, do_who },
    { "topic", "TEXT", "say what the room is about", true, do_topic },
    { "create", "[private] NAME", "make a room", true, do_create },
    { "invite", "[LOGIN]", "add somebody; without a login: a link for somebody new", false,
      do_invite },
    { "leave", "", "leave the room", false, do_leave },
    { "kick", "LOGIN [REASON]", "put somebody out", true, do_kick },
    { "ban", "LOGIN [REASON]", "the same, and do not let them in again", true, do_ban },
    { "mute", "LOGIN [MINUTES]", "for so long they may only read; 10", true, do_mute },
    { "help", "", "this", false, do_help },
    { "quit", "", "end (Ctrl-D)", false, do_quit },
};

const char *app_command_name(size_t i) {
    return i < ELEMENTS_OF(commands) ? commands[i].name : NULL;
}

static void do_help(struct app *a, struct str rest) {
    (void) rest;
    pager_begin(&a->pager, "Help");
    for (size_t i = 0; i < ELEMENTS_OF(commands); i++)
        buffer_printf(&a->pager.text, "/%-8s %-20s %s\n", commands[i].name, commands[i].arguments,
                      commands[i].what);
    buffer_append_str(&a->pager.text,
                      STR("\nAlt-1 ... Alt-9      the room of that number\n"
                          "Alt-A                the next room with something unread\n"
                          "Alt-Left, Alt-Right  the room before, the next one (Ctrl-P, Ctrl-N)\n"
                          "PageUp, PageDown     through the messages; End: to the newest\n"
                          "Tab                  completes @login, #room, /command\n"
                          "Alt-Enter            begins a new line\n"
                          "Up, Down             what was typed before\n"
                          "Esc                  closes this; puts the line \"new\" away\n"
                          "\n// begins a message with a slash"));
    pager_show(a);
}

void app_command(struct app *a, struct str line) {
    struct str rest = { line.data + 1, line.len - 1 };
    struct str name = cut_word(&rest);

    for (size_t i = 0; i < ELEMENTS_OF(commands); i++) {
        if (!str_equal(name, str_of(commands[i].name)))
            continue;
        if (commands[i].wants_argument && rest.len == 0)
            app_notice(a, "/%s %s: %s", commands[i].name, commands[i].arguments, commands[i].what);
        else
            commands[i].run(a, rest);
        return;
    }
    app_notice(a, "there is no /%.*s: /help lists what there is", (int) name.len, name.data);
}
