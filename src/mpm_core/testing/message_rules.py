"""What a messenger sends: G-20 to G-26."""

from __future__ import annotations

import threading

from hypothesis import strategies as st

from mpm_core.errors import NothingHappened, Refused
from mpm_core.manifest import PluginKind
from mpm_core.messages import Message, MessageStatus
from mpm_core.msisdn import Msisdn
from mpm_core.testing.cases import Case
from mpm_core.testing.credentials import has_secrets, wrong_secrets
from mpm_core.testing.deeds import Sending, good_outcome, open_deed
from mpm_core.testing.front import texts_of
from mpm_core.testing.phones import example_phone
from mpm_core.testing.purchases import new_key
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import Outcome, Stage, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_sound

__all__ = ["BOOK"]

BOOK = RuleBook()
_MOST_THREADS = 6
_LONGEST_REFERENCE = 128  # a longer one is dropped: no delivery report would find its message
_LONGEST_COST = 32


def _sends(subject: Subject) -> bool:
    return subject.manifest.kind is PluginKind.MESSENGER


_WHEN = "messengers"


def _bodies() -> st.SearchStrategy[str]:
    """Return texts a message may hold: short, long, with quotes, lines and other scripts."""
    text = st.text(
        st.characters(min_codepoint=32, max_codepoint=0x4FF, exclude_categories=("Cs", "Cc")),
        min_size=1,
        max_size=300,
    )
    long = st.sampled_from(["0123456789" * 50, "Token № 1234 " * 30 + "end"])
    return st.one_of(text.map(str.strip).filter(bool), long)


def _send(stage: Stage, body: str, key: str = "") -> Outcome:
    to = Msisdn.from_e164(example_phone(stage.subject))
    return stage.call("mpm_send_message", message=Message(key=key or new_key(), to=to, body=body))


@BOOK.rule(
    "G-20",
    "the gateway gets the whole text for the right phone",
    promise="For any text, short or long, in any script, one request holds the recipient's whole "
    "number and the whole text; the answer is a receipt.",
    remedy="send message.body unchanged and message.to.e164 (or .digits), encoded by json= or "
    "form=.",
    applies=lambda subject: _sends(subject) and subject.calls_out,
    when="messengers with `url_settings`",
)
def _whole_texts(case: Case) -> None:
    digits = example_phone(case.subject)[1:]
    with open_stage(case) as stage:

        def check(body: str) -> None:
            outcome = good_outcome(_send(stage, body), Sending(case.subject))
            holding = [
                one
                for one in outcome.exchanges
                if any(digits in text for text in texts_of(one.request))
            ]
            if len(holding) != 1:
                raise RuleBroken(f"{len(holding)} requests held the recipient's number.")
            if not any(body in text for text in texts_of(holding[0].request)):
                raise RuleBroken(
                    f"a text of {len(body)} characters did not reach the gateway whole."
                )

        case.holds(_bodies(), check)


@BOOK.rule(
    "G-21",
    "the receipt says what the gateway said",
    promise="A message that was taken is *sent*, or *delivered* where the gateway knows; its "
    f"segments are a whole number above zero, if told; its reference is a printable text of at "
    f"most {_LONGEST_REFERENCE} characters, its cost one of at most {_LONGEST_COST}.",
    remedy="return MessageReceipt(status=MessageStatus.SENT, reference=…, segments=…, cost=…); "
    "raise Refused for a message that was not taken.",
    applies=_sends,
    when=_WHEN,
)
def _receipts(case: Case) -> None:
    with open_stage(case) as stage:
        receipt = good_outcome(_send(stage, "Token 1234 5678"), Sending(case.subject)).answer
    segments: object = receipt.segments  # as the plugin gave it, whatever its annotation says
    good = (
        receipt.status in {MessageStatus.SENT, MessageStatus.DELIVERED}
        and _is_line(receipt.reference, _LONGEST_REFERENCE)
        and (segments is None or (type(segments) is int and segments > 0))
        and _is_line(receipt.cost, _LONGEST_COST)
    )
    if not good:
        raise RuleBroken(f"a message that was taken was answered {receipt!r}.")


def _is_line(text: object, longest: int) -> bool:
    return isinstance(text, str) and len(text) <= longest and text.isprintable()


@BOOK.rule(
    "G-22",
    "the same message goes out the same again",
    promise="A message sent again with its key, by a new instance too, is the same request: "
    "after an unknown outcome the host sends it again.",
    remedy="build the request from the message alone; no time and no counter in it.",
    applies=lambda subject: _sends(subject) and subject.calls_out,
    when="messengers with `url_settings`",
)
def _repeats(case: Case) -> None:
    key = new_key()
    with open_deed(case, Sending(case.subject)) as stage:
        bodies = []
        for _ in range(2):
            outcome = good_outcome(_send(stage, "Token 1234 5678", key), Sending(case.subject))
            bodies.append(outcome.exchanges[-1].request.body)
            stage.restart()
    if bodies[0] != bodies[1]:
        raise RuleBroken("the same message was another request when it was sent again.")


@BOOK.rule(
    "G-23",
    "wrong credentials send nothing",
    promise="With every secret setting wrong, sending is `Misconfigured` or `Refused`.",
    remedy="raise Misconfigured for the gateway's refusal of the login.",
    applies=lambda subject: _sends(subject) and subject.calls_out and has_secrets(subject),
    when="messengers with a secret setting",
)
def _wrong_credentials(case: Case) -> None:
    with open_stage(case, changes=wrong_secrets(case.subject)) as stage:
        outcome = _send(stage, "Token 1234 5678")
    expect_sound(outcome, "With wrong credentials")
    if not isinstance(outcome.error, NothingHappened | Refused):
        raise RuleBroken(f"With wrong credentials, a message ended with {outcome}.")


@BOOK.rule(
    "G-24",
    "two companies never send for each other",
    promise="Two companies send in turns, each through a gateway of its own: no request of one "
    "reaches the other's.",
    remedy="keep clients, logins and caches in the instance (self), never in the class or module.",
    applies=lambda subject: _sends(subject) and subject.calls_out,
    when="messengers with `url_settings`",
)
def _isolated(case: Case) -> None:
    with open_stage(case) as first, open_stage(case, slug="solaris") as second:
        for stage, other in ((first, second), (second, first), (first, second)):
            had = len(other.front.exchanges)
            good_outcome(_send(stage, "Token 1234 5678"), Sending(case.subject))
            if len(other.front.exchanges) != had:
                raise RuleBroken("a message of one company went through another's gateway.")


@BOOK.rule(
    "G-25",
    "several threads may send at once",
    promise="As many calls at once as the manifest's `concurrency` allows: each message "
    "reaches the gateway once, with its own text.",
    remedy="no state that a call changes without a lock; nothing of a message in self.",
    applies=lambda subject: _sends(subject) and subject.calls_out,
    when="messengers with `url_settings`",
)
def _at_once(case: Case) -> None:
    count = max(2, min(case.subject.manifest.concurrency, _MOST_THREADS))
    texts = [f"Message number {number} of {count}" for number in range(count)]
    with open_stage(case) as stage:
        threads = [threading.Thread(target=_send, args=(stage, text)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = [
            text
            for exchange in stage.front.exchanges
            for text in texts
            if any(text in one for one in texts_of(exchange.request))
        ]
    if sorted(sent) != sorted(texts):
        raise RuleBroken(f"of {count} messages at once, {len(sent)} reached the gateway.")
