"""A reader of IMAP responses that shares nothing with the server: atoms, strings and lists to Python values."""

import re


def fetch_all(connection, items):
    """Every message's FETCH data as {number: {ITEM: value}}, in one command through imaplib's connection."""
    octets = join(connection.fetch("1:*", items)[1])
    result, at = {}, 0
    while at < len(octets):
        head = _NUMBER.match(octets, at)
        values, at = _value(octets, head.end())
        result[int(head.group(1))] = pairs(values)
    return result


def join(data):
    """imaplib's pieces back into the octets of the responses, one after the other."""
    out = bytearray()
    for piece in data:
        out += piece[0] + b"\r\n" + piece[1] if isinstance(piece, tuple) else piece
    return bytes(out)


def pairs(values):
    return {values[i].decode(): values[i + 1] for i in range(0, len(values), 2)}


_NUMBER = re.compile(rb"(\d+) ")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_ATOM = re.compile(rb"[^ ()\"{\r\n]+")


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
    quoted = _QUOTED.match(octets, at)
    if quoted:
        return re.sub(rb"\\(.)", rb"\1", quoted.group(1), flags=re.DOTALL), quoted.end()
    literal = _LITERAL.match(octets, at)
    if literal:
        end = literal.end() + int(literal.group(1))
        return octets[literal.end():end], end
    atom = _ATOM.match(octets, at)
    text = atom.group(0)
    if text.upper() == b"NIL":
        return None, atom.end()
    return (int(text) if text.isdigit() else text), atom.end()
