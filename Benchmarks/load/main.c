/* mailload: the load generator of the benchmarks.
 *
 *   lmtp HOST PORT CONNECTIONS MESSAGES|-SECONDS USERFORMAT USERS PACK [PAUSE_MS]  deliver PACK's messages in turn
 *   imap HOST PORT USER PASSWORD                                   each line of standard input is a command; times it
 *   append HOST PORT USER PASSWORD MAILBOX COUNT TOGETHER PACK     APPEND, TOGETHER messages in one command
 *   pop3 HOST PORT USER PASSWORD WINDOW [dele]                     RETR everything, WINDOW commands ahead
 *   idle HOST PORT CONNECTIONS USERFORMAT USERS PASSWORD [MESSAGES]   log in, SELECT, IDLE; ends with its standard input
 *   login imap|pop3 HOST PORT CONNECTIONS TOTAL USERFORMAT USERS PASSWORD
 *   each HOST PORT CONNECTIONS USERFORMAT USERS PASSWORD COMMAND...   every account runs every command
 *   push HOST IMAPPORT LMTPPORT CONNECTIONS PUSHES USERFORMAT PASSWORD PACK
 *   mixed HOST PORT CLIENTS SECONDS USERFORMAT PASSWORD PACK
 *   crowd HOST PORT CONNECTIONS SECONDS USERFORMAT USERS PASSWORD
 *
 * USERFORMAT holds one %d, counted from 1. Every run prints JSON: seconds, counts, what was answered, and the generator's own CPU
 * seconds. Build: cc -O2 -Wall -Wextra -pthread -o mailload *.c
 */
#include "load.h"

static const struct {
	const char *name;
	int least;
	int (*run)(int, char **);
} table[] = {
	{ "lmtp", 7, run_lmtp }, { "imap", 4, run_imap }, { "append", 8, run_append }, { "pop3", 5, run_pop3 },
	{ "idle", 6, run_idle }, { "login", 8, run_login }, { "each", 7, run_each }, { "push", 8, run_push },
	{ "mixed", 7, run_mixed }, { "crowd", 7, run_crowd },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof table / sizeof *table; i++)
		if (!strcmp(argv[1], table[i].name) && argc - 2 >= table[i].least)
			return table[i].run(argc - 2, argv + 2);
	fprintf(stderr, "usage: see the head of main.c\n");
	return 64;
}
