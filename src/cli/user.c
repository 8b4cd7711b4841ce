/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble user: who may ask and feed. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/accounts.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/password.h"
#include "config/config.h"

/* What all of them share: the options, and where the file is. */
struct user_run {
	const char *name; /* of the account; NULL for list */
	const char *config;
	const char *role;
	const char *style;
	bool token;
	bool replace;
	bool password_stdin;
	bool no_active;
	const char *active;
	bool help;
	char *path; /* owned */
	bool in_store; /* the file is in the store's folder */
};

struct user_command {
	const char *name;
	bool takes_name;
	int (*run)(struct user_run *run);
	const char *own_options; /* names, separated by blanks */
	const char *help;
};

#define HELP_FILE                                                                                  \
	"  --accounts FILE       the accounts file (STORE/accounts)\n"                             \
	"  --store URI           the store whose accounts are meant (/var/lib/dribble)\n"          \
	"  --config FILE         take both from the server's configuration file\n"

static int failed(const struct err *e)
{
	fprintf(stderr, "dribble user: %s\n", e->text);
	return EXIT_FAILED;
}

static int wrong_usage(const char *message, const char *command)
{
	fprintf(stderr, "dribble user: %s (dribble user %s--help tells more)\n", message, command);
	return EXIT_USAGE;
}

/* Commits an edit when rc is 0, and ends it. */
static int end_edit(struct accounts *accounts, int rc, struct err *e)
{
	if (rc == 0)
		rc = accounts_commit(accounts, e);
	accounts_free(accounts);
	return rc;
}

/* Asks before the lock is taken: a person may take a while. */
static int ask_hash(const struct user_run *run, char ret_hash[PASSWORD_HASH_MAX], struct err *e)
{
	struct password password;
	int rc = secret_init(e);
	if (rc)
		return rc;
	rc = password_read(&password, run->password_stdin, e);
	if (rc)
		return rc;
	rc = password_hash(bytes_of(password.text, password.n), ret_hash, e);
	password_release(&password);
	return rc;
}

static int check_exists(const struct user_run *run, bool wanted, struct err *e)
{
	struct accounts *accounts;
	int rc = accounts_load(run->path, &accounts, NULL, e);
	if (rc && (rc != ERR_NOTFOUND || wanted))
		return rc;
	bool exists = rc == 0 && accounts_find(accounts, bytes_str(run->name));
	if (rc == 0)
		accounts_free(accounts);
	if (exists && !wanted)
		return err_set(e, ERR_EXISTS, "there is an account %s already", run->name);
	if (!exists && wanted)
		return err_set(e, ERR_NOTFOUND, "there is no account %s in %s", run->name,
			       run->path);
	return 0;
}

