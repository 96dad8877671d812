"""Whether a problem's answer can be believed: what a text's program computes (reading), attempts at a problem and their
votes (solver), what program and votes prove together (proof), and who makes the attempts on this machine (engines).

What a proof is worth while training does not belong here: rewards have that; nor what is printed of one: papers.
"""
