// How much a result of the search is worth: as much as Sphinx says, and a word of the glossary that was typed comes first.
var Scorer = {
  score: ([docname, title, anchor, descr, score]) => (anchor.startsWith("#term-") ? score + 85 : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
