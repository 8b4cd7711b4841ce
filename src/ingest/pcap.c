/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of captures: the packets of a file through the sniffer. Declared in ingest/reader.h as pcap_format. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ingest/bpf.h"
#include "ingest/capfile.h"
#include "ingest/sniffer.h"

struct reader {
	struct capfile file;
	struct sniffer *sniffer;
	struct bpf *filter; /* NULL: everything */
	bool told;          /* that the file is broken */
};

static void pcap_close_reader(struct reader *r)
{
	if (!r)
		return;
	capfile_release(&r->file);
	sniffer_free(r->sniffer);
	bpf_free(r->filter);
	free(r);
}

static struct reader *pcap_open_reader(const struct reader_options *opt, struct err *e)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	r->sniffer = sniffer_new(opt, e);
	if (!r->sniffer || (opt && opt->filter && bpf_new(opt->filter, &r->filter, e) < 0)) {
		pcap_close_reader(r);
		return NULL;
	}
	return r;
}

static void pcap_identity(const struct reader_options *opt, struct buffer *out)
{
	if (opt && opt->filter && *opt->filter)
		buffer_putf(out, "filter %s\n", opt->filter);
	if (opt && opt->ports && strcmp(opt->ports, "53") != 0)
		buffer_putf(out, "ports %s\n", opt->ports);
	if (opt && opt->unmatched)
		buffer_put_str(out, "unmatched\n");
}

static int take(struct reader *r, const struct captured *c, const struct sink *sink)
{
	int passes = r->filter && c->link != UINT32_MAX ? bpf_passes(r->filter, c) : 1;
	if (passes > 0)
		return sniffer_packet(r->sniffer, c, sink);
	if (passes < 0)
		return sink->reject(sink->ctx, c->number, c->octets, "the filter cannot be applied to packets of this link type");
	sink_left_out(sink, LEFT_OUT_OTHER, 1);
	return 0;
}

static int tell(struct reader *r, const char *reason, const struct sink *sink)
{
	if (r->told)
		return 0;
	r->told = true;
	return sink->reject(sink->ctx, r->file.count + 1, bytes_of(NULL, 0), reason);
}

static int pcap_feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	struct captured packet;
	int rc;
	capfile_put(&r->file, run);
	while ((rc = capfile_next(&r->file, &packet)) == 1) {
		rc = take(r, &packet, sink);
		if (rc)
			return rc;
	}
	return rc < 0 ? tell(r, r->file.broken, sink) : 0;
}

static int pcap_finish(struct reader *r, const struct sink *sink)
{
	return capfile_is_cut(&r->file) ? tell(r, "the capture is cut off within a packet", sink) : 0;
}

static void pcap_position(const struct reader *r, uint64_t *ret_bytes, uint64_t *ret_lines)
{
	*ret_bytes = r->file.broken ? UINT64_MAX : r->file.bytes + r->file.taken; /* told once: what follows is lost */
	*ret_lines = r->file.count;
}

static void pcap_resume(struct reader *r, uint64_t bytes, uint64_t lines)
{
	(void)r, (void)bytes, (void)lines; /* it replays */
}

const struct reader_format pcap_format = {
	.name = "pcap",
	.help = "packets: files of tcpdump, Wireshark and the like (pcap and pcapng)",
	.replays = true,
	.recognises = capfile_begins,
	.open = pcap_open_reader,
	.feed = pcap_feed,
	.finish = pcap_finish,
	.position = pcap_position,
	.resume = pcap_resume,
	.identity = pcap_identity,
	.close = pcap_close_reader,
};
