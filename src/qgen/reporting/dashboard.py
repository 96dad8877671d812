"""A Weights & Biases workspace of the runs, as code: which panels it has, and what they plot."""

import os
from typing import Any

from qgen.settings.dashboard import DashboardConfig

AXIS = "train/global_step"
PROJECT = "qgen"

# section -> title of a panel -> what it plots over AXIS; NAME/* is every metric under NAME.
SECTIONS: dict[str, dict[str, list[str]]] = {
    "Learning": {
        "loss": ["train/loss"],
        "gradient norm": ["train/grad_norm"],
        "learning rate": ["train/learning_rate"],
        "entropy": ["train/entropy"],
        "token accuracy (sft, distill)": ["train/mean_token_accuracy"],
        "length of completions, tokens (grpo)": ["train/completions/mean_length", "train/completions/max_length"],
        "share of completions cut off (grpo)": ["train/completions/clipped_ratio"],
        "clipped updates (grpo)": ["train/clip_ratio/region_mean"],
        "seconds a step, of them rewards (grpo)": ["train/step_time", "train/seconds/rewards"],
    },
    "Rewards": {
        "reward (grpo)": ["train/reward"],
        "spread within a group (grpo)": ["train/reward_std"],
        "share of groups without a spread (grpo)": ["train/frac_reward_zero_std"],
        "terms (grpo)": ["train/terms/*"],
        "how far estimates rank as the truth does (grpo)": ["train/trust/*"],
    },
    "Validation": {
        "quality": ["validation/reward"],
        "share of completions that parse": ["validation/format_yield"],
        "held-out loss, nats a token": ["validation/heldout_loss"],
        "terms": ["validation/terms/*"],
        "how far estimates rank as the truth does": ["validation/trust/*"],
        "seconds": ["validation/seconds"],
    },
    "Memory": {
        "GiB": ["memory/allocated_gib", "memory/reserved_gib", "memory/peak_gib"],
        "GiB by phase of a step": ["memory/reserved_gib/*"],
        "seconds by phase of a step": ["memory/seconds/*"],
    },
}
TABLES = ["best_problems", "samples"]  # the section Samples


def workspace(config: DashboardConfig) -> Any:
    """The workspace as wandb-workspaces has it. Runs stand under their group, and in it under their stage."""
    from wandb_workspaces import expr
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports import v2 as reports

    def line(title: str, metrics: list[str]) -> Any:
        families = [f"^{name[:-1]}.+" for name in metrics if name.endswith("/*")]
        what = {"metric_regex": families[0]} if families else {"y": metrics}
        return reports.LinePlot(title=title, x=AXIS, smoothing_type="none", **what)

    sections = [
        ws.Section(name=name, panels=[line(*panel) for panel in panels.items()], is_open=True)
        for name, panels in SECTIONS.items()
    ]
    tables: list[Any] = [reports.WeavePanelSummaryTable(table_name=name) for name in TABLES]
    layout = ws.SectionLayoutSettings(columns=1, rows=2)
    return ws.Workspace(
        entity=config.entity or "",
        project=config.project or os.environ.get("WANDB_PROJECT") or PROJECT,
        name=config.name,
        sections=[*sections, ws.Section(name="Samples", panels=tables, is_open=True, layout_settings=layout)],
        settings=ws.WorkspaceSettings(x_axis=AXIS, smoothing_type="none"),
        runset_settings=ws.RunsetSettings(groupby=[expr.Metric("Group"), expr.Metric("JobType")]),
    )


def specification(made: Any) -> dict[str, Any]:
    """What saving a workspace would send, as plain data."""
    return made._model.model_dump(mode="json", by_alias=True, exclude_none=True)