/* The first account may come before the store: its folder is made as the store makes it. */
static int make_folder(const struct user_run *run, struct err *e)
{
	if (!run->in_store)
		return 0;
	char *folder = xstrdup(run->path);
	*strrchr(folder, '/') = '\0';
	int rc = 0;
	if (mkdir(*folder ? folder : "/", 0750) == 0) {
		char *parent = xmalloc(strlen(folder) + sizeof("/.."));
		int fd = open(strcat(strcpy(parent, folder), "/.."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || fsync(fd) != 0)
			rc = err_sys(e, errno, "%s", parent);
		if (fd >= 0)
			close(fd);
		free(parent);
	} else if (errno != EEXIST) {
		rc = err_sys(e, errno, "%s: cannot make the store's directory", folder);
	}
	free(folder);
	return rc;
}

static int run_add(struct user_run *run)
{
	struct err e = {""};
	unsigned roles = ACCOUNT_READER;
	int style = ACCOUNT_STYLE_NONE;
	char hash[PASSWORD_HASH_MAX], token[TOKEN_LENGTH + 1];
	struct accounts *accounts;
	if (run->role && !account_roles_parse(bytes_str(run->role), &roles))
		return wrong_usage("--role is reader, feeder or reader,feeder", "add ");
	if (run->style && !account_style_parse(bytes_str(run->style), &style))
		return wrong_usage("--style is circl, cof, doc or - for the server's", "add ");
	if (run->token && run->password_stdin)
		return wrong_usage("--token and --password-stdin exclude each other", "add ");
	if (run->no_active)
		roles |= ACCOUNT_NO_ACTIVE;
	/* Better before a password was typed in than after. */
	int rc = check_exists(run, false, &e);
	if (rc == 0)
		rc = make_folder(run, &e);
	if (rc == 0)
		rc = run->token ? secret_init(&e) : ask_hash(run, hash, &e);
	if (rc == 0)
		rc = accounts_begin(run->path, &accounts, &e);
	if (rc)
		return failed(&e);
	rc = accounts_add(accounts, run->name, roles, style, &e);
	if (rc == 0 && run->token) {
		struct token_hash token_hash;
		token_new(token);
		token_hash_of(bytes_str(token), &token_hash);
		rc = accounts_add_token(accounts, run->name, &token_hash, &e);
	} else if (rc == 0) {
		rc = accounts_set_password(accounts, run->name, hash, &e);
	}
	if (end_edit(accounts, rc, &e))
		return failed(&e);
	if (run->token)
		puts(token);
	return EXIT_DONE;
}

static int run_passwd(struct user_run *run)
{
	struct err e = {""};
	char hash[PASSWORD_HASH_MAX];
	struct accounts *accounts;
	int rc = check_exists(run, true, &e);
	if (rc == 0)
		rc = ask_hash(run, hash, &e);
	if (rc == 0)
		rc = accounts_begin(run->path, &accounts, &e);
	if (rc)
		return failed(&e);
	rc = accounts_set_password(accounts, run->name, hash, &e);
	return end_edit(accounts, rc, &e) ? failed(&e) : EXIT_DONE;
}

static int run_token(struct user_run *run)
{
	struct err e = {""};
	char token[TOKEN_LENGTH + 1];
	struct token_hash hash;
	struct accounts *accounts;
	int rc = check_exists(run, true, &e);
	if (rc == 0)
		rc = accounts_begin(run->path, &accounts, &e);
	if (rc)
		return failed(&e);
	token_new(token);
	token_hash_of(bytes_str(token), &hash);
	if (run->replace)
		rc = accounts_drop_tokens(accounts, run->name, &e);
	if (rc == 0)
		rc = accounts_add_token(accounts, run->name, &hash, &e);
	if (end_edit(accounts, rc, &e))
		return failed(&e);
	puts(token);
	return EXIT_DONE;
}

static int run_set(struct user_run *run)
{
	struct err e = {""};
	struct accounts *accounts;
	bool yes = run->active && strcmp(run->active, "yes") == 0;
	if (!run->active || (!yes && strcmp(run->active, "no") != 0))
		return wrong_usage("--active yes or --active no is needed", "set ");
	int rc = check_exists(run, true, &e);
	if (rc == 0)
		rc = accounts_begin(run->path, &accounts, &e);
	if (rc)
		return failed(&e);
	rc = accounts_set_active(accounts, run->name, yes, &e);
	return end_edit(accounts, rc, &e) ? failed(&e) : EXIT_DONE;
}

static int run_del(struct user_run *run)
{
	struct err e = {""};
	struct accounts *accounts;
	int rc = check_exists(run, true, &e);
	if (rc == 0)
		rc = accounts_begin(run->path, &accounts, &e);
	if (rc)
		return failed(&e);
	rc = accounts_delete(accounts, run->name, &e);
	return end_edit(accounts, rc, &e) ? failed(&e) : EXIT_DONE;
}

static int run_list(struct user_run *run)
{
	struct err e = {""};
	struct accounts *accounts;
	int rc = accounts_load(run->path, &accounts, NULL, &e);
	if (rc == ERR_NOTFOUND) {
		fprintf(stderr, "dribble user: no accounts: there is no %s\n", run->path);
		return EXIT_DONE;
	}
	if (rc)
		return failed(&e);
	int width = 4, roles = 13;
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		int n = (int)strlen(accounts_at(accounts, i)->name);
		width = n > width ? n : width;
		n = (int)strlen(account_roles_text(accounts_at(accounts, i)->roles));
		roles = n > roles ? n : roles;
	}
	if (accounts_count(accounts))
		printf("%-*s  %-*s  %-5s  %-8s  %s\n", width, "NAME", roles, "ROLES", "STYLE", "PASSWORD",
		       "TOKENS");
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account *account = accounts_at(accounts, i);
		printf("%-*s  %-*s  %-5s  %-8s  %zu\n", width, account->name, roles,
		       account_roles_text(account->roles), account_style_text(account->style),
		       account->password ? "yes" : "no", account->n_tokens);
	}
	accounts_free(accounts);
	return EXIT_DONE;
}

