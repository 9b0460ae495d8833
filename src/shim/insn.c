/* SPDX-License-Identifier: MIT */
#include "shim/insn.h"

#include <string.h>

/* What follows an opcode, and whether it is met at the start of functions. */
enum {
	KNOWN = 1,
	MODRM = 2, /* a ModRM byte, with what it asks for */
	IMM8 = 4,
	IMM32 = 8,  /* two bytes after an operand-size prefix */
	START = 16, /* may be moved */
};

#define K  KNOWN
#define M  (KNOWN | MODRM)
#define S  (KNOWN | START)
#define SM (KNOWN | START | MODRM)

/* add, or, adc, sbb, and, sub, xor, cmp: eight opcodes apart */
#define ALU(at) [at... at + 3] = SM, [at + 4] = S | IMM8, [at + 5] = S | IMM32

/* Opcodes of one byte. Jumps, returns and prefixes are told apart in the code. */
static const uint8_t one_byte[256] = {
	ALU(0x00),
	ALU(0x08),
	ALU(0x10),
	ALU(0x18),
	ALU(0x20),
	ALU(0x28),
	ALU(0x30),
	ALU(0x38),
	[0x50 ... 0x5f] = S, /* push, pop */
	[0x63] = SM,         /* movsxd */
	[0x68] = S | IMM32,
	[0x69] = M | IMM32,
	[0x6a] = S | IMM8,
	[0x6b] = M | IMM8,
	[0x80] = SM | IMM8,
	[0x81] = SM | IMM32,
	[0x83] = SM | IMM8,
	[0x84 ... 0x85] = SM, /* test */
	[0x86 ... 0x87] = M,
	[0x88 ... 0x8b] = SM, /* mov */
	[0x8d] = SM,          /* lea */
	[0x90] = S,           /* nop */
	[0x91 ... 0x97] = K,
	[0x98 ... 0x99] = S,
	[0xa4 ... 0xa7] = K,
	[0xa8] = S | IMM8,
	[0xa9] = S | IMM32,
	[0xaa ... 0xaf] = K,
	[0xb0 ... 0xb7] = S | IMM8,
	[0xb8 ... 0xbf] = S | IMM32, /* mov; 64 bits with REX.W */
	[0xc0 ... 0xc1] = M | IMM8,
	[0xc6] = SM | IMM8,
	[0xc7] = SM | IMM32,
	[0xc9] = S, /* leave */
	[0xcc] = K,
	[0xd0 ... 0xd3] = M,
	[0xd8 ... 0xdf] = M, /* x87 */
	[0xf5] = K,
	[0xf6 ... 0xf7] = M, /* immediate: see take_group */
	[0xf8 ... 0xf9] = K,
	[0xfc ... 0xfd] = K,
	[0xfe ... 0xff] = M,
};

/* Opcodes after 0f; the same after a VEX prefix for that map. */
static const uint8_t two_bytes[256] = {
	[0x0b] = K, /* ud2 */
	[0x0d] = M,           [0x10 ... 0x1e] = M,
	[0x1f] = SM, /* nop */
	[0x28 ... 0x2f] = M,  [0x31] = K,
	[0x40 ... 0x4f] = SM, /* cmov */
	[0x50 ... 0x6f] = M,  [0x70 ... 0x73] = M | IMM8,
	[0x74 ... 0x76] = M,  [0x77] = K,
	[0x7c ... 0x7f] = M,  [0x90 ... 0x9f] = M,
	[0xa2] = K,           [0xa3] = M,
	[0xa4] = M | IMM8,    [0xa5] = M,
	[0xab] = M,           [0xac] = M | IMM8,
	[0xad ... 0xaf] = M,  [0xb0 ... 0xb1] = M,
	[0xb3] = M,           [0xb6 ... 0xb7] = SM, /* movzx */
	[0xb8] = M,           [0xba] = M | IMM8,
	[0xbb ... 0xbd] = M,  [0xbe ... 0xbf] = SM, /* movsx */
	[0xc0 ... 0xc1] = M,  [0xc2] = M | IMM8,
	[0xc3] = M,           [0xc4 ... 0xc6] = M | IMM8,
	[0xc7] = M,           [0xc8 ... 0xcf] = K,
	[0xd0 ... 0xfe] = M,
};

