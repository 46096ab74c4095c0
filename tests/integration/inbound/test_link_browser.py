"""The page behind a link in a real browser: on a telephone and a desk, in both languages, in light and dark."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.inbound.page import WRONG_TRIES
from tests.integration.inbound.desk import Server, served
from tests.integration.inbound.link_house import copy_of, first, make_house, page_of, sent, work_list

sync = pytest.importorskip("playwright.sync_api", reason='needs: pip install "carloan-notify[test]"')
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs: apt-get install chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_house(tmp_path_factory.mktemp("browser") / "night")


@pytest.fixture(scope="module")
def links(night: Path) -> dict[str, dict[str, str]]:
    return sent(night)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as profile, sync.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, headless=True, args=FLAGS
        )
        yield context
        context.close()


class Tab:
    """A page of the browser; it remembers what the console said and what was asked of whom."""

    def __init__(self, browser: Any, server: Server) -> None:
        """An empty page."""
        self.page = browser.new_page()
        self.server = server
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: str) -> int:
        """Go there; the status."""
        return int(self.page.goto(self.server.url + path).status)

    def is_quiet(self) -> bool:
        """Nothing on the console, and nothing asked of anybody else."""
        return not self.said and all(url.startswith((self.server.url, "data:")) for url in self.asked)

    def violations(self) -> list[str]:
        """What axe finds, in words; with every form open."""
        self.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        return [str(each["id"]) for each in axe.Axe().run(self.page).response["violations"]]

    @property
    def text(self) -> str:
        """What is read."""
        return str(self.page.inner_text("body"))

    def fits(self) -> bool:
        """Whether nothing runs out at the side."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture
def tab(night: Path, tmp_path: Path, browser: Any) -> Iterator[Tab]:
    with served(page_of(copy_of(night, tmp_path / "house"))) as server:
        tab = Tab(browser, server)
        yield tab
        tab.page.close()


def test_it_is_quiet_fits_and_is_accessible(tab: Tab, links: dict[str, dict[str, str]]) -> None:
    token = first(links, "overdue_7")["token"]
    for width, language, scheme in (
        (390, "zh-CN", "light"),
        (390, "en", "dark"),
        (1280, "en", "light"),
        (1280, "zh-CN", "dark"),
    ):
        tab.page.set_viewport_size({"width": width, "height": 844})
        tab.page.emulate_media(color_scheme=scheme)
        assert tab.open(f"/p/{token}?lang={language}") == 200
        assert ("今日应还合计" if language == "zh-CN" else "Due today") in tab.text
        assert tab.violations() == []
        assert tab.fits()
    assert tab.is_quiet()


def test_each_answer_arrives_by_keyboard_and_by_touch(
    tab: Tab, tmp_path: Path, links: dict[str, dict[str, str]]
) -> None:
    page = tab.page
    page.set_viewport_size({"width": 390, "height": 844})
    tab.open(f"/p/{first(links, 'overdue_7')['token']}?lang=en")
    summary = page.locator("summary", has_text="I have paid")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".done")
    for answer, fill in (
        ("I need time", lambda: page.fill("#until", "2026-12-01")),
        ("Call me", lambda: page.select_option("#when", "2026-11-24 14:00-18:00")),
        ("This is not me", lambda: None),
    ):
        page.locator("summary", has_text=answer).click()
        fill()
        box = page.locator("details[open]")
        assert box.locator("button").bounding_box()["height"] >= 44
        with page.expect_navigation():
            box.locator("button").click()
    assert "no longer used for messages" in tab.text
    assert tab.violations() == []
    assert tab.is_quiet()
    kinds = {entry["kind"] for entry in work_list(tmp_path / "house")}
    assert kinds == {"paid_already", "asks_for_time", "asks_for_call", "wrong_person"}


def test_refused_forged_and_too_many(tab: Tab, links: dict[str, dict[str, str]]) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.open(f"/p/{first(links, 'overdue_7')['token']}?lang=en")
    tab.page.locator("summary", has_text="I need time").click()
    tab.page.fill("#until", "2026-11-20")
    tab.page.evaluate("document.querySelectorAll('form').forEach(each => each.noValidate = true)")
    with tab.page.expect_navigation():
        tab.page.locator("details[open] button").click()
    assert "Choose a day from 24 November 2026 to 23 December 2026." in tab.text
    assert tab.violations() == []
    assert tab.open("/p/AAAAAAAAAAAAAAAA?lang=en") == 404
    assert "This link is not valid" in tab.text
    assert tab.violations() == []
    for _ in range(WRONG_TRIES - 1):
        assert tab.page.request.get(f"{tab.server.url}/p/AAAAAAAAAAAAAAAA").status == 404
    assert tab.open(f"/p/{first(links, 'overdue_7')['token']}") == 429
    assert "尝试次数过多" in tab.text
    assert tab.violations() == []