static const struct user_command commands[] = {
	{"add", true, run_add, "role style token password-stdin no-active",
	 "usage: dribble user add NAME [OPTIONS]\n"
	 "\n"
	 "Adds an account, with a password that is asked for or with a token.\n"
	 "NAME is 1 to 64 of letters, digits and . _ @ + -\n"
	 "\n"
	 "  --role ROLES          reader, feeder or reader,feeder (reader)\n"
	 "  --style STYLE         how its answers are written: circl, cof or doc (the server's)\n"
	 "  --token               no password: make a token and print it, this once\n"
	 "  --password-stdin      the password is one line of standard input\n"
	 "  --no-active           what it looks up is never asked of the living DNS\n" HELP_FILE "\n"
	 "examples:\n"
	 "  dribble user add anna\n"
	 "  dribble user add sensor-7 --role feeder --token > token\n"
	 "  pwgen -s 20 1 | dribble user add misp --style cof --password-stdin\n"},
	{"passwd", true, run_passwd, "password-stdin",
	 "usage: dribble user passwd NAME [OPTIONS]\n"
	 "\n"
	 "Gives an account another password. Its tokens stay.\n"
	 "\n"
	 "  --password-stdin      the password is one line of standard input\n" HELP_FILE "\n"
	 "examples:\n"
	 "  dribble user passwd anna\n"
	 "  dribble user passwd anna --password-stdin < password\n"},
	{"token", true, run_token, "replace",
	 "usage: dribble user token NAME [OPTIONS]\n"
	 "\n"
	 "Makes one more token for an account and prints it. Only a hash of it is kept: it\n"
	 "cannot be shown again.\n"
	 "\n"
	 "  --replace             the earlier tokens of the account are no longer good\n" HELP_FILE
	 "\n"
	 "examples:\n"
	 "  dribble user token anna\n"
	 "  curl -H \"authorization: $(dribble user token anna)\" "
	 "http://localhost:8400/pdns/query/circl.lu\n"
	 "  dribble user token sensor-7 --replace > token\n"},
	{"set", true, run_set, "active",
	 "usage: dribble user set NAME --active yes|no [OPTIONS]\n"
	 "\n"
	 "Changes whether what an account looks up may be asked of the living DNS, too.\n"
	 "\n"
	 "  --active yes|no       whether it may\n" HELP_FILE "\n"
	 "examples:\n"
	 "  dribble user set anna --active no\n"},
	{"del", true, run_del, "",
	 "usage: dribble user del NAME [OPTIONS]\n"
	 "\n"
	 "Deletes an account. A running server refuses it within a second.\n"
	 "\n" HELP_FILE "\n"
	 "examples:\n"
	 "  dribble user del anna\n"},
	{"list", false, run_list, "",
	 "usage: dribble user list [OPTIONS]\n"
	 "\n"
	 "Lists the accounts, by name.\n"
	 "\n" HELP_FILE "\n"
	 "examples:\n"
	 "  dribble user list\n"
	 "  dribble user list --store /srv/dribble\n"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static const char overview[] =
	"usage: dribble user add NAME | passwd NAME | token NAME | set NAME | del NAME | list [OPTIONS]\n"
	"\n"
	"Adds, changes, deletes and lists the accounts that may ask the server (role reader) and\n"
	"feed it (role feeder). A running server knows of a change within a second.\n"
	"\n" HELP_FILE "\n"
	"examples:\n"
	"  dribble user add anna                                asks for a password\n"
	"  dribble user add sensor-7 --role feeder --token      prints a token\n"
	"  dribble user list\n"
	"\n"
	"dribble user add --help and so on tell more.\n";

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = words; (at = strstr(at, word)); at += n) {
		if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	}
	return false;
}

/* The command's own options out of all there are. */
static void choose_options(const struct user_command *command, struct user_run *run,
			   struct config_own_option ret_options[9])
{
	const struct config_own_option all[] = {
		{"role", &run->role, NULL},       {"style", &run->style, NULL},
		{"token", NULL, &run->token},     {"password-stdin", NULL, &run->password_stdin},
		{"replace", NULL, &run->replace}, {"no-active", NULL, &run->no_active},
		{"active", &run->active, NULL},
	};
	size_t n = 0;
	ret_options[n++] = (struct config_own_option){"config", &run->config, NULL};
	ret_options[n++] = (struct config_own_option){"help", NULL, &run->help};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (has_word(command->own_options, all[i].name))
			ret_options[n++] = all[i];
	}
	ret_options[n] = (struct config_own_option){NULL, NULL, NULL};
}

/* argv[0] is the subcommand's name. */
static int run_command(const struct user_command *command, int argc, char **argv)
{
	struct user_run run = {0};
	struct config config;
	struct config_own_option own[9];
	struct err e = {""};
	char prefix[16];
	int code;
	snprintf(prefix, sizeof(prefix), "%s ", command->name);
	choose_options(command, &run, own);
	config_init(&config);
	int first = config_parse_argv(&config, CONFIG_FOR_STORE | CONFIG_FOR_ACCOUNTS, own, argc,
				      argv, &e);
	if (first < 0) {
		code = wrong_usage(e.text, prefix);
	} else if (run.help) {
		fputs(command->help, stdout);
		code = EXIT_DONE;
	} else if (argc - first != (command->takes_name ? 1 : 0)) {
		code = wrong_usage(command->takes_name ? "one NAME is needed" : "no NAME is taken",
				   prefix);
	} else if (command->takes_name && !account_name_is_valid(bytes_str(argv[first]))) {
		code = wrong_usage("a NAME is 1 to 64 of letters, digits and . _ @ + -", prefix);
	} else if ((run.config && config_load_file(&config, run.config, &e)) ||
		   config_accounts_path(&config, &run.path, &e)) {
		code = failed(&e);
	} else {
		run.name = command->takes_name ? argv[first] : NULL;
		run.in_store = !*config.accounts;
		code = command->run(&run);
	}
	/* A token that was not written is lost: that must not look like success. */
	if (code == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout))) {
		fputs("dribble user: standard output cannot be written to; a token that was to stand there is lost "
		      "(dribble user token NAME makes another)\n",
		      stderr);
		code = EXIT_FAILED;
	}
	free(run.path);
	config_release(&config);
	return code;
}

int user_main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		fputs(overview, stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return run_command(&commands[i], argc - 1, argv + 1);
	}
	return wrong_usage(*name ? "only add, passwd, token, set, del and list are known"
				 : "one of add, passwd, token, set, del and list is needed",
			   "");
}
