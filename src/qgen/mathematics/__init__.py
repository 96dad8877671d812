"""Problems and answers as mathematics: read, checked, computed, and compared.

Nothing here knows of models, files, configs or scores.
"""
