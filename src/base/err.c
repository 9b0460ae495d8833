/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>

static const struct {
	char name[20]; /* no pointers: these would have to be relocated in each process */
	char text[56];
	int status;
} table[] = {
#define ERR(name, status, text) {#name, text, status},
#include "base/err.def"
#undef ERR
};

static unsigned row(enum err e)
{
	return (unsigned)e < ERR_COUNT ? (unsigned)e : ERR_STATE;
}

const char *err_text(enum err e)
{
	return table[row(e)].text;
}

const char *err_name(enum err e)
{
	return table[row(e)].name;
}

int err_exit_status(enum err e)
{
	return table[row(e)].status;
}

enum err err_from_errno(long errno_value)
{
	switch (errno_value < 0 ? -errno_value : errno_value) {
	case 0:
		return OK;
	case ENOENT:
	case ENOTDIR:
		return ERR_MISSING;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_ACCESS;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}
