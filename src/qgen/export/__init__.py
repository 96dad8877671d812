"""A run's model in the forms that others take it in: one file a form, and what proves that each holds the same model.

Nothing here trains. What imports torch is imported late, so that a refusal comes at once.
"""
