/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sources of the same observations: writes them in each format, and reads them as far as the fold.
 *`bench/sources` builds and runs it.
 *
 *	sources write WORKLOAD FORMAT=FILE ...   each line of a workload as one observation: one
 *response with one answer sources fold FORMAT FILE MEMORY          reads and folds; prints
 *observations, seconds and seconds of processor
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "feed/fold.h"
#include "ingest/dnstap.h"
#include "ingest/reader.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

enum { RUN = 256 << 10, FLUSH = 1 << 20 };

static void die(const char *what)
{
	fprintf(stderr, "sources: %s\n", what);
	exit(1);
}

/* --- writing --- */

struct output {
	const char *format;
	FILE *file;
	struct buffer out, message, frame, scratch;
	uint64_t n;
};

static void put_u16(struct buffer *b, size_t v)
{
	buffer_put_byte(b, (uint8_t)(v >> 8));
	buffer_put_byte(b, (uint8_t)v);
}

/* A query has the head and the question alone. */
static void put_message(struct buffer *b, const struct observation *o, uint16_t id, bool response)
{
	const uint8_t ttl[] = {0, 0, 1, 44};
	put_u16(b, id);
	put_u16(b, response ? 0x8400 : 0x0000);
	put_u16(b, 1);
	put_u16(b, response);
	put_u16(b, 0);
	put_u16(b, 1);
	buffer_put_bytes(b, o->owner);
	put_u16(b, o->rrtype);
	put_u16(b, 1);
	if (response) {
		put_u16(b, 0xc00c);
		put_u16(b, o->rrtype);
		put_u16(b, 1);
		buffer_put(b, ttl, sizeof(ttl));
		put_u16(b, o->rdata.n);
		buffer_put_bytes(b, o->rdata);
	}
	buffer_put(b, "\0\0\x29\4\xd0\0\0\x80\0\0\0", 11); /* OPT */
}

static void put_varint(struct buffer *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buffer_put_byte(b, (uint8_t)(v | 0x80));
	buffer_put_byte(b, (uint8_t)v);
}

static void put_number(struct buffer *b, unsigned field, uint64_t v)
{
	put_varint(b, field << 3);
	put_varint(b, v);
}

static void put_octets(struct buffer *b, unsigned field, struct bytes octets)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, octets.n);
	buffer_put_bytes(b, octets);
}

static void put_fixed32(struct buffer *b, unsigned field, uint32_t v)
{
	put_varint(b, field << 3 | 5);
	buffer_put(b, &v, 4);
}

/* The last two labels: the zone that unbound would name. */
static struct bytes zone_of(struct bytes name)
{
	size_t at = 0, labels = 0;
	for (size_t i = 0; name.p[i]; i += name.p[i] + 1u)
		labels++;
	for (; labels > 2; labels--)
		at += name.p[at] + 1u;
	return bytes_of(name.p + at, name.n - at);
}

/* The fields that unbound fills for RESOLVER_RESPONSE, and in its order. */
static void write_dnstap(struct output *out, const struct observation *o)
{
	static const uint8_t address[] = {192, 0, 2, 1};
	struct buffer *message = &out->scratch;
	buffer_clear(&out->message);
	buffer_clear(&out->frame);
	buffer_clear(message);
	put_message(&out->message, o, (uint16_t)out->n, true);
	put_number(message, 1, 4);
	put_number(message, 2, 1);
	put_number(message, 3, 1);
	put_octets(message, 4, bytes_of(address, 4));
	put_octets(message, 5, bytes_of(address, 4));
	put_number(message, 6, 40000 + out->n % 20000);
	put_number(message, 7, 53);
	put_number(message, 8, o->seen.first_s);
	put_fixed32(message, 9, 500000000);
	put_octets(message, 11, zone_of(o->owner));
	put_number(message, 12, o->seen.first_s);
	put_fixed32(message, 13, 512345678);
	put_octets(message, 14, buffer_bytes(&out->message));
	put_octets(&out->frame, 1, bytes_str("resolver-1.example.net"));
	put_octets(&out->frame, 2, bytes_str("unbound 1.17.1"));
	put_octets(&out->frame, 14, buffer_bytes(message));
	put_number(&out->frame, 15, 1);
	frame_write(buffer_bytes(&out->frame), &out->out);
}

static void write_cof(struct output *out, const struct observation *o)
{
	struct buffer *text = &out->scratch;
	buffer_put_str(&out->out, "{\"rrname\": \"");
	dname_to_text(o->owner, &out->out);
	buffer_put_str(&out->out, "\", \"rrtype\": \"");
	rrtype_to_text(o->rrtype, &out->out);
	buffer_put_str(&out->out, "\", \"rdata\": \"");
	buffer_clear(text);
	rdata_to_text(o->rrtype, o->form, o->rdata, text);
	for (size_t i = 0; i < text->n; i++) {
		if (text->p[i] == '"' || text->p[i] == '\\')
			buffer_put_byte(&out->out, '\\');
		buffer_put_byte(&out->out, text->p[i]);
	}
	buffer_putf(&out->out, "\", \"count\": 1, \"time_first\": %llu, \"time_last\": %llu}\n",
		    (unsigned long long)o->seen.first_s, (unsigned long long)o->seen.first_s);
}

