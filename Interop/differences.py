"""Why a message's ENVELOPE or BODYSTRUCTURE is not Dovecot's: the kinds docs/differences-dovecot.md explains.

A kind is given only where the message itself shows it. What stands in the message is read by `mime`, not by the server.
"""

import itertools
import pathlib
import re

import mime

BOUNDARY_OCTETS_DOVECOT_COMPARES = 80
_DATE, _IN_REPLY_TO, _MESSAGE_ID = 0, 8, 9
_STRINGS = {_DATE: b"date", _IN_REPLY_TO: b"in-reply-to", _MESSAGE_ID: b"message-id"}
_ADDRESSES = {2: b"from", 3: b"sender", 4: b"reply-to", 5: b"to", 6: b"cc", 7: b"bcc"}
_DEFAULTED = {b"sender": b"from", b"reply-to": b"from"}
_NOBODY = [None, None, b"MISSING_MAILBOX", b"MISSING_DOMAIN"]
_US_ASCII = [b"charset", b"us-ascii"]
_EMPTY_TEXT = [b"text", b"plain", _US_ASCII, None, None, b"7bit", 0, 0, None, None, None, None]


class Unexplained(Exception):
    pass


def explain(item, mine, theirs, message):
    """The kinds of all differences between two values of an item, sorted; None when there is one without a kind."""
    kinds = set()
    root = mime.tree(message)
    try:
        if item == "ENVELOPE":
            _envelope(mine, theirs, root, kinds)
        else:
            _Structures(message, kinds).compare(mine, theirs, root)
    except (Unexplained, AttributeError, IndexError, TypeError):  # a value of a wrong sort has no kind either
        return None
    return sorted(kinds) or None


def altered(value):
    """The value with one of its atoms changed, for each atom: none of these has an explanation."""
    if isinstance(value, list):
        for index, inner in enumerate(value):
            for other in altered(inner):
                yield value[:index] + [other] + value[index + 1:]
    elif isinstance(value, int):
        yield value + 1
    else:
        yield (value or b"") + b"z"


def listed():
    """Kinds and counts as the page has them: `| kind | count | ...`."""
    page = pathlib.Path(__file__).resolve().parent.parent / "docs" / "differences-dovecot.md"
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|", page.read_text(), re.MULTILINE)
    return {kind: int(count) for kind, count in rows}


def _need(evidence):
    if not evidence:
        raise Unexplained


def _envelope(mine, theirs, part, kinds):
    _need(len(mine) == len(theirs) == 10)
    for index, (ours, other) in enumerate(zip(mine, theirs)):
        if ours == other:
            continue
        if index in _STRINGS:
            # Of several such fields the last counts.
            value = (part.all(_STRINGS[index]) or [b""])[-1]
            _need(re.match(rb"[ \t]*\r\n[ \t]+[^ \t\r\n]", value) and ours and other)
            _need(other[:1] in b" \t" and other.lstrip(b" \t") == ours)
            kinds.add("fold before a value")
        else:
            _need(index in _ADDRESSES)
            name = _ADDRESSES[index]
            value = b", ".join(part.all(name) or part.all(_DEFAULTED.get(name)))
            _need(isinstance(ours, list) and isinstance(other, list))
            _addresses(ours, other, value, kinds)


def _addresses(mine, theirs, value, kinds):
    empty = len(re.findall(rb"(?:^|,)\s*(?=,|$)", re.sub(rb'"(?:[^"\\]|\\.)*"|<[^>]*>', b"x", value)))
    if 0 < len(theirs) - len(mine) <= empty and [who for who in theirs if who != _NOBODY] == mine:
        kinds.add("empty member of an address list")
        return
    _need(len(mine) == len(theirs) and value.count(b"(") > value.count(b")"))
    for ours, other in zip(mine, theirs):
        if ours != other:
            _need(ours[0] and other[0] is None and ours[1:] == other[1:] and b"(" + ours[0] + b")" in value)
    kinds.add("comment without an end")


