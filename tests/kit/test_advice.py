"""Advice that depends on what is declared already."""

from __future__ import annotations

from typing import ClassVar

import attrs
import pytest

from mpm_angaza.plugin import AngazaPlugin
from mpm_core import Manifest, Operation, OrphanEffect, Recovery
from mpm_core.testing import RULES, Case, RuleBroken, replay_machine
from tests.kit.subjects import subject_of


class SellsTwoTargetsAtOnce(AngazaPlugin):
    """Two orders in flight start from the same end of credit."""

    manifest: ClassVar[Manifest] = attrs.evolve(
        AngazaPlugin.manifest,
        operations={
            kind: attrs.evolve(operation, blocks_device=False)
            for kind, operation in AngazaPlugin.manifest.operations.items()
        },
    )


def test_a_target_that_starts_from_another_one_is_advised_to_block_the_device(workshop):
    subject = subject_of(SellsTwoTargetsAtOnce)
    case = Case(subject=subject, workshop=workshop, examples=30, shrink=False)
    with pytest.raises(RuleBroken) as caught:
        RULES["M-46"].check(case)
    assert str(caught.value).splitlines()[-1] == (
        "  write: blocks_device=True, if the prepared target starts from what the vendor or the "
        "device has: the next order must wait until this one is finished."
    )


@pytest.mark.parametrize(
    ("blocks", "advice"),
    [
        pytest.param(
            False,
            "blocks_device=True, if the device takes codes in their order only.",
            id="not blocked yet",
        ),
        pytest.param(
            True,
            "a code of its own for every order, or Refused where nothing is left to sell; the "
            "device is not asked out of order, for blocks_device is declared.",
            id="blocked already",
        ),
    ],
)
def test_a_code_the_device_refuses_is_not_answered_with_what_is_declared(blocks, advice):
    operation = Operation(
        recovery=Recovery.DESIRED_STATE,
        orphan_effect=OrphanEffect.CREDITS_DEVICE,
        blocks_device=blocks,
    )
    assert replay_machine._advice_on_codes(operation) == advice
