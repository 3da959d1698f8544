/* Connections, time, percentiles. */
#include "load.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

void fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(1);
}

double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double own_cpu(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void *room_for(size_t octets)
{
	void *memory = calloc(1, octets ? octets : 1);
	if (!memory)
		fail("out of memory");
	return memory;
}

struct peer *dial(const char *host, int port, size_t room)
{
	struct peer *p = room_for(sizeof *p);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail("bad address %s", host);
	p->room = room;
	p->buffer = malloc(room);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!p->buffer || p->fd < 0 || connect(p->fd, (struct sockaddr *)&address, sizeof address))
		fail("connect %s:%d: %s", host, port, strerror(errno));
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return p;
}

void hang_up(struct peer *p)
{
	close(p->fd);
	free(p->buffer);
	free(p);
}

void put(struct peer *p, const char *data, size_t length)
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

void say(struct peer *p, const char *format, ...)
{
	char line[8192];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= sizeof line)
		fail("a command of over %zu octets", sizeof line);
	put(p, line, (size_t)n);
}

/* One read; 0: nothing there (only where it may not wait), -1: the connection has ended. */
static ssize_t take(struct peer *p, int flags)
{
	if (p->start == p->end)
		p->start = p->end = 0;
	else if (p->end == p->room && p->start) {
		memmove(p->buffer, p->buffer + p->start, p->end - p->start);
		p->end -= p->start;
		p->start = 0;
	}
	if (p->end == p->room) {
		p->room *= 2;
		if (!(p->buffer = realloc(p->buffer, p->room)))
			fail("out of memory");
	}
	ssize_t n;
	do
		n = recv(p->fd, p->buffer + p->end, p->room - p->end, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0)
		return -1;
	p->end += (size_t)n;
	p->octets += (unsigned long long)n;
	return n;
}

static void fill(struct peer *p)
{
	errno = 0;
	if (take(p, 0) < 0)
		fail("the server closed the connection: %s", errno ? strerror(errno) : "end of file");
}

/* A line that is in the buffer whole. `seen`: octets known to hold no LF. */
static char *line_here(struct peer *p, size_t seen, size_t *length)
{
	char *from = p->buffer + p->start;
	char *lf = memchr(from + seen, '\n', p->end - p->start - seen);
	if (!lf)
		return NULL;
	p->start = (size_t)(lf + 1 - p->buffer);
	*length = (size_t)(lf - from);
	if (*length && lf[-1] == '\r')
		--*length;
	from[*length] = 0;
	return from;
}

char *line_of(struct peer *p, size_t *length)
{
	for (size_t seen = 0;;) {
		char *line = line_here(p, seen, length);
		if (line)
			return line;
		seen = p->end - p->start;
		fill(p);
	}
}

char *line_at_once(struct peer *p, size_t *length)
{
	char *line = line_here(p, 0, length);
	if (line)
		return line;
	if (take(p, MSG_DONTWAIT) < 0)
		*length = (size_t)-1;
	return line_here(p, 0, length);
}

void skip(struct peer *p, unsigned long long octets)
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

void sample(struct samples *s, double value)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 256;
		if (!(s->value = realloc(s->value, s->room * sizeof *s->value)))
			fail("out of memory");
	}
	s->value[s->count++] = value;
}

void sample_all(struct samples *to, const struct samples *from)
{
	for (size_t i = 0; i < from->count; i++)
		sample(to, from->value[i]);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double percentile(struct samples *s, double part)
{
	if (!s->count)
		return 0;
	qsort(s->value, s->count, sizeof *s->value, by_value);
	size_t i = (size_t)(part / 100 * (double)s->count);
	return s->value[i < s->count ? i : s->count - 1];
}

void on_threads(int count, void *(*work)(void *), void *argument)
{
	pthread_t *threads = room_for((size_t)count * sizeof *threads);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, work, argument))
			fail("no thread: %s", strerror(errno));
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

void name_user(char *into, size_t room, const char *format, long number, int users)
{
	/* The pattern comes from run.py and holds one %d. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(into, room, format, (int)(number % users) + 1);
#pragma GCC diagnostic pop
}
