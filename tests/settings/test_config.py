import pytest
from conftest import composed
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from qgen.settings import trl_fields
from qgen.settings.choices import Backend, Schedule, Task
from qgen.settings.compose import CONF, by_stage, instead, keys, nearest
from qgen.settings.config import from_yaml, to_yaml
from qgen.settings.stage import STAGES

OTHERS = ("accelerate", "paper")  # of other commands
FILES = sorted(f"{p.parent.name}={p.stem}" for p in CONF.glob("*/*.yaml") if p.parent.name not in OTHERS)
NEEDS = {"data=jsonl": ["data.path=x.jsonl"], "teacher=local": ["teacher.model=x"],
         "reward=solution": ["stage.task=solve"]}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("file", FILES)
def test_every_file_composes(file, stage):
    if file.startswith("stage="):
        composed(file)
    elif (file, stage) == ("reward=solution", "sft"):
        with pytest.raises(ValueError, match=r"set stage\.task=solve"):
            composed(f"stage={stage}", file)
    else:
        assert composed(f"stage={stage}", file, *NEEDS.get(file, [])).stage.name == stage


@pytest.mark.parametrize(("stage", "steps"), [("sft", 200), ("grpo", 100), ("distill", 80)])
def test_shipped_schedule(stage, steps):
    for overrides in ([f"stage={stage}"], [f"stage={stage}", "experiment=after"]):
        s = composed(*overrides).stage
        assert (s.max_steps, s.gradient_accumulation_steps, s.warmup_steps) == (steps, 8, 10)
        assert s.lr_scheduler_type is Schedule.cosine


@pytest.mark.parametrize(("stage", "steps"), [("sft", 20), ("grpo", 50), ("distill", 30)])
def test_schedule_before(stage, steps):
    s = composed(f"stage={stage}", "experiment=before").stage
    assert (s.max_steps, s.gradient_accumulation_steps, s.warmup_steps) == (steps, 4, 2)
    assert s.lr_scheduler_type is Schedule.linear


def test_command_line_wins_over_experiment():
    assert composed("experiment=before", "stage.max_steps=7").stage.max_steps == 7


def test_a100_is_the_recipe():
    config = composed("model=a100")
    model = config.model
    assert (model.name, model.backend, model.load_in_4bit) == ("unsloth/Qwen3-14B", Backend.unsloth, True)
    assert (model.lora.r, model.lora.alpha, model.lora.dropout, model.max_length) == (32, 32, 0.0, 2048)
    assert set(model.lora.target_modules) == {f"{x}_proj" for x in ("q", "k", "v", "o", "gate", "up", "down")}
    assert config.seed == 3407


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stage.max_steps=0", "stage.max_steps=0 must be at least 1"),
        ("stage.learning_rate=0", "stage.learning_rate"),
        ("+stage.learning_rat=1", "did you mean stage.learning_rate"),
        ("+model.lora.rank=8", "model.lora.rank: there is no such key"),
        ("+foo=1", "foo: there is no such key"),
        ("strict=false", "strict=false permits nothing"),
        ("data.limit=0", "data.limit=0"),
        ("stage.name=sftt", "stage.name=sftt"),
        ("prompt.ask='{topik}'", "prompt.ask takes"),
        ("sampling.temperature=0", "sampling.temperature"),
        ("data.min_quality=2", "data.min_quality"),
        ("data.heldout=0", "data.heldout"),
        ("data=jsonl", "data.path=FILE"),
        ("data.mix.chat=1", "data.chat_path"),
        ("+stage.trl.learning_rte=1", "no field of TRL's config"),
        ("+stage.trl.max_steps=5", "use stage.max_steps"),
        ("sampling.max_new_tokens=512", "model.max_length"),
    ],
)
def test_bad_values_name_the_key(override, says):
    with pytest.raises(ValueError, match=says.replace(".", r"\.")):
        composed(override)


def test_group_must_divide_the_batch():
    with pytest.raises(ValueError, match=r"num_generations=7 must divide the completions of one step, 64"):
        composed("stage=grpo", "stage.num_generations=7")


def test_vllm_goes_without_unsloth():
    with pytest.raises(ValueError, match=r"set model\.backend=hf"):
        composed("model=a100", "model.rollout=vllm")


def test_resume_and_overwrite_contradict():
    with pytest.raises(ValueError, match="contradict"):
        composed("resume=true", "overwrite=true")


def test_a_stage_is_validated_on_what_it_teaches():
    mixed = ("data.variations_path=recomputed", "data.mix.variations=1")
    alone = (*mixed, "data.mix.problems=0")
    assert composed("stage=sft", *mixed).task is Task.problem
    assert composed("stage=sft", *alone, "reward=variation").task is Task.variation
    assert composed("stage=grpo", *alone).task is Task.problem
    for overrides in (("stage=sft", *alone), ("stage=grpo", "stage.task=both")):
        with pytest.raises(ValueError, match="set reward=variation"):
            composed(*overrides)


