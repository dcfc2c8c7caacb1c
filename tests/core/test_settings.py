from __future__ import annotations

import contextlib
import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_core import Secret, SettingsError, read_settings, setting
from mpm_core.settings import (
    SettingsPlace,
    WrongValueError,
    describe,
    parse_text,
    resolve_reference,
)
from mpm_core.settings.forms import format_value

if TYPE_CHECKING:
    from fractions import Fraction

PLACE = SettingsPlace(company="umeme", instance="calin", plugin="calin")
WHO = "Company 'umeme', plugin 'calin', setting "
CANARY = "canary-5b1f"


class Region(StrEnum):
    NORTH = "north"
    SOUTH = "south"


@attrs.frozen(kw_only=True)
class Settings:
    api_url: str = setting(help="u", kind="url", example="http://calin.example/api")
    user_id: str = setting(help="i", minimum_length=3)
    api_key: Secret = setting(help="k")


@attrs.frozen(kw_only=True)
class Everything:
    text: str = setting(help="t", default="")
    number: int = setting(help="n", default=30, minimum=1, maximum=60)
    flag: bool = setting(help="f", default=False)
    price: Decimal = setting(help="p", default=Decimal(1), minimum=Decimal("0.5"))
    secret: Secret | None = setting(help="s", default=None, minimum_length=8)
    names: tuple[str, ...] = setting(help="l", default=(), pattern="[a-z]+")
    region: Region = setting(help="r", default=Region.NORTH)
    colour: str | None = setting(help="c", default=None, choices=("red", "green"))
    url: str | None = setting(help="u", default=None, kind="url")


GOOD = {"api_url": "http://calin.example/api", "user_id": "demo", "api_key": "x"}


def read(cls, raw, environ=None, folder=Path(), **options):
    return read_settings(cls, raw, place=PLACE, environ=environ or {}, folder=folder, **options)


def problems(cls, raw, environ=None, folder=Path(), **options) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(cls, raw, environ, folder, **options)
    return str(caught.value).split("\n")


def test_read_settings_makes_an_instance_of_the_class():
    assert read(Settings, GOOD) == Settings(
        api_url="http://calin.example/api", user_id="demo", api_key=Secret("x")
    )


def test_read_settings_takes_defaults_for_what_is_not_given():
    assert read(Everything, {}) == Everything()


@pytest.mark.parametrize(
    ("name", "given_value", "expected"),
    [
        pytest.param("text", "00123", "00123", id="text stays text"),
        pytest.param("number", 17, 17, id="whole number"),
        pytest.param("flag", True, True, id="true"),
        pytest.param("price", "12.50", Decimal("12.50"), id="decimal as text"),
        pytest.param("price", 12, Decimal(12), id="decimal as whole number"),
        pytest.param("price", Decimal("1.5"), Decimal("1.5"), id="decimal"),
        pytest.param("secret", "long-enough", Secret("long-enough"), id="secret in clear"),
        pytest.param("secret", Secret("long-enough"), Secret("long-enough"), id="secret"),
        pytest.param("secret", None, None, id="nothing where allowed"),
        pytest.param("names", ["a", "b"], ("a", "b"), id="list"),
        pytest.param("names", [], (), id="empty list"),
        pytest.param("region", "south", Region.SOUTH, id="choice of a StrEnum"),
        pytest.param("colour", "red", "red", id="choice"),
        pytest.param("url", "https://[::1]:8443/a?b=c", "https://[::1]:8443/a?b=c", id="URL"),
    ],
)
def test_read_settings_takes(name, given_value, expected):
    assert getattr(read(Everything, {name: given_value}), name) == expected


