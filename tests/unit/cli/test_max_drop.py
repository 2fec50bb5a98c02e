import pytest

from twentywatts.cli.arguments import max_drop_of
from twentywatts.errors import InputError


@pytest.mark.parametrize("in_points", [True, False])
@pytest.mark.parametrize(
    ("text", "share"), [("1%", 0.01), ("2 pt", 0.02), ("0.5%", 0.005), ("0.01%", 0.0001), (None, 0.01)]
)
def test_a_unit_means_the_same_in_every_verb(text: str | None, share: float, in_points: bool) -> None:
    assert max_drop_of(text, "accuracy", in_points=in_points) == pytest.approx(share)


def test_a_bare_number_is_a_share_to_compare_and_points_to_slim() -> None:
    assert max_drop_of("0.02", "top-5", in_points=False) == pytest.approx(0.02)
    assert max_drop_of("2", "top-5", in_points=True) == pytest.approx(0.02)
    assert max_drop_of("0", "accuracy", in_points=True) == 0


@pytest.mark.parametrize(
    ("text", "in_points", "ways"),
    [
        ("0.02", True, "2% or 0.02%"),
        ("2", False, "200% or 2%"),
        ("1", False, "would be 100 points here: write 100% or 1%"),
        ("0.5", False, "50% or 0.5%"),
    ],
)
def test_what_was_probably_meant_as_the_other_is_refused_with_both_ways_to_write_it(
    text: str, in_points: bool, ways: str
) -> None:
    with pytest.raises(InputError, match=ways):
        max_drop_of(text, "accuracy", in_points=in_points)


@pytest.mark.parametrize("text", ["", "%", "one", "1e", "1 %%"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="number such as"):
        max_drop_of(text, "f1", in_points=True)


def test_an_error_has_a_unit_of_its_own() -> None:
    assert max_drop_of("0.02", "mean-error", in_points=True) == pytest.approx(0.02)
    with pytest.raises(InputError, match="own unit"):
        max_drop_of("2%", "mean-error", in_points=True)
