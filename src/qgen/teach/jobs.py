"""The trainings: a job of qgen.train for each arm and seed, of which what is done is not done again."""

from pathlib import Path

from qgen.proofs.attempts import ROOM
from qgen.settings.choices import Method
from qgen.settings.compose import composed, quoted
from qgen.settings.teach import TeachConfig
from qgen.sweeps.board import Board
from qgen.sweeps.jobs import FAILED, Job, consider
from qgen.sweeps.pool import run
from qgen.teach import arms

LOOKS = 5  # validations of a training, besides those before and after it


def trained(config: TeachConfig, files: dict[str, Path]) -> dict[tuple[str, int], Job]:
    """Train what is not trained yet. Returns the job of each arm and seed.

    Args:
        files: of each arm the problems.

    Raises RuntimeError where a job fails, naming its log, and KeyboardInterrupt once Ctrl-C has stopped the jobs.
    """
    jobs: dict[tuple[str, int], Job] = {}
    for seed in config.seeds:
        for arm, file in files.items():
            overrides = settings(config, arm, file, seed)
            out = config.home / f"{arm}-{seed}"
            place = [f"output_dir={quoted(str(config.home))}", f"run_name={quoted(out.name)}"]
            jobs[arm, seed] = Job(len(jobs), overrides + place, out, configs=[composed(overrides + place)])
    for job in jobs.values():
        consider(job, None, retry=True)
    board = Board(list(jobs.values()))
    board.names = {job.index: job.name for job in jobs.values()}
    with board:
        todo = [job for job in jobs.values() if job.status is None]
        run(todo, config.jobs, board.show, lambda job: None)
    if failed := [job for job in jobs.values() if job.status == FAILED]:
        first = failed[0]
        raise RuntimeError(f"{len(failed)} of {len(jobs)} trainings failed; {first.name}: {first.reason} ({first.log})")
    return jobs


def settings(config: TeachConfig, arm: str, file: Path, seed: int) -> list[str]:
    """What a training's command line says.

    The last step's adapter is tested, not the best by validation: that is measured on problems of the test.
    """
    form = ["reward.gate=boxed", "~reward.terms.right", "+reward.terms.boxed.weight=1"] if arm == "form" else []
    return [
        f"stage={'grpo' if config.method is Method.grpo else 'distill'}",
        *arms.chosen(config.solver),
        "data=jsonl",
        f"data.path={quoted(str(file))}",
        f"data.heldout_path={quoted(str(file.parent / 'test.jsonl'))}",
        "data.curate=false",
        "reward=solution",
        *form,
        "stage.task=solve",
        "stage.init_from=base",
        f"stage.max_steps={config.steps}",
        f"stage.num_prompts={config.n}",
        f"seed={seed}",
        f"sampling.max_new_tokens={config.max_new_tokens}",
        f"model.max_length={config.max_new_tokens + ROOM}",
        "validation.keep_best=false",
        f"validation.every={max(1, config.steps // LOOKS)}",
        *config.train,
    ]


def seconds(job: Job) -> float:
    """What a training took, without its validations."""
    summary = job.summary()
    return summary["seconds"] - summary["validation_seconds"]
