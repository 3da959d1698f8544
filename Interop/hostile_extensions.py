"""What the extensions of IMAP let one client ask for with few octets: as much as the limits allow, and a little more. Each of
ATTACKS is done by several sessions at once, with as much as its Stage has; it returns what there is to say, and throws where
an answer was not what it should be. test_hostile.py does them small, campaign_hostile.py large."""

import socket
import threading
import zlib

import siege
from harness import PASSWORD
from lines import IMAP, Peer

#: Sessions of one attack.
SESSIONS = 8
LETTER = b"From: a@example.org\r\nSubject: kecil\r\n\r\nisi\r\n"


def at_once(works, meeting=None):
    """Side by side; the first thing that went wrong is thrown when all have ended. `meeting`: a barrier that nobody waits at any
    more when something has."""
    trouble = []

    def run(work):
        try:
            work()
        except Exception as error:  # thrown again below
            trouble.append(error)
            if meeting:
                meeting.abort()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


class Stage:
    """An account with `mailboxes` mailboxes below `pohon`, and in `Besar` `messages` messages that refer to one another."""

    def __init__(self, server, account, messages, mailboxes):
        self.server, self.account = server, account
        self.messages, self.mailboxes = messages, mailboxes
        with self.session(None) as peer:
            for start in range(0, mailboxes, 50):
                numbers = range(start, min(start + 50, mailboxes))
                peer.send(b"".join(b"c%d CREATE pohon/k%d\r\n" % (n, n) for n in numbers))
                for n in numbers:
                    self.good(peer.answer(f"c{n}")[0])
            self.good(peer.command("CREATE Besar")[0])
            self.good(peer.command("CREATE Tempat")[0])
            for start in range(0, messages, 500):
                texts = [self.message(n) for n in range(start, min(start + 500, messages))]
                peer.send(b"fill APPEND Besar" + b"".join(b" {%d+}\r\n%s" % (len(text), text) for text in texts) + b"\r\n")
                self.good(siege.drain(peer, b"fill")[0])

    @staticmethod
    def message(n):
        """One thread as deep as there are messages, which ends in loops; subjects of which little is left when what SORT leaves
        out is left out."""
        if n % 50 == 49:
            references = b"\r\n ".join(b"<%d@a.example>" % (n + 1 - k) for k in range(99))
            subject = b"Re: " * 150 + b"[fwd: " * 150 + b"sama" + b"]" * 150 + b" (fwd)" * 50
        else:
            references, subject = b"<%d@a.example>" % (n - 1), b"Re: sama"
        return (b"From: \"%d\" <a%d@a.example>\r\nTo: b@a.example\r\nSubject: %s\r\nMessage-ID: <%d@a.example>\r\n"
                b"References: %s\r\n\r\nisi %d\r\n" % (n, n % 97, subject, n, references, n))

    @staticmethod
    def good(answer, *also):
        """`also`: beginnings of other answers that are right."""
        if not answer.startswith((b"OK", *also)):
            raise RuntimeError(answer[:300])

    def session(self, mailbox="Besar"):
        peer = IMAP(self.server.ports["imap"], timeout=600)
        self.good(peer.login(self.account, PASSWORD)[0])
        if mailbox:
            self.good(peer.command(f"SELECT {mailbox}")[0])
        return peer

    def ask(self, commands, mailbox="Besar", sessions=SESSIONS, also=()):
        """Each command by one session after the other, all sessions at once, each beginning elsewhere. Octets answered."""
        octets = [0]

        def run(number):
            with self.session(mailbox) as peer:
                for turn in range(len(commands)):
                    tag = b"t%d" % turn
                    peer.send(tag + b" " + commands[(number + turn) % len(commands)] + b"\r\n")
                    answer, read = siege.drain(peer, tag)
                    octets[0] += read
                    self.good(answer, *also)

        at_once([lambda n=n: run(n) for n in range(sessions)])
        return octets[0]

    def expect(self, command, beginning):
        """What is beyond a limit."""
        with self.session() as peer:
            peer.send(b"x " + command + b"\r\n")
            answer = siege.drain(peer, b"x")[0]
            if not answer.startswith(beginning):
                raise RuntimeError((command[:100], answer[:300]))


