// What does not fit into the window as it now is.
// Material puts each table into a box that scrolls. Within that box is another, which is
// as wide as the table.
const box = (table) => table.closest(".md-typeset__scrollwrap") || table.parentElement;
const tables = [...document.querySelectorAll("article table:not(.highlighttable)")];
const shown = tables.filter((table) => table.offsetParent);
const cut = shown.filter((table) => table.scrollWidth > box(table).clientWidth + 1);
// Words in tables that stand in two lines, where nothing says that they may break.
const manual = document.createElement("style");
manual.textContent = "* { hyphens: manual !important; }";
document.head.append(manual);
const broken = new Set();
for (const table of shown) {
  const texts = document.createTreeWalker(table, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    for (const word of text.data.matchAll(/[\w\u00ad]+/g)) {
      if (word[0].includes("\u00ad")) continue;
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const lines = [...range.getClientRects()].map((r) => Math.round(r.top / 4));
      if (new Set(lines).size > 1) broken.add(word[0]);
    }
  }
}
manual.remove();
return {
  page: document.documentElement.scrollWidth,
  cut: cut.map((table) => table.innerText.slice(0, 40)),
  broken: [...broken],
};
