/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options: from files, from command lines, and printed. */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct config *config = malloc(sizeof(*config));
	config_init(config);
	*state = config;
	return 0;
}

static int teardown(void **state)
{
	config_release(*state);
	free(*state);
	return 0;
}

static void test_defaults(void **state)
{
	struct config *config = *state;
	assert_string_equal(config->store, "/var/lib/dribble");
	assert_int_equal(config->listen.n, 1);
	assert_string_equal(config->listen.p[0].text, "127.0.0.1:8400");
	assert_string_equal(config->accounts, "");
	assert_false(config->serve_anyone);
	assert_int_equal(config->style, CONFIG_STYLE_CIRCL);
	assert_string_equal(config->origin, "https://dribble.invalid/pdns/");
	assert_int_equal(config->maxset, 1000);
	assert_int_equal(config->page_max, 10000);
	assert_int_equal(config->import_body_max, 1 << 30);
	assert_int_equal(config->connections_max, 1000);
	assert_int_equal(config->connection_timeout_ms, 60000);
	assert_int_equal(config->threads, 0);
	assert_int_equal(config->memory, 384 << 20);
	assert_int_equal(config->cache, 512 << 20);
	assert_int_equal(config->log_level, CONFIG_LOG_INFO);
	assert_int_equal(config_check(config, NULL), 0);
}

static void test_file(void **state)
{
	struct config *config = *state;
	struct err e = {""};
	const char *text = "\xef\xbb\xbf# all of it\r\n"
			   "\n"
			   "  store=\"/srv/a \\\"b\\\" \\\\ c\"   # quoted\r\n"
			   "listen = [::]:0\n"
			   "listen = 0.0.0.0:80 # two\n"
			   "accounts = /etc/a#b\n"
			   "serve-anyone = yes\n"
			   "style = 'cof'\n"
			   "origin = https://pdns.example/#x\n"
			   "maxset = 5\n"
			   "import_body_max = 4k\n"
			   "connection_timeout = 1500ms\n"
			   "cache = 1M\n"
			   "tls_key =\n"
			   "log_level = debug";
	assert_int_equal(config_parse(config, "f", bytes_str(text), &e), 0);
	assert_string_equal(config->store, "/srv/a \"b\" \\ c");
	assert_int_equal(config->listen.n, 2);
	assert_string_equal(config->listen.p[0].text, "[::]:0");
	assert_string_equal(config->listen.p[1].text, "0.0.0.0:80");
	assert_string_equal(config->accounts, "/etc/a#b");
	assert_true(config->serve_anyone);
	assert_int_equal(config->style, CONFIG_STYLE_COF);
	assert_string_equal(config->origin, "https://pdns.example/#x");
	assert_int_equal(config->maxset, 5);
	assert_int_equal(config->import_body_max, 4096);
	assert_int_equal(config->connection_timeout_ms, 1500);
	assert_int_equal(config->cache, 1 << 20);
	assert_int_equal(config->log_level, CONFIG_LOG_DEBUG);
}