def esearch(stage):
    """ESEARCH over all mailboxes at once."""
    names = b" ".join(b"pohon/k%d" % n for n in range(min(stage.mailboxes, 1990)))
    octets = stage.ask((
        b"ESEARCH IN (personal) RETURN (COUNT MIN MAX ALL) TEXT tidakada",
        b"ESEARCH IN (mailboxes (" + names + b") subtree (" + names + b")) UNSEEN",
        b"ESEARCH IN (subtree-one (" + names + b") subtree pohon personal subscribed inboxes) RETURN (COUNT) HEADER X-Lain lain",
        b"ESEARCH IN (personal) RETURN (ALL RELEVANCY) FUZZY TEXT isi",
    ), mailbox=None)
    return f"{4 * SESSIONS} searches of {stage.mailboxes} mailboxes, {octets / 1e6:.1f} MB answered"


def contexts(stage):
    """As many searches as may be are kept up to date in every session, while flags change without end."""
    refused, told, over = [0], [0], threading.Event()
    ready = threading.Barrier(SESSIONS + 1)

    def keep(number):
        with stage.session() as peer:
            for n in range(20):
                peer.send(b"u%d UID SORT RETURN (UPDATE ALL) (SUBJECT FROM TO) UTF-8 NOT KEYWORD k%d\r\n" % (n, n))
                while not (line := peer.response()).startswith(b"u%d " % n):
                    refused[0] += b"NOUPDATE" in line
                stage.good(line[line.index(b" ") + 1:])
            ready.wait()
            while not over.is_set():
                answer, lines = peer.command("NOOP")
                stage.good(answer)
                told[0] += sum(map(len, lines))

    def change():
        ready.wait()
        try:
            with stage.session() as peer:
                for turn in range(10):
                    some = b"%d:%d" % (turn * 7 + 1, min(turn * 7 + 1900, stage.messages))
                    words = b" ".join(b"k%d" % n for n in range(20))
                    for sign in (b"+", b"-"):
                        peer.send(b"s UID STORE " + some + b" " + sign + b"FLAGS.SILENT (" + words + b")\r\n")
                        stage.good(siege.drain(peer, b"s")[0])
        finally:
            over.set()

    at_once([lambda n=n: keep(n) for n in range(SESSIONS)] + [change], ready)
    if refused[0] < 4 * SESSIONS:
        raise RuntimeError(f"only {refused[0]} searches were refused UPDATE")
    return f"{20 * SESSIONS - refused[0]} searches kept up to date, {refused[0]} refused, {told[0] / 1e6:.1f} MB told"


def filters(stage):
    """Filters within filters: eight deep, a hundred of them, in a circle, and with as many criteria as may be."""
    with stage.session() as peer:
        entries = {"f0": "OR SEEN UNSEEN " * 640 + "ALL", "f": "OR SEEN UNSEEN " * 20 + "ALL", "satu": "OR KEYWORD a OR KEYWORD b UNKEYWORD c", "kiri": "FILTER kanan",
                   "kanan": "FILTER kiri", "d0": "ALL", "teks": "TEXT tidakada " * 20 + "ALL"}
        entries.update((f"f{n}", f"FILTER f{n - 1} FILTER f{n - 1}" if n > 1 else "FILTER f FILTER f") for n in range(1, 8))
        entries.update((f"d{n}", f"NOT FILTER d{n - 1}") for n in range(1, 9))
        for name, value in entries.items():
            literal = b"{%d+}\r\n%s" % (len(value), value.encode())
            stage.good(peer.command(b'SETMETADATA "" (/private/filters/values/%s %s)' % (name.encode(), literal))[0])
    stage.expect(b"SEARCH FILTER kiri", b"NO [UNDEFINED-FILTER kiri]")
    stage.expect(b"SEARCH FILTER d8", b"NO [UNDEFINED-FILTER d0]")
    stage.expect(b"SEARCH FILTER f7", b"NO [LIMIT]")
    stage.expect(b"SEARCH FILTER f0 FILTER f0", b"NO [LIMIT]")
    stage.expect(b"SEARCH" + b" FILTER satu" * 101, b"NO [LIMIT]")
    stage.expect(b"SEARCH" + b" FILTER teks" * 6, b"NO [LIMIT]")
    octets = stage.ask((
        b"SEARCH FILTER d7", b"SEARCH RETURN (COUNT) FILTER f4", b"SEARCH RETURN (COUNT) FILTER f0",
        b"SEARCH RETURN (COUNT)" + b" FILTER satu" * 100, b"SORT RETURN (COUNT) (ARRIVAL) UTF-8 FILTER f4",
        b"SEARCH RETURN (COUNT) FILTER teks",
    ))
    return f"{6 * SESSIONS} searches by filters within filters, {octets / 1e6:.1f} MB answered"


