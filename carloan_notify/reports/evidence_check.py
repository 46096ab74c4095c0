"""Check a bundle of evidence. Needs Python 3.9 or newer and nothing else; it opens no network and writes no file.

    python3 -I verify.py BUNDLE.zip --key PUBLIC_KEY.pem

检查一份证据包。只需要 Python 3.9 以上，不联网，不写文件。

BUNDLE.zip may also be a folder with the files of the bundle. PUBLIC_KEY.pem is the lender's public key as you have it
from elsewhere (the lender's auditor, its web site, an earlier bundle). Without it the key in the bundle is taken: the
check then says that nothing was changed since that key signed, and prints the key's fingerprint for you to compare.

Exit code: 0 nothing was changed, 1 something was (each place is named), 2 the check could not be made.

What is checked, in this order:
  1. the archive, byte for byte: it holds the files of the bundle and nothing else;
  2. `manifest.json`: its signature (Ed25519, RFC 8032), and by it the SHA-256 of every other file;
  3. `proof.json`: the signature of each digest of the lender's audit; each audit row's hash, and its path in the hash
     tree (RFC 6962) that the digest signs; each message's facts, and their path to the root in their audit row;
  4. `evidence.json` against the proof: recipient, number and wording of each message against the seal that was put in
     the audit when it was queued, its template against the version and the hash noted then, and what happened to it,
     and when, against the audit rows.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

FORMAT = "carloan-notify-evidence/1"
MANIFEST = "manifest.json"
PUBLIC_KEY = "public-key.pem"

# The signature: Ed25519 as in RFC 8032, section 5.1, with its reference arithmetic.

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_WORD = 32


def _add(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, point: tuple[int, ...]) -> tuple[int, ...]:
    found: tuple[int, ...] = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = _add(found, point)
        point, number = _add(point, point), number >> 1
    return found


def _same(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return not any((one[at] * other[2] - other[at] * one[2]) % _P for at in (0, 1))


def _x_of(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    x = x * _ROOT % _P if (x * x - square) % _P else x
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _point(content: bytes) -> tuple[int, ...] | None:
    number = int.from_bytes(content, "little")
    y = number & ((1 << 255) - 1)
    x = _x_of(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % _P)


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _x_of(_BASE_Y, 0) or 0
_BASE = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def is_signed(key: bytes, signature: bytes, content: bytes) -> bool:
    """Whether the 64 bytes of `signature` are this key's (32 bytes) over `content`."""
    if len(key) != _WORD or len(signature) != 2 * _WORD:
        return False
    public, nonce = _point(key), _point(signature[:_WORD])
    number = int.from_bytes(signature[_WORD:], "little")
    if public is None or nonce is None or number >= _L:
        return False
    digest = hashlib.sha512(signature[:_WORD] + key + content).digest()
    challenge = int.from_bytes(digest, "little") % _L
    return _same(_times(number, _BASE), _add(nonce, _times(challenge, public)))


def keys_of(pem: str) -> dict[str, bytes]:
    """The Ed25519 public keys of a PEM text (RFC 8410), 32 bytes each, by id. Anything else: ValueError."""
    found = {}
    for block in pem.split("-----BEGIN PUBLIC KEY-----")[1:]:
        body = base64.b64decode(
            "".join(block.partition("-----END PUBLIC KEY-----")[0].split()), validate=True
        )
        if not body.startswith(_HEAD) or len(body) != len(_HEAD) + _WORD:
            raise ValueError("a public key that is no Ed25519 key")
        found[fingerprint(body[len(_HEAD) :])[:16]] = body[len(_HEAD) :]
    if not found:
        raise ValueError("no public key in PEM")
    return found


_HEAD = bytes.fromhex("302a300506032b6570032100")


def fingerprint(key: bytes) -> str:
    """SHA-256 of a public key; its first 16 digits are the key's id."""
    return hashlib.sha256(key).hexdigest()


# The archive: a ZIP file without compression, times or extras, so that the same files always make the same bytes.

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_NEW_YEAR_1980 = 0x21
_UTF8 = 0x800
_VERSION = 20


