"""The kannel.conf of docs/providers/kannel.md, with the ports, paths and links of a test."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[3] / "docs" / "providers" / "kannel.md"
LISTENER: Final = "http://127.0.0.1:8080/kannel/SECRET"
FAKE: Final = """group = smsc
smsc = fake
smsc-id = fake
port = {smsc}
connect-allow-ip = 127.0.0.1
"""
SMPP: Final = """group = smsc
smsc = smpp
smsc-id = smpp
host = 127.0.0.1
port = {smsc}
smsc-username = lender
smsc-password = secret
system-type = ""
transceiver-mode = true
reconnect-delay = 1
"""


def written(folder: Path, ports: Mapping[str, int], listener: str, link: str) -> str:
    text = documented()
    changes = {
        r"group = smsc\n(?:\S.*\n)*": link.format(**ports),
        r"\b13000\b": str(ports["admin"]),
        r"\b13001\b": str(ports["smsbox"]),
        r"\b13013\b": str(ports["sendsms"]),
        r"/var/spool/kannel": str(folder),
        "STATUS-PASSWORD": "status",
        "KANNEL-PASSWORD": "kannel-password",
        re.escape(LISTENER): listener,
        "log-level = 2\n": "",
        "http-queue-delay = 10": "http-queue-delay = 1",
    }
    for old, new in changes.items():
        text, times = re.subn(old, new.replace("\\", r"\\"), text)
        assert times, f"docs/providers/kannel.md has no {old}"
    return text


def documented() -> str:
    found = re.search(r"```conf\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]