def catenate(stage):
    """One message, a thousand times over, becomes one; and more than a message may have."""
    with stage.session() as peer:
        text = LETTER + (b"m" * 76 + b"\r\n") * (stage.messages * 30 // 780)
        peer.send(b"a APPEND Tempat {%d+}\r\n%s\r\n" % (len(text), text))
        answer = siege.drain(peer, b"a")[0]
        stage.good(answer)
        uid = answer.split()[3].rstrip(b"]")
    url = b'URL "/Tempat/;UID=%s"' % uid
    stage.ask((b"APPEND Tempat CATENATE (" + b" ".join([url] * 1000) + b")",), mailbox=None, sessions=4)
    stage.expect(b"APPEND Tempat CATENATE (" + b" ".join([url] * 1001) + b")", b"NO [LIMIT]")
    stage.expect(b"APPEND Tempat " + b" ".join([b'CATENATE (URL "/Besar/;UID=1/;SECTION=TEXT")'] * 1001), b"NO [MESSAGELIMIT")
    stage.expect(b"APPEND Tempat CATENATE (" + b" ".join(b'URL "/pohon/k%d/;UID=1"' % n for n in range(200)) + b")",
                 b"NO [BADURL /pohon/k0/;UID=1]")
    with stage.session("Tempat") as peer:
        sizes = [int(line.split()[-1].rstrip(b")")) for line in peer.command("FETCH 1:* RFC822.SIZE")[1]]
        if sizes.count(1000 * len(text)) != 4:
            raise RuntimeError(sizes)
        stage.good(peer.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")[0])
        stage.good(peer.command("EXPUNGE")[0])
    return f"four messages of {1000 * len(text) / 1e6:.0f} MB out of a thousand pieces each"


def notify(stage):
    """Sessions that want to be told of everything in all mailboxes, half of which read nothing, while all names change."""
    events = b"(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange)"
    told, over, deaf = [0], threading.Event(), []
    ready = threading.Barrier(SESSIONS + 1)
    for _ in range(SESSIONS):
        peer = stage.session()
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.send(b"d NOTIFY SET STATUS (personal " + events + b")\r\n")
        deaf.append(peer)

    def listen(number):
        with stage.session() as peer:
            selected = b"(selected (MessageNew (UID ENVELOPE) MessageExpunge FlagChange))"
            stage.good(peer.command(b"NOTIFY SET STATUS " + selected + b" (personal " + events + b")")[0])
            ready.wait()
            while not over.is_set():
                # Too much at once ends it: ask again.
                for command in (b"NOOP", b"NOTIFY SET (personal " + events + b")"):
                    answer, lines = peer.command(command)
                    stage.good(answer)
                    told[0] += sum(map(len, lines))

    def change():
        ready.wait()
        try:
            with stage.session(None) as peer:
                for turn in range(6):
                    for command in (b"RENAME pohon hutan", b"SUBSCRIBE hutan/k%d" % turn, b"RENAME hutan pohon", b"CREATE baru",
                                    b"SETMETADATA pohon/k%d (/shared/comment \"a\")" % turn, b"SETACL pohon/k%d anyone lr" % turn,
                                    b"DELETEACL pohon/k%d anyone" % turn, b"DELETE baru"):
                        stage.good(peer.command(command)[0])
                    some = range(0, stage.mailboxes, 2) if turn < 2 else ()
                    for word in (b"SUBSCRIBE", b"UNSUBSCRIBE"):
                        peer.send(b"".join(b"s %s pohon/k%d\r\n" % (word, n) for n in some) + b"z NOOP\r\n")
                        stage.good(siege.drain(peer, b"z")[0])
        finally:
            over.set()

    at_once([lambda n=n: listen(n) for n in range(SESSIONS)] + [change], ready)
    for peer in deaf:
        peer.close()
    return f"{12 * stage.mailboxes} names changed before {2 * SESSIONS} sessions, {told[0] / 1e6:.2f} MB told"


def order(stage):
    """SORT and THREAD of a mailbox that was made to be one deep thread with loops in it."""
    octets = stage.ask((
        b"THREAD REFERENCES UTF-8 ALL", b"UID THREAD ORDEREDSUBJECT UTF-8 ALL",
        b"SORT (SUBJECT REVERSE FROM TO CC DISPLAYFROM DISPLAYTO DATE SIZE ARRIVAL) UTF-8 ALL",
        b"UID SORT RETURN (ALL COUNT MIN MAX) (" + b"REVERSE SUBJECT " * 1900 + b"DATE) UTF-8 NOT TEXT tidakada",
        b"SORT RETURN (PARTIAL 1:10) (REVERSE RELEVANCY) UTF-8 FUZZY TEXT sama",
        b"SEARCH RETURN (ALL RELEVANCY) " + b"FUZZY TEXT isi " * 5 + b"FUZZY SUBJECT \"" + b"sa " * 1300 + b"\"",
    ))
    words = b"ab " * 80_000
    stage.expect(b"SEARCH NOT FUZZY SUBJECT {%d+}\r\n%s" % (len(words), words), b"NO [LIMIT]")
    return f"{6 * SESSIONS} orders of {stage.messages} messages, {octets / 1e6:.0f} MB answered"


def inflate(stage):
    """A few octets that inflate to very many: a line, commands, a message."""
    count, thousands = stage.messages * 10, stage.messages // 27 + 1
    answered, ended = [0], [0]

    def pack(text, times):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return b"".join([packer.compress(text) for _ in range(times)] + [packer.flush(zlib.Z_SYNC_FLUSH)])

    bombs = (
        pack(b"x" * (1 << 20), 400),
        pack(b"n NOOP\r\n" * 1000, count // 1000) + pack(b"z NOOP\r\n", 1),
        pack(b"m APPEND Tempat {%d+}\r\n" % (76_000 * thousands), 1) + pack((b"A" * 74 + b"\r\n") * 1000, thousands)
        + pack(b"\r\n", 1),
        pack(b"b APPEND Tempat {18446744073709551615+}\r\n", 1) + pack(b"\0" * (1 << 20), 400),
    )

    def run(number):
        with stage.session(None) as peer:
            stage.good(peer.compress()[0])
            wire = peer.socket.inner

            def send():
                try:
                    wire.sendall(bombs[number % len(bombs)])
                except OSError:
                    pass

            sender = threading.Thread(target=send)
            sender.start()
            octets, tail = 0, b""
            try:
                while b"z OK" not in tail and b"BYE" not in tail and b"m OK" not in tail and b"b BAD" not in tail:
                    piece = peer.socket.recv(1 << 16)
                    if not piece:
                        break
                    octets, tail = octets + len(piece), tail[-512:] + piece
            except OSError:
                pass
            answered[0] += octets
            ended[0] += b"BYE" in tail
            peer.close()
            sender.join()

    at_once([lambda n=n: run(n) for n in range(SESSIONS)])
    with stage.session("Tempat") as peer:
        peer.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        peer.command("EXPUNGE")
    if ended[0] < SESSIONS // 4:
        raise RuntimeError(f"only {ended[0]} bombs ended their connection")
    return (f"{sum(map(len, bombs)) / 1e6:.1f} MB that inflate to 0.9 GB, twice; {ended[0]} of {SESSIONS} connections ended, "
            f"{answered[0] / 1e6:.1f} MB answered")


def metadata(stage):
    """As many annotations as may be, asked for over and over, in LIST as well; more of them are refused."""
    with stage.session() as peer:
        value = b"{4600+}\r\n" + b"v" * 4600
        for start in range(0, 190, 10):
            some = b" ".join(b"/private/comment/n%d %s" % (n, value) for n in range(start, start + 10))
            stage.good(peer.command(b"SETMETADATA Besar (" + some + b")")[0])
    stage.expect(b"SETMETADATA Besar (" + b" ".join(b'/private/comment/m%d "x"' % n for n in range(20)) + b")",
                 b"NO [METADATA TOOMANY]")
    stage.expect(b"SETMETADATA Besar (/private/comment {65537+}\r\n" + b"x" * 65537 + b")", b"NO [METADATA MAXSIZE")
    stage.expect(b"SETMETADATA Besar (/private/" + b"x/" * 200 + b"x \"a\")", b"BAD")
    names = b" ".join(b"/private/comment/n%d" % (n % 190) for n in range(1900))
    octets = stage.ask((
        b"GETMETADATA (DEPTH infinity) Besar (/private /shared)", b"GETMETADATA Besar (" + names + b")",
        b"GETMETADATA (MAXSIZE 1 DEPTH infinity) Besar (" + names + b")",
        b'LIST "" * RETURN (METADATA (' + names + b") STATUS (MESSAGES UNSEEN SIZE) MYRIGHTS SUBSCRIBED)",
    ), mailbox=None)
    return f"{4 * SESSIONS} questions for 190 annotations, {octets / 1e6:.0f} MB answered"


def urls(stage):
    """A hundred URLs in one command, forged ones and good ones of the same message."""
    with stage.session(None) as peer:
        text = LETTER + (b"u" * 76 + b"\r\n") * 3000
        peer.send(b"a APPEND Tempat {%d+}\r\n%s\r\n" % (len(text), text))
        answer = siege.drain(peer, b"a")[0]
        stage.good(answer)
        url = b"imap://%s@x/Tempat/;UID=%s;URLAUTH=authuser" % (stage.account.encode(), answer.split()[3].rstrip(b"]"))
        made = peer.command(b'GENURLAUTH "%s" INTERNAL' % url)
        stage.good(made[0])
        good = made[1][0].split(b'"')[1]
    forged = b" ".join(b'"%s:internal:01%064x"' % (url, n) for n in range(100))
    octets = stage.ask((b"URLFETCH " + b" ".join([b'"%s"' % good] * 100), b"URLFETCH " + forged,
                        b"GENURLAUTH " + b" ".join([b'"%s" INTERNAL' % url] * 100), b"RESETKEY Besar"), mailbox=None)
    stage.expect(b"URLFETCH " + b" ".join([b'"x"'] * 101), b"BAD [LIMIT]")
    return f"{4 * SESSIONS} commands of a hundred URLs, {octets / 1e6:.0f} MB answered"


def rights(stage):
    """Rights given and taken without end, to and from everybody, names that are nobody's among them."""
    turns = stage.messages // 1000 + 1

    def run(number):
        with stage.session() as peer:
            for turn in range(turns):
                peer.send(b"".join(
                    b"r SETACL Besar anyone lrswite\r\nr SETACL Besar -anyone r\r\nr DELETEACL Besar -anyone\r\n"
                    b"r SETACL Besar tiada%d lr\r\nr LISTRIGHTS Besar tiada%d\r\n" % (n, n) for n in range(10))
                    + b"z GETACL Besar\r\n")
                stage.good(siege.drain(peer, b"z")[0])

    at_once([lambda n=n: run(n) for n in range(SESSIONS)])
    return f"{turns * 51 * SESSIONS} commands about rights by {SESSIONS} sessions"


#: In this order: what the first ones leave behind is there for the others.
ATTACKS = (esearch, contexts, filters, order, metadata, urls, rights, catenate, notify, inflate)
