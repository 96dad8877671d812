"""The attack: what the best junk earns against real problems, and when rewards are bought."""

import json
import random
from pathlib import Path

import pytest
from conftest import composed, corpus, qgen

from qgen.adversary import Material
from qgen.engine.completion import Completion
from qgen.rewards import Rewards, attack, registry, term, text
from qgen.rewards.earnings import BEST, FEW, Payer, Standard
from qgen.rewards.unseen import builder
from qgen.settings.attack import AttackConfig
from qgen.settings.choices import JunkClass
from qgen.settings.config import to_yaml
from qgen.settings.reward import RewardConfig, SolverConfig, TermConfig

SOME = [JunkClass.nonsense, JunkClass.climb, JunkClass.wrong, JunkClass.repeat]
N = 40


def parts(text):
    """A text's statement and answer, whatever they are worth."""
    statement, _, answer = text.removeprefix("Problem: ").rpartition("\nAnswer: ")
    return statement, answer


@pytest.fixture
def attacked():
    """What an attack on a term finds that is registered for it: figures of each class by name, all rows, the verdict,
    and the batches that the term was shown."""

    def under(function):
        batches = []

        @term("tried")
        def tried(completions, **columns):
            batches.append({"texts": [text(c) for c in completions], **columns})
            return function([text(c) for c in completions], columns)

        rewards = Rewards(RewardConfig(terms={"tried": TermConfig()}, gate=None), corpus().train)
        pay = Payer(rewards, composed("stage=grpo").prompt, 16)
        standard = Standard(pay(corpus().heldout))
        material = Material(corpus().train, corpus().heldout, attack.requests(corpus().heldout, N, 8), 8)
        config = AttackConfig(classes=SOME, n=N, budget=200)
        texts, _ = attack.earned(pay, standard, material, config, 0)
        figures = [standard.figures(name, rows) for name, rows in texts.items()]
        told = attack.verdict({"classes": figures, "solver": False}, texts, standard)
        return {row["class"]: row for row in figures}, texts, told, batches

    yield under
    registry.TERMS.pop("tried", None)


def test_rewards_that_know_real_problems_are_not_bought(attacked):
    real = {(p.statement, p.answer) for p in corpus().heldout}

    def oracle(texts, _):
        seen = [texts.count(t) == 1 and parts(t) in real for t in texts]
        return [0.9 if good else 0.0 for good in seen]

    figures, texts, told, _ = attacked(oracle)
    assert told == ""
    assert not any(row["bought"] for row in figures.values())
    assert {row["best"] for row in figures.values()} == {0.0}
    assert set(texts) == {kind.value for kind in SOME}


def test_rewards_that_pay_all_alike_are_bought_by_every_class(attacked):
    figures, _, told, _ = attacked(lambda texts, _: [0.5] * len(texts))
    assert all(row["bought"] and row["above_median"] == row["above_tenth"] == 1.0 for row in figures.values())
    assert "these rewards are bought" in told
    assert "nonsense 0.50 (level 1, real 0.50)" in told
    assert "judge form alone" in told


def test_rewards_that_pay_one_class_are_bought_by_it(attacked):
    real = {p.statement for p in corpus().heldout}

    def blind(texts, _):  # to answers
        return [0.8 * (parts(t)[0] in real and texts.count(t) == 1) for t in texts]

    figures, _, told, _ = attacked(blind)
    assert [name for name, row in figures.items() if row["bought"]] == ["wrong"]
    assert "wrong 0.80" in told
    assert "nonsense" not in told


def test_what_was_lucky_once_does_not_buy(attacked):
    real, seen = {p.statement for p in corpus().heldout}, set()

    def lucky(texts, _):
        values = [0.6 if parts(t)[0] in real else 0.1 if t in seen else 0.9 for t in texts]
        seen.update(texts)
        return values

    figures, texts, told, _ = attacked(lucky)
    assert not figures["nonsense"]["bought"]
    assert figures["nonsense"]["best"] == 0.9
    assert figures["nonsense"]["again"] == 0.1
    assert sum("again" in row for row in texts["nonsense"]) == BEST
    assert "nonsense" not in told
    assert "wrong" in told


def test_texts_are_scored_as_training_hands_them_over(attacked):
    _, _, _, batches = attacked(lambda texts, _: [random.Random(t).random() for t in texts])
    assert max(len(batch["texts"]) for batch in batches) == 16
    shown = [b["texts"] for b in batches if len(set(b["texts"])) == 16]
    assert any(texts[::-1] in shown for texts in shown)  # the second time, for other attempts of a solver
    batch = next(b for b in batches if len(set(b["level"])) == 2 and b["level"][:8] == [1] * 8)
    assert batch["prompts"][0] == batch["prompts"][7] != batch["prompts"][8]
    assert f"of difficulty {batch['level'][8]} out of 5" in batch["prompts"][8][-1]["content"]
    assert batch["topic"][0] in batch["prompts"][0][-1]["content"]
    assert batch["batch_size"] == 16


