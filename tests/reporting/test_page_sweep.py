"""A sweep by setting: what differs, means and paired differences with Student's intervals, who takes part, the page."""

import re
import shutil

import pytest
import specimen
from test_page_write import CORPUS, page

from qgen.reporting.page import measures, write
from qgen.reporting.page.charts import Chart, Series, draw
from qgen.reporting.page.curves import Bundle, groups
from qgen.reporting.page.runs import read
from qgen.reporting.page.sweep import Setting, Sweep, bundles, sweeps
from qgen.runs.files import append

T2 = 4.302653  # the 97.5 % quantile of Student's t with 2 degrees of freedom
LOW, HIGH = (0.30, 0.32, 0.37), (0.50, 0.53, 0.59)  # differences 0.20, 0.21, 0.22
STEPS = {20: LOW, 100: HIGH}


def job(home, *overrides: str, seed: int = 0, **more):
    return specimen.job(home / ",".join((*overrides, f"seed={seed}")), *overrides, f"seed={seed}", **more)


def two_settings(home, low=LOW, high=HIGH, key="stage.warmup_steps", values=(2, 10)):
    """A sweep of one key over seeds: the quality of each."""
    for value, each in zip(values, (low, high), strict=True):
        for seed, quality in enumerate(each):
            if quality is not None:
                job(home, f"{key}={value}", seed=seed, reward=quality)
    return home


def one(home) -> Sweep:
    (found,) = sweeps([home])
    return found


def test_student_intervals_are_those_of_the_textbook():
    found = measures.estimate([1.0, 2.0, 3.0])  # s = 1, so half = t / √3
    assert (found.value, found.n) == (2.0, 3)
    assert found.high - 2 == pytest.approx(T2 / 3**0.5, abs=1e-6)
    assert 2 - found.low == pytest.approx(T2 / 3**0.5, abs=1e-6)
    two = measures.estimate([0.0, 2.0])  # s = √2, t(1) = 12.7062
    assert two.high == pytest.approx(1 + 12.7062, abs=1e-3)
    assert measures.estimate([5.0]) == measures.Estimate(5.0, 1)
    assert measures.estimate([]) is None


def test_settings_are_compared_seed_by_seed(tmp_path):
    found = one(two_settings(tmp_path / "m"))
    base, other = found.settings
    assert (base.label, other.label, other.name) == ("2", "10", "stage.warmup_steps=10")
    assert base.cell("reward").value.value == pytest.approx(0.33)
    cell = other.cell("reward")
    assert cell.value.value == pytest.approx(0.54)
    assert cell.difference.value == pytest.approx(0.21)
    assert cell.difference.high == pytest.approx(0.21 + T2 * 0.01 / 3**0.5, abs=1e-6)  # unpaired it would be ± 0.13
    assert (cell.text, cell.change, cell.clear, cell.better) == ("0.540", "+0.210", True, True)
    assert cell.between == "+0.185 to +0.235"
    assert base.cell("reward").difference is None
    assert [c.metric.name for c in other.cells if c.clear] == ["reward"]


def test_which_way_is_better_follows_the_metric(tmp_path):
    for value, losses in ((2, (1.5, 1.6, 1.7)), (10, (1.7, 1.81, 1.92))):
        for seed, loss in enumerate(losses):
            job(tmp_path / "m", f"stage.warmup_steps={value}", seed=seed, heldout_loss=loss)
    cell = one(tmp_path / "m").settings[1].cell("heldout_loss")
    assert (cell.clear, cell.better) == (True, False)


def test_only_seeds_that_both_have_are_paired(tmp_path):
    found = one(two_settings(tmp_path / "m", (0.3, 0.32, 0.37, None), (None, 0.5, 0.6, 0.9)))
    cell = found.settings[1].cell("reward")
    assert cell.value.n == 3
    assert cell.difference.n == 2
    assert cell.difference.value == pytest.approx((0.18 + 0.23) / 2)
    assert not cell.clear
    assert found.settings[1].shared == 2
    assert "3 seeds, 2 shared with the baseline" in page(tmp_path / "m").says("sweep")


def test_no_seed_in_common_is_told(tmp_path):
    found = one(two_settings(tmp_path / "m", (0.3, None), (None, 0.5)))
    assert found.settings[1].cell("reward").difference is None
    assert "1 seed, none shared with the baseline" in page(tmp_path / "m").says("sweep")


