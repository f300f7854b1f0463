"""A race drops by evidence alone, sets aside for want of money, and says which is which."""

import re

import numpy as np
import pytest

from transfer_jax.analysis.race_advice import race_tables
from transfer_jax.analysis.raced import Raced, rules_of
from transfer_jax.analysis.statistics.best import compare
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.race import after, race
from transfer_jax.analysis.statistics.race_evidence import Asked, by_images, by_seeds, ways_of
from transfer_jax.analysis.statistics.race_outcome import Fate, RaceOutcome
from transfer_jax.analysis.statistics.race_rules import Rules, Seen, looks_of
from transfer_jax.analysis.statistics.race_telling import answer_of, sentences
from transfer_jax.folder.race_files import RaceFile, WayPrice

from .pretrained import probe, tuned

FULL, FREEZE, LP, PROBE = tuned("full"), tuned("freeze", 3), tuned("lp-ft"), probe(2)
ARMS = (FULL, FREEZE, LP, PROBE)
IMAGES = 300


def right(share: float, seeds: int = 1, shift: int = 0, images: int = IMAGES) -> Seen:
    """So many are right, from a place on; the same for each seed."""
    own = np.roll(np.arange(images) < round(share * images), shift)
    return Seen.of(np.repeat(own[None], seeds, axis=0))


def rules(budget: float = 4.0, **given: object) -> Rules:
    return Rules(dict.fromkeys(ARMS, 1.0), 0.01, looks_of(**given), budget)  # type: ignore[arg-type]


def fates(outcome: RaceOutcome, look: int) -> dict[Arm, Fate]:
    return {verdict.arm: verdict.fate for verdict in outcome.rounds[look].verdicts}


FIRST = dict(zip(ARMS, map(right, (0.5, 0.9, 0.8, 0.7)), strict=True))
LAST = dict(zip(ARMS, map(right, (0.95, 0.9, 0.7, 0.6)), strict=True))


def test_curves_that_cross_drop_nobody_before_the_end():
    """Full is 40 points below at a quarter of the steps, on 300 images, and the best at the end."""
    outcome = race(rules(), [FIRST])
    assert set(outcome.going_on) == set(ARMS)
    assert set(fates(outcome, 0).values()) == {Fate.GOES_ON}
    outcome = race(rules(), [FIRST, FIRST, LAST])
    assert outcome.leader == FULL and outcome.is_over
    assert [verdict.arm for verdict in outcome.dropped] == [LP, PROBE]
    assert outcome.set_aside == ()
    assert outcome.not_excluded == (FULL, FREEZE)


def test_who_takes_early_accuracy_for_the_end_drops_the_best():
    """And is told so: the reason names what was taken for granted."""
    given = rules(may_move={0.25: 0.05})
    outcome = race(given, [FIRST])
    assert FULL in [verdict.arm for verdict in outcome.dropped]
    why = next(v.why for v in outcome.dropped if v.arm == FULL)
    assert why == (
        "full is 40.0 points below freeze:3 after 0.25 of the steps, with a standard error of 2.8; "
        "it is shown to be worse than another way by more than a point, if it can gain no more "
        "than 5 points from here on."
    )
    # With as much as it gains, it stays.
    assert FULL in race(rules(may_move={0.25: 0.40}), [FIRST]).going_on


def test_what_the_budget_stops_is_set_aside_and_stays_on_the_list():
    """Two of four whole trainings: four quarters, three, one half... and the lowest go first."""
    outcome = race(rules(2.0), [FIRST])
    assert fates(outcome, 0)[FULL] == Fate.SET_ASIDE and FULL in outcome.not_excluded
    assert fates(outcome, 0)[FREEZE] == Fate.GOES_ON
    while not outcome.is_over:
        outcome = after(outcome, {arm: LAST[arm] for arm in outcome.going_on})
    assert outcome.cost <= 2.0 and not outcome.decided
    assert outcome.saved == pytest.approx(1 - outcome.cost / 4)
    assert outcome.taken == FREEZE and FULL in outcome.not_excluded
    assert "set aside, not excluded" in answer_of(outcome)
    # All to the end is the complete grid.
    assert outcome.would_decide.budget == pytest.approx(4.0)


