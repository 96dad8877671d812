"""Teachers of stage 3 other than the model itself: behind an API (client, ledger, questions, lessons), or local."""
