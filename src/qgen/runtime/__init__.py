"""What watches a process while it works: memory, attention, finite numbers, ranks, progress, what could not be had.

Nothing here knows of runs, rewards or stages: it imports nothing of qgen but settings and text.
"""
