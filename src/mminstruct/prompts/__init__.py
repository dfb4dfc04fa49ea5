"""Everything that is said to a language model, as files that read as prose.

    standard/   chat prompts, for capable models
    small/      prompts for the embedded model: plain completions and grammars, which a small model needs
    turns.py    how a rendered template is cut into turns that no input can forge
    template.py `load_prompt` and `Prompt.render`: a template and its variables in, a request out

`docs/prompts.md` says how to write one's own.
"""
