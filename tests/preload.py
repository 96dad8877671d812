"""What the server has ready that the tests fork commands from: imports, and the embedded problems as they are read."""

import qgen.evaluate
import qgen.report
import qgen.stages.run  # noqa: F401
from qgen import data
from qgen.metrics.prose import prose
from qgen.settings.compose import composed

prose(tuple(data.load(composed([]).data).train))  # what texts are, and how they read, is remembered
