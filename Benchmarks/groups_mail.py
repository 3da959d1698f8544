"""Rows about mail coming in and about one large mailbox."""

from bench import ACCOUNTS, DELIVERIES, MESSAGES, QUICK, REPEATS, AGAINST, say
from peer_dovecot import Dovecot
from peers import Merpati, knows
from rows import ENVELOPE, HEADERS

LOOPBACK = "127.0.0.1"


def lmtp(bench):
    """Deliveries into many accounts, and into one mailbox."""
    many = [f"u{n}" for n in range(1, ACCOUNTS + 1)]
    ones = [f"one{n}x1" for n in range(1, REPEATS + 1)]
    synced = [] if AGAINST or QUICK else [Dovecot("synced", settings={"mail_fsync": "always"})]
    with bench.servers(*synced, accounts=many + ones) as peers:
        for connections in (1, 16, 64):
            if not (bench.wants(f"lmtp-{connections}") or bench.wants(f"lmtp-{connections}-synced")):
                continue
            for _, peer in bench.turns(peers):
                key = f"lmtp-{connections}"
                result = deliver(bench, peer, key, connections, DELIVERIES, "u%d", ACCOUNTS)
                if peer.name == "synced":
                    bench.note(peer, key + "-synced", result["per_second"], result, result["messages"], name="dovecot")
                    continue
                bench.note(peer, key, result["per_second"], result, result["messages"])
                if synced and peer.name == "merpati":
                    bench.note(peer, key + "-synced", result["per_second"], result, result["messages"])
        if bench.wants("lmtp-one"):
            for repeat, peer in bench.turns(peers[:2], 1 if QUICK else REPEATS):
                result = deliver(bench, peer, "lmtp-one", 8, MESSAGES, f"one{repeat + 1}x%d", 1)
                bench.note(peer, "lmtp-one", result["per_second"], result, result["messages"])


