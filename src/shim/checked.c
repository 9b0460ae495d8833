/* SPDX-License-Identifier: MIT
 *
 * What _FORTIFY_SOURCE calls instead of memcpy and memset. libc has them too, but each program's
 * start would have to look there for the best one, in a part of libc that hardly any program
 * touches: a page fault for all. These end in the same way when there is too little room.
 */
#undef _FORTIFY_SOURCE
#include <stddef.h>
#include <string.h>

void __chk_fail(void) __attribute__((noreturn)); /* libc's: says what happened, and aborts */

void *__memcpy_chk(void *to, const void *from, size_t len, size_t room);
void *__memset_chk(void *to, int byte, size_t len, size_t room);

void *__memcpy_chk(void *to, const void *from, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return memcpy(to, from, len);
}

void *__memset_chk(void *to, int byte, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return memset(to, byte, len);
}
