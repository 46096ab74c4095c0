"""Options of the settlement certificate."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from carloan_notify.settings import Settings


class CertificateSettings(Settings):
    """Settlement certificates (结清证明): who issues them, what they show, and which a night makes.

    The address behind `messages.certificate_link_base` is what their QR code and the settlement message lead to.
    """

    folder: ClassVar[Path] = Path("certificates")
    """Folder of the files, beside the configuration; for its owner only."""
    nightly: bool = Field(
        default=False,
        description="Each night makes certificates for the loans that were settled and have none. For a lender whose "
        "page hands them out; off, a clerk makes them one by one (`certificate LOAN_ID`).",
        examples=[True],
    )
    pdf: bool = Field(
        default=False,
        description="Make a PDF beside each HTML page. For lenders who print or mail them; needs the extra: "
        'pip install "carloan-notify[pdf]".',
        examples=[True],
    )
    address: str = Field(
        default="",
        max_length=200,
        description="The lender's address as the certificate prints it; vehicle registries ask for it.",
        examples=["上海市浦东新区世纪大道100号"],
    )
    seal_image: str = Field(
        default="",
        description="Image of the lender's seal (PNG, JPEG or SVG) printed on each certificate; empty where every "
        "sheet is stamped by hand.",
        examples=["secrets/seal.png"],
    )
    number_prefix: str = Field(
        default="",
        max_length=16,
        pattern=r"^[0-9A-Z-]*$",
        description="What certificate numbers begin with, before year, serial number and check character: "
        "AD-2026-000001-K. For lenders whose registry keeps several series.",
        examples=["AD-"],
    )
    id_column: str = Field(
        default="",
        description="Your own column of the loans table with the borrower's ID number; the certificate shows its first "
        "three and last four characters. Registries compare it with the ID card.",
        examples=["id_no"],
    )
    vin_column: str = Field(
        default="",
        description="Your own column of the loans table with the vehicle identification number, by which a registry "
        "finds the lien.",
        examples=["vin"],
    )
    wait_days: int = Field(
        default=0,
        ge=0,
        le=60,
        description="Days to wait after the last payment where only payments say that a loan is settled. For lenders "
        "whose debits can be returned; the settlement message of such a loan then has no link. Where the loan's own "
        "status says settled, nothing is waited for.",
        examples=[3],
    )
    within_days: int = Field(
        default=30,
        ge=1,
        le=3_660,
        description="A night makes certificates for loans settled within so many days; older ones are made on demand. "
        "For the first night with an export that lists many years of settled loans.",
        examples=[30],
    )
    per_night: int = Field(
        default=2_000,
        ge=1,
        le=1_000_000,
        description="Certificates that one night makes at most (some 7 ms each, 17 ms with PDF), so that it does not "
        "run late; the others follow the next night.",
        examples=[2000],
    )
