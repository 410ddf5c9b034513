"""What machines tell of themselves after a symptom, as recorded: addresses, routes, pings, processes, disks."""

from __future__ import annotations

import pytest

from console.answers import Directed, Disk, Frontend, Limits, Ping, Program, Route
from console.errors import TimedOut
from console.facts import addresses, disks, haproxy_stats, incus, listeners, pings, programs
from console.runner.read_only import reads
from tests.console.facts.recorded import StandIn, failed, text

ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host noprefixroute \\       valid_lft forever preferred_lft forever
2: eth0    inet 203.0.113.10/24 brd 203.0.113.255 scope global dynamic eth0\\       valid_lft 80123sec
2: eth0    inet6 2001:db8:113::10/64 scope global nodad \\       valid_lft forever preferred_lft forever
2: eth0    inet6 fe80::fc:ff:fe00:1/64 scope link \\       valid_lft forever preferred_lft forever
3: tailscale0    inet 100.64.0.1/32 scope global tailscale0\\       valid_lft forever preferred_lft forever
4: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0\\       valid_lft forever
5: ppp0    inet 198.51.100.7 peer 198.51.100.1/32 scope global ppp0\\       valid_lft forever preferred_lft forever
"""


def test_addresses_that_others_can_dial_are_told_from_loopback_tunnels_and_bridges() -> None:
    assert addresses.parse(ADDRESSES) == ("203.0.113.10", "2001:db8:113::10", "198.51.100.7")
    assert "100.64.0.1" in addresses.parse(ADDRESSES, tunnels=True)
    assert not {"127.0.0.1", "::1"} & {*addresses.parse(ADDRESSES, tunnels=True)}
    with pytest.raises(ValueError, match="not the answer to ip -o addr"):
        addresses.parse("Usage: ip address {add|change}\n")


@pytest.mark.parametrize(
    ("said", "route"),
    [
        (
            "10.10.10.214 dev tailscale0 table 52 src 100.64.0.1 uid 0 \n    cache \n",
            Route("10.10.10.214", "tailscale0", source="100.64.0.1"),
        ),
        (
            "10.10.10.214 via 100.64.0.2 dev tailscale0 src 100.64.0.1 uid 0 \n",
            Route("10.10.10.214", "tailscale0", "100.64.0.2", source="100.64.0.1"),
        ),
        (
            "10.10.10.214 via 203.0.113.1 dev eth0 src 203.0.113.10 uid 0 \n",
            Route("10.10.10.214", "eth0", "203.0.113.1", source="203.0.113.10"),
        ),
        (
            "RTNETLINK answers: Network is unreachable\n",
            Route("10.10.10.214", none="RTNETLINK answers: Network is unreachable"),
        ),
        ("unreachable 10.10.10.214 \n", Route("10.10.10.214", none="unreachable 10.10.10.214")),
        ('Object "rout" is unknown, try "ip help".\n', None),
    ],
)
def test_a_route_is_a_device_or_the_kernel_s_word_that_there_is_none(said: str, route: Route | None) -> None:
    assert addresses.parse_route("10.10.10.214", said) == route


async def test_what_ip_says_beside_status_two_is_its_answer() -> None:
    host = StandIn({"ip route get": failed("RTNETLINK answers: Network is unreachable\n", 2)}, "vps")
    route = await addresses.toward(host, "10.10.10.214")
    assert route == Route("10.10.10.214", none="RTNETLINK answers: Network is unreachable")
    assert await addresses.toward(StandIn({}, "vps"), "10.10.10.214") == "ip: not found on vps"


@pytest.mark.parametrize(
    ("said", "gateway"),
    [("default via 192.0.2.1 dev eth0 proto dhcp metric 100 \n", "192.0.2.1"), ("default dev ppp0 scope link\n", "")],
)
async def test_the_gateway_is_the_default_route_s_router(said: str, gateway: str) -> None:
    assert await addresses.gateway(StandIn({"ip route show default": said}, "here")) == gateway


IPUTILS = """\
PING 10.10.10.1 (10.10.10.1) 56(84) bytes of data.
64 bytes from 10.10.10.1: icmp_seq=1 ttl=64 time=0.036 ms

--- 10.10.10.1 ping statistics ---
2 packets transmitted, 1 received, 50% packet loss, time 338ms
rtt min/avg/max/mdev = 0.030/0.033/0.036/0.003 ms
"""
BUSYBOX = """\
PING 10.10.10.1 (10.10.10.1): 56 data bytes

