"""`cowhand certificates` on the rehearsal estate: everything that is stored and served, and what an expired one is."""

from __future__ import annotations

import json

import pytest

from console.__main__ import main
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
        lab.break_("certificate-expired")
        assert main(["--lab", "certificates"]) == 1
        out = capsys.readouterr().out
        assert "CH022" in out and "expired on" in out
    finally:
        monkeypatch.undo()
        lab.close()
