"""The teachers of distillation other than the model itself: behind an API (client, lessons), or a local model (local).

How a model is trained on their lessons does not belong here: stages have that.
"""
