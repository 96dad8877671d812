"""Problems that can be handed out (qgen.generate): what was asked for, the gate, ranks, certificates, files for people.

How problems are scored and generated does not belong here: rewards and engine have that.
"""