def deliver(bench, peer, key, connections, count, users, accounts):
    """One repetition. What the server puts off (Merpati: its search index) is waited for, so that it falls into no other one, and
    is said beside the row."""
    index = peer.thread_cpu("store-search")
    result = bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, connections, count, users, accounts, bench.pack)
    meanwhile = peer.thread_cpu("store-search") - index
    lag = peer.rest(60)
    if peer.name == "merpati":
        after = peer.thread_cpu("store-search") - index - meanwhile
        bench.indexing.setdefault(key, []).append((meanwhile, after, lag))
        shown = [sorted(values)[len(values) // 2] for values in zip(*bench.indexing[key])]
        bench.remarks[key] = (f"search index: {shown[0]:.2f} s of CPU meanwhile and {shown[1]:.2f} s after, done "
                              f"{shown[2]:.1f} s behind the last reply")
    return result


class Answers:
    """What of an answer two servers must agree on. Sizes differ by the header lines each server puts in front."""
    exists = staticmethod(lambda r: r["exists"])
    fetched = staticmethod(lambda r: r["fetched"])
    numbers = staticmethod(lambda r: r["numbers"])
    expunged = staticmethod(lambda r: r["expunged"])


def warm_commands(bench, repeat, sorts, threads):
    subject, rare = ("linux", "giraffe") if bench.has_corpus else ("merpati", "perahu angin laut")
    gone = f"Copies{repeat}"
    also = f"More{repeat}"
    commands = [("select-warm", "SELECT INBOX", Answers.exists)] * 11 if bench.wants("select-warm") else []
    commands += [
        (None, "SELECT INBOX", None),
        ("fetch-flags", "FETCH 1:* (FLAGS)", Answers.fetched),
        ("envelope-again", ENVELOPE, Answers.fetched),
        ("structure-again", "FETCH 1:* (BODYSTRUCTURE)", Answers.fetched),
        ("fetch-headers", HEADERS, Answers.fetched),
        ("fetch-body", "FETCH 1:* BODY.PEEK[]", Answers.fetched),
        ("search-subject", f"SEARCH SUBJECT {subject}", Answers.numbers),
        ("search-body", "SEARCH BODY xylophone", Answers.numbers),
        ("search-rare", f'SEARCH BODY "{rare}"', Answers.numbers),
    ]
    if sorts:
        commands.append(("sort", "SORT (REVERSE DATE) UTF-8 ALL", Answers.numbers))
    if threads:
        commands.append(("thread", "THREAD REFERENCES UTF-8 ALL", Answers.numbers))
    commands += [
        ("store-add", "STORE 1:* +FLAGS (\\Seen)", Answers.fetched),
        ("store-remove", "STORE 1:* -FLAGS.SILENT (\\Seen)", None),
    ]
    if any(bench.wants(key) for key in ("copy", "expunge", "delete")):
        commands += [
            (None, f"CREATE {gone}", None), ("copy", f"COPY 1:* {gone}", None), (None, f"SELECT {gone}", Answers.exists),
            (None, "STORE 1:* +FLAGS.SILENT (\\Deleted)", None), ("expunge", "EXPUNGE", Answers.expunged),
            (None, f"CREATE {also}", None), (None, "SELECT INBOX", None), (None, f"COPY 1:* {also}", None),
            ("delete", f"DELETE {also}", None), (None, f"DELETE {gone}", None),
        ]
    return commands


def run_commands(bench, peer, commands):
    commands = [c for c in commands if c[0] is None or bench.wants(c[0])]
    results = bench.imap(peer, "box1", [command for _, command, _ in commands])
    selects = []
    for (key, _, answer), result in zip(commands, results):
        if key is None:
            continue
        if key == "select-warm":
            selects.append(result)
            continue
        bench.note(peer, key, result["seconds"] * 1000, result, answer(result) if answer else None)
        if key == "fetch-body":
            check_size(bench, peer, result)
            if not AGAINST and peer.name == "dovecot":
                bench.note(peer, "fetch-body-raw", result["seconds"] * 1000, result, result["fetched"])
        if key == "search-body" and peer.name == "dovecot":
            bench.note(peer, "search-body-noindex", result["seconds"] * 1000, result, result["numbers"])
    if selects:
        middle = sorted(selects, key=lambda r: r["seconds"])[len(selects) // 2]
        bench.note(peer, "select-warm", middle["seconds"] * 1000, middle, middle["exists"])


def check_size(bench, peer, result):
    """Every octet that was delivered comes back, and no more than the header lines of the delivery on top."""
    sent = sum(len(bench.mail[i % len(bench.mail)]) for i in range(MESSAGES))
    if not sent <= result["literals"] <= sent + 1000 * MESSAGES:
        raise RuntimeError(f"{peer.name}: BODY.PEEK[] of all gave {result['literals']:,} octets of {sent:,}")


def fill(bench, peer):
    """Returns the CPU seconds of the fill and of what the server does until it is at rest."""
    cpu = peer.cpu_seconds()
    bench.run(peer, "lmtp", LOOPBACK, peer.lmtp, 8, MESSAGES, "box%d", 1, bench.pack)
    seconds = peer.rest()
    if peer.name in bench.names:
        bench.note(peer, "indexed", seconds)
    return peer.cpu_seconds() - cpu


def mailbox(bench):
    """One mailbox of MESSAGES messages. Beside the two servers, two more of Merpati: bytes kept raw; no search index."""
    extra = []
    if not AGAINST:
        if bench.wants("fetch-body-raw"):
            extra.append(Merpati("raw", settings={"store.compression": "none"}))
        if bench.wants("search-body-noindex") or bench.wants("disk-noindex"):
            if knows("search.index"):
                extra.append(Merpati("noindex", settings={"search.index": "off"}))
            else:
                bench.remark("search-body-noindex", "this server has no search index: see the row above")
                bench.remark("disk-noindex", "this server has no search index: see the row above")
    with bench.servers(*extra, accounts=["box1"]) as peers:
        before, spent = {}, {}
        for peer in peers:
            with bench.turn(peer, peers):
                before[peer] = peer.disk()
                say(f" filling {peer.name}")
                spent[peer.name] = fill(bench, peer)
        spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items())
        bench.remark("indexed", f"server CPU of the fill and what follows: {spent}")
        for peer in peers:
            peer.pause()
        first_times(bench, peers[:2])
        sent = sum(len(bench.mail[i % len(bench.mail)]) for i in range(MESSAGES))
        for peer in peers:
            if peer.name != "raw" and (bench.wants("disk") or bench.wants("disk-noindex")):
                with bench.turn(peer, peers):
                    measure_disk(bench, peer, before[peer], sent)
        able = {}
        for _, peer in bench.turns(peers[:2], 1):
            able[peer] = bench.capabilities(peer)
        if any(bench.wants(key) for key in ("fetch-body", "search-body", "search-rare", "search-body-noindex")):
            for _, peer in bench.turns(peers, 1):  # from here on everything is in memory
                bench.imap(peer, "box1", ["SELECT INBOX", "FETCH 1:* BODY.PEEK[]"])
        for repeat, peer in bench.turns(peers):
            if peer.name == "raw":
                run_extra(bench, peer, "fetch-body-raw", "FETCH 1:* BODY.PEEK[]", Answers.fetched)
            elif peer.name == "noindex":
                run_extra(bench, peer, "search-body-noindex", "SEARCH BODY xylophone", Answers.numbers)
            else:
                words = able[peer]
                run_commands(bench, peer, warm_commands(bench, repeat, "SORT" in words, "THREAD=REFERENCES" in words))
        for key, word in (("sort", "SORT"), ("thread", "THREAD=REFERENCES")):
            if any(word not in words for words in able.values()):
                bench.remark(key, f"skipped where {word} is not announced")


def measure_disk(bench, peer, before, sent):
    """After everything in it was asked for once (Dovecot keeps what it then finds in a file), at rest and after a restart, so that
    logs of transactions are folded in."""
    bench.imap(peer, "box1", ["SELECT INBOX", ENVELOPE, "FETCH 1:* (BODYSTRUCTURE)", HEADERS])
    peer.rest()
    peer.restart()
    peer.rest()
    share = (peer.disk() - before) / sent
    if peer.name == "noindex":
        bench.note(peer, "disk-noindex", share, name="merpati")
    else:
        bench.note(peer, "disk", share)


def run_extra(bench, peer, key, command, answer):
    if bench.wants(key):
        result = bench.imap(peer, "box1", ["SELECT INBOX", command])[1]
        bench.note(peer, key, result["seconds"] * 1000, result, answer(result), name="merpati")


def first_times(bench, peers):
    """What nobody has asked before, from a copy of the data as it was after the fill. The server is restarted and the data are
    taken out of the page cache (not names and inodes). All in one connection: SELECT, ENVELOPE, BODYSTRUCTURE; so the last finds
    in memory what the one before it had to read."""
    commands = [("select-cold", "SELECT INBOX", Answers.exists), ("envelope-first", ENVELOPE, Answers.fetched),
                ("structure-first", "FETCH 1:* (BODYSTRUCTURE)", Answers.fetched)]
    if not any(bench.wants(key) for key, _, _ in commands):
        return
    for peer in peers:
        peer.freeze()
    # SELECT must come first whatever is wanted.
    commands[0] = commands[0] if bench.wants("select-cold") else (None, *commands[0][1:])
    for repeat in range(REPEATS):
        for peer in peers if repeat % 2 == 0 else peers[::-1]:
            for other in peers:
                other.pause()
            peer.thaw()
            peer.evict()
            peer.start()
            run_commands(bench, peer, commands)
            peer.pause()
