"""The English words by which `instruction_form` tells a request from a statement."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAKES = _words(
    """compose craft create design develop draft generate invent make narrate outline pen plan prepare produce propose
    script sketch tell write"""
)
"""Verbs that ask for a piece of work; two of them in two sentences are two instructions."""

ASKS = MAKES | _words(
    """act adapt add advise advertise analyse analyze announce answer arrange ask assemble assess assume brainstorm
    build calculate caption capture categorise categorize celebrate choose cite clarify classify collect combine
    comment compare compile condense consider construct contrast convert convince cook critique debate decide deduce
    define deliver demonstrate describe devise diagnose discuss dramatise dramatize edit elaborate encourage envision
    estimate evaluate examine expand explain explore express extract fill find flag forecast form formulate give grade
    guess guide help highlight hypothesise hypothesize identify illustrate imagine improve infer inspire instruct
    interpret interview introduce investigate judge justify lead let list map mention name note offer organise organize
    paint paraphrase perform persuade picture pitch point ponder portray predict present pretend promote provide
    publish put question rank rate read recite recommend recount reflect reimagine relate rephrase report research
    respond retell reveal review revise rewrite rhyme role-play say script sell set share show sing sketch solve
    speculate stage start state style suggest sum summarise summarize suppose take talk teach think tour trace
    translate transform turn use visualise visualize warn weave welcome"""
)
"""Verbs with which a request may open; others may too, where the sentence does not look like a statement."""

CONTINUES = _words("use include keep make be end begin start avoid focus mention add limit do don't let give")
"""Verbs that open a sentence about how the work is to be done."""

NO_REQUEST = _words(
    """a about after all although an and any are as at because before both but by did do does during each every for
    from had has have he her here his how i if image in into is it its maybe more most my near no not of on one or our
    over perhaps several she since so some such than that the their there these they this those through to two under
    was we were what when where whether which while who whom whose why with without yes you your sure certainly okay
    sorry unfortunately image photo picture instruction"""
)
"""Words with which a statement or a question opens, and a request does not, before its first comma."""

STATES = _words(
    """am are can could did does had has have is looks may might must sees shall should shows sits stands was were will
    would"""
)
"""Verbs that make the sentence a statement when they come second or third."""

LEADS_ON = _words(
    "a an and as because between but from his if into its my of or than the their to very which whose your"
)
"""Words after which a sentence must go on; one that ends with them was cut."""
