"""Which lines of haproxy.cfg have `haproxy -c` run code or open files; all that is not known not to, does."""

from __future__ import annotations

import pytest

from console.sources import haproxy
from console.sources.haproxy.reach import reaches

PLAIN = r"""
# lua-load evil.lua
global
    log /dev/log local0
    chroot /var/lib/haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin
    stats timeout 30s
    user haproxy
    group haproxy
    daemon
    maxconn 100
    ca-base /etc/ssl/certs
    crt-base /etc/ssl/private
    tune.ssl.default-dh-param 2048
    ssl-default-bind-ciphers HIGH
defaults mail
    mode tcp
    no option dontlognull
    option tcplog
    timeout connect 5s
    errorloc 503 /sorry
    default-server check inter 30s send-proxy
resolvers local
    nameserver a 127.0.0.1:53
    parse-resolv-conf
    hold valid 10s
userlist u
    user a insecure-password b
    user c password $6$k6y3o.eP$JlKBx9za9667qe4
    group g users a
frontend f from mail
    bind /run/other.sock
    bind :25,:::25 v6only ssl verify none
    acl a path_beg /admin
    acl b src 10.0.0.0/8
    http-request set-header X /etc/passwd
    http-request deny if a !b { src 1.2.3.4 }
    http-request return status 200 content-type text/plain string /etc/shadow
    http-request track-sc0 src
    stats enable
    stats auth a:b
    stick-table type ip size 10k expire 30s store conn_rate(3s)
    use_backend b if a
    redirect location /x if { path /y }
backend b
    balance hdr(Host)
    cookie S insert indirect nocache
    option httpchk GET /etc/passwd
    tcp-check send QUIT\r\n
    tcp-check expect string *\ OK
    server s 127.0.0.1:80 check cookie s
    server t /run/other.sock check
"""
"""HAProxy 2.6.12 opens for these only the file itself, the user's and group's databases and resolv.conf (strace)."""


def found(text: str) -> list[int]:
    return [each.line for each in reaches(haproxy.parse(text, "haproxy.cfg").documents)]


def test_a_plain_file_reaches_nowhere() -> None:
    assert found(PLAIN) == []


REACHING = [
    "lua-load evil.lua", "lua-load-per-thread evil.lua", "lua-prepend-path /x", "tune.lua.maxmem 1", '"lua-load" x',
    "lua-l'oa'd x", r"lua\x2dload x", "no lua-load x", "default lua-load x", '"lua$X-load" x', '"${X}" x',
    "bind :25 ssl crt /etc/x", "bind :25 ssl c'r't x", r"bind :25 ssl \x63rt x", 'bind :25 ssl "cr${X}t" x',
    "bind :25 ssl crt-list x", "bind :25 ssl ca-file x", "bind :25 ssl ca-verify-file x", "bind :25 ssl crl-file x",
    "bind :25 ssl ca-sign-file x", "bind :25 tls-ticket-keys x", "bind :25 ssl ech x", "bind :25 namespace x",
    "server a 1.2.3.4:25 ssl ca-file x", "server a 1.2.3.4:25 ssl crt x", "default-server crl-file x",
    "acl a src -f x", "acl a src -M -f x", "http-request deny if { src -f x }", "http-request set-map(x) a b",
    "http-request add-acl(x) a", "http-request del-acl(x) a", "http-request return status 200 file x",
    "http-request return status 200 lf-file x", "http-request deny deny_status 400 errorfile x",
    "http-request return errorfiles x", "http-request lua.x", "http-request use-service lua.x",
    "http-request set-header X %[src,map(x)]", "http-request set-header X %[src,map_str_int(x,1)]",
    "http-request set-header X %[src,lua.x]", "http-request set-header X %[var(a),jwt_verify(b,x)]",
    "tcp-request content lua.x", "use_backend %[src,map_ip(x)]", "use_backend %[lua.x]", "log-format %[lua.x]",
    "option external-check", "external-check command /bin/x", "external-check path /bin", "errorfile 400 x",
    "errorfiles x", "filter spoe engine e config x", "filter opentracing config x", "filter bwlim-in x",
    "ssl-engine x", "ssl-provider x", "ssl-provider-path x", "ssl-dh-param-file x", "issuers-chain-path x",
    "server-state-file x", "server-state-base x", "load-server-state-from-file global", "module-load x",
    "insecure-fork-wanted", "insecure-setuid-wanted", "set-var proc.x str(1)", "setenv A b", "presetenv A b",
    "51degrees-data-file x", "deviceatlas-json-file x", "wurfl-data-file x", "program x", "    command /bin/x",
    "cache x", "ring x", "    backing-file x", "http-errors x", "fcgi-app x", "    docroot /x", "crt-store x",
    "    load crt x", "log-forward x", "traces", "acme x", "healthcheck x", ".if defined(X)", ".notice x",
    "h2-workaround", "monitor-net x", "what-nobody-knows x", "'open quote", '"open quote', "\0", "lua-load\0x",
]  # fmt: skip


@pytest.mark.parametrize("line", REACHING, ids=repr)
def test_a_line_that_runs_or_opens_something_does(line: str) -> None:
    assert found(f"{PLAIN}{line}\n") == [PLAIN.count("\n") + 1]


def test_a_line_is_named_by_its_place_and_keyword() -> None:
    (reach,) = reaches(haproxy.parse("global\n  lua-load x # why\n", "haproxy.cfg").documents)
    assert (reach.place, reach.text) == ("haproxy.cfg:2 (lua-load)", "lua-load x # why")
