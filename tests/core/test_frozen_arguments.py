from __future__ import annotations

from types import MappingProxyType

import pytest

from mpm_core import Device, DeviceKind, Heartbeat, Order, ProcessRequest, Verdict
from mpm_core.company_plugins.frozen_arguments import frozen
from tests.core.plugin_builders import CALL, CHARGE, NOW


def test_value_with_a_dict_is_copied_with_a_view_of_a_copy() -> None:
    state = {"count": "1"}
    device = Device(kind=DeviceKind.METER, serial="47", state=state)
    seen = frozen(device)
    state["count"] = "2"
    assert seen == Device(kind=DeviceKind.METER, serial="47", state={"count": "1"})
    assert type(seen.state) is MappingProxyType


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(CHARGE, id="no mapping"),
        pytest.param(Heartbeat(), id="shared empty details"),
        pytest.param(ProcessRequest(reference="r", details=MappingProxyType({})), id="a view"),
        pytest.param("text", id="text"),
        pytest.param(None, id="None"),
        pytest.param(Verdict, id="a class"),
    ],
)
def test_value_that_cannot_be_changed_is_handed_on_as_it_is(value: object) -> None:
    assert frozen(value) is value


@pytest.mark.parametrize(
    ("value", "name"),
    [
        pytest.param(CALL, "headers", id="inbound call"),
        pytest.param(Order(key="k", attempt=1, created_at=NOW), "prepared", id="order"),
        pytest.param(ProcessRequest(reference="r", details={"a": "b"}), "details", id="request"),
        pytest.param(Heartbeat(), "details", id="default details"),
    ],
)
def test_mapping_of_a_frozen_value_refuses_changes(value: object, name: str) -> None:
    with pytest.raises(TypeError):
        getattr(frozen(value), name)["x"] = "y"
