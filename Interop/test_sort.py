"""SORT and THREAD beside Dovecot's, over made mail and all the real mail there is: where they differ, the message shows why
(docs/differences-dovecot.md, "SORT and THREAD")."""

import bisect
import imaplib
import os
import re
import time
import unittest

import dovecot
import harness

SORTS = ("ARRIVAL", "CC", "DATE", "FROM", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO", "REVERSE DATE",
         "REVERSE SUBJECT DATE", "TO REVERSE FROM", "SUBJECT REVERSE DATE", "REVERSE DISPLAYFROM ARRIVAL")
FIELDS = {"CC": b"cc", "DATE": b"date", "FROM": b"from", "SUBJECT": b"subject", "TO": b"to", "DISPLAYFROM": b"from",
          "DISPLAYTO": b"to"}


def fields(message, name):
    """Values of all fields of a name, folds and all."""
    head = message.split(b"\r\n\r\n", 1)[0]
    found = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        given, colon, value = line.partition(b":")
        if colon and given.strip().lower() == name:
            found.append(value)
    return found


def kinds(key, message):
    """Why a message may stand elsewhere by one key; empty where nothing in it explains that."""
    values = fields(message, FIELDS.get(key, b"-"))
    text = b" ".join(values)
    found = set()
    if key == "REFERENCES":
        if any(re.search(rb"\"|<[^>]*<", value) for value in fields(message, b"references")):
            found.add("reference that breaks the grammar")
    elif key == "DATE":
        written = re.search(rb"\d\d?\s+[A-Za-z]{3}[a-z]*\s+(\d{2,4})\s+([01]?\d|2[0-3]):[0-5]\d(:\d\d)?\s+"
                            rb"([+-](\d\d)[0-5]\d|(?![AP]M)[A-Z]{1,3})\s*(\(.*\)\s*)?$", text.strip(), re.S)
        if not written or len(values) > 1:
            found.add("date that breaks the grammar")
        elif len(written[1]) == 4 and not 1970 <= int(written[1]) < 2038:
            found.add("year beyond 32 bits")
        elif int(written[5] or 0) > 14:
            found.add("zone that no place has")
    elif key in FIELDS:
        if re.search(rb"[\x80-\xff]", text):
            found.add("octets of no known charset")
        if re.search(rb"=\?", text):
            found.add("encoded words")
        if key.startswith("DISPLAY") and re.search(rb"\"[ \t]|[ \t]\"|[ \t]{2}|\r\n|\"\"", text):
            found.add("blanks in a name")
        if re.search(rb"[\"(\\<@]", text) and not re.fullmatch(
                rb"\s*(\"[^\"\\]*\"|[^\"(),:;<>@\\]*)\s*<[^\s\"()<>@,;:\\]+@[^\s\"()<>@,;:\\]+>\s*", text):
            found.add("address out of the ordinary")
        if len(values) > 1:
            found.add("field twice")
    return found


def ask(connection, command):
    """The numbers or threads of a SORT or THREAD."""
    name, _, arguments = command.partition(" ")
    status, said = connection.xatom(name, arguments)
    assert status == "OK", (command, said)
    return (connection.response(name)[1] or [b""])[-1] or b""


def numbers(answer):
    return [int(word) for word in answer.split()]


def moved(mine, theirs):
    """The fewest messages without which both orders are the same."""
    place = {number: index for index, number in enumerate(theirs)}
    ends, where, before = [], [], []
    for index, number in enumerate(mine):
        length = bisect.bisect_left(ends, place[number])
        ends[length:length + 1] = [place[number]]
        where[length:length + 1] = [index]
        before.append(where[length - 1] if length else -1)
    kept, index = set(), where[-1] if where else -1
    while index >= 0:
        kept.add(index)
        index = before[index]
    return [number for index, number in enumerate(mine) if index not in kept]


def threads(answer):
    """A THREAD answer's top-level threads, each by the messages in it."""
    found, depth, start = [], 0, 0
    for place, octet in enumerate(answer):
        if octet == 0x28:
            if depth == 0:
                start = place
            depth += 1
        elif octet == 0x29:
            depth -= 1
            if depth == 0:
                found.append(answer[start:place + 1])
    return found


def letter(number, subject="", more=""):
    return (f"From: {'bcad'[number % 4]}{number % 7}@example.org\r\nTo: {'YxZ'[number % 3]} <{number % 5}@example.org>\r\n"
            f"Subject: {subject}\r\nDate: Mon, 02 Nov 2026 {number * 7 % 24:02}:{number % 3:02}:00 +0{number % 9}00\r\n"
            f"Message-ID: <{number}@made>\r\n{more}\r\n{number}\r\n").encode()


