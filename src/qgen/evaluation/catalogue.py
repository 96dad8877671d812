"""Which metrics there are, what each says, and the controls that it must tell from real problems to be believed."""

from dataclasses import dataclass

SPOILED = ("shuffle", "stuff", "copy", "numbers", "truncate")  # what no usable problem is


@dataclass(frozen=True)
class Metric:
    """What one measure of the evaluation is called, says, and must be able to tell apart."""

    name: str
    label: str
    better: str  # higher, lower, or real: the nearer to real problems the better
    controls: tuple[str, ...]  # which it must tell from real problems
    explain: str
    unit: str = "share"  # or number
    whole: bool = False  # of a set, rather than a mean over outputs
    tested: str = "auroc"  # or gap: by what differs between real problems and the control, which must exceed chance


METRICS = (
    Metric("sound", "sound yield", "higher", ("answers", "topics", "levels"),
           "outputs that are usable, on the topic asked for, solvable, and read as hard as real problems "
           "of the level asked for", tested="gap"),
    Metric("format_yield", "format yield", "higher", ("truncate",), "outputs that parse as one problem with an answer"),
    Metric("usable", "usable yield", "higher", SPOILED,
           "outputs that parse, copy no known problem, repeat no earlier one and read as naturally as real ones"),
    Metric("copies", "copies", "lower", ("copy",),
           "problems that copy a training problem: 5-gram Jaccard similarity of .8, or 13 words in a row"),
    Metric("copies_masked", "masked copies", "lower", ("copy", "numbers"), "the same with numbers and letters masked"),
    Metric("novelty", "novelty", "real", ("copy", "numbers"),
           "problems farther from every training problem (TF-IDF, plain and masked) than the median real one"),
    Metric("naturalness", "natural", "higher", ("shuffle", "stuff"),
           "problems whose likelihood under the frozen base lies where the middle 90 % of real problems' do"),
    Metric("topic", "on topic", "higher", ("topics",), "problems that a classifier finds to be of the topic asked for"),
    Metric("diversity", "diversity", "higher", ("collapse",),
           "Vendi score of the problems, as a share of that of as many real ones", unit="number", whole=True,
           tested="gap"),
    Metric("self_bleu", "self-BLEU", "lower", ("collapse",),
           "BLEU of a problem against the ten others nearest in length, numbers masked", unit="number", whole=True,
           tested="gap"),
    Metric("distinct", "distinct", "higher", ("collapse",),
           "problems that are left when those that differ in numbers alone count once", whole=True, tested="gap"),
    Metric("topic_coverage", "topics covered", "higher", ("collapse",), "topics that a problem of a subset is about",
           whole=True, tested="gap"),
    Metric("topic_entropy", "topic entropy", "real", ("collapse",),
           "entropy of the problems' topics, as a share of the highest possible", unit="number", whole=True,
           tested="gap"),
    Metric("solvable", "solvable yield", "higher", ("answers",),
           "outputs on whose answer independent attempts by the solver clearly agree", tested="gap"),
    Metric("key", "right answers", "higher", ("answers",), "attempts by the solver that arrive at the answer given",
           unit="number"),
    Metric("level", "at level", "higher", ("levels",),
           "problems that read as hard as real ones of the level asked for", tested="gap"),
)  # fmt: skip
BY_SOLVER = ("sound", "solvable", "key", "level")
