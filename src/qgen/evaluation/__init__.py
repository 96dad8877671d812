"""What a run's problems are worth: the protocol, its intervals, and what was written for it.

Measures themselves are in metrics; nothing here trains or prints tables.
"""
