"""Character sets as docs/search.md has them, by Python's codecs: nothing here is the server's."""

import codecs
import re

# Octets above ASCII are UTF-8 where all of a text can be that, else windows-1252.
GUESSED = set("us-ascii ascii ansi_x3.4-1968 iso646-us 646 unknown-8bit x-unknown unknown 8bit 7bit default default_charset "
              "x-user-defined none _charset_ iso-8859 utf".split()) | {""}
# What mail says, and what it means by it.
MEANT = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8",
    "windows-1252": "iso-8859-1 iso8859-1 iso_8859-1 latin1 latin-1 l1 windows-1252 cp1252 cp-1252 ansi x-ansi win-1252 ibm819 cp819 "
                    "iso-8859-1-windows-3.1-latin-1 windows-1252http-equivcontent-type",
    "gb18030": "gb2312 gb_2312-80 gb2312-80 gbk x-gbk cp936 ms936 windows-936 euc-cn gb-2312 chinese csgb2312 gb18030",
    "hz": "hz-gb-2312 hz",
    "cp949": "ks_c_5601-1987 ks_c_5601-1989 ks_c_5601 ksc5601 ksc_5601 ks_c-5601-1987 euc-kr euckr korean cseuckr cp949 uhc "
             "windows-949 5601",
    "cp932": "shift_jis shift-jis x-sjis sjis ms_kanji windows-31j cp932 csshiftjis",
    "euc_jp": "x-euc-jp euc-jp eucjp",
    "big5hkscs": "big5 x-big5 big-5 cn-big5 csbig5 big5-hkscs",
    "utf-7": "utf-7 utf7 unicode-1-1-utf-7",
    "iso-8859-8": "iso-8859-8-i iso-8859-8-e iso8859-8",
    "iso-8859-6": "iso-8859-6-i iso-8859-6-e iso8859-6",
    "cp1254": "iso-8859-9 iso8859-9 latin5",
    "cp874": "tis-620 tis620 iso-8859-11 windows-874 x-windows-874",
    "mac_roman": "macintosh x-mac-roman x-macroman mac",
    "koi8-r": "koi8 koi",
}
_BY_NAME = {name: codec for codec, names in MEANT.items() for name in names.split()}
# Codecs of Python that are no character sets of mail.
_OTHERS = {"idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "mbcs", "oem", "charmap", "palmos"}


def codec(name):
    """The name of Python's codec; None: to be guessed."""
    name = re.sub(r"[\"'\s]", "", name.split("*")[0].lower())
    if name in GUESSED or not re.fullmatch(r"[a-z0-9_.:()+-]{1,40}", name):
        return None
    if name in _BY_NAME:
        return _BY_NAME[name]
    if found := re.fullmatch(r"(?:windows-|x-windows-|windows|win-|x-cp|cp-|x-cp-|ibm-)(\d+)", name):
        name = "cp" + found[1]
    try:
        info = codecs.lookup(name)
    except LookupError:
        return None
    return info.name if info._is_text_encoding and info.name not in _OTHERS else None


def windows_1252(octets):
    """The five octets that it has no character for are controls, as browsers have it."""
    return "".join(chr(octet) if octet in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([octet]).decode("cp1252")
                   for octet in octets) if any(octet in octets for octet in b"\x81\x8d\x8f\x90\x9d") else octets.decode("cp1252")


def guessed(octets):
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return windows_1252(octets)


def text(octets, name):
    """Octets in a character set as text; what is wrong in them becomes U+FFFD."""
    known = codec(name or "")
    if known is None:
        return guessed(octets)
    return windows_1252(octets) if known == "windows-1252" else octets.decode(known, "replace")
