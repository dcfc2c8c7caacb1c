"""Registrations that a client may send again: the field app resends until it hears an answer.

A request id is remembered with what came of it. The same request again makes nothing new; another
one under the same id is a mistake of the client and refused.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceMapping
from mpm_host.database.access_tables import registration_requests
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.inputs import read_name
from mpm_host.registration.registration import register
from mpm_host.registration.registration_values import ManifestOf, Registered, RegistrationRequest

__all__ = ["REQUEST_ID_REUSED", "register_once", "was_registered"]

REQUEST_ID_REUSED = "request_id_reused"
_R = registration_requests.c


def register_once(  # noqa: PLR0913, PLR0917 - as `register`, and the request's own name
    connection: Connection,
    directory: Directory,
    vault: Vault,
    company: CompanyRecord,
    request: RegistrationRequest,
    now: datetime,
    *,
    manifest_of: ManifestOf,
    request_id: str,
    digest: str,
    mapping: DeviceMapping = DeviceMapping.UNKNOWN,
) -> tuple[Registered, bool]:
    """Register, or return what the first request with this id came to.

    Args:
        connection: of the caller's transaction.
        directory: companies and instances.
        vault: encrypts the device's details.
        company: whose device it becomes.
        request: what to register.
        now: aware.
        manifest_of: finds the loaded plugin's manifest.
        request_id: the client's own name for the request.
        digest: of everything in it.
        mapping: what the manufacturer has said, for companies that demand it.

    Returns:
        What came of it, and whether it is new.

    Raises:
        ServiceRefused: as `register`, and `request_id_reused`.
    """
    request_id = read_name(request_id, "request_id")
    known = _find(connection, company, request_id, digest)
    if known is not None:
        return known, False
    try:
        made = register(
            connection, directory, vault, company, request, now, manifest_of, mapping=mapping
        )
    except ServiceRefused:
        known = _find(connection, company, request_id, digest)
        if known is None:
            raise
        return known, False  # a twin was faster, and its serial is the one that is taken
    connection.execute(
        sa.insert(registration_requests).values(
            id=new_identifier(),
            company_id=company.id,
            request_id=request_id,
            digest=digest,
            customer_id=made.customer_id,
            device_id=made.device_id,
            plan_id=made.plan_id,
            created_at=now,
        )
    )
    return made, True


def was_registered(connection: Connection, company: CompanyRecord, request_id: str) -> bool:
    """Tell whether a request with this id was answered before, whatever it said."""
    query = sa.select(_R.id).where(_R.company_id == company.id, _R.request_id == request_id.strip())
    return connection.execute(query).first() is not None


def _find(
    connection: Connection, company: CompanyRecord, request_id: str, digest: str
) -> Registered | None:
    query = sa.select(_R.digest, _R.customer_id, _R.device_id, _R.plan_id).where(
        _R.company_id == company.id, _R.request_id == request_id
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.digest != digest:
        raise ServiceRefused(
            REQUEST_ID_REUSED,
            f"Request {request_id!r} was sent before with other content; use a new request_id.",
        )
    return Registered(customer_id=row.customer_id, device_id=row.device_id, plan_id=row.plan_id)