def pack(files: dict[str, bytes]) -> bytes:
    """The one archive of these files, in order of name."""
    body, central = bytearray(), bytearray()
    for name, content in sorted(files.items()):
        told = name.encode()
        size = len(content)
        head = (_VERSION, _UTF8, 0, 0, _NEW_YEAR_1980)
        common = (*head, zlib.crc32(content), size, size, len(told), 0)
        central += _CENTRAL.pack(0x02014B50, _VERSION, *common, 0, 0, 0, 0, len(body)) + told
        body += _LOCAL.pack(0x04034B50, *common) + told + content
    end = _END.pack(0x06054B50, 0, 0, len(files), len(files), len(central), len(body), 0)
    return bytes(body + central + end)


def unpack(archive: bytes) -> tuple[dict[str, bytes], str]:
    """The files of an archive that `pack` made, and where it is not as it was made, else ""."""
    files: dict[str, bytes] = {}
    place, name = 0, "the beginning"
    while archive[place : place + 4] == b"PK\x03\x04":
        if place + _LOCAL.size > len(archive):
            return files, f"archive: cut off after {name}"
        fields = _LOCAL.unpack_from(archive, place)
        size, length = fields[7], fields[9]
        start = place + _LOCAL.size + length
        try:
            name = archive[place + _LOCAL.size : start].decode()
        except UnicodeDecodeError:
            return files, f"archive: damaged at byte {place}, after {name}"
        if name in files or start + size > len(archive):
            return files, f"archive: damaged at byte {place}, at {name}"
        files[name] = archive[start : start + size]
        place = start + size
    whole = pack(files)
    if whole == archive:
        return files, ""
    pairs = enumerate(zip(whole, archive))  # noqa: B905 - Python 3.9 knows no `strict`; lengths are compared by this
    differing = next((at for at, (one, other) in pairs if one != other), min(len(whole), len(archive)))
    return files, f"archive: changed at byte {differing}, {_whereabouts(files, differing)}"


def _whereabouts(files: dict[str, bytes], place: int) -> str:
    start = 0
    for name, content in sorted(files.items()):
        start += _LOCAL.size + len(name.encode()) + len(content)
        if place < start:
            return f"at {name}"
    return "in its table of contents"


# Canonical JSON, hash trees and hashes of audit rows.


