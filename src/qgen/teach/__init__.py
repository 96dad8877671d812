"""What problems are good for: a fixed solver is trained on sets of them, and tested on others (python -m qgen.teach).

How a solver is trained does not belong here: each training is a job of qgen.train with stage.task=solve.
"""
