"""A real MariaDB on a private socket, where the server is installed."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

_INSTALL = "apt-get install mariadb-server"


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """SQLAlchemy URL of an empty database of a server of our own."""
    server, installer = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or installer is None:
        pytest.skip(f"no MariaDB here: {_INSTALL}")
    folder = Path(tempfile.mkdtemp(prefix="my-"))
    data, socket = folder / "data", folder / "socket"
    own = ["--no-defaults", f"--datadir={data}", *(["--user=root"] if os.geteuid() == 0 else [])]
    subprocess.run(
        [installer, *own, "--auth-root-authentication-method=normal"], check=True, capture_output=True
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [server, *own, f"--socket={socket}", "--skip-networking", f"--pid-file={folder / 'pid'}"],
            stdout=log,
            stderr=log,
        )
    try:
        _create_database(socket, folder / "log")
        yield f"mysql+pymysql://root@localhost/lender?unix_socket={socket}&charset=utf8mb4"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _create_database(socket: Path, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = pymysql.connect(unix_socket=str(socket), user="root")
        except pymysql.err.OperationalError:
            if time.monotonic() > deadline:
                pytest.fail(f"MariaDB did not start: {log.read_text(errors='replace')}")
            time.sleep(0.1)
        else:
            break
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE lender CHARACTER SET utf8mb4")
