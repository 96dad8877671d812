"""Whether a problem's answer can be believed: attempts at it and their votes (solver), what program and votes prove
together (proof), and who makes the attempts on this machine (engines).

What a proof is worth while training does not belong here: rewards have that; nor what is printed of one: papers.
"""
