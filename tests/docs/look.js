// What a reader sees of the page, as it now is.
// Dim is text of less contrast than WCAG asks for: 4.5, or 3 where it is large.
// Colours change at once, not in a transition.
const still = document.createElement("style");
still.textContent = "* { transition: none !important; }";
document.head.append(still);
const parsed = (text) => {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return [r, g, b, a];
};
const linear = (value) => {
  const v = value / 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
};
const luminance = ([r, g, b]) =>
  0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const over = (top, under) =>
  [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
const grounds = new Map();
const ground = (node) => {
  if (!node) return [255, 255, 255];
  if (!grounds.has(node)) {
    const own = parsed(getComputedStyle(node).backgroundColor);
    const behind = ground(node.parentElement);
    grounds.set(node, over(own, behind));
  }
  return grounds.get(node);
};
const dim = new Set();
for (const node of document.querySelectorAll("article *:not(math *, svg *)")) {
  const words = [...node.childNodes].filter((n) => n.nodeType == 3 && n.data.trim());
  if (!words.length || !node.offsetParent || node.matches(".headerlink")) continue;
  const style = getComputedStyle(node);
  const behind = ground(node);
  const ink = luminance(over(parsed(style.color), behind));
  const paper = luminance(behind);
  const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) {
    const text = words[0].data.trim().slice(0, 20);
    dim.add(`${node.tagName} ${node.className} ${ratio.toFixed(2)}: ${text}`);
  }
}
const pictures = [...document.querySelectorAll("article img")]
  .filter((p) => getComputedStyle(p).display != "none")
  .map((p) => p.getAttribute("src"));
return { dim: [...dim], pictures };
