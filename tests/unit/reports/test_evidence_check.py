"""The script in a bundle of evidence: its signature against the library's, its archive against Python's own."""

import ast
import inspect
import io
import sys
import zipfile

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.ledger import audit, digest, merkle
from carloan_notify.messages.render import version_of
from carloan_notify.reports import evidence_check as check

LINES = (
    """
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
-
e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c
72
92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
""".replace("-", "")
    .strip("\n")
    .split("\n")
)
RFC_8032 = [(LINES[at], LINES[at + 1], LINES[at + 2] + LINES[at + 3]) for at in (0, 4)]
"""Section 7.1: public key, message, signature."""
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_signatures_of_the_standard(key: str, message: str, signature: str) -> None:
    assert check.is_signed(bytes.fromhex(key), bytes.fromhex(signature), bytes.fromhex(message))
    assert not check.is_signed(bytes.fromhex(key), bytes.fromhex(signature), bytes.fromhex(message) + b"x")


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.integers(0, 511))
def test_the_library_signs_and_the_script_believes_it_and_no_changed_bit(
    seed: bytes, message: bytes, bit: int
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    signature = private.sign(message)
    assert check.is_signed(raw, signature, message)
    changed = (int.from_bytes(signature, "little") ^ (1 << bit)).to_bytes(64, "little")
    assert not check.is_signed(raw, changed, message)
    assert check.keys_of(digest.public_pem(private.public_key())) == {
        digest.public_id(private.public_key()): raw
    }


def test_a_signature_has_one_form() -> None:
    """S + L satisfies the equation as well; RFC 8032, section 5.1.7, refuses it."""
    key, message, signature = (bytes.fromhex(text) for text in RFC_8032[1])
    more = int.from_bytes(signature[32:], "little") + ORDER
    assert not check.is_signed(key, signature[:32] + more.to_bytes(32, "little"), message)
    assert not check.is_signed(key[:-1], signature, message)
    assert not check.is_signed(b"\xff" * 32, signature, message)  # no point of the curve


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00/"), min_size=1, max_size=8)


@given(st.dictionaries(NAMES, st.binary(max_size=20), max_size=4))
def test_an_archive_is_a_zip_and_comes_back(files: dict[str, bytes]) -> None:
    archive = check.pack(files)
    assert check.unpack(archive) == (files, "")
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        assert len(opened.namelist()) == len(files)


@given(st.dictionaries(NAMES, st.binary(max_size=20), max_size=3), st.data())
def test_an_archive_changed_in_one_byte_or_cut_is_not_as_it_was_made(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    archive = check.pack(files)
    place = data.draw(st.integers(0, len(archive) - 1))
    changed = (
        archive[:place] + bytes([archive[place] ^ data.draw(st.integers(1, 255))]) + archive[place + 1 :]
    )
    assert check.unpack(changed)[1].startswith("archive: ")
    assert check.unpack(archive[:place])[1].startswith("archive: ")
    assert check.unpack(archive + b"x")[1].startswith("archive: ")


@given(st.lists(st.text(max_size=3), min_size=1, max_size=9), st.data())
def test_hashes_are_those_of_the_ledger(lines: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(lines) - 1))
    leaves = [merkle.leaf(line) for line in lines]
    steps = [[step.other, step.is_left] for step in merkle.proof(leaves, place)]
    assert check.root_by(lines[place], steps) == merkle.root(leaves)
    sources = {f"{number}.j2": line for number, line in enumerate(lines)}
    assert check.version_of([[name, line] for name, line in sources.items()]) == version_of(sources)
    stamp = (lines[0], "message.accepted", lines[-1])
    told = audit.canonical({"messages": lines})
    row = {"seq": 7, "at": stamp[0], "kind": stamp[1], "subject": stamp[2], "data": told, "prev": "0" * 64}
    assert check.row_hash(row) == audit.row_hash(7, stamp, told, "0" * 64)
    assert check.canonical({"b": lines, "a": 1}) == audit.canonical({"b": lines, "a": 1})


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(inspect.getsource(check))
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert plain | named <= set(sys.stdlib_module_names)
