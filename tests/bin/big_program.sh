#!/bin/sh
# big_program.sh CC OUTPUT: a program of 50 MB with 200,000 functions in its symbol table, none of
# OpenSSL's. It does nothing.
set -eu
awk 'BEGIN {
	print ".text"
	for (i = 0; i < 200000; i++) {
		name = "SSL_a_function_of_a_large_program_" i
		print ".type " name ", @function\n" name ": .skip 250, 0x90\n ret\n.size " name ", 251"
	}
	print ".globl main\n.type main, @function\nmain: xor %eax, %eax\n ret\n.size main, . - main"
	print ".section .note.GNU-stack, \"\", @progbits"
}' >"$2.s"
# shellcheck disable=SC2086  # CC may be several words
$1 -o "$2" "$2.s"
rm "$2.s"
