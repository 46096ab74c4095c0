"""What templates said on earlier nights, and what has changed in them since: as those who write them see it."""

from tests.e2e.conftest import Desk

FILE = "zh-CN/due_today.sms.j2"
CHANGED = "zh-CN/overdue_1.sms.j2"


def append(desk: Desk, file: str, text: str) -> None:
    with (desk.folder / "templates" / file).open("a", encoding="utf-8") as stream:
        stream.write(text)


def test_before_any_night_nothing_was_used(desk: Desk) -> None:
    assert desk.run("templates", "history", "due_today", "--format", "json").json == []
    assert "never used yet" in desk.run("templates", "diff").out
    assert "no such template" in desk.run("templates", "history", "nothing", code=2).err


def test_a_changed_template_is_shown_against_the_last_night(planned: Desk) -> None:
    same = planned.run("templates", "diff", "--format", "json").json
    assert same["files"] == []
    append(planned, FILE, "多谢。\n")
    append(planned, "zh-CN/_parts.j2", "{# 新 #}\n")
    changed = planned.run("templates", "diff", "--format", "json").json
    files = {row["file"]: row for row in changed["files"]}
    assert set(files) == {FILE, "zh-CN/_parts.j2"}  # the shared part once, however many templates it words
    assert files[FILE]["templates"] == [FILE]
    assert len(files["zh-CN/_parts.j2"]["templates"]) > 1
    assert "+多谢。" in files[FILE]["diff"]
    shown = planned.run("templates", "diff", "due_today").out
    assert "+多谢。" in shown
    assert "last used 2026-11-22T18:00" in shown


def test_history_tells_the_wording_of_each_night_and_what_lies_between(planned: Desk) -> None:
    (first,) = planned.run("templates", "history", CHANGED, "--format", "json").json
    assert (first["turn"], first["is_current"]) == (1, True)
    assert set(first["sources"]) == {"overdue_1.sms.j2", "_parts.j2"}
    append(planned, CHANGED, "多谢。\n")
    planned.night("2026-11-24", "--accept", "same_export", "--reason", "the sample is of one day")
    turns = planned.run("templates", "history", CHANGED, "--format", "json").json
    assert [(row["turn"], row["is_current"]) for row in turns] == [(1, False), (2, True)]
    assert (turns[0]["version"], turns[0]["last_run"]) == (first["version"], first["last_run"])
    digits = (turns[1]["version"][:6], first["version"][:6])
    between = planned.run("templates", "diff", CHANGED, "--from", digits[0], "--to", digits[1]).out
    assert "-多谢。" in between
    assert "last_used_at" in planned.run("templates", "history", CHANGED, "--format", "csv").out


def test_versions_must_be_known_and_of_one_template(planned: Desk) -> None:
    assert "name it too" in planned.run("templates", "diff", "--from", "abcd", code=2).err
    assert "at least 4 digits" in planned.run("templates", "diff", FILE, "--from", "ab", code=2).err
    assert "no version" in planned.run("templates", "diff", FILE, "--from", "zzzz", code=2).err
