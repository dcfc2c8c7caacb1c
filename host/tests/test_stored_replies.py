"""The reply to an accepted payment is stored with it: who asks again gets the same bytes."""

from __future__ import annotations

from datetime import timedelta

from mpm_core import Decision, ProcessRequest, Reply
from mpm_host.payments.booking import Accept, Book
from tests.support.small_company import SmallCompany

METER = "47001234567"


def test_a_repeated_call_gets_the_reply_that_was_stored_not_the_one_of_a_newer_plugin(engines):
    company = SmallCompany(engines)
    company.meter(METER)
    book = Book(vault=company.vault, clock=lambda: company.now, directory=lambda: company.directory)
    request = ProcessRequest(reference="R1", serial=METER, amount=company.money("1000"), payer=None)

    def call(body):
        accept = Accept(
            instance=company.directory.instance_named(company.record.id, "airtel"),
            request=request,
            reply=Reply(status=200, content_type="text/plain", body=body),
        )
        with engines.write.begin() as connection:
            [outcome] = book(connection, [accept])
        return outcome.decision, outcome.reply

    first = (Decision.ACCEPTED, Reply(status=200, content_type="text/plain", body=b"accepted: 1"))
    assert call(b"accepted: 1") == first
    assert call(b"<accepted>1</accepted>") == first
    company.now += timedelta(days=100)  # P15: nothing is forgotten while a telecom may say it again
    assert call(b"accepted, long ago") == first
