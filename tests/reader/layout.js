// What a reader of the page would have trouble with: text that is hard to tell from what is behind it,
// and what is wider than the window. Left as JSON in #layout.
const channels = color => color.match(/[\d.]+/g).map(Number);
const over = (front, back) => {
  const [, , , alpha = 1] = front;
  return back.map((channel, i) => alpha * front[i] + (1 - alpha) * channel);
};
const luminance = color => {
  const [r, g, b] = color.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
// The ratio of WCAG 2: 1 to 21.
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const style = element => getComputedStyle(element);
const behind = element => {
  const box = element.parentElement?.querySelector(':scope > rect');
  if (element.tagName === 'text' && box) return channels(style(box).fill).slice(0, 3);
  return channels(style(document.body).backgroundColor).slice(0, 3);
};
const hasText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
const shown = element => element.getClientRects().length > 0 && !element.closest('title');

function judge() {
  const found = { text: 21, shapes: 21, count: 0 };
  for (const element of document.body.querySelectorAll('*')) {
    if (!shown(element)) continue;
    const back = behind(element);
    if (hasText(element)) {
      const color = element.tagName === 'text' ? style(element).fill : style(element).color;
      found.text = Math.min(found.text, contrast(over(channels(color), back), back));
      found.count++;
    }
    if (element.tagName === 'circle' || element.tagName === 'rect') {
      const color = channels(style(element).fill).slice(0, 3).concat(+style(element).opacity);
      const page = channels(style(document.body).backgroundColor).slice(0, 3);
      found.shapes = Math.min(found.shapes, contrast(over(color, page), page));
    }
  }
  return found;
}

// Elements that reach past the page, but for what scrolls by itself.
function tooWide(width) {
  document.documentElement.style.width = `${width}px`;
  return [...document.body.querySelectorAll('*')].filter(element => shown(element) &&
    !element.parentElement.closest('.wide, pre, svg') && element.getBoundingClientRect().right > width)
    .map(element => `${width}: ${element.tagName} ${element.id}`);
}

for (const details of document.querySelectorAll('details')) details.open = true;
const dark = [...document.styleSheets[0].cssRules].find(rule => rule instanceof CSSMediaRule);
const layout = {};
dark.media.mediaText = 'not all';
layout.light = judge();
dark.media.mediaText = 'all';
layout.dark = judge();
layout.wide = [320, 700, 1200].flatMap(tooWide);
document.documentElement.style.width = '1200px';
layout.bars = [...document.querySelectorAll('#sites summary')]
  .filter(bars => bars.getBoundingClientRect().right > 1200).length;
document.body.innerHTML = '<pre id=layout></pre>';
document.getElementById('layout').textContent = JSON.stringify(layout);