@pytest.mark.parametrize(
    ("name", "given_value", "message"),
    [
        pytest.param("text", 3, "must be a text, not 3.", id="number for text"),
        pytest.param("text", None, "must be a text.", id="nothing for text"),
        pytest.param("number", "3", "must be a whole number, not '3'.", id="text for number"),
        pytest.param("number", True, "must be a whole number, not true.", id="true for number"),
        pytest.param("number", 3.0, "must be a whole number, not 3.0.", id="float for number"),
        pytest.param("number", 0, "must be at least 1, not 0.", id="too small"),
        pytest.param("number", 61, "must be at most 60, not 61.", id="too large"),
        pytest.param("flag", 1, "must be true or false, not 1.", id="number for yes or no"),
        pytest.param("flag", "true", "must be true or false, not 'true'.", id="text for yes or no"),
        pytest.param(
            "price",
            1.5,
            'must be a decimal number, not 1.5; write it in quotes: "12.5".',
            id="float for decimal",
        ),
        pytest.param(
            "price",
            "NaN",
            "must be a decimal number, not 'NaN'; write it in quotes: \"12.5\".",
            id="not a number",
        ),
        pytest.param(
            "price",
            "1e9",
            "must be a decimal number, not '1e9'; write it in quotes: \"12.5\".",
            id="exponent",
        ),
        pytest.param("price", "0.4", "must be at least 0.5, not '0.4'.", id="decimal too small"),
        pytest.param("secret", CANARY[:7], "must have at least 8 characters.", id="short secret"),
        pytest.param("secret", 12345678, "must be a text.", id="number for secret"),
        pytest.param("secret", "", "must not be empty.", id="empty secret"),
        pytest.param("names", "a", "must be a list of texts, not 'a'.", id="text for list"),
        pytest.param("names", ["a", 1], "must be a list of texts.", id="number in list"),
        pytest.param("names", ["a", "B"], "must match [a-z]+.", id="pattern in list"),
        pytest.param(
            "region",
            "nord",
            "must be one of north, south, not 'nord'; did you mean 'north'?",
            id="like a choice",
        ),
        pytest.param(
            "region", "x", "must be one of north, south, not 'x'.", id="unlike any choice"
        ),
        pytest.param("region", 3, "must be one of north, south, not 3.", id="number for choice"),
        pytest.param(
            "colour", "blue", "must be one of red, green, not 'blue'.", id="no such choice"
        ),
        pytest.param(
            "text",
            {},
            ': a table is no value; write { env = "VARIABLE" }, { file = "path" } or the value.',
            id="table",
        ),
        pytest.param(
            "text",
            {"env": "A", "file": "b"},
            ': a table is no value; write { env = "VARIABLE" }, { file = "path" } or the value.',
            id="both references",
        ),
        pytest.param(
            "text",
            {"env": 3},
            ': a table is no value; write { env = "VARIABLE" }, { file = "path" } or the value.',
            id="variable without name",
        ),
    ],
)
def test_read_settings_refuses(name, given_value, message):
    gap = "" if message.startswith(":") else " "

    assert problems(Everything, {name: given_value}) == [f"{WHO}{name!r}{gap}{message}"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example/",
        "calin.example/api",
        "http://",
        "http:///api",
        "http://x.example:port/",
        "http://x.example:70000/",
        "http://x.example:0/",
        "http://[::1/",
        "http://x.example/a b",
        "http://x.example/\n",
        "http://x.example/#top",
    ],
)
def test_read_settings_refuses_a_url_that_cannot_be_called(url):
    assert problems(Everything, {"url": url}) == [
        (
            f"{WHO}'url' must be an http or https URL with a host, without user, password, blanks"
            f" or '#', not {url!r}; write it like http://vendor.example/api."
        )
    ]


def test_read_settings_does_not_repeat_a_url_with_credentials():
    assert problems(Everything, {"url": f"http://me:{CANARY}@x.example/"}) == [
        (
            f"{WHO}'url' must be an http or https URL with a host, without user, password, blanks"
            " or '#'; write it like http://vendor.example/api."
        )
    ]


def test_read_settings_shortens_a_long_wrong_value():
    assert problems(Everything, {"number": "9" * 500}) == [
        f"{WHO}'number' must be a whole number, not '{'9' * 59}…."
    ]


