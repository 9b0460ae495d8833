/* SPDX-License-Identifier: MIT */
#include "llm/feature.h"

#include "wire/json.h"

/* Arrays rather than pointers here: these would have to be relocated in each process. */
#define WORD_BYTES 28

static const char names[][WORD_BYTES] = {
#define FEATURE(name, text) text,
#include "llm/feature.def"
#undef FEATURE
};
_Static_assert(FEATURE_COUNT <= 64, "a feature is a bit of 64");

const char *feature_name(enum feature f)
{
	return (unsigned)f < FEATURE_COUNT ? names[f] : "unknown";
}

/* A word that means a feature; of tools' kinds, what it begins with: they carry dates. */
struct word {
	char text[WORD_BYTES];
	enum feature feature;
};

static const struct word aliases[] = {
	{"web_search_preview", FEATURE_WEB_SEARCH}, {"mcp_servers", FEATURE_MCP},
	{"google_search", FEATURE_WEB_SEARCH},      {"google_maps", FEATURE_MAPS},
	{"url_context", FEATURE_WEB_FETCH},
};

/* "type" of a tool. The longer word stands first where one begins with another. */
static const struct word kinds[] = {
	{"function", FEATURE_FUNCTIONS},
	{"custom", FEATURE_FUNCTIONS},
	{"bash_", FEATURE_FUNCTIONS},
	{"text_editor_", FEATURE_FUNCTIONS},
	{"memory_", FEATURE_FUNCTIONS},
	{"local_shell", FEATURE_FUNCTIONS},
	{"apply_patch", FEATURE_FUNCTIONS},
	{"web_search", FEATURE_WEB_SEARCH},
	{"google_search", FEATURE_WEB_SEARCH},
	{"web_fetch", FEATURE_WEB_FETCH},
	{"url_context", FEATURE_WEB_FETCH},
	{"google_maps", FEATURE_MAPS},
	{"file_search", FEATURE_FILE_SEARCH},
	{"retrieval", FEATURE_FILE_SEARCH},
	{"document_library", FEATURE_FILE_SEARCH},
	{"code_interpreter", FEATURE_CODE_EXECUTION},
	{"code_execution", FEATURE_CODE_EXECUTION},
	{"shell", FEATURE_CODE_EXECUTION},
	{"computer", FEATURE_COMPUTER_USE},
	{"image_generation", FEATURE_IMAGE_GENERATION},
	{"mcp", FEATURE_MCP},
	{"tool_search", FEATURE_TOOL_SEARCH},
	{"advisor", FEATURE_ADVISOR},
	{"browser", FEATURE_BROWSER},
};

/* A member of a tool that says no type: Gemini's, Bedrock's, and what functions consist of. */
static const struct word tool_members[] = {
	{"functionDeclarations", FEATURE_FUNCTIONS},
	{"function_declarations", FEATURE_FUNCTIONS},
	{"toolSpec", FEATURE_FUNCTIONS},
	{"function", FEATURE_FUNCTIONS},
	{"input_schema", FEATURE_FUNCTIONS},
	{"parameter_definitions", FEATURE_FUNCTIONS},
	{"googleSearch", FEATURE_WEB_SEARCH},
	{"google_search", FEATURE_WEB_SEARCH},
	{"googleSearchRetrieval", FEATURE_WEB_SEARCH},
	{"google_search_retrieval", FEATURE_WEB_SEARCH},
	{"enterpriseWebSearch", FEATURE_WEB_SEARCH},
	{"enterprise_web_search", FEATURE_WEB_SEARCH},
	{"urlContext", FEATURE_WEB_FETCH},
	{"url_context", FEATURE_WEB_FETCH},
	{"googleMaps", FEATURE_MAPS},
	{"google_maps", FEATURE_MAPS},
	{"fileSearch", FEATURE_FILE_SEARCH},
	{"file_search", FEATURE_FILE_SEARCH},
	{"retrieval", FEATURE_FILE_SEARCH},
	{"codeExecution", FEATURE_CODE_EXECUTION},
	{"code_execution", FEATURE_CODE_EXECUTION},
	{"computerUse", FEATURE_COMPUTER_USE},
	{"computer_use", FEATURE_COMPUTER_USE},
	{"mcpServers", FEATURE_MCP},
};

/* Of a tool without a type, what says nothing of its kind. */
static const char plain_members[][WORD_BYTES] = {"name", "description", "cachePoint",
						 "cache_control", "strict"};