@pytest.mark.parametrize("override", ["stage.max_steps=many", "strict=maybe", "stage.lr_scheduler_type=cosin"])
def test_wrong_types_are_refused(override):
    with pytest.raises(ConfigCompositionException, match=r"stage|strict"):
        composed(override)


def test_nearest_knows_open_groups():
    assert "reward.terms.novelty" in nearest("reward.terms.novlty", keys())
    assert nearest("zzzzzzzz", keys()) == ""


@pytest.mark.parametrize("stage", STAGES)
def test_trl_fields_are_those_of_the_installed_trl(stage):
    import dataclasses

    import trl

    known = {f.name for f in dataclasses.fields(trl.GRPOConfig if stage == "grpo" else trl.SFTConfig)}
    assert known <= trl_fields.fields(stage).keys()


def test_yaml_numbers_arrive_as_numbers():
    stage = composed("stage=grpo", "stage.learning_rate=1e-5", "+stage.trl.epsilon=3e-1").stage
    assert stage.learning_rate == 1e-5
    assert stage.trl["epsilon"] == 0.3


def test_scale_shortens_once():
    s = composed("stage=grpo", "scale=0.1", "validation.every=25")
    assert (s.stage.max_steps, s.stage.warmup_steps, s.stage.num_prompts, s.validation.every) == (10, 1, 40, 3)
    assert s.stage.gradient_accumulation_steps == 8
    assert from_yaml(to_yaml(s)).stage.max_steps == 10
    with pytest.raises(ValueError, match="scale=0"):
        composed("scale=0")


ABLATIONS = sorted(path.stem for path in (CONF / "experiment").glob("ablate_*.yaml"))


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_sweeps_one_thing_over_three_seeds(name):
    hydra = OmegaConf.load(CONF / "experiment" / f"{name}.yaml").hydra
    assert hydra.mode == "MULTIRUN"
    swept = dict(hydra.sweeper.params)
    assert swept.pop("seed") == "0,1,2"
    ((key, values),) = swept.items()
    for value in values.split(","):
        config = composed(f"experiment={name}", f"{key}={value}", "scale=0.1")
        assert config.run_name == name


def test_every_row_of_the_original_tables_has_its_ablation():
    rows = "accumulation all memory reward_normalize scheduler steps_distill steps_grpo steps_sft validation warmup"
    assert [f"ablate_{row}" for row in rows.split()] == ABLATIONS


def test_by_stage_takes_a_value_for_each_stage():
    root = OmegaConf.create({"stage": {"name": "distill"}})
    assert by_stage(1, 2, 3, _root_=root) == 3
    with pytest.raises(ValueError, match="a value for each of sft, grpo, distill, not 2"):
        by_stage(1, 2, _root_=root)


def test_a_key_that_is_near_to_none_is_answered_by_those_that_there_are():
    assert instead("run", ["paths", "out"]) == "; there are out, paths"
    assert instead("path", ["paths", "out"]) == "; did you mean paths?"
    assert instead("zzz", [f"key{i}" for i in range(20)]) == ""


def test_the_keys_of_a_file_that_sets_several_groups_are_known():
    known = set(keys())
    assert {"reward.terms.band.weight", "reward.terms.topic.weight", "prompt.solution"} <= known
    assert not [key for key in known if key.startswith(("reward.reward", "schedule.stage"))]


def test_a_model_that_solves_is_asked_whether_problems_are_true_unless_another_reward_is_chosen():
    config = composed("stage=grpo", "model=qwen_coder")
    assert (config.reward.combine.value, config.prompt.solution, config.sampling.max_new_tokens) == (
        "product",
        "program",
        448,
    )
    assert composed("stage=grpo", "model=qwen_coder", "reward=seed").prompt.solution is False
    assert composed("stage=grpo", "model=qwen_coder", "prompt.solution=true").prompt.solution is True
    assert composed("stage=grpo", "model=a100").reward.solver is None


def test_the_recipe_of_proved_problems_distils_first():
    distill, grpo = (composed("experiment=proved", f"stage={stage}") for stage in ("distill", "grpo"))
    assert (distill.stage.init_from, distill.stage.max_steps, distill.stage.num_prompts) == ("base", 60, 300)
    assert grpo.stage.init_from == f"{grpo.output_dir}/{distill.run_name}/distill"
    assert grpo.stage.rollouts == 64
    assert grpo.run_name == "proved-qwen_coder-champ"
    assert (grpo.reward.combine.value, grpo.prompt.solution) == ("product", "program")
    assert composed("experiment=proved", "stage=grpo", "model=tiny").run_name == "proved-tiny-champ"
