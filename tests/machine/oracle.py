"""What must be true after each step: the whole host in dictionaries and integers.

Written from the rules of the specification, not from the host. It hears what the world outside did
(what a manufacturer answered, when a process died) and the schedule of orders, and says where every
payment, order, debt and credit must stand. Only the waterfall itself is core's `allocate`, which
has properties of its own.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

import attrs

from mpm_core import ChargeKind
from mpm_core.allocation import AccessDebt, Account, Target, allocate
from mpm_core.allocation.ad_hoc import AdHocRefused, sell_ad_hoc
from mpm_core.allocation.ad_hoc_units import AdHocUnit
from mpm_core.plans import PlanKind
from tests.machine.oracle_of_staff import AgentModel, changed_rows, merged_rows, settles

__all__ = ["Meter", "Oracle", "Ordered", "Paid"]

IN_DOUBT, OPEN = ("unknown", "parked"), ("queued", "sent", "unknown", "parked")
SOLD = ("energy", "time", "eaas")
LOOKS = tuple(timedelta(seconds=each) for each in (40, 120, 600, 3_600, 21_600, 86_400))
DAY = timedelta(days=1)
NOTHING_BOOKED = ("validated", "rejected", "denied", "reversed")


@attrs.define(eq=False)
class Ordered:
    """One order."""

    serial: str
    maker: str
    kind: ChargeKind
    seq: int
    status: str = "queued"
    doubt: bool = False
    since: datetime | None = None  # when its outcome became unknown
    looks: int = 0  # that came to nothing, of those the schedule has
    not_found: int = 0
    attempts: int = 0
    reissue: bool = False
    followed: bool = False
    days: int | None = None  # of a charge for time


@attrs.define(eq=False)
class Paid:
    """One payment, or what is known of one before money moved."""

    fixed: str | None  # a status that no order decides
    serial: str | None = None
    amount: int | None = None
    payer: str | None = None
    reason: str = ""
    reply: bytes | None = None
    customer: str | None = None
    device: str | None = None
    lines: Counter = attrs.field(factory=Counter)
    orders: list[Ordered] = attrs.field(factory=list)
    reversing: bool = False
    proposal: tuple[str, Ordered, int, str] | None = None
    approved: int = 0  # mints beyond the first that two people wanted
    source: str = "clearing"
    agent: bool = False  # who took it as cash

    @property
    def counting(self):
        """Its orders but those whose place another took."""
        return [order for order in self.orders if not order.followed]

    @property
    def status(self):
        """Where it stands: its most worrying order decides."""
        if self.fixed is not None:
            return self.fixed
        stand = {order.status for order in self.counting}
        if stand & set(IN_DOUBT):
            return "unknown"
        if "refused" in stand:
            return "held"
        return "token_pending" if stand & {"queued", "sent"} else "settled"


@attrs.define
class Meter:
    """A meter's access rate: what falls due every so many days."""

    customer: str
    amount: int
    days: int
    due: date

    def debt(self, serial, day):
        """Return what falls due on a day."""
        name = f"{serial}/{day}"
        return AccessDebt(id=name, due_on=day, remaining=self.amount, device_serial=serial)


