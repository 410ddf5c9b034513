"""How a secret is recognised in one line of text: by the name of its value, by the statement it is in, by its shape."""


def terms(text: str) -> frozenset[str]:
    """Return the words of a text that lists them, apart by blanks."""
    return frozenset(text.split())
