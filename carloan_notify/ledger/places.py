"""Where the ledger's files lie, and the keys made on first use."""

from dataclasses import dataclass
from pathlib import Path

from carloan_notify.ledger import keys, signing
from carloan_notify.ledger.settings import LedgerSettings


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


def create_keys(settings: LedgerSettings, base_dir: Path) -> list[Path]:
    """Make the key files that are missing (mode 0600).

    Returns those made. An existing key is never touched.
    """
    places, made = Places.of(settings, base_dir), list[Path]()
    if not keys.from_environment(settings.key_env) and not places.key_file.exists():
        keys.write_private(places.key_file, keys.Keyring.generate().to_text().encode())
        made.append(places.key_file)
    if not places.signing_key_file.exists():
        signing.create(places.signing_key_file)
        made.append(places.signing_key_file)
    return made