def test_one_seed_decides_nothing(tmp_path):
    found = one(two_settings(tmp_path / "m", (0.1,), (0.9,)))
    cell = found.settings[1].cell("reward")
    assert (cell.interval, cell.between, cell.clear) == ("", "", False)
    told = page(tmp_path / "m").says("sweep")
    assert "Δ +0.800" in told
    assert told.count("*") == 1  # that which says what it means


def test_differences_that_leave_in_0_or_have_no_spread_are_not_more_than_chance(tmp_path):
    found = one(two_settings(tmp_path / "a", LOW, (0.5, 0.2, 0.4)))
    assert not any(cell.clear for cell in found.settings[1].cells)
    same = one(two_settings(tmp_path / "b", (0.25, 0.5, 0.75), (0.5, 0.75, 1.0)))
    cell = same.settings[1].cell("reward")
    assert (cell.change, cell.between, cell.clear) == ("+0.250", "+0.250 to +0.250", False)


def test_jobs_of_one_seed_and_setting_count_once(tmp_path):
    home = two_settings(tmp_path / "m", (0.3,), (0.5,))
    specimen.job(home / "again", "stage.warmup_steps=10", "seed=0", "tracker.project=other", reward=0.7)
    cell = one(home).settings[1].cell("reward")
    assert cell.value.n == 1
    assert cell.value.value == pytest.approx(0.6)


def test_numbers_are_ordered_by_value_and_names_by_the_manifest(tmp_path):
    numbers, names = tmp_path / "numbers", tmp_path / "names"
    for value in (100, 20, 3):
        job(numbers, f"stage.warmup_steps={value}")
    for value in ("linear", "cosine", "constant"):
        job(names, f"stage.lr_scheduler_type={value}")
    assert [s.label for s in one(numbers).settings] == ["3", "20", "100"]
    assert [s.label for s in one(names).settings] == ["constant", "cosine", "linear"]
    given = [f"stage.lr_scheduler_type={value}" for value in ("linear", "constant", "cosine")]
    specimen.manifest(names, *((f"{value},seed=0", [value, "seed=0"], "complete", None) for value in given))
    assert [s.label for s in one(names).settings] == ["linear", "constant", "cosine"]


def test_what_was_asked_for_names_the_settings(tmp_path):
    home = tmp_path / "m"
    for name in ("before", "after"):
        specimen.job(home / name, "stage.max_steps=20", f"experiment={name}")
    found = one(home)  # after comes before before
    assert len(found.keys) == 3
    assert [s.label for s in found.settings] == [
        "gradient_accumulation_steps=8, warmup_steps=10, lr_scheduler_type=cosine",
        "gradient_accumulation_steps=4, warmup_steps=2, lr_scheduler_type=linear",
    ]
    assert "Every key in which the settings differ" not in page(home).says("sweep")
    specimen.manifest(home, *((name, [f"experiment={name}"], "complete", None) for name in ("before", "after")))
    found = one(home)
    assert [s.name for s in found.settings] == ["experiment=before", "experiment=after"]
    assert found.settings[0].values == {"stage.gradient_accumulation_steps": "4", "stage.warmup_steps": "2",
                                        "stage.lr_scheduler_type": "linear"}  # fmt: skip
    assert "Every key in which the settings differ" in page(home).says("sweep")


def test_failed_and_unfinished_jobs_are_listed_and_take_no_part(tmp_path):
    home = two_settings(tmp_path / "m")
    job(home, "stage.warmup_steps=2", seed=8, finished=False)
    names = sorted(path.name for path in home.iterdir() if "seed=8" not in path.name)
    good = [(name, name.split(","), "complete", None) for name in names]
    lost = ("gone", ["stage.warmup_steps=99"], "refused", "ValueError: <i>99</i> is too many")
    specimen.manifest(home, *good, lost, (names[0], [], "failed", "CUDA out of memory"))  # the last row of a job wins
    found = one(home)
    assert sorted(found.outside) == sorted([
        ("gone", "refused", "ValueError: <i>99</i> is too many"),
        (names[0], "failed", "CUDA out of memory"),
        ("stage.warmup_steps=2,seed=8", "unfinished", "it stands at step 10"),
    ])  # fmt: skip
    assert sum(len(s.stages) for s in found.settings) == 5
    told = page(home).says("sweep")
    assert "3 of its jobs take no part" in told
    assert "gone: refused: ValueError: <i>99</i> is too many" in told


