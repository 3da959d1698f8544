"""SORT and THREAD beside Dovecot's: made mail, and all the real mail there is."""

import bisect
import imaplib
import re
import unittest

import dovecot
import harness

SORTS = ("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO", "REVERSE DATE",
         "REVERSE SUBJECT DATE", "TO REVERSE FROM SIZE", "SUBJECT REVERSE DATE")


def ask(connection, command):
    """The numbers or threads of a SORT or THREAD."""
    name = command.split()[0]
    status, _ = connection.xatom(name, command[len(name) + 1:])
    assert status == "OK", command
    return (connection.response(name)[1] or [b""])[-1] or b""


def connected(port, name, password):
    connection = imaplib.IMAP4("127.0.0.1", port)
    connection.login(name, password)
    return connection


def main():
    import sys
    with harness.Server() as server, dovecot.Dovecot() as peer:
        server.add_account("budi")
        mail = [(name, harness.line_ends(raw)) for name, raw in harness.corpus()]
        a, b = connected(server.ports["imap"], "budi", harness.PASSWORD), connected(peer.port, "budi", "pass")
        for c in (a, b):
            for number, (_, message) in enumerate(mail):
                c.append("INBOX", None, f'"{1 + number % 28:2}-Feb-2031 10:00:{number % 60:02} +0000"', message)
            c.select("INBOX", readonly=True)
        for keys in SORTS:
            x = list(map(int, ask(a, f"SORT ({keys}) UTF-8 ALL").split()))
            y = list(map(int, ask(b, f"SORT ({keys}) UTF-8 ALL").split()))
            if x != y:
                place = {n: i for i, n in enumerate(y)}
                seq = [place[n] for n in x]
                tails, idx, prev = [], [], [-1] * len(seq)
                for i, v in enumerate(seq):
                    k = bisect.bisect_left(tails, v)
                    if k == len(tails):
                        tails.append(v); idx.append(i)
                    else:
                        tails[k] = v; idx[k] = i
                    prev[i] = idx[k - 1] if k else -1
                keep, i = set(), idx[-1]
                while i >= 0:
                    keep.add(i); i = prev[i]
                moved = [x[i] for i in range(len(x)) if i not in keep]
                print(keys, "moved", len(moved))
                for n in moved[:40]:
                    m = mail[n - 1][1]
                    h = m.split(b"\r\n\r\n")[0]
                    print("   ", n, mail[n - 1][0], [l[:200] for l in re.split(rb"\r\n(?![ \t])", h) if l.lower().startswith((b"subject:", b"date:", b"from:", b"to:", b"cc:"))])
            else:
                print(keys, "same", len(x))
        for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
            x, y = ask(a, f"THREAD {algorithm} UTF-8 ALL"), ask(b, f"THREAD {algorithm} UTF-8 ALL")
            open(f"/tmp/thread-{algorithm}-ours", "wb").write(x)
            open(f"/tmp/thread-{algorithm}-theirs", "wb").write(y)
            print(algorithm, x == y, len(x), len(y))


if __name__ == "__main__":
    main()
