"""Runs the emitted modules on a device and holds every float32 to those of the CPU.

    python -m on_device --device cuda        writes docs/conformance/<device>.md and .json

It stands on the standard library, NumPy and the framework of each part: a checkout is copied to a
machine without a network, and run there. Nothing of lrgen is imported, what was emitted is judged.

    parts      what there is to run: a framework and a way of calling it, each in its own process
    cases      rows of the vector files, and what a sweep of steps is in NumPy on the CPU
    judge      what was found against what was expected, counted
    in_torch   the ways of PyTorch       } a way takes the cases of one schedule
    in_jax     the ways of JAX           } and yields what it found for each
    in_keras   the ways of Keras         }
    worker     one part: each schedule by its way, one line of JSON for each
    machine    names and versions, without anything that changes from run to run
    report     the two files
    __main__   starts the parts, stops those that take too long, writes the report
"""
