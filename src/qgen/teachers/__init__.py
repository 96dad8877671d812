"""Teachers of stage 3 other than the model itself: behind an API (client and what it imports, lessons), or local.

What is trained on their lessons, and how, does not belong here: stages have that.
"""
