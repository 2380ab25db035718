#include "tests/support/redis_model/script.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/redis_model/answer.h"
#include "tests/support/redis_model/database.h"

enum { SHA_LEN = 40, SCRIPTS_MAX = 64 };

struct script {
    char sha[SHA_LEN + 1];
    struct blob source;
    int function; /* reference in the registry */
};

struct scripts {
    lua_State *lua;
    struct script items[SCRIPTS_MAX];
    size_t n;
    struct call *call; /* of the script that runs; NULL: none does */
};

/* ---- what Lua sees of Redis ---- */

static struct scripts *scripts_of(lua_State *lua) {
    lua_getfield(lua, LUA_REGISTRYINDEX, "scripts");
    struct scripts *s = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return s;
}

static void sha1_hex(struct bytes b, char ret[static SHA_LEN + 1]) {
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1(b.data, b.len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static void push_field(lua_State *lua, const char *name, const char *text) {
    lua_createtable(lua, 0, 1);
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

/* "CODE what", or what, which gets the code ERR. */
static void push_error(lua_State *lua, const char *text) {
    if (strchr(text, ' ')) {
        push_field(lua, "err", text);
        return;
    }
    lua_createtable(lua, 0, 1);
    lua_pushfstring(lua, "ERR %s", text);
    lua_setfield(lua, -2, "err");
}

static void push_answer(lua_State *lua, struct answer_reader *r) {
    struct answer a = answer_next(r);
    char text[512];

    luaL_checkstack(lua, 4, "answer");
    switch (a.kind) {
    case ANSWER_STATUS:
    case ANSWER_ERROR:
        (void) snprintf(text, sizeof text, "%.*s", (int) a.text.len, (const char *) a.text.data);
        push_field(lua, a.kind == ANSWER_STATUS ? "ok" : "err", text);
        break;
    case ANSWER_INT:
        lua_pushnumber(lua, (lua_Number) a.number);
        break;
    case ANSWER_BULK:
        lua_pushlstring(lua, (const char *) a.text.data, a.text.len);
        break;
    case ANSWER_ARRAY:
        lua_createtable(lua, (int) a.number, 0);
        for (int64_t i = 0; i < a.number; i++) {
            push_answer(lua, r);
            lua_rawseti(lua, -2, (int) i + 1);
        }
        break;
    case ANSWER_NIL:
    default:
        lua_pushboolean(lua, 0);
        break;
    }
}

/* An argument as bytes; numbers with all their digits. Fits into the blob; false: neither. */
static bool read_argument(lua_State *lua, int index, struct blob *ret) {
    char text[64];
    size_t len;

    if (lua_type(lua, index) == LUA_TNUMBER) {
        len = (size_t) snprintf(text, sizeof text, "%.17g", lua_tonumber(lua, index));
        *ret = blob_copy(bytes_of(text, len));
    } else if (lua_type(lua, index) == LUA_TSTRING) {
        const char *data = lua_tolstring(lua, index, &len);
        *ret = blob_copy(bytes_of(data, len));
    } else {
        return false;
    }
    return true;
}

/* Runs what the arguments on Lua's stack say; its answer, or why it could not be, is on the stack.
 */
static void run_arguments(lua_State *lua, struct scripts *s) {
    size_t n = (size_t) lua_gettop(lua), made = 0;
    struct blob *blobs = calloc(n + 1, sizeof *blobs);
    struct bytes *argv = calloc(n + 1, sizeof *argv);
    struct buffer out = BUFFER_INIT;

    if (!blobs || !argv)
        abort();
    while (made < n && read_argument(lua, (int) made + 1, &blobs[made])) {
        argv[made] = blob_bytes(&blobs[made]);
        made++;
    }
    if (n == 0) {
        push_error(lua, "ERR Please specify at least one argument for this redis lib call");
    } else if (made < n) {
        push_error(lua, "ERR Lua redis lib command arguments must be strings or integers");
    } else {
        struct call inner = *s->call;
        inner.argv = argv;
        inner.n = n;
        inner.out = &out;
        inner.has_written = false;
        inner.is_scripted = true;
        inner.is_begun = s->call->has_written;
        command_run(&inner);
        s->call->has_written |= inner.has_written;
        struct answer_reader reader = { .data = buffer_bytes(&out) };
        push_answer(lua, &reader);
    }
    for (size_t i = 0; i < made; i++)
        blob_free(&blobs[i]);
    free(blobs);
    free(argv);
    buffer_finish(&out);
}

static bool is_error(lua_State *lua) {
    if (!lua_istable(lua, -1))
        return false;
    lua_getfield(lua, -1, "err");
    bool is = lua_isstring(lua, -1);
    lua_pop(lua, 1);
    return is;
}

static int redis_call(lua_State *lua) {
    run_arguments(lua, scripts_of(lua));
    return is_error(lua) ? lua_error(lua) : 1;
}

static int redis_pcall(lua_State *lua) {
    run_arguments(lua, scripts_of(lua));
    return 1;
}

static int redis_sha1hex(lua_State *lua) {
    size_t len;
    char sha[SHA_LEN + 1];
    const char *data = luaL_checklstring(lua, 1, &len);
    sha1_hex(bytes_of(data, len), sha);
    lua_pushlstring(lua, sha, SHA_LEN);
    return 1;
}

static int redis_error_reply(lua_State *lua) {
    const char *text = luaL_checkstring(lua, 1);
    push_error(lua, *text == '-' ? text + 1 : text);
    return 1;
}

static int redis_status_reply(lua_State *lua) {
    push_field(lua, "ok", luaL_checkstring(lua, 1));
    return 1;
}

static int redis_nothing(lua_State *lua) {
    (void) lua;
    return 0;
}

/* Lua's own, but what Redis says of an error is its text. */
static int plain_pcall(lua_State *lua) {
    luaL_checkany(lua, 1);
    bool is_right = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0) == 0;
    if (!is_right && is_error(lua)) {
        lua_getfield(lua, -1, "err");
        lua_replace(lua, -2);
    }
    lua_pushboolean(lua, is_right);
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

static int no_global(lua_State *lua) {
    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                      luaL_checkstring(lua, 2));
}

static int no_new_global(lua_State *lua) {
    (void) lua;
    return luaL_error(lua, "Attempt to modify a readonly table");
}

/* ---- the interpreter ---- */

static void open_library(lua_State *lua, const char *name, lua_CFunction open) {
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

static void forbid_new_globals(lua_State *lua) {
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, no_global);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, no_new_global);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}

struct scripts *scripts_new(void) {
    static const luaL_Reg functions[] = { { "call", redis_call },
                                          { "pcall", redis_pcall },
                                          { "sha1hex", redis_sha1hex },
                                          { "error_reply", redis_error_reply },
                                          { "status_reply", redis_status_reply },
                                          { "log", redis_nothing },
                                          { NULL, NULL } };
    static const char *const forbidden[] = { "dofile",   "loadfile", "print",
                                             "newproxy", "require",  "module" };
    struct scripts *s = calloc(1, sizeof *s);
    if (!s || !(s->lua = luaL_newstate()))
        abort();
    open_library(s->lua, "", luaopen_base);
    open_library(s->lua, LUA_TABLIBNAME, luaopen_table);
    open_library(s->lua, LUA_STRLIBNAME, luaopen_string);
    open_library(s->lua, LUA_MATHLIBNAME, luaopen_math);
    luaL_register(s->lua, "redis", functions);
    lua_settop(s->lua, 0);
    for (size_t i = 0; i < ELEMENTS_OF(forbidden); i++) {
        lua_pushnil(s->lua);
        lua_setglobal(s->lua, forbidden[i]);
    }
    lua_pushcfunction(s->lua, plain_pcall);
    lua_setglobal(s->lua, "pcall");
    /* Of scripts, and of which there are always the same two. */
    lua_newtable(s->lua);
    lua_setglobal(s->lua, "KEYS");
    lua_newtable(s->lua);
    lua_setglobal(s->lua, "ARGV");
    lua_pushlightuserdata(s->lua, s);
    lua_setfield(s->lua, LUA_REGISTRYINDEX, "scripts");
    forbid_new_globals(s->lua);
    return s;
}

struct scripts *scripts_free(struct scripts *s) {
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->n; i++)
        blob_free(&s->items[i].source);
    lua_close(s->lua);
    free(s);
    return NULL;
}

