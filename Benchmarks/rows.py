"""The table: every row's name, unit, which way is better, and what is aimed at. `ratio`: Merpati against the peer, above 1 in
Merpati's favour; `most`: Merpati's own figure may be no larger, whatever the peer's is; `least`: no smaller; none of them: shown,
not judged. `best`: the best of Dovecot 2.4 (sdbox, maildir, mdbox), Cyrus 3.6 and Courier 5, measured once on another machine of two cores (23
November 2026, the same mail): what the targets were made of. Beside it, not against it: machines differ."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    key: str
    title: str
    unit: str
    group: str
    more: bool = False          # larger is better
    ratio: float | None = None
    most: float | None = None
    least: float | None = None
    best: str = ""


def rate(key, title, group, ratio=None, unit="msg/s", **more):
    return Row(key, title, unit, group, more=True, ratio=ratio, **more)


def time(key, title, group, ratio=None, unit="ms", **more):
    return Row(key, title, unit, group, ratio=ratio, **more)


ENVELOPE = "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
HEADERS = "FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]"

ROWS = [
    rate("lmtp-1", "LMTP, 1 connection, 100 accounts", "lmtp", 3, best="459 (Dovecot mdbox)"),
    rate("lmtp-16", "LMTP, 16 connections, 100 accounts", "lmtp", 8, best="989 (Cyrus)"),
    rate("lmtp-64", "LMTP, 64 connections, 100 accounts", "lmtp", 8, best="892 (Cyrus)"),
    rate("lmtp-one", "LMTP, 8 connections into one mailbox", "lmtp", 10, best="502 (Dovecot sdbox)"),
    rate("lmtp-1-synced", "LMTP, 1 connection; Dovecot with mail_fsync = always", "lmtp"),
    rate("lmtp-16-synced", "LMTP, 16 connections; Dovecot with mail_fsync = always", "lmtp"),
    rate("lmtp-64-synced", "LMTP, 64 connections; Dovecot with mail_fsync = always", "lmtp"),
    time("indexed", "from the last reply of the fill until the server is at rest, search index built", "mailbox", unit="s"),
    time("select-cold", "SELECT, server restarted, data not in memory", "mailbox", 1, best="4.5 (Dovecot sdbox)"),
    time("select-warm", "SELECT, warm", "mailbox", 1, best="0.5"),
    time("fetch-flags", "FETCH 1:* (FLAGS)", "mailbox", 1.5, best="11 (Dovecot)"),
    time("envelope-first", ENVELOPE + ", first, server restarted, data not in memory", "mailbox", 4, best="200 (Cyrus)"),
    time("envelope-again", ENVELOPE + ", again", "mailbox", 5, best="240 (Cyrus)"),
    time("structure-first", "FETCH 1:* (BODYSTRUCTURE), first, after the first ENVELOPE", "mailbox", 3, best="80 (Cyrus)"),
    time("structure-again", "FETCH 1:* (BODYSTRUCTURE), again", "mailbox", 1.5, best="30 (Dovecot)"),
    time("fetch-headers", HEADERS, "mailbox", 2, best="75"),
    time("fetch-body", "FETCH 1:* BODY.PEEK[], compressed at rest", "mailbox", 1.2, best="410 (Dovecot maildir)"),
    time("fetch-body-raw", "FETCH 1:* BODY.PEEK[], store.compression: none", "mailbox", 2, best="410 (Dovecot maildir)"),
    time("search-subject", "SEARCH SUBJECT", "mailbox", 10, best="58"),
    time("search-body", "SEARCH BODY, a word that is nowhere", "mailbox", 50, best="1,290 (Dovecot maildir)"),
    time("search-rare", "SEARCH BODY, a rare word", "mailbox", 50, best="1,290 (Dovecot maildir)"),
    time("search-body-noindex", "SEARCH BODY, a word that is nowhere, search.index: off", "mailbox", 5, best="1,290 (Dovecot maildir)"),
    time("sort", "SORT (REVERSE DATE) UTF-8 ALL", "mailbox", 3, best="29 (Dovecot maildir)"),
    time("thread", "THREAD REFERENCES UTF-8 ALL", "mailbox", 3, best="70 (Dovecot maildir)"),
    time("store-add", "STORE 1:* +FLAGS (\\Seen)", "mailbox", 1, best="11 (Dovecot)"),
    time("store-remove", "STORE 1:* -FLAGS.SILENT (\\Seen)", "mailbox", 1),
    time("copy", "COPY 1:*", "mailbox", 3, best="240 (Dovecot mdbox)"),
    time("expunge", "EXPUNGE of all", "mailbox", 1.5, best="120 (Dovecot mdbox)"),
    time("delete", "DELETE of the mailbox", "mailbox", 1, best="49"),
    Row("disk", "disk for each octet of mail, all metadata and search index", "", "mailbox", most=0.90, best="1.18 (Dovecot sdbox, no index)"),
    Row("disk-noindex", "disk for each octet of mail, search.index: off", "", "mailbox", most=0.50, best="1.09 (Dovecot mdbox)"),
    rate("pop3-1", "POP3 RETR all, window 1", "pop3", 2, best="7,291 (Dovecot maildir)"),
    rate("pop3-32", "POP3 RETR all, window 32", "pop3", 1.5, best="26,368 (Dovecot maildir)"),
    rate("pop3-dele", "POP3 RETR, DELE, QUIT, window 32", "pop3", 1.5, best="21,299"),
    rate("login-imap", "login, SELECT, logout, 10 connections, passwords verified before (Dovecot: static passdb, hashes nothing)",
         "login", 5, "/s", best="1,256 (Dovecot mdbox)"),
    rate("login-pop3", "login, STAT, quit, 10 connections, passwords verified before (Dovecot: static passdb, hashes nothing)",
         "login", 5, "/s", best="1,283 (Dovecot mdbox)"),
    rate("hashed-imap", "login, SELECT, logout, 10 connections, each hashed afresh (both SCRAM-SHA-256, 15,000 rounds)", "hashed",
         None, "/s"),
    rate("hashed-pop3", "login, STAT, quit, 10 connections, each hashed afresh (the same)", "hashed", None, "/s"),
    Row("idle-1000", "private memory of each of 1,000 idle connections", "KiB", "idle", most=15, best="359 kB (Courier)"),
    Row("idle-10000", "private memory of each of 10,000 idle connections", "KiB", "idle", most=15),
    Row("idle-tls-1000", "private memory of each of 1,000 idle connections, TLS", "KiB", "idle", most=60),
    Row("idle-tls-10000", "private memory of each of 10,000 idle connections, TLS", "KiB", "idle", most=60),
    time("push-p50", "push: LMTP's final reply to EXISTS at an idle client, p50", "push", most=0.3, best="0.36 (Cyrus)"),
    time("push-p99", "push, p99", "push", most=0.5, best="0.54 (Cyrus)"),
    rate("mixed", "mixed load, 16 clients", "mixed", 3, "op/s", best="7,870 (Dovecot sdbox)"),
    time("mixed-select", "… SELECT, p99", "mixed", 1),
    time("mixed-flags", "… FETCH of flags, p99", "mixed", 1),
    time("mixed-envelope", "… FETCH of 20 envelopes, p99", "mixed", 1),
    time("mixed-body", "… FETCH of a body, p99", "mixed", 1),
    time("mixed-store", "… STORE, p99", "mixed", 1),
    time("mixed-append", "… APPEND, p99", "mixed", 1),
    time("mixed-expunge", "… STORE \\Deleted and EXPUNGE of two, p99", "mixed", 1),
    rate("large-lmtp", "50 MB by LMTP", "large", None, "MB/s"),
    rate("large-append", "50 MB by APPEND", "large", None, "MB/s"),
    rate("large-fetch", "50 MB by FETCH, not in memory", "large", None, "MB/s"),
    rate("large-retr", "50 MB by RETR, not in memory", "large", None, "MB/s"),
    Row("large-lmtp-disk", "… LMTP against the disk (write and sync)", "× disk", "large", more=True, least=1),
    Row("large-append-disk", "… APPEND against the disk (write and sync)", "× disk", "large", more=True, least=1),
    Row("large-fetch-disk", "… FETCH against the disk (read)", "× disk", "large", more=True, least=1),
    Row("large-retr-disk", "… RETR against the disk (read)", "× disk", "large", more=True, least=1),
    Row("large-lmtp-memory", "… extra memory, LMTP", "MiB", "large", most=2),
    Row("large-append-memory", "… extra memory, APPEND", "MiB", "large", most=2),
    Row("large-fetch-memory", "… extra memory, FETCH", "MiB", "large", most=2),
    Row("large-retr-memory", "… extra memory, RETR", "MiB", "large", most=2),
    time("million-select", "SELECT of 1,000,000 messages, server restarted, data not in memory", "million", most=100),
    time("million-deliveries", "p99 of other accounts' deliveries during a STORE on 1,000,000 messages", "million", most=50),
]

TABLE = {row.key: row for row in ROWS}
GROUPS = list(dict.fromkeys(row.group for row in ROWS))
