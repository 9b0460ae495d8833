/* SPDX-License-Identifier: MIT */
#include "keys/key_refusal.h"

#include "policy/phrase.h"

/* Opens *ret_reason behind `reason`; the rule is "keys.NAME.WHAT". */
static void begin(struct decision *d, int status, const char *code, const struct key_entry *e,
		  const char *what, const char *reason, struct phrase *ret_reason)
{
	struct phrase rule;

	decide_refuse(d, status, code, "", "");
	phrase_init(&rule, d->rule, sizeof d->rule);
	phrase_put(&rule, "keys.");
	if (e) {
		phrase_put_bytes(&rule, e->scope.name);
		phrase_put(&rule, ".");
	}
	phrase_put(&rule, what);
	phrase_init(ret_reason, d->reason, sizeof d->reason);
	phrase_put(ret_reason, reason);
}

static const char *code_of(enum key_verdict v)
{
	static const char codes[][16] = {
		[KEY_VALID] = "",
		[KEY_MISTYPED] = "mistyped_key",
		[KEY_UNKNOWN] = "unknown_key",
		[KEY_EXPIRED] = "expired_key",
		[KEY_REVOKED] = "revoked_key",
		[KEY_ROTATED] = "rotated_key",
	};

	return codes[v];
}

void key_refuse_verdict(struct decision *d, const struct key_entry *e, enum key_verdict verdict)
{
	struct phrase p;

	begin(d, 401, code_of(verdict), e, key_verdict_name(verdict), key_verdict_text(verdict),
	      &p);
}

void key_refuse_user(struct decision *d, const struct key_entry *e)
{
	struct phrase p;

	begin(d, 403, "policy_denied", e, "user",
	      "the gateway key is for another user than this; use one of your own", &p);
}

void key_refuse_program(struct decision *d, const struct key_entry *e)
{
	struct phrase p;

	begin(d, 403, "policy_denied", e, "exe",
	      "the gateway key is for another program than this; use one that is for it", &p);
}

void key_refuse_provider(struct decision *d, const struct key_entry *e, const char *provider)
{
	struct phrase p;

	begin(d, 403, "policy_denied", e, "providers", "the gateway key ", &p);
	phrase_put_bytes(&p, e->scope.name);
	phrase_put(&p, " is not for provider ");
	phrase_put(&p, provider);
	phrase_put(&p, "; use a key that is");
}

void key_refuse_no_secret(struct decision *d, const struct key_entry *e, const char *provider)
{
	struct phrase p;

	begin(d, 503, "no_provider_secret", NULL, "secret", "there is no key of provider ", &p);
	phrase_put(&p, provider);
	phrase_put(&p, " to put in the place of the gateway key, for environment ");
	phrase_put_quoted(&p, e->scope.environment);
	phrase_put(&p, " or for all; store one with \"aigw key import --provider ");
	phrase_put(&p, provider);
	phrase_put(&p, "\"");
}

void key_refuse_two(struct decision *d)
{
	decide_refuse(d, 400, "ambiguous_request", "keys",
		      "the request holds two different gateway keys; send one");
}

void key_refuse_place(struct decision *d, const struct credential_place *place,
		      const struct credential_scan *s, const char *provider)
{
	struct bytes list = s->accepted[0];
	struct phrase p;

	begin(d, 401, "misplaced_key", NULL, "place", "a gateway key stands in ", &p);
	phrase_put_quoted(&p, place->name);
	phrase_put(&p, " in a way in which provider ");
	phrase_put(&p, provider);
	phrase_put(&p, " takes no key");
	if (place->signs)
		phrase_put(&p, " (a signature cannot be made with it)");
	phrase_put(&p, "; it goes into: ");
	while (list.len) {
		phrase_put_bytes(&p, bytes_cut(&list, '\n'));
		phrase_put(&p, list.len ? ", " : "");
	}
}
