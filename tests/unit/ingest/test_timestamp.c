/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times as logs write them. */
#include "ingest/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/limits.h"

static void is_date(const char *text, uint64_t us)
{
	uint64_t got = 0;
	assert_int_equal(timestamp_from_date(bytes_str(text), &got), 0);
	assert_int_equal(got, us);
}

static void no_date(const char *text, int code)
{
	uint64_t got = 7;
	assert_int_equal(timestamp_from_date(bytes_str(text), &got), code);
	assert_int_equal(got, 7);
}

static void test_dates(void **state)
{
	is_date("1970-01-01T00:00:00", 0);
	is_date("2017-11-04T11:25:52.123456+0100", 1509791152123456);
	is_date("2017-11-04T10:25:52.123456Z", 1509791152123456);
	is_date("2017-11-04 05:25:52.1234569-05:00", 1509791152123456);
	is_date("2017-11-04t10:25:52,5z", 1509791152500000);
	is_date("2017-11-04T12:25:52+02", 1509791152000000);
	is_date("2000-02-29T23:59:60Z", 951868800000000);
	is_date("9999-12-31T23:59:59Z", TIME_MAX * 1000000);
}

/* Each day of two centuries, as the C library has it. */
static void test_calendar(void **state)
{
	for (int64_t day = 0; day < 73000; day++) {
		char text[32];
		struct tm tm;
		time_t s = day * 86400 + day % 86400;
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
		is_date(text, (uint64_t)s * 1000000);
	}
}

static void test_no_dates(void **state)
{
	static const char *const bad[] = {"",
					  "2017",
					  "2017-11-04",
					  "2017-11-04T10:25",
					  "2017-11-04T10:25:5",
					  "2017-11-04T10:25:52.",
					  "2017-11-04T10:25:52 ",
					  "2017-11-04T10:25:52+1",
					  "2017-11-04T10:25:52+01:0",
					  "2017-11-04T10:25:52+0160",
					  "2017-11-04T10:25:52+2400",
					  "2017-11-04T10:25:52+01000",
					  "2017-13-04T10:25:52",
					  "2017-00-04T10:25:52",
					  "2017-11-31T10:25:52",
					  "2017-02-29T10:25:52",
					  "1900-02-29T10:25:52",
					  "2017-11-00T10:25:52",
					  "2017-11-04T24:25:52",
					  "2017-11-04T10:60:52",
					  "2017-11-04T10:25:61",
					  "2017-11-04X10:25:52",
					  "2017/11/04T10:25:52",
					  "0000-01-01T00:00:00",
					  "2017-11-04T10:25:52ZZ"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		no_date(bad[i], ERR_SYNTAX);
	no_date("1969-12-31T23:59:59Z", ERR_LIMIT);
	no_date("1970-01-01T00:59:59+0100", ERR_LIMIT);
	no_date("9999-12-31T23:59:59-0100", ERR_LIMIT);
}

static void test_seconds(void **state)
{
	uint64_t got = 7;
	static const char *const bad[] = {"", ".5", "5.", "-5", "5 ", "5e3", "0x5", "5.5.5", " 5"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(timestamp_from_seconds(bytes_str(bad[i]), &got), ERR_SYNTAX);
	assert_int_equal(timestamp_from_seconds(bytes_str("253402300800"), &got), ERR_LIMIT);
	assert_int_equal(timestamp_from_seconds(bytes_str("99999999999999999999999999"), &got),
			 ERR_LIMIT);
	assert_int_equal(got, 7);
	assert_int_equal(timestamp_from_seconds(bytes_str("1322849924.408856"), &got), 0);
	assert_int_equal(got, 1322849924408856);
	assert_int_equal(timestamp_from_seconds(bytes_str("1322849924.4088569"), &got), 0);
	assert_int_equal(got, 1322849924408856);
	assert_int_equal(timestamp_from_seconds(bytes_str("1322849924.4"), &got), 0);
	assert_int_equal(got, 1322849924400000);
	assert_int_equal(timestamp_from_seconds(bytes_str("000"), &got), 0);
	assert_int_equal(got, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_no_dates),
		cmocka_unit_test(test_seconds),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
