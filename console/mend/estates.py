"""Edits of compose files, mailcow.conf, extra.cf and OpenTofu files that mend findings."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

from console.diagnosis.rules.ports import EVERYWHERE
from console.errors import InputError
from console.estate.load import Estate
from console.model import Finding, Published, Span
from console.sources.compose import edit as yaml_edit
from console.sources.compose import env_edit
from console.sources.compose.nodes import Node, is_kind, parse, word


def bind(estate: Estate, found: Finding) -> dict[str, str]:
    """CH006: publish PROXY ports only on the address that HAProxy connects to, when there is exactly one."""
    hosts = {way.arrival.host for way in estate.sources.routes.ways if way.ours and not way.arrival.stranger}
    host = hosts.pop() if len(hosts) == 1 else ""
    if not _numeric(host):
        return {}
    texts: dict[str, str] = {}
    places = {found.where, *found.also}
    for entry in estate.sources.published:
        if entry.source not in places or entry.address not in EVERYWHERE:
            continue
        address = f"[{host}]" if ":" in host else host
        environment = estate.sources.environment
        try:
            if entry.variable and environment is not None and entry.variable in environment.values:
                file = estate.sources.environment_file
                text = texts.get(file, estate.texts[file])
                texts[file] = env_edit.put(text, entry.variable, f"{address}:{entry.port}", file)
            else:
                file = entry.source.file
                text = texts.get(file, estate.texts[file])
                texts[file] = _publish(text, entry, address)
        except InputError:
            continue
    return texts


def _publish(text: str, entry: Published, address: str) -> str:
    """Return a compose file with one entry of `ports:` bound to an address; raises `InputError`."""
    file = entry.source.file
    index, node = _port(text, entry)
    path: list[str | int] = ["services", entry.service, "ports", index]
    if node is None:
        raise InputError(file, entry.source.line, 1, "this port is not written in its service's own list")
    if is_kind(node, "mapping"):
        return yaml_edit.put(text, [*path, "host_ip"], address.strip("[]"), file)
    written = word(node)
    if "0.0.0.0:" in written:
        wanted = written.replace("0.0.0.0:", f"{address}:", 1)
    elif re.fullmatch(r"\d+:\d+(?:/tcp)?", written):
        wanted = f"{address}:{written}"
    elif match := re.fullmatch(r"\$\{(\w+):-(\d+)\}:(\d+)", written):
        wanted = f"${{{match[1]}:-{address}:{match[2]}}}:{match[3]}"
    else:
        raise InputError(file, entry.source.line, 1, "this port is written in a way that is edited by hand")
    return yaml_edit.put(text, path, wanted, file)


def _port(text: str, entry: Published) -> tuple[int, Node | None]:
    """Return index and node of the list entry at the place where a port is published."""
    node = parse(text.removeprefix("\ufeff"), entry.source.file)
    for key in ("services", entry.service, "ports"):
        pairs = node.value if node is not None and is_kind(node, "mapping") else ()
        node = next((value for name, value in pairs if word(name) == key), None)
    entries = node.value if node is not None and is_kind(node, "sequence") else ()
    for index, each in enumerate(entries):
        if each.start_mark.line + 1 == entry.source.line and each.start_mark.column + 1 == entry.source.column:
            return index, each
    return 0, None


def keep_acme(estate: Estate, found: Finding) -> dict[str, str]:
    """CH012: set SKIP_LETS_ENCRYPT=y in mailcow.conf, so that acme-mailcow does not replace the certificate."""
    return _put(estate, "SKIP_LETS_ENCRYPT", "y")


def keep_http(estate: Estate, found: Finding) -> dict[str, str]:
    """CH015: set HTTP_REDIRECT=n in mailcow.conf, so that nginx does not redirect."""
    return _put(estate, "HTTP_REDIRECT", "n")


def _put(estate: Estate, name: str, value: str) -> dict[str, str]:
    file = estate.sources.environment_file
    if estate.sources.environment is None or file not in estate.texts:
        return {}
    try:
        return {file: env_edit.put(estate.texts[file], name, value, file)}
    except InputError:
        return {}


def speak_ipv6(estate: Estate, found: Finding) -> dict[str, str]:
    """CH018: set inet_protocols to all."""
    return _rewrite(estate, found, lambda row: re.sub(r"=.*", "= all", row, count=1))


def drop_hostname(estate: Estate, found: Finding) -> dict[str, str]:
    """CH020: delete the `myhostname` that Mailcow deletes at its start; other names are for the operator to choose."""
    if not found.summary.startswith("myhostname"):
        return {}
    return _rewrite(estate, found, lambda row: None)


def pin(estate: Estate, found: Finding) -> dict[str, str]:
    """CH024: give the only nic of the files the address that HAProxy connects to."""
    tofu = estate.sources.tofu
    hosts = {
        way.server.host
        for way in estate.sources.routes.ways
        if way.ours and not (way.arrival.hops or way.arrival.stranger)
    }
    host = hosts.pop() if len(hosts) == 1 else ""
    if tofu is None or len(tofu.nics) != 1 or len(tofu.instances) != 1 or not _numeric(host):
        return {}
    (nic,) = tofu.nics
    if nic.addresses or nic.unknown or nic.source.file not in estate.texts:
        return {}
    text = estate.texts[nic.source.file]
    rows = text.split("\n")
    key = "ipv6.address" if ":" in host else "ipv4.address"
    for number in range(nic.source.line - 1, len(rows)):
        if number > nic.source.line - 1 and re.match(r"\s*(?:device|resource)\b", rows[number]):
            break
        if re.fullmatch(r"\s*properties\s*=\s*\{\s*\r?", rows[number]) and number + 1 < len(rows):
            below = rows[number + 1]
            blanks = below[: len(below) - len(below.lstrip())]
            rows.insert(number + 1, f'{blanks}"{key}" = "{host}"' + "\r" * rows[number].endswith("\r"))
            return {nic.source.file: "\n".join(rows)}
    return {}


def _rewrite(estate: Estate, found: Finding, change: Callable[[str], str | None]) -> dict[str, str]:
    """Change or drop a setting of extra.cf: its row, and those that go on with it, which begin with a blank."""
    assert isinstance(found.where, Span)
    text = estate.texts.get(found.where.file)
    if text is None:
        return {}
    rows = text.split("\n")
    row = rows[found.where.line - 1]
    ending = "\r" * row.endswith("\r")
    new = change(row.removesuffix("\r"))
    below = found.where.line
    while below < len(rows) and (rows[below][:1] in (" ", "\t", "#") or not rows[below].strip()):
        if rows[below].strip()[:1] in ("", "#"):
            below += 1  # what says nothing ends no setting
        else:
            del rows[below]
    rows[found.where.line - 1 : found.where.line] = [] if new is None else [new + ending]
    return {found.where.file: "\n".join(rows)}


def _numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
