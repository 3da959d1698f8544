/* How soon an idle client is told: from LMTP's final reply to the untagged EXISTS. One thread that waits for both sockets, so
 * that no switch between threads is measured. What comes before the reply counts as 0; whole_p50 is from the message's last
 * octet. */
#include "load.h"
#include <poll.h>

/* HOST IMAPPORT LMTPPORT CONNECTIONS PUSHES USERFORMAT PASSWORD PACK: the accounts are those numbered 1 to CONNECTIONS. */
int run_push(int count, char **a)
{
	struct pack pack = { 0 };
	struct samples times = { 0 }, whole = { 0 };
	struct answer answer;
	int connections = atoi(a[3]), early = 0;
	long pushes = atol(a[4]);
	size_t n = 0;
	(void)count;
	load_pack(&pack, a[7], 1);
	struct peer **idle = room_for((size_t)connections * sizeof *idle);
	char user[256];
	for (int i = 0; i < connections; i++) {
		name_user(user, sizeof user, a[5], i, connections);
		idle[i] = imap_login(a[0], atoi(a[1]), user, a[6], 4096);
		imap_do(idle[i], "SELECT INBOX", &answer);
		say(idle[i], "I IDLE\r\n");
		while (line_of(idle[i], &n)[0] != '+')
			;
	}
	struct peer *lmtp = lmtp_open(a[0], atoi(a[2]));
	usleep(500000);
	double cpu = own_cpu();
	for (long push = 0; push < pushes; push++) {
		struct peer *client = idle[push * 7 % connections];
		name_user(user, sizeof user, a[5], push * 7 % connections, connections);
		lmtp_send(lmtp, user, pack.message[(size_t)push % pack.count], pack.size[(size_t)push % pack.count]);
		double replied = 0, told = 0, began = now();
		while (!replied || !told) {
			struct pollfd both[2] = { { .fd = lmtp->fd, .events = POLLIN }, { .fd = client->fd, .events = POLLIN } };
			if (poll(both, 2, 5000) <= 0 || now() - began > 40)
				fail("no EXISTS for push %ld", push);
			double t = now();
			if (both[0].revents && !replied) {
				char *line = line_at_once(lmtp, &n);
				if (line && line[0] != '2')
					fail("LMTP: %s", line);
				if (line)
					replied = t;
			}
			if (both[1].revents)
				for (char *line; (line = line_at_once(client, &n));)
					if (strstr(line, " EXISTS"))
						told = t;
			if (n == (size_t)-1)
				fail("a connection has ended");
		}
		early += told <= replied;
		sample(&times, told > replied ? (told - replied) * 1000 : 0);
		sample(&whole, (told - began) * 1000);
		usleep(2000);
	}
	printf("{\"pushes\":%ld,\"early\":%d,\"p50\":%.4f,\"p99\":%.4f,\"most\":%.4f,\"whole_p50\":%.4f,\"client_cpu\":%.3f}\n", pushes,
	       early, percentile(&times, 50), percentile(&times, 99), percentile(&times, 100), percentile(&whole, 50),
	       own_cpu() - cpu);
	return 0;
}
