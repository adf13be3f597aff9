"""The controller: turns each PointcloudJob into one Job a stage, and tells in its status what became of it.

`model` decides and is pure; `runtime` watches, writes and waits; `handlers` joins the two to kopf.
"""
