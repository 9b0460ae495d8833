/* SPDX-License-Identifier: MIT */
#include "llm/error_shape.h"

static const struct {
	int status;
	const char *line, *anthropic, *google, *aws;
} statuses[] = {
	{400, "400 Bad Request", "invalid_request_error", "INVALID_ARGUMENT",
	 "ValidationException"},
	{401, "401 Unauthorized", "authentication_error", "UNAUTHENTICATED",
	 "UnrecognizedClientException"},
	{403, "403 Forbidden", "permission_error", "PERMISSION_DENIED", "AccessDeniedException"},
	{413, "413 Content Too Large", "request_too_large", "INVALID_ARGUMENT",
	 "ValidationException"},
	{429, "429 Too Many Requests", "rate_limit_error", "RESOURCE_EXHAUSTED",
	 "ThrottlingException"},
	/* A status outside of the table would be our own fault, and is answered as such. */
	{503, "503 Service Unavailable", "api_error", "UNAVAILABLE", "ServiceUnavailableException"},
};

#define STATUS_COUNT (sizeof statuses / sizeof statuses[0])

static size_t row(int status)
{
	size_t i = 0;

	while (i < STATUS_COUNT - 1 && statuses[i].status != status)
		i++;
	return i;
}

/* -- bodies by template -------------------------------------------------------------------- */

static bool has_part(struct bytes rule, struct bytes part)
{
	while (rule.len)
		if (bytes_equal(bytes_cut(&rule, '.'), part))
			return true;
	return false;
}

static const char *openai_type(const struct refusal *r)
{
	if (r->status != 429)
		return "invalid_request_error";
	return bytes_equal(bytes_str(r->code), BYTES("insufficient_quota")) ? "insufficient_quota"
									    : "requests";
}

/* One letter of a template. */
static enum err put_letter(const struct refusal *r, uint8_t letter, struct buf *out)
{
	switch (letter) {
	case 'm':
		return buf_put_json_string(out, r->message);
	case 'c':
		return buf_put_json_string(out, bytes_str(r->code));
	case 'i':
		return buf_put_json_string(out, r->id);
	case 's':
		return buf_put_decimal(out, (uint64_t)statuses[row(r->status)].status);
	case 'a':
		return buf_put_str(out, statuses[row(r->status)].anthropic);
	case 'g':
		return buf_put_str(out, statuses[row(r->status)].google);
	case 'o':
		return buf_put_str(out, openai_type(r));
	case 'r':
		return buf_put_str(out, r->status == 429 ? "RATE_LIMIT_EXCEEDED" : "POLICY_DENIED");
	case 'x':
		return buf_put_str(out, statuses[row(r->status)].aws);
	case 'p':
		/* A rule about models stands in a list of that name. */
		return buf_put_str(out, has_part(r->rule, BYTES("models")) ? "\"model\"" : "null");
	default:
		return buf_put_u8(out, letter);
	}
}

/* A body: `@` and a letter stand for what put_letter says. */
static enum err put_template(const char *template, const struct refusal *r, struct buf *out)
{
	struct bytes text = bytes_str(template);
	size_t len_before = out->len;
	enum err e = OK;

	for (size_t i = 0; !e && i < text.len; i++) {
		if (text.at[i] == '@' && i + 1 < text.len)
			e = put_letter(r, text.at[++i], out);
		else
			e = buf_put_u8(out, text.at[i]);
	}
	if (e)
		out->len = len_before;
	return e;
}

#define TEMPLATE(function, text)                                                                   \
	static enum err function(const struct refusal *refusal, struct buf *out)                   \
	{                                                                                          \
		return put_template(text, refusal, out);                                           \
	}

TEMPLATE(put_openai, "{\"error\":{\"message\":@m,\"type\":\"@o\","
		     "\"param\":@p,\"code\":@c}}")
TEMPLATE(put_anthropic,
	 "{\"type\":\"error\",\"error\":{\"type\":\"@a\",\"message\":@m},\"request_id\":@i}")
TEMPLATE(put_azure, "{\"error\":{\"code\":\"@s\",\"message\":@m}}")
TEMPLATE(put_bedrock, "{\"message\":@m}")
TEMPLATE(put_cohere, "{\"message\":@m,\"id\":@i}")
TEMPLATE(put_mistral, "{\"object\":\"error\",\"message\":@m,\"type\":\"invalid_request_error\","
		      "\"param\":null,\"code\":@c,\"raw_status_code\":@s}")
