"""What a person reads: tables in the terminal, the HTML report, the W&B dashboard, and why two runs differ.

Nothing here measures or trains: everything shown comes from the files of runs.
"""
