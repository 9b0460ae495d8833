/* SPDX-License-Identifier: MIT
 *
 * The front doors of the dynamic loader. The real functions look at their return address:
 * dlsym(RTLD_NEXT) begins behind the object that it lies in, dlopen searches that object's RUNPATH.
 * So a door is a few instructions and a jump, which leaves the program's return address where it
 * is.
 *
 * dlsym gives out our own functions for look-ups by handle (Qt, .NET, ctypes). dlopen takes note
 * of RTLD_DEEPBIND, see shim/rebind; the flag itself stays. dlvsym and dlmopen have no door.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "shim/conn.h"
#include "shim/hooks.h"
#include "shim/real.h"
#include "shim/rebind.h"

/* For the assembly: where it jumps to, and what it may call. */
_Static_assert(offsetof(struct loader, dlsym) == 0 && offsetof(struct loader, dlopen) == 8 &&
		       offsetof(struct loader, todo) == 16,
	       "as written below");
_Static_assert(RTLD_DEEPBIND == 8, "as written below");

void loader_prepare(int mode);
void *loader_find(void *handle, const char *name);

#if defined __x86_64__

__asm__(".text\n"
	".globl dlsym\n"
	".type dlsym, @function\n"
	"dlsym:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	cmpl	$0, library_loader+16(%rip)\n"
	"	jne	3f\n"
	"1:	leaq	1(%rdi), %rax\n" /* RTLD_DEFAULT is 0, RTLD_NEXT -1 */
	"	cmpq	$1, %rax\n"
	"	jbe	2f\n"
	"	movzbl	(%rsi), %eax\n"
	"	cmpb	$'S', %al\n" /* SSL_, BIO_, gnutls_ */
	"	je	loader_find\n"
	"	cmpb	$'B', %al\n"
	"	je	loader_find\n"
	"	cmpb	$'g', %al\n"
	"	je	loader_find\n"
	"2:	jmpq	*library_loader(%rip)\n"
	"3:	pushq	%rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq	%rsi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	subq	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	xorl	%edi, %edi\n"
	"	call	loader_prepare\n"
	"	addq	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq	%rsi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq	%rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	jmp	1b\n"
	"	.cfi_endproc\n"
	".size dlsym, . - dlsym\n"

	".globl dlopen\n"
	".type dlopen, @function\n"
	"dlopen:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	testb	$8, %sil\n" /* RTLD_DEEPBIND */
	"	jne	2f\n"
	"	cmpl	$0, library_loader+16(%rip)\n"
	"	jne	2f\n"
	"1:	jmpq	*library_loader+8(%rip)\n"
	"2:	pushq	%rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq	%rsi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	subq	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	movl	%esi, %edi\n"
	"	call	loader_prepare\n"
	"	addq	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq	%rsi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq	%rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	jmp	1b\n"
	"	.cfi_endproc\n"
	".size dlopen, . - dlopen\n");

#elif defined __aarch64__

