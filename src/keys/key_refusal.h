/* SPDX-License-Identifier: MIT
 *
 * key_refusal: why a call with a gateway key is refused before any rule is asked, as a decision:
 * status, code, rule and a reason with what to do. Environment and application of *d are kept.
 *
 * Pure.
 */
#ifndef AIGW_KEYS_KEY_REFUSAL_H
#define AIGW_KEYS_KEY_REFUSAL_H

#include "keys/key_entry.h"
#include "llm/credential_place.h"

/* It is not KEY_VALID (401). `e` NULL: not known. */
void key_refuse_verdict(struct decision *d, const struct key_entry *e, enum key_verdict verdict);
/* It is for another user's processes, or another program (403). */
void key_refuse_user(struct decision *d, const struct key_entry *e);
void key_refuse_program(struct decision *d, const struct key_entry *e);
/* It is not for this provider (403), or there is nothing to put in its place (503). */
void key_refuse_provider(struct decision *d, const struct key_entry *e, const char *provider);
void key_refuse_no_secret(struct decision *d, const struct key_entry *e, const char *provider);
/* There are two different ones (400). */
void key_refuse_two(struct decision *d);
/* It stands where the provider takes no key (401): `s` knows where it takes one. */
void key_refuse_place(struct decision *d, const struct credential_place *place,
		      const struct credential_scan *s, const char *provider);

#endif
