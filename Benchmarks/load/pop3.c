/* POP3: everything retrieved, so many commands ahead of the answers. */
#include "load.h"

void pop3_positive(struct peer *p)
{
	size_t n;
	char *line = line_of(p, &n);
	if (line[0] != '+')
		fail("POP3: %s", line);
}

/* HOST PORT USER PASSWORD WINDOW [dele] */
int run_pop3(int count, char **a)
{
	struct peer *p = dial(a[0], atoi(a[1]), 1 << 18);
	int window = atoi(a[4]), dele = count > 5 && !strcmp(a[5], "dele");
	size_t n;
	pop3_positive(p);
	say(p, "USER %s\r\n", a[2]);
	pop3_positive(p);
	say(p, "PASS %s\r\n", a[3]);
	pop3_positive(p);
	say(p, "STAT\r\n");
	char *stat = line_of(p, &n);
	if (strncmp(stat, "+OK ", 4))
		fail("POP3: %s", stat);
	long messages = atol(stat + 4), asked = 0;
	double began = now(), cpu = own_cpu();
	unsigned long long before = p->octets;
	for (long got = 0; got < messages; got++) {
		char batch[8192];
		int used = 0;
		while (asked < messages && asked < got + window && used < 8000) {
			used += sprintf(batch + used, "RETR %ld\r\n", ++asked);
			if (dele)
				used += sprintf(batch + used, "DELE %ld\r\n", asked);
		}
		if (used)
			put(p, batch, (size_t)used);
		pop3_positive(p);
		for (;;) {
			char *line = line_of(p, &n);
			if (n == 1 && line[0] == '.')
				break;
		}
		if (dele)
			pop3_positive(p);
	}
	double retr = now() - began;
	unsigned long long octets = p->octets - before;
	say(p, "QUIT\r\n");
	pop3_positive(p);
	double s = now() - began;
	printf("{\"seconds\":%.4f,\"quit_seconds\":%.4f,\"messages\":%ld,\"per_second\":%.1f,\"octets\":%llu,\"client_cpu\":%.3f}\n",
	       dele ? s : retr, s - retr, messages, (double)messages / (dele ? s : retr), octets, own_cpu() - cpu);
	hang_up(p);
	return 0;
}
