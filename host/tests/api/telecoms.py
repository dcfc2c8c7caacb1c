"""A company with a telecom that can ask payers' phones, and the worker of its pushes."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from host.tests.api.conftest import PLUGINS
from host.tests.api.worlds import Shop
from mpm_host.backoff import most_added
from mpm_host.database.outbox_tables import pushes
from mpm_host.encryption import new_key
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_host.verification.verification import verify

__all__ = ["SERIAL", "Telecom", "pushing_config"]

SERIAL = "47001234567"
_CONFIG = """\
[host]
database = "{database_url}"
allowed_plugins = ["calin", "sunking", "airtel", "acme-pay"]
secret_key = "{secret_key}"
mode = "development"
"""


def pushing_config(database_url, plugin_folder):
    """Install Acme Pay and return an installation's text that allows it."""
    plugin_folder.install("acme-pay", code="from tests.kit.acme_pay import AcmePay as Plugin\n")
    return _CONFIG.format(database_url=database_url, secret_key=new_key())


class Telecom:
    """A company with a meter and Acme Pay, and the worker of its pushes."""

    def __init__(self, installation, simulation):
        self.installation = installation
        self.simulator, self.base_url = simulation
        self.clock = installation.clock
        self.services = installation.services
        self.api = installation.company("umeme", PLUGINS)
        self.shop = Shop(self.api)
        self.shop.meter(SERIAL)
        table = InstanceTable.split(self.simulator.settings(self.base_url))
        host = installation.host
        self.instance = host.companies.enable(
            "umeme", "acme", "acme-pay", table, installation.actor
        )
        self.engines = host.engines

    def body(self, **changes):
        body = {"instance": "acme", "serial": SERIAL, "amount": "1000", "msisdn": "0712345678"}
        return body | changes

    def push(self):
        """Ask for a push; return it and its key."""
        made = self.api.ok("POST", "/pushes", self.body())
        return made["id"], made["reference"]

    def push_paid(self):
        """Ask for a push and let it be paid and heard of; return it and its key."""
        push_id, key = self.push()
        self.work(push_id)
        self.simulator.answer_push(key, "paid")
        self.work(push_id, seconds=30)
        return push_id, key

    def work(self, push_id, **later):
        """Let the worker look at a push, after a while, if it is due; return it.

        What chance adds to a wait is waited for, too.
        """
        by_chance = most_added(timedelta(**later))
        self.clock.move(**later)
        with self.engines.read.connect() as connection:
            query = sa.select(pushes.c.next_at).where(pushes.c.id == push_id)
            next_at = connection.execute(query).scalar_one()
        rest = timedelta(0) if next_at is None else next_at - self.clock()
        if timedelta(0) < rest <= by_chance:
            self.clock.move(seconds=rest.total_seconds())
        if next_at is not None and next_at <= self.clock():
            self.services.pushes.work_on(push_id)
        return self.show(push_id)

    def show(self, push_id):
        return self.api.ok("GET", f"/pushes/{push_id}")

    def status(self, push_id):
        return self.show(push_id)["status"]

    def payment(self, push_id):
        return self.api.ok("GET", f"/payments/{self.show(push_id)['payment_id']}")

    def notice(self, key, event):
        call = self.simulator.notice_call(key, event)
        url = f"/callbacks/{self.instance.callback_key}/{call.path}"
        answer = self.installation.client.post(url, content=call.body, headers=call.headers)
        assert (answer.status_code, answer.json()) == (200, {"status": "heard"})

    def verified(self):
        with self.engines.read.connect() as connection:
            return [str(difference) for difference in verify(connection)]