#undef ALU
#undef K
#undef M
#undef S
#undef SM
#undef ALU

struct prefixes {
	bool operand_size, repeat, repeat_not, lock, wide; /* 66, f3, f2, f0, REX.W */
};

/* Reads legacy prefixes and REX; returns the opcode behind them. */
static uint8_t take_prefixes(struct cursor *c, struct prefixes *p)
{
	for (;;) {
		uint8_t byte = cursor_u8(c);
		switch (byte) {
		case 0x66:
			p->operand_size = true;
			break;
		case 0xf0:
			p->lock = true;
			break;
		case 0xf2:
			p->repeat_not = true;
			break;
		case 0xf3:
			p->repeat = true;
			break;
		case 0x2e: /* segments: cs and ds mean nothing or are hints */
		case 0x3e:
		case 0x64:
		case 0x65:
			break;
		default:
			if ((byte & 0xf0) != 0x40)
				return byte;
			p->wide = byte & 8;
			return cursor_u8(c); /* REX is the last prefix */
		}
		if (c->bad)
			return 0;
	}
}

/* The ModRM byte and its SIB byte and displacement; returns the ModRM byte. */
static uint8_t take_modrm(struct cursor *c, const uint8_t *start, struct insn *insn)
{
	uint8_t modrm = cursor_u8(c), mod = modrm >> 6, rm = modrm & 7, base = rm;

	if (mod == 3)
		return modrm;
	if (rm == 4)
		base = cursor_u8(c) & 7;
	if (mod == 0 && rm == 5) {
		insn->at = (uint8_t)(c->at - start);
		insn->width = 4;
		insn->distance = (int32_t)cursor_u32(c);
	} else if (mod == 2 || (mod == 0 && base == 5)) {
		cursor_u32(c);
	} else if (mod == 1) {
		cursor_u8(c);
	}
	return modrm;
}

static void take_distance(struct cursor *c, const uint8_t *start, uint8_t width, struct insn *insn)
{
	insn->at = (uint8_t)(c->at - start);
	insn->width = width;
	insn->distance = width == 1 ? (int8_t)cursor_u8(c) : (int32_t)cursor_u32(c);
}

/* Jumps, calls and returns. False: the opcode is none of these. */
static bool take_jump(struct cursor *c, const uint8_t *start, uint8_t opcode, bool escaped,
		      struct insn *insn)
{
	if (escaped ? (opcode & 0xf0) == 0x80 : (opcode & 0xf0) == 0x70) {
		insn->kind = INSN_BRANCH;
		insn->condition = opcode & 15;
		take_distance(c, start, escaped ? 4 : 1, insn);
	} else if (escaped) {
		return false;
	} else if (opcode == 0xe8 || opcode == 0xe9) {
		insn->kind = opcode == 0xe8 ? INSN_CALL : INSN_JUMP;
		take_distance(c, start, 4, insn);
	} else if (opcode == 0xeb) {
		insn->kind = INSN_JUMP;
		take_distance(c, start, 1, insn);
	} else if (opcode >= 0xe0 && opcode <= 0xe3) { /* loop, jrcxz: have no longer form */
		insn->kind = INSN_OTHER;
		take_distance(c, start, 1, insn);
	} else if (opcode == 0xc3 || opcode == 0xc2) {
		insn->kind = INSN_RETURN;
		if (opcode == 0xc2)
			cursor_take(c, 2);
	} else {
		return false;
	}
	return true;
}

static void take_immediate(struct cursor *c, uint8_t what, const struct prefixes *p)
{
	if (what & IMM8)
		cursor_u8(c);
	if (what & IMM32)
		cursor_take(c, p->operand_size && !p->wide ? 2 : 4);
}