/* A member of the request itself, when it says anything but null, false or nothing. */
static const struct word top_members[] = {
	{"functions", FEATURE_FUNCTIONS},
	{"web_search_options", FEATURE_WEB_SEARCH},
	{"search_parameters", FEATURE_WEB_SEARCH},
	{"connectors", FEATURE_WEB_SEARCH},
	{"mcp_servers", FEATURE_MCP},
	{"background", FEATURE_BACKGROUND},
	{"previous_response_id", FEATURE_REFERENCES},
	{"conversation", FEATURE_REFERENCES},
	{"previous_interaction_id", FEATURE_REFERENCES},
	{"cachedContent", FEATURE_CACHED_CONTENT},
	{"cached_content", FEATURE_CACHED_CONTENT},
	{"container", FEATURE_CONTAINER},
	{"context_management", FEATURE_CONTEXT_MANAGEMENT},
	{"diagnostics", FEATURE_DIAGNOSTICS},
	{"images", FEATURE_IMAGES},
	{"image", FEATURE_IMAGES},
	{"audio", FEATURE_AUDIO},
	{"documents", FEATURE_DOCUMENTS},
	{"file_id", FEATURE_FILE_REFERENCES},
	{"file_ids", FEATURE_FILE_REFERENCES},
};

/* "type" of a piece of content. */
static const struct word content_kinds[] = {
	{"image_url", FEATURE_IMAGES},
	{"input_image", FEATURE_IMAGES},
	{"image", FEATURE_IMAGES},
	{"input_audio", FEATURE_AUDIO},
	{"audio_url", FEATURE_AUDIO},
	{"audio", FEATURE_AUDIO},
	{"video_url", FEATURE_VIDEO},
	{"video", FEATURE_VIDEO},
	{"input_file", FEATURE_DOCUMENTS},
	{"file", FEATURE_DOCUMENTS},
	{"document", FEATURE_DOCUMENTS},
	{"document_url", FEATURE_DOCUMENTS},
	{"container_upload", FEATURE_FILE_REFERENCES},
	{"item_reference", FEATURE_REFERENCES},
};

/* A member within content, with a value that is not empty. */
static const struct word content_members[] = {
	{"file_id", FEATURE_FILE_REFERENCES},
	{"fileId", FEATURE_FILE_REFERENCES},
	{"fileUri", FEATURE_FILE_REFERENCES},
	{"file_uri", FEATURE_FILE_REFERENCES},
	{"s3Location", FEATURE_FILE_REFERENCES},
	{"images", FEATURE_IMAGES},
	{"image", FEATURE_IMAGES},
	{"audio", FEATURE_AUDIO},
	{"video", FEATURE_VIDEO},
	{"document", FEATURE_DOCUMENTS},
};

static const struct word media[] = {
	{"image/", FEATURE_IMAGES},   {"audio/", FEATURE_AUDIO},
	{"video/", FEATURE_VIDEO},    {"application/", FEATURE_DOCUMENTS},
	{"text/", FEATURE_DOCUMENTS},
};

/* Where the words stand. */
static const char content_holders[][WORD_BYTES] = {"messages",
						   "input",
						   "contents",
						   "content",
						   "system",
						   "instructions",
						   "systemInstruction",
						   "system_instruction",
						   "additional_messages",
						   "item",
						   "items"};

/* Within content: what is the program's own JSON. */
static const char free_members[][WORD_BYTES] = {
	"input",        "args",          "arguments", "parameters", "response",
	"input_schema", "output_schema", "schema",    "metadata",   "json"};

/* Limits of the answer: of the request itself, and in the objects that dialects put it in. */
static const char limits[][WORD_BYTES] = {"max_tokens",        "max_completion_tokens",
					  "max_output_tokens", "max_tokens_to_sample",
					  "maxOutputTokens",   "maxTokens",
					  "maxTokenCount",     "max_gen_len",
					  "max_new_tokens",    "num_predict"};
static const char limit_holders[][WORD_BYTES] = {"generationConfig", "generation_config",
						 "inferenceConfig",  "textGenerationConfig",
						 "options",          "parameters"};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static enum feature find_exact(const struct word *words, size_t count,
			       const struct json_token *token)
{
	for (size_t i = 0; i < count; i++)
		if (json_token_is(token, bytes_str(words[i].text)))
			return words[i].feature;
	return FEATURE_COUNT;
}

