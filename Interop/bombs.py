"""Messages made to cost a mail server more than they weigh. Each grows with a number, so that the growth can be seen."""

HEAD = b"From: a@example.org\r\nTo: budi@example.org\r\n"
MIME = b"MIME-Version: 1.0\r\n"


def message(*fields, body=b"isi\r\n"):
    return HEAD + b"".join(fields) + b"\r\n" + body


def header_lines(n):
    """Nothing but fields."""
    return message(b"X-Penuh: a\r\n" * n, b"Subject: terakhir\r\n")


def header_line(n):
    """One field of n octets on one line."""
    return message(b"Subject: " + b"x" * n + b"\r\n")


def folded_field(n):
    """One field in n lines."""
    return message(b"Subject: a" + b"\r\n b" * n + b"\r\n")


def odd_lines(n):
    """A header of lines that are no fields."""
    return message(b"tanpa titik dua\r\n" * n)


def addresses(n):
    return message(b"Cc: a@b.example" + b",\r\n a@b.example" * n + b"\r\n")


def groups(n):
    return message(b"Cc: " + b"g:;," * n + b"\r\n")


def comments(n):
    """Comments within comments."""
    return message(b"Cc: " + b"(" * n + b")" * n + b" a@b.example\r\n")


def open_comments(n):
    """Comments that never end, each begun anew."""
    return message(b"Cc: " + b"(a " * n + b"\r\n", b"Date: " + b"(" * n + b"\r\n")


def quotes(n):
    return message(b"Cc: " + b'"\\' * n + b"\r\n", b'Content-Type: text/plain; name="' + b'\\"' * n + b"\r\n")


def routes(n):
    return message(b"Cc: <" + b"@a," * n + b":a@b.example>\r\n")


def encoded_words(n):
    return message(b"Subject: " + b"=?utf-8?B?YQ==?= " * n + b"\r\n")


def encoded_charsets(n):
    """Each word in another character set."""
    return message(b"Subject: " + b" ".join(b"=?x-%d?Q?=E9?=" % k for k in range(n)) + b"\r\n")


def encoded_beginnings(n):
    """Words that never end."""
    return message(b"Subject: " + b"=?utf-8?B?" * n + b"\r\n", b"From: " + b"=?" * n + b"\r\n")


def continuations(n):
    """RFC 2231: one parameter in n pieces."""
    pieces = b"".join(b";\r\n name*%d*=%%41" % k for k in range(n))
    return message(MIME, b"Content-Type: text/plain" + pieces + b"\r\n")


def backward_continuations(n):
    pieces = b"".join(b";\r\n name*%d=a" % k for k in range(n - 1, -1, -1))
    return message(MIME, b"Content-Type: text/plain" + pieces + b"\r\n",
                   b"Content-Disposition: attachment" + pieces + b"\r\n")


def parameters(n):
    """n different parameters."""
    return message(MIME, b"Content-Type: text/plain" + b"".join(b";\r\n p%d=a" % k for k in range(n)) + b"\r\n")


def languages(n):
    return message(MIME, b"Content-Language: " + b"id," * n + b"\r\n")


def references(n):
    return message(b"References: " + b"".join(b"<%d@a.example>\r\n " % k for k in range(n)) + b"\r\n")


def multiparts(n):
    """Multiparts within multiparts, each with a boundary of its own."""
    body = b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (k, k + 1) for k in range(n))
    return message(MIME, b"Content-Type: multipart/mixed; boundary=b0\r\n", body=body)


def prefixes(n):
    """Boundaries that begin with one another, and lines that nearly are one of them."""
    depth = 100
    head = b"Content-Type: multipart/mixed; boundary=b\r\n"
    body = b"".join(b"--" + b"b" * k + b"\r\nContent-Type: multipart/mixed; boundary=" + b"b" * (k + 1) + b"\r\n\r\n"
                    for k in range(1, depth))
    return message(MIME, head, body=body + (b"--" + b"b" * (depth + 1) + b"\r\n-b\r\n--\r\n" + b"--a\r\n") * n)


def parts(n):
    return message(MIME, b"Content-Type: multipart/mixed; boundary=b\r\n", body=b"--b\r\n\r\nx\r\n" * n + b"--b--\r\n")


def empty_parts(n):
    return message(MIME, b"Content-Type: multipart/mixed; boundary=b\r\n", body=b"--b\r\n" * n)


