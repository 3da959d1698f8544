"""A second reading of MIME that shares nothing with the server: a message's parts with their places and fields."""

import re
import urllib.parse

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_TOKEN = rb"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+"
_MEDIA = re.compile(rb"\s*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_BOUNDARY = re.compile(rb"[;\s]boundary(\*?)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]+))", re.IGNORECASE | re.DOTALL)


class Part:
    def __init__(self):
        self.fields, self.children, self.boundary = [], [], None
        self.start = self.end = 0
        self.ended_by = None  # the boundary line (with its dashes) behind the body; None: the message's end
        self.type, self.subtype = b"text", b"plain"
        self.header = b""  # unfolded
        self.head = []  # the header's lines as they stand, folded ones joined
        self.lines = 0  # of the body

    def all(self, name):
        """Values of a field by its lower-case name, still folded, as they stand behind the colon."""
        return [value for key, value in self.fields if key == name]

    def first(self, name):
        values = self.all(name)
        return values[0] if values else None


def media(value):
    """(type, subtype) in lower case, or None where the value does not begin with `type/subtype` (RFC 2045 §5.1)."""
    found = _MEDIA.match(value or b"")
    return (found.group(1).lower(), found.group(2).lower()) if found else None


def boundary(value):
    """The boundary parameter: unfolded, unquoted, decoded where its name has an asterisk."""
    found = _BOUNDARY.search(value or b"")
    if not found:
        return None
    text = found.group(3) if found.group(2) is None else re.sub(rb"\\(.)", rb"\1", found.group(2))
    text = text.replace(b"\r\n", b"")
    return urllib.parse.unquote_to_bytes(text.split(b"'", 2)[-1]) if found.group(1) else text


def tree(octets, cut=None):
    """The root part. `cut`: compare no more than so many octets of a boundary."""
    return _Reader(octets, cut).entity(False)


class _Reader:
    def __init__(self, octets, cut):
        self.octets, self.cut = octets, cut
        self.at = self.body_end = 0
        self.open, self.stop = [], None

    def line(self):
        """The line at `at`, with its end."""
        end = self.octets.find(b"\n", self.at)
        return self.octets[self.at:end + 1 if end >= 0 else len(self.octets)]

    def reached(self, line):
        """Which open boundary the line begins with, and whether it closes. The longest counts, then the innermost."""
        fits = [(len(mark), index) for index, mark in enumerate(self.open) if line.startswith(mark)]
        if not fits:
            return None
        length, index = max(fits)
        return index, line[length:length + 2] == b"--"

    def header(self, part):
        lines, start = [], self.at
        while self.at < len(self.octets):
            line = self.line()
            if self.reached(line):
                self.stop = self.reached(line)
                break
            self.at += len(line)
            if line in (b"\r\n", b"\n"):
                break
            if line[:1] in (b" ", b"\t") and lines:
                lines[-1] += line
            else:
                lines.append(line)
        part.head = lines
        part.header = re.sub(rb"\r\n(?=[ \t])", b"", self.octets[start:self.at])
        for line in lines:
            field = _FIELD.match(line.removesuffix(b"\n").removesuffix(b"\r"))
            if field:
                part.fields.append((field.group(1).lower(), field.group(2)))

    def body(self, start):
        """Over lines to a boundary or the end; steps over the boundary line."""
        self.stop = None
        while self.at < len(self.octets):
            line = self.line()
            self.stop = self.reached(line)
            if self.stop:
                self.body_end = max(start, self.at - 2)
                self.ended_by = line.rstrip(b"\r\n")
                self.at += len(line)
                return
            self.at += len(line)
        self.body_end, self.ended_by = len(self.octets), None

    def entity(self, in_digest):
        part = Part()
        self.stop = None
        self.header(part)
        default = (b"message", b"rfc822") if in_digest and part.first(b"content-type") is None else (b"text", b"plain")
        part.type, part.subtype = media(part.first(b"content-type")) or default
        part.start = self.at
        is_message = (part.type, part.subtype) in ((b"message", b"rfc822"), (b"message", b"global"))
        if self.stop:  # the boundary came before the empty line: nothing but a header
            self.body_end, self.ended_by = self.at, self.line().rstrip(b"\r\n")
            self.at += len(self.line())
            part.children = [Part()] if is_message else []
        elif part.type == b"multipart" and boundary(part.first(b"content-type")) is not None:
            self.multipart(part)
        elif is_message:
            part.children = [self.entity(False)]
        else:
            self.body(part.start)
        part.end, part.ended_by = self.body_end, self.ended_by
        part.lines = self.octets.count(b"\n", part.start, part.end)
        return part

    def multipart(self, part):
        part.boundary = boundary(part.first(b"content-type"))
        own = len(self.open)
        self.open.append((b"--" + part.boundary)[:self.cut and self.cut + 2])
        self.body(part.start)
        while self.stop and self.stop[0] == own and not self.stop[1]:
            part.children.append(self.entity(part.subtype == b"digest"))
        self.open.pop()
        if self.stop and self.stop[0] == own:
            self.body(part.start)  # the epilogue
