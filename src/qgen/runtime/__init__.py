"""What watches a process while it works: memory, attention, finite numbers, ranks, progress, missing packages.

Nothing here knows about runs, rewards or stages: of qgen, only settings and text are imported.
"""
