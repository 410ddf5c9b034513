"""OpenTofu's functions of IP networks."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

from console.sources.opentofu.functions.values import Wrong, number, of_texts, string
from console.sources.opentofu.values import Value


def _cidrhost(arguments: list[Value]) -> Value:
    network, host = ip_network(string(arguments[0]), strict=False), number(arguments[1])
    if not isinstance(host, int) or not -network.num_addresses <= host < network.num_addresses:
        raise Wrong("the network has no such host")
    return str(network[host])


def _cidrnetmask(prefix: str) -> Value:
    network = ip_network(prefix, strict=False)
    if network.version == 6:
        raise Wrong("cidrnetmask() is for IPv4")
    return str(network.netmask)


def _cidrsubnet(arguments: list[Value]) -> Value:
    network = ip_network(string(arguments[0]), strict=False)
    more, which = number(arguments[1]), number(arguments[2])
    if not isinstance(more, int) or not isinstance(which, int) or more < 0:
        raise Wrong("cidrsubnet() needs whole numbers")
    length = network.prefixlen + more
    if length > network.max_prefixlen or not 0 <= which < 1 << more:
        raise Wrong("the network has no room for that")
    first = int(network.network_address) + (which << (network.max_prefixlen - length))
    kind = type(network.network_address)
    return f"{kind(first)}/{length}"


def _cidrsubnets(arguments: list[Value]) -> Value:
    network = ip_network(string(arguments[0]), strict=False)
    at, found = int(network.network_address), list[Value]()
    kind = type(network.network_address)
    for each in arguments[1:]:
        length = network.prefixlen + int(number(each))
        if not network.prefixlen <= length <= network.max_prefixlen:
            raise Wrong("the network has no room for that")
        size = 1 << (network.max_prefixlen - length)
        at = (at + size - 1) // size * size
        if at + size > int(network.broadcast_address) + 1:
            raise Wrong("the network has no room for that")
        found.append(f"{kind(at)}/{length}")
        at += size
    return found


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "cidrhost": _cidrhost,
    "cidrnetmask": of_texts(_cidrnetmask),
    "cidrsubnet": _cidrsubnet,
    "cidrsubnets": _cidrsubnets,
}
