"""Which server a lane ends at, where conditions on the port, the name, the host or the path stand between."""

from __future__ import annotations

import pytest

from console.model import Lane
from console.site import PublicEntry, Site
from console.sources import haproxy
from console.topology.build import build
from console.topology.sources import Sources

BACKENDS = """
backend m25
 mode tcp
 server m 10.9.9.9:10025 send-proxy
backend m465
 mode tcp
 server m 10.9.9.9:10465 send-proxy
backend m993
 mode tcp
 server m 10.9.9.9:10993 send-proxy
backend mc
 server m 10.9.9.9:8443
backend old
 server m 10.9.9.8:8443
backend ui
 server m 10.9.9.9:11334
"""
MAIL = "frontend mail\n mode tcp\n bind :25,:465,:993\n"
TLS = "frontend tls\n mode tcp\n bind :443\n tcp-request inspect-delay 5s\n"
WEB = "frontend web\n mode http\n bind :443 ssl crt /x\n"
NAME = "mail.example.org"


def lanes(config: str, names: tuple[str, ...] = (NAME,), lists: dict[str, str] | None = None) -> list[str]:
    """Return `port where` of each lane, as a person reads it."""
    sources = Sources(Site(public=PublicEntry(names)), haproxy.parse(config + BACKENDS, "h.cfg"), lists=lists or {})
    assert sources.haproxy and sources.haproxy.problems == ()
    return [f"{lane.port} {where(lane)}" for lane in build(sources).lanes]


def where(lane: Lane) -> str:
    return lane.leads.replace("10.9.9.9:", ":").replace("10.9.9.8:", "old:")


RIGHT = ["25 :10025", "465 :10465", "993 :10993"]

BY_PORT = {
    "each port its own": " use_backend m25 if { dst_port 25 }\n use_backend m465 if { dst_port 465 }\n"
    " use_backend m993 if { dst_port 993 }",
    "the last is the default": " use_backend m25 if { dst_port 25 }\n use_backend m465 if { dst_port eq 465 }\n"
    " default_backend m993",
    "named ACLs, the second line of a name adds to it": " acl mx dst_port 2525\n acl mx dst_port 25\n"
    " acl s dst_port 465\n use_backend m25 if mx\n use_backend m465 if s\n use_backend m993 if !mx !s",
    "unless and or": " use_backend m993 unless { dst_port 25 } or { dst_port 465 }\n"
    " use_backend m465 if { dst_port gt 25 }\n default_backend m25",
    "ranges": " use_backend m25 if { dst_port 1:100 }\n use_backend m465 if { dst_port 400:500 }\n"
    " default_backend m993",
    "several numbers of one test": " use_backend m993 if { dst_port 993 995 }\n"
    " use_backend m465 if { dst_port -m int 465 587 }\n use_backend m25",
    "the name is made of the port": " use_backend m%[dst_port]",
    "the name is the frontend's port": " use_backend m%fp",
    "a map by the port": " use_backend %[dst_port,map_int(/etc/haproxy/ports.map,m993)]",
    "a variable that a rule sets": " tcp-request connection set-var(sess.p) dst_port\n"
    " use_backend m25 if { var(sess.p) -m int 25 }\n use_backend m465 if { var(sess.p) -m int 465 }\n"
    " default_backend m993",
    "the lesser ports first": " use_backend m25 if { dst_port lt 100 }\n use_backend m465 if { dst_port le 465 }\n"
    " use_backend m993 if { dst_port ge 993 }",
    "TRUE at the end": " use_backend m25 if { dst_port 25 }\n use_backend m465 if { dst_port 465 }\n"
    " use_backend m993 if TRUE",
}


@pytest.mark.parametrize("rules", BY_PORT.values(), ids=BY_PORT)
def test_a_frontend_of_several_ports_leads_each_to_its_own_backend(rules: str) -> None:
    lists = {"/etc/haproxy/ports.map": "# port backend\n25 m25\n465\tm465\n"}
    assert lanes(f"{MAIL}{rules}\n", lists=lists) == RIGHT


