"""Everything that can be configured, a file a group of conf/, from a command line to checked plain objects.

Nothing here imports torch or anything that takes seconds, and nothing here does what is configured.
"""