def wide_parts(n):
    """Parts with fields of ten thousand octets."""
    return message(MIME, b"Content-Type: multipart/mixed; boundary=b\r\n",
                   body=(b"--b\r\nContent-Type: text/plain; name=" + b"n" * 10_000 + b"\r\n\r\nx\r\n") * n + b"--b--\r\n")


def wide_messages(n):
    """Messages side by side, each to a thousand addresses."""
    return message(MIME, b"Content-Type: multipart/digest; boundary=b\r\n",
                   body=(b"--b\r\n\r\nFrom: " + b"a@b," * 1000 + b"c@d\r\n\r\nx\r\n") * n + b"--b--\r\n")


def messages(n):
    """Messages within messages."""
    return b"Subject: luar\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * n + message()


def base64_lines(n):
    """base64 with more line ends than anything else."""
    return message(MIME, b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n", body=b"Y\r\n" * n)


def padding(n):
    return message(MIME, b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n", body=b"YQ==" * n + b"\r\n")


def soft_breaks(n):
    return message(MIME, b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n",
                   body=b"=\r\n" * n + b"= \t" * n + b"\r\n")


def blanks(n):
    """Blanks of which nobody knows whether a line end comes behind them."""
    return message(MIME, b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n",
                   body=b" " * n + b"x\r\n")


def uuencoded(n):
    return message(MIME, b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n",
                   body=b"begin 644 x\r\n" * n + b"end\r\n")


def tags(n):
    """HTML that opens and never closes."""
    return message(MIME, b"Content-Type: text/html\r\n", body=b"<b" * n + b"<!--" * n + b"&#" * n + b"\r\n")


def lone_line_ends(n):
    """Grows when it is kept: every bare CR and LF becomes CRLF."""
    return message(body=b"\r" * n + b"\n" * n)


def dots(n):
    return message(body=b".\r\n" * n)


def zeros(n):
    """What shrinks to next to nothing on the disk."""
    return message(body=(b"0" * 998 + b"\r\n") * (n // 1000))


ALL = {
    # name: (maker, n for the growth test, n of the campaign)
    "header lines": (header_lines, 60_000, 8_000_000),
    "one header line": (header_line, 1_000_000, 50_000_000),
    "one folded field": (folded_field, 60_000, 10_000_000),
    "lines that are no fields": (odd_lines, 60_000, 5_000_000),
    "addresses": (addresses, 20_000, 1_000_000),
    "groups": (groups, 50_000, 1_000_000),
    "comments": (comments, 100_000, 5_000_000),
    "open comments": (open_comments, 50_000, 5_000_000),
    "quotes": (quotes, 100_000, 5_000_000),
    "routes": (routes, 100_000, 5_000_000),
    "encoded words": (encoded_words, 15_000, 1_000_000),
    "character sets": (encoded_charsets, 10_000, 1_000_000),
    "encoded words begun": (encoded_beginnings, 30_000, 1_000_000),
    "continuations": (continuations, 10_000, 1_000_000),
    "continuations backwards": (backward_continuations, 10_000, 1_000_000),
    "parameters": (parameters, 20_000, 1_000_000),
    "languages": (languages, 50_000, 1_000_000),
    "references": (references, 20_000, 1_000_000),
    "multiparts": (multiparts, 5_000, 10_000),
    "boundaries that begin alike": (prefixes, 10_000, 500_000),
    "parts": (parts, 20_000, 1_000_000),
    "parts of nothing": (empty_parts, 50_000, 1_000_000),
    "parts with long fields": (wide_parts, 200, 9_000),
    "messages to thousands": (wide_messages, 300, 9_000),
    "messages in messages": (messages, 10_000, 1_000_000),
    "line ends in base64": (base64_lines, 200_000, 10_000_000),
    "padding in base64": (padding, 200_000, 10_000_000),
    "soft line breaks": (soft_breaks, 200_000, 5_000_000),
    "blanks": (blanks, 500_000, 50_000_000),
    "uuencoded beginnings": (uuencoded, 50_000, 2_000_000),
    "HTML without end": (tags, 100_000, 5_000_000),
    "bare line ends": (lone_line_ends, 500_000, 20_000_000),
    "dots": (dots, 200_000, 10_000_000),
    "zeros": (zeros, 2_000_000, 90_000_000),
}
