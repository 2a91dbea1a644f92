"""A line gives the smallest key first, whatever left from its middle."""

from hypothesis import given
from hypothesis import strategies as st

from oncue.stores._line import Line

STEPS = st.lists(st.tuples(st.sampled_from(["put", "leave", "pop"]), st.integers(0, 30)))


@given(STEPS)
def test_a_line_does_what_a_sorted_dict_does(steps: list[tuple[str, int]]) -> None:
    line: Line[str] = Line()
    model: dict[int, str] = {}
    for step, key in steps:
        match step:
            case "put":
                line.put(key, f"item {key}")
                model[key] = f"item {key}"
            case "leave" if key in model:
                line.leave(key)
                del model[key]
            case "pop":
                expected = [model.pop(each) for each in sorted(model)[: key % 4]]
                assert line.pop(key % 4) == expected
            case _:
                pass
        assert len(line) == len(model)
        assert line.first() == min(model, default=None)


def test_what_left_is_swept_so_that_a_line_never_grows_by_turnover() -> None:
    line: Line[int] = Line()
    for key in range(100):
        line.put(key, key)
    for _ in range(1000):
        line.leave(50)
        line.put(50, 50)
    assert _heap(line) <= 2 * 100 + 64 + 1
    assert line.pop(200) == list(range(100))


def _heap(line: Line[int]) -> int:
    """How many keys the heap holds, from what the line says of itself."""
    return int(repr(line).split("heap=")[1].rstrip(">"))
