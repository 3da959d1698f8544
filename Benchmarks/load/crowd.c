/* Busy connections for minutes: each sends a command about once a second, in one thread over epoll, so that a thousand of them
 * cost the machine little. NOOP is every second command; its times are what the crowd is measured by. An error is counted, not
 * fatal. */
#include "load.h"
#include <sys/epoll.h>

#define TAG "zq7crowd "
#define TAG_SIZE (sizeof TAG - 1)

struct busy {
	struct peer *peer;
	double due, began;   /* began: 0 when nothing is on the way */
	long exists;
	int noop, told;
	unsigned round;
};

struct crowd {
	struct samples noops, window, others;
	long commands, errors;
	unsigned seed;
};

static void send_next(struct busy *b, struct crowd *c)
{
	long n = b->exists ? b->exists : 1, pick = rand_r(&c->seed) % n + 1;
	char line[128];
	b->noop = b->round++ % 2 == 0;
	if (b->noop)
		snprintf(line, sizeof line, TAG "NOOP\r\n");
	else
		switch (rand_r(&c->seed) % 5) {
		case 0: snprintf(line, sizeof line, TAG "SELECT INBOX\r\n"); break;
		case 1: snprintf(line, sizeof line, TAG "FETCH 1:* (FLAGS)\r\n"); break;
		case 2: snprintf(line, sizeof line, TAG "FETCH %ld:* (UID ENVELOPE)\r\n", n > 10 ? n - 9 : 1); break;
		case 3: snprintf(line, sizeof line, TAG "FETCH %ld BODY.PEEK[]\r\n", pick); break;
		default: snprintf(line, sizeof line, TAG "STORE %ld +FLAGS (\\Seen)\r\n", pick);
		}
	b->began = now();
	put(b->peer, line, strlen(line));
}

/* Reads what is there; a command that is answered sets the next one's time. Literals need not be told from lines here: no message
 * of the load has a line that begins with the tag. */
static void hear(struct busy *b, struct crowd *c)
{
	size_t n = 0;
	char *line;
	while ((line = line_at_once(b->peer, &n))) {
		if (n > 2 && line[0] == '*' && strstr(line, " EXISTS"))
			b->exists = atol(line + 2);
		if (n < TAG_SIZE + 2 || memcmp(line, TAG, TAG_SIZE))
			continue;
		double t = now(), took = (t - b->began) * 1000;
		if (strncmp(line + TAG_SIZE, "OK", 2)) {
			c->errors++;
			fprintf(stderr, "crowd: %s\n", line);
		}
		if (b->noop) {
			sample(&c->noops, took);
			sample(&c->window, took);
		} else
			sample(&c->others, took);
		c->commands++;
		b->began = 0;
		b->due = t + 0.5 + (double)(rand_r(&c->seed) % 1000) / 1000;
	}
	if (n == (size_t)-1)
		fail("crowd: a connection has ended");
}

/* HOST PORT CONNECTIONS SECONDS USERFORMAT USERS PASSWORD: prints a line of JSON every ten seconds, and one at the end. */
int run_crowd(int count, char **a)
{
	int connections = atoi(a[2]), poll = epoll_create1(EPOLL_CLOEXEC);
	struct busy *all = room_for((size_t)connections * sizeof *all);
	struct crowd c = { .seed = 1 };
	struct answer answer;
	(void)count;
	for (int i = 0; i < connections; i++) {
		char user[256];
		name_user(user, sizeof user, a[4], i, atoi(a[5]));
		all[i].peer = imap_login(a[0], atoi(a[1]), user, a[6], 16384);
		imap_do(all[i].peer, "SELECT INBOX", &answer);
		all[i].exists = answer.exists;
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };
		epoll_ctl(poll, EPOLL_CTL_ADD, all[i].peer->fd, &event);
		all[i].due = now() + (double)(rand_r(&c.seed) % 1000) / 1000;
	}
	double began = now(), report = began + 10, until = began + atof(a[3]);
	printf("{\"ready\":%d}\n", connections);
	fflush(stdout);
	for (double t = began; t < until; t = now()) {
		struct epoll_event events[256];
		int n = epoll_wait(poll, events, 256, 5);
		for (int i = 0; i < n; i++)
			hear(events[i].data.ptr, &c);
		t = now();
		for (int i = 0; i < connections; i++)
			if (!all[i].began && all[i].due <= t)
				send_next(&all[i], &c);
		if (t >= report) {
			printf("{\"at\":%.0f,\"commands\":%ld,\"errors\":%ld,\"noop_p99\":%.3f}\n", t - began, c.commands, c.errors,
			       percentile(&c.window, 99));
			fflush(stdout);
			c.window.count = 0;
			report += 10;
		}
	}
	printf("{\"commands\":%ld,\"errors\":%ld,\"noops\":%zu,\"noop_p50\":%.3f,\"noop_p99\":%.3f,\"noop_most\":%.3f,"
	       "\"others_p99\":%.3f,\"client_cpu\":%.3f}\n",
	       c.commands, c.errors, c.noops.count, percentile(&c.noops, 50), percentile(&c.noops, 99),
	       percentile(&c.noops, 100), percentile(&c.others, 99), own_cpu());
	return 0;
}
