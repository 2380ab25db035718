/* The API's table, written out: OpenAPI and the reference page. */
#include <string.h>

#include "daemon/api/schema.h"
#include "protocol/codes.h"
#include "protocol/json.h"

/* ---- OpenAPI 3.0 ---- */

static void put_text(struct buffer *out, const char *name, const char *value) {
    buffer_printf(out, "\"%s\":", name);
    json_append_string(out, str_of(value));
}

static void put_type(struct buffer *out, const char *type) {
    buffer_printf(out, "\"type\":\"%s\"", type);
}

static void put_limits(struct buffer *out, const struct api_field *f, const char *low,
                       const char *high) {
    if (f->min == 0 && f->max == 0)
        return;
    if (f->min > INT64_MIN && f->min != 0)
        buffer_printf(out, ",\"%s\":%lld", low, (long long) f->min);
    if (f->max < INT64_MAX && f->max != 0)
        buffer_printf(out, ",\"%s\":%lld", high, (long long) f->max);
}

static void put_reference(struct buffer *out, const struct api_object *o) {
    if (o)
        buffer_printf(out, "{\"$ref\":\"#/components/schemas/%s\"}", o->name);
    else
        buffer_append_str(out, STR("{\"type\":\"object\"}"));
}

/* The members of a schema, without its braces. */
static void put_schema(struct buffer *out, const struct api_field *f) {
    switch (f->kind) {
    case API_TEXT:
        put_type(out, "string");
        put_limits(out, f, "minLength", "maxLength");
        break;
    case API_BASE64:
        put_type(out, "string");
        buffer_append_str(out, STR(",\"format\":\"byte\""));
        break;
    case API_BOOL:
        put_type(out, "boolean");
        break;
    case API_INT:
    case API_UINT:
        put_type(out, "integer");
        buffer_append_str(out, STR(",\"format\":\"int64\""));
        if (f->kind == API_UINT && f->min == 0)
            buffer_append_str(out, STR(",\"minimum\":0"));
        put_limits(out, f, "minimum", "maximum");
        break;
    case API_NUMBER:
        put_type(out, "number");
        break;
    case API_TEXTS:
        put_type(out, "array");
        buffer_append_str(out, STR(",\"items\":{\"type\":\"string\"}"));
        put_limits(out, f, "minItems", "maxItems");
        break;
    case API_TAGS:
        put_type(out, "object");
        buffer_append_str(out, STR(",\"additionalProperties\":{\"type\":\"string\"}"));
        break;
    case API_CHOICE:
        put_type(out, "string");
        buffer_append_str(out, STR(",\"enum\":["));
        for (size_t i = 0; f->choices[i]; i++)
            buffer_printf(out, "%s\"%s\"", i ? "," : "", f->choices[i]);
        buffer_append_byte(out, ']');
        break;
    case API_FLAG:
        put_type(out, "object");
        buffer_append_str(out, STR(",\"properties\":{\"value\":{\"type\":\"boolean\"}}"));
        break;
    case API_LIST:
    case API_LIST_AS_IS:
        put_type(out, "array");
        buffer_append_str(out, STR(",\"items\":"));
        put_reference(out, f->object);
        break;
    case API_MAP:
        put_type(out, "object");
        buffer_append_str(out, STR(",\"additionalProperties\":"));
        put_reference(out, f->object);
        break;
    case API_OBJECT:
        buffer_append_str(out, STR("\"allOf\":["));
        put_reference(out, f->object);
        buffer_append_byte(out, ']');
        break;
    case API_JSON:
    default:
        if (f->object) {
            buffer_append_str(out, STR("\"allOf\":["));
            put_reference(out, f->object);
            buffer_append_byte(out, ']');
        } else {
            buffer_append_str(out, STR("\"nullable\":true"));
        }
    }
}

static void put_object(struct buffer *out, const struct api_object *o) {
    bool has_required = false;

    put_type(out, "object");
    buffer_append_str(out, STR(",\"properties\":{"));
    for (size_t i = 0; i < o->n; i++) {
        const struct api_field *f = &o->fields[i];
        buffer_printf(out, "%s\"%s\":{", i ? "," : "", f->name);
        put_schema(out, f);
        buffer_append_byte(out, ',');
        put_text(out, "description", f->help);
        buffer_append_byte(out, '}');
        has_required |= f->is_required;
    }
    buffer_append_byte(out, '}');
    if (!has_required)
        return;
    buffer_append_str(out, STR(",\"required\":["));
    const char *comma = "";
    for (size_t i = 0; i < o->n; i++)
        if (o->fields[i].is_required) {
            buffer_printf(out, "%s\"%s\"", comma, o->fields[i].name);
            comma = ",";
        }
    buffer_append_byte(out, ']');
}

