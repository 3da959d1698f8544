"""Clients that speak line by line and do not mind their manners: what well-behaved libraries cannot be made to send."""

import re
import socket
import ssl
import zlib


class Peer:
    """A socket read by lines. `Closed` is raised where the server has ended the connection."""

    class Closed(Exception):
        pass

    def __init__(self, port, host="127.0.0.1", timeout=30, source=None, tls=None, name=None):
        self.socket = socket.create_connection((host, port), timeout=timeout, source_address=source)
        self.socket.settimeout(timeout)
        self.rest = b""
        if tls:
            self.starttls(tls, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    def starttls(self, context=None, name=None):
        self.rest = b""
        self.socket = (context or trusting()).wrap_socket(self.socket, server_hostname=name)

    def send(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode())

    def send_if_open(self, octets):
        """For floods that the server may rightly cut off in the middle."""
        try:
            self.send(octets)
        except OSError:
            pass

    def _more(self):
        try:
            piece = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError) as error:
            raise Peer.Closed(str(error))
        if not piece:
            raise Peer.Closed("end of stream")
        self.rest += piece

    def line(self):
        """One line without its end."""
        while b"\n" not in self.rest:
            self._more()
        line, _, self.rest = self.rest.partition(b"\n")
        return line.rstrip(b"\r")

    def octets(self, count):
        while len(self.rest) < count:
            self._more()
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def to_the_end(self):
        """Everything up to the close of the connection by the server."""
        try:
            while True:
                self._more()
        except Peer.Closed:
            return self.rest


class IMAP(Peer):
    def __init__(self, port, *arguments, **options):
        super().__init__(port, *arguments, **options)
        self.greeting = self.line()
        self.number = 0

    def response(self):
        """One response, its literals included."""
        whole = self.line()
        while literal := re.search(rb"\{(\d+)\}$", whole):
            whole += b"\r\n" + self.octets(int(literal.group(1))) + self.line()
        return whole

    def answer(self, tag):
        """Untagged responses and the tagged one."""
        untagged = []
        while True:
            line = self.response()
            if line.startswith(tag.encode() + b" "):
                return line[len(tag) + 1:], untagged
            untagged.append(line)

    def command(self, text):
        self.number += 1
        tag = f"n{self.number}"
        self.send(tag.encode() + b" " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return self.answer(tag)

    def login(self, user, password):
        return self.command(f'LOGIN "{user}" "{password}"')

    def compress(self):
        """COMPRESS=DEFLATE from here on; the socket then is one that counts what crosses it."""
        answer = self.command("COMPRESS DEFLATE")
        if answer[0].startswith(b"OK"):
            self.socket = Deflated(self.socket)
        return answer


class Deflated:
    """A socket with DEFLATE both ways (RFC 4978), flushed at each send."""

    def __init__(self, inner):
        self.inner = inner
        self.deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.inflater = zlib.decompressobj(-15)
        self.sent = self.received = self.out = self.into = 0

    def sendall(self, octets):
        wire = self.deflater.compress(octets) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        self.out, self.sent = self.out + len(octets), self.sent + len(wire)
        self.inner.sendall(wire)

    def recv(self, count):
        while True:
            wire = self.inner.recv(count)
            plain = self.inflater.decompress(wire)
            self.received, self.into = self.received + len(wire), self.into + len(plain)
            if plain or not wire:
                return plain

    def close(self):
        self.inner.close()


class POP3(Peer):
    def __init__(self, port, *arguments, **options):
        super().__init__(port, *arguments, **options)
        self.greeting = self.line()

    def command(self, text):
        self.send((text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return self.line()

    def listing(self):
        lines = []
        while (line := self.line()) != b".":
            lines.append(line)
        return lines

    def login(self, user, password):
        first = self.command(f"USER {user}")
        return self.command(f"PASS {password}") if first.startswith(b"+OK") else first


class LMTP(Peer):
    def __init__(self, port, *arguments, **options):
        super().__init__(port, *arguments, **options)
        self.greeting = self.reply()

    def reply(self):
        """All lines of one reply, joined by newlines."""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return b"\n".join(lines)

    def command(self, text):
        self.send((text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return self.reply()


def trusting(**options):
    """TLS that takes any certificate, as the self-signed one of the first run needs it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    return context
