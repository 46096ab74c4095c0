"""Every place where a crash may cut a command in two, numbered as the command passes it.

A point is the moment before or after a commit that changed something, a rename or removal of a file, or an exchange
with a provider. Nobody keeps a list of them: they are found where SQLAlchemy, `os` and the wire are passed, so a new
one is there as soon as it is written. Only processes made for it are hooked; the product knows nothing of this.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial, wraps
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.default import DefaultDialect

import carloan_notify
from carloan_notify.delivery.http import Wire
from carloan_notify.ledger import intake

if TYPE_CHECKING:
    from types import FrameType

PACKAGE: Final = str(Path(carloan_notify.__file__).parent) + os.sep
PLUMBING: Final = frozenset(
    {
        "ledger/store.py:write",
        "ledger/ledger.py:write",
        "unit_of_work.py:writing",
        "delivery/vendor.py:exchange",
    }
)
"""Functions that stand between a transaction or an exchange and who asked for it."""
READING: Final = frozenset({"SELECT", "PRAGMA", "BEGIN", "SET", "SHOW", "EXPLAIN"})
MOVES: Final = ("rename", "replace", "unlink", "remove", "link")
SMALL_SLICE: Final = 12
"""Messages that `run` queues in a transaction, so that a small night can be cut in half too."""
CRASHED: Final = -signal.SIGKILL


class Points:
    """Counts the points of this process, writes down their names, and kills it at one of them."""

    def __init__(self, at: int, log: Path, end: int) -> None:
        """`at`: the number of the point to die at, from 1; 0 for none. `end`: the signal to die of."""
        self._at, self._count, self._end = at, 0, end
        self._lock = threading.Lock()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def reached(self, name: str) -> None:
        """One more point. A thread that comes later waits, and dies with the process."""
        with self._lock:
            self._count += 1
            os.write(self._log, f"{name}\n".encode())
            if self._count == self._at:
                os.kill(os.getpid(), self._end)

    def around(self, kind: str, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same act with a point before and a point after it."""

        @wraps(act)
        def between(*args: Any, **named: Any) -> Any:
            place = caller()
            if not place:  # a library's own
                return act(*args, **named)
            self.reached(f"before {kind} {place}")
            answer = act(*args, **named)
            self.reached(f"after {kind} {place}")
            return answer

        return between


def install(at: int, log: Path, end: int = signal.SIGKILL) -> None:
    """Hook this process, which must end with the command. See `Points` for `at` and `end`."""
    points = Points(at, log, end)
    intake.DRAFTS_PER_TRANSACTION = SMALL_SLICE  # type: ignore[misc] # in a process of its own
    for move in MOVES:
        setattr(os, move, points.around("file", getattr(os, move)))
    Wire.exchange = points.around("exchange", Wire.exchange)  # type: ignore[method-assign] # in a process of its own
    event.listen(sa.Engine, "before_cursor_execute", _note_changes)
    plain, hooked = DefaultDialect.do_commit, points.around("commit", DefaultDialect.do_commit)
    DefaultDialect.do_commit = partial(_commit, plain, hooked)  # type: ignore[method-assign] # same
    event.listen(sa.Engine, "commit", _committing)


_thread: Final = threading.local()


def _note_changes(connection: sa.Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    if statement.split(None, 1)[0].upper() not in READING:
        connection.info["changed"] = True


def _committing(connection: sa.Connection) -> None:
    _thread.changed = connection.info.pop("changed", False)


def _commit(plain: Callable[..., None], hooked: Callable[..., None], connection: Any) -> None:
    """Commit; a point only where the transaction changed something, for a crash cannot cut a look in two."""
    changed, _thread.changed = getattr(_thread, "changed", False), False
    (hooked if changed else plain)(None, connection)


def caller() -> str:
    """`folder/file.py:function:line` of the innermost frame of the product that is no plumbing; "" for none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the way to see who calls without building a traceback
    while frame is not None:
        path = frame.f_code.co_filename
        place = f"{path[len(PACKAGE) :]}:{frame.f_code.co_name}" if path.startswith(PACKAGE) else ""
        if place and place not in PLUMBING:
            return f"{place}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def read_log(log: Path) -> list[str]:
    """The points that a process passed, in their order."""
    return log.read_text("utf-8").splitlines() if log.exists() else []


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers 1 to `count`, the first and the last among them, evenly spread."""
    if count <= most:
        return list(range(1, count + 1))
    chosen = [1 + round(n * (count - 1) / (most - 1)) for n in range(most)]
    assert all(one < next_one for one, next_one in pairwise(chosen))
    return chosen
