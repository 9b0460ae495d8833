/* SPDX-License-Identifier: MIT
 *
 * Loses a block and reads one that is gone: to see that both would be reported.
 */
#include <stdio.h>
#include <stdlib.h>

static char *volatile kept;

int main(void)
{
	kept = malloc(10);
	kept = malloc(20);
	free(kept);
	printf("%d\n", kept[5]);
	kept = NULL;
	return 0;
}
