"""Whether each service works: it is asked its own question, for "running" proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from msgspec import Struct

from console.errors import HostError
from console.facts.installation import Container
from console.flows import StepContext
from console.hosts.host import Host
from console.text import clean, count

PATIENCE = 5.0
"""Seconds a connection and an answer may take."""

GREETING = 15.0
"""Seconds until the last line of a greeting: postscreen lets a client wait six."""

MOST = 8192

UNTOLD = "nobody was asked"
"""Stands for an answer that tells nothing of a service."""


class Question(Struct, frozen=True):
    """What is asked of a service: a port, what is said first and at the end, and whether an answer is the right one.

    `named` is the port's name in mailcow.conf. `whole`: the answer is complete; until then more is read."""

    service: str
    named: str
    port: int
    right: Callable[[str], bool]
    first: str = ""
    last: str = ""
    whole: Callable[[str], bool] = lambda text: "\n" in text


def _status(text: str) -> int:
    """The status of an HTTP answer; 0 when it is none."""
    words = text.split(" ", 2)
    return (count(words[1]) or 0) if len(words) > 1 and words[0].startswith("HTTP/") else 0


def _page(path: str) -> str:
    return f"GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: cowhand\r\n\r\n"


def _proxied(text: str) -> bool:
    """Whether an answer came from behind nginx: it says itself when nobody answers there."""
    return 0 < _status(text) < 500 and _status(text) != MOVED


def _greeted(text: str) -> bool:
    return any(line.startswith("220 ") for line in text.split("\n")[:-1])


QUESTIONS = (
    Question("postfix-mailcow", "SMTP_PORT", 25, _greeted, last="QUIT\r\n", whole=_greeted),
    Question("dovecot-mailcow", "IMAP_PORT", 143, lambda text: text.startswith("* OK"), last="a LOGOUT\r\n"),
    Question("nginx-mailcow", "HTTP_PORT", 80, lambda text: _status(text) > 0, _page("/")),
    Question("php-fpm-mailcow", "HTTP_PORT", 80, _proxied, _page("/")),
    Question("sogo-mailcow", "HTTP_PORT", 80, _proxied, _page("/SOGo/")),
    Question("rspamd-mailcow", "HTTP_PORT", 80, _proxied, _page("/rspamd/")),
)
"""A page of PHP needs MySQL and Redis as well, and is an error without them (prerequisites.inc.php)."""

MOVED = 301
"""With HTTP_REDIRECT=y nginx says this of every page, and asks nobody."""

LEFT_OUT = {"sogo-mailcow": "SKIP_SOGO", "rspamd-mailcow": "SKIP_RSPAMD"}
"""Service → the setting by which its container runs, and does nothing."""

THROUGH = {"mysql-mailcow": "php-fpm-mailcow", "redis-mailcow": "php-fpm-mailcow"}
"""Service → the one whose answer proves it as well."""

CHECKED = ("unbound-mailcow", "clamd-mailcow")
"""Those that have a health check of their own."""


class Found(Struct, frozen=True):
    """What came of it: services that answered, those that did not yet, with why, and those that nobody can ask."""

    well: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def where(values: Mapping[str, str], named: str, port: int, otherwise: str) -> tuple[str, int]:
    """Address and port by mailcow.conf: `SMTP_PORT` may be ADDRESS:PORT, and the web's address is `HTTP_BIND`."""
    bound, _, number = (values.get(named) or str(port)).rpartition(":")
    address = (bound or (values.get("HTTP_BIND", "") if named == "HTTP_PORT" else "")).strip("[]")
    return ("" if address in ("0.0.0.0", "::") else address) or otherwise, count(number) or port


async def ask(
    context: StepContext, values: Mapping[str, str], otherwise: str, containers: tuple[Container, ...]
) -> Found:
    """Ask all that run, where mailcow.conf has them, else at an address of the host's own.

    Raises `HostError` when the host itself cannot be reached."""
    host = context.host("mail", fresh=True)
    there = {each.service for each in containers}
    left_out = {service for service, name in LEFT_OUT.items() if values.get(name, "").lower().startswith("y")}
    asked = [each for each in QUESTIONS if each.service in there - left_out]
    answers = await asyncio.gather(
        *(_answer(host, *where(values, each.named, each.port, otherwise), each) for each in asked)
    )
    told = dict(zip((each.service for each in asked), answers, strict=True))
    well: list[str] = []
    bad: list[str] = []
    unasked: list[str] = []
    for each in containers:
        why = told.get(each.service, told.get(THROUGH.get(each.service, "")))
        if not each.runs:
            bad.append(f"{each.service} is {each.state}")
        elif each.service in CHECKED and "(" in each.status:
            healthy = "(healthy)" in each.status
            (well if healthy else bad).append(each.service if healthy else f"{each.service}: {each.status}")
        elif why is None or why == UNTOLD:
            unasked.append(each.service)
        elif why:
            bad.append(f"{each.service}: {why}")
        else:
            well.append(each.service)
    return Found(tuple(well), tuple(bad), tuple(unasked))


async def _answer(host: Host, address: str, port: int, question: Question) -> str:
    """Why a service did not answer as it should; "" when it did."""
    try:
        stream = await host.connect(address, port, PATIENCE)
    except HostError as error:
        return clean(str(error), 120)
    text = ""
    try:
        async with asyncio.timeout(GREETING):
            if question.first:
                await stream.write(question.first.encode())
            while not question.whole(text) and len(text) < MOST and (data := await stream.read()):
                text += data.decode("utf-8", "replace")
        if question.last and question.whole(text):
            await stream.write(question.last.encode())
    except TimeoutError:
        return f"port {port} did not answer within {GREETING:g} s"
    except (OSError, HostError) as error:
        return f"port {port}: {clean(str(error), 120)}"
    finally:
        stream.close()
    if question.right(text):
        return ""
    if question.right is _proxied and _status(text) == MOVED:
        return UNTOLD
    said = clean(text.partition("\n")[0].strip(), 80)
    return f"port {port} says {said}" if said else f"port {port} closes without a word"
