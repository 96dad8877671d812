"""A run's model in the formats of other programs: one file for each format, and checks that each holds the same model.

Nothing here trains. Modules that need torch are imported late, so that bad input is refused at once.
"""