def made():
    """Threads and subjects of every kind."""
    subjects = ["makan", "Re: makan", "[kabar] Makan", "makan (fwd)", "[Fwd: makan]", "Re[2]: makan", "=?utf-8?q?r=C3=A9sum=C3=A9?=",
                "=?utf-8?q?R=C3=89SUM=C3=89?=", "Fw: [x] Re: lain", "lain", "LAIN", "", "Re:", "[x]"]
    result = []
    for number in range(120):
        references = ""
        if number % 4 == 1:
            references = f"In-Reply-To: <{number * 3 % 120}@made> ana@example.org\r\n"
        elif number % 4 == 2:
            references = f"References: <{number // 2}@made> <gone{number % 6}@made>\r\n <\"{number - 1}\"@made>\r\n"
        elif number % 8 == 3:
            references = f"References: <gone{number % 6}@made> <{number}@made> <gone{number % 5}@made>\r\n"
        result.append(letter(number, subjects[number * 5 % len(subjects)], references))
    result += [letter(5, "makan"), letter(5, "makan"), result[7].replace(b"Message-ID", b"X-Message-ID")]
    return result


class Beside(unittest.TestCase):
    def compare(self, mail, real):
        with harness.Server() as server, dovecot.Dovecot() as peer:
            server.add_account("budi")
            server.deliver("budi", mail)
            peer.fill("budi", mail)
            # INTERNALDATE is the time of the file: one after the other, as here.
            now = time.time()
            for number, path in enumerate(sorted((peer.mail / "budi" / "cur").iterdir())):
                os.utime(path, (now + number / 1000, now + number / 1000))
            both = []
            for port, password in ((server.ports["imap"], harness.PASSWORD), (peer.port, "pass")):
                connection = imaplib.IMAP4("127.0.0.1", port)
                connection.login("budi", password)
                connection.select("INBOX", readonly=True)
                both.append(connection)
            for keys in SORTS:
                with self.subTest(keys):
                    self.compare_sort(keys, mail, *(numbers(ask(c, f"SORT ({keys}) UTF-8 ALL")) for c in both), real)
            sizes = [int(re.search(rb"RFC822.SIZE (\d+)", line)[1]) for line in both[0].fetch("1:*", "(RFC822.SIZE)")[1]]
            self.assertEqual(numbers(ask(both[0], "SORT (REVERSE SIZE) UTF-8 ALL")),
                             sorted(range(1, len(mail) + 1), key=lambda number: -sizes[number - 1]))
            for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
                with self.subTest(algorithm):
                    self.compare_threads(mail, *(ask(c, f"THREAD {algorithm} UTF-8 ALL") for c in both), real)
            for search in ("SUBJECT makan", "1:50 NOT FROM b", "SENTSINCE 1-Jan-2003"):
                with self.subTest(search):
                    mine = numbers(ask(both[0], f"SORT (ARRIVAL) UTF-8 {search}"))
                    self.assertEqual(mine, numbers(both[0].search(None, search)[1][0]))

    def compare_sort(self, keys, mail, mine, theirs, real):
        self.assertEqual(sorted(mine), list(range(1, len(mail) + 1)))
        self.assertEqual(sorted(mine), sorted(theirs))
        away = moved(mine, theirs)
        print(f"  SORT ({keys}): {len(away)} of {len(mail)} stand elsewhere")
        if not real:
            self.assertEqual(mine, theirs)
        # A message with a key of its own kind moves past ordinary ones: either of two may be called the one that moved.
        odd = {number for number in mine if any(kinds(key, mail[number - 1]) for key in keys.split() if key != "REVERSE")}
        plain = ([number for number in mine if number not in odd], [number for number in theirs if number not in odd])
        for number in moved(*plain)[:10]:
            print("    UNEXPLAINED", number, [fields(mail[number - 1], FIELDS.get(key, b"-")) for key in keys.split()])
        self.assertEqual(*plain)
        self.assertLess(len(away), 1 + len(mail) // 12)

    def compare_threads(self, mail, mine, theirs, real):
        ours, others = set(threads(mine)), set(threads(theirs))
        self.assertEqual(sorted(map(int, re.findall(rb"\d+", mine))), list(range(1, len(mail) + 1)))
        print(f"  {len(ours)} threads, {len(ours - others)} are others there")
        if not real:
            self.assertEqual(mine, theirs)
        unexplained = []
        for thread in ours - others:
            members = set(re.findall(rb"\d+", thread))
            for other in others - ours:
                if not members.isdisjoint(found := set(re.findall(rb"\d+", other))):
                    members |= found
            messages = [mail[int(number) - 1] for number in members]
            if not any(kinds(key, message) for key in ("SUBJECT", "DATE", "REFERENCES") for message in messages):
                unexplained.append(thread)
        for thread in unexplained[:10]:
            print("   ", thread)
        self.assertEqual(unexplained, [])

    def test_made(self):
        """Made mail: every answer is the same"""
        self.compare(made(), real=False)

    @unittest.skipUnless(harness.corpus(), "no corpus beside the project")
    def test_corpus(self):
        """Real mail: ordinary messages stand in the same order, threads of ordinary messages are the same"""
        self.compare([harness.line_ends(raw) for _, raw in harness.corpus()], real=True)


if __name__ == "__main__":
    unittest.main()
