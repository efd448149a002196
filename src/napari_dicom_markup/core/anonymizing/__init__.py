"""De-identification by PS3.15 Annex E: a profile and a data set make a plan, a plan is applied.

A plan names an action and a rule for each element at every level and holds no value.
"""
