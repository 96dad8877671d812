"""GRPO's groups that teach nothing: rewards that are all alike give no advantage to anything. Other requests are drawn
and answered in their place, as in DAPO (arXiv:2503.14476): harder ones where a level is mastered, easier ones where
nothing was worth anything."""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import pad

from qgen.runs.files import Row
from qgen.runtime import ranks

MASTERED = 0.5  # mean reward of a group from which its level counts as mastered


class Redraw:
    """Stands between TRL's trainer and what it calls for a batch: `trainer._generate_and_score_completions`.

    Args:
        score: TRL's own, which writes and scores the completions of requests.
        rows: the requests that may be drawn, each with its level.
        group: completions a request.
        times: how often others are drawn, at most.
        rewards: the rewards of the completions that this rank has just scored, shape (completions,).
        log: takes a metric's name and value.
        pad_token: of completions and prompts.
        seed: of what is drawn.
    """

    def __init__(
        self,
        score: Callable[[list[Row]], dict[str, Any]],
        rows: list[Row],
        group: int,
        times: int,
        rewards: Callable[[], list[float]],
        log: Callable[[str, float], None],
        pad_token: int,
        seed: str,
    ):
        self.score, self.group, self.times, self.rewards, self.log = score, group, times, rewards, log
        self.pad_token, self.seed = pad_token, seed
        self.by_level: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            self.by_level[row["level"]].append(row)

    def __call__(self, inputs: list[Row], step: int) -> dict[str, Any]:
        """A scored batch for `inputs`, which holds each request `group` times. Requests whose rewards are all alike
        have been replaced by others in it, in at most `times` rounds.

        Each rank draws as many requests as the rank that needs most, because TRL's scoring gathers from all ranks.
        """
        batch, rewards, requests = self.score(inputs), self.rewards(), inputs[:: self.group]
        first = alike = self._alike(batch["advantages"])
        for turn in range(self.times + 1):
            most = max(ranks.gather([len(alike)]))
            if not most or turn == self.times:
                break
            rng = random.Random(f"{self.seed}/{step}/{turn}/{ranks.rank()}")
            wanted = [self._level(requests[g]["level"], rewards[g * self.group : (g + 1) * self.group]) for g in alike]
            wanted += rng.choices(list(self.by_level), k=most - len(wanted))
            drawn = [rng.choice(self.by_level[level]) for level in wanted]
            other = self.score([row for row in drawn for _ in range(self.group)])
            found = self.rewards()
            for new, old in enumerate(alike):  # what is alike again is gone on from
                requests[old] = drawn[new]
                rewards[old * self.group : (old + 1) * self.group] = found[new * self.group : (new + 1) * self.group]
            batch = self._merged(batch, other, alike)
            alike = self._alike(batch["advantages"])
        groups = len(requests)
        self.log("groups/alike", len(first) / groups)
        self.log("groups/alike_left", len(alike) / groups)
        return batch

    def _alike(self, advantages: torch.Tensor) -> list[int]:
        """The groups, by number, whose completions all have no advantage."""
        return [g for g, own in enumerate(advantages.split(self.group)) if own.abs().max() < 1e-4]

    def _level(self, level: int, rewards: list[float]) -> int:
        """A level to ask for in the place of one: the next harder that there is where its problems were worth much,
        else the next easier."""
        mastered = sum(rewards) / len(rewards) >= MASTERED
        others = [one for one in self.by_level if (one > level if mastered else one < level)]
        return (min if mastered else max)(others, default=level if level in self.by_level else min(self.by_level))

    def _merged(self, batch: dict[str, Any], other: dict[str, Any], groups: list[int]) -> dict[str, Any]:
        """The batch, of which some groups are replaced by the other's first."""
        count, merged = len(batch["advantages"]), {}
        for name, ours in batch.items():
            if not (torch.is_tensor(ours) and ours.ndim and len(ours) == count):
                merged[name] = ours
                continue
            theirs, both = other[name], ours.clone()
            if ours.ndim == 2:
                width = max(ours.shape[1], theirs.shape[1])
                both, theirs = (self._widened(name, one, width) for one in (ours, theirs))
            for new, old in enumerate(groups):
                both[old * self.group : (old + 1) * self.group] = theirs[new * self.group : (new + 1) * self.group]
            merged[name] = both
        tokens = merged["completion_mask"].sum()
        merged["num_items_in_batch"] = torch.stack(ranks.gather([tokens.cpu()])).sum().to(tokens.device)
        return merged

    def _widened(self, name: str, tensor: torch.Tensor, width: int) -> torch.Tensor:
        """TRL pads prompts on the left, and what belongs to completions on the right."""
        more = width - tensor.shape[1]
        value = self.pad_token if name.endswith("_ids") else 0
        return pad(tensor, (more, 0) if name.startswith("prompt") else (0, more), value=value).clone()
