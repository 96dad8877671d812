"""Teachers of stage 3 other than the model itself: behind an API (client and what it imports, lessons), or local."""
