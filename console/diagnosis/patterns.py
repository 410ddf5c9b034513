"""Patterns of tests that many suspects share, as `pattern` reads them."""

from __future__ import annotations

END = "talk here,itself"
NOBODY = f"{END}: closed-0 closed-3 closed-5 closed silent timeout tls says-5xx"
"""What becomes of a client whom HAProxy has no server for: no word of a daemon's comes to it."""

FAR = f"connect vm,door: timeout unreachable; {NOBODY}; check haproxy; ping host,large"
NEAR = "connect vm,door; talk vm; ping host"
CLOSED = "closed-0 closed-3 closed-5 closed"
INSIDE = f"connect vm,inside; talk vm,inside; {NOBODY}; check haproxy"
TAKEN = "out-of-step closed-0 tls not-tls odd says-no says-5xx says-4xx"
LOGIN = "logins talk vm,inside,here,itself; logins check haproxy"
STUCK = "silent closed-3 closed-5 closed headerless not-tls tls"