--- 10.10.10.1 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
round-trip min/avg/max = 0.044/0.045/0.047 ms
"""
NOBODY = """\
PING 10.10.10.1 (10.10.10.1) 56(84) bytes of data.
From 10.10.10.5 icmp_seq=1 Destination Host Unreachable

--- 10.10.10.1 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1003ms
"""


@pytest.mark.parametrize(
    ("said", "ping", "lost"),
    [
        (IPUTILS, Ping("10.10.10.1", 2, 1, 0.03), False),
        (BUSYBOX, Ping("10.10.10.1", 2, 2, 0.044), False),
        (NOBODY, Ping("10.10.10.1", 2, 0, None), True),
    ],
)
def test_pings_are_counted_as_ping_counts_them(said: str, ping: Ping, lost: bool) -> None:
    found = pings.parse("10.10.10.1", said)
    assert found == ping
    assert found is not None and found.lost is lost


async def test_a_ping_that_is_not_there_is_not_a_ping_that_is_lost() -> None:
    assert await pings.ask(StandIn({}, "vps"), "10.10.10.1") == "ping: not found on vps"
    assert await pings.ask(StandIn({"ping": TimedOut("vps did not answer")}, "vps"), "10.10.10.1") == (
        "vps did not answer"
    )
    told = await pings.ask(StandIn({"ping": failed("", 1, NOBODY)}, "vps"), "10.10.10.1", large=True)
    assert isinstance(told, Ping) and told.lost


async def test_processes_are_told_with_their_state_and_no_haproxy_is_an_answer() -> None:
    said = (
        "Ss   /usr/sbin/haproxy -W -f /etc/haproxy/haproxy.cfg\nTl   /usr/sbin/haproxy -W -f /etc/haproxy/haproxy.cfg\n"
    )
    found = (await programs.ask(StandIn({"ps -C haproxy": said}, "vps"), "haproxy")).found
    assert [each.halted for each in found] == [False, True]
    none = await programs.ask(StandIn({"ps -C haproxy": failed("", 1)}, "vps"), "haproxy")
    assert (none.found, none.error) == ((), "")
    assert (await programs.ask(StandIn({}, "vps"), "haproxy")).error == "ps: not found on vps"


async def test_of_other_processes_nothing_is_kept() -> None:
    said = "Ss   /usr/sbin/dovecot -F\nS    mysql -pSECRET\nS    dovecot/auth\nT    /usr/lib/postfix/sbin/master -w\n"
    found = (await programs.ask(StandIn({"ps -eo": said}))).found
    assert found == (
        Program("Ss", "/usr/sbin/dovecot -F"),
        Program("S", "dovecot/auth"),
        Program("T", "/usr/lib/postfix/sbin/master -w"),
    )


USED = """\
Filesystem              1024-blocks     Used Available Capacity Mounted on
/dev/vda1                 264212084 26910840  79480072      26% /
/dev/mapper/vg-mail data   10000000 10000000         0     100% /var/lib/docker/volumes/mail data
/dev/loop3                    65536    65536         0     100% /snap/core/1
/dev/loop4                    65536    65536         0     100% /mnt/image
/dev/sr0                     700000   700000         0     100% /media/cdrom
overlay                   264212084 26910840  79480072      26% /var/lib/docker/overlay2/x/merged
tmpfs                            64       64         0     100% /var/mail
"""
INODES = """\
Filesystem                Inodes  IUsed    IFree IUse% Mounted on
/dev/vda1                3083623 3083600      23  100% /
/dev/btrfs                     0       0       0     - /data
"""


def test_a_disk_is_full_of_bytes_or_of_inodes_and_an_image_is_no_disk() -> None:
    assert disks.parse(USED, INODES) == (
        Disk("/", 26, 100), Disk("/var/lib/docker/volumes/mail data", 100), Disk("/var/mail", 100),
    )  # fmt: skip


INFO = "Name: HAProxy\nVersion: 2.6.12\nMaxconn: 2000\nHard_maxconn: 2000\nCurrConns: 1999\nCumConns: 81\n"
STATE = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change
4 imaps 1 mailcow 10.10.10.214 2 0 1 1 6 6 3 4 6 0 0 0 - 10993 - 0 10999 - 0
"""
STAT = """\
# pxname,svname,qcur,qmax,scur,smax,slim,status,weight,type,check_status,check_duration,last_chk,dcon,dses,
imaps,FRONTEND,,,9,9,9,OPEN,,0,,,,3,1,
imaps,mailcow,0,0,0,1,,UP,0,2,L4OK,12,,,,
"""


