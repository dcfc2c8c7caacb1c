"""The small plugins as subjects of the kit."""

from __future__ import annotations

from pathlib import Path

from mpm_core import Manifest
from mpm_core.testing import Subject
from tests.kit.acme_meters import AcmeLookup, AcmeMeters, AcmeRemote
from tests.kit.acme_pay import AcmePay
from tests.kit.acme_sms import AcmeSms
from tests.kit.local_keypads import LocalKeypads

__all__ = ["CORRECT", "subject_of"]

_ROOT = Path(__file__).parents[2]


def subject_of(plugin_class: type, name: str = "acme-pay") -> Subject:
    """Return a class of this folder as what is tested."""
    manifest = getattr(plugin_class, "manifest", None)
    known = manifest if isinstance(manifest, Manifest) else None
    return Subject(
        plugin_class=plugin_class,
        name=name,
        distribution="mpm-acme",
        version="1.0",
        serial=known.example_serial if known else "",
        details=known.example_details if known else {},
        search_path=(str(_ROOT),),
    )


CORRECT = tuple(
    subject_of(plugin_class, name)
    for plugin_class, name in (
        (AcmeMeters, "acme"),
        (AcmeLookup, "acme-lookup"),
        (AcmeRemote, "acme-remote"),
        (LocalKeypads, "local"),
        (AcmePay, "acme-pay"),
        (AcmeSms, "acme-sms"),
    )
)
