"""What a run leaves on the disk: its directory, files, checkpoints and trackers, and going on from them or again.

Nothing here trains; torch is imported by checkpoints and environment alone, so that a refusal comes at once.
"""
