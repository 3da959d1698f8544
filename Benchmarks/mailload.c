/* mailload: the load generator of `make bench`. One process, one thread a connection, blocking sockets.
 *
 *   mailload lmtp HOST PORT CONNECTIONS MESSAGES USERFORMAT USERS PACK     deliver PACK's messages in turn
 *   mailload imap HOST PORT USER PASSWORD COMMAND...                       run each command, time it
 *   mailload pop3 HOST PORT USER PASSWORD WINDOW [dele]                    RETR everything, WINDOW commands ahead
 *   mailload idle HOST PORT CONNECTIONS USERFORMAT USERS PASSWORD          log in, SELECT, IDLE; "ready"; ends with stdin
 *   mailload login imap|pop3 HOST PORT CONNECTIONS TOTAL USERFORMAT USERS PASSWORD
 *
 * USERFORMAT holds one %d, counted from 1. PACK: a sequence of 4-byte little-endian lengths, each followed by a message
 * with CRLF line ends. Every run prints JSON: seconds, counts, and the generator's own CPU seconds, so that it can be
 * seen not to be the bottleneck.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double own_cpu(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- a connection with a read buffer ---- */

struct peer {
	int fd;
	size_t start, end;
	unsigned long long octets;
	char buffer[1 << 18];
};

static struct peer *dial(const char *host, int port)
{
	struct peer *p = calloc(1, sizeof *p);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;
	if (!p || inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail("bad address %s", host);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&address, sizeof address))
		fail("connect %s:%d: %s", host, port, strerror(errno));
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return p;
}

static void hang_up(struct peer *p)
{
	close(p->fd);
	free(p);
}

