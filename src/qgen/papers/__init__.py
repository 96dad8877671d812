"""Problems fit to be handed out: wishes, the gate, ranks, certificates, and files for people (qgen.generate).

How problems are scored and written does not belong here: rewards and engine have that.
"""
