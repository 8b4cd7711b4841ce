/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int config_address_listen(const struct config_address *address, int backlog, struct config_address *ret_bound)
{
	static const int on = 1;
	struct config_address bound = *address;
	int family = address->socket.any.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &address->socket.any, address->length) < 0 || listen(fd, backlog) < 0 ||
	    getsockname(fd, &bound.socket.any, &bound.length) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	char *colon = strrchr(bound.text, ':');
	/* Both kinds have the port in the same place. */
	snprintf(colon + 1, sizeof(bound.text) - (size_t)(colon + 1 - bound.text), "%u", ntohs(bound.socket.in.sin_port));
	*ret_bound = bound;
	return fd;
}