static void put(struct peer *p, const char *data, size_t length)
{
	while (length) {
		ssize_t n = send(p->fd, data, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			fail("send: %s", strerror(errno));
		data += n;
		length -= (size_t)n;
	}
}

static void say(struct peer *p, const char *format, ...)
{
	char line[4096];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	put(p, line, (size_t)n);
}

static void fill(struct peer *p)
{
	if (p->start == p->end)
		p->start = p->end = 0;
	else if (p->start && p->end == sizeof p->buffer) {
		memmove(p->buffer, p->buffer + p->start, p->end - p->start);
		p->end -= p->start;
		p->start = 0;
	}
	if (p->end == sizeof p->buffer)
		fail("a line of over %zu octets", sizeof p->buffer);
	ssize_t n;
	do
		n = recv(p->fd, p->buffer + p->end, sizeof p->buffer - p->end, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		fail("the server closed the connection: %s", n ? strerror(errno) : "end of file");
	p->end += (size_t)n;
	p->octets += (unsigned long long)n;
}

/* The next line without its line end; good until the next call. */
static char *line_of(struct peer *p, size_t *length)
{
	size_t seen = 0;
	for (;;) {
		char *from = p->buffer + p->start;
		char *lf = memchr(from + seen, '\n', p->end - p->start - seen);
		if (lf) {
			p->start = (size_t)(lf + 1 - p->buffer);
			*length = (size_t)(lf - from);
			if (*length && lf[-1] == '\r')
				--*length;
			from[*length] = 0;
			return from;
		}
		seen = p->end - p->start;
		fill(p);
	}
}

static void skip(struct peer *p, unsigned long long octets)
{
	while (octets) {
		if (p->start == p->end)
			fill(p);
		size_t have = p->end - p->start;
		if (have > octets)
			have = (size_t)octets;
		p->start += have;
		octets -= have;
	}
}

/* ---- LMTP ---- */

struct delivery {
	const char *host, *format;
	int port, users;
	long messages;
	atomic_long next;
	char **message;
	size_t *size, count;
};

static void expect(struct peer *p, char digit)
{
	size_t n;
	char *line;
	do
		line = line_of(p, &n);
	while (n > 3 && line[3] == '-');
	if (line[0] != digit)
		fail("LMTP: %s", line);
}

static void *deliver(void *argument)
{
	struct delivery *d = argument;
	struct peer *p = dial(d->host, d->port);
	expect(p, '2');
	say(p, "LHLO mailload\r\n");
	expect(p, '2');
	for (;;) {
		long number = atomic_fetch_add(&d->next, 1);
		if (number >= d->messages)
			break;
		char user[256];
		snprintf(user, sizeof user, d->format, (int)(number % d->users) + 1);
		say(p, "MAIL FROM:<load@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n", user);
		expect(p, '2');
		expect(p, '2');
		expect(p, '3');
		size_t i = (size_t)number % d->count;
		put(p, d->message[i], d->size[i]);
		expect(p, '2');
	}
	say(p, "QUIT\r\n");
	hang_up(p);
	return NULL;
}

/* Reads PACK, stuffs dots and adds the end of DATA, once. */
static void load_pack(struct delivery *d, const char *path)
{
	FILE *f = fopen(path, "rb");
	unsigned char head[4];
	size_t room = 0;
	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (fread(head, 1, 4, f) == 4) {
		size_t n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24, out = 0;
		char *raw = malloc(n + 1), *data = malloc(2 * n + 8);
		if (!raw || !data || fread(raw, 1, n, f) != n)
			fail("%s: cut short", path);
		for (size_t i = 0; i < n; i++) {
			if (raw[i] == '.' && (i == 0 || raw[i - 1] == '\n'))
				data[out++] = '.';
			data[out++] = raw[i];
		}
		if (n < 2 || raw[n - 1] != '\n') {
			data[out++] = '\r';
			data[out++] = '\n';
		}
		memcpy(data + out, ".\r\n", 3);
		free(raw);
		if (d->count == room) {
			room = room ? room * 2 : 1024;
			d->message = realloc(d->message, room * sizeof *d->message);
			d->size = realloc(d->size, room * sizeof *d->size);
			if (!d->message || !d->size)
				fail("out of memory");
		}
		d->message[d->count] = data;
		d->size[d->count++] = out + 3;
	}
	fclose(f);
	if (!d->count)
		fail("%s: no messages", path);
}

static int run_lmtp(char **a)
{
	struct delivery d = { .host = a[0], .port = atoi(a[1]), .messages = atol(a[3]), .format = a[4], .users = atoi(a[5]) };
	int connections = atoi(a[2]);
	load_pack(&d, a[6]);
	pthread_t *threads = calloc((size_t)connections, sizeof *threads);
	double began = now(), cpu = own_cpu();
	for (int i = 0; i < connections; i++)
		pthread_create(&threads[i], NULL, deliver, &d);
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	double s = now() - began;
	printf("{\"seconds\":%.4f,\"messages\":%ld,\"per_second\":%.1f,\"client_cpu\":%.3f}\n", s, d.messages,
	       (double)d.messages / s, own_cpu() - cpu);
	return 0;
}

/* ---- IMAP ---- */

/* Reads to the tagged reply; returns untagged lines. Literals are skipped, not kept. */
static long until_tagged(struct peer *p, const char *tag)
{
	size_t n, taglen = strlen(tag);
	long lines = 0;
	for (;;) {
		char *line = line_of(p, &n);
		if (n > taglen && !memcmp(line, tag, taglen) && line[taglen] == ' ') {
			if (strncmp(line + taglen + 1, "OK", 2))
				fail("IMAP: %s", line);
			return lines;
		}
		lines++;
		while (n && line[n - 1] == '}') {
			char *brace = memrchr(line, '{', n);
			if (!brace)
				break;
			skip(p, strtoull(brace + 1, NULL, 10));
			line = line_of(p, &n);
		}
	}
}

static int run_imap(char **a, int count)
{
	struct peer *p = dial(a[0], atoi(a[1]));
	size_t n;
	line_of(p, &n);
	say(p, "L LOGIN \"%s\" \"%s\"\r\n", a[2], a[3]);
	until_tagged(p, "L");
	printf("[");
	for (int i = 4; i < count; i++) {
		unsigned long long octets = p->octets;
		double cpu = own_cpu(), began = now();
		say(p, "T%d %s\r\n", i, a[i]);
		char tag[16];
		snprintf(tag, sizeof tag, "T%d", i);
		long lines = until_tagged(p, tag);
		double s = now() - began;
		printf("%s{\"seconds\":%.6f,\"lines\":%ld,\"octets\":%llu,\"client_cpu\":%.3f}", i > 4 ? "," : "", s,
		       lines, p->octets - octets, own_cpu() - cpu);
	}
	printf("]\n");
	say(p, "Z LOGOUT\r\n");
	hang_up(p);
	return 0;
}

/* ---- POP3 ---- */

static void positive(struct peer *p)
{
	size_t n;
	char *line = line_of(p, &n);
	if (line[0] != '+')
		fail("POP3: %s", line);
}

static int run_pop3(char **a, int count)
{
	struct peer *p = dial(a[0], atoi(a[1]));
	int window = atoi(a[4]), dele = count > 5 && !strcmp(a[5], "dele");
	size_t n;
	positive(p);
	say(p, "USER %s\r\n", a[2]);
	positive(p);
	say(p, "PASS %s\r\n", a[3]);
	positive(p);
	say(p, "STAT\r\n");
	long messages = atol(line_of(p, &n) + 4), asked = 0;
	double began = now(), cpu = own_cpu();
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
		positive(p);
		for (;;) {
			char *line = line_of(p, &n);
			if (n == 1 && line[0] == '.')
				break;
		}
		if (dele)
			positive(p);
	}
	double retr = now() - began;
	say(p, "QUIT\r\n");
	positive(p);
	double s = now() - began;
	printf("{\"seconds\":%.4f,\"quit_seconds\":%.4f,\"messages\":%ld,\"per_second\":%.1f,\"octets\":%llu,\"client_cpu\":%.3f}\n",
	       s, s - retr, messages, (double)messages / s, p->octets, own_cpu() - cpu);
	hang_up(p);
	return 0;
}

/* ---- many connections ---- */

static int run_idle(char **a)
{
	int connections = atoi(a[2]), users = atoi(a[4]);
	double began = now();
	for (int i = 0; i < connections; i++) {
		struct peer *p = dial(a[0], atoi(a[1]));
		char user[256];
		size_t n;
		snprintf(user, sizeof user, a[3], i % users + 1);
		line_of(p, &n);
		say(p, "L LOGIN \"%s\" \"%s\"\r\n", user, a[5]);
		until_tagged(p, "L");
		say(p, "S SELECT INBOX\r\n");
		until_tagged(p, "S");
		say(p, "I IDLE\r\n");
		char *line = line_of(p, &n);
		if (line[0] != '+')
			fail("IDLE: %s", line);
	}
	printf("{\"ready\":%d,\"seconds\":%.3f}\n", connections, now() - began);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

struct logins {
	int imap, port, users;
	const char *host, *format, *password;
	long total;
	atomic_long next;
};

static void *log_in(void *argument)
{
	struct logins *l = argument;
	for (;;) {
		long number = atomic_fetch_add(&l->next, 1);
		if (number >= l->total)
			return NULL;
		char user[256];
		size_t n;
		snprintf(user, sizeof user, l->format, (int)(number % l->users) + 1);
		struct peer *p = dial(l->host, l->port);
		if (l->imap) {
			line_of(p, &n);
			say(p, "L LOGIN \"%s\" \"%s\"\r\n", user, l->password);
			until_tagged(p, "L");
			say(p, "S SELECT INBOX\r\n");
			until_tagged(p, "S");
			say(p, "Z LOGOUT\r\n");
			until_tagged(p, "Z");
		} else {
			positive(p);
			say(p, "USER %s\r\n", user);
			positive(p);
			say(p, "PASS %s\r\n", l->password);
			positive(p);
			say(p, "STAT\r\n");
			positive(p);
			say(p, "QUIT\r\n");
			positive(p);
		}
		hang_up(p);
	}
}

static int run_login(char **a)
{
	struct logins l = { .imap = !strcmp(a[0], "imap"), .host = a[1], .port = atoi(a[2]), .total = atol(a[4]),
		.format = a[5], .users = atoi(a[6]), .password = a[7] };
	int connections = atoi(a[3]);
	pthread_t *threads = calloc((size_t)connections, sizeof *threads);
	double began = now(), cpu = own_cpu();
	for (int i = 0; i < connections; i++)
		pthread_create(&threads[i], NULL, log_in, &l);
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	double s = now() - began;
	printf("{\"seconds\":%.4f,\"per_second\":%.1f,\"client_cpu\":%.3f}\n", s, (double)l.total / s, own_cpu() - cpu);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 9 && !strcmp(argv[1], "lmtp"))
		return run_lmtp(argv + 2);
	if (argc >= 7 && !strcmp(argv[1], "imap"))
		return run_imap(argv + 2, argc - 2);
	if (argc >= 7 && !strcmp(argv[1], "pop3"))
		return run_pop3(argv + 2, argc - 2);
	if (argc == 8 && !strcmp(argv[1], "idle"))
		return run_idle(argv + 2);
	if (argc == 10 && !strcmp(argv[1], "login"))
		return run_login(argv + 2);
	fprintf(stderr, "usage: see the head of mailload.c\n");
	return 64;
}
