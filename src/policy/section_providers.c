/* SPDX-License-Identifier: MIT */
#include "policy/section_providers.h"

#include <string.h>

#include "policy/host.h"
#include "policy/section_agreements.h"
#include "policy/section_scope.h"

#define HOSTS_MAX 256 /* per provider */

/* An entry, and what is agreed with the provider. */
struct entry {
	struct provider provider;
	struct agreement agreements[AGREEMENTS];
};

static enum err read_dialect(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	struct provider *to = into;
	struct bytes text;
	enum err e = reader_string(r, v, "the name of an API dialect", &text);

	if (e)
		return e;
	const struct dialect *dialect = dialect_find(text);
	if (dialect) {
		to->dialect = dialect_number(dialect);
		return OK;
	}
	struct phrase *p = reader_problem_with(r, v->token.start, text);
	phrase_put(p, " is not an API dialect known here; expected one of: ");
	phrase_put(p, dialect_names());
	return ERR_BAD;
}

static enum err read_host(struct reader *r, const struct value *v, struct bytes name,
			  size_t name_start, void *element)
{
	struct provider_host *to = element;
	struct bytes text, host;
	const char *problem;
	uint16_t port;
	enum err e = reader_string(r, v, "a host (\"llm.example.com\" or \"10.0.0.7:8443\")",
				   &text);

	if (e)
		return e;
	if (host_parse(text, &host, &port, &problem)) {
		struct phrase *p = reader_problem_with(r, v->token.start, text);
		phrase_put(p, " is no host: ");
		phrase_put(p, problem);
		return ERR_BAD;
	}
	if (host.len >= sizeof to->name)
		return ERR_LIMIT; /* host_parse has looked */
	memcpy(to->name, host.at, host.len);
	to->name[host.len] = '\0';
	reader_make_lower(bytes_str(to->name));
	to->port = port;
	return OK;
}

static enum err read_hosts(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	struct provider *to = into;
	void *elements;
	size_t count;
	enum err e = reader_array(r, v, "an array of hosts", HOSTS_MAX,
				  sizeof(struct provider_host), read_host, &elements, &count);

	if (e)
		return e;
	if (count == 0)
		return reader_wrong(r, v, "an array of at least one host");
	to->hosts = elements;
	to->host_count = (uint16_t)count;
	return OK;
}

static enum err read_otel_name(struct reader *r, const struct member *m, const struct value *v,
			       void *into)
{
	struct provider *to = into;
	struct bytes text = BYTES_NONE;
	enum err e = reader_text(r, m, v, &text);

	if (e)
		return e;
	if (text.len > READER_NAME_MAX) {
		phrase_put(reader_problem_with(r, v->token.start, text),
			   " is longer than 63 bytes");
		return ERR_LIMIT;
	}
	memcpy(to->otel_name, text.at, text.len);
	to->otel_name[text.len] = '\0';
	return OK;
}

static enum err read_plaintext(struct reader *r, const struct member *m, const struct value *v,
			       void *into)
{
	struct provider *to = into;

	return reader_bool(r, m, v, &to->plaintext);
}

/* A provider of the catalogue may only get more hosts; all else of it is fixed. */
static enum err check_known_provider(struct reader *r, const struct provider *known,
				     const struct provider *got, size_t name_start)
{
	if ((!got->dialect || got->dialect == known->dialect) && !got->otel_name[0] &&
	    !got->plaintext)
		return OK;
	struct phrase *p = reader_problem(r, name_start);
	phrase_put_bytes(p, reader_path(r));
	phrase_put(p, " is built in (dialect ");
	phrase_put(p, provider_dialect(known)->name);
	phrase_put(p, "), so only its \"hosts\" can be extended, and \"unknown_endpoints\" and "
		      "agreements "
		      "said; give a server of your own a name of its own");
	return ERR_BAD;
}

static enum err check_new_provider(struct reader *r, const struct provider *got, struct bytes name,
				   size_t name_start)
{
	struct nearest nearest = nearest_to(name);

	if (got->dialect && got->host_count)
		return OK;
	for (size_t i = 0; i < catalogue_count; i++)
		nearest_offer(&nearest, bytes_str(catalogue[i].name));
	struct phrase *p = reader_problem(r, name_start);
	phrase_put_bytes(p, reader_path(r));
	phrase_put(p, " is not in the catalogue, so it needs \"dialect\" and \"hosts\"");
	nearest_put(&nearest, p);
	return ERR_BAD;
}

