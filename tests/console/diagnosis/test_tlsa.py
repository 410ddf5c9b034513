"""Whether TLSA records match: usages, selectors and digests, each from both sides."""

from __future__ import annotations

from typing import Any

import pytest

from console.diagnosis.tlsa import PREFIX, agreement, findings, issuers_of, told
from console.model import Certificate, CertificatePlace, Finding, Tlsa, TlsaRecord
from tests.console.diagnosis.test_certificate_places import BEGIN, DAY, NAME, certificate

KEY, WHOLE, CA_KEY, CA_WHOLE, OTHER = (letter * 64 for letter in "abcde")
LEAF = certificate(public_key=KEY, fingerprint=WHOLE)
CA = certificate(public_key=CA_KEY, fingerprint=CA_WHOLE, subject="CN=E8")


def served(found: Certificate = LEAF, where: str = "192.0.2.1:25", sni: str | None = NAME) -> CertificatePlace:
    return CertificatePlace("served", "here", where, sni, found)


def stored(found: Certificate = LEAF, issuers: tuple[Certificate, ...] = (CA,)) -> CertificatePlace:
    return CertificatePlace("certbot", "vps", "/live/fullchain.pem", certificate=found, issuers=issuers)


def tlsa(*records: str, **changes: Any) -> Tlsa:
    def record(text: str) -> TlsaRecord:
        usage, selector, matching, digest = text.split()
        return TlsaRecord(int(usage), int(selector), int(matching), digest)

    return Tlsa(PREFIX + NAME, tuple(map(record, records)), **{"signed": True, **changes})


def found(records: Tlsa, *places: CertificatePlace) -> list[Finding]:
    return list(findings([records], places))


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([f"3 1 1 {KEY}"], True), ([f"3 1 1 {WHOLE}"], False), ([f"3 0 1 {WHOLE}"], True), ([f"3 0 1 {KEY}"], False),
        ([f"3 1 0 {KEY}"], True), ([f"3 0 0 {OTHER}"], False), ([f"3 1 1 {OTHER}", f"3 1 1 {KEY}"], True),
        ([f"2 1 1 {CA_KEY}"], True), ([f"2 0 1 {CA_WHOLE}"], True), ([f"2 1 1 {KEY}"], False),
        ([f"2 1 1 {OTHER}", f"3 1 1 {OTHER}"], False), ([f"3 1 2 {KEY * 2}"], None),
        ([f"3 1 2 {KEY * 2}", f"3 1 1 {KEY}"], True), ([f"3 1 2 {KEY * 2}", f"3 1 1 {OTHER}"], None),
        # no sender of mail uses these: a wrong one harms nobody, and a right one helps nobody
        ([f"1 1 1 {KEY}"], None), ([f"0 0 1 {OTHER}"], None), ([f"3 2 1 {KEY}"], None), ([f"3 1 9 {KEY}"], None),
        ([f"3 1 1 {KEY[:40]}"], None), ([f"1 1 1 {KEY}", f"3 1 1 {OTHER}"], False), ([], None),
    ],
)  # fmt: skip
def test_a_record_is_compared_as_senders_do(records: list[str], expected: bool | None) -> None:
    known = tlsa(*records)
    assert agreement(known, LEAF, issuers_of([stored()])) is expected
    assert bool(found(known, served(), stored())) is (expected is False)


def test_of_a_chain_that_no_file_has_nothing_is_said() -> None:
    for records in ([f"2 1 1 {CA_KEY}"], [f"2 1 1 {OTHER}"]):
        assert found(tlsa(*records), served()) == []
        assert "cannot tell whether it matches" in told(tlsa(*records), [served()])


def test_a_key_that_is_not_known_is_compared_with_nothing() -> None:
    unknown = certificate(public_key="", fingerprint=WHOLE)
    for record in (f"3 1 1 {OTHER}", f"2 1 1 {OTHER}"):
        chain = stored(unknown, issuers=(certificate(public_key="", fingerprint=CA_WHOLE),))
        assert agreement(tlsa(record), unknown, issuers_of([chain])) is None
        assert found(tlsa(record), served(unknown), chain) == []
    assert agreement(tlsa(f"3 1 1 {KEY}"), None, {}) is None


def test_a_mismatch_says_what_is_published_what_is_served_and_what_to_publish() -> None:
    unknown = certificate(public_key="", fingerprint=WHOLE)
    (one,) = found(tlsa(*[f"3 1 1 {OTHER}"] * 9), served())
    assert (one.id, one.where, one.observed) == ("CH014", "here", True)
    signed = "the name server says that the answer is signed"
    shown = f"served: SHA-256 of its key {KEY}, of the certificate {WHOLE}"
    assert one.evidence == (*[f"record: 3 1 1 {OTHER}"] * 8, signed, shown)
    aim = f"{PREFIX}{NAME}, and renew with certbot's --reuse-key from now on"
    assert one.remedy == f"publish TLSA 3 1 1 {KEY} for {aim}"
    (other,) = found(tlsa(f"3 0 1 {OTHER}"), served(unknown))
    assert other.remedy == f"publish TLSA 3 1 1 (of its key) for {aim}"
    assert other.evidence[-1] == f"served: SHA-256 of its key not known, of the certificate {WHOLE}"


