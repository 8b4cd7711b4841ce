/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One handle of libpcap. */
#include "ingest/live.h"

#include <pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum { WAIT_MS = 100 };

struct live {
	pcap_t *pcap;
	uint64_t count;
	/* what libpcap counts in 32 bits */
	uint64_t received, dropped;
	uint32_t last_received, last_dropped;
};

static int code_of(int status)
{
	return status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED ? ERR_DENIED
	       : status == PCAP_ERROR_NO_SUCH_DEVICE || status == PCAP_ERROR_IFACE_NOT_UP   ? ERR_NOTFOUND
	                                                                                     : ERR_IO;
}

static int set_filter(struct live *l, const char *filter, struct err *e)
{
	struct bpf_program program;
	if (!filter)
		return 0;
	if (pcap_compile(l->pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0)
		return err_set(e, ERR_SYNTAX, "the filter \"%s\": %s", filter, pcap_geterr(l->pcap));
	int rc = pcap_setfilter(l->pcap, &program);
	pcap_freecode(&program);
	return rc == 0 ? 0 : err_set(e, ERR_IO, "the filter \"%s\": %s", filter, pcap_geterr(l->pcap));
}

static int activate(struct live *l, const struct live_options *opt, char *ret_warning, struct err *e)
{
	pcap_set_snaplen(l->pcap, PACKET_MAX);
	pcap_set_promisc(l->pcap, opt->promiscuous);
	pcap_set_timeout(l->pcap, WAIT_MS);
	pcap_set_buffer_size(l->pcap, (int)opt->buffer_mib << 20);
	int status = pcap_activate(l->pcap);
	if (status < 0) { /* libpcap's sentence tells more, where it has one; of some failures it is the status again, or holds it */
		const char *name = pcap_statustostr(status), *detail = pcap_geterr(l->pcap);
		bool both = *detail && !strstr(name, detail) && !strstr(detail, name) && status != PCAP_ERROR;
		return err_set(e, code_of(status), "%s: %s%s%s", opt->interface, both || !*detail ? name : detail, both ? ": " : "",
		               both ? detail : "");
	}
	if (status > 0)
		snprintf(ret_warning, 256, "%s: %s", opt->interface, pcap_statustostr(status));
	return set_filter(l, opt->filter, e);
}

int live_open(const struct live_options *opt, struct live **ret, char ret_warning[static 256], struct err *e)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	struct live *l = xcalloc(1, sizeof(*l));
	*ret_warning = '\0';
	l->pcap = pcap_create(opt->interface, text);
	int rc = l->pcap ? activate(l, opt, ret_warning, e) : err_set(e, ERR_IO, "%s: %s", opt->interface, text);
	if (rc == 0 && pcap_setnonblock(l->pcap, 1, text) != 0)
		rc = err_set(e, ERR_IO, "%s: %s", opt->interface, text);
	if (rc < 0) {
		live_close(l);
		return rc;
	}
	*ret = l;
	return 0;
}

void live_close(struct live *l)
{
	if (l && l->pcap)
		pcap_close(l->pcap);
	free(l);
}

int live_next(struct live *l, struct captured *ret, struct err *e)
{
	struct pcap_pkthdr *header;
	const u_char *octets;
	int rc = pcap_next_ex(l->pcap, &header, &octets);
	if (rc == 0) {
		struct pollfd fd = {.fd = pcap_get_selectable_fd(l->pcap), .events = POLLIN};
		if (poll(&fd, 1, WAIT_MS) > 0)
			rc = pcap_next_ex(l->pcap, &header, &octets);
	}
	if (rc < 0)
		return err_set(e, ERR_IO, "capturing failed: %s", pcap_geterr(l->pcap));
	if (rc == 0)
		return 0;
	*ret = (struct captured){
		.link = (uint32_t)pcap_datalink(l->pcap),
		.time_s = (uint64_t)header->ts.tv_sec,
		.octets = bytes_of(octets, header->caplen),
		.length = header->len,
		.number = ++l->count,
	};
	return 1;
}

void live_figures(struct live *l, uint64_t *ret_received, uint64_t *ret_dropped)
{
	struct pcap_stat stat;
	if (pcap_stats(l->pcap, &stat) == 0) {
		uint32_t dropped = stat.ps_drop + stat.ps_ifdrop;
		l->received += stat.ps_recv - l->last_received;
		l->dropped += dropped - l->last_dropped;
		l->last_received = stat.ps_recv;
		l->last_dropped = dropped;
	}
	*ret_received = l->received;
	*ret_dropped = l->dropped;
}
