"""A model's scores on known benchmarks, beside published ones; the measuring itself is lmms-eval's.

The files, in the order of an evaluation:

    suite.py        which benchmarks, and what LLaVA-1.5 scored
    tasks.py        those asked for, and those of the user's own folder
    plan.py         where their data will come from
    environment.py  is there an lmms-eval that can run
    model.py        the model's folder, asked with the right prompt
    harness.py      one task in a child process
    failures.py     why a task gave no score, and what to do
    run.py          one task after the other; what is done already is not done again
    table.py        scores, published scores and differences

It is written for lmms-eval 0.7.3.
"""