def test_a_way_that_never_began_is_not_excluded():
    outcome = race(Rules({FULL: 3.0, PROBE: 0.1}, 0.01, looks_of(), 1.0))
    assert outcome.going_on == (PROBE,) and outcome.not_excluded == (PROBE, FULL)
    (verdict,) = outcome.set_aside
    assert (verdict.arm, verdict.look, verdict.fate) == (FULL, 0, Fate.SET_ASIDE)


def test_a_budget_that_trains_nothing_says_what_would():
    outcome = race(Rules({FULL: 3.0, PROBE: 0.1}, 0.01, looks_of(), 0.05))
    assert outcome.is_over and answer_of(outcome) == (
        "A budget of 0.05 trains no way to its end; one: 0.1."
    )


def test_a_race_that_was_stopped_goes_on_as_if_it_was_not():
    at_once = race(rules(2.5), [FIRST])
    seen = [FIRST, {arm: LAST[arm] for arm in at_once.going_on}]
    again = race(rules(2.5), seen)
    assert sentences(again) == sentences(after(race(rules(2.5), seen[:1]), seen[1]))
    assert again == race(rules(2.5), seen)


def test_ways_that_tie_are_told_to_and_how_many_images_would_decide():
    """Twelve images only the one gets right, twelve the other, of 300; the cheaper is taken."""
    own = Rules({FULL: 1.0, PROBE: 0.1}, 0.01, looks_of((1.0,)))
    outcome = race(own, [{FULL: right(0.9), PROBE: right(0.9, shift=12)}])
    assert outcome.choice is None and outcome.taken == PROBE and not outcome.decided
    assert set(outcome.not_excluded) == {FULL, PROBE}
    number = outcome.would_decide.images
    assert number is not None
    assert answer_of(outcome) == (
        "Of the 2 ways that finished none is shown to be the best (probe at n = 2; full): take "
        "probe:2, the cheapest of the 2 highest."
    )
    more = {
        FULL: right(0.9, images=number),
        PROBE: right(0.9, shift=round(0.04 * number), images=number),
    }
    assert race(own, [more]).choice == PROBE
    fewer = round(0.8 * number)
    less = {
        FULL: right(0.9, images=fewer),
        PROBE: right(0.9, shift=round(0.04 * fewer), images=fewer),
    }
    assert race(own, [less]).choice is None


def test_a_choice_is_for_all_ways():
    own = Rules(dict.fromkeys(ARMS, 1.0), 0.01, looks_of((1.0,)))
    outcome = race(own, [LAST | {FREEZE: right(0.6)}])
    assert outcome.choice == FULL and outcome.decided
    told = "Full is within a point of the best of all 4 ways, whichever that is."
    assert answer_of(outcome) == told


def test_a_network_that_failed_is_said_to_have_failed():
    lost = Seen(np.array([np.nan]), IMAGES)
    outcome = race(rules(), [FIRST | {LP: lost}])
    assert LP not in outcome.going_on and not outcome.set_aside
    assert [v.why for v in outcome.failed] == ["lp-ft is stopped: its network failed."]
    assert LP not in outcome.not_excluded
    told = "Failed after 0.25 of the steps: lp-ft; their loss was no number, as with too high a"
    assert f"{told} learning rate." in sentences(outcome)
    ended = race(rules(shares=(1.0,)), [LAST | {PROBE: lost}])
    assert (
        answer_of(ended).endswith("the 2 ways trained to the end; 1 failed.") and not ended.decided
    )
    assert not race(rules(shares=(1.0,)), [dict.fromkeys(ARMS, lost)]).finished


def test_accuracies_alone_are_enough_for_what_is_far_away():
    known = {arm: Seen(own.accuracy, IMAGES) for arm, own in LAST.items()}
    outcome = race(rules(shares=(1.0,)), [known])
    assert [verdict.arm for verdict in outcome.dropped] == [LP, PROBE]