def test_a_failed_job_that_was_repeated_takes_part(tmp_path):
    home = two_settings(tmp_path / "m")
    name = next(path.name for path in home.iterdir())
    specimen.manifest(home, (name, [], "failed", "killed"), (name, [], "complete", None))
    assert one(home).outside == []


def test_a_sweep_of_which_all_jobs_failed_says_why(tmp_path):
    specimen.manifest(tmp_path, ("a", [], "failed", "no CUDA device"))
    with pytest.raises(RuntimeError, match=r"holds no run.*a failed: no CUDA device"):
        read([tmp_path])


def test_pipelines_are_compared_stage_by_stage(tmp_path):
    home = tmp_path / "m"
    for value in (2, 10):
        for seed in range(3):
            name, own = f"w={value},s={seed}", [f"stage.warmup_steps={value}", f"seed={seed}"]
            specimen.job(home / name / "sft", *own, reward=0.3)
            if (value, seed) != (10, 2):
                origin = f"stage.init_from='{home / name / 'sft'}'"
                specimen.job(home / name / "grpo", *own, origin, kind="grpo", reward=0.3 + value / 100 + seed / 1000)
    specimen.manifest(home, ("w=10,s=2", [], "failed", "killed in grpo"))
    sft, grpo = sweeps([home])
    assert (sft.kind, grpo.kind) == ("sft", "grpo")
    assert [s.label for s in grpo.settings] == ["2", "10"]
    assert grpo.keys == ["stage.warmup_steps"]  # init_from leads through each job's own path
    assert [len(s.stages) for s in sft.settings] == [3, 3]
    assert sft.outside == []
    assert grpo.outside == [("w=10,s=2", "failed", "killed in grpo")]
    assert [len(s.stages) for s in grpo.settings] == [3, 2]
    told = page(home).says("sweep")
    assert told.count("Each setting is compared with the first") == 2


def test_where_stages_start_from_counts_when_it_is_swept(tmp_path):
    for origin in ("base", "elsewhere/sft"):
        specimen.job(tmp_path / "m" / origin[:4], f"stage.init_from={origin}", kind="grpo")
    assert one(tmp_path / "m").keys == ["stage.init_from"]


def test_a_sweep_of_seeds_alone_says_what_chance_does(tmp_path):
    for seed in range(3):
        job(tmp_path / "m", seed=seed, reward=LOW[seed])
    found = one(tmp_path / "m")
    assert [s.label for s in found.settings] == ["all jobs"]
    assert "Nothing but the seed differs" in page(tmp_path / "m").says("sweep")
    assert found.settings[0].cell("reward").interval == "0.240 to 0.420"  # 0.33 ± 4.3027 · 0.036056 / √3
    assert found.chart is None


def test_runs_and_stages_are_no_sweeps(tmp_path):
    home = specimen.run(tmp_path / "run")
    assert sweeps([home, home / "sft"]) == []
    found = page(home)
    assert "sweep" not in found.text
    assert ("a", "href", "#sweep") not in found.attributes


def test_training_figures_are_what_they_say(tmp_path):
    course = [4.0, 3.0, 2.0, 2.0, 1.0, 2.0, 1.0, 4.0, 1.0, 0.5]  # second half: +… 2→1→4→1→0.5
    stage = read([specimen.job(tmp_path / "r" / "sft", course=course)])[0].stages[0]
    found = measures.figures(stage)
    assert found["loss"] == 0.5
    assert found["spread"] == pytest.approx(2.496, abs=1e-3)  # of -1, 3, -3, -0.5: mean -0.375, Σ² 18.6875 / 3
    assert found["memory"] == pytest.approx(4573118464 / 2**30)
    assert found["validating"] == pytest.approx(33.5 / 138.1)
    smoothed = measures.smooth(measures.curve(stage))
    assert [value for _, value in smoothed[:3]] == pytest.approx([4.0, 3.7, 3.19])
    assert measures.reached(stage, 3.7) == 2
    assert measures.reached(stage, 0.1) is None


def test_steps_to_target_are_those_to_where_the_baseline_ended(tmp_path):
    slow, fast = [3.0, 2.8, 2.6, 2.4], [3.0, 2.1, 1.0, 1.0]
    stuck = [3.0] * 4
    for value, courses in ((2, [slow] * 3), (10, [fast] * 3), (11, [stuck] * 3), (12, [fast, fast, stuck])):
        for seed, course in enumerate(courses):
            job(tmp_path / "m", f"stage.warmup_steps={value}", seed=seed, course=course)
    base, quick, stuck, partly = one(tmp_path / "m").settings
    assert (partly.cell("target").value, partly.cell("target").note) == (None, "reached by 2 of 3")
    assert base.cell("target").value.value == 4
    assert quick.cell("target").value.value == 3  # smoothed 3, 2.73, 2.211; the baseline ends at 2.7066
    assert quick.cell("target").difference.value == -1
    assert stuck.cell("target").value is None
    assert stuck.cell("target").note == "reached by 0 of 3"
    assert "– reached by 0 of 3" in page(tmp_path / "m").says("sweep")


