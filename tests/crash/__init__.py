"""The fleet under kill -9: real processes on private stores, load from outside, a nemesis, and a checker that trusts
nothing of ours. `python -m tests.crash --help`; docs/proving.md says what is proved.
"""