def table(random: np.random.Generator, seeds: int, ways: int = 4) -> list[Seen]:
    """Ways that differ by two points each, on 2000 images of their own difficulty."""
    easy = random.standard_normal(2000)
    level = np.linspace(1.3, 1.0, ways)[:, None, None]
    luck = 0.02 * random.standard_normal((ways, seeds, 1))
    own = random.standard_normal((ways, seeds, 2000))
    return [Seen.of(found) for found in level + luck + easy + 0.5 * own > 0]


def test_with_several_seeds_ways_are_compared_as_advice_compares_them():
    """Where all are here: the limits of 95% divided by the parts of the error, and by the ways."""
    random = np.random.default_rng(0)
    for _ in range(3):
        seen = table(random, 3)
        found = by_seeds(ARMS, seen, Asked(4, 0.01, 0.02, all_here=True))
        wanted = compare(ways_of(ARMS, seen), 0.01, confidence=0.98, among=4)
        assert found.worse.tolist() == wanted.excluded.tolist()
        assert found.near.tolist() == wanted.may_be_chosen.tolist()


def test_ways_that_left_still_count():
    """Two are here of two, of four, of forty: ever more is needed to call one worse."""
    shown: list[int] = []
    for entered in (2, 4, 40):
        asked = Asked(entered, 0.0, 0.05, all_here=False)
        random = np.random.default_rng(1)
        tables = [table(random, 1)[:2] for _ in range(60)]
        shown.append(sum(bool(by_images(seen, asked).worse.any()) for seen in tables))
    assert shown[0] > shown[1] > shown[2]


def test_one_seed_of_several_drops_nobody():
    """What is asked is about ways, and one seed tells nothing of others."""
    given = rules(8.0, shares=(1.0,), seeds=2)
    one = race(given, [LAST])
    assert set(one.going_on) == set(ARMS)
    shares = {FULL: (0.95, 0.94), FREEZE: (0.9, 0.91), LP: (0.7, 0.71), PROBE: (0.6, 0.6)}
    two = {
        arm: Seen.of(np.concatenate([right(share).right for share in own]))  # type: ignore[arg-type]
        for arm, own in shares.items()
    }
    both = race(given, [LAST, two])
    assert PROBE in [verdict.arm for verdict in both.dropped]
    assert "new seeds" in " ".join(sentences(both))


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({FULL: right(0.9)}, "look 1 saw full; running: freeze:3, full, lp-ft, probe:2"),
        (
            LAST | {LP: right(0.7, seeds=2)},
            "look 1 saw 2 seeds of lp-ft; it is after 0.25 of the steps",
        ),
        (
            LAST | {LP: right(0.7, images=20)},
            r"look 1 saw ways on \[20, 300\] images; allowed: the same",
        ),
    ],
)
def test_what_a_race_cannot_be_asked(seen, told):
    with pytest.raises(ValueError, match=told):
        race(rules(), [seen])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"shares": (0.5,)}, r"looks are at \[0.5\]; allowed: shares of the steps that rise to 1"),
        ({"shares": (0.5, 0.5, 1.0)}, "that rise to 1"),
        ({"seeds": 0}, "a race of 0 seeds; allowed: 1 or more"),
        ({"may_move": {0.3: 0.1}}, "may_move is given for 0.3; looks are at"),
    ],
)
def test_looks_that_are_none(given, told):
    with pytest.raises(ValueError, match=told):
        looks_of(**given)


def test_the_error_is_shared_by_what_can_be_wrong():
    """One look drops, two kinds of choice: a third each; four parts where two looks drop."""
    assert rules().error_of_a_look == pytest.approx(0.05 / 3)
    assert rules(may_move={0.5: 0.1}).error_of_a_look == pytest.approx(0.05 / 4)
    assert rules(seeds=3).error_of_a_look == pytest.approx(0.05 / 4)


