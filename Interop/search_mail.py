"""Messages made to be searched: many languages and character sets, every transfer encoding cut at odd places, encoded words split
within characters, parts in parts, and a few messages too large to be held."""

import base64
import binascii
import random

import harness

# Character set as mail names it, Python's codec, a text.
TEXTS = [
    ("us-ascii", "ascii", "Merpati pos membawa surat ke seberang laut; the quick brown fox keeps the Subject: in mind"),
    ("utf-8", "utf-8", "surat é untuk 鳩, Größe ŽLUŤOUČKÝ kůň, ΟΔΥΣΣΕΎΣ όδυσσεύς, İstanbul ışık, 273 \u212a"),
    ("iso-8859-1", "cp1252", "Grüße aus Köln, un café crème, déjà-vu, Ærøskøbing \u201eZitat\u201c"),
    ("iso-8859-15", "iso-8859-15", "cinq € pour l'œuvre, Šárka"),
    ("windows-1251", "cp1251", "Привет из Москвы, ГОЛУБИНАЯ ПОЧТА летит"),
    ("koi8-r", "koi8-r", "Почтовый голубь несёт ПИСЬМО домой"),
    ("iso-8859-5", "iso-8859-5", "Тихо шуршат листья"),
    ("iso-2022-jp", "iso-2022-jp", "伝書鳩は手紙を運ぶ mail の件"),
    ("shift_jis", "cp932", "山の向こうへ飛ぶ ①番"),
    ("euc-jp", "euc_jp", "鳩が海を渡る朝"),
    ("gb2312", "gb18030", "信鸽带来远方的消息 hello 鴿"),
    ("big5", "big5hkscs", "信鴿飛過高山與大海"),
    ("euc-kr", "cp949", "비둘기가 편지를 나른다"),
    ("iso-8859-7", "iso-8859-7", "Ο ΣΟΦΟΣ γράφει λόγους"),
    ("windows-1254", "cp1254", "İSTANBUL'da ışıklar, çiçek ĞÜŞ"),
    ("windows-1253", "cp1253", "ΘΕΣΣΑΛΟΝΊΚΗ και Αθήνα"),
    ("iso-8859-2", "iso-8859-2", "Zażółć gęślą JAŹŃ"),
    ("windows-1256", "cp1256", "حمامة تحمل رسالة"),
    ("tis-620", "cp874", "นกพิราบสื่อสาร"),
    ("utf-7", "utf-7", "Über den Wolken + 鳩"),
    ("x-tidak-dikenal", "utf-8", "huruf tak dikenal: é ü"),
    ("unknown-8bit", "cp1252", "octets sans étiquette: à ç ô"),
]
WORDS = "pos surat merpati sayap terbang kota hujan pagi laut gunung perahu angin Jakarta-Bandung 12.5 foo_bar naik/turun".split()


def made(count, seed=1):
    rng = random.Random(seed)
    return [harness.line_ends(_message(rng, number)) for number in range(count)]


