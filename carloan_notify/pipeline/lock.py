"""One night at a time: a lock that the operating system lets go when its holder dies."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from carloan_notify.errors import LockedError
from carloan_notify.pipeline.build import House


@contextmanager
def one_night(house: House, operator: str) -> Iterator[None]:
    """Hold the night's lock. A crash leaves no stale lock behind: the kernel releases it.

    Raises:
        LockedError: another run holds it; the text names the holder.
    """
    path = house.path(house.settings.reports.lock_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_name(path.name + ".holder")
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise LockedError(f"{path}: {_holder_of(holder)} runs a night already; wait for it to end") from None
    try:
        holder.write_text(f"{operator} on {socket.gethostname()}, process {os.getpid()}", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "another process"  # it has the lock and is about to sign, or has just finished
