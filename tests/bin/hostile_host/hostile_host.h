/* SPDX-License-Identifier: MIT
 *
 * hostile_host: a program with names, an allocator and habits that a library inside it must stand,
 * see hostile_host.c. hostile_host.c is the program and its calls; allocator.c its malloc;
 * surroundings.c what it does to its descriptors, limits, root and system calls. The names are made
 * by make-poison.
 */
#ifndef AIGW_TESTS_HOSTILE_HOST_H
#define AIGW_TESTS_HOSTILE_HOST_H

#include <stdbool.h>
#include <stddef.h>

__attribute__((noreturn)) void host_die(const char *what);
/* Somebody called a name that is not there to be called. */
__attribute__((noreturn)) void host_poisoned(const char *name);

int host_dial(void); /* a connected socket */

/* ---- allocator.c ---- */

unsigned long host_allocations(void); /* so far, of this process */
/* Walks over every block in use; ends the program when bytes around one were written to. */
void host_check_heap(void);
bool host_heap_is_locked(void);

/* ---- surroundings.c: each is a step, see hostile_host.c ---- */

void step_close_loop(char **argument);
void step_close_range(char **argument);
void step_closefrom(char **argument);
void step_take_descriptors(char **argument);
void step_show_taken(char **argument);
void step_chroot(char **argument);
void step_no_new_privs(char **argument);
void step_forbid_executable_memory(char **argument);
void step_limit_file_size(char **argument);
void step_limit_descriptors(char **argument);
void step_only_syscalls(char **argument);

#endif