TEMPLATE(put_openrouter, "{\"error\":{\"code\":@s,\"message\":@m,\"metadata\":{}}}")
TEMPLATE(put_perplexity, "{\"error\":{\"message\":@m,\"type\":@c,\"code\":@s}}")
TEMPLATE(put_plain, "{\"error\":@m}")
TEMPLATE(put_detail, "{\"detail\":@m}")
TEMPLATE(put_replicate, "{\"title\":\"Request refused\",\"detail\":@m,\"status\":@s}")

#define GOOGLE                                                                                     \
	"{\"error\":{\"code\":@s,\"message\":@m,\"status\":\"@g\",\"details\":[{\"@@type\":"       \
	"\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"@r\","                          \
	"\"domain\":\"aigw\"}]}}"

static enum err put_google(const struct refusal *refusal, struct buf *out)
{
	return put_template(refusal->in_array ? "[" GOOGLE "]" : GOOGLE, refusal, out);
}

static const char *aws_type(int status)
{
	return statuses[row(status)].aws;
}

const struct error_shape error_shapes[] = {
	{.name = "openai", .put = put_openai},
	{.name = "anthropic", .put = put_anthropic},
	{.name = "google", .put = put_google, .in_array = true},
	{.name = "bedrock",
	 .put = put_bedrock,
	 .type_header = "x-amzn-errortype",
	 .type = aws_type},
	{.name = "azure", .put = put_azure},
	{.name = "cohere", .put = put_cohere},
	{.name = "mistral", .put = put_mistral},
	{.name = "openrouter", .put = put_openrouter},
	{.name = "perplexity", .put = put_perplexity},
	{.name = "plain", .put = put_plain},
	{.name = "detail", .put = put_detail},
	{.name = "replicate", .put = put_replicate},
};

const size_t error_shape_count = sizeof error_shapes / sizeof error_shapes[0];

const struct error_shape *error_shape_find(struct bytes name)
{
	for (size_t i = 0; i < error_shape_count; i++)
		if (bytes_equal(name, bytes_str(error_shapes[i].name)))
			return &error_shapes[i];
	return NULL;
}

/* -- the response -------------------------------------------------------------------------- */

/* A header field. Bytes that are not printable ASCII become '?': no value can end its line and
 * begin another. */
static enum err put_header(struct buf *out, const char *name, struct bytes value)
{
	enum err e = buf_put_str(out, name);

	if (!e)
		e = buf_put_str(out, ": ");
	for (size_t i = 0; i < value.len && !e; i++) {
		uint8_t c = value.at[i];
		e = buf_put_u8(out, c >= 0x20 && c < 0x7F ? c : '?');
	}
	return e ? e : buf_put_str(out, "\r\n");
}

/* RFC 9110 10.2.3 */
static enum err put_retry_after(struct buf *out, uint64_t seconds)
{
	enum err e = buf_put_str(out, "retry-after: ");

	if (!e)
		e = buf_put_decimal(out, seconds);
	return e ? e : buf_put_str(out, "\r\n");
}

static enum err put_head(const struct error_shape *shape, const char *request_id_header,
			 const struct refusal *refusal, size_t body_bytes, struct buf *out)
{
	enum err e = buf_put_str(out, "HTTP/1.1 ");

	if (!e)
		e = buf_put_str(out, statuses[row(refusal->status)].line);
	if (!e)
		e = buf_put_str(out, "\r\ncontent-type: application/json\r\ncontent-length: ");
	if (!e)
		e = buf_put_decimal(out, body_bytes);
	if (!e)
		e = buf_put_str(out, "\r\nconnection: close\r\n");
	if (!e)
		e = put_header(out, "x-aigw-decision", refusal->id);
	if (!e)
		e = put_header(out, "x-aigw-rule", refusal->rule);
	if (!e)
		e = put_header(out, "x-should-retry", BYTES("false"));
	if (!e && refusal->retry_after_s)
		e = put_retry_after(out, refusal->retry_after_s);
	if (!e && shape->type_header)
		e = put_header(out, shape->type_header, bytes_str(shape->type(refusal->status)));
	if (!e)
		e = put_header(out, request_id_header, refusal->id);
	return e ? e : buf_put_str(out, "\r\n");
}

enum err error_shape_put_refusal(const struct error_shape *shape, const char *request_id_header,
				 const struct refusal *refusal, struct buf *out)
{
	size_t len_before = out->len;
	struct buf body = {0};
	enum err e = shape->put(refusal, &body);

	if (!e)
		e = put_head(shape, request_id_header, refusal, body.len, out);
	if (!e && !refusal->head)
		e = buf_put(out, buf_view(&body));
	if (e)
		out->len = len_before;
	buf_done(&body);
	return e;
}
