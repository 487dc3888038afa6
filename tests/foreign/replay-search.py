"""Searches a recording for what it may not keep: replay-search.py FOLDER ORIGINALS | --self-test.

Every file and its name is read as it is and, again and again, with each layer of encoding taken off: base64 (4 alignments, URL
alphabet too), percent, character references (also of surrogates), JSON escapes, hex, UTF-16, ISO-8859-1, gzip. A value of six digits
or fewer counts only between other characters than letters and digits, or chance would find it. Exit 1 names file and value.
"""

import base64
import gzip
import json
import pathlib
import re
import sys
import urllib.parse
import zlib
from html import escape

DEPTH = 4
REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
NAMED = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
BASE64 = re.compile(rb"(?:[A-Za-z0-9+/_-][ \t\r\n]{0,2}){8,}={0,2}")
HEX = re.compile(rb"(?:[0-9a-fA-F]{2}[ :,]?){4,}")


def texts(data):
    """The bytes as text, by each charset that fits."""
    yield data.decode("utf-8", "replace")
    yield data.decode("latin-1")
    if b"\0" in data:
        for start in (0, 1):
            for charset in ("utf-16-le", "utf-16-be"):
                yield data[start:].decode(charset, "replace")


def join_surrogates(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def code_point(hex_digits, digits):
    value = int(hex_digits, 16) if hex_digits else int(digits)
    return chr(value) if value < 0x110000 else ""


def without_a_layer(text):
    """Other readings of the text, where there are any."""
    if "&" in text:
        plain = REFERENCE.sub(lambda m: code_point(*m.groups()), text)
        for name, char in NAMED.items():
            plain = plain.replace(name, char)
        yield join_surrogates(plain)
    if "%" in text:
        yield urllib.parse.unquote(text.replace("+", " "), errors="replace")
        yield urllib.parse.unquote(text, "latin-1")
    if "\\" in text:
        short = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
        one = lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else short.get(m[1], m[1])  # noqa: E731
        yield join_surrogates(re.sub(r"\\(u[0-9a-fA-F]{4}|[nrtbf\"\\/])", one, text))


def inner_bytes(data):
    """What is inside: of gzip, zlib, base64 and hex."""
    for start in (m.start() for m in re.finditer(rb"\x1f\x8b\x08", data)):
        try:
            yield zlib.decompressobj(31).decompress(data[start:], 1 << 24)
        except zlib.error:
            pass
    for run in BASE64.findall(data):
        run = re.sub(rb"[\s=]", b"", run).replace(b"-", b"+").replace(b"_", b"/")
        for skip in range(4):
            part = run[skip:]
            part = part[:-1] if len(part) % 4 == 1 else part
            yield base64.b64decode(part + b"=" * (-len(part) % 4))
    for run in HEX.findall(data):
        digits = re.sub(rb"[ :,]", b"", run)
        for skip in (0, 1):
            part = digits[skip:]
            yield bytes.fromhex(part[: len(part) // 2 * 2].decode())


def readings(data, depth=DEPTH):
    """(text, how it was reached) for all layers."""
    seen, queue = set(), [(data, "as it is", 0)]
    while queue:
        data, way, level = queue.pop()
        if data in seen:
            continue
        seen.add(data)
        for text in texts(data):
            yield text, way
            if level < depth:
                plain = [t.encode("utf-8", "surrogatepass") for t in without_a_layer(text) if t != text]
                queue += [(t, way + ", unescaped", level + 1) for t in plain]
        if level < depth - 1 and len(seen) < 2000:
            # Only what could still hold something: random bytes hold no text.
            queue += [(inner, way + ", decoded", level + 1) for inner in inner_bytes(data) if len(inner) >= 4]


def matcher(original):
    """Line ends and runs of white space count as equal."""
    pattern = r"\s+".join(re.escape(part) for part in original.split())
    if len(original) <= 6 and original.isalnum():
        pattern = rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])"
    return re.compile(pattern, re.I)


def found_in(data, wanted):
    left, found = dict(wanted), []
    for text, way in readings(data):
        for original in [o for o, pattern in left.items() if pattern.search(text)]:
            found.append((original, way))
            del left[original]
    return found


def search(folder, originals):
    wanted = {json.loads(line): matcher(json.loads(line)) for line in open(originals, encoding="utf-8")}
    bad, files = 0, [p for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()]
    for file in files:
        name = str(file.relative_to(folder))
        for what, data in (("name", name.encode()), ("content", file.read_bytes())):
            for original, way in found_in(data, wanted):
                print(f"{name}: its {what} ({way}) has {original!r}")
                bad += 1
    if bad or not files:
        sys.exit(f"{bad} originals found in {len(files)} files")
    print(f"none of {len(wanted)} originals in {len(files)} files")


def self_test():
    card, text = "02107654301", "Zażółć <gęślą> 𝄞 & \"x\""
    references = "".join(f"&#x{ord(c):x};" for c in text), "".join(f"&#{ord(c)};" for c in text)
    surrogates = "".join(f"&#{u};" for u in memoryview(text.encode("utf-16-le")).cast("H"))
    cases = [(card, card), (text, text), (text, escape(text)), (text, json.dumps(text)), (text, urllib.parse.quote(text)),
             (text, urllib.parse.quote_plus(text)), *((text, r) for r in references), (text, surrogates),
             (card, card.encode().hex()), (text, text.encode().hex(" ")), (card, gzip.compress(b"<a>" + card.encode() + b"</a>")),
             (text, text.encode("utf-16")), (text, text.encode("utf-16-be")), ("façade é", "façade é".encode("latin-1")),
             (text, json.dumps({"a": base64.b64encode(escape(text).encode()).decode()})),
             (card, "x" + base64.b64encode(gzip.compress(card.encode())).decode()), ("739164", "<p>739164</p>"),
             (text, json.dumps(json.dumps(escape(text))))]
    for before in ("", "a", "ab"):
        cases.append((card, base64.b64encode(f"{before}{card}:{text}".encode())))
        cases.append((card, base64.urlsafe_b64encode(f"{before}\xff\xfe{card}".encode("latin-1"))))
    for original, hidden in cases:
        data = hidden.encode() if isinstance(hidden, str) else hidden
        around = b'<request id="7">' + data + b"</request>\n"
        assert found_in(around, {original: matcher(original)}), f"{original!r} is not found in {around!r}"
    for original, other in [("739164", "7391640"), (card, "02107654302"), ("739164", "a739164")]:
        assert not found_in(other.encode(), {original: matcher(original)}), other
    print(f"{len(cases)} hiding places, all found")


self_test() if sys.argv[1:] == ["--self-test"] else search(*sys.argv[1:])
