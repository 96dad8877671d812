"""What problems are good for (qgen.teach): a fixed solver is trained on sets of problems, and tested on other problems.

How a solver is trained does not belong here: each training is a job of qgen.train with stage.task=solve.
"""
