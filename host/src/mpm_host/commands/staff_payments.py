"""What `mpm cash-payment` and `mpm token create` share: book once, then print the payment.

Whoever uses them runs the installation, so `--by` is believed; it is kept with the payment for
ever.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import click
from sqlalchemy.engine import Connection

from mpm_core import UserError
from mpm_host.commands.output import print_json, print_pairs
from mpm_host.commands.surroundings import decider, opened_host
from mpm_host.companies.audit_trail import Actor
from mpm_host.directory import CompanyRecord
from mpm_host.host import Host
from mpm_host.payments.customer_accounts import AccountMovedError
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.payments.payment_views import payment_view
from mpm_host.web.api.idempotency import RequestKey, StoredAnswer, claim, read_key, store
from mpm_host.web.api.problems import ProblemError

__all__ = ["StaffPayment", "key_option"]

_BOOKED = 201  # the status the API answers the same with
_FACTS = ("id", "channel", "number", "serial", "amount", "currency", "status", "reason")
_Booking = Callable[[Host, Connection, CompanyRecord, Actor], PaymentRecord]

key_option = click.option(
    "--key", metavar="TEXT", help="Repeating the command with the same key books nothing again."
)


@attrs.frozen(kw_only=True)
class StaffPayment:
    """One payment to be booked from the command line.

    Attributes:
        what: names the command and everything it was given, to know a repeat from another request.
        key: as given; without one, every run is another payment.
    """

    slug: str
    by: str
    reason: str
    what: tuple[str, ...]
    key: str | None
    as_json: bool

    def run(self, book: _Booking) -> None:
        """Book it in one transaction, unless that was done before, and print the payment.

        Raises:
            UserError: nothing was booked.
        """
        with opened_host(reconcile=True) as host:
            company = host.companies.find(self.slug)
            by = decider(host, self.by, self.reason)
            try:
                with host.engines.write.begin() as connection:
                    payment_id, is_new = self._book_once(host, connection, company, by, book)
            except AccountMovedError:
                raise UserError(
                    "Somebody moved the device to another customer just now; nothing was booked. "
                    "Try again."
                ) from None
            self._print(host, payment_id, is_new=is_new)

    def _book_once(
        self,
        host: Host,
        connection: Connection,
        company: CompanyRecord,
        by: Actor,
        book: _Booking,
    ) -> tuple[str, bool]:
        request = self._request(host, company)
        known = self._known(host, connection, request, by) if request else None
        if known is not None:
            return known.body.decode(), False
        payment = book(host, connection, company, by)
        if request is not None:
            answer = StoredAnswer(status=_BOOKED, body=payment.id.encode())
            store(connection, request, answer, host.vault)
        return payment.id, True

    def _request(self, host: Host, company: CompanyRecord) -> RequestKey | None:
        scope, what = f"command line {company.id}", tuple(part.encode() for part in self.what)
        try:
            return read_key(self.key, scope, what, host.vault)
        except ProblemError:
            raise UserError(
                f"--key: {(self.key or '')[:64]!r} cannot be one; use 1 to 255 letters, digits and "
                "signs without blanks."
            ) from None

    def _known(
        self, host: Host, connection: Connection, request: RequestKey, by: Actor
    ) -> StoredAnswer | None:
        try:
            return claim(connection, request, host.vault, by.at)
        except ProblemError:
            raise UserError(
                f"--key: {request.key[:64]!r} was used for something else; use a new one."
            ) from None

    def _print(self, host: Host, payment_id: str, *, is_new: bool) -> None:
        with host.engines.read.connect() as connection:
            view = payment_view(connection, host.vault, payment_id, reveal=True)
        if self.as_json:
            print_json(view)
            return
        if not is_new:
            click.echo("This was done before; nothing was booked again.")
        print_pairs([(name, str(view[name])) for name in _FACTS if view[name]])