def test_read_settings_reports_all_problems_together():
    raw = {"api_ur": "http://x", "user_id": "ab", "api_key": {"env": "UMEME_CALIN_KEY"}, "zzz": 1}

    assert problems(Settings, raw) == [
        f"{WHO}'api_ur' is unknown; did you mean 'api_url'?",
        f"{WHO}'zzz' is unknown; known are: api_url, user_id, api_key.",
        f"{WHO}'api_url' is missing; write for example: api_url = \"http://calin.example/api\"",
        f"{WHO}'user_id' must have at least 3 characters, not 'ab'.",
        (
            f"{WHO}'api_key': environment variable UMEME_CALIN_KEY is not set; set it or write"
            " another value."
        ),
    ]


def test_read_settings_suggests_a_variable_for_a_missing_secret():
    raw = {"api_url": "http://x.example", "user_id": "demo"}

    assert problems(Settings, raw) == [
        (
            f"{WHO}'api_key' is missing; write for example: "
            'api_key = { env = "UMEME_CALIN_API_KEY" }'
        )
    ]


def test_read_settings_suggests_no_toml_where_none_is_read():
    assert problems(Settings, {"user_id": "demo"}, allow_references=False) == [
        f"{WHO}'api_url' is missing; give its value, such as http://calin.example/api",
        f"{WHO}'api_key' is missing; give its value.",
    ]


def test_read_settings_names_the_instance_if_it_is_not_the_plugin():
    south = SettingsPlace(company="umeme", instance="calin-south", plugin="calin")

    with pytest.raises(SettingsError) as caught:
        read_settings(Settings, GOOD | {"x": 1}, place=south, environ={}, folder=Path())
    assert str(caught.value) == (
        "Company 'umeme', instance 'calin-south' of plugin 'calin', setting 'x' is unknown;"
        " known are: api_url, user_id, api_key."
    )


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("text", " a ", " a ", id="text exactly"),
        pytest.param("number", " 17 ", 17, id="whole number"),
        pytest.param("flag", "TRUE", True, id="true"),
        pytest.param("flag", "no", False, id="no"),
        pytest.param("price", "12.5", Decimal("12.5"), id="decimal"),
        pytest.param("secret", CANARY, Secret(CANARY), id="secret"),
        pytest.param("names", "a, b,,c ", ("a", "b", "c"), id="list"),
        pytest.param("region", "south", Region.SOUTH, id="choice"),
        pytest.param("colour", " ", None, id="blank is nothing"),
    ],
)
def test_read_settings_converts_what_a_variable_holds(name, text, expected):
    settings = read(Everything, {name: {"env": "X"}}, {"X": text})

    assert getattr(settings, name) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("number", CANARY, "must be a whole number.", id="no number"),
        pytest.param("number", "1_000", "must be a whole number.", id="Python's underscores"),
        pytest.param("number", "٣", "must be a whole number.", id="foreign digits"),
        pytest.param("number", "0", "must be at least 1.", id="too small"),
        pytest.param("flag", "1", "must be true or false.", id="one for yes"),
        pytest.param("secret", "", "must not be empty.", id="empty secret"),
        pytest.param("secret", CANARY[:3], "must have at least 8 characters.", id="short secret"),
        pytest.param(
            "region", "nort", "must be one of north, south; did you mean 'north'?", id="misspelt"
        ),
        pytest.param("names", CANARY, "must match [a-z]+.", id="pattern"),
    ],
)
def test_read_settings_never_shows_what_a_variable_holds(name, text, message):
    assert problems(Everything, {name: {"env": "X"}}, {"X": text}) == [
        f"{WHO}{name!r}: the content of environment variable X {message}"
    ]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"], ids=["none", "newline", "windows"])
def test_read_settings_takes_a_files_text_without_its_last_line_end(tmp_path, ending):
    (tmp_path / "calin.key").write_bytes(b"top\nsecret" + ending)

    settings = read(Settings, GOOD | {"api_key": {"file": "calin.key"}}, folder=tmp_path)

    assert settings.api_key == Secret("top\nsecret")


def test_read_settings_strips_one_line_end_only(tmp_path):
    (tmp_path / "key").write_bytes(b"x\n\n")

    assert read(Settings, GOOD | {"api_key": {"file": "key"}}, folder=tmp_path).api_key == (
        Secret("x\n")
    )


