"""What ``lrgen fit`` finds out: which schedule, with which parameters, drew a logged curve.

Nothing is imported here: the options of the command are read without NumPy.
"""
