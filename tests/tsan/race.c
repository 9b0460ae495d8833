/* SPDX-License-Identifier: MIT
 *
 * Two threads write one word without a lock: to see that a race would be reported.
 */
#include <pthread.h>
#include <stdio.h>

static int word;

static void *write_often(void *unused)
{
	for (int i = 0; i < 100000; i++)
		word++;
	return NULL;
}

int main(void)
{
	pthread_t one, two;

	if (pthread_create(&one, NULL, write_often, NULL) ||
	    pthread_create(&two, NULL, write_often, NULL))
		return 3;
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	printf("%d\n", word);
	return 0;
}
