/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions, who waits for them, and two threads.
 *
 * DESIGN: one thread asks: it takes new questions, what libunbound has answered, and the time when somebody has waited long
 * enough. The other makes what came durable, everything that came meanwhile at once, so that those who wait read it from the
 * store itself: no record is there twice and every count is the store's. One lock guards all; it is never held while libunbound,
 * the collector or whoever waits is called.
 */
#include "resolve/resolver.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingest/message.h"
#include "model/dname.h"
#include "model/rrtype.h"
#include "resolve/probe.h"
#include "resolve/rates.h"
#include "resolve/recall.h"
#include "resolve/special.h"
#include "resolve/upstream.h"

enum {
	NAMES_RECALLED = 1 << 17,   /* questions: more than libunbound's caches hold */
	RECORDS_RECALLED = 1 << 18,
	BUCKETS = 1 << 12,
	TABLE = 1 << 10,            /* chains of questions in flight */
	FAILURE_MS = 30000,         /* a question that failed is not asked again before */
	GIVE_UP_MS = 10000,         /* a question without an answer has failed, at the latest */
	SUSPECT_AFTER = 4,          /* names in a row without an answer: then a probe tells what is the matter */
	PROBE_WAIT_MS = 500,        /* for its answer, at least; else the budget */
	PROBE_WAIT_MOST_MS = 2000,
	BUSY_MS = 1000,             /* an answer that could not be stored is asked for again */
	PROBE_MS = 1000,            /* between two probes, and names that are asked while the resolver is silent */
	ANSWERED = 255,             /* in the memory of questions, where a reason may stand */
};

static const char sensor[] = "active";
static const char default_anchor[] = "/usr/share/dns/root.key";

/* A place where somebody waits for a question. */
struct waiter {
	struct asking *asking;
	struct question_in_flight *question; /* NULL: no longer */
	struct waiter *next, **back;
	uint16_t type;
};

struct question_in_flight {
	struct resolver *r;
	struct hash128 key;
	struct question_in_flight *chain;       /* of the table */
	struct question_in_flight *next, *prev; /* by age */
	struct question_in_flight *to_send;
	struct waiter *waiters;
	uint64_t started_ms;
	bool first;    /* of its name: what becomes of it tells about the resolver */
	bool given_up; /* it has failed, but libunbound has it still */
	uint16_t type;
	uint16_t name_n;
	uint8_t name[DNAME_MAX];
};

struct asking {
	struct resolver *r;
	struct asking *next, **back; /* of those that wait */
	bool listed, complete;
	uint64_t deadline_ms;
	unsigned missing;      /* questions without an answer */
	uint64_t stored_until; /* what must be durable: the resolver's `stored` after its last answer */
	bool news;
	void (*done)(void *ctx);
	void *ctx;
	struct active_error errors[AIM_TYPES_MAX];
	size_t n_errors, n_waiters;
	struct waiter waiters[AIM_TYPES_MAX];
};

struct resolver {
	const struct config *config;       /* borrowed */
	const struct exclusion *exclusion; /* borrowed */
	struct collector *collector;       /* borrowed */
	struct collector_entry *entry;
	struct sink sink;
	struct message_reader *reader; /* the asking thread's */
	struct upstream *upstream;     /* the asking thread's */
	struct probe *probe;           /* the asking thread's */
	uint64_t probed_ms;            /* the asking thread's: when it began; 0: none was needed lately */
	struct aim_types types;
	bool can_ask_all; /* not only stubs */
	int wake;         /* eventfd */
	bool has_asker, has_settler;
	pthread_t asker, settler;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;  /* for the settler */
	struct recall *names, *records;
	struct rates *all, *zones, *accounts;
	struct question_in_flight *table[TABLE];
	struct question_in_flight *oldest, *newest; /* not given up */
	struct question_in_flight *to_send, **to_send_last;
	struct asking *waiting;
	uint64_t next_look_ms; /* when the first of those has waited enough, or the oldest question fails */
	uint64_t stored, durable, settling;
	unsigned failed_names; /* in a row */
	bool silent, probe_wanted;
	bool heard; /* since the probe began */
	uint64_t next_probe_ms;
	unsigned telling; /* askings that are complete and whose `done` has not returned */
	pthread_cond_t told; /* none is */
	bool hushed, ending;
	struct resolver_figures figures;
	/* Of the message that is being taken, the asking thread's. */
	uint64_t take_until_ms, taken, take_now_ms;
};

