"""HAProxy's own words, from its manual and sources up to 3.3: what begins a section or a line, what takes a value."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _paired(first: str, text: str) -> frozenset[str]:
    return frozenset(f"{first} {second}" for second in text.split())


SECTIONS = _words("""
    global defaults listen frontend backend peers resolvers userlist mailers cache ring log-forward log-profile
    http-errors fcgi-app crt-store traces acme healthcheck program namespace_list
""")
"""Every section keyword."""

PROXIES = _words("defaults listen frontend backend")
"""Sections that are proxies, or inherited by them."""

KEYWORDS = _words("""
    acl anonymous backlog balance be-unpublished bind bind-process capture clitcpka-cnt clitcpka-idle clitcpka-intvl
    compression cookie crt declare default-server default_backend description disabled dispatch dynamic-cookie-key
    email-alert enabled error-log-format errorfile errorfiles errorloc errorloc302 errorloc303 external-check filter
    filter-sequence force-be-switch force-persist fullconn guid hash-balance-factor hash-preserve-affinity hash-type
    http-after-response http-check http-error http-request http-response http-reuse http-send-name-header id
    ignore-persist load-server-state-from-file log log-balance log-format log-format-sd log-steps log-tag
    max-keep-alive-queue max-session-srv-conns maxconn mode monitor monitor-net monitor-uri no option persist
    quic-initial rate-limit redirect retries retry-on server server-state-file-name server-template source
    srvtcpka-cnt srvtcpka-idle srvtcpka-intvl ssl-f-use stats stick stick-table tcp-check tcp-request tcp-response
    timeout transparent unique-id-format unique-id-header use-fcgi-app use-server use_backend
""")
"""What may begin a line of a proxy section, so that a section nobody knows is told from a keyword."""

_REWRITES = " ".join(
    f"{side}{what}"
    for side in ("req", "reqi", "rsp", "rspi")
    for what in ("add", "allow", "del", "deny", "pass", "rep", "tarpit", "setbe")
)
RETIRED: dict[str, tuple[str, str]] = {
    "appsession": ("1.6", ""),
    "block": ("2.1", "http-request deny"),
    "clitimeout": ("2.1", "timeout client"),
    "contimeout": ("2.1", "timeout connect"),
    "srvtimeout": ("2.1", "timeout server"),
    "redispatch": ("2.1", "option redispatch"),
    "grace": ("2.5", ""),
    **dict.fromkeys(_REWRITES.split(), ("2.1", "http-request or http-response rules")),
}
"""Keywords that HAProxy has given up: since when, and what is written instead."""

CHECKS = _words("""
    httpchk smtpchk tcp-check ssl-hello-chk ldap-check mysql-check pgsql-check redis-check spop-check external-check
""")
"""`option` values that choose a kind of check; the last one stands."""

TIMEOUTS = _words("client server connect tunnel check client-fin server-fin queue")
"""The limits that matter to a mail lane."""

BIND_VALUES = _words("""
    accept-netscaler-cip alpn backlog ca-file ca-ignore-err ca-sign-file ca-sign-pass ca-verify-file cc ciphers
    ciphersuites client-sigalgs crl-file crt crt-ignore-err crt-list curves default-crt ech ecdhe expose-fd gid group
    guid-prefix id idle-ping interface ktls level maxconn mode mss name namespace nbconn nice npn ocsp-update process
    label proto quic-cc-algo quic-socket severity-output shards sigalgs ssl-max-ver ssl-min-ver tcp-md5sig tcp-ss tcp-ut
    thread tls-ticket-keys uid user verify
""")
"""Settings of a bind line that take a value: `name ssl` is no `ssl`."""

BIND_SWITCHES = _words("""
    accept-proxy allow-0rtt ca-sign-use-chain defer-accept force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12
    force-tlsv13 generate-certificates no-alpn no-ca-names no-sslv3 no-strict-sni no-tls-tickets no-tlsv10 no-tlsv11
    no-tlsv12 no-tlsv13 prefer-client-ciphers quic-force-retry ssl strict-sni tfo tls-tickets transparent v4v6 v6only
""")
"""Settings of a bind line without a value."""

SERVER_SWITCHES = _words("""
    allow-0rtt check-reuse-pool check-sni-auto check-via-socks4 force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12
    force-tlsv13 no-check-reuse-pool no-check-sni-auto no-renegotiate no-sni-auto no-ssl-reuse no-sslv3 no-tfo
    no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 no-verifyhost non-stick renegotiate sni-auto ssl-reuse
    stick strict-maxconn tfo tls-tickets
