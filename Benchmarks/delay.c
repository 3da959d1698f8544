/* delay: a TCP relay on loopback that holds every octet back, for measuring over a long line (the kernel here has no netem).
 *
 *   delay PORT TARGETPORT MILLISECONDS     listens on 127.0.0.1:PORT, relays to 127.0.0.1:TARGETPORT, each way late by
 *                                          MILLISECONDS (half of the round trip); connecting costs a round trip as well
 *
 * One thread; data wait in a ring of chunks with the time they are due. What is not due yet is bounded by WINDOW octets
 * a direction, as a real line's is by the socket buffers. Prints "ready"; ends with its standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS 64
#define CHUNK 65536
#define CHUNKS 128
#define WINDOW (4u << 20)

struct chunk {
	double due;
	size_t size, sent;
	char *bytes;
};

struct direction {
	int from, to;
	int ended;             /* the source has ended its side */
	int shut;              /* and the target knows */
	double end_due;
	struct chunk ring[CHUNKS];
	unsigned head, count;
	size_t octets;
};

struct pair {
	int used;
	double open_at;        /* the target is connected then */
	struct direction way[2];
};

static struct pair pairs[PAIRS];
static double late;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void prepare(int fd)
{
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void drop(struct pair *p)
{
	for (int w = 0; w < 2; w++) {
		struct direction *d = &p->way[w];
		while (d->count) {
			free(d->ring[d->head].bytes);
			d->head = (d->head + 1) % CHUNKS;
			d->count--;
		}
	}
	close(p->way[0].from);
	close(p->way[0].to);
	p->used = 0;
}

static int take(struct direction *d, double t)
{
	while (!d->ended && d->count < CHUNKS && d->octets < WINDOW) {
		char *bytes = malloc(CHUNK);
		ssize_t size = recv(d->from, bytes, CHUNK, 0);
		if (size <= 0) {
			free(bytes);
			if (size < 0 && (errno == EAGAIN || errno == EINTR))
				return 0;
			if (size < 0)
				return -1;
			d->ended = 1;
			d->end_due = t + late;
			return 0;
		}
		struct chunk *c = &d->ring[(d->head + d->count++) % CHUNKS];
		*c = (struct chunk){ t + late, (size_t)size, 0, bytes };
		d->octets += (size_t)size;
	}
	return 0;
}

static int give(struct direction *d, double t)
{
	while (d->count && d->ring[d->head].due <= t) {
		struct chunk *c = &d->ring[d->head];
		ssize_t size = send(d->to, c->bytes + c->sent, c->size - c->sent, MSG_NOSIGNAL);
		if (size < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->sent += (size_t)size;
		if (c->sent < c->size)
			return 0;
		d->octets -= c->size;
		free(c->bytes);
		d->head = (d->head + 1) % CHUNKS;
		d->count--;
	}
	if (d->ended && !d->count && !d->shut && d->end_due <= t) {
		shutdown(d->to, SHUT_WR);
		d->shut = 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: delay PORT TARGETPORT MILLISECONDS\n");
		return 64;
	}
	late = atof(argv[3]) / 1e3;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	at.sin_port = htons((unsigned short)atoi(argv[1]));
	int one = 1, door = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 64)) {
		perror("delay");
		return 69;
	}
	at.sin_port = htons((unsigned short)atoi(argv[2]));
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd set[2 + PAIRS * 2] = { { 0, POLLIN, 0 }, { door, POLLIN, 0 } };
		double t = now(), next = t + 10;
		int n = 2;
		for (struct pair *p = pairs; p < pairs + PAIRS; p++) {
			if (!p->used)
				continue;
			short want[2] = { 0, 0 };
			for (int w = 0; w < 2; w++) {
				struct direction *d = &p->way[w];
				if (!d->ended && d->count < CHUNKS && d->octets < WINDOW && t >= p->open_at)
					want[w] |= POLLIN;
				if (d->count) {
					if (d->ring[d->head].due <= t)
						want[!w] |= POLLOUT;
					else if (d->ring[d->head].due < next)
						next = d->ring[d->head].due;
				} else if (d->ended && !d->shut && d->end_due < next) {
					next = d->end_due;
				}
			}
			if (t < p->open_at && p->open_at < next)
				next = p->open_at;
			set[n++] = (struct pollfd){ p->way[0].from, want[0], 0 };
			set[n++] = (struct pollfd){ p->way[1].from, want[1], 0 };
		}
		struct timespec wait = { 0, 0 };
		double left = next - now();
		if (left > 0) {
			wait.tv_sec = (time_t)left;
			wait.tv_nsec = (long)((left - (double)wait.tv_sec) * 1e9);
		}
		ppoll(set, (nfds_t)n, &wait, NULL);
		if (set[0].revents) {
			char byte;
			if (read(0, &byte, 1) <= 0)
				return 0;
		}
		t = now();
		for (struct pair *p = pairs; p < pairs + PAIRS; p++) {
			if (!p->used || t < p->open_at)
				continue;
			int bad = 0;
			for (int w = 0; w < 2; w++)
				bad |= take(&p->way[w], t) | give(&p->way[w], t);
			if (bad || (p->way[0].shut && p->way[1].shut))
				drop(p);
		}
		if (!(set[1].revents & POLLIN))
			continue;
		int near = accept(door, NULL, NULL);
		if (near < 0)
			continue;
		int far = socket(AF_INET, SOCK_STREAM, 0);
		struct pair *p = pairs;
		while (p < pairs + PAIRS && p->used)
			p++;
		if (p == pairs + PAIRS || connect(far, (struct sockaddr *)&at, sizeof at)) {
			close(near);
			close(far);
			continue;
		}
		prepare(near);
		prepare(far);
		memset(p, 0, sizeof *p);
		p->used = 1;
		p->open_at = t + late;
		p->way[0].from = p->way[1].to = near;
		p->way[0].to = p->way[1].from = far;
	}
}
