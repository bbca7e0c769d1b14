"""Schedules that people have already, read into specs: pasted calls, settings, live objects.

pasted    text            -> Call, plain values    read through a whitelist, never evaluated
settings  dictionaries    -> Call                  what configuration files hold
live      an object       -> Call                  a scheduler of torch, a schedule of Keras
tables    arguments       -> arguments             what the calls of dialects say of them
calls     Call            -> Asked                 whose dialect, with which parameters
wrappers  Call            -> Member                who puts schedules together: basics, warmups,
                                                 shares, concatenations, mmengine
compose   Asked within    -> Document              schedules one after another, products
writing   Document        -> text                  a spec in TOML
"""
