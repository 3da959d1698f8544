/* Deliveries over LMTP, as an MTA makes them: MAIL, RCPT and DATA in one go (PIPELINING), one message at a time. */
#include "load.h"

void lmtp_expect(struct peer *p, char digit)
{
	size_t n;
	char *line;
	do
		line = line_of(p, &n);
	while (n > 3 && line[3] == '-');
	if (line[0] != digit)
		fail("LMTP: %s", line);
}

struct peer *lmtp_open(const char *host, int port)
{
	struct peer *p = dial(host, port, 4096);
	lmtp_expect(p, '2');
	say(p, "LHLO mailload\r\n");
	lmtp_expect(p, '2');
	return p;
}

/* All but the final reply. */
void lmtp_send(struct peer *p, const char *user, const char *message, size_t size)
{
	say(p, "MAIL FROM:<load@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n", user);
	lmtp_expect(p, '2');
	lmtp_expect(p, '2');
	lmtp_expect(p, '3');
	put(p, message, size);
}

struct delivery {
	const char *host, *format;
	int port, users;
	long messages, pause;
	double until;
	atomic_long next, done;
	struct pack pack;
	pthread_mutex_t lock;
	struct samples times;
};

static void *deliver(void *argument)
{
	struct delivery *d = argument;
	struct samples mine = { 0 };
	struct peer *p = lmtp_open(d->host, d->port);
	for (;;) {
		long number = atomic_fetch_add(&d->next, 1);
		if (d->messages ? number >= d->messages : now() >= d->until)
			break;
		char user[256];
		name_user(user, sizeof user, d->format, number, d->users);
		size_t i = (size_t)number % d->pack.count;
		double began = now();
		lmtp_send(p, user, d->pack.message[i], d->pack.size[i]);
		lmtp_expect(p, '2');
		sample(&mine, (now() - began) * 1000);
		atomic_fetch_add(&d->done, 1);
		if (d->pause)
			usleep((useconds_t)d->pause * 1000);
	}
	say(p, "QUIT\r\n");
	hang_up(p);
	pthread_mutex_lock(&d->lock);
	sample_all(&d->times, &mine);
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

int run_lmtp(int count, char **a)
{
	struct delivery d = { .host = a[0], .port = atoi(a[1]), .messages = atol(a[3]), .format = a[4], .users = atoi(a[5]),
		.lock = PTHREAD_MUTEX_INITIALIZER };
	if (count > 7)
		d.pause = atol(a[7]);
	load_pack(&d.pack, a[6], 1);
	double began = now(), cpu = own_cpu();
	if (d.messages < 0) { /* seconds, not messages */
		d.until = began - (double)d.messages;
		d.messages = 0;
	}
	on_threads(atoi(a[2]), deliver, &d);
	double s = now() - began;
	cpu = own_cpu() - cpu;
	printf("{\"seconds\":%.4f,\"messages\":%ld,\"per_second\":%.1f,\"p50\":%.3f,\"p99\":%.3f,\"most\":%.3f,\"client_cpu\":%.3f}\n",
	       s, (long)d.done, (double)d.done / s, percentile(&d.times, 50), percentile(&d.times, 99),
	       percentile(&d.times, 100), cpu);
	return 0;
}