def canonical(value: Any) -> str:  # noqa: ANN401 - JSON is any of its types
    """The one spelling of a JSON value: keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def root_by(line: str, steps: list[list[Any]]) -> str:
    """The root that a leaf and its path (other hash in hex, whether it stands left) lead to."""
    node = hashlib.sha256(b"\x00" + line.encode()).digest()
    for other, is_left in steps:
        pair = bytes.fromhex(other) + node if is_left else node + bytes.fromhex(other)
        node = hashlib.sha256(b"\x01" + pair).digest()
    return node.hex()


def row_hash(row: dict[str, Any]) -> str:
    """The hash that an audit row should carry."""
    quoted = [json.dumps(row[name], ensure_ascii=False) for name in ("seq", "at", "kind", "subject")]
    line = f"[{','.join(quoted)},{row['data']},{json.dumps(row['prev'])}]"
    return hashlib.sha256(line.encode()).hexdigest()


def version_of(sources: list[list[str]]) -> str:
    """The version of a template: a hash of its sources."""
    digest = hashlib.sha256()
    for name, source in sources:
        digest.update(f"{name}:{len(source.encode())}:".encode() + source.encode())
    return digest.hexdigest()[:16]


# The checks. Each gives sentences about what is wrong, none where all is well.


def signed_fields(body: str, keys: dict[str, bytes]) -> dict[str, Any] | None:
    """The fields of a signed canonical JSON text; None where it was changed, or none of these keys signed it."""
    try:
        fields = json.loads(body)
        signature, key = fields.pop("signature"), keys.get(fields["key_id"], b"")
        content = base64.b64decode(signature, validate=True)
        exact = canonical({**fields, "signature": signature}) + "\n" == body
        exact = exact and base64.b64encode(content).decode() == signature
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return fields if exact and is_signed(key, content, canonical(fields).encode()) else None


def check_files(files: dict[str, bytes], keys: dict[str, bytes]) -> list[str]:
    """The signature over the manifest, and every file against it."""
    if MANIFEST not in files:
        return [f"{MANIFEST}: missing"]
    try:
        manifest = signed_fields(files[MANIFEST].decode(), keys)
    except UnicodeDecodeError:
        manifest = None
    if manifest is None or manifest.get("format") != FORMAT:
        return [f"{MANIFEST}: changed, or signed by another key than {' or '.join(keys)}"]
    named = dict(manifest["files"])
    stray = files.keys() - named.keys() - {MANIFEST}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return [
        *(f"{name}: missing" for name in sorted(named.keys() - files.keys())),
        *(f"{name}: does not belong to the bundle" for name in sorted(stray)),
        *(f"{name}: changed" for name in sorted(named.keys() & files.keys()) if hashes[name] != named[name]),
    ]


class Chain:
    """What the proof shows: audit rows and facts that a signed digest vouches for; `problems` is what it does not."""

    def __init__(self, proof: dict[str, Any], keys: dict[str, bytes]) -> None:
        """Follow every path."""
        self.problems: list[str] = []
        self.rows: dict[int, dict[str, Any]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.queued: dict[str, dict[str, Any]] = {}
        trees: dict[int, dict[str, Any]] = {}
        for body in proof["digests"]:
            fields = signed_fields(body, keys)
            if fields is None:
                self.problems.append("proof.json: a digest was changed, or signed by another key")
            else:
                trees[fields["number"]] = fields
        for each in proof["rows"]:
            self._take_row(each, trees)
        for each in proof["facts"]:
            self._take_facts(each)

    def _take_row(self, each: dict[str, Any], trees: dict[int, dict[str, Any]]) -> None:
        row, digest = each["row"], trees.get(each["digest"])
        sound = (
            digest is not None
            and row_hash(row) == row["hash"]
            and digest["since"] < row["seq"] <= digest["count"]
        )
        if sound and root_by(row["hash"], each["steps"]) == trees[each["digest"]]["tree"]:
            self.rows[row["seq"]] = {**row, "data": json.loads(row["data"])}
        else:
            self.problems.append(f"proof.json: audit row {row['seq']} is not one that the digest vouches for")

    def _take_facts(self, each: dict[str, Any]) -> None:
        row, facts = self.rows.get(each["row"], {}), json.loads(each["line"])
        name, is_queued = facts["message"], row.get("kind") == "message.queued"
        if is_queued and root_by(each["line"], each["steps"]) == row["data"]["root"]:
            self.facts[name], self.queued[name] = facts, row
        else:
            self.problems.append(f"proof.json: facts of message {name} are not those of the audit")

    def events(self, message_id: str) -> list[dict[str, Any]]:
        """What happened to a message, in order: seq, at, event, by, code."""
        found = [_event(self.queued[message_id], "")] if message_id in self.queued else []
        for _, row in sorted(self.rows.items()):
            if is_event(row["kind"]) and message_id in named_in(row):
                found.append(_event(row, row["subject"]))
        return found

    def told(self, message_id: str) -> dict[str, Any]:
        """The seal of what was told last, and the template of it."""
        found = self.facts[message_id]
        for _, row in sorted(self.rows.items()):
            if row["kind"] == "message.reworded" and row["subject"] == message_id:
                found = {**found, **row["data"]}
        return found


def is_event(kind: str) -> bool:
    """Whether rows of this kind tell what happened to a message; who took it up or looked at it matters to nobody."""
    return kind.startswith("message.") and kind not in (
        "message.queued",
        "message.claimed",
        "message.revealed",
    )


def _event(row: dict[str, Any], by: str) -> dict[str, Any]:
    code = row["data"].get("code") or row["data"].get("reason") or ""
    by = "" if row["kind"] == "message.reworded" else by
    return {
        "seq": row["seq"],
        "at": row["at"],
        "event": row["kind"][len("message.") :],
        "by": by,
        "code": code,
    }


def named_in(row: dict[str, Any]) -> set[str]:
    """The messages that an audit row names."""
    listed = row["data"].get("messages", [])
    return {each[0] if isinstance(each, list) else each for each in listed} | {row["subject"]}


SAME_FACTS = {
    "notice": "notice",
    "channel": "channel",
    "role": "role",
    "message_class": "class",
    "due_on": "due_on",
}


def check_message(told: dict[str, Any], chain: Chain) -> list[str]:
    """One message of `evidence.json` against the chain."""
    name = told["message_id"]
    place = f"evidence.json: message {name}"
    if name not in chain.facts:
        return [f"{place}: the proof has no facts of it"]
    facts, last = chain.facts[name], chain.told(name)
    pairs = [(told[mine], facts[its]) for mine, its in SAME_FACTS.items()]
    pairs += [(told["amount_minor"], last["amount"]), (told["template"]["path"], last["template"])]
    pairs += [(told["template"]["version"], last["template_version"])]
    pairs += [(told["resend_of"], facts.get("resend_of", ""))]
    pairs += [(sorted(told["loans"]), sorted({loan for loan, _ in facts["loans"]}))]
    found = [f"{place}: says {mine!r} where the audit has {its!r}" for mine, its in pairs if mine != its]
    if told["events"] != chain.events(name):
        found.append(f"{place}: what happened to it is not what the audit tells")
    known = {event["event"] for event in told["events"]}
    if told["state"] in ("delivered", "undelivered", "rejected") and told["state"] not in known:
        found.append(f"{place}: is said to be {told['state']}, of which the audit knows nothing")
    return [*found, *_check_words(told, last, place), *_check_template(told["template"], chain, place)]


def _check_words(told: dict[str, Any], last: dict[str, Any], place: str) -> list[str]:
    if told["number_seal"] is None:
        return []  # erased on the person's request: said so in the bundle
    number = bytes.fromhex(told["number_seal"])
    if hashlib.sha256(number + told["text"].encode()).hexdigest() != last["text"]:
        return [f"{place}: number and wording are not those whose seal the audit keeps"]
    if told.get("full_number"):
        opening = bytes.fromhex(told["opening"])
        if hashlib.sha256(opening + told["full_number"].encode()).digest() != number:
            return [f"{place}: the full number is not the one whose seal the audit keeps"]
    return []


def _check_template(template: dict[str, Any], chain: Chain, place: str) -> list[str]:
    sources = template["sources"]
    if sources is None:
        return []  # a wording from before the ledger kept them: said so in the bundle
    whole = hashlib.sha256(canonical(sources).encode()).hexdigest()
    rows = [
        row
        for row in chain.rows.values()
        if row["kind"] == "template.used" and row["subject"] == template["path"]
    ]
    noted = {(row["data"]["version"], row["data"]["sha256"]) for row in rows}
    if version_of(sources) != template["version"] or (template["version"], whole) not in noted:
        return [f"{place}: the text of its template is not the one that the audit notes"]
    return []


def check(files: dict[str, bytes], keys: dict[str, bytes]) -> list[str]:
    """Everything that is wrong with the files of a bundle."""
    found = check_files(files, keys)
    if found:
        return found
    try:
        chain = Chain(json.loads(files["proof.json"]), keys)
        told = json.loads(files["evidence.json"])["messages"]
        about = [problem for each in told for problem in check_message(each, chain)]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as problem:
        return [f"the bundle lacks what a proof needs ({type(problem).__name__}: {problem})"]
    return [*chain.problems, *about]


# The command.


def read(place: Path) -> tuple[dict[str, bytes], str]:
    """The files of a bundle, an archive or a folder, and what is wrong with the archive."""
    if place.is_dir():
        return {path.name: path.read_bytes() for path in sorted(place.iterdir()) if path.is_file()}, ""
    return unpack(place.read_bytes())


def verdict(place: Path, pem: str | None) -> tuple[list[str], str]:
    """What is wrong with a bundle, and the fingerprints of the keys it was checked with; OSError, ValueError."""
    files, damage = read(place)
    try:
        keys = keys_of(files.get(PUBLIC_KEY, b"").decode("ascii", "replace") if pem is None else pem)
    except ValueError as fault:
        if pem is not None:
            raise
        return [damage or f"{PUBLIC_KEY}: {fault}"], ""
    return ([damage] if damage else []) + check(files, keys), " ".join(map(fingerprint, keys.values()))


def main(arguments: list[str]) -> int:
    """Check what the command line names; the exit code."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="verify.py", description=__doc__, formatter_class=plain)
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", type=Path, metavar="PUBLIC_KEY.pem")
    given = parser.parse_args(arguments)
    try:
        found, printed = verdict(given.bundle, given.key.read_text("ascii") if given.key else None)
    except (OSError, ValueError) as fault:
        sys.stderr.write(f"cannot check 无法检查: {fault}\n")
        return 2
    lines = [f"CHANGED 已被改动: {each}" for each in found] or ["OK: nothing was changed. 未发现任何改动。"]
    if printed:
        lines.append(f"key fingerprint 公钥指纹 (SHA-256): {printed}")
    if given.key is None:
        lines += [
            "The key is the bundle's own: compare its fingerprint with the lender's published one, or give --key.",
            "所用公钥取自证据包本身：请与贷款机构公布的指纹核对，或用 --key 指定。",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a console of another encoding
    sys.exit(main(sys.argv[1:]))
