"""What a run leaves on the disk (its directory, files, checkpoints and trackers), and how it is resumed or repeated.

Nothing here trains. Only checkpoints and environment import torch, so that bad input is refused at once.
"""
