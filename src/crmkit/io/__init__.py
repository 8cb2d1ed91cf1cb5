"""The doors: what comes into crmkit and what goes out.

`folder` reads a folder of files as a `mapping` file says, `formats` holds one module for each file format, `importing` plans what
files will do to a store and then does it, and `presets` know the exports of other systems. `stores` keep records, `backup` saves and
brings back a whole store, `matching` finds who is there twice, `sync` keeps another system in step, and `privacy` gives out and
erases what is known of a person.
"""