""")
"""Settings of a server line without a value, beside those that matter to checks."""

SERVER_VALUES = _words("""
    agent-addr agent-inter agent-port agent-send alpn ca-file cc check-alpn check-pool-conn-name check-proto
    check-sni ciphers ciphersuites client-sigalgs cookie crl-file crt curves downinter error-limit fall fastinter
    from guid hash-key id idle-ping init-addr init-state inter interface ktls log-bufsize log-proto max-reuse
    maxconn maxqueue minconn namespace npn observe on-error on-marked-down on-marked-up pool-conn-name
    pool-low-conn pool-max-conn pool-purge-delay proto proxy-v2-options quic-cc-algo redir resolve-net
    resolve-opts resolve-prefer resolvers rise shard sigalgs slowstart sni socks4 source ssl-max-ver ssl-min-ver
    tcp-md5sig tcp-ut usesrc verify verifyhost weight ws
""")
"""Settings of a server line whose value must not be taken for a keyword."""

SINGLE = _words("""
    backlog balance clitcpka-cnt clitcpka-idle clitcpka-intvl compression cookie default_backend description
    dispatch email-alert error-log-format errorfile errorloc errorloc302 errorloc303 fullconn grace guid
    hash-balance-factor hash-preserve-affinity hash-type http-reuse http-send-name-header id
    load-server-state-from-file log-format log-format-sd log-steps log-tag max-keep-alive-queue
    max-session-srv-conns maxconn mode monitor-net monitor-uri option persist rate-limit retries retry-on
    server-state-file-name source srvtcpka-cnt srvtcpka-idle srvtcpka-intvl stick-table timeout transparent
    unique-id-format unique-id-header use-fcgi-app
""")
"""Keywords of a proxy of which the last line counts."""

PAIRED = _words("""
    timeout option errorfile errorloc errorloc302 errorloc303 compression email-alert rate-limit persist
    tcp-request tcp-response
""")
"""Keywords whose second word belongs to the setting's name."""

OWN = _words("""
    acl bind capture description filter force-be-switch force-persist guid id ignore-persist monitor redirect
    server server-template stick stick-table use-server use_backend
""")
"""What a proxy does not take from its `defaults`."""

FRONT_ONLY = (
    _words("""
    backlog clitcpka-cnt clitcpka-idle clitcpka-intvl default_backend error-log-format log-format log-format-sd
    log-steps max-session-srv-conns maxconn monitor-uri quic-initial unique-id-header
""")
    | _paired("option", """
    clitcpka contstats disable-h2-upgrade dontlog-normal dontlognull h1-case-adjust-bogus-client
    http-ignore-probes http-use-proxy-header httplog httpslog idle-close-on-response log-separate-errors logasap
    socket-stats tcp-smart-accept tcplog
""")
    | _paired("rate-limit", "sessions")
    | _paired("timeout", """
    client client-fin client-hs
""")
)  # fmt: skip
"""Settings that a backend does not use, though `defaults` may hold them."""

BACK_ONLY = (
    _words("""
    balance cookie fullconn hash-balance-factor hash-preserve-affinity hash-type http-reuse
    http-send-name-header load-server-state-from-file max-keep-alive-queue retries retry-on
    server-state-file-name source srvtcpka-cnt srvtcpka-idle srvtcpka-intvl use-fcgi-app
""")
    | _paired("external-check", "command path")
    | _paired("option", """
    allbackups checkcache external-check forwarded h1-case-adjust-bogus-server http-drop-request-trailers
    http-pretend-keepalive httpchk ldap-check log-health-checks mysql-check persist pgsql-check
    prefer-last-server redispatch redis-check smtpchk spop-check srvtcpka ssl-hello-chk tcp-check
    tcp-smart-connect use-small-buffers
""")
    | _paired("persist", "rdp-cookie")
    | _paired("timeout", """
    check connect queue server server-fin tunnel
""")
)  # fmt: skip
"""Settings that a frontend does not use, though `defaults` may hold them."""

SETTINGS = frozenset(
    """default-server default_backend disabled enabled http-check mode no option source tcp-check timeout""".split()  # noqa: SIM905
)
"""Lines of a proxy or of defaults that change what its other lines mean."""
