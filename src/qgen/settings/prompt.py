"""How problems are asked for (conf/prompt/)."""

from dataclasses import dataclass, field
from string import Formatter

from omegaconf import MISSING

from qgen.settings.choices import Kind, Language


@dataclass
class PromptConfig:
    """How problems are asked for. Templates take {topic}, {level} and, in `about`, {points}."""

    language: Language = MISSING  # of the labels of a problem's parts
    system: str = MISSING
    ask: str = MISSING
    worked: str = MISSING  # stands for {worked} where `solution` is true
    programmed: str = ""  # stands for {worked} where `solution` is program
    about: str = MISSING  # appended when a problem's knowledge points are known
    vary: str = MISSING  # asks for a variation of {original}
    kinds: dict[str, str] = field(default_factory=dict)  # what stands for {kind} in `vary`, for each kind
    improve: str = ""  # asks for a better problem in the place of {original}; empty: a teacher's are not taught so
    solve: str = MISSING  # asks for the solution of {statement}
    compute: str = MISSING  # asks for a program that computes its answer
    judge_solve: str = ""  # the same two in other words, for an evaluation
    judge_compute: str = ""
    solution: bool | str = False  # also ask for, and train on: true: a solution; program: a program that computes it
    topics: dict[str, str] = field(default_factory=dict)  # names of topics in this language

    def check(self) -> None:
        from qgen.mathematics.problem import PROGRAM  # with all that reads problems, which --cfg job need not wait for

        if self.solution not in (False, True, PROGRAM):
            raise ValueError(f"prompt.solution={self.solution} must be false, true or {PROGRAM}")
        if self.solution == PROGRAM and not self.programmed:
            raise ValueError("prompt.solution=program needs prompt.programmed, which says how a program is asked for")
        asked = {"topic", "level", "worked"}
        of = {*asked, "original"}
        takes = {"ask": {*asked, "about"}, "about": {"points"}, "vary": {*of, "kind"}, "improve": of}
        needs = {"ask": "topic", "about": "points", "vary": "original", "improve": "original"}
        for name, known in takes.items():
            template = getattr(self, name)
            try:
                parts = [(field, *form) for _, field, *form in Formatter().parse(template) if field is not None]
            except ValueError as error:
                raise ValueError(f"prompt.{name}: {error}; write a literal brace twice") from None
            used = {field for field, *_ in parts}
            if used - known:
                raise ValueError(f"prompt.{name} takes {sorted(known)}, not {sorted(used - known)}")
            if any(spec or conversion for _, spec, conversion in parts):
                raise ValueError(f"prompt.{name} takes its fields as they are, without : or ! and a format")
            if template and needs[name] not in used:
                raise ValueError(f"prompt.{name} must say {{{needs[name]}}} somewhere: it is what the prompt is about")
        if "{statement}" not in self.solve:
            raise ValueError("prompt.solve must say {statement} somewhere: it is what the prompt is about")
        if self.kinds and (wrong := set(self.kinds) ^ {kind.value for kind in Kind}):
            raise ValueError(f"prompt.kinds must describe each kind of variation, no other: {', '.join(sorted(wrong))}")
