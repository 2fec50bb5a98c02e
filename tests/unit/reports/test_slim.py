"""The table and the page of a slimmed model: what is not proved is never called so, and no name is trusted."""

from __future__ import annotations

import copy
import io
import json
import re

import pytest
from rich.console import Console
from tests.support.example_slim import example_slim
from tests.unit.reports.test_page import HOSTILE, read

from twentywatts.reports.slim import slim_view
from twentywatts.reports.slim_charts import front_chart
from twentywatts.reports.slim_headline import headline
from twentywatts.reports.slim_page import slim_page
from twentywatts.reports.slim_words import drop_words, guard_text, names_of, target_sentence, use_text
from twentywatts.units import format_si

Record = dict


def text_of(document: Record, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(slim_view(document))
    return stream.getvalue()


@pytest.fixture(scope="module")
def page() -> str:
    pytest.importorskip("plotly")
    return slim_page(example_slim())


def chart_points(page: str, name: str) -> Record:
    (data,) = re.findall(rf'id="chart-front-{name}-data">(.*?)</script>', page)
    return {trace["name"]: trace for trace in json.loads(data)["data"] if "name" in trace}


def test_the_headline_tells_what_ships_what_is_proved_and_what_is_not() -> None:
    ships, kept, likely = headline(example_slim())
    assert ships.startswith("What ships (fold → prune 50 % → distil) takes 3.1× less processor time (3–3.3×)")
    assert "no counter of joules lives here" in ships
    assert "97.9 % on 700 guard samples, a loss of at most 0.89 points at 95 % confidence" in kept
    assert "the guard samples disprove it" in likely


def test_where_nothing_is_proved_the_model_as_given_ships() -> None:
    document = {**example_slim(), "best": "d0", "likely": "d0", "unproved": "not provable at this n: 20 guard samples"}
    said = " ".join(headline(document))
    assert "The model stays as it was given" in said
    assert "Not provable at this n: 20 guard samples." in said
    assert "takes 3.1× less" not in said


def test_where_the_model_stays_its_tile_has_the_time_of_its_row() -> None:
    """Both were measured anew; two times of one model would only say how noisy they are."""
    pytest.importorskip("plotly")
    document = copy.deepcopy({**example_slim(), "best": "d0", "likely": "d0"})
    measured = document["run"]["measured"]
    assert measured["given"]["cpu_time_s"]["mid"] != measured["best"]["cpu_time_s"]["mid"]
    words = " ".join(read(slim_page(document)).words)
    assert re.search(r"Processor time (\S+ \S+)", words)[1] == format_si(measured["given"]["cpu_time_s"]["mid"], "s")
    assert "as given, measured anew" in words


def test_what_was_not_measured_is_not_told_as_measured() -> None:
    document = example_slim()
    document["run"] = {"ranking": [], "interrupted": True}
    said = " ".join(headline(document))
    assert "measured anew" not in said
    assert "cut short" in said
    assert "3.1×" not in text_of(document)


def test_a_machine_where_nothing_is_proved_says_so() -> None:
    proved, undecided, refused = example_slim()["targets"]
    assert "1.7× less (1.6–1.8×) than the model as given" in target_sentence(proved, "accuracy")
    assert target_sentence(undecided, "accuracy").startswith("nothing is proved to keep the accuracy: 700 samples")
    assert target_sentence(refused, "accuracy") == "publishes no energy per event"


def test_only_what_the_guard_samples_prove_is_drawn_as_proved(page: str) -> None:
    traces = chart_points(page, "here")
    assert traces["proved to keep it"]["x"] == [pytest.approx(1 / 3.1)]
    assert traces["asked, and not proved"]["x"] == [pytest.approx(1 / 3.6)]
    assert "proved to keep it" not in chart_points(page, "1")  # isaac: nothing is


def test_effects_the_worst_class_and_the_payback_are_told(page: str) -> None:
    text, words = " ".join(text_of(example_slim()).split()), " ".join(read(page).words)
    for told in ("prune 50 %: saves: 3.1 times less", "Inferences that pay it back", "200 k"):
        assert told in text
        assert told in words
    assert "worst class 3: 66 of 70 right, 69 before" in words
    never = example_slim()
    never["run"]["search"] |= {"pays_back_count": None, "why_never": "never: nothing is saved"}
    assert "Inferences that pay it back: never: nothing is saved" in " ".join(text_of(never).split())


def test_a_bound_below_zero_is_a_gain_and_one_beyond_the_limit_is_told_apart_from_it() -> None:
    document = example_slim()
    guard = next(one for one in document["candidates"] if one["digest"] == document["best"])["guard"]
    guard["bound"] = -0.0046
    assert "a gain of at least 0.46 points at 95 % confidence" in " ".join(headline(document))
    assert guard_text(guard, "accuracy").endswith("✓ at least 0.46 points won")
    assert guard_text({**guard, "bound": -0.02}, "mean-error").endswith("at least 0.02 less")
    beyond = {**guard, "bound": 0.0101027, "keeps": None}  # of a limit of one point
    assert guard_text(beyond, "accuracy").endswith("? at most 1.01 points lost")


def test_where_nothing_is_proved_the_number_of_samples_that_it_takes_is_told() -> None:
    document = {**example_slim(), "best": "d0", "likely": "d0"}
    for one in document["candidates"]:
        if one["guard"]:
            sentence = "598 samples cannot tell (drop 0.33 %, could be 1.34 %); about 1,100 would"
            one["guard"] |= {"keeps": None, "sentence": sentence}
    assert "598 samples cannot tell (drop 0.33 %, could be 1.34 %); about 1,100 would." in " ".join(headline(document))


def test_what_could_not_be_tried_for_one_reason_stands_in_one_line() -> None:
    document = example_slim()
    refusal = document["refused"][0]
    document["refused"] = [{**refusal, "title": title, "reason": "no axis is known"} for title in ("a cut", "another")]
    assert "- a cut; another: no axis is known" in " ".join(text_of(document).split())


def test_an_interval_of_no_width_is_not_printed() -> None:
    document = example_slim()
    document["advice"][0]["saving"] = {"low": 63.9, "mid": 63.95, "high": 63.99}
    text = " ".join(text_of(document).split())
    assert "64× less joules, by count alone" in text
    assert "(64–64×)" not in text


def test_what_is_proved_but_saves_nothing_is_told_as_that() -> None:
    said = " ".join(headline({**example_slim(), "best": "d0", "likely": "d0"}))
    assert "what is proved to be as good (fold → prune 50 % → distil) saves no time beyond noise" in said
    assert "--batch 64 asks again" in said


def test_two_candidates_of_one_name_are_told_apart() -> None:
    document = example_slim()
    twin = copy.deepcopy(document["candidates"][2])
    document["candidates"].append({**twin, "digest": "d9"})
    names = names_of(document)
    assert names["d9"] == f"{names['d2']} #2"


def test_the_table_fits_80_columns_and_ranks_advice_by_joules() -> None:
    text = text_of(example_slim())
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("serve 64 inferences") < text.index("serve 8 inferences")
    assert "no effect: noise" in " ".join(text.split())
    assert "this needs torch" in text


def test_the_front_is_drawn_from_candidates_near_the_limit_alone() -> None:
    points = [
        {"name": name, "share": {"low": x, "mid": x, "high": x}, "score": y, "state": state, "on_front": True}
        for name, x, y, state in (("given", 1.0, 0.98, "given"), ("near", 0.5, 0.97, "open"), ("far", 0.1, 0.4, "open"))
    ]
    chart = front_chart(points, "accuracy", drops=0.01)
    assert [label["text"] for label in chart["labels"]] == ["given", "near"]
    assert chart["layout"]["shapes"][0]["y0"] == pytest.approx(0.97)


def test_no_name_is_trusted() -> None:
    pytest.importorskip("plotly")
    document = example_slim()
    document["model"]["name"] = document["data"]["split"] = HOSTILE
    document["notes"] = document["run"]["command"] = [HOSTILE]
    document["unproved"] = HOSTILE
    for one in document["candidates"]:
        one.update(name=HOSTILE, no_effect=HOSTILE, notes=[HOSTILE])
    for target in document["targets"]:
        target.update(machine=HOSTILE, title=HOSTILE, reason=HOSTILE, refused=[{"name": HOSTILE, "reason": HOSTILE}])
        for point in target["points"]:
            point.update(name=HOSTILE, form=HOSTILE, setting={HOSTILE: HOSTILE})
    for order in document["orders"]:
        order.update(machine=HOSTILE, other=HOSTILE)
    for advice in [*document["advice"], *document["run"]["advice"]]:
        advice.update(title=HOSTILE, text=HOSTILE, against=HOSTILE, machine=HOSTILE, basis=HOSTILE)
    document["run"]["effects"] = [{"step": HOSTILE, "standing": "", "sentence": HOSTILE, "saving": None}]
    document["refused"] = [{"machine": HOSTILE, "title": HOSTILE, "family": "", "reason": HOSTILE}]
    page = slim_page(document)
    assert HOSTILE not in page
    assert "window.hacked" in " ".join(read(page).words)  # told, as text
    assert not [one for one, _ in read(page).elements if one in ("img", "iframe", "object")]
    assert "\x1b" not in text_of({**document, "notes": ["\x1b[31mred"]})


def test_a_model_at_chance_is_told_before_anything_else_and_once() -> None:
    pytest.importorskip("plotly")
    said = "AT CHANCE: the model as given is not shown to beat one constant answer: accuracy 11 %"
    document = {**example_slim(), "chance": said}
    document["notes"] = [said, *document["notes"]]
    assert headline(document)[0] == f"{said}."
    text = " ".join(text_of(document).split())
    assert text.count("AT CHANCE") == 1
    assert text.index("AT CHANCE") < text.index("What ships")
    words = " ".join(read(slim_page(document)).words)
    assert words.count("AT CHANCE") == 1
    assert words.index("AT CHANCE") < words.index("What ships")


def test_times_divide_to_the_ratios_beside_them_and_quick_ones_are_marked(page: str) -> None:
    document = example_slim()
    ranking = {one["digest"]: one for one in document["run"]["ranking"]}
    text, words = " ".join(text_of(document).split()), " ".join(read(page).words)
    for digest, one in ranking.items():
        assert ranking["d0"]["cpu_time_s"] / one["cpu_time_s"] == pytest.approx(one["saving"])
        shown = f"{'≈ ' if one['timed'] == 'quick' else ''}{format_si(one['cpu_time_s'], 's')}"
        assert shown in text, digest
        assert shown in words, digest
    assert text.count("≈") == 2  # one row, and the legend


def test_an_error_that_grows_is_told_as_growing() -> None:
    worse = {"score": 0.27, "drop": 0.19, "bound": 0.21, "keeps": False}
    assert drop_words(worse, "mean-error") == "0.27 (+0.19)"
    assert drop_words(worse, "accuracy").endswith("(−19 points)")
    assert guard_text(worse, "mean-error") == "0.27 ✗ at most 0.21 more"
    document = example_slim()
    document["data"]["metric"] = "mean-error"
    assert use_text(document).startswith("the mean error may grow by at most 0.01")