def test_the_search_climbs_on_what_is_paid(attacked):
    figures, texts, _, _ = attacked(lambda texts, _: [min(1.0, len(t) / 2000) for t in texts])
    assert figures["climb"]["mean"] > figures["nonsense"]["mean"]
    assert {row["level"] for row in texts["climb"]} == {1, 2, 3, 4, 5}


class Oracle:
    """A base that solves every real problem, and answers anything else by lot."""

    def __init__(self):
        self.prompt = composed().prompt
        self.answers = {p.statement: p.answer for p in (*corpus().train, *corpus().heldout)}
        self.seeds: list[int] = []

    def write(self, prompts, sampling, seed, wrote):
        self.seeds.append(seed)
        draw = random.Random(seed)
        asked = ["\n".join(message["content"] for message in prompt) for prompt in prompts]
        known = [next((a for s, a in self.answers.items() if s in text), None) for text in asked]
        found = [Completion(f"\\boxed{{{(a or str(draw.randrange(10**6))).strip('$')}}}", 5, True) for a in known]
        for number, completion in enumerate(found):
            wrote(number, completion)
        return found


def test_a_solver_that_knows_is_not_bought_and_tries_anew_the_second_time():
    base = Oracle()
    solver = SolverConfig(samples=4, programs=0.0, calibrate=2)
    rewards = Rewards(RewardConfig(terms={"solvable": TermConfig()}, gate=None, solver=solver), corpus().train, base)
    pay = Payer(rewards, base.prompt, 16)
    standard = Standard(pay(corpus().heldout))
    assert standard.of(1) > 0.7
    asked = attack.requests(corpus().heldout, 16, 8)
    material = Material(corpus().train, corpus().heldout, asked, 8)
    classes = [JunkClass.nonsense, JunkClass.cut, JunkClass.underdetermined, JunkClass.wrong]
    texts, _ = attack.earned(pay, standard, material, AttackConfig(classes=classes, n=16), 0)
    rewards.solver.agreement.close()
    figures = [standard.figures(name, rows) for name, rows in texts.items()]
    assert attack.verdict({"classes": figures, "solver": True}, texts, standard) == ""
    assert {row["best"] for row in figures} == {0.0}
    assert all(row["votes"] for row in texts["wrong"])
    assert len(set(base.seeds)) == len(base.seeds)


def test_a_class_of_which_no_text_can_be_made_is_named():
    few = [p for p in corpus().heldout if not any(sign.isdigit() for sign in p.answer)][:4]
    material = Material(corpus().train, few, attack.requests(few, 8, 8), 8)
    with pytest.raises(RuntimeError, match=r"no text of wrong, constant can be made of 4 unseen problems"):
        attack.earned(None, None, material, AttackConfig(classes=[JunkClass.wrong, JunkClass.constant]), 0)


def test_requests_cover_every_level_and_topic_in_whole_groups():
    asked = attack.requests(corpus().heldout, 5 * 8 * 5, 8)
    assert all(len(set(asked[i : i + 8])) == 1 for i in range(0, len(asked), 8))
    assert len(set(asked)) == 25  # of five topics and five levels


def test_a_levels_standard_is_its_own_unless_it_has_few():
    rows = [{"level": 1, "reward": 0.2}] * FEW + [{"level": 5, "reward": 0.9}] * (FEW - 1)
    standard = Standard(rows)
    assert standard.of(1) == 0.2
    assert standard.of(5) == standard.of(3) == 0.2  # the median of all
    assert standard.above({"level": 1, "reward": 0.3}) == pytest.approx(0.1)


