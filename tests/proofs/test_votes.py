import pytest
from scipy.stats import beta

from qgen.proofs.attempts import PROGRAM, WORDS, Attempt
from qgen.proofs.votes import CLEAR, Votes, confidence, counted, settled


@pytest.mark.parametrize(("agree", "runner_up"), [(0, 0), (2, 0), (3, 2), (0, 5), (16, 9)])
def test_confidence_is_the_mass_of_beta_above_a_half(agree, runner_up):
    assert confidence(agree, runner_up) == pytest.approx(beta(agree + 1, runner_up + 1).sf(0.5))


def test_attempts_are_counted_by_kind():
    made = [Attempt(PROGRAM, "6", True, 9, None), Attempt(PROGRAM, None, True, 9, "error")]
    made += [Attempt(WORDS, "7", True, 9, None), Attempt(WORDS, "6.0", True, 9, None)]
    votes = counted("6", made, ["6", None, "7", "6"])
    assert (votes.agree, votes.runner_up, votes.unanswered, votes.other, votes.samples) == (0.5, 0.25, 0.25, "7", 4)
    assert votes.kinds == {
        PROGRAM: {"made": 2, "agree": 1, "unanswered": 1},
        WORDS: {"made": 2, "agree": 1, "unanswered": 0},
    }
    assert votes.plain()["confidence"] == round(confidence(2, 1), 4)
    assert not votes.solvable
    assert counted("6", [], []).samples == 0


def test_attempts_stop_where_nothing_they_say_would_change_the_decision():
    def votes(agree, runner_up, silent):
        made = agree + runner_up + silent
        return Votes(agree / made, runner_up / made, silent / made, "", made)

    assert settled(votes(4, 0, 0), 4)  # sure
    assert settled(votes(0, 4, 0), 4)
    assert not settled(votes(3, 0, 1), 4)
    assert settled(votes(0, 2, 0), 1, sure=1.0)  # one more cannot make it clear
    assert settled(votes(0, 0, 5), 3, sure=1.0)  # more than half are silent whatever comes
    assert settled(votes(5, 0, 1), 2, sure=1.0)
    assert confidence(5, 2) >= CLEAR
    assert settled(votes(1, 1, 1), 0)