def test_grpo_is_measured_by_its_reward(tmp_path):
    rising = [0.1, 0.2, 0.3, 0.4, 0.4]
    stage = read([specimen.job(tmp_path / "r" / "grpo", kind="grpo", course=rising)])[0].stages[0]
    found = measures.figures(stage)
    assert "loss" not in found
    assert "loss" not in [metric.name for metric in measures.metrics("grpo")]
    assert found["spread"] == pytest.approx(0.0707, abs=1e-4)  # of +0.1 and 0
    assert measures.reached(stage, 0.13) == 2  # 0.1, 0.13: at or above


def test_a_collapsed_writer_has_no_diversity():
    other = ["How many primes lie below 30?", "What is the area of that triangle?"]
    assert measures.diversity(["What is $3+4$?", "What is $7+9$?"] * 30) == pytest.approx(0, abs=1e-9)
    assert measures.diversity(other) > 0.9
    assert measures.diversity(other[:1]) is None


def test_several_keys_are_told_in_one_column_and_numbered_in_the_plot(tmp_path):
    for rate in ("1e-5", "1e-4"):
        for warmup in (2, 10):
            job(tmp_path / "m", f"stage.learning_rate={rate}", f"stage.warmup_steps={warmup}", reward=0.3)
    found = one(tmp_path / "m")
    assert sorted(found.keys) == ["stage.learning_rate", "stage.warmup_steps"]
    assert found.settings[0].label == "learning_rate=1e-05, warmup_steps=2"
    assert list(found.chart.places.values()) == ["1", "2", "3", "4"]
    told = page(tmp_path / "m").says("sweep")
    assert "1. learning_rate=1e-05, warmup_steps=2 baseline 1 seed" in told
    assert "2. learning_rate=1e-05, warmup_steps=10 1 seed" in told


def test_the_plot_shows_means_seeds_and_whiskers(tmp_path):
    found = one(two_settings(tmp_path / "m"))
    (series,) = found.chart.series
    assert series.values == pytest.approx([0.33, 0.54])
    assert series.high[1] == pytest.approx(0.54 + T2 * 0.045826 / 3**0.5, abs=1e-4)
    assert series.dots == [list(LOW), list(HIGH)]
    svg = str(found.chart.svg())
    assert svg.count('class="whisker') == 2
    assert svg.count('class="dot') == 6
    assert 'data-x="stage.warmup_steps"' in svg
    assert 'data-v="2|0.330;10|0.540"' in svg
    assert re.search(r'class="line s0" d="M[^L]*M[^L]*"', svg)  # settings stand side by side, unjoined
    assert sum(tag == "svg" for tag in page(tmp_path / "m").tags_in("sweep")) == 1


def test_a_plot_of_few_seeds_has_no_whiskers(tmp_path):
    svg = str(one(two_settings(tmp_path / "m", (0.3, 0.32), (0.5, 0.53))).chart.svg())
    assert 'class="whisker' not in svg
    assert svg.count('class="dot') == 4


def test_intervals_end_where_the_metric_does(tmp_path):
    for seed, share in enumerate((0.9, 1.0, 1.0)):
        job(tmp_path / "m", seed=seed, format_yield=share, reward=(0.0, 0.0, 0.3)[seed])
    found = one(tmp_path / "m").settings[0]
    assert found.cell("format_yield").interval == "82.3 to 100%"
    assert found.cell("reward").interval == "0 to 0.530"


def test_names_on_an_axis_are_cut_and_cannot_break_the_hover():
    places = {float(i): f"a;very|long name <b> number {i}" for i in range(5)}
    svg = str(draw(Chart("Q", "u", [Series("", list(places), [1.0] * 5)], places=places)))
    assert "<b>" not in svg
    values = re.search('data-v="([^"]*)"', svg).group(1)
    assert len(values.replace("&lt;", "<").replace("&gt;", ">").split(";")) == 5
    assert all(len(name) < 12 for name in re.findall('text-anchor="middle">([^<]*)<', svg))


