"""What a settlement certificate says, in which words, and its files: for the owner alone, replaced in one step."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pandas as pd

from carloan_notify.app import App
from carloan_notify.certificate_codes import Fact
from carloan_notify.errors import ConfigError
from carloan_notify.ledger.certificates import ORIGINAL, Certificate, MadeFile
from carloan_notify.ledger.keys import write_durably
from carloan_notify.messages.render import default_templates_dir, nearest_language
from carloan_notify.messages.values import Money, build_filters
from carloan_notify.records import Channel, currency_exponent
from carloan_notify.reports.certificate import HTML, PDF, TEMPLATES, Press, PressFault, open_press, seal_uri
from carloan_notify.text import inline

LANGUAGE: Final = "language"
CURRENCY: Final = "currency"
_PRIVATE: Final = 0o600
_OWNER_ONLY: Final = 0o700
_ID_HEAD, _ID_TAIL, _ID_SHORTEST = 3, 4, 15


# What a certificate says: plain facts for the ledger, texts for its reader.


def facts_of(
    app: App, loan: Mapping[str, Any], settled_on: date, language: str, today: date
) -> dict[str, str]:
    """The facts of a loan's certificate, all but number and code; `loan` is a row of frames.LOANS."""
    options = app.settings.certificates
    told = {
        Fact.LENDER: app.lender.name,
        Fact.ADDRESS: options.address,
        Fact.BORROWER: loan["borrower_name"],
        Fact.ID_NUMBER: masked_id(str(loan.get(options.id_column, ""))),
        Fact.CONTRACT: loan["loan_id"],
        Fact.PLATE: loan["plate_no"],
        Fact.VIN: loan.get(options.vin_column, ""),
        Fact.AMOUNT: Money(int(loan["principal_minor"]), app.lender.currency).plain(),
        Fact.DISBURSED_ON: loan["disbursed_on"].date().isoformat(),
        Fact.SETTLED_ON: settled_on.isoformat(),
        Fact.ISSUED_ON: today.isoformat(),
    }
    texts = {name.value: inline(str(text)).strip() for name, text in told.items()}
    return {**texts, LANGUAGE: language, CURRENCY: app.lender.currency}


def masked_id(number: str) -> str:
    """The first three and last four characters of an ID card's number; the last two of a shorter number."""
    number = number.strip()
    if len(number) < _ID_SHORTEST:
        return "****" + number[-2:] if number else ""
    hidden = len(number) - _ID_HEAD - _ID_TAIL
    return number[:_ID_HEAD] + "*" * hidden + number[-_ID_TAIL:]


def shown(app: App, facts: Mapping[str, str], copy_no: int) -> dict[str, str]:
    """The texts of a certificate by `Fact` as its reader sees them, in its own language."""
    filters = build_filters(facts[LANGUAGE], Channel.SMS, app.lender)
    minor = int(Decimal(facts[Fact.AMOUNT]).scaleb(currency_exponent(facts[CURRENCY])))
    days = (Fact.DISBURSED_ON, Fact.SETTLED_ON, Fact.ISSUED_ON)
    return {
        **{name.value: facts.get(name.value, "") for name in Fact},
        **{name.value: filters["long_date"](date.fromisoformat(facts[name])) for name in days},
        Fact.AMOUNT.value: filters["money"](Money(minor, facts[CURRENCY])),
        Fact.COPY.value: str(copy_no) if copy_no != ORIGINAL else "",
    }


def link_of(app: App, code: str) -> str:
    """Where a certificate is fetched and checked; "" where no address is configured."""
    base = app.settings.messages.certificate_link_base
    return base + code if base else ""


# The press: the lender's templates, or those that come with the package.