def test_read_settings_takes_an_absolute_path(tmp_path):
    (tmp_path / "key").write_text("x")
    raw = GOOD | {"api_key": {"file": str(tmp_path / "key")}}

    assert read(Settings, raw, folder=Path("elsewhere")).api_key == Secret("x")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param(
            "none",
            "file none cannot be read (No such file or directory); create it or write"
            " another value.",
            id="no file",
        ),
        pytest.param(
            ".",
            "file . cannot be read (Is a directory); create it or write another value.",
            id="directory",
        ),
        pytest.param(
            "a\0b",
            "file 'a\\x00b' cannot be read (no path); create it or write another value.",
            id="no path",
        ),
        pytest.param("binary", "file binary is not UTF-8 text; write it anew.", id="binary"),
        pytest.param("huge", "file huge has more than 65536 bytes; name another file.", id="huge"),
    ],
)
def test_read_settings_says_why_a_file_gives_no_value(tmp_path, path, message):
    (tmp_path / "binary").write_bytes(b"\xff" + CANARY.encode())
    (tmp_path / "huge").write_bytes(b"x" * 65_537)

    assert problems(Settings, GOOD | {"api_key": {"file": path}}, folder=tmp_path) == [
        f"{WHO}'api_key': {message}"
    ]


def test_read_settings_looks_references_up_in_lists():
    settings = read(Everything, {"names": ["a", {"env": "B"}]}, {"B": "b"})

    assert settings.names == ("a", "b")


@pytest.mark.parametrize("value", [{"env": "HOME"}, {"file": "/etc/hostname"}, [{"env": "HOME"}]])
def test_read_settings_looks_nothing_up_for_strangers(value):
    name = "names" if isinstance(value, list) else "text"

    assert problems(Everything, {name: value}, {"HOME": CANARY}, allow_references=False) == [
        f"{WHO}{name!r}: {{ env = … }} and {{ file = … }} work in mpm.toml only; give the value."
    ]


@attrs.frozen(kw_only=True)
class Picky:
    low: int = setting(help="l")
    high: int = setting(help="h")
    key: Secret = setting(help="k")

    @high.validator
    def _above_low(self, _field: object, value: int) -> None:
        if value <= self.low:
            raise ValueError(f"high must be above low ({self.key.reveal()}).")


def test_read_settings_runs_the_classes_own_validators_and_hides_their_secrets():
    assert problems(Picky, {"low": 2, "high": 1, "key": CANARY}) == [
        "Company 'umeme', plugin 'calin': high must be above low (••••••)."
    ]


def test_a_settings_class_checks_its_rules_when_made_directly():
    with pytest.raises(ValueError, match=re.escape("setting 'number' must be at most 60.")):
        Everything(number=99)