/* An Ethernet frame of IPv4 and UDP with out->message, in a record of a capture. */
static void write_packet(struct output *out, uint32_t time_s, bool response)
{
	static const uint8_t client[] = {192, 0, 2, 1}, server[] = {198, 51, 100, 53};
	size_t udp = 8 + out->message.n;
	uint16_t port = (uint16_t)(1024 + out->n % 60000);
	uint32_t record[] = {time_s, response ? 512345 : 500000, (uint32_t)(34 + udp), (uint32_t)(34 + udp)};
	struct buffer *b = &out->out;
	buffer_put(b, record, sizeof(record));
	buffer_put(b, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0", 14);
	buffer_put(b, "\x45\0", 2);
	put_u16(b, 20 + udp);
	buffer_put(b, "\0\0\x40\0\x40\x11\0\0", 8); /* no fragment, UDP, no checksum */
	buffer_put(b, response ? server : client, 4);
	buffer_put(b, response ? client : server, 4);
	put_u16(b, response ? 53 : port);
	put_u16(b, response ? port : 53);
	put_u16(b, udp);
	put_u16(b, 0);
	buffer_put_bytes(b, buffer_bytes(&out->message));
}

/* The question, then its answer. */
static void write_pcap(struct output *out, const struct observation *o)
{
	for (int response = 0; response < 2; response++) {
		buffer_clear(&out->message);
		put_message(&out->message, o, (uint16_t)(out->n * 40503), response);
		write_packet(out, (uint32_t)o->seen.first_s, response);
	}
}

static void write_begin(struct output *out)
{
	if (strcmp(out->format, "dnstap") == 0)
		control_write(CONTROL_START, bytes_str(DNSTAP_CONTENT_TYPE), &out->out);
	else if (strcmp(out->format, "pcap") == 0)
		buffer_put(&out->out, (const uint32_t[]){0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1}, 24);
	else if (strcmp(out->format, "cof") != 0)
		die("there is no such format to write");
}

static void write_one(struct output *out, const struct observation *o)
{
	if (strcmp(out->format, "dnstap") == 0)
		write_dnstap(out, o);
	else if (strcmp(out->format, "pcap") == 0)
		write_pcap(out, o);
	else
		write_cof(out, o);
	out->n++;
}

static void write_end(struct output *out)
{
	if (strcmp(out->format, "dnstap") == 0)
		control_write(CONTROL_STOP, bytes_of(NULL, 0), &out->out);
}

static void flush(struct output *out, size_t least)
{
	if (out->out.n < least)
		return;
	if (fwrite(out->out.p, 1, out->out.n, out->file) != out->out.n)
		die("writing failed");
	buffer_clear(&out->out);
}

struct outputs {
	struct output all[8];
	size_t n;
};

static int observe_write(void *ctx, const struct observation *o)
{
	struct outputs *outputs = ctx;
	if (o->form != RDATA_WIRE)
		return 0;
	for (size_t i = 0; i < outputs->n; i++) {
		write_one(&outputs->all[i], o);
		flush(&outputs->all[i], FLUSH);
	}
	return 0;
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	die(reason);
	return 0;
}

/* --- reading --- */

static void read_file(const struct reader_format *format, const char *path, const struct sink *sink)
{
	struct reader *r = format->open(NULL, NULL);
	uint8_t *run = xmalloc(RUN);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	if (fd < 0)
		die("a file cannot be opened");
	while ((n = read(fd, run, RUN)) > 0)
		format->feed(r, bytes_of(run, (size_t)n), sink);
	format->finish(r, sink);
	format->close(r);
	close(fd);
	free(run);
}

struct folded {
	struct fold *fold;
	uint64_t n;
};

static int observe_fold(void *ctx, const struct observation *o)
{
	struct folded *f = ctx;
	if (fold_is_full(f->fold))
		fold_clear(f->fold);
	fold_add(f->fold, o);
	f->n++;
	return 0;
}

static double seconds_of(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fold_file(const char *name, const char *path, size_t memory)
{
	const struct reader_format *format = reader_format_named(name);
	struct folded f = {fold_new(memory), 0};
	struct sink sink = {.observe = observe_fold, .reject = reject, .ctx = &f};
	if (!format)
		die("there is no such format");
	double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	read_file(format, path, &sink);
	printf("%llu %.6f %.6f\n", (unsigned long long)f.n, seconds_of(CLOCK_MONOTONIC) - wall,
	       seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	fold_free(f.fold);
}

static void write_files(const char *workload, int n, char **files)
{
	static struct outputs outputs;
	struct sink sink = {.observe = observe_write, .reject = reject, .ctx = &outputs};
	for (int i = 0; i < n && i < 8; i++) {
		struct output *out = &outputs.all[outputs.n++];
		char *equals = strchr(files[i], '=');
		if (!equals)
			die("FORMAT=FILE");
		*equals = '\0';
		out->format = files[i];
		out->file = fopen(equals + 1, "wb");
		if (!out->file)
			die("a file cannot be made");
		write_begin(out);
	}
	read_file(&cof_format, workload, &sink);
	for (size_t i = 0; i < outputs.n; i++) {
		write_end(&outputs.all[i]);
		flush(&outputs.all[i], 0);
		if (fclose(outputs.all[i].file) != 0)
			die("writing failed");
	}
	printf("%llu\n", (unsigned long long)outputs.all[0].n);
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "write") == 0)
		write_files(argv[2], argc - 3, argv + 3);
	else if (argc == 5 && strcmp(argv[1], "fold") == 0)
		fold_file(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	else
		die("see the head of sources.c");
	return 0;
}