@attrs.define(eq=False)
class Oracle:
    """The model; amounts in minor units."""

    accounts: dict[str, Account]  # by customer
    owners: dict[str, str]  # customers by serial
    targets: dict[str, Target]
    makers: dict[str, str]  # manufacturer's instance by serial
    meters: dict[str, Meter]  # those with an access rate
    now: datetime
    zone: object
    payments: dict[str, Paid] = attrs.field(factory=dict)  # by reference
    off: set[str] = attrs.field(factory=set)  # disabled instances
    bikes: dict = attrs.field(factory=dict)  # by serial
    agent: AgentModel = attrs.field(factory=AgentModel)
    deleted: list = attrs.field(factory=list)  # plans of sales taken back
    _seq: int = 0

    @property
    def today(self):
        """The company's date."""
        return self.now.astimezone(self.zone).date()

    # --- what the telecom says --------------------------------------------------------------------

    def validate(self, ref, serial, amount, payer):
        """Return the answer to a validation."""
        known = self.payments.get(ref)
        if known is not None:
            if known.fixed == "denied" or _differs(known, serial, amount, payer):
                return "conflict duplicate_reference"
            refused = known.status in {"rejected", "unmatched"}
            return f"rejected {known.reason}" if refused else "validated"
        reason = self._objection(serial, amount)
        paid = Paid(fixed="rejected" if reason else "validated", serial=serial, amount=amount)
        paid.payer, paid.reason = payer, reason
        self.payments[ref] = paid
        return f"rejected {reason}" if reason else "validated"

    def process(self, ref, serial, amount, payer):
        """Return the answer to a process call, having booked it once."""
        paid = self.payments.setdefault(ref, Paid(fixed=None))
        if paid.fixed == "denied" or _differs(paid, serial, amount, payer):
            return "conflict duplicate_reference"
        if paid.reply is None:
            paid.serial, paid.amount, paid.payer = serial, amount, payer or paid.payer
            paid.reply = b"accepted"
            if serial in self.owners:
                self._book(paid, serial)
            else:
                paid.fixed, paid.reason = "unmatched", "unknown_serial"
                paid.lines[("suspense", "")] = amount
        return "accepted"

    def enquire(self, ref, *, final):
        """Return the answer to an enquiry; a final no is for ever."""
        known = self.payments.get(ref)
        booked = known is not None and known.status not in NOTHING_BOOKED
        if known is not None and (booked or not final):
            return "found"
        if final:
            self.deny(ref)
            return "not_found"
        return "not_found"

    def deny(self, ref):
        """Remember a final no."""
        known = self.payments.setdefault(ref, Paid(fixed="denied"))
        if known.fixed in {"validated", "rejected"}:
            known.fixed = "denied"

    def notice_reversed(self, ref):
        """Take back what was booked; deny what was not."""
        known = self.payments.get(ref)
        if known is None or known.status in NOTHING_BOOKED:
            self.deny(ref)
        else:
            self.reverse(ref)

    # --- money ------------------------------------------------------------------------------------

    def _accrued(self, customer):
        """Return the account with the access rates due by now, and the meters' next boundaries."""
        account, due = self.accounts[customer], {}
        debts = list(account.access_debts)
        for serial, meter in self.meters.items():
            if meter.customer == customer:
                due[serial] = meter.due
                while due[serial] <= self.today:
                    debts.append(meter.debt(serial, due[serial]))
                    due[serial] += meter.days * DAY
        return attrs.evolve(account, access_debts=tuple(debts)), due

    def accrue(self, customer, account=None):
        """Let due access rates become debts; keep the account that a booking made of them."""
        accrued, due = self._accrued(customer)
        self.accounts[customer] = accrued if account is None else account
        for serial, day in due.items():
            self.meters[serial].due = day

    def _allocate(self, serial, amount):
        account, _ = self._accrued(self.owners[serial])
        return allocate(amount, account, self.targets[serial], self.today)

    def _objection(self, serial, amount):
        if "telecom" in self.off:
            return "plugin_not_enabled"
        if serial not in self.owners:
            return "unknown_serial"
        if self.makers[serial] in self.off:
            return "plugin_not_enabled"
        objections = self._allocate(serial, amount).objections
        return objections[0].code if objections else ""

    def _book(self, paid, serial):
        self._keep(paid, serial, self._allocate(serial, paid.amount))

    def _keep(self, paid, serial, allocation):
        paid.fixed, paid.device, paid.customer = None, serial, self.owners[serial]
        paid.lines = Counter()
        for line in allocation.lines:
            paid.lines[(line.kind.value, line.refers_to)] += line.amount
        self.accrue(paid.customer, allocation.account)
        if allocation.charge is not None:
            self._order(paid, serial, allocation.charge.kind, days=allocation.charge.quantity)
        for plan in allocation.account.plans:
            other = plan.kind is not PlanKind.APPLIANCE and plan.device_serial != serial
            if other and plan.id in allocation.settled_plans:
                self._order(paid, plan.device_serial, ChargeKind.UNLOCK)

    def _order(self, paid, serial, kind, *, reissue=False, days=None):
        self._seq += 1
        order = Ordered(serial, self.makers[serial], kind, self._seq, reissue=reissue, days=days)
        paid.orders.append(order)

    def cash(self, ref, serial, amount):
        """Take cash, unless something is wrong; nothing has moved yet."""
        if serial not in self.owners or self.makers[serial] in self.off:
            return False
        if self._allocate(serial, amount).objections:
            return False
        self.payments[ref] = paid = Paid(fixed=None, serial=serial, amount=amount, source="cash")
        self._book(paid, serial)
        return True

    def ad_hoc(self, ref, serial, text):
        """Give a token for money past all debts."""
        account, _ = self._accrued(self.owners[serial])
        target = self.targets[serial]
        counts_days = self.makers[serial] in {"homes", "bikes"}
        kinds = {ChargeKind.TIME, ChargeKind.UNLOCK} if counts_days else {ChargeKind.ENERGY}
        if self.makers[serial] in self.off:
            return False
        try:
            sold = sell_ad_hoc(text, AdHocUnit.CURRENCY, account, target, kinds)
        except AdHocRefused:
            return False
        self.payments[ref] = paid = Paid(None, serial, sold.money.minor, source="cash")
        paid.device, paid.customer = serial, self.owners[serial]
        for line in sold.sale.lines:
            paid.lines[(line.kind.value, line.refers_to)] += line.amount
        credit = paid.lines[("credit", "")]
        self.accrue(paid.customer, attrs.evolve(account, credit=account.credit + credit))
        if sold.sale.charge is not None:
            charge = sold.sale.charge
            self._order(paid, serial, charge.kind, days=charge.quantity)
        return True

    def add_plan(self, customer, plan):
        """Note a sale, as the schedule made it."""
        account = self.accounts[customer]
        self.accounts[customer] = attrs.evolve(account, plans=(*account.plans, plan))

    def plans(self):
        """Return every plan that can be changed, with its customer."""
        return [(name, plan) for name, one in self.accounts.items() for plan in one.plans]

    def change_plan(self, customer, plan, what, number, sold_on, stored):
        """Change a sale; tell whether it is allowed, and whether its device is paid off by it."""
        if what == "delete":
            if self.has_open(plan.device_serial):
                return False, False
            self._replace_plan(customer, plan, None)
            self.deleted.append(plan)
            return True, False
        rows = changed_rows(plan, what, number, sold_on)
        if rows is None:
            return False, False
        after = attrs.evolve(plan, rows=merged_rows(plan, *rows, stored))
        self._replace_plan(customer, plan, after)
        return True, settles(plan, after)

    def has_open(self, serial):
        """Tell whether a device has an order that is not over, or was refused and not decided."""
        return any(
            order.serial == serial and order.status in {*OPEN, "refused"}
            for paid in self.payments.values()
            if paid.fixed is None
            for order in paid.counting
        )

    def _replace_plan(self, customer, plan, after):
        account = self.accounts[customer]
        left = [after if one is plan else one for one in account.plans]
        plans = tuple(one for one in left if one is not None)
        self.accounts[customer] = attrs.evolve(account, plans=plans)

    def unlock_by_change(self, ref, customer, serial):
        """Unlock a device that a changed sale has paid off; no money moved."""
        self.payments[ref] = paid = Paid(fixed=None, serial=serial, source="plan_change")
        paid.customer, paid.device = customer, serial
        self._order(paid, serial, ChargeKind.UNLOCK)

    def agent_cash(self, ref, serial, amount):
        """Let the agent take cash, within their limit."""
        if not self.agent.may_take(amount) or not self.cash(ref, serial, amount):
            return False
        self.payments[ref].agent = True
        self.agent.take(amount)
        return True

    # --- what workers do --------------------------------------------------------------------------

    def has_turn(self, order):
        """Tell whether no other order of the device must come first."""
        return not any(
            other.status == "sent" or (other.seq < order.seq and other.status == "queued")
            for paid in self.payments.values()
            for other in paid.orders
            if other.serial == order.serial and other is not order
        )

    def asks(self, order, *, due):
        """Tell whether working on an order now asks its manufacturer something."""
        if not due:
            return False
        if order.status == "queued":
            return self.has_turn(order)
        return order.status == "unknown" and order.maker == "lookup"

    def work(self, paid, order, answer, *, due, died=""):
        """Take an order one step further.

        Args:
            paid: its payment.
            order: which one.
            answer: of the manufacturer, if it was asked; by its behaviour's name.
            due: its time had come.
            died: the crash point at which the process died during the step.
        """
        if not due or order.status not in {"queued", "sent", "unknown"}:
            return
        if order.status == "queued":
            if answer is None and died != "order.attempt-committed":
                return  # not its turn, or the process died before anything was committed
            order.attempts += 1
            if died and died != "order.step-committed":
                order.status = "sent"
                return
            self._after_attempt(paid, order, answer)
        elif died in {"", "order.step-committed"}:
            if order.status == "sent":
                self._in_doubt(order)
            else:
                self._look(paid, order, answer)
        self._close_reversal(paid)

    def _after_attempt(self, paid, order, answer):
        match answer:
            case "mint":
                self._issue(order)
            case "refuse" if order.doubt:
                order.status = "parked"
            case "refuse":
                order.status = "refused"
            case "down" | "throttle" if not order.doubt:
                self._requeue(paid, order, doubt=False)
            case _:
                self._in_doubt(order)

    def _issue(self, order):
        order.status, order.since = "issued", None
        if order.serial in self.bikes:
            self.bikes[order.serial].granted(order.kind, order.days, self.now)

    def hear_late(self, paid, order, attempt):
        """Hear of an attempt what came after the deadline: news as long as no other was made."""
        if order.attempts == attempt and order.status in OPEN:
            self._issue(order)
            self._close_reversal(paid)

    def _look(self, paid, order, answer):
        """The resolver: ask, repeat where that is safe, else leave it to a person."""
        match order.maker, answer:
            case (("keyed" | "bikes"), _):
                self._requeue(paid, order, doubt=True)
            case "lookup", "found":
                self._issue(order)
            case "lookup", "not_found" if order.not_found:
                self._requeue(paid, order, doubt=False)
            case "lookup", "not_found":
                self._looked(order)
                order.not_found = 1  # after the last look, too: the next such answer ends the doubt
            case "lookup", _:
                order.not_found = 0
                self._in_doubt(order)
            case _:
                order.status = "parked"

    def _in_doubt(self, order):
        order.since = order.since or self.now
        self._looked(order)
        order.status = "parked" if order.looks == len(LOOKS) else "unknown"

    def _looked(self, order):
        """Count a look unless it came before its time."""
        if order.looks < len(LOOKS) and self.now - order.since >= LOOKS[order.looks]:
            order.looks += 1

    def _requeue(self, paid, order, *, doubt):
        order.doubt = doubt
        if not doubt:
            order.since, order.not_found, order.looks = None, 0, 0
        order.status = "queued"
        if paid.reversing:
            order.status = "parked" if doubt else "cancelled"

    # --- what people do: each tells whether anything was done -------------------------------------

    def decide(self, verb, ref, person, serial):
        """Do as a person wishes; `None` when it moves nothing that is modelled."""
        match verb:
            case "resend":
                return None
            case "match":
                return self.match(ref, serial)
            case "resolve_not_minted" | "reissue":
                return self.propose(ref, verb, person)
            case "approve":
                return self.approve(ref, person)
        return {"retry": self.retry, "release": self.release, "reverse": self.reverse}[verb](ref)

    def retry(self, ref):
        """Mint again from the reserved value."""
        paid = self.payments[ref]
        if paid.status != "held" or paid.reversing:
            return False
        for order in [one for one in paid.counting if one.status == "refused"]:
            order.followed = True
            self._order(paid, order.serial, order.kind, days=order.days)
        return True

    def release(self, ref):
        """Turn the reserved value into credit."""
        paid = self.payments[ref]
        if paid.status != "held" or paid.reversing:
            return False
        for order in [one for one in paid.counting if one.status == "refused"]:
            if order.serial == paid.device and not _delivered(paid):
                for key in [key for key in paid.lines if key[0] in SOLD]:
                    self._to_credit(paid, key)
            order.status = "cancelled"
        return True

    def _to_credit(self, paid, key):
        amount = paid.lines.pop(key)
        paid.lines[("credit", "")] += amount
        account = self.accounts[paid.customer]
        self.accounts[paid.customer] = attrs.evolve(account, credit=account.credit + amount)

    def resolve(self, ref):
        """Issue a token that a person found."""
        paid = self.payments[ref]
        order = paid.orders[self.in_doubt(ref)]
        self._issue(order)
        paid.proposal = None
        self._close_reversal(paid)

    def in_doubt(self, ref):
        """Return the place of the order whose outcome is unknown; of several the oldest."""
        for place, order in enumerate(self.payments[ref].orders):
            if order.status in IN_DOUBT and not order.followed:
                return place
        return None

    def propose(self, ref, kind, person):
        """Want a second token, or say that no first one exists."""
        paid = self.payments[ref]
        wanted = ("issued",) if kind == "reissue" else IN_DOUBT
        if kind == "reissue" and (paid.status != "settled" or paid.reversing):
            return False
        fitting = [one for one in paid.counting if one.status in wanted]
        if kind == "reissue":
            fitting.sort(key=lambda one: one.serial != paid.device)
        if not fitting or (self._open(paid) and paid.proposal[:2] == (kind, fitting[0])):
            return False
        paid.proposal = (kind, fitting[0], fitting[0].attempts, person)
        return True

    def _open(self, paid):
        """Tell whether the proposal is about an order that is still as it was."""
        if paid.proposal is None:
            return False
        kind, order, attempts, _ = paid.proposal
        wanted = ("issued",) if kind == "reissue" else IN_DOUBT
        return order.attempts == attempts and order.status in wanted

    def proposed(self):
        """Return the payments for which something waits for an approval."""
        return [ref for ref, paid in self.payments.items() if self._open(paid)]

    def approve(self, ref, person):
        """Let another person approve."""
        paid = self.payments[ref]
        if not self._open(paid) or paid.proposal[3] == person:
            return False
        kind, order, _, _ = paid.proposal
        if kind == "reissue" and paid.reversing:
            return False
        paid.proposal = None
        paid.approved += 1
        if kind == "reissue":
            order.followed = True
            self._order(paid, order.serial, order.kind, reissue=True, days=order.days)
        else:
            self._requeue(paid, order, doubt=False)
            self._close_reversal(paid)
        return True

    def match(self, ref, serial):
        """Say whose money in suspense is."""
        paid = self.payments[ref]
        if serial not in self.owners or paid.status != "unmatched" or paid.reversing:
            return False
        self._book(paid, serial)
        return True

    def reverse(self, ref):
        """Take a payment back, as soon as its open orders have ended."""
        paid = self.payments[ref]
        if paid.status in NOTHING_BOOKED or paid.reversing or paid.amount is None:
            return False
        paid.reversing, paid.proposal = True, None
        for order in paid.counting:
            if order.status == "queued":
                order.status = "parked" if order.doubt else "cancelled"
        self._close_reversal(paid)
        return True

    def _close_reversal(self, paid):
        """Write the counter-entries once nothing can come any more."""
        if not paid.reversing or any(order.status in OPEN for order in paid.counting):
            return
        delivered, paid.fixed = _delivered(paid), "reversed"
        if paid.agent:
            self.agent.take(paid.amount, -1)
        lines, paid.lines = paid.lines, Counter()
        gone = {row.id for plan in self.deleted for row in plan.rows}
        for key, amount in lines.items():
            # What was delivered stays sold, what was paid on a sale taken back stays paid: the
            # customer owes it.
            if (key[0] in SOLD and delivered) or key[1] in gone:
                paid.lines[key] += amount
                paid.lines[("credit", "")] -= amount
                self._reopen(paid, ("credit", ""), amount)
            else:
                self._reopen(paid, key, amount)

    def _reopen(self, paid, key, amount):
        kind, refers_to = key
        if paid.customer is None:
            return  # it was in suspense
        account = self.accounts[paid.customer]
        if kind == "credit":
            account = attrs.evolve(account, credit=account.credit - amount)
        plans = tuple(
            attrs.evolve(plan, rows=tuple(_less_paid(row, refers_to, amount) for row in plan.rows))
            for plan in account.plans
        )
        debts = tuple(_less_paid(debt, refers_to, amount) for debt in account.access_debts)
        self.accounts[paid.customer] = attrs.evolve(account, plans=plans, access_debts=debts)

    # --- what it all comes to ---------------------------------------------------------------------

    def expected(self):
        """Return what the database must hold, in the words of `RealHost.found`."""
        return {
            "payments": {ref: (paid.status, paid.amount, paid.customer)
                         for ref, paid in self.payments.items()},
            "lines": {ref: {key: amount for key, amount in paid.lines.items() if amount}
                      for ref, paid in self.payments.items() if any(paid.lines.values())},
            "orders": {ref: [(one.serial, one.kind.value, one.status) for one in paid.orders]
                       for ref, paid in self.payments.items() if paid.orders},
            "tokens": {ref: tokens for ref, paid in self.payments.items()
                       if (tokens := sum(one.status == "issued" for one in paid.orders))},
            "credit": {name: account.credit for name, account in self.accounts.items()},
            "rows": {row.id: row.remaining for plan in self._all_plans() for row in plan.rows},
            "agents": [(self.agent.balance, self.agent.commission)],
            "bikes": {serial: (bike.paid_until, bike.unlocked)
                      for serial, bike in self.bikes.items() if bike.paid_until is not None},
            "access": {debt.id: debt.remaining for account in self.accounts.values()
                       for debt in account.access_debts},
            "sources": dict(self._sources()),
        }  # fmt: skip

    def _all_plans(self):
        return [*(plan for _, plan in self.plans()), *self.deleted]

    def _sources(self):
        """Return what came in and was not taken back, by where it came from."""
        total = Counter()
        for paid in self.payments.values():
            if paid.status not in NOTHING_BOOKED and paid.amount:
                total[paid.source] += paid.amount
        return total


def _delivered(paid):
    return any(one.status == "issued" and one.serial == paid.device for one in paid.orders)


def _differs(paid, serial, amount, payer):
    said = ((paid.serial, serial), (paid.amount, amount), (paid.payer, payer))
    return any(old is not None and new is not None and old != new for old, new in said)


def _less_paid(debt, refers_to, amount):
    return attrs.evolve(debt, remaining=debt.remaining + amount) if debt.id == refers_to else debt
