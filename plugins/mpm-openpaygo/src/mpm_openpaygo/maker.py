"""Making codes with the package `openpaygo`: the only module that knows it.

The package is loaded with the first code. Whatever it would accept and should not is checked here
or before: values over 995, keys that are no 32 hexadecimal characters, a value where none belongs.
"""

from __future__ import annotations

import re

from mpm_core import ContractViolation, Secret
from mpm_openpaygo.codes import LARGEST_VALUE, Code, Command
from mpm_openpaygo.settings import OpenPaygoDevice

__all__ = ["make_code", "self_test"]

_PLAIN = re.compile(r"[0-9]{9}", re.ASCII)
_RESTRICTED = re.compile(r"[1-4]{15}", re.ASCII)

# Sample device and vectors of the OpenPAYGO Token repository, public by design.
SAMPLE_KEY = "bc41ec9530f6dac86b1a29ab82edc5fb"
SAMPLE_STARTING_CODE = "516959010"
_VECTORS = ((False, "588224011"), (True, "314114432231134"))


def make_code(details: OpenPaygoDevice, code: Code) -> Secret:
    """Make one code; equal arguments give equal codes.

    Raises:
        ContractViolation: the package does not do what its documentation says.
    """
    from openpaygo import TokenType, generate_token  # noqa: PLC0415 - loads it with the first code

    types = {
        Command.ADD_TIME: TokenType.ADD_TIME,
        Command.SET_TIME: TokenType.SET_TIME,
        Command.DISABLE_PAYG: TokenType.DISABLE_PAYG,
        Command.COUNTER_SYNC: TokenType.COUNTER_SYNC,
    }
    if code.value is not None and not 0 <= code.value <= LARGEST_VALUE:
        raise ContractViolation(f"A code holds 0 to {LARGEST_VALUE} units, not {code.value}.")
    starting_code = details.starting_code
    count, text = generate_token(
        secret_key=details.secret_key.reveal(),
        starting_code=None if starting_code is None else int(starting_code.reveal()),
        count=code.count - 1,  # it takes the count before and finds the next of the right parity
        value=code.value,
        token_type=types[code.command],
        restricted_digit_set=details.restricted_digit_set,
    )
    pattern = _RESTRICTED if details.restricted_digit_set else _PLAIN
    if count != code.count or not pattern.fullmatch(text):
        raise ContractViolation(
            f"openpaygo {_version()} made another code than asked for (count {count} "
            f"instead of {code.count}); install a version this plugin was tested with."
        )
    return Secret(text)


def self_test() -> str:
    """Make two published codes; returns the package's version.

    Raises:
        ContractViolation: they come out wrong.
    """
    for restricted, expected in _VECTORS:
        details = OpenPaygoDevice(
            secret_key=Secret(SAMPLE_KEY),
            starting_code=Secret(SAMPLE_STARTING_CODE),
            restricted_digit_set=restricted,
        )
        made = make_code(details, Code(command=Command.ADD_TIME, count=2, value=1))
        if not made.matches(expected):
            raise ContractViolation(
                f"openpaygo {_version()} makes other codes than OpenPAYGO's published "
                "ones; install a version this plugin was tested with."
            )
    return _version()


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - only checks and errors need it

    return version("openpaygo")
