/* SPDX-License-Identifier: MIT */
#include "shim/wake.h"

#include <sys/socket.h>

#include "base/sys.h"
#include "shim/fds.h"

bool wake(int fd, bool own_transport)
{
	if (fd < 0)
		return false;
	/* Planted before the descriptor turns readable: another thread may be polling it. */
	if (own_transport)
		fds_plant(fd);
	return sys_shutdown(fd, SHUT_RD) == 0;
}
