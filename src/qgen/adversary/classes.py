"""The classes of junk by name, but for the search (climbing.py), which must be told what texts earn."""

import random
from collections.abc import Callable

from qgen.adversary import Junk, Material
from qgen.adversary.easy import templated, trivial
from qgen.adversary.grammar import nonsense
from qgen.adversary.stolen import constant, merged, offtopic, paraphrased, repeat, wrong
from qgen.adversary.undetermined import cut, underdetermined
from qgen.settings.choices import JunkClass

CLASSES: dict[JunkClass, Callable[[Material, random.Random], list[Junk]]] = {
    JunkClass.nonsense: nonsense,
    JunkClass.merged: merged,
    JunkClass.cut: cut,
    JunkClass.underdetermined: underdetermined,
    JunkClass.trivial: trivial,
    JunkClass.wrong: wrong,
    JunkClass.templated: templated,
    JunkClass.paraphrased: paraphrased,
    JunkClass.repeat: repeat,
    JunkClass.constant: constant,
    JunkClass.offtopic: offtopic,
}
