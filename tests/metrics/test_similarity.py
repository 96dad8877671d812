import numpy as np
import pytest
from conftest import CUBES, DIGITS, SPHERES

from qgen.metrics.similarity import SimilarityIndex, leave_one_out, mask, near_duplicates

TEXTS = [p.statement for p in (SPHERES, DIGITS, CUBES)]


def test_a_text_is_nearest_to_itself():
    similarity, where = SimilarityIndex(TEXTS).nearest(TEXTS)
    assert similarity == pytest.approx(np.ones(3))
    assert where.tolist() == [0, 1, 2]


def test_unlike_texts_are_far():
    similarity, _ = SimilarityIndex(TEXTS).nearest(["", "zebra crossing", "\ud800 \0"])
    assert (similarity < 0.05).all()


def test_what_is_added_is_found():
    index = SimilarityIndex(TEXTS)
    written = [f"A hexagon of side ${n}$ is cut into {n} rhombi; find their number." for n in range(30)]
    for text in written:
        index.add([text])
    similarity, where = index.nearest(written)
    assert similarity == pytest.approx(np.ones(30))
    assert where.tolist() == list(range(3, 33))
    assert len(index) == 33


def test_masked_copies_with_other_numbers_are_equal():
    copy = DIGITS.statement.replace("four-digit", "six-digit") + " 12"
    assert mask("from 3.5 to 1,000") == "from 0 to 0"
    other = CUBES.statement.replace("1000", "5000").replace("7", "11")
    assert mask(other) == mask(CUBES.statement)
    assert mask(copy) != mask(DIGITS.statement)


def test_leave_one_out_ignores_the_text_itself():
    alone = leave_one_out(TEXTS)
    assert (alone < 0.5).all()
    assert leave_one_out([*TEXTS, TEXTS[0]])[[0, 3]] == pytest.approx(np.ones(2))


def test_near_duplicates_keep_the_first():
    assert near_duplicates([*TEXTS, TEXTS[1], TEXTS[1] + " Explain."], 0.85) == [None, None, None, 1, 1]
    assert near_duplicates([], 0.85) == []