static struct script *find(struct scripts *s, struct bytes sha) {
    for (size_t i = 0; i < s->n; i++)
        if (bytes_are(sha, s->items[i].sha))
            return &s->items[i];
    return NULL;
}

struct bytes scripts_source(const struct scripts *s, struct bytes sha) {
    for (size_t i = 0; i < s->n; i++)
        if (bytes_are(sha, s->items[i].sha))
            return blob_bytes(&s->items[i].source);
    return (struct bytes){ 0 };
}

/* NULL: it cannot be compiled, which is answered. */
static struct script *load(struct call *c, struct bytes source) {
    struct scripts *s = c->database->scripts;
    struct bytes body = source;
    char sha[SHA_LEN + 1], text[512];

    sha1_hex(source, sha);
    struct script *known = find(s, bytes_of(sha, SHA_LEN));
    if (known)
        return known;
    if (s->n == SCRIPTS_MAX)
        abort();
    if (body.len > 1 && memcmp(body.data, "#!", 2) == 0) { /* its line is no Lua, but a line */
        const uint8_t *end = memchr(body.data, '\n', body.len);
        size_t skipped = end ? (size_t) (end - body.data) : body.len;
        body = bytes_of(body.data + skipped, body.len - skipped);
    }
    if (luaL_loadbuffer(s->lua, (const char *) body.data, body.len, "@user_script") != 0) {
        (void) snprintf(text, sizeof text, "ERR Error compiling script (new function): %s",
                        lua_tostring(s->lua, -1));
        lua_settop(s->lua, 0);
        answer_error(c, text);
        return NULL;
    }
    struct script *script = &s->items[s->n++];
    memcpy(script->sha, sha, sizeof sha);
    script->source = blob_copy(source);
    script->function = luaL_ref(s->lua, LUA_REGISTRYINDEX);
    return script;
}

