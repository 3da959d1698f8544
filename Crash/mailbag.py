"""The messages of the load. A message follows from its number, so nobody has to keep it."""

import base64
import functools
import hashlib
import random
import re

WORDS = "pos surat merpati sayap terbang kota hujan pagi laut gunung perahu angin".split()
TRACE = re.compile(rb"Return-Path:[^\n]*\nDelivered-To:[^\n]*\nReceived:[^\n]*\n(?:\t[^\n]*\n)*", re.IGNORECASE)
NUMBER = re.compile(rb"(?m)^X-Number: (\d+)\r\n")


@functools.lru_cache(256)
def message(number):
    """Mostly small, one in twelve with an attachment, one in ninety too large for memory (a spool file on its way)."""
    chance = random.Random(number)
    text = "\r\n".join(" ".join(chance.choice(WORDS) for _ in range(chance.randint(1, 12)))
                       for _ in range(chance.randint(1, 25)))
    attached = 0
    if number % 90 == 17:
        attached = 300_000
    elif number % 12 == 5:
        attached = chance.randint(2000, 30_000)
    elif number % 3 == 0:
        attached = chance.randint(100, 3000)
    body = base64.encodebytes(chance.randbytes(attached)).decode().replace("\n", "\r\n") if attached else ""
    return (f"From: Tester <tester@example.org>\r\nTo: budi@example.org\r\nSubject: {chance.choice(WORDS)} {number}\r\n"
            f"X-Number: {number}\r\nMessage-ID: <{number}@crash.example>\r\n"
            f"{f'References: <{number - 3}@crash.example>' + chr(13) + chr(10) if number % 4 == 0 else ''}"
            f"Date: Mon, 02 Nov 2026 10:00:00 +0700\r\n\r\n{text}\r\n{body}").encode()


@functools.lru_cache(None)
def digest(number):
    return hashlib.sha256(message(number)).digest()


def number_of(octets):
    found = NUMBER.search(octets)
    return int(found.group(1)) if found else None


def identify(octets):
    """The number of the message that these octets are, with or without a delivery's trace; None: of no message."""
    number = number_of(octets)
    if number is None:
        return None
    trace = TRACE.match(octets)
    plain = octets[trace.end():] if trace else octets
    return number if hashlib.sha256(plain).digest() == digest(number) else None
