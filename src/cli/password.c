/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads passwords. */
#include "cli/password.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define INTERRUPT 3 /* what ^C sends */

void password_release(struct password *password)
{
	explicit_bzero(password, sizeof(*password));
}

/* Byte by byte, so that what follows the line is left to whoever reads next. */
static int read_line(struct password *password, bool terminal, struct err *e)
{
	uint8_t c;
	password->n = 0;
	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "the password cannot be read");
		if (n == 0 && password->n == 0)
			return err_set(e, ERR_NOTFOUND,
				       "no password: standard input is at its end");
		if (n == 0 || c == '\n')
			break;
		if (terminal && c == INTERRUPT)
			return err_set(e, ERR_CANCELLED, "interrupted");
		/* One more for the CR of a file from elsewhere. */
		if (password->n == PASSWORD_MAX + 1)
			return err_set(e, ERR_LIMIT, "the password is longer than %d octets",
				       PASSWORD_MAX);
		password->text[password->n++] = c;
	}
	if (password->n && password->text[password->n - 1] == '\r')
		password->n--;
	if (password->n > PASSWORD_MAX)
		return err_set(e, ERR_LIMIT, "the password is longer than %d octets", PASSWORD_MAX);
	return password->n ? 0 : err_set(e, ERR_LIMIT, "the password is empty");
}

static int ask(const char *prompt, struct password *password, struct err *e)
{
	fputs(prompt, stderr);
	int rc = read_line(password, true, e);
	fputc('\n', stderr);
	return rc;
}

static int ask_twice(struct password *password, struct err *e)
{
	struct termios before, quiet;
	struct password again;
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return err_sys(e, errno, "the terminal cannot be set");
	quiet = before;
	/* ^C ends the line instead of the program, so that the echo is always switched on again. */
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	quiet.c_cc[VEOL] = INTERRUPT;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) < 0)
		return err_sys(e, errno, "the terminal cannot be set");
	int rc = ask("Password: ", password, e);
	if (rc == 0)
		rc = ask("Once more: ", &again, e);
	if (rc == 0 && (password->n != again.n || memcmp(password->text, again.text, again.n) != 0))
		rc = err_set(e, ERR_SYNTAX, "the two are not the same");
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	password_release(&again);
	return rc;
}

int password_read(struct password *ret_password, bool from_stdin, struct err *e)
{
	int rc = !from_stdin && isatty(STDIN_FILENO) ? ask_twice(ret_password, e)
						     : read_line(ret_password, false, e);
	if (rc)
		password_release(ret_password);
	return rc;
}