__asm__(".text\n"
	".globl dlsym\n"
	".type dlsym, %function\n"
	"dlsym:\n"
	"	.cfi_startproc\n"
	"	hint	#34\n" /* bti c */
	"	adrp	x16, library_loader\n"
	"	add	x16, x16, :lo12:library_loader\n"
	"	ldr	w17, [x16, #16]\n"
	"	cbnz	w17, 3f\n"
	"1:	add	x17, x0, #1\n" /* RTLD_DEFAULT is 0, RTLD_NEXT -1 */
	"	cmp	x17, #1\n"
	"	b.ls	2f\n"
	"	ldrb	w17, [x1]\n"
	"	cmp	w17, #'S'\n" /* SSL_, BIO_, gnutls_ */
	"	b.eq	4f\n"
	"	cmp	w17, #'B'\n"
	"	b.eq	4f\n"
	"	cmp	w17, #'g'\n"
	"	b.eq	4f\n"
	"2:	ldr	x16, [x16]\n"
	"	br	x16\n"
	"4:	b	loader_find\n"
	"3:	stp	x29, x30, [sp, #-32]!\n"
	"	.cfi_def_cfa_offset 32\n"
	"	.cfi_offset 29, -32\n"
	"	.cfi_offset 30, -24\n"
	"	stp	x0, x1, [sp, #16]\n"
	"	mov	w0, #0\n"
	"	bl	loader_prepare\n"
	"	ldp	x0, x1, [sp, #16]\n"
	"	ldp	x29, x30, [sp], #32\n"
	"	.cfi_restore 30\n"
	"	.cfi_restore 29\n"
	"	.cfi_def_cfa_offset 0\n"
	"	adrp	x16, library_loader\n"
	"	add	x16, x16, :lo12:library_loader\n"
	"	b	1b\n"
	"	.cfi_endproc\n"
	".size dlsym, . - dlsym\n"

	".globl dlopen\n"
	".type dlopen, %function\n"
	"dlopen:\n"
	"	.cfi_startproc\n"
	"	hint	#34\n"
	"	adrp	x16, library_loader\n"
	"	add	x16, x16, :lo12:library_loader\n"
	"	tbnz	w1, #3, 2f\n" /* RTLD_DEEPBIND */
	"	ldr	w17, [x16, #16]\n"
	"	cbnz	w17, 2f\n"
	"1:	ldr	x16, [x16, #8]\n"
	"	br	x16\n"
	"2:	stp	x29, x30, [sp, #-32]!\n"
	"	.cfi_def_cfa_offset 32\n"
	"	.cfi_offset 29, -32\n"
	"	.cfi_offset 30, -24\n"
	"	stp	x0, x1, [sp, #16]\n"
	"	mov	w0, w1\n"
	"	bl	loader_prepare\n"
	"	ldp	x0, x1, [sp, #16]\n"
	"	ldp	x29, x30, [sp], #32\n"
	"	.cfi_restore 30\n"
	"	.cfi_restore 29\n"
	"	.cfi_def_cfa_offset 0\n"
	"	adrp	x16, library_loader\n"
	"	add	x16, x16, :lo12:library_loader\n"
	"	b	1b\n"
	"	.cfi_endproc\n"
	".size dlopen, . - dlopen\n");

#else
#error "no doors to the loader for this processor"
#endif

/* Before the real call, when there is something to do: the functions behind are not known yet, the
 * call is a dlopen with RTLD_DEEPBIND, or one came before. What the loader has for dlerror is lost
 * here; the real call that follows forgets it as well. */
__attribute__((used)) void loader_prepare(int mode)
{
	int saved = errno;

	if (!library_loader.dlsym)
		library_find_loader();
	rebind_catch_up();
	if (conn_enabled && (mode & RTLD_DEEPBIND))
		rebind_expect();
	errno = saved;
}

static bool is_tls_name(const char *name)
{
	return strncmp(name, "SSL_", 4) == 0 || strncmp(name, "BIO_", 4) == 0 ||
	       strncmp(name, "gnutls_", 7) == 0;
}

/* dlsym by handle, where the real one does not look at its return address. The name may be one of
 * ours: the program then gets our function, and the copy that it asked is known from now on, since
 * the calls may come from code without a scope (libffi, a just-in-time compiler). */
__attribute__((used)) void *loader_find(void *handle, const char *name)
{
	void *found = library_loader.dlsym(handle, name);
	hook_function *ours = NULL;
	enum hook_kind kind;
	int saved = errno;

	if (!found || !conn_enabled || !is_tls_name(name))
		return found;
	ours = hooks_find(name, &kind);
	if (!ours || !real_adopt(kind, found))
		return found;
	/* Once more: a look-up of ours that found nothing would be what dlerror tells. */
	found = library_loader.dlsym(handle, name);
	memcpy(&found, &ours, sizeof found);
	errno = saved;
	return found;
}
