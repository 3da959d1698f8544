/* Many connections: idle ones, logins, and one script run by many accounts. */
#include "load.h"

struct job {
	int imap, port, users;
	const char *host, *format, *password;
	long total;
	char **command;
	int commands;
	atomic_long next;
	pthread_mutex_t lock;
	struct samples times;
};

static void *idle(void *argument)
{
	struct job *j = argument;
	struct answer answer;
	for (;;) {
		long number = atomic_fetch_add(&j->next, 1);
		if (number >= j->total)
			return NULL;
		char user[256];
		size_t n;
		name_user(user, sizeof user, j->format, number, j->users);
		struct peer *p = imap_login(j->host, j->port, user, j->password, 2048);
		imap_do(p, "SELECT INBOX", &answer);
		if (j->commands && answer.exists != atol(j->command[0]))
			fail("%s has %ld messages", user, answer.exists);
		say(p, "I IDLE\r\n");
		char *line = line_of(p, &n);
		while (line[0] == '*')
			line = line_of(p, &n);
		if (line[0] != '+')
			fail("IDLE: %s", line);
	}
}

/* HOST PORT CONNECTIONS USERFORMAT USERS PASSWORD [MESSAGES]: says "ready" as JSON and stays until its standard input ends;
 * each line `more N` there opens N more. */
int run_idle(int count, char **a)
{
	struct job j = { .host = a[0], .port = atoi(a[1]), .total = atol(a[2]), .format = a[3], .users = atoi(a[4]),
		.password = a[5], .command = a + 6, .commands = count > 6 };
	char line[64];
	long more = 0;
	do {
		j.total += more;
		double began = now();
		/* A failed increment of each thread left the counter beyond the total. */
		j.next = j.total - (more ? more : j.total);
		on_threads(16, idle, &j);
		printf("{\"ready\":%ld,\"seconds\":%.3f}\n", j.total, now() - began);
		fflush(stdout);
	} while (fgets(line, sizeof line, stdin) && (more = atol(line + 5)) > 0);
	return 0;
}

static void log_in_once(struct job *j, const char *user)
{
	struct answer answer;
	if (j->imap) {
		struct peer *p = imap_login(j->host, j->port, user, j->password, 8192);
		imap_do(p, "SELECT INBOX", NULL);
		say(p, "Z LOGOUT\r\n");
		imap_until(p, "Z", &answer);
		hang_up(p);
		return;
	}
	struct peer *p = dial(j->host, j->port, 4096);
	pop3_positive(p);
	say(p, "USER %s\r\n", user);
	pop3_positive(p);
	say(p, "PASS %s\r\n", j->password);
	pop3_positive(p);
	say(p, "STAT\r\n");
	pop3_positive(p);
	say(p, "QUIT\r\n");
	pop3_positive(p);
	hang_up(p);
}

static void *log_in(void *argument)
{
	struct job *j = argument;
	struct samples mine = { 0 };
	for (;;) {
		long number = atomic_fetch_add(&j->next, 1);
		if (number >= j->total)
			break;
		char user[256];
		name_user(user, sizeof user, j->format, number, j->users);
		double began = now();
		log_in_once(j, user);
		sample(&mine, (now() - began) * 1000);
	}
	pthread_mutex_lock(&j->lock);
	sample_all(&j->times, &mine);
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

/* imap|pop3 HOST PORT CONNECTIONS TOTAL USERFORMAT USERS PASSWORD */
int run_login(int count, char **a)
{
	struct job j = { .imap = !strcmp(a[0], "imap"), .host = a[1], .port = atoi(a[2]), .total = atol(a[4]),
		.format = a[5], .users = atoi(a[6]), .password = a[7], .lock = PTHREAD_MUTEX_INITIALIZER };
	(void)count;
	double began = now(), cpu = own_cpu();
	on_threads(atoi(a[3]), log_in, &j);
	double s = now() - began;
	printf("{\"seconds\":%.4f,\"per_second\":%.1f,\"p50\":%.3f,\"p99\":%.3f,\"client_cpu\":%.3f}\n", s, (double)j.total / s,
	       percentile(&j.times, 50), percentile(&j.times, 99), own_cpu() - cpu);
	return 0;
}

static void *script(void *argument)
{
	struct job *j = argument;
	for (;;) {
		long number = atomic_fetch_add(&j->next, 1);
		if (number >= j->total)
			return NULL;
		char user[256];
		name_user(user, sizeof user, j->format, number, j->users);
		struct peer *p = imap_login(j->host, j->port, user, j->password, 8192);
		for (int i = 0; i < j->commands; i++)
			imap_do(p, j->command[i], NULL);
		say(p, "Z LOGOUT\r\n");
		hang_up(p);
	}
}

/* HOST PORT CONNECTIONS USERFORMAT USERS PASSWORD COMMAND...: every account runs every command. */
int run_each(int count, char **a)
{
	struct job j = { .host = a[0], .port = atoi(a[1]), .format = a[3], .users = atoi(a[4]), .total = atol(a[4]),
		.password = a[5], .command = a + 6, .commands = count - 6 };
	double began = now();
	on_threads(atoi(a[2]), script, &j);
	printf("{\"seconds\":%.4f}\n", now() - began);
	return 0;
}
