/* SPDX-License-Identifier: MIT */
#include "shim/insn.h"

#include <stdlib.h>

#include "tap.h"

#define FROM 0x1a6b940u
#define TO   0x3f0024u

/* "48 89 e5" */
static struct bytes code_of(const char *hex)
{
	static uint8_t code[8192];
	size_t len = 0;
	char pair[3] = {0};

	for (; *hex && *hex != '\n' && len < sizeof code; hex += hex[0] == ' ' ? 1 : 2) {
		if (*hex == ' ')
			continue;
		memcpy(pair, hex, 2);
		code[len++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return tap_guarded(bytes_of(code, len));
}

static const char *const kinds[] = {"plain", "relative", "branch", "jump",
				    "call",  "return",   "other"};

static void each_instruction_has_its_length_and_kind(void)
{
	static const struct {
		const char *code, *kind;
	} cases[] = {
		{"55", "plain"},                            /* push rbp */
		{"41 57", "plain"},                         /* push r15 */
		{"5d", "plain"},                            /* pop rbp */
		{"48 89 e5", "plain"},                      /* mov rbp,rsp */
		{"48 83 ec 18", "plain"},                   /* sub rsp,0x18 */
		{"48 81 ec 88 00 00 00", "plain"},          /* sub rsp,0x88 */
		{"48 83 c4 08", "plain"},                   /* add rsp,8 */
		{"48 83 e4 f0", "plain"},                   /* and rsp,-16 */
		{"31 c0", "plain"},                         /* xor eax,eax */
		{"45 31 c0", "plain"},                      /* xor r8d,r8d */
		{"48 85 ff", "plain"},                      /* test rdi,rdi */
		{"f6 47 44 01", "plain"},                   /* test byte [rdi+0x44],1 */
		{"f7 47 44 01 00 00 00", "plain"},          /* test dword [rdi+0x44],1 */
		{"48 83 7f 30 00", "plain"},                /* cmp qword [rdi+0x30],0 */
		{"3d ff ff ff 7f", "plain"},                /* cmp eax,0x7fffffff */
		{"66 3d ff 7f", "plain"},                   /* cmp ax,0x7fff */
		{"66 48 3d 01 00 00 00", "plain"},          /* REX.W goes before 66 */
		{"64 48 8b 04 25 28 00 00 00", "plain"},    /* mov rax,fs:0x28 */
		{"48 8b 47 08", "plain"},                   /* mov rax,[rdi+8] */
		{"48 8b 44 24 08", "plain"},                /* mov rax,[rsp+8] */
		{"8b 87 84 00 00 00", "plain"},             /* mov eax,[rdi+0x84] */
		{"c7 47 38 00 00 00 00", "plain"},          /* mov dword [rdi+0x38],0 */
		{"66 c7 47 38 00 00", "plain"},             /* mov word [rdi+0x38],0 */
		{"ba ff ff ff 7f", "plain"},                /* mov edx,0x7fffffff */
		{"48 b8 01 02 03 04 05 06 07 08", "plain"}, /* mov rax,imm64 */
		{"8d 46 f0", "plain"},                      /* lea eax,[rsi-16] */
		{"4c 8d 04 85 00 00 00 00", "plain"},       /* lea r8,[rax*4] */
		{"0f b6 47 08", "plain"},                   /* movzx eax,byte [rdi+8] */
		{"0f 48 c2", "plain"},                      /* cmovs eax,edx */
		{"48 98", "plain"},                         /* cdqe */
		{"c9", "plain"},                            /* leave */
		{"f3 0f 1e fa", "plain"},                   /* endbr64 */
		{"90", "plain"},                            /* nop */
		{"66 90", "plain"},
		{"0f 1f 40 00", "plain"},
		{"0f 1f 84 00 00 00 00 00", "plain"},
		{"66 66 2e 0f 1f 84 00 00 00 00 00", "plain"},
		{"48 8b 05 10 20 30 00", "relative"}, /* mov rax,[rip+0x302010] */
		{"48 8d 3d 10 20 30 00", "relative"}, /* lea rdi,[rip+0x302010] */
		{"83 3d 10 20 30 00 00", "relative"}, /* cmp dword [rip+0x302010],0 */
		{"74 09", "branch"},
		{"7e 0a", "branch"},
		{"0f 84 b7 00 00 00", "branch"},
		{"eb 0a", "jump"},
		{"e9 48 fb ff ff", "jump"},
		{"f2 e9 48 fb ff ff", "jump"}, /* bnd */
		{"e8 87 fb ff ff", "call"},
		{"c3", "return"},
		{"f3 c3", "return"},
		{"c2 08 00", "return"},
		{"ff e0", "return"},                  /* jmp rax */
		{"3e ff e0", "return"},               /* notrack jmp rax */
		{"ff 60 20", "return"},               /* jmp [rax+0x20] */
		{"0f 0b", "return"},                  /* ud2 */
		{"ff 25 10 20 30 00", "other"},       /* jmp [rip+0x302010] */
		{"ff 90 a0 00 00 00", "other"},       /* call [rax+0xa0] */
		{"f0 48 0f b1 17", "other"},          /* lock cmpxchg */
		{"f0 83 07 01", "other"},             /* lock add */
		{"f3 48 ab", "other"},                /* rep stosq */
		{"e3 05", "other"},                   /* jrcxz */
		{"48 c1 e0 04", "other"},             /* shl rax,4 */
		{"66 0f ef c0", "other"},             /* pxor xmm0,xmm0 */
		{"66 0f 3a 0f c1 08", "other"},       /* palignr */
		{"f2 0f 10 05 00 00 00 00", "other"}, /* movsd xmm0,[rip] */
		{"c5 f8 77", "other"},                /* vzeroupper */
		{"c5 f9 6f 05 00 00 00 00", "other"},
		{"c4 e2 79 18 05 00 00 00 00", "other"},
		{"c4 e3 7d 39 c1 01", "other"}, /* vextracti128 */
		{"db 6c 24 10", "other"},       /* fld */
		{"0f a2", "other"},             /* cpuid */
		{"cc", "other"},                /* int3 */
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bytes code = code_of(cases[i].code);
		struct insn insn = {0};
		enum err e = insn_decode(code, &insn);
		if (e || insn.len != code.len || strcmp(kinds[insn.kind], cases[i].kind) != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s, %u bytes, %s; expected %zu, %s",
				 cases[i].code, err_name(e), insn.len, kinds[insn.kind], code.len,
				 cases[i].kind);
		for (size_t len = 0; len < code.len; len++)
			CHECK_ERR(insn_decode(
					  tap_guarded(bytes_slice(code_of(cases[i].code), 0, len)),
					  &insn),
				  ERR_UNSUPPORTED);
	}
}

static void what_is_not_known_is_said_so(void)
{
	static const char *const cases[] = {
		"06",
		"0e",
		"27",
		"60",
		"62 f1 7c 48 10 07",
		"67 8b 07",
		"82 c0 01",
		"8c d8",
		"9a",
		"a1 00 00 00 00 00 00 00 00",
		"c8 00 00 00",
		"cd 80",
		"d4",
		"ea",
		"f4",
		"fa",
		"ff d8",
		"ff ff",
		"0f 05",
		"0f 34",
		"0f ff c0",
		"66 e8 00 00 00 00",
		"66 74 00",
		"8f c0",
		"c4 e4 79 18 c0",
		"66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", /* sixteen bytes */
	};
	struct insn insn;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (insn_decode(code_of(cases[i]), &insn) != ERR_UNSUPPORTED)
			tap_fail(__FILE__, __LINE__, "%s is taken", cases[i]);
	CHECK_ERR(insn_decode(code_of("66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"), &insn), OK);
	CHECK_U64(insn.len, INSN_LEN_MAX);
}

static void check_moved(const char *code, const char *expected, uint64_t from, uint64_t to)
{
	struct bytes in = code_of(code);
	uint8_t out[INSN_LEN_MAX];
	struct insn insn;
	size_t len = 0;

	CHECK_ERR(insn_decode(in, &insn), OK);
	CHECK_ERR(insn_move(&insn, in.at, from, to, out, &len), OK);
	if (!bytes_equal(bytes_of(out, len), code_of(expected)))
		tap_fail(__FILE__, __LINE__, "%s is not moved to %s", code, expected);
}

static void an_instruction_is_moved_to_where_it_does_the_same(void)
{
	check_moved("48 89 e5", "48 89 e5", 0x1000, 0x9000);
	check_moved("48 8b 05 10 00 00 00", "48 8b 05 10 80 00 00", 0x9000, 0x1000);
	check_moved("83 3d 10 00 00 00 07", "83 3d 10 70 ff ff 07", 0x1000, 0xa000);
	check_moved("74 09", "0f 84 05 10 00 00", 0x2000, 0x1000);
	check_moved("0f 8f 00 01 00 00", "0f 8f 00 11 00 00", 0x2000, 0x1000);
	check_moved("eb fe", "e9 fb 0f 00 00", 0x2000, 0x1000);
	check_moved("e9 00 00 00 00", "e9 00 10 00 00", 0x2000, 0x1000);
	check_moved("f2 e9 00 00 00 00", "e9 01 10 00 00", 0x2000, 0x1000);
	check_moved("e8 00 00 00 00", "e8 00 f0 ff ff", 0x1000, 0x2000);
	check_moved("c3", "c3", 0x1000, 0x2000);
}

static void too_far_and_unmovable_are_told_apart(void)
{
	struct bytes near = code_of("e8 00 00 00 00"), rep = code_of("f3 48 ab");
	uint8_t out[INSN_LEN_MAX];
	struct insn insn;
	size_t len;

	CHECK_ERR(insn_decode(near, &insn), OK);
	CHECK_ERR(insn_move(&insn, near.at, 0x80000000, 0, out, &len), ERR_LIMIT);
	CHECK_ERR(insn_move(&insn, near.at, 0x7fffffff, 0, out, &len), OK);
	CHECK_ERR(insn_move(&insn, near.at, 0, 0x80000000, out, &len), OK);
	CHECK_ERR(insn_move(&insn, near.at, 0, 0x80000001, out, &len), ERR_LIMIT);
	CHECK_ERR(insn_decode(rep, &insn), OK);
	CHECK_ERR(insn_move(&insn, rep.at, 0, 0, out, &len), ERR_UNSUPPORTED);
	CHECK_ERR(insn_jump(0, 0x80000004, out), OK);
	CHECK_ERR(insn_jump(0, 0x80000005, out), ERR_LIMIT);
}

static void a_start_is_measured_or_left_alone(void)
{
	static const struct {
		const char *code;
		enum err e;
		size_t skip, len;
	} cases[] = {
		{"55 48 89 e5 41 56 c3", OK, 0, 6},
		{"f3 0f 1e fa 55 48 89 e5 41 56 c3", OK, 4, 6},
		{"f3 0f 1e fa 48 83 7f 30 00 c3", OK, 4, 5},
		{"31 c0 85 f6 7e 01 c3 c3", OK, 0, 6},
		{"45 31 c0 e9 48 fb ff ff", OK, 0, 8},
		{"ba 01 00 00 00 e9 66 fb ff ff", OK, 0, 5},
		{"8b 47 44 31 ff c3", OK, 0, 5},
		{"8b 47 44 90 c3", OK, 0, 5},
		{"8b 47 44 c3", ERR_LIMIT, 0, 0},
		{"8b 47 44 c3 90 90 90", ERR_LIMIT, 0, 0}, /* what follows may be another's */
		{"55 eb 02 90 90 c3", ERR_LIMIT, 0, 0},
		{"", ERR_LIMIT, 0, 0},
		{"f3 0f 1e fa", ERR_LIMIT, 0, 0},
		{"48 83 7f 30 00", OK, 0, 5},
		{"48 83 7f 30", ERR_UNSUPPORTED, 0, 0},
		{"f3 48 ab 31 c0 c3", ERR_UNSUPPORTED, 0, 0},
		{"e3 03 31 c0 90 c3", ERR_UNSUPPORTED, 0, 0},
		{"55 48 89 e5 41 56 f4 c3", ERR_UNSUPPORTED, 0, 0},
		{"55 48 89 e5 41 56 eb f8", ERR_BAD, 0, 0}, /* to the start itself */
		{"55 48 89 e5 41 56 eb fc", ERR_BAD, 0, 0}, /* into it */
		{"55 48 89 e5 41 56 eb fe", OK, 0, 6},      /* behind it */
		{"55 48 89 e5 41 56 0f 85 f9 ff ff ff c3", ERR_BAD, 0, 0},
		{"55 48 89 e5 41 56 e2 fa c3", ERR_BAD, 0, 0},     /* loop */
		{"55 48 89 e5 41 56 e8 f5 ff ff ff c3", OK, 0, 6}, /* calls itself */
		{"55 48 89 e5 41 56 e8 f6 ff ff ff c3", ERR_BAD, 0, 0},
		{"48 ff c0 75 fb 90 c3", ERR_UNSUPPORTED, 0, 0},
		{"48 83 c0 01 75 fa 90 c3", ERR_BAD, 0, 0}, /* a loop at the very start */
		{"f3 0f 1e fa 55 48 89 e5 41 56 eb f4", ERR_BAD, 0, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t skip = 0, len = 0;
		enum err e = insn_measure(code_of(cases[i].code), &skip, &len);
		if (e != cases[i].e || skip != cases[i].skip || len != cases[i].len)
			tap_fail(__FILE__, __LINE__, "%s: %s, %zu, %zu", cases[i].code, err_name(e),
				 skip, len);
	}
}

/* Instruction by instruction: the same operation, leading to the same place. */
static void check_same(struct bytes start, const uint8_t *moved, size_t moved_len)
{
	size_t at = 0, to = 0;
	struct insn a = {0}, b = {0};

	while (at < start.len) {
		CHECK_ERR(insn_decode(bytes_from(start, at), &a), OK);
		CHECK_ERR(insn_decode(bytes_of(moved + to, moved_len - to), &b), OK);
		CHECK_U64(b.kind, a.kind);
		CHECK_U64(b.condition, a.condition);
		if (a.width)
			CHECK_U64(TO + to + b.len + (uint64_t)(int64_t)b.distance,
				  FROM + at + a.len + (uint64_t)(int64_t)a.distance);
		else
			CHECK(a.len == b.len && memcmp(start.at + at, moved + to, a.len) == 0);
		at += a.len;
		to += b.len;
	}
	CHECK_ERR(insn_decode(bytes_of(moved + to, moved_len - to), &b), OK);
	CHECK_U64(b.kind, INSN_JUMP);
	CHECK_U64(TO + to + b.len + (uint64_t)(int64_t)b.distance, FROM + start.len);
	CHECK_U64(to + b.len, moved_len);
}

static void the_functions_of_node_and_debian_can_be_displaced(void)
{
	struct buf table = tap_file("tests/fixtures/insn/functions.txt");
	struct bytes rest = buf_view(&table), line, hex;
	unsigned seen = 0;

	while (rest.len) {
		char build[64], name[64], code[8192];
		size_t expected, skip = 0, len = 0, moved_len = 0;
		uint8_t moved[INSN_MOVED_MAX];

		line = bytes_cut(&rest, '\n');
		if (line.len == 0 || line.at[0] == '#')
			continue;
		snprintf(code, sizeof code, "%.*s", (int)line.len, (const char *)line.at);
		CHECK(sscanf(code, "%63s %63s %zu", build, name, &expected) == 3);
		hex = bytes_str(strrchr(code, ' ') + 1);
		struct bytes function = code_of((const char *)hex.at);
		enum err e = insn_measure(function, &skip, &len);
		if (e != (expected ? OK : ERR_LIMIT) || skip != 0 || len != expected)
			tap_fail(__FILE__, __LINE__, "%s %s: %s, %zu + %zu, expected %zu", build,
				 name, err_name(e), skip, len, expected);
		seen++;
		if (e)
			continue;
		struct bytes start = bytes_slice(function, skip, len);
		CHECK_ERR(insn_move_start(start, FROM, TO, moved, &moved_len), OK);
		check_same(start, moved, moved_len);
	}
	CHECK_U64(seen, 64);
	buf_done(&table);
}

static void a_start_that_grows_too_much_is_refused(void)
{
	/* Short jumps become three times as long. */
	uint8_t many[40], moved[INSN_MOVED_MAX];
	size_t len = 0;

	for (size_t i = 0; i < sizeof many; i += 2) {
		many[i] = 0x74;
		many[i + 1] = 0x40;
	}
	CHECK_ERR(insn_move_start(bytes_of(many, 18), FROM, TO, moved, &len), OK);
	CHECK_U64(len, 59);
	CHECK_ERR(insn_move_start(bytes_of(many, 20), FROM, TO, moved, &len), ERR_LIMIT);
	CHECK_ERR(insn_move_start(bytes_of(many, 18), FROM + 0x100000000, TO, moved, &len),
		  ERR_LIMIT);
}

int main(void)
{
	RUN_TESTS(
		TEST(each_instruction_has_its_length_and_kind), TEST(what_is_not_known_is_said_so),
		TEST(an_instruction_is_moved_to_where_it_does_the_same),
		TEST(too_far_and_unmovable_are_told_apart), TEST(a_start_is_measured_or_left_alone),
		TEST(the_functions_of_node_and_debian_can_be_displaced),
		TEST(a_start_that_grows_too_much_is_refused));
}
