from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_africastalking.segments import Alphabet, Segments, count_segments

GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà"
EXTENSION = "\f^{}\\[~]|€"


def seven(units: int, count: int) -> Segments:
    return Segments(alphabet=Alphabet.GSM_7_BIT, units=units, count=count)


def sixteen(units: int, count: int) -> Segments:
    return Segments(alphabet=Alphabet.UCS_2, units=units, count=count)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        pytest.param("", seven(0, 1), id="empty"),
        pytest.param("Token: 1234 5678 9012 3456 7890", seven(31, 1), id="a token"),
        pytest.param("a" * 160, seven(160, 1), id="one full"),
        pytest.param("a" * 161, seven(161, 2), id="one more"),
        pytest.param("a" * 306, seven(306, 2), id="two full"),
        pytest.param("a" * 307, seven(307, 3), id="three"),
        pytest.param("€" * 80, seven(160, 1), id="extension takes two"),
        pytest.param("a" * 159 + "€", seven(161, 2), id="extension over the edge"),
        pytest.param("a" * 152 + "€" + "a" * 152, seven(306, 3), id="extension is not cut"),
        pytest.param("habari ya leo ç", sixteen(15, 1), id="a letter outside the alphabet"),
        pytest.param("አ" * 70, sixteen(70, 1), id="Amharic, one full"),
        pytest.param("አ" * 71, sixteen(71, 2), id="Amharic, one more"),
        pytest.param("አ" * 135, sixteen(135, 3), id="Amharic, three"),
        pytest.param("😀" * 35, sixteen(70, 1), id="emoji take two"),
        pytest.param("አ" * 66 + "😀" + "አ" * 66, sixteen(134, 3), id="emoji are not cut"),
    ],
)
def test_a_text_takes_so_many_sms(text, segments):
    assert count_segments(text) == segments


def test_the_whole_gsm_alphabet_takes_seven_bits():
    assert count_segments(GSM).alphabet is Alphabet.GSM_7_BIT
    assert count_segments(EXTENSION) == seven(2 * len(EXTENSION), 1)


def fewest(sizes: list[int], room: int) -> int:
    """Count parts by trying every last part: the slow and obvious way."""
    best = [0]
    for end in range(1, len(sizes) + 1):
        starts = [start for start in range(end) if sum(sizes[start:end]) <= room]
        best.append(1 + min(best[start] for start in starts))
    return best[-1]


@given(st.text(st.sampled_from("ab€^አ😀"), max_size=200))
@example("€" * 77)
def test_no_text_can_be_cut_into_fewer_parts(text):
    found = count_segments(text)
    short = found.alphabet is Alphabet.GSM_7_BIT
    sizes = [2 if c in (EXTENSION if short else "😀") else 1 for c in text]
    alone, room = (160, 153) if short else (70, 67)
    expected = 1 if sum(sizes) <= alone else fewest(sizes, room)
    assert (found.units, found.count) == (sum(sizes), expected)


@given(st.text(max_size=400), st.text(max_size=40))
def test_a_longer_text_never_takes_fewer_sms(text, more):
    assert count_segments(text + more).count >= count_segments(text).count
