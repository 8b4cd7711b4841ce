/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections, and which of libmicrohttpd's threads each is given to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/doors.h"

enum { DESKS = 3, MAX = 14, WAIT_S = 20 };

static struct doors *doors;
static struct desk *desks;
static int clients[64];
static size_t n_clients;

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *target, const char *method,
                              const char *version, const char *upload, size_t *upload_n, void **con_cls)
{
	(void)ctx, (void)target, (void)method, (void)version, (void)upload, (void)upload_n;
	if (!*con_cls) {
		*con_cls = desks;
		return MHD_YES;
	}
	struct MHD_Response *r = MHD_create_response_from_buffer(2, (char[]){"ok"}, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc = MHD_queue_response(connection, 200, r);
	MHD_destroy_response(r);
	return rc;
}

static void changed(void *ctx, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	(void)connection, (void)socket_context;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED)
		desk_left(ctx);
}

static int begin(void **state)
{
	struct config_address address;
	struct err e;
	(void)state;
	doors = doors_new(MAX);
	assert_non_null(doors);
	assert_int_equal(config_address_parse("127.0.0.1:0", &address, &e), 0);
	assert_int_equal(doors_add(doors, &address, DESKS, NULL, &desks, &e), 0);
	for (int i = 0; i < DESKS; i++) {
		desks[i].daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, answer, NULL,
		                                   MHD_OPTION_NOTIFY_CONNECTION, changed, &desks[i], MHD_OPTION_END);
		assert_non_null(desks[i].daemon);
	}
	return doors_open(doors, &e);
}

static int end(void **state)
{
	(void)state;
	while (n_clients)
		close(clients[--n_clients]);
	doors_close(doors);
	doors_free(doors);
	return 0;
}

static int client(void)
{
	const struct timeval wait = {WAIT_S, 0};
	const struct config_address *to = doors_address(doors, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	assert_int_equal(connect(fd, &to->socket.any, to->length), 0);
	return fd;
}

static void ask(int fd)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	assert_int_equal(send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL), sizeof(head) - 1);
}

static bool answered(int fd, int flags)
{
	char text[1024];
	return recv(fd, text, sizeof(text), flags) > 0;
}

static void come(int n)
{
	for (int i = 0; i < n; i++) {
		int fd = clients[n_clients++] = client();
		ask(fd);
		assert_true(answered(fd, 0));
	}
}

static void leave(size_t i)
{
	close(clients[i]);
	clients[i] = clients[--n_clients];
}

static unsigned all(void)
{
	return desks[0].connections + desks[1].connections + desks[2].connections;
}

static void wait_for(unsigned connections)
{
	const struct timespec tick = {0, 1000000};
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (time_t until = now.tv_sec + WAIT_S; all() != connections && now.tv_sec < until; clock_gettime(CLOCK_MONOTONIC, &now))
		nanosleep(&tick, NULL);
	assert_int_equal(all(), connections);
}

static void test_each_has_as_many(void **state)
{
	(void)state;
	come(12);
	for (int i = 0; i < DESKS; i++)
		assert_int_equal(desks[i].connections, 4);
	for (int round = 0; round < 20; round++) { /* whoever goes, who comes takes that place */
		leave((size_t)(round * 7) % n_clients);
		leave((size_t)(round * 5) % n_clients);
		wait_for(10);
		come(2);
		for (int i = 0; i < DESKS; i++)
			assert_int_equal(desks[i].connections, 4);
	}
}

static void test_no_more_than_are_allowed(void **state)
{
	(void)state;
	come(MAX);
	int late = client(); /* waits outside, with what it asks */
	ask(late);
	const struct timespec tick = {0, 1000000};
	for (int i = 0; i < 100; i++) {
		assert_false(answered(late, MSG_DONTWAIT));
		assert_int_equal(all(), MAX);
		nanosleep(&tick, NULL);
	}
	leave(3);
	assert_true(answered(late, 0));
	wait_for(MAX);
	clients[n_clients++] = late;
}

static void test_nobody_when_closed(void **state)
{
	(void)state;
	come(2);
	doors_close(doors);
	const struct config_address *to = doors_address(doors, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_not_equal(connect(fd, &to->socket.any, to->length), 0);
	close(fd);
	ask(clients[0]); /* who is inside is served */
	assert_true(answered(clients[0], 0));
	leave(0);
	wait_for(1);
}

static void test_an_address_that_is_taken(void **state)
{
	const struct config_address *address = doors_address(doors, 0);
	struct desk *more;
	struct err e;
	(void)state;
	struct doors *other = doors_new(1);
	assert_true(doors_add(other, address, 1, NULL, &more, &e) < 0);
	assert_non_null(strstr(e.text, address->text));
	doors_close(other);
	doors_free(other);
	doors_close(NULL);
	doors_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_has_as_many, begin, end),
		cmocka_unit_test_setup_teardown(test_no_more_than_are_allowed, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_when_closed, begin, end),
		cmocka_unit_test_setup_teardown(test_an_address_that_is_taken, begin, end),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
