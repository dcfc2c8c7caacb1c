"""Customers without a device yet; those with one come by registration."""

from __future__ import annotations

from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_name, read_phone

__all__ = ["CustomerDetails", "create_customer", "lock_customers", "require_village"]


@attrs.frozen(kw_only=True)
class CustomerDetails:
    """Who they are and where they live; national phone numbers are the company's country's."""

    name: str
    surname: str
    phone: str = attrs.field(repr=False)
    village_id: str


def create_customer(
    connection: Connection, company: CompanyRecord, details: CustomerDetails, now: datetime
) -> str:
    """Create a customer and return the id.

    Raises:
        ServiceRefused: `name_invalid`, `phone_invalid`, `village_required`, `unknown_village`.
    """
    row = {
        "id": new_identifier(),
        "company_id": company.id,
        "village_id": details.village_id,
        "name": read_name(details.name, "name"),
        "surname": read_name(details.surname, "surname"),
        "phone": read_phone(details.phone, company.company.country).e164,
        "credit": 0,
        "created_at": now,
    }
    require_village(connection, company, details.village_id)
    connection.execute(sa.insert(t.customers), [row])
    return str(row["id"])


def require_village(connection: Connection, company: CompanyRecord, village_id: str) -> None:
    """Refuse a village that the company does not have.

    Raises:
        ServiceRefused: `village_required`, `unknown_village`.
    """
    if not village_id:
        raise ServiceRefused(
            RefusalCode.VILLAGE_REQUIRED, "Every customer and device has a village; name one."
        )
    v = t.villages.c
    query = sa.select(v.id).where(v.company_id == company.id, v.id == village_id)
    if connection.execute(query).first() is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_VILLAGE,
            f"The company has no village with id {village_id[:64]!r}; create it first.",
        )


def lock_customers(connection: Connection, company: CompanyRecord, ids: set[str]) -> None:
    """Lock customers in the order of their ids, as payments do.

    Raises:
        ServiceRefused: `unknown_customer`.
    """
    c = t.customers.c
    query = (
        sa.select(c.id)
        .where(c.company_id == company.id, c.id.in_(sorted(ids)), c.deleted_at.is_(None))
        .order_by(c.id)
    )
    found = set(connection.scalars(query.with_for_update(key_share=True)))
    for missing in sorted(ids - found):
        raise ServiceRefused(
            RefusalCode.UNKNOWN_CUSTOMER,
            f"The company has no customer with id {missing[:64]!r}.",
        )
