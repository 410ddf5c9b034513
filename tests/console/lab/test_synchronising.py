"""The way of a certificate to Mailcow in the lab, whose shell, sshd, certbot and hook are stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.estate.load import load
from console.events import FlowEvent, StepChanged
from console.facts import certificates
from console.flows import StepContext, registry
from console.lab.client import Lab
from console.lab.machines import pushing
from console.lab.plan import site_file
from console.runner.session import Session
from console.sources import certificate_push
from tests.console.flows.walking import agree

SSL = "/opt/mailcow-dockerized/data/assets/ssl"
LIVE = "/etc/letsencrypt/live/mail.benoit.jp.net"


@pytest.mark.parametrize("half_way", [False, True], ids=["whole", "half-way"])
async def test_a_certificate_is_pushed_by_a_key_for_the_address_that_the_vm_sees(
    half_way: bool, tmp_path: Path
) -> None:
    lab = Lab.start_private(seed=half_way)
    try:
        lab.wait()
        hosts = lab.hosts()

        async def flow(name: str = "certificate-sync", **answers: str) -> str:
            heard: list[FlowEvent] = []
            world = StepContext(
                load(site_file()), {role: hosts[role] for role in ("mail", "proxy", "here")}, {}, answers
            )
            ending = await Session(registry.find(name), world, agree, heard.append, tmp_path).run()
            return ending.words if ending.outcome == "done" else str([e for e in heard if isinstance(e, StepChanged)])

        async def leaf(host: str, path: str) -> str:
            text = (await hosts[host].read(path)).decode()
            return certificates.parse(text)[0].fingerprint

        issued = await leaf("proxy", f"{LIVE}/fullchain.pem")
        assert (await leaf("mail", f"{SSL}/cert.pem") == issued) is not half_way
        assert await flow() == "done, and verified"
        assert await leaf("mail", f"{SSL}/cert.pem") == issued
        allowed = (await hosts["mail"].read(pushing.ALLOWED)).decode()
        # The subnet router rewrites the proxy's address: its own routes say another.
        assert allowed.startswith('restrict,from="10.10.10.1",command="/usr/local/bin/mailcow-cert-deploy.sh ')
        push = certificate_push.read((await hosts["proxy"].read(certificate_push.STATE)).decode())
        assert (push.result, push.fingerprint) == ("ok", issued)
        assert await flow() == "nothing to do: everything is as it should be"
        assert await flow("rotate-certificate", renew="test") == "done, and verified"
        assert await leaf("mail", f"{SSL}/cert.pem") == issued
        await hosts["mail"].write(pushing.ALLOWED, b"# nobody\n")
        said = await flow("rotate-certificate", renew="yes")
        assert "Mailcow does not have the new pair" in said
        assert await leaf("mail", f"{SSL}/cert.pem") == issued
        await hosts["mail"].write(pushing.ALLOWED, allowed.encode())
        # Half-way no mail lane is open yet, and what is served shows on 443 alone.
        assert await flow("rotate-certificate", renew="yes") == "done, and verified"
        renewed = await leaf("proxy", f"{LIVE}/fullchain.pem")
        assert renewed != issued
        assert await leaf("mail", f"{SSL}/cert.pem") == renewed
        assert await flow("rotate-certificate", renew="yes") == "nothing to do: everything is as it should be"
        assert lab.status()["mishaps"] == []
    finally:
        lab.close()
