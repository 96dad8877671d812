"""Whether a problem's answer can be believed: what the program in a text computes (reading), a solver's attempts at a
problem and their votes (solver), what program and votes prove together (proof), and what runs the solver on this
machine (engines).

How a proof is rewarded does not belong here: rewards have that. How it is printed does not either: papers have that.
"""
