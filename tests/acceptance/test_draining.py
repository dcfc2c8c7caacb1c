"""A disabled instance finishes what was promised and takes nothing new; nobody else notices."""

from __future__ import annotations

from tests.support.telecom_calls import airtel_enquiry, airtel_process, airtel_validation

METER = "47000124512"
ACCEPTED = b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE><TXNID>AIR1</TXNID></COMMAND>"
SWITCHED_OFF = (
    b"<COMMAND><STATUS>400</STATUS>"
    b"<MESSAGE>Payments to this device are not possible</MESSAGE></COMMAND>"
)


def test_a_disabled_telecom_takes_what_it_validated_and_refuses_new_validations(company):
    company.meter(METER)
    company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    company.disable("airtel")
    new = company.airtel("validate", "AIR2", airtel_validation("AIR2", METER, "1000"))
    assert (new.status_code, new.content) == (200, SWITCHED_OFF)
    assert company.airtel("process", "AIR1", airtel_process("AIR1")).content == ACCEPTED
    assert company.wait_for("AIR1")["status"] == "settled"
    enquiry = company.airtel("enquiry", "AIR1", airtel_enquiry("AIR1"))
    assert b"<STATUS>200</STATUS>" in enquiry.content


def test_a_disabled_manufacturer_finishes_its_orders_and_is_not_validated_for(company):
    company.meter(METER)
    company.world.simulators["calin"].set_fault("unavailable", serial=METER, times=1)
    company.airtel("process", "AIR1", airtel_process("AIR1", METER, "1000"))
    company.disable("calin")
    assert company.wait_for("AIR1")["status"] == "settled"
    new = company.airtel("validate", "AIR2", airtel_validation("AIR2", METER, "1000"))
    assert (new.status_code, new.content) == (200, SWITCHED_OFF)


def test_money_for_a_removed_manufacturer_is_kept_and_waits_for_its_return(company):
    company.meter(METER)
    company.airtel("validate", "AIR1", airtel_validation("AIR1", METER, "1000"))
    company.world.host.companies.remove(company.slug, "calin", company.actor)
    assert company.airtel("process", "AIR1", airtel_process("AIR1")).content == ACCEPTED
    assert company.lines("AIR1") == [("energy", "1000")]
    assert company.payment("AIR1")["tokens"] == []


def test_a_removed_telecom_is_no_callback_at_all(company):
    company.meter(METER)
    company.world.host.companies.remove(company.slug, "airtel", company.actor)
    before = company.money_rows()
    answer = company.airtel("process", "AIR1", airtel_process("AIR1", METER, "1000"))
    assert answer.status_code == 404
    assert company.money_rows() == before
    assert company.statuses() == []