static void test_file_errors(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"\nmaxset\n", "f:2: not a line of the form KEY = VALUE"},
		{"= 5\n", "f:1: there is no key before the ="},
		{"max_set = 5\n", "f:1: there is no option \"max_set\"; did you mean maxset?"},
		{"lisetn = 5\n", "f:1: there is no option \"lisetn\"; did you mean listen?"},
		{"colour = 5\n", "f:1: there is no option \"colour\""},
		{"maxset = 5\nmaxset = 5\n", "f:2: maxset is given twice"},
		{"page_max = 5\npage-max = 5\n", "f:2: page_max is given twice"},
		{"maxset = \n", "f:1: maxset: \"\": not a number"},
		{"maxset = -1\n", "f:1: maxset: \"-1\": not a number"},
		{"maxset = 1K\n", "f:1: maxset: \"1K\": not a number"},
		{"maxset = 0\n", "f:1: maxset: \"0\": not in the range of 1 to 1000000"},
		{"maxset = 99999999999999999999\n",
		 "f:1: maxset: \"99999999999999999999\": not a number"},
		{"cache = 99999999999999999T\n",
		 "f:1: cache: \"99999999999999999T\": not a size, as in 512M or 4G"},
		{"cache = 2048T\n", "f:1: cache: \"2048T\": not in the range of 1M to 1T"},
		{"cache = 0\n", "f:1: cache: \"0\": not in the range of 1M to 1T"},
		{"store = clickhouse:http://h/d\n",
		 "f:1: store: \"clickhouse:http://h/d\": no such kind of store: PATH, rocksdb:PATH and memory: are"},
		{"memory = 1K\n", "f:1: memory: \"1K\": not in the range of 1M to 1T"},
		{"connection_timeout = 1d\n",
		 "f:1: connection_timeout: \"1d\": not a time, as in 60s or 500ms"},
		{"connection_timeout = 999ms\n",
		 "f:1: connection_timeout: \"999ms\": not in the range of 1s to 24h"},
		{"style = json\n", "f:1: style: \"json\": must be circl, cof or doc"},
		{"serve_anyone = true\n", "f:1: serve_anyone: \"true\": must be yes or no"},
		{"listen = 8400\n",
		 "f:1: listen: \"8400\": not ADDR:PORT with a port of 0 to 65535"},
		{"listen = 1.2.3.4:65536\n",
		 "f:1: listen: \"1.2.3.4:65536\": not ADDR:PORT with a port of 0 to 65535"},
		{"listen = ::1:80\n", "f:1: listen: \"::1:80\": not a numeric address, as in "
				      "127.0.0.1:8400 or [::1]:8400"},
		{"listen = localhost:80\n", "f:1: listen: \"localhost:80\": not a numeric address, "
					    "as in 127.0.0.1:8400 or [::1]:8400"},
		{"origin = a b\n", "f:1: origin: \"a b\": not a URI (ASCII without blanks)"},
		{"store =\n", "f:1: store: \"\": must not be empty"},
		{"store = a\tb\n", "f:1: store: \"a\tb\": has a control character"},
		{"store = \"a\n", "f:1: the closing quote is missing"},
		{"store = \"a\\n\"\n", "f:1: after \\ only \" or \\ may stand"},
		{"store = \"a\" b\n", "f:1: something follows the closing quote"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config *config;
		struct err e = {""};
		setup((void **)&config);
		assert_true(config_parse(config, "f", bytes_str(cases[i].text), &e) < 0);
		assert_string_equal(e.text, cases[i].message);
		teardown((void **)&config);
	}
	struct config *config = *state;
	struct err e;
	assert_int_equal(config_parse(config, "f", bytes_of("store = a\0b\n", 12), &e), ERR_SYNTAX);
	assert_int_equal(config_load_file(config, "/nonexistent", &e), ERR_NOTFOUND);
	assert_string_equal(e.text, "/nonexistent: No such file or directory");
	for (int i = 0; i < CONFIG_LISTEN_MAX; i++)
		assert_int_equal(config_parse(config, "f", bytes_str("listen=127.0.0.1:0"), &e), 0);
	assert_int_equal(config_parse(config, "f", bytes_str("listen=127.0.0.1:0"), &e), ERR_LIMIT);
}

static void test_command_line_wins(void **state)
{
	struct config *config = *state;
	struct config_origin line = {CONFIG_COMMAND_LINE, 0};
	assert_int_equal(config_set(config, "maxset", "7", line, NULL), 0);
	assert_int_equal(config_set(config, "maxset", "8", line, NULL), 0);
	assert_int_equal(config_set(config, "listen", "127.0.0.1:1", line, NULL), 0);
	assert_int_equal(config_set(config, "listen", "127.0.0.1:2", line, NULL), 0);
	const char *text = "maxset = 9\nlisten = 127.0.0.1:3\npage_max = 10\n";
	assert_int_equal(config_parse(config, "f", bytes_str(text), NULL), 0);
	assert_int_equal(config->maxset, 8);
	assert_int_equal(config->page_max, 10);
	assert_int_equal(config->listen.n, 2);
	assert_string_equal(config->listen.p[1].text, "127.0.0.1:2");
	/* Checked even where it does not count. */
	assert_int_equal(config_parse(config, "f", bytes_str("maxset = x"), NULL), ERR_SYNTAX);
}