/* Behind c4 or c5: the rest of the VEX prefix and the instruction. */
static bool take_vex(struct cursor *c, const uint8_t *start, uint8_t escape, struct insn *insn)
{
	static const struct prefixes none;
	uint8_t map = 1, what;

	if (escape == 0xc4)
		map = cursor_u8(c) & 31;
	cursor_u8(c);
	what = two_bytes[cursor_u8(c)];
	if (map == 2 || map == 3)
		what = KNOWN | MODRM | (map == 3 ? IMM8 : 0);
	if (map < 1 || map > 3 || !(what & KNOWN))
		return false;
	if (what & MODRM)
		take_modrm(c, start, insn);
	take_immediate(c, what, &none);
	insn->kind = INSN_OTHER;
	return true;
}

/* Opcodes whose ModRM byte says what they are (groups 3 and 5): test, jmp. */
static bool take_group(struct cursor *c, uint8_t opcode, uint8_t modrm, const struct prefixes *p,
		       struct insn *insn)
{
	uint8_t member = modrm >> 3 & 7;

	if ((opcode == 0xf6 || opcode == 0xf7) && member < 2) {
		take_immediate(c, opcode == 0xf6 ? IMM8 : IMM32, p);
		insn->kind = p->lock || p->repeat || p->repeat_not ? INSN_OTHER : INSN_PLAIN;
	} else if (opcode == 0xff && (member == 3 || member == 5 || member == 7)) {
		return false;
	} else if (opcode == 0xff && member == 4) {
		insn->kind = INSN_RETURN; /* jmp through a register or memory */
	}
	return true;
}

static bool take_rest(struct cursor *c, const uint8_t *start, struct insn *insn)
{
	struct prefixes p = {0};
	uint8_t opcode = take_prefixes(c, &p), what, modrm = 0;
	bool escaped = opcode == 0x0f;

	if (opcode == 0xc4 || opcode == 0xc5)
		return take_vex(c, start, opcode, insn);
	if (escaped)
		opcode = cursor_u8(c);
	what = (escaped ? two_bytes : one_byte)[opcode];
	if (take_jump(c, start, opcode, escaped, insn))
		return !p.operand_size && !p.lock;
	if (escaped && (opcode == 0x38 || opcode == 0x3a)) {
		cursor_u8(c);
		what = KNOWN | MODRM | (opcode == 0x3a ? IMM8 : 0);
	}
	if (!(what & KNOWN))
		return false;
	insn->kind = what & START && !p.lock && !p.repeat && !p.repeat_not ? INSN_PLAIN
									   : INSN_OTHER;
	if (what & MODRM)
		modrm = take_modrm(c, start, insn);
	if (!escaped && opcode >= 0xb8 && opcode <= 0xbf && p.wide)
		cursor_take(c, 8);
	else
		take_immediate(c, what, &p);
	if (!escaped && what & MODRM && !take_group(c, opcode, modrm, &p, insn))
		return false;
	if (escaped && opcode == 0x1e && p.repeat && modrm == 0xfa)
		insn->kind = INSN_PLAIN; /* endbr64 */
	if (escaped && opcode == 0x0b)
		insn->kind = INSN_RETURN; /* ud2 */
	if (insn->width && insn->kind == INSN_PLAIN)
		insn->kind = INSN_RELATIVE;
	else if (insn->width && insn->kind == INSN_RETURN)
		insn->kind = INSN_OTHER;
	return true;
}

enum err insn_decode(struct bytes code, struct insn *ret_insn)
{
	struct bytes window = bytes_slice(code, 0, INSN_LEN_MAX);
	struct cursor c = cursor_over(window);
	struct insn insn = {0};

	if (!take_rest(&c, window.at, &insn) || c.bad)
		return ERR_UNSUPPORTED;
	insn.len = (uint8_t)(c.at - window.at);
	*ret_insn = insn;
	return OK;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* The operand that leads from the instruction end `from` to `to`. */
static enum err put_distance(uint64_t from, uint64_t to, uint8_t *at)
{
	int64_t distance = (int64_t)(to - from);

	if (distance != (int32_t)distance)
		return ERR_LIMIT;
	put_u32(at, (uint32_t)distance);
	return OK;
}

enum err insn_jump(uint64_t from, uint64_t to, uint8_t ret_code[INSN_JUMP_LEN])
{
	uint8_t code[INSN_JUMP_LEN] = {0xe9};
	enum err e = put_distance(from + INSN_JUMP_LEN, to, code + 1);