def test_a_budget_that_trains_all_holds_what_comes_first():
    """Two ways of one unit, and 0.3 before them: one is paid, 2.3 would pay both."""
    own = Rules({FULL: 1.0, FREEZE: 1.0}, 0.01, looks_of(), 1.0, first=0.3)
    looked = {FULL: right(0.9)}
    outcome = race(own, [looked, looked, looked])
    assert outcome.would_decide.budget == pytest.approx(2.3)
    poor = race(Rules({FULL: 3.0}, 0.01, looks_of(), 1.0, first=0.3))
    assert answer_of(poor) == "A budget of 1.3 trains no way to its end; one: 3.3."


def test_money_would_not_mend_a_network_that_failed():
    own = Rules({FULL: 1.0, FREEZE: 1.0}, 0.01, looks_of(), 9.0)
    lost = Seen(np.array([np.nan]), 300, np.zeros((1, 300), bool))
    first = {FULL: lost, FREEZE: right(0.9)}
    outcome = race(own, [first, {FREEZE: right(0.9)}, {FREEZE: right(0.9)}])
    assert outcome.failed and outcome.would_decide.budget is None


def test_what_was_set_aside_has_a_price_and_a_budget_and_no_number_of_images():
    """Two of four are stopped after a quarter, which cost 0.25 each, and three quarters more."""
    tie = dict.fromkeys(ARMS, right(0.9))
    close = {FULL: right(0.9), FREEZE: right(0.9, shift=12), LP: right(0.8), PROBE: right(0.8)}
    outcome = race(rules(2.5), [FIRST | tie | close])
    while not outcome.is_over:
        outcome = after(outcome, {arm: close[arm] for arm in outcome.going_on})
    stopped = outcome.set_aside
    left = sum(1 - (0.25, 0.5)[verdict.look - 1] for verdict in stopped)
    lines = sentences(outcome)
    aside = [line for line in lines if line.startswith("Set aside")]
    assert len(aside) == 1 and aside[0].endswith(f"; to their ends for {left:.3g} more.")
    money = "A budget of 4 would train all to the end, and goes on from here."
    assert lines[lines.index(aside[0]) + 1] == money
    images = next(i for i, line in enumerate(lines) if "validation images" in line)
    assert images < lines.index(aside[0])
    assert lines[images].endswith("between the finished ways (300 images now).")


def test_a_budget_that_trains_nothing_names_the_one_that_trains_all():
    outcome = race(Rules({FULL: 3.0, FREEZE: 1.0}, 0.01, looks_of(), 0.05, first=0.5))
    assert sentences(outcome) == [
        "A budget of 0.55 trains no way to its end; one: 1.5.",
        "Set aside before the first step: full; freeze at n = 3; to their ends for 4 more.",
        "A budget of 4.5 would train all to the end.",
    ]


def test_the_budget_that_is_named_sets_no_way_aside():
    """As it is typed: its digits are rounded up, and whoever is dropped had to be paid for."""
    generator = np.random.default_rng(0)

    def raced(budget: float, costs: dict[Arm, float]) -> RaceOutcome:
        own = Rules(costs, 0.01, looks_of(), max(0.0, budget - 0.0537), looking=0.02, first=0.0537)
        outcome = race(own)
        while not outcome.is_over:
            seen = {arm: Seen.of(generator.random((1, 99)) < 0.6) for arm in outcome.going_on}
            outcome = after(outcome, seen)
        return outcome

    named = 0
    for _ in range(40):
        costs = dict(zip(ARMS, generator.random(len(ARMS)) + 0.1, strict=True))
        said = "\n".join(sentences(raced(0.9, costs)))
        (told,) = re.findall("A budget of (.*) would train all", said) or [""]
        named += bool(told)
        assert not told or not raced(float(told), costs).set_aside
        if told := re.findall("no way to its end; one: (.*)\\.$", answer_of(raced(0.1, costs))):
            assert raced(float(told[0]), costs).finished
    assert named > 30


