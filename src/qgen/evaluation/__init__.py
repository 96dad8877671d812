"""What a run's problems are worth: the protocol, its controls and intervals, and what was written for it.

Measures themselves are in metrics; nothing here trains or prints tables.
"""