/* A server that speaks a dialect has the endpoints of the provider whose dialect it is, and what
 * that one has besides, as Ollama has OpenAI's. */
static const struct provider *first_with(unsigned dialect)
{
	for (size_t i = 0; i < catalogue_count; i++)
		if (catalogue[i].dialect == dialect)
			return &catalogue[i];
	return NULL;
}

/* What the policy does not say comes from the catalogue; where on its hosts the API is mounted is
 * not known. */
static void complete(struct provider *to, const struct provider *known)
{
	const struct provider *like = known ? known : first_with(to->dialect);

	if (!to->otel_name[0])
		memcpy(to->otel_name, known ? known->otel_name : to->name, sizeof to->otel_name);
	if (known)
		to->dialect = known->dialect;
	to->loose = true;
	if (like) {
		to->first_mount = like->first_mount;
		to->mount_count = like->mount_count;
		to->no_mounts = like->no_mounts;
		to->first_own = like->first_own;
		to->own_count = like->own_count;
	}
	if (known) {
		to->dropped = known->dropped;
		to->refusal = known->refusal;
		to->request_id_header = known->request_id_header;
		to->credentials = known->credentials;
		to->outside = known->outside;
	}
}

static enum err read_provider(struct reader *r, const struct value *v, struct bytes name,
			      size_t name_start, void *element)
{
	static const struct member members[] = {
		READER_KEY("dialect", read_dialect),
		READER_KEY("hosts", read_hosts),
		READER_KEY("otel_name", read_otel_name),
		READER_KEY("plaintext", read_plaintext),
		READER_KEY("unknown_endpoints", reader_choice,
			   READER_IN(struct provider, unknown_endpoints),
			   .choices = section_scope_unknown),
		READER_KEY("baa", section_agreements_baa,
			   READER_IN(struct entry, agreements[AGREEMENT_BAA])),
		READER_KEY("no_training", section_agreements_other,
			   READER_IN(struct entry, agreements[AGREEMENT_NO_TRAINING])),
		READER_KEY("zero_retention", section_agreements_other,
			   READER_IN(struct entry, agreements[AGREEMENT_ZERO_RETENTION])),
	};
	_Static_assert(offsetof(struct entry, provider) == 0, "rows count from the provider");
	const struct provider *known = catalogue_find(name);
	struct entry *entry = element;
	struct provider *to = &entry->provider;
	enum err e = known ? OK : reader_check_name(r, name, name_start, "a provider", true);

	if (!e)
		e = reader_object(r, members, READER_COUNT(members), v, entry);
	if (!e)
		e = known ? check_known_provider(r, known, to, name_start)
			  : check_new_provider(r, to, name, name_start);
	if (e)
		return e;
	if (name.len >= sizeof to->name)
		return ERR_LIMIT; /* reader_check_name has looked */
	memcpy(to->name, name.at, name.len);
	complete(to, known);
	return OK;
}

enum err section_providers_read(struct reader *r, const struct member *m, const struct value *v,
				void *into)
{
	void *elements;
	size_t count;
	enum err e = reader_map(r, v, POLICY_PROVIDERS_MAX, sizeof(struct entry), read_provider,
				&elements, &count);

	if (e)
		return e;
	struct provider *providers = arena_take(r->arena, count, sizeof *providers);
	struct provider_agreements *agreements = arena_take(r->arena, count, sizeof *agreements);
	if (!providers || !agreements)
		return reader_nomem(r);
	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = (const struct entry *)elements + i;
		providers[i] = entry->provider;
		agreements[i].provider = bytes_str(entry->provider.name);
		memcpy(agreements[i].at, entry->agreements, sizeof agreements[i].at);
	}
	r->policy->providers = providers;
	r->policy->agreements = agreements;
	r->policy->provider_count = count;
	return OK;
}

const struct provider *section_providers_at(const struct policy *p, size_t i)
{
	if (i < p->provider_count)
		return &p->providers[i];
	i -= p->provider_count;
	return i < catalogue_count ? &catalogue[i] : NULL;
}
