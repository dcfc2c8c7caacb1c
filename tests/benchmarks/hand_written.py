"""What somebody would write by hand for one validation: the same stack, the same questions.

One transaction per call, no plugins, no signature, no rules: read what a quote needs, store the
intent, answer. Run as a module with a database URL; prints its own URL.
"""

from __future__ import annotations

import itertools
import re
import sys
import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
import uvicorn
from anyio import to_thread
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from sqlalchemy.engine import Connection, Engine

from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.web.server import bound_socket

__all__ = ["main"]

_FIELD = re.compile(rb"<([A-Z0-9]+)>([^<]*)</")
_YES = b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE></COMMAND>"
_NUMBERS = itertools.count(500_000_000)
_PAYMENT = sa.select(t.payments).where(
    t.payments.c.instance_id == sa.bindparam("instance"),
    t.payments.c.reference == sa.bindparam("reference"),
)
_DEVICE = sa.select(t.devices.c.customer_id).where(
    t.devices.c.company_id == sa.bindparam("company"),
    t.devices.c.serial == sa.bindparam("serial"),
)
_CUSTOMER = sa.select(t.customers.c.phone, t.customers.c.credit).where(
    t.customers.c.id == sa.bindparam("customer")
)
_TARIFF = (
    sa.select(t.devices.c.serial, t.tariff_versions)
    .select_from(
        t.devices.outerjoin(t.tariffs, t.tariffs.c.id == t.devices.c.tariff_id).outerjoin(
            t.tariff_versions,
            sa.and_(
                t.tariff_versions.c.tariff_id == t.tariffs.c.id,
                t.tariff_versions.c.version == t.tariffs.c.version,
            ),
        )
    )
    .where(t.devices.c.customer_id == sa.bindparam("customer"))
)
_PLANS = (
    sa.select(t.plans, t.plan_rows)
    .select_from(t.plans.outerjoin(t.plan_rows, t.plan_rows.c.plan_id == t.plans.c.id))
    .where(t.plans.c.customer_id == sa.bindparam("customer"))
    .set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
)
_DEBTS = sa.select(t.access_debts).where(
    t.access_debts.c.customer_id == sa.bindparam("customer"), t.access_debts.c.remaining > 0
)


def _validate(connection: Connection, company: str, instance: str, body: bytes) -> None:
    fields = {name: value.decode() for name, value in _FIELD.findall(body)}
    serial, reference = fields[b"REFERENCE"], fields[b"REFERENCE1"]
    connection.execute(_PAYMENT, {"instance": instance, "reference": reference}).first()
    device = {"company": company, "serial": serial}
    customer = {"customer": connection.execute(_DEVICE, device).scalar_one()}
    for query in (_CUSTOMER, _TARIFF, _PLANS, _DEBTS):
        connection.execute(query, customer).all()
    now = datetime.now(UTC)
    intent = {
        "id": uuid.uuid4().hex,
        "company_id": company,
        "instance_id": instance,
        "reference": reference,
        "number": next(_NUMBERS),
        "status": "validated",
        "serial": serial,
        "amount": int(fields[b"AMOUNT"]) * 100,
        "currency": "TZS",
        "details": {},
        "created_at": now,
        "validated_at": now,
    }
    connection.execute(sa.insert(t.payments), intent)


def _application(engine: Engine) -> Litestar:
    i = t.instances.c
    with engine.connect() as connection:
        query = sa.select(i.company_id, i.id).where(i.name == "airtel")
        company, instance = connection.execute(query).one()

    def answer(body: bytes) -> None:
        with engine.begin() as connection:
            _validate(connection, company, instance, body)

    @post("/validate", status_code=200)
    async def validate(request: Request[object, object, State]) -> Response[bytes]:
        await to_thread.run_sync(answer, await request.body())
        return Response(_YES, media_type="application/xml")

    return Litestar([validate], openapi_config=None, logging_config=None)


def main(database: str) -> None:
    """Serve until killed."""
    listening = bound_socket("127.0.0.1", 0)
    print(f"Listening on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)  # noqa: T201 - says where
    application = _application(open_engines(database).write)
    config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1])
