"""What SEARCH looks through in a message, read twice and never by the server: by the rules of docs/search.md over the tree of
`mime`, and by Python's `email` package. Each reading is (texts of headers, texts of bodies)."""

import binascii
import email
import email.header
import email.policy
import re
import unicodedata

import charsets
import mime

_ASCII_LETTERS = re.compile("[a-z]+")
_WORD = re.compile(rb"=\?([^?]{1,60})\?([BbQq])\?([^?]*)\?=")
_CHARSET = re.compile(rb"[;\s]charset(\*?)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;\"(]+))", re.I | re.S)


_table = None


def use_casemap():
    """From here on texts are compared by i;unicode-casemap (RFC 5051 §2), as servers do that have I18NLEVEL."""
    global _table
    _table = {}
    for point in range(0x80, 0x20000):
        if 0xD800 <= point < 0xE000:
            continue
        # Titlecase of one character for one; those that only become several (SpecialCasing) are not in UnicodeData.
        title = chr(point).title()
        mapped = _decomposed(title if len(title) == 1 else chr(point))
        if mapped != chr(point):
            _table[point] = mapped


def _decomposed(text):
    """Tags such as <compat> are passed over; Hangul is not decomposed, as UnicodeData does not."""
    out = ""
    for character in text:
        points = [word for word in unicodedata.decomposition(character).split() if not word.startswith("<")]
        out += _decomposed("".join(chr(int(word, 16)) for word in points)) if points else character
    return out


def fold(text):
    """The form in which texts are compared. Without i;unicode-casemap: lower case, and one small sigma."""
    if _table is None:
        return text.lower().replace("\u03c2", "\u03c3")
    if text.isascii():
        return text.upper()
    return _ASCII_LETTERS.sub(lambda found: found[0].upper(), text).translate(_table)


class Blob:
    """Texts of one message, joined so that nothing is found across two of them."""

    __slots__ = ("folded", "plain")

    def __init__(self, texts):
        whole = "\n\n".join(texts)
        self.folded = fold(whole).encode("utf-8", "surrogateescape")
        # Lower case makes ASCII of these two, which does not count where ASCII is looked for.
        special = _table is None and ("\u0130" in whole or "\u212a" in whole)
        self.plain = whole.encode("utf-8", "surrogateescape").lower() if special else None

    def has(self, needle):
        """`needle`: folded, UTF-8."""
        return needle in (self.plain if self.plain is not None and needle.isascii() else self.folded)

    def __eq__(self, other):
        return (self.folded, self.plain) == (other.folded, other.plain)


# By the rules.

def by_rules(octets):
    headers, bodies = [], []

    def look(part):
        for line in part.head:
            headers.append(line.rstrip(b"\r\n").decode("utf-8", "surrogateescape"))
            headers.append(read_field(line))
        if part.children:
            for child in part.children:
                look(child)
        elif part.type in (b"text", b"message"):
            bodies.append(body(part, octets))

    look(mime.tree(octets))
    return headers, bodies


def read_field(line):
    """A field in one line, its encoded words decoded."""
    first = line.split(b"\n", 1)[0]
    unfolded = re.sub(rb"[\r\n]", b"", line)
    colon = first.find(b":")
    if colon < 0 or line[:1] in (b" ", b"\t"):
        return decode_words(unfolded.strip(b" \t"))
    name, value = unfolded[:colon], unfolded[colon + 1:]
    if not name.strip(b" \t"):
        return decode_words(value.lstrip(b" \t"))
    return name.rstrip(b" \t").decode("utf-8", "replace") + ": " + decode_words(value.lstrip(b" \t"))


def decode_words(value):
    """RFC 2047: blanks between encoded words go; words of one character set that follow each other are one text."""
    out, pending, charset, at = [], b"", None, 0

    def flush():
        if charset is not None:
            out.append(re.sub(r"[\r\n]", " ", charsets.text(pending, charset)))

    for word in _WORD.finditer(value):
        gap = value[at:word.start()]
        name = word[1].decode("latin-1").lower()
        if charset is None or gap.strip(b" \t") or name != charset:
            flush()
            if charset is None or gap.strip(b" \t"):
                out.append(charsets.guessed(gap))
            pending = b""
        charset = name
        pending += base64(word[3]) if word[2] in b"Bb" else quoted_word(word[3])
        at = word.end()
    flush()
    return "".join(out) + charsets.guessed(value[at:])


def quoted_word(text):
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.replace(b"_", b" "))


def base64(text):
    """Other octets are passed over; padding ends one encoding, and the next may follow."""
    out = b""
    for piece in re.sub(rb"[^A-Za-z0-9+/=]", b"", text).split(b"="):
        piece = piece[:len(piece) - (len(piece) % 4 == 1)]
        out += binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))
    return out


