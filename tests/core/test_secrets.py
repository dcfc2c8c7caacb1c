"""A secret never shows its text unless it is asked by name."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.secrets import MASK, Secret, hide_secrets

CANARY = "canary-8f14e45f"


@attrs.frozen
class _Holder:
    password: Secret


WAYS_TO_SHOW = {
    "str": str,
    "repr": repr,
    "format": lambda secret: f"{secret}",
    "format-with-width": lambda secret: f"{secret:>40}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - one of the ways
    "str-format": lambda secret: "{} {!r}".format(secret, secret),  # noqa: UP032 - the same
    "in-a-list": lambda secret: str([secret]),
    "in-a-mapping": lambda secret: str({"a": secret}),
    "in-a-frozen-value": lambda secret: repr(_Holder(secret)),
    "json-with-str": lambda secret: json.dumps({"a": secret}, default=str),
}


@pytest.mark.parametrize("show", WAYS_TO_SHOW.values(), ids=WAYS_TO_SHOW.keys())
def test_secret_shows_its_mask_only(show):
    shown = show(Secret(CANARY))

    assert CANARY not in shown
    assert MASK in shown or MASK.encode("unicode-escape").decode() in shown


def test_secret_does_not_reach_a_log(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("settings are %s and %r", Secret(CANARY), Secret(CANARY))

    assert CANARY not in caplog.text


def test_secret_does_not_reach_a_traceback():
    shown = traceback.format_exception_only(ValueError(Secret(CANARY)))

    assert shown == [f"ValueError: {MASK}\n"]


def test_secret_is_not_written_as_json():
    with pytest.raises(TypeError, match="Secret is not JSON serializable"):
        json.dumps({"password": Secret(CANARY)})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="A Secret cannot be pickled or copied"):
        pickle.dumps(Secret(CANARY), protocol=protocol)


def test_secret_has_no_attributes_to_list():
    assert not hasattr(Secret(CANARY), "__dict__")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copy_of_a_secret_is_the_secret(duplicate):
    secret = Secret(CANARY)

    assert duplicate(secret) is secret


def test_secret_is_revealed_by_name():
    assert Secret(CANARY).reveal() == CANARY


@given(st.text(), st.text())
def test_secrets_are_equal_and_hash_alike_exactly_when_their_texts_are(one, other):
    assert (Secret(one) == Secret(other)) == (one == other)
    assert hash(Secret(one)) == hash(Secret(str(one)))
    assert Secret(one) != one


@given(st.text(), st.text(alphabet=st.characters()))  # surrogates too: callers send anything
def test_matches_compares_with_any_text_without_an_error(text, candidate):
    assert Secret(text).matches(candidate) == (text == candidate)


@pytest.mark.parametrize("secret", [Secret("a"), Secret("\ud800")], ids=["usual", "surrogate"])
def test_matches_answers_a_candidate_with_a_lone_surrogate(secret):
    assert not secret.matches("\ud801")


@pytest.mark.parametrize(("text", "truth"), [("", False), ("x", True)])
def test_an_empty_secret_is_false(text, truth):
    assert bool(Secret(text)) is truth


@pytest.mark.parametrize(
    ("words", "secrets", "shown"),
    [
        pytest.param("umeme:s3cret-9", [], "umeme:s3cret-9", id="none"),
        pytest.param("umeme:s3cret-9", ["s3cret-9"], f"umeme:{MASK}", id="one"),
        pytest.param("s3-9, s3", ["s3", "s3-9"], f"{MASK}, {MASK}", id="one-within-another"),
        pytest.param("p=a+b%2F%C3%BC a b/ü", ["a b/ü"], f"p={MASK} {MASK}", id="as-in-a-query"),
        pytest.param("umeme", ["", "other"], "umeme", id="empty-and-absent"),
    ],
)
def test_secrets_are_hidden_in_the_words_of_others(words, secrets, shown):
    assert hide_secrets(words, *(Secret(text) for text in secrets)) == shown
