"""What a server or a file says, made safe to show: one function, used wherever foreign words enter a value."""

from __future__ import annotations


def clean(text: str | bytes, limit: int = 200) -> str:
    """Return one printable line of at most `limit` characters; what could steer a terminal is shown as an escape."""
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "backslashreplace")
    if not text.isprintable():  # controls, bidi and zero-width marks, unassigned, every blank but the space
        text = "".join(_visible(character) for character in text[: limit * 2])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if character in "\t\r\n":
        return {"\t": "\\t", "\r": "\\r", "\n": "\\n"}[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def join_words(names: tuple[str, ...] | list[str], most: int = 6) -> str:
    """Join words as a sentence does: "a", "a and b", "a, b and c"; beyond `most`, "… and 4 more"."""
    words = list(names)
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}" if words else ""
