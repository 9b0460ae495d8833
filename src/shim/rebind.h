/* SPDX-License-Identifier: MIT
 *
 * rebind: objects that a program loads with RTLD_DEEPBIND (PHP its extensions) look for their
 * symbols in themselves and their dependencies first, and so past us. The flag is the program's
 * to set. Instead, once such an object is loaded, the entries of its import tables that lead to
 * functions we stand in front of are made to lead to ours: what a load without the flag would have
 * done, and for these functions only. A function of the same name that the object brings along
 * stays.
 *
 * The program can enter the new objects only by what dlsym gives it: that is when it is done, the
 * next time one of the doors of shim/hook_loader is used. Constructors have run by then, unseen.
 *
 * Not for objects in other namespaces (dlmopen), and not for pointers to functions in data.
 */
#ifndef AIGW_SHIM_REBIND_H
#define AIGW_SHIM_REBIND_H

/* This thread is about to load with RTLD_DEEPBIND: what is new by the next call of rebind_catch_up
 * is treated. */
void rebind_expect(void);

/* Treats what is new, if anything is expected. Loses what the loader has for dlerror. */
void rebind_catch_up(void);

#endif
