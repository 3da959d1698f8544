/* The mail that is sent, read and made ready before the clock runs. */
#include "load.h"

static size_t made_ready(char *out, const char *raw, size_t n)
{
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		if (raw[i] == '.' && (i == 0 || raw[i - 1] == '\n'))
			out[used++] = '.';
		out[used++] = raw[i];
	}
	if (n < 2 || raw[n - 1] != '\n') {
		out[used++] = '\r';
		out[used++] = '\n';
	}
	memcpy(out + used, ".\r\n", 3);
	return used + 3;
}

void load_pack(struct pack *pack, const char *path, int stuffed)
{
	FILE *f = fopen(path, "rb");
	unsigned char head[4];
	size_t room = 0;
	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (fread(head, 1, 4, f) == 4) {
		size_t n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
		char *raw = room_for(n + 1);
		if (fread(raw, 1, n, f) != n)
			fail("%s: cut short", path);
		if (pack->count == room) {
			room = room ? room * 2 : 1024;
			pack->message = realloc(pack->message, room * sizeof *pack->message);
			pack->size = realloc(pack->size, room * sizeof *pack->size);
			if (!pack->message || !pack->size)
				fail("out of memory");
		}
		if (stuffed) {
			char *ready = room_for(2 * n + 8);
			n = made_ready(ready, raw, n);
			free(raw);
			raw = ready;
		}
		pack->message[pack->count] = raw;
		pack->size[pack->count++] = n;
	}
	fclose(f);
	if (!pack->count)
		fail("%s: no messages", path);
}
