/* SPDX-License-Identifier: MIT
 *
 * processor: which instructions there are beyond the baseline, on x86-64. On other processors:
 * none.
 *
 * Asked once in a process: in a virtual machine each question goes to the hypervisor.
 */
#ifndef AIGW_BASE_PROCESSOR_H
#define AIGW_BASE_PROCESSOR_H

/* What needs wide registers counts only where the kernel keeps them. */
enum processor_can {
	PROCESSOR_KNOWN = 1,
	PROCESSOR_RDRAND = 2,
	PROCESSOR_SHA = 4, /* and SSSE3, SSE4.1, SSE4.2 */
	PROCESSOR_AVX2 = 8,
	PROCESSOR_AVX512 = 16,   /* F, BW and VL */
	PROCESSOR_AES_WIDE = 32, /* that, and AES and PCLMULQDQ on 512 bits */
};

/* Bits of the above. Thread-safe. */
unsigned processor_can(void);

#endif