def quoted_printable(text):
    text = re.sub(rb"[ \t]+(?=\r?\n)", b"", text)
    text = re.sub(rb"=[ \t]*(\r?\n|\Z)", b"", text)
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text)


def uuencoded(text):
    begun = re.search(rb"^begin .*\n", text, re.M | re.I)
    out = b""
    for line in text[begun.end():].split(b"\n") if begun else ():
        line = line.rstrip(b"\r")
        if line.lower() == b"end":
            break
        try:
            out += binascii.a2b_uu(line)
        except binascii.Error:
            count = (line[0] - 32 & 63) * 4 // 3 + 4 if line else 0
            out += binascii.a2b_uu(line[:1] + line[1:count].ljust(count - 1)) if count else b""
    return out


def body(part, octets):
    raw = octets[part.start:part.end]
    value = part.first(b"content-transfer-encoding") or b""
    encoding = re.sub(rb"\([^()]*\)|\s", b"", value).lower()
    raw = {b"base64": base64, b"quoted-printable": quoted_printable, b"x-uuencode": uuencoded, b"x-uue": uuencoded,
           b"uuencode": uuencoded}.get(encoding, bytes)(raw)
    name = b""
    if part.type == b"text" and mime.media(part.first(b"content-type")):
        found = _CHARSET.search(re.sub(rb"\r\n", b"", part.first(b"content-type")))
        if found:
            name = found[3] if found[2] is None else re.sub(rb"\\(.)", rb"\1", found[2])
            if found[1]:
                name = name.split(b"'")[-1]
    return charsets.text(raw, name.decode("latin-1"))


# By the package.

def by_email(octets):
    headers, bodies = [], []

    def look(part):
        for name, value in part.raw_items():
            value = str(value)
            headers.append(f"{name}: {value}")
            headers.append(f"{name}: {package_words(value)}")
        kind, sub = part.get_content_maintype(), part.get_content_subtype()
        if part.is_multipart() and (kind != "message" or sub in ("rfc822", "global")):
            for child in part.get_payload():
                look(child)
        elif part.is_multipart():
            # Delivery reports: read as headers by the package, which for us are lines of a text.
            bodies.append("\n".join(child.as_bytes().decode("utf-8", "replace") for child in part.get_payload()))
        elif kind in ("text", "message"):
            try:
                name = part.get_content_charset() or ""
            except (LookupError, UnicodeError, ValueError):
                name = ""
            bodies.append(charsets.text(part.get_payload(decode=True) or b"", name))

    look(email.message_from_bytes(octets, policy=email.policy.compat32))
    return headers, bodies


def package_words(value):
    value = re.sub(r"\r?\n", "", value).lstrip(" \t")
    try:
        pieces = email.header.decode_header(value)
    except (email.header.HeaderParseError, ValueError):
        return value
    text = ""
    for piece, name in pieces:
        if isinstance(piece, str):
            text += charsets.guessed(piece.encode("utf-8", "surrogateescape"))
        else:
            text += charsets.text(piece, name) if name else charsets.guessed(piece)
    return text


def why(octets):
    """In what the package's reading of a message is another one."""
    ours, theirs = [], []

    def mine(part):
        ours.append((part.type + b"/" + part.subtype, part))
        for child in part.children:
            mine(child)

    def its(part):
        theirs.append((part.get_content_type().encode("latin-1", "replace"), part))
        if part.is_multipart() and (part.get_content_maintype() != "message" or part.get_content_subtype() in ("rfc822", "global")):
            for child in part.get_payload():
                its(child)

    mine(mime.tree(octets))
    its(email.message_from_bytes(octets, policy=email.policy.compat32))
    if [kind for kind, _ in ours] != [kind for kind, _ in theirs]:
        return {"sees other parts"}
    kinds = set()
    for (kind, part), (_, other) in zip(ours, theirs):
        lines = len(list(other.raw_items()))
        if lines != len(part.head):
            kinds.add("ends a header at a line that is no field" if lines < len(part.head) else "sees more fields")
            continue
        for line, (name, value) in zip(part.head, other.raw_items()):
            if fold(read_field(line)) != fold(f"{name}: {package_words(str(value))}"):
                kinds.add("decodes a field otherwise" if b"=?" in line else "reads blanks or octets of a field otherwise")
        if part.children or not kind.startswith((b"text/", b"message/")):
            continue
        encoding = (part.first(b"content-transfer-encoding") or b"none").strip().lower().decode("latin-1")
        payload = other.get_payload(decode=True)
        if kind.startswith(b"text/") and payload is not None and charsets.text(payload, other.get_content_charset("") or "") != body(part, octets):
            kinds.add(f"decodes {encoding} text otherwise")
        elif kind.startswith(b"message/"):
            kinds.add(f"reads {kind.decode('latin-1')} as a message")
    return kinds