/* Objects that methods have within others, once each. */
struct objects {
    const struct api_object *items[32];
    size_t n;
};

static void collect(struct objects *all, const struct api_object *o) {
    for (size_t i = 0; o && i < all->n; i++)
        if (strcmp(all->items[i]->name, o->name) == 0)
            return;
    for (size_t i = 0; o && i < API_METHODS_N; i++)
        if (strcmp(api_methods()[i].result.name, o->name) == 0)
            return;
    if (o && all->n < ELEMENTS_OF(all->items))
        all->items[all->n++] = o;
}

static void collect_of(struct objects *all, const struct api_object *o) {
    for (size_t i = 0; i < o->n; i++)
        collect(all, o->fields[i].object);
}

static void collect_all(struct objects *all) {
    for (size_t i = 0; i < API_METHODS_N; i++) {
        collect_of(all, &api_methods()[i].params);
        collect_of(all, &api_methods()[i].result);
    }
    for (size_t i = 0; i < all->n; i++) /* grows as it goes */
        collect_of(all, all->items[i]);
}

static void put_named(struct buffer *out, const char *comma, const struct api_object *o) {
    buffer_printf(out, "%s\"%s\":{", comma, o->name);
    put_object(out, o);
    buffer_append_byte(out, '}');
}

static void put_path(struct buffer *out, struct str path, const struct api_method *m) {
    buffer_printf(out, "\"%.*s/%s\":{\"post\":{\"operationId\":\"%s\",", (int) path.len, path.data,
                  m->name, m->name);
    put_text(out, "description", m->help);
    buffer_append_str(out, STR(",\"requestBody\":{\"required\":true,\"content\":{"
                               "\"application/json\":{\"schema\":"));
    put_reference(out, &m->params);
    buffer_append_str(out, STR("}}},\"responses\":{\"200\":{\"description\":\"The result, or an "
                               "error.\",\"content\":{\"application/json\":{\"schema\":"));
    if (m->id == API_BATCH) {
        put_reference(out, &m->result);
    } else {
        buffer_append_str(out, STR("{\"type\":\"object\",\"properties\":{\"result\":"));
        put_reference(out, &m->result);
        buffer_append_str(out, STR(",\"error\":{\"$ref\":\"#/components/schemas/Error\"}}}"));
    }
    buffer_append_str(
            out, STR("}}},\"400\":{\"description\":\"The body is not JSON.\"},\"401\":{"
                     "\"description\":\"The key is missing or wrong.\"},\"413\":{\"description\":"
                     "\"The body is too large.\"},\"default\":{\"description\":\"Where errors are "
                     "statuses: the error.\",\"content\":{\"application/json\":{\"schema\":{"
                     "\"$ref\":\"#/components/schemas/Error\"}}}}}}}"));
}

void api_write_openapi(struct str path, struct buffer *out) {
    struct objects all = { .n = 0 };

    collect_all(&all);
    buffer_append_str(out, STR("{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"Parley server API\","
                               "\"version\":\"" PARLEY_VERSION "\"},\"security\":[{\"header\":[]},"
                               "{\"authorization\":[]},{\"query\":[]}],\"paths\":{"));
    for (size_t i = 0; i < API_METHODS_N; i++) {
        if (i)
            buffer_append_byte(out, ',');
        put_path(out, path, &api_methods()[i]);
    }
    buffer_append_str(
            out,
            STR("},\"components\":{\"securitySchemes\":{\"header\":{\"type\":\"apiKey\",\"in\":"
                "\"header\",\"name\":\"X-API-Key\"},\"authorization\":{\"type\":\"apiKey\","
                "\"in\":\"header\",\"name\":\"Authorization\",\"description\":\"apikey KEY\"},"
                "\"query\":{\"type\":\"apiKey\",\"in\":\"query\",\"name\":\"api_key\"}},"
                "\"schemas\":{"));
    for (size_t i = 0; i < API_METHODS_N; i++) {
        put_named(out, i ? "," : "", &api_methods()[i].params);
        put_named(out, ",", &api_methods()[i].result);
    }
    for (size_t i = 0; i < all.n; i++)
        put_named(out, ",", all.items[i]);
    buffer_append_str(out, STR("}}}"));
}

/* ---- the reference page ---- */

static const char *type_name(const struct api_field *f) {
    switch (f->kind) {
    case API_TEXT:
        return "string";
    case API_BASE64:
        return "base 64";
    case API_BOOL:
        return "boolean";
    case API_INT:
    case API_UINT:
        return "integer";
    case API_NUMBER:
        return "number";
    case API_TEXTS:
        return "list of strings";
    case API_TAGS:
        return "object of strings";
    case API_CHOICE:
        return "string";
    case API_FLAG:
        return "`{\"value\": …}`";
    case API_LIST:
    case API_LIST_AS_IS:
        return "list";
    case API_MAP:
        return "object";
    case API_OBJECT:
        return "object";
    case API_JSON:
    default:
        return "JSON";
    }
}

