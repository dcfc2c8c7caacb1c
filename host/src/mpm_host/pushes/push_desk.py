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
from mpm_host.payments.booking_commands import IntendedSale
from mpm_host.payments.plugin_objections import PluginObjections
from mpm_host.payments.quotes import Quoted, QuoteQuestion, Quoter
from mpm_host.payments.staff_bookings import refuse
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.pushes.sale_quotes import lock_sale_for_push, quote_down_payment, quote_sale
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.resources import Resources

__all__ = ["CheckedPush", "NewSaleWish", "PushDesk", "PushWish"]

_HOOKS = ("mpm_push_payment", "mpm_query_payment")
_KEY_BYTES = 12  # 24 characters: alphanumeric and short enough for every telecom


@attrs.frozen(kw_only=True)
class PushWish:
    """Whom to ask for how much, and for what: a device by its serial, or one sale by its id.

    Attributes:
        agent_id: the agent who asks, if one does.
    """

    instance: InstanceRecord
    amount: Money
    payer: Msisdn
    serial: str | None = None
    sale_id: str | None = None
    agent_id: str | None = None


@attrs.frozen(kw_only=True)
class NewSaleWish:
    """Whom to ask for the down payment of a sale that is about to be made.

    Attributes:
        serial: of the device that is sold; `None` for a plain appliance.
    """

    wish: PushWish
    appliance_id: str
    serial: str | None


@attrs.frozen(kw_only=True)
class CheckedPush:
    """A wish that may be taken.

    Attributes:
        key: of the payment to be.
        serial: of the device that is paid for, if there is one.
        shown: what the payer is told that they pay for.
    """

    wish: PushWish
    key: str
    serial: str | None
    shown: str
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
            PlanChangeRefused: the amount does not fit the sale.
        """
        self._check_plugin(wish.instance)
        if wish.sale_id is not None:
            return self._check_sale(wish, wish.sale_id)
        if wish.serial is None:
            raise ServiceRefused(
                RefusalCode.PAYMENT_TARGET_INVALID, "Give either a serial or a sale_id."
            )
        key = secrets.token_hex(_KEY_BYTES)
        question = QuoteQuestion(
            instance=wish.instance, request=_validation(wish, key, wish.serial)
        )
        with self._resources.engines.read.connect() as connection:
            [quoted] = self._quoter(connection, [question])
        return self._checked(wish, key, quoted, serial=wish.serial, shown=wish.serial)

    def _check_sale(self, wish: PushWish, sale_id: str) -> CheckedPush:
        now, directory = self._resources.clock(), self._resources.directory()
        with self._resources.engines.read.connect() as connection:
            sale = quote_sale(connection, directory, wish.instance, sale_id, wish.amount, now)
        key = secrets.token_hex(_KEY_BYTES)
        return self._checked(wish, key, sale.quoted, serial=sale.serial, shown=sale.shown)

    def check_down_payment(self, new: NewSaleWish) -> CheckedPush:
        """Make sure that the payer of a sale to be may be asked; outside any transaction.

        Raises:
            ServiceRefused: the plugin cannot do it, or somebody objects to the payment.
        """
        wish, directory = new.wish, self._resources.directory()
        self._check_plugin(wish.instance)
        with self._resources.engines.read.connect() as connection:
            sale = quote_down_payment(
                connection, directory, wish.instance, new.appliance_id, new.serial, wish.amount
            )
        key = secrets.token_hex(_KEY_BYTES)
        return self._checked(wish, key, sale.quoted, serial=sale.serial, shown=sale.shown)

    def _checked(
        self, wish: PushWish, key: str, quoted: Quoted, *, serial: str | None, shown: str
    ) -> CheckedPush:
        """Let plugins object to what the money rules allow."""
        objection = quoted.objection
        if objection is None and (names := self._objections.askable(wish.instance, quoted)):
            request = _validation(wish, key, shown)
            objection = self._objections.ask(
                names, wish.instance, request, quoted, correlation_id=key
            )
        if objection is not None:
            raise refuse(objection)
        return CheckedPush(
            wish=wish, key=key, serial=serial, shown=shown, device_kind=quoted.device_kind
        )

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

    def take(
        self,
        connection: Connection,
        checked: CheckedPush,
        by: Actor,
        *,
        sale_id: str | None = None,
    ) -> str:
        """Store a push in the caller's transaction and return its id; wake the workers after it.

        Args:
            connection: of the transaction.
            checked: from `check`.
            by: who wishes it, and when.
            sale_id: of the sale just made, if the wish is for its down payment.

        Raises:
            ServiceRefused: `unknown_sale`, `push_open`.
        """
        wish, sale_id = checked.wish, sale_id or checked.wish.sale_id
        if sale_id is not None:
            lock_sale_for_push(connection, wish.instance.company_id, sale_id)
        intend = Intend(
            instance=wish.instance,
            request=_validation(wish, checked.key, checked.shown),
            objection=None,
            device_kind=checked.device_kind,
            sale=IntendedSale(plan_id=sale_id, serial=checked.serial) if sale_id else None,
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
                "serial": checked.serial,
                "amount": str(wish.amount),
                "msisdn": wish.payer.masked,
                "reference": checked.key,
            }
            | ({"sale_id": sale_id} if sale_id else {}),
        )
        return push_id


def _validation(wish: PushWish, key: str, serial: str) -> ValidationRequest:
    return ValidationRequest(serial=serial, amount=wish.amount, reference=key, payer=wish.payer)


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
            agent_id=wish.agent_id,
            serial=checked.shown,
            amount=wish.amount.minor,
            currency=wish.amount.currency,
            payer=wish.payer.e164,
            status=PushStatus.REQUESTED,
            details={},
            next_at=by.at,
            created_at=by.at,
        )
    )
