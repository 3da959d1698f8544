/* What the parts of the load generator share: a connection, time, percentiles, mail to send. One job a file:
 *
 *   net.c    connections, lines, literals       lmtp.c  deliveries              many.c   idle connections, logins, scripts
 *   pack.c   the mail that is sent              imap.c  commands, APPEND        push.c   how soon an idle client is told
 *   main.c   the command line                   pop3.c  RETR, DELE              mixed.c  many clients at once; crowd.c for long
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Says why and ends the run: a benchmark that goes on after an error measures something else. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
double now(void);
/* CPU seconds of this process: shown beside the server's, so that the generator can be seen not to be the bottleneck. */
double own_cpu(void);
void *room_for(size_t octets);

/* ---- connections: blocking, TCP_NODELAY, a read buffer that grows with the longest line ---- */

struct peer {
	int fd;
	size_t start, end, room;
	unsigned long long octets;   /* received */
	char *buffer;
};

struct peer *dial(const char *host, int port, size_t room);
void hang_up(struct peer *p);
void put(struct peer *p, const char *data, size_t length);
void say(struct peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next line without its line end; good until the next call. */
char *line_of(struct peer *p, size_t *length);
/* The same if it is there already, else NULL after one read that may not wait. -1 in *length: the connection has ended. */
char *line_at_once(struct peer *p, size_t *length);
void skip(struct peer *p, unsigned long long octets);

/* ---- samples in milliseconds ---- */

struct samples {
	double *value;
	size_t count, room;
};

void sample(struct samples *s, double value);
void sample_all(struct samples *to, const struct samples *from);
/* `part` of 100; sorts. 0 without samples. */
double percentile(struct samples *s, double part);

/* Runs `work` on so many threads at once, each with `argument`, and waits for all. */
void on_threads(int count, void *(*work)(void *), void *argument);
/* The account with this number, counted from 0, after a pattern that holds one %d (from 1 to `users`). */
void name_user(char *into, size_t room, const char *format, long number, int users);

/* ---- mail: 4-byte little-endian lengths, each followed by a message with CRLF line ends ---- */

struct pack {
	char **message;
	size_t *size, count;
};

/* `stuffed`: dots doubled and the end of DATA added, once, before the clock runs. */
void load_pack(struct pack *pack, const char *path, int stuffed);

/* ---- protocols ---- */

/* What a command was answered: enough to see that two servers did the same. */
struct answer {
	long lines;                       /* untagged */
	long fetched, expunged, exists;   /* lines of that kind; the last EXISTS, or -1 */
	long numbers, threads;            /* in SEARCH, SORT and THREAD; threads at the top */
	unsigned long long literals;      /* octets of literals */
	int ok;
};

struct peer *imap_login(const char *host, int port, const char *user, const char *password, size_t room);
/* Reads to the tagged reply. Literals are passed over, not kept. */
void imap_until(struct peer *p, const char *tag, struct answer *answer);
/* Sends one command and reads its answer; ends the run unless it is OK. */
void imap_do(struct peer *p, const char *command, struct answer *answer);
void imap_append(struct peer *p, const char *mailbox, const char *message, size_t size, struct answer *answer);
void lmtp_expect(struct peer *p, char digit);
struct peer *lmtp_open(const char *host, int port);
void lmtp_send(struct peer *p, const char *user, const char *message, size_t size);
void pop3_positive(struct peer *p);

int run_lmtp(int count, char **a);
int run_imap(int count, char **a);
int run_append(int count, char **a);
int run_pop3(int count, char **a);
int run_idle(int count, char **a);
int run_login(int count, char **a);
int run_each(int count, char **a);
int run_push(int count, char **a);
int run_mixed(int count, char **a);
int run_crowd(int count, char **a);
