"""More of what may be seen of the web interface and of the TLS that HAProxy ends."""

from __future__ import annotations

from msgspec.structs import replace

from console.model import Rung
from console.observation import SweepData
from tests.console.diagnosis.cases import ALL_OK, certificate
from tests.console.diagnosis.changed_cases import Table, all_of, public, web

WEB = Table()
case = WEB.case


@case("the web interface is well", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    web(seen)


@case("the web interface answers 503 to everybody", {993: ("refused", "refused", "refused", "UP L4OK"), 25: ALL_OK})
def _(seen: SweepData) -> None:
    for number, each in enumerate(all_of(web(seen))):
        each.said = f"HTTP/1.{number % 2} 503 Service Unavailable"
        each.rungs.insert(0, Rung("connect", "ok", "", 12.0))


@case("the web interface answers strangely", {993: ("ok", "refused", "refused", "UP L4OK"), 25: ALL_OK})
def _(seen: SweepData) -> None:
    for each in all_of(web(seen))[1:]:
        each.said = "HTTP/2 0"
        each.rungs.insert(0, Rung("connect", "ok", "", 12.0))


@case("the web interface redirects to itself", {993: ("ok|ok", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    for each in web(seen).public.values():
        each.target = replace(each.target, protocol="https")
        each.said = "HTTP/1.1 301 → https://mail.example.org/"


@case("the web interface redirects to another place", {993: ("ok", "ok", "ok", "UP L4OK"), 25: ALL_OK})
def _(seen: SweepData) -> None:
    web(seen)
    public(seen, 443).said = "HTTP/1.1 301 → https://mail.example.org/SOGo"
    public(seen, 25).said = "220 → https://mail.example.org/"


@case("the web interface redirects, and no name was asked for", {993: ("ok", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    web(seen)
    public(seen, 443).said = "HTTP/1.1 301 → https:///"
    public(seen, 443).target = replace(public(seen, 443).target, name=None)


@case("the proxy's own certificate has expired", {993: ALL_OK}, served=certificate(-3))
def _(seen: SweepData) -> None:
    web(seen)


@case("the proxy's own certificate ends soon", {993: ALL_OK}, served=certificate(9))
def _(seen: SweepData) -> None:
    web(seen)


@case("the proxy's own certificate is for another name", {993: ALL_OK}, served=certificate(60, name="b.example.org"))
def _(seen: SweepData) -> None:
    web(seen)


@case("the proxy's own certificate is older than the mail server's", {465: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    for each in all_of(web(seen)):
        each.certificate = certificate(40) if each.certificate else None


@case("an expired certificate on the proxy, nobody to say which", {993: ALL_OK}, served=certificate(-3))
def _(seen: SweepData) -> None:
    web(seen)
    seen.vantages.clear()
