"""Where the ledger, its keys and its proofs live."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from carloan_notify.settings import Settings


class LedgerSettings(Settings):
    """The record of everything sent. Relative paths start at the folder of the configuration file."""

    url: str = Field(
        default="sqlite:///ledger.db",
        description="Database of the ledger. SQLite for one sender; PostgreSQL when several machines send.",
        examples=["sqlite:///ledger.db", "postgresql+psycopg://notify@db.internal/notify"],
    )
    key_file: Path = Field(
        default=Path("secrets/ledger.key"),
        description="Keys that encrypt phone, name and text in the ledger. For its owner's eyes only (0600).",
        examples=["secrets/ledger.key"],
    )
    key_env: ClassVar[str] = "CARLOAN_NOTIFY_LEDGER_KEY"
    """Environment variable that may hold the content of the key file; when it is set it wins."""
    signing_key_file: Path = Field(
        default=Path("secrets/signing.key"),
        description="Ed25519 key that signs the nightly digest (0600). Its public half lies beside it as "
        ".pub: give the auditor a copy.",
        examples=["secrets/signing.key"],
    )
    audit_dir: ClassVar[Path] = Path("audit")
    """Folder of the signed digests, one small file per run."""
    audit_copy_dir: Path | None = Field(
        default=None,
        description="Second place for the digests, best on another machine or write-once storage.",
        examples=["/mnt/worm/carloan-audit"],
    )
    lease_seconds: int = Field(
        default=300,
        ge=5,
        le=86_400,
        description="How long a sender may hold messages before another one takes them back. Longer than the "
        "slowest provider's time-out.",
        examples=[300],
    )
    busy_timeout_seconds: int = Field(
        default=30,
        ge=1,
        le=3_600,
        description="How long to wait for another writer of the ledger before giving up.",
        examples=[30],
    )
    backup_dir: ClassVar[Path] = Path("backups")
    """Folder of the encrypted backups, unless a command names another."""
    keep_backups: int = Field(
        default=7,
        ge=1,
        le=10_000,
        description="How many encrypted backups to keep in the folder `backups`; older ones are deleted. The keys are "
        "not in them: keep those too.",
        examples=[7],
    )


@dataclass(frozen=True, slots=True)
class Places:
    """The settings' paths, resolved against the folder of the configuration file."""

    key_file: Path
    signing_key_file: Path
    digest_folders: tuple[Path, ...]
    backup_dir: Path

    @classmethod
    def of(cls, settings: LedgerSettings, base_dir: Path) -> "Places":
        """Resolve every path."""
        folders = (settings.audit_dir, *([settings.audit_copy_dir] if settings.audit_copy_dir else []))
        return cls(
            key_file=base_dir / settings.key_file,
            signing_key_file=base_dir / settings.signing_key_file,
            digest_folders=tuple(base_dir / folder for folder in folders),
            backup_dir=base_dir / settings.backup_dir,
        )
