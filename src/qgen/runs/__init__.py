"""What a run leaves on the disk: its directory, files, checkpoints and trackers, and going on from them or again.

Nothing here trains, and nothing but checkpoints imports torch.
"""
