"""The push desk: takes a wish to ask a payer's phone, after every check a validation makes.

Nothing has moved yet, so everything that is wrong is refused. What is taken is stored twice over in
one transaction: as a *validated* payment under our reference, and as the push that asks for it.
"""

from __future__ import annotations

import secrets

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money, Msisdn, ReasonCode, ValidationRequest
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.outbox_tables import pushes
from mpm_host.directory import InstanceRecord
from mpm_host.identifiers import new_identifier
from mpm_host.payments.booking import Book, Intend
from mpm_host.payments.plugin_objections import PluginObjections
from mpm_host.payments.quotes import QuoteQuestion, Quoter
from mpm_host.payments.staff_bookings import refuse
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.refusals import ServiceRefused
from mpm_host.resources import Resources

__all__ = ["CheckedPush", "PushDesk", "PushWish"]

_HOOKS = ("mpm_push_payment", "mpm_query_payment")
_KEY_BYTES = 12  # 24 characters: alphanumeric and short enough for every telecom


@attrs.frozen(kw_only=True)
class PushWish:
    """Whom to ask for how much, for which device."""

    instance: InstanceRecord
    serial: str
    amount: Money
    payer: Msisdn


@attrs.frozen(kw_only=True)
class CheckedPush:
    """A wish that may be taken: key of the payment to be, and kind of its device."""

    wish: PushWish
    key: str
    device_kind: str | None


class PushDesk:
    """Checks and takes wishes.

    Args:
        resources: of the installation.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._quoter = Quoter(clock=resources.clock, directory=resources.directory)
        self._book = Book(
            vault=resources.vault, clock=resources.clock, directory=resources.directory
        )
        self._objections = PluginObjections(resources)

    def check(self, wish: PushWish) -> CheckedPush:
        """Make sure that the payment could be made; outside any transaction.

        Raises:
            ServiceRefused: the plugin cannot do it, or somebody objects to the payment.
        """
        self._check_plugin(wish.instance)
        key = secrets.token_hex(_KEY_BYTES)
        request = _validation(wish, key)
        question = QuoteQuestion(instance=wish.instance, request=request)
        with self._resources.engines.read.connect() as connection:
            [quoted] = self._quoter(connection, [question])
        objection = quoted.objection
        if objection is None and (names := self._objections.askable(wish.instance, quoted)):
            objection = self._objections.ask(
                names, wish.instance, request, quoted, correlation_id=key
            )
        if objection is not None:
            raise refuse(objection)
        return CheckedPush(wish=wish, key=key, device_kind=quoted.device_kind)

    def _check_plugin(self, instance: InstanceRecord) -> None:
        plugins = self._resources.plugins_of(instance.company_id)
        if not instance.takes_new_work:
            why = instance.problem or f"it is {instance.state}"
            raise ServiceRefused(
                ReasonCode.PLUGIN_NOT_ENABLED,
                f"Instance {instance.name!r} takes no pushes: {why}; enable or mend it.",
            )
        if not all(plugins.has_hook(instance.name, hook) for hook in _HOOKS):
            raise ServiceRefused(
                ReasonCode.OPERATION_NOT_SUPPORTED,
                f"Instance {instance.name!r} runs {instance.plugin!r}, which cannot ask a payer's "
                "phone; let the customer begin the payment.",
            )

    def take(self, connection: Connection, checked: CheckedPush, by: Actor) -> str:
        """Store a push in the caller's transaction and return its id; wake the workers after it.

        Args:
            connection: of the transaction.
            checked: from `check`.
            by: who wishes it, and when.
        """
        wish = checked.wish
        intend = Intend(
            instance=wish.instance,
            request=_validation(wish, checked.key),
            objection=None,
            device_kind=checked.device_kind,
        )
        [outcome] = self._book(connection, [intend])
        if outcome.payment is None:
            raise RuntimeError("An intent was stored without a payment.")
        push_id = new_identifier()
        _insert(connection, push_id, outcome.payment.id, checked, by)
        write_audit(
            connection,
            by,
            company_id=wish.instance.company_id,
            action="push.requested",
            subject=push_id,
            before={},
            after={
                "instance": wish.instance.name,
                "serial": wish.serial,
                "amount": str(wish.amount),
                "msisdn": wish.payer.masked,
                "reference": checked.key,
            },
        )
        return push_id


def _validation(wish: PushWish, key: str) -> ValidationRequest:
    return ValidationRequest(
        serial=wish.serial, amount=wish.amount, reference=key, payer=wish.payer
    )


def _insert(
    connection: Connection, push_id: str, payment_id: str, checked: CheckedPush, by: Actor
) -> None:
    wish = checked.wish
    connection.execute(
        sa.insert(pushes).values(
            id=push_id,
            company_id=wish.instance.company_id,
            instance_id=wish.instance.id,
            payment_id=payment_id,
            key=checked.key,
            serial=wish.serial,
            amount=wish.amount.minor,
            currency=wish.amount.currency,
            payer=wish.payer.e164,
            status=PushStatus.REQUESTED,
            details={},
            next_at=by.at,
            created_at=by.at,
        )
    )