def seen_by_chance(generator: np.random.Generator, arms: tuple[Arm, ...]) -> list[dict[Arm, Seen]]:
    """What three looks see of ways that are of all kinds."""
    chances = generator.uniform(0.6, 0.95, len(arms))
    return [
        {
            arm: Seen.of(generator.random((1, 200)) < own)
            for arm, own in zip(arms, chances, strict=True)
        }
        for _ in range(3)
    ]


def outcome_of(own: Rules, looks: list[dict[Arm, Seen]]) -> RaceOutcome:
    outcome = race(own)
    while not outcome.is_over:
        found = looks[len(outcome.rounds)]
        outcome = after(outcome, {arm: found[arm] for arm in outcome.going_on})
    return outcome


def paid_for(outcome: RaceOutcome) -> dict[Arm, int]:
    """What a larger budget finds: the looks of each way that costs anything."""
    rules = outcome.rules
    most = {arm: max(outcome.looks_at(arm), rules.before.get(arm, 0)) for arm in rules.costs}
    return {arm: looks for arm, looks in most.items() if looks and rules.costs[arm]}


def test_a_larger_budget_takes_nothing_back():
    """Budget after budget: who was dropped is dropped, who finished stays, all money is counted."""
    generator, dropped, ways = np.random.default_rng(1), 0, 0
    arms = tuple(tuned("freeze", n) for n in range(1, 8))
    costs = dict.fromkeys(arms, 1.0) | {PROBE: 0.0}
    for _ in range(20):
        looks = seen_by_chance(generator, (*arms, PROBE))
        before, gone, paid = {}, set(), 0.0
        for number, budget in enumerate((1.6, 2.3, 3.1, 7.5), 1):
            own = Rules(costs, 0.01, looks_of(), budget, before=before, budgets=number)
            outcome = outcome_of(own, looks)
            now = {verdict.arm for verdict in outcome.dropped}
            assert gone <= now
            finished = {arm for arm, seen in before.items() if seen == 3}
            assert finished <= {*outcome.finished, *now}
            # Nobody who was trained is said never to have been.
            assert not {verdict.arm for verdict in outcome.never_began} & before.keys()
            assert all(
                outcome.looks_at(arm) >= seen for arm, seen in before.items() if arm not in now
            )
            assert paid - 1e-9 <= outcome.cost <= budget + 1e-9
            before, gone, paid = paid_for(outcome), now, outcome.cost
            assert paid == pytest.approx(sum(sum(own.whole(arm)[:n]) for arm, n in before.items()))
        dropped, ways = dropped + len(gone), ways + len(before)
    assert dropped > 20 and ways == 20 * len(arms)


def test_who_failed_is_not_paid_for_again():
    """What is left of a larger budget is for others: by hand, one whole training of FREEZE."""
    lost = Seen(np.array([np.nan]), IMAGES, np.zeros((1, IMAGES), bool))
    small = outcome_of(Rules({FULL: 1.0, FREEZE: 1.0}, 0.01, looks_of(), 1.0), [{FULL: lost}])
    assert answer_of(small) == (
        "No way was trained to the end: every network that was trained failed."
    )
    assert "never began: there was no money for it" in small.never_began[0].why
    # A quarter of the one is gone, and all of the other is to come.
    assert small.would_decide.budget == 1.25
    assert (
        sentences(small)[-2]
        == "A budget of 1.25 would train all others to the end, and goes on from here."
    )
    larger = Rules(
        {FULL: 1.0, FREEZE: 1.0}, 0.01, looks_of(), 1.25,
        before={FULL: 1}, failed=frozenset({FULL}), budgets=2,
    )  # fmt: skip
    assert larger.enough == 1.25
    outcome = outcome_of(larger, [{FULL: lost, FREEZE: right(0.9)}, {FREEZE: right(0.9)}] * 2)
    assert outcome.finished == (FREEZE,) and outcome.cost == 1.25
    assert [verdict.arm for verdict in outcome.failed] == [FULL]


