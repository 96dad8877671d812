"""What the doctor looks at, one thing after the other, and how it says what it found."""

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.table import Table

from qgen.reporting.tables import plain_table, show
from qgen.runtime.quiet import quiet
from qgen.settings.choices import COPIES, Backend, Teacher
from qgen.settings.config import Config
from qgen.settings.doctor import Examined
from qgen.settings.model import ModelConfig

if TYPE_CHECKING:
    from qgen.doctor import Finding
    from qgen.doctor.lengths import Lengths
    from qgen.doctor.machine import Device
    from qgen.doctor.memory import Estimate

GIB = 2**30
LEAST = 0.25  # of the estimate, what Unsloth took at least in benchmarks/doctor.py where nothing is checkpointed


def examine(config: Examined) -> None:
    """Print what was found. Raises RuntimeError, after that, where the stage would fail."""
    quiet()
    from qgen.doctor import lengths, machine, memory, packages, sources  # imports torch

    device = machine.device(config.doctor.gpu, config.runtime.memory.cap)
    findings = [*packages.check(config), *(hub := sources.reach(config, config.doctor.timeout))]
    reachable = not any(finding.fatal for finding in hub)
    tokenizer = sources.tokenizer(config.model, reachable)
    corpus, read = sources.corpus(config, reachable)
    shape, origin = sources.shape(config.model, tokenizer, reachable)
    estimate = solver = None
    if config.reward.solver and config.reward.solver.model:
        solver, _ = sources.shape(ModelConfig(name=config.reward.solver.model), None, reachable)
    if shape is not None:
        tokens = lengths.lengths(config, corpus, tokenizer)
        estimate = memory.estimate(config, shape, tokens, device, solver)
    findings += [read, *machine.check(config, device, estimate.attention if estimate else None)]
    findings.append(machine.disk(config, estimate.adapter if estimate else 0.0))
    show(_checks(findings))
    if estimate is None:
        show(f"memory: not estimated, for the shape of {config.model.name} is not known here")
    else:
        show(_memory(config, estimate, device, tokens, origin), *_advice(config, estimate))
        if not estimate.fits and not config.model.gradient_checkpointing:
            less = replace(config, model=replace(config.model, gradient_checkpointing=True))
            again = memory.estimate(less, shape, tokens, device, solver)
            show("with model.gradient_checkpointing=true:", *_advice(less, again))
    fatal = [finding.check for finding in findings if finding.fatal]
    if estimate and not estimate.fits and not _may_fit(config, estimate):
        fatal.append("memory")
    if fatal:
        raise RuntimeError(f"stage={config.stage.name} would fail for {', '.join(fatal)}: see above what mends it")


def _may_fit(config: Config, estimate: "Estimate") -> bool:
    """Whether it may fit, though the estimate says no: Unsloth compiles layers, which then keep less."""
    return _overestimated(config) and LEAST * estimate.peak.total <= estimate.room


def _overestimated(config: Config) -> bool:
    return config.model.backend is Backend.unsloth and not config.model.gradient_checkpointing


def _checks(findings: list["Finding"]) -> Table:
    table = plain_table("what the stage needs")
    for column in ("", "check", "found", "what mends it"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark = "✗" if finding.fatal else "!" if finding.mend else "✓"
        table.add_row(mark, finding.check, finding.said, finding.mend)
    return table


def _memory(config: Config, estimate: "Estimate", device: "Device", tokens: "Lengths", origin: str) -> Table:
    """GiB by part and phase."""
    from qgen.doctor.memory import PARTS

    table = plain_table(f"memory of {config.model.name} ({origin}), {config.stage.name}, in GiB")
    table.add_column("")
    for phase in estimate.phases:
        table.add_column(phase.name, justify="right")
    for part in PARTS:
        values = [phase.parts.get(part, 0.0) / GIB for phase in estimate.phases]
        if any(values):
            table.add_row(part, *("–" if value == 0 else f"{value:.2f}" for value in values))
    table.add_row("in all", *(f"{phase.total / GIB:.2f}" for phase in estimate.phases), style="bold")
    by = estimate.rollout.value
    writer = f"a copy of the weights ({by})" if estimate.rollout in COPIES else by
    lines = [
        f"tokens, {tokens.how}: rows of {tokens.row}, requests of {tokens.prompt}, held-out rows of {tokens.heldout}",
        f"{writer} writes; {estimate.room / GIB:.1f} of {device.total / GIB:.1f} GiB are to be had on {device.name}",
    ]
    if config.model.backend is Backend.unsloth:
        much = ", without model.gradient_checkpointing a quarter to a half of it" if _overestimated(config) else ""
        lines.append(f"for transformers' own layers: Unsloth's take less{much}")
    if config.reward.solver and config.reward.solver.model and "another solver" not in estimate.phases[0].parts:
        lines.append(f"without the weights of reward.solver.model={config.reward.solver.model}: its shape is not known")
    if config.stage.name == "distill" and config.teacher.name is Teacher.local:
        lines.append("without the teacher's weights")
    table.caption = "\n".join(lines)
    table.caption_justify = "left"
    return table


def _advice(config: Config, estimate: "Estimate") -> list[str]:
    stage, peak = config.stage, estimate.peak
    verdict = "it fits" if estimate.fits else "it may not fit" if _may_fit(config, estimate) else "it does not fit"
    lines = [f"{verdict}: {peak.total / GIB:.2f} GiB at the peak, which is the {peak.name}"]
    batch, whole = estimate.batch, stage.per_device_train_batch_size * stage.gradient_accumulation_steps
    if not batch:
        lines.append("no batch fits: lower model.max_length or sampling.max_new_tokens, or set model.load_in_4bit=true")
    elif batch != stage.per_device_train_batch_size:
        why = "also fits, in fewer steps" if batch > stage.per_device_train_batch_size else "fits"
        lines.append(
            f"the same effective batch {why}: stage.per_device_train_batch_size={batch} "
            f"stage.gradient_accumulation_steps={whole // batch}"
        )
    lines += [f"{phase.name} does not fit: lower {phase.key}" for phase in estimate.phases[1:]
              if phase.total > estimate.room]  # fmt: skip
    return lines
