"""How good a generator is: scores beside their floor, known failure modes, and the evidence for a card."""

# By name, the default first; commands offer them before anything is loaded.
EXTRACTORS = ("efficientnet-lite0", "inception", "dinov2", "classifier")