class _Structures:
    def __init__(self, message, kinds):
        self.message, self.kinds = message, kinds

    def compare(self, mine, theirs, part):
        if mine == theirs or self.split_otherwise(mine, theirs, part):
            return
        both = isinstance(mine[0], list), isinstance(theirs[0], list)
        if both == (True, True):
            ours, other = _children(mine), _children(theirs)
            _need(len(ours) == len(other) == len(part.children))
            for pair in zip(ours, other, part.children):
                self.compare(*pair)
            self.spelling(mine[len(ours)], theirs[len(other)])
            self.tail(mine[len(ours) + 1:], theirs[len(other) + 1:], part)
        else:
            _need(both == (False, False))
            self.single(mine, theirs, part)

    def split_otherwise(self, mine, theirs, part):
        """A multipart that Dovecot divides at other places, or not at all: only where both results can be foretold."""
        field = part.first(b"content-type") or b""
        if part.boundary is None or not _agrees(mine, part):
            return False
        ours = _children(mine)
        named = {name.lower(): value for name, value in _pairs(mine[len(ours) + 1])}
        undivided = [[_EMPTY_TEXT, mine[len(ours)], values, *mine[-3:]] for values in (None, mine[len(ours) + 1])]
        single = [b"", b"", None, None, None, b"7bit", part.end - part.start, None, *mine[-3:]]
        if theirs == undivided[0] and re.search(rb";\s*;\s*boundary", field, re.IGNORECASE):
            self.kinds.add("two semicolons")
        elif theirs == undivided[1] and mime.boundary(b";boundary*=" + named.get(b"boundary*", b"")) == part.boundary:
            self.kinds.add("boundary with an asterisk")
        elif theirs == single and self.lacks_semicolon(field):
            self.kinds.add("missing semicolon")
        elif (any(len(inner.boundary or b"") > BOUNDARY_OCTETS_DOVECOT_COMPARES for inner in _all(part))
              and part.start == mime.tree(self.message).start
              and _agrees(theirs, mime.tree(self.message, BOUNDARY_OCTETS_DOVECOT_COMPARES))):
            self.kinds.add("boundary longer than Dovecot compares")
        else:
            return False
        return True

    def single(self, mine, theirs, part):
        field = part.first(b"content-type") or b""
        if [x.lower() for x in mine[:2]] == [x.lower() for x in theirs[:2]]:
            self.spelling(mine[0], theirs[0])
            self.spelling(mine[1], theirs[1])
            self.parameters(mine[2], theirs[2], field)
        elif self.lacks_semicolon(field):
            _need(theirs[:3] == [b"", b"", None] and tuple(x.lower() for x in mine[:2]) == mime.media(field))
            _need(_agrees(mine, part))
            if mine[0].lower() == b"text":
                mine = mine[:7] + mine[8:]
            self.kinds.add("missing semicolon")
        else:
            # Not `type/subtype` and then nothing or parameters: text/plain in US-ASCII, with lines as any text has.
            _need(part.all(b"content-type") and not re.fullmatch(rb"\s*[-\w]+/[-.+\w]+\s*(;.*)?", field, re.DOTALL))
            _need(mine[:3] == [b"text", b"plain", _US_ASCII] and theirs[1] == b"")
            _need(field.strip().lower().startswith(theirs[0].lower()))
            _need(mine[7] == part.lines)
            if theirs[0].lower() != b"text":
                mine = mine[:7] + mine[8:]
            _need(theirs[2] == (_US_ASCII if theirs[0].lower() == b"text" else None))
            self.kinds.add("unreadable Content-Type")
        _need(len(mine) == len(theirs) and mine[3:5] == theirs[3:5])
        self.encoding(mine[5], theirs[5], part)
        rest = 7
        if len(mine) == 14:  # an embedded message
            self.sizes(mine, theirs, part)
            _envelope(mine[7], theirs[7], part.children[0], self.kinds)
            self.compare(mine[8], theirs[8], part.children[0])
            rest = 10
        else:
            rest = len(mine) - 4
            _need(mine[6:rest] == theirs[6:rest])
        _need(mine[rest] == theirs[rest])
        self.tail([None] + mine[rest + 1:], [None] + theirs[rest + 1:], part)

    def spelling(self, mine, theirs):
        if mine != theirs:
            _need(mine.lower() == theirs.lower())
            self.kinds.add("letter case")

    def parameters(self, mine, theirs, field):
        if mine == theirs:
            return
        ours, other = _pairs(mine), _pairs(theirs)
        if ours + [tuple(_US_ASCII)] == other and any(name.lower() == b"charset*" for name, _ in ours):
            self.kinds.add("charset with an asterisk")
            return
        # A quoted string without an end is the last parameter there is.
        last = re.search(rb";\s*([-\w]+)\s*=\s*\"([^\";\r\n]*)\s*$", field)
        _need(last and field.count(b'"') % 2 == 1 and ours and ours[-1] == last.groups())
        default = [tuple(_US_ASCII)] if last.group(1).lower() == b"charset" else []
        _need(ours[:-1] + default == other)
        self.kinds.add("quoted string without an end")

    def encoding(self, mine, theirs, part):
        if mine == theirs:
            return
        if mine.lower() == theirs.lower():
            return self.spelling(mine, theirs)
        value = part.first(b"content-transfer-encoding") or b""
        _need(theirs == b"7bit" and value.strip() == mine)
        _need(part.first(b"mime-version") is None and part.first(b"content-type") is None)
        self.kinds.add("encoding without MIME-Version")

    def sizes(self, mine, theirs, part):
        """An embedded message's octets and lines."""
        if (mine[6], mine[9]) == (theirs[6], theirs[9]):
            return
        body = self.message[part.start:part.end]
        _need(part.children[0].boundary is not None and part.ended_by is not None)
        _need(self.message[part.end:].startswith(b"\r\n" + part.ended_by) and part.children[0].end == part.end)
        _need((mine[6], mine[9]) == (len(body), body.count(b"\n")))
        _need((theirs[6], theirs[9]) == (mine[6] + 2, mine[9] + 1))
        self.kinds.add("line end before a boundary")

    def tail(self, mine, theirs, part):
        """Parameters (of a multipart), disposition, language, location."""
        self.parameters(mine[0], theirs[0], part.first(b"content-type") or b"")
        _need(mine[2:] == theirs[2:])
        ours, other = mine[1], theirs[1]
        if ours == other:
            return
        values = [value.strip() for value in part.all(b"content-disposition")]
        if len(values) > 1 and _disposition(values[0]) == ours and _disposition(values[-1]) == other:
            self.kinds.add("Content-Disposition twice")
        elif values and values[0] == b"":
            _need(ours is None and other == [b"", None])
            self.kinds.add("empty Content-Disposition")
        else:
            _need(values and re.match(rb"[=;]", values[0]) and other[0] == b"")
            _need(ours[0] == b"attachment" and ours[1] == other[1])
            self.kinds.add("Content-Disposition without a type")

    @staticmethod
    def lacks_semicolon(field):
        """Behind the subtype stands a parameter with nothing but blanks between."""
        return re.match(rb"\s*[-\w]+/[-.+\w]+\s+[-\w]+\s*=", field) is not None