def test_haproxy_tells_its_limits_where_its_servers_are_and_what_it_denied() -> None:
    assert haproxy_stats.parse_info(INFO) == Limits(1999, 2000)
    limits = haproxy_stats.parse_info(INFO)
    assert limits is not None and limits.full
    assert haproxy_stats.parse_info("Unknown command.\n") is None
    assert haproxy_stats.parse_state(STATE) == {"imaps/mailcow": Directed("10.10.10.214", 10993, 10999)}
    assert haproxy_stats.parse_state("Unknown command.\n") == {}
    (front,) = haproxy_stats.parse_frontends(STAT)
    assert front == Frontend("imaps", "OPEN", 9, 9, 4)
    assert front.full
    (server,) = haproxy_stats.parse(STAT)
    assert (server.weight, server.took) == (0, 12)


def test_a_frontend_tells_its_mode_and_its_tls_sessions_and_an_old_haproxy_does_not() -> None:
    told = {
        version: {(each.mode, each.secured) for each in haproxy_stats.parse_frontends(text("haproxy_stats", version))}
        for version in ("1.5.0.txt", "1.8.0.txt", "2.6.12.txt", "3.4.0.txt")
    }
    assert told["1.5.0.txt"] == {("", None)}
    assert told["1.8.0.txt"] <= {("tcp", None), ("http", None)}
    assert told["2.6.12.txt"] | told["3.4.0.txt"] <= {("tcp", 0), ("http", 0)}
    assert ("tcp", 0) in told["2.6.12.txt"] and ("tcp", 0) in told["3.4.0.txt"]


def test_tls_sessions_are_counted_later_than_all_else_that_a_server_tells() -> None:
    before = haproxy_stats.parse(STAT.replace("last_chk,", "last_chk,ssl_sess,").replace("L4OK,12,,", "L4OK,12,,0,"))
    later = STAT.replace("last_chk,", "last_chk,ssl_sess,").replace(",UP,0,2,L4OK,12,,", ",DOWN,0,2,L4OK,12,,7,")
    (server,) = haproxy_stats.recounted(before, later)
    assert (server.status, server.secured) == ("UP", 7)


def test_connections_that_nobody_accepts_are_counted() -> None:
    said = 'LISTEN 3      128    0.0.0.0:10465 0.0.0.0:* users:(("smtpd",pid=9,fd=6))\n'
    (found,) = listeners.parse(said)
    assert (found.port, found.process, found.waiting) == (10465, "smtpd", 3)


@pytest.mark.parametrize(
    ("words", "harmless"),
    [
        (addresses.COMMAND, True),
        (addresses.DEFAULT, True),
        (("ip", "route", "get", "10.10.10.214"), True),
        (("ping", "-n", "-c", "2", "10.10.10.1"), True),
        (programs.ALL, True),
        (disks.BYTES, True),
        (("ip", "route", "add", "default"), False),
        (("ip", "-n", "other", "addr", "show"), False),
        (("ip", "addr", "flush"), False),
        (("ip", "-batch", "addr", "show"), False),
        (("ping", "-f", "10.10.10.1"), False),
    ],
)
def test_what_is_asked_is_known_to_change_nothing(words: tuple[str, ...], harmless: bool) -> None:
    assert reads(words) is harmless


INCUS = """[
 {"name": "mailcow", "type": "virtual-machine", "status": "Running", "config": {}, "expanded_devices": {
  "eth0": {"type": "nic", "ipv4.address": "10.10.10.214"}}, "state": {"network": {
  "enp5s0": {"addresses": [{"family": "inet", "address": "10.10.10.99", "scope": "global"},
   {"family": "inet6", "address": "fe80::1", "scope": "link"}]},
  "lo": {"addresses": [{"family": "inet", "address": "127.0.0.1", "scope": "local"}]}}}},
 {"name": "other", "type": "container", "status": "Stopped", "config": {}, "state": null}
]"""


def test_incus_tells_what_runs_and_with_which_addresses() -> None:
    mailcow, other = incus.parse(INCUS)
    assert (mailcow.status, mailcow.has, mailcow.addresses) == ("Running", ("10.10.10.99",), ("10.10.10.214",))
    assert (other.status, other.has) == ("Stopped", ())
