/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every size that comes from outside has its limit here, with its reason. */
#pragma once

#define DNAME_MAX 255            /* octets of a name on the wire (RFC 1035 2.3.4) */
#define LABEL_MAX 63             /* octets of a label (RFC 1035 2.3.4) */
#define NAME_POINTERS_MAX 128    /* of one compressed name: it has at most 127 labels */
#define MESSAGE_MAX 65535        /* octets of a DNS message: a 16-bit length over TCP (RFC 1035 4.2.2) */
#define MESSAGE_CHAIN_MAX 32     /* names of a chain of CNAME and DNAME: resolvers stop at 11 to 16 */
#define FRAME_MAX 262144         /* octets of a frame of dnstap: two messages, and room for the rest */
#define CONTROL_FRAME_MAX 512    /* octets of a control frame (Frame Streams; what libfstrm takes) */
#define PACKET_MAX 262144        /* octets of a captured packet (libpcap's greatest snaplen) */
#define BLOCK_MAX (1 << 20)      /* octets of a pcapng block that is read: a packet and its options */
#define INTERFACES_MAX 4096      /* interfaces of a pcapng section */
#define FRAGMENTED_MAX 128       /* packets whose fragments are held: 8 MiB at most */
#define FRAGMENT_SECONDS 30      /* how long (RFC 8200 4.5 has 60, RFC 791 15) */
#define STREAMS_MAX 16384        /* directions of TCP connections that are followed */
#define STREAM_AHEAD_MAX 32      /* segments of one that came too early */
#define STREAM_HELD_MAX (64 << 20) /* octets held for all of them */
#define QUESTIONS_MAX (1 << 20)  /* questions that wait for their answers: 16 MiB */
#define QUESTION_SECONDS 60      /* how long */
#define CAPTURE_PORTS_MAX 16     /* ports of DNS servers */
#define RDATA_MAX 65535          /* octets of rdata: a 16-bit length (RFC 1035 3.2.1) */
#define RDATA_TEXT_MAX 300000    /* presentation form of the largest rdata, \DDD for every octet */
#define LINE_MAX_BYTES (1 << 20) /* one line of input, decompressed; longer ones are rejected */
#define JSON_DEPTH_MAX 64        /* nesting of a value that is skipped */
#define RDATA_ARRAY_MAX 10000    /* elements of one rdata array */
#define MEMBER_MAX 255           /* octets of sensor_id or bailiwick */
#define SENSORS_MAX 4096         /* sensors between two commits: more make one */
#define TIME_MAX 253402300799ull /* 9999-12-31: later is milliseconds or nonsense */
#define COUNT_MAX (((uint64_t)1 << 63) - 1) /* counts saturate here: what JSON readers take as an integer */
#define QUERY_VALUE_MAX 4096     /* octets of a value asked for, decoded */
#define URL_MAX 12800            /* octets of a request target: longer is 414 */
#define PING_MAX 65536           /* octets of an answer of /ping: as large as a lookup's first lines */
#define HEADERS_MAX 16384        /* octets of all request headers: more is 431 */
#define FILTER_TYPES_MAX 64      /* types in one dribble-filter-rrtype */
#define PASSWORD_MAX 1024        /* octets of a password or token */
#define ACCOUNTS_MAX 100000      /* accounts in one file */