def samples(home: Path, *overrides: str) -> Path:
    stage = home / "grpo"
    stage.mkdir(parents=True)
    (stage / "config.yaml").write_text(to_yaml(composed("stage=grpo", "run_name=t", *overrides)))
    rows = [
        {"mode": mode, "step": step, "topic": "Sequence", "level": 1, "completion": f"{mode} {step} {i % 3}",
         "reward": (step + i) / 100, "terms": {"format": 1.0}}
        for mode in ("validation", "train") for step in range(12) for i in range(4)
    ]  # fmt: skip
    (stage / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return stage


def test_the_winners_are_the_best_of_the_last_steps(tmp_path):
    home = samples(tmp_path)
    standard = Standard([{"level": 1, "reward": 0.13}])
    found = attack.winners(home, 3, standard)
    assert found["steps"] == [7, 8, 9, 10, 11]
    assert [row["reward"] for row in found["best"]] == [0.14, 0.13, 0.13]
    assert (found["completions"], found["different"]) == (20, 15)
    assert found["above_median"] == 3 / 20
    assert all(row["mode"] == "train" for row in found["best"])


def test_real_problems_that_earn_nothing_set_no_standard():
    """A solver that fails at most hard problems would put their median at 0, which any junk earns."""
    rows = [{"level": 5, "reward": 0.0}] * 12 + [{"level": 5, "reward": 0.4}] * 8
    standard = Standard(rows)
    assert standard.of(5) == 0.4
    assert not standard.figures("junk", [{"level": 5, "reward": 0.0, "again": 0.0}])["bought"]
    assert standard.figures("junk", [{"level": 5, "reward": 0.5, "again": 0.4}])["bought"]
    with pytest.raises(RuntimeError, match="none of 12 real problems earns anything"):
        Standard(rows[:12])


def test_a_term_that_asks_the_base_gets_one_without_a_solver():
    config = composed("stage=grpo", "model=tiny", "+reward.terms.band.weight=0.1")
    assert config.reward.solver is None
    assert "natural" not in config.reward.terms
    assert "band" in builder(config)(corpus().train).terms


def test_a_run_of_other_rewards_is_refused(tmp_path):
    home = samples(tmp_path, "reward.terms.rigor.weight=0.5")
    with pytest.raises(ValueError, match=r"reward\.terms\.rigor\.weight: 0\.5 there, 0\.2 here"):
        attack.grpo_home(composed("stage=grpo"), tmp_path)
    assert attack.grpo_home(composed("stage=grpo", "reward.terms.rigor.weight=0.5"), tmp_path) == home
    with pytest.raises(ValueError, match="holds no GRPO stage"):
        attack.grpo_home(composed("stage=grpo"), tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["attack.classes=[nonsens]"], "expected one of [nonsense, climb, merged, cut,"),
        (["attack.buget=3"], "did you mean attack.budget?"),
        (["attack.n=12"], "attack.n=12 must be a multiple of stage.num_generations=8"),
        (["stage=sft"], "the attack is on the rewards of GRPO"),
        (["stage.task=both", "reward=variation"], "leave stage.task out"),
        (["prompt=zh"], "are English: with prompt.language=zh, attack.classes=[wrong,repeat,constant,offtopic]"),
        (["attack.run=nowhere"], "attack.run=nowhere: there is no such directory"),
        (["reward=verified", "reward.solver=null", "model=tiny"], "needs a solver: set reward.solver"),
        (["data=jsonl", "data.path=one.jsonl"], "and 0 held out"),
    ],
)
def test_a_mistake_is_one_message(tmp_path, arguments, says):
    row = {"problem": "How many primes are there below $100$?", "answer": "25"}
    (tmp_path / "one.jsonl").write_text(json.dumps(row) + "\n")
    done = qgen(*arguments, cwd=tmp_path, module="rewards.attack")
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("report.json"))


@pytest.mark.slow
def test_seed_is_bought_and_the_report_says_so(tmp_path):
    done = qgen("run_name=t", f"attack.n={N}", "attack.budget=320", cwd=tmp_path, module="rewards.attack")
    assert done.returncode == 1
    assert "these rewards are bought" in done.stderr
    assert "judge form alone" in done.stderr
    report = json.loads((tmp_path / "outputs/t/attack/report.json").read_text())
    real, found = report["real"], {row["class"]: row for row in report["classes"]}
    assert list(found) == [kind.value for kind in JunkClass]
    assert report["problems"] == len(corpus().train) + len(corpus().heldout)
    assert 0.7 < real["median"] < 0.9
    assert real["above_median"] == pytest.approx(0.5, abs=0.03)
    assert {name for name, row in found.items() if row["bought"]} >= {"nonsense", "climb", "cut", "wrong", "offtopic"}
    assert found["climb"]["mean"] > found["nonsense"]["mean"]  # the search pays, too: to the last level
    assert all(course == sorted(course) and course[-1] > course[0] for course in report["climb"].values())
    assert set(found["nonsense"]["levels"]) == set(real["levels"]) == set("12345")
    assert found["constant"]["mean"] < real["levels"]["1"]["median"]
    said = done.stdout
    assert all(f"\n{name}, the best of them:" in said for name in found)
    texts = [json.loads(line) for line in (tmp_path / "outputs/t/attack/texts.jsonl").read_text().splitlines()]
    assert {row["class"] for row in texts} == set(found)
    assert sum("again" in row for row in texts) == BEST * len(found)
    assert max(row["reward"] for row in texts if row["class"] == "nonsense") == found["nonsense"]["best"]


@pytest.mark.slow
def test_a_short_grpo_run_is_trained_and_its_winners_are_shown(tmp_path):
    small = ("model=tiny", "sampling.max_new_tokens=8", "validation.prompts=4", "validation.problems=4",
             "stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=2")  # fmt: skip
    attack_it = ("attack.classes=[nonsense]", "attack.n=8", "attack.problems=60", "attack.winners=2")
    done = qgen("run_name=t", "attack.steps=2", *small, *attack_it, cwd=tmp_path, module="rewards.attack")
    home = tmp_path / "outputs/t/attack/trained/grpo"
    assert (home / "adapter").is_dir(), done.stderr
    assert "what GRPO found: the completions of steps 0 to 1" in done.stdout
    report = json.loads((tmp_path / "outputs/t/attack/report.json").read_text())
    assert report["winners"]["completions"] == 16
    assert len(report["winners"]["best"]) == 2
