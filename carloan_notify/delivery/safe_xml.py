"""XML from strangers, without the entities that can make a short text endless."""

from xml.etree import ElementTree as ET


def safe_root(text: str | bytes) -> ET.Element:
    """The root element.

    Raises:
        ValueError: it is no XML (HTML, a truncated answer), or brings a document type or entities of its own.
    """
    forbidden = ("<!DOCTYPE", "<!ENTITY") if isinstance(text, str) else (b"<!DOCTYPE", b"<!ENTITY")
    if any(mark in text for mark in forbidden):  # type: ignore[operator] # both are of the text's own kind
        raise ValueError("it brings a document type")
    try:
        return ET.fromstring(text)  # noqa: S314 - no document type gets here, so there are no entities
    except ET.ParseError:
        raise ValueError("it is no XML") from None
