/* SPDX-License-Identifier: MIT
 *
 * nearest: "did you mean". Pure, no allocation.
 */
#ifndef AIGW_POLICY_NEAREST_H
#define AIGW_POLICY_NEAREST_H

#include "policy/phrase.h"

#define NEAREST_BYTES_MAX 32 /* longer words get no suggestion */

/* The word of a list that was probably meant: offer each, then read `best` (empty: none near). */
struct nearest {
	struct bytes word, best;
	size_t distance;
};

struct nearest nearest_to(struct bytes word);
void nearest_offer(struct nearest *n, struct bytes candidate);
/* Appends `; did you mean "word"?`, or nothing when none is near. */
void nearest_put(const struct nearest *n, struct phrase *p);

#endif