/* By what a text begins with. An escaped one is compared as a whole: nobody writes them so. */
static enum feature find_prefix(const struct word *words, size_t count,
				const struct json_token *token)
{
	for (size_t i = 0; i < count && !token->escaped; i++)
		if (bytes_starts(token->raw, bytes_str(words[i].text)))
			return words[i].feature;
	return token->escaped ? find_exact(words, count, token) : FEATURE_COUNT;
}

static bool is_one_of(const char (*list)[WORD_BYTES], size_t count, const struct json_token *token)
{
	for (size_t i = 0; i < count; i++)
		if (json_token_is(token, bytes_str(list[i])))
			return true;
	return false;
}

enum feature feature_find(struct bytes name)
{
	for (size_t i = 0; i < FEATURE_COUNT; i++)
		if (bytes_equal(name, bytes_str(names[i])))
			return (enum feature)i;
	for (size_t i = 0; i < COUNT(aliases); i++)
		if (bytes_equal(name, bytes_str(aliases[i].text)))
			return aliases[i].feature;
	return FEATURE_COUNT;
}

struct reading {
	struct json scan;
	struct features *features;
};

static void note(struct reading *r, enum feature f)
{
	if (f < FEATURE_COUNT)
		r->features->bits |= FEATURE_BIT(f);
}

/* False at the end of the container, or of what can be read. */
static bool next_member(struct reading *r, struct json_token *ret_key, struct json_token *ret_value)
{
	return json_next(&r->scan, ret_key) == OK && ret_key->kind == JSON_KEY &&
	       json_next(&r->scan, ret_value) == OK;
}

static void skip(struct reading *r, const struct json_token *value)
{
	size_t end;

	(void)!json_skip(&r->scan, value, &end);
}

/* null, false, "", [] and {} ask for nothing. */
static bool says_something(const struct reading *r, const struct json_token *value)
{
	struct json ahead = r->scan;
	struct json_token first;

	switch (value->kind) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_STRING:
		return value->raw.len > 0;
	case JSON_OBJECT:
	case JSON_ARRAY:
		return json_next(&ahead, &first) == OK && first.kind != JSON_OBJECT_END &&
		       first.kind != JSON_ARRAY_END;
	default:
		return true;
	}
}

/* -- tools --------------------------------------------------------------------------------- */

static void read_tool(struct reading *r)
{
	struct json_token key, value, kind = {0};
	bool has_kind = false, offline = false, live = false;
	bool by_member = false, odd = false, empty = true;

	for (; next_member(r, &key, &value); skip(r, &value)) {
		enum feature f = find_exact(tool_members, COUNT(tool_members), &key);
		empty = false;
		if (json_token_is(&key, BYTES("type")) && value.kind == JSON_STRING) {
			/* A second one counts, too. */
			if (has_kind)
				note(r, find_prefix(kinds, COUNT(kinds), &kind));
			kind = value;
			has_kind = true;
		} else if (json_token_is(&key, BYTES("external_web_access"))) {
			offline |= value.kind == JSON_FALSE;
			live |= value.kind != JSON_FALSE;
		} else if (f < FEATURE_COUNT) {
			/* Of a tool with a type, "function" and the like are its parts. */
			by_member = true;
			note(r, f);
		} else if (!is_one_of(plain_members, COUNT(plain_members), &key)) {
			odd = true;
		}
	}
	if (has_kind && offline && !live && json_token_is(&kind, BYTES("web_search"))) {
		note(r, FEATURE_WEB_SEARCH_CACHED);
	} else if (has_kind) {
		enum feature f = find_prefix(kinds, COUNT(kinds), &kind);
		note(r, f < FEATURE_COUNT ? f : FEATURE_OTHER_TOOLS);
	} else if (!by_member && !empty) {
		note(r, odd ? FEATURE_OTHER_TOOLS : FEATURE_FUNCTIONS);
	}
}

/* Tools in an array, or (an object of "tools", as Bedrock has it) one level down. */
static void read_tools(struct reading *r, const struct json_token *holder)
{
	struct json_token t;

	if (holder->kind != JSON_ARRAY) {
		skip(r, holder);
		return;
	}
	while (json_next(&r->scan, &t) == OK && t.kind != JSON_ARRAY_END) {
		if (t.kind == JSON_OBJECT)
			read_tool(r);
		else
			skip(r, &t);
	}
}