def test_curves_are_a_line_a_setting_in_a_band(tmp_path):
    home = tmp_path / "m"
    for value in (2, 10):
        for seed in range(3):
            job(home, f"stage.warmup_steps={value}", seed=seed, course=[float(seed + value)] * 4)
    stages = [stage for run in read([home]) for stage in run.stages]
    found = bundles(stages, sweeps([home]))
    assert [(b.label, len(b.stages)) for b in found] == [("stage.warmup_steps=2", 3), ("stage.warmup_steps=10", 3)]
    (group,) = groups(found)
    loss = group.sections[0][1][0].series[0]
    assert (loss.values[0], loss.low[0], loss.high[0]) == (3.0, 2.0, 4.0)
    assert loss.steps == [1, 2, 3, 4]
    told = page(home).says("curves")
    assert "the line is the mean of its seeds, the band reaches from the lowest to the highest" in told
    assert "Memory" in told


def test_a_mean_is_over_the_seeds_that_got_so_far(tmp_path):
    homes = [specimen.job(tmp_path / f"r{n}" / "sft", course=[1.0] * 2 + [float(n)] * (n - 2)) for n in (4, 6)]
    append(homes[0] / "metrics.jsonl", [{"step": 2, "loss": None}])
    (group,) = groups([Bundle("both", [run.stages[0] for run in read(homes)])])
    loss = group.sections[0][1][0].series[0]
    assert dict(zip(loss.steps, loss.values, strict=True)) == {1: 1.0, 3: 5.0, 4: 5.0, 5: 6.0, 6: 6.0}


def test_a_sweep_of_one_seed_keeps_a_line_a_job(tmp_path):
    home = two_settings(tmp_path / "m", (0.3,), (0.5,))
    stages = [stage for run in read([home]) for stage in run.stages]
    assert [b.label for b in bundles(stages, sweeps([home]))] == [stage.label for stage in stages]


def test_hostile_settings_stay_text(tmp_path):
    evil = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'\u202e;|"
    home = two_settings(tmp_path / "m")
    for path in list(home.iterdir()):
        text = (path / "config.yaml").read_text()
        (path / "config.yaml").write_text(re.sub("warmup_steps: 10", f"'{evil.replace(chr(39), '')}': 10", text))
    names = [path.name for path in home.iterdir()]
    rows = [(name, [f"{evil}={name.partition(',')[0]}"], "complete", None) for name in names]
    specimen.manifest(home, *rows, (evil, [evil], evil, evil))
    found = page(home)
    assert "<script>alert('x')</script>" in found.says("sweep")
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert not any(name.startswith("on") for _, name, _ in found.attributes)
    assert "\u202e" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_tells_everything_once(tmp_path):
    home = two_settings(tmp_path / "m")
    found = page(home)
    told = found.says("sweep")
    assert ("a", "href", "#sweep") in found.attributes
    assert "6 jobs, 2 settings of stage.warmup_steps, 3 seeds (0, 1, 2)" in told
    assert "2 baseline 3 seeds" in told
    assert "0.540 0.426 to 0.654 Δ +0.210 * (+0.185 to +0.235)" in told
    assert told.count("one in twenty differences") == 1
    assert list(found.text).index("sweep") < list(found.text).index("curves")


def test_a_large_sweep_stays_small(tmp_path):
    one_job = specimen.job(tmp_path / "m" / "job0", "seed=0", kind="grpo", course=[0.3] * 300)
    text = (one_job / "config.yaml").read_text()
    for i in range(1, 40):
        shutil.copytree(one_job, tmp_path / "m" / f"job{i}")
        changed = text.replace("seed: 0", f"seed: {i % 4}", 1).replace("warmup_steps: 10", f"warmup_steps: {i // 4}")
        (tmp_path / "m" / f"job{i}" / "config.yaml").write_text(changed)
    (found,) = sweeps([tmp_path / "m"])
    assert len(found.settings) == 11
    write([tmp_path / "m"], tmp_path / "report.html", CORPUS)
    assert (tmp_path / "report.html").stat().st_size < 5e6


def test_settings_are_usable_as_plain_data(tmp_path):
    found = one(two_settings(tmp_path / "m"))
    assert all(isinstance(setting, Setting) for setting in found.settings)
    assert [metric.name for metric in found.metrics][:3] == ["reward", "format_yield", "heldout_loss"]
    assert [cell.metric.name for cell in found.settings[0].cells] == [m.name for m in measures.metrics("sft")]