def _disposition(value):
    """A well-formed value with at most one quoted parameter, as BODYSTRUCTURE has it."""
    found = re.fullmatch(rb'([-\w]+)(?:\s*;\s*([-\w]+)="([^"\\]*)")?', value)
    return [found.group(1), [found.group(2), found.group(3)] if found.group(2) else None] if found else None


def _pairs(values):
    return list(zip((values or [])[::2], (values or [])[1::2]))


def _children(structure):
    """The parts a structure begins with."""
    return list(itertools.takewhile(lambda value: isinstance(value, list), structure))


def _agrees(structure, part):
    """Whether a structure is what `mime` reads: nesting, types, encodings, octets and lines. All other strings must
    stand in the part's header."""
    if part.type == b"multipart":
        parts, ours = part.children or [mime.Part()], _children(structure)
        rest = structure[len(ours) + 1:]
        return (len(ours) == len(parts) and all(map(_agrees, ours, parts))
                and structure[len(ours)].lower() == part.subtype and _stands(rest, part.header))
    if [structure[0].lower(), structure[1].lower()] != [part.type, part.subtype]:
        return False
    values = structure[2]
    if part.type == b"text" and b"charset" not in part.header.lower():
        if (values or [])[-2:] != _US_ASCII:
            return False
        values = values[:-2]
    encoding = (part.first(b"content-transfer-encoding") or b"7bit").strip().lower()
    if structure[5].lower() != encoding or structure[6] != part.end - part.start:
        return False
    rest = structure[7:]
    if part.children:
        if not (_stands(rest[0], part.children[0].header) and _agrees(rest[1], part.children[0])):
            return False
        rest = rest[2:]
    if part.children or part.type == b"text":
        if rest[0] != part.lines:
            return False
        rest = rest[1:]
    nameless = re.match(rb"\s*[=;]", part.first(b"content-disposition") or b"")
    return _stands([values, structure[3:5], rest], part.header + (b"\nattachment" if nameless else b""))


def _stands(values, header):
    if isinstance(values, list):
        return all(_stands(value, header) for value in values)
    if not isinstance(values, bytes):
        return values is None
    whole = rb"(?:^|(?<=[\s=\":;/(<,@]))" + re.escape(values) + rb"(?=$|[\s=\":;/)>,@])"
    return re.search(whole, header, re.IGNORECASE) is not None


def _all(part):
    yield part
    for child in part.children:
        yield from _all(child)
