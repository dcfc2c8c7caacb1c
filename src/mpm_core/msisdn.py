"""Phone numbers of mobile subscribers (MSISDN) in E.164, read by a company's country."""

from __future__ import annotations

import attrs

from mpm_core.plain_numbers import read_plain_number
from mpm_core.secrets import Secret

__all__ = ["Msisdn"]

_ITU_PREFIX = "00"  # telecoms write it for the plus, also where people dial another one


@attrs.frozen
class Msisdn:
    """A phone number in E.164 form.

    `repr` and `str` show it masked (country and the last two digits), as everywhere outside the
    message that is sent; `e164` is the number itself and `digits` the same without the plus.
    """

    _number: Secret
    country_code: int = attrs.field(eq=False)

    @classmethod
    def parse(cls, text: str, country: str) -> Msisdn:
        """Read a number as a person or a telecom writes it.

        Args:
            text: with or without country code, plus, leading zero or blanks.
            country: ISO 3166 alpha-2 of the company, which national numbers belong to.

        Raises:
            ValueError: it cannot be a phone number; the message does not repeat it.
        """
        bare = text.strip()
        if plain := read_plain_number(bare, country):
            return cls(Secret(plain.e164), plain.country_code)
        import phonenumbers  # noqa: PLC0415 - loads large tables; only needed once a number is read

        candidates = [text]
        prefix = str(phonenumbers.country_code_for_region(country))
        international = bare.removeprefix(_ITU_PREFIX).lstrip()
        if international.startswith(prefix):  # telecoms send the country code without the plus
            candidates.insert(0, f"+{international}")
        for candidate in candidates:
            try:
                number = phonenumbers.parse(candidate, country)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_possible_number(number):
                e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
                return cls(Secret(e164), number.country_code or 0)
        raise ValueError(
            f"a text of {len(text)} characters is not a phone number of {country} or in +… form."
        )

    @classmethod
    def from_e164(cls, text: str) -> Msisdn:
        """Take back a number that `parse` made and the host stored.

        Raises:
            ValueError: the text is not in E.164 form.
        """
        import phonenumbers  # noqa: PLC0415 - as above

        try:
            number = phonenumbers.parse(text, None)
        except phonenumbers.NumberParseException:
            raise ValueError("the stored text is not an E.164 number.") from None
        return cls(Secret(text), number.country_code or 0)

    @property
    def e164(self) -> str:
        """The whole number, for the message's recipient and for storage only."""
        return self._number.reveal()

    @property
    def digits(self) -> str:
        """The whole number without the plus, as many telecoms write it."""
        return self.e164[1:]

    @property
    def masked(self) -> str:
        """Country and the last two digits: `+255•••••••89`."""
        national = self.e164[1 + len(str(self.country_code)) :]
        return f"+{self.country_code}{'•' * max(0, len(national) - 2)}{national[-2:]}"

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"Msisdn({self.masked})"
