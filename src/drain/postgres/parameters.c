/* SPDX-License-Identifier: MIT */
#include "drain/postgres/parameters.h"

#include <arpa/inet.h>
#include <postgresql/libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define LIBPQ_KNOWS_SYSTEM 160000 /* sslrootcert=system */
#define AUTHORITIES        "/etc/ssl/certs/ca-certificates.crt"

static enum err add(struct parameters *p, struct bytes keyword, struct bytes value)
{
	char *k = strndup((const char *)keyword.at, keyword.len);
	char *v = strndup((const char *)value.at, value.len);

	if (p->count == PARAMETERS_MAX || !k || !v) {
		free(k);
		free(v);
		return ERR_NOMEM;
	}
	p->keywords[p->count] = k;
	p->values[p->count++] = v;
	return OK;
}

static const char *find(const struct parameters *p, const char *keyword)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->keywords[i], keyword) == 0)
			return p->values[i];
	return NULL;
}

static enum err add_unless(struct parameters *p, const char *keyword, struct bytes value)
{
	return find(p, keyword) || !value.len ? OK : add(p, bytes_str(keyword), value);
}

/* ---- the connection string ---- */

/* What would come from elsewhere, or is no secret's place. */
static const char *refusal_of(const char *keyword)
{
	if (strcmp(keyword, "password") == 0 || strcmp(keyword, "sslpassword") == 0)
		return "a password does not stand in the policy: use password_file";
	if (strcmp(keyword, "service") == 0 || strcmp(keyword, "replication") == 0)
		return "\"to\" may not have service or replication";
	return NULL;
}

static enum err add_options(struct parameters *p, const PQconninfoOption *options,
			    struct sink_answer *answer)
{
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (!o->val || !o->val[0])
			continue;
		const char *refusal = refusal_of(o->keyword);
		if (refusal) {
			sink_answer(answer, SINK_WRONG, refusal, BYTES_NONE);
			return ERR_USAGE;
		}
		if (add(p, bytes_str(o->keyword), bytes_str(o->val)))
			return ERR_NOMEM;
	}
	return OK;
}

/* libpq's own words about a bad string repeat parts of it, and a password may be among them. */
static enum err add_string(struct parameters *p, struct bytes to, struct sink_answer *answer)
{
	char *text = strndup((const char *)to.at, to.len);
	PQconninfoOption *options = text ? PQconninfoParse(text, NULL) : NULL;
	enum err e = text ? ERR_USAGE : ERR_NOMEM;

	if (options)
		e = add_options(p, options, answer);
	else
		sink_answer(answer, SINK_WRONG, "\"to\" is no connection string of PostgreSQL",
			    BYTES_NONE);
	PQconninfoFree(options);
	if (text)
		wipe(text, to.len);
	free(text);
	return e;
}

/* ---- is it here? ---- */

static bool is_here(struct bytes host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr six;
	struct in_addr four;

	if (host.len == 0 || host.at[0] == '/' || host.at[0] == '@' ||
	    bytes_equal(host, BYTES("localhost")))
		return true;
	if (host.len >= sizeof text)
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = 0;
	if (inet_pton(AF_INET, text, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* All of a list of servers. */
static bool are_here(const struct parameters *p)
{
	const char *address = find(p, "hostaddr");
	struct bytes list = bytes_str(address ? address : find(p, "host"));

	do {
		if (!is_here(bytes_cut(&list, ',')))
			return false;
	} while (list.len);
	return true;
}

static bool is_verifying(const char *sslmode)
{
	return strcmp(sslmode, "verify-full") == 0 || strcmp(sslmode, "verify-ca") == 0;
}

static enum err check_place(struct parameters *p, struct sink_answer *answer)
{
	const char *mode = find(p, "sslmode");

	if (!find(p, "host") && !find(p, "hostaddr")) {
		sink_answer(answer, SINK_WRONG, "\"to\" names no host", BYTES_NONE);
		return ERR_USAGE;
	}
	if (!are_here(p) && mode && !is_verifying(mode)) {
		sink_answer(answer, SINK_WRONG,
			    "toward another host sslmode is verify-full or verify-ca, not ",
			    bytes_str(mode));
		return ERR_USAGE;
	}
	return mode ? OK
		    : add(p, BYTES("sslmode"),
			  are_here(p) ? BYTES("prefer") : BYTES("verify-full"));
}

static struct bytes authorities_of(const struct parameters *p)
{
	const char *mode = find(p, "sslmode");

	if (!mode || !is_verifying(mode))
		return BYTES_NONE;
	if (strcmp(mode, "verify-full") == 0 && PQlibVersion() >= LIBPQ_KNOWS_SYSTEM)
		return BYTES("system");
	return BYTES(AUTHORITIES);
}

/* ---- all together ---- */

static enum err add_password(struct parameters *p, struct bytes file, struct sink_answer *answer)
{
	struct buf password = {0};
	enum err e = file.len ? sink_read_file(file, true, &password) : OK;

	if (!e && bytes_find_byte(buf_view(&password), 0) != SIZE_MAX)
		e = ERR_BAD;
	if (e)
		sink_answer(answer, SINK_WRONG,
			    "password_file cannot be used: ", bytes_str(err_text(e)));
	else if (password.len)
		e = add(p, BYTES("password"), buf_view(&password));
	buf_done(&password);
	return e;
}

enum err parameters_init(struct parameters *ret_parameters, const struct drain *config,
			 struct sink_answer *answer)
{
	struct parameters p = {0};
	enum err e;

	if ((e = add_string(&p, config->to, answer)) || (e = check_place(&p, answer)) ||
	    (e = add_password(&p, config->password_file, answer)) ||
	    (e = add_unless(&p, "sslrootcert", config->tls.ca_file)) ||
	    (e = add_unless(&p, "sslrootcert", authorities_of(&p))) ||
	    (e = add_unless(&p, "sslcert", config->tls.cert_file)) ||
	    (e = add_unless(&p, "sslkey", config->tls.key_file)) ||
	    (e = add_unless(&p, "gssencmode", BYTES("disable"))) ||
	    (e = add_unless(&p, "client_encoding", BYTES("UTF8"))) ||
	    (e = add_unless(&p, "application_name", BYTES("aigw")))) {
		parameters_done(&p);
		if (e == ERR_NOMEM)
			sink_answer(answer, SINK_RETRY, err_text(e), BYTES_NONE);
		return e;
	}
	*ret_parameters = p;
	return OK;
}

void parameters_done(struct parameters *p)
{
	for (size_t i = 0; i < p->count; i++) {
		wipe(p->values[i], strlen(p->values[i]));
		free(p->values[i]);
		free(p->keywords[i]);
	}
	*p = (struct parameters){0};
}
