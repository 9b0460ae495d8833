/* SPDX-License-Identifier: MIT
 *
 * insn: x86-64 machine code, as far as a detour needs it: how long an instruction is, whether it
 * can run at another address, and what it looks like there. Lengths are known for what C compilers
 * emit (integer, SSE, x87 and VEX code); only the kinds found at the start of functions are moved.
 *
 * Pure. Not a disassembler: operands are not told. Source: Intel 64 and IA-32 Architectures
 * Software Developer's Manual, volume 2, chapter 2 (formats) and appendix A (opcode maps).
 */
#ifndef AIGW_SHIM_INSN_H
#define AIGW_SHIM_INSN_H

#include "base/bytes.h"

#define INSN_LEN_MAX  15 /* bytes; longer ones do not exist */
#define INSN_JUMP_LEN 5  /* jmp rel32 */
/* A moved start: six instructions of at most five bytes that are jumps of two bytes and become ones
 * of six, or fewer and longer ones, and the jump back. */
#define INSN_MOVED_MAX 64

enum insn_kind {
	INSN_PLAIN,    /* does the same anywhere */
	INSN_RELATIVE, /* has an operand relative to the next instruction */
	INSN_BRANCH,   /* a conditional jump */
	INSN_JUMP,
	INSN_CALL,
	INSN_RETURN, /* or another end: control does not go on behind it */
	INSN_OTHER,  /* its length is known; not to be moved */
};

struct insn {
	uint8_t kind;      /* enum insn_kind */
	uint8_t len;       /* bytes */
	uint8_t at;        /* where its relative operand stands */
	uint8_t width;     /* of that operand: 0 (none), 1 or 4 bytes */
	uint8_t condition; /* INSN_BRANCH: low four bits of the opcode */
	int32_t distance;  /* the operand: from the end of the instruction */
};

/* The instruction at the start of `code`. ERR_UNSUPPORTED: one that is not known, or is not whole.
 */
MUST_USE enum err insn_decode(struct bytes code, struct insn *ret_insn);

/* The instruction as it has to be at `to` to do what it does at `from`: at most INSN_LEN_MAX bytes.
 * ERR_UNSUPPORTED: not to be moved. ERR_LIMIT: too far away. */
MUST_USE enum err insn_move(const struct insn *insn, const uint8_t *code, uint64_t from,
			    uint64_t to, uint8_t ret_code[INSN_LEN_MAX], size_t *ret_len);

/* jmp rel32. ERR_LIMIT: too far. */
MUST_USE enum err insn_jump(uint64_t from, uint64_t to, uint8_t ret_code[INSN_JUMP_LEN]);

/* Where in a whole function a jump can be written over its start: behind an endbr64, over *ret_len
 * bytes of whole instructions that can all be moved and that nothing in the function jumps into.
 * ERR_LIMIT: it is too short. ERR_UNSUPPORTED: something in it is not known or cannot be moved.
 * ERR_BAD: it jumps back there. */
MUST_USE enum err insn_measure(struct bytes function, size_t *ret_skip, size_t *ret_len);

/* The `len` bytes of instructions at `from`, which insn_measure found, as they have to be at `to`,
 * followed by a jump to what stands behind them. Errors as insn_move. */
MUST_USE enum err insn_move_start(struct bytes start, uint64_t from, uint64_t to,
				  uint8_t ret_code[INSN_MOVED_MAX], size_t *ret_len);

#endif
