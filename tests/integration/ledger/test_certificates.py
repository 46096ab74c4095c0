"""Certificates in the ledger: numbers without gaps, one valid one a loan, and what is left when it was forgotten."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from carloan_notify.certificate_codes import Fact, VoidReason
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, certificates, upkeep
from carloan_notify.ledger.certificates import Certificate, Draft, MadeFile, Series
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.tables import CERTIFICATES
from tests.integration.ledger.drafts import NOW
from tests.transactions import commit, look, wiping

SERIES: Final = Series("AD-", 2026)
BY: Final = ("clerk", "told 13800138000 by phone")


def draft(loan_id: str, issue: int = 1, name: str = "王小明") -> Draft:
    return Draft(loan_id, f"C-{loan_id}", issue, {Fact.BORROWER.value: name})


def issue(ledger: Ledger, *drafts: Draft, series: Series = SERIES) -> list[Certificate]:
    return commit(ledger, certificates.issue, drafts, series, "run", NOW)


def kinds(ledger: Ledger) -> list[str]:
    rows = look(ledger, audit.show, kind="certificate.")
    return [f"{kind} {subject}" for kind, subject in zip(rows["kind"], rows["subject"], strict=True)]


def numbers(found: Sequence[Certificate]) -> list[str]:
    return [one.number[:14] for one in found]


def test_numbers_have_no_gap(ledger: Ledger) -> None:
    first = issue(ledger, draft("A"), draft("B"))
    assert numbers(first) == ["AD-2026-000001", "AD-2026-000002"]
    assert issue(ledger, draft("A"), draft("B", 2)) == [], "a loan has one valid certificate"
    with pytest.raises(RuntimeError), ledger.write() as tx:
        _fail_after(certificates.issue(tx, [draft("C")], SERIES, "run", NOW))
    assert numbers(issue(ledger, draft("C"))) == ["AD-2026-000003"]
    (next_year,) = issue(ledger, draft("D"), series=Series("", 2027))
    assert next_year.number.startswith("2027-000001-")
    assert kinds(ledger)[:1] == [f"certificate.issued {first[0].number}"]


def _fail_after(issued: list[Certificate]) -> None:
    raise RuntimeError(f"after {len(issued)}")


def test_two_at_once_take_two_numbers(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda name: issue(ledger, draft(name)), "ABCDABCD"))
    assert sorted(one.number[8:14] for some in found for one in some) == [f"{n:06d}" for n in range(1, 5)]


def test_it_is_found_by_code_number_and_file(ledger: Ledger) -> None:
    one, other = issue(ledger, draft("A"), draft("B"))
    assert look(ledger, certificates.by_code, one.code) == one
    assert look(ledger, certificates.by_number, other.number) == other
    assert one.facts == {
        Fact.BORROWER: "王小明",
        Fact.NUMBER: one.number,
        Fact.CODE: certificates.grouped(one.code),
    }
    made = [MadeFile(one.number, 0, "html", "aa"), MadeFile(one.number, 0, "pdf", "bb")]
    commit(ledger, certificates.keep_files, [*made, made[0]], NOW)
    commit(ledger, certificates.keep_files, made, NOW)
    assert look(ledger, certificates.file_of, "bb") == made[1]
    assert look(ledger, certificates.file_of, "cc") is None
    assert kinds(ledger).count(f"certificate.made {one.number}") == 1
    assert look(ledger, certificates.by_code, "0" * 16) is None
    assert look(ledger, certificates.latest, ["A", "Z"]) == [one]


def test_a_void_one_stays_and_the_loan_may_get_another(ledger: Ledger) -> None:
    (one,) = issue(ledger, draft("A"))
    assert commit(ledger, certificates.void, [one.number, "X"], VoidReason.REVOKED, BY, NOW) == [one.number]
    assert commit(ledger, certificates.void, [one.number], VoidReason.REVOKED, BY, NOW) == []
    found = look(ledger, certificates.by_number, one.number)
    assert found is not None
    assert (found.state, found.void_reason, found.code) == ("void", "revoked", one.code)
    with pytest.raises(LedgerError, match="not valid"):
        commit(ledger, certificates.duplicate, one.number, "clerk", "lost", NOW)
    assert issue(ledger, draft("A")) == []
    (second,) = issue(ledger, draft("A", 2))
    assert second.number != one.number
    assert second.code != one.code
    assert look(ledger, certificates.valid_loans) == {"A": second.number}
    rows = look(ledger, audit.show, kind="certificate.void")
    assert "13800138000" not in rows["data"].iloc[0]


def test_a_duplicate_keeps_the_number(ledger: Ledger) -> None:
    (one,) = issue(ledger, draft("A"))
    assert [
        commit(ledger, certificates.duplicate, one.number, "clerk", "lost", NOW).copies for _ in "ab"
    ] == [1, 2]
    assert kinds(ledger)[-2:] == [f"certificate.duplicated {one.number}"] * 2


def test_what_it_says_is_forgotten_and_that_it_was_issued_is_not(ledger: Ledger) -> None:
    one, other = issue(ledger, draft("A"), draft("B"))
    commit(ledger, certificates.keep_files, [MadeFile(one.number, 0, "html", "aa")], NOW)
    assert look(
        ledger, certificates.codes_of, certificates.of_customer(ledger.cipher.customer_ref("C-A"))
    ) == [one.code]
    assert wiping(ledger, upkeep.erase, "C-A", "op", NOW).certificates == 1
    assert (
        look(ledger, certificates.codes_of, certificates.of_customer(ledger.cipher.customer_ref("C-A"))) == []
    )
    found = look(ledger, certificates.by_code, one.code)
    assert found is not None
    assert (found.facts, found.state) == ({}, "valid")
    assert look(ledger, certificates.file_of, "aa") is not None
    with pytest.raises(LedgerError, match="erased"):
        commit(ledger, certificates.duplicate, one.number, "clerk", "lost", NOW)
    assert wiping(ledger, upkeep.purge, NOW, NOW).certificates == 0, "issued at this very moment"
    assert wiping(ledger, upkeep.purge, NOW + timedelta(days=1), NOW).certificates == 1
    assert numbers(issue(ledger, draft("C"))) == ["AD-2026-000003"], other.number
    assert ledger.verify_audit().ok


def test_keys_rotate_and_a_backup_brings_it_back(
    ledger: Ledger, settings: LedgerSettings, tmp_path: Path
) -> None:
    (one,) = issue(ledger, draft("A"))
    upkeep.rotate_keys(ledger, "op", NOW)
    with Ledger.open(settings, tmp_path) as anew:
        assert look(anew, certificates.by_code, one.code) == one
        with anew.store.read() as connection:
            sealed = connection.execute(CERTIFICATES.select()).mappings().one()["facts_sealed"]
        assert sealed.startswith(bytes.fromhex(anew.cipher.keyring.active))
        assert "王小明".encode() not in sealed
        made = upkeep.write_backup(anew, NOW)
    assert made.rows > 0
