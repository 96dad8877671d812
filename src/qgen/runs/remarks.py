"""What a person must know of a stage before reading its figures, in sentences out of its summary. Torch-free."""

FORM_ONLY = "nobody was asked whether a problem is true or its answer right: the reward knows form only"


def remarks(summary: dict) -> list[str]:
    """A sentence each, the gravest first; none of a stage that went as it should."""
    stage, found = summary["stage"], []
    if not summary.get("learned", True):  # older summaries do not say
        found.append(learned_nothing(summary))
    elif not gained(summary):
        before, after = summary["reward"]
        found.append(f"{stage} GAINED NOTHING: the reward in validation went from {before:.4g} to {after:.4g}")
    if count := summary.get("nonfinite_steps"):
        found.append(
            f"{stage} skipped {count} of {summary['steps']} steps, whose loss or gradient was not finite: see "
            f"nonfinite.jsonl"
        )
    found += [f"{stage}: {said}" for said in summary.get("told", [])]
    if summary.get("form_only"):
        found.append(f"{stage}: {FORM_ONLY}")
    if why := summary.get("stopped"):
        found.append(f"{stage} ended early: {why}")
    return found + list(filter(None, [_out_of_memory(summary)]))


def learned_nothing(summary: dict) -> str:
    """That a stage leaves the adapter that it began with, and why."""
    if summary["steps"] and summary["nonfinite_steps"] >= summary["steps"]:
        why = "none of its steps was finite"
    else:
        why = f"no validation up to step {summary['steps']} was better than the one before its first step"
    return f"{summary['stage']} LEARNED NOTHING: it leaves the adapter that it began with, as {why}"


def gained(summary: dict) -> bool:
    """Whether the adapter that a stage keeps earns more in validation than the one that it began with; after SFT, whose
    aim they are, a lower loss on held-out problems will do."""
    if not summary.get("reward"):
        return True
    (before, after), (loss, lower) = summary["reward"], summary.get("heldout_loss", (0.0, 0.0))
    return after > before or (summary["stage"] == "sft" and lower < loss)


def _out_of_memory(summary: dict) -> str | None:
    """What a stage's summary says of its out-of-memory errors, in words; None where there were none."""
    if not (found := summary.get("out_of_memory")):
        return None
    last = {key: value for row in found for key, value in row["set"].items()}
    times = "once" if len(found) == 1 else f"{len(found)} times"
    keys = ", ".join(f"{key}={value}" for key, value in last.items())
    return f"{summary['stage']} ran out of memory {times} and went on with {keys}"
