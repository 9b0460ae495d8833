/* SPDX-License-Identifier: MIT */
#include "shim/gate_state.h"

#include "shim/quota.h"

/* A child that goes on with a connection of its parent's makes it its own; the lock may have been
 * held by a thread that does not exist here. */
bool gate_enter(struct gate *g)
{
	pid_t me = sys_process();
	bool inherited = g->pid != me;

	if (inherited) {
		lock_reset(&g->lock);
		g->pid = me;
	}
	if (!lock_take(&g->lock))
		return false;
	if (inherited)
		quota_adopt(&g->tickets);
	return true;
}

bool gate_is_sniffing(const struct gate *g)
{
	return g->server_name[0] == '\0';
}

const char *gate_name(const struct gate *g)
{
	return g->server_name[0] ? g->server_name : g->host;
}

const struct dialect *gate_dialect(const struct gate *g)
{
	return g->dialect    ? g->dialect
	       : g->provider ? provider_dialect(g->provider)
			     : &dialect_openai;
}

void gate_describe(struct gate *g)
{
	if (g->gone || (g->described && g->link.fd >= 0))
		return;
	g->carrier.describe(g->session, &g->link);
	peer_of(g->link.fd, &g->peer);
	g->described = true;
}
