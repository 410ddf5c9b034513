"""The stand-in HAProxy's stats socket: `show stat`, `show info` and `show servers conn`, in the words of 2.6."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from console.lab.haproxy.checks import DESCRIPTIONS, FALL, RISE
from console.lab.haproxy.proxy import Frontend, Proxy

VERSION = "2.6.12"

HEADER = (
    "pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,"
    "bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,"
    "check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,req_rate,"
    "req_rate_max,req_tot,cli_abrt,srv_abrt,comp_in,comp_out,comp_byp,comp_rsp,lastsess,last_chk,last_agt,qtime,ctime,"
    "rtime,ttime,agent_status,agent_code,agent_duration,check_desc,agent_desc,check_rise,check_fall,check_health,"
    "agent_rise,agent_fall,agent_health,addr,cookie,mode,algo,conn_rate,conn_rate_max,conn_tot,intercepted,dcon,dses,"
    "wrew,connect,reuse,cache_lookups,cache_hits,srv_icur,src_ilim,qtime_max,ctime_max,rtime_max,ttime_max,eint,"
    "idle_conn_cur,safe_conn_cur,used_conn_cur,need_conn_est,uweight,agg_server_status,agg_server_check_status,"
    "agg_check_status,-,ssl_sess,ssl_reused_sess,ssl_failed_handshake,h2_headers_rcvd,h2_data_rcvd,h2_settings_rcvd,"
    "h2_rst_stream_rcvd,h2_goaway_rcvd,h2_detected_conn_protocol_errors,h2_detected_strm_protocol_errors,"
    "h2_rst_stream_resp,h2_goaway_resp,h2_open_connections,h2_backend_open_streams,h2_total_connections,"
    "h2_backend_total_streams,h1_open_connections,h1_open_streams,h1_total_connections,h1_total_streams,h1_bytes_in,"
    "h1_bytes_out,h1_spliced_bytes_in,h1_spliced_bytes_out"
)
"""The header row of HAProxy 2.6.12, as it answers."""

COLUMNS = HEADER.split(",")

ZERO = {
    "FRONTEND": "dreq dresp ereq rate rate_lim rate_max req_rate req_rate_max req_tot conn_rate conn_rate_max dcon "
    "dses wrew eint sid comp_in comp_out comp_byp comp_rsp",
    "SERVER": "qcur qmax dresp eresp wretr wredis wrew bck cli_abrt srv_abrt qtime rtime ttime reuse srv_icur "
    "qtime_max rtime_max ttime_max eint idle_conn_cur safe_conn_cur used_conn_cur rate rate_max",
    "BACKEND": "qcur qmax dreq dresp eresp wretr wredis wrew bck rate rate_max cli_abrt srv_abrt comp_in comp_out "
    "comp_byp comp_rsp qtime rtime ttime reuse qtime_max rtime_max ttime_max eint sid agg_server_status "
    "agg_server_check_status agg_check_status",
}
"""Columns a kind of row fills and the lab has nothing to say about."""

HELP = (
    "Unknown command. Please enter one of the following commands only:\n"
    "  show info                               : report information about the running process\n"
    "  show servers conn                       : dump server connections status (all or for a single backend)\n"
    "  show stat                               : report counters for each proxy and server\n"
    "  show version                            : show version of the current process\n"
    "  help [<command>]                        : list matching or all commands\n"
    "  prompt                                  : toggle interactive mode with prompt\n"
    "  quit                                    : disconnect\n"
)


def answer(proxy: Proxy, line: str) -> str:
    """Answer one line of commands, separated by `;`, each answer followed by an empty line."""
    commands: dict[str, Callable[[Proxy], str]] = {
        "show stat": show_stat,
        "show info": show_info,
        "show servers conn": show_servers,
        "show version": lambda _proxy: f"{VERSION}\n",
    }
    known = (commands.get(" ".join(command.split())) for command in line.split(";"))
    return "".join(f"{command(proxy) if command else HELP}\n" for command in known)


def show_stat(proxy: Proxy) -> str:
    """The statistics as CSV, one row per frontend, server and backend."""
    rows: list[dict[str, object]] = []
    for number, frontend in enumerate(proxy.frontends, 2):
        rows += [_frontend_row(frontend, number), _server_row(frontend, number), _backend_row(frontend, number)]
    lines = (",".join(str(row.get(column, "")) for column in COLUMNS) + "," for row in rows)
    return f"# {HEADER},\n" + "".join(f"{line}\n" for line in lines)


def show_info(proxy: Proxy) -> str:
    """What the process says of itself."""
    up = int(time.time() - proxy.since)
    fields = {
        "Name": "HAProxy",
        "Version": VERSION,
        "Nbthread": 1,
        "Nbproc": 1,
        "Process_num": 1,
        "Pid": os.getpid(),
        "Uptime": f"{up // 86400}d {up % 86400 // 3600}h{up % 3600 // 60:02}m{up % 60:02}s",
        "Uptime_sec": up,
        "CurrConns": sum(len(frontend.sessions) for frontend in proxy.frontends),
        "CumConns": sum(frontend.total for frontend in proxy.frontends),
        "Tasks": len(proxy.frontends),
        "node": "vps",
        "Stopping": 0,
        "Listeners": sum(len(frontend.servers) for frontend in proxy.frontends),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def show_servers(proxy: Proxy) -> str:
    """Connections per server."""
    text = (
        "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim "
        "idle_cur idle_per_thr[1]\n"
    )
    for number, frontend in enumerate(proxy.frontends, 2):
        target, now = frontend.lane.target, len(frontend.sessions)
        if target is not None:
            name = f"{frontend.backend}/{frontend.server}"
            text += f"{name} {number}/1 {target.host} {target.port} - 5000 {now} {frontend.most} {now} 0 0 -1 0 0\n"
    return text


def _row(kind: str, frontend: Frontend, number: int) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(ZERO[kind].split(), 0)
    row |= {
        "pid": 1,
        "iid": number,
        "mode": "http" if frontend.tls else "tcp",
        "scur": len(frontend.sessions),
        "smax": frontend.most,
        "stot": frontend.total,
        "bin": frontend.bytes_in,
        "bout": frontend.bytes_out,
        "-": "-",
    }
    return row


def _frontend_row(frontend: Frontend, number: int) -> dict[str, object]:
    return _row("FRONTEND", frontend, number) | {
        "pxname": frontend.name,
        "svname": "FRONTEND",
        "slim": 9979,
        "status": "OPEN",
        "type": 0,
        "conn_tot": frontend.total,
    }


def _server_row(frontend: Frontend, number: int) -> dict[str, object]:
    health, target = frontend.health, frontend.lane.target
    row = _behind("SERVER", frontend, number) | {
        "svname": frontend.server,
        "status": health.word,
        "weight": 1,
        "uweight": 1,
        "act": 1,
        "sid": 1,
        "type": 2,
        "addr": f"{target.host}:{target.port}" if target else "",
        "need_conn_est": len(frontend.sessions),
    }
    if health.checked:
        row |= {
            "chkfail": health.failures,
            "check_status": f"{'* ' if health.busy and health.status != 'INI' else ''}{health.status}",
            "check_code": 0 if health.status == "L7OK" else "",
            "check_duration": health.milliseconds,
            "last_chk": health.last,
            "check_desc": DESCRIPTIONS[health.status],
            "check_rise": RISE,
            "check_fall": FALL,
            "check_health": health.points,
        }
    return row


def _backend_row(frontend: Frontend, number: int) -> dict[str, object]:
    up = int(frontend.health.up)
    return _behind("BACKEND", frontend, number) | {
        "svname": "BACKEND",
        "slim": 998,
        "status": "UP" if up else "DOWN",
        "weight": up,
        "uweight": up,
        "act": up,
        "type": 1,
        "algo": "roundrobin",
    }


def _behind(kind: str, frontend: Frontend, number: int) -> dict[str, object]:
    health, now = frontend.health, time.time()
    told = health.checked or kind == "BACKEND"
    away = health.away + (0.0 if health.up else now - health.since)
    return _row(kind, frontend, number) | {
        "pxname": frontend.backend,
        "econ": frontend.failed_connects,
        "chkdown": health.downs if told else "",
        "lastchg": int(now - health.since),
        "downtime": int(away) if told else "",
        "lbtot": frontend.connects,
        "lastsess": int(now - frontend.last) if frontend.last else -1,
        "connect": frontend.connects,
        "ctime": frontend.connect_ms,
        "ctime_max": frontend.most_connect_ms,
    }
