"""Everything that can be configured, from a command line to checked plain objects: one file for each group of conf/.

Nothing here imports torch, or anything else that takes seconds. Nothing here acts on the settings.
"""
