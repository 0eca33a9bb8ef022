from hypothesis import given
from hypothesis import strategies as st

from shared_logic.history.components import components

edges = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)))


def reached(key, pairs):
    """All keys that paths lead to."""
    found, waiting = {key}, [key]
    while waiting:
        here = waiting.pop()
        for one, other in pairs:
            for start, end in ((one, other), (other, one)):
                if start == here and end not in found:
                    found.add(end)
                    waiting.append(end)
    return found


def test_keys_that_are_joined_through_others():
    assert components([("B", "A"), ("C", "B"), ("E", "D")]) == {
        "A": "A",
        "B": "A",
        "C": "A",
        "D": "D",
        "E": "D",
    }


def test_a_key_without_edge_is_a_component_and_so_is_an_edge_to_itself():
    assert components([("B", "B")], ["A"]) == {"A": "A", "B": "B"}


@given(edges, st.lists(st.integers(0, 15)))
def test_a_component_is_what_paths_reach_called_by_its_smallest_key(pairs, keys):
    all_keys = {end for pair in pairs for end in pair} | set(keys)
    assert components(pairs, keys) == {key: min(reached(key, pairs)) for key in all_keys}


@given(edges.flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))))
def test_the_order_of_edges_does_not_matter(both):
    pairs, shuffled = both
    assert components(pairs) == components([(end, start) for start, end in shuffled])


def test_a_long_chain_is_no_trouble():
    length = 50_000
    found = components((number, number + 1) for number in range(length))
    assert set(found.values()) == {0}
    assert len(found) == length + 1