const char *active_reason_name(enum active_reason reason)
{
	static const char *const names[ACTIVE_REASONS] = {
		"timeout", "servfail", "bogus", "refused", "unreachable", "queue",
		"rate", "rate-zone", "rate-account", "special", "excluded",
	};
	return names[reason];
}

static void wake(struct resolver *r)
{
	uint64_t one = 1;
	while (write(r->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* --- waiting; with the lock unless said otherwise --- */

static void add_error(struct asking *a, enum active_reason reason, uint16_t type)
{
	if (a->n_errors < AIM_TYPES_MAX)
		a->errors[a->n_errors++] = (struct active_error){reason, type};
}

static void leave(struct waiter *w)
{
	if (!w->question)
		return;
	*w->back = w->next;
	if (w->next)
		w->next->back = w->back;
	w->question = NULL;
}

static void unlist(struct asking *a)
{
	if (!a->listed)
		return;
	*a->back = a->next;
	if (a->next)
		a->next->back = a->back;
	a->listed = false;
	a->r->figures.waiting--;
}

/* Takes an asking out of everything. Chained by `next` to those that are to be told when the lock is free. */
static void complete(struct asking *a, struct asking **told)
{
	for (size_t i = 0; i < a->n_waiters; i++) {
		if (a->waiters[i].question)
			add_error(a, ACTIVE_TIMEOUT, a->waiters[i].type);
		leave(&a->waiters[i]);
	}
	bool waits = a->listed;
	unlist(a);
	a->complete = true;
	if (!waits)
		return;
	a->r->telling++;
	a->next = *told;
	*told = a;
}

/* Without the lock. Whoever is told may free the asking at once. */
static void tell(struct resolver *r, struct asking *told)
{
	unsigned n = 0;
	for (; told; n++) {
		struct asking *a = told;
		told = a->next;
		a->done(a->ctx);
	}
	if (!n)
		return;
	pthread_mutex_lock(&r->lock);
	r->telling -= n;
	if (!r->telling)
		pthread_cond_broadcast(&r->told);
	pthread_mutex_unlock(&r->lock);
}

static bool is_settled(const struct asking *a)
{
	return !a->missing && (!a->news || a->r->durable >= a->stored_until);
}

/* An answer, or a failure, of a question: nobody waits for it any longer. */
static void resolve_waiters(struct question_in_flight *q, int reason, bool news, struct asking **told)
{
	struct resolver *r = q->r;
	while (q->waiters) {
		struct waiter *w = q->waiters;
		struct asking *a = w->asking;
		leave(w);
		a->missing--;
		if (reason != ANSWERED)
			add_error(a, (enum active_reason)reason, w->type);
		if (news) {
			a->news = true;
			a->stored_until = r->stored;
		}
		if (is_settled(a))
			complete(a, told);
	}
}

/* --- questions --- */

static struct hash128 key_of(struct bytes name, uint16_t type)
{
	uint8_t octets[DNAME_MAX + 2];
	memcpy(octets, name.p, name.n);
	octets[name.n] = (uint8_t)(type >> 8);
	octets[name.n + 1] = (uint8_t)type;
	return hash128_of(octets, name.n + 2);
}

static struct question_in_flight **place_of(struct resolver *r, const struct hash128 *key)
{
	uint16_t h;
	memcpy(&h, key->b, sizeof(h));
	struct question_in_flight **at = &r->table[h % TABLE];
	while (*at && memcmp((*at)->key.b, key->b, sizeof(key->b)) != 0)
		at = &(*at)->chain;
	return at;
}

static void unlink_age(struct question_in_flight *q)
{
	struct resolver *r = q->r;
	*(q->prev ? &q->prev->next : &r->oldest) = q->next;
	*(q->next ? &q->next->prev : &r->newest) = q->prev;
}

static struct question_in_flight *question_new(struct resolver *r, const struct aim *aim, uint16_t type,
                                               const struct hash128 *key, uint64_t now)
{
	struct question_in_flight *q = xcalloc(1, sizeof(*q)), **at = place_of(r, key);
	q->r = r;
	q->key = *key;
	q->type = type;
	q->name_n = (uint16_t)aim->name_n;
	memcpy(q->name, aim->name, aim->name_n);
	q->started_ms = now;
	q->prev = r->newest;
	*(q->prev ? &q->prev->next : &r->oldest) = q;
	r->newest = q;
	*at = q;
	*r->to_send_last = q;
	r->to_send_last = &q->to_send;
	r->figures.in_flight++;
	r->figures.questions++;
	return q;
}

static bool is_silent(const struct resolver *r)
{
	return r->silent;
}

static bool is_in_stub(const struct resolver *r, struct bytes name)
{
	const struct config_paths *stubs = &r->config->active_stub;
	uint8_t zone[DNAME_MAX];
	const char *address;
	size_t n;
	for (size_t i = 0; i < stubs->n; i++) {
		if (upstream_stub_parse(stubs->p[i], zone, &n, &address) && special_is_below(name, bytes_of(zone, n)))
			return true;
	}
	return false;
}

/* Why a name that nobody has asked for lately is not asked; ACTIVE_REASONS when it may be. */
static enum active_reason refusal(struct resolver *r, struct bytes name, size_t n, struct bytes account, uint64_t now)
{
	static const struct bytes everybody = {NULL, 0};
	if (is_silent(r) && now < r->next_probe_ms)
		return ACTIVE_UNREACHABLE;
	if (r->figures.in_flight + n > r->config->active_queue)
		return ACTIVE_QUEUE;
	if (!rates_allow(r->all, everybody, now))
		return ACTIVE_RATE;
	if (!rates_allow(r->zones, rates_zone(name), now))
		return ACTIVE_RATE_ZONE;
	if (!rates_allow(r->accounts, account, now))
		return ACTIVE_RATE_ACCOUNT;
	rates_take(r->all, everybody, now);
	rates_take(r->zones, rates_zone(name), now);
	rates_take(r->accounts, account, now);
	return ACTIVE_REASONS;
}

static void wait_for(struct asking *a, struct question_in_flight *q)
{
	struct waiter *w = &a->waiters[a->n_waiters++];
	*w = (struct waiter){a, q, q->waiters, &q->waiters, q->type};
	if (w->next)
		w->next->back = &w->next;
	q->waiters = w;
	a->missing++;
	uint64_t until = q->started_ms + a->r->config->active_budget_ms;
	if (until > a->deadline_ms)
		a->deadline_ms = until;
}

/* It was answered a moment ago, perhaps with what no reader of the store sees yet. */
static void wait_until_durable(struct asking *a, uint64_t now)
{
	a->news = true;
	a->stored_until = a->r->stored;
	if (now + a->r->config->active_budget_ms > a->deadline_ms)
		a->deadline_ms = now + a->r->config->active_budget_ms;
}

/* The questions that are neither remembered nor in flight are left in fresh. */
static size_t join(struct asking *a, const struct aim *aim, uint64_t now, uint16_t fresh[AIM_TYPES_MAX])
{
	struct resolver *r = a->r;
	size_t n = 0;
	for (size_t i = 0; i < aim->n; i++) {
		struct hash128 key = key_of(bytes_of(aim->name, aim->name_n), aim->types[i]);
		uint8_t what;
		if (recall_has(r->names, &key, now, &what)) {
			r->figures.remembered++;
			if (what != ANSWERED)
				add_error(a, (enum active_reason)what, aim->types[i]);
			else if (r->durable < r->stored)
				wait_until_durable(a, now);
			continue;
		}
		struct question_in_flight *q = *place_of(r, &key);
		if (q && !q->given_up && !is_silent(r)) {
			r->figures.shared++;
			wait_for(a, q);
		} else if (q) {
			add_error(a, ACTIVE_TIMEOUT, aim->types[i]);
		} else {
			fresh[n++] = aim->types[i];
		}
	}
	return n;
}

static void ask_fresh(struct asking *a, const struct aim *aim, const uint16_t *fresh, size_t n, struct bytes account,
                      uint64_t now)
{
	struct resolver *r = a->r;
	struct bytes name = bytes_of(aim->name, aim->name_n);
	enum active_reason why = refusal(r, name, n, account, now);
	if (why != ACTIVE_REASONS) {
		r->figures.reasons[why]++;
		add_error(a, why, 0);
		return;
	}
	bool silent = is_silent(r);
	if (silent) {
		r->next_probe_ms = now + PROBE_MS;
		r->probe_wanted = true;
		add_error(a, ACTIVE_UNREACHABLE, 0);
	}
	for (size_t i = 0; i < n; i++) {
		struct hash128 key = key_of(name, fresh[i]);
		struct question_in_flight *q = question_new(r, aim, fresh[i], &key, now);
		q->first = i == 0;
		if (!silent) /* then nobody waits */
			wait_for(a, q);
	}
	if (r->oldest && r->oldest->started_ms + GIVE_UP_MS < r->next_look_ms)
		r->next_look_ms = r->oldest->started_ms + GIVE_UP_MS;
	wake(r);
}

bool resolver_reverse(const struct resolver *r, struct bytes value, const struct filter *filter, struct aim *ret)
{
	return aim_take(value, &r->types, filter, ret) && ret->types[0] == RRTYPE_PTR;
}

struct asking *resolver_ask(struct resolver *r, struct bytes value, const struct filter *filter, struct bytes account)
{
	struct aim aim;
	uint16_t fresh[AIM_TYPES_MAX];
	if (!aim_take(value, &r->types, filter, &aim))
		return NULL;
	struct bytes name = bytes_of(aim.name, aim.name_n);
	bool stub = is_in_stub(r, name);
	struct asking *a = xcalloc(1, sizeof(*a));
	a->r = r;
	int refused = -1;
	if (!stub && special_holds(name))
		refused = ACTIVE_SPECIAL;
	else if (exclusion_refuses_name(r->exclusion, name))
		refused = ACTIVE_EXCLUDED;
	else if (!stub && !r->can_ask_all)
		refused = ACTIVE_UNREACHABLE;
	uint64_t now = now_ms();
	pthread_mutex_lock(&r->lock);
	if (refused >= 0) {
		r->figures.reasons[refused]++;
		add_error(a, (enum active_reason)refused, 0);
	} else if (!r->hushed) {
		size_t n = join(a, &aim, now, fresh);
		if (n)
			ask_fresh(a, &aim, fresh, n, account, now);
	}
	a->complete = is_settled(a);
	pthread_mutex_unlock(&r->lock);
	return a;
}

bool asking_wait(struct asking *a, void (*done)(void *ctx), void *ctx)
{
	struct resolver *r = a->r;
	struct asking *told = NULL;
	pthread_mutex_lock(&r->lock);
	if (!a->complete && (r->hushed || is_settled(a) || now_ms() >= a->deadline_ms))
		complete(a, &told);
	bool waits = !a->complete;
	if (waits) {
		a->done = done;
		a->ctx = ctx;
		a->next = r->waiting;
		a->back = &r->waiting;
		if (a->next)
			a->next->back = &a->next;
		r->waiting = a;
		a->listed = true;
		r->figures.waiting++;
		bool sooner = a->deadline_ms < r->next_look_ms;
		if (sooner)
			r->next_look_ms = a->deadline_ms;
		if (sooner)
			wake(r);
	}
	pthread_mutex_unlock(&r->lock);
	return waits;
}

bool asking_is_done(const struct asking *a)
{
	pthread_mutex_lock(&a->r->lock);
	bool done = a->complete;
	pthread_mutex_unlock(&a->r->lock);
	return done;
}

bool asking_has_news(const struct asking *a)
{
	return a->news;
}

size_t asking_errors(const struct asking *a, struct active_error ret[static AIM_TYPES_MAX])
{
	memcpy(ret, a->errors, a->n_errors * sizeof(ret[0]));
	return a->n_errors;
}

void asking_free(struct asking *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->r->lock);
	for (size_t i = 0; i < a->n_waiters; i++)
		leave(&a->waiters[i]);
	unlist(a);
	pthread_mutex_unlock(&a->r->lock);
	free(a);
}

/* --- answers, on the asking thread --- */

static uint64_t bounded_ttl_ms(const struct resolver *r, uint64_t ttl_s)
{
	uint64_t ms = ttl_s * 1000;
	if (ms < r->config->active_ttl_min_ms)
		ms = r->config->active_ttl_min_ms;
	if (ms > r->config->active_ttl_max_ms)
		ms = r->config->active_ttl_max_ms;
	return ms + 1000; /* libunbound counts whole seconds: its cache would answer once more */
}

/* A record counts once in its TTL, however many answers bring it: that may be longer than its message's, of which libunbound
 * asks for the rest only. */
static int observe(void *ctx, const struct observation *o)
{
	struct resolver *r = ctx;
	struct observation own = *o;
	struct buffer octets = BUFFER_INIT;
	uint8_t what;
	buffer_put_bytes(&octets, o->owner);
	buffer_put_byte(&octets, (uint8_t)(o->rrtype >> 8));
	buffer_put_byte(&octets, (uint8_t)o->rrtype);
	buffer_put_byte(&octets, (uint8_t)o->form);
	buffer_put_bytes(&octets, o->rdata);
	struct hash128 key = hash128_of(octets.p, octets.n);
	buffer_release(&octets);
	if (recall_has(r->records, &key, r->take_now_ms, &what))
		return 0;
	uint64_t until = r->take_now_ms + bounded_ttl_ms(r, message_ttl(r->reader));
	recall_put(r->records, &key, until > r->take_until_ms ? until : r->take_until_ms, 0);
	own.seen.sensor_id = bytes_str(sensor);
	r->taken++;
	return r->sink.observe(r->sink.ctx, &own);
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct resolver *r = ctx;
	return r->sink.reject(r->sink.ctx, place, input, reason);
}

/* False when there was no room for it. The memory of records is this thread's alone. */
static bool store_message(struct resolver *r, struct bytes message, uint64_t until_ms, uint64_t now, uint64_t *ret_records)
{
	const struct sink sink = {.observe = observe, .reject = reject, .ctx = r};
	const struct message_context about = {.time_s = (uint64_t)time(NULL)};
	const char *reason;
	if (collector_try_enter(r->entry) < 0) {
		collector_dropped(r->entry, 1);
		return false;
	}
	r->take_until_ms = until_ms;
	r->take_now_ms = now;
	r->taken = 0;
	if (message_take(r->reader, message, &about, &sink, &reason) == ERR_SYNTAX)
		reject(r, 1, message, reason);
	collector_leave(r->entry);
	*ret_records = r->taken;
	return true;
}

static void note_sound(struct resolver *r)
{
	if (is_silent(r))
		log_info("active", "the resolver answers again");
	r->silent = false;
	r->heard = true;
	r->failed_names = 0;
}

static void fail_question(struct question_in_flight *q, enum active_reason reason, uint64_t now, struct asking **told)
{
	struct resolver *r = q->r;
	r->figures.reasons[reason]++;
	recall_put(r->names, &q->key, now + FAILURE_MS, (uint8_t)reason);
	resolve_waiters(q, (int)reason, false, told);
}

/* Called by upstream_take and upstream_ask. */
static void answered(void *ctx, void *question, const struct upstream_answer *answer)
{
	struct resolver *r = ctx;
	struct question_in_flight *q = question;
	struct asking *told = NULL;
	uint64_t now = now_ms(), records = 0, until = now + bounded_ttl_ms(r, answer->ttl_s);
	bool good = answer->result == UPSTREAM_ANSWER;
	if (good && !store_message(r, answer->message, until, now, &records))
		until = now + BUSY_MS;
	pthread_mutex_lock(&r->lock);
	if (records) {
		r->stored++;
		r->figures.records += records;
		pthread_cond_signal(&r->work);
	}
	if (answer->result != UPSTREAM_SERVFAIL) /* which is also what libunbound makes of silence */
		note_sound(r);
	if (good) {
		r->figures.answers++;
		r->figures.late += q->given_up || now > q->started_ms + r->config->active_budget_ms;
		recall_put(r->names, &q->key, until, ANSWERED);
		resolve_waiters(q, ANSWERED, records > 0, &told);
	} else if (!q->given_up) {
		fail_question(q,
		              answer->result == UPSTREAM_BOGUS     ? ACTIVE_BOGUS
		              : answer->result == UPSTREAM_REFUSED ? ACTIVE_REFUSED
		                                                   : ACTIVE_SERVFAIL,
		              now, &told);
	}
	*place_of(r, &q->key) = q->chain;
	if (!q->given_up)
		unlink_age(q);
	r->figures.in_flight--;
	pthread_mutex_unlock(&r->lock);
	free(q);
	tell(r, told);
}

/* --- the asking thread --- */

/* Questions that take too long, askings that have waited long enough. Returns how long nothing else will be due. */
static int look(struct resolver *r)
{
	struct asking *told = NULL;
	uint64_t now = now_ms();
	pthread_mutex_lock(&r->lock);
	if (now >= r->next_look_ms) {
		struct question_in_flight *q;
		r->next_look_ms = UINT64_MAX;
		while ((q = r->oldest) && now >= q->started_ms + GIVE_UP_MS) {
			unlink_age(q);
			q->given_up = true;
			fail_question(q, ACTIVE_TIMEOUT, now, &told);
		}
		if (q)
			r->next_look_ms = q->started_ms + GIVE_UP_MS;
		for (struct asking *a = r->waiting, *next; a; a = next) {
			next = a->next;
			if (now >= a->deadline_ms)
				complete(a, &told);
			else if (a->deadline_ms < r->next_look_ms)
				r->next_look_ms = a->deadline_ms;
		}
	}
	uint64_t wait = r->next_look_ms > now ? r->next_look_ms - now : 0;
	pthread_mutex_unlock(&r->lock);
	tell(r, told);
	return wait > 60000 ? 60000 : (int)wait;
}

/* Called by probe_take. */
static void alive(void *ctx)
{
	struct resolver *r = ctx;
	pthread_mutex_lock(&r->lock);
	note_sound(r);
	pthread_mutex_unlock(&r->lock);
}

static uint64_t probe_wait_ms(const struct resolver *r)
{
	uint64_t budget = r->config->active_budget_ms;
	return budget < PROBE_WAIT_MS ? PROBE_WAIT_MS : budget > PROBE_WAIT_MOST_MS ? PROBE_WAIT_MOST_MS : budget;
}

/* A name counts as without an answer as soon as its budget is over, not when libunbound gives up. Several such names are no proof:
 * they may be dead, each for itself. The resolver is silent when the probe gets no answer either. Returns how long, at most, until this is
 * to be looked at again. */
static int note_silence(struct resolver *r)
{
	uint64_t now = now_ms();
	pthread_mutex_lock(&r->lock);
	for (struct question_in_flight *q = r->oldest; q && now >= q->started_ms + r->config->active_budget_ms; q = q->next) {
		r->failed_names += q->first;
		q->first = false;
	}
	bool suspect = r->failed_names >= SUSPECT_AFTER, pending = suspect && r->probed_ms && !r->heard && !r->silent;
	uint64_t due = r->probed_ms ? r->probed_ms + (pending ? probe_wait_ms(r) : PROBE_MS) : 0;
	if (pending && now >= due) {
		r->silent = true;
		log_warning("active", "nobody answers anything: until somebody does, no lookup waits");
	}
	bool begin = r->silent ? r->probe_wanted && !pending : suspect && !pending && now >= due;
	if (begin)
		r->heard = r->probe_wanted = false;
	bool silent = r->silent;
	pthread_mutex_unlock(&r->lock);
	if (begin) {
		r->probed_ms = now;
		probe_begin(r->probe);
		return (int)probe_wait_ms(r);
	}
	if (!suspect && r->probed_ms && now >= due) {
		r->probed_ms = 0;
		probe_end(r->probe);
	}
	return silent || !r->probed_ms || now >= due ? 60000 : (int)(due - now);
}

static void send_new(struct resolver *r)
{
	pthread_mutex_lock(&r->lock);
	struct question_in_flight *q = r->to_send, *next;
	r->to_send = NULL;
	r->to_send_last = &r->to_send;
	pthread_mutex_unlock(&r->lock);
	for (; q; q = next) {
		next = q->to_send;
		upstream_ask(r->upstream, bytes_of(q->name, q->name_n), q->type, q);
	}
}

static bool is_ending(struct resolver *r)
{
	pthread_mutex_lock(&r->lock);
	bool ending = r->ending;
	pthread_mutex_unlock(&r->lock);
	return ending;
}

static void *ask(void *arg)
{
	struct resolver *r = arg;
	struct pollfd fds[] = {{r->wake, POLLIN, 0}, {upstream_fd(r->upstream), POLLIN, 0}, {-1, POLLIN, 0}};
	uint64_t n;
	while (!is_ending(r)) {
		int wait = note_silence(r), next = look(r);
		fds[2].fd = probe_fd(r->probe);
		if (poll(fds, 3, next < wait ? next : wait) < 0 && errno != EINTR)
			log_error("active", "poll failed: %s", strerror(errno));
		if (fds[0].revents & POLLIN)
			while (read(r->wake, &n, sizeof(n)) < 0 && errno == EINTR)
				;
		send_new(r);
		if (fds[1].revents & POLLIN)
			upstream_take(r->upstream);
		if (fds[2].fd >= 0 && fds[2].revents & POLLIN)
			probe_take(r->probe);
	}
	return NULL;
}

/* --- the settling thread --- */

static void *settle(void *arg)
{
	struct resolver *r = arg;
	struct err e;
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->durable == r->stored && !r->ending)
			pthread_cond_wait(&r->work, &r->lock);
		if (r->ending)
			break;
		uint64_t until = r->stored;
		pthread_mutex_unlock(&r->lock);
		int rc = collector_flush(r->collector, &e);
		struct asking *told = NULL;
		pthread_mutex_lock(&r->lock);
		/* What fails is kept and tried again, and told by the collector: nobody waits for it. */
		(void)rc;
		r->durable = until;
		for (struct asking *a = r->waiting, *next; a; a = next) {
			next = a->next;
			if (is_settled(a))
				complete(a, &told);
		}
		pthread_mutex_unlock(&r->lock);
		tell(r, told);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- life --- */

bool resolver_is_wanted(const struct config *config)
{
	return config->active && (config->active_recursion || config->active_forwarder.n || config->active_stub.n);
}

/* The anchor that is the default may be missing: then nothing can be validated, which is said. */
static void choose_anchors(const struct config *config, struct upstream_options *opt)
{
	const struct config_paths *given = &config->active_trust_anchor;
	opt->anchors = given->p;
	opt->n_anchors = given->n;
	if (opt->validate && config_source(config, "active_trust_anchor") == CONFIG_DEFAULT && given->n &&
	    access(given->p[0], R_OK) != 0) {
		log_warning("active", "%s is missing (Debian: dns-root-data): answers are not validated", default_anchor);
		opt->n_anchors = 0;
	}
}

static int open_upstream(struct resolver *r, struct err *e)
{
	const struct config *c = r->config;
	struct upstream_options opt = {
		.forwarders = c->active_forwarder.p,
		.n_forwarders = c->active_forwarder.n,
		.recursion = c->active_recursion,
		.stubs = c->active_stub.p,
		.n_stubs = c->active_stub.n,
		.insecure = c->active_insecure.p,
		.n_insecure = c->active_insecure.n,
		.exclusion = r->exclusion,
		.root_hints = c->active_root_hints,
		.validate = c->active_dnssec,
		.ttl_min_s = c->active_ttl_min_ms / 1000,
		.ttl_max_s = c->active_ttl_max_ms / 1000,
		.answered = answered,
		.ctx = r,
	};
	choose_anchors(c, &opt);
	r->probe = probe_new(&opt, alive, r);
	return upstream_new(&opt, &r->upstream, e);
}

static int start_threads(struct resolver *r, struct err *e)
{
	r->has_asker = pthread_create(&r->asker, NULL, ask, r) == 0;
	r->has_settler = pthread_create(&r->settler, NULL, settle, r) == 0;
	return r->has_asker && r->has_settler ? 0 : err_set(e, ERR_IO, "cannot start threads");
}

static int read_types(struct resolver *r, struct err *e)
{
	struct err why;
	int rc = aim_types_parse(bytes_str(r->config->active_types), &r->types, &why);
	return rc < 0 ? err_set(e, rc, "active_types: %s", why.text) : 0;
}

int resolver_new(const struct config *config, struct collector *collector, const struct exclusion *exclusion,
                 struct resolver **ret, struct err *e)
{
	struct resolver *r = xcalloc(1, sizeof(*r));
	r->config = config;
	r->exclusion = exclusion;
	r->collector = collector;
	r->can_ask_all = config->active_recursion || config->active_forwarder.n;
	r->to_send_last = &r->to_send;
	r->next_look_ms = UINT64_MAX;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->told, NULL);
	r->names = recall_new(NAMES_RECALLED);
	r->records = recall_new(RECORDS_RECALLED);
	r->all = rates_new(config->active_rate, 1);
	r->zones = rates_new(config->active_rate_zone, BUCKETS);
	r->accounts = rates_new(config->active_rate_account, BUCKETS);
	r->reader = message_reader_new();
	r->entry = collector_open(collector, bytes_str(sensor), &r->sink);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc = r->wake < 0 ? err_sys(e, errno, "eventfd") : read_types(r, e);
	if (rc == 0)
		rc = open_upstream(r, e);
	if (rc == 0)
		rc = start_threads(r, e);
	if (rc < 0) {
		resolver_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void resolver_hush(struct resolver *r)
{
	struct asking *told = NULL;
	pthread_mutex_lock(&r->lock);
	r->hushed = true;
	while (r->waiting)
		complete(r->waiting, &told);
	pthread_mutex_unlock(&r->lock);
	tell(r, told);
	/* Other threads may be about to tell theirs: whoever stops after this must find nobody waiting. */
	pthread_mutex_lock(&r->lock);
	while (r->telling)
		pthread_cond_wait(&r->told, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

static void free_questions(struct resolver *r)
{
	for (size_t i = 0; i < TABLE; i++) {
		while (r->table[i]) {
			struct question_in_flight *q = r->table[i];
			r->table[i] = q->chain;
			free(q);
		}
	}
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
	if (r->wake >= 0)
		wake(r);
	if (r->has_asker)
		pthread_join(r->asker, NULL);
	if (r->has_settler)
		pthread_join(r->settler, NULL);
	probe_free(r->probe);
	upstream_free(r->upstream);
	free_questions(r);
	collector_close(r->entry);
	message_reader_free(r->reader);
	recall_free(r->names);
	recall_free(r->records);
	rates_free(r->all);
	rates_free(r->zones);
	rates_free(r->accounts);
	if (r->wake >= 0)
		close(r->wake);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->told);
	free(r);
}

void resolver_figures(struct resolver *r, struct resolver_figures *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = r->figures;
	ret->silent = is_silent(r);
	pthread_mutex_unlock(&r->lock);
}
