"""What a person reads: the terminal's tables, the HTML page, W&B's dashboard, why two runs differ.

Nothing here measures or trains: it shows what runs have left.
"""
