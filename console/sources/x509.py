"""Certificates in DER, as a server shows them: names, dates, serial and fingerprint."""

from __future__ import annotations

from functools import cache

from console.model import Certificate
from console.text import clean


@cache
def read(der: bytes) -> Certificate | None:
    """Read a DER certificate; None when it is not one."""
    import warnings

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        with warnings.catch_warnings():  # a foreign certificate's oddities are not our operator's
            warnings.simplefilter("ignore")
            read = x509.load_der_x509_certificate(der)
            names: tuple[str, ...] = ()
            try:
                extension = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                names = tuple(clean(name, 253) for name in extension.get_values_for_type(x509.DNSName))
            except (x509.ExtensionNotFound, ValueError):
                pass
            return Certificate(
                clean(read.subject.rfc4514_string()),
                names,
                f"{read.serial_number:x}",
                read.not_valid_before_utc.timestamp(),
                read.not_valid_after_utc.timestamp(),
                read.fingerprint(hashes.SHA256()).hex(),
            )
    except ValueError:
        return None
