/* SPDX-License-Identifier: MIT */
#include "llm/control.h"

#define BOTH "false\ntrue"

static const struct control controls[] = {
	{"openai", "store", BOTH, "false", "/chat/completions\n/responses"},
	{"azure-openai", "store", BOTH, "false", "/chat/completions\n/responses"},
	/* On the hosts that speak OpenAI's API; Bedrock's own paths have no such field. */
	{"bedrock", "store", BOTH, "false", "/chat/completions\n/responses"},
	{"fireworks", "store", BOTH, "false", "/responses"},
	{"gemini", "store", BOTH, "false", "/interactions"},
	{"openrouter", "provider.data_collection", "\"deny\"\n\"allow\"", "\"deny\"",
	 "/chat/completions\n/completions\n/responses"},
	{"openrouter", "provider.zdr", BOTH, "true", "/chat/completions\n/completions\n/responses"},
	{"vercel", "providerOptions.gateway.zeroDataRetention", BOTH, "true",
	 "/chat/completions\n/responses"},
	{"vercel", "providerOptions.gateway.disallowPromptTraining", BOTH, "true",
	 "/chat/completions\n/responses"},
};
#define CONTROLS (sizeof controls / sizeof controls[0])

const struct control *control_at(size_t i)
{
	return i < CONTROLS ? &controls[i] : NULL;
}

const struct control *control_find(struct bytes provider, struct bytes path)
{
	for (size_t i = 0; i < CONTROLS; i++)
		if (bytes_equal(provider, bytes_str(controls[i].provider)) &&
		    bytes_equal(path, bytes_str(controls[i].path)))
			return &controls[i];
	return NULL;
}

bool control_applies(const struct control *c, const struct provider *provider, struct bytes method,
		     struct bytes path)
{
	struct bytes rest = bytes_str(c->endpoint), end;

	if (!bytes_equal(bytes_str(provider->name), bytes_str(c->provider)) ||
	    !bytes_equal(method, BYTES("POST")))
		return false;
	while (path.len && path.at[path.len - 1] == '/')
		path.len--;
	while (endpoint_next_line(&rest, &end))
		if (bytes_ends(path, end))
			return true;
	return false;
}

bool control_exists(const struct provider *provider, struct bytes method, struct bytes path)
{
	for (size_t i = 0; i < CONTROLS; i++)
		if (control_applies(&controls[i], provider, method, path))
			return true;
	return false;
}

bool control_takes(const struct control *c, struct bytes value)
{
	struct bytes rest = bytes_str(c->values), one;

	while (endpoint_next_line(&rest, &one))
		if (bytes_equal(one, value))
			return true;
	return false;
}