def test_use_server_chooses_by_the_port_too() -> None:
    config = (
        "listen mail\n mode tcp\n bind :25,:465,:993\n use-server smtp if { dst_port 25 }\n"
        " use-server smtps if { dst_port 465 }\n use-server imaps unless { dst_port 25 465 }\n"
        " server imaps 10.9.9.9:10993 send-proxy\n server smtp 10.9.9.9:10025 send-proxy\n"
        " server smtps 10.9.9.9:10465 send-proxy\n"
    )
    assert lanes(config) == RIGHT


def test_an_inner_frontend_sees_the_port_that_the_header_carries() -> None:
    inner = (
        "frontend out\n mode tcp\n bind :25,:465,:993\n default_backend loop\nbackend loop\n"
        " server l abns@mail send-proxy-v2\nfrontend in\n mode tcp\n bind abns@mail accept-proxy\n"
        " use_backend m%[dst_port]\n"
    )
    assert lanes(inner) == RIGHT


BY_NAME = {
    "-i": (TLS, " use_backend mc if { req.ssl_sni -i mail.example.org }\n default_backend old", "443 :8443"),
    "-i, upper case": (TLS,
                       " use_backend mc if { req.ssl_sni -i MAIL.example.org }\n default_backend old", "443 :8443"),
    "another name": (TLS, " use_backend old if { req.ssl_sni -i git.example.org }\n default_backend mc", "443 :8443"),
    "its end": (TLS, " use_backend mc if { req.ssl_sni -m end .example.org }\n default_backend old", "443 :8443"),
    "its beginning": (TLS, " use_backend mc if { req_ssl_sni -m beg -i Mail. }\n default_backend old", "443 :8443"),
    "a domain of it": (TLS, " use_backend mc if { req.ssl_sni -m dom example }\n default_backend old", "443 :8443"),
    "a regular expression": (TLS, r" use_backend mc if { req.ssl_sni -m reg -i ^(mail|mx)\\.example\\.org$ }"
                             "\n default_backend old", "443 :8443"),
    "a file of names": (TLS, " use_backend mc if { req.ssl_sni -i -f /etc/haproxy/mail.lst }\n default_backend old",
                        "443 :8443"),
    "a map": (TLS, " use_backend %[req.ssl_sni,lower,map(/etc/haproxy/sni.map)]\n default_backend old", "443 :8443"),
    "a map's default": (TLS,
                        " use_backend %[req.ssl_sni,field(1,.),map(/etc/haproxy/sni.map,mc)]\n default_backend old",
                        "443 :8443"),
    "hello and name": (TLS, " acl tls req.ssl_hello_type 1\n acl ours req.ssl_sni mail.example.org\n"
                       " use_backend mc if tls ours\n default_backend old", "443 :8443"),
    "Host": (WEB, " use_backend mc if { hdr(host) -i mail.example.org }\n default_backend old", "443 :8443"),
    "Host of ended TLS by SNI": (WEB, " use_backend mc if { ssl_fc_sni mail.example.org }\n default_backend old",
                                 "443 :8443"),
    "hdr_beg": (WEB, " use_backend mc if { hdr_beg(host) -i mail. }\n default_backend old", "443 :8443"),
    "hdr_dom": (WEB, " use_backend mc if { hdr_dom(host) -i example.org }\n default_backend old", "443 :8443"),
    "Host, lower": (WEB, " use_backend mc if { req.hdr(Host),lower mail.example.org }\n default_backend old",
                    "443 :8443"),
    "a path before the host": (WEB, " use_backend ui if { path_beg /rspamd }\n"
                               " use_backend mc if { hdr(host) -i mail.example.org }", "443 :8443"),
    "a path of ACLs": (WEB, " acl r path -m beg /rspamd /api\n acl h req.hdr(host) -i mail.example.org\n"
                       " use_backend ui if r h\n use_backend mc if h\n default_backend old", "443 :8443"),
    "the root path": (WEB, " use_backend mc if { path / }\n default_backend old", "443 :8443"),
    "a spare while servers are up": (WEB, " use_backend old if { nbsrv(mc) lt 1 }\n default_backend mc", "443 :8443"),
}  # fmt: skip
LISTS = {"/etc/haproxy/mail.lst": "# ours\nMail.Example.org\n", "/etc/haproxy/sni.map": "mail.example.org mc\n"}


@pytest.mark.parametrize(("frontend", "rules", "lane"), BY_NAME.values(), ids=BY_NAME)
def test_a_name_that_clients_ask_for_decides_where_it_is_asked(frontend: str, rules: str, lane: str) -> None:
    assert lanes(f"{frontend}{rules}\n", lists=LISTS) == [lane]


