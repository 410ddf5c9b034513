"""`cowhand certificates` on the rehearsal estate: everything that is stored and served, and what an expired one is."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from console.__main__ import main
from console.facts import certificate_places
from console.lab.client import Lab


@pytest.mark.slow
def test_the_lab_shows_one_certificate_everywhere_and_an_expired_one_as_a_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab.start_private()
    try:
        lab.wait()
        monkeypatch.setattr(Lab, "find_running", lambda: lab)
        monkeypatch.setattr(lab, "close", lambda: None)
        assert main(["--lab", "certificates", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert {place["certificate"] for place in told["places"]} == {"A"}
        assert {place["kind"] for place in told["places"]} == {"certbot", "haproxy", "mailcow", "served"}
        served = [place for place in told["places"] if place["kind"] == "served"]
        assert {place["where"].rpartition(":")[2] for place in served} == {"25", "465", "993", "4190", "443"}
        assert {place["sni"] for place in served} == {None, "mail.benoit.jp.net"}
        assert {place["where"].startswith("[") for place in served} == {True, False}
        assert [place["key_matches"] for place in told["places"] if place["kind"] != "served"] == [True] * 3
        assert all(place["name_matches"] for place in told["places"])
        assert told["certbot_next"] > told["at"]
        (records,) = told["tlsa"]
        assert (records["records"], records["matches"], records["error"]) == ([], None, None)
        lab.break_("tlsa-other-key")
        assert main(["--lab", "certificates", "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert [(each["id"], each["severity"]) for each in told["findings"]] == [("CH014", "high")]
        assert (told["tlsa"][0]["signed"], told["tlsa"][0]["matches"]) == (True, False)
        lab.heal("tlsa-other-key")
        assert main(["--lab", "check", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "well"
        state = "version=1\nresult=failed\nwhen=2026-11-27T16:00:00Z\nstage=push\nstatus=22\nreason=no route to host\n"
        parse = certificate_places.parse
        monkeypatch.setattr(certificate_places, "parse", lambda text, host: replace(parse(text, host), state=state))
        assert main(["--lab", "check", "--json"]) == 1
        checked = json.loads(capsys.readouterr().out)
        assert checked["cause"] == "the last push of the certificate of 2026-11-27 16:00 UTC failed: no route to host"
        assert [each["id"] for each in checked["findings"] if each["observed"]] == ["CH027"]
        assert main(["--lab", "check"]) == 1
        assert "no route to host" in capsys.readouterr().out
        lab.break_("certificate-expired")
        assert main(["--lab", "certificates"]) == 1
        out = capsys.readouterr().out
        why = "the lab's certificates are signed by themselves"
        assert f"cannot tell whether clients trust what is served: {why}" in out
        assert "Let's Encrypt" not in out  # of another authority nothing is known
        assert "CH022" in out and "expired 3 days ago, on" in out
        assert main(["--lab", "check", "--json"]) == 2
        told = json.loads(capsys.readouterr().out)
        shown = [each for each in told["findings"] if each["observed"]]
        assert [each["id"] for each in shown] == [
            "CH022",
            "CH022",
            "CH027",
        ]  # Mailcow's and HAProxy's, each with its lanes
        assert all(each["lanes"] for each in shown[:2])
    finally:
        monkeypatch.undo()
        lab.close()
