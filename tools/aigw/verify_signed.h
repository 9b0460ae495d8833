/* SPDX-License-Identifier: MIT
 *
 * verify_signed: the half of `aigw verify` that needs no log: an export against its manifest, and
 * evidence. The result is the verdict (audit/verify.h), everything is said already.
 */
#ifndef AIGW_TOOL_VERIFY_SIGNED_H
#define AIGW_TOOL_VERIFY_SIGNED_H

#include "audit/verify.h"
#include "print.h"

struct signed_wish {
	const char *manifest, *evidence; /* files */
	const char *output;              /* of the export; NULL: beside the manifest */
	const char *signer;              /* "aigw-sign1..."; NULL: this user's key counts */
	bool json;
};

int verify_manifest(const struct signed_wish *wish);
int verify_evidence(const struct signed_wish *wish);

/* cmd_verify's, for the same words. */
const char *verdict_meaning(enum verdict v);
enum colour verdict_colour(enum verdict v);

#endif
