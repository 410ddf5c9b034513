"""Suspects between a client and HAProxy: this machine, the name, the way to the proxy, and its filters."""

from __future__ import annotations

from console.diagnosis import proofs_back as back
from console.diagnosis import proofs_front as front
from console.diagnosis import proofs_here as here
from console.diagnosis.mode import Mode, row
from console.diagnosis.patterns import END
from console.diagnosis.scopes import astray, at_home, each, each_family, everything, families, silent_from_here

OUTSIDE: tuple[Mode, ...] = (
    row(
        "here/offline", "this machine has no way to the Internet", 2.0, "public", everything,
        covers="connect here: timeout unreachable; name here: unheard; ping gateway; way proxy,mail",
        forbids="connect here; ping gateway; way proxy: pass shut", fact=here.offline, finding="CH033", kin="CH031",
        tells="ping another address from here", remedy="mend this machine's own network, or look from another",
    ),
    row(
        "name/none", "{said}", 0, "public", everything, covers="name here: none", fact=here.unresolved,
        finding="CH034", remedy="publish the name again: an A record, and AAAA where HAProxy listens on IPv6",
    ),
    row(
        "here/resolver-silent", "the public name could not be asked here: {said}", 0, "public", everything,
        covers="name here: unheard", fact=here.unheard, finding="CH035",
        remedy="look at /etc/resolv.conf and the resolver of this machine, or look from another one",
    ),
    row(
        "name/wrong-address", "the public name {also}leads to {wrong}, which is no address of {vps} ({own})", 0.5,
        "public",
        astray, covers=f"connect here,itself; {END}", forbids="talk here,itself", fact=here.misled, finding="CH036",
        stands="beside",
        tells="ip addr on {vps}", remedy="set the name's A and AAAA records to {own}",
    ),
    row(
        "name/wrong-address", "the public name {also}leads here to {wrong}, which is {mail} itself and no address of "
        "{vps} ({own}): what goes there does not pass HAProxy", 0.4, "public", at_home,
        covers=f"connect here,itself; {END}", fact=here.bypassed, finding="CH036", tells="dial from another network",
        remedy="where a name of its own inside your network is meant (split DNS), look from outside of it; else set "
        "the name's A and AAAA records to {own}",
    ),
    row(
        "here/blocks-25", "this line probably blocks port 25 on its way out", 1.0, "public",
        lambda world: [scope for scope in silent_from_here(world) if scope.ports == (25,)],
        covers="connect here: timeout", forbids="connect here", fact=here.blocked_here, finding="CH028", kin="CH028",
        tells="dial 25 from another network",
    ),
    row(
        "vps-filter/drop", "packets to {ports} are dropped before HAProxy{over}: by a firewall of {vps}, of its "
        "provider, of this machine or its network", 2.2, "public", silent_from_here,
        covers="connect here: timeout unreachable", forbids="connect here", fact=front.filtered, finding="CH037",
        kin="CH028 CH031",
        tells="nft list ruleset on {vps}; dial from another network",
        remedy="dial {ports} from another network: if that works, it is here; else nft list ruleset on {vps}, and its "
        "provider's firewall: let {ports} in",
    ),
    row(
        "vps-filter/drop-family", "over {family} nothing reaches {vps} from here: a firewall drops it, {vps} has lost "
        "its address or route, or this network has no way", 1.8, "public", families,
        covers="connect here: timeout unreachable", forbids="connect here", fact=front.filtered, finding="CH038",
        tells="nft list ruleset and ip route on {vps}; dial from another network",
        remedy="nft list ruleset, ip addr and ip route on {vps}; dial another {family} address from here",
    ),
    row(
        "vps/lost-family", "{vps} has no {family} address of its own, though the public name has one", 1.6, "public",
        families, covers="connect here,itself", forbids="connect here,itself", fact=front.familyless, finding="CH081",
        tells="ip addr on {vps}",
        remedy="ip addr on {vps}: give it back its {family} address, or take it out of the name",
    ),
    row(
        "vps-filter/reject", "a firewall or a NAT rule before HAProxy rejects {ports}{over}: on {vps}, at its "
        "provider, on this machine or its network", 1.5, "public", each_family,
        covers="connect here: refused", forbids="connect here", needs="connect itself", fact=front.rejected,
        finding="CH039", kin="CH021", tells="nft list ruleset on {vps}",
        remedy="dial {ports} from another network: if that works, it is here; else nft list ruleset on {vps}, and its "
        "provider's firewall: let {ports} in",
    ),
    row(
        "vps-filter/redirect", "on {ports} something else answers from here than HAProxy: a NAT rule, or something in "
        "between", 1.8, "public", each, covers=END, forbids="talk here",
        fact=front.substituted, stands="beside", finding="CH040",
        tells="nft list ruleset on {vps}; dial from another network",
        remedy="nft list ruleset on {vps}: look for dnat or redirect of {ports}",
    ),
    row(
        "here/large-packets", "large packets are lost on the way between this machine and {vps}", 1.6, "public", each,
        covers="talk here: silent closed tls", forbids="talk here", needs="connect here; talk itself",
        fact=front.between, finding="CH086", tells="ping -M do -s 1400 {vps} from here; dial from another network",
    ),
    row(
        "here/loss", "packets are lost on the way between this machine and {vps}{count}", 1.4, "public", everything,
        covers="connect here: timeout; talk here: silent closed-3 closed-5 closed", fact=here.lost_here,
        stands="apart",
        finding="CH087", tells="ping -c 20 {vps} from here; dial from another network",
    ),
    row(
        "vps/off", "{vps} is off, or cut off from here", 1.5, "public", everything,
        covers="connect here: timeout unreachable; way proxy", forbids="connect here; way proxy: pass shut",
        fact=back.guess(),
        finding="CH031", kin="CH031", tells="the provider's console; another network",
    ),
)  # fmt: skip
