"""The rules of the filter: candidate in, what is wrong with it out, or None.

    form.py        empty_answer, too_short, too_long
    endings.py     truncated_answer
    refusals.py    refusal, cannot_see
    leaks.py       source_leak
    echoes.py      prompt_echo
    markers.py     role_marker, placeholder
    repetition.py  repetition
    language.py    wrong_language
    meaning.py     off_topic, near_duplicate_answer
    table.py       all of them, in the order in which they give their reason

The patterns are English: an answer in another language is judged by the rules on form and meaning alone.
"""