/* ---- running ---- */

static bool answer_field(struct call *c, lua_State *lua, const char *name, char mark) {
    lua_getfield(lua, -1, name);
    bool is_there = lua_isstring(lua, -1);
    if (is_there) {
        buffer_append_byte(c->out, (uint8_t) mark);
        for (const char *p = lua_tostring(lua, -1); *p; p++)
            buffer_append_byte(c->out, *p == '\r' || *p == '\n' ? ' ' : (uint8_t) *p);
        buffer_append_str(c->out, STR("\r\n"));
    }
    lua_pop(lua, 1);
    return is_there;
}

/* What is on top of Lua's stack. */
static void answer_value(struct call *c, lua_State *lua) {
    size_t len, n = 0;
    const char *data;

    luaL_checkstack(lua, 4, "answer");
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        data = lua_tolstring(lua, -1, &len);
        answer_bulk(c, bytes_of(data, len));
        break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(lua, -1))
            answer_int(c, 1);
        else
            answer_nil(c);
        break;
    case LUA_TNUMBER:
        answer_int(c, (int64_t) lua_tonumber(lua, -1));
        break;
    case LUA_TTABLE:
        if (answer_field(c, lua, "err", '-') || answer_field(c, lua, "ok", '+'))
            break;
        for (;; n++) {
            lua_rawgeti(lua, -1, (int) n + 1);
            bool is_end = lua_isnil(lua, -1);
            lua_pop(lua, 1);
            if (is_end)
                break;
        }
        answer_array(c, n);
        for (size_t i = 0; i < n; i++) {
            lua_rawgeti(lua, -1, (int) i + 1);
            answer_value(c, lua);
            lua_pop(lua, 1);
        }
        break;
    default:
        answer_nil(c);
        break;
    }
}