OPEN = {
    "nobody told the name": (TLS, (), " use_backend mc if { req.ssl_sni -i mail.example.org }\n default_backend old",
                             "443 old:8443 or :8443"),
    "the client's address": (TLS, (NAME,), " use_backend old if { src 192.0.2.0/24 }\n default_backend mc",
                             "443 :8443 or old:8443"),
    "a list that is not here": (TLS, (NAME,), " use_backend mc if { req.ssl_sni -f /nowhere }\n default_backend old",
                                "443 old:8443 or :8443"),
    "a map that is not here": (TLS, (NAME,), " use_backend %[req.ssl_sni,map(/nowhere)]\n default_backend old",
                               "443 old:8443 or ?"),
    "a name of the client's address": (TLS, (NAME,), " use_backend m_%[src]", "443 ?"),
    "a header nobody knows": (WEB, (NAME,), " use_backend old if { req.hdr(x-old) 1 }\n default_backend mc",
                              "443 :8443 or old:8443"),
    "two names of ours at two places": (TLS, (NAME, "old.example.org"),
                                        " use_backend mc if { req.ssl_sni mail.example.org }\n default_backend old",
                                        "443 :8443 or old:8443"),
    "a pattern that would take for ever": (TLS, (NAME,), " use_backend old if { req.ssl_sni -m reg ((a+)+)+$ }\n"
                                           " default_backend mc", "443 :8443 or old:8443"),
    "a port of the environment": ("listen a\n mode tcp\n bind :443\n", (NAME,), " server m 127.0.0.1:${PB} send-proxy",
                                  "443 127.0.0.1:${PB}"),
    "the same, quoted": ("listen a\n mode tcp\n bind :25\n", (NAME,), ' server m "10.9.9.9:${PB}" send-proxy',
                         "25 :${PB}"),
    "an SRV record": ("listen a\n mode tcp\n bind :4190\n", (NAME,),
                      " server-template m 1-3 _sieve._tcp.x resolvers dns send-proxy", "4190 _sieve._tcp.x:?"),
    "a rule that sets the port": ("listen a\n mode tcp\n bind :993\n", (NAME,),
                                  " tcp-request content set-dst-port int(10993)\n server m 10.9.9.9 send-proxy",
                                  "993 :?"),
    "a name that comes from a variable": ("listen a\n mode tcp\n bind :25\n", (NAME,), " use_backend $WHERE", "25 ?"),
}  # fmt: skip


@pytest.mark.parametrize(("frontend", "names", "rules", "lane"), OPEN.values(), ids=OPEN)
def test_what_only_a_connection_decides_is_shown_as_open(
    frontend: str, names: tuple[str, ...], rules: str, lane: str
) -> None:
    assert lanes(f"{frontend}{rules}\n", names) == [lane]


def test_port_zero_is_the_clients_own() -> None:
    assert lanes("listen a\n mode tcp\n bind :25\n server m 10.9.9.9:0\n") == ["25 :25"]


NAMED = "frontend mail\n mode tcp\n bind :25 name mx id 1\n bind :465 name tls id 2\n bind :993 name tls id 3\n"
BY_SOCKET = {
    "its name": " use_backend m25 if { so_name mx }\n use_backend m465 if { so_name -i TLS } { dst_port 465 }\n"
    " default_backend m993",
    "its number": " use_backend m25 if { so_id 1 }\n use_backend m465 if { so_id 2 }\n"
    " use_backend m993 if { so_id ge 3 }",
    "a name made of it": " use_backend m%[dst_port] if { so_name tls }\n default_backend m25",
}


@pytest.mark.parametrize("rules", BY_SOCKET.values(), ids=BY_SOCKET)
def test_a_socket_that_the_bind_line_names_decides(rules: str) -> None:
    assert lanes(f"{NAMED}{rules}\n") == RIGHT


def test_sockets_of_one_port_with_different_names_are_told_apart_by_nobody() -> None:
    config = "frontend mail\n mode tcp\n bind 10.0.0.1:25 name a\n bind 10.0.0.2:25 name b\n"
    config += " use_backend m25 if { so_name a }\n default_backend m465\n"
    assert lanes(config) == ["25 :10465 or :10025"]