static int parse(struct config *config, unsigned scope, const struct config_own_option *own,
		 char **argv, struct err *e)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	return config_parse_argv(config, scope, own, argc, argv, e);
}

#define ARGV(...) ((char *[]){(char *)(uintptr_t) "serve", __VA_ARGS__, NULL})
#define S(text) ((char *)(uintptr_t)(text))

static void test_argv(void **state)
{
	struct config *config = *state;
	struct err e = {""};
	const char *file = NULL;
	bool help = false;
	const struct config_own_option own[] = {
		{"config", &file, NULL}, {"help", NULL, &help}, {NULL, NULL, NULL}};
	char **argv = ARGV(S("x"), S("--maxset=3"), S("-"), S("--config"), S("a"), S("--page-max"),
			   S("4"), S("--"), S("--y"));
	assert_int_equal(parse(config, CONFIG_FOR_ALL, own, argv, &e), 7);
	assert_string_equal(argv[7], "x");
	assert_string_equal(argv[8], "-");
	assert_string_equal(argv[9], "--y");
	assert_int_equal(config->maxset, 3);
	assert_int_equal(config->page_max, 4);
	assert_string_equal(file, "a");
	assert_false(help);
	assert_int_equal(parse(config, CONFIG_FOR_ALL, own, ARGV(S("-h")), &e), 2);
	assert_true(help);
	assert_int_equal(parse(config, CONFIG_FOR_ALL, NULL, (char *[]){S("serve"), NULL}, &e), 1);
}

static void test_argv_errors(void **state)
{
	struct config *config = *state;
	const char *file = NULL;
	bool help = false;
	const struct config_own_option own[] = {
		{"config", &file, NULL}, {"help", NULL, &help}, {NULL, NULL, NULL}};
	static const struct {
		const char *argument, *message;
	} cases[] = {
		{"--maxset", "--maxset needs a value"},
		{"--config", "--config needs a value"},
		{"--help=yes", "--help takes no value"},
		{"--confg=x", "there is no option --confg; did you mean --config?"},
		{"--page-mx=x", "there is no option --page-mx; did you mean --page_max?"},
		{"--cache=1G", "there is no option --cache"},
		{"--maxset=x", "--maxset: \"x\": not a number"},
		{"-x", "there is no option -x (a value that starts with - goes behind --)"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = {""};
		unsigned scope = CONFIG_FOR_SERVER & ~CONFIG_FOR_READING;
		if (strstr(cases[i].argument, "cache"))
			scope = CONFIG_FOR_ACCOUNTS;
		assert_true(parse(config, scope, own, ARGV(S(cases[i].argument)), &e) < 0);
		assert_string_equal(e.text, cases[i].message);
	}
}

static void test_check(void **state)
{
	struct config *config = *state;
	struct config_origin line = {CONFIG_COMMAND_LINE, 0};
	struct err e;
	assert_int_equal(config_set(config, "tls_key", "k", line, NULL), 0);
	assert_int_equal(config_check(config, &e), ERR_USAGE);
	assert_string_equal(e.text, "tls_key is given, but not tls_certificate");
	assert_int_equal(config_set(config, "tls_certificate", "c", line, NULL), 0);
	assert_int_equal(config_check(config, &e), 0);
	assert_int_equal(config_set(config, "listen", "[::1]:0", line, NULL), 0);
	assert_int_equal(config_set(config, "listen", "[0::1]:0", line, NULL), 0);
	assert_int_equal(config_check(config, &e), 0);
	assert_int_equal(config_set(config, "listen", "[::1]:80", line, NULL), 0);
	assert_int_equal(config_set(config, "listen", "[0::1]:80", line, NULL), 0);
	assert_int_equal(config_check(config, &e), ERR_USAGE);
}

static void test_accounts_path(void **state)
{
	static const char *const cases[][2] = {
		{"/srv/x", "/srv/x/accounts"},
		{"rocksdb:/srv/x", "/srv/x/accounts"},
		{"memory:", NULL},
		{"rocksdb:", NULL},
		{"x", "x/accounts"},
	};
	struct config *config = *state;
	struct config_origin line = {CONFIG_COMMAND_LINE, 0};
	char *path;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e;
		assert_int_equal(config_set(config, "store", cases[i][0], line, NULL), 0);
		int rc = config_accounts_path(config, &path, &e);
		assert_int_equal(rc, cases[i][1] ? 0 : ERR_USAGE);
		if (rc == 0) {
			assert_string_equal(path, cases[i][1]);
			free(path);
		}
	}
	assert_int_equal(config_set(config, "accounts", "/etc/a", line, NULL), 0);
	assert_int_equal(config_accounts_path(config, &path, NULL), 0);
	assert_string_equal(path, "/etc/a");
	free(path);
}