static void put_limit_words(struct buffer *out, const struct api_field *f) {
    bool is_number = f->kind == API_INT || f->kind == API_UINT;
    const char *unit = f->kind == API_TEXT                           ? " bytes"
                       : f->kind == API_TEXTS || f->kind == API_TAGS ? " items"
                                                                     : "";
    if (is_number && f->min > INT64_MIN && (f->min || f->max)) {
        if (f->max < INT32_MAX)
            buffer_printf(out, ", %lld to %lld", (long long) f->min, (long long) f->max);
        else
            buffer_printf(out, ", at least %lld", (long long) f->min);
    } else if (!is_number && f->max && f->max < 65535) {
        buffer_printf(out, ", at most %lld%s", (long long) f->max, unit);
    }
}

static void put_rows(struct buffer *out, const struct api_object *o) {
    for (size_t i = 0; i < o->n; i++) {
        const struct api_field *f = &o->fields[i];
        buffer_printf(out, "| `%s`%s | %s", f->name, f->is_required ? " *" : "", type_name(f));
        if (f->object && f->kind == API_LIST)
            buffer_printf(out, " of %s", f->object->name);
        else if (f->object)
            buffer_printf(out, " %s", f->object->name);
        put_limit_words(out, f);
        buffer_printf(out, " | %s |\n", f->help);
    }
}

static void put_table(struct buffer *out, const char *title, const struct api_object *o) {
    if (o->n == 0)
        return;
    buffer_printf(out, "\n| %s | | |\n|---|---|---|\n", title);
    put_rows(out, o);
}

#define CODE_AS_ROW(id, code, text, temporary)                                                     \
    buffer_printf(out, "| %d | %s | %d |\n", code, text, api_status_of(code));

void api_document(struct buffer *out) {
    buffer_append_str(
            out,
            STR("<!-- Written by `parleyd --document-api`. -->\n"
                "# Server API\n\n"
                "`POST /api/METHOD` with a JSON body. The key of `http_api.key`, or one of "
                "`http_api.keys`, comes as `X-API-Key: KEY`, as `Authorization: apikey KEY`, or as "
                "`?api_key=KEY`. `GET /api/openapi.json` describes the same for programs.\n\n"
                "```\n"
                "curl -d '{\"channel\":\"news\",\"data\":{\"text\":\"hello\"}}' -H 'X-API-Key: "
                "KEY' http://localhost:8000/api/publish\n"
                "{\"result\":{\"offset\":1,\"epoch\":\"x3Fq\"}}\n"
                "```\n\n"
                "The answer is 200 with `{\"result\":{…}}` or "
                "`{\"error\":{\"code\":…,\"message\":…}}`. "
                "With the header `X-Centrifugo-Error-Mode: transport`, or `http_api.error_mode: "
                "transport`, an error is the status of the table below and the error object alone. "
                "401: the key is missing or wrong. 400: the body is not JSON; nothing of it was "
                "done. 404: no such method. 413: the body is over "
                "`http_api.max_request_body_size`.\n\n"
                "Several commands go into one request by `batch`, or as lines "
                "`{\"method\":\"publish\",\"params\":{…}}` to `POST /api`, which are answered by "
                "as "
                "many lines. Publishes of one request are started without waiting for each other, "
                "in order; answers come in order. There are at most `http_api.max_commands` "
                "of them.\n\n"
                "Unknown members are ignored; null stands for absence. A member of the wrong type "
                "or out of its limits is error 107, whose message names it. Members with a * are "
                "needed.\n\n"
                "## Errors\n\n| Code | Message | Status |\n|---|---|---|\n"));
    ERROR_TABLE(CODE_AS_ROW)
    buffer_append_str(out, STR("\nIn this API 104 reads \"not found\" and 113 \"conflict\".\n\n"
                               "## Methods\n"));
    for (size_t i = 0; i < API_METHODS_N; i++) {
        const struct api_method *m = &api_methods()[i];
        buffer_printf(out, "\n### %s\n\n%s\n", m->name, m->help);
        put_table(out, "Parameter", &m->params);
        if (m->result.n)
            put_table(out, "Result", &m->result);
        else
            buffer_append_str(out, STR("\nThe result is an empty object.\n"));
    }
    struct objects all = { .n = 0 };
    collect_all(&all);
    buffer_append_str(out, STR("\n## Objects\n"));
    for (size_t i = 0; i < all.n; i++) {
        buffer_printf(out, "\n### %s\n", all.items[i]->name);
        put_table(out, "Member", all.items[i]);
    }
}
