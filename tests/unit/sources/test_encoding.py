"""Which encoding a file is in, also where a few words could be in two."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carloan_notify.sources.encoding import detect_encoding
from carloan_notify.sources.read import read_all, read_table
from carloan_notify.sources.settings import ReadContext, SourcesSettings, TableSettings

BOTH = "钱一"  # GBK C7AE D2BB, which is 'Ǯһ' in UTF-8
SURE = "张三李四"
LOANS = "loan_id,customer_id,borrower_name,phone,status\nL1,C1,{},+8613800138000,active\n"
CONTACTS = "customer_id,role,name,phone\nC1,guarantor,{},+8613800138000\n"


def night(
    context: ReadContext, loans: bytes, contacts: bytes, **of_contacts: str
) -> tuple[SourcesSettings, list[str]]:
    (context.base_dir / "loans.csv").write_bytes(loans)
    (context.base_dir / "contacts.csv").write_bytes(contacts)
    tables = SourcesSettings(
        loans=TableSettings(path="loans.csv"), contacts=TableSettings(path="contacts.csv", **of_contacts)
    )
    found = read_all(tables, context)
    assert found.contacts is not None
    return tables, [found.loans.frame["borrower_name"].iloc[0], found.contacts.frame["name"].iloc[0]]


def test_the_two_words_are_in_both() -> None:
    assert BOTH.encode("gbk").decode("utf-8") == "Ǯһ"


@pytest.mark.parametrize("country", ["CN", "GB"])
def test_a_table_of_few_words_is_in_the_encoding_of_the_others(context: ReadContext, country: str) -> None:
    loans, contacts = LOANS.format(SURE).encode("gbk"), CONTACTS.format(BOTH).encode("gbk")
    at_home = ReadContext(context.as_of, context.base_dir, "supplied", "CNY", country, "Asia/Shanghai")
    tables, names = night(at_home, loans, contacts)
    assert names == [SURE, BOTH]
    alone = ReadContext(
        context.as_of, context.base_dir, "supplied", "CNY", country, "Asia/Shanghai", sources=tables
    )
    assert tables.contacts is not None
    table = read_table("contacts", tables.contacts, context=alone)
    assert table.frame["name"].tolist() == [BOTH]  # as the last look reads it, one table at a time


def test_what_one_table_is_said_to_be_counts_for_the_others(context: ReadContext) -> None:
    names = night(
        context, LOANS.format(BOTH).encode("gbk"), CONTACTS.format("A").encode(), encoding="gb18030"
    )
    assert names[1] == [BOTH, "A"]


def test_utf_8_beside_utf_8_stays(context: ReadContext) -> None:
    for name in ("Ǯһ", "José", "Müller", "Иван", "张三"):
        _, names = night(context, LOANS.format(SURE).encode(), CONTACTS.format(name).encode())
        assert names == [SURE, name]


def test_a_broken_table_beside_says_nothing(context: ReadContext) -> None:
    (context.base_dir / "loans.csv").write_bytes(LOANS.format(BOTH).encode("gbk"))
    (context.base_dir / "contacts.csv").write_bytes(b"\x1f\x8bxx")
    beside = [(context.base_dir / "contacts.csv", "auto"), (context.base_dir / "none.csv", "auto")]
    assert detect_encoding(context.base_dir / "loans.csv", "auto", 1024, beside=beside) == "utf-8"
    assert (
        detect_encoding(context.base_dir / "loans.csv", "auto", 1024, beside=beside, chinese=True)
        == "gb18030"
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("钱一", "gbk"),
        ("鲁A12345,钱一", "gbk"),
        ("姓名\n钱一\n一", "gbk"),
        ("张三", "utf-8"),
        ("李四,张三", "utf-8"),
        ("José", "utf-8"),
        ("Müller,Bjørn,François,Peña", "utf-8"),
        ("MÜLLER", "utf-8"),
        ("Иван Петров", "utf-8"),
        ("Γιώργος", "utf-8"),
        ("plain", "utf-8"),
        ("\ufeffǮһ", "utf-8"),
    ],
)
def test_a_chinese_lenders_only_file(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"a,b\n{text}\n".encode(encoding))
    assert detect_encoding(path, "auto", 1024, chinese=True).replace("18030", "k") == encoding


def test_one_word_on_every_line_is_still_one_word(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(("a\n" + "一\n" * 500).encode("gbk"))
    assert detect_encoding(path, "auto", 1024, chinese=True) == "gb18030"


def test_a_short_file_half_of_whose_lines_are_valid_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a\n钱一\n张三\n".encode("gbk"))
    assert detect_encoding(path, "auto", 1024) == "gb18030"


HANZI = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=4)
CHINESE = HANZI.filter(lambda text: len(text.encode("gb2312", "ignore")) == 2 * len(text))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(CHINESE, min_size=1, max_size=6), st.sampled_from(["utf-8", "gbk"]))
def test_a_chinese_night_of_any_names_is_read_as_it_was_written(
    tmp_path: Path, names: list[str], encoding: str
) -> None:
    for place, name in enumerate(names):
        (tmp_path / f"{place}.csv").write_bytes(f"name\n{name}\n".encode(encoding))
    (tmp_path / "sure.csv").write_bytes(f"姓名\n{SURE}\n".encode(encoding))
    files = [(tmp_path / f"{place}.csv", "auto") for place in range(len(names))]
    for path, _ in files:
        beside = [*((other, "auto") for other, _ in files if other != path), (tmp_path / "sure.csv", "auto")]
        found = detect_encoding(path, "auto", 1024, beside=beside, chinese=True)
        assert path.read_bytes().decode(found) == path.read_bytes().decode(encoding)
