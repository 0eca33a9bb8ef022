import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_logic.history.php import UNPARSED, as_text, parsed, serialised

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(text, values, max_size=6))
def test_what_php_writes_is_read_back(params):
    assert parsed(serialised(params)) == params


@given(st.integers(-(10**17), 10**17))
def test_numbers_as_keys_become_text_and_numbers_again(key):
    written = f"a:1:{{i:{key};N;}}"
    assert parsed(written) == {str(key): None}
    assert serialised(parsed(written)) == written


def test_a_list_is_an_array_from_zero_on():
    assert serialised({"groups": ["sysop", "bot"]}) == (
        'a:1:{s:6:"groups";a:2:{i:0;s:5:"sysop";i:1;s:3:"bot";}}'
    )


@given(st.dictionaries(text, values, min_size=1, max_size=4), st.data())
def test_an_array_that_was_cut_off_is_text(params, data):
    whole = serialised(params)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert parsed(cut) == {UNPARSED: cut}


@given(st.text(), st.text("aisbdNO:;{}\"'0123456789-", max_size=30))
def test_no_text_is_refused(any_text, almost_php):
    for text in (any_text, almost_php):
        assert isinstance(as_text(parsed(text)), dict)


def test_lengths_are_bytes_of_utf_8():
    # four-byte characters occur, and quotes and brackets are not escaped
    assert parsed('a:1:{s:9:"4::target";s:11:"😀 Ä";}x";}') == {"4::target": '😀 Ä";}x'}
    # counted in characters the text ends too early
    assert UNPARSED in parsed('a:1:{s:9:"4::target";s:3:"😀 Ä";}')


def test_nothing_is_an_empty_map_and_empty_text_is_text():
    assert parsed(None) == {}
    assert parsed("") == {UNPARSED: ""}


@pytest.mark.parametrize(
    "text",
    [
        "A title",
        "indefinite\nanononly,nocreate",
        "b:1;",
        's:1:"a";',
        "a:0:{}more",
        'a:1:{i:0;O:8:"stdClass":0:{}}',
        "a:1:{i:0;i:1_0;}",
        "a:1:{i:0;i: 1;}",
        "a:1:{i:0;b:2;}",
        "a:1:{i:0;d:nan;}",
        "a:1:{b:1;i:0;}",
        "a:1:{N;i:0;}",
        "a:1:{a:0:{}i:0;}",
        "a:-1:{}",
        'a:1:{i:0;s:-1:"";}',
        "a:1:{i:0;i:1;",
        "a:1:{i:0;s:999999999999999999999:",
        "a:1:{i:0;" * 5_000,
        'a:1:{s:1:"\udc80";N;}',
    ],
)
def test_anything_else_stays_whole(text):
    assert parsed(text) == {UNPARSED: text}


def test_numbers():
    read = parsed("a:5:{i:0;i:-9223372036854775808;i:1;d:0.5;i:2;d:1.0E+25;i:3;d:-INF;i:4;d:NAN;}")
    assert (read["0"], read["1"], read["2"], read["3"]) == (-(2**63), 0.5, 1e25, -math.inf)
    assert math.isnan(read["4"])


def test_values_are_printed_as_upstream_prints_them():
    # given a value of every type
    params = {
        "text": "A b",
        "number": -7,
        "yes": True,
        "no": False,
        "none": None,
        "list": {"0": "bot", "1": {"a": 1.0}},
        "empty": {},
    }
    # then
    assert as_text(params) == {
        "text": "A b",
        "number": "-7",
        "yes": "true",
        "no": "false",
        "none": "None",
        "list": "Map(0 -> bot, 1 -> Map(a -> 1.0))",
        "empty": "Map()",
    }


@pytest.mark.parametrize(
    "value, printed",
    [
        (0.0, "0.0"),
        (-0.5, "-0.5"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9_999_999.0, "9999999.0"),
        (12_345_678.5, "1.23456785E7"),
        (-1e25, "-1.0E25"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_printed_as_java_prints_them(value, printed):
    assert as_text({"value": value}) == {"value": printed}