def test_what_is_to_be_pushed_next_says_what_to_publish_before() -> None:
    for key, named in ((OTHER, OTHER), ("", "(of its key)")):
        newer = certificate(not_before=BEGIN + DAY, public_key=key, fingerprint=CA_WHOLE)
        (one,) = found(tlsa(f"3 0 1 {WHOLE}"), served(), CertificatePlace("certbot", "vps", "/x"), stored(newer))
        assert (one.where, one.observed) == ("vps", True)
        assert one.evidence[-1] == f"stored: SHA-256 of its key {key or 'not known'}, of the certificate {CA_WHOLE}"
        assert f"publish TLSA 3 1 1 {named} for {PREFIX}{NAME} beside the old record" in one.remedy


def test_each_name_is_judged_by_itself() -> None:
    places = [served(), CertificatePlace("served", "here", "192.0.2.1:25", "b.example.org", LEAF)]
    both = [tlsa(f"3 1 1 {OTHER}"), Tlsa(f"{PREFIX}b.example.org", (TlsaRecord(3, 1, 1, OTHER),), True)]
    assert len(list(findings(both, places))) == 2


def test_places_beyond_the_fourth_are_counted() -> None:
    many = [served(where=f"192.0.2.{number}:25") for number in range(1, 7)]
    (one,) = found(tlsa(f"3 1 1 {OTHER}"), *many)
    assert one.summary.endswith("192.0.2.3:25 and 3 more")
    assert told(tlsa(*[f"3 1 1 {KEY}"] * 6), many).count("3 1 1") == 3


def test_an_unsigned_answer_weighs_less() -> None:
    (signed,), (unsigned,) = (found(tlsa(f"3 1 1 {OTHER}", signed=each), served()) for each in (True, False))
    assert (signed.severity, unsigned.severity) == ("high", "medium")
    assert any("is signed" in row for row in signed.evidence)
    assert any("does not say that the answer is signed" in row for row in unsigned.evidence)
    assert KEY in signed.remedy


@pytest.mark.parametrize(
    "place",
    [
        served(where="192.0.2.1:465"), served(where="192.0.2.1:2525"), served(sni=None), served(sni="other.example"),
        CertificatePlace("served", "here", "192.0.2.1:25", NAME, error="no TLS was offered"),
    ],
    ids=["another port", "another port that ends so", "without the name", "another name", "no certificate"],
)  # fmt: skip
def test_only_what_port_25_shows_to_who_sends_the_name_is_compared(place: CertificatePlace) -> None:
    assert found(tlsa(f"3 1 1 {OTHER}"), place) == []
    assert "showed no certificate" in told(tlsa(f"3 1 1 {OTHER}"), [place])


def test_one_address_that_serves_another_certificate_is_named_alone() -> None:
    other = certificate(public_key=OTHER, fingerprint=OTHER)
    (one,) = found(tlsa(f"3 1 1 {KEY}"), served(), served(other, "[2001:db8::1]:25"))
    assert one.summary.endswith("is served: [2001:db8::1]:25")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"not_before": BEGIN + DAY, "public_key": OTHER}, 1), ({"not_before": BEGIN + DAY}, 0),
        ({"not_before": BEGIN, "public_key": OTHER}, 0), ({"not_before": BEGIN - DAY, "public_key": OTHER}, 0),
        ({"not_before": BEGIN + DAY, "public_key": OTHER, "names": ("www.example.org",)}, 0),
    ],
)  # fmt: skip
def test_a_newer_certificate_with_another_key_is_told_before_it_is_pushed(
    changes: dict[str, Any], expected: int
) -> None:
    newer = certificate(**{"public_key": KEY, "fingerprint": OTHER, **changes})
    told_of = found(tlsa(f"3 1 1 {KEY}"), served(), stored(newer))
    assert [(each.id, each.severity) for each in told_of] == [("CH014", "medium")] * expected


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (tlsa(error="the name server 192.0.2.53 answered SERVFAIL"), "cannot tell: the name server 192.0.2.53"),
        (tlsa(), "no record"),
        (tlsa(f"3 1 1 {KEY}", signed=False), "whether the answer is signed is not known"),
        (tlsa(f"3 1 1 {OTHER}"), "not what port 25 serves"),
        (tlsa(f"1 1 1 {KEY}"), "can use none of them"),
        (tlsa(f"3 1 2 {KEY * 2}"), "cannot tell whether it matches"),
    ],
)  # fmt: skip
def test_what_is_known_is_said_in_words(known: Tlsa, words: str) -> None:
    assert words in told(known, [served(), stored()])


def test_what_fits_is_said_without_more_words() -> None:
    assert told(tlsa(f"3 1 1 {KEY}"), [served()]) == f"3 1 1 {KEY[:8]}…; matches what port 25 serves"
