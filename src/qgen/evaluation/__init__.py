"""What a run's problems are worth: the protocol of qgen.evaluate, its intervals, and the outputs that it measures.

The measures themselves are in metrics. Nothing here trains or prints tables.
"""
