/* SPDX-License-Identifier: MIT
 *
 * sink_command: a program whose standard input gets a line of JSON for each event. It is started
 * with the first batch, and again when it has ended.
 *
 * Delivered means: written completely into the pipe while the program had it open. That is
 * at-least-once up to the pipe. What a program has not read when it dies (up to a megabyte stands
 * in the pipe), and what it does with what it has read, nobody knows; who needs more uses a sink
 * that answers. A batch that was not written completely is sent again, so a program may see lines
 * twice; it never sees half a line, but when it is killed with its sender.
 *
 * The program gets no variable but PATH, no descriptor but standard input, output and error (both
 * go nowhere), a session of its own, no signal blocked or ignored. It gets an end of file when the
 * sink is closed, and is killed with its group when it goes on for CLOSE_WAIT_MS.
 *
 * One at a time in a process: SIGCHLD gets a handler, so that a program that ends is not a zombie
 * until the next batch; SIGPIPE is ignored.
 */
#ifndef AIGW_DRAIN_SINK_COMMAND_H
#define AIGW_DRAIN_SINK_COMMAND_H

#include "drain/sink.h"

extern const struct sink_type sink_command;

#endif