static void test_loopback(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {
		{"127.0.0.1:1", true},          {"127.9.9.9:1", true}, {"128.0.0.1:1", false},
		{"0.0.0.0:1", false},           {"[::1]:1", true},     {"[::]:1", false},
		{"[::ffff:127.0.0.1]:1", true}, {"[::2]:1", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config_address address;
		assert_int_equal(config_address_parse(cases[i].text, &address, NULL), 0);
		assert_int_equal(config_address_is_loopback(&address), cases[i].is);
	}
}

static char *printed(const struct config *config)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	config_print(config, f);
	fclose(f);
	return text;
}

/* What is printed, loaded and printed again is the same, but for where it is from. */
static void test_print(void **state)
{
	struct config *config = *state, *again;
	struct config_origin line = {CONFIG_COMMAND_LINE, 0};
	char path[] = "/tmp/test_config.XXXXXX", expected[64];
	assert_int_equal(config_set(config, "store", " a\"b\\c # d' ", line, NULL), 0);
	assert_int_equal(config_set(config, "listen", "[2001:DB8::1]:80", line, NULL), 0);
	assert_int_equal(config_set(config, "listen", "10.0.0.1:0", line, NULL), 0);
	assert_int_equal(config_set(config, "connection_timeout", "90000ms", line, NULL), 0);
	assert_int_equal(config_set(config, "cache", "1536M", line, NULL), 0);
	char *text = printed(config);
	assert_non_null(strstr(
		text, "# from: command line\nlisten = [2001:db8::1]:80\nlisten = 10.0.0.1:0\n"));
	assert_non_null(strstr(text, "# from: default\nmaxset = 1000\n"));
	assert_non_null(strstr(text, "connection_timeout = 90s\n"));
	assert_non_null(strstr(text, "cache = 1536M\n"));
	assert_non_null(strstr(text, "accounts = \"\"\n"));

	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	setup((void **)&again);
	assert_int_equal(config_load_file(again, path, NULL), 0);
	assert_string_equal(again->store, config->store);
	char *second = printed(again);
	snprintf(expected, sizeof(expected), "# from: %s:3\n", path);
	assert_non_null(strstr(second, expected));
	char *a = text, *b = second;
	while (*a && *b) { /* line by line, without the comments */
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
		if (*a != '#') {
			assert_int_equal(n, m);
			assert_memory_equal(a, b, n);
		}
		a += n + 1;
		b += m + 1;
	}
	assert_int_equal(*a, *b);
	unlink(path);
	free(text);
	free(second);
	teardown((void **)&again);
}

static void test_help_and_manual(void **state)
{
	const char *value;
	const struct config_own_option own[] = {{"style", &value, NULL}, {"origin", &value, NULL}, {NULL, NULL, NULL}};
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	config_print_help(f, CONFIG_FOR_STORE | CONFIG_FOR_ACCOUNTS | CONFIG_FOR_ANSWERS, own);
	fclose(f);
	assert_string_equal(
		text,
		"  --store URI                   where the records are kept (/var/lib/dribble)\n"
		"  --accounts FILE               the accounts file; empty is the file accounts in "
		"the store's folder\n");
	free(text);
	f = open_memstream(&text, &n);
	config_print_mdoc(f);
	fclose(f);
	assert_non_null(strstr(
		text, ".It Cm maxset No = Ar NUMBER\nMost records of one type in an answer that "
		      "is not paged.\n"));
	assert_non_null(strstr(text, "The default is\n.Li 1000 .\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_command_line_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_argv, setup, teardown),
		cmocka_unit_test_setup_teardown(test_argv_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_check, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accounts_path, setup, teardown),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test_setup_teardown(test_print, setup, teardown),
		cmocka_unit_test(test_help_and_manual),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