/* Where it happened, beside what happened. */
static int locate(lua_State *lua) {
    lua_Debug info = { 0 };
    int level = 1;

    if (!lua_istable(lua, 1)) {
        lua_pushfstring(lua, "ERR %s", lua_isstring(lua, 1) ? lua_tostring(lua, 1) : "(error)");
        push_field(lua, "err", lua_tostring(lua, -1));
        lua_replace(lua, 1);
        lua_settop(lua, 1);
    }
    while (lua_getstack(lua, level, &info)) {
        (void) lua_getinfo(lua, "Sl", &info);
        if (strcmp(info.what, "C") != 0)
            break;
        level++;
    }
    lua_pushinteger(lua, info.currentline);
    lua_setfield(lua, 1, "line");
    return 1;
}

static void answer_failure(struct call *c, lua_State *lua, const struct script *script) {
    lua_getfield(lua, -1, "err");
    lua_getfield(lua, -2, "line");
    buffer_printf(c->out, "-%s script: %s, on @user_script:%d.\r\n", lua_tostring(lua, -2),
                  script->sha, (int) lua_tointeger(lua, -1));
}

static void set_list(lua_State *lua, const char *name, const struct bytes *items, size_t n) {
    lua_createtable(lua, (int) n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushlstring(lua, (const char *) items[i].data, items[i].len);
        lua_rawseti(lua, -2, (int) i + 1);
    }
    lua_setglobal(lua, name);
}

static bool read_key_count(struct call *c, int64_t *ret) {
    if (!argument_int(c, 2, ret))
        return false;
    if (*ret >= 0 && (size_t) *ret <= c->n - 3)
        return true;
    answer_error(c, *ret < 0 ? "ERR Number of keys can't be negative"
                             : "ERR Number of keys can't be greater than number of args");
    return false;
}

static void run(struct call *c, const struct script *script, int64_t n_keys) {
    struct scripts *s = c->database->scripts;

    set_list(s->lua, "KEYS", c->argv + 3, (size_t) n_keys);
    set_list(s->lua, "ARGV", c->argv + 3 + n_keys, c->n - 3 - (size_t) n_keys);
    lua_pushcfunction(s->lua, locate);
    lua_rawgeti(s->lua, LUA_REGISTRYINDEX, script->function);
    s->call = c;
    if (lua_pcall(s->lua, 0, 1, 1) == 0)
        answer_value(c, s->lua);
    else
        answer_failure(c, s->lua, script);
    s->call = NULL;
    lua_settop(s->lua, 0);
}

/* ---- commands ---- */

static void run_eval(struct call *c) {
    int64_t n_keys;
    const struct script *script = read_key_count(c, &n_keys) ? load(c, c->argv[1]) : NULL;
    if (script)
        run(c, script, n_keys);
}

static void run_evalsha(struct call *c) {
    const struct script *script = find(c->database->scripts, c->argv[1]);
    int64_t n_keys;
    if (!read_key_count(c, &n_keys))
        return;
    if (script)
        run(c, script, n_keys);
    else
        answer_error(c, "NOSCRIPT No matching script. Please use EVAL.");
}

static void run_script(struct call *c) {
    struct scripts *s = c->database->scripts;

    if (bytes_are(c->argv[1], "load") && c->n == 3) {
        const struct script *script = load(c, c->argv[2]);
        if (script)
            answer_bulk(c, bytes_of(script->sha, SHA_LEN));
    } else if (bytes_are(c->argv[1], "exists") && c->n > 2) {
        answer_array(c, c->n - 2);
        for (size_t i = 2; i < c->n; i++)
            answer_int(c, find(s, c->argv[i]) != NULL);
    } else if (bytes_are(c->argv[1], "flush")) {
        for (size_t i = 0; i < s->n; i++) {
            blob_free(&s->items[i].source);
            luaL_unref(s->lua, LUA_REGISTRYINDEX, s->items[i].function);
        }
        s->n = 0;
        answer_status(c, "OK");
    } else {
        answer_error(c, "ERR unknown subcommand of 'script'");
    }
}

const struct redis_command_entry script_commands[] = {
    { "eval", -3, COMMAND_NOT_SCRIPTED, run_eval },
    { "evalsha", -3, COMMAND_NOT_SCRIPTED, run_evalsha },
    { "script", -2, COMMAND_NOT_SCRIPTED, run_script },
    { 0 },
};
