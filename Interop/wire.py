"""A reader of IMAP responses that shares nothing with the server: atoms, strings, literals and lists to Python values."""

import re


def fetch(connection, number, items):
    """One message's FETCH data as {ITEM: value}, through imaplib's connection."""
    data = connection.fetch(str(number), items)[1]
    return pairs(parse(join(data)))


def join(data):
    """imaplib's pieces back into the octets of the response."""
    out = b""
    for piece in data:
        out += piece[0] + b"\r\n" + piece[1] if isinstance(piece, tuple) else piece
    return out


def parse(octets):
    position = octets.index(b"(")
    value, _ = _value(octets, position)
    return value


def pairs(values):
    return {values[i].decode(): values[i + 1] for i in range(0, len(values), 2)}


def _value(octets, at):
    while octets[at:at + 1] == b" ":
        at += 1
    head = octets[at:at + 1]
    if head == b"(":
        values, at = [], at + 1
        while True:
            while octets[at:at + 1] == b" ":
                at += 1
            if octets[at:at + 1] == b")":
                return values, at + 1
            value, at = _value(octets, at)
            values.append(value)
    if head == b'"':
        out, at = bytearray(), at + 1
        while octets[at:at + 1] != b'"':
            if octets[at:at + 1] == b"\\":
                at += 1
            out += octets[at:at + 1]
            at += 1
        return bytes(out), at + 1
    literal = re.compile(rb"~?\{(\d+)\}\r\n").match(octets, at)
    if literal:
        end = literal.end() + int(literal.group(1))
        return octets[literal.end():end], end
    atom = re.compile(rb"[^ ()\"{\r\n]+").match(octets, at)
    text = atom.group(0)
    if text.upper() == b"NIL":
        return None, atom.end()
    return (int(text) if text.isdigit() else text), atom.end()


def explain(item, mine, theirs, message):
    """The kind of a difference to Dovecot 2.3, as docs/protocols.md lists them; None: not explained."""
    return None