static void read_tool_config(struct reading *r)
{
	struct json_token key, value;

	while (next_member(r, &key, &value)) {
		if (json_token_is(&key, BYTES("tools")))
			read_tools(r, &value);
		else
			skip(r, &value);
	}
}

/* OpenRouter: [{"id": "web"}]. */
static void read_plugins(struct reading *r, const struct json_token *holder)
{
	struct json_token t;

	while (json_next(&r->scan, &t) == OK && t.depth > holder->depth) {
		struct json_token value;
		if (t.kind == JSON_KEY && json_token_is(&t, BYTES("id")) &&
		    json_next(&r->scan, &value) == OK)
			note(r, json_token_is(&value, BYTES("web")) ? FEATURE_WEB_SEARCH
								    : FEATURE_OTHER_TOOLS);
	}
}

/* -- content ------------------------------------------------------------------------------- */

static void read_content_member(struct reading *r, const struct json_token *key)
{
	struct json_token value;

	if (json_next(&r->scan, &value))
		return;
	if (value.kind == JSON_STRING && json_token_is(key, BYTES("type")))
		note(r, find_exact(content_kinds, COUNT(content_kinds), &value));
	else if (value.kind == JSON_STRING &&
		 (json_token_is(key, BYTES("mimeType")) || json_token_is(key, BYTES("mime_type")) ||
		  json_token_is(key, BYTES("media_type"))))
		note(r, find_prefix(media, COUNT(media), &value));
	else if (is_one_of(free_members, COUNT(free_members), key))
		skip(r, &value);
	else if (says_something(r, &value))
		note(r, find_exact(content_members, COUNT(content_members), key));
}

static void read_content(struct reading *r, const struct json_token *holder)
{
	struct json_token t;

	if (holder->kind != JSON_ARRAY && holder->kind != JSON_OBJECT)
		return;
	while (json_next(&r->scan, &t) == OK && t.depth > holder->depth)
		if (t.kind == JSON_KEY)
			read_content_member(r, &t);
}

/* -- limits -------------------------------------------------------------------------------- */

static void read_limit(struct reading *r, const struct json_token *key,
		       const struct json_token *value)
{
	uint64_t n;

	if (value->kind != JSON_NUMBER || !is_one_of(limits, COUNT(limits), key))
		return;
	/* Negative is "without end" (Ollama), a fraction is nobody's number. */
	if (json_number_u64(value, &n))
		n = UINT64_MAX;
	if (!r->features->has_max_tokens || n > r->features->max_tokens)
		r->features->max_tokens = n;
	r->features->has_max_tokens = true;
}

static void read_limit_holder(struct reading *r)
{
	struct json_token key, value;

	for (; next_member(r, &key, &value); skip(r, &value))
		read_limit(r, &key, &value);
}

/* -- the request --------------------------------------------------------------------------- */

static void read_member(struct reading *r, const struct json_token *key,
			const struct json_token *value)
{
	bool is_object = value->kind == JSON_OBJECT;
	enum feature f = find_exact(top_members, COUNT(top_members), key);

	read_limit(r, key, value);
	if (f < FEATURE_COUNT && says_something(r, value))
		note(r, f);
	if (json_token_is(key, BYTES("tools")))
		read_tools(r, value);
	else if (is_object && json_token_is(key, BYTES("toolConfig")))
		read_tool_config(r);
	else if (value->kind == JSON_ARRAY && json_token_is(key, BYTES("plugins")))
		read_plugins(r, value);
	else if (is_object && is_one_of(limit_holders, COUNT(limit_holders), key))
		read_limit_holder(r);
	else if (is_one_of(content_holders, COUNT(content_holders), key))
		read_content(r, value);
	else if (is_object && json_token_is(key, BYTES("prompt"))) {
		note(r, FEATURE_REFERENCES); /* a stored one (OpenAI) */
		skip(r, value);
	} else
		skip(r, value);
}

void features_read(struct bytes body, struct features *ret_features)
{
	struct reading r = {.features = ret_features};
	struct json_token key, value;

	*ret_features = (struct features){0};
	json_init(&r.scan, body, JSON_STRICT);
	if (json_next(&r.scan, &value) || value.kind != JSON_OBJECT)
		return;
	while (next_member(&r, &key, &value))
		read_member(&r, &key, &value);
}
