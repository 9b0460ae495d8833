/* SPDX-License-Identifier: MIT
 *
 * A dynamic program without libc, as Go makes them: nothing but two system calls.
 */
static long call(long number, long a, long b, long c)
{
#if defined(__x86_64__)
	long ret;

	__asm__ __volatile__("syscall"
			     : "=a"(ret)
			     : "a"(number), "D"(a), "S"(b), "d"(c)
			     : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ __volatile__("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

#if defined(__x86_64__)
#define WRITE 1
#define EXIT  60
#else
#define WRITE 64
#define EXIT  93
#endif

void _start(void);

void _start(void)
{
	static const char text[] = "no libc\n";

	call(WRITE, 1, (long)text, sizeof text - 1);
	call(EXIT, 0, 0, 0);
}