def large(size, seed=2):
    """Of these SEARCH reads pieces: `size` octets and more each; marks stand at the beginning and at the end."""
    rng = random.Random(seed)
    line = b"baris panjang tentang merpati pos dan laut biru\r\n"
    filler = line * (size // len(line))
    japanese = "\r\n".join(rng.choice(["鳩は海を渡る", "mail の件", "山の向こう"]) for _ in range(size // 20)).encode("iso-2022-jp")
    return [
        b"Subject: besar satu\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + filler + "Ujungnya: ékor 鳩".encode() + b"\r\n",
        # UTF-8 for three megabytes, and then an octet that says it is not.
        b"Subject: besar dua\r\nContent-Type: text/plain\r\n\r\n" + "awal é awal\r\n".encode() + filler + b"ekor \xe9 tunggal\r\n",
        b"Subject: besar tiga\r\nContent-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + _base64(rng, japanese + "終わりの印".encode("iso-2022-jp")),
        b"Subject: besar empat\r\nContent-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + _quoted(rng, ("ПОЧТА и голубь\r\n" * (size // 30) + "конец письма\r\n").encode("cp1251")),
    ]


def _text(rng):
    """(charset, octets) of some lines."""
    charset, codec, sample = rng.choice(TEXTS)
    pieces = sample.split(" ")
    lines = []
    for _ in range(rng.randint(1, 12)):
        lines.append(" ".join(rng.choice(pieces if rng.random() < 0.6 else WORDS) for _ in range(rng.randint(1, 9))))
    lines.append(sample)
    rng.shuffle(lines)
    return charset, "\r\n".join(lines).encode(codec) + b"\r\n"


def _base64(rng, octets):
    whole, out = base64.b64encode(octets), []
    width = rng.choice([76, 60, 61, 4, 1000])
    for at in range(0, len(whole), width):
        out.append(whole[at:at + width])
    return b"\r\n".join(out) + b"\r\n"


def _quoted(rng, octets):
    """Soft line ends may fall within a character."""
    out, column = [], 0
    for octet in octets:
        piece = bytes([octet]) if octet in b"\r\n" or (32 <= octet < 127 and octet != 61) else b"=%02X" % octet
        if octet not in b"\r\n" and (column + len(piece) > 70 or rng.random() < 0.001):
            out.append(b"=\r\n")
            column = 0
        out.append(piece)
        column = 0 if octet == 10 else column + len(piece)
    return b"".join(out)


def _uuencoded(octets):
    lines = [binascii.b2a_uu(octets[at:at + 45]).replace(b"\n", b"\r\n") for at in range(0, len(octets), 45)]
    return b"begin 644 surat.txt\r\n" + b"".join(lines) + b"`\r\nend\r\n"


def _part(rng):
    """Header and body of a text."""
    charset, octets = _text(rng)
    kind = rng.choice(["8bit", "quoted-printable", "base64", "base64", "quoted-printable", "x-uuencode", "tidak-dikenal"])
    if charset == "iso-2022-jp" and kind == "8bit":
        kind = "7bit"
    body = {"quoted-printable": lambda: _quoted(rng, octets), "base64": lambda: _base64(rng, octets),
            "x-uuencode": lambda: _uuencoded(octets)}.get(kind, lambda: octets)()
    quoted = rng.choice([charset, f'"{charset}"', charset.upper()])
    head = f"Content-Type: text/{rng.choice(['plain', 'html'])};{rng.choice([' ', chr(13) + chr(10) + chr(9)])}charset={quoted}\r\n"
    return (head + f"Content-Transfer-Encoding: {kind}\r\n").encode(), body


def _entity(rng, depth=0):
    kind = rng.random()
    if depth > 3 or kind < 0.55:
        return _part(rng)
    if kind < 0.85:
        mark = f"batas-{rng.randrange(10 ** 6)}"
        body = b"kata pengantar\r\n"
        for _ in range(rng.randint(1, 3)):
            head, inner = _entity(rng, depth + 1)
            body += b"--" + mark.encode() + b"\r\n" + head + b"\r\n" + inner + b"\r\n"
        if rng.random() < 0.9:
            body += b"--" + mark.encode() + b"--\r\nkata penutup\r\n"
        return f'Content-Type: multipart/{rng.choice(["mixed", "alternative"])}; boundary="{mark}"\r\n'.encode(), body
    if kind < 0.95:
        return b"Content-Type: message/rfc822\r\n", _message(rng, rng.randrange(1000), depth + 1)
    if kind < 0.97:
        return b"Content-Type: message/delivery-status\r\n", b"Reporting-MTA: dns; surat.example.org\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    # What is no text is not looked through.
    return b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n", _base64(rng, b"rahasia biner merpati")


def _words(rng):
    """An encoded header value, perhaps in several words, cut anywhere in B."""
    charset, codec, sample = rng.choice([text for text in TEXTS if not text[0].startswith(("x-", "unknown", "utf-7"))])
    octets = " ".join(rng.sample(sample.split(" "), min(3, len(sample.split(" "))))).encode(codec)
    cuts = sorted(rng.sample(range(1, len(octets)), min(rng.randint(0, 2), len(octets) - 1))) if codec != "iso-2022-jp" else []
    out = []
    for start, end in zip([0, *cuts], [*cuts, len(octets)]):
        piece = octets[start:end]
        if rng.random() < 0.5:
            out.append(b"=?" + charset.encode() + b"?B?" + base64.b64encode(piece) + b"?=")
        else:
            safe = b"".join(bytes([o]) if chr(o).isalnum() and o < 128 else b"_" if o == 32 else b"=%02X" % o for o in piece)
            out.append(b"=?" + charset.upper().encode() + b"?q?" + safe + b"?=")
    return rng.choice([b" ", b"\r\n ", b" \r\n\t"]).join(out)


def _message(rng, number, depth=0):
    words = b" ".join(rng.choice(WORDS).encode() for _ in range(rng.randint(1, 6)))
    subject = rng.choice([words, _words(rng), words + b" " + _words(rng) + b" " + words, "tanpa sandi é 鳩".encode(), b"latin \xe9\xfc"])
    head, body = _entity(rng, depth)
    return (b"From: " + rng.choice([b"Ani", _words(rng), b'"Budi S."']) + b" <p%d@example.org>\r\nTo: budi@example.org\r\nSubject: " % number
            + subject + b"\r\nMessage-ID: <%d.%d@example.org>\r\n" % (number, rng.randrange(10 ** 9)) + b"X-Catatan: "
            + words.replace(b" ", b"\r\n\t") + b"\r\nMIME-Version: 1.0\r\n" + head + b"\r\n" + body)