def test_heads_are_alone_only_where_nothing_else_came_to_its_end():
    """A way that is dropped at the last look was trained all the same."""
    told = "These are linear heads alone: no way that trains layers was trained to its end."
    own = Rules({FULL: 1.0, PROBE: 0.0}, 0.01)
    look = {FULL: right(0.6), PROBE: right(0.95)}
    outcome = race(own, [look] * 3)
    assert outcome.finished == (PROBE,) and told not in sentences(outcome)
    poor = Rules({FULL: 1.0, PROBE: 0.0}, 0.01, budget=0.5)
    assert told in sentences(race(poor, [{PROBE: right(0.95)}] * 3))


def test_looks_may_cost_more_than_a_complete_grid_that_has_none():
    own = Rules(dict.fromkeys(ARMS, 0.1), 0.01, looks_of(), 9.0, looking=0.1)
    outcome = race(own, [dict.fromkeys(ARMS, right(0.9))] * 3)
    # Of each way 0.1 and three looks of 0.1; the complete grid has one.
    told = "Training cost 1.6, 100% more than the complete grid, since networks were looked at on"
    assert sentences(outcome)[-1] == f"{told} their way."


def test_who_failed_is_no_question_of_money():
    own = Rules({FULL: 1.0, FREEZE: 1.0}, 0.01, looks_of(), 9.0)
    lost = Seen(np.array([np.nan]), 300, np.zeros((1, 300), bool))
    outcome = race(own, [{FULL: lost, FREEZE: right(0.9)}])
    assert not re.search("more|budget", " ".join(sentences(outcome)))


def test_the_table_has_the_price_of_each_way_to_its_end():
    file = RaceFile(
        ("whole.A",),
        tuple(WayPrice(a.treatment.value, a.n, a.variant, 1 - 0.1 * a.n) for a in ARMS),
        2.0, 0.0, 0.01, 0.01, 1, 9,
    )  # fmt: skip
    outcome = race(rules_of(file, file.tasks[0]), [FIRST])
    (table,) = race_tables([Raced("whole.A", file, outcome)])
    cells = {line[0]: dict(zip(table.header, line, strict=True)) for line in table.rows}
    assert cells["full"]["fate"] == "set aside" and cells["full"]["price"] == "0.26"
    assert cells["full"]["to its end"] == "1.03" and cells["freeze:3"]["to its end"] == "0.73"


def test_a_probe_that_is_far_below_at_its_end_is_excluded_with_seventy_images():
    """26 images of 72 that only the best gets right, and 3 that only the probe does; bets show it
    of fewer ways, or of more images."""
    ways = (FULL, LP, PROBE, *(tuned("freeze", n) for n in (2, 4, 6)), *map(probe, (4, 6)))
    image = np.arange(72)
    far = (image >= 26) & (image < 57)
    near = (image < 50) & (image > 7)
    seen = dict.fromkeys(ways, Seen.of(near[None]))
    seen |= {FULL: Seen.of(image[None] < 54), PROBE: Seen.of(far[None])}
    outcome = race(Rules(dict.fromkeys(ways, 1.0), 0.01, looks_of()), [seen, seen, seen])
    assert [verdict.arm for verdict in outcome.dropped] == [PROBE]
    (verdict,) = outcome.dropped
    assert verdict.look == 3 and 100 * verdict.below == pytest.approx(32, abs=0.1)


@pytest.mark.parametrize("images", [70, 300])
def test_ways_that_are_alike_are_dropped_no_more_often_than_the_error_says(images):
    """All are as good as the best, but for the margin."""
    random, wrong, tables = np.random.default_rng(0), 0, 600
    asked = Asked(6, 0.01, 0.05, all_here=True)
    for _ in range(tables):
        easy = random.standard_normal(images)
        level = np.array([0.5, *[0.5 - 0.027] * 5])[:, None]  # 0.0095 less is right
        own = level + easy + 0.6 * random.standard_normal((6, images)) > 0
        wrong += by_images([Seen.of(one[None]) for one in own], asked).worse.any()
    assert wrong / tables <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / tables)
