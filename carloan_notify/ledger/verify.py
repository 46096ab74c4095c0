"""Has anybody changed the record? The chain, the digests, and what each says about the other."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import digest as signed_digests
from carloan_notify.ledger import merkle
from carloan_notify.ledger.audit import AuditRow, Block, Head, canonical
from carloan_notify.ledger.blocks import Roots, Trees
from carloan_notify.ledger.chain_walk import Breach, BreachKind, ChainWalk
from carloan_notify.ledger.digest import Digest

_DIGEST_EVENT: Final = "digest.written"


@dataclass(frozen=True, slots=True)
class Verification:
    """`rows` and `digests` looked at, the hash of the last row, and what is wrong.

    No breaches: the record is whole.
    """

    rows: int
    digests: int
    head: str
    breaches: tuple[Breach, ...]

    @property
    def ok(self) -> bool:
        """Is the record whole?"""
        return not self.breaches


@dataclass(frozen=True, slots=True)
class Shelf:
    """One folder of digest files: the text of each by name."""

    place: str
    files: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Shelf":
        """Every digest file of a folder; a folder that is not there is an empty shelf."""
        paths = sorted(folder.glob(signed_digests.PATTERN))
        return cls(str(folder), {path.name: path.read_text("utf-8", errors="replace") for path in paths})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is compared.

    `known` are the digests the ledger itself remembers, `head` its note of the last row.
    """

    ledger_id: str
    head: Head | None
    known: Sequence[Digest]
    shelves: Sequence[Shelf]
    trusted: Mapping[str, Ed25519PublicKey] = field(repr=False)


def verify_rows(rows: Iterable[AuditRow], evidence: Evidence, blocks: Iterable[Block] = ()) -> Verification:
    """Walk all rows once, in constant memory, and compare them with the digests and with the facts of `blocks`."""
    breaches: list[Breach] = []
    sound = _sound_digests(evidence, breaches)
    walk = ChainWalk(digest.count for digest in sound.values())
    announced, roots, trees = set[int](), Roots(), Trees(sound.values())
    for row in rows:
        walk.feed(row)
        roots.feed(row)
        trees.feed(row)
        if row.kind == _DIGEST_EVENT:
            announced |= _number(row)
    chain = walk.finish()
    facts = roots.breaches(blocks, explained=bool(chain))
    _missing(evidence, announced | {digest.number for digest in evidence.known}, breaches)
    against = _against_digests(walk, sound, evidence, explained=bool(chain))
    against = against or ([] if chain else trees.breaches())
    against = against or _against_head(walk, evidence.head, explained=bool(chain))
    return Verification(walk.count, len(sound), walk.last_hash, (*chain, *facts, *against, *breaches))


def _number(row: AuditRow) -> set[int]:
    try:
        return {int(json.loads(row.data)["number"])}
    except (ValueError, KeyError, TypeError):
        return set()  # the walk names this row as modified


def _sound_digests(evidence: Evidence, breaches: list[Breach]) -> dict[int, Digest]:
    """Digests with a trusted signature by number; every other file is a breach."""
    sound: dict[int, Digest] = {}
    for shelf in evidence.shelves:
        for name, body in shelf.files.items():
            found = signed_digests.parse(body)
            place = str(Path(shelf.place) / name)
            if found is None:
                text = "not readable as a digest: somebody changed it"
                breaches.append(Breach(BreachKind.MODIFIED_DIGEST, place, text))
            elif problem := _problem(found, name, evidence.trusted):
                breaches.append(Breach(problem[0], place, problem[1]))
            elif sound.setdefault(found.number, found).body != body:
                breaches.append(
                    Breach(BreachKind.MODIFIED_DIGEST, place, "differs from its copy; both are signed")
                )
    _check_succession(sound, breaches)
    return sound


