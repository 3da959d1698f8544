"""A relay that keeps what an IMAP client and the server say to each other, COMPRESS=DEFLATE undone, so that a test can show which
extensions a client really used."""

import collections
import re
import threading
import zlib

import relay

_COMPRESS = re.compile(rb"^(\S+) COMPRESS DEFLATE\r\n", re.M | re.I)

Exchange = collections.namedtuple("Exchange", "tag command answer")


class Conversation:
    """What crossed one connection. `client` and `server` are plain octets whatever stood on the wire."""

    def __init__(self):
        self.wire = {True: bytearray(), False: bytearray()}  # by whether the client said it

    @property
    def compressed(self):
        """Whether COMPRESS was asked for and granted."""
        return self._from() is not None

    def _from(self):
        """Where the compressed octets of the client and of the server begin."""
        asked = _COMPRESS.search(self.wire[True])
        if not asked:
            return None
        granted = re.search(rb"^" + re.escape(asked[1]) + rb" OK [^\r\n]*\r\n", self.wire[False], re.M)
        return (asked.end(), granted.end()) if granted else None

    def _plain(self, by_client):
        wire, places = bytes(self.wire[by_client]), self._from()
        if places is None:
            return wire
        start = places[0] if by_client else places[1]
        return wire[:start] + zlib.decompressobj(-15).decompress(wire[start:])

    @property
    def client(self):
        return self._plain(True)

    @property
    def server(self):
        return self._plain(False)

    def commands(self):
        """(tag, name and arguments) of each command; literals are left out of the line that announces them."""
        found, rest = [], self.client
        while rest:
            line, _, rest = rest.partition(b"\r\n")
            while literal := re.search(rb"\{(\d+)\+?\}$", line):
                rest = rest[int(literal[1]):]
                more, _, rest = rest.partition(b"\r\n")
                line += more
            tag, gap, command = line.partition(b" ")
            if gap and re.fullmatch(rb"[A-Za-z0-9.]+", tag):
                found.append((tag, command))
        return found

    def exchanges(self):
        """Each command with all that the server said from its first octet behind the last answer up to its own answer."""
        said, place, found = self.server, 0, []
        for tag, command in self.commands():
            end = re.compile(rb"^" + re.escape(tag) + rb" (OK|NO|BAD)[^\r\n]*\r\n", re.M).search(said, place)
            if not end:
                continue
            found.append(Exchange(tag, command, said[place:end.end()]))
            place = end.end()
        return found

    def used(self):
        """The extensions that can be seen in what the client says."""
        return {name for name, seen in _SIGNS.items() if any(seen.match(command) for _, command in self.commands())}


# By what a command that makes use of an extension is known.
_SIGNS = {name: re.compile(pattern, re.I | re.S) for name, pattern in {
    "COMPRESS": rb"COMPRESS DEFLATE",
    "CONDSTORE": rb"(SELECT|EXAMINE) .*\(.*CONDSTORE|ENABLE .*CONDSTORE|(UID )?FETCH .*(MODSEQ|CHANGEDSINCE)|(UID )?STORE .*UNCHANGEDSINCE"
                 rb"|STATUS .*HIGHESTMODSEQ|(UID )?SEARCH .*MODSEQ",
    "QRESYNC": rb"(SELECT|EXAMINE) .*\(.*QRESYNC|UID FETCH .*CHANGEDSINCE .*VANISHED",
    "ENABLE": rb"ENABLE ",
    "IDLE": rb"IDLE$",
    "NOTIFY": rb"NOTIFY SET",
    "NAMESPACE": rb"NAMESPACE",
    "ID": rb"ID ",
    "MOVE": rb"(UID )?MOVE ",
    "UIDPLUS": rb"UID EXPUNGE ",
    "SORT": rb"(UID )?SORT ",
    "THREAD": rb"(UID )?THREAD ",
    "ESEARCH": rb"(UID )?SEARCH RETURN ",
    "LIST-EXTENDED": rb"LIST \(|LIST .* RETURN \(",
    "LIST-STATUS": rb"LIST .* RETURN \(.*STATUS",
    "SPECIAL-USE": rb"LIST .*SPECIAL-USE|XLIST ",
    "QUOTA": rb"GETQUOTA",
    "ACL": rb"(MYRIGHTS|GETACL) ",
    "UTF8=ACCEPT": rb"ENABLE .*UTF8=ACCEPT",
    "UNSELECT": rb"UNSELECT",
    "LITERAL+": rb".*\{\d+\+\}",
    "PREVIEW": rb"(UID )?FETCH .*PREVIEW",
    "BINARY": rb"(UID )?FETCH .*BINARY",
    "METADATA": rb"(GET|SET)METADATA ",
}.items()}


class Recorder(relay.Relay):
    """Connections in the order in which they were made."""

    def __init__(self, port):
        self.conversations = []
        self.known = {}
        self.guard = threading.Lock()
        super().__init__(port, tap=self._hear)

    def _hear(self, pair, by_client, data):
        with self.guard:
            conversation = self.known.get(id(pair))
            if conversation is None or conversation[0] is not pair:
                conversation = self.known[id(pair)] = (pair, Conversation())
                self.conversations.append(conversation[1])
            conversation[1].wire[by_client] += data

    def used(self):
        return set().union(*(conversation.used() for conversation in self.conversations))

    def commands(self):
        return [command for conversation in self.conversations for _, command in conversation.commands()]

    def exchanges(self):
        return [exchange for conversation in self.conversations for exchange in conversation.exchanges()]

    def save(self, folder):
        """One file a connection: what was said in which direction, as it stands when COMPRESS is undone."""
        for number, conversation in enumerate(self.conversations):
            with open(folder / f"{number:02}.txt", "wb") as file:
                for exchange in conversation.exchanges():
                    file.write(b"C: " + exchange.tag + b" " + exchange.command + b"\n")
                    file.writelines(b"S: " + line + b"\n" for line in exchange.answer.split(b"\r\n")[:-1])
