/* SPDX-License-Identifier: MIT
 *
 * sink_file: appends a line of JSON for each event to a file (0600 when it is made here).
 *
 * A batch is in the file as a whole or not at all; when the sender is killed in the middle, the
 * next one cuts the file back to the end of its last whole line before it appends. With `synced` a
 * batch is delivered when it is on the disk.
 *
 * When the file would be larger than rotate_bytes it becomes NAME.1, what was NAME.1 becomes
 * NAME.2, and so on; the last of `keep` goes. A file that somebody else moved away (logrotate) or
 * cut is noticed before each batch. Only one process writes at a time (flock). Symbolic links, and
 * what is no regular file, are refused.
 */
#ifndef AIGW_DRAIN_SINK_FILE_H
#define AIGW_DRAIN_SINK_FILE_H

#include "drain/sink.h"

extern const struct sink_type sink_file;

#endif