def _problem(
    found: Digest, name: str, trusted: Mapping[str, Ed25519PublicKey]
) -> tuple[BreachKind, str] | None:
    if found.key_id not in trusted:
        return BreachKind.WRONG_KEY, f"signed with key {found.key_id}, which is not one of the trusted keys"
    if not found.is_signed_by(trusted[found.key_id]):
        return BreachKind.MODIFIED_DIGEST, "the signature does not fit: somebody changed the file"
    if signed_digests.file_name(found.number) != name:
        return BreachKind.MODIFIED_DIGEST, f"holds digest {found.number}: somebody renamed the file"
    return None


def _check_succession(sound: Mapping[int, Digest], breaches: list[Breach]) -> None:
    for number, digest in sorted(sound.items()):
        before = sound.get(number - 1)
        if before is not None and digest.previous != before.hash:
            text = f"was not written after the digest {number - 1} that lies there"
            breaches.append(Breach(BreachKind.MODIFIED_DIGEST, f"digest {number}", text))


def _missing(evidence: Evidence, expected: set[int], breaches: list[Breach]) -> None:
    """Every digest that the chain, the ledger or another folder knows must lie in every folder."""
    names = {signed_digests.file_name(number) for number in expected}
    names |= {name for shelf in evidence.shelves for name in shelf.files}
    for shelf in evidence.shelves:
        for name in sorted(names - set(shelf.files)):
            text = (
                "not there: it was deleted, or the run that wrote it was killed (the next run puts it back)"
            )
            breaches.append(Breach(BreachKind.MISSING_DIGEST, str(Path(shelf.place) / name), text))


def _against_digests(
    walk: ChainWalk, sound: Mapping[int, Digest], evidence: Evidence, *, explained: bool
) -> list[Breach]:
    """The first digest that the chain contradicts, and what that means."""
    known = {digest.number: digest.hash for digest in evidence.known}
    good = 0
    for number, digest in sorted(sound.items()):
        if digest.ledger_id == evidence.ledger_id and walk.heads.get(digest.count) == digest.head:
            good = digest.count
            continue
        if known.get(number) != digest.hash:
            text = f"written {digest.written_at}; unknown to this ledger: another copy was put in place"
            return [Breach(BreachKind.ROLLED_BACK, f"digest {number}", text)]
        if digest.count > walk.last_seq:
            place = f"audit row {walk.last_seq + 1}-{digest.count}"
            return [Breach(BreachKind.TRUNCATED, place, f"cut off the end; digest {number} vouches for them")]
        if not explained:
            text = f"rewritten with all hashes recomputed; digest {number} vouches for another content"
            return [Breach(BreachKind.MODIFIED, f"audit row {good + 1}-{digest.count}", text)]
    return []


def _against_head(walk: ChainWalk, head: Head | None, *, explained: bool) -> list[Breach]:
    if head is None:
        return [
            Breach(BreachKind.MODIFIED, f"audit row {walk.last_seq}", "the note of the last row was deleted")
        ]
    if head.seq > walk.last_seq:
        place = f"audit row {walk.last_seq + 1}-{head.seq}"
        return [
            Breach(
                BreachKind.TRUNCATED,
                place,
                "cut off the end; the ledger's note of the last row vouches for them",
            )
        ]
    if head.seq < walk.last_seq and not explained:
        place = f"audit row {head.seq + 1}-{walk.last_seq}"
        return [Breach(BreachKind.INSERTED, place, "added behind the last row that this tool wrote")]
    if head.seq == walk.last_seq and head.hash != walk.last_hash and not explained:
        text = "not the row that this tool wrote last"
        return [Breach(BreachKind.MODIFIED, f"audit row {head.seq}", text)]
    return []


# The audit as one JSONL file that proves itself: header, every row, every digest, and an end line.
#
# `verify` needs only the file; with the auditor's own copy of the public key it needs not even trust the
# header.

