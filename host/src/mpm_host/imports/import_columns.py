"""The columns of an import file: what each one means, and how a header is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from mpm_core import UserError
from mpm_core.settings.values import did_you_mean
from mpm_host.imports.import_details import is_details_column

__all__ = ["COLUMNS", "Column", "columns_table", "read_header"]

_SHOWN = 40  # characters of a wrong name that enter a message


@attrs.frozen(kw_only=True)
class Column:
    """One column.

    Attributes:
        name: as in the header.
        required: it must be in the header; what may be empty in a row, the meaning tells.
        meaning: one sentence for people.
        example: a cell.
    """

    name: str
    required: bool = False
    meaning: str
    example: str


COLUMNS = (
    Column(
        name="cluster",
        required=True,
        meaning="Cluster the village belongs to; created when it is new.",
        example="Kagera",
    ),
    Column(
        name="mini_grid",
        required=True,
        meaning="Mini-grid in the cluster; created when it is new.",
        example="Muleba",
    ),
    Column(
        name="village",
        required=True,
        meaning="Village in the mini-grid, where the device stands; created when it is new.",
        example="Kimwani",
    ),
    Column(name="name", required=True, meaning="The customer's first name.", example="Asha"),
    Column(name="surname", required=True, meaning="The customer's surname.", example="Juma"),
    Column(
        name="phone",
        required=True,
        meaning="The customer's phone, national or with country code; a known one means that "
        "customer, whose name must be the same.",
        example="0712345678",
    ),
    Column(name="device_kind", required=True, meaning="meter, shs or e_bike.", example="meter"),
    Column(
        name="serial",
        required=True,
        meaning="Printed on the device; unique in the company over all kinds.",
        example="47001234567",
    ),
    Column(
        name="manufacturer",
        required=True,
        meaning="Name of an enabled instance that serves the device kind.",
        example="calin",
    ),
    Column(
        name="tariff",
        meaning="Meters only, and required for them; created when it is new.",
        example="Household",
    ),
    Column(
        name="tariff_price",
        meaning="Price per kWh, at most 6 decimals; required for a new tariff, and the same in "
        "every row that names it again.",
        example="1500",
    ),
    Column(
        name="access_rate",
        meaning="Fee of the tariff that falls due every access_period_days; empty for none.",
        example="2000",
    ),
    Column(
        name="access_period_days",
        meaning="Days from one access rate to the next; counted from registered_on.",
        example="30",
    ),
    Column(
        name="minimum_purchase",
        meaning="Less than this buys no energy; empty for no minimum.",
        example="500",
    ),
    Column(
        name="appliance",
        meaning="What a solar home system or e-bike is sold as, and required for them; created "
        "when it is new, with the row's cost as its list price.",
        example="Home 40",
    ),
    Column(
        name="cost",
        meaning="What the customer pays in all; empty with the next three when it is sold later.",
        example="300000",
    ),
    Column(
        name="instalments",
        meaning="Number of equal instalments; or one of the next two columns instead.",
        example="12",
    ),
    Column(
        name="instalment_cost",
        meaning="Cost of each instalment; the last one takes the rest.",
        example="25000",
    ),
    Column(
        name="price_per_day",
        meaning="Energy as a service: price of a day, without an end.",
        example="1000",
    ),
    Column(
        name="period",
        meaning="weekly or monthly: from one instalment to the next; monthly when empty.",
        example="monthly",
    ),
    Column(
        name="first_due_on",
        meaning="Day of the first instalment; one period after registered_on when empty.",
        example="2026-04-01",
    ),
    Column(
        name="registered_on",
        meaning="Day of registration and sale; access rates and instalments count from it, also "
        "in the past; today when empty.",
        example="2026-03-01",
    ),
)

_NAMES = tuple(column.name for column in COLUMNS)
_REQUIRED = tuple(column.name for column in COLUMNS if column.required)


def columns_table() -> str:
    """Return the columns as a Markdown table, for the documentation and `mpm import --columns`."""
    lines = ["| column | required | meaning | example |", "|---|---|---|---|"]
    lines += [
        f"| `{column.name}` | {'yes' if column.required else ''} | {column.meaning} "
        f"| `{column.example}` |"
        for column in COLUMNS
    ]
    lines.append(
        "| `details.NAME` |  | What the manufacturer asks of its devices besides the serial; "
        "`mpm plugins show` lists the names. | `details.secret_key` |"
    )
    return "\n".join(lines)


def read_header(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a file's columns, in its order; letters' case does not matter.

    Raises:
        UserError: everything that is wrong with the header, in one line.
    """
    names = tuple(cell.strip().lower() for cell in cells)
    counts = Counter(names)
    problems = [
        _unknown(name) for name in counts if name not in _NAMES and not is_details_column(name)
    ]
    problems += [f"column {name!r} is missing" for name in _REQUIRED if name not in counts]
    problems += [
        f"column {name!r} is there {count} times"
        for name, count in counts.items()
        if count > 1 and (name in _NAMES or is_details_column(name))
    ]
    if problems:
        raise UserError(
            f"The header cannot be used: {'; '.join(problems)}. `mpm import --columns` lists them."
        )
    return names


def _unknown(name: str) -> str:
    if not name:
        return "a column has no name"
    hint = did_you_mean(name, _NAMES)
    return f"column {name[:_SHOWN]!r} is unknown" + (f" ({hint})" if hint else "")