	if (!e)
		memcpy(ret_code, code, sizeof code);
	return e;
}

enum err insn_move(const struct insn *insn, const uint8_t *code, uint64_t from, uint64_t to,
		   uint8_t ret_code[INSN_LEN_MAX], size_t *ret_len)
{
	uint64_t target = from + insn->len + (uint64_t)(int64_t)insn->distance;
	uint8_t moved[INSN_LEN_MAX] = {0};
	size_t len = insn->len, at = insn->at;
	enum err e = OK;

	switch (insn->kind) {
	case INSN_PLAIN:
	case INSN_RETURN:
	case INSN_RELATIVE:
		memcpy(moved, code, len);
		break;
	case INSN_BRANCH:
		moved[0] = 0x0f;
		moved[1] = 0x80 | insn->condition;
		at = 2;
		len = 6;
		break;
	case INSN_JUMP:
	case INSN_CALL:
		moved[0] = insn->kind == INSN_CALL ? 0xe8 : 0xe9;
		at = 1;
		len = 5;
		break;
	default:
		return ERR_UNSUPPORTED;
	}
	if (insn->width)
		e = put_distance(to + len, target, moved + at);
	if (e)
		return e;
	memcpy(ret_code, moved, len);
	*ret_len = len;
	return OK;
}

static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

/* A jump or call at offset `at` of the function into [from, to). A call of the whole function by
 * itself is one of its hook, as it should be. */
static bool leads_into(const struct insn *insn, size_t at, size_t from, size_t to)
{
	int64_t target = (int64_t)at + insn->len + insn->distance;
	bool jumps = insn->kind == INSN_BRANCH || insn->kind == INSN_JUMP ||
		     (insn->kind == INSN_OTHER && insn->width == 1);

	if (insn->kind == INSN_CALL)
		return target > (int64_t)from && target < (int64_t)to;
	return jumps && target >= 0 && target < (int64_t)to;
}

enum err insn_measure(struct bytes function, size_t *ret_skip, size_t *ret_len)
{
	size_t skip = bytes_starts(function, bytes_of(endbr64, sizeof endbr64)) ? sizeof endbr64
										: 0;
	size_t end = skip, at;
	struct insn insn = {0};
	enum err e;

	while (end < skip + INSN_JUMP_LEN) {
		if (insn.kind == INSN_RETURN || insn.kind == INSN_JUMP || end >= function.len)
			return ERR_LIMIT;
		e = insn_decode(bytes_from(function, end), &insn);
		if (e || insn.kind == INSN_OTHER)
			return ERR_UNSUPPORTED;
		end += insn.len;
	}
	for (at = skip; at < function.len; at += insn.len) {
		e = insn_decode(bytes_from(function, at), &insn);
		if (e)
			return e;
		if (leads_into(&insn, at, skip, end))
			return ERR_BAD;
	}
	*ret_skip = skip;
	*ret_len = end - skip;
	return OK;
}

enum err insn_move_start(struct bytes start, uint64_t from, uint64_t to,
			 uint8_t ret_code[INSN_MOVED_MAX], size_t *ret_len)
{
	uint8_t moved[INSN_MOVED_MAX + INSN_LEN_MAX];
	size_t len = 0, more = 0;
	struct insn insn;
	enum err e;

	for (size_t at = 0; at < start.len; at += insn.len) {
		e = insn_decode(bytes_from(start, at), &insn);
		if (!e)
			e = insn_move(&insn, start.at + at, from + at, to + len, moved + len,
				      &more);
		if (e)
			return e;
		len += more;
		if (len > INSN_MOVED_MAX - INSN_JUMP_LEN)
			return ERR_LIMIT;
	}
	e = insn_jump(to + len, from + start.len, moved + len);
	if (e)
		return e;
	len += INSN_JUMP_LEN;
	memcpy(ret_code, moved, len);
	*ret_len = len;
	return OK;
}
