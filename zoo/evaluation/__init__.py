"""How good a generator is: scores beside their floor, known failure modes, and the evidence for a card."""

EXTRACTORS = ("efficientnet-lite0", "inception", "classifier")  # by name; commands offer them before anything is loaded