@given(
    st.dictionaries(
        st.sampled_from(["api_url", "user_id", "api_key", "x"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.just(CANARY),
            st.lists(st.just(CANARY)),
            st.fixed_dictionaries({"env": st.sampled_from(["A", "B"])}),
            st.fixed_dictionaries({"env": st.integers()}),
        ),
    )
)
@example({"api_key": [CANARY]})
def test_no_message_shows_a_secret(raw):
    for name in ("api_url", "user_id", "x"):
        if raw.get(name) in (CANARY, [CANARY]):
            del raw[name]
    assert CANARY not in shown_by(lambda: read(Settings, raw, {"A": CANARY, "B": ""}))


def shown_by(call) -> str:
    try:
        settings = call()
    except SettingsError as error:
        return str(error)
    return repr(attrs.evolve(settings, user_id="demo"))


# --- describe ---------------------------------------------------------------------------------


def test_describe_names_type_and_rules_of_each_setting():
    labels = {
        one.name: (one.type_label, one.limits_label, one.required) for one in describe(Everything)
    }

    assert labels == {
        "text": ("text", "", False),
        "number": ("whole number", "at least 1, at most 60", False),
        "flag": ("yes or no", "", False),
        "price": ("decimal number", "at least 0.5", False),
        "secret": ("secret", "at least 8 characters", False),
        "names": ("list of texts", "matching [a-z]+", False),
        "region": ("one of north, south", "", False),
        "colour": ("one of red, green", "", False),
        "url": ("URL", "", False),
    }


@attrs.frozen(kw_only=True)
class Bare:
    timeout: int = 30


@attrs.frozen(kw_only=True)
class Floating:
    price: float = setting(help="p")


@attrs.frozen(kw_only=True)
class Hidden:
    price: Fraction = setting(help="p")


class Plain:
    """No attrs class."""


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Bare, "Bare.timeout is no setting; write timeout = setting(help=…)."),
        (
            Floating,
            (
                "Floating.price has a type no setting can have: use str, int, bool, Decimal,"
                " Secret, tuple[str, ...], a StrEnum, or one of them | None."
            ),
        ),
        (
            Hidden,
            (
                "Hidden names a type that is not imported at run time (name 'Fraction' is not"
                " defined); import it outside of TYPE_CHECKING."
            ),
        ),
        (Plain, "Plain is no attrs class; write @attrs.frozen(kw_only=True)."),
    ],
    ids=["field without setting()", "float", "type not imported", "no attrs class"],
)
def test_describe_tells_the_author_what_to_write(cls, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        describe(cls)


# --- parse_text -------------------------------------------------------------------------------

BY_NAME = {one.name: one for one in describe(Everything)}


@given(
    st.one_of(
        st.tuples(st.just("number"), st.integers(1, 60)),
        st.tuples(st.just("flag"), st.booleans()),
        st.tuples(
            st.just("price"),
            st.decimals(min_value=1, max_value=10**9, places=6, allow_nan=False),
        ),
        st.tuples(st.just("text"), st.text()),
        st.tuples(st.just("names"), st.lists(st.from_regex("[a-z]+", fullmatch=True)).map(tuple)),
        st.tuples(st.just("region"), st.sampled_from(Region)),
        st.tuples(st.just("colour"), st.sampled_from([None, "red", "green"])),
    )
)
def test_parse_text_reads_what_format_value_writes(pair):
    name, value = pair

    assert parse_text(BY_NAME[name], format_value(value)) == value


@given(st.sampled_from(sorted(BY_NAME)), st.text())
@example("url", "http://[")
@example("url", "http://x:²/")
@example("number", "-" * 30)
def test_parse_text_raises_nothing_but_wrong_value(name, text):
    with contextlib.suppress(WrongValueError):
        parse_text(BY_NAME[name], text)


# --- resolve_reference ------------------------------------------------------------------------


def resolve(value, environ=None, folder=Path()):
    return resolve_reference(
        value, where="[host], setting 'secret_key'", environ=environ or {}, folder=folder
    )


def test_resolve_reference_keeps_plain_values():
    assert [resolve(value) for value in ("x", 3, True, ["a"], None)] == ["x", 3, True, ["a"], None]


def test_resolve_reference_looks_up_variables_and_files(tmp_path):
    (tmp_path / "mpm.key").write_text("old\n")

    found = resolve([{"env": "NEW"}, {"file": "mpm.key"}], {"NEW": "new"}, tmp_path)

    assert found == ["new", "old"]


def test_resolve_reference_says_whose_value_is_missing():
    with pytest.raises(SettingsError) as caught:
        resolve({"env": "MPM_KEY"})
    assert str(caught.value) == (
        "[host], setting 'secret_key': environment variable MPM_KEY is not set; set it or write"
        " another value."
    )


# --- classes made directly from stored values, as a device's details are --------------------------


def test_a_class_takes_the_values_json_can_hold():
    stored = {"price": "2.50", "secret": "12345678", "names": ["a", "b"], "region": "south"}
    assert Everything(**stored) == Everything(
        price=Decimal("2.50"), secret=Secret("12345678"), names=("a", "b"), region=Region.SOUTH
    )


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        pytest.param(
            {"region": "nord"},
            "setting 'region' must be one of north, south; did you mean 'north'?.",
            id="choice",
        ),
        pytest.param(
            {"secret": CANARY[:3]},
            "setting 'secret' must have at least 8 characters.",
            id="secret without its text",
        ),
    ],
)
def test_a_class_made_directly_names_a_wrong_value_without_secrets(stored, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Everything(**stored)
