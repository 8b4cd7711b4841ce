/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of the passive DNS Common Output Format (draft-dulaunoy-dnsop-passive-dns-cof): one
 * JSON object a line. Declared in ingest/reader.h as cof_format; what it accepts:
 *
 * rrname         text of a name, trailing dot or none
 * rrtype         mnemonic in any case, TYPEn, number or text of a number; meta types are rejected
 * rdata          text, or an array of texts: each is a record. A bad one costs itself
 * count          missing is 1, 0 is 1
 * time_first,    seconds. One is missing, or the last is 0: it is the other. Reversed: swapped
 * time_last
 * time_first_ms, milliseconds; used when the one in seconds is missing
 * time_last_ms
 * zone_time_*    as time_*. With these alone the record was never seen by a sensor: its count is 0
 * sensor_id,     text of up to MEMBER_MAX octets
 * bailiwick
 * rrclass, class IN or 1, or the line is rejected
 * raw_rdata      hexadecimal wire form, as rdata; used when that is missing
 *
 * Answers of DNSDB are read with their framing: {"cond": "begin"}, {"obj": {…}}, {"cond": "succeeded"}. One that failed, was
 * limited, or ends without a word is told as a reject; what came before counts. An import that continues in the midst of an answer
 * learns of it by its next record.
 *
 * Numbers may be texts, and lose their fraction. null is as good as missing, members not named here
 * are stepped over, the last of several of one name counts. Names are octets: no IDNA is done.
 * rdata that is not of its type is kept as opaque text. Blank lines, CR LF and a byte order mark
 * are fine.
 */
#pragma once

#include "ingest/reader.h"
