/* IMAP: commands timed one by one, and what was answered. */
#include "load.h"

/* Numbers of SEARCH, SORT and THREAD; threads are the parentheses at the top. */
static void count_numbers(const char *line, size_t n, struct answer *answer)
{
	int inside = 0, depth = 0;
	for (size_t i = 0; i < n; i++) {
		int digit = line[i] >= '0' && line[i] <= '9';
		answer->numbers += digit && !inside;
		inside = digit;
		if (line[i] == '(')
			answer->threads += depth++ == 0;
		else if (line[i] == ')')
			depth--;
	}
}

static void count_line(const char *line, size_t n, struct answer *answer)
{
	answer->lines++;
	if (n < 4 || line[0] != '*')
		return;
	if (line[2] >= '0' && line[2] <= '9') {
		char *word;
		long number = strtol(line + 2, &word, 10);
		if (!strncmp(word, " FETCH ", 7))
			answer->fetched++;
		else if (!strncmp(word, " EXPUNGE", 8))
			answer->expunged++;
		else if (!strncmp(word, " EXISTS", 7))
			answer->exists = number;
	} else if (!strncmp(line + 2, "SEARCH", 6) || !strncmp(line + 2, "SORT", 4) || !strncmp(line + 2, "THREAD", 6))
		count_numbers(line + 6, n - 6, answer);
}

void imap_until(struct peer *p, const char *tag, struct answer *answer)
{
	size_t n, length = strlen(tag);
	*answer = (struct answer){ .exists = -1 };
	for (;;) {
		char *line = line_of(p, &n);
		if (n > length && !memcmp(line, tag, length) && line[length] == ' ') {
			answer->ok = !strncmp(line + length + 1, "OK", 2);
			if (!answer->ok)
				fprintf(stderr, "IMAP: %s\n", line);
			return;
		}
		count_line(line, n, answer);
		while (n && line[n - 1] == '}') {
			char *brace = memrchr(line, '{', n);
			if (!brace)
				break;
			unsigned long long octets = strtoull(brace + 1, NULL, 10);
			answer->literals += octets;
			skip(p, octets);
			line = line_of(p, &n);
		}
	}
}

void imap_do(struct peer *p, const char *command, struct answer *answer)
{
	struct answer unused;
	answer = answer ? answer : &unused;
	say(p, "C %s\r\n", command);
	imap_until(p, "C", answer);
	if (!answer->ok)
		fail("%s was refused", command);
}

struct peer *imap_login(const char *host, int port, const char *user, const char *password, size_t room)
{
	struct answer answer;
	struct peer *p = dial(host, port, room);
	size_t n;
	line_of(p, &n);
	say(p, "L LOGIN \"%s\" \"%s\"\r\n", user, password);
	imap_until(p, "L", &answer);
	if (!answer.ok)
		fail("LOGIN %s was refused", user);
	return p;
}

void imap_append(struct peer *p, const char *mailbox, const char *message, size_t size, struct answer *answer)
{
	say(p, "A APPEND \"%s\" {%zu+}\r\n", mailbox, size);
	put(p, message, size);
	put(p, "\r\n", 2);
	imap_until(p, "A", answer);
	if (!answer->ok)
		fail("APPEND was refused");
}

static void timed(struct peer *p, const char *command)
{
	struct answer answer;
	unsigned long long octets = p->octets;
	double cpu = own_cpu(), began = now();
	imap_do(p, command, &answer);
	double s = now() - began;
	printf("{\"seconds\":%.6f,\"lines\":%ld,\"fetched\":%ld,\"expunged\":%ld,\"exists\":%ld,\"numbers\":%ld,\"threads\":%ld,"
	       "\"literals\":%llu,\"octets\":%llu,\"client_cpu\":%.4f}\n",
	       s, answer.lines, answer.fetched, answer.expunged, answer.exists, answer.numbers, answer.threads, answer.literals,
	       p->octets - octets, own_cpu() - cpu);
	fflush(stdout);
}

/* HOST PORT USER PASSWORD: each line of standard input is a command; a line of JSON for each, so that whoever asks can look at the
 * server between two. */
int run_imap(int count, char **a)
{
	(void)count;
	struct peer *p = imap_login(a[0], atoi(a[1]), a[2], a[3], 1 << 18);
	char command[4096];
	while (fgets(command, sizeof command, stdin)) {
		command[strcspn(command, "\n")] = 0;
		timed(p, command);
	}
	say(p, "Z LOGOUT\r\n");
	hang_up(p);
	return 0;
}

/* HOST PORT USER PASSWORD MAILBOX COUNT TOGETHER PACK: COUNT messages, TOGETHER of them in one command (MULTIAPPEND). */
int run_append(int count, char **a)
{
	struct pack pack = { 0 };
	struct answer answer;
	(void)count;
	long total = atol(a[5]), together = atol(a[6]);
	load_pack(&pack, a[7], 0);
	struct peer *p = imap_login(a[0], atoi(a[1]), a[2], a[3], 1 << 16);
	double cpu = own_cpu(), began = now();
	for (long sent = 0; sent < total;) {
		say(p, "A APPEND \"%s\"", a[4]);
		for (long i = 0; i < together && sent < total; i++, sent++) {
			size_t which = (size_t)sent % pack.count;
			say(p, " {%zu+}\r\n", pack.size[which]);
			put(p, pack.message[which], pack.size[which]);
		}
		put(p, "\r\n", 2);
		imap_until(p, "A", &answer);
		if (!answer.ok)
			fail("APPEND was refused");
	}
	double s = now() - began;
	printf("{\"seconds\":%.4f,\"messages\":%ld,\"per_second\":%.1f,\"client_cpu\":%.3f}\n", s, total, (double)total / s,
	       own_cpu() - cpu);
	say(p, "Z LOGOUT\r\n");
	hang_up(p);
	return 0;
}
