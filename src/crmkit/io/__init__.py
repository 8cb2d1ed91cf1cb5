"""The doors: what comes into crmkit and what goes out.

`folder` reads a folder of files as a `mapping` file says, `formats` holds one module for each file format, `stores` keep records,
and `matching` finds who is there twice.
"""