class Presses:
    """Opens the press of each language once. A fault is told again and again until it is mended."""

    def __init__(self, app: App, *, pdf: bool) -> None:
        """Nothing is read yet."""
        self._app, self._pdf = app, pdf
        self._opened: dict[str, Press | PressFault] = {}

    @cached_property
    def _folders(self) -> tuple[Path, Path]:
        return self._app.path(self._app.settings.messages.templates_dir), default_templates_dir()

    @cached_property
    def languages(self) -> list[str]:
        """Languages that have a page's template."""
        found = {
            path.parent.name for folder in self._folders for path in folder.glob(f"*/{TEMPLATES['html']}")
        }
        return sorted(found)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that are asked for."""
        return (HTML, PDF) if self._pdf else (HTML,)

    def language_for(self, wanted: str) -> str:
        """The nearest language to a person's own, else to the default, else the first there is."""
        default = self._app.settings.messages.default_language
        for language in filter(None, (wanted, default)):
            if near := nearest_language(language, self.languages):
                return near
        return self.languages[0]

    def press(self, language: str) -> Press | PressFault:
        """The press of this language."""
        if language not in self._opened:
            self._opened[language] = self._open(language)
        return self._opened[language]

    def _open(self, language: str) -> Press | PressFault:
        try:
            seal = self._seal()
            if isinstance(seal, PressFault):
                return seal
            return open_press(lambda name: self._source(language, name), seal, pdf=self._pdf)
        except (OSError, UnicodeDecodeError) as error:
            place = getattr(error, "filename", "") or f"{language}/{TEMPLATES['html']}"
            return PressFault(
                f"{place}: cannot be read ({type(error).__name__}); see that it is there, as UTF-8"
            )

    def _source(self, language: str, name: str) -> str:
        own, packaged = (folder / language / name for folder in self._folders)
        return (own if own.exists() else packaged).read_text(encoding="utf-8-sig")

    def _seal(self) -> str | PressFault:
        place = self._app.settings.certificates.seal_image
        return seal_uri(self._app.path(place).read_bytes()) if place else ""


def missing_columns(app: App, loans: pd.DataFrame) -> str:
    """Which columns the certificates are to show and the loans table lacks, as a sentence; "" for none."""
    options = app.settings.certificates
    wanted = {"id_column": options.id_column, "vin_column": options.vin_column}
    return "; ".join(
        f"certificates.{name}: the loans table has no column {column!r}; correct the name"
        for name, column in wanted.items()
        if column and column not in loans
    )


# Files: private, replaced in one step, never through a link.


def certificate_folder(app: App) -> Path:
    """The folder of the files, made for its owner alone. ConfigError where it is a link or no folder."""
    folder = app.path(app.settings.certificates.folder)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError([f"{folder}: is not a folder of its own; remove it, so that it can be made anew"])
    folder.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY)
    return folder


def file_of(folder: Path, code: str, form: str) -> Path:
    """The file of a certificate; its name is the code, as in its link."""
    return folder / f"{code}.{form}"


def remove_files(app: App, codes: Collection[str]) -> None:
    """Take away the files of these certificates: a link to a void one leads nowhere."""
    folder = app.path(app.settings.certificates.folder)
    if folder.is_symlink() or not folder.is_dir():
        return  # nothing of ours is there
    for code in codes:
        for form in TEMPLATES:
            file_of(folder, code, form).unlink(missing_ok=True)


def make_files(app: App, presses: Presses, one: Certificate) -> tuple[list[MadeFile], str]:
    """Make the files of one certificate, its newest copy; what was made, and what went wrong ("" for nothing).

    A page without its PDF is kept: it says the same. OSError where the disk refuses.
    """
    press = presses.press(one.facts[LANGUAGE])
    if isinstance(press, PressFault):
        return [], press.message
    texts, link = shown(app, one.facts, one.copies), link_of(app, one.code)
    made, problems = list[MadeFile](), list[str]()
    for form in press.forms:
        content = press.make(form, texts, link)
        if isinstance(content, PressFault):
            problems.append(content.message)
            continue
        write_durably(file_of(certificate_folder(app), one.code, form), content, _PRIVATE)
        made.append(MadeFile(one.number, one.copies, form, sha256(content).hexdigest()))
    return made, "; ".join(problems)
