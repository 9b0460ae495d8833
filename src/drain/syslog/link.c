/* SPDX-License-Identifier: MIT */
#include "drain/syslog/link.h"

#include <errno.h>

enum err link_open(struct link *link, const struct syslog_address *address, struct tls_context *tls,
		   uint64_t deadline_ns, struct sink_answer *answer)
{
	enum err e = net_connect(address, deadline_ns, &link->net, answer);

	link->tls = NULL;
	if (e || address->transport != SYSLOG_TLS)
		return e;
	e = tls_open(tls, &link->net, address, deadline_ns, &link->tls, answer);
	if (e)
		net_close(&link->net);
	return e;
}

bool link_is_open(const struct link *link)
{
	return link->net.fd >= 0;
}

static enum err say_broken(const struct link *link, int error, struct sink_answer *answer)
{
	if (error == -ETIMEDOUT)
		net_say(answer, SINK_RETRY, "the server does not take what is sent, in time",
			link->net.where, 0);
	else if (error == -ECONNREFUSED)
		net_say(answer, SINK_RETRY, "nobody listens", link->net.where, error);
	else
		net_say(answer, SINK_RETRY, "the connection broke", link->net.where, error);
	return ERR_IO;
}

enum err link_write(struct link *link, struct bytes data, uint64_t deadline_ns,
		    struct sink_answer *answer)
{
	int error;

	if (link->tls)
		return tls_write(link->tls, data, deadline_ns, answer);
	error = net_write_all(&link->net, data, deadline_ns);
	return error ? say_broken(link, error, answer) : OK;
}

enum net_state link_look(struct link *link, struct sink_answer *answer)
{
	enum net_state state = link->tls ? tls_look(link->tls, answer) : net_look(&link->net);

	if (state == NET_NOISY)
		net_say(answer, SINK_RETRY, "the server does not stop talking", link->net.where, 0);
	else if (state == NET_BROKEN && !link->tls)
		(void)say_broken(link, -ECONNRESET, answer);
	return state;
}

enum err link_settle(struct link *link, uint64_t deadline_ns, enum net_state *ret_state,
		     struct sink_answer *answer)
{
	int error = net_settle(&link->net, deadline_ns);
	enum net_state state;

	if (error) {
		(void)say_broken(link, error, answer);
		(void)link_look(link, answer); /* it may have said why */
		return ERR_IO;
	}
	state = link_look(link, answer);
	/* closed in order, yet because it does not want our certificate */
	if (state == NET_CLOSED && link->tls && answer->result == SINK_WRONG)
		return ERR_IO;
	if (state != NET_OPEN && state != NET_CLOSED)
		return ERR_IO;
	*ret_state = state;
	return OK;
}

void link_drop(struct link *link)
{
	tls_free(link->tls, false);
	link->tls = NULL;
	net_close(&link->net);
}

void link_finish(struct link *link, uint64_t deadline_ns)
{
	tls_free(link->tls, true);
	link->tls = NULL;
	net_finish(&link->net, deadline_ns);
}
