/* SPDX-License-Identifier: MIT */
#include "llm/catalogue.h"

#include "llm/request.h"

const struct provider *catalogue_find(struct bytes name)
{
	for (size_t i = 0; i < catalogue_count; i++)
		if (bytes_equal(name, bytes_str(catalogue[i].name)))
			return &catalogue[i];
	return NULL;
}

static bool is_bracketed(struct bytes host)
{
	return host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
}

/* No empty label, so that "one or more labels" can be counted by bytes. */
static bool is_well_formed(struct bytes host)
{
	return host.len > 0 && host.at[0] != '.' && host.at[host.len - 1] != '.' &&
	       bytes_find(host, BYTES("..")) == SIZE_MAX;
}

/* As bytes_match, but `*` needs at least one byte and nothing else is special. In a well-formed
 * host a `*` between dots (or at an end) then stands for one or more whole labels. */
static bool star_matches(struct bytes pattern, struct bytes host)
{
	size_t p = 0, h = 0, star = SIZE_MAX, star_host = 0;

	while (h < host.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = p++;
			star_host = ++h;
			continue;
		}
		if (p < pattern.len &&
		    bytes_equal_nocase(bytes_slice(pattern, p, 1), bytes_slice(host, h, 1))) {
			p++, h++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			h = ++star_host;
		} else {
			return false;
		}
	}
	return p == pattern.len;
}

/* Most hosts of the catalogue are told from another one by their length. */
static bool host_matches(struct bytes pattern, struct bytes host)
{
	if (bytes_equal_nocase(pattern, host))
		return true;
	return bytes_find_byte(pattern, '*') != SIZE_MAX && !is_bracketed(host) &&
	       !is_bracketed(pattern) && star_matches(pattern, host);
}

const struct provider_host *provider_find_host(const struct provider *p, struct bytes host,
					       uint16_t port)
{
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	for (size_t i = 0; i < p->host_count; i++) {
		const struct provider_host *known = &provider_hosts(p)[i];
		if (known->port && port && known->port != port)
			continue;
		if (host_matches(bytes_str(known->name), host))
			return is_well_formed(host) ? known : NULL;
	}
	return NULL;
}

bool provider_has_host(const struct provider *p, struct bytes host, uint16_t port)
{
	return provider_find_host(p, host, port) != NULL;
}

bool provider_shares_host(const struct provider *p, struct bytes host, uint16_t port)
{
	const struct provider_host *known = provider_find_host(p, host, port);

	return known && known->shared;
}

/* -- endpoints ----------------------------------------------------------------------------- */

/* "GET /models" of the list of those that the provider does not have. */
static bool is_dropped(const struct provider *p, const struct endpoint *e)
{
	struct bytes rest = bytes_str(catalogue_text(p->dropped)), line;

	while (endpoint_next_line(&rest, &line))
		if (bytes_equal(line, bytes_str(endpoint_match(e))))
			return true;
	return false;
}

static bool match_list(const struct provider *p, const struct endpoints *list, struct bytes method,
		       struct bytes path, struct match *m)
{
	m->endpoint = endpoint_find(list, method, path, p->loose, &m->model);
	if (m->endpoint && is_dropped(p, m->endpoint))
		m->endpoint = NULL;
	return m->endpoint != NULL;
}

/* Remembers the dialect of the longest base that the path is below: an unknown endpoint is answered
 * in its words. */
static bool match_mount(const struct provider *p, const struct mount *mount, struct bytes method,
			size_t *longest, struct match *m)
{
	struct bytes path = bytes_of(m->path.at, m->path.len);
	size_t base = p->loose ? 0 : endpoint_base(catalogue_text(mount->base), path);
	const struct dialect *dialect = dialect_of(mount->dialect);
	struct endpoints endpoints;

	if (base == SIZE_MAX)
		return false;
	if (*longest == SIZE_MAX || base > *longest) {
		*longest = base;
		m->dialect = dialect;
	}
	endpoints = dialect_endpoints(dialect);
	if (!match_list(p, &endpoints, method, bytes_from(path, base), m))
		return false;
	m->dialect = dialect;
	return true;
}

void provider_match(const struct provider *p, struct bytes method, struct bytes path,
		    struct match *ret_match)
{
	const struct mount anywhere = {.dialect = p->dialect};
	const struct endpoints own = provider_endpoints(p);
	struct match *m = ret_match;
	size_t longest = SIZE_MAX;

	m->dialect = provider_dialect(p);
	m->endpoint = NULL;
	m->model = BYTES_NONE;
	endpoint_path_set(&m->path, path);
	path = bytes_of(m->path.at, m->path.len);
	if (match_list(p, &own, method, path, m)) {
		if (m->endpoint->dialect)
			m->dialect = dialect_of(m->endpoint->dialect);
		return;
	}
	/* Of a server of one's own, its dialect's endpoints come first. */
	if (p->loose && match_mount(p, &anywhere, method, &longest, m))
		return;
	for (size_t i = 0; i < p->mount_count; i++)
		if (match_mount(p, &provider_mounts(p)[i], method, &longest, m))
			return;
	if (!p->loose && !p->mount_count && !p->no_mounts)
		(void)match_mount(p, &anywhere, method, &longest, m);
}

bool catalogue_has_endpoint(struct bytes method, struct bytes path)
{
	struct provider anybody = {.loose = true, .dialect = DIALECT_NONE + 1};
	struct match match = {0};

	for (; !match.endpoint && provider_dialect(&anybody); anybody.dialect++)
		provider_match(&anybody, method, path, &match);
	return match.endpoint != NULL;
}

enum err provider_read_call(const struct provider *p, const struct request_view *request,
			    struct call *ret_call, struct fault *ret_fault)
{
	struct match match;

	provider_match(p, request->method, request->path, &match);
	if (match.endpoint && match.endpoint->model == MODEL_PATH && match.path.had_dots) {
		*ret_fault = (struct fault){
			"ambiguous_request",
			"The path has \".\" or \"..\" in it, so its model can be read in two ways; "
			"send it without.",
			SIZE_MAX};
		return ERR_AMBIGUOUS;
	}
	return request_read(request, match.endpoint, match.model, ret_call, ret_fault);
}

/* -- refusals ------------------------------------------------------------------------------ */

const char *provider_request_id_header(const struct provider *p, const struct dialect *d)
{
	return catalogue_text(p && p->request_id_header && d == provider_dialect(p)
				      ? p->request_id_header
				      : d->facts->request_id_header);
}

const struct error_shape *provider_refusal(const struct provider *p, const struct dialect *d)
{
	return &error_shapes[(p && p->refusal && d == provider_dialect(p) ? p->refusal
									  : d->facts->refusal) -
			     1];
}

enum err provider_put_refusal(const struct provider *p, const struct dialect *d,
			      const struct refusal *refusal, struct buf *out)
{
	return error_shape_put_refusal(provider_refusal(p, d), provider_request_id_header(p, d),
				       refusal, out);
}
