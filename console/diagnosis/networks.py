"""Lists of networks as Dovecot and Postfix read them: what they cannot read, and what holds everybody."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

_PART = re.compile(r"(?:0[xX][0-9a-fA-F]+|[0-9]+)\Z")


def entries(text: str) -> list[str]:
    """Split a list at blanks and commas, as both do."""
    return [entry for entry in re.split(r"[ \t,]+", text.strip().strip('"')) if entry]


def unreadable(entry: str) -> str:
    """Say why Dovecot cannot read a network (`net_parse_range`); "" when it can.

    Fewer than four numbers are taken, as inet_aton does: `10.1` is 10.0.0.1."""
    address, slash, bits = entry.partition("/")
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    six = ":" in bare
    if slash and not (bits.isdigit() and int(bits[:4]) <= (128 if six else 32)):
        return f"/{bits[:20]} is no length of a prefix"
    if six:
        try:
            ip_address(bare)
        except ValueError:
            return "this is no IPv6 address"
        return ""
    parts = bare.split(".")
    if len(parts) <= 4 and all(_PART.match(part) for part in parts):
        limits = [255] * (len(parts) - 1) + [256 ** (5 - len(parts)) - 1]
        numbers = [int(part, 16 if part[:2].lower() == "0x" else 10) for part in parts]
        return "" if all(number <= most for number, most in zip(numbers, limits, strict=True)) else _TOO_LARGE
    return "this is no address" if re.fullmatch(r"[0-9./]*", bare) else "names are not looked up"


_TOO_LARGE = "a number of it is too large"


def everybody(text: str) -> str:
    """Return the first network of a list that holds most of the internet; "" when none does."""
    for entry in entries(text):
        try:
            network = ip_network(re.sub(r"[\[\]]", "", entry), strict=False)
        except ValueError:
            continue
        if network.prefixlen < 8 and not network.is_private:
            return entry
    return ""