FORMAT: Final = "carloan-notify-audit/1"
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into the file."""

    rows: int
    digests: int


def write(
    path: Path,
    record: tuple[Iterable[AuditRow], Iterable[Block]],
    signed: Sequence[Digest],
    keys: Sequence[Ed25519PublicKey],
    ledger_id: str,
) -> Exported:
    """Write the export; a file that is there already raises `LedgerError`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except OSError as problem:
        raise LedgerError(
            f"{path}: cannot write the export ({problem.strerror}); name a new file"
        ) from problem
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        header = {
            "format": FORMAT,
            "ledger_id": ledger_id,
            "public_keys": [signed_digests.public_pem(key) for key in keys],
        }
        _line(file, header)
        last = Head(0, "")
        rows, blocks = record
        for row in rows:
            _line(file, {**asdict(row), "data": json.loads(row.data)})
            last = Head(last.seq + 1, row.hash)
        for block in blocks:
            _line(file, _written(block))
        for item in signed:
            _line(file, {"digest": item.body})
        _line(file, {"end": {"rows": last.seq, "head": last.hash, "digests": len(signed)}})
    return Exported(last.seq, len(signed))


def _written(block: Block) -> dict[str, Any]:
    """A block as a line of the export: its facts in clear, or as they are where they cannot be read."""
    lines = merkle.unpacked(block.facts)
    body = {"facts": lines} if lines is not None else {"damaged": block.facts.hex()}
    return {"block": block.seq, **body, "marks": block.marks.hex()}


def _line(file: TextIO, value: dict[str, Any]) -> None:
    file.write(canonical(value) + "\n")


def verify_file(path: Path, public_key_file: Path | None = None) -> Verification:
    """Verify an export alone. Without `public_key_file` the keys in its header are believed.

    A file that is no export raises `LedgerError`; a changed one gives breaches.
    """
    tail = _tail(path)
    header = next(_objects(path))
    trusted = signed_digests.trusted(public_key_file) if public_key_file else _header_keys(header)
    evidence = Evidence(
        ledger_id=str(header.get("ledger_id")),
        head=tail.head,
        known=tail.digests,
        shelves=[
            Shelf("export", {signed_digests.file_name(item.number): item.body for item in tail.digests})
        ],
        trusted=trusted,
    )
    return verify_rows(_rows(path), evidence, _blocks(path))


@dataclass(frozen=True, slots=True)
class _Tail:
    head: Head
    digests: list[Digest]


def _tail(path: Path) -> _Tail:
    """Digests and end line. Without an end line the file was cut: its head is beyond any row."""
    found: list[Digest] = []
    head: Head | None = None
    for value in _objects(path):
        if "digest" in value and (item := signed_digests.parse(str(value["digest"]))):
            found.append(item)
        if "end" in value:
            head = Head(int(value["end"]["rows"]), str(value["end"]["head"]))
    if head is None:
        raise LedgerError(f"{path}: the end line is missing: the file was cut off; export it again")
    return _Tail(head, found)


def _rows(path: Path) -> Iterator[AuditRow]:
    for value in _objects(path):
        if "seq" in value:
            yield AuditRow(**{**value, "data": canonical(value["data"])})


def _blocks(path: Path) -> Iterator[Block]:
    for value in _objects(path):
        if "block" in value:
            facts = merkle.packed(value["facts"]) if "facts" in value else bytes.fromhex(value["damaged"])
            yield Block(value["block"], facts, bytes.fromhex(value["marks"]))


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                value = json.loads(line)
                if number == 1 and value.get("format") != FORMAT:
                    raise LedgerError(f"{path}: not an audit export of this tool")
                yield value
    except (OSError, ValueError, AttributeError) as problem:
        raise LedgerError(f"{path}: cannot be read as an audit export; export it again") from problem


def _header_keys(header: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    keys = [serialization.load_pem_public_key(str(pem).encode()) for pem in header.get("public_keys", [])]
    return {signed_digests.public_id(key): key for key in keys if isinstance(key, Ed25519PublicKey)}
