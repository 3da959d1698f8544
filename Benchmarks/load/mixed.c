/* A mixed load: so many clients, each with an account of its own, each in turn SELECT, FETCH of flags, of the last 20 envelopes
 * and of one body, STORE; APPEND in every fourth round, EXPUNGE of two messages in every eighth, so that mailboxes keep their
 * size. */
#include "load.h"

enum kind { SELECT, FLAGS, ENVELOPE, BODY, STORE, APPEND, EXPUNGE, KINDS };
static const char *names[KINDS] = { "select", "flags", "envelope", "body", "store", "append", "expunge" };

struct mixed {
	const char *host, *format, *password;
	int port, clients;
	double seconds;
	struct pack pack;
	atomic_int next;
	pthread_barrier_t ready;
	pthread_mutex_t lock;
	struct samples times[KINDS];
};

static void one(struct peer *p, enum kind kind, long *exists, unsigned *seed, struct mixed *m)
{
	struct answer answer = { .exists = -1 };
	char command[128];
	long pick = rand_r(seed) % *exists + 1;
	size_t which = (size_t)rand_r(seed) % m->pack.count;
	switch (kind) {
	case SELECT: imap_do(p, "SELECT INBOX", &answer); break;
	case FLAGS: imap_do(p, "FETCH 1:* (UID FLAGS)", &answer); break;
	case ENVELOPE:
		snprintf(command, sizeof command, "FETCH %ld:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
			 *exists > 20 ? *exists - 19 : 1);
		imap_do(p, command, &answer);
		break;
	case BODY:
		snprintf(command, sizeof command, "FETCH %ld BODY.PEEK[]", pick);
		imap_do(p, command, &answer);
		break;
	case STORE:
		snprintf(command, sizeof command, "STORE %ld %cFLAGS (\\Seen)", pick, rand_r(seed) % 2 ? '+' : '-');
		imap_do(p, command, &answer);
		break;
	case APPEND: imap_append(p, "INBOX", m->pack.message[which], m->pack.size[which], &answer); break;
	case EXPUNGE:
		imap_do(p, "STORE 1:2 +FLAGS.SILENT (\\Deleted)", &answer);
		imap_do(p, "EXPUNGE", &answer);
		if (answer.expunged != 2)
			fail("EXPUNGE told of %ld messages", answer.expunged);
		*exists -= 2;
		break;
	default: break;
	}
	if (answer.exists >= 0)
		*exists = answer.exists;
	if (kind == FLAGS && answer.fetched != *exists)
		fail("FETCH 1:* told of %ld of %ld messages", answer.fetched, *exists);
}

static void *client(void *argument)
{
	struct mixed *m = argument;
	struct samples mine[KINDS] = { { 0 } };
	struct answer answer;
	char user[256];
	long number = atomic_fetch_add(&m->next, 1);
	unsigned seed = (unsigned)number + 1;
	name_user(user, sizeof user, m->format, number, m->clients);
	struct peer *p = imap_login(m->host, m->port, user, m->password, 1 << 16);
	imap_do(p, "SELECT INBOX", &answer);
	long exists = answer.exists;
	if (exists < 40)
		fail("%s has %ld messages", user, exists);
	pthread_barrier_wait(&m->ready);
	double until = now() + m->seconds;
	for (long round = number; now() < until; round++)
		for (enum kind kind = 0; kind < KINDS && now() < until; kind++) {
			if ((kind == APPEND && round % 4) || (kind == EXPUNGE && (round % 8 || exists < 20)))
				continue;
			double began = now();
			one(p, kind, &exists, &seed, m);
			sample(&mine[kind], (now() - began) * 1000);
		}
	say(p, "Z LOGOUT\r\n");
	hang_up(p);
	pthread_mutex_lock(&m->lock);
	for (int kind = 0; kind < KINDS; kind++)
		sample_all(&m->times[kind], &mine[kind]);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* HOST PORT CLIENTS SECONDS USERFORMAT PASSWORD PACK */
int run_mixed(int count, char **a)
{
	struct mixed m = { .host = a[0], .port = atoi(a[1]), .clients = atoi(a[2]), .seconds = atof(a[3]), .format = a[4],
		.password = a[5], .lock = PTHREAD_MUTEX_INITIALIZER };
	size_t operations = 0;
	(void)count;
	load_pack(&m.pack, a[6], 0);
	pthread_barrier_init(&m.ready, NULL, (unsigned)m.clients);
	double cpu = own_cpu();
	on_threads(m.clients, client, &m);
	for (int kind = 0; kind < KINDS; kind++)
		operations += m.times[kind].count;
	printf("{\"operations\":%zu,\"per_second\":%.1f,\"client_cpu\":%.3f,\"kinds\":{", operations,
	       (double)operations / m.seconds, own_cpu() - cpu);
	for (int kind = 0; kind < KINDS; kind++)
		printf("%s\"%s\":{\"count\":%zu,\"p50\":%.3f,\"p99\":%.3f}", kind ? "," : "", names[kind], m.times[kind].count,
		       percentile(&m.times[kind], 50), percentile(&m.times[kind], 99));
	printf("}}\n");
	return 0;
}
