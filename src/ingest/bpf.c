/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One expression, compiled anew for each link type that is met. */
#include "ingest/bpf.h"

#include <pcap.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum { PROGRAMS_MAX = 16 };

struct program {
	uint32_t link;
	bool usable;
	struct bpf_program code;
};

struct bpf {
	char *expression; /* owned */
	struct program programs[PROGRAMS_MAX];
	size_t n;
};

static int compile(const char *expression, uint32_t link, struct bpf_program *ret, struct err *e)
{
	/* a few link types are named otherwise in files than in libpcap */
	int dlt = link == LINK_RAW ? DLT_RAW : (int)link;
	pcap_t *dead = pcap_open_dead(dlt, PACKET_MAX);
	if (!dead)
		return err_set(e, ERR_NOMEM, "the filter cannot be compiled");
	int rc = pcap_compile(dead, ret, expression, 1, PCAP_NETMASK_UNKNOWN);
	if (rc != 0)
		rc = err_set(e, ERR_SYNTAX, "the filter \"%s\": %s", expression, pcap_geterr(dead));
	pcap_close(dead);
	return rc;
}

int bpf_new(const char *expression, struct bpf **ret, struct err *e)
{
	struct bpf_program code;
	int rc = compile(expression, LINK_ETHERNET, &code, e);
	if (rc < 0)
		return rc;
	struct bpf *b = xcalloc(1, sizeof(*b));
	b->expression = xmalloc(strlen(expression) + 1);
	strcpy(b->expression, expression);
	b->programs[b->n++] = (struct program){LINK_ETHERNET, true, code};
	*ret = b;
	return 0;
}

void bpf_free(struct bpf *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++) {
		if (b->programs[i].usable)
			pcap_freecode(&b->programs[i].code);
	}
	free(b->expression);
	free(b);
}

static const struct program *program_of(struct bpf *b, uint32_t link)
{
	static const struct program none;
	for (size_t i = 0; i < b->n; i++) {
		if (b->programs[i].link == link)
			return &b->programs[i];
	}
	if (b->n == PROGRAMS_MAX || link > UINT16_MAX)
		return &none;
	struct program *p = &b->programs[b->n++];
	p->link = link;
	p->usable = compile(b->expression, link, &p->code, NULL) == 0;
	return p;
}

int bpf_passes(struct bpf *b, const struct captured *c)
{
	const struct program *p = program_of(b, c->link);
	const struct pcap_pkthdr header = {.caplen = (bpf_u_int32)c->octets.n, .len = (bpf_u_int32)c->length};
	if (!p->usable)
		return ERR_UNSUPPORTED;
	return pcap_offline_filter(&p->code, &header, c->octets.p) != 0;
}
