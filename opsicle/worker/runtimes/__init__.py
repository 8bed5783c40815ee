"""The ways to run a phase.

What each must offer (`protocol`), which there are (`known`), each in a file of its own.
"""
